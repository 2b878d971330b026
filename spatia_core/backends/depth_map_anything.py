"""Depth and point maps by MapAnything (Keetha et al. 2025), which takes many views with their poses at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float32

from spatia_core import se3
from spatia_core.arrays import Depth, Image, Intrinsics, Mask, Pose, read_only
from spatia_core.backends import hub
from spatia_core.backends.hub_model import HubModel, reading
from spatia_core.backends.nano.sky import with_sky
from spatia_core.backends.protocols import DepthPrediction
from spatia_core.camera import Camera
from spatia_core.errors import BackendUnavailable, InvalidInput
from spatia_core.frames import DepthMap

SOURCE = hub.Source("facebook/map-anything-apache", 2.3, "The depth 'nano' works here without a download.")
_MEAN, _STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
_SIDE, _MULTIPLE = 518, 14
_LEAST_TRAVEL = 0.01
"""Share of the scene's depth that given cameras must be apart for their distances to set the scale."""


@dataclass(frozen=True, eq=False, slots=True)
class ViewGeometry:
    """What one view shows, in the frame of the poses that were given."""

    depth: DepthMap
    """z-depth in the given camera at the picture's size; NaN where the network is not sure."""
    points: Float32[np.ndarray, "h w 3"]
    """World points of the pixels as the network sees them, aligned as a whole to the given poses; NaN likewise."""
    confidence: Float32[np.ndarray, "h w"]
    """The network's own measure, larger is surer; 0 where not sure at all."""
    camera: Camera
    """Where the network thinks the view was taken from, aligned likewise."""


@dataclass(eq=False)
class MapAnythingDepth(HubModel):
    """DepthEstimator, and geometry of many views at once through `estimate_views`.

    Weights: None = the Apache-2.0 ones. `facebook/map-anything` is non-commercial.
    """

    name: ClassVar[str] = "map-anything"
    source: ClassVar[hub.Source] = SOURCE

    most_views: int = 200
    """Views worked on jointly; beyond, the network's memory-saving way is taken."""

    def _loaded(self, folder: Path, device: str) -> Any:
        try:
            from mapanything.models import MapAnything  # pyright: ignore[reportMissingImports]
        except ImportError as e:
            raise BackendUnavailable(
                f"The package mapanything cannot be imported ({e}). Install it from "
                f"https://github.com/facebookresearch/map-anything. {SOURCE.instead}"
            ) from e
        with reading(folder, "MapAnything", SOURCE):
            return MapAnything.from_pretrained(str(folder)).to(device).eval()

    def estimate(self, image: Image, K: Intrinsics | None = None) -> DepthPrediction:
        """Metric depth at the photo's size; NaN where the network is not sure, the sky on a far shell."""
        raw = self._infer([image], None if K is None else [K], None)[0]
        height, width = image.shape[:2]
        depth = _enlarged(np.where(raw.sure, raw.depth, np.nan), width, height)
        if np.isnan(depth).all():
            raise InvalidInput(
                "MapAnything is not sure of a single pixel of this photo. Give a depth map, or use nano."
            )
        depth, sky = with_sky(depth, image)
        if K is None:
            K = Camera(raw.K, np.eye(4), raw.depth.shape[1], raw.depth.shape[0]).resized(width, height).K
        return DepthPrediction(DepthMap(depth, self.name, True), read_only(K, np.float64), read_only(sky, bool))

    def estimate_views(
        self, images: Sequence[Image], cameras: Sequence[Camera], metric: bool = False
    ) -> tuple[ViewGeometry, ...]:
        """Geometry of views with known lenses and poses, all worked on jointly, in the frame of those poses.

        The network answers in a world of its own; one similarity brings its cameras onto the given ones and all points
        with them. Cameras that stand in one place set no scale: then the scale is the network's own metres. `metric`
        says that the given poses are in metres.
        """
        if not images or len(images) != len(cameras):
            raise InvalidInput(f"Every picture needs its camera: got {len(images)} and {len(cameras)}, at least one.")
        for image, camera in zip(images, cameras, strict=True):
            if image.shape[:2] != (camera.height, camera.width):
                raise InvalidInput(
                    f"A picture of {image.shape[1]}x{image.shape[0]} came with a camera of "
                    f"{camera.width}x{camera.height}."
                )
        raws = self._infer(images, [c.K for c in cameras], [c.c2w for c in cameras], metric)
        depths = np.concatenate([r.depth[r.sure].ravel() for r in raws])
        typical = float(np.median(depths)) if depths.size else 1.0
        scale, R, t = align_poses(np.stack([r.c2w for r in raws]), np.stack([c.c2w for c in cameras]), typical)
        return tuple(self._aligned(raw, camera, scale, R, t) for raw, camera in zip(raws, cameras, strict=True))

    def _aligned(self, raw: "_Raw", camera: Camera, scale: float, R: np.ndarray, t: np.ndarray) -> ViewGeometry:
        width, height = camera.width, camera.height
        depth = _enlarged(np.where(raw.sure, scale * raw.depth, np.nan), width, height)
        points = np.where(raw.sure[..., None], scale * raw.points @ R.T + t, np.nan).astype(np.float32)
        nearest = [cv2.resize(points[..., i], (width, height), interpolation=cv2.INTER_NEAREST_EXACT) for i in range(3)]
        confidence = cv2.resize(
            np.where(raw.sure, raw.confidence, 0), (width, height), interpolation=cv2.INTER_NEAREST_EXACT
        )
        c2w = np.eye(4)
        c2w[:3, :3], c2w[:3, 3] = se3.nearest_rotation(R @ raw.c2w[:3, :3]), scale * R @ raw.c2w[:3, 3] + t
        return ViewGeometry(
            DepthMap(depth, self.name),
            read_only(np.stack(nearest, -1), np.float32),
            read_only(confidence, np.float32),
            Camera(camera.K, se3.inverse(c2w), width, height),
        )

    def _infer(
        self,
        images: Sequence[Image],
        lenses: Sequence[Intrinsics] | None,
        poses: Sequence[Pose] | None,
        metric: bool = True,
    ) -> list["_Raw"]:
        self.prepare()
        views = []
        for i, image in enumerate(images):
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
                raise InvalidInput(f"A photo must be (h, w, 3) uint8 RGB, got {image.dtype} of shape {image.shape}.")
            # all views must have one size; the lens is scaled per axis, so other shapes stay exact too
            width, height = network_size(images[0].shape[1], images[0].shape[0])
            view: dict[str, Any] = {"img": _pixels(image, width, height), "data_norm_type": ["dinov2"]}
            if lenses is not None:
                camera = Camera(lenses[i], np.eye(4), image.shape[1], image.shape[0])
                view["intrinsics"] = _tensor(_half_pixel(camera.resized(width, height).K, -0.5))
            if poses is not None:
                view["camera_poses"] = _tensor(poses[i])
            if lenses is not None or poses is not None:
                view["is_metric_scale"] = torch.tensor([metric])
            views.append(view)
        found = self._model.infer(
            views,
            memory_efficient_inference=len(views) > self.most_views,
            use_amp=True,
            amp_dtype="bf16",
            apply_mask=True,
            mask_edges=True,
            apply_confidence_mask=False,
        )
        return [_Raw.of(p) for p in found]


@dataclass(frozen=True, eq=False, slots=True)
class _Raw:
    """One view's answer at the network's size, in the network's world."""

    depth: Float32[np.ndarray, "h w"]
    points: Float32[np.ndarray, "h w 3"]
    sure: Bool[np.ndarray, "h w"]
    confidence: Float32[np.ndarray, "h w"]
    K: Intrinsics
    c2w: Pose

    @classmethod
    def of(cls, answer: dict[str, torch.Tensor]) -> "_Raw":
        """Masked pixels are zeros in the answer and would all lie in the first camera; the mask is kept."""

        def array(key: str) -> np.ndarray:
            return answer[key][0].detach().float().cpu().numpy()

        depth, points = array("depth_z")[..., 0], array("pts3d")
        sure: Mask = (array("mask")[..., 0] > 0.5) & (depth > 0) & np.isfinite(depth) & np.isfinite(points).all(-1)
        K, c2w = _half_pixel(array("intrinsics"), 0.5), array("camera_poses").astype(np.float64)
        return cls(depth, points, sure, array("conf"), K, c2w)


def network_size(width: int, height: int) -> tuple[int, int]:
    """Width and height the network sees: the longer side 518, both multiples of 14; portrait photos are not cropped."""
    scale = _SIDE / max(width, height)
    sides = [max(_MULTIPLE, round(side * scale / _MULTIPLE) * _MULTIPLE) for side in (width, height)]
    return sides[0], sides[1]


def align_poses(source: np.ndarray, target: np.ndarray, depth: float) -> tuple[float, np.ndarray, np.ndarray]:
    """Scale, rotation, translation that bring camera-to-world poses (n, 4, 4) `source` onto `target`.

    Rotations count as well as places, so two cameras, or cameras in a row, suffice; the scale is 1 where the cameras
    are less than a hundredth of `depth` (source units) apart.
    """
    R = se3.nearest_rotation(np.einsum("nij,nkj->ik", target[:, :3, :3], source[:, :3, :3]))
    a, b = source[:, :3, 3], target[:, :3, 3]
    da, db = a - a.mean(0), b - b.mean(0)
    spread = float(np.sqrt((da**2).sum() / len(a)))
    scale = float((db * (da @ R.T)).sum() / (da**2).sum()) if spread > _LEAST_TRAVEL * depth else 1.0
    if not scale > 0:
        raise InvalidInput(
            "The views do not fit the given cameras: the network sees the camera going the other way. Check that poses "
            "are in order and in the convention w2c with OpenCV axes."
        )
    return scale, R, b.mean(0) - scale * R @ a.mean(0)


def _half_pixel(K: np.ndarray, shift: float) -> np.ndarray:
    """K for pixel centres at whole numbers (the network's habit) from ours at i + 0.5 (shift -0.5), or back."""
    out = np.array(K, np.float64)
    out[:2, 2] += shift
    return out


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(array, np.float32))[None]


def _pixels(image: Image, width: int, height: int) -> torch.Tensor:
    shrinks = width * height < image.shape[0] * image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    small = cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=method)
    x = (small.astype(np.float32) / 255 - _MEAN) / _STD
    return torch.from_numpy(x.transpose(2, 0, 1)[None].copy())


def _enlarged(depth: np.ndarray, width: int, height: int) -> Depth:
    """A depth map at another size without new values at steps: linear on surfaces, nearest beside steps and gaps."""
    depth = depth.astype(np.float32)
    known = ~np.isnan(depth)
    solid = np.where(known, depth, 0)
    window = np.ones((3, 3), np.uint8)
    step = (cv2.dilate(solid, window) > 1.1 * cv2.erode(solid, window)).astype(np.float32)
    size = (width, height)
    smooth = cv2.resize(solid, size, interpolation=cv2.INTER_LINEAR)
    nearest = cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST_EXACT)
    rough = cv2.resize(step, size, interpolation=cv2.INTER_LINEAR) > 0
    return np.where(rough | np.isnan(nearest), nearest, smooth).astype(np.float32)
