"""MoGe-2 behind the depth contract: a stand-in of the same signature that knows the scene."""

import hashlib
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from spatia_core.backends import registry
from spatia_core.backends.depth_moge import MoGeDepth
from spatia_core.backends.downloads import WeightFile
from spatia_core.errors import BackendUnavailable, InvalidInput
from tests.scenes import make_scene

SCENE = make_scene(4)
SIZE = (208, 120)


class MoGeModel:
    """Answers as the network does, from the scene itself: inf where it does not know, the lens in picture sizes."""

    unknown = (1,)
    asked: list[dict]

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, model_kwargs=None, **hf_kwargs):
        checkpoint = torch.load(pretrained_model_name_or_path, map_location="cpu", weights_only=True)
        made = cls()
        made.unknown = tuple(checkpoint["model"]["unknown"].tolist())
        made.asked = []
        return made

    def to(self, device):
        return self

    def eval(self):
        return self

    def infer(
        self,
        image,
        num_tokens=None,
        resolution_level=9,
        force_projection=True,
        apply_mask=True,
        fov_x=None,
        use_fp16=True,
    ):
        assert image.dtype == torch.float32
        assert image.ndim == 3
        assert 0 <= image.min() <= image.max() <= 1
        self.asked.append({"fov_x": fov_x, "use_fp16": use_fp16})
        height, width = image.shape[1:]
        camera = SCENE.start(width, height)
        seen = SCENE.render(camera)
        mask = ~np.isin(seen.object_id, self.unknown)
        depth = np.where(mask, seen.depth, np.inf).astype(np.float32)
        K = camera.K / np.array([[width], [height], [1]])
        return {
            "points": torch.from_numpy(camera.unproject(seen.depth).astype(np.float32)),
            "depth": torch.from_numpy(depth),
            "mask": torch.from_numpy(mask),
            "intrinsics": torch.from_numpy(K).float(),
        }


@pytest.fixture
def package(monkeypatch):
    names = ("moge", "moge.model", "moge.model.v2")
    modules = {name: ModuleType(name) for name in names}
    modules["moge.model.v2"].MoGeModel = MoGeModel  # type: ignore[attr-defined]
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)


def weights(folder, unknown=(1,)):
    path = folder / "model.pt"
    torch.save({"model_config": {}, "model": {"unknown": torch.tensor(unknown)}}, path)
    return path


@pytest.fixture
def moge(package, tmp_path):
    return MoGeDepth(weights(tmp_path), device="cpu")


@pytest.fixture(scope="module")
def seen():
    return SCENE.render(SCENE.start(*SIZE))


def test_depth_is_metric_and_unknown_where_the_network_does_not_know(moge, seen):
    found = moge.estimate(seen.image, SCENE.start(*SIZE).K)
    assert found.depth.metric
    assert found.depth.source == moge.name == "moge"
    known = np.isfinite(found.depth.depth)
    np.testing.assert_array_equal(known, (seen.object_id != 1) | found.sky)
    here = known & ~found.sky
    np.testing.assert_allclose(found.depth.depth[here], seen.depth[here], rtol=1e-6)


def test_the_lens_is_the_networks_own_or_the_given_one(moge, seen):
    K = SCENE.start(*SIZE).K
    np.testing.assert_allclose(moge.estimate(seen.image).K, K, rtol=1e-5)
    given = K * np.array([[1.3], [1.3], [1]])
    given[:2, 2] = K[:2, 2]
    np.testing.assert_array_equal(moge.estimate(seen.image, given).K, given)
    wide = np.rad2deg(2 * np.arctan(SIZE[0] / (2 * given[0, 0])))
    assert [a["fov_x"] for a in moge._model.asked] == [None, pytest.approx(wide)]
    assert not any(a["use_fp16"] for a in moge._model.asked), "half precision is for cards"


def test_a_photo_it_can_measure_nothing_of_is_refused(package, tmp_path, seen):
    with pytest.raises(InvalidInput, match=r"not a single pixel.*nano"):
        MoGeDepth(weights(tmp_path, range(10)), device="cpu").estimate(seen.image)


class Bomb:
    def __reduce__(self):
        return (open, ("exploded", "w"))


@pytest.mark.parametrize("content", ["pickle", "garbage", "other model"])
def test_a_file_that_is_no_such_weights_is_refused_and_runs_no_code(content, package, tmp_path, seen, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bad.pt"
    if content == "garbage":
        path.write_bytes(b"\x00\x01 no weights")
    else:
        torch.save(Bomb() if content == "pickle" else {"weight": torch.zeros(3)}, path)
    with pytest.raises(BackendUnavailable, match=r"bad\.pt cannot be used.*nano"):
        MoGeDepth(path, device="cpu").estimate(seen.image)
    assert not (tmp_path / "exploded").exists()


def test_a_missing_file_and_a_missing_package_are_said(tmp_path, seen):
    with pytest.raises(BackendUnavailable, match=r"absent\.pt do not exist.*nano"):
        MoGeDepth(tmp_path / "absent.pt")
    if "moge" in registry.available("depth"):
        pytest.skip("the package is installed here")
    with pytest.raises(BackendUnavailable, match=r"package moge.*nano"):
        MoGeDepth(weights(tmp_path), device="cpu").estimate(seen.image)
    with pytest.raises(BackendUnavailable, match=r"moge.*nano"):
        registry.create("depth", "moge")


def test_weights_are_fetched_once_or_not_at_all(package, tmp_path, seen):
    served = weights(tmp_path)
    source = WeightFile(served.as_uri(), hashlib.sha256(served.read_bytes()).hexdigest())
    kept = tmp_path / "kept"
    with pytest.raises(BackendUnavailable, match="downloading is off"):
        MoGeDepth(device="cpu", source=source, cache_dir=kept, download=False).estimate(seen.image)
    assert MoGeDepth(device="cpu", source=source, cache_dir=kept).estimate(seen.image).depth.metric
    served.unlink()
    assert MoGeDepth(device="cpu", source=source, cache_dir=kept, download=False).estimate(seen.image).depth.metric
