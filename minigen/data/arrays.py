"""Images from ``.npy`` and ``.npz`` files that a user saved with NumPy.

Imports: NumPy, ``dataset.py``, ``layout.py``. Read next: ``folder.py``.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigen.data.dataset import Dataset
from minigen.data.layout import as_labels, as_nchw, as_pixels, holdout

# The names under which images, and labels, are looked for; {} is the split.
SPLIT_IMAGES, SPLIT_LABELS = ("x_{}", "{}_images"), ("y_{}", "{}_labels")
IMAGES, LABELS = ("images", "x", "arr_0"), ("labels", "y")


def load_arrays(path: Path, *, split: str, seed: int) -> Dataset:
    """The data set in a ``.npy`` file (images alone) or a ``.npz`` file.

    A ``.npz`` file holds ``x_train``, ``y_train``, ``x_test``, ``y_test`` (or ``train_images``, ``train_labels``, ...),
    or else ``images`` (or ``x``, ``arr_0``) and perhaps ``labels`` (or ``y``). Without a split of its own, a random
    tenth chosen by `seed` is the test set. Shapes and values: ``layout.py``. ValueError, naming the file, for anything
    else.
    """
    arrays = _read(path, split)
    images_key, labels_key = _keys(path, arrays, split)
    x, value_range = as_pixels(as_nchw(arrays[images_key], f"{path}: {images_key}"), f"{path}: {images_key}")
    labels = None if labels_key is None else as_labels(arrays[labels_key], len(x), f"{path}: {labels_key}")
    whole = Dataset(path.stem, split, x, labels, value_range=value_range)
    if images_key not in IMAGES:
        return whole
    return whole.subset(holdout(len(x), split=split, seed=seed, source=str(path)))


def _read(path: Path, split: str) -> dict[str, NDArray[Any]]:
    """The arrays that may matter; nothing is unpickled, so that a file can only hold data."""
    wanted = {name.format(split) for name in (*SPLIT_IMAGES, *SPLIT_LABELS, *IMAGES, *LABELS)}
    try:
        with path.open("rb") as file:  # what NumPy says of other files speaks of pickles, which help nobody here
            start = file.read(6)
        if start not in (b"", b"\x93NUMPY") and start[:4] not in (b"PK\3\4", b"PK\5\6"):
            raise ValueError(f"it starts with {start!r}, as no file of NumPy does")
        if path.suffix == ".npy":
            # A memory map fails at once where a header promises more than the file holds.
            array = np.load(path, mmap_mode="r", allow_pickle=False)
            if not isinstance(array, np.ndarray):
                raise ValueError("it holds several arrays; name it .npz")
            return {"images": np.array(array)}
        with path.open("rb") as file:  # opened here, because np.load forgets to close what is no zip archive
            arrays = np.load(file, allow_pickle=False)
            if isinstance(arrays, np.ndarray):
                raise ValueError("it holds one array; name it .npy")
            return {name: arrays[name] for name in arrays.files if name in wanted}
    except (ValueError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise ValueError(f"{path}: cannot be read as NumPy arrays ({error}); save it again with np.savez") from error


def _keys(path: Path, arrays: dict[str, NDArray[Any]], split: str) -> tuple[str, str | None]:
    for images, labels in ((SPLIT_IMAGES, SPLIT_LABELS), (IMAGES, LABELS)):
        x = next((n for n in (name.format(split) for name in images) if n in arrays), None)
        if x is not None:
            return x, next((n for n in (name.format(split) for name in labels) if n in arrays), None)
    raise ValueError(
        f"{path}: holds no images for the split {split!r}: expected an array 'x_{split}' or '{split}_images', "
        "or 'images', 'x' or 'arr_0'"
    )
