"""The clips of a session as plain data, for session files: recipes, their edits and small pictures; no frames."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from editing.edit_log import EditLog
from editing.edits import Edit
from editing.filming import Shot
from editing.state import State
from editing.timeline import MAX_FRAMES, described, keys_of, read_timeline
from editing.versions import MOST_VERSIONS, THUMBNAIL, Recipe, Version, Versions
from spatia_core.arrays import Image
from spatia_core.camera import Camera
from spatia_core.camera_path import PATH_NAMES
from spatia_core.errors import ProjectFormatError
from spatia_core.memory import Keyframe

OfCamera = Callable[[Camera], Any]
ToCamera = Callable[[Any], Camera]


def all_edits(state: State, versions: Versions) -> tuple[Edit, ...]:
    """The edits of the state, then those that only other clips show."""
    pool = {id(e): e for log in (state.log, *(v.recipe.log for v in versions)) for e in log}
    return tuple(pool.values())


def all_views(state: State) -> tuple[Keyframe, ...]:
    """The keyframes of the edited memory, then those that only the original has."""
    return tuple({id(k): k for m in (state.memory, state.original) for k in m.keyframes}.values())


def described_views(state: State) -> dict[str, list[int]] | None:
    """Which of all views each memory has; None when both have all."""
    place = {id(k): i for i, k in enumerate(all_views(state))}
    own = {n: [place[id(k)] for k in m.keyframes] for n, m in (("original", state.original), ("memory", state.memory))}
    return None if own["original"] == own["memory"] else own


def described_shot(shot: Shot, of_camera: OfCamera) -> dict[str, Any]:
    """A shot as JSON values."""
    return {
        "path": Path(shot.path).name,
        "frames": shot.frames,
        "amount": shot.amount,
        "seed": shot.seed,
        "turns": shot.turns,
        "prompts": list(shot.prompts),
        "keys": None if shot.keys is None else described(shot.keys, of_camera),
    }


def read_shot(d: dict[str, Any], to_camera: ToCamera) -> Shot:
    """The shot again; raises ProjectFormatError or InvalidInput for what none can be."""
    keys = None if d.get("keys") is None else read_timeline(d["keys"], to_camera)
    frames, turns = int(d["frames"]), int(d["turns"])
    if not (1 <= frames <= MAX_FRAMES and 1 <= turns <= 100) or (keys is None and d["path"] not in PATH_NAMES):
        raise ProjectFormatError(f"The session file has a clip on a camera path {d['path']!r} that cannot be flown.")
    prompts = tuple(str(p) for p in d["prompts"])
    return Shot(str(d["path"]), frames, float(d["amount"]), int(d["seed"]), turns, prompts, keys)


def described_versions(versions: Versions, edits: Sequence[Edit], of_camera: OfCamera) -> list[dict[str, Any]]:
    """All clips as JSON values; `edits` is the list that their numbers point into."""
    place = {id(e): i for i, e in enumerate(edits)}
    out = []
    for v in versions:
        recipe = v.recipe
        out.append(
            {
                "number": v.number,
                "parent": v.parent,
                "shot": described_shot(_lasting(v), of_camera),
                "edits": [place[id(e)] for e in recipe.log],
                "maker": recipe.maker,
                "frames": recipe.frames,
                "stopped": recipe.stopped,
                "picture": [recipe.thumbnail.shape[1], recipe.thumbnail.shape[0]],
            }
        )
    return out


def _lasting(version: Version) -> Shot:
    """Its shot; a path from a file becomes keys, because the file stays behind."""
    shot, take = version.recipe.shot, version.take
    if shot.keys is not None or shot.path in PATH_NAMES or take is None:
        return shot
    one = take.path
    return Shot(Path(shot.path).name, len(one), 1.0, shot.seed, shot.turns, shot.prompts, keys_of(one, 1.0))


def pictures_of(versions: Versions) -> Iterator[tuple[str, Image]]:
    """Every clip's small picture and the name that it is kept under."""
    for v in versions:
        yield f"versions/{v.number}.png", v.recipe.thumbnail


def read_versions(
    told: Sequence[dict[str, Any]],
    edits: Sequence[Edit],
    to_camera: ToCamera,
    picture: Callable[[str, tuple[int, int]], Image],
) -> Versions:
    """The clips again, as recipes; raises ProjectFormatError for what cannot be."""
    if len(told) > MOST_VERSIONS:
        raise ProjectFormatError(f"The session file lists more than {MOST_VERSIONS} clips.")
    out: list[Version] = []
    for d in told:
        number, size = int(d["number"]), (int(d["picture"][0]), int(d["picture"][1]))
        parent = None if d["parent"] is None else int(d["parent"])
        if number <= (out[-1].number if out else 0) or not all(1 <= side <= THUMBNAIL for side in size):
            raise ProjectFormatError("The session file's list of clips is out of order or has wrong pictures.")
        if not all(0 <= int(i) < len(edits) for i in d["edits"]):
            raise ProjectFormatError(f"Clip {number} in the session file shows edits that the file does not have.")
        log = EditLog(tuple(edits[int(i)] for i in d["edits"]))
        thumbnail = picture(f"versions/{number}.png", size)
        shot = read_shot(d["shot"], to_camera)
        recipe = Recipe(shot, log, str(d["maker"]), int(d["frames"]), thumbnail, str(d["stopped"]))
        out.append(Version(number, recipe, parent))
    return Versions(tuple(out))
