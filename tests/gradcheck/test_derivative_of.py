"""Gradients that are meant to be those of another function: straight-through estimators and surrogates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minigen import nn, ops
from minigen.autograd import Function, Tensor
from minigen.gradcheck import gradcheck
from minigen.testing import check_layer
from minigen_kernels import Array

X = 2 * np.random.default_rng(1).standard_normal((3, 5))


class Round(Function):
    factor = 1.0

    def forward(self, x: Array) -> Array:
        return np.round(x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy * self.factor


class Sign(Function):
    """The sign, with the gradient of clip(x, -1, 1)."""

    def forward(self, x: Array) -> Array:
        return np.sign(x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        x = self.inputs[0]
        return gy * Tensor((np.abs(x.data) <= 1).astype(x.dtype))


class Step(Function):
    """The step at 0, with the gradient of the sigmoid; `saved` makes that a constant to the engine."""

    saved = False

    def forward(self, x: Array) -> Array:
        return (x > 0).astype(x.dtype)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        s = ops.sigmoid(self.inputs[0])
        slope = s * (1 - s)
        return gy * (slope.detach() if self.saved else slope)


def quantized(x: Tensor) -> Tensor:
    """The way of VQ-VAE: what is added is a constant."""
    return x + (Tensor(np.round(x.data)) - x).detach()


def same(x: Tensor) -> Tensor:
    return x


RIGHT = [
    (Round.apply, same),
    (quantized, same),
    (Sign.apply, lambda x: ops.clip(x, -1.0, 1.0)),
    (Step.apply, ops.sigmoid),
]


@pytest.mark.parametrize(("fn", "meant"), RIGHT)
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_what_is_meant_passes(fn: Any, meant: Any, order: int, dtype: str) -> None:
    report = gradcheck(fn, X, derivative_of=meant, order=order, dtype=dtype, self_test=True)
    assert report.ok and report.mutations and all(m.rejected for m in report.mutations)


@pytest.mark.parametrize(
    ("fn", "meant"),
    [
        (Round.apply, ops.tanh),
        (lambda x: Round.apply(x, factor=1.01), same),
        (Sign.apply, same),
        (Step.apply, ops.tanh),
    ],
)
def test_what_is_not_meant_does_not(fn: Any, meant: Any) -> None:
    assert gradcheck(fn, X, derivative_of=meant, raise_on_failure=False).verdict == "WRONG"


def test_the_second_order_is_that_of_the_gradient() -> None:
    report = gradcheck(
        lambda x: Step.apply(x, saved=True), X, derivative_of=ops.sigmoid, order=2, raise_on_failure=False
    )
    assert report.failure is not None and (report.failure.order, report.verdict) == (2, "WRONG")
    assert report.failure.explanations


@pytest.mark.parametrize(
    ("fn", "said"),
    [
        (Round.apply, "that of the identity, gy itself: straight-through?"),
        (quantized, "that of the identity, gy itself: straight-through?"),
        (Sign.apply, "a clipped straight-through?"),
        (Step.apply, "that of another function, a surrogate?"),
    ],
)
def test_it_is_recognised_and_the_way_out_is_named(fn: Any, said: str) -> None:
    failure = gradcheck(fn, X, raise_on_failure=False).failure
    assert failure is not None and failure.verdict == "WRONG"
    assert failure.explanations[0].kind == "straight-through" and said in failure.hint
    assert "derivative_of=" in failure.hint and "--derivative-of" in failure.hint


class Quantized(nn.Module):
    def __init__(self, rounds: bool = True) -> None:
        self.weight, self.rounds = nn.Parameter(np.full((3, 3), 0.5, np.float32)), rounds

    def forward(self, x: Tensor) -> Tensor:
        h = x @ self.weight
        return Round.apply(h) if self.rounds else h


def test_a_module_takes_the_parameters_of_the_same_names() -> None:
    meant = Quantized(rounds=False)
    meant.weight.data = meant.weight.data * 7  # its own do not count
    report = gradcheck(Quantized(), X[:, :3], derivative_of=meant, order=2)
    assert {row.name for row in report.rows} >= {"input 0", "parameter 'weight'"}
    assert meant.weight.dtype == np.float32 and meant.weight.numpy()[0, 0] == np.float32(3.5)


def test_check_layer_passes_it_on() -> None:
    assert check_layer(Quantized, X[:, :3], derivative_of=Quantized(rounds=False)).ok
    report = check_layer(Quantized, X[:, :3], raise_on_failure=False)
    assert report.of("FAILED") == ["gradients"]


def test_bad_surrogates() -> None:
    with pytest.raises(TypeError, match="derivative_of is a function of the inputs, or a Module, got 3"):
        gradcheck(Round.apply, X, derivative_of=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"derivative_of has to give results like those of fn, of shape \(3, 5\); it"):
        gradcheck(Round.apply, X, derivative_of=ops.sum)
