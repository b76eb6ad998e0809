"""Draws of convolutions of any geometry, and how closely two ways to compute them agree.

Read next: ``test_conv_kernels.py``, ``test_window_kernels.py``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

DTYPES = [np.float32, np.float64]


class Case(NamedTuple):
    """Arrays of a convolution in float64, and its geometry."""

    x: np.ndarray
    w: np.ndarray
    g: np.ndarray
    geometry: tuple  # stride, padding, dilation, groups

    @property
    def hw(self) -> tuple[int, int]:
        return self.x.shape[2:]

    @property
    def kernel_hw(self) -> tuple[int, int]:
        return self.w.shape[2:]

    @property
    def out_hw(self) -> tuple[int, int]:
        return self.g.shape[2:]

    def astype(self, dtype) -> Case:
        return Case(self.x.astype(dtype), self.w.astype(dtype), self.g.astype(dtype), self.geometry)

    def run(self, room) -> dict[str, np.ndarray]:
        return {
            "conv2d": room.conv2d(self.x, self.w, self.out_hw, *self.geometry),
            "conv_transpose2d": room.conv_transpose2d(self.g, self.w, self.hw, *self.geometry),
            "conv2d_weight_grad": room.conv2d_weight_grad(self.x, self.g, self.kernel_hw, *self.geometry),
        }


def make_case(seed, N, groups, Cg, Kg, hw, kernel_hw, out_hw, stride, padding, dilation) -> Case:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, groups * Cg, *hw))
    w = rng.normal(size=(groups * Kg, Cg, *kernel_hw))
    g = rng.normal(size=(N, groups * Kg, *out_hw))
    return Case(x, w, g, (stride, padding, dilation, groups))


@st.composite
def cases(draw, largest=9, most_channels=3):
    """Any geometry: results may be fewer than fit, or reach far outside; the kernel may exceed the image."""

    def pair(low, high):
        return draw(st.tuples(st.integers(low, high), st.integers(low, high)))

    hw, kernel_hw = pair(1, largest), pair(1, 4)
    stride, padding, dilation = pair(1, 3), pair(0, 5), pair(1, 3)
    off = pair(-2, 4)
    out_hw = tuple(
        max(1, (size + 2 * p - d * (k - 1) - 1) // s + 1 + o)
        for size, k, s, p, d, o in zip(hw, kernel_hw, stride, padding, dilation, off)
    )
    N, groups = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    Cg, Kg = draw(st.integers(1, most_channels)), draw(st.integers(1, most_channels + 3))
    seed = draw(st.integers(0, 2**32 - 1))
    return make_case(seed, N, groups, Cg, Kg, hw, kernel_hw, out_hw, stride, padding, dilation)


def assert_same(got: dict, wanted: dict, dtype, case: Case) -> None:
    """Two sums of the same products in different orders.

    Rounding grows like the root of the number of terms, and a term of standard normals stays below 25;
    8 of these are never reached by chance.
    """
    _, Cg, kh, kw = case.w.shape
    terms = max(case.w.shape[0] * kh * kw, Cg * kh * kw, case.g[:, 0].size)
    tolerance = 8 * 25 * np.finfo(dtype).eps * np.sqrt(terms)
    for name, expected in wanted.items():
        assert got[name].shape == expected.shape and got[name].dtype == dtype, name
        assert np.abs(got[name] - expected).max(initial=0) <= tolerance, name
