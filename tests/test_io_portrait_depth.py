"""Depth maps that photos bring with them."""

import base64
import io
import struct

import numpy as np
import pytest
from PIL import Image

from editing.opening import Opening, open_source
from spatia_core.errors import InvalidInput
from spatia_core.io.images import load_photo

W, H = 120, 80
PICTURE = np.random.default_rng(0).integers(0, 255, (H, W, 3), np.uint8)
SHARES = np.linspace(0, 1, 60 * 40).reshape(40, 60)
"""From near to far, at half the photo's size."""
NAMES = (
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:GDepth="http://ns.google.com/photos/1.0/depthmap/"'
)


def map_file(kind: str = "PNG", bits: int = 8) -> str:
    out = io.BytesIO()
    values = np.round(SHARES * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    Image.fromarray(values).save(out, kind)
    return base64.b64encode(out.getvalue()).decode()


def record(**properties: object) -> bytes:
    said = " ".join(f'GDepth:{k}="{v}"' for k, v in properties.items())
    return f'<rdf:RDF {NAMES}><rdf:Description rdf:about="" {said}/></rdf:RDF>'.encode()


def segment(data: bytes) -> bytes:
    return b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data


def photo(*segments: bytes, orientation: int = 1) -> bytes:
    """A JPEG with these APP1 segments."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    Image.fromarray(PICTURE).save(out, "JPEG", exif=exif)
    data = out.getvalue()
    return data[:2] + b"".join(segments) + data[2:]


def main_record(**properties: object) -> bytes:
    return segment(b"http://ns.adobe.com/xap/1.0/\0" + record(**properties))


INVERSE = {"Format": "RangeInverse", "Near": 0.5, "Far": 8.0, "Mime": "image/png"}
EXPECTED = 0.5 * 8 / (8 - SHARES * 7.5)


def small(depth: np.ndarray | None) -> np.ndarray:
    assert depth is not None
    assert depth.shape == (H, W)
    return depth[::2, ::2]


def test_a_map_in_the_photo_s_own_record_is_metres():
    found = load_photo(photo(main_record(**INVERSE, Data=map_file())))
    np.testing.assert_allclose(small(found.depth), EXPECTED, rtol=0.03)
    assert any("its own depth map" in note for note in found.notes)
    linear = INVERSE | {"Format": "RangeLinear", "Near": 500, "Far": 8000, "Units": "mm"}
    found = load_photo(photo(main_record(**linear, Data=map_file("PNG", 16))))
    np.testing.assert_allclose(small(found.depth), 0.5 + 7.5 * SHARES, rtol=1e-3)


def test_a_long_map_is_put_together_from_its_segments_in_any_order():
    long = record(Data=map_file())
    parts = [(at, long[at : at + 150]) for at in range(0, len(long), 150)]
    assert len(parts) > 2
    head = b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 32
    rest = [segment(head + struct.pack(">II", len(long), at) + part) for at, part in reversed(parts)]
    found = load_photo(photo(main_record(**INVERSE), *rest))
    np.testing.assert_allclose(small(found.depth), EXPECTED, rtol=0.03)


def test_the_map_is_turned_upright_with_the_photo():
    found = load_photo(photo(main_record(**INVERSE, Data=map_file()), orientation=6))
    assert found.size == (H, W)
    assert found.depth is not None
    np.testing.assert_allclose(found.depth[::2, ::2], np.rot90(EXPECTED, -1), rtol=0.03)


def test_a_map_of_another_shape_is_left_aside_and_that_is_said():
    out = io.BytesIO()
    Image.fromarray(np.zeros((50, 50), np.uint8)).save(out, "PNG")
    found = load_photo(photo(main_record(**INVERSE, Data=base64.b64encode(out.getvalue()).decode())))
    assert found.depth is None
    assert any("another shape" in note for note in found.notes)


SPACES = " ".join(
    f'xmlns:{name}="http://ns.google.com/photos/dd/1.0/{name.lower()}/"'
    for name in ("Device", "Container", "Item", "Camera", "DepthMap")
)


def container(*files: tuple[str, bytes], elements: bool = False, **properties: object) -> bytes:
    """A photo with files hung on to its end, and what Dynamic Depth says of them."""
    listed = [("primary", 0), *((name, len(data)) for name, data in files)]

    def told(space: str, said: dict[str, object]) -> str:
        if elements:
            return ">" + "".join(f"<{space}:{k}>{v}</{space}:{k}>" for k, v in said.items())
        return "".join(f' {space}:{k}="{v}"' for k, v in said.items()) + ">"

    items = "".join(
        f"<rdf:li><Container:Item{told('Item', {'DataURI': name, 'Mime': 'image/png', 'Length': length})}"
        "</Container:Item></rdf:li>"
        for name, length in listed
    )
    said = {"Format": "RangeInverse", "Near": 0.5, "Far": 8.0, "Units": "Meters", "DepthURI": "android/depthmap"}
    record = (
        f'<rdf:RDF {NAMES} {SPACES}><rdf:Description rdf:about=""><Device:Container><Container:Directory><rdf:Seq>'
        f"{items}</rdf:Seq></Container:Directory></Device:Container>"
        f"<Camera:DepthMap{told('DepthMap', said | properties)}</Camera:DepthMap></rdf:Description></rdf:RDF>"
    )
    own = segment(b"http://ns.adobe.com/xap/1.0/\0" + record.encode())
    return photo(own) + b"".join(data for _, data in files)


MAP = "android/depthmap", base64.b64decode(map_file("PNG", 16))
GAIN = "android/gainmap", b"some other file"


@pytest.mark.parametrize("elements", [False, True])
@pytest.mark.parametrize("files", [(MAP,), (GAIN, MAP), (MAP, GAIN)])
def test_a_map_hung_on_to_the_photo_s_end_is_found_among_the_others(files, elements):
    found = load_photo(container(*files, elements=elements))
    np.testing.assert_allclose(small(found.depth), EXPECTED, rtol=1e-3)
    assert found.size == (W, H)


def test_a_map_of_something_else_is_no_depth():
    assert load_photo(container(MAP, ItemSemantic="Segmentation")).depth is None


@pytest.mark.parametrize("wrong", [{"Far": 0.1}, {"Units": "feet"}, {"Near": "near"}, {"Format": "Other"}])
def test_a_broken_map_at_the_end_is_told_in_a_sentence(wrong):
    with pytest.raises(InvalidInput, match="carries a depth map that cannot be read"):
        load_photo(container(MAP, **wrong))
    with pytest.raises(InvalidInput, match="carries a depth map that cannot be read"):
        load_photo(container((MAP[0], MAP[1][:60])))


@pytest.mark.parametrize("lost", [{"DepthURI": "elsewhere"}, {"DepthURI": "primary"}, {}])
def test_a_map_that_was_cut_off_is_said_and_the_photo_is_used_without(lost):
    whole = container(MAP, **lost)
    found = load_photo(whole if lost else whole[: -len(MAP[1])])
    assert found.depth is None
    assert any("was cut off" in note for note in found.notes)
    assert found.size == (W, H)


def test_photos_without_a_map_have_none():
    assert load_photo(photo()).depth is None
    assert load_photo(photo(main_record(**INVERSE))).depth is None
    assert load_photo(photo(segment(b"http://ns.adobe.com/xap/1.0/\0<x/>"))).depth is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"Near": 9.0},
        {"Near": 0},
        {"Near": "near"},
        {"Far": "inf"},
        {"Format": "Other"},
        {"Units": "feet"},
        {"Data": "!!!"},
        {"Data": base64.b64encode(b"no picture").decode()},
    ],
)
def test_a_broken_map_is_told_in_a_sentence(wrong):
    with pytest.raises(InvalidInput, match="carries a depth map that cannot be read"):
        load_photo(photo(main_record(**(INVERSE | {"Data": map_file()} | wrong))))


def test_a_record_with_entities_is_refused():
    bomb = b'<!DOCTYPE x [<!ENTITY a "photos/1.0/depthmap/">]><x>&a;</x>'
    with pytest.raises(InvalidInput, match="cannot be read"):
        load_photo(photo(segment(b"http://ns.adobe.com/xap/1.0/\0" + bomb)))


class NoEstimate:
    """No depth is estimated where one is given."""

    name = "none"

    def estimate(self, image, K=None):
        raise AssertionError("asked for an estimate")


def test_a_session_opened_with_such_a_photo_uses_its_depth(tmp_path):
    data = photo(main_record(**INVERSE, Data=map_file()))
    source = open_source(Opening(data, size=(W, H)), NoEstimate())
    np.testing.assert_allclose(source.prediction.depth.depth[::2, ::2], EXPECTED, rtol=0.03)
    np.save(tmp_path / "own.npy", np.full((H, W), 3.0, np.float32))
    source = open_source(Opening(data, tmp_path / "own.npy", size=(W, H)), NoEstimate())
    np.testing.assert_allclose(source.prediction.depth.depth, 3.0)
