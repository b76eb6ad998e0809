"""`gradcheck`: order by order, tensor by tensor, probe by probe.

Imports: tensor, and the files beside it. Read next: ``ops/elementwise.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from minigen.gradcheck.one_tensor import OneTensor
from minigen.gradcheck.probes import Directions, Elements
from minigen.gradcheck.problem import Given, GradientOf, ModuleLike, Problem
from minigen.gradcheck.report import GradcheckReport, GradientMismatch
from minigen.gradcheck.sides import Sides
from minigen.tensor import Tensor, is_recording


def gradcheck(
    fn: Callable[..., Any],
    *inputs: Any,
    order: int = 1,
    wrt: Sequence[int] | None = None,
    seed: int = 0,
    rtol: float = 1e-6,
    atol: float = 1e-15,
    draws: int = 3,
    directions: int = 6,
    max_elements: int = 1000,
    allow_zero: bool = False,
) -> GradcheckReport:
    """Check every derivative of `fn(*inputs)`, up to `order`, against central differences. Return a report, or raise.

    `fn` is a Module, a method of one, or a function that returns a Tensor or several. All floating Tensors and arrays
    among `inputs` are checked (only the positions in `wrt`, if given), and so is every trained parameter of `fn` and of
    Modules among `inputs`; all in float64 copies. Everything else is passed on unchanged. A Module's parameters,
    buffers, generators, attributes and `.grad` are afterwards what they were, and the same at each evaluation, so batch
    norm and dropout can be checked in training mode.

    `order` 2 checks the gradient as a function of inputs, parameters and cotangent, 3 the gradient of that; lower
    orders are always checked first. `draws` random cotangents come from `seed`. Tensors are checked element by element,
    smallest first, while they have no more than `max_elements` in all; the larger ones along `directions` random
    directions. The tolerance is 10 times the error that the numeric side finds for itself, plus `rtol` of the number. y
    is taken to be rounded to the last of its bits, and by `atol` on the way: scale up a function that is as small.

    Raises `GradientMismatch` for a derivative that is WRONG, a KINK, too little PRECISION to tell, or when all is zero
    and the check VACUOUS (unless `allow_zero`); TypeError and ValueError for what cannot be checked at all.
    """
    _check_arguments(fn, inputs, order, wrt, draws, directions)
    given = Given(fn, inputs, wrt)
    try:
        if not given.variables:
            raise ValueError("gradcheck: nothing to differentiate: no floating Tensor, array or parameter was given")
        rng, report, problem = np.random.default_rng(seed), GradcheckReport(), cast(Problem, given)
        with np.errstate(all="ignore"):  # NaN and Inf get a verdict, which says more than a warning
            for k in range(1, order + 1):
                sides = Sides(problem, k, rng, report, rtol=rtol, atol=atol, draws=draws, last=k == order)
                _check_one_order(sides, directions, max_elements)
                if k == 1 and not allow_zero and all(row.verdict == "zero" for row in report.rows):
                    raise _vacuous(sides)
                problem = GradientOf(problem, sides.cotangents[-1])
        return report
    except TypeError as error:
        if "promoted silently" in str(error):
            error.add_note("gradcheck computes in float64: Tensors that fn brings along have to be float64 too")
        raise
    finally:
        given.release()


def _check_arguments(
    fn: Any, inputs: Sequence[Any], order: int, wrt: Sequence[int] | None, draws: int, directions: int
) -> None:
    if not callable(fn) or any(isinstance(x, type) and isinstance(x, ModuleLike) for x in (fn, *inputs)):
        raise TypeError(f"gradcheck: fn is a function or a Module (an object, not its class), got {fn!r}")
    for name, value, least in (("order", order, 1), ("draws", draws, 2), ("directions", directions, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"gradcheck: {name} is a whole number of at least {least}, got {value!r}")
    for i, x in enumerate(inputs):
        if isinstance(x, (list, tuple)) and any(isinstance(part, (Tensor, np.ndarray)) for part in x):
            raise TypeError(
                f"gradcheck: input {i} is a {type(x).__name__} of Tensors, which would go unchecked; "
                "pass them one by one, for example gradcheck(lambda a, b: ops.concat([a, b]), a, b)"
            )
    for i in wrt or ():
        dtype = getattr(inputs[i], "dtype", None) if 0 <= i < len(inputs) else None
        if getattr(dtype, "kind", "") != "f":
            raise ValueError(f"gradcheck: wrt names input {i}, which is no floating Tensor or array")
    if not is_recording():
        raise ValueError("gradcheck: called inside no_grad, where nothing can be differentiated")


def _check_one_order(sides: Sides, directions: int, max_elements: int) -> None:
    """Check all variables, smallest first; add their rows to the report; raise for the gravest failure."""
    checks: dict[int, OneTensor] = {}
    left = max_elements
    for i in sorted(range(len(sides.variables)), key=lambda i: sides.variables[i].tensor.size):
        x = sides.variables[i].tensor.numpy()
        left -= x.size
        checks[i] = OneTensor(sides, i, Elements(x) if left >= 0 else Directions(x, directions, sides.rng))
    inspected = [checks[i] for i in sorted(checks)]
    sides.report.rows += [check.row() for check in inspected]
    for verdict in ("WRONG", "KINK", "PRECISION"):
        for check in inspected:
            if check.verdict == verdict:
                raise check.failure(_others(check, inspected))


def _others(check: OneTensor, inspected: Sequence[OneTensor]) -> str:
    """A sentence on what has been found about the other tensors."""
    parts = []
    for title, good in (("Also not passed", False), ("Passed", True)):
        names = [c.name for c in inspected if c is not check and (c.verdict in ("right", "zero")) is good]
        if names:
            parts.append(f"{title}: {', '.join(names[:6])}{', ...' if len(names) > 6 else ''}.")
    return " ".join(parts)


def _vacuous(sides: Sides) -> GradientMismatch:
    return GradientMismatch(
        "VACUOUS",
        ", ".join(v.name for v in sides.variables),
        None,
        sides.order,
        numbers=(0.0, 0.0, 0.0),
        text="Every derivative is zero to within rounding, so any multiple of the gradient would pass too.",
        hint="Check the function before it is summed (softmax and batch norm sum to a constant), move the point to "
        "where it is not flat, or say allow_zero=True if it is meant to be constant.",
        report=sides.report,
    )
