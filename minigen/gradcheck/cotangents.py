"""Other cotangents: every backward is linear in gy, so what it gives for one of them follows from others.

Numbers drawn from a normal distribution are never all alike, nor zero, nor a million. A backward that clips them, skips
them or takes a short cut for ones is found here.

Imports: device, and the files beside it. Read next: ``second_look.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from minigen.autograd import Tensor
from minigen.device import array_module
from minigen.gradcheck.one_tensor import OneTensor
from minigen.gradcheck.probes import root_mean_square
from minigen.gradcheck.report import Explanation, GradientMismatch
from minigen.gradcheck.sides import Sides
from minigen_kernels import Array

FAR = 2.0**20  # a power of two: nothing is rounded


def check_linear(sides: Sides, inspected: Sequence[OneTensor]) -> GradientMismatch | None:
    """A failure, if the gradients for other cotangents are not what those that have passed make them."""
    huge = np.sqrt(float(np.finfo(sides.settings.dtype).max))  # a million times as much may be too much on the way
    for words, gradients in _predictions(sides):
        for one, gradient in zip(inspected, gradients, strict=True):
            overflows = not np.isfinite(gradient).all() and float(np.abs(one.gradients).max(initial=0.0)) > huge
            if not overflows and (off := one.differs(gradient)):
                return sides.mismatch(
                    "WRONG", one.name, f"The gradient is not linear in the cotangent, by {off:.2g} of its largest.",
                    Explanation("not-linear", f"backward is not linear in gy: {words}. Is it clipped, skipped for some "
                                "values of gy, or is something added that does not belong to gy?"),
                )  # fmt: skip
    return None


def _predictions(sides: Sides) -> Iterator[tuple[str, list[Array]]]:
    """What the gradients for the last cotangent have to be, made from those for others; and words for how."""
    ys, gys, rng = sides.problem.evaluate(True), sides.cotangents[-1], np.random.default_rng(sides.report.seed)

    def gradients(cotangent: Sequence[Tensor]) -> list[Array]:
        return [g[0] for g in sides.pull_back(ys, False, [list(cotangent)])]

    for factor in (FAR, 1 / FAR):
        scaled = gradients([Tensor(g.data * factor) for g in gys])
        yield f"{factor:.3g} times the gy does not make it {factor:.3g} times as large", [g / factor for g in scaled]
    masks = [rng.random(g.shape) < 0.5 for g in gys]
    halves = [[Tensor(g.data * array_module(g.data).asarray(np.asarray(mask == side, g.dtype)))
               for g, mask in zip(gys, masks)] for side in (True, False)]  # fmt: skip
    yield (
        "the parts of gy, with zeros in place of the others, do not add up to the whole",
        [a + b for a, b in zip(*map(gradients, halves), strict=True)],
    )
    sizes = [root_mean_square(g.numpy()) for g in gys]
    alike = [Tensor(_everywhere(g.data, size)) for g, size in zip(gys, sizes, strict=True)]
    more = [Tensor(g.data + c.data) for g, c in zip(gys, alike, strict=True)]
    yield (
        "for a gy that is one number everywhere (strides of zero, as the gradient of a sum) it gives something else",
        [a - b for a, b in zip(gradients(more), gradients(alike), strict=True)],
    )


def _everywhere(like: Array, number: float) -> Array:
    """One number in the shape of an array, with strides of zero."""
    xp = array_module(like)
    return xp.broadcast_to(xp.asarray(number, like.dtype), like.shape)
