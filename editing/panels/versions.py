"""The strip of clips in the page, and the two of them that are played side by side."""

from typing import Any

import gradio as gr

from editing.panels.pictures import jpeg
from editing.session import Session
from editing.state import Take
from editing.versions import Version, comparable
from spatia_core.errors import InvalidInput

_STRIP = """
<div class="clips" role="list" aria-label="Clips of this session">
{{#each value}}<article class="clip-card {{kind}}" role="listitem" data-number="{{number}}">
<img src="{{image}}" alt="Last frame of clip {{number}}"><h3 title="{{title}}">{{title}}</h3>
<p>{{camera}}</p><p>{{made}}</p><p>{{from}}</p>
<div class="clip-does">
<button type="button" data-do="a" aria-pressed="{{a}}" title="Play clip {{number}} as A" {{gone}}>A</button>
<button type="button" data-do="b" aria-pressed="{{b}}" title="Play clip {{number}} as B" {{gone}}>B</button>
<button type="button" data-do="fork" title="{{hint}}" {{here}}>{{go}}</button>
</div></article>{{/each}}
</div>
"""

_PICK = """
element.addEventListener('click', (e) => {
  const b = e.target.closest('button');
  if (b && !b.disabled && !document.querySelector('.note.working'))
    trigger('pick', { do: b.dataset.do, number: Number(b.closest('.clip-card').dataset.number) });
});
"""

Pair = tuple[int | None, int | None]
"""Numbers of the clips that are chosen as A and B."""


def strip(**props: Any) -> gr.HTML:
    """The component; event pick."""
    return gr.HTML([], html_template=_STRIP, js_on_load=_PICK, **props)


def value(session: Session, pair: Pair) -> list[dict[str, Any]]:
    """The clips, oldest first."""
    present = session.version
    return [_card(v, v is present, v.state is session.state, pair) for v in session.versions]


def _card(version: Version, present: bool, here: bool, pair: Pair) -> dict[str, Any]:
    recipe, gone = version.recipe, version.state is None
    shot, edits = recipe.shot, len(recipe.log)
    prompt = f', "{shot.prompts[0]}"' if shot.prompts and shot.prompts[0] else ""
    says = [f"{edits} {'edit' if edits == 1 else 'edits'}", f"seed {shot.seed}", f"{recipe.maker}{prompt}"]
    went_on = [f"from clip {version.parent}"] if version.parent else []
    state = ["not filmed to its end"] if recipe.stopped else []
    return {
        "number": version.number,
        "kind": " ".join(n for n, true in (("present", present), ("recipe", gone)) if true),
        "image": jpeg(recipe.thumbnail, 80),
        "title": f"{version.number}. {version.label}",
        "camera": f"{version.camera}, {recipe.frames} frames",
        "made": ", ".join(says),
        "from": ", ".join([*went_on, *state, *(["frames are gone"] if gone else [])]) or "first clip",
        "a": "true" if pair[0] == version.number else "false",
        "b": "true" if pair[1] == version.number else "false",
        "gone": "disabled" if gone else "",
        "go": "Film again" if gone else "Here now" if here else "Go on from here",
        "here": "disabled" if here else "",
        "hint": "Makes this clip again from its recipe" if gone else "The present becomes what it was at this clip",
    }


def put(pair: Pair, side: str, number: int) -> Pair:
    """The pair with a clip chosen as A or B; the same clip a second time is given up again."""
    a, b = pair
    if side == "a":
        return (None if a == number else number, b)
    return (a, None if b == number else number)


def shown(session: Session, pair: Pair) -> list[tuple[str, Take | None]]:
    """What the player plays: the chosen clips, or the original and the edited one of the present."""
    takes = [(n, session.versions[n].take) for n in pair if n is not None]
    there = [(f"Clip {n}: {session.versions[n].label}", take) for n, take in takes if take is not None]
    if len(there) < 2:
        return [("Original", session.state.before), ("Edited", session.state.after)]
    return [*there]


def checked(session: Session, pair: Pair) -> None:
    """Returns when the chosen clips can be played side by side; raises InvalidInput otherwise."""
    takes = [session.versions[n].take for n in pair if n is not None]
    if any(t is None for t in takes):
        raise InvalidInput("The frames of that clip are gone. Press Film again under it first.")
    if len(takes) == 2 and takes[0] is not None and takes[1] is not None:
        comparable(takes[0], takes[1])
