"""The engine: how the walk goes, what is recorded, and what is freed.

Read next: ``test_function.py``.
"""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from minigen import ops
from minigen.autograd import (
    Function,
    Tensor,
    grad,
    is_recording,
    no_grad,
)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Whatever is freed in the test is freed by its last reference."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


# The walk.


def test_a_chain_of_20_000_operations_forward_backward_and_freed(no_collector: None) -> None:
    x = leaf(1.0)
    y = x
    for _ in range(20_000):
        y = y * 1.0001
    y.backward()
    assert x.grad is not None
    # (1 + e)^20000, rounded 20,000 times: relative error below 20,000 * 2e-16 on each side.
    np.testing.assert_allclose(x.grad.data, [1.0001**20_000], rtol=1e-11)
    (g,) = grad(y, [x], create_graph=True)
    watched = weakref.ref(y), weakref.ref(g)
    del y, g  # a recursive walk through the graph would overflow the stack here
    assert [w() for w in watched] == [None, None]


def test_shared_subexpressions_are_visited_once() -> None:
    calls = []

    class Double(Function):
        def forward(self, x: Any) -> Any:
            return x + x

        def backward(self, gy: Tensor, y: Tensor) -> Tensor:
            calls.append(1)
            return gy + gy

    x = leaf(3.0)
    y = x
    for _ in range(30):  # 2^30 paths from y to x
        z = Double.apply(y)
        y = z + z * 2
    (g,) = grad(y, [x])
    assert len(calls) == 30
    np.testing.assert_array_equal(g.data, [6.0**30])  # powers of 6 up to here are whole numbers below 2^53 times 2^k


def test_a_tensor_used_twice_gets_the_sum() -> None:
    x = leaf(2.0, 5.0)
    (g,) = grad((x * x + x).sum(), [x])
    np.testing.assert_array_equal(g.data, [5.0, 11.0])


def test_gradients_of_intermediates_and_of_several_tensors_at_once() -> None:
    x, w = leaf(2.0), leaf(3.0)
    h = x * w
    y = h * h * w
    gx, gh, gw, gy = grad(y, [x, h, w, y])
    np.testing.assert_array_equal([gx.data, gh.data, gw.data, gy.data], [[108.0], [36.0], [108.0], [1.0]])
    assert x.grad is None and h.grad is None and w.grad is None  # grad writes nothing down
    np.testing.assert_array_equal(grad(y, [x, x])[1].data, [108.0])
    assert grad(y, []) == ()


def test_what_y_does_not_depend_on_gets_zeros() -> None:
    x, other = leaf(1.0), Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    later = x * 2
    gx, g_other, g_later = grad(x * 3, [x, other, later])
    np.testing.assert_array_equal(gx.data, [3.0])
    np.testing.assert_array_equal(g_other.data, np.zeros((2, 3)))
    assert g_other.dtype == np.float32
    np.testing.assert_array_equal(g_later.data, [0.0])


def test_gradients_to_the_fifth_order() -> None:
    x = leaf(0.7, -0.3)
    y = ops.sum(ops.exp(x * 2))
    for order in range(1, 6):
        (g,) = grad(y, [x], create_graph=True)
        # Each order multiplies by 2 once; a few roundings each.
        np.testing.assert_allclose(g.data, 2**order * np.exp(2 * x.data), rtol=1e-14)
        y = ops.sum(g)


def test_the_gradient_of_a_gradient_penalty() -> None:
    x, w = leaf(1.0, 2.0, -1.0), leaf(0.5, -2.0, 1.0)
    (g,) = grad((x * w).sum(), [x], create_graph=True)
    penalty = (ops.norm(g) - 1) ** 2
    (gw,) = grad(penalty, [w])
    size = np.linalg.norm(w.data)
    np.testing.assert_allclose(gw.data, 2 * (size - 1) * w.data / size, rtol=1e-14)  # by hand


# Leaves and .grad.


def test_only_leaves_get_grad_and_it_accumulates() -> None:
    x, constant = leaf(2.0), Tensor(np.array([1.0]))
    h = x * constant
    (h * 3).backward()
    assert h.grad is None and constant.grad is None
    (h * 4).backward()
    assert x.grad is not None and x.grad.node is None and not x.grad.requires_grad
    np.testing.assert_array_equal(x.grad.data, [7.0])


def test_backward_with_a_cotangent() -> None:
    x = leaf(1.0, 2.0)
    (x * x).backward(Tensor(np.array([1.0, 10.0])))
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.data, [2.0, 40.0])


def test_backward_of_a_leaf_is_one() -> None:
    x = leaf(3.0)
    x.backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.data, [1.0])


def test_what_cannot_be_differentiated_is_refused() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(ValueError, match=r"backward: y has shape \(2,\); give gy"):
        x.backward()
    with pytest.raises(ValueError, match="gy has to be like y"):
        grad(x * 2, [x], Tensor(np.ones(2, np.float32)))
    with pytest.raises(ValueError, match="gy has to be like y"):
        grad(x * 2, [x], Tensor(np.ones((1, 2))))
    with pytest.raises(ValueError, match="requires a gradient"):
        Tensor(1.0).backward()
    with pytest.raises(ValueError, match=r"grad: xs\[1\] does not require a gradient"):
        grad(x.sum(), [x, Tensor(1.0)])
    with pytest.raises(TypeError, match="xs is a sequence"):
        grad(x.sum(), x)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="only float32 and float64 can require a gradient, not int64"):
        Tensor(np.arange(3), requires_grad=True)


# Recording.


def test_no_grad_records_nothing_and_ends_also_after_an_error() -> None:
    x = leaf(1.0)
    with no_grad():
        assert not is_recording()
        with no_grad():
            pass
        assert not is_recording()
        y = x * 2
    assert is_recording() and not y.requires_grad and y.node is None
    with pytest.raises(ZeroDivisionError), no_grad():
        raise ZeroDivisionError
    assert is_recording()


def test_without_create_graph_the_gradient_has_no_graph() -> None:
    x, seen = leaf(2.0), []

    class Square(Function):
        def forward(self, x: Any) -> Any:
            return x * x

        def backward(self, gy: Tensor, y: Tensor) -> Tensor:
            seen.append(is_recording())
            return gy * self.inputs[0] * 2

    cotangent = leaf(1.0) * 1.0
    for y in (Square.apply(x), x + 1):  # the gradient of a sum is the cotangent itself
        (g,) = grad(y, [x], cotangent)
        assert g.node is None and not g.requires_grad
        (g,) = grad(y, [x], cotangent, create_graph=True)
        assert g.requires_grad
    assert seen == [False, True]
    y = Square.apply(x)
    with no_grad():  # create_graph asks for a graph, here too
        assert grad(y, [x], create_graph=True)[0].requires_grad
        assert not is_recording()


def test_recording_is_a_matter_of_each_thread() -> None:
    inside, seen = threading.Event(), []

    def other() -> None:
        inside.wait(10)
        seen.append(is_recording())

    thread = threading.Thread(target=other)
    thread.start()
    with no_grad():
        inside.set()
        thread.join()
    assert seen == [True]


def test_constants_are_not_recorded() -> None:
    y = Tensor(1.0) + Tensor(2.0)
    assert not y.requires_grad and y.node is None


# Freeing.


def test_the_graph_is_freed_without_the_cycle_collector(no_collector: None) -> None:
    x, w = leaf(1.0, 2.0), leaf(3.0, 4.0)
    watched = []
    for create_graph in (False, True):
        h = ops.tanh(x * w)
        y = ops.batch_norm(ops.reshape(h, (2, 1)), Tensor(np.ones(1)), Tensor(np.zeros(1))).sum()
        g = grad(y, [x], create_graph=create_graph)[0]
        if create_graph:
            g = grad(g.sum(), [w])[0]
        watched += [weakref.ref(h), weakref.ref(h.node), weakref.ref(y.node), weakref.ref(g)]
        del h, y, g
        assert [w() for w in watched] == [None] * len(watched)


def test_an_intermediate_array_dies_with_its_tensor(no_collector: None) -> None:
    h = leaf(1.0, 2.0) * 1.0
    y = ops.exp(h)
    array = weakref.ref(h.data)
    del h
    assert array() is not None  # the graph needs it
    del y
    assert array() is None


def test_the_first_order_keeps_no_gradients_alive(no_collector: None) -> None:
    gradients = []

    class Watch(Function):
        def forward(self, x: Any) -> Any:
            return x * 1.0

        def backward(self, gy: Tensor, y: Tensor) -> Tensor:
            gradients.append(weakref.ref(gy))
            return gy * 1.0

    x = leaf(1.0)
    y = x
    for _ in range(5):
        y = Watch.apply(y)
    (g,) = grad(y, [x])
    assert len(gradients) == 5 and all(w() is None for w in gradients)
