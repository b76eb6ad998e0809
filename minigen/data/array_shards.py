"""Images in a folder of ``.npy`` files: ``x-00000.npy``, ``x-00001.npy``, ..., with labels ``y-00000.npy``, ... beside.

The names are those that arrays have in a ``.npz`` file, with a number or without: ``x_train-0.npy``, ``images.npy``.

Imports: NumPy, ``arrays.py``, ``shards.py``, ``assemble.py``. Read next: ``sources.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigen.data.arrays import IMAGES, LABELS, SPLIT_IMAGES, SPLIT_LABELS, read_array, read_images
from minigen.data.assemble import Part, assemble
from minigen.data.dataset import Dataset
from minigen.data.rows import open_npy
from minigen.data.shards import Shards, group_shards


def holds_arrays(files: Iterable[Path]) -> bool:
    """Whether some of the files are named as arrays of images."""
    names = {pattern.format(split) for pattern in SPLIT_IMAGES for split in ("train", "test")} | {*IMAGES}
    return any(path.suffix.lower() == ".npy" and _stem(path) in names for path in files)


def load_array_shards(
    folder: Path, files: Sequence[Path], *, split: str, seed: int, stream: bool | None, whole: bool = True
) -> Dataset:
    """The data set in ``.npy`` files of a folder; `whole` False: the user named just these files.

    ValueError, naming the file, for a missing number, arrays that do not fit together, and labels of another length.
    """
    arrays = [path for path in files if path.suffix.lower() == ".npy"]
    groups = {shards.stem.lower(): shards for shards in group_shards(arrays, whole=whole)}
    images = {s: g for s in ("train", "test") if (g := _find(groups, SPLIT_IMAGES, s)) is not None}
    labels = {s: _find(groups, SPLIT_LABELS, s) for s in images}
    if images.keys() != {"train", "test"}:
        alone = images.get("train") or _find(groups, IMAGES)
        if alone is None:
            raise ValueError(
                f"{folder}: holds no images to train on: expected x_train.npy, or x.npy or images.npy, or such names "
                f"with numbers (x-00000.npy), got {', '.join(path.name for path in arrays[:6])}"
            )
        images, labels = {"": alone}, {"": labels.get("train") or _find(groups, LABELS)}
    parts = {}
    for s, shards in images.items():
        found = labels[s]
        parts[s] = Part(
            partial(read_images, _without_empty(shards.files), stream),
            None if found is None else _read_labels(found, shards),
            str(shards.files[0]) + (f" to {shards.files[-1].name}" if len(shards.files) > 1 else ""),
            str(found and found.files[0]),
        )
    used = {path for group in (*images.values(), *labels.values()) if group for path in group.files}
    unused = [path.name for path in files if path not in used]
    notes = [f"not used of {folder.name}: {', '.join(unused[:6])}" + " ..." * (len(unused) > 6)] if unused else []
    empty = [path.name for shards in images.values() for path in shards.files if open_npy(path).shape[:1] == (0,)]
    if empty:
        notes.append(f"without images: {', '.join(empty)}")
    return assemble(folder.resolve().name, parts, split=split, seed=seed, notes=notes)


def _stem(path: Path) -> str:
    return group_shards([path], whole=False)[0].stem.lower()


def _find(groups: dict[str, Shards], patterns: Iterable[str], split: str = "") -> Shards | None:
    return next((groups[name] for pattern in patterns if (name := pattern.format(split)) in groups), None)


def _without_empty(files: Sequence[Path]) -> list[Path]:
    """Without files of no image; if all are such, the first, for the error."""
    return [path for path in files if open_npy(path).shape[:1] != (0,)] or [files[0]]


def _read_labels(found: Shards, images: Shards) -> NDArray[Any]:
    """Labels in one file, or in as many as the images, each of the same length. ValueError for others."""
    arrays = [read_array(path) for path in found.files]
    if len(found.files) == len(images.files):
        for path, y, of in zip(found.files, arrays, images.files):
            count = open_npy(of).shape[:1]
            if y.shape[:1] != count:
                raise ValueError(f"{path}: {len(y) if y.ndim else 0} labels for the {count[0]} images of {of.name}")
    elif len(found.files) > 1:
        raise ValueError(
            f"{found.files[0].parent}: {len(found.files)} files of labels ({found.files[0].name}, ...) but "
            f"{len(images.files)} of images ({images.files[0].name}, ...); give as many, or one with all labels"
        )
    return arrays[0] if len(arrays) == 1 else np.concatenate([y.reshape(len(y), -1) for y in arrays])
