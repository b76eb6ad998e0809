"""The problem of a check in float32 once more in float64, as a witness where float32 is too coarse to tell.

Imports: tensor, and the files beside it. Read next: ``one_tensor.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from minigen.autograd import Tensor
from minigen.gradcheck.problem import Given, GradientOf, Problem
from minigen.gradcheck.sides import Sides
from minigen_kernels import Array

Line = Callable[[float], Array]


def in_double(sides: Sides, i: int) -> Callable[[Array], Line] | None:
    """Direction to line (as `Sides.line`, for variable `i`) in float64; None if the function insists on float32."""
    single, chain = sides.problem, list[list[Tensor]]()
    while isinstance(single, GradientOf):
        chain.append(single.cotangents)
        single = single.inner
    if not isinstance(single, Given):
        return None
    given = single

    def values(moved: Array) -> Array:
        wrt = [j for j, x in enumerate(given.inputs) if isinstance(x, Tensor) and x.requires_grad]
        double = given.again(given.inputs, wrt, np.float64)
        try:
            problem: Problem = double
            for cotangents in reversed(chain):
                problem = GradientOf(problem, [Tensor(g.data.astype(np.float64)) for g in cotangents])
            y = problem.at({i: moved})
            return y if not double.foreign and y.shape == sides.y0.shape else np.full(sides.y0.shape, np.nan)
        finally:
            double.release()

    x = np.asarray(sides.variables[i].tensor.numpy(), np.float64)
    try:
        if not np.isfinite(values(x)).all():
            return None
    except TypeError:  # it brings constants in float32 along
        return None
    return lambda d: lambda t: values(x + (t * d).reshape(x.shape))
