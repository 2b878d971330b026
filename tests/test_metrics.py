import cv2
import numpy as np
import pytest

from spatia_core import metrics, se3
from spatia_core.errors import InvalidInput
from spatia_core.frames import Clip
from tests.scenes import make_scene
from tests.values import MISSHAPEN, camera

RNG = np.random.default_rng(0)
A = RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8)
B = np.clip(A.astype(int) + RNG.integers(-20, 21, A.shape), 0, 255).astype(np.uint8)
GREY = np.full((40, 50, 3), 100, np.uint8)
LEFT = np.zeros((40, 50), dtype=bool)
LEFT[:, :25] = True


def test_psnr_of_a_known_error():
    assert metrics.psnr(GREY, GREY + np.uint8(10)) == pytest.approx(10 * np.log10(255**2 / 100))


def test_equal_pictures_score_the_cap():
    assert metrics.psnr(A, A) == metrics.PSNR_CAP
    assert metrics.ssim(A, A) == pytest.approx(1)


def test_psnr_looks_at_the_masked_pixels_only():
    spoiled = np.where(LEFT[..., None], A, 0)
    assert metrics.psnr(A, spoiled, LEFT) == metrics.PSNR_CAP
    assert metrics.psnr(A, spoiled, ~LEFT) < 15


def test_nothing_to_compare_scores_nan():
    assert np.isnan(metrics.psnr(A, B, np.zeros_like(LEFT)))
    assert np.isnan(metrics.ssim(A, B, np.zeros_like(LEFT)))


def test_psnr_takes_whole_films():
    film = np.stack([A, B])
    assert metrics.psnr(film, film[::-1]) == pytest.approx(metrics.psnr(A, B))


def test_psnr_and_ssim_equal_the_library_everybody_uses():
    library = pytest.importorskip("skimage.metrics")
    assert metrics.psnr(A, B) == pytest.approx(library.peak_signal_noise_ratio(A, B))
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    room = make_scene(1).render(make_scene(1).start(120, 80)).image
    for x, y in ((A, B), (room, room[::-1].copy())):
        theirs = library.structural_similarity(x, y, channel_axis=2, **options)
        assert metrics.ssim(x, y) == pytest.approx(theirs, abs=1e-6)


def test_a_masked_ssim_does_not_see_far_damage():
    spoiled = A.copy()
    spoiled[:, 40:] = 0
    assert metrics.ssim(A, spoiled, LEFT) == pytest.approx(1)
    assert metrics.ssim(A, spoiled) < 0.95


def test_pictures_to_compare_have_one_shape():
    with pytest.raises(MISSHAPEN):
        metrics.psnr(A, A[:10])
    with pytest.raises(InvalidInput, match="11x11"):
        metrics.ssim(A[:10], A[:10])


def test_outside_psnr_ignores_the_edit():
    edited = A.copy()
    edited[LEFT] = 0
    assert metrics.outside_psnr(A, edited, LEFT) == metrics.PSNR_CAP


def test_residue_is_the_share_of_the_thing_that_is_still_there():
    before = GREY.copy()
    before[LEFT] = 200
    assert metrics.residue(before, GREY, before, LEFT) == 1.0
    assert metrics.residue(before, GREY, GREY, LEFT) == 0.0
    half = before.copy()
    half[:20] = 100
    assert metrics.residue(before, GREY, half, LEFT) == 0.5


def test_what_looks_like_the_background_cannot_be_residue():
    before = GREY.copy()
    before[LEFT] = 110
    assert metrics.residue(before, GREY, before, LEFT) == 0.0


def test_residue_forgives_small_changes_of_light():
    before = GREY.copy()
    before[LEFT] = 200
    assert metrics.residue(before, GREY, np.where(LEFT[..., None], 207, GREY).astype(np.uint8), LEFT) == 1.0
    assert metrics.residue(before, GREY, np.where(LEFT[..., None], 209, GREY).astype(np.uint8), LEFT) == 0.0


def test_a_clip_that_comes_back_to_the_same_picture_scores_full():
    view = camera(50, 40)
    score = metrics.closed_loop(Clip(np.stack([A, B, A]), (view, view.zoomed(2), view)))
    assert (score.psnr, score.ssim) == (metrics.PSNR_CAP, pytest.approx(1))


def test_a_clip_that_does_not_come_back_has_no_loop_score():
    view = camera(50, 40)
    with pytest.raises(InvalidInput, match="first one again"):
        metrics.closed_loop(Clip(np.stack([A, B]), (view, view.zoomed(2))))


def test_pose_errors_are_degrees_and_scene_units():
    a = camera()
    b = a.moved(se3.exp(np.array([0, np.deg2rad(3), 0, 0, 0, 0])) @ se3.translation(np.array([-3.0, 0, 4])))
    assert metrics.rotation_error(a.w2c, b.w2c) == pytest.approx(3)
    assert metrics.translation_error(a, b) == pytest.approx(5)


def test_a_picture_finds_all_its_features_again_and_a_foreign_one_next_to_none():
    rng = np.random.default_rng(1)
    a, b = (
        cv2.resize(rng.integers(0, 255, (30, 40, 3), np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC) for _ in "ab"
    )
    assert metrics.match_accuracy(a, a) == 1
    assert metrics.match_accuracy(a, b) < 0.05
    half = np.where(np.arange(320)[None, :, None] < 160, a, b)
    assert 0.3 < metrics.match_accuracy(a, half) < 0.7
    assert np.isnan(metrics.match_accuracy(np.zeros_like(a), a)), "nothing to find"
    assert metrics.match_accuracy(a, np.zeros_like(a)) == 0
