import contextlib
import io
import os
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from spatia_core.errors import InvalidInput
from spatia_core.io.fitting import Fit, fit, working_size
from spatia_core.io.images import load_mask, load_photo, save_png

W, H = 120, 80
_y, _x = np.mgrid[0:H, 0:W]
PICTURE = np.stack([_x * 2, _y * 3, 255 - _x], axis=2).astype(np.uint8)


def encoded(picture: Image.Image | np.ndarray, form: str = "png", **options) -> bytes:
    out = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(out, form, **options)
    return out.getvalue()


def exif(orientation: int = 1, **tags: float) -> Image.Exif:
    out = Image.Exif()
    out[0x0112] = orientation
    names = {"f35": 0xA405, "focal": 0x920A, "resolution": 0xA20E, "unit": 0xA210, "wide": 0xA002, "high": 0xA003}
    out.get_ifd(0x8769).update({names[k]: v for k, v in tags.items()})
    return out


WHOLE = encoded(np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8))


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b).mean())


def test_a_plain_photo_comes_back_untouched():
    photo = load_photo(encoded(PICTURE))
    np.testing.assert_array_equal(photo.image, PICTURE)
    assert (photo.size, photo.original_size, photo.K, photo.notes) == ((W, H), (W, H), None, ())


@pytest.mark.parametrize("form", ["png", "jpeg", "webp", "tiff", "bmp", "gif"])
def test_every_accepted_form_is_read(form):
    assert difference(load_photo(encoded(PICTURE, form)).image, PICTURE) < 8


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "CMYK", "LAB", "HSV"])
def test_colour_modes_become_rgb(mode):
    picture = Image.fromarray(PICTURE)
    if mode == "LAB":
        picture = ImageCms.profileToProfile(
            picture, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
        assert picture is not None
    form = {"P": "png", "HSV": "bmp"}.get(mode, "tiff")
    photo = load_photo(encoded(picture.convert("RGB") if mode == "HSV" else picture.convert(mode), form))
    assert photo.image.shape == (H, W, 3)
    assert difference(photo.image, PICTURE) < 20


@pytest.mark.parametrize("mode", ["L", "LA", "1", "I;16"])
def test_grey_modes_become_grey_rgb(mode):
    grey = Image.fromarray(PICTURE[..., 0])
    if mode == "I;16":
        grey = Image.fromarray(PICTURE[..., 0].astype(np.uint16) * 257)
    photo = load_photo(encoded(grey if mode == "I;16" else grey.convert(mode)))
    assert (photo.image[..., 0] == photo.image[..., 2]).all()
    assert mode == "1" or difference(photo.image[..., 0], PICTURE[..., 0]) < 1


def test_a_16_bit_colour_png_is_read():
    rows = b"".join(b"\0" + r.astype(">u2").tobytes() for r in PICTURE.astype(np.uint16) * 257)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    head = W.to_bytes(4, "big") + H.to_bytes(4, "big") + bytes([16, 2, 0, 0, 0])
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert difference(load_photo(data).image, PICTURE) < 1


def test_a_float_picture_is_taken_as_0_to_1():
    photo = load_photo(encoded(Image.fromarray((PICTURE[..., 0] / 255).astype(np.float32)), "tiff"))
    assert difference(photo.image[..., 0], PICTURE[..., 0]) < 1


def test_transparency_is_laid_on_white_and_said():
    layers = np.dstack([PICTURE, np.where(_x < W // 2, 255, 0).astype(np.uint8)])
    photo = load_photo(encoded(layers))
    np.testing.assert_array_equal(photo.image[:, : W // 2], PICTURE[:, : W // 2])
    assert (photo.image[:, W // 2 :] == 255).all()
    assert "white" in photo.notes[0]


def test_of_an_animation_the_first_picture_is_taken_and_said():
    frames = [Image.fromarray(np.full((H, W, 3), v, np.uint8)) for v in (250, 5)]
    photo = load_photo(encoded(frames[0], "gif", save_all=True, append_images=frames[1:]))
    assert photo.image.min() > 200
    assert "first" in photo.notes[0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright(orientation):
    stored = {
        1: PICTURE,
        2: PICTURE[:, ::-1],
        3: PICTURE[::-1, ::-1],
        4: PICTURE[::-1],
        5: PICTURE.swapaxes(0, 1),
        6: np.rot90(PICTURE, 1),
        7: np.rot90(PICTURE, 2).swapaxes(0, 1),
        8: np.rot90(PICTURE, -1),
    }[orientation]
    photo = load_photo(encoded(np.ascontiguousarray(stored), "png", exif=exif(orientation)))
    np.testing.assert_array_equal(photo.image, PICTURE)


def test_an_embedded_colour_profile_is_applied():
    lab = Image.fromarray(PICTURE)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert difference(load_photo(encoded(lab, icc_profile=profile)).image, PICTURE) < 1


def test_a_broken_colour_profile_is_said_and_passed_over():
    photo = load_photo(encoded(PICTURE, icc_profile=b"no profile"))
    np.testing.assert_array_equal(photo.image, PICTURE)
    assert "profile" in photo.notes[0]


def test_the_35_mm_equivalent_gives_the_focal_length():
    K = load_photo(encoded(PICTURE, "jpeg", exif=exif(f35=28))).K
    assert K is not None
    assert K[0, 0] == K[1, 1] == pytest.approx(28 / np.hypot(36, 24) * np.hypot(W, H))
    assert (K[0, 2], K[1, 2]) == (W / 2, H / 2)


def test_focal_length_and_sensor_give_it_too():
    tags = {"focal": 5.0, "resolution": 240.0, "unit": 4, "wide": 1200, "high": 800}
    K = load_photo(encoded(PICTURE, "jpeg", exif=exif(**tags))).K
    assert K is not None
    assert K[0, 0] == pytest.approx(5 * 240 / 10, rel=1e-3)


def test_a_turned_photo_keeps_its_focal_length():
    K = load_photo(encoded(PICTURE, "jpeg", exif=exif(6, f35=28))).K
    assert K is not None
    assert (K[0, 2], K[1, 2]) == (H / 2, W / 2)


def test_a_cropped_photo_has_lost_its_focal_length():
    assert load_photo(encoded(PICTURE, "jpeg", exif=exif(f35=28, wide=4000, high=3000))).K is None


def test_an_impossible_focal_length_is_not_used():
    photo = load_photo(encoded(PICTURE, "jpeg", exif=exif(f35=60000)))
    assert photo.K is None
    assert "cannot be right" in photo.notes[0]


def test_a_40_megapixel_photo_is_reduced_and_its_lens_follows():
    big = Image.fromarray(PICTURE).resize((7680, 5120))
    photo = load_photo(encoded(big, "jpeg", quality=50, exif=exif(f35=28)))
    w, h = photo.size
    assert w * h <= 8_100_000
    assert photo.original_size == (7680, 5120)
    assert photo.K is not None
    assert photo.K[0, 0] == pytest.approx(28 / np.hypot(36, 24) * np.hypot(w, h))
    assert any("reduced" in note for note in photo.notes)


def png_header(w: int, h: int) -> bytes:
    body = b"IHDR" + w.to_bytes(4, "big") + h.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    return WHOLE[:12] + body + zlib.crc32(body).to_bytes(4, "big") + WHOLE[33:]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"this is no picture", "not a picture"),
        (WHOLE[: len(WHOLE) // 2], "damaged or cut off"),
        (encoded(PICTURE, "jpeg")[:900], "damaged or cut off"),
        (encoded(PICTURE[:63]), "at least 64 pixels"),
        (png_header(20_000, 20_000), "megapixels"),
        (png_header(12_000, 9_000), "108 megapixels"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "HEIC"),
        (bytes(50_000_001), "50.0 MB"),
    ],
    ids=["empty", "text", "cut png", "cut jpeg", "small", "bomb", "108 MP", "heic", "51 MB"],
)
def test_what_is_no_usable_photo_is_refused_in_one_sentence(data, says):
    with pytest.raises(InvalidInput, match=says) as error:
        load_photo(data)
    assert "Traceback" not in str(error.value)
    assert str(error.value).endswith(".")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "nothing.jpg", tmp_path):
        with pytest.raises(InvalidInput, match="no photo file"):
            load_photo(path)


@given(st.binary(min_size=1, max_size=200), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a"]))
def test_any_bytes_give_a_photo_or_a_sentence(body, magic):
    with pytest.raises(InvalidInput):
        load_photo(magic + body)


@given(st.integers(8, 600), st.data())
def test_a_jpeg_with_flipped_bits_gives_a_photo_or_a_sentence(position, data):
    broken = bytearray(encoded(PICTURE, "jpeg"))
    broken[position % len(broken)] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(InvalidInput):
        assert load_photo(bytes(broken)).image.dtype == np.uint8


# masks


def test_light_pixels_are_the_mask():
    values = np.where(_x < 50, 255, 0).astype(np.uint8)
    np.testing.assert_array_equal(load_mask(encoded(values), (W, H)), _x < 50)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "I;16"])
def test_masks_of_every_mode_say_the_same(mode):
    values = np.where(_x < 50, 255, 0).astype(np.uint8)
    picture = Image.fromarray(values.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(values)
    picture = picture if mode == "I;16" else picture.convert(mode)
    np.testing.assert_array_equal(load_mask(encoded(picture)), _x < 50)


def test_of_a_transparent_drawing_the_opaque_part_is_the_mask():
    layers = np.zeros((H, W, 4), np.uint8)
    layers[:, :50, 3] = 255
    np.testing.assert_array_equal(load_mask(encoded(layers)), _x < 50)


def test_a_mask_of_small_numbers_marks_what_is_not_zero():
    np.testing.assert_array_equal(load_mask(encoded((_x < 50).astype(np.uint8))), _x < 50)


def test_an_all_black_mask_is_empty():
    assert not load_mask(encoded(np.zeros((H, W), np.uint8))).any()


def test_a_mask_of_another_size_is_refused_with_both_sizes():
    with pytest.raises(InvalidInput, match=r"120x80.*416x240"):
        load_mask(encoded(PICTURE), (416, 240))


@pytest.mark.parametrize("data", [b"", b"text", WHOLE[: len(WHOLE) // 2]])
def test_a_broken_mask_is_refused(data):
    with pytest.raises(InvalidInput, match=r"mask|picture"):
        load_mask(data)


@pytest.mark.parametrize("pixels", [PICTURE, PICTURE[..., 0], np.dstack([PICTURE, PICTURE[..., :1]])])
def test_a_saved_png_reads_back(tmp_path, pixels):
    save_png(tmp_path / "a" / "b.png", pixels)
    with Image.open(tmp_path / "a" / "b.png") as picture:
        np.testing.assert_array_equal(np.asarray(picture), pixels)


def test_a_saved_mask_reads_back(tmp_path):
    save_png(tmp_path / "m.png", _x < 50)
    np.testing.assert_array_equal(load_mask(tmp_path / "m.png", (W, H)), _x < 50)


def test_a_failed_save_leaves_no_file(tmp_path):
    with pytest.raises(InvalidInput, match="float64"):
        save_png(tmp_path / "a.png", np.zeros((4, 4)))
    with pytest.raises((TypeError, ValueError)):
        save_png(tmp_path / "a.png", np.zeros((4, 4, 7), np.uint8))
    assert os.listdir(tmp_path) == []


# fitting

sizes = st.tuples(st.integers(64, 5000), st.integers(64, 5000))


@given(sizes, st.tuples(st.integers(16, 1280), st.integers(16, 1280)))
def test_a_fit_covers_the_target_without_leaving_the_photo(photo, target):
    left, top, right, bottom = Fit(photo, target).window
    assert -1e-6 <= left < right <= photo[0] + 1e-6
    assert -1e-6 <= top < bottom <= photo[1] + 1e-6
    assert (right - left) / (bottom - top) == pytest.approx(target[0] / target[1], rel=1e-6)
    assert left == pytest.approx(photo[0] - right, abs=1e-6)


@given(sizes, st.tuples(st.integers(16, 1280), st.integers(16, 1280)))
def test_points_go_to_working_pixels_and_back(photo, target):
    f = Fit(photo, target)
    points = np.array([[0.0, 0.0], [photo[0] / 2, photo[1] / 2], [13.5, 7.25]])
    np.testing.assert_allclose(f.to_photo(f.to_working(points)), points, atol=1e-6)
    np.testing.assert_allclose(f.to_working(points)[1], [target[0] / 2, target[1] / 2], atol=1e-6)


def test_the_lens_follows_the_fit():
    f = Fit((200, 100), (50, 50))
    K = np.array([[150.0, 0, 100], [0, 150, 50], [0, 0, 1]])
    np.testing.assert_allclose(f.intrinsics_to_working(K), [[75, 0, 25], [0, 75, 25], [0, 0, 1]])
    np.testing.assert_allclose(f.intrinsics_to_photo(f.intrinsics_to_working(K)), K)


def test_fitting_crops_the_middle():
    photo = load_photo(encoded(PICTURE))
    image, K, f = fit(photo, H, H)
    np.testing.assert_array_equal(image, PICTURE[:, 20:100])
    assert K is None
    assert f.offset == (20, 0)


def test_maps_and_pictures_are_fitted_alike():
    f = Fit((W, H), (60, 40))
    shrunk = f.of_map(PICTURE[..., 0])
    assert shrunk.shape == (40, 60)
    assert difference(shrunk, f.of_image(PICTURE)[..., 0]) < 3


def test_fitting_a_picture_of_another_size_is_refused():
    with pytest.raises(InvalidInput, match="120x80"):
        Fit((100, 100), (50, 50)).of_image(PICTURE)


@given(sizes)
def test_the_working_size_keeps_the_aspect_and_the_budget(size):
    w, h = working_size(*size)
    assert w % 16 == h % 16 == 0
    assert w * h <= 832 * 480 * 1.15
    assert w <= size[0] + 8
    assert h <= size[1] + 8
    if 1 / 3 < size[0] / size[1] < 3 and min(size) > 300:
        assert w / h == pytest.approx(size[0] / size[1], rel=0.05)


@pytest.mark.parametrize(
    ("size", "expected"), [((832, 480), (832, 480)), ((4000, 3000), (736, 544)), ((64, 64), (64, 64))]
)
def test_known_working_sizes(size, expected):
    assert working_size(*size) == expected
