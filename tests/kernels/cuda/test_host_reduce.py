"""The CUDA kernel of sums on the host: any shape, axes and layout against sums in extended precision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from kernels.test_reduce_kernel import as_dtype, sums

from minigen_kernels import cuda
from minigen_kernels.cuda import reduce
from minigen_kernels.cuda.launch import launch

each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def check(host, x: np.ndarray, axes: tuple[int, ...], scale: float = 1.0) -> None:
    got = host.run(cuda.sum_axes, x, axes, scale)
    exact = x.astype(np.longdouble) * scale
    wanted, size = exact.sum(axes), np.abs(exact).sum(axes)
    assert got.shape == wanted.shape and got.dtype == x.dtype
    # Three runs of axes at most, each rounded once; in double, runs of some hundred terms on top of that.
    count = np.prod([x.shape[i] for i in axes])
    roundings = 3 if x.dtype == np.float32 else 3 + min(count, 512)
    assert (np.abs(got - wanted) <= roundings * np.finfo(x.dtype).eps * size).all()


@each_dtype
@settings(max_examples=60)
@given(case=sums())
def test_any_shape_axes_and_strides(host, dtype, case):
    x, axes = case
    check(host, as_dtype(x, dtype), axes, 0.25)


@each_dtype
@pytest.mark.parametrize(
    "shape, axes",
    [
        ((40_000, 3), (0,)),
        ((3, 40_000), (1,)),
        ((3, 1500), (1,)),
        ((1500, 3), (0,)),
        ((9, 3, 400), (0, 2)),
        ((4, 20_000), (0,)),
    ],
)
def test_each_way_to_share_a_sum(host, dtype, shape, axes):
    """Sums in parts, of a block, of a warp and of a thread each: 0.1, of which every rounding goes the same way."""
    check(host, np.full(shape, dtype(0.1)), axes, 1 / 3)


def test_more_sums_than_blocks(host, monkeypatch):
    monkeypatch.setattr(reduce, "MOST_BLOCKS", 2)
    check(host, np.random.default_rng(0).normal(size=(1500, 40)), (1,))


def test_a_sum_has_no_more_parts_than_a_grid_takes(host, monkeypatch):
    """A billion terms would be 70,000 parts of the usual length: more than a grid has in its second dimension."""
    monkeypatch.setattr(reduce, "MOST_BLOCKS", 2)
    grids = []
    monkeypatch.setattr(reduce, "launch", lambda *given: grids.append(given[2]) or launch(*given))
    check(host, np.random.default_rng(0).normal(size=(2, 70_001)), (1,))
    assert {*grids} == {(2, 2), 2}


def test_sums_of_nothing_are_zero(host):
    assert host.run(cuda.sum_axes, np.zeros((0, 3), np.float32), (0,), 2.0).tolist() == [0, 0, 0]


def test_what_is_not_finite_stays_in_its_sum(host):
    x = np.ones((70, 3), np.float32)
    x[9] = np.inf, np.nan, 1
    np.testing.assert_array_equal(host.run(cuda.sum_axes, x, (0,), 1.0), np.float32([np.inf, np.nan, 70]))
