"""The renderer to read: plain numpy, slow, the definition that the fast one is held to."""

import numpy as np

from spatia_core.camera import Camera
from spatia_core.point_cloud import PointCloud
from spatia_core.render.types import MAX_HALF_SIDE, NEAR, Rendering


def render_reference(cloud: PointCloud, camera: Camera) -> Rendering:
    """What `camera` sees of `cloud`; see the package's docstring for the footprint rule."""
    h, w = camera.height, camera.width
    K, R, t = (a.astype(np.float32) for a in (camera.K, camera.w2c[:3, :3], camera.w2c[:3, 3]))
    p = cloud.xyz @ R.T + t
    depth = np.full((h, w), np.inf, np.float32)
    index = np.full((h, w), -1, np.int32)
    for i in np.flatnonzero(p[:, 2] > NEAR):
        x, y, z = p[i]
        u, v = K[0, 0] * x / z + K[0, 2], K[1, 1] * y / z + K[1, 2]
        half = min(float(cloud.radius[i] * K[0, 0] / z), MAX_HALF_SIDE)
        if not (-half - 1 < u < w + half + 1 and -half - 1 < v < h + half + 1):
            continue
        x0, x1 = min(np.ceil(u - half - 0.5), np.floor(u)), max(np.floor(u + half - 0.5), np.floor(u))
        y0, y1 = min(np.ceil(v - half - 0.5), np.floor(v)), max(np.floor(v + half - 0.5), np.floor(v))
        window = np.s_[max(0, int(y0)) : max(0, int(y1) + 1), max(0, int(x0)) : max(0, int(x1) + 1)]
        wins = z < depth[window]
        depth[window][wins] = z
        index[window][wins] = i
    seen = index >= 0
    rgb = np.zeros((h, w, 3), np.uint8)
    rgb[seen] = cloud.rgb[index[seen]]
    return Rendering(rgb, np.where(seen, depth, np.float32(np.nan)), index)
