"""Sums over axes: any shape, axes and layout, against sums in extended precision, with the error bound of pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigen_kernels import cpu, reference

each_room = pytest.mark.parametrize("room", [reference, cpu])
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])

#: Small ones of any kind, empty ones; and some that fill more than a run, a strip, a block of rows.
SHAPES = st.one_of(
    hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=5),
    st.sampled_from([(300,), (131, 3), (3, 131), (67, 1030), (2, 70, 3, 5), (5, 2, 2, 140), (40, 4, 3, 3)]),
)


@st.composite
def sums(draw) -> tuple[np.ndarray, tuple[int, ...]]:
    """An array in float64 with any strides (backwards, with gaps, repeated, its axes in any order in memory), axes."""
    shape = draw(SHAPES)
    order = draw(st.permutations(range(len(shape))))
    steps = [draw(st.sampled_from([1, 1, -1, 2, -3, 0])) for _ in shape]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = [1 if steps[i] == 0 else shape[i] * abs(steps[i]) for i in order]
    memory = rng.normal(size=sizes) * 10.0 ** rng.integers(-3, 4, sizes) + draw(st.sampled_from([0, 1000]))
    x = memory.transpose([order.index(i) for i in range(len(shape))])
    x = x[tuple(slice(None, None, step or None) for step in steps)]
    x = np.broadcast_to(x, shape)
    return x, tuple(draw(st.permutations(range(len(shape))))[: draw(st.integers(0, len(shape)))])


def as_dtype(x: np.ndarray, dtype: type) -> np.ndarray:
    """x in another dtype with strides of the same kind."""
    size = np.dtype(dtype).itemsize
    whole = x
    while whole.base is not None and isinstance(whole.base, np.ndarray):
        whole = whole.base
    copy = whole.astype(dtype)
    offset = (x.__array_interface__["data"][0] - whole.__array_interface__["data"][0]) // 8 * size
    strides = [s // 8 * size for s in x.strides]
    return np.ndarray(x.shape, dtype, copy, offset, strides) if x.size else x.astype(dtype)


def check(room, x: np.ndarray, axes: tuple[int, ...]) -> None:
    got = room.sum_axes(x, axes, 1.0)
    exact = x.astype(np.longdouble)
    wanted, size = exact.sum(axes), np.abs(exact).sum(axes)
    assert got.shape == wanted.shape and got.dtype == x.dtype and not np.shares_memory(got, x)
    # Half an eps for each level of the tree of pairs (Higham 1993), and for the rounding of the result.
    levels = math.ceil(math.log2(max(2, math.prod(x.shape[i] for i in axes)))) + 1
    assert (np.abs(got - wanted) <= levels * np.finfo(x.dtype).eps * size).all()


@each_room
@each_dtype
@given(case=sums())
def test_any_shape_axes_and_strides(room, dtype, case):
    x, axes = case
    check(room, as_dtype(x, dtype), axes)


@each_room
@each_dtype
@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("shape, axes", [((200_000, 3), (0,)), ((3, 200_000), (1,)), ((50, 3, 4000), (0, 2))])
def test_long_sums(room, dtype, order, shape, axes):
    """0.1, of which every rounding goes the same way: one after the other, 200,000 of float32 would be 0.4 % off."""
    check(room, np.full(shape, dtype(0.1), order=order), axes)
    check(room, np.asarray(np.random.default_rng(0).normal(1000, 1, shape), dtype, order=order), axes)


@pytest.mark.slow
@pytest.mark.parametrize("dtype, columns", [(np.float32, 3), (np.float32, 40), (np.float64, 2)])
def test_ten_million_rows(dtype, columns):
    x = np.full((10**7, columns), dtype(0.1))
    # float32 has one rounding at the end, and two where four rows are added first; float64 one for each of some ten.
    rtol = (2 if dtype == np.float32 else 10) * np.finfo(dtype).eps / 2
    wanted = 10**7 * np.longdouble(dtype(0.1))
    np.testing.assert_allclose(cpu.sum_axes(x, (0,), 1.0), np.full(columns, wanted), rtol=rtol)
    np.testing.assert_allclose(cpu.sum_axes(x, (0, 1), 1.0), columns * wanted, rtol=rtol)


@each_room
@each_dtype
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize("value, other, wanted", [
    (np.inf, 1, np.inf), (-np.inf, 1, -np.inf), (np.inf, np.inf, np.inf), (np.inf, -np.inf, np.nan), (np.nan, 1, np.nan)
])  # fmt: skip
def test_what_is_not_finite(room, dtype, axes, value, other, wanted):
    x = np.ones((300, 300), dtype)
    x[17, 17], x[280, 17], x[17, 280] = value, other, other
    got = room.sum_axes(x, axes, 1.0)
    np.testing.assert_array_equal(got[17] if got.ndim else got, wanted)
    assert got.ndim == 0 or (np.delete(got, [17, 280]) == 300).all()


@each_room
@each_dtype
def test_a_sum_that_is_too_large_is_infinite(room, dtype):
    huge = np.full((64, 2), np.finfo(dtype).max, dtype)
    assert (room.sum_axes(huge, (0,), 1.0) == np.inf).all()


@each_room
def test_whole_numbers_up_to_the_last_digit(room):
    """Sums of whole numbers below 2^24 are exact in float32, in whatever order."""
    x = np.random.default_rng(0).integers(-50, 50, (130, 7, 200)).astype(np.float32)
    for axes in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)):
        np.testing.assert_array_equal(room.sum_axes(x, axes, 1.0), x.astype(np.int64).sum(axes))
