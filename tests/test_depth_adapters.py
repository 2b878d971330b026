"""Depth Anything with tiny random weights, MapAnything with a stand-in of the same signature that knows the scene."""

import sys
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
import torch

from spatia_core import se3
from spatia_core.backends import depth_hub, depth_map_anything, registry
from spatia_core.camera import Camera
from spatia_core.camera_path import make_path
from spatia_core.errors import BackendUnavailable, InvalidInput
from tests.scenes import make_scene
from tests.values import MISSHAPEN

SCENE = make_scene(3)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return SCENE.render(SCENE.start(208, 120)).image


# --- Depth Anything --------------------------------------------------------------------------------------------------


def save_tiny(folder, kind="relative"):
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    torch.manual_seed(2)
    backbone = Dinov2Config(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        mlp_ratio=2,
        image_size=70,
        patch_size=14,
        out_indices=[1, 2, 3, 4],  # pyright: ignore[reportCallIssue]
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=16,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=8,
        depth_estimation_type=kind,
        max_depth=20,
    )
    model = DepthAnythingForDepthEstimation(config)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def relative(tmp_path_factory):
    return registry.create("depth", "depth-anything", weights=str(save_tiny(tmp_path_factory.mktemp("da"))))


def saying(backend, monkeypatch, values):
    """The backend as if its network had said this."""
    backend.prepare()
    monkeypatch.setattr(backend, "_said", lambda image: values.astype(np.float32))
    return backend


def test_depth_anything_keeps_to_the_contract_on_photos_of_every_shape(relative, photo):
    K = np.array([[200.0, 0, 104], [0, 200, 60], [0, 0, 1]])
    for image in (photo.transpose(1, 0, 2), photo[:50, :50], photo[:1, :9]):
        found = relative.estimate(np.ascontiguousarray(image), None)
        assert found.depth.depth.shape == found.sky.shape == image.shape[:2]
        assert (found.depth.depth > 0).all()
        assert not found.depth.metric
        assert found.depth.source == relative.name == "depth-anything"
    np.testing.assert_array_equal(relative.estimate(photo, K).K, K)
    np.testing.assert_array_equal(relative.estimate(photo).depth.depth, relative.estimate(photo).depth.depth)


def test_the_network_is_the_saved_one_at_multiples_of_14(relative, photo):
    from transformers import DepthAnythingForDepthEstimation

    said = relative._said(photo)
    assert said.shape == (518, 896)
    model = DepthAnythingForDepthEstimation.from_pretrained(relative.weights).eval()
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in relative._model.parameters())
    assert depth_hub.network_size(1000, 2000) == (518, 1036)
    assert depth_hub.network_size(8000, 1000) == (1288, 168)


def test_relative_output_is_inverse_depth(relative, monkeypatch, photo):
    truth = SCENE.render(SCENE.start(208, 120)).depth
    found = saying(relative, monkeypatch, 700 / truth).estimate(photo)
    off = np.abs(found.depth.depth * np.median(truth) / truth - 1)
    assert np.median(off) < 0.01
    assert abs(float(np.median(found.depth.depth)) - 1) < 1e-3


def test_metric_weights_give_metres(tmp_path, monkeypatch, photo):
    backend = registry.create("depth", "depth-anything", weights=str(save_tiny(tmp_path, "metric")))
    truth = SCENE.render(SCENE.start(208, 120)).depth
    found = saying(backend, monkeypatch, truth).estimate(photo)
    assert found.depth.metric
    assert np.median(np.abs(found.depth.depth / truth - 1)) < 0.01


def test_sky_lies_on_a_far_shell(relative, monkeypatch):
    image = np.full((120, 160, 3), (90, 150, 230), np.uint8)
    image[60:] = (60, 110, 50)
    inverse = np.zeros((120, 160))
    inverse[60:] = np.linspace(0.2, 2, 60)[:, None]
    found = saying(relative, monkeypatch, inverse).estimate(image)
    assert found.sky[:50].mean() > 0.95
    assert not found.sky[70:].any()
    assert (found.depth.depth[found.sky] == depth_hub.SKY).all()


def test_damaged_weights_and_wrong_models_are_said(relative, monkeypatch, photo, tmp_path):
    with monkeypatch.context() as patch, pytest.raises(BackendUnavailable, match="NaN"):
        saying(relative, patch, np.full((20, 30), np.nan)).estimate(photo)
    folder = save_tiny(tmp_path)
    (folder / "config.json").write_text('{"model_type": "sam"}')
    with pytest.raises(BackendUnavailable, match="'sam'"):
        registry.create("depth", "depth-anything", weights=str(folder)).estimate(photo)
    with pytest.raises(MISSHAPEN):
        relative.estimate(photo.astype(np.float32))
    with pytest.raises(BackendUnavailable, match="nano"):
        registry.create("depth", "depth-anything", weights=str(tmp_path / "none")).estimate(photo)


def test_large_depth_anything_needs_a_yes(photo):
    big = registry.create("depth", "depth-anything", weights="depth-anything/Depth-Anything-V2-Large-hf")
    with pytest.raises(BackendUnavailable, match=r"NC.*accept_non_commercial"):
        big.estimate(photo)


# --- MapAnything -----------------------------------------------------------------------------------------------------

KEYS = {
    "img",
    "data_norm_type",
    "depth_z",
    "ray_directions",
    "intrinsics",
    "camera_poses",
    "is_metric_scale",
    "true_shape",
    "idx",
    "instance",
}


class MapAnything:
    """Answers as the network does, but from the scene itself: in a frame and scale of its own, masked with zeros."""

    scale, turn = 2.5, np.array([0.1, -0.2, 0.05])
    asked: list[list[dict]]

    @classmethod
    def from_pretrained(cls, folder: str) -> "MapAnything":
        made = cls()
        made.asked = []
        return made

    def to(self, device):
        return self

    def eval(self):
        return self

    def infer(
        self,
        views,
        memory_efficient_inference=True,
        minibatch_size=None,
        use_amp=True,
        amp_dtype="bf16",
        apply_mask=True,
        mask_edges=True,
        edge_normal_threshold=5.0,
        edge_depth_threshold=0.03,
        apply_confidence_mask=False,
        confidence_percentile=10,
        ignore_calibration_inputs=False,
        ignore_depth_inputs=False,
        ignore_pose_inputs=False,
        ignore_depth_scale_inputs=False,
        ignore_pose_scale_inputs=False,
        use_multiview_confidence=False,
    ):
        self.asked.append(views)
        assert len({v["img"].shape for v in views}) == 1
        first = self._camera(views[0])
        return [self._answer(view, first) for view in views]

    def _camera(self, view) -> Camera:
        assert set(view) <= KEYS
        assert view["data_norm_type"] == ["dinov2"]
        _, channels, height, width = view["img"].shape
        assert channels == 3
        assert height % 14 == width % 14 == 0
        if "intrinsics" in view:
            K = view["intrinsics"][0].double().numpy().copy()
            K[:2, 2] += 0.5  # its pixel centres lie at whole numbers
        else:
            K = SCENE.start(width, height).K
        c2w = view["camera_poses"][0].double().numpy() if "camera_poses" in view else SCENE.start().c2w
        c2w[:3, :3] = se3.nearest_rotation(c2w[:3, :3])
        return Camera(K, se3.inverse(c2w), width, height)

    def _answer(self, view, first: Camera) -> dict[str, torch.Tensor]:
        camera = self._camera(view)
        seen = SCENE.render(camera)
        sure = seen.object_id != 1
        own = se3.rigid(se3.so3_exp(self.turn), np.zeros(3)) @ first.w2c
        points = self.scale * se3.transform(own, camera.unproject(seen.depth))
        pose = own @ camera.c2w
        pose[:3, 3] *= self.scale
        K = camera.K.copy()
        K[:2, 2] -= 0.5
        answer = {
            "pts3d": points * sure[..., None],
            "depth_z": (self.scale * seen.depth * sure)[..., None],
            "mask": sure[..., None],
            "conf": np.where(sure, 2.0, 1.0),
            "intrinsics": K,
            "camera_poses": pose,
        }
        return {k: torch.from_numpy(np.asarray(v, np.float32))[None] for k, v in answer.items()}


@pytest.fixture
def several(monkeypatch, tmp_path):
    package, models = ModuleType("mapanything"), ModuleType("mapanything.models")
    models.MapAnything = MapAnything  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mapanything", package)
    monkeypatch.setitem(sys.modules, "mapanything.models", models)
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(2, np.float32)}, tmp_path / "model.safetensors")
    return depth_map_anything.MapAnythingDepth(weights=str(tmp_path), device="cpu")


def views(count: int, width: int = 130, height: int = 74):
    start = SCENE.start(width, height)
    cameras = list(make_path("orbit-left", start, count, SCENE.scale(start)))
    return [SCENE.render(c) for c in cameras], cameras


@pytest.mark.parametrize("size", [(208, 120), (90, 160)])
def test_one_photo_gives_metric_depth_with_gaps_where_the_network_is_not_sure(several, size):
    camera = SCENE.start(*size)
    seen = SCENE.render(camera)
    found = several.estimate(seen.image, camera.K)
    depth = found.depth.depth
    assert depth.shape == (size[1], size[0])
    assert found.depth.metric
    assert found.depth.source == several.name == "map-anything"
    np.testing.assert_array_equal(found.K, camera.K)
    inside = np.isfinite(depth)
    assert not inside[seen.object_id == 1].all()
    assert inside[seen.object_id != 1].mean() > 0.95
    off = np.abs(depth / (MapAnything.scale * seen.depth) - 1)[inside & (seen.object_id != 1)]
    assert np.median(off) < 0.003
    view = several._model.asked[0][0]
    height, width = view["img"].shape[2:]
    assert max(height, width) == 518, "portrait photos are not cropped either"
    assert "camera_poses" not in view


def test_the_lens_is_estimated_where_none_is_given(several, photo):
    found = several.estimate(photo)
    assert abs(found.K[0, 0] / SCENE.start(208, 120).K[0, 0] - 1) < 0.02
    assert abs(found.K[0, 2] - 104) < 0.5
    assert "intrinsics" not in several._model.asked[0][0]


@pytest.mark.parametrize("count", [2, 5])
def test_views_come_back_in_the_frame_of_the_given_poses(several, count):
    seen, cameras = views(count)
    found = several.estimate_views([v.image for v in seen], cameras)
    assert len(several._model.asked) == 1, "jointly"
    for view, truth, camera in zip(found, seen, cameras, strict=True):
        assert np.abs(view.camera.w2c - camera.w2c).max() < 1e-3
        room = truth.object_id != 1
        known = np.isfinite(view.depth.depth)
        assert known[room].mean() > 0.95
        assert np.median(np.abs(view.depth.depth - truth.depth)[known & room]) < 0.02
        away = np.linalg.norm(view.points - camera.unproject(truth.depth), axis=-1)
        assert np.nanmedian(away[room]) < 0.05
        assert not (np.linalg.norm(view.points - cameras[0].centre, axis=-1) < 0.05).any(), "no masked points at zero"
        assert (view.confidence[known & room] > 0).mean() > 0.95


def test_views_from_one_place_keep_the_networks_scale(several):
    seen, cameras = views(1)
    (found,) = several.estimate_views([seen[0].image], cameras)
    known = np.isfinite(found.depth.depth)
    assert abs(np.median((found.depth.depth / seen[0].depth)[known]) - MapAnything.scale) < 0.05
    assert np.abs(found.camera.w2c - cameras[0].w2c).max() < 1e-3


def test_views_that_do_not_fit_are_refused(several):
    seen, cameras = views(3)
    images = [v.image for v in seen]
    with pytest.raises(InvalidInput, match="camera"):
        several.estimate_views(images, cameras[:2])
    with pytest.raises(InvalidInput, match="camera"):
        several.estimate_views(images, [replace(c, width=64) for c in cameras])
    with pytest.raises(InvalidInput, match="at least one"):
        several.estimate_views([], [])


def test_poses_going_the_other_way_are_refused():
    poses = np.stack([np.eye(4) for _ in range(3)])
    poses[:, 0, 3] = 0, 1, 2
    backward = poses.copy()
    backward[:, 0, 3] *= -1
    with pytest.raises(InvalidInput, match="other way"):
        depth_map_anything.align_poses(poses, backward, 2.0)


def test_without_the_package_the_sentence_names_it(tmp_path, photo):
    if "map-anything" in registry.available("depth"):
        pytest.skip("the package is installed here")
    with pytest.raises(BackendUnavailable, match=r"mapanything.*nano"):
        registry.create("depth", "map-anything")


def test_the_other_weights_are_non_commercial(several, photo):
    asked = replace(several, weights="facebook/map-anything")
    with pytest.raises(BackendUnavailable, match="accept_non_commercial"):
        asked.estimate(photo)
