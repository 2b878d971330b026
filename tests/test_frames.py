import numpy as np
import pytest

from spatia_core.errors import InvalidInput
from spatia_core.frames import Clip, DepthMap, Frame
from tests.values import camera

PICTURES = np.zeros((3, 48, 64, 3), np.uint8)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.inf])
def test_depth_must_be_finite_and_positive_where_known(bad):
    depth = np.ones((4, 4), np.float32)
    depth[0, 0] = bad
    with pytest.raises(InvalidInput, match="finite and greater than 0"):
        DepthMap(depth, "given")


def test_unknown_depth_is_allowed_everywhere():
    assert np.isnan(DepthMap(np.full((2, 2), np.nan, np.float32), "given").depth).all()


def test_a_frame_has_its_cameras_size():
    with pytest.raises(InvalidInput, match="its camera expects"):
        Frame(np.zeros((5, 5, 3), np.uint8), camera())


def test_a_clip_has_one_camera_a_frame():
    with pytest.raises(InvalidInput, match="one camera per frame, got 2 for 3"):
        Clip(PICTURES, (camera(), camera()))


def test_a_clip_has_frames():
    with pytest.raises(InvalidInput, match="needs frames"):
        Clip(PICTURES[:0], ())


def test_a_clip_gives_its_frames_in_order():
    cameras = tuple(camera().zoomed(k) for k in (1, 2, 3))
    clip = Clip(PICTURES + np.arange(3, dtype=np.uint8)[:, None, None, None], cameras, fps=12)
    assert [(int(f.image[0, 0, 0]), f.camera) for f in clip] == list(enumerate(cameras))
    assert clip.seconds == 0.25


def test_the_pictures_of_a_clip_cannot_be_painted_over():
    with pytest.raises(ValueError, match="read-only"):
        Clip(PICTURES, (camera(),) * 3).images[0] = 1
