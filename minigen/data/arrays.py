"""Images from ``.npy`` and ``.npz`` files that a user saved with NumPy.

Imports: NumPy, ``npy.py``, ``rows.py``, ``assemble.py``. Read next: ``array_shards.py``, ``folder.py``.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from minigen.data.assemble import LATEST_RULES, Part, assemble
from minigen.data.dataset import Dataset
from minigen.data.npy import MAGIC, read_npy
from minigen.data.rows import Rows, check_alike, open_npy
from minigen.data.stored import StoredImages, is_streamed

# The accepted names of arrays of images and labels, in upper or lower case; {} is the split.
SPLIT_IMAGES = ("x_{}", "{}_images", "images_{}", "{}_x")
SPLIT_LABELS = ("y_{}", "{}_labels", "labels_{}", "{}_y", "{}_label", "{}_targets", "targets_{}")
IMAGES = ("images", "x", "arr_0")
LABELS = ("labels", "y", "label", "targets", "target", "classes")
OLD = 2  # version 0.1.0 knew only this many of the names with a split, and of labels


def load_arrays(path: Path, *, split: str, seed: int, rules: int = LATEST_RULES, stream: bool | None = None) -> Dataset:
    """The data set in a ``.npy`` file (images alone) or a ``.npz`` file.

    `stream` True leaves the images of a ``.npy`` file where they are, False loads them, None decides by their size.

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
        part = Part(lambda: read_images([path], stream), None, f"{path}: images", "")
        return assemble(path.stem, {"": part}, split=split, seed=seed, rules=rules)
    if stream:
        raise ValueError(
            f"{path}: a .npz file is an archive, which is loaded whole; save its arrays as files of their own in a "
            "folder, x_train.npy, y_train.npy, ..., and name the folder; or leave out stream (--stream)"
        )
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


def read_images(files: Sequence[Path], stream: bool | None) -> NDArray[Any] | StoredImages:
    """The images in ``.npy`` files, one behind the other, in memory or left where they are: see `load_arrays`.

    ValueError, naming the file, for one that cannot be read, for different shapes or types, and for an array in Fortran
    order that is to be streamed.
    """
    opened = [open_npy(path) for path in files]
    check_alike(opened)
    scattered = any(file.fortran_order for file in opened)
    if is_streamed(sum(file.pixel_bytes for file in opened), stream) and not (stream is None and scattered):
        return Rows(opened)
    arrays = [read_array(path) for path in files]
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def read_array(path: Path) -> NDArray[Any]:
    """The array in a ``.npy`` file. ValueError, naming the file, if it cannot be read."""
    return _read(path, None)


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
