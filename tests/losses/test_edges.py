"""Losses: sparsity and penalties, extreme values, what reductions have to do with each other, and bad input.

Read next: ``test_losses.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from gradcheck.central_differences import check_gradients
from hypothesis import given, settings
from hypothesis import strategies as st
from losses.test_losses import bernoulli_kl_elements, logits_and_targets, normals, seeds, tensors

from minigen import losses
from minigen.autograd import Tensor, grad

# Sparsity, penalties.


@settings(max_examples=20)
@given(shape=hnp.array_shapes(min_dims=2, max_dims=4, max_side=4), rho=st.sampled_from([0.01, 0.05, 0.5]), seed=seeds)
def test_kl_sparsity(shape: tuple[int, ...], rho: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    code = rng.uniform(0.05, 0.95, shape)
    r = np.add.reduce(code, 0) / shape[0]
    expected = bernoulli_kl_elements(np.full(r.shape, rho), r).sum()
    # rho = r is a minimum, value 0: what is left of terms of size 1 is their rounding.
    np.testing.assert_allclose(losses.kl_sparsity(Tensor(code), rho).item(), expected, rtol=1e-11, atol=1e-12)
    check_gradients(lambda t: losses.kl_sparsity(t, rho), [code], order=2, rng=rng)


def test_kl_sparsity_is_zero_at_its_aim_and_finite_for_dead_and_saturated_units() -> None:
    even = np.tile([[1.0], [0.0], [0.0], [0.0]], (1, 3))  # every unit is on in a quarter of the samples
    assert losses.kl_sparsity(Tensor(even), 0.25).item() == pytest.approx(0, abs=1e-15)
    for value in (0.0, 1.0):
        code = Tensor(np.full((4, 3), value, np.float32), requires_grad=True)
        loss = losses.kl_sparsity(code)
        assert np.isfinite(loss.item()) and loss.item() > 0
        g = grad(loss, [code])[0].data
        assert np.isfinite(g).all() and (np.sign(g) == (1 if value else -1)).all()  # towards rho, against the gradient


def test_weight_penalties() -> None:
    rng = np.random.default_rng(3)
    ws = [rng.normal(size=shape) + np.sign(rng.normal(size=shape)) for shape in ((3, 2), (4,), ())]
    assert losses.l1_penalty(map(Tensor, ws)).item() == pytest.approx(sum(abs(w).sum() for w in ws), rel=1e-14)
    assert losses.l2_penalty(map(Tensor, ws)).item() == pytest.approx(sum((w**2).sum() for w in ws), rel=1e-14)
    xs = tensors(ws)
    for g, w in zip(grad(losses.l2_penalty(xs), xs), ws):
        np.testing.assert_allclose(g.data, 2 * w, rtol=1e-15)
    check_gradients(lambda *t: losses.l1_penalty(t), [np.atleast_1d(w) for w in ws], order=2, rng=rng)


# Extreme values.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("pos_weight", [None, 3.0])
def test_bce_with_logits_is_finite_and_exact_for_huge_logits(dtype: Any, pos_weight: float | None) -> None:
    x = Tensor(np.array([-1e4, 1e4, -1e4, 1e4, -20, 20, 0, 0], dtype), requires_grad=True)
    y = Tensor(np.array([0, 1, 1, 0, 0, 1, 0, 1], dtype))
    w = pos_weight or 1.0
    small = math.log1p(math.exp(-20))
    loss = losses.bce_with_logits(x, y, pos_weight=pos_weight, reduction="none")
    expected = np.array([0, 0, 1e4 * w, 1e4, small, small * w, math.log(2), math.log(2) * w])
    # The tails keep their relative accuracy: exp(-20) = 2e-9 would be lost in 20 + exp(-20) - 20.
    np.testing.assert_allclose(loss.data, expected, rtol=1e-5 if dtype == np.float32 else 1e-12)
    (g,) = grad(loss.sum(), [x])
    s = 1 / (1 + math.exp(20))
    # In float32 sigmoid(20) rounds to 1: the gradient -2e-9 becomes 0, wrong by less than half a rounding of 1.
    tolerance = {"atol": 3e-8} if dtype == np.float32 else {"rtol": 1e-7}  # float64: 1e-16 of 1 in a difference of 2e-9
    np.testing.assert_allclose(g.data, [0, 0, -w, 1, s, -w * s, 0.5, -0.5 * w], **tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bce_at_certainty(dtype: Any) -> None:
    p = Tensor(np.array([0, 1, 0, 1, 0.5], dtype), requires_grad=True)
    y = Tensor(np.array([0, 1, 1, 0, 0.5], dtype))
    loss = losses.bce(p, y, reduction="none")
    np.testing.assert_allclose(loss.data, [0, 0, 100, 100, math.log(2)], rtol=1e-6)  # float32 rounding of log 2
    (g,) = grad(loss.sum(), [p], create_graph=True)
    # 1e12 is where the derivative 1/p is capped; a certain and right answer still has the slope of -log p at 1.
    np.testing.assert_allclose(g.data, [1, -1, -1e12, 1e12, 0], rtol=1e-6)
    assert np.isfinite(grad(g.sum(), [p])[0].data).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_divergences_at_extremes(dtype: Any) -> None:
    mu, logvar = (Tensor(np.array(v, dtype), requires_grad=True) for v in ([0, 0, 1e4, 0], [80, -80, 0, 0]))
    loss = losses.gaussian_kl(mu, logvar, reduction="none")
    # float32: the exponent 80 is exact, exp multiplies its rounding by 80.
    np.testing.assert_allclose(loss.data, [(math.exp(80) - 81) / 2, 39.5, 5e7, 0], rtol=2e-5)
    assert all(np.isfinite(g.data).all() for g in grad(loss.sum(), [mu, logvar]))
    p, q = (Tensor(np.array(v, dtype), requires_grad=True) for v in ([0, 1, 0.5, 0, 1], [0, 1, 0, 1, 0]))
    loss = losses.bernoulli_kl(p, q, reduction="none")
    np.testing.assert_allclose(loss.data, [0, 0, 50 - math.log(2), 100, 100], rtol=1e-6)
    assert all(np.isfinite(g.data).all() for g in grad(loss.sum(), [p, q]))
    a, b = (Tensor(np.array([[s * 1e4, 0, -1e4]], dtype), requires_grad=True) for s in (1, -1))
    loss = losses.categorical_kl(a, b)
    # p is certain of class 0, q of class 1, and log q of class 0 is -1e4.
    np.testing.assert_allclose(loss.item(), 1e4, rtol=1e-6)
    assert all(np.isfinite(g.data).all() for g in grad(loss, [a, b]))


def test_cross_entropy_of_huge_and_forbidden_logits() -> None:
    x = Tensor(np.array([[1e4, -1e4, 0], [2.0, -np.inf, 2.0]], np.float32), requires_grad=True)
    loss = losses.cross_entropy(x, np.array([1, 0]), reduction="none")
    np.testing.assert_allclose(loss.data, [2e4, math.log(2)], rtol=1e-6)  # float32 rounding
    np.testing.assert_allclose(grad(loss.sum(), [x])[0].data, [[1, -1, 0], [-0.5, 0, 0.5]], atol=1e-7)


def test_huber_far_away_does_not_overflow() -> None:
    x = Tensor(np.array([1e30, -1e30], np.float32), requires_grad=True)
    loss = losses.huber(x, Tensor(np.zeros(2, np.float32)), reduction="none")
    np.testing.assert_allclose(loss.data, [1e30, 1e30], rtol=1e-6)  # float32 rounding
    np.testing.assert_array_equal(grad(loss.sum(), [x])[0].data, [1, -1])


def test_nan_goes_through_to_where_it_can_be_traced() -> None:
    x = Tensor(np.array([np.nan, 0.5]))
    assert np.isnan(losses.bce(x, Tensor(np.array([0.5, 0.5]))).item())


def test_logits_and_probabilities_agree() -> None:
    x, y = logits_and_targets(np.random.default_rng(5), (4, 5))
    p = 1 / (1 + np.exp(-x))
    # log(1 - p) for p up to 1 - 1e-4 loses the four digits that 1 - p cancels.
    assert losses.bce(Tensor(p), Tensor(y)).item() == pytest.approx(
        losses.bce_with_logits(Tensor(x), Tensor(y)).item(), rel=1e-11
    )


# Units: what the reductions have to do with each other.


def test_kl_terms_are_per_sample_by_default() -> None:
    mu, logvar = normals(2)(np.random.default_rng(6), (8, 5))
    x, y = Tensor(mu), Tensor(logvar)
    per_sample = losses.gaussian_kl(x, y).item()
    assert per_sample == pytest.approx(losses.gaussian_kl(x, y, reduction="mean").item() * 5, rel=1e-13)
    assert per_sample == pytest.approx(losses.gaussian_kl(x, y, reduction="sum").item() / 8, rel=1e-13)
    between = losses.gaussian_kl_between(x, y, Tensor(np.zeros((8, 5))), Tensor(np.zeros((8, 5))))
    assert per_sample == pytest.approx(between.item(), rel=1e-13)


# Bad input.

x23, x32 = Tensor(np.ones((2, 3))), Tensor(np.ones((3, 2)))
BAD: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "shape": (lambda: losses.mse(x23, x32), ValueError, r"mse: prediction has shape \(2, 3\) but target .*\(3, 2\)"),
    "no broadcasting": (
        lambda: losses.mse(Tensor(np.ones((3, 1))), Tensor(np.ones(3))), ValueError, "nothing is broadcast",
    ),
    "dtype": (lambda: losses.l1(x23, Tensor(np.ones((2, 3), "f4"))), TypeError, "float64 on cpu but target is float32"),
    "integers": (lambda: losses.mse(Tensor([1, 2]), Tensor([1, 2])), TypeError, "mse: prediction must be float32"),
    "reduction": (lambda: losses.mse(x23, x23, reduction="avg"), ValueError, "reduction is 'mean', .* got 'avg'"),  # type: ignore[arg-type]
    "empty": (lambda: losses.mse(Tensor(np.ones((0, 3))), Tensor(np.ones((0, 3)))), ValueError, r"shape \(0, 3\)"),
    "batchmean of a number": (
        lambda: losses.mse(Tensor(1.0), Tensor(1.0), reduction="batchmean"), ValueError, "nothing to take the mean",
    ),
    "delta": (lambda: losses.huber(x23, x23, delta=0), ValueError, "huber: delta must be .* got 0"),
    "bce of logits": (lambda: losses.bce(x23 * 2, x23), ValueError, "prediction must lie in .* 2 to 2; .*with_logits"),
    "bce of pixels": (lambda: losses.bce(x23, x23 * 255), ValueError, r"bce: target must lie in \[0, 1\]"),
    "target of logits": (lambda: losses.bce_with_logits(x23, -x23), ValueError, "bce_with_logits: target must lie in"),
    "pos_weight": (
        lambda: losses.bce_with_logits(x23, x23, pos_weight=Tensor(np.ones(2))), ValueError, r"pos_weight has .*\(2,\)",
    ),
    "no variance": (lambda: losses.gaussian_nll(x23, x23), ValueError, "give one of var and logvar, got none"),
    "two variances": (lambda: losses.gaussian_nll(x23, x23, var=1, logvar=0), ValueError, "got both"),
    "variance": (lambda: losses.gaussian_nll(x23, x23, var=0), ValueError, "var must be above 0, got 0"),
    "variances": (lambda: losses.gaussian_nll(x23, x23, var=-x23), ValueError, "var must be above 0, got -1"),
    "variance shape": (lambda: losses.gaussian_nll(x23, x23, var=x32), ValueError, r"var has shape \(3, 2\)"),
    "kl shapes": (lambda: losses.gaussian_kl(x23, x32), ValueError, "gaussian_kl: mu has shape"),
    "kl of numbers": (lambda: losses.categorical_kl(Tensor(1.0), Tensor(1.0)), ValueError, "categorical_kl: expected"),
    "rho": (lambda: losses.kl_sparsity(x23, 1.0), ValueError, "rho must be between 0 and 1, got 1.0"),
    "code": (lambda: losses.kl_sparsity(x23 * 3), ValueError, r"code must lie in \[0, 1\]"),
    "code without batch": (lambda: losses.kl_sparsity(Tensor(np.ones(3))), ValueError, r"expected a code \(N, D\)"),
    "one weight": (lambda: losses.l1_penalty(x23), TypeError, "l1_penalty: expected several Tensors"),
    "no weight": (lambda: losses.l2_penalty([]), ValueError, "l2_penalty: expected at least one Tensor"),
    "no Tensor": (lambda: losses.l2_penalty([x23, "w"]), TypeError, "number 1 is"),  # type: ignore[list-item]
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(values=st.lists(st.one_of(st.floats(width=32), st.floats(-0.0, 1, width=32)), max_size=5))
def test_the_interval_is_checked_element_by_element(dtype: Any, values: list[float]) -> None:
    y = Tensor(np.array(values, dtype))
    if any(v < 0 or v > 1 for v in values):  # a NaN beside them hides nothing
        with pytest.raises(ValueError, match=r"test: y must lie in \[0, 1\], got values from"):
            losses.reduction.check_unit_interval("test", "y", y)
    else:
        losses.reduction.check_unit_interval("test", "y", y)


def test_a_target_may_leave_the_interval_by_the_rounding_of_float32() -> None:
    y = Tensor(np.array([np.nextafter(np.float32(1), np.float32(2)), 0], np.float32))
    assert np.isfinite(losses.bce_with_logits(Tensor(np.zeros(2, np.float32)), y).item())
