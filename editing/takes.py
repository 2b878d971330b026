"""Takes: footage as a clip in the session's folder, and whether a take is the one a shot asks for."""

import uuid
from pathlib import Path

import numpy as np

from editing.filming import Footage, Shot
from editing.operations import completed_beside
from editing.state import State, Take, frozen_clip
from spatia_core.camera_path import CameraPath
from spatia_core.io.video import write_mp4
from spatia_core.memory import SpatialMemory


def kept(folder: Path, footage: Footage, path: CameraPath, edits: int, shot: Shot) -> Take:
    """The footage as a take: an mp4 and a file of its frames in the folder, under a name of its own."""
    name = f"{'edited' if edits else 'original'}-{uuid.uuid4().hex[:8]}"
    clip = footage.clip
    stored = np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=np.uint8, shape=clip.images.shape)
    stored[:] = clip.images
    file = folder / f"{name}.mp4"
    notes = (*footage.notes, *((footage.stopped,) if footage.stopped else ()))
    write_mp4(file, clip.images, clip.fps, metadata={"comment": " ".join(notes), "title": path.name})
    return Take(frozen_clip(stored, clip), footage.on(stored), path, shot, file, edits, notes=notes)


def films(take: Take, path: CameraPath, shot: Shot, wholly: bool = True) -> bool:
    """True when the take was made by this shot and, if asked, to its end."""
    a, b = take.path, path
    told = [(s.seed, s.turns, _prompts(take, s)) for s in (take.shot, shot)]
    if told[0] != told[1] or len(a) != len(b):
        return False
    same = all(x.same_lens(y) and np.array_equal(x.w2c, y.w2c) for x, y in zip(a, b, strict=True))
    return same and not (wholly and take.footage.stopped)


def _prompts(take: Take, shot: Shot) -> tuple[str, ...]:
    """The shot's prompts for the rounds that were filmed: those still to come may be told otherwise."""
    return tuple(shot.prompt(k) for k in range(len(take.footage.clips)))


def carried_over(state: State, filmed: SpatialMemory) -> SpatialMemory:
    """The edited memory with what filming added to the original since, except where an edit cleared.

    Both clips then show the same invented surroundings and differ in nothing but the edit.
    """
    added = np.arange(len(filmed)) >= len(state.original)
    removed = ~np.isin(filmed.labels.origin, state.memory.labels.origin)
    added &= ~(removed & (filmed.labels.origin >= 0))
    for edit in (e for e in state.log if e.clears):
        added &= ~completed_beside(filmed, edit.camera, edit.mask)
    return state.memory.insert(filmed.cloud[added], filmed.labels[added])
