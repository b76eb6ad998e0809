"""Other points than the one that has passed: other scales and seeds, zeros, other batches, float32.

A check covers only the branches that its point takes. A backward that is wrong beyond 3, at 0, or in row 33 is right at
fifteen normal numbers. Each of these points takes milliseconds: large tensors are checked along two directions.

Imports: gradcheck, nn. Read next: ``gradcheck.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minigen.algorithms.user_code import UserCodeError, comes_from_user
from minigen.autograd import Tensor
from minigen.cli.inputs import Inputs, TargetRunner, example_inputs_of, on_device
from minigen.cli.target import Target
from minigen.gradcheck import GradientMismatch, Report, gradcheck

SCALES = (1e-3, 0.1, 10.0, 100.0)
BATCHES = (1, 37, 131)
LARGEST = 40_000  # elements of all inputs together
QUICK = {"draws": 2, "directions": 2, "max_elements": 100}
THOROUGH = {"draws": 2, "directions": 6, "max_elements": 5_000}  # where QUICK has found a difference
SIGNIFICANT = 1e-5  # of the largest number of a gradient; smaller differences may be rounding at such points


@dataclass(frozen=True)
class Point:
    """Inputs of another kind, in words, and the dtype to check them in."""

    description: str
    values: tuple[Any, ...]
    dtype: str = "float64"


def check_other_points(
    target: Target, inputs: Inputs, runner: TargetRunner, options: Mapping[str, Any]
) -> tuple[Report, str] | int:
    """The report of the first point at which the gradient is WRONG and its description; else how many were checked.

    Points at which the function is not defined, has a kink or is too imprecise are skipped.
    """
    count = 0
    for point in _points(target, inputs, runner):
        with np.errstate(all="ignore"):  # numbers beyond float32 are not finite, and skipped
            report = _report(target, point, runner, options, QUICK)
            count += report is not None
            if report is None or not _is_wrong(report, point, options):
                continue
            # Directions through numbers of very different sizes are less reliable than single elements.
            closer = _report(target, point, runner, options, THOROUGH)
        if closer is not None and _is_wrong(closer, point, options):
            return closer, point.description
    return count


def _report(
    target: Target, point: Point, runner: TargetRunner, options: Mapping[str, Any], effort: Mapping[str, int]
) -> Report | None:
    """The report at a point; None where the function cannot be checked. UserCodeError if backward raises there."""
    there = replace(runner, dtype=point.dtype)
    try:
        if not there.forward(point.values, ""):
            return None
    except Exception:  # it does not take such inputs
        return None
    all_options = {**options, **effort, "dtype": point.dtype, "self_test": False, "allow_zero": True}
    try:
        return gradcheck(target.call, *point.values, **all_options, raise_on_failure=False)
    except Exception as error:
        known = isinstance(error, (TypeError, ValueError)) and str(error).startswith("gradcheck: ")
        near = any("moved point" in note for note in getattr(error, "__notes__", []))
        if known or near or not comes_from_user(error.__traceback__):
            return None
        doing = f"backward of {target.name}, with {point.description},"
        raise UserCodeError(doing, error, in_backward=True) from error


def _is_wrong(report: Report, point: Point, options: Mapping[str, Any]) -> bool:
    failure = report.failure
    if failure is None or failure.verdict != "WRONG" or not _is_significant(failure):
        return False
    # A function that always computes in float64 has no wrong gradient.
    return point.dtype == options["dtype"] or not any(e.kind == "dtype" for e in failure.explanations)


def _is_significant(failure: GradientMismatch) -> bool:
    """Is it more than rounding may leave of a small number beside large ones, as in saturated units?"""
    if failure.numeric_map is None or failure.analytic_map is None or not np.isfinite(failure.analytic):
        return True
    largest = max(np.abs(failure.numeric_map).max(initial=0.0), np.abs(failure.analytic_map).max(initial=0.0))
    return bool(abs(failure.analytic - failure.numeric) > SIGNIFICANT * largest)


def _points(target: Target, inputs: Inputs, runner: TargetRunner) -> Iterator[Point]:
    if inputs.specs:
        yield from _redrawn(inputs, runner)
    elif inputs.values:
        for seed in range(runner.seed + 1, runner.seed + 4):
            again = example_inputs_of(target, seed)
            if again is not None:
                yield Point(f"its example_inputs for seed {seed}", tuple(on_device(x, runner.device) for x in again))
        yield from _batches_of(inputs.values, runner)
    if inputs.values and runner.dtype == "float64":
        yield Point("the same inputs in float32", inputs.values, "float32")


def _redrawn(inputs: Inputs, runner: TargetRunner) -> Iterator[Point]:
    """Other numbers of the same shapes, and of other lengths of the batch."""
    specs, other = inputs.specs, replace(runner, seed=runner.seed + 1)
    values = other.numbers(specs)
    yield Point(f"other numbers (seed {other.seed})", values, runner.dtype)
    if not all(one.user_range for one in specs):  # a range that was asked for is kept
        for scale in SCALES:
            scaled = tuple(x if one.user_range else x * scale for x, one in zip(values, specs, strict=True))
            yield Point(f"numbers {scale:g} times as large (seed {other.seed})", scaled, runner.dtype)
        rng = np.random.default_rng(runner.seed)
        kept = [np.asarray(rng.random(one.shape) < 0.7) for one in specs]
        zeros = tuple(x if one.user_range else on_device(_array(x) * mask, runner.device)
                      for x, one, mask in zip(values, specs, kept, strict=True))  # fmt: skip
        yield Point("inputs of which some numbers are 0", zeros, runner.dtype)
    first = specs[0].shape[:1]
    for n in BATCHES:
        longer = [replace(one, shape=(n, *one.shape[1:])) if one.shape[:1] == first else one for one in specs]
        if first and first != (n,) and sum(int(np.prod(one.shape)) for one in longer) <= LARGEST:
            yield Point(f"a batch of {n}", other.numbers(longer), runner.dtype)


def _batches_of(values: tuple[Any, ...], runner: TargetRunner) -> Iterator[Point]:
    """One sample of the example inputs, and batches of several lengths drawn from them."""
    arrays = [_array(x) for x in values if hasattr(x, "shape") and x.ndim]
    length = arrays[0].shape[0] if arrays else 0
    rng = np.random.default_rng(runner.seed)
    for n in BATCHES:
        if length in (0, n) or sum(x.size for x in arrays) // length * n > LARGEST:
            continue
        chosen = rng.integers(0, length, n)
        longer = tuple(
            on_device(_array(x)[chosen], runner.device) if hasattr(x, "shape") and x.shape[:1] == (length,) else x
            for x in values
        )
        yield Point(f"a batch of {n}", longer, runner.dtype)


def _array(x: Any) -> Any:
    return x.numpy() if isinstance(x, Tensor) else x
