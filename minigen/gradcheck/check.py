"""`gradcheck`: the check of all orders, each tensor along all directions, and of the invariances.

Imports: autograd, and the files beside it. Read next: ``ops/elementwise.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from minigen.autograd import GradientError, Tensor, is_recording
from minigen.device import refuse_masked
from minigen.gradcheck import invariances
from minigen.gradcheck.checked_function import CheckedFunction, GradientFunction, SurrogateGradient, UserFunction
from minigen.gradcheck.diagnosis.contract import contract_violations
from minigen.gradcheck.directions import Coordinates, RandomDirections
from minigen.gradcheck.failure import vacuous_failure, worst_failure
from minigen.gradcheck.linearization import Linearization, Settings
from minigen.gradcheck.progress import Progress
from minigen.gradcheck.report import GradientMismatch, Report
from minigen.gradcheck.second_point import check_second_point
from minigen.gradcheck.state import ModuleLike
from minigen.gradcheck.tensor_check import TensorCheck
from minigen.shapes import flag, is_whole, one_number, several, shown, whole_number


def gradcheck(
    fn: Callable[..., Any],
    *inputs: Any,
    order: int = 1,
    wrt: Sequence[int] | None = None,
    seed: int = 0,
    rtol: float | None = None,
    atol: float | None = None,
    draws: int = 3,
    directions: int = 6,
    max_elements: int = 2000,
    allow_zero: bool = False,
    dtype: str = "float64",
    self_test: bool = False,
    derivative_of: Callable[..., Any] | None = None,
    raise_on_failure: bool = True,
) -> Report:
    """Check every derivative of `fn(*inputs)`, up to `order`, against central differences. Return a report, or raise.

    `fn` is a Module, a method of one, or a function that returns a Tensor or several. All floating Tensors and arrays
    among `inputs` are checked (only the positions in `wrt`, if given), and so is every trained parameter of `fn` and of
    Modules among `inputs`; all in copies of `dtype`, "float64" or "float32". Everything else is passed on unchanged. A
    Module's parameters, buffers, generators, attributes and `.grad` are the same at each evaluation and restored at the
    end, so batch norm and dropout can be checked in training mode. What lives on a GPU is checked there, and compared
    with the CPU.

    `order` 2 checks the gradient as a function of inputs, parameters and cotangent, 3 the gradient of that; lower
    orders are always checked first. `draws` random cotangents come from `seed`. Tensors are checked element by element,
    smallest first, while they have no more than `max_elements` in all; the larger ones along `directions` random
    directions. The tolerance is 10 times the estimated error of the numeric derivative, plus `rtol` of the number
    (1e-6, in float32 1e-3), plus the rounding error of a zero. Results are assumed to be rounded to their last bit;
    `atol` is their rounding error from intermediate results, measured unless it is given.

    With `derivative_of` the gradients of `fn` are compared with another function of the same inputs: a straight-through
    estimator rounds, and its gradient is meant to be that of the identity, ``derivative_of=lambda x: x``. A Module
    given there computes with those parameters of `fn` that have the same names.

    Errors are planted in each gradient that has passed, and have to be noticed (mutation testing); with `self_test` the
    report lists them.

    Raises `GradientMismatch`, or returns the report of it if `raise_on_failure` is False, for a derivative that is
    WRONG, a KINK, too little PRECISION to decide, or when all is zero and the check VACUOUS (unless `allow_zero`); and
    for anything else that a function to be differentiated must not do. TypeError and ValueError: for what cannot be
    checked at all.
    """
    wrt = None if wrt is None else several("gradcheck", wrt, "the numbers of inputs as wrt")
    _check_arguments(fn, inputs, wrt, order=order, draws=draws, directions=directions, max_elements=max_elements)
    rtol, atol = _tolerance("rtol", rtol), _tolerance("atol", atol)
    seed = whole_number("gradcheck", "seed", seed, 0)
    for name, on in (("allow_zero", allow_zero), ("self_test", self_test), ("raise_on_failure", raise_on_failure)):
        flag("gradcheck", name, on)
    if derivative_of is not None and not callable(derivative_of):
        raise TypeError(f"gradcheck: derivative_of is a function of the inputs, or a Module, got {derivative_of!r}")
    single = _check_dtype(dtype) == "float32"
    report = Report(_name_of(fn), order, seed, str(np.dtype(dtype)))
    progress = Progress(report.target)
    settings = Settings(rtol or (1e-3 if single else 1e-6), atol, draws, report.dtype, self_test, progress.tick)
    user_function = (
        UserFunction(fn, inputs, wrt, dtype)
        if derivative_of is None
        else SurrogateGradient(fn, derivative_of, inputs, wrt, dtype)
    )
    try:
        if not user_function.variables:
            raise ValueError("gradcheck: nothing to differentiate: no floating Tensor, array or parameter was given")
        rng, function = np.random.default_rng(seed), cast(CheckedFunction, user_function)
        report.device = user_function.variables[0].tensor.device
        with np.errstate(all="ignore"):  # NaN and Inf get a verdict, which says more than a warning
            for k in range(1, order + 1):
                progress.what = f"order {k}"
                lin = _linearize(function, k, rng, report, settings, last=k == order)
                if k == 1 and report.device != "cpu":
                    invariances.compare_devices(user_function, lin, "cpu")
                checks = _check_one_order(lin, directions, max_elements)
                failure = worst_failure(checks) or invariances.check_memory_layouts(lin, checks)
                failure = failure or invariances.check_linearity(lin, checks)
                if failure is None and k == 1:
                    failure = invariances.check_aliased_inputs(user_function, lin) or check_second_point(function, lin)
                if failure is None and k == 1 and not allow_zero and all(c.verdict == "VACUOUS" for c in checks):
                    failure = vacuous_failure(lin)
                if failure is not None:
                    raise failure
                function = GradientFunction(function, lin.cotangents[-1])
        return report
    except GradientMismatch as mismatch:
        report.failure = mismatch
        if raise_on_failure:
            raise
        return report
    except TypeError as error:
        if "promoted silently" in str(error):
            error.add_note(f"gradcheck computes in {report.dtype}: Tensors that fn brings along have to be so too")
        raise
    finally:
        user_function.release()
        progress.close()
        report.seconds = time.perf_counter() - progress.start


def _name_of(fn: Any) -> str:
    """The name of the function under check: that of a function, of a Function, or of a Module's class."""
    owner = getattr(fn, "__self__", None)
    if isinstance(owner, type):  # `MyFunction.apply`
        return owner.__name__
    return str(getattr(fn, "__name__", type(fn).__name__))


def _check_dtype(dtype: Any) -> str:
    try:
        name = str(np.dtype(dtype))
    except TypeError:
        name = ""
    if name not in ("float64", "float32"):
        raise ValueError(f"gradcheck: dtype is 'float64' or 'float32', got {dtype!r}")
    return name


def _check_arguments(fn: Any, inputs: Sequence[Any], wrt: Sequence[int] | None, **numbers: int) -> None:
    if not callable(fn) or any(isinstance(x, type) and isinstance(x, ModuleLike) for x in (fn, *inputs)):
        raise TypeError(f"gradcheck: fn is a function or a Module (an object, not its class), got {fn!r}")
    for name, least in (("order", 1), ("draws", 2), ("directions", 1), ("max_elements", 0)):
        whole_number("gradcheck", name, numbers[name], least)
    for i, x in enumerate(inputs):
        refuse_masked(f"gradcheck: input {i}", x)
        if isinstance(x, (list, tuple)) and any(isinstance(part, (Tensor, np.ndarray)) for part in x):
            raise TypeError(
                f"gradcheck: input {i} is a {type(x).__name__} of Tensors, which would go unchecked; "
                "pass them one by one, for example gradcheck(lambda a, b: ops.concat([a, b]), a, b)"
            )
    for i in wrt or ():
        if not is_whole(i):
            raise TypeError(f"gradcheck: wrt holds numbers of inputs, got {shown(i)}")
        dtype = getattr(inputs[i], "dtype", None) if 0 <= i < len(inputs) else None
        if getattr(dtype, "kind", "") != "f":
            raise ValueError(f"gradcheck: wrt names input {i}, which is no floating Tensor or array")
    if not is_recording():
        raise ValueError("gradcheck: called inside no_grad, where nothing can be differentiated")


def _tolerance(name: str, value: float | None) -> float | None:
    if value is None:
        return None
    number = float(one_number("gradcheck", name, value))
    if not number >= 0:
        raise ValueError(f"gradcheck: {name} is at least 0, got {value}")
    return number


def _linearize(
    function: CheckedFunction, order: int, rng: np.random.Generator, report: Report, settings: Settings, last: bool
) -> Linearization:
    """The function at its point. If the engine refuses a backward, that is a failure of the function, explained."""
    try:
        return Linearization(function, order, rng, report, settings, last)
    except GradientError as error:
        explanations = contract_violations(function, settings, error)
        if not explanations:  # the engine refuses something else than what backward returns, and has said what
            raise
        raise GradientMismatch(
            "WRONG",
            "what backward returns",
            None,
            order,
            numbers=(np.nan, np.nan, np.nan),
            text=f"The engine refuses it: {error}.",
            report=report,
            explanations=explanations,
        ) from error


def _check_one_order(lin: Linearization, directions: int, max_elements: int) -> list[TensorCheck]:
    """Check all variables, smallest first; add their rows to the report."""
    checks: dict[int, TensorCheck] = {}
    left = max_elements
    for i in sorted(range(len(lin.variables)), key=lambda i: lin.variables[i].tensor.size):
        x = lin.variables[i].numbers()
        left -= x.size
        checks[i] = TensorCheck(lin, i, Coordinates(x) if left >= 0 else RandomDirections(x, directions, lin.rng))
    in_order = [checks[i] for i in sorted(checks)]
    lin.report.rows += [check.row() for check in in_order]
    return in_order
