"""A checked function linearized at its point: values, random cotangents, analytic gradients, rounding errors.

Before anything is compared with numeric derivatives: the function has to give the same bits at the same point and leave
its inputs alone, and backward has to give the same bits twice. If not, `GradientMismatch` is raised here.

Imports: autograd. Read next: ``tensor_check.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from minigen.autograd import Tensor
from minigen.device import to_device
from minigen.gradcheck.cached import cached
from minigen.gradcheck.checked_function import CheckedFunction, innermost
from minigen.gradcheck.directions import root_mean_square
from minigen.gradcheck.graph import find_in_place_write, graph_tensors
from minigen.gradcheck.numeric import FLOAT32_STEPS, FLOAT64_STEPS, norms
from minigen.gradcheck.report import Explanation, GradientMismatch, Index, Report, Verdict
from minigen.gradcheck.rounding import intermediate_rounding, rounding_of_gradients, rounding_of_values
from minigen_kernels import Array

EXTREME = 1e50  # outputs that are larger, or smaller than its inverse, get cotangents of the inverse size


@dataclass(frozen=True)
class Settings:
    """The options of `gradcheck` for all orders. `tick` is called at every evaluation, to show progress."""

    rtol: float
    atol: float | None
    draws: int
    dtype: str
    self_test: bool = False
    tick: Callable[[], None] = lambda: None


class Linearization:
    """A function at its point: `y0` (m,) its values, K cotangents, and for each variable the gradients (K, size).

    `results` (m,): the values computed together with the graph, equal to `y0` but for rounding. `gradients`: those that
    training uses. `recorded`: those under create_graph, which the next order differentiates (None at the `last` order).
    `weights` (K, m): the cotangents as numbers. `output_norm` (K,): the norm of weights * y0. `rounding` (K,): a
    derivative along a relative step that is no larger may be zero. `atol` (m,): the rounding error of the values from
    intermediate results, as given or measured. `output_slices`: where each output lies among the m values.
    """

    def __init__(
        self,
        function: CheckedFunction,
        order: int,
        rng: np.random.Generator,
        report: Report,
        settings: Settings,
        last: bool = True,
    ) -> None:
        self.function, self.order, self.rng, self.report, self.settings = function, order, rng, report, settings
        self.steps = FLOAT32_STEPS if settings.dtype == "float32" else FLOAT64_STEPS
        self.variables = function.variables
        self.y0 = self._values()
        self._check_dtypes()
        ys = function.evaluate(True)
        self.output_shapes = [y.shape for y in ys]
        ends = np.cumsum([0, *(y.size for y in ys)]).tolist()
        self.output_slices = [slice(start, stop) for start, stop in zip(ends, ends[1:])]
        self.results = flatten(ys)
        self.cotangents = [self._draw(ys, plain=k == 0) for k in range(settings.draws)]
        self.weights = np.stack([flatten(gys) for gys in self.cotangents])
        self.output_norm = norms(self.weights * self.y0)
        self.intermediate_rounding = intermediate_rounding(ys, self.steps)
        self.atol = np.full(self.y0.shape, settings.atol)
        if settings.atol is None:
            self.atol = rounding_of_values(function, ys, self.y0, self.steps, rng)
        # What cancellation may leave of a derivative that is zero; never 0, also where there are no values at all.
        self.rounding = 50 * self.steps.eps * self.output_norm + 10 * norms(self.weights * self.atol) + 1e-290
        self._out_of_range: set[str] = set()
        with np.errstate(over="call", under="call", divide="call", call=lambda kind, _: self._out_of_range.add(kind)):
            self.gradients = self.vjp(ys, False)
        self._check_backward(ys)
        self.recorded = None if last else self.vjp(ys, True)
        single = (type(t.node).__name__ for t in graph_tensors(ys) if t.node is not None and t.dtype == np.float32)
        self.float32_at = next(single, "") if settings.dtype == "float64" else ""  # a Function that computes in float32

    @cached
    def range_errors(self) -> str:
        """What numbers of extreme size have caused on the way to the gradients: "overflow", "underflow", or ""."""
        points = [np.abs(v.tensor.numpy()) for v in self.variables] + [np.abs(self.y0)]
        extreme = any(((x > EXTREME) | ((x > 0) & (x < 1 / EXTREME))).any() for x in points)
        return " and ".join(sorted(self._out_of_range)) if extreme else ""

    @cached
    def gradient_rounding(self) -> list[Array]:
        """The rounding error of the gradients of each variable, (K, size), measured."""
        ys = self.function.evaluate(True)

        def cotangent(w: Array) -> list[Tensor]:
            parts = zip(self.output_slices, ys, strict=True)
            return [Tensor(to_device(w[part].reshape(y.shape).astype(y.dtype), y.device)) for part, y in parts]

        def vjp(weights: Array) -> list[Array]:
            return self.vjp(ys, False, [cotangent(w) for w in weights])

        return rounding_of_gradients(vjp, self.weights, self.rng)

    def line(self, i: int, d: Array) -> Callable[[float], Array]:
        """The values as a function of t, where variable i is moved by t * d."""
        x = self.variables[i].tensor.numpy()

        def f(t: float) -> Array:
            self.report.evaluations += 1
            self.settings.tick()
            y = self.function.values_at({i: x + (t * d).reshape(x.shape)})
            return y if y.shape == self.y0.shape else np.full(self.y0.shape, np.nan)  # other shapes: it jumps

        return f

    def vjp(
        self, ys: list[Tensor], create_graph: bool, cotangents: Sequence[list[Tensor]] | None = None
    ) -> list[Array]:
        """The analytic gradients of each variable, (K, size), for the K cotangents or others."""
        draws = [self.function.vjp(ys, gys, create_graph) for gys in cotangents or self.cotangents]
        numbers = [[np.asarray(g.numpy(), np.float64).ravel() for g in gradients] for gradients in draws]
        return [np.stack(gradients) for gradients in zip(*numbers, strict=True)]

    def mismatch(
        self,
        verdict: Verdict,
        tensor: str,
        text: str,
        *explanations: Explanation,
        index: Index | None = None,
        numbers: tuple[float, float, float] = (np.nan, np.nan, np.nan),
    ) -> GradientMismatch:
        """A failure at this order; without `index` and `numbers` it is not about a single element."""
        return GradientMismatch(
            verdict, tensor, index, self.order, numbers=numbers, text=text, report=self.report,
            explanations=list(explanations),
        )  # fmt: skip

    def _draw(self, ys: list[Tensor], plain: bool) -> list[Tensor]:
        """Random cotangents. Several outputs are scaled to one size, so that the small ones count too.

        Outputs of extreme size are scaled to about 1, so that intermediate results do not overflow or underflow.
        """
        sizes = [root_mean_square(np.asarray(y.numpy(), np.float64)) for y in ys]
        largest = max(sizes, default=0.0)
        extreme = largest > 0 and not 1 / EXTREME < largest < EXTREME
        if plain and len(ys) == 1 and ys[0].size == 1 and not extreme:  # one number: first show its own derivative
            return [Tensor(ys[0].data * 0 + 1)]
        # An output that is zero except for rounding must not be scaled up; among gradients that is not rare.
        least = largest * (1e-9 if self.order == 1 else 1e-3)
        scaled = least > 0 and (len(ys) > 1 or extreme)
        factors = [1 / max(size, least) if scaled else 1.0 for size in sizes]
        normal = [np.asarray(self.rng.standard_normal(y.shape)) for y in ys]
        return [Tensor(to_device((v * c).astype(y.dtype), y.device)) for v, c, y in zip(normal, factors, ys)]

    def _values(self) -> Array:
        """The values at the point, computed twice."""
        before = [v.tensor.numpy().copy() for v in self.variables]
        y0, again = self.function.values(), self.function.values()
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
        for name, dtype in self.function.wrong_dtypes.items():
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
        again = self.vjp(ys, False)
        self._check_inputs(x0, "backward changes")
        for gys, w in zip(self.cotangents, self.weights, strict=True):
            if not np.array_equal(now := flatten(gys), w):
                raise self.mismatch(
                    "WRONG", "the cotangent", "Backward changes the cotangent that it is given.",
                    Explanation("in-place", f"backward changes {int((now != w).sum())} of {w.size} elements of "
                                "gy in place, which others still need. Copy before you write."),
                )  # fmt: skip
        if text := find_in_place_write(ys, lambda: self.function.vjp(ys, self.cotangents[0], False)):
            raise self.mismatch(
                "WRONG", "what backward is given", f"{text}.",
                Explanation("in-place", f"{text} in place, which others still need. Copy before you write."),
            )  # fmt: skip
        self._check_same(again, "not-deterministic", "Two runs of the same backward differ by up to {far:.3g}: it "
                         "draws random numbers, or changes what it reads.")  # fmt: skip
        # And once more, after a call of the function at another point.
        values = flatten(ys)
        factors = [1 + 1e-3 * self.rng.random() for _ in self.variables]
        self.function.values_at({i: v.tensor.numpy() * factors[i] for i, v in enumerate(self.variables)})
        innermost(self.function)[0].state.restore()
        if not np.array_equal(values, flatten(ys), equal_nan=True):
            raise self.mismatch(
                "WRONG", "the output", "The result of one call changes when the function is called again.",
                Explanation("state", "The function returns an array that its next call writes into, so the result of a "
                            "call does not last. It has to make a new array each time."),
            )  # fmt: skip
        self._check_same(self.vjp(ys, False), "state", "The gradient changes by up to {far:.3g} when the function has "
                         "been called elsewhere in between: backward reads state that a later call of the function "
                         "changed. What it needs belongs to self of the Function, and to nothing that two calls "
                         "share.")  # fmt: skip

    def _check_same(self, again: list[Array], kind: str, text: str) -> None:
        """A second run of backward has to give the same bits as the first."""
        for v, once, twice in zip(self.variables, self.gradients, again, strict=True):
            if not np.array_equal(once, twice, equal_nan=True):
                k, j = np.unravel_index(int(np.argmax(once != twice)), once.shape)
                far = float(np.nanmax(np.abs(once - twice), initial=0.0))
                raise self.mismatch(
                    "WRONG",
                    v.name,
                    "Both are analytic: two runs of the same backward, which differ.",
                    Explanation(kind, text.format(far=far)),
                    index=index_of(int(j), v.tensor.shape),
                    numbers=(float(once[k, j]), float(twice[k, j]), 0.0),
                )


def flatten(tensors: list[Tensor]) -> Array:
    """All elements of all Tensors in one float64 vector."""
    return np.concatenate([np.zeros(0), *(t.numpy().ravel() for t in tensors)])


def index_of(position: int, shape: tuple[int, ...]) -> Index:
    """The index of an element from its position in C order."""
    return tuple(int(i) for i in np.unravel_index(position, shape)) if shape else ()
