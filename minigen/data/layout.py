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
