"""The same check somewhere else: at another point, or with a batch of one.

Imports: the files of the checker. Read next: ``places.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from minigen.autograd import Tensor
from minigen.device import to_device
from minigen.gradcheck.diagnosis.case import Case
from minigen.gradcheck.one_tensor import OneTensor
from minigen.gradcheck.probes import Directions, Elements
from minigen.gradcheck.problem import Given, GradientOf, Problem, array_of
from minigen.gradcheck.report import Explanation, GradientMismatch, Report
from minigen.gradcheck.sides import Settings, Sides
from minigen_kernels import Array

MOST = 400  # elements that are compared one by one
SAMPLES = 6  # so many are all tried alone


def at_point(case: Case, x: Array) -> Case | None:
    """The check of the same tensor where its values are `x`; None if the function cannot be checked there."""
    variable = case.sides.variables[case.one.i].tensor
    before = variable.data
    try:
        variable.data = to_device(x.astype(before.dtype), variable.device)
        there = _check(case, case.sides.problem, case.sides.order, case.one.i)
        if there is None:
            return None
        found = Case(there, [there if one is case.one else one for one in case.inspected])
        found.outputs  # noqa: B018 - to be kept as they are here
        return found
    finally:
        variable.data = before


def batch_of_one(case: Case) -> Iterator[Explanation]:
    """Right when the inputs are cut to one sample, whichever it is, and wrong with all of them."""
    given = case.sides.problem
    while isinstance(given, GradientOf):
        given = given.inner
    if not isinstance(given, Given):
        return
    arrays = [array_of(x) for x in given.inputs]
    shapes = [a.shape for a in arrays if a is not None and a.ndim]
    n = shapes[0][0] if shapes else 0
    batched = len(shapes) > 0 and len(shapes[0]) > 1 and all(shape[:1] == (n,) for shape in _outputs(given))
    if n < 2 or not batched:
        return
    samples = range(n) if n <= SAMPLES else (0, n // 2, n - 1)
    right = 0
    for sample in samples:
        verdict = _alone(case, given, n, sample)
        if verdict not in ("OK", "VACUOUS"):
            return
        right += verdict == "OK"
    if right:
        yield Explanation("batch-size", f"Each sample alone is right, the batch of {n} is wrong: samples are mixed up, "
                          "or summed over, where each has a gradient of its own.")  # fmt: skip


def _outputs(given: Given) -> list[tuple[int, ...]]:
    return [y.shape for y in given.evaluate(False)]


def _alone(case: Case, whole: Given, n: int, sample: int) -> str:
    """The verdict with the inputs cut to one sample; "" if they cannot be."""
    cut: list[Any] = []
    for x in whole.inputs:
        a = array_of(x)
        short = a is not None and a.ndim and a.shape[0] == n
        cut.append(x if a is None or not short else _like(x, a[sample : sample + 1]))
    wrt = [i for i, x in enumerate(whole.inputs) if isinstance(x, Tensor) and x.requires_grad]
    given = whole.again(cut, wrt, whole.dtype)
    try:
        problem: Problem = given
        rng = np.random.default_rng(2)
        for order in range(1, case.sides.order):
            sides = Sides(problem, order, rng, Report(), case.sides.settings, last=False)
            problem = GradientOf(problem, sides.cotangents[-1])
        i = next((j for j, v in enumerate(problem.variables) if v.name == case.name), None)
        alone = None if i is None else _check(case, problem, case.sides.order, i)
        return "" if alone is None else alone.verdict
    except Exception:  # whatever the function says to a single sample
        return ""
    finally:
        given.release()


def _like(x: Any, a: Array) -> Any:
    return Tensor(a) if isinstance(x, Tensor) else a


def _check(case: Case, problem: Problem, order: int, i: int) -> OneTensor | None:
    settings = case.sides.settings
    quiet = Settings(settings.rtol, settings.atol, settings.draws, settings.dtype, tick=settings.tick)
    rng, report = np.random.default_rng(3), Report()
    try:
        sides = Sides(problem, order, rng, report, quiet, last=True)
        x = np.asarray(sides.variables[i].tensor.numpy(), np.float64)
        return OneTensor(sides, i, Elements(x) if x.size <= MOST else Directions(x, 6, rng))
    except GradientMismatch:
        return None
    except Exception:  # the function does not accept this point or shape
        return None
    finally:
        case.sides.report.evaluations += report.evaluations
