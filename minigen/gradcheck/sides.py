"""The two sides of a check at one order: the analytic gradients, and what the numeric side needs to be measured.

Before anything is compared: the function has to give the same bits at the same point and leave its inputs alone, and
backward has to give the same bits twice. Where it does not, `Fault` says so.

Imports: tensor. Read next: ``one_tensor.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from minigen.autograd import Tensor
from minigen.device import to_device
from minigen.gradcheck.in_place import writes_in_place
from minigen.gradcheck.numeric import DOUBLE, SINGLE, norms
from minigen.gradcheck.probes import root_mean_square
from minigen.gradcheck.problem import Problem
from minigen.gradcheck.report import Explanation, GradientMismatch, Index, Report, Verdict
from minigen.gradcheck.rounding import noise_of_gradients, noise_of_values, noise_on_the_way
from minigen_kernels import Array

EXTREME = 1e50  # outputs that are larger, or smaller than its inverse, are weighted with cotangents of the inverse size


@dataclass(frozen=True)
class Settings:
    """What holds for all orders. `tick` is told of every evaluation (to show progress); it may do nothing."""

    rtol: float
    atol: float | None
    draws: int
    dtype: str
    self_test: bool = False
    tick: Callable[[], None] = lambda: None


class Sides:
    """A problem at its point: `y0` (m,) its values, K cotangents, and for each variable the gradients (K, size).

    `results` (m,) are the values that were computed together with the graph, the same but for rounding.
    `gradients` are those of training; `recorded` those under create_graph, which the next order differentiates (None at
    the `last` order). `weights` (K, m) are the cotangents as numbers; `size` (K,): how large weights * y0
    is; `rounding` (K,): a derivative along a relative step that is no larger may be zero;
    `atol` (m,): how far the values are rounded on the way to them, as it was given or is measured.
    """

    def __init__(
        self, problem: Problem, order: int, rng: np.random.Generator, report: Report, settings: Settings, last: bool
    ) -> None:
        self.problem, self.order, self.rng, self.report, self.settings = problem, order, rng, report, settings
        self.steps = SINGLE if settings.dtype == "float32" else DOUBLE
        self.variables = problem.variables
        self.y0 = self._values()
        self._check_dtypes()
        ys = problem.evaluate(True)
        self.output_shapes = [y.shape for y in ys]
        self.results = flat(ys)
        self.cotangents = [self._draw(ys, plain=k == 0) for k in range(settings.draws)]
        self.weights = np.stack([flat(gys) for gys in self.cotangents])
        self.size = norms(self.weights * self.y0)
        # What cancellation may leave of a derivative that is zero; never 0, also where there are no values at all.
        self.on_the_way = noise_on_the_way(ys, self.steps)
        self.atol = np.full(self.y0.shape, settings.atol)
        if settings.atol is None:
            self.atol = noise_of_values(problem, ys, self.y0, self.steps, rng)
        self.rounding = 50 * self.steps.eps * self.size + 10 * norms(self.weights * self.atol) + 1e-290
        self._out_of_range: set[str] = set()
        with np.errstate(over="call", under="call", divide="call", call=lambda kind, _: self._out_of_range.add(kind)):
            self.gradients = self.pull_back(ys, False)
        self._check_backward(ys)
        self.recorded = None if last else self.pull_back(ys, True)
        self.float32_at = _first_float32(ys) if settings.dtype == "float64" else ""

    @cached_property
    def strained(self) -> str:
        """What numbers of extreme size have led to on the way to the gradients: "overflow", "underflow", or ""."""
        points = [np.abs(v.tensor.numpy()) for v in self.variables] + [np.abs(self.y0)]
        extreme = any(((x > EXTREME) | ((x > 0) & (x < 1 / EXTREME))).any() for x in points)
        return " and ".join(sorted(self._out_of_range)) if extreme else ""

    @cached_property
    def residue(self) -> list[Array]:
        """How far the gradients of each variable are rounded, (K, size), measured."""
        ys = self.problem.evaluate(True)

        def pull_back(weights: Array) -> list[Array]:
            return self.pull_back(ys, False, [self._cotangent(w, ys) for w in weights])

        return noise_of_gradients(pull_back, self.weights, self.rng)

    def _cotangent(self, w: Array, ys: list[Tensor]) -> list[Tensor]:
        """Numbers (m,) as a cotangent of the outputs."""
        parts = np.split(w, np.cumsum([y.size for y in ys])[:-1])
        return [Tensor(to_device(p.reshape(y.shape).astype(y.dtype), y.device)) for p, y in zip(parts, ys, strict=True)]

    def line(self, i: int, d: Array) -> Callable[[float], Array]:
        """The values as a function of t, where variable i is moved by t * d."""
        x = self.variables[i].tensor.numpy()

        def f(t: float) -> Array:
            self.report.evaluations += 1
            self.settings.tick()
            y = self.problem.at({i: x + (t * d).reshape(x.shape)})
            return y if y.shape == self.y0.shape else np.full(self.y0.shape, np.nan)  # other shapes: it jumps

        return f

    def pull_back(
        self, ys: list[Tensor], create_graph: bool, cotangents: list[list[Tensor]] | None = None
    ) -> list[Array]:
        """The analytic gradients of each variable, (K, size), for the K cotangents or others."""
        draws = [self.problem.pull_back(ys, gys, create_graph) for gys in cotangents or self.cotangents]
        numbers = [[np.asarray(g.numpy(), np.float64).ravel() for g in gradients] for gradients in draws]
        return [np.stack(gradients) for gradients in zip(*numbers, strict=True)]

    def mismatch(self, verdict: Verdict, tensor: str, text: str, *explanations: Explanation) -> GradientMismatch:
        """A failure that is not one of two numbers at one place."""
        nothing = (np.nan, np.nan, np.nan)
        return GradientMismatch(
            verdict, tensor, None, self.order, numbers=nothing, text=text, report=self.report,
            explanations=list(explanations),
        )  # fmt: skip

    def _draw(self, ys: list[Tensor], plain: bool) -> list[Tensor]:
        """Random cotangents. Several outputs are brought to one size, so that none is lost beside the others.

        Outputs of extreme size are brought near to 1, lest numbers on the way overflow or underflow.
        """
        sizes = [root_mean_square(np.asarray(y.numpy(), np.float64)) for y in ys]
        largest = max(sizes, default=0.0)
        extreme = largest > 0 and not 1 / EXTREME < largest < EXTREME
        if plain and len(ys) == 1 and ys[0].size == 1 and not extreme:  # one number: first show its own derivative
            return [Tensor(ys[0].data * 0 + 1)]
        # But one that is zero except for rounding must not be blown up; among gradients that is no rarity.
        least = largest * (1e-9 if self.order == 1 else 1e-3)
        scaled = least > 0 and (len(ys) > 1 or extreme)
        factors = [1 / max(size, least) if scaled else 1.0 for size in sizes]
        normal = [np.asarray(self.rng.standard_normal(y.shape)) for y in ys]
        return [Tensor(to_device((v * c).astype(y.dtype), y.device)) for v, c, y in zip(normal, factors, ys)]

    def _values(self) -> Array:
        """The values at the point, taken twice."""
        before = [v.tensor.numpy().copy() for v in self.variables]
        y0, again = self.problem.values(), self.problem.values()
        self._check_inputs(before, "forward changes")
        if not np.array_equal(y0, again, equal_nan=True):
            far = "other shapes" if y0.shape != again.shape else f"up to {np.nanmax(np.abs(y0 - again)):.3g} apart"
            raise self.mismatch(
                "WRONG", "the output", "Two evaluations at the same point differ.",
                Explanation("not-deterministic", f"The function is not deterministic: two evaluations at the same "
                            f"point gave {far}. Random numbers have to come from a Generator that is an attribute of "
                            "a Module or an input of fn, so that it can be rewound."),
            )  # fmt: skip
        if not np.isfinite(y0).all():
            i = int(np.flatnonzero(~np.isfinite(y0))[0])
            what = "the function" if self.order == 1 else f"its derivative of order {self.order - 1}"
            raise ValueError(f"gradcheck: {what} is {y0[i]} at the point itself (element {i} of its values)")
        return y0

    def _check_dtypes(self) -> None:
        """All floating outputs have the dtype of the check, which is that of the inputs."""
        for name, dtype in self.problem.foreign.items():
            wanted = self.settings.dtype
            raise self.mismatch(
                "PRECISION" if dtype == "float32" else "WRONG", name, f"It is {dtype}, all inputs are {wanted}.",
                Explanation("dtype", f"The function does not keep the dtype: {name} is {dtype} although all inputs are "
                            f"{wanted}. Make constants with dtype=x.dtype, and convert nothing on the way."),
            )  # fmt: skip

    def _check_inputs(self, before: list[Array], what: str) -> None:
        for v, x in zip(self.variables, before, strict=True):
            now = v.tensor.numpy()
            if not np.array_equal(now, x, equal_nan=True):
                count, largest = int((now != x).sum()), float(np.nanmax(np.abs(now - x)))
                v.tensor.data = to_device(x.copy(), v.tensor.device)
                raise self.mismatch(
                    "WRONG", v.name, f"The function changes {v.name} in place.",
                    Explanation("in-place", f"{what} {count} of {x.size} elements of {v.name}, by up to {largest:.3g}. "
                                "It has to leave its inputs as they are: copy before you write."),
                )  # fmt: skip

    def _check_backward(self, ys: list[Tensor]) -> None:
        """Backward must not write into what it is given, and has to give the same bits again."""
        x0 = [v.tensor.numpy().copy() for v in self.variables]
        again = self.pull_back(ys, False)
        self._check_inputs(x0, "backward changes")
        for gys, w in zip(self.cotangents, self.weights, strict=True):
            if not np.array_equal(flat(gys), w):
                raise self.mismatch(
                    "WRONG", "the cotangent", "Backward changes the cotangent that it is given.",
                    Explanation("in-place", f"backward changes {int((flat(gys) != w).sum())} of {w.size} elements of "
                                "gy in place, which others still need. Copy before you write."),
                )  # fmt: skip
        if text := writes_in_place(ys, lambda: self.problem.pull_back(ys, self.cotangents[0], False)):
            raise self.mismatch(
                "WRONG", "what backward is given", f"{text}.",
                Explanation("in-place", f"{text} in place, which others still need. Copy before you write."),
            )  # fmt: skip
        self._same_again(again, "not-deterministic", "Two runs of the same backward differ by up to {far:.3g}: it "
                         "draws random numbers, or changes what it reads.")  # fmt: skip
        # And once more, after a call of the function elsewhere.
        values = flat(ys)
        self.problem.at({i: v.tensor.numpy() * (1 + 1e-3 * self.rng.random()) for i, v in enumerate(self.variables)})
        self.problem.rewind()
        if not np.array_equal(values, flat(ys), equal_nan=True):
            raise self.mismatch(
                "WRONG", "the output", "The result of one call changes when the function is called again.",
                Explanation("state", "The function returns an array that its next call writes into, so the result of a "
                            "call does not last. It has to make a new array each time."),
            )  # fmt: skip
        self._same_again(self.pull_back(ys, False), "state", "The gradient changes by up to {far:.3g} when the "
                         "function has been called elsewhere in between: backward reads state that a later call of "
                         "the function changed. What it needs belongs to self of the Function, and to nothing that "
                         "two calls share.")  # fmt: skip

    def _same_again(self, again: list[Array], kind: str, text: str) -> None:
        for v, once, twice in zip(self.variables, self.gradients, again, strict=True):
            if not np.array_equal(once, twice, equal_nan=True):
                k, j = np.unravel_index(int(np.argmax(once != twice)), once.shape)
                far = float(np.nanmax(np.abs(once - twice), initial=0.0))
                raise GradientMismatch(
                    "WRONG",
                    v.name,
                    index_of(int(j), v.tensor.shape),
                    self.order,
                    numbers=(float(once[k, j]), float(twice[k, j]), 0.0),
                    text="Both are analytic: two runs of the same backward, which differ.",
                    explanations=[Explanation(kind, text.format(far=far))],
                    report=self.report,
                )


def flat(tensors: list[Tensor]) -> Array:
    """All elements of all Tensors in one float64 vector."""
    return np.concatenate([np.zeros(0), *(t.numpy().ravel() for t in tensors)])


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
