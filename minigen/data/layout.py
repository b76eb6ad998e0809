"""The rules for arrays that come from a user's files: which shapes, types and values are images and labels.

Imports: NumPy, ``minigen.random``. Read next: ``arrays.py``.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from minigen.random import Generator

CHANNELS = (1, 3, 4)
TEST_SHARE = 0.1
CHUNK = 1 << 22  # values looked at together


def as_nchw(x: NDArray[np.generic], source: str) -> NDArray[np.generic]:
    """View or copy `x` as (N, C, H, W); `source` opens the error message.

    Taken: (N, H, W); (N, C, H, W) and (N, H, W, C) with C of 1, 3 or 4, the first of them if both fit; (N, D) with D a
    square number. ValueError for any other shape.
    """
    if 0 in x.shape or x.ndim not in (2, 3, 4):
        raise ValueError(
            f"{source}: images must be (N, H, W), (N, C, H, W), (N, H, W, C) or (N, D), none of it empty, got {x.shape}"
        )
    if x.ndim == 2:
        side = math.isqrt(x.shape[1])
        if side * side != x.shape[1]:
            raise ValueError(
                f"{source}: rows of {x.shape[1]} values are no square image; save them as (N, C, H, W) instead"
            )
        return x.reshape(-1, 1, side, side)
    if x.ndim == 3:
        return x[:, None]
    if x.shape[1] in CHANNELS:
        return x
    if x.shape[3] in CHANNELS:
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    raise ValueError(f"{source}: {x.shape} has no channel axis: expected 1, 3 or 4 channels at axis 1 or 3")


def as_pixels(x: NDArray[np.generic], source: str) -> tuple[NDArray[np.generic], tuple[float, float]]:
    """Images as uint8 or float32, and their value range: (0, 1), or (-1, 1) for floats that go below 0.

    uint8 is taken as 0..255, bool as 0 and 255. Floats must be finite and lie in [0, 1] or [-1, 1]. ValueError for
    other types (what is wrong in a file is a value, not a caller's mistake), for other values (naming the first NaN or
    infinity), and for bytes that are all 0 or 1.
    """
    if x.dtype == np.bool_:
        return x.astype(np.uint8) * np.uint8(255), (0.0, 1.0)
    if x.dtype == np.uint8:
        if x.max() <= 1:
            raise ValueError(
                f"{source}: the images are bytes but none is above 1, so they would be black in 0..255; "
                "save them as bool (0 and 1), or times 255"
            )
        return x, (0.0, 1.0)
    if not np.issubdtype(x.dtype, np.floating):
        raise ValueError(
            f"{source}: images must be uint8 (0..255), bool or float, got {x.dtype}; save images.astype(np.uint8)"
        )
    _check_finite(x, source)
    low, high = float(x.min()), float(x.max())
    if low < -1 or high > 1:
        raise ValueError(
            f"{source}: float images must lie in [0, 1] or [-1, 1], got values from {low:g} to {high:g}; "
            "divide them by their largest value (255 for bytes saved as floats)"
        )
    return x.astype(np.float32, copy=False), (0.0, 1.0) if low >= 0 else (-1.0, 1.0)


def _check_finite(x: NDArray[np.generic], source: str) -> None:
    flat = x.reshape(-1)
    for start in range(0, flat.size, CHUNK):
        finite = np.isfinite(flat[start : start + CHUNK])
        if not finite.all():
            at = start + int(np.argmin(finite))
            index = tuple(int(i) for i in np.unravel_index(at, x.shape))
            raise ValueError(f"{source}: the images hold {flat[at]} at index {index} of {x.shape}; repair or drop it")


def as_labels(y: NDArray[np.generic], count: int, source: str) -> NDArray[np.int64]:
    """Labels (N,) or (N, 1) of whole numbers >= 0 as int64 (N,); `count` is the number of images.

    ValueError if they are not that, or not one for each image.
    """
    if not np.issubdtype(y.dtype, np.integer):
        raise ValueError(f"{source}: labels must be whole numbers, got {y.dtype}; save labels.astype(np.int64)")
    if y.shape not in ((len(y),), (len(y), 1)):
        raise ValueError(f"{source}: labels must be (N,), got {y.shape}; of one-hot rows save the argmax")
    if len(y) != count:
        raise ValueError(f"{source}: {count} images but {len(y)} labels; they must be as many")
    labels = y.reshape(-1).astype(np.int64)
    if labels.min() < 0:
        raise ValueError(f"{source}: labels must be 0 or more, got {labels.min()}")
    return labels


def holdout(count: int, *, split: str, seed: int, source: str) -> NDArray[np.int64]:
    """Positions of the images of "train" or "test" where a data set has no split of its own, in ascending order.

    A random tenth (rounded, at least one image), chosen by `seed`, is the test set.
    """
    if count < 2:
        raise ValueError(f"{source}: {count} image cannot be split into train and test; at least 2 are needed")
    test = max(1, round(TEST_SHARE * count))
    order = Generator(seed).spawn("split").permutation(count)
    chosen: NDArray[np.int64] = np.sort(order[-test:] if split == "test" else order[:-test])
    return chosen
