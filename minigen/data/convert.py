"""How to convert a file that `load` does not read, for its error message.

Imports: the standard library. Read next: ``sources.py``.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path

ARCHIVES = (".tgz", ".gz", ".bz2", ".xz", ".tbz2", ".txz")
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp")
OTHERS = (".mat", ".h5", ".hdf5", ".pt", ".pth", ".pkl", ".pickle", ".arrow", ".tfrecord")


def how_to_convert(path: Path) -> str:
    """The end of the message about a file that cannot be read; "" for an unknown suffix."""
    suffix, to = path.suffix.lower(), path.with_suffix(".npz")
    if suffix == ".zip":
        return f"; unpack it and name the folder: python -m zipfile -e {_quoted(path)} {_quoted(path.with_suffix(''))}"
    if suffix in ARCHIVES and (suffix != ".gz" or path.stem.lower().endswith(".tar")):
        folder = (
            path.with_suffix("") if not path.stem.lower().endswith(".tar") else path.with_suffix("").with_suffix("")
        )
        return f"; unpack it and name the folder: python -m tarfile -e {_quoted(path)} {_quoted(folder)}"
    if suffix in (".csv", ".tsv"):
        table, made, delimiter = (json.dumps(text) for text in (str(path), str(to), "," if suffix == ".csv" else "\t"))
        code = (
            f"import numpy as np; a = np.loadtxt({table}, delimiter={delimiter}, skiprows=1); "
            f"np.savez({made}, labels=a[:, 0], images=a[:, 1:] / 255)"
        )
        return (
            f"; of a table with a line of names, a label first and then pixels from 0 to 255, make a .npz file: "
            f"python -c {shlex.quote(code)}"
        )
    if suffix in PICTURES:
        return f"; of a picture, name the folder that holds it and others: {path.parent}"
    if suffix in OTHERS:
        return (
            "; open it with the library that wrote it and save its arrays: np.savez('data.npz', images=..., labels=...)"
        )
    return ""


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
