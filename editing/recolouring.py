"""New colours for a thing: its hue, light and strength of colour change, its pattern and shading stay."""

from typing import Any

import numpy as np

from editing.edits import Look
from spatia_core.arrays import Colours
from spatia_core.errors import InvalidInput

_GREY = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Share of red, green and blue in how bright a colour looks."""


def recoloured(rgb: Colours, look: Look) -> Colours:
    """(n, 3) the colours under the look.

    A tint takes the tint's hue in proportion to a colour's own brightness, so that light and shade stay; the middle
    brightness of all the colours becomes the tint's.
    """
    out = rgb.astype(np.float32) / 255
    if look.strength > 0 and len(out):
        tint = np.array(look.tint, np.float32) / 255
        grey = out @ _GREY
        # a tint of no colour at all only darkens or lightens
        shade = grey / max(float(np.median(grey)), 1e-3)
        out = (1 - look.strength) * out + look.strength * np.clip(shade[:, None] * tint, 0, 1)
    if look.saturation != 1:
        grey = (out @ _GREY)[:, None]
        out = grey + look.saturation * (out - grey)
    out = np.clip(out * look.brightness, 0, 1)
    return np.rint(255 * out).astype(np.uint8)


def hex_colour(text: str) -> tuple[int, int, int]:
    """(r, g, b) from #rrggbb or rgb(r, g, b) as pages write them; raises ValueError for anything else."""
    text = text.strip()
    if text.startswith("rgb"):
        parts = text[text.index("(") + 1 : text.rindex(")")].split(",")[:3]
        r, g, b = (round(float(p)) for p in parts)
    elif text.startswith("#") and len(text) == 7:
        r, g, b = (int(text[k : k + 2], 16) for k in (1, 3, 5))
    else:
        raise ValueError(f"{text!r} is no colour")
    return min(max(r, 0), 255), min(max(g, 0), 255), min(max(b, 0), 255)


def look_of(tint: Any, strength: Any, brightness: Any, saturation: Any) -> Look:
    """The look that a person's controls describe; raises InvalidInput for what is none."""
    try:
        colour = hex_colour(str(tint or "#ffffff"))
        return Look(colour, float(strength), float(brightness), float(saturation))
    except (TypeError, ValueError):
        raise InvalidInput(f"{tint} is no colour, or a number is missing.") from None
