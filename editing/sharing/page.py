"""The shared page: one HTML file that holds both clips, plays them in step and says how they were made."""

import base64
import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from editing.plots import panel
from editing.session import Session
from editing.sharing import marks, pictures
from editing.sharing.provenance import Numbers, camera_words, caption, pair, provenance, same_camera, what_was_done
from editing.trust import Trust, trust
from spatia_core.io.files import PathLike, read_bytes, replacing
from spatia_core.io.video import MAX_VIDEO_BYTES

WEB = Path(__file__).parents[2] / "assets" / "web"


def _asset(name: str) -> str:
    return (WEB / name).read_text(encoding="utf-8")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value).replace("<", "\\u003c")


def _definitions(rows: Sequence[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{escape(a)}</dt><dd>{escape(b)}</dd>" for a, b in rows) + "</dl>"


def _recipe(told: dict[str, Any]) -> str:
    photo, models = told["photo"], told["backends"]
    edits = [
        f"{e['label']} ({e['share_of_photo']:.1%} of the photo)" if e["share_of_photo"] >= 0.0005 else e["label"]
        for e in told["edits"]
    ]
    rows = [
        ("Photo", f"{photo['name']}, {photo['size'][0]}x{photo['size'][1]}"),
        ("Edits", "; ".join(edits)),
        ("Camera", camera_words(told)),
        ("Seed", str(told["seed"])),
        *(("Prompt", p) for p in told["prompts"]),
        ("Depth", models["depth"]["name"]),
        ("Generator", models["generator"]["name"]),
        ("Made at", told["made_at"].replace("T", " ").replace("+00:00", " UTC")),
    ]
    return _definitions(rows)


def _models(told: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><th scope='row'>{escape(kind)}</th><td>{escape(b['name'])}</td><td>{escape(b.get('about', ''))}</td>"
        f"<td>{escape(b['licence'])}</td></tr>"
        for kind, b in told["backends"].items()
    )
    head = "<tr><th scope='col'>For</th><th scope='col'>Model</th><th scope='col'>What it is</th>"
    return f"<table><thead>{head}<th scope='col'>Licence</th></tr></thead><tbody>{rows}</tbody></table>"


def page(told: dict[str, Any], clips: Sequence[tuple[str, str, bytes]], poster: bytes, measured: Trust) -> str:
    """The page for a provenance, the clips as (label, file name, mp4), a JPEG and what was measured of the edited clip.

    It asks nobody for anything.
    """
    script = _asset("player.js") + "\n" + _asset("share_page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    done, camera = what_was_done(told), told["camera"]
    about = {
        "fps": float(camera["fps"]),
        "frames": camera["frames"],
        "clips": [{"label": label, "name": name, "id": f"clip-{i}"} for i, (label, name, _) in enumerate(clips)],
    }
    data = "\n".join(
        f'<script type="text/plain" id="clip-{i}">{_base64(mp4)}</script>' for i, (_, _, mp4) in enumerate(clips)
    )
    checks = "".join(f"<li>{escape(s)}</li>" for s in told["checks"]["notes"])
    stem, chosen = Path(told["photo"]["name"]).stem, bool(told["pair"]["says"])
    heading = f"{stem}: two clips" if chosen else f"{stem}: before and after"
    way = same_camera(told).removeprefix("on ")
    return Template(_asset("share_page.html")).substitute(
        script_hash=f"sha256-{digest}",
        tool=escape(marks.tool()),
        description=escape(marks.describe(f"{'Side by side' if chosen else 'Before and after'}: {done}.")),
        title=escape(heading),
        heading=escape(heading),
        lead=escape(f"{done[0].upper()}{done[1:]}. Both clips follow {way}; play them in step and compare."),
        style=_asset("share_page.css") + _asset("player.css"),
        player=_asset("player.html"),
        poster=f"data:image/jpeg;base64,{_base64(poster)}",
        recipe=_recipe(told),
        checks=f"<ul>{checks}</ul>{panel(measured)}",
        caption=escape(caption(told)),
        models=_models(told),
        provenance=escape(json.dumps(told, indent=1)),
        about=_json(about),
        clips=data,
        script=script,
    )


def write_page(session: Session, file: PathLike, made_at: datetime, chosen: Numbers | None = None) -> Path:
    """Writes the page of original and edited clip, or of two chosen ones; raises InvalidInput until there are two."""
    both = pair(session, chosen)
    before, after = both.before, both.after
    told = provenance(session, made_at, chosen)
    drawn = pictures.poster(before.clip.images, after.clip.images, both.labels)
    poster = marks.jpeg(drawn, f"{what_was_done(told)}.", 84)
    clips = [
        (label, f"{name}.mp4", read_bytes(take.file, MAX_VIDEO_BYTES, "clip"))
        for label, name, take in zip(both.labels, both.names, (before, after), strict=True)
    ]
    with replacing(file) as temporary:
        temporary.write_text(page(told, clips, poster, trust(after, session.unit)), encoding="utf-8", newline="\n")
    return Path(file)
