"""Rows of the op table: batch and layer normalisation (`minigen/ops/norm.py`).

Values are distinct: where a channel's values are nearly equal, a normalisation blows rounding errors up, and no
tolerance would mean anything. A float32 result still loses a digit, since it divides by the spread of the values.

Read next: ``op_table.py``.
"""

from __future__ import annotations

from typing import Any

import hypothesis
import numpy as np
from hypothesis import strategies as st
from ops.op_row import Array, Bad, Case, Row, distinct, normal, ops, positive, refuses_mixed, seeds, zeros
from ops.op_rows_bias_act import PLAIN

from minigen.autograd import Tensor

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
def ended_cases(draw: st.DrawFn) -> Case:
    """Batch norm with an activation, of results that stay away from 0, where relu has a kink."""
    case = draw(batch_cases())
    hypothesis.assume(np.abs(batch_norm(*case.inputs, **case.options)[0]).min() > 2e-2)
    return Case(case.inputs, {**case.options, "activation": draw(st.sampled_from(PLAIN))[0]})


def ended(x: Array, w: Array, b: Array, eps: float, activation: Any) -> Array:
    (formula,) = (formula for function, formula in PLAIN if function is activation)
    return formula(batch_norm(x, w, b, eps)[0])


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


@st.composite
def group_cases(draw: st.DrawFn, least: int, most: int) -> Case:
    """(N, C, ...) with `least` to `most` axes of places, without weights, with a weight, or with both."""
    rng, places = (
        np.random.default_rng(draw(seeds)),
        tuple(draw(st.lists(st.integers(1, 3), min_size=least, max_size=most))),
    )
    groups = draw(st.integers(1, 2))
    each = draw(st.integers(1, 2))
    if least:  # instance norm: a group is a channel, and has two values
        groups, each, places = groups * each, 1, (*places[:-1], max(2, places[-1]))
    elif each * np.prod(places) < 2:
        each = 2  # of one value the normalised is 0, whatever it is
    c = groups * each
    arrays = distinct(rng, (draw(st.integers(1, 2)), c, *places)), normal(rng, (c,)), normal(rng, (c,))
    options = {"eps": draw(EPS)} if least else {"eps": draw(EPS), "num_groups": groups}
    return Case(arrays[: draw(st.integers(1, 3))], options)


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


def group_norm(x: Array, w: Array | None = None, b: Array | None = None, *, num_groups: int, eps: float) -> Array:
    y, each = np.zeros_like(x), x.shape[1] // num_groups
    for n in range(len(x)):
        for first in range(0, x.shape[1], each):
            values = [float(v) for v in x[n, first : first + each].ravel()]
            mean = sum(values) / len(values)
            variance = sum((v - mean) ** 2 for v in values) / len(values)
            for c in range(first, first + each):
                z = (x[n, c] - mean) / np.sqrt(variance + eps)
                y[n, c] = z * (1 if w is None else w[c]) + (0 if b is None else b[c])
    return y


def instance_norm(x: Array, *vectors: Array, eps: float) -> Array:
    return group_norm(x, *vectors, num_groups=x.shape[1], eps=eps)


V3, V2 = zeros(3), zeros(2)


def bad(op: Any) -> tuple[Bad, ...]:
    return (
        Bad(lambda: op(zeros(4), V3, V3), ValueError, "batch_norm: expected x (N, C) or (N, C, H, W)"),
        Bad(lambda: op(zeros(4, 3), V2, V3), ValueError, "one number for each of 3 channels, got (2,)"),
        Bad(lambda: op(zeros(1, 3), V3, V3), ValueError, "batch_norm: shape (1, 3) has 1 value for each channel"),
        Bad(lambda: op(zeros(0, 3), V3, V3), ValueError, "batch_norm: shape (0, 3) has 0 values for each channel"),
        refuses_mixed(op, (4, 3), (3,), (3,)),
    )


ROWS = [
    Row(
        "batch_norm",
        ended_cases(),
        ended,
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
    Row(
        "group_norm",
        group_cases(0, 2),
        group_norm,
        (
            Bad(
                lambda: ops.group_norm(zeros(2, 4), 3), ValueError, "num_groups=3 must divide the channels of x (2, 4)"
            ),
            Bad(
                lambda: ops.group_norm(zeros(2, 4), 0), ValueError, "num_groups is a whole number of at least 1, got 0"
            ),
            Bad(lambda: ops.group_norm(zeros(4), 1), ValueError, "group_norm: expected x (N, C, ...)"),
            Bad(lambda: ops.group_norm(zeros(2, 4, 0), 1), ValueError, "at least one channel and place, got (2, 4, 0)"),
            Bad(lambda: ops.group_norm(zeros(2, 4), 2, V3), ValueError, "one number for each of 4 channels, got (3,)"),
            Bad(
                lambda: ops.group_norm(Tensor([[1, 2]]), 1),
                TypeError,
                "group_norm: x must be float32 or float64, got int64",
            ),
            refuses_mixed(lambda x, w: ops.group_norm(x, 1, w), (4, 3), (3,)),
        ),
        call=lambda x, *vectors, num_groups, eps: ops.group_norm(x, num_groups, *vectors, eps=eps),
        order=3,
        float32=1e-4,
    ),
    Row(
        "instance_norm",
        group_cases(1, 2),
        instance_norm,
        (
            Bad(
                lambda: ops.instance_norm(zeros(2, 4)),
                ValueError,
                "instance_norm: expected x (N, C, L) or (N, C, H, W)",
            ),
            Bad(lambda: ops.instance_norm(zeros(2, 4, 1)), ValueError, "shape (2, 4, 1) has 1 value for each channel"),
            Bad(
                lambda: ops.instance_norm(zeros(2, 3, 2), V2), ValueError, "one number for each of 3 channels, got (2,)"
            ),
            refuses_mixed(ops.instance_norm, (4, 3, 2), (3,)),
        ),
        order=3,
        float32=1e-4,
    ),
]
