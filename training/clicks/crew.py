"""Processes that click: they draw pictures, say what the clicks so far tell, and take the networks' answers.

Every process looks after two groups of pictures, so that it prepares one while the networks look at the other. Pictures
and answers pass through shared memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, multiprocessing

from spatia_core.backends.clicks.network import CUES
from training.clicks import photos
from training.clicks.clicking import Clicked
from training.clicks.samples import Bank, Scenes

GROUPS = 2


@dataclass(frozen=True, slots=True)
class Sources:
    """Where pictures come from."""

    masks: tuple[Path, ...]
    """Folders with img/ and gt/."""
    photos: Path
    """Photos used as surfaces."""
    scenes: Path | None
    """Rendered scenes with ids."""
    seed: int = 0

    def bank(self, worker: int) -> Bank:
        """A bank of its own for every worker."""
        backgrounds = photos.textures(self.photos)
        return Bank(photos.training_photos(*self.masks), backgrounds, Scenes(self.scenes), 7919 * self.seed + worker)


@dataclass(frozen=True, eq=False, slots=True)
class Sheets:
    """What passes between the crew and the networks at one picture side, per group of pictures."""

    rgb: Tensor
    """(groups, n, s, s, 3) uint8."""
    cues: Tensor
    """(groups, n, 11, s, s) float16."""
    soft: Tensor
    """(groups, n, s, s) uint8 true masks, 0 to 255."""
    answers: Tensor
    """(groups, n, s, s) float16 probabilities."""


def sheets(count: int, side: int) -> Sheets:
    """Empty ones in shared memory."""
    shapes = (count, side, side, 3), (count, CUES, side, side), (count, side, side), (count, side, side)
    kinds = torch.uint8, torch.float16, torch.uint8, torch.float16
    return Sheets(*(torch.zeros((GROUPS, *s), dtype=k).share_memory_() for s, k in zip(shapes, kinds, strict=True)))


class Crew:
    """A number of processes; use as a context."""

    def __init__(self, sources: Sources, workers: int, each: int, sides: Sequence[int]) -> None:
        self.sheets = {side: sheets(workers * each, side) for side in set(sides)}
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        for k in range(workers):
            ours, theirs = context.Pipe()
            mine = slice(k * each, (k + 1) * each)
            process = context.Process(target=_work, args=(theirs, sources, k, self.sheets, mine), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(10)
            process.terminate()

    def begin(self, group: int, side: int) -> None:
        """New pictures of that side for a group."""
        self._tell(group, side, True)

    def click(self, group: int, side: int) -> None:
        """The answers of a group are on its sheet: the next click."""
        self._tell(group, side, False)

    def wait(self, group: int) -> None:
        """Until every process has a group ready; raises EOFError when one has died."""
        for pipe in self._pipes:
            ready = pipe.recv()
            assert ready == group, (ready, group)

    def _tell(self, group: int, side: int, new: bool) -> None:
        for pipe in self._pipes:
            pipe.send((group, side, new))


def _work(
    pipe: Connection,
    sources: Sources,
    worker: int,
    shared: dict[int, Sheets],
    mine: slice,
) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    bank = sources.bank(worker)
    groups: dict[int, list[Clicked]] = {}
    while True:
        try:
            group, side, new = pipe.recv()
        except (EOFError, OSError):
            return
        sheet = shared[side]
        if new:
            bank.scenes.refresh()
            groups[group] = [Clicked(bank.draw(side), bank.dice) for _ in range(mine.stop - mine.start)]
            sheet.rgb[group, mine] = torch.from_numpy(np.stack([c.picture.rgb for c in groups[group]]))
            sheet.soft[group, mine] = torch.from_numpy(np.stack([c.soft for c in groups[group]]))
        else:
            for clicked, answer in zip(groups[group], sheet.answers[group, mine].float().numpy(), strict=True):
                clicked.step(answer)
        sheet.cues[group, mine] = torch.from_numpy(np.stack([c.cues() for c in groups[group]])).half()
        pipe.send(group)
