"""What the docstrings of operations promise at kinks, at ties, for huge numbers, for NaN and for empty arrays.

The op table stays away from these places, where no difference quotient exists. Warnings are errors in this suite, so
an overflow on the way to a finite result fails too.

Read next: ``tests/nn/test_torch_parity.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minigen import ops
from minigen.autograd import Tensor, grad
from minigen.gradcheck import gradcheck


def gradient(f: Callable[[Tensor], Tensor], *values: float) -> list[float]:
    x = Tensor(np.array(values), requires_grad=True)
    return grad(f(x), [x], Tensor(np.ones(f(x).shape)))[0].data.tolist()


def test_gradients_at_kinks() -> None:
    assert gradient(ops.relu, 0.0, -0.0) == [0, 0]
    assert gradient(ops.abs, 0.0) == [0]
    assert gradient(lambda x: ops.leaky_relu(x, 0.1), 0.0) == [0.1]
    assert gradient(lambda x: ops.clip(x, -1, 1), -1.0, 1.0, 1.5, -1.5) == [1, 1, 0, 0]
    assert gradient(lambda x: ops.maximum(x, 1.0), 1.0) == [0.5]
    assert gradient(lambda x: ops.minimum(1.0, x), 1.0) == [0.5]
    assert gradient(lambda x: ops.maximum(x, x), 3.0) == [1]
    assert gradient(lambda x: ops.minimum(x, x), 3.0) == [1]
    assert gradient(lambda x: ops.minimum(x, 1.0), 0.5, 1.5) == [1, 0]


def test_ties_share_the_gradient_of_max_and_min() -> None:
    assert gradient(ops.max, 1.0, 3.0, 3.0, 2.0) == [0, 0.5, 0.5, 0]
    assert gradient(ops.min, 1.0, 3.0, 1.0, 1.0) == [1 / 3, 0, 1 / 3, 1 / 3]


def test_the_norm_at_the_origin_has_gradient_0_of_every_order() -> None:
    x = Tensor(np.zeros(3), requires_grad=True)
    (g,) = grad(ops.norm(x), [x], create_graph=True)
    assert g.data.tolist() == [0, 0, 0]
    assert np.isfinite(grad(g.sum(), [x])[0].data).all()


@pytest.mark.parametrize("order", [0.5, 1, 1.5, 3, np.inf])
def test_other_norms_have_finite_gradients_at_the_origin_and_where_some_elements_are_0(order: float) -> None:
    x = Tensor(np.array([[0.0, 0, 0], [0, 2, 0], [1, 0, -3]]), requires_grad=True)
    y = ops.norm(x, 1, order=order)
    np.testing.assert_allclose(y.data[:2], [0, 2], rtol=1e-15)
    (g,) = grad(y.sum(), [x], create_graph=True)
    assert not g.data[0].any() or order == np.inf  # a tie of all elements, each |x| with slope 0
    np.testing.assert_allclose(g.data[1], [0, 1, 0], atol=1e-15)
    if g.requires_grad:
        assert np.isfinite(grad(g.sum(), [x])[0].data).all()
    huge = ops.norm(Tensor(np.array([3e30, 4e30], np.float32)), order=order)  # whose cubes overflow
    assert huge.dtype == np.float32 and np.isfinite(huge.item())


def test_the_norm_of_order_3_is_right_to_second_order() -> None:
    x = np.random.default_rng(0).normal(size=(2, 3))
    gradcheck(lambda x: ops.norm(x, 1, order=3), Tensor(x), order=2)
    gradcheck(lambda x: ops.norm(x, order=1.5, keepdims=True), Tensor(x), order=2)


def test_0_to_the_power_0_has_gradient_0() -> None:
    for a, b, expected in ((0.0, 0.0, [0, 0]), (0.0, 1.0, [1, 0]), (2.0, 0.0, [0, np.log(2)])):
        base, exponent = (Tensor(np.array([v]), requires_grad=True) for v in (a, b))
        found = [g.item() for g in grad(base**exponent, [base, exponent], create_graph=True)]
        np.testing.assert_allclose(found, expected, rtol=1e-15)
    # Away from 0**0 an exponent of 0 is like any other: d2/da db a**b = 1 / a.
    (ga,) = grad(base**exponent, [base], create_graph=True)
    assert grad(ga, [exponent])[0].item() == 0.5


def test_max_pooling_takes_the_first_of_equals() -> None:
    x = Tensor(np.zeros((1, 1, 2, 2)), requires_grad=True)
    y, index = ops.max_pool2d_with_indices(x, 2)
    assert index.item() == 0 and grad(y, [x], Tensor(np.ones(y.shape)))[0].data.ravel().tolist() == [1, 0, 0, 0]


EXTREMES: list[tuple[Callable[[Tensor], Tensor], list[float], list[float]]] = [
    (ops.sigmoid, [-1e4, 0, 1e4], [0, 0.5, 1]),
    (ops.softplus, [-1e4, 1e4], [0, 1e4]),
    (ops.tanh, [-1e4, 1e4], [-1, 1]),
    (ops.silu, [-1e4, 1e4], [0, 1e4]),
    (ops.elu, [-1e4, 1e4], [-1, 1e4]),
    (ops.gelu, [-1e4, 1e4], [0, 1e4]),
    (lambda x: ops.gelu(x, "tanh"), [-1e4, 1e4], [0, 1e4]),
    (ops.erf, [-1e4, 1e4], [-1, 1]),
    (ops.logsumexp, [1e4, 1e4 - 1000], [1e4]),
    (ops.logsumexp, [-1e4, -2e4], [-1e4]),
    (ops.softmax, [1e4, -1e4, 1e4], [0.5, 0, 0.5]),
    (ops.log_softmax, [1e4, -1e4], [0, -2e4]),
    (ops.norm, [3e30, 4e30], [5e30]),
]


@pytest.mark.parametrize(("op", "x", "expected"), EXTREMES, ids=range(len(EXTREMES)))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_numbers_give_finite_results_and_gradients(op: Any, x: Any, expected: Any, dtype: Any) -> None:
    t = Tensor(np.array(x, dtype), requires_grad=True)
    y = op(t)
    assert y.dtype == dtype
    # a few roundings in the dtype, relative to each number
    np.testing.assert_allclose(y.data.ravel(), expected, rtol=8 * np.finfo(dtype).eps, atol=0)
    (g,) = grad(y, [t], Tensor(np.ones(y.shape, dtype)), create_graph=True)
    assert np.isfinite(g.data).all()
    if g.requires_grad:
        assert np.isfinite(grad(g.sum(), [t])[0].data).all()


def test_small_numbers_keep_their_digits() -> None:
    x = np.array([1e-12, -1e-12])
    np.testing.assert_allclose(ops.elu(Tensor(x)).data, x, rtol=1e-11)  # x + x^2/2
    np.testing.assert_allclose(ops.softplus(Tensor(np.array([-50.0]))).data, np.exp([-50.0]), rtol=1e-14)
    np.testing.assert_allclose(ops.sigmoid(Tensor(np.array([-50.0]))).data, np.exp([-50.0]), rtol=1e-14)
    y = ops.norm(Tensor(np.array([3e-30, 4e-30], np.float32)))  # whose squares are 0 in float32
    np.testing.assert_allclose(y.data, 5e-30, rtol=1e-6)
    y = ops.var(Tensor(np.array([1e8, 1e8 + 1])))  # mean of squares minus square of mean would lose all digits
    assert y.item() == 0.25


def test_infinities() -> None:
    inf = np.inf
    assert ops.logsumexp(Tensor(np.array([-inf, -inf]))).item() == -inf
    assert ops.logsumexp(Tensor(np.array([-inf, 2.0]))).item() == 2.0
    assert ops.logsumexp(Tensor(np.array([inf, 2.0]))).item() == inf
    assert ops.norm(Tensor(np.array([inf, 2.0]))).item() == inf
    np.testing.assert_array_equal(ops.softmax(Tensor(np.array([-inf, 2.0]))).data, [0, 1])


def test_reparameterize_at_an_infinite_deviation() -> None:
    mean, logvar, noise = (Tensor(np.array(v, np.float32)) for v in ([1, 1, 1], [1e3, 1e3, 0], [-2, 0, 0.5]))
    assert ops.reparameterize(mean, logvar, noise).data.tolist() == [-np.inf, 1, 1.5]
    logvar = Tensor(np.array([1e3, 0], np.float32), requires_grad=True)
    z = ops.reparameterize(mean[1:], logvar, noise[1:])
    for create_graph in (False, True):  # the kernel, and the definition
        (g,) = grad(z.sum(), [logvar], create_graph=create_graph)
        assert g.data.tolist() == [0, 0.25]
    assert grad(g.sum(), [logvar])[0].data.tolist() == [0, 0.125]


def test_the_gradient_of_reparameterize_in_noise_of_0_is_the_deviation() -> None:
    mean, logvar, noise = (Tensor(np.array(v), requires_grad=True) for v in ([1.0], [2.0], [0.0]))
    z = ops.reparameterize(mean, logvar, noise)
    for create_graph in (False, True):
        (gnoise,) = grad(z, [noise], create_graph=create_graph)
        np.testing.assert_allclose(gnoise.data, np.exp([1.0]), rtol=1e-15)
    # d/dlogvar of exp(logvar / 2), and the other way round: the same mixed derivative.
    np.testing.assert_allclose(grad(gnoise, [logvar])[0].data, np.exp([1.0]) / 2, rtol=1e-15)
    (glogvar,) = grad(z, [logvar], create_graph=True)
    np.testing.assert_allclose(grad(glogvar, [noise])[0].data, np.exp([1.0]) / 2, rtol=1e-15)


def test_softmax_along_any_axis_and_strides() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4, 5))
    for axis in range(-3, 3):
        e = np.exp(x) / np.exp(x).sum(axis, keepdims=True)
        for given in (x, np.asfortranarray(x), x[::-1].copy()[::-1]):
            # A few roundings, also of the logarithm's argument.
            np.testing.assert_allclose(ops.softmax(Tensor(given), axis).data, e, rtol=1e-14)
            np.testing.assert_allclose(ops.log_softmax(Tensor(given), axis).data, np.log(e), rtol=1e-14)


def test_integers_and_masks_are_neither_wrapped_nor_cut() -> None:
    small, whole, mask = (Tensor(np.array(v, d)) for v, d in (([0, 5], np.uint8), ([3, -1], np.int64), ([1, 0], bool)))
    assert ops.min(small).item() == 0 and ops.minimum(small, 3).data.tolist() == [0, 3]  # -x would wrap
    assert ops.min(mask).item() is False and ops.minimum(mask, mask).data.tolist() == [True, False]
    assert ops.where(mask, whole, 0.5).data.tolist() == [3, 0.5] and ops.where(mask, whole, 0).dtype == np.int64
    assert ops.clip(whole, 0, 2).data.tolist() == [2, 0] and ops.clip(whole, 0, 2).dtype == np.int64
    assert ops.clip(whole, high=0.5).data.tolist() == [0.5, -1]
    assert ops.pad(whole, [(1, 0)], 7).data.tolist() == [7, 3, -1]
    with pytest.raises(TypeError, match="pad: value 0.5 cannot stand in a Tensor of int64"):
        ops.pad(whole, [(1, 0)], 0.5)
    with pytest.raises(TypeError, match="Neg: .*boolean"):
        ops.abs(-mask)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.bool_])
def test_operations_that_are_kernels_refuse_integers(dtype: Any) -> None:
    image, v = Tensor(np.ones((1, 1, 2, 2), dtype)), Tensor(np.ones(2, dtype))
    calls: dict[str, Callable[[], Tensor]] = {
        "erf": lambda: ops.erf(v),
        "sigmoid": lambda: ops.sigmoid(v),
        "softplus": lambda: ops.softplus(v),
        "softmax": lambda: ops.softmax(v),
        "log_softmax": lambda: ops.log_softmax(v),
        "reparameterize": lambda: ops.reparameterize(v, v, v),
        "leaky_relu": lambda: ops.leaky_relu(v),
        "conv2d": lambda: ops.conv2d(image, image),
        "max_pool2d": lambda: ops.max_pool2d(image, 2),
        "avg_pool2d": lambda: ops.avg_pool2d(image, 2),
        "upsample": lambda: ops.upsample(image, 2, "bilinear"),
        "layer_norm": lambda: ops.layer_norm(image, v, v),
    }
    for name, call in calls.items():
        with pytest.raises(TypeError, match=f"^{name}: kernels compute in float32 and float64, got {np.dtype(dtype)}"):
            call()


def test_convolutions_refuse_a_mask_as_weight_and_a_strange_number_of_groups() -> None:
    x, mask = Tensor(np.ones((1, 2, 2, 2))), Tensor(np.ones((2, 2, 1, 1), bool))
    with pytest.raises(TypeError, match="conv2d: inputs of dtype float64 and bool"):
        ops.conv2d(x, mask)
    for groups in (0, True, 1.0, -1):
        for call in (lambda g: ops.conv2d(x, x, groups=g), lambda g: ops.conv2d_weight_grad(x, x, 1, groups=g)):
            with pytest.raises(ValueError, match="groups is a whole number of at least 1, got"):
                call(groups)
    with pytest.raises(TypeError, match="max_unpool2d: expected indices of max_pool2d_with_indices, got dtype float64"):
        ops.max_unpool2d(x, x, 2)


def test_axes_and_shapes_may_be_numbers_of_numpy_but_not_floats() -> None:
    x = Tensor(np.ones((2, 3)))
    assert ops.sum(x, np.int64(0)).shape == (3,) and ops.stack([x, x], np.int64(-1)).shape == (2, 3, 2)
    assert x.reshape(np.int64(6)).shape == (6,) and x.transpose((1, 0)).shape == (3, 2)
    with pytest.raises(TypeError, match=r"max: axis is a whole number, a tuple of them or None, got 1\.0"):
        ops.max(x, 1.0)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"reshape: a shape is made of whole numbers, got 3\.0"):
        x.reshape(3.0)
    with pytest.raises(ValueError, match=r"sum: axis 0 must be \(\) or None for a single number"):
        ops.sum(Tensor(1.0), 0)


IMAGE = (1, 1, 3, 3)
NAN: list[tuple[str, Callable[[Tensor], Tensor]]] = [
    *((name, getattr(ops, name)) for name in ("relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh", "abs")),
    *(
        (name, getattr(ops, name))
        for name in ("softplus", "exp", "erf", "softmax", "log_softmax", "max", "min", "norm")
    ),
    ("clip", lambda x: ops.clip(x, -1, 1)),
    ("maximum", lambda x: ops.maximum(x, 0.0)),
    ("minimum", lambda x: ops.minimum(x, 0.0)),
    ("max_pool2d", lambda x: ops.max_pool2d(ops.reshape(x, IMAGE), 3)),
    ("avg_pool2d", lambda x: ops.avg_pool2d(ops.reshape(x, IMAGE), 3)),
    ("conv2d", lambda x: ops.conv2d(ops.reshape(x, IMAGE), Tensor(np.ones((1, 1, 3, 3))))),
    ("upsample", lambda x: ops.upsample(ops.reshape(x, IMAGE), 2, "bilinear")),
    ("batch_norm", lambda x: ops.batch_norm(ops.reshape(x, (9, 1)), Tensor(np.ones(1)), Tensor(np.ones(1)))),
    ("layer_norm", lambda x: ops.layer_norm(x, Tensor(np.ones(9)), Tensor(np.ones(9)))),
]


@pytest.mark.parametrize(("name", "op"), NAN, ids=[name for name, _ in NAN])
def test_nan_is_never_swallowed(name: str, op: Callable[[Tensor], Tensor]) -> None:
    for place in range(9):
        x = np.linspace(-1, 1, 9)
        x[place] = np.nan
        assert np.isnan(op(Tensor(x)).data).any()


def test_empty_arrays() -> None:
    x = Tensor(np.zeros((0, 3)), requires_grad=True)
    assert ops.sum(x).item() == 0 and ops.sum(x, 0).data.tolist() == [0, 0, 0]
    assert ops.exp(x).shape == ops.relu(x).shape == (x * 2).shape == (0, 3)
    assert ops.matmul(x, Tensor(np.ones((3, 2)))).shape == (0, 2)
    assert ops.concat([x, Tensor(np.ones((2, 3)))]).shape == (2, 3)
    assert ops.softmax(x).shape == ops.max(x, 1).shape + (3,) == (0, 3)
    assert grad(ops.linear(x, Tensor(np.ones((2, 3)))).sum(), [x])[0].shape == (0, 3)
    nothing = np.zeros(3, bool)
    report = gradcheck(lambda x: x[nothing], Tensor(np.ones(3)), order=2, allow_zero=True)
    assert {row.verdict for row in report.rows} == {"VACUOUS"}


def test_where_takes_numbers_that_numpy_made_scalars_of() -> None:
    """NumPy gives a scalar, not an array, for exp of a 0-d array: it is on the same device all the same."""
    x = Tensor(np.float64(0.5), requires_grad=True)
    y = ops.where(ops.exp(x) > 1, ops.exp(x), 2.0 * x)
    assert y.shape == () and grad(y, [x])[0].item() == pytest.approx(np.exp(0.5), rel=1e-15)
