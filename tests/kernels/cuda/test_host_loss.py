"""The CUDA kernels of losses on the host against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigen_kernels import cuda, reference

DTYPES = [np.float32, np.float64]
SHAPES = st.one_of(
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6), st.sampled_from([(255,), (2, 129), (1100,)])
)
SEEDS = st.integers(0, 2**32 - 1)
SUMS = ["bce_with_logits_sum", "mse_sum", "gaussian_kl_sum"]
each_sum = pytest.mark.parametrize("name", SUMS)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def draw(shape: tuple[int, ...], seed: int, dtype) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return np.asarray(rng.normal(size=shape) * 3, dtype), np.asarray(rng.random(shape), dtype)


@each_dtype
@settings(max_examples=20)
@given(shape=SHAPES, seed=SEEDS)
def test_elements(host, dtype, shape, seed):
    x, y = draw(shape, seed, dtype)
    out = host.run(cuda.bce_with_logits, x, y)
    assert out.dtype == dtype and out.shape == shape
    # The same formula with the C library's exp and log1p, which are within 2 units: on terms up to 20.
    np.testing.assert_allclose(out, reference.bce_with_logits(x, y), rtol=0, atol=4 * np.finfo(dtype).eps * 20)


@each_sum
@each_dtype
@settings(max_examples=20)
@given(shape=SHAPES, seed=SEEDS, scale=st.sampled_from([1.0, 1 / 30]))
def test_sums(host, name, dtype, shape, seed, scale):
    a, b = draw(shape, seed, dtype)
    total = host.run(getattr(cuda, name), a, b, scale)
    assert total.dtype == dtype and total.shape == ()
    # Both rooms add up in double what differs by two units of terms up to a^2 + |a| + 3; a double's sum by its order.
    terms = np.sum(a.astype(np.float64) ** 2 + np.abs(a) + 3)
    wanted = getattr(reference, name)(a, b, scale)
    np.testing.assert_allclose(total, wanted, rtol=0, atol=4 * np.finfo(dtype).eps * terms * scale)


@each_sum
@each_dtype
@settings(max_examples=20)
@given(shape=SHAPES, seed=SEEDS, scale=st.sampled_from([1.0, 1 / 30]), gy=st.sampled_from([1.0, -0.7]))
def test_gradients(host, name, dtype, shape, seed, scale, gy):
    a, b = draw(shape, seed, dtype)
    given_arguments = np.array(gy, dtype), a, b, scale
    got = host.run(getattr(cuda, f"{name}_backward"), *given_arguments)
    wanted = getattr(reference, f"{name}_backward")(*given_arguments)
    for g, w in zip(*(x if isinstance(x, tuple) else (x,) for x in (got, wanted)), strict=True):
        assert g.dtype == dtype and g.shape == shape
        # Three roundings of numbers up to the largest gradient, or 1 (sigmoid and exp(logvar) - 1 cancel).
        largest = max(1, np.abs(w).max(initial=0))
        np.testing.assert_allclose(g, w, rtol=0, atol=4 * np.finfo(dtype).eps * largest)


@each_dtype
@settings(max_examples=20)
@given(shape=SHAPES, seed=SEEDS, delta=st.sampled_from([1.0, 0.3, 1e3]))
def test_huber(host, dtype, shape, seed, delta):
    p, t = draw(shape, seed, dtype)
    terms = 1 + np.sum(p.astype(np.float64) ** 2)
    eps = np.finfo(dtype).eps
    total = host.run(cuda.huber_sum, p, t, delta, 0.3)
    np.testing.assert_allclose(total, reference.huber_sum(p, t, delta, 0.3), rtol=0, atol=4 * eps * terms)
    gp = host.run(cuda.huber_sum_backward, np.array(-0.7, dtype), p, t, delta, 0.3)
    wanted = reference.huber_sum_backward(np.array(-0.7, dtype), p, t, delta, 0.3)
    assert gp.dtype == dtype and gp.shape == shape
    np.testing.assert_allclose(gp, wanted, rtol=4 * eps, atol=0)
    infinite = np.array([np.inf, -np.inf, np.nan], dtype)
    slopes = host.run(cuda.huber_sum_backward, np.array(1, dtype), infinite, np.zeros(3, dtype), 2.0, 1.0)
    np.testing.assert_array_equal(slopes, [2, -2, np.nan])


@each_dtype
def test_tails_and_what_is_not_finite(host, dtype):
    x, y = np.array([-20, 20, -80, 80, 1e4, -1e4, 1e4], dtype), np.array([0, 1, 0, 1, 1, 0, 0], dtype)
    rtol = 8 * np.finfo(dtype).eps  # two implementations of exp and log1p
    np.testing.assert_allclose(host.run(cuda.bce_with_logits, x, y), reference.bce_with_logits(x, y), rtol=rtol)
    one = np.ones(1, dtype)
    assert np.isnan(host.run(cuda.bce_with_logits_sum, one * np.nan, one, 1.0))
    for a, b in ((0, np.inf), (0, -np.inf), (np.inf, 0), (0, 1e30)):
        assert host.run(cuda.gaussian_kl_sum, a * one, b * one, 1.0) == np.inf
    assert np.isnan(host.run(cuda.gaussian_kl_sum, one, one * np.nan, 1.0))


@each_sum
def test_many_blocks_and_strides(host, monkeypatch, name):
    """Every thread has several turns, and the blocks' sums are more than a warp has lanes."""
    monkeypatch.setattr("minigen_kernels.cuda.launch.MOST_BLOCKS", 40)
    a, b = draw((150, 160), 3, np.float64)
    wanted = getattr(reference, name)(a, b, 1.0)
    # 24 000 doubles in two orders: less than the root of as many roundings of the sum.
    np.testing.assert_allclose(host.run(getattr(cuda, name), a, b, 1.0), wanted, rtol=1e-14)
    np.testing.assert_allclose(host.run(getattr(cuda, name), a.T, b.T, 1.0), wanted, rtol=1e-14)
    gy = np.ones(())
    backward = getattr(cuda, f"{name}_backward")
    straight, turned = host.run(backward, gy, a, b, 1.0), host.run(backward, gy, a.T, b.T, 1.0)
    for s, t in zip(*(x if isinstance(x, tuple) else (x,) for x in (straight, turned)), strict=True):
        np.testing.assert_array_equal(s, t.T)


def test_errors():
    x, gy = np.ones((2, 3)), np.ones(())
    with pytest.raises(ValueError, match=r"bce_with_logits: y has shape \(3,\)"):
        cuda.bce_with_logits(x, np.ones(3))
    for name in SUMS:
        with pytest.raises(ValueError, match=rf"{name}: \w+ has shape \(3,\)"):
            getattr(cuda, name)(x, np.ones(3), 1.0)
        with pytest.raises(ValueError, match=rf"{name}_backward: \w+ has shape \(3,\)"):
            getattr(cuda, f"{name}_backward")(gy, x, np.ones(3), 1.0)
        with pytest.raises(ValueError, match=rf"{name}_backward: gy is the gradient of a sum"):
            getattr(cuda, f"{name}_backward")(np.ones(1), x, x, 1.0)
