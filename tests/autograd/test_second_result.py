"""Operations with two results: the gradients of both meet in one backward, to every order.

Read next: ``test_function.py``.
"""

from __future__ import annotations

import numpy as np
import pytest

from minigen import ops
from minigen.autograd import FusedPair, Tensor, grad, no_grad
from minigen_kernels import Array


class SineAndCube(FusedPair):
    """sin(x) and the sum of x^3. It counts how often it was differentiated."""

    calls = 0

    def forward(self, x: Array) -> Array:
        self.second = (x**3).sum()
        return np.sin(x)

    def backward_arrays(self, gy: Array, y: Array, second: Array | None = None) -> Array:
        SineAndCube.calls += 1
        x = self.inputs[0].data
        gx = gy * np.cos(x)
        return gx if second is None else gx + second * 3 * x**2

    def definition(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return ops.sin(x), ops.sum(x**3)


@pytest.fixture
def x() -> Tensor:
    return Tensor(np.array([0.3, -1.2, 2.0]), requires_grad=True)


def test_values_and_first_gradients(x: Tensor) -> None:
    a, b = SineAndCube.pair(x)
    np.testing.assert_array_equal(a.data, np.sin(x.data))
    assert float(b) == (x.data**3).sum()
    for loss, wanted in (
        (ops.sum(a), np.cos(x.data)),
        (b, 3 * x.data**2),
        (ops.sum(a) * 2 - b * 5, 2 * np.cos(x.data) - 15 * x.data**2),
        (b * ops.sum(a) + b, np.cos(x.data) * float(b) + 3 * x.data**2 * (np.sin(x.data).sum() + 1)),
    ):
        before = SineAndCube.calls
        (gx,) = grad(loss, [x])
        np.testing.assert_allclose(gx.data, wanted, rtol=1e-14, atol=1e-13)
        assert SineAndCube.calls == before + 1  # once for both


def test_second_gradients(x: Tensor) -> None:
    a, b = SineAndCube.pair(x)
    (gx,) = grad(ops.sum(a) + b * 2, [x], create_graph=True)
    (ggx,) = grad(ops.sum(gx), [x])
    np.testing.assert_allclose(ggx.data, -np.sin(x.data) + 12 * x.data, rtol=1e-14)
    (gb,) = grad(b, [x], create_graph=True)
    np.testing.assert_allclose(grad(ops.sum(gb), [x])[0].data, 6 * x.data, rtol=1e-14)


def test_the_first_result_as_a_target_gets_nothing_of_the_second(x: Tensor) -> None:
    a, b = SineAndCube.pair(x)
    ga, gx = grad(ops.sum(a * 3) + b, [a, x])
    np.testing.assert_array_equal(ga.data, 3)
    np.testing.assert_allclose(gx.data, 3 * np.cos(x.data) + 3 * x.data**2, rtol=1e-14)
    (ga,) = grad(b, [a])
    np.testing.assert_array_equal(ga.data, 0)
    np.testing.assert_allclose(grad(ops.sum(a), [x])[0].data, np.cos(x.data))  # nothing is left of the last pass


def test_backward_of_a_tensor(x: Tensor) -> None:
    a, b = SineAndCube.pair(x)
    (ops.sum(a) + b).backward()
    np.testing.assert_allclose(x.grad.data, np.cos(x.data) + 3 * x.data**2, rtol=1e-14)


def test_without_recording() -> None:
    with no_grad():
        a, b = SineAndCube.pair(Tensor(np.ones(2), requires_grad=True))
    assert not a.requires_grad and not b.requires_grad and float(b) == 2
