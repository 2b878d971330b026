"""Marks inside picture files that say how they came to be: EXIF and XMP, the IPTC's digital source type among them."""

import io
from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image as PilImage

from editing.sharing.provenance import AI_EDITED, SOURCE_TYPE, VERSION
from spatia_core.arrays import Image

_DESCRIPTION, _SOFTWARE = 0x010E, 0x0131

_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmp:CreatorTool="{tool}"
 Iptc4xmpExt:DigitalSourceType="{kind}">
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{says}</rdf:li></rdf:Alt></dc:description>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


def tool() -> str:
    """The program's name and version."""
    return f"Spatia Studio {VERSION}"


def _marks(says: str) -> tuple[PilImage.Exif, bytes]:
    exif = PilImage.Exif()
    exif[_DESCRIPTION] = says.encode("ascii", "replace").decode()
    exif[_SOFTWARE] = tool()
    return exif, _XMP.format(tool=escape(tool()), kind=SOURCE_TYPE, says=escape(says)).encode()


def describe(sentence: str) -> str:
    """A description that begins with the mark."""
    return f"{AI_EDITED}. {sentence}"


def jpeg(picture: Image, sentence: str, quality: int = 90) -> bytes:
    """The picture as JPEG, marked."""
    exif, xmp = _marks(describe(sentence))
    buffer = io.BytesIO()
    PilImage.fromarray(np.ascontiguousarray(picture)).save(
        buffer, "JPEG", quality=quality, exif=exif, xmp=xmp, comment=describe(sentence).encode()
    )
    return buffer.getvalue()


def webp(frames: Sequence[PilImage.Image], fps: float, sentence: str, quality: int = 60) -> bytes:
    """The frames as a WebP that plays for ever, marked."""
    exif, xmp = _marks(describe(sentence))
    buffer = io.BytesIO()
    frames[0].save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=list(frames[1:]),
        duration=round(1000 / fps),
        loop=0,
        quality=quality,
        method=3,
        exif=exif,
        xmp=xmp,
    )
    return buffer.getvalue()
