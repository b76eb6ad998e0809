"""Rows of the op table: padding and pixels from channels (`minigen/ops/padding.py`, `op_rows_shape.py`).

Read next: ``op_rows_conv.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from ops.op_row import Array, Bad, Case, Row, normal, ops, refuses_complex, seeds, shapes, zeros


@st.composite
def pad_cases(draw: st.DrawFn) -> Case:
    mode = draw(st.sampled_from(["constant", "reflect", "replicate", "circular"]))
    x = normal(np.random.default_rng(draw(seeds)), draw(shapes()))
    longest = [2 if mode == "constant" else 0 if n < 1 + (mode == "reflect") else 3 * n for n in x.shape]
    pads = [(draw(st.integers(0, n)), draw(st.integers(0, n))) for n in longest]
    if mode == "constant":
        return Case((x,), {"pads": pads, "value": draw(st.sampled_from([0.0, 1.5]))})
    return Case((x,), {"pads": pads, "mode": mode})


def pad(x: Array, pads: list[tuple[int, int]], value: float = 0.0, mode: str = "constant") -> Array:
    """Element by element: where each place of the result comes from, along one axis after the other."""
    for axis, (before, after) in enumerate(pads):
        n, moved = x.shape[axis], np.moveaxis(x, axis, 0)
        y = np.full((n + before + after, *moved.shape[1:]), value)
        for i in range(-before, n + after):
            if mode == "reflect" and n > 1:
                period = i % (2 * n - 2)
                source = min(period, 2 * n - 2 - period)
            else:
                source = {"replicate": min(max(i, 0), n - 1), "circular": i % n if n else i}.get(mode, i)
            if 0 <= source < n:
                y[i + before] = moved[source]
        x = np.moveaxis(y, 0, axis)
    return x


@st.composite
def blocks(draw: st.DrawFn, name: str) -> Case:
    r = draw(st.integers(1, 3))
    N, C, H, W = (draw(st.integers(low, 3)) for low in (0, 1, 1, 1))
    shape = (N, C * r * r, H, W) if name == "pixel_shuffle" else (N, C, H * r, W * r)
    factor = "upscale_factor" if name == "pixel_shuffle" else "downscale_factor"
    return Case((normal(np.random.default_rng(draw(seeds)), shape),), {factor: r})


def pixel_shuffle(x: Array, upscale_factor: int) -> Array:
    r, (N, C, H, W) = upscale_factor, x.shape
    y = np.zeros((N, C // r**2, H * r, W * r))
    for c, i, j in np.ndindex(*y.shape[1:]):
        y[:, c, i, j] = x[:, c * r**2 + i % r * r + j % r, i // r, j // r]
    return y


def pixel_unshuffle(x: Array, downscale_factor: int) -> Array:
    r, (N, C, H, W) = downscale_factor, x.shape
    y = np.zeros((N, C * r**2, H // r, W // r))
    for c, i, j in np.ndindex(*x.shape[1:]):
        y[:, c * r**2 + i % r * r + j % r, i // r, j // r] = x[:, c, i, j]
    return y


def refused(*pads: Any, says: str, **options: Any) -> Bad:
    return Bad(lambda: ops.pad(zeros(2, 1), *pads, **options), ValueError, says)


ROWS = [
    Row(
        "pad",
        pad_cases(),
        pad,
        (
            refused(1, says="pad: expected 2 pairs of whole numbers (before, after), one for each axis of"),
            refused([1, 1], says="such as [(0, 0), (1, 1)]; got [1, 1]"),
            refused([(1, 1)], says="got [(1, 1)]"),
            refused([(1, 0.5), (0, 0)], says="got [(1, 0.5), (0, 0)]"),
            refused([(-1, 1), (0, 0)], says="got [(-1, 1), (0, 0)]; to cut off, slice"),
            refused([(1, 1), (0, 0)], mode="edge", says="(NumPy's edge) or 'circular' (its wrap), got 'edge'"),
            refused([(1, 1), (1, 0)], mode="reflect", says="needs 2 elements along axis 1, x has shape (2, 1)"),
            refused([(1, 1), (0, 0)], 1.5, mode="circular", says="value 1.5 goes with mode 'constant'"),
            Bad(lambda: ops.pad(zeros(0), [(1, 1)], mode="circular"), ValueError, "needs 1 elements along axis 0"),
        ),
    ),
    Row(
        "pixel_shuffle",
        blocks("pixel_shuffle"),
        pixel_shuffle,
        (
            Bad(lambda: ops.pixel_shuffle(zeros(1, 6, 2, 2), 2), ValueError, "expected x (N, C*4, H, W) for"),
            Bad(lambda: ops.pixel_shuffle(zeros(4, 2, 2), 2), ValueError, "got (4, 2, 2)"),
            Bad(
                lambda: ops.pixel_shuffle(zeros(1, 4, 2, 2), 0),
                ValueError,
                "upscale_factor is a whole number",
            ),
            refuses_complex(lambda x: ops.pixel_shuffle(x, 1)),
        ),
    ),
    Row(
        "pixel_unshuffle",
        blocks("pixel_unshuffle"),
        pixel_unshuffle,
        (
            Bad(lambda: ops.pixel_unshuffle(zeros(1, 1, 4, 3), 2), ValueError, "expected x (N, C, H*2, W*2) for"),
            Bad(lambda: ops.pixel_unshuffle(zeros(1, 1, 4, 4), 2.0), ValueError, "downscale_factor is a whole number"),
        ),
    ),
]
