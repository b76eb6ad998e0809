"""The rules for the shapes of image arrays, and the split of a data set that has none.

Imports: NumPy, ``minigen.random``. Read next: ``values.py`` and ``classes.py``, the rules for pixels and labels.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from minigen.random import Generator

CHANNELS = (1, 3, 4)
TEST_SHARE = 0.1


def as_nchw(x: NDArray[np.generic], source: str) -> NDArray[np.generic]:
    """View or copy `x` as (N, C, H, W); `source` opens the error message.

    Accepted: (N, H, W); (N, C, H, W) and (N, H, W, C) with 1, 3 or 4 channels (the former if both are possible); (N, D)
    with D a square number. ValueError for any other shape.
    """
    shape = nchw_shape(x.shape, source)
    if x.ndim == 4 and shape != x.shape:
        return np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    return x.reshape(shape)


def nchw_shape(shape: tuple[int, ...], source: str) -> tuple[int, int, int, int]:
    """The shape that `as_nchw` makes of `shape`, with its errors."""
    if 0 in shape or len(shape) not in (2, 3, 4):
        raise ValueError(
            f"{source}: images must be (N, H, W), (N, C, H, W), (N, H, W, C) or (N, D), none of it empty, got {shape}"
        )
    if len(shape) == 2:
        side = math.isqrt(shape[1])
        if side * side != shape[1]:
            raise ValueError(
                f"{source}: rows of {shape[1]} values are no square image; save them as (N, C, H, W) instead"
            )
        return shape[0], 1, side, side
    if len(shape) == 3:
        return shape[0], 1, shape[1], shape[2]
    if shape[1] in CHANNELS:
        return shape[0], shape[1], shape[2], shape[3]
    if shape[3] in CHANNELS:
        return shape[0], shape[3], shape[1], shape[2]
    raise ValueError(f"{source}: {shape} has no channel axis: expected 1, 3 or 4 channels at axis 1 or 3")


def holdout(count: int, *, split: str, seed: int, source: str) -> NDArray[np.int64]:
    """Indices of the images of "train" or "test" for a data set without splits, in ascending order.

    A random tenth (rounded, at least one image), chosen by `seed`, is the test set.
    """
    if count < 2:
        raise ValueError(f"{source}: {count} image cannot be split into train and test; at least 2 are needed")
    test = max(1, round(TEST_SHARE * count))
    order = Generator(seed).spawn("split").permutation(count)
    chosen: NDArray[np.int64] = np.sort(order[-test:] if split == "test" else order[:-test])
    return chosen
