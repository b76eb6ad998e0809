"""Function and FusedFunction: what a `backward` may return, definitions, and work that is skipped.

Read next: ``test_tensor.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minigen import ops
from minigen.autograd import Function, FusedFunction, GradientError, Tensor, grad, is_recording


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


# What a backward may take and return.


def test_a_backward_that_takes_something_else():
    """As in another library, where it takes the gradient alone. A TypeError inside of it stays as it is."""

    class Alone(Function):
        def forward(self, a: Any) -> Any:
            return a

        def backward(self, gy: Tensor) -> Any:  # type: ignore[override]
            return gy

    class Inside(Alone):
        def backward(self, gy: Tensor, y: Tensor) -> Any:  # type: ignore[override]
            return gy + len(3)  # type: ignore[arg-type]

    with pytest.raises(
        GradientError, match=r"backward\(\) takes 2 .* but 3 were given; .* def backward\(self, gy, y\)"
    ):
        ops.sum(Alone.apply(leaf(1.0, 2.0))).backward()
    with pytest.raises(TypeError, match="^object of type 'int' has no len..$"):
        ops.sum(Inside.apply(leaf(1.0, 2.0))).backward()


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
        pytest.param(lambda gy: (gy, gy.data), "the gradient of input 1 must be a Tensor like", id="array"),
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


# Whole numbers beside floats.


class Embedding(Function):
    """The rows of a table (K, D) at positions (N,), to the square: so that the second order is not zero."""

    def forward(self, positions: Any, table: Any) -> Any:
        return table[positions] ** 2

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        positions, table = self.inputs
        assert not self.needs(0)
        one_hot = (positions.reshape(-1, 1) == np.arange(len(table))).to(dtype=gy.dtype)
        return None, one_hot.T @ (gy * table[positions] * 2)


class FusedEmbedding(FusedFunction):
    """The same with arrays for the first order, and positions second."""

    def forward(self, table: Any, positions: Any) -> Any:
        return table[positions] ** 2

    def backward_arrays(self, gy: Any, y: Any) -> Any:
        table, positions = (x.data for x in self.inputs)
        gx = np.zeros_like(table)
        np.add.at(gx, positions, gy * table[positions] * 2)
        return gx, None

    def definition(self, table: Tensor, positions: Tensor) -> Tensor:
        return table[positions] ** 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("whole", [np.int64, np.uint8, np.int32])
@pytest.mark.parametrize("fused", [False, True])
def test_an_embedding_is_written_as_a_function(dtype: Any, whole: Any, fused: bool) -> None:
    rng = np.random.default_rng(0)
    table = Tensor(rng.normal(size=(4, 3)).astype(dtype), requires_grad=True)
    positions = np.array([2, 0, 2], whole)
    for given in (positions, Tensor(positions), positions.tolist()):
        y = FusedEmbedding.apply(table, given) if fused else Embedding.apply(given, table)
        assert y.dtype == dtype
        gy = rng.normal(size=y.shape).astype(dtype)
        (g,) = grad(y, [table], Tensor(gy), create_graph=True)
        expected, second = np.zeros_like(table.data), np.zeros_like(table.data)
        np.add.at(expected, positions, 2 * table.data[positions] * gy)
        np.add.at(second, positions, 2 * gy)
        (gg,) = grad(g.sum(), [table])
        # The same products; sums of two of them.
        np.testing.assert_allclose(g.data, expected, rtol=8 * np.finfo(dtype).eps)
        np.testing.assert_allclose(gg.data, second, rtol=8 * np.finfo(dtype).eps)
        y.sum().backward()
        assert table.grad is not None and table.grad.dtype == dtype
        table.grad = None


def test_whole_numbers_beside_floats_are_never_promoted_silently() -> None:
    class Times(Function):
        def forward(self, a: Any, b: Any) -> Any:
            return a * b

    x, w, n = leaf(1.0, 2.0), Tensor(np.ones(2, np.float32)), Tensor([1, 2])
    assert Times.apply(x, n).dtype == np.float64
    with pytest.raises(TypeError, match=r"Times: float32 beside whole numbers gave float64\. Nothing is promoted sil"):
        Times.apply(n, w)
    with pytest.raises(TypeError, match="Times: inputs of dtype float64 and float32"):
        Times.apply(x, w)
    for op in (ops.maximum, lambda a, b: ops.where(a > 0, a, b), lambda a, b: ops.concat([a, b]), lambda a, b: b / a):
        with pytest.raises(TypeError, match="inputs of dtype float64 and int64|inputs of dtype int64 and float64"):
            op(x, n)


def test_an_index_error_in_forward_names_the_function() -> None:
    with pytest.raises(IndexError, match=r"Embedding: index 7 is out of bounds .*\(inputs of shape \(1,\), \(2, 2\)\)"):
        Embedding.apply([7], np.ones((2, 2)))
