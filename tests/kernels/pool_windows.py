"""Geometries of a pooling for the tests of its kernels, drawn by hypothesis.

Read next: ``test_pool_kernels.py``, ``cuda/test_host_pool.py``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

Pair = tuple[int, int]


class Windows(NamedTuple):
    """The geometry of a pooling; every window holds at least one real cell, as the kernels ask for."""

    shape: tuple[int, int, int, int]  # (N, C, H, W)
    out_hw: Pair
    kernel: Pair
    stride: Pair
    padding: Pair
    seed: int

    def image(self, dtype: Any = np.float64) -> np.ndarray:
        """Few different values, so that equal maxima occur."""
        return np.random.default_rng(self.seed).integers(-4, 5, self.shape).astype(dtype)

    def normal(self, shape: tuple[int, ...], dtype: Any = np.float64) -> np.ndarray:
        return np.random.default_rng(self.seed).normal(size=shape).astype(dtype)

    @property
    def pools(self) -> tuple[Pair, Pair, Pair, Pair]:
        """What a kernel takes after the image."""
        return self.out_hw, self.kernel, self.stride, self.padding

    @property
    def results(self) -> tuple[int, int, int, int]:
        """The shape of what a pooling gives."""
        return (*self.shape[:2], *self.out_hw)

    def window(self, i: int, j: int) -> tuple[slice, slice]:
        """The real cells of a window."""
        top, left = (n * s - p for n, s, p in zip((i, j), self.stride, self.padding))
        return slice(max(top, 0), top + self.kernel[0]), slice(max(left, 0), left + self.kernel[1])


@st.composite
def windows(draw: st.DrawFn, sizes: st.SearchStrategy[int]) -> Windows:
    """Windows over every edge, gaps between windows (stride > kernel), results that leave cells unseen.

    `sizes`: of height and width.
    """
    hw, kernel, stride, padding, out_hw = [], [], [], [], []
    for _ in range(2):
        hw.append(draw(sizes))
        kernel.append(draw(st.integers(1, 4)))
        stride.append(draw(st.integers(1, 4)))
        padding.append(draw(st.integers(0, kernel[-1] - 1)))
        most = (hw[-1] - 1 + padding[-1]) // stride[-1] + 1
        out_hw.append(most - draw(st.integers(0, min(2, most - 1))))
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 3)), *hw)
    seed = draw(st.integers(0, 2**32 - 1))
    return Windows(shape, tuple(out_hw), tuple(kernel), tuple(stride), tuple(padding), seed)
