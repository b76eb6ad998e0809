"""The two sides of a check at one order: the analytic gradients, and what the numeric side needs to be measured.

Before anything is compared: the function has to give the same bits at the same point, and backward the same bits twice.

Imports: tensor. Read next: ``one_tensor.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigen.device import to_device
from minigen.gradcheck.numeric import EPS
from minigen.gradcheck.problem import Problem
from minigen.gradcheck.report import GradcheckReport, GradientMismatch, Index
from minigen.tensor import Tensor
from minigen_kernels import Array


class Sides:
    """A problem at its point: `y0` (m,) its values, K cotangents, and for each variable the gradients (K, size).

    `gradients` are those of training; `recorded` those under create_graph, which the next order differentiates (None at
    the `last` order). `weights` (K, m) are the cotangents as numbers; `size` (K,): how large weights * y0
    is; `rounding` (K,): a derivative along a relative step that is no larger may be zero.
    """

    def __init__(
        self,
        problem: Problem,
        order: int,
        rng: np.random.Generator,
        report: GradcheckReport,
        *,
        rtol: float,
        atol: float,
        draws: int,
        last: bool,
    ) -> None:
        self.problem, self.order, self.rng, self.report = problem, order, rng, report
        self.rtol, self.atol = rtol, atol
        self.variables = problem.variables
        self.y0 = self._values()
        ys = problem.evaluate(True)
        self.cotangents = [self._draw(ys, plain=k == 0) for k in range(draws)]
        self.weights = np.stack([np.concatenate([np.zeros(0), *(g.numpy().ravel() for g in gys)])
                                 for gys in self.cotangents])  # fmt: skip
        self.size = np.sqrt(self.weights**2 @ self.y0**2)
        # What cancellation may leave of a derivative that is zero; never 0, also where there are no values at all.
        self.rounding = 50 * EPS * self.size + 10 * atol * np.linalg.norm(self.weights, axis=1) + 1e-290
        self.gradients = self._pull_back(ys, False)
        self._check_backward(ys)
        self.recorded = None if last else self._pull_back(ys, True)
        self.lengths = {n for t in [*ys, *(v.tensor for v in self.variables)] for n in (*t.shape, t.size)}
        self.float32_at = _first_float32(ys)

    def line(self, i: int, d: Array) -> Callable[[float], Array]:
        """The values as a function of t, where variable i is moved by t * d."""
        x = self.variables[i].tensor.numpy()

        def f(t: float) -> Array:
            self.report.evaluations += 1
            y = self.problem.at({i: x + (t * d).reshape(x.shape)})
            return y if y.shape == self.y0.shape else np.full(self.y0.shape, np.nan)  # other shapes: it jumps

        return f

    def _draw(self, ys: list[Tensor], plain: bool) -> list[Tensor]:
        """Random cotangents. Several outputs are brought to one size, so that none is lost beside the others."""
        if plain and len(ys) == 1 and ys[0].size == 1:  # one number: first show its own derivative
            return [Tensor(ys[0].data * 0.0 + 1.0)]
        sizes = [float(np.sqrt(np.mean(y.numpy() ** 2))) if y.size else 0.0 for y in ys]
        # But one that is zero except for rounding must not be blown up; among gradients that is no rarity.
        least = max(sizes, default=0.0) * (1e-9 if self.order == 1 else 1e-3)
        factors = [1 / max(size, least) if least and len(ys) > 1 else 1.0 for size in sizes]
        normal = [np.asarray(self.rng.standard_normal(y.shape)) for y in ys]
        return [Tensor(to_device(v * c, y.device)) for v, c, y in zip(normal, factors, ys, strict=True)]

    def _pull_back(self, ys: list[Tensor], create_graph: bool) -> list[Array]:
        """The analytic gradients of each variable, (K, size)."""
        draws = [self.problem.pull_back(ys, gys, create_graph) for gys in self.cotangents]
        return [np.stack([g.numpy().ravel() for g in gradients]) for gradients in zip(*draws, strict=True)]

    def _values(self) -> Array:
        """The values at the point, taken twice."""
        before = [v.tensor.numpy().copy() for v in self.variables]
        y0, again = self.problem.values(), self.problem.values()
        for v, x in zip(self.variables, before, strict=True):
            if not np.array_equal(v.tensor.numpy(), x, equal_nan=True):
                raise ValueError(f"gradcheck: fn changes {v.name} in place; it has to leave its inputs as they are")
        if not np.array_equal(y0, again, equal_nan=True):
            raise ValueError(
                "gradcheck: fn is not deterministic: two evaluations at the same point differ. Random numbers have to "
                "come from a Generator that is an attribute of a Module or an input of fn, so that it can be rewound"
            )
        if not np.isfinite(y0).all():
            i = int(np.flatnonzero(~np.isfinite(y0))[0])
            what = "the function" if self.order == 1 else f"its derivative of order {self.order - 1}"
            raise ValueError(f"gradcheck: {what} is {y0[i]} at the point itself (element {i} of its values)")
        return y0

    def _check_backward(self, ys: list[Tensor]) -> None:
        """Backward again, after a call of the function elsewhere: the same bits, unless calls share state."""
        self.problem.at({i: v.tensor.numpy() * (1 + 1e-3 * self.rng.random()) for i, v in enumerate(self.variables)})
        self.problem.rewind()
        for v, once, twice in zip(self.variables, self.gradients, self._pull_back(ys, False), strict=True):
            if not np.array_equal(once, twice, equal_nan=True):
                k, j = np.unravel_index(int(np.argmax(once != twice)), once.shape)
                raise GradientMismatch(
                    "WRONG",
                    v.name,
                    index_of(int(j), v.tensor.shape),
                    self.order,
                    numbers=(float(once[k, j]), float(twice[k, j]), 0.0),
                    text="Both are analytic: two runs of the same backward, which differ.",
                    hint="Backward is not deterministic, or it reads state that a later call of the function changed: "
                    "what backward needs belongs to self of the Function, and to nothing that two calls share.",
                    report=self.report,
                )


def index_of(flat: int, shape: tuple[int, ...]) -> Index:
    """The index of an element from its place in C order."""
    return tuple(int(i) for i in np.unravel_index(flat, shape)) if shape else ()


def _first_float32(ys: list[Tensor]) -> str:
    """The name of a Function on the way to `ys` that works in float32, or ""."""
    stack, seen = list(ys), set()
    while stack:
        t = stack.pop()
        if t.node is not None and id(t) not in seen:
            seen.add(id(t))
            if t.dtype == np.float32:
                return type(t.node).__name__
            stack += [x for x in t.node.inputs if isinstance(x, Tensor)]
    return ""
