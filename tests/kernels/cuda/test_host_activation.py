"""The CUDA kernels of bias and activation on the host against the reference.

The chunks are made small here, so that small arrays have several.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen_kernels import cuda, reference
from minigen_kernels.cuda import activation
from minigen_kernels.cuda.source import constants
from minigen_kernels.reference.activation import ACTIVATIONS

#: (N, C, L): one value a channel, dense layers (L = 1), several chunks of rows, several blocks of columns, nothing.
SHAPES = st.one_of(
    st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(0, 9)),
    st.sampled_from([(3, 2, 100), (50, 3, 1), (20, 2, 40), (1, 2, 300), (2, 70, 1), (33, 33, 1)]),
)
NAMED = st.sampled_from([("identity", 0.0), ("leaky_relu", 0.0), ("leaky_relu", 0.2), ("sigmoid", 0.0), ("tanh", 0.0)])
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(activation, "ROWS", 16)
    monkeypatch.setattr(activation, "EACH", 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(max_examples=25)
@given(shape=SHAPES, named=NAMED, seed=SEEDS)
def test_against_the_reference(host, dtype, shape, named, seed):
    rng, eps = np.random.default_rng(seed), np.finfo(dtype).eps
    x, gy = (rng.normal(scale=2, size=shape).astype(dtype) for _ in range(2))
    b = rng.normal(size=shape[1]).astype(dtype)
    y, wanted = host.run(cuda.bias_act, x, b, *named), reference.bias_act(x, b, *named)
    # Two libraries' exp and tanh, each within 2 units in the last place, and a quotient.
    np.testing.assert_allclose(y, wanted, rtol=6 * eps)
    gx, gb = host.run(cuda.bias_act_backward, gy, wanted, *named)
    wanted_gx, wanted_gb = reference.bias_act_backward(gy, wanted, *named)
    np.testing.assert_allclose(gx, wanted_gx, rtol=2 * eps)  # the same products; the host may round one of them less
    # Both sums are in double and rounded once; their numbers differ by 2 units.
    assert (np.abs(gb - wanted_gb) <= 4 * eps * np.abs(gx).sum(axis=(0, 2))).all()
    assert {y.dtype, gx.dtype, gb.dtype} == {np.dtype(dtype)} and y.shape == gx.shape == shape and gb.shape == b.shape


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_at_zero_and_beyond_the_finite(host, slope):
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0]).reshape(2, 1, 3)
    gy = np.array([1, 2, np.inf, 3, np.nan, 5]).reshape(2, 1, 3)
    for name in ACTIVATIONS:
        y, wanted = (run(x, np.zeros(1), name, slope) for run in (_on(host, cuda.bias_act), reference.bias_act))
        np.testing.assert_allclose(y, wanted, rtol=1e-15)
        with np.errstate(invalid="ignore"):  # inf * 0 in the derivative of a flat end
            gx, _ = reference.bias_act_backward(gy, wanted, name, slope)
        np.testing.assert_array_equal(host.run(cuda.bias_act_backward, gy, wanted, name, slope)[0], gx)


def _on(host, function):
    return lambda *arguments: host.run(function, *arguments)


def test_more_chunks_than_a_grid_may_have(host, monkeypatch):
    monkeypatch.setattr(activation, "MOST_BLOCKS", 2)
    gy = np.random.default_rng(0).normal(size=(100, 3, 2))
    gx, gb = host.run(cuda.bias_act_backward, gy, gy, "identity", 0.0)
    np.testing.assert_array_equal(gx, gy)
    np.testing.assert_allclose(gb, gy.sum(axis=(0, 2)), rtol=1e-13)  # 200 numbers in another order


def test_strides(host):
    rng = np.random.default_rng(1)
    x, gy = rng.normal(size=(2, 5, 4, 6))
    b = rng.normal(size=8)[::2]
    y = host.run(cuda.bias_act, x, b, "tanh", 0.0)
    turned = np.ascontiguousarray(x.T).T
    np.testing.assert_array_equal(host.run(cuda.bias_act, turned, b.copy(), "tanh", 0.0), y)
    for a, c in zip(
        host.run(cuda.bias_act_backward, gy, y, "tanh", 0.0),
        host.run(cuda.bias_act_backward, np.ascontiguousarray(gy.T).T, y, "tanh", 0.0),
    ):
        np.testing.assert_array_equal(a, c)


def test_the_numbers_of_the_activations_are_those_of_the_reference():
    found = constants("activation.cu")
    assert [found[name.upper()] for name in ACTIVATIONS[1:]] == [1, 2, 3]
    assert ACTIVATIONS[0] == "identity"


def test_misfits_are_refused():
    x = np.ones((2, 3, 4), np.float32)
    with pytest.raises(ValueError, match=r"bias_act: b has shape \(2,\)"):
        cuda.bias_act(x, np.ones(2, np.float32), "tanh", 0.0)
    with pytest.raises(ValueError, match="bias_act_backward: gy has shape"):
        cuda.bias_act_backward(x[:1], x, "tanh", 0.0)
