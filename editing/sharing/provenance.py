"""Where a shared clip comes from: what was edited, by which models, on which camera path, under which licences."""

import hashlib
import platform
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from editing import views
from editing.edit_log import EditLog
from editing.edits import Edit
from editing.session import Session
from editing.state import Take
from editing.versions import comparable
from spatia_core.backends import registry
from spatia_core.errors import InvalidInput

AI_EDITED = "AI-edited"
"""Stands in the metadata of every shared file."""

VERSION = "0.1.0"
"""Of this program."""

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""The IPTC's term for a picture of which a part was made by a trained model."""

OWN = "Apache-2.0 (code and weights of this program)"
FOREIGN = "see the model's own card"

_LIBRARIES = ("numpy", "av", "pillow", "opencv-python-headless", "torch")


Numbers = tuple[int, int]
"""Which two clips of the strip are shown side by side: A and B."""


@dataclass(frozen=True, eq=False, slots=True)
class Pair:
    """Two clips to be shown side by side."""

    before: Take
    after: Take
    log: EditLog
    """The edits that the second one shows."""
    labels: tuple[str, str] = ("Original", "Edited")
    names: tuple[str, str] = ("original", "edited")
    """Of their files."""
    chosen: str = ""
    """What was chosen from the strip, in words; empty for the present original and edited clip."""

    @property
    def same_camera(self) -> bool:
        """True when both clips were filmed on one path."""
        one, two = list(self.before.path), list(self.after.path)
        return len(one) == len(two) and all(
            np.allclose(a.w2c, b.w2c, atol=1e-6) and np.allclose(a.K, b.K) for a, b in zip(one, two, strict=True)
        )


def pair(session: Session, chosen: Numbers | None = None) -> Pair:
    """Original and edited clip, or any two of the strip; raises InvalidInput where they cannot be shown together."""
    if chosen is not None:
        return _chosen(session, *chosen)
    before, after = session.state.before, session.state.after
    if before is None or after is None:
        raise InvalidInput("There is no edited clip to share yet. Delete or move something and regenerate first.")
    if len(before.clip) != len(after.clip):
        raise InvalidInput("The edited clip is not filmed to its end. Press Regenerate to go on, then share it.")
    return Pair(before, after, session.state.log)


def _chosen(session: Session, a: int, b: int) -> Pair:
    one, two = session.versions[a], session.versions[b]
    if a == b:
        raise InvalidInput(f"Clip {a} cannot be shown beside itself. Choose another one as A or B.")
    if one.take is None or two.take is None:
        raise InvalidInput("The frames of that clip are gone. Press Film again under it first.")
    comparable(one.take, two.take)
    said = f"clip {a} ({one.label}) beside clip {b} ({two.label})"
    labels = f"Clip {a}: {one.label}", f"Clip {b}: {two.label}"
    return Pair(one.take, two.take, two.recipe.log, labels, (f"clip-{a}", f"clip-{b}"), said)


def digest(array: np.ndarray) -> str:
    """SHA-256 of the pixels."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def _edit(edit: Edit) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": edit.kind, "label": edit.label, "share_of_photo": round(float(edit.mask.mean()), 5)}
    if any(edit.offset):
        told |= {"offset_in_median_depths": list(edit.offset), "on_ground": edit.on_ground}
    return told


def _backend(kind: registry.Kind, backend: Any) -> dict[str, Any]:
    """What is known of a backend; one with foreign weights may say more in an attribute `models`."""
    told: dict[str, Any] = {"name": backend.name, "licence": FOREIGN}
    if backend.name in registry.names(kind):
        line = registry.entry(kind, backend.name)
        told |= {"about": line.says, "licence": FOREIGN if line.downloads else OWN}
    models = getattr(backend, "models", None)
    if models:
        told["models"] = [dict(m) for m in models]
    return told


def _libraries() -> dict[str, str]:
    found = {"spatia-studio": VERSION, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def provenance(session: Session, made_at: datetime, chosen: Numbers | None = None) -> dict[str, Any]:
    """Everything a stranger needs to judge, and to make again, the edited clip; plain values, fit for JSON.

    Of two clips chosen from the strip the second one is told of.
    """
    both = pair(session, chosen)
    before, after = both.before, both.after
    source, turn = session.source, session.tools.turn
    backends = {
        "depth": _backend("depth", turn.depth),
        "segmenter": _backend("segmenter", session.tools.segmenter),
        "generator": _backend("generator", turn.generator),
        "tracker": _backend("tracker", turn.tracker),
    }
    if not source.estimated:
        backends["depth"] = {"name": "given", "about": "depth came with the photo", "licence": "the photo's owner's"}
    # what was measured of a clip was measured against its own original
    shot, seen = after.shot, None if both.chosen else after.comparison
    return {
        "format": "spatia-provenance",
        "version": 1,
        "statement": f"{AI_EDITED}: this clip was made from one photo by a program and does not show what happened.",
        "digital_source_type": SOURCE_TYPE,
        "made_at": made_at.isoformat(timespec="seconds"),
        "photo": {
            "name": source.name,
            "size": list(source.shown_size),
            "working_size": list(source.fit.size),
            "sha256_of_working_pixels": digest(source.image),
            "licence": "the photo's owner's",
        },
        "edits": [_edit(e) for e in both.log],
        "pair": {"says": both.chosen, "same_camera": both.same_camera, "other_camera": before.path.name},
        "camera": {
            "path": after.path.name,
            "frames": len(after.clip),
            "fps": after.clip.fps,
            "amount": shot.amount,
            "turns": shot.turns,
            "comes_back": after.path.closed,
        },
        "seed": shot.seed,
        "prompts": list(shot.prompts),
        "clips": {
            name: {"maker": t.clip.maker, "sha256_of_pixels": digest(t.clip.images)}
            for name, t in zip(both.names, (before, after), strict=True)
        },
        "backends": backends,
        "checks": {
            "outside_psnr_db": None if seen is None else round(seen.outside_psnr, 2),
            "residue": None if seen is None or seen.residue is None else round(seen.residue, 5),
            "edited_share": None if seen is None else round(seen.edited_share, 5),
            "sentences": list(after.notes) if both.chosen else views.sentences(session),
            "notes": list(after.notes),
        },
        "versions": _libraries(),
    }


def what_was_done(told: dict[str, Any]) -> str:
    """The edits as half a sentence: `2 things deleted, 1 moved`; of two chosen clips, which they are."""
    if told["pair"]["says"]:
        return str(told["pair"]["says"])
    kinds = [e["kind"] for e in told["edits"]]
    words = {"delete": "deleted", "move": "moved"}
    counts = [(words.get(k, f"changed ({k})"), kinds.count(k)) for k in dict.fromkeys(kinds)]
    return ", ".join(f"{n} {'thing' if n == 1 else 'things'} {word}" for word, n in counts) or "nothing edited"


def camera_words(told: dict[str, Any]) -> str:
    """The camera path in words: `orbit left and back, 49 frames at 24 a second`."""
    camera = told["camera"]
    return f"{camera['path'].replace('-', ' ')}, {camera['frames']} frames at {camera['fps']} a second"


def same_camera(told: dict[str, Any]) -> str:
    """Whether both clips have one camera, in words."""
    if told["pair"]["same_camera"]:
        return "on the same camera path"
    return f"on different camera paths ({told['pair']['other_camera']} and {told['camera']['path']})"


def caption(told: dict[str, Any]) -> str:
    """Text to post beside the clip."""
    models = ", ".join(f"{kind} {b['name']}" for kind, b in told["backends"].items())
    done, photo = what_was_done(told), told["photo"]["name"]
    first = f"Before and after: {done} in {photo}, filmed again on the same camera path."
    if told["pair"]["says"]:
        first = f"Two clips made from {photo}: {done}, {same_camera(told)}."
    lines = [
        first,
        f"{AI_EDITED}. Made from one photo; it does not show what happened.",
        "",
        f"Camera: {camera_words(told)}. Seed {told['seed']}.",
        *(f"Prompt: {p}" for p in told["prompts"]),
        f"Models: {models}.",
        *told["checks"]["sentences"],
    ]
    return "\n".join(lines) + "\n"
