"""Rows of the op table: batch and layer normalisation (`minigen/ops/norm.py`).

Values are distinct: where a channel's values are nearly equal, a normalisation blows rounding errors up, and no
tolerance would mean anything. A float32 result still loses a digit, since it divides by the spread of the values.

Read next: ``op_table.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from op_row import Array, Bad, Case, Row, distinct, normal, positive, refuses_mixed, seeds, zeros

from minigen import ops

EPS = st.sampled_from([1e-5, 1e-3])


@st.composite
def images(draw: st.DrawFn, least: int) -> Array:
    """(N, C) or (N, C, H, W) with at least `least` values a channel."""
    shape = [draw(st.integers(1, 3)), draw(st.integers(1, 3))]
    if draw(st.booleans()):
        shape += [draw(st.integers(1, 3)), draw(st.integers(1, 3))]
    if np.prod(shape) // shape[1] < least:
        shape[0] = least
    return distinct(np.random.default_rng(draw(seeds)), tuple(shape))


@st.composite
def batch_cases(draw: st.DrawFn) -> Case:
    x, rng = draw(images(2)), np.random.default_rng(draw(seeds))
    c = (x.shape[1],)
    return Case((x, normal(rng, c), normal(rng, c)), {"eps": draw(EPS)})


@st.composite
def inference_cases(draw: st.DrawFn) -> Case:
    x, rng = draw(images(1)), np.random.default_rng(draw(seeds))
    c = (x.shape[1],)
    return Case((x, normal(rng, c), positive(rng, c), normal(rng, c), normal(rng, c)), {"eps": draw(EPS)})


@st.composite
def layer_cases(draw: st.DrawFn) -> Case:
    rng = np.random.default_rng(draw(seeds))
    rows = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    own = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=2)))
    if np.prod(own) < 2:
        own = (*own[:-1], 2)  # of one value the normalised is 0, whatever it is
    return Case((distinct(rng, rows + own), normal(rng, own), normal(rng, own)), {"eps": draw(EPS)})


def batch_norm(x: Array, w: Array, b: Array, eps: float) -> tuple[Array, Array, Array]:
    y, means, variances = np.zeros_like(x), np.zeros(x.shape[1]), np.zeros(x.shape[1])
    for c in range(x.shape[1]):
        values = [float(v) for v in x[:, c].ravel()]
        means[c] = sum(values) / len(values)
        variances[c] = sum((v - means[c]) ** 2 for v in values) / len(values)
        y[:, c] = (x[:, c] - means[c]) / np.sqrt(variances[c] + eps) * w[c] + b[c]
    return y, means, variances


def batch_norm_inference(x: Array, mean: Array, var: Array, w: Array, b: Array, eps: float) -> Array:
    y = np.zeros_like(x)
    for c in range(x.shape[1]):
        y[:, c] = (x[:, c] - mean[c]) / np.sqrt(var[c] + eps) * w[c] + b[c]
    return y


def layer_norm(x: Array, w: Array, b: Array, eps: float) -> Array:
    y = np.zeros_like(x)
    for place in np.ndindex(*x.shape[: x.ndim - w.ndim]):
        row = x[place]
        mean = row.sum() / row.size
        y[place] = (row - mean) / np.sqrt(((row - mean) ** 2).sum() / row.size + eps) * w + b
    return y


V3, V2 = zeros(3), zeros(2)


def bad(op: Any) -> tuple[Bad, ...]:
    return (
        Bad(lambda: op(zeros(4), V3, V3), ValueError, "batch_norm: expected x (N, C) or (N, C, H, W)"),
        Bad(lambda: op(zeros(4, 3), V2, V3), ValueError, "one number for each of 3 channels, got (2,)"),
        Bad(lambda: op(zeros(1, 3), V3, V3), ValueError, "batch_norm: shape (1, 3) has 1 value for each channel"),
        Bad(lambda: op(zeros(0, 3), V3, V3), ValueError, "not empty; got (0, 3)"),
        refuses_mixed(op, (4, 3), (3,), (3,)),
    )


ROWS = [
    Row(
        "batch_norm",
        batch_cases(),
        lambda *inputs, eps: batch_norm(*inputs, eps)[0],
        bad(ops.batch_norm),
        order=3,
        float32=1e-4,
    ),
    Row(
        "batch_norm_with_statistics",
        batch_cases(),
        batch_norm,
        bad(ops.batch_norm_with_statistics),
        order=3,
        float32=1e-4,
    ),
    Row(
        "batch_norm_inference",
        inference_cases(),
        batch_norm_inference,
        (
            Bad(
                lambda: ops.batch_norm_inference(zeros(4, 3), V3, V3, V3, V2),
                ValueError,
                "batch_norm_inference: expected one number for each of 3 channels, got (2,)",
            ),
            refuses_mixed(ops.batch_norm_inference, (4, 3), (3,), (3,), (3,), (3,)),
        ),
        order=3,
        float32=1e-4,
    ),
    Row(
        "layer_norm",
        layer_cases(),
        layer_norm,
        (
            Bad(lambda: ops.layer_norm(zeros(4, 3), V2, V2), ValueError, "w (2,) and b (2,) must have the shape of"),
            Bad(lambda: ops.layer_norm(zeros(4, 3), V3, V2), ValueError, "of the last axes of x (4, 3)"),
            refuses_mixed(ops.layer_norm, (4, 3), (3,), (3,)),
        ),
        order=3,
        float32=1e-4,
    ),
]
