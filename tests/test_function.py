"""Function and FusedFunction: what a `backward` may return, definitions, and work that is skipped.

Read next: ``test_tensor.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minigen.tensor import Function, FusedFunction, GradientError, Tensor, grad, is_recording


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


# What a backward may return.


def wrong(returned: Any) -> Any:
    """A Function of two inputs whose backward returns something."""

    class Faulty(Function):
        def forward(self, a: Any, b: Any) -> Any:
            return a * b

        def backward(self, gy: Tensor, y: Tensor) -> Any:
            return returned(gy)

    return Faulty


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        pytest.param(lambda gy: gy, "Faulty.backward returned 1 gradients for 2 inputs", id="count"),
        pytest.param(lambda gy: (gy.sum(), gy), "Faulty.backward: the gradient of input 0 must be like", id="shape"),
        pytest.param(lambda gy: (gy, gy.to(dtype=np.float32)), "the gradient of input 1 must be like", id="dtype"),
        pytest.param(lambda gy: (gy, gy.data), "the gradient of input 1 must be like", id="array"),
    ],
)
def test_a_broken_backward_is_named(returned: Any, says: str) -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    y = wrong(returned).apply(a, b)
    with pytest.raises(GradientError) as caught:
        y.sum().backward()
    assert says in str(caught.value)
    assert a.grad is None and b.grad is None and is_recording()


def test_none_stands_for_zero() -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    ga, gb = grad(wrong(lambda gy: (gy, None)).apply(a, b).sum(), [a, b])
    np.testing.assert_array_equal([ga.data, gb.data], [[1.0, 1.0], [0.0, 0.0]])


def test_unstated_methods_are_named() -> None:
    class Empty(Function):
        pass

    class Forward(Function):
        def forward(self, x: Any) -> Any:
            return x * 2

    class Fused(FusedFunction):
        def forward(self, x: Any) -> Any:
            return x * 2

    with pytest.raises(NotImplementedError, match="Empty has no forward"):
        Empty.apply(leaf(1.0))
    with pytest.raises(NotImplementedError, match="Forward has no backward"):
        Forward.apply(leaf(1.0)).backward()
    with pytest.raises(NotImplementedError, match="Fused has no backward_arrays"):
        Fused.apply(leaf(1.0)).backward()


# Fused operations.


class FusedCube(FusedFunction):
    """x**3 w: a kernel for the first order, counted; `defined` says whether it has a definition."""

    kernels: list[str]

    def forward(self, x: Any, w: Any) -> Any:
        return x**3 * w

    def backward_arrays(self, gy: Any, y: Any) -> Any:
        x, w = (t.data for t in self.inputs)
        self.kernels += [name for i, name in enumerate("xw") if self.needs(i)]
        return gy * 3 * x**2 * w if self.needs(0) else None, gy * x**3 if self.needs(1) else None


class DefinedCube(FusedCube):
    def definition(self, x: Tensor, w: Tensor) -> Tensor:
        return x * x * x * w


def test_a_fused_function_without_definition_is_differentiated_once() -> None:
    x, w, kernels = leaf(2.0), leaf(5.0), []
    y = FusedCube.apply(x, w, kernels=kernels)
    gx, gw = grad(y, [x, w])
    np.testing.assert_array_equal([gx.data, gw.data], [[60.0], [8.0]])
    with pytest.raises(GradientError, match="FusedCube is fused and has no definition"):
        grad(y, [x], create_graph=True)
    assert is_recording()


def test_a_fused_function_with_definition_at_orders_1_to_3() -> None:
    x, w, kernels = leaf(2.0), leaf(5.0), []
    y = DefinedCube.apply(x, w, kernels=kernels)
    assert grad(y, [x])[0].item() == 60 and kernels == ["x"]
    g1 = grad(y, [x], create_graph=True)[0]
    g2, g2w = grad(g1, [x, w], create_graph=True)
    g3, g3w = grad(g2, [x, w])
    assert [t.item() for t in (g1, g2, g2w, g3, g3w)] == [60, 60, 12, 30, 12]
    assert kernels == ["x"]  # the definition made all the others


# Skipped work.


def test_only_gradients_that_are_asked_for_are_computed() -> None:
    a, b, made = leaf(1.0, 2.0), leaf(3.0, 4.0), []

    class Product(Function):
        def forward(self, a: Any, b: Any) -> Any:
            return a * b

        def backward(self, gy: Tensor, y: Tensor) -> Any:
            a, b = self.inputs
            made.extend(name for i, name in enumerate("ab") if self.needs(i))
            return gy * b if self.needs(0) else None, gy * a if self.needs(1) else None

    y = Product.apply(a, b).sum()
    for targets, expected in (([a], "a"), ([b], "b"), ([b, a], "ab")):
        made.clear()
        grad(y, targets)
        assert "".join(made) == expected
    made.clear()
    Product.apply(a, b.detach()).sum().backward()  # the first layer: its input is data
    assert made == ["a"]
    made.clear()
    h = Product.apply(a, b)
    grad(Product.apply(h, b).sum(), [h])  # what lies before the target is not walked
    assert made == ["a"]
    b.requires_grad = False  # frozen after it was used
    made.clear()
    y.backward()
    assert made == ["a"] and b.grad is None
