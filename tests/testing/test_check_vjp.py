"""The adapter for other engines: the right pairs pass, and a wrong vjp gets the diagnosis that an own layer would get.

Read next: ``test_check_torch.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from minigen.gradcheck import GradientMismatch
from minigen.testing import check_vjp
from minigen.testing.strategies import ConvGeometry, broadcast_views, by_axes, conv_geometry, scales, seeds, strided


def point(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


def matmul(arrays: Any) -> Any:
    x, w = arrays
    return x @ w


def matmul_vjp(arrays: Any, gy: Any) -> Any:
    x, w = arrays
    return gy @ w.T, x.T @ gy


@given(strided(by_axes("N D", "D K", scale=scales(1e-3))))
@settings(max_examples=30)
def test_a_right_pair_passes(arrays: Any) -> None:
    report = check_vjp(matmul, matmul_vjp, arrays)
    assert report.ok and report.target == "matmul" and [row.verdict for row in report.rows] == ["OK", "OK"]


@given(broadcast_views(by_axes("2 D")))
@settings(max_examples=10)
def test_read_only_views_pass(arrays: Any) -> None:
    check_vjp(lambda a: np.sin(a[0]), lambda a, g: g * np.cos(a[0]), arrays)


@pytest.mark.parametrize(
    ("wrong", "tensor", "kind"),
    [
        (lambda a, g: (g @ a[1].T * 2, a[0].T @ g), "input 0", "factor"),
        (lambda a, g: (g @ a[1].T, -a[0].T @ g), "input 1", "sign"),
        (lambda a, g: (g @ a[1].T, (a[0].T @ g).T), "input 1", "transposed"),
        (lambda a, g: (a[0].T @ g, g @ a[1].T), "input 0", "other-input"),
        (lambda a, g: (g @ a[1].T, None), "input 1", "none"),
        (lambda a, g: (g @ a[1].T, a[0].T @ g * np.nan), "input 1", "nan"),
        (lambda a, g: (g @ a[1].T, (a[0].T @ g)[:2]), "input 1", "shape"),
        (lambda a, g: (g @ a[1].T, (a[0].T @ g).astype(np.float32)), "input 1", "dtype"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_vjp_gets_the_same_diagnosis(wrong: Any, tensor: str, kind: str) -> None:
    report = check_vjp(matmul, wrong, [point(3, 3), point(3, 3, seed=1)], raise_on_failure=False)
    assert report.failure is not None and report.verdict == "WRONG"
    assert report.failure.explanations[0].kind == kind
    assert tensor in str(report.failure)


def test_it_raises() -> None:
    with pytest.raises(GradientMismatch):
        check_vjp(matmul, lambda a, g: (g @ a[1].T, a[0].T @ g * 1.01), [point(2, 3), point(3, 2)])


def test_integers_and_options_are_handed_on() -> None:
    def take(arrays: Any) -> Any:
        table, index, factor = arrays
        assert index.dtype == np.int32 and factor == 3.0
        return table[index] * factor

    def take_vjp(arrays: Any, gy: Any) -> Any:
        table, index, factor = arrays
        g = np.zeros_like(table)
        np.add.at(g, index, gy * factor)
        return g, None, None

    check_vjp(take, take_vjp, (point(4, 2), np.array([1, 1, 3], np.int32), 3.0))


def test_a_number_as_result_and_as_gradient() -> None:
    check_vjp(lambda a: float((a[0] ** 3).sum()), lambda a, g: 3 * a[0] ** 2 * g, [point(4)])
    check_vjp(lambda a: a[0] ** 3, lambda a, g: float(3 * a[0] ** 2 * g), [np.array(1.7)])


def test_the_vjp_as_a_function_of_its_own() -> None:
    """sin twice: the gradient of x -> g cos(x), with both x and g as inputs."""

    def gradient(arrays: Any) -> Any:
        x, g = arrays
        return g * np.cos(x)

    check_vjp(gradient, lambda a, v: (-v * a[1] * np.sin(a[0]), v * np.cos(a[0])), [point(5), point(5, seed=1)])


@given(conv_geometry(same=False, N=1, image=4), seeds())
@settings(max_examples=5)
def test_another_convolution(g: ConvGeometry, seed: int) -> None:
    """A bias added to all pixels, with the sums that its gradient needs."""
    x, _, _ = g.arrays(seed)
    bias = np.random.default_rng(seed).normal(size=(g.C,))
    check_vjp(
        lambda a: a[0] * a[1][:, None, None],
        lambda a, v: (v * a[1][:, None, None], (v * a[0]).sum((0, 2, 3))),
        [x, bias],
    )


def test_state_shared_by_two_calls_is_found() -> None:
    kept = {}

    def square(arrays: Any) -> Any:
        kept["x"] = arrays[0]
        return arrays[0] ** 2

    report = check_vjp(square, lambda a, g: 2 * kept["x"] * g, [point(3)], raise_on_failure=False)
    assert not report.ok


def test_inputs_changed_by_either_are_found() -> None:
    def careless(arrays: Any) -> Any:
        y = np.sin(arrays[0])
        arrays[0][0] = 0
        return y

    def careless_vjp(arrays: Any, gy: Any) -> Any:
        gx = gy * np.cos(arrays[0])
        arrays[0][0] = 0
        return gx

    for pair in ((careless, lambda a, g: g * np.cos(a[0])), (lambda a: np.sin(a[0]), careless_vjp)):
        assert not check_vjp(*pair, [point(3)], raise_on_failure=False).ok


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: check_vjp(3, matmul_vjp, [point(2)]), TypeError, "f and vjp are functions"),
        (lambda: check_vjp(matmul, matmul_vjp, point(2)), TypeError, r"for one array: \[x\]"),
        (lambda: check_vjp(matmul, matmul_vjp, [point(2, 2)] * 2, order=2), ValueError, "cannot be differentiated"),
        (lambda: check_vjp(lambda a: np.arange(3), lambda a, g: g, [point(3)]), TypeError, "f has to return one array"),
        (lambda: check_vjp(matmul, matmul_vjp, [np.arange(3)]), ValueError, "nothing to differentiate"),
    ],
)
def test_wrong_use_is_refused(call: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        call()


def test_the_wrong_number_of_gradients_is_named() -> None:
    with pytest.raises(Exception, match="vjp returned 1 gradients for 2 inputs"):
        check_vjp(matmul, lambda a, g: (g @ a[1].T,), [point(2, 3), point(3, 2)])
