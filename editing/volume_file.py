"""Selections in space as plain data and masks, for session files."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, get_args

from editing.selection import Combination
from editing.volume_selection import (
    MOST_STEPS,
    Ball,
    Box,
    Colour,
    Drawn,
    Everything,
    Grown,
    Inverted,
    InView,
    Shape,
    Step,
    Thing,
    Volume,
    Whole,
)
from spatia_core.arrays import Mask
from spatia_core.camera import Camera
from spatia_core.errors import ProjectFormatError

DEEPEST = 8
"""Selections within selections."""

NAMES = {Ball: "ball", Box: "box", Colour: "colour", Thing: "thing", Everything: "everything"}


def described(volume: Volume, of_camera: Callable[[Camera], Any]) -> tuple[list[dict[str, Any]], list[Mask]]:
    """The steps as JSON values, and their masks in the order in which they are named."""
    masks: list[Mask] = []
    steps: list[dict[str, Any]] = []
    for step in volume.steps:
        if isinstance(step, Inverted):
            steps.append({"step": "invert"})
        elif isinstance(step, Grown):
            steps.append({"step": "grow", "sizes": step.sizes})
        elif isinstance(step.shape, InView):
            shape = step.shape
            masks.append(shape.mask)
            steps.append({"step": "view", "how": step.how, "camera": of_camera(shape.camera), "through": shape.through})
        elif isinstance(step.shape, Whole):
            inner, more = described(step.shape.volume, of_camera)
            masks += more
            steps.append({"step": "whole", "how": step.how, "steps": inner, "masks": len(more)})
        else:
            steps.append({"step": NAMES[type(step.shape)], "how": step.how, **asdict(step.shape)})
    return steps, masks


def read_volume(
    steps: Any, to_camera: Callable[[Any], Camera], mask_of: Callable[[int, tuple[int, int]], Mask], depth: int = 0
) -> Volume:
    """The selection again; `mask_of` gives the k-th mask of a size. Raises ProjectFormatError for unknown steps."""
    if not isinstance(steps, list) or len(steps) > MOST_STEPS or depth > DEEPEST:
        raise ProjectFormatError(f"A selection in the session file is no list of at most {MOST_STEPS} steps.")
    out: list[Step] = []
    seen = 0
    for d in steps:
        if d["step"] == "invert":
            out.append(Inverted())
        elif d["step"] == "grow":
            out.append(Grown(float(d["sizes"])))
        elif d["step"] == "view":
            camera = to_camera(d["camera"])
            mask = mask_of(seen, (camera.width, camera.height))
            out.append(Drawn(InView(camera, mask, bool(d["through"])), _how(d)))
            seen += 1
        elif d["step"] == "whole":
            before = seen
            inner = read_volume(d["steps"], to_camera, lambda k, size, b=before: mask_of(b + k, size), depth + 1)
            out.append(Drawn(Whole(inner), _how(d)))
            seen += int(d["masks"])
        else:
            out.append(Drawn(_plain(d), _how(d)))
    return Volume(tuple(out))


def _how(d: dict[str, Any]) -> Combination:
    if d["how"] not in get_args(Combination):
        raise ProjectFormatError(f"The session file puts selections together in an unknown way, {d['how']!r}.")
    return d["how"]


def _plain(d: dict[str, Any]) -> Shape:
    kind = d["step"]
    if kind == "ball":
        x, y, z = (float(v) for v in d["centre"])
        return Ball((x, y, z), float(d["radius"]))
    if kind == "box":
        (a, b, c), (e, f, g) = ((float(v) for v in d[k]) for k in ("low", "high"))
        return Box((a, b, c), (e, f, g))
    if kind == "colour":
        red, green, blue = (int(v) for v in d["rgb"])
        return Colour((red, green, blue), float(d["tolerance"]))
    if kind == "thing":
        return Thing(int(d["object_id"]))
    if kind == "everything":
        return Everything()
    raise ProjectFormatError(f"The session file selects in an unknown way, {kind!r}.")
