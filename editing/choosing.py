"""Which backends a session uses when nobody says so: the best that are there."""

import logging

from spatia_core.arrays import Image, Intrinsics
from spatia_core.backends import registry
from spatia_core.backends.lent_gpu import has_gpu
from spatia_core.backends.protocols import DepthEstimator, DepthPrediction
from spatia_core.errors import BackendUnavailable

log = logging.getLogger(__name__)

AUTO = "auto"
TRUSTED = ("reproject",)
"""Generators whose camera is exact by construction: there is nothing to track."""


def names(kind: registry.Kind) -> tuple[str, ...]:
    """What a person can choose from, the default first."""
    return (AUTO, *registry.names(kind)) if kind in ("depth", "tracker") else registry.names(kind)


def settled(kind: registry.Kind, name: str, generator: str) -> str:
    """The backend that `auto` stands for on this machine, beside this generator; other names stay."""
    if name != AUTO:
        return name
    if kind == "tracker":
        return "commanded" if generator in TRUSTED else "slam-feature"
    return "depth-anything" if has_gpu() and "depth-anything" in registry.available("depth") else "nano"


class DepthThatWorks:
    """DepthEstimator: the better one, or from its first failure on the one that needs nothing."""

    def __init__(self, better: DepthEstimator, plain: DepthEstimator) -> None:
        self._now, self._plain = better, plain
        self.name = better.name
        """The one in use."""

    def estimate(self, image: Image, K: Intrinsics | None) -> DepthPrediction:
        """Depth by the one in use; the prediction names it."""
        try:
            return self._now.estimate(image, K)
        except BackendUnavailable as e:
            if self._now is self._plain:
                raise
            log.warning("%s Depth is estimated by %s instead.", e, self._plain.name)
            self._now, self.name = self._plain, self._plain.name
            return self._now.estimate(image, K)
