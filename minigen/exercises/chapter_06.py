"""The exercises of docs/guide/06_convolution.md: sizes, the adjoint of im2col, a family of one.

Imports: exercise, minigen. Read next: ``docs/guide/06_convolution.md``.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

import minigen as mg
from minigen.exercises.exercise import Exercise, Mistake, same
from minigen_kernels import Array, reference

TITLE = "A convolution is a matrix product"


def check_sizes(answers: Any) -> None:
    """6.1: `sizes` lists the image sizes that give o results."""
    for o, k, s, p, d in itertools.product((1, 2, 4), (1, 3, 4), (1, 2, 3), (0, 1, 2), (1, 2)):
        wanted = [
            h for h in range(1, 40) if h + 2 * p >= d * (k - 1) + 1 and (h + 2 * p - d * (k - 1) - 1) // s + 1 == o
        ]
        got = answers.sizes(o, k, s, p, d)
        if not isinstance(got, list):
            raise Mistake(f"sizes({o}, {k}, {s}, {p}, {d}) is {got!r}, wanted the list {wanted}")
        if got != wanted:
            raise Mistake(f"sizes(o={o}, k={k}, stride={s}, padding={p}, dilation={d}) is {got}, wanted {wanted}")


def _im2col(x: Array, k: int) -> Array:
    windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(1, 2))
    return windows.transpose(0, 3, 4, 1, 2).reshape(len(x) * k * k, -1)


def check_col2im(answers: Any) -> None:
    """6.2: `col2im` is the adjoint of im2col, and so carries the gradient of a convolution to the image."""
    ones = answers.col2im(np.ones((4, 4)), 1, 3, 3, 2)
    same(ones, [[[1, 2, 1], [2, 4, 2], [1, 2, 1]]], "col2im of ones, for 3 x 3 cells and k = 2,")
    rng = np.random.default_rng(0)
    for C, H, W, k in ((1, 3, 4, 2), (3, 6, 5, 3), (2, 4, 4, 1), (2, 3, 3, 3)):
        x = rng.normal(size=(C, H, W))
        columns = rng.normal(size=_im2col(x, k).shape)
        got = np.asarray(answers.col2im(columns.copy(), C, H, W, k))
        if got.shape != x.shape:
            raise Mistake(f"col2im(columns, {C}, {H}, {W}, {k}) has shape {got.shape}, wanted {x.shape}")
        wanted = float((_im2col(x, k) * columns).sum())
        same((x * got).sum(), wanted, f"<x, col2im(P)> for C, H, W, k = {C}, {H}, {W}, {k}, wanted <im2col(x), P>:")
        w, g = rng.normal(size=(2, C, k, k)), rng.normal(size=(2, H - k + 1, W - k + 1))
        gradient = reference.conv_transpose2d(g[None], w, (H, W), (1, 1), (0, 0), (1, 1), 1)[0]
        same(answers.col2im(w.reshape(2, -1).T @ g.reshape(2, -1), C, H, W, k), gradient, "col2im(W.T @ G)")


def check_correlate(answers: Any) -> None:
    """6.3: `Correlate` and its derivatives up to the third."""
    x, w = np.array([1.0, 2.0, 3.0, -1.0]), np.array([10.0, 1.0])
    if not (isinstance(answers.Correlate, type) and issubclass(answers.Correlate, mg.Function)):
        raise Mistake("Correlate has to be a class that inherits from mg.Function")
    same(answers.Correlate.apply(mg.Tensor(x), mg.Tensor(w)), [12, 23, 29], "Correlate.apply([1, 2, 3, -1], [10, 1])")
    rng = np.random.default_rng(0)
    for H, k in ((4, 2), (6, 3), (3, 1), (3, 3)):
        mg.gradcheck(answers.Correlate.apply, rng.normal(size=H), rng.normal(size=k), order=3)


EXERCISES = (
    Exercise(
        "6.1",
        "Which images?",
        start='''def sizes(o, k, stride, padding, dilation):
    """All image sizes H >= 1, ascending, that a convolution maps to o results."""
    ...
''',
        check=check_sizes,
        task=r"""
Write `sizes(o, k, stride, padding, dilation)`: the list, in ascending order, of all image sizes $H \ge 1$ that a
convolution maps to $o$ results along one axis. One formula of this chapter gives the smallest one (it may be below 1).
""",
    ),
    Exercise(
        "6.2",
        "Columns back to an image",
        start='''import numpy as np


def col2im(columns, C, H, W, k):
    """columns (C k k, oh ow) -> image (C, H, W): the adjoint of im2col with stride 1."""
    ...
''',
        check=check_col2im,
        task=r"""
Write `col2im(columns, C, H, W, k)`, the adjoint of `im2col` above: an array (C k k, oh ow) becomes an image (C, H, W);
each number is added to the cell that `im2col` would have copied it from. The check is
$\langle \mathrm{im2col}(x), P \rangle = \langle x, \mathrm{col2im}(P) \rangle$, and the gradient of a convolution.
""",
    ),
    Exercise(
        "6.3",
        "A family of one",
        start='''import numpy as np

import minigen as mg
from minigen import ops


class Correlate(mg.Function):
    def forward(self, x, w):
        """Arrays x (H,), w (k,) -> (H - k + 1,)."""
        ...

    def backward(self, gy, y):
        """Tensors: the gradients of x and of w."""
        ...
''',
        check=check_correlate,
        task=r"""
In one dimension with stride 1, `correlate(x, w)[i]` is the sum over u of `w[u] * x[i + u]`. Write it as a `mg.Function`
named `Correlate` with `forward(self, x, w)` of arrays (H,) and (k,), k at most H, and a `backward(self, gy, y)` of
Tensors that returns the gradients of x and of w. Both can be written with `Correlate.apply` itself, `ops.pad` and an
index that turns a Tensor around, `w[::-1]`. Then derivatives of all orders are right: the check goes to the third.
""",
    ),
)
