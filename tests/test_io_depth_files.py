import io

import numpy as np
import OpenEXR
import pytest
from PIL import Image

from spatia_core.errors import InvalidInput
from spatia_core.io.depth_files import load_depth, load_intrinsics

W, H = 40, 30
DEPTH = np.linspace(0.5, 6, W * H).reshape(H, W).astype(np.float32)


def saved(path, values, kind="npy"):
    if kind == "npy":
        np.save(path, values)
    elif kind == "png":
        Image.fromarray(values).save(path)
    return path


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_numpy_file_is_taken_as_it_is(tmp_path, dtype):
    given = load_depth(saved(tmp_path / "d.npy", DEPTH.astype(dtype)), (W, H))
    np.testing.assert_allclose(given.depth, DEPTH, rtol=2e-3)
    assert given.depth.dtype == np.float32
    assert not given.metric
    assert given.notes == ()


@pytest.mark.parametrize("shape", [(1, H, W), (H, W, 1), (1, 1, H, W)])
def test_axes_of_length_one_do_not_matter(tmp_path, shape):
    assert load_depth(saved(tmp_path / "d.npy", DEPTH.reshape(shape)), (W, H)).depth.shape == (H, W)


def test_a_16_bit_png_is_in_millimetres(tmp_path):
    values = np.rint(DEPTH * 1000).astype(np.uint16)
    given = load_depth(saved(tmp_path / "d.png", values, "png"), (W, H))
    np.testing.assert_allclose(given.depth, DEPTH, atol=6e-4)
    assert given.metric


def test_an_archive_may_hold_one_array_or_one_called_depth(tmp_path):
    np.savez(tmp_path / "one.npz", DEPTH)
    np.savez(tmp_path / "named.npz", depth=DEPTH, mask=DEPTH > 1)
    np.savez(tmp_path / "two.npz", a=DEPTH, b=DEPTH)
    for name in ("one", "named"):
        np.testing.assert_array_equal(load_depth(tmp_path / f"{name}.npz", (W, H)).depth, DEPTH)
    with pytest.raises(InvalidInput, match="2 arrays"):
        load_depth(tmp_path / "two.npz", (W, H))


def test_nan_infinite_zero_and_negative_pixels_are_unknown(tmp_path):
    values = DEPTH.copy()
    values[0, :4] = np.nan, np.inf, 0, -1
    depth = load_depth(saved(tmp_path / "d.npy", values), (W, H)).depth
    assert np.isnan(depth[0, :4]).all()
    assert np.isfinite(depth).sum() == W * H - 4


def test_all_equal_depth_is_fine(tmp_path):
    assert (load_depth(saved(tmp_path / "d.npy", np.full((H, W), 2.0)), (W, H)).depth == 2).all()


def test_a_map_of_the_same_shape_is_brought_to_size_and_said(tmp_path):
    given = load_depth(saved(tmp_path / "d.npy", DEPTH), (2 * W, 2 * H))
    np.testing.assert_array_equal(given.depth, DEPTH.repeat(2, 0).repeat(2, 1))
    assert "40x30" in given.notes[0]
    assert "80x60" in given.notes[0]


def test_a_map_of_another_shape_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match=r"40x30, the photo 40x40"):
        load_depth(saved(tmp_path / "d.npy", DEPTH), (40, 40))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (-DEPTH, "negative values only"),
        (np.zeros((H, W)), "0.0%"),
        (np.full((H, W), np.nan), "2% is needed"),
        (np.zeros(7), r"\(h, w\)"),
        (np.zeros((H, W, 3)), r"\(h, w\)"),
        (np.zeros((0, 5)), r"\(h, w\)"),
        (np.full((H, W), "a"), "numbers"),
        (np.full((H, W), 1j), "numbers"),
        (np.full((H, W), 1e300), "0.0%"),
    ],
    ids=["negative", "zero", "nan", "1d", "rgb", "empty", "text", "complex", "overflow"],
)
def test_what_is_no_depth_is_refused(tmp_path, values, says):
    with pytest.raises(InvalidInput, match=says):
        load_depth(saved(tmp_path / "d.npy", values), (W, H))


def test_a_pickled_array_is_never_opened(tmp_path):
    np.save(tmp_path / "d.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "d.npz", np.array([{"a": 1}], dtype=object))
    for name in ("d.npy", "d.npz"):
        with pytest.raises(InvalidInput, match="not a plain"):
            load_depth(tmp_path / name, (W, H))


@pytest.mark.parametrize("name", ["d.npy", "d.npz", "d.png", "d.exr", "d.tif"])
@pytest.mark.parametrize("data", [b"", b"nonsense", b"PK\x03\x04nonsense", b"\x93NUMPY\x01\x00"])
def test_broken_files_give_a_sentence(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InvalidInput):
        load_depth(tmp_path / name, (W, H))


def test_an_8_bit_picture_is_too_coarse(tmp_path):
    with pytest.raises(InvalidInput, match="8-bit"):
        load_depth(saved(tmp_path / "d.png", np.zeros((H, W), np.uint8), "png"), (W, H))


# lenses


@pytest.mark.parametrize(
    "text",
    [
        "500 510 320 240",
        "[500, 510, 320, 240]\n",
        "0.78125 1.0625 0.5 0.5",
        "500 0 320\n0 510 240\n0 0 1\n",
        "# fx fy cx cy of camera 2\n5e2 510.0 320 240",
    ],
)
def test_a_lens_is_read_in_every_accepted_form(text):
    K = load_intrinsics(text.encode(), (640, 480))
    np.testing.assert_allclose(K, [[500, 0, 320], [0, 510, 240], [0, 0, 1]])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("500 500 320", "3 numbers"),
        ("0 500 320 240", "greater than 0"),
        ("500 500 32000 240", "far outside"),
        ("500 0 320 1 510 240 0 0 1", "not a camera matrix"),
    ],
)
def test_what_is_no_lens_is_refused(text, says):
    with pytest.raises(InvalidInput, match=says):
        load_intrinsics(io.BytesIO(text.encode()).getvalue(), (640, 480))


# EXR


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (("Z",), "Z"),
        (("R", "G", "B", "depth.Z"), "depth.Z"),
        (("A", "Depth"), "Depth"),
        (("Y",), "Y"),
        (("distance",), "distance"),
    ],
)
def test_the_depth_of_an_exr_file_is_found_by_its_channel(tmp_path, names, wanted):
    channels = {n: DEPTH if n == wanted else np.full_like(DEPTH, 7) for n in names}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, channels).write(str(tmp_path / "d.exr"))
    np.testing.assert_allclose(load_depth(tmp_path / "d.exr", (W, H)).depth, DEPTH)


def test_an_exr_file_whose_depth_cannot_be_told_is_refused(tmp_path):
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"one": DEPTH, "two": DEPTH}).write(str(tmp_path / "d.exr"))
    with pytest.raises(InvalidInput, match="call the one with depth Z"):
        load_depth(tmp_path / "d.exr", (W, H))
