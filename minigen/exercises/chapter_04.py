"""The exercises of docs/guide/04_broadcasting.md: the adjoints of a mean, of running sums, of sliding windows.

Imports: exercise. Read next: ``docs/guide/04_broadcasting.md``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from minigen.exercises.exercise import Exercise, Mistake, same
from minigen_kernels import Array

TITLE = "Broadcasting and its adjoint"


def check_mean(answers: Any) -> None:
    """4.1: axes in the middle, several, none kept and all, and square shapes, where a lost axis is no error."""
    cases: tuple[tuple[tuple[int, ...], Any, bool], ...] = (
        ((2, 3), 0, False), ((3, 3), 1, False), ((3, 3), 1, True), ((2, 3, 4), 1, False), ((2, 3, 4), (0, 2), False),
        ((2, 2, 2), (0, 1), True), ((2, 3), (0, 1), False),
    )  # fmt: skip
    for shape, axis, keepdims in cases:
        mean: Callable[[Array], Any] = functools.partial(np.mean, axis=axis, keepdims=keepdims)
        what = f"mean_adjoint(g, {shape}, axis={axis}, keepdims={keepdims})"
        check_adjoint(mean, shape, answers.mean_adjoint, (shape, axis, keepdims), what)


def check_cumsum(answers: Any) -> None:
    """4.2: one axis and several, with an input that is not changed."""
    cases: tuple[tuple[tuple[int, ...], int], ...] = (((4,), 0), ((1,), 0), ((3, 4), 0), ((3, 4), 1), ((2, 3, 4), 1))
    for shape, axis in cases:
        running = functools.partial(np.cumsum, axis=axis)
        check_adjoint(running, shape, answers.cumsum_adjoint, (axis,), f"cumsum_adjoint(g, axis={axis})")


def check_windows(answers: Any) -> None:
    """4.3: windows that overlap much, little, and not at all."""
    for n, k in ((4, 2), (5, 3), (6, 1), (3, 3), (9, 4)):
        windows = functools.partial(np.lib.stride_tricks.sliding_window_view, window_shape=k)
        check_adjoint(windows, (n,), answers.windows_adjoint, (n,), f"windows_adjoint(g, {n}) for windows of {k}")


def check_adjoint(
    f: Callable[[Array], Any],
    shape: tuple[int, ...],
    adjoint: Callable[..., Any],
    settings: tuple[Any, ...],
    what: str,
) -> None:
    """Raise `Mistake` unless ``adjoint(g, *settings)`` is that of the linear `f` for arrays of `shape`, for a random g.

    The message has the first element that differs, and both sides of the adjoint test.
    """
    rng = np.random.default_rng(0)
    g = rng.normal(size=f(np.zeros(shape)).shape)
    units = np.eye(int(np.prod(shape)))
    wanted = np.array([(f(e.reshape(shape)) * g).sum() for e in units]).reshape(shape)
    given = g.copy()
    got = adjoint(given, *settings)
    if not np.array_equal(given, g):
        raise Mistake(f"{what} changes g; the engine needs it again, so make a new array")
    try:
        same(got, wanted, what)
    except Mistake as mistake:
        if np.shape(got) != shape:
            raise
        x = rng.normal(size=shape)
        left, right = float((f(x) * g).sum()), float((x * np.asarray(got)).sum())
        raise Mistake(
            f"{mistake}. For a random x, <f(x), g> is {left:.4g}, but <x, adjoint(g)> is {right:.4g}"
        ) from None


EXERCISES = (
    Exercise(
        "4.1",
        "The adjoint of a mean",
        start='''import numpy as np


def mean_adjoint(g, shape, axis, keepdims):
    """The adjoint of x.mean(axis, keepdims=keepdims), for x of this shape; g has the shape of the mean."""
    ...
''',
        check=check_mean,
        task=r"""
Write `mean_adjoint(g, shape, axis, keepdims)`, in NumPy: the adjoint of `x.mean(axis, keepdims=keepdims)` for arrays
`x` of that shape. `axis` is one number from 0 on, or a tuple of them.
""",
    ),
    Exercise(
        "4.2",
        "The adjoint of running sums",
        start='''import numpy as np


def cumsum_adjoint(g, axis):
    """The adjoint of np.cumsum(x, axis); g is an array, and so is the result."""
    ...
''',
        check=check_cumsum,
        task=r"""
The running sums of $x$ are $y_i = x_0 + x_1 + \cdots + x_i$. Write down the matrix for four numbers, transpose it, and
say in words what the transpose does. Write it as `cumsum_adjoint(g, axis)`, for arrays of any shape, with NumPy and
without a matrix.
""",
    ),
    Exercise(
        "4.3",
        "The adjoint of sliding windows",
        start='''import numpy as np


def windows(x, k):
    """All windows of k numbers: (n,) -> (n - k + 1, k)."""
    return np.stack([x[i : i + k] for i in range(len(x) - k + 1)])


def windows_adjoint(g, n):
    """The adjoint of windows(x, k) for x of n numbers: (n - k + 1, k) -> (n,)."""
    ...
''',
        check=check_windows,
        task=r"""
`windows(x, k)` makes of $n$ numbers all windows of $k$ numbers that stand side by side: $y_{ij} = x_{i+j}$, of shape
$(n - k + 1, k)$. A number of $x$ is in several windows. Write `windows_adjoint(g, n)`, the adjoint. (This pair is half
of a convolution.)
""",
    ),
)
