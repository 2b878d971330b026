"""From backend names to the tools of a session."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from editing.choosing import AUTO, DepthThatWorks, settled
from editing.session import Tools
from spatia_core.backends import registry
from spatia_core.backends.lent_gpu import lent
from spatia_core.backends.pool import Pool
from spatia_core.errors import InvalidInput
from spatia_core.pipeline import Backends

Option = tuple[str, str, Any]
"""Kind of backend, name of the option, value."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Names of the backends a session uses (see spatia_core.backends.registry), and what they are told."""

    depth: str = AUTO
    segmenter: str = "hybrid"
    generator: str = "reproject"
    tracker: str = AUTO
    options: tuple[Option, ...] = ()

    def name(self, kind: registry.Kind) -> str:
        """The backend that runs: what was asked for, or what `auto` stands for here."""
        return settled(kind, getattr(self, kind), self.generator)

    def told(self, kind: registry.Kind) -> dict[str, Any]:
        """The options of one backend."""
        return {name: value for k, name, value in self.options if k == kind}


def parse_options(texts: Sequence[str]) -> tuple[Option, ...]:
    """Options from `generator.weights=FOLDER`; numbers, true, false and null are taken as such, all else as text."""
    out: list[Option] = []
    for text in texts:
        name, given, value = text.partition("=")
        kind, dot, option = name.partition(".")
        if not (given and dot and kind in registry.KINDS and option.isidentifier()):
            kinds = ", ".join(registry.KINDS)
            raise InvalidInput(
                f"An option is written KIND.NAME=VALUE, for example generator.steps=12, with a kind out of {kinds}; "
                f"{text!r} is not."
            )
        try:
            read = json.loads(value)
        except json.JSONDecodeError:
            read = value
        out.append((kind, option, read if isinstance(read, bool | int | float | None) else value))
    return tuple(out)


def tools(pool: Pool, choice: Choice | None = None) -> Tools:
    """The chosen backends, made once per pool; raises BackendUnavailable for one that is missing."""
    choice = Choice() if choice is None else choice

    def made(kind: registry.Kind) -> Any:
        return pool.get(kind, choice.name(kind), **choice.told(kind))

    depth = made("depth")
    if choice.depth == AUTO and choice.name("depth") != "nano":
        depth = DepthThatWorks(depth, pool.get("depth", "nano"))

    told = repr(sorted(choice.options, key=repr))
    return Tools(Backends(depth, lent(made("generator")), made("tracker"), told), made("segmenter"))
