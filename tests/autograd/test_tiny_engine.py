"""`examples/00_tiny_engine.py` is held to minigen: the same gradients of random expressions, orders 1 and 2.

Read next: ``test_engine.py``.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import minigen as mg
from minigen import ops

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "00_tiny_engine.py"
spec = importlib.util.spec_from_file_location("tiny_engine", EXAMPLE)
assert spec is not None and spec.loader is not None
tiny = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tiny)

NAMES = ("broadcast_to", "exp", "log", "sum_to", "tanh")
TINY = SimpleNamespace(**{name: getattr(tiny.Tensor, name) for name in NAMES})
MINIGEN = SimpleNamespace(**{name: getattr(ops, name) for name in NAMES})

LARGEST = (2, 3)
SHAPES = ((), (1,), (3,), (2, 1), (1, 3), LARGEST)  # each can be broadcast to the largest
NUMBERS = (-2.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0)

#: Steps of an expression, from the functions `of` an engine, two Tensors, a number and a shape. What `exp`, `log` and
#: powers are taken of is kept where they are smooth and far from overflow.
STEPS: dict[str, Callable[[Any, Any, Any, float, tuple[int, ...]], Any]] = {
    "add": lambda of, a, b, n, shape: a + b,
    "add to a number": lambda of, a, b, n, shape: n + a,
    "subtract": lambda of, a, b, n, shape: a - b,
    "subtract from a number": lambda of, a, b, n, shape: n - a,
    "negate": lambda of, a, b, n, shape: -a,
    "multiply": lambda of, a, b, n, shape: of.tanh(a) * b,
    "multiply a number": lambda of, a, b, n, shape: n * a,
    "divide": lambda of, a, b, n, shape: a / (b * b + 1),
    "power": lambda of, a, b, n, shape: (of.tanh(a) + 2) ** n,
    "square": lambda of, a, b, n, shape: of.tanh(a) ** 2,
    "exp": lambda of, a, b, n, shape: of.exp(of.tanh(a)),
    "log": lambda of, a, b, n, shape: of.log(a * a + 0.5),
    "tanh": lambda of, a, b, n, shape: of.tanh(a),
    "repeat": lambda of, a, b, n, shape: of.broadcast_to(a, LARGEST),
    "sum": lambda of, a, b, n, shape: of.sum_to(of.broadcast_to(a, LARGEST), shape),
    "matmul": lambda of, a, b, n, shape: of.sum_to(of.broadcast_to(a, LARGEST) @ of.broadcast_to(b, LARGEST).T, (2, 1)),
}

Step = tuple[str, int, int, float, tuple[int, ...]]
places = st.integers(0, 11)
expressions = st.lists(
    st.tuples(st.sampled_from(list(STEPS)), places, places, st.sampled_from(NUMBERS), st.sampled_from(SHAPES)),
    min_size=1,
    max_size=9,
)


def evaluate(expression: Sequence[Step], leaves: Sequence[Any], of: Any) -> Any:
    """Each step takes two of the values that are there, and adds one; the result is the sum of the squares of all."""
    values = list(leaves)
    for name, i, j, number, shape in expression:
        values.append(STEPS[name](of, values[i % len(values)], values[j % len(values)], number, shape))
    total = 0
    for value in values[len(leaves) :]:
        total = total + of.sum_to(value * value, ())
    return total


def gradients(y: Any, xs: list[Any], grad: Callable[..., Any], of: Any, cotangents: list[Any]) -> tuple[Any, Any]:
    """Those of `y`, and those of the product of these with the cotangents."""
    first = grad(y, xs)
    along = of.sum_to(first[0] * cotangents[0], ())
    for g, c in zip(first[1:], cotangents[1:]):
        along = along + of.sum_to(g * c, ())
    return first, grad(along, xs)


@given(expressions, st.lists(st.sampled_from(SHAPES), min_size=3, max_size=3), st.integers(0, 2**32 - 1))
def test_the_tiny_engine_has_the_gradients_of_minigen(
    expression: list[Step], shapes: list[tuple[int, ...]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    arrays, directions = ([rng.normal(size=shape) for shape in shapes] for _ in range(2))

    small = [tiny.Tensor(x) for x in arrays]
    y = evaluate(expression, small, TINY)
    found = gradients(y, small, tiny.grad, TINY, [tiny.Tensor(c) for c in directions])

    leaves = [mg.Tensor(x, requires_grad=True) for x in arrays]
    expected_y = evaluate(expression, leaves, MINIGEN)
    if not expected_y.requires_grad:
        return

    def grad(y: mg.Tensor, xs: list[mg.Tensor]) -> Any:
        if not y.requires_grad:  # a gradient without history is a constant: zeros, as the tiny engine says
            return [mg.Tensor(np.zeros_like(x.data)) for x in xs]
        return mg.grad(y, xs, create_graph=True)

    expected = gradients(expected_y, leaves, grad, MINIGEN, [mg.Tensor(c) for c in directions])
    assert y.data.dtype == np.float64
    np.testing.assert_allclose(y.data, expected_y.data, rtol=1e-12)
    for gs, expected_gs in zip(found, expected):
        # Terms of a sum may cancel; each has a rounding of its own size, that of the largest at most.
        largest = max([1.0, *(abs(g.data).max() for g in expected_gs)])
        for g, e in zip(gs, expected_gs):
            assert g.shape == e.shape
            np.testing.assert_allclose(g.data, e.data, rtol=1e-9, atol=1e-12 * largest)


def test_every_operation_of_the_tiny_engine_is_compared() -> None:
    """Operators, and methods by their names: none is left out of the steps above."""
    operators = {"add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "pow", "neg", "matmul"}
    written = {name for name in vars(tiny.Tensor) if callable(getattr(tiny.Tensor, name)) and name != "__init__"}
    assert written == {*(f"__{name}__" for name in operators), *NAMES}


def test_the_third_and_fourth_derivative() -> None:
    """Of exp(x y) along x: y^n exp(x y)."""
    x, y = tiny.Tensor(0.3), tiny.Tensor([1.0, -2.0])
    g = (x * y).exp()
    for n in range(1, 5):
        (g,) = tiny.grad(g, [x])
        np.testing.assert_allclose(g.data, (y.data**n * np.exp(0.3 * y.data)).sum(), rtol=1e-14)
