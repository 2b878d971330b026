"""Metric depth and lens of one photo by MoGe-2 (Wang et al. 2025)."""

import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spatia_core.arrays import Image, Intrinsics, read_only
from spatia_core.backends import downloads
from spatia_core.backends.nano.sky import with_sky
from spatia_core.backends.protocols import DepthPrediction, Progress, silent
from spatia_core.errors import BackendUnavailable, InvalidInput
from spatia_core.frames import DepthMap

WEIGHTS = downloads.WeightFile(
    "https://huggingface.co/Ruicheng/moge-2-vits-normal/resolve/26b477f41595707c5db6770294c0d1721e8ed4ed/model.pt",
    "79a16621928c2bf0ed04659218c55c01075e950507f40bb3332fb4c873d3e1dc",
)
"""The small model, 141 MB, MIT."""
INSTEAD = "The depth 'nano' works here without a download."


class MoGeDepth:
    """DepthEstimator: metres, and the lens where none is given; NaN where the network sees nothing it can measure."""

    name = "moge"

    def __init__(
        self,
        weights: str | Path | None = None,
        device: str | None = None,
        *,
        download: bool = True,
        source: downloads.WeightFile = WEIGHTS,
        cache_dir: str | Path | None = None,
    ) -> None:
        """`weights` is a published model.pt of MoGe-2; None = the small one, fetched if allowed. No code in it runs."""
        if weights is not None and not Path(weights).is_file():
            raise BackendUnavailable(
                f"The MoGe-2 weights {weights} do not exist. Give the path of a model.pt, or none to download the "
                f"small one. {INSTEAD}"
            )
        self._weights = None if weights is None else Path(weights)
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._download, self._source = download, source
        self._folder = downloads.cache_folder() / "moge-2" if cache_dir is None else Path(cache_dir)
        self._model: Any = None
        self._lock = threading.Lock()

    def prepare(self, progress: Progress = silent) -> None:
        """The model is loaded, its weights downloaded if need be; `estimate` does this by itself."""
        with self._lock:
            if self._model is None:
                self._model = self._loaded(self._file(progress))

    def estimate(self, image: Image, K: Intrinsics | None = None) -> DepthPrediction:
        """Metric depth at the photo's size, the sky on a far shell; a given lens is kept to."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
            raise InvalidInput(f"A photo must be (h, w, 3) uint8 RGB, got {image.dtype} of shape {image.shape}.")
        self.prepare()
        height, width = image.shape[:2]
        pixels = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).float() / 255
        wide = None if K is None else float(np.rad2deg(2 * np.arctan(width / (2 * K[0, 0]))))
        with torch.inference_mode():
            answer = self._model.infer(pixels.to(self._device), fov_x=wide, use_fp16=self._device.startswith("cuda"))
        found = {k: answer[k].detach().float().cpu().numpy() for k in ("depth", "mask", "intrinsics")}
        sure = (found["mask"] > 0.5) & np.isfinite(found["depth"]) & (found["depth"] > 0)
        if not sure.any():
            raise InvalidInput("MoGe-2 can measure not a single pixel of this photo. Give a depth map, or use nano.")
        depth, sky = with_sky(np.where(sure, found["depth"], np.nan).astype(np.float32), image)
        if K is None:  # the network's unit is the picture's width and height
            K = found["intrinsics"].astype(np.float64) * np.array([[width], [height], [1]])
        return DepthPrediction(DepthMap(depth, self.name, True), read_only(K, np.float64), read_only(sky, bool))

    def _file(self, progress: Progress) -> Path:
        if self._weights is not None:
            return self._weights
        return downloads.found(self._source, self._folder, self._download, "MoGe-2", INSTEAD, progress)

    def _loaded(self, file: Path) -> Any:
        try:
            from moge.model.v2 import MoGeModel  # pyright: ignore[reportMissingImports]
        except ImportError as e:
            raise BackendUnavailable(
                f"The package moge cannot be imported ({e}). Install it from https://github.com/microsoft/MoGe. "
                f"{INSTEAD}"
            ) from e
        try:
            torch.load(file, map_location="cpu", weights_only=True, mmap=True)  # refused here if it holds any code
            return MoGeModel.from_pretrained(str(file)).to(self._device).eval()
        except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, KeyError, TypeError, ValueError) as e:
            raise BackendUnavailable(
                f"{file} cannot be used as MoGe-2 weights: {str(e).splitlines()[0]} Give a published model.pt. "
                f"{INSTEAD}"
            ) from e
