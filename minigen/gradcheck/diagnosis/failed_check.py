"""A failed check: both gradients, and whether a repaired gradient would have passed.

An explanation is a way to repair the analytic gradient. It counts only if the check would have passed with it: every
number within its tolerance, and the difference nearly gone. So no explanation is a guess.

Imports: the files of the checker. Read next: ``factor.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minigen.autograd import Tensor
from minigen.gradcheck.cached import cached
from minigen.gradcheck.comparison import Comparison
from minigen.gradcheck.directions import Coordinates
from minigen.gradcheck.numeric import DirectionalDerivative, directional_derivative
from minigen.gradcheck.tensor_check import TensorCheck
from minigen_kernels import Array

RESIDUAL = 0.02  # an explanation may leave so much of the difference, relative


class FailedCheck:
    """The `check` of a tensor whose gradient is wrong, among all `checks` of this order.

    `analytic`, `numeric`, `error` (K, size): gradients, the latter two None unless all elements were compared. `wrong`
    (K, P): which of the compared numbers differ.
    """

    def __init__(self, check: TensorCheck, checks: Sequence[TensorCheck]) -> None:
        self.check, self.checks, self.lin = check, checks, check.lin
        self.name, self.x, self.shape = check.name, check.x, check.x.shape
        self.comparison, self.directions = check.comparison, check.directions
        self.analytic = check.gradients
        self.wrong = self.comparison.wrong()
        self.numeric: Array | None = None
        self.error: Array | None = None
        if isinstance(self.directions, Coordinates):
            self.numeric = self.comparison.numeric / self.directions.scales
            self.error = self.comparison.tolerance(self.comparison.analytic) / self.directions.scales

    @cached
    def outputs(self) -> list[Tensor]:
        """The outputs at the point, recorded."""
        return self.lin.function.evaluate(True)

    @cached
    def usable(self) -> Array:
        """Which of the compared numbers count: finite, and no kink."""
        return ~self.comparison.kinks() & np.isfinite(self.comparison.numeric) & np.isfinite(self.comparison.analytic)

    @cached
    def independent(self) -> int:
        """The number of independent numbers that were compared; it has to exceed an explanation's free parameters.

        With a single output every cotangent gives the same information.
        """
        e = self.comparison
        seen = (np.abs(e.numeric) > 100 * (e.error + e.rounding)) & self.usable
        return int(seen.any(0).sum()) * min(len(e.numeric), self.lin.y0.size)

    def accepts(self, repaired: Array) -> bool:
        """Would the check have passed with the gradient `repaired` (K, size), and is the difference gone?"""
        return self.accepts_numbers(self.directions.project(repaired))

    def accepts_numbers(self, projected: Array) -> bool:
        """As `accepts`, for derivatives along the directions (K, P)."""
        e, usable = self.comparison, self.usable
        if not usable.any() or not np.isfinite(projected).all():
            return False
        left = np.linalg.norm((projected - e.numeric)[usable])
        difference = np.linalg.norm((e.analytic - e.numeric)[usable])
        return bool((e.excess(projected)[usable] <= 1).all() and left <= RESIDUAL * difference)

    def agree(self, a: Array, b: Array, tolerance: Array) -> bool:
        """Are two arrays of numbers (K, ...) the same to within the tolerance, and not all zero?"""
        off = np.abs(a - b)
        size = np.linalg.norm(b)
        return bool(size > 0 and (off <= tolerance).all() and np.linalg.norm(off) <= RESIDUAL * size)

    def derivative_along(self, d: Array, weights: Array) -> DirectionalDerivative:
        """The numeric derivative along `d` for other cotangents (C, m)."""
        steps, settings = self.lin.steps, self.lin.settings

        def accept(slope: DirectionalDerivative) -> bool:
            return bool((slope.error <= 1e-2 * settings.rtol * np.abs(slope.value).max()).all())

        return directional_derivative(
            self.lin.line(self.check.i, d), self.lin.y0, weights, self.lin.atol, accept, steps
        )

    def compare(self, analytic: Array, slopes: list[DirectionalDerivative]) -> Comparison:
        """`analytic` (C, P) against the numeric derivatives along P directions for C cotangents."""
        rounding = np.full((len(analytic), 1), float(self.lin.rounding.max()))
        return Comparison.of(analytic, slopes, rounding, self.lin.settings.rtol)

    def lengths(self) -> list[tuple[str, int]]:
        """Lengths of axes and products of lengths, over which a sum or mean may have run, each with a description."""
        found: dict[str, int] = {}
        tensors = [(v.name, v.tensor.shape) for v in self.lin.variables]
        outputs = self.lin.function.output_names
        tensors = [(self.name, self.shape), *tensors, *zip(outputs, self.lin.output_shapes, strict=True)]
        for name, shape in tensors:
            for axis, n in enumerate(shape):
                found.setdefault(f"the length of axis {axis} of {name}", n)
        for name, shape in tensors:
            for first in range(len(shape)):
                for last in range(first + 1, len(shape)):
                    n = int(np.prod(shape[first : last + 1]))
                    whole = last - first + 1 == len(shape)
                    what = "the size" if whole else f"the product of axes {first} to {last}"
                    found.setdefault(f"{what} of {name}", n)
            if len(shape) == 4:
                found.setdefault(f"the product of axes 0, 2 and 3 of {name}", shape[0] * shape[2] * shape[3])
        return [(text, n) for text, n in found.items() if n > 1]
