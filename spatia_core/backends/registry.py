"""Backends by name. The table holds strings only: nothing heavy is imported before a backend is asked for."""

import importlib
import importlib.util
import inspect
from dataclasses import dataclass
from typing import Any, Literal

from spatia_core.errors import BackendUnavailable, InvalidInput

Kind = Literal["depth", "segmenter", "generator", "tracker"]
KINDS: tuple[Kind, ...] = ("depth", "segmenter", "generator", "tracker")


@dataclass(frozen=True, slots=True)
class Entry:
    """One backend: where its adapter is and what must be installed for it."""

    factory: str
    """`module:callable`; the callable takes the backend's own options as keywords."""
    packages: tuple[str, ...]
    """Import names it needs."""
    says: str
    """One line for people: what it is and what it needs."""
    downloads: bool = False
    """True when it needs weights that do not travel with this package."""


_TABLE: dict[Kind, dict[str, Entry]] = {
    "depth": {
        "nano": Entry(
            "spatia_core.backends.depth_nano:NanoDepth",
            ("torch", "cv2"),
            "two small networks of our own: layout-grade depth in a blink, no download",
        ),
        "depth-anything": Entry(
            "spatia_core.backends.depth_hub:DepthAnything",
            ("torch", "transformers", "cv2"),
            "Depth Anything V2 small: sharp relative depth, 0.1 GB of weights (Apache-2.0)",
            downloads=True,
        ),
        "moge": Entry(
            "spatia_core.backends.depth_moge:MoGeDepth",
            ("torch", "moge"),
            "MoGe-2 small: metric depth and the lens of one photo, 0.14 GB of weights (MIT)",
            downloads=True,
        ),
        "map-anything": Entry(
            "spatia_core.backends.depth_map_anything:MapAnythingDepth",
            ("torch", "mapanything", "cv2"),
            "MapAnything: metric depth of one photo or many, 2.3 GB of weights (Apache-2.0), best with a GPU",
            downloads=True,
        ),
    },
    "segmenter": {
        "hybrid": Entry(
            "spatia_core.backends.segment_hybrid:HybridSegmenter",
            ("torch", "cv2"),
            "a cut by colour and two small networks of our own, a fifth of a second a click, no download",
        ),
        "sam": Entry(
            "spatia_core.backends.segment_sam:SamSegmenter",
            ("torch", "segment_anything"),
            "Segment Anything (vit_b, vit_l, vit_h): a checkpoint file or a download, best with a GPU",
            downloads=True,
        ),
        "mobile-sam": Entry(
            "spatia_core.backends.segment_sam:MobileSamSegmenter",
            ("torch", "segment_anything"),
            "MobileSAM: Segment Anything with a small encoder, 0.04 GB of weights (Apache-2.0), good without a GPU",
            downloads=True,
        ),
        "sam2": Entry(
            "spatia_core.backends.segment_sam2:Sam2Segmenter",
            ("torch", "transformers", "cv2"),
            "Segment Anything 2.1 tiny: 0.16 GB of weights (Apache-2.0), quick enough without a GPU",
            downloads=True,
        ),
    },
    "generator": {
        "reproject": Entry(
            "spatia_core.backends.generate_reproject:ReprojectGenerator",
            ("cv2",),
            "renders the completed memory itself: exact camera, nothing moves, no download",
        ),
        "spatia": Entry(
            "spatia_core.backends.generate_spatia:SpatiaGenerator",
            ("torch", "diffusers", "transformers"),
            "Spatia on Wan2.2 5B: the published model; 38 GB of weights (Apache-2.0, CC-BY-SA-4.0), needs a GPU",
            downloads=True,
        ),
        "wan-vace": Entry(
            "spatia_core.backends.generate_wan_vace:WanVaceGenerator",
            ("torch", "diffusers", "transformers"),
            "Wan2.1 VACE invents what the memory does not know: 19 GB of weights (Apache-2.0), needs a GPU",
            downloads=True,
        ),
    },
    "tracker": {
        "commanded": Entry(
            "spatia_core.backends.track_commanded:CommandedTracker",
            (),
            "measures nothing: trusts the commanded camera and says so",
        ),
        "slam-feature": Entry(
            "spatia_core.backends.track_slam:feature_tracker",
            ("cv2",),
            "measures where the camera went: features matched with the memory, then every pixel",
        ),
        "slam-direct": Entry(
            "spatia_core.backends.track_slam:direct_tracker",
            ("cv2",),
            "measures where the camera went: every pixel laid on the memory, coarse to fine",
        ),
    },
}


def names(kind: Kind) -> tuple[str, ...]:
    """All names of a kind, the default first."""
    return tuple(_TABLE[kind])


def entry(kind: Kind, name: str) -> Entry:
    """The table's line for a backend; raises BackendUnavailable with the names that exist."""
    try:
        return _TABLE[kind][name]
    except KeyError:
        raise BackendUnavailable(
            f"There is no {kind} backend called {name!r}; here you can choose from: {', '.join(available(kind))}."
        ) from None


def available(kind: Kind) -> tuple[str, ...]:
    """Names whose packages are installed (weights that need a download may still be missing)."""
    return tuple(
        name for name, e in _TABLE[kind].items() if all(importlib.util.find_spec(p) is not None for p in e.packages)
    )


def create(kind: Kind, name: str, **options: Any) -> Any:
    """A new backend. Raises BackendUnavailable naming the missing package and what works instead."""
    e = entry(kind, name)
    missing = [p for p in e.packages if importlib.util.find_spec(p) is None]
    if missing:
        raise BackendUnavailable(
            f"The {kind} backend {name!r} needs the package {missing[0]!r}, which is not installed. "
            f"Install it, or choose from: {', '.join(available(kind))}."
        )
    module, _, factory = e.factory.partition(":")
    make = getattr(importlib.import_module(module), factory)
    known = inspect.signature(make).parameters
    unknown = [o for o in options if o not in known]
    if unknown:
        raise InvalidInput(
            f"The {kind} backend {name!r} has no option {unknown[0]!r}; it knows: {', '.join(known) or 'none'}."
        )
    return make(**options)
