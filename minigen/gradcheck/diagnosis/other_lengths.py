"""The same check at other lengths: what is the same number there is no length, and what follows one length is that one.

With a batch of 2 and features of 4, a factor of 2 may be the batch, the root of the features, or a plain 2. At lengths
that are different primes only one of them is left.

Imports: the files of the checker. Read next: ``factor.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minigen.autograd import Tensor
from minigen.device import to_device
from minigen.gradcheck.diagnosis.case import Case
from minigen.gradcheck.one_tensor import OneTensor
from minigen.gradcheck.probes import Directions
from minigen.gradcheck.problem import Given, array_of
from minigen.gradcheck.report import GradientMismatch, Report
from minigen.gradcheck.sides import Settings, Sides
from minigen_kernels import Array

Shape = tuple[int, ...]
PRIMES = (3, 5, 7, 11, 13, 17, 19, 23)
LARGEST = 50_000  # elements of an input


def at_other_lengths(case: Case, look: Callable[[Case], bool]) -> bool:
    """Show `look` the check where the lengths are primes; False if the function takes no other lengths than its own.

    The more of the lengths differ the better; `look` says whether it can use what it sees.
    """
    given = case.sides.problem
    if not isinstance(given, Given):
        return False
    arrays = [array_of(x) for x in given.inputs]
    rng = np.random.default_rng(4)
    for shapes in _plans([None if a is None else a.shape for a in arrays]):
        inputs = [
            x if a is None or s is None else _resampled(x, a, s, rng) for x, a, s in zip(given.inputs, arrays, shapes)
        ]
        wrt = [i for i, x in enumerate(given.inputs) if isinstance(x, Tensor) and x.requires_grad]
        other = given.again(inputs, wrt, given.dtype)
        try:
            there = _case(case, other)
            if there is not None and look(there):
                return True
        finally:
            other.release()
    return False


def _plans(shapes: Sequence[Shape | None]) -> Iterator[list[Shape | None]]:
    """Other shapes: all lengths different; or alike where place and length are alike; or the first axis alone."""
    names: tuple[Callable[[int, int, Shape], object], ...] = (
        lambda i, axis, shape: (i, axis),
        lambda i, axis, shape: (axis, shape[axis]),
        lambda i, axis, shape: (axis - len(shape), shape[axis]),
        lambda i, axis, shape: shape[axis],
        lambda i, axis, shape: shape[axis] if axis == 0 else None,
    )
    seen: list[list[Shape | None]] = [list(shapes)]
    for name in names:
        primes: dict[object, int] = {None: 0}
        plan: list[Shape | None] = []
        for i, shape in enumerate(shapes):
            if shape is None:
                plan.append(None)
                continue
            lengths = []
            for axis, n in enumerate(shape):
                key = name(i, axis, shape) if n > 1 else None  # what is broadcast stays so
                if key not in primes and len(primes) <= len(PRIMES):
                    primes[key] = PRIMES[len(primes) - 1]
                lengths.append(primes.get(key, 0) or n)
            plan.append(tuple(lengths))
        if plan not in seen and all(s is None or np.prod(s) <= LARGEST for s in plan):
            seen.append(plan)
            yield plan


def _resampled(x: Any, a: Array, shape: Shape, rng: np.random.Generator) -> Any:
    """Numbers of `a` in another shape: where those make sense, these do."""
    numbers = np.asarray(x.numpy() if isinstance(x, Tensor) else a).ravel()
    if not numbers.size:
        return x
    drawn = to_device(rng.choice(numbers, shape).astype(numbers.dtype), x.device if isinstance(x, Tensor) else "cpu")
    return Tensor(drawn) if isinstance(x, Tensor) else drawn


def _case(case: Case, problem: Given) -> Case | None:
    """The check of the same tensor there; None if it cannot be made, or finds nothing wrong."""
    settings, rng, report = case.sides.settings, np.random.default_rng(5), Report()
    quiet = Settings(settings.rtol, settings.atol, settings.draws, settings.dtype, tick=settings.tick)
    try:
        sides = Sides(problem, 1, rng, report, quiet, last=True)
        i = next(j for j, v in enumerate(sides.variables) if v.name == case.name)
        x = np.asarray(sides.variables[i].tensor.numpy(), np.float64)
        one = OneTensor(sides, i, Directions(x, 6, rng))
        return Case(one, [one]) if one.verdict == "WRONG" else None
    except GradientMismatch:
        return None
    except Exception:  # whatever the function says to such shapes
        return None
    finally:
        case.sides.report.evaluations += report.evaluations
