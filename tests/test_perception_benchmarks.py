"""The benchmarks of depth, clicks and novel views judge what they claim to judge."""

import cv2
import numpy as np
import pytest

from benchmarks import depth, novel_view, segment
from spatia_core.camera import Camera


def ground(height=60, width=80):
    """Inverse depth of a floor seen from above it, growing downwards, with a box on it."""
    inverse = np.broadcast_to((0.1 + np.arange(height)[:, None] / height), (height, width)).copy()
    inverse[20:50, 30:50] = inverse[50, 0]
    return inverse


def test_depth_that_is_right_up_to_scale_and_shift_is_perfect():
    truth = ground()
    truth[:5] = np.nan
    assert depth.score(3 * ground() + 0.5, truth) == pytest.approx((0, 1), abs=1e-9)


def test_a_constant_is_worse_than_the_ramp_on_a_floor_and_the_ramp_misses_the_box():
    image = np.zeros((60, 80, 3), np.uint8)
    constant, ramp = (depth.score(f(image), ground()) for f in (depth.constant, depth.ramp))
    assert constant[0] > ramp[0] > 0.02
    assert constant[1] < ramp[1] < 1


def test_depth_edges_count_only_beside_image_edges():
    image = np.zeros((60, 80, 3), np.uint8)
    image[:, 40:] = 255
    at_edge, elsewhere = (np.where(np.arange(80) < x, 1.0, 2.0) * np.ones((60, 1)) for x in (40, 60))
    assert depth.edge_share(at_edge, image) == 1
    assert depth.edge_share(elsewhere, image) == 0
    assert np.isnan(depth.edge_share(np.ones((60, 80)), image))


def test_a_folder_of_photos_with_depth_and_disparity_is_measured(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        cv2.imwrite(str(tmp_path / f"{name}.jpg"), rng.integers(0, 255, (60, 80, 3), np.uint8))
    np.save(tmp_path / "a.npy", (1 / ground()).astype(np.float32))
    np.save(tmp_path / "b.disparity.npy", ground().astype(np.float32))
    (tmp_path / "a.K.txt").write_text("70 70 40 30\n")
    figures = depth.measure(tmp_path, "nano")
    wanted = {"backend", "images", "delta1", "absrel", "better_than_ramp", "ramp", "edge2px", "seconds"}
    assert wanted <= set(figures)
    assert figures["images"] == 2
    a, b = depth.examples(tmp_path)
    assert a.K is not None
    assert b.K is None
    np.testing.assert_allclose(a.inverse, b.inverse, rtol=1e-5)


def disc():
    y, x = np.mgrid[:60, :80]
    thing = (x - 40) ** 2 + (y - 30) ** 2 < 15**2
    known = np.ones((60, 80), bool)
    known[:, :3] = False
    return segment.Example("disc", np.zeros((60, 80, 3), np.uint8), thing, known)


def test_a_perfect_segmenter_needs_one_click_and_ignored_pixels_do_not_count():
    example = disc()
    figures = segment.measure(lambda _: lambda prompt: example.thing | ~example.known, [example])
    assert figures["iou1"] == figures["iou_box"] == 1
    assert figures["noc85"] == figures["noc90"] == 1


def test_a_segmenter_that_never_arrives_counts_twenty_clicks_and_is_clicked_at_different_places():
    seen = []

    def predict(prompt):
        seen.append(prompt)
        return np.zeros((60, 80), bool)

    figures = segment.measure(lambda _: predict, [disc()])
    assert figures["noc85"] == segment.MOST
    assert figures["iou5"] == 0
    places = max((p.points for p in seen), key=len)
    assert len(places) == segment.MOST == len(np.unique(places, axis=0))
    assert np.abs(places[0] - [40.5, 30.5]).max() <= 1


def test_a_wrong_part_is_clicked_away():
    signs = []

    def predict(prompt):
        signs.append(prompt.positive)
        return np.ones((60, 80), bool)

    segment.clicked(predict, disc())
    assert signs[1].tolist() == [True, False]


def test_plain_grabcut_finds_a_bright_disc_in_its_box():
    example = disc()
    image = example.image.copy()
    image[example.thing] = (250, 240, 30)
    image += np.random.default_rng(0).integers(0, 5, image.shape, np.uint8)
    example = segment.Example("disc", image, example.thing, example.known)
    assert segment.boxed(segment.grabcut_start(image), example) > 0.9


def shot(place=(0.0, 0.0, 0.0)):
    """A textured wall two metres away."""
    rng = np.random.default_rng(1)
    wall = cv2.GaussianBlur(rng.integers(0, 255, (400, 400, 3), np.uint8), (0, 0), 3)
    K = np.array([[100.0, 0, 40], [0, 100, 30], [0, 0, 1]])
    w2c = np.eye(4)
    w2c[:3, 3] = -np.array(place)
    x0, y0 = round(100 + place[0] * 50), round(100 + place[1] * 50)
    image = np.ascontiguousarray(wall[y0 : y0 + 60, x0 : x0 + 80])
    return novel_view.Shot(image, np.full((60, 80), 2, np.float32), Camera(K, w2c, 80, 60))


def test_on_a_wall_the_plane_and_the_true_depth_give_the_other_photo():
    source, target = shot(), shot((0.1, 0, 0))
    visible = novel_view.seen_by_both(source, target)
    assert 0.9 < visible.mean() < 1
    assert not visible[:, -5:].any()
    for picture, seen in (
        novel_view.by_plane(source, target.camera),
        novel_view.moved(source, source.depth, target.camera),
    ):
        assert novel_view.metrics.psnr(picture, target.image, visible & seen) > 35


def test_a_ramp_is_fitted_to_the_scale_of_what_was_measured():
    truth = (1 / ground()).astype(np.float32)
    out = novel_view.fitted(novel_view.ramp(np.zeros((60, 80, 3), np.uint8), shot().camera), truth)
    assert 0.8 < np.median(out / truth) < 1.2
