"""Errors planted on purpose: each has to be caught, and the message has to name the tensor and an index.

The tests elsewhere trust `gradcheck`; this file is why they may. Every wrong function stands beside the right one,
which has to pass, so that a checker which refuses everything would not pass either.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from minigen import nn, ops
from minigen.autograd import Function, FusedFunction, Tensor
from minigen.gradcheck import GradientMismatch, gradcheck
from minigen.ops.linalg import matmul
from minigen.ops.norm import BatchNorm
from minigen.ops.reduce import sum_to
from minigen.ops.shape import swap_last
from minigen.ops.softmax import Softmax
from minigen_kernels import Array


def point(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def caught(fn: Any, *inputs: Any, order: int = 1, **options: Any) -> GradientMismatch:
    """The exception, after checking that it names a tensor, an index inside it, and both numbers."""
    with pytest.raises(GradientMismatch) as info:
        gradcheck(fn, *inputs, order=order, **options)
    error = info.value
    text = str(error)
    assert error.tensor in text and str(error.index) in text and error.verdict in text
    assert f"order {error.order}" in text and re.search(r"analytic \S+, numeric \S+", text)
    shape = next(row.shape for row in error.report.rows if (row.name, row.order) == (error.tensor, error.order))
    assert error.index is not None and len(error.index) == len(shape)
    assert all(0 <= i < n for i, n in zip(error.index, shape, strict=True))
    return error


class Sine(Function):
    """sin(x), whose gradient is spoilt by `spoil`, a function of the right one."""

    spoil: Any = staticmethod(lambda g: g)

    def forward(self, x: Array) -> Array:
        return np.sin(x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return self.spoil(gy * Sine.apply(self.inputs[0] + np.pi / 2))


def test_right_sine_passes_to_third_order() -> None:
    gradcheck(Sine.apply, point(3, 4), order=3)


@pytest.mark.parametrize(
    ("spoil", "hint"),
    [
        (lambda g: -g, "a sign is turned"),
        (lambda g: g * 2, "2 * numeric everywhere"),
        (lambda g: g * 0.5, "numeric / 2 everywhere"),
        (lambda g: g * 1.01, "1.01 * numeric everywhere"),
        (lambda g: g * (1 + 1e-5), ""),
        (lambda g: g * 5, "5 is the length of axis 1 of input 0; mean and sum confused"),
        (lambda g: g * (1 / 15), "15 is the size of input 0; mean and sum confused"),
        (lambda g: g * 0, "The analytic gradient is zero"),
        (lambda g: g * np.nan, "holds NaN or Inf"),
        (lambda g: g + 1e-3, ""),
        (lambda g: None, "The analytic gradient is zero"),
    ],
    ids=["sign", "2", "half", "1.01", "1.00001", "sum", "mean", "zero", "nan", "offset", "none"],
)
def test_spoilt_factor_is_wrong_and_explained(spoil: Any, hint: str) -> None:
    error = caught(lambda x: Sine.apply(x, spoil=spoil), point(3, 5))
    assert (error.verdict, error.tensor) == ("WRONG", "input 0") and hint in error.hint


def test_the_one_wrong_element_is_named() -> None:
    mask = np.ones((4, 5))
    mask[2, 3] = 1.001
    error = caught(lambda x: Sine.apply(x, spoil=lambda g: g * Tensor(mask)), point(4, 5))
    assert error.index == (2, 3)
    assert error.analytic == pytest.approx(1.001 * error.numeric, rel=1e-5)


class Product(Function):
    """a @ b for matrices, with a gradient that can be wrong in several ways."""

    wrong = ""

    def forward(self, a: Array, b: Array) -> Array:
        return a @ b

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.inputs
        ga, gb = matmul(gy, swap_last(b)), matmul(swap_last(a), gy)
        if self.wrong == "transposed":
            gb = swap_last(gb)
        if self.wrong == "flipped":
            gb = gb[::-1, ::-1]
        return ga, (None if self.wrong == "missing" else gb)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [("transposed", "axes 0 and 1 are exchanged"), ("flipped", "along axis 0 and axis 1"), ("missing", "zero")],
)
def test_second_input_wrong(wrong: str, hint: str) -> None:
    gradcheck(Product.apply, point(3, 3), point(3, 3, seed=1), order=3)
    error = caught(lambda a, b: Product.apply(a, b, wrong=wrong), point(3, 3), point(3, 3, seed=1))
    assert error.tensor == "input 1" and hint in error.hint and "Passed: input 0" in error.text


class Affine(Function):
    """x * w + b with w and b broadcast; the reduction of gw can be wrong."""

    wrong = False

    def forward(self, x: Array, w: Array, b: Array) -> Array:
        return x * w + b

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        x, w, b = self.inputs
        gw = gy * x
        gw = ops.broadcast_to(ops.mean(gw, 0, keepdims=True), w.shape) if self.wrong else sum_to(gw, w.shape)
        return gy * w, gw, sum_to(gy, b.shape)


def test_wrong_reduction_of_a_broadcast() -> None:
    inputs = point(6, 3), point(1, 3, seed=1), point(3, seed=2)
    gradcheck(Affine.apply, *inputs, order=2)
    error = caught(lambda *xs: Affine.apply(*xs, wrong=True), *inputs)
    assert error.tensor == "input 1" and "6 is the length of axis 0 of input 0" in error.hint


class MissingTerm(Function):
    """x / sum(x): the gradient forgets that the sum depends on x."""

    def forward(self, x: Array) -> Array:
        return x / x.sum()

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy / self.inputs[0].sum()


def test_missing_term() -> None:
    caught(MissingTerm.apply, np.abs(point(4)) + 0.5)
    gradcheck(lambda x: x / x.sum(), np.abs(point(4)) + 0.5, order=2)


class SavedArray(Function):
    """exp(x) with the result saved as an array in forward: right once, but a constant to the engine."""

    def forward(self, x: Array) -> Array:
        self.saved = np.exp(x)
        return self.saved

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy * Tensor(self.saved)


def test_saved_array_is_wrong_at_second_order_only() -> None:
    gradcheck(SavedArray.apply, point(2, 3))
    error = caught(SavedArray.apply, point(2, 3), order=2)
    assert error.order == 2 and error.tensor == "input 0" and "dependence of self.saved of SavedArray on" in error.hint
    gradcheck(ops.exp, point(2, 3), order=2)


class Cube(Function):
    """x**3 with `scale` on the second derivative: the gradient is right, its gradient is not."""

    def forward(self, x: Array) -> Array:
        return x**3

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy * SquareWrong.apply(self.inputs[0]) * 3


class SquareWrong(Function):
    def forward(self, x: Array) -> Array:
        return x * x

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy * self.inputs[0] * 2.5


def test_wrong_second_order() -> None:
    gradcheck(Cube.apply, point(5))
    assert caught(Cube.apply, point(5), order=2).order == 2


class SoftmaxTimes7(Softmax):
    def backward_arrays(self, gy: Array, y: Array) -> Array:
        return super().backward_arrays(gy, y) * 7


def test_softmax_times_7() -> None:
    error = caught(lambda x: SoftmaxTimes7.apply(x, axis=1), point(3, 4))
    assert error.verdict == "WRONG" and "7 * numeric everywhere" in error.hint


@pytest.mark.parametrize("softmax", [SoftmaxTimes7, Softmax])
def test_summed_softmax_proves_nothing(softmax: type[Function]) -> None:
    with pytest.raises(GradientMismatch, match="VACUOUS, input 0") as info:
        gradcheck(lambda x: softmax.apply(x, axis=1).sum(), point(3, 4))
    assert info.value.verdict == "VACUOUS" and "before it is summed" in info.value.hint


class BatchNormTimesMinus3(BatchNorm):
    def backward_arrays(self, gy: Array, y: Array) -> tuple[Array, ...]:
        gx, gw, gb = super().backward_arrays(gy, y)
        return gx * -3, gw, gb


def test_batch_norm_times_minus_3() -> None:
    inputs = point(6, 3), point(3, seed=1), point(3, seed=2)
    gradcheck(lambda x, w, b: BatchNorm.apply(x, w, b, eps=1e-5), *inputs)
    error = caught(lambda x, w, b: BatchNormTimesMinus3.apply(x, w, b, eps=1e-5), *inputs)
    assert error.tensor == "input 0" and "-3 * numeric everywhere" in error.hint


class Fused(FusedFunction):
    """tanh(x) * w, fused; the definition may state another function, or the kernel have another gradient."""

    definition_scale, kernel_scale = 1.0, 1.0

    def forward(self, x: Array, w: Array) -> Array:
        return np.tanh(x) * w

    def backward_arrays(self, gy: Array, y: Array) -> tuple[Array, ...]:
        x, w = (t.data for t in self.inputs)
        t = np.tanh(x)
        return gy * w * (1 - t * t) * self.kernel_scale, gy * t

    def definition(self, x: Tensor, w: Tensor) -> Tensor:
        return ops.tanh(x * self.definition_scale) * w


def test_fused_with_wrong_definition() -> None:
    inputs = point(4), point(4, seed=1)
    gradcheck(Fused.apply, *inputs, order=3)
    error = caught(lambda x, w: Fused.apply(x, w, definition_scale=1.1), *inputs, order=2)
    assert error.order == 1 and "`definition` states another" in error.hint


def test_fused_with_wrong_kernel() -> None:
    inputs = point(4), point(4, seed=1)
    error = caught(lambda x, w: Fused.apply(x, w, kernel_scale=1.1), *inputs)
    assert error.tensor == "input 0" and "1.1 * numeric" in error.hint


class Scaled(nn.Module):
    """A layer with a planted error of its own."""

    def __init__(self, wrong: str = "") -> None:
        self.inner = nn.Dense(4, 3, rng=None)
        self.gain = nn.Parameter(point(3, seed=5).astype(np.float32))
        self.mean = Tensor(np.zeros(4, np.float32))
        self.wrong = wrong

    def forward(self, x: Tensor) -> Tensor:
        if self.wrong == "stale":  # the buffer follows x, but is a constant to the engine
            self.mean.data = self.mean.data * 0.5 + x.data.mean(0) * 0.5
        gain = self.gain.detach() if self.wrong == "detached" else self.gain
        return ops.tanh(self.inner(x - self.mean)) * gain


def test_gradient_of_a_parameter_missing() -> None:
    gradcheck(Scaled(), point(5, 4), order=2)
    error = caught(Scaled("detached"), point(5, 4))
    assert error.tensor == "parameter 'gain'" and error.analytic == 0 and "graph cut" in error.hint


def test_stale_buffer() -> None:
    error = caught(Scaled("stale"), point(5, 4))
    assert error.tensor == "input 0"


class Shared(Function):
    """x**2 that keeps its input where the next call overwrites it."""

    last: Array

    def forward(self, x: Array) -> Array:
        Shared.last = x
        return x * x

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy * Tensor(Shared.last * 2)


def test_state_shared_by_two_calls() -> None:
    with pytest.raises(GradientMismatch, match=r"(?s)input 0 at index \(\d,\).*two runs of the same backward") as info:
        gradcheck(Shared.apply, point(3))
    assert "a later call of the function changed" in info.value.hint


class Float32Inside(Function):
    def forward(self, x: Array) -> Array:
        return np.exp(x.astype(np.float32)).astype(np.float64)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy * ops.exp(self.inputs[0])


@pytest.mark.parametrize("seed", range(10))
def test_float32_inside(seed: int) -> None:
    assert caught(Float32Inside.apply, point(3, 4, seed=seed), seed=seed).verdict == "PRECISION"


def test_float32_in_the_graph_is_named() -> None:
    error = caught(lambda x: ops.exp(x.to(dtype=np.float32)).to(dtype=np.float64), point(3, 4))
    assert error.verdict == "PRECISION" and "gives float32" in error.hint


def test_float32_result() -> None:
    with pytest.raises(GradientMismatch, match="PRECISION, the output.*\n.*does not keep the dtype"):
        gradcheck(lambda x: x.to(dtype=np.float32), point(3))


@pytest.mark.parametrize("size", [(50, 60), (20, 30, 25)])
def test_one_wrong_element_among_thousands(size: tuple[int, ...]) -> None:
    where = tuple(n // 3 for n in size)
    mask = np.ones(size)
    mask[where] = 1.01
    gradcheck(Sine.apply, point(*size))
    error = caught(lambda x: Sine.apply(x, spoil=lambda g: g * Tensor(mask)), point(*size))
    assert error.index == where and error.analytic == pytest.approx(1.01 * error.numeric, rel=1e-5)


def test_several_wrong_tensors_are_all_mentioned() -> None:
    error = caught(lambda a, b, c: Sine.apply(a, spoil=lambda g: -g) + Sine.apply(b) * c.detach(),
                   point(3), point(3, seed=1), point(3, seed=2))  # fmt: skip
    assert error.tensor == "input 0" and "Also not passed: input 2. Passed: input 1." in error.text
