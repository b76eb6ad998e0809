"""Text that is safe to print: no byte of a file, of its name or of a setting may steer the terminal.

Imports: nothing of minigen. Read next: ``progress.py``.
"""

from __future__ import annotations

import unicodedata

STEERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # turn the direction of writing around
CATEGORIES = ("Cc", "Cs", "Zl", "Zp")  # control, halves of pairs (bytes that are no text), separators of lines


def printable(text: str) -> str:
    """`text` with everything escaped that a terminal would obey instead of show; ends of lines stay."""
    return "".join(
        c.encode("unicode_escape").decode()
        if c in STEERING or (c != "\n" and unicodedata.category(c) in CATEGORIES)
        else c
        for c in text
    )
