"""Cross-entropy over classes: labels and probabilities, weights, ignored places, smoothing; against NumPy and PyTorch.

Read next: ``test_losses.py``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gradcheck.central_differences import check_gradients
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import losses
from minigen.autograd import Tensor, grad

Array = np.ndarray[Any, Any]
seeds = st.integers(0, 2**32 - 1)
places = st.lists(st.integers(1, 3), max_size=2).map(tuple)
smoothings = st.sampled_from([0.0, 0.1, 0.9])


def of_place(x: Array, q: Array, weight: Array) -> float:
    """-sum of q_k w_k log p_k, with p by its definition."""
    p = np.exp(x - x.max()) / np.exp(x - x.max()).sum()
    return sum(-q[k] * weight[k] * math.log(p[k]) for k in range(len(x)) if q[k])


def reference(x: Array, labels: Array, weight: Array, ignore: int | None, smoothing: float) -> tuple[Array, Array]:
    """The losses (N, ...), and what each place counts in a mean."""
    N, K, *rest = x.shape
    y, counts = np.zeros((N, *rest)), np.zeros((N, *rest))
    for n, *at in itertools.product(range(N), *map(range, rest)):
        own, place = x[(n, slice(None), *at)], (n, *at)
        if labels.shape == x.shape:
            q, counts[place] = labels[(n, slice(None), *at)], 1
        elif labels[place] == ignore:
            continue
        else:
            q, counts[place] = np.eye(K)[labels[place]], weight[labels[place]]
        y[place] = of_place(own, (1 - smoothing) * q + smoothing / K, weight)
    return y, counts


def reduced(y: Array, counts: Array, reduction: str) -> Any:
    return y if reduction == "none" else y.sum() / {"sum": 1, "batchmean": len(y), "mean": counts.sum()}[reduction]


@settings(max_examples=25)
@given(
    seed=seeds, rest=places, smoothing=smoothings, weighted=st.booleans(), ignore=st.sampled_from([None, -100, 0, 255])
)
def test_labels(seed: int, rest: tuple[int, ...], smoothing: float, weighted: bool, ignore: int | None) -> None:
    rng = np.random.default_rng(seed)
    n, k = rng.integers(1, 4, 2)
    x, labels = rng.normal(size=(n, k, *rest)) * 3, rng.integers(0, k, (n, *rest))
    if ignore is not None:
        labels[rng.random(labels.shape) < 0.4] = ignore
        labels.flat[0] = k - 1
    weight = rng.uniform(0.1, 2, k) if weighted else np.ones(k)
    y, counts = reference(x, labels, weight, ignore, smoothing)
    options: dict[str, Any] = dict(ignore_index=ignore, label_smoothing=smoothing, weight=weight if weighted else None)
    for reduction in ("none", "sum", "batchmean", "mean"):
        if reduction == "mean" and not counts.sum():
            continue
        for given_labels in (labels, Tensor(labels), labels.tolist(), np.asfortranarray(labels)):
            loss = losses.cross_entropy(Tensor(x), given_labels, reduction=reduction, **options)  # type: ignore[arg-type]
            # float64: logarithms and sums of at most 27 terms of up to 20
            np.testing.assert_allclose(loss.data, reduced(y, counts, reduction), rtol=1e-12, atol=1e-13)
    check_gradients(lambda t: losses.cross_entropy(t, labels, reduction="none", **options), [x], order=2, rng=rng)
    if counts.sum():
        check_gradients(lambda t: losses.cross_entropy(t, labels, **options), [x], order=2, rng=rng)


@settings(max_examples=20)
@given(seed=seeds, rest=places, smoothing=smoothings, weighted=st.booleans())
def test_probabilities(seed: int, rest: tuple[int, ...], smoothing: float, weighted: bool) -> None:
    rng = np.random.default_rng(seed)
    n, k = rng.integers(1, 4, 2)
    x, q = rng.normal(size=(n, k, *rest)) * 3, rng.uniform(0.01, 0.99, (n, k, *rest))
    weight = rng.uniform(0.1, 2, k) if weighted else np.ones(k)
    y, counts = reference(x, q, weight, None, smoothing)
    options: dict[str, Any] = dict(label_smoothing=smoothing, weight=weight if weighted else None)
    for reduction in ("none", "sum", "batchmean", "mean"):
        loss = losses.cross_entropy(Tensor(x), q, reduction=reduction, **options)  # type: ignore[arg-type]
        np.testing.assert_allclose(loss.data, reduced(y, counts, reduction), rtol=1e-12, atol=1e-13)
    check_gradients(lambda t, q: losses.cross_entropy(t, q, reduction="none", **options), [x, q], order=2, rng=rng)


@settings(max_examples=30)
@given(seed=seeds, rest=places, smoothing=smoothings, kind=st.sampled_from(["labels", "ignored", "soft"]))
def test_it_is_pytorchs_to_second_order(seed: int, rest: tuple[int, ...], smoothing: float, kind: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    rng = np.random.default_rng(seed)
    n, k = rng.integers(1, 4, 2)
    x, weight = rng.normal(size=(n, k, *rest)) * 5, rng.uniform(0.1, 2, k) if rng.random() < 0.5 else None
    target: Array = rng.integers(0, k, (n, *rest))
    options: dict[str, Any] = {"label_smoothing": smoothing}
    if kind == "ignored":
        options["ignore_index"] = int(rng.choice([-100, 0, 7]))
        target[rng.random(target.shape) < 0.4] = options["ignore_index"]
        target.flat[-1] = k - 1
    elif kind == "soft":
        target = rng.dirichlet(np.ones(k), (n, *rest))
        target = np.moveaxis(target, -1, 1)
    reduction = rng.choice(["mean", "sum", "none"])
    if options.get("ignore_index") == k - 1 and (target == k - 1).all():
        reduction = "sum"  # there is no mean
    a, b = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y = losses.cross_entropy(a, target, weight=weight, reduction=reduction, **options)
    tw = None if weight is None else torch.tensor(weight)
    t = torch.nn.functional.cross_entropy(b, torch.tensor(target), weight=tw, reduction=reduction, **options)
    c, u = rng.normal(size=y.shape), rng.normal(size=x.shape)
    (g,) = grad(y, [a], Tensor(np.asarray(c)), create_graph=True)
    (tg,) = torch.autograd.grad(t, b, torch.tensor(c), create_graph=True)
    (gg,) = grad((g * Tensor(u)).sum(), [a])
    (tgg,) = torch.autograd.grad((tg * torch.tensor(u)).sum(), b)
    # Two implementations of exp and log, relative to numbers up to 30.
    for ours, theirs in ((y, t), (g, tg), (gg, tgg)):
        np.testing.assert_allclose(ours.data, theirs.detach().numpy(), rtol=1e-11, atol=1e-12)


def test_float32_stays_float32() -> None:
    x = Tensor(np.ones((2, 3, 2), np.float32), requires_grad=True)
    labels = np.array([[0, 1], [2, 9]])
    loss = losses.cross_entropy(x, labels, weight=[1, 2, 3], ignore_index=9, label_smoothing=0.1)
    assert loss.dtype == np.float32 == grad(loss, [x])[0].dtype
    soft = losses.cross_entropy(x, np.full((2, 3, 2), 1 / 3, np.float32))
    assert soft.dtype == np.float32 and soft.item() == pytest.approx(math.log(3), rel=1e-6)


@pytest.mark.parametrize("create_graph", [False, True])
def test_an_impossible_class_costs_nothing_where_it_is_not_wanted(create_graph: bool) -> None:
    x = Tensor(np.array([[2.0, -np.inf, 2.0]]), requires_grad=True)
    for target in (np.array([0]), np.array([[1.0, 0.0, 0.0]])):
        loss = losses.cross_entropy(x, target)
        assert loss.item() == pytest.approx(math.log(2))
        (g,) = grad(loss, [x], create_graph=create_graph)
        np.testing.assert_allclose(g.data, [[-0.5, 0, 0.5]], atol=1e-15)
    assert losses.cross_entropy(x, [1]).item() == math.inf
    assert losses.cross_entropy(x, [0], label_smoothing=0.1).item() == math.inf
    # An ignored place says nothing, whatever is there.
    both = Tensor(np.array([[0.0, 0.0], [np.inf, np.nan]]), requires_grad=True)
    loss = losses.cross_entropy(both, [0, -1], ignore_index=-1)
    assert loss.item() == pytest.approx(math.log(2))
    np.testing.assert_array_equal(grad(loss, [both], create_graph=create_graph)[0].data, [[-0.5, 0.5], [0, 0]])


def test_where_all_is_ignored_there_is_a_sum_and_no_mean() -> None:
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    for reduction in ("sum", "batchmean", "none"):
        loss = losses.cross_entropy(x, [-1, -1], ignore_index=-1, reduction=reduction)  # type: ignore[arg-type]
        assert not loss.data.any() and not grad(loss.sum(), [x])[0].data.any()
    with pytest.raises(ValueError, match="all labels are ignored, so there is nothing to take the mean over"):
        losses.cross_entropy(x, [-1, -1], ignore_index=-1)
    with pytest.raises(ValueError, match="the weights of the labels sum to 0"):
        losses.cross_entropy(x, [1, 1], weight=[1, 0, 1])
    empty = Tensor(np.ones((0, 3)))
    with pytest.raises(ValueError, match="nothing to take the mean over"):
        losses.cross_entropy(empty, np.zeros(0, int), weight=[1, 1, 1])
    assert losses.cross_entropy(empty, np.zeros(0, int), reduction="sum").item() == 0


X, X4, loss = Tensor(np.ones((2, 3))), Tensor(np.ones((2, 3, 4))), losses.cross_entropy
BAD: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "too large": (lambda: loss(X, [0, 3]), ValueError, "labels must be from 0 to 2 .* got 0 to 3"),
    "negative": (lambda: loss(X, [-1, 0]), ValueError, "got -1 to 0; ignore_index=... leaves a label out"),
    "not that one": (lambda: loss(X, [-1, 0], ignore_index=-2), ValueError, "got -1 to 0"),
    "shape": (lambda: loss(X, [0, 1, 2]), ValueError, r"got \(2, 3\) and \(3,\)"),
    "axes": (lambda: loss(X4, [0, 1]), ValueError, r"labels \(N, ...\), got \(2, 3, 4\) and \(2,\)"),
    "one number": (lambda: loss(Tensor(1.0), 0), ValueError, r"expected logits \(N, K\) or"),
    "floats": (lambda: loss(X, [0.0, 1.0]), TypeError, "expected integer labels .* got float32"),
    "bools": (lambda: loss(X, [True, False]), TypeError, "expected integer labels .* got bool"),
    "integer logits": (lambda: loss(Tensor([[1, 2]]), [0]), TypeError, "expected float logits, got int64"),
    "no probabilities": (lambda: loss(X, np.full((2, 3), 2.0)), ValueError, "labels must lie in"),
    "mixed": (lambda: loss(X, np.ones((2, 3), "f4")), TypeError, "logits are float64 but labels float32"),
    "ignored probabilities": (
        lambda: loss(X, np.ones((2, 3)), ignore_index=0), ValueError, "ignore_index goes with labels",
    ),
    "ignored half": (lambda: loss(X, [0, 1], ignore_index=0.5), TypeError, "ignore_index is a whole"),  # type: ignore[arg-type]
    "smoothing": (lambda: loss(X, [0, 1], label_smoothing=1), ValueError, "label_smoothing .* got 1"),
    "weights": (lambda: loss(X, [0, 1], weight=[1, 2]), ValueError, r"weight has shape \(2,\), wanted"),
    "weights' dtype": (
        lambda: loss(X, [0, 1], weight=np.ones(3, "f4")), TypeError, "float64 on cpu but weight is float32",
    ),
    "reduction": (
        lambda: loss(X, [0, 1], weight=[1, 2, 3], reduction="avg"), ValueError, "got 'avg'",  # type: ignore[arg-type]
    ),
}  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
