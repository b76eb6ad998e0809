"""The cache folder, for data that are downloaded or drawn and for proofs, where each platform wants it.

Imports: the standard library. Read next: ``data/glyphs.py``, ``proof.py``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """The folder for cached data; it need not exist.

    ``$MINIGEN_CACHE`` if set; else a folder ``minigen`` in ``$XDG_CACHE_HOME`` if set, in ``~/Library/Caches`` on
    macOS, in ``%LOCALAPPDATA%`` on Windows, in ``~/.cache`` elsewhere.
    """
    named = os.environ.get("MINIGEN_CACHE")
    if named:
        return Path(named).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    if not base and sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
    if not base:
        base = os.path.expanduser("~/Library/Caches" if sys.platform == "darwin" else "~/.cache")
    return Path(base) / "minigen"
