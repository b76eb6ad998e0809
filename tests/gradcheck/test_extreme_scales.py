"""Verdicts where squares of numbers overflow or underflow: right layers pass, wrong ones do not.

Independent truth: the functions are right by the rules of calculus, the wrong ones by a factor that is put in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import ops
from minigen.autograd import Function, Tensor
from minigen.gradcheck import gradcheck
from minigen_kernels import Array


class Square(Function):
    factor: float

    def forward(self, x: Array) -> Array:
        return x * x

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy * self.inputs[0] * self.factor


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "square": lambda x: x * x,
    "three times": lambda x: x * 3.0,
    "inverse": lambda x: 1.0 / x,
    "sum of squares": lambda x: ops.sum(x * x, axis=1),
    "root": lambda x: ops.sqrt(x * x),
    "quotient by itself moved": lambda x: x / ops.sum(x, axis=1, keepdims=True),
    "one number": lambda x: ops.sum(x * x),
}


def numbers(exponent: int, seed: int) -> Array:
    """From 0.5 to 1.5, times a power of ten: no sum is next to zero."""
    return np.random.default_rng(seed).uniform(0.5, 1.5, (2, 3)) * 10.0**exponent


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(FUNCTIONS)), st.integers(-150, 150), st.integers(0, 99))
def test_a_right_function_is_right_at_every_scale(name: str, exponent: int, seed: int) -> None:
    report = gradcheck(FUNCTIONS[name], numbers(exponent, seed), seed=seed, raise_on_failure=False)
    assert report.verdict == "OK", report


@settings(max_examples=20, deadline=None)
@given(st.integers(-150, 150), st.integers(0, 99), st.sampled_from([1.99, 2.5, -2.0]))
def test_a_wrong_factor_is_wrong_at_every_scale(exponent: int, seed: int, factor: float) -> None:
    x = numbers(exponent, seed)
    report = gradcheck(lambda x: Square.apply(x, factor=factor), x, seed=seed, raise_on_failure=False)
    assert report.verdict == "WRONG" and report.failure is not None
    assert report.failure.explanations[0].kind in ("factor", "sign"), report
    assert gradcheck(lambda x: Square.apply(x, factor=2.0), x, seed=seed).ok


@pytest.mark.parametrize("exponent", [-100, -30, 30, 100])
def test_second_order(exponent: int) -> None:
    assert gradcheck(lambda x: x * x, numbers(exponent, 0), order=2).ok


def test_numbers_that_leave_the_range_are_no_mistake_of_the_layer() -> None:
    """x ** -1.5 of the squares overflows on the way to the second derivative of a norm, which itself is finite."""
    norm = lambda x: ops.sum(x * x, axis=1) ** 0.5  # noqa: E731
    report = gradcheck(norm, numbers(-150, 0), order=2, raise_on_failure=False)
    assert report.verdict == "PRECISION" and report.failure is not None
    assert report.failure.order == 2 and "leave the range of float64: " in report.failure.text


def test_a_function_that_overflows_beside_the_point_is_not_called_wrong() -> None:
    def cliff(x: Any) -> Any:
        return Cliff.apply(x)

    class Cliff(Function):
        def forward(self, x: Array) -> Array:
            return np.where(x == 1.0, x, np.inf)

        def backward(self, gy: Tensor, y: Tensor) -> Tensor:
            return gy

    report = gradcheck(cliff, np.ones(2), raise_on_failure=False)
    assert report.verdict in ("KINK", "PRECISION"), report
