"""A link that leads back to a tab's session: after the page was loaded anew, or the connection was lost."""

import hashlib
import html
import secrets
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable
from weakref import WeakValueDictionary

import gradio as gr

from spatia_core.errors import InvalidInput

SHORTEST_KEY, LONGEST_KEY = 16, 200

GONE = (
    "The session of this link is not on this server any more: it was closed, or the server was started anew. "
    "Open its session file (.spatia) if you saved one, or begin with a photo."
)
FOREIGN = (
    "This link belongs to a session of another browser, and only opens there. "
    "Ask for the session file (.spatia) and open that here, or begin with a photo."
)

ASKED = """() => {
  let key = null;
  try {
    key = localStorage.getItem('spatia-studio');
    if (!key) {
      key = Array.from(crypto.getRandomValues(new Uint8Array(24)), (b) => b.toString(16).padStart(2, '0')).join('');
      localStorage.setItem('spatia-studio', key);
    }
  } catch (e) { /* storage is closed to this page: its link will not open again */ }
  return [new URL(location.href).searchParams.get('session'), key];
}"""
"""Client side: the session that the address names, and the secret that tells this browser from others."""

_LINK = (
    '<p class="how session-link"><button type="button">Copy a link to this session</button> <span>${says}</span></p>'
)

_ON_LOAD = """
const told = element.querySelector('span');
const button = element.querySelector('button');
function address(name) {
  const url = new URL(location.href);
  url.searchParams.set('session', name);
  return url;
}
function update() {
  element.hidden = !props.value;
  if (props.value) history.replaceState(history.state, '', address(props.value));
}
button.onclick = async () => {
  const link = address(props.value).href;
  try {
    await navigator.clipboard.writeText(link);
    told.textContent = 'The link is copied.';
  } catch (e) {
    told.textContent = link;
  }
};
watch('value', update);
update();
"""

SAYS = "It opens in this browser only, until an hour after its last tab is closed. To hand it on, save the session."


def link_button(**props: Any) -> gr.HTML:
    """The button that copies the link; its value is the session's name, which the page puts into its address."""
    return gr.HTML(None, html_template=_LINK, js_on_load=_ON_LOAD, says=html.escape(SAYS), **props)


@runtime_checkable
class Place(Protocol):
    """What a link leads to."""

    link: str | None

    @property
    def left(self) -> bool:
        """True when nobody is there any more."""
        ...

    @property
    def ready(self) -> bool:
        """True when there is something to come back to."""
        ...


P = TypeVar("P", bound=Place)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


class Links(Generic[P]):
    """Which place a link leads to; a place is forgotten when nobody is there any more."""

    def __init__(self) -> None:
        self._places: WeakValueDictionary[str, P] = WeakValueDictionary()
        self._owners: dict[str, str] = {}

    def give(self, place: P, key: str | None) -> None:
        """The place has a link of its own, which opens for whoever holds the key; without a key for nobody."""
        if key is not None and SHORTEST_KEY <= len(key) <= LONGEST_KEY:
            place.link = secrets.token_urlsafe(15)
            self._places[place.link] = place
            self._owners = {k: v for k, v in self._owners.items() if k in self._places} | {place.link: _digest(key)}

    def find(self, link: str, key: str | None) -> P:
        """The place of a link; raises InvalidInput when it is gone, or somebody else's."""
        place = self._places.get(link[:LONGEST_KEY])
        if place is None or place.left or not place.ready:
            raise InvalidInput(GONE)
        if not secrets.compare_digest(self._owners.get(place.link or "", ""), _digest(str(key))):
            raise InvalidInput(FOREIGN)
        return place
