"""The exercises of docs/guide/01_derivatives.md: a derivative by hand, the best step, a kink.

Imports: exercise, minigen. Read next: ``docs/guide/01_derivatives.md``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import minigen as mg
from minigen.exercises.exercise import Exercise, Mistake, same
from minigen_kernels import Array

TITLE = "A derivative by hand, and numerically"


def check_derivative(answers: Any) -> None:
    """1.1: `derivative(x)` is that of x / (1 + exp(-x)), by `mg.gradcheck`."""
    same(answers.derivative(np.array([0.0])), [0.5], "derivative(np.array([0.0]))")

    class Silu(mg.FusedFunction):
        def forward(self, x: Array) -> Array:
            return x / (1 + np.exp(-x))

        def backward_arrays(self, gy: Array, y: Array) -> Array:
            (x,) = self.inputs
            return gy * np.asarray(answers.derivative(x.data.copy()))

    mg.gradcheck(Silu.apply, np.array([-3.0, -0.4, 0.7, 2.5]))


def check_best_step(answers: Any) -> None:
    """1.2: the formula for the second derivative, and the step at which its error is smallest."""
    cases: tuple[tuple[str, Callable[[float], float], float, float], ...] = (
        ("exp", math.exp, 0.5, 0.25), ("sin", math.sin, 1.0, 0.5), ("t**4", lambda t: t**4, 2.0, 0.125),
    )  # fmt: skip
    for name, f, x, h in cases:
        wanted = (f(x + h) - 2 * f(x) + f(x - h)) / h**2
        same(answers.second(f, x, h), wanted, f"second({name}, {x}, {h})", rtol=1e-9)
    u = 2.0**-53
    for size, fourth in ((1.0, 1.0), (3.0, 48.0), (100.0, 0.25)):
        what = f"best_step({size}, {fourth})"
        got, wanted = answers.best_step(size, fourth), (48 * u * size / fourth) ** 0.25
        if isinstance(got, (int, float)) and got > 0 and not math.isclose(got, wanted, rel_tol=1e-6):
            errors = [fourth * h**2 / 12 + 4 * u * size / h**2 for h in (got, wanted)]
            raise Mistake(
                f"{what} is {got:.4g}, where the two errors add up to {errors[0]:.3g}; there is a step with "
                f"{errors[1]:.3g}. With the step h they are fourth h^2 / 12 and 4 u size / h^2"
            )
        same(got, wanted, what)


def check_kink(answers: Any) -> None:
    """1.3: `has_kink(f, x)` tells a kink from a bend, however sharp, and however small the kink."""
    cases = (
        ("max(x, 0)", lambda x: max(x, 0.0), 0.0, True),
        ("max(x, 0), where only rounding makes the slopes differ", lambda x: max(x, 0.0), 1.0, False),
        ("x^2", lambda x: x * x, 0.0, False),
        ("1000 x^2, which bends sharply", lambda x: 1000 * x * x, 0.0, False),
        ("exp(x)", math.exp, 1.0, False),
        ("sin(x) + 0.01 |x - 2|, a small kink", lambda x: math.sin(x) + 0.01 * abs(x - 2), 2.0, True),
        ("1000 x^2 + |x|, a kink on a bend", lambda x: 1000 * x * x + abs(x), 0.0, True),
        ("5", lambda x: 5.0, 0.0, False),
    )
    for name, f, x, wanted in cases:
        got = answers.has_kink(f, x)
        if got is None:
            raise Mistake("has_kink(f, x) is None: is a `return` missing?")
        if bool(got) != wanted:
            raise Mistake(f"has_kink(f, {x:g}) is {bool(got)} for f(x) = {name}; wanted {wanted}")


EXERCISES = (
    Exercise(
        "1.1",
        "By hand",
        start='''import numpy as np


def derivative(x):
    """f'(x) for f(x) = x / (1 + exp(-x)); x is an array, and so is the result."""
    ...
''',
        check=check_derivative,
        task=r"""
Find by hand the derivative of $f(x) = x\sigma(x)$, where $\sigma(x) = 1 / (1 + e^{-x})$ (a common
activation, called SiLU or swish). Write it as `derivative(x)` for an array `x`. The check is `mg.gradcheck`.
""",
    ),
    Exercise(
        "1.2",
        "The best step for a second derivative",
        start='''def second(f, x, h):
    """The second derivative of f at x, from f(x + h), f(x) and f(x - h)."""
    ...


def best_step(size, fourth):
    """The h with the smallest error, where |f| is size and the fourth derivative is fourth, in float64."""
    ...
''',
        check=check_best_step,
        task=r"""
Add the Taylor series of $f(x+h)$ and $f(x-h)$, both up to $h^4$, and solve for $f''(x)$: that is the formula
`second(f, x, h)`. Read off the first term that is left over: the truncation error. For the rounding error take
that each of $f(x+h)$, $f(x)$, $f(x-h)$ is off by up to $u|f|$, all in the worst direction; doubling a number adds no
error. Then minimise the sum: `best_step(size, fourth)` with $|f|$ = `size`, $|f^{(4)}|$ = `fourth` and $u = 2^{-53}$.
""",
    ),
    Exercise(
        "1.3",
        "Find the kink",
        start='''def has_kink(f, x):
    """True if the slopes of f on the left and on the right of x differ, however little h is."""
    ...
''',
        check=check_kink,
        task=r"""
Write `has_kink(f, x)`: does the number function `f` have different slopes on the left and on the right of `x`? The
difference of the two one-sided slopes at one step is not enough: a sharp bend has one, too. Look at how it changes
when the step becomes smaller.
""",
    ),
)
