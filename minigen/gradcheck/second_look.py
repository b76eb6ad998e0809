"""The same check at a second point, where the first one may have hidden something.

A new layer begins with gains of exactly 1 and biases of exactly 0, which hide a backward that forgets them. And a
backward that keeps what it computed in its first call is right for as long as nobody comes with other numbers.

Imports: the files beside it. Read next: ``shared.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from minigen.device import to_device
from minigen.gradcheck.failure import worst
from minigen.gradcheck.one_tensor import OneTensor
from minigen.gradcheck.probes import Directions, Elements
from minigen.gradcheck.problem import Problem, Variable
from minigen.gradcheck.report import Explanation, GradientMismatch, Report
from minigen.gradcheck.sides import Settings, Sides
from minigen_kernels import Array

MOST = 400  # elements that are compared one by one, where the first direction was wrong


def second_look(problem: Problem, sides: Sides) -> GradientMismatch | None:
    """A failure at a point close by, if there is one."""
    variables = problem.variables
    constant = {i: _unlike(v, sides.rng) for i, v in enumerate(variables) if _is_constant(v)}
    if constant:
        failure = _failure_at(problem, sides, constant)
        if failure is not None:
            names = ", ".join(variables[i].name for i in constant)
            text = f"Right where all numbers of {names} are alike, as in a new layer; wrong where they are not."
            failure.explanations.insert(0, Explanation("initial-values", text))
            return failure
    moved = {i: _numbers(v) * (1 + 1e-2 * sides.rng.uniform(-1, 1, v.tensor.shape)) for i, v in enumerate(variables)}
    with _at(problem, moved):
        gradients = sides.pull_back(problem.evaluate(True), False)
    stuck = any(a.any() and np.array_equal(a, b) for a, b in zip(sides.gradients, gradients, strict=True))
    failure = _failure_at(problem, sides, moved) if stuck else None  # a linear function is right, of course
    if failure is not None:
        text = "At a second point the gradient is to the last bit that of the first, and no longer right"
        question = "does backward keep what it computed in its first call?"
        failure.explanations.insert(0, Explanation("state", f"{text}: {question}"))
    return failure


def _numbers(v: Variable) -> Array:
    return np.asarray(v.tensor.numpy(), np.float64)


def _is_constant(v: Variable) -> bool:
    """Is it a parameter whose numbers are all alike?"""
    x = v.tensor.numpy()
    return v.name.startswith("parameter") and x.size > 0 and bool((x == x.flat[0]).all())


def _unlike(v: Variable, rng: np.random.Generator) -> Array:
    """A parameter a little off where it began, each number by its own amount."""
    x = _numbers(v)
    return np.asarray(x * (1 + 0.2 * rng.uniform(-1, 1, x.shape)) + 0.05 * rng.uniform(-1, 1, x.shape))


@contextmanager
def _at(problem: Problem, point: dict[int, Array]) -> Iterator[None]:
    """Inside, the variables (by number) have these values."""
    tensors = [problem.variables[i].tensor for i in point]
    before = [t.data for t in tensors]
    try:
        for t, x in zip(tensors, point.values(), strict=True):
            t.data = to_device(x.astype(t.dtype), t.device)
        yield
    finally:
        for t, data in zip(tensors, before, strict=True):
            t.data = data


def _failure_at(problem: Problem, sides: Sides, point: dict[int, Array]) -> GradientMismatch | None:
    """What is WRONG at a point: one direction through each variable tells, and then its elements where."""
    old = sides.settings
    settings = Settings(old.rtol, float(sides.atol.max(initial=0.0)), 2, old.dtype, tick=old.tick)
    report = Report(sides.report.target, sides.report.order, sides.report.seed, old.dtype, sides.report.device)
    with _at(problem, point):
        try:
            there = Sides(problem, 1, np.random.default_rng(sides.report.seed), report, settings, last=True)
        except ValueError:  # the function is not defined there
            return None
        points = [_numbers(v) for v in problem.variables]
        suspects = [OneTensor(there, i, Directions(x, 1, there.rng)) for i, x in enumerate(points) if x.size]
        wrong = [one for one in suspects if one.verdict == "WRONG"]
        closer = [_closer(one) for one in wrong]
        failure = worst([one for one in closer if one.verdict == "WRONG"] or wrong)
    sides.report.evaluations += report.evaluations
    if failure is not None:
        failure.report = sides.report
    return failure


def _closer(one: OneTensor) -> OneTensor:
    """The same tensor, element by element if there are not too many."""
    return one if one.x.size > MOST else OneTensor(one.sides, one.i, Elements(one.x))
