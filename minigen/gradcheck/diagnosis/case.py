"""A wrong gradient as the explanations see it: both sides, and the question "would this one have passed?".

An explanation is a mended gradient. It counts only if the check would have passed with it: every number within what the
numeric side knows, and the difference nearly gone. So no explanation is a guess.

Imports: the files of the checker. Read next: ``factor.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from minigen.autograd import Tensor
from minigen.gradcheck.numeric import Slope, measure
from minigen.gradcheck.one_tensor import OneTensor
from minigen.gradcheck.probes import Elements
from minigen.gradcheck.verdict import Evidence
from minigen_kernels import Array

LEFT_OVER = 0.02  # an explanation may leave so much of the difference


class Case:
    """The tensor `one`, whose gradient is wrong, among all that were `inspected` at this order.

    Arrays: `analytic`, `numeric`, `error` (K, size) are gradients, the latter two None unless all elements were
    compared; `wrong` (K, P) says which of the compared numbers differ.
    """

    def __init__(self, one: OneTensor, inspected: Sequence[OneTensor]) -> None:
        self.one, self.inspected, self.sides = one, inspected, one.sides
        self.name, self.x, self.shape = one.name, one.x, one.x.shape
        self.evidence, self.probes = one.evidence, one.probes
        self.analytic = one.gradients
        self.wrong = self.evidence.wrong()
        self.numeric: Array | None = None
        self.error: Array | None = None
        if isinstance(self.probes, Elements):
            self.numeric = self.evidence.numeric / self.probes.unit
            self.error = self.evidence.tolerance(self.evidence.analytic) / self.probes.unit

    @cached_property
    def outputs(self) -> list[Tensor]:
        """The outputs at the point, recorded."""
        return self.sides.problem.evaluate(True)

    @cached_property
    def usable(self) -> Array:
        """Which of the compared numbers mean something: no kink, finite."""
        return ~self.evidence.kinks() & np.isfinite(self.evidence.numeric) & np.isfinite(self.evidence.analytic)

    @property
    def analytic_where_wrong(self) -> Array:
        """The analytic numbers that are wrong."""
        return self.evidence.analytic[self.wrong]

    @cached_property
    def independent(self) -> int:
        """How many independent numbers were compared: more than an explanation has free numbers, or it proves nothing.

        With a single output every cotangent says the same.
        """
        e = self.evidence
        seen = (np.abs(e.numeric) > 100 * (e.error + e.rounding)) & self.usable
        return int(seen.any(0).sum()) * min(len(e.numeric), self.sides.y0.size)

    def accepts(self, mended: Array) -> bool:
        """Would the check have passed with the gradient `mended` (K, size), and is the difference gone?"""
        return self.accepts_numbers(self.probes.project(mended))

    def accepts_numbers(self, projected: Array) -> bool:
        """As `accepts`, for numbers along the probes (K, P)."""
        e, usable = self.evidence, self.usable
        if not usable.any() or not np.isfinite(projected).all():
            return False
        left = np.linalg.norm((projected - e.numeric)[usable])
        difference = np.linalg.norm((e.analytic - e.numeric)[usable])
        return bool((e.excess(projected)[usable] <= 1).all() and left <= LEFT_OVER * difference)

    def agree(self, a: Array, b: Array, tolerance: Array) -> bool:
        """Are two arrays of numbers (K, ...) the same to within the tolerance, and not all zero?"""
        off = np.abs(a - b)
        size = np.linalg.norm(b)
        return bool(size > 0 and (off <= tolerance).all() and np.linalg.norm(off) <= LEFT_OVER * size)

    def slope(self, d: Array, weights: Array) -> Slope:
        """The numeric derivative along `d` for other cotangents (C, m)."""
        steps, settings = self.sides.steps, self.sides.settings

        def accept(slope: Slope) -> bool:
            return bool((slope.error <= 1e-2 * settings.rtol * np.abs(slope.value).max()).all())

        return measure(self.sides.line(self.one.i, d), self.sides.y0, weights, self.sides.atol, accept, steps)

    def evidence_with(self, analytic: Array, slopes: list[Slope]) -> Evidence:
        """The comparison of `analytic` (C, P) with slopes along P probes for C cotangents."""
        value, error, jump, coarse = (np.array([getattr(s, n) for s in slopes]).T
                                      for n in ("value", "error", "jump", "coarse"))  # fmt: skip
        rounding = np.full((len(analytic), 1), float(self.sides.rounding.max()))
        return Evidence(analytic, value, error, jump, coarse, rounding, self.sides.settings.rtol)

    def lengths(self) -> list[tuple[str, int]]:
        """Lengths of axes, and products of them, that a sum or mean may have run over, each with where it is found."""
        found: dict[str, int] = {}
        tensors = [(v.name, v.tensor.shape) for v in self.sides.variables]
        outputs = self.sides.problem.output_names
        tensors = [(self.name, self.shape), *tensors, *zip(outputs, self.sides.output_shapes, strict=True)]
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
