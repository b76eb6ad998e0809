"""The check of one tensor at one order: differentiate along all directions, compare, and test the check with mutants.

Imports: the files beside it. Read next: ``failure.py`` (what is reported of a failed check), ``check.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from minigen.autograd import Tensor
from minigen.gradcheck.checked_function import CheckedFunction, GradientFunction, innermost
from minigen.gradcheck.comparison import SAFETY_FACTOR, Comparison
from minigen.gradcheck.directions import Coordinates, RandomDirections
from minigen.gradcheck.linearization import Linearization, index_of
from minigen.gradcheck.numeric import DirectionalDerivative, directional_derivative, norms
from minigen.gradcheck.report import Mutation, Row, Verdict
from minigen_kernels import Array


class TensorCheck:
    """The check of variable `i`; `verdict` is ready after construction.

    `surviving_mutants`: kinds of planted errors that would have passed. `rough`: the function has rounding errors of
    the size of float32. `recorded`: only the gradient under create_graph is wrong.
    """

    def __init__(self, lin: Linearization, i: int, directions: Coordinates | RandomDirections) -> None:
        self.lin, self.i, self.directions = lin, i, directions
        self.name, self.x = lin.variables[i].name, lin.variables[i].numbers()
        self.gradients = lin.gradients[i]
        self.rough = self.recorded = False
        self.surviving_mutants: list[str] = []
        self.largest = np.abs(directions.project(self.gradients)).max(1, initial=0.0)
        slopes = [self.derivative_along(directions.direction(j)) for j in range(directions.count)]
        self.comparison = self.compare(directions.project(self.gradients), *slopes)
        if self.comparison.verdict() not in ("OK", "VACUOUS"):
            self.comparison.rounding = self.comparison.rounding + self._rounding_of_zeros()
        if isinstance(directions, Coordinates):
            self._refine_small_elements(directions)
        self.verdict: Verdict = self.comparison.verdict()
        single = lin.settings.dtype == "float32"
        if self.verdict in ("WRONG", "KINK") and (lin.range_errors or (single and self._agrees_in_float64())):
            self.verdict = "PRECISION"
        if self.verdict == "OK":
            self._test_mutants()
        if self.verdict in ("OK", "VACUOUS") and lin.recorded is not None:
            self._check_recorded(lin.recorded[i])
        if self.verdict in ("OK", "PRECISION") and not single:
            # Each element is moved in proportion to its own size, so that a small one does not cross a kink nearby.
            self.rough = self.roughness(RandomDirections(self.x, 1, lin.rng, least=0.0).direction(0)) > 1
            self.verdict = "PRECISION" if self.rough else self.verdict

    def derivative_along(self, d: Array) -> DirectionalDerivative:
        """The numeric derivative along `d`, with more steps until it is precise and, if it can, agrees."""
        lin, rtol = self.lin, self.lin.settings.rtol
        analytic = self.gradients @ d
        wanted = 0.1 * rtol * np.maximum(np.abs(analytic), 1e-2 * self.largest)

        def accept(slope: DirectionalDerivative) -> bool:
            if not (slope.error <= wanted).all():
                return False
            comparison = self.compare(analytic[:, None], slope)
            return comparison.agrees(comparison.analytic)

        return directional_derivative(lin.line(self.i, d), lin.y0, lin.weights, lin.atol, accept, lin.steps)

    def compare(self, analytic: Array, *slopes: DirectionalDerivative) -> Comparison:
        """`analytic` (K, P) against the numeric derivatives along P directions."""
        return Comparison.of(analytic, slopes, self.lin.rounding[:, None], self.lin.settings.rtol)

    def _rounding_of_zeros(self) -> Array:
        """The rounding error of an analytic zero: as measured, but no more than the intermediate results explain."""
        lin = self.lin
        most = 50 * norms(lin.weights * lin.intermediate_rounding)[:, None]
        return np.minimum(10 * self.directions.project_errors(lin.gradient_rounding[self.i]), most)

    def deviation(self, gradient: Array) -> float:
        """The relative error of a gradient (size,) for the last cotangent, against the one that has passed.

        Relative to its largest number; 0.0 if it is within the tolerance of the comparison.
        """
        off = np.abs(self.directions.project((gradient - self.gradients[-1])[None])[0])
        tolerance = self.comparison.tolerance(self.comparison.analytic)[-1]
        if (off <= tolerance).all() or (off <= tolerance + self._rounding_of_zeros()[-1]).all():
            return 0.0
        far = float(np.abs(gradient - self.gradients[-1]).max())
        return far / (float(np.abs(self.gradients[-1]).max()) or 1.0)

    def _refine_small_elements(self, coordinates: Coordinates) -> None:
        """Repeat failed comparisons with smaller steps: an element that is small beside the others was moved too far.

        A repeated comparison counts only if it is precise enough to see the difference, and does not.
        """
        e = self.comparison
        for j in np.flatnonzero(((e.excess(e.analytic) > 1) | e.kinks()).any(0)):
            scale, own = coordinates.scales[j], abs(self.x.flat[j])
            for size in sorted({s for s in (own, min(scale, 1.0), min(scale, 1.0) * 1e-3) if 0 < s < 0.9 * scale}):
                ratio = scale / size
                slope = self.derivative_along(coordinates.direction(int(j)) / ratio)
                closer = self.compare((self.gradients[:, j] * size)[:, None], slope)
                closer.rounding = np.zeros((1, 1))  # that of the other elements, which are not moved
                off = np.abs(e.analytic[:, j] - e.numeric[:, j])
                blurred = closer.tolerance(closer.analytic)[:, 0] * ratio > 0.9 * off
                fine = ~blurred | (e.excess(e.analytic)[:, j] <= 1) | np.isnan(off)
                if closer.agrees(closer.analytic) and not closer.kinks().any() and fine.all():
                    for name in ("numeric", "error", "coarse"):
                        getattr(e, name)[:, j] = getattr(closer, name)[:, 0] * ratio
                    e.jump[:, j] = 0.0
                    break
            else:  # this element is wrong, whatever comes of the others
                return

    def _agrees_in_float64(self) -> bool:
        """Are the gradients that float32 calls wrong those of the function in float64? Then float32 is too coarse."""
        e = self.comparison
        largest = 1e-3 * np.abs(self.gradients).max(1, initial=0.0)
        f = _line_in_float64(self.lin, self.i)
        if f is None:
            return False
        for j in np.flatnonzero((e.wrong() | e.kinks()).any(0)):
            d = self.directions.direction(int(j))
            analytic = self.gradients @ d
            slope = directional_derivative(f(d), f(d)(0.0), self.lin.weights, 1e-15, lambda slope: False)
            size = np.maximum(np.abs(analytic), largest * np.abs(d).max())
            tolerance = self.lin.settings.rtol * size + SAFETY_FACTOR * slope.error
            if not (np.abs(slope.value - analytic) <= tolerance).all() or (slope.error > size).any():
                return False
        return True

    def _test_mutants(self) -> None:
        """Mutation testing: the comparison that the gradient has passed has to reject every mutant of it."""
        # A derivative that is small beside the function (1e-5 of it in float64) may be known to less than 1 %.
        factor = 1.01 if (self.largest > self.lin.steps.significant * self.lin.rounding).any() else 2.0
        alone = isinstance(self.directions, Coordinates)
        for kind, mutant in mutants(self.gradients, self.x.shape, Coordinates(self.x).scales, factor, alone):
            rejected = not self.comparison.agrees(self.directions.project(mutant))
            if not rejected:
                self.surviving_mutants.append(kind)
                self.verdict = "PRECISION"
            if self.lin.settings.self_test:
                self.lin.report.mutations.append(Mutation(self.lin.order, self.name, kind, rejected))

    def _check_recorded(self, recorded: Array) -> None:
        """Compare the gradient under create_graph, which the next order differentiates, with the same numbers."""
        analytic = self.directions.project(recorded)
        if not self.comparison.agrees(analytic):
            self.verdict, self.recorded, self.gradients = "WRONG", True, recorded
            self.comparison.analytic = analytic

    def roughness(self, d: Array) -> float:
        """The rounding error of the function at tiny steps, in units of a bound: float32 inside exceeds 1.

        Rounding to float32 leaves errors of 6e-8, to float64 of 1e-16. The bound is 1e-9: a function may make its
        rounding 1e7 times larger. The smallest of three steps counts, so that a single kink in between has no effect.
        """
        f, analytic = self.lin.line(self.i, d), self.gradients @ d
        bound = 1e-9 * np.maximum(self.lin.output_norm, np.abs(analytic)) + self.lin.rounding
        least = np.inf
        for t in (1e-7, 5e-8, 2.5e-8):
            off = np.abs(self.lin.weights @ (f(t) - f(-t)) - 2 * t * analytic)
            least = min(least, float((off / bound).max()))
            if least <= 1:
                break
        return least

    def row(self) -> Row:
        """The row of the report."""
        e, scales = self.comparison, self.directions.scales
        difference = np.where(e.analytic == e.numeric, 0.0, np.abs(e.analytic - e.numeric) / scales)
        most = np.abs(e.numeric / scales).max(initial=0.0)
        relative = difference.max(initial=0.0) / most if most else 0.0
        worst = int(e.excess(e.analytic).max(0).argmax()) if self.directions.count else 0
        single = isinstance(self.directions, Coordinates) and self.x.size > 0
        return Row(
            order=self.lin.order,
            name=self.name,
            shape=self.x.shape,
            compared=self.directions.text,
            cotangents=len(self.lin.weights),
            max_abs_error=float(difference.max(initial=0.0)),
            max_rel_error=np.nan if self.verdict == "VACUOUS" else float(relative),
            resolution=np.nan if self.verdict == "VACUOUS" else e.resolution(),
            worst_index=index_of(worst, self.x.shape) if single else None,
            verdict=self.verdict,
        )


def mutants(
    gradients: Array, shape: tuple[int, ...], scales: Array, factor: float, alone: bool
) -> Iterator[tuple[str, Array]]:
    """Errors planted in right gradients (K, size): the kind of each, and the wrong gradients.

    `scales` (size,): how far each element of the tensor is moved, which decides the element that counts most. `factor`:
    a clearly visible amount. That one element is perturbed by ten times as much of itself if it is compared `alone`,
    else of the norm of the whole. A rearrangement that hardly changes this gradient (a shifted constant) is left out.
    """
    yield "factor", gradients * factor
    yield "sign", -gradients
    yield "zero", gradients * 0.0
    norm = np.linalg.norm(gradients * scales)
    long = [i for i, n in enumerate(shape, 1) if n > 1][-2:]  # the last two axes that can be exchanged
    rearranged = [("shifted", np.roll(gradients, 1, axis=1))]
    if len(long) == 2:
        rearranged.append(("transposed", gradients.reshape(-1, *shape).swapaxes(*long).reshape(gradients.shape)))
    for kind, mutant in rearranged:
        if np.linalg.norm((mutant - gradients) * scales) > min(5 * (factor - 1), 1.0) * norm:
            yield kind, mutant
    perturbed = gradients.copy()
    most = int((np.abs(gradients) * scales).max(0).argmax())
    amount = gradients[:, most] if alone else np.linalg.norm(gradients * scales, axis=1) / scales[most]
    perturbed[:, most] += 10 * (factor - 1) * amount
    yield "perturbed", perturbed


def _line_in_float64(lin: Linearization, i: int) -> Callable[[Array], Callable[[float], Array]] | None:
    """Direction to line, as `Linearization.line` for variable `i`, in float64; None if the function needs float32."""
    user_function, chain = innermost(lin.function)

    def values(x: Array) -> Array:
        double = user_function.with_inputs(user_function.inputs, np.float64)
        try:
            function: CheckedFunction = double
            for cotangents in reversed(chain):
                function = GradientFunction(function, [Tensor(g.data.astype(np.float64)) for g in cotangents])
            y = function.values_at({i: x})
            return y if not double.wrong_dtypes and y.shape == lin.y0.shape else np.full(lin.y0.shape, np.nan)
        finally:
            double.release()

    x = lin.variables[i].numbers()
    try:
        if not np.isfinite(values(x)).all():
            return None
    except TypeError:  # the function contains constants in float32
        return None
    return lambda d: lambda t: values(x + (t * d).reshape(x.shape))
