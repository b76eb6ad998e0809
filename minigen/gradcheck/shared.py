"""One Tensor in two places, f(x, x): the gradient has to be the sum of those of f(x, a copy of x).

Imports: the files beside it. Read next: ``in_place.py``.
"""

from __future__ import annotations

import itertools

import numpy as np

from minigen.autograd import GradientError, Tensor
from minigen.gradcheck.problem import Given
from minigen.gradcheck.report import Explanation, GradientMismatch
from minigen.gradcheck.sides import Sides, flat
from minigen_kernels import Array


def check_shared(given: Given, sides: Sides) -> GradientMismatch | None:
    """A failure for the first pair of inputs of one shape that cannot be the same Tensor."""
    places = [i for i, x in enumerate(given.inputs) if isinstance(x, Tensor) and x.requires_grad and x.size]
    for i, j in itertools.combinations(places[:3], 2):
        if given.inputs[i].shape == given.inputs[j].shape:
            apart, together = _sum(given, sides, i, j, same=False), _sum(given, sides, i, j, same=True)
            # Other values: it is a function of which Tensors they are, as one that differentiates inside.
            if apart is None or together is None or not np.array_equal(apart[0], together[0]):
                continue
            once, twice = apart[1], together[1]
            off, largest = float(np.abs(once - twice).max()), float(np.abs(once).max())
            if off > 1e3 * sides.settings.rtol * largest + 1e-290:
                return sides.mismatch(
                    "WRONG", f"input {j}", f"With one Tensor as inputs {i} and {j} the gradient is off by "
                    f"{off / (largest or 1.0):.2g} of its largest.",
                    Explanation("same-input", f"f(x, x) is wrong: with the same Tensor as inputs {i} and {j} the "
                                "gradient is not the sum of both, as it is for f(x, a copy of x). Does backward tell "
                                "its inputs apart by what they are, not by their places?"),
                )  # fmt: skip
    return None


def _sum(given: Given, sides: Sides, i: int, j: int, same: bool) -> tuple[Array, Array] | None:
    """The values, and the sum of the gradients of inputs i and j, where both hold the numbers of input i.

    `same`: both are one Tensor. None if the function is not defined there.
    """
    first, second = given.inputs[i], given.inputs[j]
    before = second.data
    try:
        second.data = first.data.copy()
        given.inputs[j] = first if same else second
        ys = given.evaluate(True)
        values = flat(ys)
        if values.shape != sides.y0.shape or not np.isfinite(values).all():
            return None
        gradients = zip(given.variables, given.pull_back(ys, sides.cotangents[-1], False), strict=True)
        pair = [g.numpy() for v, g in gradients if v.tensor is first or v.tensor is second]
        total = np.asarray(np.sum(pair, 0, dtype=np.float64))
        return (values, total) if np.isfinite(total).all() else None
    except (ValueError, GradientError):  # f may refuse such inputs
        return None
    finally:
        given.inputs[j], second.data = second, before
