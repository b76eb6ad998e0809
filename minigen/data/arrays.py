"""Images from ``.npy`` and ``.npz`` files that a user saved with NumPy.

Imports: NumPy, ``npy.py``, ``assemble.py``. Read next: ``folder.py``.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from numpy.typing import NDArray

from minigen.data.assemble import LATEST_RULES, Part, assemble
from minigen.data.dataset import Dataset
from minigen.data.npy import MAGIC, read_npy

# The accepted names of arrays of images and labels, in upper or lower case; {} is the split.
SPLIT_IMAGES = ("x_{}", "{}_images", "images_{}", "{}_x")
SPLIT_LABELS = ("y_{}", "{}_labels", "labels_{}", "{}_y", "{}_label", "{}_targets", "targets_{}")
IMAGES = ("images", "x", "arr_0")
LABELS = ("labels", "y", "label", "targets", "target", "classes")
OLD = 2  # version 0.1.0 knew only this many of the names with a split, and of labels


def load_arrays(path: Path, *, split: str, seed: int, rules: int = LATEST_RULES) -> Dataset:
    """The data set in a ``.npy`` file (images alone) or a ``.npz`` file.

    A ``.npz`` file holds ``x_train``, ``y_train``, ``x_test``, ``y_test`` (or ``train_images``, ``train_labels``, ...),
    or else ``images`` (or ``x``, ``arr_0``) and perhaps ``labels`` (or ``y``, ``targets``, ...). Without splits, a
    random tenth (by `seed`) is the test set. Unused arrays are named in the notes. Shapes:
    ``layout.py``; values: ``values.py``; labels: ``classes.py``. ValueError, naming the file, for anything else.
    """
    with path.open("rb") as file:  # checked here, because NumPy's error for other files is about pickles
        start = file.read(6)
    is_npy = path.suffix.lower() == ".npy"
    if start not in (b"", MAGIC) and start[:4] not in (b"PK\3\4", b"PK\5\6"):
        raise _unreadable(path, f"it starts with {start!r}, as no file of NumPy does")
    if (start == MAGIC) != is_npy:
        other = f"name it {'.npz' if is_npy else '.npy'}, for that is what it holds"
        raise _unreadable(path, other if start else "it is empty")
    if is_npy:
        part = Part(lambda: _read(path, None), None, f"{path}: images", "")
        return assemble(path.stem, {"": part}, split=split, seed=seed, rules=rules)
    return _load_archive(path, split, seed, rules)


def _load_archive(path: Path, split: str, seed: int, rules: int) -> Dataset:
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name.removesuffix(".npy"): name for name in archive.namelist()}
    except Exception as error:
        raise _unreadable(path, error) from error
    known = OLD if rules == 1 else None
    lower = {name if rules == 1 else name.lower(): name for name in reversed(members)}
    images = {s: name for s in ("train", "test") if (name := _find(lower, _for_split(SPLIT_IMAGES[:known], s)))}
    single = _find(lower, IMAGES)
    labels: dict[str, str | None]
    if split in images:
        labels = {s: _find(lower, _for_split(SPLIT_LABELS[:known], s)) for s in images}
    elif single is not None:
        images, labels = {"": single}, {"": _find(lower, LABELS[:known])}
    else:
        raise ValueError(
            f"{path}: holds no images for the split {split!r}: expected an array 'x_{split}' or '{split}_images', or "
            f"'images', 'x' or 'arr_0', got {', '.join(map(repr, members)) or 'nothing'}"
        )
    parts = {
        s: Part(
            lambda name=name: _read(path, members[name]),  # type: ignore[misc]
            None if (label := labels[s]) is None else _read(path, members[label]),
            f"{path}: {name}",
            f"{path}: {label}",
        )
        for s, name in images.items()
    }
    unused = [name for name in members if name not in {*images.values(), *labels.values()}]
    notes = [f"not used of {path.name}: {', '.join(unused)}"] if unused else []
    if unused and not any(labels.values()):
        notes[0] += f" (labels are called {', '.join(LABELS[:4])})"
    return assemble(path.stem, parts, split=split, seed=seed, notes=notes, rules=rules)


def _for_split(patterns: Iterable[str], split: str) -> list[str]:
    return [pattern.format(split) for pattern in patterns]


def _find(lower: Mapping[str, str], wanted: Iterable[str]) -> str | None:
    """The first of the wanted names in the file. `lower`: lower-case name -> name in the file."""
    return next((lower[name] for name in wanted if name in lower), None)


def _read(path: Path, member: str | None) -> NDArray[Any]:
    """The array in a file, or in a member of an archive. ValueError, naming the file, if it cannot be read."""
    try:
        if member is None:
            with path.open("rb") as file:
                return read_npy(file, os.fstat(file.fileno()).st_size)
        with zipfile.ZipFile(path) as archive, archive.open(member) as part:
            return read_npy(cast(io.BufferedIOBase, part), archive.getinfo(member).file_size)
    except Exception as error:  # a damaged archive raises many types
        raise _unreadable(path, error, member) from error


def _unreadable(path: Path, error: Exception | str, member: str | None = None) -> ValueError:
    text = ("" if member is None else f"{member}: ") + (str(error) or type(error).__name__)
    return ValueError(f"{path}: cannot be read as NumPy arrays ({text}); save it again with np.savez")
