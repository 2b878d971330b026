"""What a person takes home to show others: a share pack, a page that opens from disk, and where it all comes from."""

from editing.sharing.pack import BUDGET, write_pack
from editing.sharing.page import page, write_page
from editing.sharing.provenance import AI_EDITED, Numbers, Pair, caption, pair, provenance

__all__ = [
    "AI_EDITED",
    "BUDGET",
    "Numbers",
    "Pair",
    "caption",
    "page",
    "pair",
    "provenance",
    "write_pack",
    "write_page",
]
