"""The exercises of docs/guide/02_engine.md: an operation of one's own, the walk back, a Jacobian that is not built.

Imports: exercise, minigen. Read next: ``docs/guide/02_engine.md``.
"""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Sequence
from typing import Any

import numpy as np

import minigen as mg
from minigen.exercises.exercise import Exercise, Mistake, same
from minigen_kernels import Array

TITLE = "Record and walk back"


def _same(got: Any, wanted: Any, what: str, hint: str) -> None:
    """`same`, with a hint at the end of what it says."""
    try:
        same(got, wanted, what)
    except Mistake as mistake:
        raise Mistake(f"{mistake}. {hint}") from None


def check_hypot(answers: Any) -> None:
    """2.1: `Hypot` is a Function of two arrays, by `mg.gradcheck`."""
    a, b = np.array([3.0, -1.0, 0.5]), np.array([4.0, 2.0, -2.5])
    result = answers.Hypot.apply(mg.Tensor(a), mg.Tensor(b))
    same(result, np.sqrt(a * a + b * b), "Hypot.apply(a, b)")
    x, y = (mg.Tensor(array, requires_grad=True) for array in (a, b))
    (gx,) = mg.grad(answers.Hypot.apply(x, y).sum() * 3, [x])
    what = "the gradient of 3 * sum(Hypot.apply(a, b)), where gy is 3, with respect to a"
    same(gx, 3 * a / np.sqrt(a * a + b * b), what)
    mg.gradcheck(answers.Hypot.apply, a, b, order=2)


class Node:
    """A node of a graph of numbers, which counts how often somebody looks at what it was made from."""

    def __init__(self, inputs: Sequence[Node], local: Sequence[float], order: int, limit: list[int]) -> None:
        self._inputs, self.local, self.order, self._limit = tuple(inputs), tuple(local), order, limit

    def __repr__(self) -> str:
        return f"<node of order {self.order}>"

    @property
    def inputs(self) -> tuple[Node, ...]:
        """The nodes that it was made from."""
        self._limit[0] -= 1
        if self._limit[0] < 0:
            raise Mistake(
                "the inputs of the nodes were looked at more than 20 times for each node: that is a walk along every "
                "path, and 40 sums x + x have 2^40 paths. Each node should pass its gradient on once, when it is whole"
            )
        return self._inputs


class Graph:
    """Makes nodes, and works out their gradients forwards, path by path in the smallest number of steps."""

    def __init__(self, nodes: int) -> None:
        self.count, self.limit = itertools.count(), [20 * nodes]
        self.rows: dict[int, dict[int, float]] = {}  # by the order of a node: its derivative by each node before it

    def node(self, *edges: tuple[Node, float]) -> Node:
        """A node made from those of the edges, with these local derivatives; without edges a leaf."""
        order = next(self.count)
        row = {order: 1.0}
        for x, local in edges:
            for i, d in self.rows[x.order].items():
                row[i] = row.get(i, 0.0) + local * d
        self.rows[order] = row
        return Node([x for x, _ in edges], [local for _, local in edges], order, self.limit)


def check_gradients(answers: Any) -> None:
    """2.2: the walk back over a graph of numbers: all paths added up, each node once."""

    def ask(graph: Graph, y: Node, xs: list[Node], where: str, hint: str) -> None:
        got = answers.gradients(y, list(xs))
        if not isinstance(got, (list, tuple, np.ndarray)) or len(got) != len(xs):
            raise Mistake(f"gradients(y, xs) is {got!r}, wanted a list of {len(xs)} numbers, one for each of xs")
        wanted = [graph.rows[y.order].get(x.order, 0.0) for x in xs]
        _same(list(got), wanted, f"gradients(y, xs) of {where}", hint)

    g = Graph(5)
    x, alone = g.node(), g.node()
    ask(g, y := g.node((x, 3.0)), [x, y], "y = 3 x, for xs = [x, y]", "dy/dy is 1")
    ask(g, y, [alone], "y = 3 x, for an xs that y does not depend on", "That gradient is 0")
    g = Graph(2)
    x = g.node()
    ask(g, g.node((x, 5.0), (x, 5.0)), [x], "y = x x at 5", "All paths from x to y count: do they add up?")
    g = Graph(5)
    a, b = g.node(), g.node()
    u = g.node((a, 1.0), (b, 1.0))
    v = g.node((u, 3.0), (b, 5.0))
    hint = "Did a node pass its gradient on before all that was made from it had added its part?"
    ask(g, g.node((v, 1.0), (u, 1.0)), [a, b, u], "the chapter's y = v + u, v = u b, u = a + b", hint)
    ask(g, v, [a, b], "the chapter's v = u b, with a node above that is no part of it", "Begin at y")
    g = Graph(41)
    x = y = g.node()
    for _ in range(40):
        y = g.node((y, 1.0), (y, 1.0))
    ask(g, y, [x], "40 sums x + x", hint)
    for seed in range(30):
        rng, g = np.random.default_rng(seed), Graph(20)
        nodes = [g.node() for _ in range(3)]
        for _ in range(17):
            places, slopes = rng.integers(len(nodes), size=2), rng.integers(-3, 4, size=2)
            nodes.append(g.node(*((nodes[i], float(d)) for i, d in zip(places, slopes))))
        ask(g, nodes[-1], nodes[:6], f"random graph {seed}", hint)


def check_normalize(answers: Any) -> None:
    """2.3: the vector-Jacobian product of x / |x|, without the Jacobian."""

    def right(x: Array, gy: Array) -> Array:
        r = np.sqrt((x * x).sum())
        return (gy - x * (x @ gy) / r**2) / r

    for direction, hint in (
        ([-4, 3], "The sum of gy_j x_j is 0 here, so only the term of J with j = i counts: 1 / r"),
        ([3, 4], "A longer x has the same y, so here both terms of J cancel: is the one for every pair right?"),
    ):
        x, gy = np.array([3.0, 4.0]), np.array(direction, dtype=np.float64)
        got = answers.normalize_vjp(x.copy(), gy.copy())
        _same(got, right(x, gy), f"normalize_vjp([3, 4], {direction})", hint)
    rng = np.random.default_rng(0)
    for n in (1, 3, 7):
        x, gy = rng.normal(size=n), rng.normal(size=n)
        same(answers.normalize_vjp(x.copy(), gy.copy()), right(x, gy), f"normalize_vjp(x, gy) of {n} random numbers")
    x, gy = rng.normal(size=2000), rng.normal(size=2000)
    tracemalloc.start()
    try:
        got = answers.normalize_vjp(x.copy(), gy.copy())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    same(got, right(x, gy), "normalize_vjp(x, gy) of 2000 random numbers")
    if peak > 4_000_000:  # an eighth of the Jacobian
        raise Mistake(
            f"normalize_vjp(x, gy) is right, but took {peak / 1e6:.0f} MB for 2000 numbers: is the Jacobian, which has "
            "four million, built?"
        )


EXERCISES = (
    Exercise(
        "2.1",
        "An operation of your own",
        start='''import numpy as np

import minigen as mg


class Hypot(mg.Function):
    """sqrt(a^2 + b^2), element by element, for a and b of one shape, neither of them 0."""

    def forward(self, a, b):
        ...

    def backward(self, gy, y):
        ...
''',
        check=check_hypot,
        task=r"""
Write the Function `Hypot`, $y = \sqrt{a^2 + b^2}$ for each pair of elements, with a backward that returns the gradients
of both inputs. Find $\partial y / \partial a$ first; it has a short form in which $y$ itself occurs. The check is
`mg.gradcheck`.
""",
    ),
    Exercise(
        "2.2",
        "The walk back",
        start='''def gradients(y, xs):
    """dy/dx for each node x in xs, as a list of numbers.

    A node has `inputs`, the nodes that it was made from; `local`, its derivative with respect to each of them, a
    number; and `order`, a number that is larger than those of its inputs.
    """
    ...
''',
        check=check_gradients,
        task=r"""
Here the graph is made of numbers, and the local derivatives are already there. A node has `inputs`, a tuple of the
nodes that it was made from; `local`, a tuple of the derivatives of the node with respect to these; and `order`, a
number larger than the `order` of its inputs. Write `gradients(y, xs)`: a list of $dy/dx$ for each node in `xs`, 0 for
one that `y` does not depend on. It has to be done in one walk: the check counts how often you look at the inputs of a
node.
""",
    ),
    Exercise(
        "2.3",
        "A Jacobian that you do not build",
        start='''import numpy as np


def normalize_vjp(x, gy):
    """The gradient of x from gy, the gradient of y = x / r, where r is the length of the vector x."""
    ...
''',
        check=check_normalize,
        task=r"""
The function $y = x / r$ with $r = \sqrt{x_1^2 + x_2^2 + \cdots}$ gives a vector the length 1. Every $y_j$ depends on
every $x_i$, through $r$. Find $\partial r / \partial x_i$ and then $J_{ji} = \partial y_j / \partial x_i$: one term for
every pair, and one more where $j = i$. Then write the vector-Jacobian product as `normalize_vjp(x, gy)`, for any length
and without building the Jacobian. The check measures the memory that it takes.
""",
    ),
)
