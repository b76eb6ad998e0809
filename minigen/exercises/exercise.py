"""What an exercise is, and what its check says: `Exercise`, `Mistake`, `same`.

A check takes the reader's file as a module, calls what the reader wrote, and raises `Mistake` where it is wrong.

Imports: autograd. Read next: ``chapters.py``.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigen.autograd import Tensor
from minigen_kernels import Array


class Mistake(Exception):  # noqa: N818 - it says what happened
    """An answer is wrong: what came, what was wanted, and a hint."""


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    `number`: "7.1". `start`: Python code that the reader fills in, with `...` where the answer goes; the functions and
    classes that it defines have to be in the reader's file. `check` gets that file as a module; it raises `Mistake`, or
    lets `mg.GradientMismatch` through. `task`: the text of the section of that number in the chapter.
    """

    number: str
    title: str
    start: str
    check: Callable[[Any], None]
    task: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """What the reader has to define."""
        kinds = (ast.FunctionDef, ast.ClassDef)
        return tuple(node.name for node in ast.parse(self.start).body if isinstance(node, kinds))


def same(got: Any, wanted: Any, what: str = "the result", *, rtol: float = 1e-6, atol: float = 1e-9) -> None:
    """Raise `Mistake` unless `got` is an array, Tensor or number of the shape and the numbers of `wanted`.

    `what` names it in the message: "pool(x)". The message says where it differs first and by how much, and whether the
    difference is a sign, a factor or a transpose.
    """
    if got is None:
        raise Mistake(f"{what} is None: is a `return` missing?")
    if got is ... or isinstance(got, (str, bytes)):
        raise Mistake(f"{what} is {got!r}, wanted numbers")
    try:
        a, b = _numbers(got), _numbers(wanted)
    except (TypeError, ValueError):
        raise Mistake(f"{what} is of type {type(got).__name__}, wanted an array, a Tensor or a number") from None
    if a.shape != b.shape:
        raise Mistake(f"{what} has shape {a.shape}, wanted {b.shape}{_transposed(a, b, rtol, atol)}")
    wrong = ~np.isclose(a, b, rtol, atol, equal_nan=True)
    if not wrong.any():
        return
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    at = f" at {list(place)}" if place else ""
    count = f"; {wrong.sum()} of {a.size} numbers differ" if a.size > 1 else ""
    raise Mistake(f"{what} is {a[place]:.6g}{at}, wanted {b[place]:.6g}{count}{_pattern(a, b, rtol, atol)}")


def _numbers(x: Any) -> Array:
    return np.asarray(x.numpy() if isinstance(x, Tensor) else x, dtype=np.float64)


def _transposed(a: Array, b: Array, rtol: float, atol: float) -> str:
    turned = a.ndim > 1 and a.T.shape == b.shape and np.allclose(a.T, b, rtol, atol)
    return ": it is the transpose of what is wanted" if turned else ""


def _pattern(a: Array, b: Array, rtol: float, atol: float) -> str:
    """What all differences have in common, if anything."""
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return ""
    if np.allclose(a, -b, rtol, atol):
        return ": its sign is turned"
    if transposed := _transposed(a, b, rtol, atol):
        return transposed
    factor = float((a * b).sum() / max(float((b * b).sum()), 1e-300))  # the best one, by least squares
    if a.size > 1 and factor and np.allclose(a, factor * b, rtol, atol):
        return f": it is {factor:.4g} times what is wanted, everywhere"
    return ""
