"""From backend names to the tools of a session."""

from dataclasses import dataclass

from editing.session import Tools
from spatia_core.backends.pool import Pool
from spatia_core.pipeline import Backends


@dataclass(frozen=True, slots=True)
class Choice:
    """Names of the backends a session uses; see spatia_core.backends.registry."""

    depth: str = "nano"
    segmenter: str = "hybrid"
    generator: str = "reproject"
    tracker: str = "commanded"


def tools(pool: Pool, choice: Choice | None = None) -> Tools:
    """The chosen backends, made once per pool; raises BackendUnavailable for one that is missing."""
    choice = Choice() if choice is None else choice
    turn = Backends(
        pool.get("depth", choice.depth), pool.get("generator", choice.generator), pool.get("tracker", choice.tracker)
    )
    return Tools(turn, pool.get("segmenter", choice.segmenter))
