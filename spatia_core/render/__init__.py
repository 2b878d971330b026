"""Z-buffer splatting: what a camera sees of a point cloud.

Every point is a square that faces the camera. Its half side in pixels is radius * f / z, so footprints follow depth;
it covers the pixels whose centres lie in the square and always the pixel that holds its centre. The nearest point wins,
equal depths go to the lower index.
"""

from spatia_core.render.holes import fill_small_holes
from spatia_core.render.kernel import render
from spatia_core.render.reference import render_reference
from spatia_core.render.resampling import resample
from spatia_core.render.types import Rendering

__all__ = ["Rendering", "fill_small_holes", "render", "render_reference", "resample"]
