"""Losses: each against a formula in NumPy, against PyTorch, and its derivatives to second order.

`CASES` has one entry for each loss; a loss without an entry fails the suite.

Read next: ``test_edges.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from gradcheck.central_differences import WrongGradientError, check_gradients
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import losses, ops
from minigen.autograd import Tensor, grad

Array = np.ndarray[Any, Any]
Draw = Callable[[np.random.Generator, tuple[int, ...]], list[Array]]


@dataclass(frozen=True)
class Case:
    """A loss: how to draw its inputs, and what it is for each element, in plain NumPy."""

    loss: Callable[..., Tensor]
    draw: Draw
    elements: Callable[..., Array]
    options: dict[str, Any] = field(default_factory=dict)


def normals(n: int) -> Draw:
    return lambda rng, shape: [rng.normal(size=shape) for _ in range(n)]


def probabilities(n: int) -> Draw:
    return lambda rng, shape: [rng.uniform(0.05, 0.95, shape) for _ in range(n)]


def apart(rng: np.random.Generator, shape: tuple[int, ...]) -> list[Array]:
    """Two arrays whose difference stays 0.1 away from 0 and +-1, where l1 and huber bend."""
    size = np.where(rng.random(shape) < 0.5, rng.uniform(0.1, 0.9, shape), rng.uniform(1.1, 2, shape))
    target = rng.normal(size=shape)
    return [target + size * rng.choice([-1, 1], shape), target]


def logits_and_targets(rng: np.random.Generator, shape: tuple[int, ...]) -> list[Array]:
    """The targets stay so far inside of [0, 1] that differences do not leave it."""
    return [rng.normal(size=shape) * 3, rng.uniform(0.01, 0.99, shape)]


def softmax(x: Array) -> Array:
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def bernoulli_kl_elements(p: Array, q: Array) -> Array:
    return np.log((p / q) ** p * ((1 - p) / (1 - q)) ** (1 - p))


def categorical_kl_elements(a: Array, b: Array) -> Array:
    p, q = softmax(a), softmax(b)
    return (p * np.log(p / q)).sum(-1)


def density(x: Array, mean: Array, var: Array | float) -> Array:
    return np.exp(-((x - mean) ** 2) / (2 * var)) / np.sqrt(2 * np.pi * var)


def gaussian_kl_elements(m1: Array, l1: Array, m2: Array | float, l2: Array | float) -> Array:
    """By numeric integration of p log(p / q) on a grid that spans 12 standard deviations: not the closed form."""
    z = np.linspace(-12, 12, 4001)
    out = np.empty(m1.shape)
    for i in np.ndindex(m1.shape):
        s1 = math.exp(l1[i] / 2)
        m, s2 = np.broadcast_to(m2, m1.shape)[i], math.exp(np.broadcast_to(l2, m1.shape)[i] / 2)
        x = m1[i] + s1 * z
        log_ratio = -(z**2) / 2 - math.log(s1) + ((x - m) / s2) ** 2 / 2 + math.log(s2)
        out[i] = np.trapezoid(np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * log_ratio, z)
    return out


CASES = {
    "mse": Case(losses.mse, normals(2), lambda p, t: p * p - 2 * p * t + t * t),
    "mse of sigmoid": Case(
        losses.mse, normals(2), lambda x, t: (1 / (1 + np.exp(-x)) - t) ** 2, {"activation": ops.sigmoid}
    ),
    "mse of tanh": Case(losses.mse, normals(2), lambda x, t: (np.tanh(x) - t) ** 2, {"activation": ops.tanh}),
    "mse of softplus": Case(
        losses.mse, normals(2), lambda x, t: (np.log1p(np.exp(x)) - t) ** 2, {"activation": ops.softplus}
    ),
    "l1": Case(losses.l1, apart, lambda p, t: np.maximum(p - t, t - p)),
    "huber": Case(losses.huber, apart, lambda p, t: np.where(abs(p - t) <= 1, (p - t) ** 2 / 2, abs(p - t) - 0.5)),
    "huber delta": Case(
        losses.huber,
        lambda rng, shape: [x * 0.3 for x in apart(rng, shape)],
        lambda p, t: np.where(abs(p - t) <= 0.3, (p - t) ** 2 / 2, 0.3 * (abs(p - t) - 0.15)),
        {"delta": 0.3},
    ),
    "bce": Case(losses.bce, probabilities(2), lambda p, y: -np.log(p**y * (1 - p) ** (1 - y))),
    "bce_with_logits": Case(losses.bce_with_logits, logits_and_targets, lambda x, y: np.log1p(np.exp(x)) - x * y),
    "bce weight": Case(
        losses.bce, probabilities(2), lambda p, y: -0.3 * np.log(p**y * (1 - p) ** (1 - y)), {"weight": 0.3}
    ),
    "bce_with_logits weight": Case(
        losses.bce_with_logits,
        logits_and_targets,
        lambda x, y: 0.3 * (2.5 * y * np.log1p(np.exp(-x)) + (1 - y) * np.log1p(np.exp(x))),
        {"pos_weight": 2.5, "weight": 0.3},
    ),
    "bce_with_logits pos_weight": Case(
        losses.bce_with_logits,
        logits_and_targets,
        lambda x, y: 2.5 * y * np.log1p(np.exp(-x)) + (1 - y) * np.log1p(np.exp(x)),
        {"pos_weight": 2.5},
    ),
    "gaussian_nll logvar": Case(
        lambda m, t, v, **k: losses.gaussian_nll(m, t, logvar=v, **k),
        normals(3),
        lambda m, t, v: -np.log(density(t, m, np.exp(v))),
    ),
    "gaussian_nll var": Case(
        lambda m, t, v, **k: losses.gaussian_nll(m, t, var=v, **k),
        lambda rng, shape: [rng.normal(size=shape), rng.normal(size=shape), rng.uniform(0.3, 3, shape)],
        lambda m, t, v: -np.log(density(t, m, v)),
    ),
    "gaussian_nll number": Case(
        losses.gaussian_nll, normals(2), lambda m, t: -np.log(density(t, m, 0.7)), {"var": 0.7}
    ),
    "gaussian_kl": Case(losses.gaussian_kl, normals(2), lambda m, v: gaussian_kl_elements(m, v, 0.0, 0.0)),
    "gaussian_kl_between": Case(losses.gaussian_kl_between, normals(4), gaussian_kl_elements),
    "bernoulli_kl": Case(losses.bernoulli_kl, probabilities(2), bernoulli_kl_elements),
    "categorical_kl": Case(losses.categorical_kl, normals(2), categorical_kl_elements),
    "l1_activity": Case(losses.l1_activity, lambda rng, shape: [np.subtract(*apart(rng, shape))], abs),
}
# These have another signature, and tests of their own in ``test_edges.py`` and ``test_critic.py``.
OTHERS = {
    "cross_entropy", "kl_sparsity", "l1_penalty", "l2_penalty", "unit_norm_penalty", "wasserstein_critic", "Reduction",
}  # fmt: skip

cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
shapes = hnp.array_shapes(min_dims=1, max_dims=4, max_side=4)
seeds = st.integers(0, 2**32 - 1)


def reduce(elements: Array, reduction: str) -> Array:
    if reduction == "none":
        return elements
    count = {"mean": elements.size, "sum": 1, "batchmean": elements.shape[:1]}[reduction]
    return elements.sum() / np.prod(count)


def tensors(arrays: list[Array], dtype: Any = np.float64) -> list[Tensor]:
    return [Tensor(a.astype(dtype), requires_grad=True) for a in arrays]


def test_every_loss_has_a_case() -> None:
    assert {name.split()[0] for name in CASES} | OTHERS == set(losses.__all__)


@cases
@pytest.mark.parametrize("reduction", ["mean", "sum", "batchmean", "none"])
@settings(max_examples=6)
@given(shape=shapes, seed=seeds)
def test_value(case: Case, reduction: Any, shape: tuple[int, ...], seed: int) -> None:
    arrays = case.draw(np.random.default_rng(seed), shape)
    if case.elements(*arrays).ndim == 0 and reduction == "batchmean":  # (K,) logits: one distribution, no batch
        return
    expected = reduce(np.asarray(case.elements(*arrays)), reduction)
    y = case.loss(*tensors(arrays), **case.options, reduction=reduction)
    assert y.dtype == np.float64 and y.shape == expected.shape
    # Another order of the same sums and logarithms: a few hundred roundings of 1e-16 on terms of up to 1e2.
    np.testing.assert_allclose(y.data, expected, rtol=1e-11, atol=1e-11)
    y32 = case.loss(*tensors(arrays, np.float32), **case.options, reduction=reduction)
    assert y32.dtype == np.float32
    # Terms cancel (log p and log q, exp(v) and 1), so the error is relative to the terms, which reach 1e2 in a sum.
    np.testing.assert_allclose(y32.data, expected, rtol=1e-4, atol=1e-5 * max(1, math.prod(shape)))


@cases
@settings(max_examples=4)
@given(shape=hnp.array_shapes(min_dims=1, max_dims=3, max_side=3), seed=seeds)
def test_derivatives_of_first_and_second_order(case: Case, shape: tuple[int, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    arrays = case.draw(rng, shape)
    check_gradients(lambda *x: case.loss(*x, **case.options, reduction="none"), arrays, order=2, rng=rng)


#: The losses whose sum is a kernel, with the operation that it belongs to.
FUSED = {
    "mse": losses.reconstruction.MseSum,
    "mse of sigmoid": partial(losses.reconstruction.MseActSum, activation="sigmoid"),
    "mse of tanh": partial(losses.reconstruction.MseActSum, activation="tanh"),
    "bce_with_logits": losses.reconstruction.BceWithLogitsSum,
    "gaussian_kl": losses.divergence.GaussianKlSum,
}


@pytest.mark.parametrize("name", FUSED)
@pytest.mark.parametrize("reduction", ["mean", "sum", "batchmean"])
@settings(max_examples=4)
@given(shape=hnp.array_shapes(min_dims=1, max_dims=3, max_side=4), seed=seeds)
def test_a_fused_sum_is_its_definition(name: str, reduction: Any, shape: tuple[int, ...], seed: int) -> None:
    rng, case = np.random.default_rng(seed), CASES[name]
    arrays, loss = case.draw(rng, shape), partial(case.loss, **case.options)
    # With create_graph the definition is differentiated: `check_gradients` holds that to the kernel, and both to
    # differences.
    check_gradients(lambda a, b: loss(a, b, reduction=reduction), arrays, order=2, rng=rng)
    both = tensors(arrays)
    expected = grad(loss(*both, reduction=reduction), both)
    for i in (0, 1):  # one argument that wants a gradient, beside a constant
        one = [Tensor(a, requires_grad=i == j) for j, a in enumerate(arrays)]
        (alone,) = grad(loss(*one, reduction=reduction), [one[i]])
        np.testing.assert_array_equal(alone.data, expected[i].data)
    fused = FUSED[name](scale=0.37)
    value = fused(*tensors(arrays))
    # Two orders of the same sum of at most 64 terms, and what cancels between terms of up to 1e2.
    np.testing.assert_allclose(value.data, fused.definition(*tensors(arrays)).data, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("name", FUSED)
def test_a_fused_sum_in_float32_is_its_definition(name: str) -> None:
    arrays = [a.astype(np.float32) for a in CASES[name].draw(np.random.default_rng(1), (64, 65))]
    xs = tensors(arrays, np.float32)
    value = CASES[name].loss(*xs, reduction="sum")
    fused, defined = grad(value, xs), grad(value, xs, create_graph=True)
    for a, b in zip(fused, defined, strict=True):
        assert a.dtype == b.dtype == np.float32
        # A few units of numbers up to 10, and of a difference from 1 (sigmoid, exp(logvar)).
        np.testing.assert_allclose(a.data, b.data, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", FUSED)
def test_a_fused_sum_of_nothing_is_0(name: str) -> None:
    xs = tensors([np.zeros((0, 3)), np.zeros((0, 3))])
    total = CASES[name].loss(*xs, reduction="sum")
    assert total.item() == 0 and [g.shape for g in grad(total, xs)] == [(0, 3), (0, 3)]


@pytest.mark.parametrize("wrong", [1.01, -1.0, 0.0])
def test_a_planted_error_is_found(wrong: float, monkeypatch: pytest.MonkeyPatch) -> None:
    right = losses.reconstruction.BceWithLogitsSum.backward_arrays

    def backward_arrays(self: Any, gy: Array, y: Array) -> Any:
        gx, target = right(self, gy, y)
        return gx * wrong, target

    monkeypatch.setattr(losses.reconstruction.BceWithLogitsSum, "backward_arrays", backward_arrays)
    rng = np.random.default_rng(0)
    with pytest.raises(WrongGradientError):
        check_gradients(losses.bce_with_logits, logits_and_targets(rng, (3, 4)), order=1, rng=rng)


# PyTorch.


def torch_pairs(torch: Any) -> dict[str, tuple[Draw, Callable[..., Tensor], Callable[..., Any]]]:
    """The same loss twice: ours, PyTorch's, of the same inputs, in every reduction that both have."""
    f, d = torch.nn.functional, torch.distributions

    def normal(mu: Any, logvar: Any) -> Any:
        return d.Normal(mu, (logvar / 2).exp())

    zero = torch.zeros((), dtype=torch.float64)
    return {
        "mse": (normals(2), losses.mse, f.mse_loss),
        "l1": (normals(2), losses.l1, f.l1_loss),
        "huber": (
            normals(2),
            lambda *a, **k: losses.huber(*a, delta=0.6, **k),
            lambda *a, **k: f.huber_loss(*a, delta=0.6, **k),
        ),
        "bce": (probabilities(2), losses.bce, f.binary_cross_entropy),
        "bce weight": (
            probabilities(2),
            lambda *a, **k: losses.bce(*a, weight=Tensor(np.array([0.5, 2.0, 0.0])), **k),
            lambda *a, **k: f.binary_cross_entropy(*a, weight=torch.tensor([0.5, 2.0, 0.0], dtype=torch.float64), **k),
        ),
        "bce_with_logits": (logits_and_targets, losses.bce_with_logits, f.binary_cross_entropy_with_logits),
        "pos_weight": (
            logits_and_targets,
            lambda *a, **k: losses.bce_with_logits(*a, pos_weight=Tensor(np.array([0.5, 2.0, 3.0])), **k),
            lambda *a, **k: f.binary_cross_entropy_with_logits(
                *a, pos_weight=torch.tensor([0.5, 2.0, 3.0]).double(), **k
            ),
        ),
        "gaussian_nll": (
            lambda rng, shape: [*normals(2)(rng, shape), rng.uniform(0.1, 2, shape)],
            lambda m, t, v, **k: losses.gaussian_nll(m, t, var=v, **k),
            lambda *a, **k: f.gaussian_nll_loss(*a, full=True, **k),
        ),
        "gaussian_kl": (
            normals(2),
            lambda *a, **k: losses.gaussian_kl(*a, **k),
            lambda m, v, reduction: getattr(d.kl_divergence(normal(m, v), normal(zero, zero)), reduction)(),
        ),
        "gaussian_kl_between": (
            normals(4),
            lambda *a, **k: losses.gaussian_kl_between(*a, **k),
            lambda m, v, n, w, reduction: getattr(d.kl_divergence(normal(m, v), normal(n, w)), reduction)(),
        ),
        "bernoulli_kl": (
            probabilities(2),
            losses.bernoulli_kl,
            lambda p, q, reduction: getattr(d.kl_divergence(d.Bernoulli(p), d.Bernoulli(q)), reduction)(),
        ),
        "categorical_kl": (
            normals(2),
            losses.categorical_kl,
            lambda p, q, reduction: getattr(
                d.kl_divergence(d.Categorical(logits=p), d.Categorical(logits=q)), reduction
            )(),
        ),
    }


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_value_and_gradient_are_those_of_pytorch(reduction: Any) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    rng = np.random.default_rng(7)
    for name, (draw, ours, theirs) in torch_pairs(torch).items():
        for shape in ((5, 3), (2, 4, 3)):
            arrays = draw(rng, shape)
            xs = tensors(arrays)
            ts = [torch.tensor(a, requires_grad=True) for a in arrays]
            y, t = ours(*xs, reduction=reduction), theirs(*ts, reduction=reduction)
            gs = torch.autograd.grad(t, ts)
            # Both in float64, with logarithms and exponentials of two libraries: 1e-16 each, in at most 24 terms.
            np.testing.assert_allclose(y.item(), t.item(), rtol=1e-12, atol=1e-12, err_msg=name)
            for g, expected in zip(grad(y, xs), gs):
                np.testing.assert_allclose(g.data, expected.numpy(), rtol=1e-11, atol=1e-12, err_msg=name)
