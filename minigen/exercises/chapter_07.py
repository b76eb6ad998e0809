"""The exercises of docs/guide/07_three_rooms.md: pooling as loops, one thread that gathers, a count.

Imports: exercise, minigen. Read next: ``docs/guide/07_three_rooms.md``.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from minigen.exercises.exercise import Exercise, Mistake, same
from minigen_kernels import reference

TITLE = "The same kernel three times"


def check_pool(answers: Any) -> None:
    """7.1: `pool` is compiled, and gives the maxima of the reference."""
    if not hasattr(answers.pool, "py_func"):
        raise Mistake("pool is not compiled: write @numba.njit on the line above `def pool`")
    low = np.array([[[[-3.0, -1.0], [-4.0, -2.0]]]])
    same(answers.pool(low, (1, 1), (2, 2), (2, 2), (0, 0)), [[[[-1]]]], "the largest of -3, -1, -4, -2")
    rng = np.random.default_rng(0)
    cases = (
        ((2, 3, 6, 8), (3, 4), (2, 2), (2, 2), (0, 0)),
        ((1, 2, 7, 5), (5, 3), (3, 3), (1, 1), (0, 0)),
        ((2, 1, 6, 7), (3, 4), (3, 3), (2, 2), (1, 1)),
        ((1, 2, 5, 8), (2, 9), (4, 2), (3, 1), (2, 1)),
    )
    for shape, out_hw, kernel, stride, padding in cases:
        x = rng.normal(size=shape) - 3  # nearly all negative: a zero from outside would win
        wanted, _ = reference.max_pool2d(x, out_hw, kernel, stride, padding)
        what = f"pool(x {shape}, out_hw {out_hw}, kernel {kernel}, stride {stride}, padding {padding})"
        same(answers.pool(x, out_hw, kernel, stride, padding), wanted, what)


def check_cell(answers: Any) -> None:
    """7.2: `cell` gathers each cell of the image's gradient."""
    rng = np.random.default_rng(0)
    for k, s, p in ((2, 1, 0), (3, 1, 1), (3, 2, 1), (2, 3, 0), (4, 2, 2), (1, 2, 0)):
        g, w = rng.normal(size=(3, 4)), rng.normal(size=(k, k))
        H, W = (max(1, (o - 1) * s - 2 * p + k) for o in g.shape)
        wanted = reference.conv_transpose2d(g[None, None], w[None, None], (H, W), (s, s), (p, p), (1, 1), 1)[0, 0]
        for a, b in itertools.product(range(H), range(W)):
            what = f"cell (a, b) = ({a}, {b}) for weights {k} x {k}, stride {s}, padding {p}"
            try:
                same(answers.cell(g.copy(), w.copy(), a, b, s, p), wanted[a, b], what)
            except Mistake as mistake:
                raise Mistake(f"{mistake}{_terms(g, w, a, b, s, p)}") from None


def _terms(g: Any, w: Any, a: int, b: int, stride: int, padding: int) -> str:
    """The products whose sum cell (a, b) is, for a message."""
    met = [
        f"w[{u}, {v}] * g[{i}, {j}]"
        for i, j, u, v in np.ndindex(*g.shape, *w.shape)
        if (i * stride - padding + u, j * stride - padding + v) == (a, b)
    ]
    more = f" + {len(met) - 4} more" if len(met) > 4 else ""
    return f"\nwhat meets in this cell: {' + '.join(met[:4])}{more}" if met else "\nnothing meets in this cell"


def check_counts(answers: Any) -> None:
    """7.3: the four counts of the plain kernel."""
    names = ("bytes of x asked for", "bytes of w asked for", "different bytes read", "bytes written")
    for H, W, k in ((8, 8, 3), (5, 7, 3), (6, 9, 5), (4, 4, 1), (3, 3, 3), (12, 7, 7)):
        met = [sum(0 <= i + u - k // 2 < n for i in range(n) for u in range(k)) for n in (H, W)]
        asked = 4 * met[0] * met[1]
        wanted = (asked, asked, 4 * (H * W + k * k), 4 * H * W)
        got = answers.counts(H, W, k)
        if not isinstance(got, (tuple, list)) or len(got) != 4:
            raise Mistake(f"counts({H}, {W}, {k}) is {got!r}, wanted four numbers")
        for name, a, b in zip(names, got, wanted, strict=True):
            if a != b:
                call = f"minigen kernel conv2d --room plain --shape 1,1,{H},{W} --shape 1,1,{k},{k}"
                hint = ""
                if a == 4 * H * W * k * k:
                    hint = ": that counts weights outside of the image, too"
                elif 4 * a == b:
                    hint = ": a float32 has 4 bytes"
                raise Mistake(f"counts({H}, {W}, {k}): {name}: {a}, wanted {b}{hint}\nsee {call}")


EXERCISES = (
    Exercise(
        "7.1",
        "Pooling as loops",
        start='''import numba
import numpy as np


@numba.njit
def pool(x, out_hw, kernel, stride, padding):
    """x (N, C, H, W) -> the largest cell of each window, (N, C, oh, ow)."""
    ...
''',
        check=check_pool,
        task=r"""
Write `pool(x, out_hw, kernel, stride, padding)` with `@numba.njit`: x (N, C, H, W), all others pairs of whole numbers;
the result (N, C, oh, ow) holds the largest cell of each window, of those that lie inside of the image. Zeros outside of
the image do not count: the largest of -3 and -1 at the rim is -1. Windows are placed as in a convolution,
without dilation. Numba knows `np.full(shape, number, x.dtype)`.
""",
    ),
    Exercise(
        "7.2",
        "One thread gathers",
        start='''def cell(g, w, a, b, stride, padding):
    """The cell (a, b) of the transposed convolution of g (oh, ow) and w (kh, kw): a number."""
    ...
''',
        check=check_cell,
        task=r"""
Write what one thread of the transposed convolution does, for one sample and one channel in and out:
`cell(g, w, a, b, stride, padding)` returns the cell (a, b) of the image's gradient; g (oh, ow), w (kh, kw); stride and
padding are whole numbers, the same for both axes; dilation is 1.
""",
    ),
    Exercise(
        "7.3",
        "Count before you run",
        start='''def counts(H, W, k):
    """Bytes: of x asked for, of w asked for, different ones read, written."""
    ...
''',
        check=check_counts,
        task=r"""
The plain CUDA kernel convolves one image of one channel, H x W, with k x k weights, k odd, stride 1 and padding
(k - 1) / 2, in float32; H and W are at least k. Write `counts(H, W, k)`: the bytes of x that all threads ask for, those
of w, the different bytes read (of x and w together), and the bytes written, four numbers. Compare with
`minigen kernel conv2d --room plain --shape 1,1,H,W --shape 1,1,k,k`.
""",
    ),
)
