"""Photos of things that stand on water or a polished floor, rendered exactly, and of things that only seem to.

The mirror image is what a camera below the floor sees of the same room; it is rippled, blurred and mixed in.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from spatia_core import se3
from spatia_core.arrays import Image, Mask
from spatia_core.camera import Camera
from tests.scenes import Scene, SceneView, Texture, Thing, make_scene

THING = 1


@dataclass(frozen=True, slots=True)
class Floor:
    """What the floor of a photo is like."""

    strength: float = 0.4
    """Share of light that is mirrored; 0 = matt."""
    ripples: float = 1.0
    """Height of ripples, pixels."""
    blur: float = 1.0
    """Of the mirror image, pixels; twice as much up and down."""
    contrast: float = 0.2
    """Of the floor's own pattern; 1 is that of a chequered floor."""
    shadow: float = 0.0
    """Share of light that a shadow of the thing's shape takes where its mirror image would be."""
    second: bool = False
    """Another thing stands where the mirror image would be."""
    noise: float = 2.0
    """Of the photo, grey levels."""


@dataclass(frozen=True, eq=False, slots=True)
class Photo:
    """A photo, and the truth about it."""

    image: Image
    empty: Image
    """The same without the thing, its mirror image and its shadow, and without noise."""
    view: SceneView
    camera: Camera
    mirrored: Mask
    """(h, w) where the thing is mirrored, or would be."""

    @property
    def thing(self) -> Mask:
        """(h, w) where the thing is seen."""
        return self.view.mask(THING)


def photo(seed: int, floor: Floor, size: tuple[int, int] = (208, 120)) -> Photo:
    """A violet thing on a grey floor in a grey room, seen from about its own height."""
    rng = np.random.default_rng([seed, 31])
    scene, camera, level = _scene(rng, floor, size)
    phases = rng.uniform(0, 2 * np.pi, 3)
    view = scene.render(camera)
    shown, which = _from_below(scene, camera, level)
    image, ground = _mixed(view, shown, floor, phases, camera, level)
    mirrored = (which == THING) & ground
    dark = cv2.GaussianBlur(mirrored.astype(np.float32), (0, 0), 2.0) * ground
    image = image * (1 - floor.shadow * dark[..., None]) + rng.normal(0, floor.noise, image.shape)
    bare = replace(scene, things=tuple(t for t in scene.things if t.object_id != THING))
    empty, _ = _mixed(bare.render(camera), _from_below(bare, camera, level)[0], floor, phases, camera, level)
    return Photo(_as_image(image), _as_image(empty), view, camera, mirrored)


def _as_image(colours: np.ndarray) -> Image:
    return np.clip(np.rint(colours), 0, 255).astype(np.uint8)


def _mixed(
    view: SceneView, mirrored: Image, floor: Floor, phases: np.ndarray, camera: Camera, level: float
) -> tuple[np.ndarray, Mask]:
    """The view with what is mirrored mixed into its floor, and where that is."""
    h, w = view.depth.shape
    height = camera.unproject(view.depth)[..., 1]
    ground = (view.object_id == 0) & (np.abs(height - level) < 1e-3)
    y, x = np.mgrid[:h, :w].astype(np.float32)
    waves = zip((5, 9, 14), (0.02, -0.04, 0.01), phases, strict=True)
    rise = sum(np.sin(2 * np.pi * y / p + q * x + phase) for p, q, phase in waves) * floor.ripples
    image = cv2.remap(mirrored.astype(np.float32), x, (y + rise).astype(np.float32), cv2.INTER_LINEAR)
    image = cv2.GaussianBlur(image, (0, 0), floor.blur, sigmaY=2 * floor.blur)
    share = floor.strength * ground[..., None]
    return view.image * (1 - share) + image * share, ground


def _scene(rng: np.random.Generator, floor: Floor, size: tuple[int, int]) -> tuple[Scene, Camera, float]:
    """One thing, or two, in a large room; the camera; the floor's y."""
    room = make_scene(int(rng.integers(1000))).room
    level = float(room.pose[1, 3] + room.half[1])
    grey = room.texture.colours.mean(1, keepdims=True) * np.ones(3)
    calm = grey.mean(0) + floor.contrast * (grey - grey.mean(0))
    scene = Scene(replace(room, texture=replace(room.texture, colours=calm)), ())
    half = np.array([rng.uniform(0.25, 0.45), rng.uniform(0.3, 0.45), 0.15])
    z = float(rng.uniform(3.0, 3.6))
    things = [_box(rng, THING, half, np.array([rng.uniform(-0.4, 0.4), level - half[1], z]))]
    height = float(rng.uniform(0.9, 1.2) * 2 * half[1])
    if floor.second:
        nearer = z * height / (height + 2 * half[1]) + half[2]
        size_ = half * [1, 0.9, 0.5] * nearer / z
        things.append(_box(rng, 2, size_, np.array([things[0].pose[0, 3] * nearer / z, level - size_[1], nearer])))
    eye = np.array([0.0, level - height, 0.0])
    down = np.array([0.0, 0.7, 3.0])
    camera = Camera.from_fov(*size, np.deg2rad(48), se3.look_at(eye, eye + down, np.array([0.0, -1.0, 0.0])))
    return replace(scene, things=tuple(things)), camera, level


def _box(rng: np.random.Generator, number: int, half: np.ndarray, centre: np.ndarray) -> Thing:
    period = float(rng.uniform(0.25, 0.45))
    colours = np.array([rng.uniform(30, 90, 3) * [1, 0.2, 1], rng.uniform(180, 250, 3) * [1, 0.5, 1]])
    directions = rng.normal(size=(5, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lengths = period * np.geomspace(0.4, 1.5, 5)[:, None]
    waves = np.hstack(
        [
            directions / np.linalg.norm(directions, axis=1, keepdims=True) * 2 * np.pi / lengths,
            rng.uniform(0, 6, (5, 1)),
        ]
    )
    turn = se3.so3_exp(np.array([0, rng.uniform(-0.3, 0.3), 0]))
    return Thing(number, "box", half, se3.rigid(turn, centre), Texture("noise", colours, period, waves))


def _from_below(scene: Scene, camera: Camera, level: float) -> tuple[Image, np.ndarray]:
    """What the floor would show were it a perfect mirror, and which thing."""
    mirror = np.diag([1.0, -1.0, 1.0, 1.0])
    mirror[1, 3] = 2 * level
    c2w = mirror @ camera.c2w
    c2w[:3, 1] *= -1  # right-handed again: its picture is upside down
    K = camera.K.copy()
    K[1, 2] = camera.height - K[1, 2]
    view = scene.render(Camera(K, se3.inverse(c2w), camera.width, camera.height))
    return view.image[::-1], view.object_id[::-1]
