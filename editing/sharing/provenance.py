"""Where a shared clip comes from: what was edited, by which models, on which camera path, under which licences."""

import hashlib
import platform
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from editing import views
from editing.edits import Edit
from editing.session import Session
from editing.state import Take
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


def pair(session: Session) -> tuple[Take, Take]:
    """Original and edited clip; raises InvalidInput until an edit was filmed wholly."""
    before, after = session.state.before, session.state.after
    if before is None or after is None:
        raise InvalidInput("There is no edited clip to share yet. Delete or move something and regenerate first.")
    if len(before.clip) != len(after.clip):
        raise InvalidInput("The edited clip is not filmed to its end. Press Regenerate to go on, then share it.")
    return before, after


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


def provenance(session: Session, made_at: datetime) -> dict[str, Any]:
    """Everything a stranger needs to judge, and to make again, the edited clip; plain values, fit for JSON."""
    before, after = pair(session)
    source, turn = session.source, session.tools.turn
    backends = {
        "depth": _backend("depth", turn.depth),
        "segmenter": _backend("segmenter", session.tools.segmenter),
        "generator": _backend("generator", turn.generator),
        "tracker": _backend("tracker", turn.tracker),
    }
    if not source.estimated:
        backends["depth"] = {"name": "given", "about": "depth came with the photo", "licence": "the photo's owner's"}
    shot, seen = after.shot, after.comparison
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
        "edits": [_edit(e) for e in session.state.log],
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
            for name, t in (("original", before), ("edited", after))
        },
        "backends": backends,
        "checks": {
            "outside_psnr_db": None if seen is None else round(seen.outside_psnr, 2),
            "residue": None if seen is None or seen.residue is None else round(seen.residue, 5),
            "edited_share": None if seen is None else round(seen.edited_share, 5),
            "sentences": views.sentences(session),
            "notes": list(after.notes),
        },
        "versions": _libraries(),
    }


def what_was_done(told: dict[str, Any]) -> str:
    """The edits as half a sentence: `2 things deleted, 1 moved`."""
    kinds = [e["kind"] for e in told["edits"]]
    words = {"delete": "deleted", "move": "moved"}
    counts = [(words.get(k, f"changed ({k})"), kinds.count(k)) for k in dict.fromkeys(kinds)]
    return ", ".join(f"{n} {'thing' if n == 1 else 'things'} {word}" for word, n in counts) or "nothing edited"


def camera_words(told: dict[str, Any]) -> str:
    """The camera path in words: `orbit left and back, 49 frames at 24 a second`."""
    camera = told["camera"]
    return f"{camera['path'].replace('-', ' ')}, {camera['frames']} frames at {camera['fps']} a second"


def caption(told: dict[str, Any]) -> str:
    """Text to post beside the clip."""
    models = ", ".join(f"{kind} {b['name']}" for kind, b in told["backends"].items())
    lines = [
        f"Before and after: {what_was_done(told)} in {told['photo']['name']}, filmed again on the same camera path.",
        f"{AI_EDITED}. Made from one photo; it does not show what happened.",
        "",
        f"Camera: {camera_words(told)}. Seed {told['seed']}.",
        *(f"Prompt: {p}" for p in told["prompts"]),
        f"Models: {models}.",
        *told["checks"]["sentences"],
    ]
    return "\n".join(lines) + "\n"
