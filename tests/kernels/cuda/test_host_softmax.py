"""The softmax CUDA kernels on the host against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen_kernels import cuda, reference

DTYPES = [np.float32, np.float64]
#: (R, K): no rows, one class, a warp that is not full, more than a warp, rows longer than a block has threads.
SHAPES = st.one_of(
    st.tuples(st.integers(0, 5), st.integers(1, 9)), st.sampled_from([(3, 33), (2, 100), (3, 700), (40, 3)])
)
SEEDS = st.integers(0, 2**32 - 1)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
each_name = pytest.mark.parametrize("name", ["softmax", "log_softmax"])


@each_name
@each_dtype
@settings(max_examples=25)
@given(shape=SHAPES, seed=SEEDS)
def test_forward_and_backward(host, name, dtype, shape, seed):
    rng, eps = np.random.default_rng(seed), np.finfo(dtype).eps
    x, gy = ((rng.normal(size=shape) * size).astype(dtype) for size in (5, 1))
    y, wanted = host.run(getattr(cuda, name), x), getattr(reference, name)(x)
    assert y.dtype == dtype and y.shape == shape
    # The exponents agree to the bit; exp, log and the sum (in double, in another order) to a few units.
    np.testing.assert_allclose(y, wanted, rtol=8 * eps, atol=8 * eps)
    gx = host.run(getattr(cuda, f"{name}_backward"), gy, wanted)
    wanted = getattr(reference, f"{name}_backward")(gy, wanted)
    assert gx.dtype == dtype and gx.shape == shape
    # A few roundings of a sum over gy, in double (and in float64 of up to 700 terms in another order).
    np.testing.assert_allclose(gx, wanted, rtol=0, atol=30 * eps * max(1, np.abs(gy).sum(axis=1).max(initial=0)))


@each_name
@each_dtype
def test_what_is_not_finite(host, name, dtype):
    inf, nan = np.inf, np.nan
    x = np.array([[-inf, 0, 1], [-inf] * 3, [inf, 0, 1], [nan, 0, 1], [0, nan, -inf], [1e4, -1e4, 1e4]], dtype)
    y, wanted = host.run(getattr(cuda, name), x), getattr(reference, name)(x)
    np.testing.assert_allclose(y, wanted, rtol=8 * np.finfo(dtype).eps)  # two implementations of exp and log
    gy = np.arange(18).reshape(6, 3).astype(dtype)
    backward = f"{name}_backward"
    gx, wanted = host.run(getattr(cuda, backward), gy, wanted), getattr(reference, backward)(gy, wanted)
    np.testing.assert_allclose(gx, wanted, rtol=0, atol=300 * np.finfo(dtype).eps)  # sums of numbers up to 45


@each_name
def test_the_largest_is_found_wherever_it_stands(host, name):
    """In another warp, or in a later turn of a thread: if it were missed, exp would overflow."""
    x = np.random.default_rng(0).normal(size=(5, 300))
    x[np.arange(5), [0, 31, 70, 255, 299]] = 1e4
    y = host.run(getattr(cuda, name), x)
    np.testing.assert_allclose(y, getattr(reference, name)(x), rtol=1e-14)  # a few units


@each_name
def test_more_rows_than_blocks_and_strides(host, monkeypatch, name):
    monkeypatch.setattr("minigen_kernels.cuda.launch.MOST_BLOCKS", 3)
    x, gy = np.random.default_rng(0).normal(size=(2, 41, 40))
    y = host.run(getattr(cuda, name), x)
    np.testing.assert_allclose(y, getattr(reference, name)(x), rtol=1e-14)  # a few units
    np.testing.assert_array_equal(y, host.run(getattr(cuda, name), np.asfortranarray(x)))
    backward = getattr(cuda, f"{name}_backward")
    gx = host.run(backward, gy, y)
    np.testing.assert_array_equal(gx, host.run(backward, np.asfortranarray(gy), np.asfortranarray(y)))


def test_errors():
    for backward in (cuda.softmax_backward, cuda.log_softmax_backward):
        with pytest.raises(ValueError, match=rf"{backward.__name__}: gy has shape \(3,\)"):
            backward(np.ones(3), np.ones((2, 3)))
