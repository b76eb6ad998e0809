"""Convolution by products of matrices whose rows are weights where they lie, held to the reference.

Read next: ``kernels/minigen_kernels/cpu/columns.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels.sharing import sharing

from minigen_kernels import cpu, reference
from minigen_kernels.cpu import columns
from minigen_kernels.cpu.choice import algorithm
from minigen_kernels.cpu.circle import Geometry
from minigen_kernels.cpu.layout import is_channels_last

CASES = {  # channels, image, kernel, stride, padding, dilation
    "halved": (64, (8, 8), (4, 4), (2, 2), (1, 1), (1, 1)),
    "of two shapes": (5, (7, 9), (3, 2), (1, 2), (2, 1), (1, 1)),
    "far apart": (3, (6, 6), (3, 3), (3, 3), (1, 2), (2, 1)),
    "wider than a register": (2, (3, 37), (2, 2), (1, 1), (0, 0), (1, 1)),
    "mostly outside": (2, (2, 2), (5, 5), (2, 2), (4, 4), (1, 1)),
    "one cell": (7, (1, 1), (4, 4), (1, 1), (3, 3), (1, 1)),
}


def size_of_result(hw: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, p, d, k, s in zip(hw, padding, dilation, kernel, stride))


def last(x: np.ndarray) -> np.ndarray:
    """The same numbers, channels last."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def check(N: int, C: int, K: int, hw: Any, kernel: Any, steps: Any, dtype: Any, channels_last: bool) -> None:
    """All three operations."""
    out = size_of_result(hw, kernel, *steps)
    rng = np.random.default_rng(0)
    shapes = (N, C, *hw), (K, C, *kernel), (N, K, *out)
    x, w, g = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    if channels_last:
        x, g = last(x), last(g)
    geometry = Geometry(hw, out, kernel, *steps)
    pairs = (
        (columns.conv2d(x, w, geometry), reference.conv2d(x, w, out, *steps, 1)),
        (columns.conv_transpose2d(g, w, geometry), reference.conv_transpose2d(g, w, hw, *steps, 1)),
        (columns.weight_grad(x, g, geometry), reference.conv2d_weight_grad(x, g, kernel, *steps, 1)),
    )
    for result, wanted in pairs:
        assert result.shape == wanted.shape and result.dtype == dtype
        # Sums of at most 2000 products, each about 1 in size, and each rounded once.
        np.testing.assert_allclose(result, wanted, rtol=0, atol=2000 * np.finfo(dtype).eps)


@pytest.mark.parametrize("N", [1, 3, 16, 17])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_it_agrees_with_the_reference(name: str, dtype: Any, N: int) -> None:
    C, hw, kernel, *steps = CASES[name]
    check(N, C, 6, hw, kernel, steps, dtype, channels_last=N % 2 == 1)


SIDES = st.tuples(st.integers(1, 6), st.integers(1, 6))
SMALL = st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(
    st.integers(1, 20), st.integers(1, 4), st.integers(1, 4), SIDES, SMALL, SMALL,
    SMALL.map(lambda p: (p[0] - 1, p[1])), SMALL, st.booleans(),
)  # fmt: skip
def test_any_geometry(
    N: int, C: int, K: int, hw: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, channels_last: bool
) -> None:
    steps = stride, padding, dilation
    if min(size_of_result(hw, kernel, *steps)) > 0:
        check(N, C, K, hw, kernel, steps, np.float64, channels_last)


#: N, C, K, size of the image, kernel, stride, padding: deep layers of GANs and classifiers.
DEEP = [(16, 512, 512, 1, 3, 1, 1), (1, 256, 512, 8, 4, 2, 1), (2, 128, 256, 4, 4, 2, 1), (4, 256, 512, 4, 3, 1, 1)]


def way(N: int, C: int, K: int, groups: int, geometry: Geometry, transposed: bool | None) -> str | int:
    return algorithm(N, C, K, groups, geometry, 4, True, transposed)


@pytest.mark.parametrize("layer", DEEP)
def test_deep_layers_take_it(layer: Any) -> None:
    """The gradient in w, whose copies cost most, and with fewer pixels the forward pass."""
    geometry = geometry_of(*layer[3:])
    assert way(*layer[:3], 1, geometry, None) == "columns"
    assert layer == DEEP[3] or way(*layer[:3], 1, geometry, False) == "columns"


def test_so_does_a_generator_that_begins_with_one_pixel() -> None:
    """`conv_transpose2d` from 1x1 to 4x4 and 7x7; windows would multiply zeros."""
    for N, C, K, size in ((16, 512, 100, 4), (128, 128, 100, 7)):
        assert way(N, C, K, 1, geometry_of(size, size, 1, 0), True) == "columns"


def test_others_do_not() -> None:
    """Large images, many of them, few channels, groups, nothing."""
    deep, image = geometry_of(8, 4, 2, 1), geometry_of(32, 4, 2, 1)
    for N, C, K, groups, geometry in (
        (16, 64, 64, 1, image),
        (128, 256, 512, 1, deep),
        (4, 3, 512, 1, deep),
        (4, 512, 1, 1, deep),
        (1, 256, 512, 2, deep),
        (0, 256, 512, 1, deep),
    ):
        for transposed in (False, True, None):
            assert way(N, C, K, groups, geometry, transposed) != "columns"


def geometry_of(size: int, kernel: int, stride: int, padding: int) -> Geometry:
    out = (size + 2 * padding - kernel) // stride + 1
    return Geometry(*((n, n) for n in (size, out, kernel, stride, padding, 1)))


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("layer", [DEEP[1], (16, 512, 100, 4, 4, 1, 0)])
def test_the_rule_the_layout_and_the_threads(layer: Any, channels_last: bool) -> None:
    """What `cpu.conv2d` and its adjoints make of layers of which some take columns, with a bias and an activation."""
    N, C, K, *sizes = layer
    geometry = geometry_of(*sizes)
    hw, out, kernel, *steps = geometry
    rng = np.random.default_rng(1)
    x, w, g = (rng.standard_normal(s, np.float32) for s in ((N, C, *hw), (K, C, *kernel), (N, K, *out)))
    b, c = rng.standard_normal(K, np.float32), rng.standard_normal(C, np.float32)
    if channels_last:
        x, g = last(x), last(g)
    made = []
    for n in (1, 2, 2):
        with sharing(n):
            y = cpu.conv2d(x, w, out, *steps, 1, b, "leaky_relu", 0.2)
            gx = cpu.conv_transpose2d(g, w, hw, *steps, 1, c, "tanh")
            gw = cpu.conv2d_weight_grad(x, g, kernel, *steps, 1)
        made.append(b"".join(np.ascontiguousarray(a).tobytes() for a in (y, gx, gw)))
    assert len(set(made)) == 1
    x, w, g, b, c = (a.astype(np.float64) for a in (x, w, g, b, c))
    tolerance = {"rtol": 0, "atol": 3e-3}  # sums of 8192 products, about 90 in size, rounded 8192 times
    np.testing.assert_allclose(y, reference.conv2d(x, w, out, *steps, 1, b, "leaky_relu", 0.2), **tolerance)
    np.testing.assert_allclose(gx, reference.conv_transpose2d(g, w, hw, *steps, 1, c, "tanh"), **tolerance)
    assert all(is_channels_last(a) for a in (y, gx) if channels_last or min(g.shape[2:]) == 1)  # one pixel is in both
    np.testing.assert_allclose(gw, reference.conv2d_weight_grad(x, g, kernel, *steps, 1), **tolerance)
