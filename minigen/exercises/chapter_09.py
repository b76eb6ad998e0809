"""The exercises of docs/guide/09_batch_norm.md: layer norm's backward, a second derivative, a count of bytes.

Imports: exercise, minigen. Read next: ``docs/guide/09_batch_norm.md``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigen as mg
from minigen.exercises.exercise import Exercise, Mistake, same
from minigen_kernels import Array

TITLE = "Batch norm"

EPS = 1e-5


def check_layer_norm_backward(answers: Any) -> None:
    """9.1: the three gradients of layer norm, by their shapes and `mg.gradcheck`."""

    def gradients(gy: Array, x: Array, w: Array) -> tuple[Array, ...]:
        got = answers.layer_norm_backward(gy.copy(), x.copy(), w.copy(), EPS)
        if not isinstance(got, (tuple, list)) or len(got) != 3:
            raise Mistake(f"layer_norm_backward returned {type(got).__name__}, wanted a tuple (gx, gw, gb)")
        return tuple(np.asarray(one) for one in got)

    class LayerNorm(mg.FusedFunction):
        def forward(self, x: Array, w: Array, b: Array) -> Array:
            d = x - x.mean(1, keepdims=True)
            return d / np.sqrt((d * d).mean(1, keepdims=True) + EPS) * w + b

        def backward_arrays(self, gy: Array, y: Array) -> tuple[Array, ...]:
            x, w, _ = (t.data for t in self.inputs)
            return gradients(gy, x, w)

    rng = np.random.default_rng(0)
    x, w, b = rng.standard_normal((3, 5)), rng.uniform(0.5, 2, 5), rng.standard_normal(5)
    gy = rng.standard_normal((3, 5))
    found = gradients(gy, x, w)
    for name, got, wanted in zip(("gx", "gw", "gb"), found, (x, w, b), strict=True):
        if got.shape != wanted.shape:
            raise Mistake(f"{name} has shape {got.shape} for x (3, 5); wanted {wanted.shape}")
    d = x - x.mean(1, keepdims=True)
    z, h = d / _deviation(x), w * gy
    for hint, wrong in (
        ("is batch norm's line, with w in front of the means. Here w differs from column to column: "
         "the gradient of z is h = w gy, and the means are those of h and h z", w * _line(gy, z) / _deviation(x)),
        ("takes its means over the columns, axis 0. Those that share a mean here are the numbers of a row, axis 1",
         _line(h, z, 0) / _deviation(x)),
        ("takes its means over the whole array. Those that share a mean here are the numbers of a row, axis 1",
         _line(h, z, None) / _deviation(x)),
        ("comes with the unbiased variance, divided by D - 1. The variance of layer norm is biased, divided by D",
         _line(h, d / _deviation(x, 1)) / _deviation(x, 1)),
    ):  # fmt: skip
        if np.allclose(found[0], wrong, rtol=1e-3):
            raise Mistake(f"gx {hint}")
    if np.allclose(found[0], _line(h, d / x.std(1, keepdims=True)) / x.std(1, keepdims=True), rtol=1e-9, atol=0):
        raise Mistake("gx comes without eps: s is the root of the variance plus eps")
    _same(found[1], (gy * z).sum(0), "gw", "w_j multiplies the z of every row, in column j")
    _same(found[2], gy.sum(0), "gb", "b_j is added in every row, in column j")
    mg.gradcheck(LayerNorm.apply, x, w, b)


def _same(got: Any, wanted: Any, what: str, hint: str) -> None:
    """`same`, with a hint at the end of what it says."""
    try:
        same(got, wanted, what)
    except Mistake as mistake:
        raise Mistake(f"{mistake}: {hint}") from None


def _deviation(x: Array, less: int = 0) -> Array:
    """The standard deviation (R, 1) of each row of x (R, D), from a variance divided by D - less."""
    return np.sqrt(x.var(1, ddof=less, keepdims=True) + EPS)


def _line(h: Array, z: Array, axis: int | None = 1) -> Array:
    """The gradient of layer norm in x (R, D), times the standard deviation, if the means are over this axis."""
    return h - h.mean(axis, keepdims=True) - z * (h * z).mean(axis, keepdims=True)


def check_rms_norm(answers: Any) -> None:
    """9.2: `RmsNorm` to the second order."""
    if not (isinstance(answers.RmsNorm, type) and issubclass(answers.RmsNorm, mg.Function)):
        raise Mistake(f"RmsNorm is {answers.RmsNorm!r}, wanted a class derived from mg.Function or mg.FusedFunction")
    x = np.random.default_rng(1).standard_normal((3, 4))
    wanted = x / np.sqrt((x * x).mean(1, keepdims=True) + EPS)
    same(answers.RmsNorm.apply(mg.Tensor(x)), wanted, "RmsNorm.apply(x)", rtol=1e-9)
    mg.gradcheck(answers.RmsNorm.apply, x, order=2)


HINTS = {
    "asked x": "4 bytes for each thread and each of its readings",
    "asked w": "4 bytes for each thread",
    "sectors w": "a sector for each warp",
    "read": "each byte of gy, x, mean, variance and w once",
    "written": "gx, and gw and gb of each channel",
    "barriers": "those of a sum over the block, for each sum",
}


def check_count(answers: Any) -> None:
    """9.3: the figures of `minigen kernel batch_norm_backward`, in a formula of the sizes."""
    for n, c, length in ((2, 4, 64), (1, 3, 32), (4, 2, 16)):
        values = n * c * length
        wanted = {
            "asked x": 2 * 4 * values,
            "asked w": 4 * values,
            "sectors w": values,  # 32 bytes for 32 threads
            "read": 2 * 4 * values + 3 * 4 * c,
            "written": 4 * values + 2 * 4 * c,
            "barriers": 4,
        }
        got = answers.count(n, c, length)
        if not isinstance(got, dict) or set(got) != set(wanted):
            keys = ", ".join(wanted)
            raise Mistake(f"count({n}, {c}, {length}) is {got!r}, wanted a dict with the keys {keys}")
        for key, figure in wanted.items():
            _same(got[key], figure, f'count({n}, {c}, {length})["{key}"]', HINTS[key])


EXERCISES = (
    Exercise(
        "9.1",
        "The backward of layer norm",
        start='''import numpy as np


def layer_norm_backward(gy, x, w, eps):
    """Gradients (gx, gw, gb) of y = w z + b, z the rows of x (R, D) with mean 0 and variance 1."""
    ...
''',
        check=check_layer_norm_backward,
        task=r"""
Layer norm normalises a row instead of a channel: of x (R, D), each row has its own mean and its own biased variance
over the D values, and w and b have D numbers, one for each column: $y_{rj} = w_j z_{rj} + b_j$. Go through the six
lines again and write `layer_norm_backward(gy, x, w, eps)`, arrays in, which returns `(gx, gw, gb)` of the shapes
(R, D), (D,), (D,). One thing differs: $w_j$ is not the same for all values that share a mean, so it cannot be taken
out of the means.
""",
    ),
    Exercise(
        "9.2",
        "Out of the trap",
        start='''import numpy as np

import minigen as mg


class RmsNorm(mg.Function):
    """Each row of x (R, D) divided by its root mean square."""

    def forward(self, x):
        self.s = np.sqrt((x * x).mean(1, keepdims=True) + 1e-5)
        return x / self.s

    def backward(self, gy, y):
        # Right to the first order only:
        #     return (gy - y * (gy * y).mean(1, keepdims=True)) / mg.Tensor(self.s)
        ...
''',
        check=check_rms_norm,
        task=r"""
`RmsNorm` divides each row of x (R, D) by its root mean square: $y_j = x_j / s$ with
$s = \sqrt{\mathrm{mean}(x^2) + \varepsilon}$ and $\varepsilon = 10^{-5}$; there is no mean to subtract. Its first
derivative is $gx_j = (g_j - y_j \mathrm{mean}(g y)) / s$ (why?). Make it right to the second order: keep `forward`,
and either compute in `backward` what depends on x again, or turn it into a `mg.FusedFunction` with
`backward_arrays` and `definition`.
""",
    ),
    Exercise(
        "9.3",
        "Count the backward",
        start='''def count(N, C, L):
    """Figures of batch_norm_backward for float32 arrays (N, C, L), as a dict."""
    ...
''',
        check=check_count,
        task=r"""
`batch_norm_backward` (slope 1, so y is not read) runs over arrays (N, C, L) of float32 with a block for each
channel and a thread for each value; let $NL$ be 32, 64 or 128. It reads gy and x for the two sums of a block, and
gy and x again for gx. Every thread reads the mean, the variance and w of its channel once; one thread of each block
writes gw and gb. Write `count(N, C, L)`, which returns a dict: `"asked x"`, the bytes of x asked for by all
threads; `"asked w"`, those of w; `"sectors w"`, the bytes that the warps fetch for these in sectors of 32; `"read"`
and `"written"`, the different bytes of all arrays; and `"barriers"`, those of one block. One case to compare with:
`minigen kernel batch_norm_backward --shape 2,4,64`.
""",
    ),
)
