"""segment_anything imported also where torchvision is missing or broken; it uses four of its functions."""

import importlib
import sys
from types import ModuleType

import numpy as np
import torch
from PIL import Image as PillowImage
from torch import Tensor


def import_segment_anything() -> ModuleType:
    """The package segment_anything, given stand-ins for torchvision when the real one does not import.

    The stand-ins are withdrawn afterwards: other packages look for torchvision and must not find half of it.
    """
    try:
        importlib.import_module("torchvision")
    except (ImportError, RuntimeError):  # RuntimeError: a torchvision built for another torch
        return _import_with_stand_ins()
    return importlib.import_module("segment_anything")


def _import_with_stand_ins() -> ModuleType:
    for name in [n for n in sys.modules if n == "torchvision" or n.startswith("torchvision.")]:
        del sys.modules[name]
    contents = {
        "torchvision": {},
        "torchvision.ops": {},
        "torchvision.ops.boxes": {"batched_nms": batched_nms, "box_area": box_area},
        "torchvision.transforms": {},
        "torchvision.transforms.functional": {"resize": resize, "to_pil_image": to_pil_image},
    }
    for name, functions in contents.items():
        module = ModuleType(name)
        vars(module).update(functions)
        sys.modules[name] = module
    try:
        return importlib.import_module("segment_anything")
    finally:
        for name in contents:
            del sys.modules[name]


def box_area(boxes: Tensor) -> Tensor:
    """(n,) areas of boxes (n, 4) x0, y0, x1, y1."""
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """Indices of the boxes that no better box of the same group overlaps by more than the threshold, best first."""
    if boxes.numel() == 0:
        return torch.empty(0, dtype=torch.long, device=boxes.device)
    apart = boxes + (idxs.to(boxes) * (boxes.max() + 1))[:, None]
    area = box_area(apart)
    order = scores.argsort(descending=True, stable=True)
    kept = []
    while order.numel():
        best, rest = order[0], order[1:]
        kept.append(best)
        low = torch.maximum(apart[best, :2], apart[rest, :2])
        high = torch.minimum(apart[best, 2:], apart[rest, 2:])
        common = (high - low).clamp(min=0).prod(1)
        order = rest[common / (area[best] + area[rest] - common) <= iou_threshold]
    return torch.stack(kept)


def resize(image: PillowImage.Image, size: tuple[int, int]) -> PillowImage.Image:
    """The picture at (height, width), bilinear."""
    return image.resize((size[1], size[0]), PillowImage.Resampling.BILINEAR)


def to_pil_image(array: np.ndarray) -> PillowImage.Image:
    """A (h, w, 3) uint8 array as a Pillow picture."""
    return PillowImage.fromarray(array)
