"""Gradients keep their digits where a result has lost them: far from 0, in tails, at the origin of a norm."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigen import nn, ops
from minigen.autograd import Tensor, grad

each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def gradient(f, x: np.ndarray) -> np.ndarray:
    t = Tensor(x, requires_grad=True)
    return grad(ops.sum(f(t)), [t])[0].numpy()


def second(f, x: np.ndarray) -> np.ndarray:
    t = Tensor(x, requires_grad=True)
    (g,) = grad(ops.sum(f(t)), [t], create_graph=True)
    return grad(ops.sum(g), [t])[0].numpy()


def softmax(x: np.ndarray, axis) -> np.ndarray:
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


@each_dtype
@given(
    shape=hnp.array_shapes(min_dims=1, max_dims=3, max_side=6),
    offset=st.sampled_from([0, -100, 1e3, -1e4, 1e5, -1e6, 1e8]),
    seed=st.integers(0, 2**32 - 1),
    data=st.data(),
)
def test_the_gradient_of_logsumexp_is_the_softmax(dtype, shape, offset, seed, data):
    axes = data.draw(st.permutations(range(len(shape))))[: data.draw(st.integers(1, len(shape)))]
    x = (np.random.default_rng(seed).normal(size=shape) + offset).astype(dtype)
    got = gradient(lambda t: ops.logsumexp(t, tuple(axes)), x)
    # exp of a difference up to 10 has a relative error of 10 roundings, a sum of at most 216 terms and a quotient few
    np.testing.assert_allclose(got, softmax(x.astype(float), tuple(axes)), rtol=16 * np.finfo(dtype).eps)


def test_two_large_numbers_have_half_of_the_gradient_each():
    assert gradient(ops.logsumexp, np.array([1e8, 1e8], np.float32)).tolist() == [0.5, 0.5]


@each_dtype
def test_the_second_derivative_of_logsumexp_far_out(dtype):
    x = np.array([[-1e6, -1e6 + 1, -1e6 + 2]], dtype)
    t = Tensor(x, requires_grad=True)
    (g,) = grad(ops.logsumexp(t), [t], create_graph=True)
    (h,) = grad(g[0, 0], [t])
    p = softmax(x.astype(float), (0, 1))[0]
    np.testing.assert_allclose(h.numpy()[0], p[0] * (np.eye(3)[0] - p), rtol=16 * np.finfo(dtype).eps)


erfc = np.vectorize(math.erfc, otypes=[float])


def normal_cdf(x: np.ndarray) -> np.ndarray:
    return erfc(-x / math.sqrt(2)) / 2


def normal_density(x: np.ndarray) -> np.ndarray:
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def logistic(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


#: Activations below 0 where they fade out: value, first and second derivative in float64.
TAILS = {
    "elu": (ops.elu, np.expm1, np.exp, np.exp),
    "elu, alpha 2": (
        lambda t: ops.elu(t, 2.0), lambda x: 2 * np.expm1(x), lambda x: 2 * np.exp(x), lambda x: 2 * np.exp(x)
    ),
    "gelu": (
        ops.gelu,
        lambda x: x * normal_cdf(x),
        lambda x: normal_cdf(x) + x * normal_density(x),
        lambda x: (2 - x * x) * normal_density(x),
    ),
    "silu": (
        ops.silu,
        lambda x: x * logistic(x),
        lambda x: logistic(x) * (1 + x * logistic(-x)),
        lambda x: logistic(x) * logistic(-x) * (2 + x * (logistic(-x) - logistic(x))),
    ),
    "softplus": (
        ops.softplus, lambda x: np.log1p(np.exp(x)), logistic, lambda x: logistic(x) * logistic(-x)
    ),
    "sigmoid": (
        ops.sigmoid,
        logistic,
        lambda x: logistic(x) * logistic(-x),
        lambda x: logistic(x) * logistic(-x) * (logistic(-x) - logistic(x)),
    ),
    "erfc": (
        lambda t: ops.erfc(-t),
        lambda x: erfc(-x),
        lambda x: 2 / math.sqrt(math.pi) * np.exp(-x * x),
        lambda x: -4 * x / math.sqrt(math.pi) * np.exp(-x * x),
    ),
}  # fmt: skip


@each_dtype
@pytest.mark.parametrize("name", TAILS)
def test_activations_keep_their_digits_in_the_tail(name, dtype):
    f, *wanted = TAILS[name]
    x = -np.linspace(3, 8, 51).astype(dtype)
    for got, exact in zip((f(Tensor(x)).numpy(), gradient(f, x), second(f, x)), wanted, strict=True):
        # exp of x^2 multiplies the rounding of x^2, up to 64; exp of x that of x, and a few more. In float32 the
        # library's erfc is off by up to some 10 units.
        np.testing.assert_allclose(got, exact(x.astype(float)), rtol=100 * np.finfo(dtype).eps)


@pytest.mark.parametrize("x", [-20, -50, -80])
def test_the_slope_of_elu_is_exp_of_x_however_small(x):
    for dtype in (np.float32, np.float64):
        at = np.array([x], dtype)
        # exp itself has the accuracy of its dtype; alpha and gy are 1
        np.testing.assert_allclose(
            [gradient(ops.elu, at), second(ops.elu, at)], np.exp(float(x)), rtol=4 * np.finfo(dtype).eps
        )


def test_gelu_in_its_tanh_form_is_the_formula():
    x = np.linspace(-6, 6, 49)
    u = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    np.testing.assert_allclose(ops.gelu(Tensor(x), "tanh").numpy(), x * (1 + np.tanh(u)) / 2, rtol=0, atol=1e-15 * 6)
    tail = np.array([-5.0])
    exact = -5 * logistic(2 * math.sqrt(2 / math.pi) * (-5 - 0.044715 * 125))
    for dtype in (np.float32, np.float64):  # exp multiplies the rounding of 2 u, which is 17
        got = ops.gelu(Tensor(tail.astype(dtype)), "tanh").numpy()
        np.testing.assert_allclose(got, exact, rtol=40 * np.finfo(dtype).eps)


def hessian_of_norm(x: np.ndarray, order: float) -> np.ndarray:
    t = Tensor(x, requires_grad=True)
    (g,) = grad(ops.norm(t, order=order), [t], create_graph=True)
    return np.stack([grad(g[i], [t])[0].numpy() if g.requires_grad else 0 * x for i in range(x.size)])


@each_dtype
@pytest.mark.parametrize("order", [2, 1.5, 3])
def test_all_derivatives_of_a_norm_at_the_origin_are_0(dtype, order):
    x = np.zeros(3, dtype)
    assert not gradient(lambda t: ops.norm(t, order=order), x).any()
    assert not hessian_of_norm(x, order).any()
    t = Tensor(np.zeros((2, 3), dtype), requires_grad=True)  # a third one, and a row beside one that is not 0
    t.data[1] = 1
    (g,) = grad(ops.sum(ops.norm(t, 1, order=order)), [t], create_graph=True)
    (h,) = grad(ops.sum(g * g), [t], create_graph=True)
    (third,) = grad(ops.sum(h), [t])
    assert not third.numpy()[0].any() and np.isfinite(third.numpy()).all()


@each_dtype
@pytest.mark.parametrize("size", [1e-8, 1, 1e8])
def test_the_second_derivative_of_a_norm_elsewhere(dtype, size):
    x = (np.array([3.0, 0, 4]) * size).astype(dtype)
    unit = np.array([0.6, 0, 0.8])
    wanted = (np.eye(3) - unit[:, None] * unit) / (5 * size)
    np.testing.assert_allclose(hessian_of_norm(x, 2), wanted, rtol=0, atol=4 * np.finfo(dtype).eps / (5 * size))


@pytest.mark.parametrize("shape", [(0, 3), (0, 3, 4, 4), (2, 3, 0, 4)])
def test_batch_norm_in_evaluation_takes_an_empty_batch(shape):
    layer = nn.BatchNorm(3).eval()
    x = Tensor(np.zeros(shape, np.float32), requires_grad=True)
    y = layer(x)
    assert y.shape == shape
    gx, gw = grad(ops.sum(y), [x, layer.weight])
    assert gx.shape == shape and gw.numpy().tolist() == [0, 0, 0]
    with pytest.raises(nn.ShapeError, match="at least 2 values for each channel in training.*a larger batch, or eval"):
        layer.train()(x)
    with pytest.raises(ValueError, match="has 0 values for each channel; a batch's own statistics need"):
        ops.batch_norm(x, layer.weight, layer.bias)
