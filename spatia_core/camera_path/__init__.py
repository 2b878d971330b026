"""Camera paths: one camera per frame, made by name, from key poses, or read from a file (see spatia_core.io).

Frame 0 of a made path is the start camera itself; a closed path ends with that very camera again.
"""

from spatia_core.camera_path.makers import BASE_NAMES, PATH_DESCRIPTIONS, PATH_NAMES, SceneScale, make_path
from spatia_core.camera_path.path import MAX_FRAMES, CameraPath, Key, keyed
from spatia_core.camera_path.spline import EASINGS, Easing

__all__ = [
    "BASE_NAMES",
    "EASINGS",
    "MAX_FRAMES",
    "PATH_DESCRIPTIONS",
    "PATH_NAMES",
    "CameraPath",
    "Easing",
    "Key",
    "SceneScale",
    "keyed",
    "make_path",
]
