"""The verdicts other than OK and WRONG: kinks, vacuous checks, too little precision; and calls that are refused.

Read next: ``test_planted_errors.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gradcheck.wrong_gradients import point

from minigen import nn, ops
from minigen.autograd import Function, Tensor, no_grad
from minigen.gradcheck import GradientMismatch, gradcheck
from minigen_kernels import Array

# Kinks.


@pytest.mark.parametrize(
    ("fn", "x", "index"),
    [
        (ops.relu, [1.0, 0.0, -1.0], (1,)),
        (ops.abs, [1.0, -2.0, 0.0], (2,)),
        (lambda x: ops.max(x, 1), [[1.0, 3.0, 3.0], [1.0, 2.0, 3.0]], (0, 1)),
        (lambda x: ops.clip(x, -1, 1), [0.5, 1.0], (1,)),
        (lambda x: ops.where(x > 0, x + 1, x), [2.0, 0.0], (1,)),
        (ops.sqrt, [1.0, 0.0], (1,)),
        (lambda x: ops.relu(x) * 1e-5 + x, [3.0, 0.0], (1,)),
    ],
    ids=["relu", "abs", "max", "clip", "step", "sqrt", "small"],
)
def test_kinks_are_called_kinks(fn: Any, x: Any, index: tuple[int, ...]) -> None:
    with pytest.raises(GradientMismatch, match="KINK, input 0 at index") as info:
        gradcheck(fn, np.array(x))
    assert info.value.verdict == "KINK" and "Move the point" in info.value.hint
    assert info.value.index == index


def test_a_kink_among_thousands_is_located() -> None:
    x = point(50, 60)
    x[31, 7] = 0
    with pytest.raises(GradientMismatch) as info:
        gradcheck(ops.relu, x)
    assert (info.value.verdict, info.value.index) == ("KINK", (31, 7))


def test_a_kink_near_the_point_does_no_harm() -> None:
    gradcheck(ops.relu, np.array([1.0, 1e-4, -1e-4, 3e-6]), order=2)


def test_a_wrong_element_is_worse_than_a_kink() -> None:
    with pytest.raises(GradientMismatch) as info:
        gradcheck(lambda x: ops.relu(x) * x[2].detach(), np.array([1.0, 0.0, 2.0]))
    assert (info.value.verdict, info.value.index) == ("WRONG", (2,))


# Refusals.


def test_nothing_but_zeros_is_vacuous_unless_allowed() -> None:
    with pytest.raises(GradientMismatch, match="VACUOUS"):
        gradcheck(lambda x: x * 0 + 1, point(3))
    with pytest.raises(GradientMismatch, match="VACUOUS"):
        gradcheck(lambda x: Tensor(np.ones(2)), point(3))
    assert gradcheck(lambda x: x * 0 + 1, point(3), allow_zero=True).rows[0].verdict == "VACUOUS"


def test_one_zero_gradient_among_others_is_fine() -> None:
    assert [row.verdict for row in gradcheck(lambda a, b: a * 2 + b * 0, point(3), point(3)).rows] == ["OK", "VACUOUS"]


@pytest.mark.parametrize("atol", [None, 0.0])  # without intermediate results the last bit of the result is left
def test_a_derivative_below_the_rounding_of_the_function_is_vacuous(atol: float | None) -> None:
    with pytest.raises(GradientMismatch, match="VACUOUS"):
        gradcheck(lambda x: x * 1e-12 + 1e3, point(3), atol=atol)
    gradcheck(lambda x: x * 1e-6 + 1e3, point(3), atol=atol)


class Rounded(Function):
    """x in five decimals, with the gradient of x."""

    def forward(self, x: Array) -> Array:
        return np.round(x, 5)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy


@pytest.mark.parametrize("seed", range(5))
def test_a_staircase_is_no_precision(seed: int) -> None:
    with pytest.raises(GradientMismatch, match=r"PRECISION, input 0 at index \(\d,\)"):
        gradcheck(Rounded.apply, point(4, seed=seed), seed=seed)


class SinglePrecision(Function):
    """tanh in float32, with the right gradient."""

    def forward(self, x: Array) -> Array:
        return np.tanh(x.astype(np.float32)).astype(x.dtype)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy * (1 - y * y)


@pytest.mark.parametrize("shape", [(3, 4), (60, 50)])  # by elements, and along directions, where the slopes agree
def test_float32_inside_is_no_precision(shape: tuple[int, ...]) -> None:
    with pytest.raises(GradientMismatch, match="PRECISION(?s:.)*jitters as if it were computed in float32"):
        gradcheck(SinglePrecision.apply, point(*shape))


def test_the_first_order_that_is_wrong_is_reported() -> None:
    class CutAtOrder2(Function):
        def forward(self, x: Array) -> Array:
            return np.sin(x)

        def backward(self, gy: Tensor, y: Tensor) -> Tensor:
            return gy * Tensor(np.cos(self.inputs[0].data))

    with pytest.raises(GradientMismatch) as info:
        gradcheck(CutAtOrder2.apply, point(3), order=3)
    assert (info.value.verdict, info.value.order) == ("WRONG", 2)


def test_chance_that_cannot_be_rewound_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(GradientMismatch, match="not deterministic.*Generator"):
        gradcheck(lambda x: x * Tensor(rng.random(3)), point(3))


def test_changing_an_input_in_place_is_refused() -> None:
    def fn(x: Tensor) -> Tensor:
        x.data[...] = np.abs(x.data)
        return x * x

    x = np.array([1.0, -2.0])
    with pytest.raises(GradientMismatch, match="changes input 0 in place"):
        gradcheck(fn, x)
    assert list(x) == [1, -2]


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: gradcheck(lambda x: ops.log(x), np.array([1.0, 0.0])), ValueError, "-inf at the point itself"),
        (lambda: gradcheck(lambda n: Tensor([1.0]), 3), ValueError, "nothing to differentiate"),
        (lambda: gradcheck(ops.concat, [Tensor([1.0]), Tensor([2.0])]), TypeError, "input 0 is a list of Tensors"),
        (lambda: gradcheck(lambda x: x.numpy(), point(2)), TypeError, "the output is ndarray"),
        (lambda: gradcheck(lambda x: (x, 1.0), point(2)), TypeError, "output 1 is float"),
        (lambda: gradcheck(nn.Dense, point(2)), TypeError, "an object, not its class"),
        (lambda: gradcheck(3, point(2)), TypeError, "fn is a function or a Module"),
        (lambda: gradcheck(ops.exp, point(2), order=0), ValueError, "order is a whole number of at least 1, got 0"),
        (lambda: gradcheck(ops.exp, point(2), draws=1), ValueError, "draws is a whole number of at least 2, got 1"),
        (lambda: gradcheck(ops.exp, point(2), wrt=[1]), ValueError, "wrt names input 1"),
    ],
)
def test_bad_calls(call: Callable[[], Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        call()


def test_refused_inside_no_grad() -> None:
    with no_grad(), pytest.raises(ValueError, match="inside no_grad"):
        gradcheck(ops.exp, point(2))


def test_a_float32_constant_of_fn_gets_a_note() -> None:
    constant = Tensor(np.ones(2, np.float32))
    with pytest.raises(TypeError, match="promoted silently") as info:
        gradcheck(lambda x: x * constant, point(2))
    assert "computes in float64" in info.value.__notes__[0]
