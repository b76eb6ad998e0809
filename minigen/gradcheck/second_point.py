"""The same check at a second point, where the first one may hide a mistake.

A new layer has gains of exactly 1 and biases of exactly 0, which hide a backward that forgets them. And a backward that
keeps what it computed in its first call is right as long as the numbers stay the same.

Imports: the files beside it. Read next: ``graph.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from minigen.gradcheck.checked_function import CheckedFunction, Variable
from minigen.gradcheck.directions import Coordinates, RandomDirections
from minigen.gradcheck.failure import worst_failure
from minigen.gradcheck.linearization import Linearization
from minigen.gradcheck.report import Explanation, GradientMismatch
from minigen.gradcheck.tensor_check import TensorCheck
from minigen_kernels import Array

MOST = 400  # elements that are compared one by one, where the first direction was wrong


def check_second_point(function: CheckedFunction, lin: Linearization) -> GradientMismatch | None:
    """A failure at a point nearby, if there is one."""
    variables = function.variables
    constant = {i: _perturbed(v, lin.rng) for i, v in enumerate(variables) if _is_constant(v)}
    if constant:
        failure = _failure_at(function, lin, constant)
        if failure is not None:
            names = ", ".join(variables[i].name for i in constant)
            text = f"Right where all numbers of {names} are alike, as in a new layer; wrong where they are not."
            failure.explanations.insert(0, Explanation("initial-values", text))
            return failure
    moved = {i: v.numbers() * (1 + 1e-2 * lin.rng.uniform(-1, 1, v.tensor.shape)) for i, v in enumerate(variables)}
    with function.at(moved):
        gradients = lin.vjp(function.evaluate(True), False)
    stuck = any(a.any() and np.array_equal(a, b) for a, b in zip(lin.gradients, gradients, strict=True))
    failure = _failure_at(function, lin, moved) if stuck else None  # for a linear function it is right to be the same
    if failure is not None:
        text = "At a second point the gradient is to the last bit that of the first, and no longer right"
        question = "does backward keep what it computed in its first call?"
        failure.explanations.insert(0, Explanation("state", f"{text}: {question}"))
    return failure


def _is_constant(v: Variable) -> bool:
    """Is it a parameter whose elements are all equal?"""
    x = v.tensor.numpy()
    return v.name.startswith("parameter") and x.size > 0 and bool((x == x.flat[0]).all())


def _perturbed(v: Variable, rng: np.random.Generator) -> Array:
    """A parameter a little away from its initial values, each element by its own amount."""
    x = v.numbers()
    return np.asarray(x * (1 + 0.2 * rng.uniform(-1, 1, x.shape)) + 0.05 * rng.uniform(-1, 1, x.shape))


def _failure_at(function: CheckedFunction, lin: Linearization, point: Mapping[int, Array]) -> GradientMismatch | None:
    """What is WRONG at a point: one direction through each variable shows whether, its elements then show where."""
    settings = replace(lin.settings, atol=float(lin.atol.max(initial=0.0)), draws=2, self_test=False)
    report = replace(lin.report, rows=[], mutations=[], evaluations=0)
    with function.at(point):
        try:
            there = Linearization(function, 1, np.random.default_rng(lin.report.seed), report, settings)
        except ValueError:  # the function is not defined there
            return None
        points = [v.numbers() for v in function.variables]
        suspects = [TensorCheck(there, i, RandomDirections(x, 1, there.rng)) for i, x in enumerate(points) if x.size]
        wrong = [check for check in suspects if check.verdict == "WRONG"]
        closer = [_elementwise(check) for check in wrong]
        failure = worst_failure([check for check in closer if check.verdict == "WRONG"] or wrong)
    lin.report.evaluations += report.evaluations
    if failure is not None:
        failure.report = lin.report
    return failure


def _elementwise(check: TensorCheck) -> TensorCheck:
    """The same tensor, element by element if there are not too many."""
    return check if check.x.size > MOST else TensorCheck(check.lin, check.i, Coordinates(check.x))
