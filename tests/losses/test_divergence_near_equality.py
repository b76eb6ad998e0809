"""Divergences of nearly equal distributions: never negative, right to their last digits, to the second derivative."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen import losses
from minigen.autograd import Tensor, grad
from minigen.losses.tangent import exp_excess, log_deficit

L = np.longdouble
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
SEEDS = st.integers(0, 2**32 - 1)


def excess_of_exp(x: np.ndarray) -> np.ndarray:
    """exp(x) - 1 - x in extended precision, by its series near 0."""
    factorials = np.cumprod(np.arange(1, 30, dtype=L))
    small = np.where(np.abs(x) < 1, x, 0)
    return np.where(np.abs(x) < 1, sum(small**k / factorials[k - 1] for k in range(2, 30)), np.expm1(x) - x)


def deficit_of_log(x: np.ndarray) -> np.ndarray:
    """x - log(1 + x) in extended precision: x s - 2 (s^3 / 3 + s^5 / 5 + ...) with s = x / (2 + x) near 0."""
    s = np.where(np.abs(x) < 0.5, x / (2 + x), 0)
    return np.where(np.abs(x) < 0.5, x * s - 2 * sum(s**k / L(k) for k in range(3, 61, 2)), x - np.log1p(x))


def derivatives(f: Callable[..., Tensor], *arrays: np.ndarray) -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    """The gradient of the sum of f in each argument, and the gradient of the sum of each of these in each argument."""
    ts = [Tensor(a, requires_grad=True) for a in arrays]
    first = grad(f(*ts).sum(), ts, create_graph=True)
    second = [grad(g.sum(), ts) if g.requires_grad else [t * 0 for t in ts] for g in first]
    return [g.numpy() for g in first], [[g.numpy() for g in row] for row in second]


@each_dtype
@given(size=st.floats(-18, 1.9), sign=st.sampled_from([1, -1]))
def test_distances_from_the_tangents(dtype, size, sign):
    x = np.array([sign * 10**size], dtype)
    rtol = 8 * np.finfo(dtype).eps  # x - log(1 + x) at 1/2 is a fifth of x: five roundings of half an eps, and a few
    np.testing.assert_allclose(exp_excess(Tensor(x)).numpy(), excess_of_exp(x.astype(L)), rtol=rtol)
    (first,), ((second,),) = derivatives(exp_excess, x)
    np.testing.assert_allclose(first, np.expm1(x.astype(L)), rtol=rtol)
    np.testing.assert_allclose(second, np.exp(x.astype(L)), rtol=rtol)
    if x > -0.9:
        np.testing.assert_allclose(log_deficit(Tensor(x)).numpy(), deficit_of_log(x.astype(L)), rtol=rtol)
        (first,), ((second,),) = derivatives(log_deficit, x)
        # near -1 the sum 1 + x, and for a large x the difference 1 - x / (1 + x), multiply a rounding by up to 80
        np.testing.assert_allclose(first, x.astype(L) / (1 + x.astype(L)), rtol=2 * rtol)
        np.testing.assert_allclose(second, 1 / (1 + x.astype(L)) ** 2, rtol=10 * rtol)


@each_dtype
@given(size=st.floats(-9, 0), seed=SEEDS)
def test_gaussian_kl(dtype, size, seed):
    rng = np.random.default_rng(seed)
    mu, logvar = (rng.normal(size=(3, 4)) * 10**size for _ in range(2))
    mu, logvar = mu.astype(dtype), logvar.astype(dtype)
    m, v = mu.astype(L), logvar.astype(L)
    wanted, rtol = (m * m + excess_of_exp(v)) / 2, 8 * np.finfo(dtype).eps
    for reduction, value in (("none", wanted), ("sum", wanted.sum())):

        def f(*ts: Tensor, reduction=reduction) -> Tensor:
            return losses.gaussian_kl(*ts, reduction=reduction)

        np.testing.assert_allclose(f(Tensor(mu), Tensor(logvar)).numpy(), value, rtol=rtol)
        first, second = derivatives(f, mu, logvar)
        np.testing.assert_allclose(first, [m, np.expm1(v) / 2], rtol=rtol)
        np.testing.assert_allclose([second[0][0], second[1][1]], [np.ones_like(m), np.exp(v) / 2], rtol=rtol)
    # First order without a graph is the kernel's.
    ts = [Tensor(a, requires_grad=True) for a in (mu, logvar)]
    got = grad(losses.gaussian_kl(*ts, reduction="sum"), ts)
    np.testing.assert_allclose([g.numpy() for g in got], [m, np.expm1(v) / 2], rtol=rtol)
    assert losses.gaussian_kl(Tensor(0 * mu), Tensor(0 * logvar)).item() == 0


@each_dtype
@given(size=st.floats(-7, 0), seed=SEEDS)
def test_gaussian_kl_between(dtype, size, seed):
    rng = np.random.default_rng(seed)
    mu2, logvar2 = rng.normal(size=(3, 4)).astype(dtype), rng.normal(size=(3, 4)).astype(dtype)
    mu1, logvar1 = ((a + rng.normal(size=(3, 4)) * 10**size).astype(dtype) for a in (mu2, logvar2))
    exact = [a.astype(L) for a in (mu1, logvar1, mu2, logvar2)]
    d, r, precision = exact[0] - exact[2], exact[1] - exact[3], np.exp(-exact[3])
    got = losses.gaussian_kl_between(*map(Tensor, (mu1, logvar1, mu2, logvar2)), reduction="none").numpy()
    # The differences of numbers of up to 4 have one rounding where they are not exact, and both terms their square.
    np.testing.assert_allclose(got, (excess_of_exp(r) + d * d * precision) / 2, rtol=16 * np.finfo(dtype).eps)
    assert (got >= 0).all()
    first, _ = derivatives(losses.gaussian_kl_between, mu1, logvar1, mu2, logvar2)
    for g, wanted in zip(first[:3], (d * precision, np.expm1(r) / 2, -d * precision), strict=True):
        np.testing.assert_allclose(g * 3, wanted, rtol=16 * np.finfo(dtype).eps)


@each_dtype
@given(size=st.floats(-9, 0), low=st.floats(-12, -0.6), seed=SEEDS)
def test_bernoulli_kl(dtype, size, low, seed):
    """Also of rare events, p down to 1e-12 and up to 1 - 1e-12, where 1 - p has lost the digits of p."""
    rng = np.random.default_rng(seed)
    p = 10 ** rng.uniform(low, -0.5, (3, 4))
    q = (p * (1 + np.tanh(rng.normal(size=p.shape) * 10**size))).astype(dtype)
    p = p.astype(dtype)
    keep = (q > 0) & (q < 1)
    p, q = np.where(keep, p, dtype(0.25)), np.where(keep, q, dtype(0.5))
    a, b = p.astype(L), q.astype(L)
    u, v = (b - a) / a, (a - b) / (1 - a)
    wanted, rtol = a * deficit_of_log(u) + (1 - a) * deficit_of_log(v), 32 * np.finfo(dtype).eps
    # Where q is many times p, or the reverse, a logarithm of up to 28 is multiplied by p and its rounding with it.
    slack = np.finfo(dtype).eps * 16 * a
    apart = (np.abs(np.log(b / a)) > 1.3) | (np.abs(np.log((1 - b) / (1 - a))) > 1.3)
    got = losses.bernoulli_kl(Tensor(p), Tensor(q), reduction="none").numpy()
    assert (np.abs(got - wanted) <= rtol * wanted + slack * apart).all() and (got >= 0).all()
    (gp, gq), ((hpp, hpq), (_, hqq)) = derivatives(lambda *ts: losses.bernoulli_kl(*ts, reduction="sum"), p, q)
    near = ~apart
    np.testing.assert_allclose(gp[near], (np.log1p(v) - np.log1p(u))[near], rtol=rtol)
    np.testing.assert_allclose(gq[near], ((b - a) / (b * (1 - b)))[near], rtol=rtol)
    np.testing.assert_allclose(hpp[near], (1 / (a * (1 - a)))[near], rtol=rtol)
    np.testing.assert_allclose(hpq[near], (-1 / (b * (1 - b)))[near], rtol=rtol)
    np.testing.assert_allclose(hqq[near], (a / b**2 + (1 - a) / (1 - b) ** 2)[near], rtol=rtol)


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@each_dtype
@given(size=st.floats(-6, 1), spread=st.sampled_from([0.1, 1, 3]), classes=st.integers(1, 12), seed=SEEDS)
def test_categorical_kl(dtype, size, spread, classes, seed):
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(5, classes)) * spread).astype(dtype)
    z = (x + rng.normal(size=x.shape) * 10**size).astype(dtype)
    p, d = softmax(x.astype(L)), z.astype(L) - x
    d = d - (p * d).sum(1, keepdims=True)
    total = (p * excess_of_exp(d)).sum(1)
    got = losses.categorical_kl(Tensor(x), Tensor(z), reduction="none").numpy()
    # The differences have the roundings of the logits, which what is left without their mean divides; far apart,
    # exp multiplies the rounding of a logarithm by the logarithm.
    apart = np.maximum(np.abs(d).max(1), 1e-30)
    unit = np.finfo(dtype).eps * (16 + 8 * apart + 4 * (np.abs(x) + np.abs(z)).max(1) / apart)
    assert (np.abs(got - np.log1p(total)) <= 2 * unit * np.log1p(total) + (unit * apart) ** 2).all()
    assert (got >= 0).all()
    gx, gz = derivatives(lambda *ts: losses.categorical_kl(*ts, reduction="sum"), x, z)[0]
    ratio = d - np.log1p(total)[:, None]
    for g, wanted in ((gx, -p * d), (gz, p * np.expm1(ratio))):
        assert (np.abs(g - wanted) <= (unit * apart)[:, None]).all()


def test_second_derivative_of_categorical_kl_at_equality():
    """There both Hessians are that of log sum exp, diag(p) - p p^T, and the mixed one is its negative."""
    x = np.random.default_rng(0).normal(size=(1, 4))
    p = softmax(x)[0]
    fisher = np.diag(p) - p[:, None] * p
    ts = [Tensor(x, requires_grad=True), Tensor(x.copy(), requires_grad=True)]
    first = grad(losses.categorical_kl(*ts), ts, create_graph=True)
    assert not any(g.numpy().any() for g in first)
    for i, row in enumerate(((fisher, -fisher), (-fisher, fisher))):
        for k in range(4):
            for got, wanted in zip(grad(first[i][0, k], ts), row, strict=True):
                np.testing.assert_allclose(got.numpy()[0], wanted[k], rtol=0, atol=1e-15)


CASES = {
    "gaussian_kl": (losses.gaussian_kl, (np.zeros((1, 1)), np.full((1, 1), 1.03e-5))),
    "bernoulli_kl": (losses.bernoulli_kl, (np.full((1, 3), 0.3), np.full((1, 3), 0.3 + 1e-4))),
    "categorical_kl": (losses.categorical_kl, (np.array([[0.3, -1, 2]]), np.array([[0.3, -1, 2]]) + [[1e-4, 0, 0]])),
}


@pytest.mark.parametrize("name", CASES)
def test_no_divergence_is_negative_or_lost(name):
    f, arrays = CASES[name]
    double, single = (f(*(Tensor(a.astype(t)) for a in arrays)).item() for t in (np.float64, np.float32))
    assert 0 < double < 1e-6
    assert single == pytest.approx(double, rel=2e-3)  # 1e-4 is some 3,000 units of the float32 arguments


@each_dtype
def test_extremes_stay_finite_or_say_infinite(dtype):
    def all_finite(f, *arrays) -> bool:
        ts = [Tensor(np.array(a, dtype), requires_grad=True) for a in arrays]
        y = f(*ts)
        return bool(np.isfinite(y.numpy()).all()) and all(np.isfinite(g.numpy()).all() for g in grad(y.sum(), ts))

    ends = [[0.0, 0, 1, 1, 0.5, 0.5, 1e-30, 1]], [[0.0, 1, 0, 1, 0, 1, 1, 1e-30]]
    assert all_finite(losses.bernoulli_kl, *ends)
    value = losses.bernoulli_kl(*(Tensor(np.array(a, dtype)) for a in ends), reduction="none").numpy()[0]
    half = 50 + np.log(0.5)  # log 0 counts as -100
    np.testing.assert_allclose(value[:6], [0, 100, 100, 0, half, half], rtol=1e-6)
    assert all_finite(losses.gaussian_kl, [[0.0, 1, -3, 0]], [[-1e4, -80, 80, 0]])
    far = [[1e4, 0, -1e4], [0, 0, 0], [1e4, 1e4, 0]], [[-1e4, 0, 1e4], [1e4, 0, -1e4], [1e4, 1e4, -1e4]]
    assert all_finite(losses.categorical_kl, *far)
    with np.errstate(over="ignore"):
        infinite = losses.gaussian_kl(
            Tensor(np.zeros((1, 2), dtype)), Tensor(np.array([[np.inf, -np.inf]], dtype)), reduction="none"
        )
    assert (infinite.numpy() == np.inf).all()
    nothing_there = Tensor(np.array([[0, -np.inf]], dtype))
    assert losses.categorical_kl(Tensor(np.zeros((1, 2), dtype)), nothing_there).item() == np.inf
    assert losses.categorical_kl(nothing_there, Tensor(np.zeros((1, 2), dtype))).item() == pytest.approx(np.log(2))


@each_dtype
@given(size=st.floats(-7, -0.5), seed=SEEDS)
def test_kl_sparsity(dtype, size, seed):
    code = np.full((4, 3), 0.05) * (1 + np.random.default_rng(seed).normal(size=3) * 10**size)
    code = code.clip(0, 1).astype(dtype)
    got = losses.kl_sparsity(Tensor(code), 0.05).item()
    r, rho = code[0].astype(L), L(dtype(0.05))
    wanted = (rho * deficit_of_log((r - rho) / rho) + (1 - rho) * deficit_of_log((rho - r) / (1 - rho))).sum()
    # The mean of four equal numbers is exact; their difference from rho is, too.
    assert got == pytest.approx(float(wanted), rel=16 * float(np.finfo(dtype).eps))


def test_cross_entropy_of_a_rare_event_keeps_its_digits():
    p = Tensor(np.array([1e-9], np.float32), requires_grad=True)
    loss = losses.bce(p, Tensor(np.zeros(1, np.float32)))
    assert loss.item() == pytest.approx(1e-9, rel=1e-6) and grad(loss, [p])[0].item() == pytest.approx(1, rel=1e-6)
