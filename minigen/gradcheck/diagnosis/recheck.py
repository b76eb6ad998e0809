"""The check of a failed tensor, repeated: at another point, with a batch of one, with axes of other lengths.

With a batch of 2 and 4 features, a factor of 2 may be the batch size, the root of the number of features, or a plain 2.
With lengths that are different primes only one of them fits.

Imports: the files of the checker. Read next: ``location.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from minigen.autograd import Tensor
from minigen.device import to_device
from minigen.gradcheck.checked_function import CheckedFunction, GradientFunction, UserFunction, array_in, innermost
from minigen.gradcheck.diagnosis.failed_check import FailedCheck
from minigen.gradcheck.directions import Coordinates, RandomDirections
from minigen.gradcheck.linearization import Linearization
from minigen.gradcheck.report import Explanation, Report
from minigen.gradcheck.tensor_check import TensorCheck
from minigen_kernels import Array

Shape = tuple[int, ...]
MOST = 400  # elements that are compared one by one
SAMPLES = 6  # the largest batch of which every sample is tried
PRIMES = (3, 5, 7, 11, 13, 17, 19, 23)
LARGEST = 50_000  # elements of an input


def _recheck(failed: FailedCheck, function: CheckedFunction, seed: int, elementwise: int = MOST) -> TensorCheck | None:
    """The check of the tensor of that name for another function or point; None if it cannot be made.

    A tensor of at most `elementwise` elements is checked element by element.
    """
    settings, rng, report = replace(failed.lin.settings, self_test=False), np.random.default_rng(seed), Report()
    try:
        i = next(j for j, v in enumerate(function.variables) if v.name == failed.name)
        lin = Linearization(function, failed.lin.order, rng, report, settings)
        x = lin.variables[i].numbers()
        return TensorCheck(lin, i, Coordinates(x) if x.size <= elementwise else RandomDirections(x, 6, rng))
    except Exception:  # a GradientMismatch, or whatever the function raises at this point or shape
        return None
    finally:
        failed.lin.report.evaluations += report.evaluations


def recheck_at(failed: FailedCheck, x: Array) -> FailedCheck | None:
    """The check of the same tensor where its values are `x`; None if the function cannot be checked there."""
    with failed.lin.function.at({failed.check.i: x}):
        check = _recheck(failed, failed.lin.function, 3)
        if check is None:
            return None
        found = FailedCheck(check, [check if other is failed.check else other for other in failed.checks])
        found.outputs  # noqa: B018 - computed here, because they are cached
        return found


def single_sample(failed: FailedCheck) -> Iterator[Explanation]:
    """Each sample alone is right, and the whole batch is wrong."""
    function, _ = innermost(failed.lin.function)
    arrays = [array_in(x) for x in function.inputs]
    shapes = [a.shape for a in arrays if a is not None and a.ndim]
    n = shapes[0][0] if shapes else 0
    outputs = [y.shape for y in function.evaluate(False)]
    batched = len(shapes) > 0 and len(shapes[0]) > 1 and all(shape[:1] == (n,) for shape in outputs)
    if n < 2 or not batched:
        return
    samples = range(n) if n <= SAMPLES else (0, n // 2, n - 1)
    right = 0
    for sample in samples:
        verdict = _verdict_of_sample(failed, function, n, sample)
        if verdict not in ("OK", "VACUOUS"):
            return
        right += verdict == "OK"
    if right:
        yield Explanation("batch-size", f"Each sample alone is right, the batch of {n} is wrong: samples are mixed up, "
                          "or summed over, where each has a gradient of its own.")  # fmt: skip


def _verdict_of_sample(failed: FailedCheck, whole: UserFunction, n: int, sample: int) -> str:
    """The verdict with the inputs cut to one sample; "" if they cannot be."""
    cut: list[Any] = []
    for x in whole.inputs:
        a = array_in(x)
        has_batch = a is not None and a.ndim and a.shape[0] == n
        cut.append(x if a is None or not has_batch else _like(x, a[sample : sample + 1]))
    user_function = whole.with_inputs(cut, whole.dtype)
    try:
        function: CheckedFunction = user_function
        rng = np.random.default_rng(2)
        for order in range(1, failed.lin.order):
            lin = Linearization(function, order, rng, Report(), failed.lin.settings, last=False)
            function = GradientFunction(function, lin.cotangents[-1])
        check = _recheck(failed, function, 3)
        return "" if check is None else check.verdict
    except Exception:  # whatever the function raises for a single sample
        return ""
    finally:
        user_function.release()


def _like(x: Any, a: Array) -> Any:
    return Tensor(a) if isinstance(x, Tensor) else a


def recheck_with_lengths(failed: FailedCheck, use: Callable[[FailedCheck], bool]) -> bool:
    """Call `use` with the check where the axes have prime lengths, until it returns True.

    Tried are first the shapes in which most lengths differ. False if the function takes no lengths other than its own.
    """
    function = failed.lin.function
    if not isinstance(function, UserFunction):
        return False
    arrays = [array_in(x) for x in function.inputs]
    rng = np.random.default_rng(4)
    for shapes in _prime_shapes([None if a is None else a.shape for a in arrays]):
        inputs = [
            x if a is None or s is None else _resampled(x, a, s, rng)
            for x, a, s in zip(function.inputs, arrays, shapes, strict=True)
        ]
        other = function.with_inputs(inputs, function.dtype)
        try:
            check = _recheck(failed, other, 5, elementwise=0)
            if check is not None and check.verdict == "WRONG" and use(FailedCheck(check, [check])):
                return True
        finally:
            other.release()
    return False


def _prime_shapes(shapes: Sequence[Shape | None]) -> Iterator[list[Shape | None]]:
    """Other shapes. All lengths differ; or they are equal where axis and length are; or only the first axis changes."""
    keys: tuple[Callable[[int, int, Shape], object], ...] = (  # axes with the same key get the same length
        lambda i, axis, shape: (i, axis),
        lambda i, axis, shape: (axis, shape[axis]),
        lambda i, axis, shape: (axis - len(shape), shape[axis]),
        lambda i, axis, shape: shape[axis],
        lambda i, axis, shape: shape[axis] if axis == 0 else None,
    )
    seen: list[list[Shape | None]] = [list(shapes)]
    for key_of in keys:
        primes: dict[object, int] = {None: 0}
        plan: list[Shape | None] = []
        for i, shape in enumerate(shapes):
            if shape is None:
                plan.append(None)
                continue
            lengths = []
            for axis, n in enumerate(shape):
                key = key_of(i, axis, shape) if n > 1 else None  # what is broadcast stays so
                if key not in primes and len(primes) <= len(PRIMES):
                    primes[key] = PRIMES[len(primes) - 1]
                lengths.append(primes.get(key, 0) or n)
            plan.append(tuple(lengths))
        if plan not in seen and all(s is None or np.prod(s) <= LARGEST for s in plan):
            seen.append(plan)
            yield plan


def _resampled(x: Any, a: Array, shape: Shape, rng: np.random.Generator) -> Any:
    """An array of another shape with numbers drawn from `a`, for which the function is defined."""
    numbers = np.asarray(x.numpy() if isinstance(x, Tensor) else a).ravel()
    if not numbers.size:
        return x
    drawn = to_device(rng.choice(numbers, shape).astype(numbers.dtype), x.device if isinstance(x, Tensor) else "cpu")
    return _like(x, drawn)
