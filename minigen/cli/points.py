"""Other points than the one that has passed: other scales and seeds, zeros, other batches, float32.

A check sees the branch that its point takes. A backward that forgets what happens beyond 3, at 0, or in row 33 is right
at fifteen normal numbers. Each of these points costs milliseconds: large tensors are checked along two directions.

Imports: gradcheck, nn. Read next: ``gradcheck.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minigen.algorithms.user_code import UserCodeError, comes_from_user
from minigen.autograd import Tensor
from minigen.cli.inputs import Inputs, Trial, moved_to, offered_inputs
from minigen.cli.target import Target
from minigen.gradcheck import GradientMismatch, Report, gradcheck

SCALES = (1e-3, 0.1, 10.0, 100.0)
BATCHES = (1, 37, 131)
LARGEST = 40_000  # elements of all inputs together
FEW = {"draws": 2, "directions": 2, "max_elements": 100}
MANY = {"draws": 2, "directions": 6, "max_elements": 5_000}  # where a few directions have found something
CLEAR = 1e-5  # of the largest number of a gradient: less is no mistake, at a point that nobody has chosen


@dataclass(frozen=True)
class Point:
    """Inputs of another kind, in words, and the dtype to check them in."""

    words: str
    values: tuple[Any, ...]
    dtype: str = "float64"


def wrong_elsewhere(
    target: Target, inputs: Inputs, trial: Trial, options: Mapping[str, Any]
) -> tuple[Report, str] | int:
    """The report of the first point at which the gradient is WRONG and the point in words; else how many were tried.

    What is not defined at a point, has a kink there or is too rough to tell is passed over.
    """
    count = 0
    for point in _points(target, inputs, trial):
        with np.errstate(all="ignore"):  # numbers that float32 cannot hold are not finite, and passed over
            report = _report(target, point, trial, options, FEW)
            count += report is not None
            if report is None or not _is_wrong(report, point, options):
                continue
            # Directions through many numbers of unlike sizes may mislead; one by one they do not.
            closer = _report(target, point, trial, options, MANY)
        if closer is not None and _is_wrong(closer, point, options):
            return closer, point.words
    return count


def _report(
    target: Target, point: Point, trial: Trial, options: Mapping[str, Any], effort: Mapping[str, int]
) -> Report | None:
    """The report at a point; None where the function cannot be checked. UserCodeError if backward raises there."""
    there = replace(trial, dtype=point.dtype)
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
        doing = f"backward of {target.name}, with {point.words},"
        raise UserCodeError(doing, error, in_backward=True) from error


def _is_wrong(report: Report, point: Point, options: Mapping[str, Any]) -> bool:
    failure = report.failure
    if failure is None or failure.verdict != "WRONG" or not _is_clear(failure):
        return False
    # What is made for float64, and gives float64 in any case, is no wrong gradient.
    return point.dtype == options["dtype"] or not any(e.kind == "dtype" for e in failure.explanations)


def _is_clear(failure: GradientMismatch) -> bool:
    """Is it more than what rounding may leave of a small number beside large ones, as it does in saturated units?"""
    if failure.numeric_map is None or failure.analytic_map is None or not np.isfinite(failure.analytic):
        return True
    largest = max(np.abs(failure.numeric_map).max(initial=0.0), np.abs(failure.analytic_map).max(initial=0.0))
    return bool(abs(failure.analytic - failure.numeric) > CLEAR * largest)


def _points(target: Target, inputs: Inputs, trial: Trial) -> Iterator[Point]:
    if inputs.drawn:
        yield from _drawn(inputs, trial)
    elif inputs.values:
        for seed in range(trial.seed + 1, trial.seed + 4):
            again = offered_inputs(target, seed)
            if again is not None:
                yield Point(f"its example_inputs for seed {seed}", tuple(moved_to(x, trial.device) for x in again))
        yield from _batches_of(inputs.values, trial)
    if inputs.values and trial.dtype == "float64":
        yield Point("the same inputs in float32", inputs.values, "float32")


def _drawn(inputs: Inputs, trial: Trial) -> Iterator[Point]:
    """Other numbers of the same shapes, and of other lengths of the batch."""
    drawn, other = inputs.drawn, replace(trial, seed=trial.seed + 1)
    values = other.numbers(drawn)
    yield Point(f"other numbers (seed {other.seed})", values, trial.dtype)
    if not all(one.asked for one in drawn):  # a range that was asked for is kept
        for scale in SCALES:
            scaled = tuple(x if one.asked else x * scale for x, one in zip(values, drawn, strict=True))
            yield Point(f"numbers {scale:g} times as large (seed {other.seed})", scaled, trial.dtype)
        rng = np.random.default_rng(trial.seed)
        kept = [np.asarray(rng.random(one.shape) < 0.7) for one in drawn]
        zeros = tuple(x if one.asked else moved_to(_array(x) * mask, trial.device)
                      for x, one, mask in zip(values, drawn, kept, strict=True))  # fmt: skip
        yield Point("inputs of which some numbers are 0", zeros, trial.dtype)
    first = drawn[0].shape[:1]
    for n in BATCHES:
        longer = [replace(one, shape=(n, *one.shape[1:])) if one.shape[:1] == first else one for one in drawn]
        if first and first != (n,) and sum(int(np.prod(one.shape)) for one in longer) <= LARGEST:
            yield Point(f"a batch of {n}", other.numbers(longer), trial.dtype)


def _batches_of(values: tuple[Any, ...], trial: Trial) -> Iterator[Point]:
    """The samples that were offered, one alone, and repeated to a longer batch."""
    arrays = [_array(x) for x in values if hasattr(x, "shape") and x.ndim]
    length = arrays[0].shape[0] if arrays else 0
    rng = np.random.default_rng(trial.seed)
    for n in BATCHES:
        if length in (0, n) or sum(x.size for x in arrays) // length * n > LARGEST:
            continue
        chosen = rng.integers(0, length, n)
        longer = tuple(
            moved_to(_array(x)[chosen], trial.device) if hasattr(x, "shape") and x.shape[:1] == (length,) else x
            for x in values
        )
        yield Point(f"a batch of {n}", longer, trial.dtype)


def _array(x: Any) -> Any:
    return x.numpy() if isinstance(x, Tensor) else x
