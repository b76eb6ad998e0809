"""What a Function costs that calls no kernel: NumPy (or CuPy) does its work. The same counts as in ``costs.py``.

Imports: costs, autograd. Read next: ``watch.py``.
"""

from __future__ import annotations

from typing import Any

from minigen.anatomy.costs import least_bytes
from minigen.autograd import Function
from minigen_kernels import Array

#: FLOPs for each number of the result. A Function that is not here (one of the user's) counts as unknown.
FOR_RESULT = {
    **dict.fromkeys(
        ("Identity", "SecondResult", "GetItem", "To", "Reshape", "Transpose", "Concat", "BroadcastTo", "Permute", "Pad",
         "Embedding", "ScatterAdd", "Maximum", "Minimum", "Where", "Clip", "Max", "Min", "Neg", "Abs"), 0),
    **dict.fromkeys(
        ("Add", "Sub", "Mul", "Div", "FloorDiv", "Remainder", "Power", "Exp", "Log", "Sqrt", "Expm1", "Log1p", "Sin",
         "Cos", "Tanh", "ClampedLog"), 1),
    "Elu": 2, "LogAddExp": 4, "ClampedLog1m": 1,
}  # fmt: skip
#: FLOPs for each number of the argument.
FOR_ARGUMENT = {"CumSum": 1, "Norm": 2, "LogSumExp": 3}
PRODUCT = "MatMul"


def function_cost(function: Function, arrays: list[Any], result: Array) -> tuple[int | None, int]:
    """FLOPs (None: unknown) and bytes of `forward`. A view of an argument costs nothing."""
    given = [x for x in arrays if hasattr(x, "strides")]
    if any(_is_view(result, x) for x in given):
        return 0, 0
    name = _name(function)
    written = least_bytes(result)
    if name in ("GetItem", "Embedding"):  # what is taken is read, and no more
        return 0, 2 * written
    moved = written + sum(map(least_bytes, given))
    if name == PRODUCT:
        return 2 * int(result.size) * int(given[0].shape[-1]), moved
    if name in FOR_ARGUMENT:
        return FOR_ARGUMENT[name] * int(given[0].size), moved
    return (FOR_RESULT[name] * int(result.size) if name in FOR_RESULT else None), moved


def gradient_cost(function: Function, gy: Array, gradients: list[Array]) -> tuple[int | None, int]:
    """The same of the gradient of a `FusedFunction` in arrays, without a kernel."""
    inputs = [x.data for x in function.inputs if hasattr(x, "data")]
    if all(_is_view(g, gy) for g in gradients):
        return 0, 0
    moved = sum(map(least_bytes, [gy, *inputs, *gradients]))
    if _name(function) != PRODUCT:
        return None, moved
    return 2 * int(gy.size) * int(inputs[0].shape[-1]) * len(gradients), moved


def _name(function: Function) -> str:
    """The name under which the tables have it: those of minigen's alone."""
    return type(function).__name__ if type(function).__module__.partition(".")[0] == "minigen" else ""


def _is_view(y: Any, x: Any) -> bool:
    base = getattr(y, "base", None)
    return y is x or (base is not None and (base is x or base is getattr(x, "base", None)))
