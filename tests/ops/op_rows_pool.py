"""Rows of the op table: pooling, unpooling and upsampling (`minigen/ops/pool.py`). The references are loops.

Read next: ``op_rows_norm.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st
from ops.op_row import (
    Array,
    Bad,
    Case,
    Draw,
    Row,
    Strategy,
    both,
    distinct,
    normal,
    ops,
    refuses_mixed,
    seeds,
    two,
    zeros,
)

from minigen.autograd import Tensor


@st.composite
def pool_cases(draw: st.DrawFn, values: Draw, **options: Strategy) -> Case:
    """Windows that may overlap, leave gaps, hang over the edges, and in ceil mode begin late."""
    kernel = draw(both(1, 3))
    stride = draw(st.one_of(st.none(), both(1, 3)))
    padding = draw(st.sampled_from([0, tuple(draw(st.integers(0, k // 2)) for k in two(kernel))]))
    least = [max(1, k - 2 * p) for k, p in zip(two(kernel), two(padding), strict=True)]
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 2)), *(draw(st.integers(n, 6)) for n in least))
    drawn = {name: draw(strategy) for name, strategy in options.items()}
    x = values(np.random.default_rng(draw(seeds)), shape)
    return Case((x,), {"kernel_size": kernel, "stride": stride, "padding": padding, **drawn})


def windows(hw: Any, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool) -> tuple[Any, Any]:
    """The size of the result, and for each result the rows and columns of its window (those outside included)."""
    k, p = two(kernel_size), two(padding)
    s = k if stride is None else two(stride)
    rounded = math.ceil if ceil_mode else math.floor
    starts = []
    for i in (0, 1):
        count = rounded((hw[i] + 2 * p[i] - k[i]) / s[i]) + 1
        own = [j * s[i] - p[i] for j in range(count)]
        starts.append([a for a in own if a < hw[i]] if ceil_mode else own)  # a window begins inside the image
    places = {
        (i, j): (range(top, top + k[0]), range(left, left + k[1]))
        for i, top in enumerate(starts[0])
        for j, left in enumerate(starts[1])
    }
    return (len(starts[0]), len(starts[1])), places


def max_pool(x: Array, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool) -> tuple[Array, Array]:
    H, W = x.shape[2:]
    out, places = windows((H, W), kernel_size, stride, padding, ceil_mode)
    y, index = np.zeros((*x.shape[:2], *out)), np.zeros((*x.shape[:2], *out), np.int64)
    for n, c in np.ndindex(*x.shape[:2]):
        for place, (rows, columns) in places.items():
            inside = [(x[n, c, r, s], r * W + s) for r in rows for s in columns if 0 <= r < H and 0 <= s < W]
            y[n, c, *place], index[n, c, *place] = max(inside)
    return y, index


def avg_pool(x: Array, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool, count_include_pad: bool) -> Array:
    (H, W), (ph, pw) = x.shape[2:], two(padding)
    out, places = windows((H, W), kernel_size, stride, padding, ceil_mode)
    y = np.zeros((*x.shape[:2], *out))
    for n, c in np.ndindex(*x.shape[:2]):
        for place, (rows, columns) in places.items():
            cells = [(r, s) for r in rows for s in columns]
            inside = [(r, s) for r, s in cells if 0 <= r < H and 0 <= s < W]
            padded = [(r, s) for r, s in cells if -ph <= r < H + ph and -pw <= s < W + pw]
            y[n, c, *place] = sum(x[n, c, r, s] for r, s in inside) / len(padded if count_include_pad else inside)
    return y


@st.composite
def bias_act_cases(draw: st.DrawFn) -> Case:
    """x is what remains of distinct values without the bias; none of the activations changes their order."""
    pooled = draw(pool_cases(distinct, ceil_mode=st.booleans()))
    (z,) = pooled.inputs
    b = normal(np.random.default_rng(draw(seeds)), z.shape[1:2])
    activation = draw(st.sampled_from([None, ops.sigmoid, ops.tanh, ops.softplus]))
    return Case((z - b[:, None, None], b), {**pooled.options, "activation": activation})


def bias_act_max_pool(x: Array, b: Array, activation: Any, **options: Any) -> Array:
    z = max_pool(x + b[:, None, None], **options)[0]
    return z if activation is None else activation(Tensor(z)).data


@st.composite
def unpool_cases(draw: st.DrawFn) -> Case:
    """Indices of a real max pooling (they may repeat where windows overlap), and other values than the pooled ones."""
    pooled = draw(pool_cases(distinct))
    (image,) = pooled.inputs
    y, index = max_pool(image, **pooled.options, ceil_mode=False)
    x = normal(np.random.default_rng(draw(seeds)), y.shape)
    return Case((x,), {**pooled.options, "indices": index, "output_size": image.shape[2:]})


def unpool(x: Any, *, indices: Array, **options: Any) -> Any:
    return ops.max_unpool2d(x, Tensor(indices), **options)


def unpool_reference(x: Array, *, indices: Array, output_size: Any, **_: Any) -> Array:
    y = np.zeros((*x.shape[:2], output_size[0] * output_size[1]))
    for place in np.ndindex(*x.shape):
        y[place[0], place[1], indices[place]] = x[place]  # a later one overwrites
    return y.reshape(*x.shape[:2], *output_size)


@st.composite
def upsample_cases(draw: st.DrawFn) -> Case:
    shape = tuple(draw(st.integers(1, n)) for n in (2, 2, 4, 4))
    options = {"scale_factor": draw(both(1, 3)), "mode": draw(st.sampled_from(["nearest", "bilinear"]))}
    return Case((normal(np.random.default_rng(draw(seeds)), shape),), options)


def upsample(x: Array, scale_factor: Any, mode: str) -> Array:
    (fh, fw), (H, W) = two(scale_factor), x.shape[2:]
    y = np.zeros((*x.shape[:2], H * fh, W * fw))
    for i, j in np.ndindex(H * fh, W * fw):
        if mode == "nearest":
            y[:, :, i, j] = x[:, :, i // fh, j // fw]
            continue
        # Pixel i covers [i, i+1); its centre, in units of the small image, lies between two centres there.
        row, column = (i + 0.5) / fh - 0.5, (j + 0.5) / fw - 0.5
        for r, s in np.ndindex(H + 2, W + 2):  # the small image with its edge repeated once all around
            weight = max(0.0, 1 - abs(row - (r - 1))) * max(0.0, 1 - abs(column - (s - 1)))
            y[:, :, i, j] += weight * x[:, :, min(max(r - 1, 0), H - 1), min(max(s - 1, 0), W - 1)]
    return y


X = zeros(1, 1, 4, 4)


def bad(op: Any) -> tuple[Bad, ...]:
    name = "avg_pool2d" if op is ops.avg_pool2d else "max_pool2d"
    return (
        Bad(lambda: op(zeros(4, 4), 2), ValueError, f"{name}: expected x (N, C, H, W), got (4, 4)"),
        Bad(lambda: op(X, 0), ValueError, f"{name}: kernel_size is a whole number of at least 1"),
        Bad(lambda: op(X, 2, 0), ValueError, f"{name}: stride is a whole number of at least 1"),
        Bad(lambda: op(X, 2, 2, 2), ValueError, "padding (2, 2) must be at most half of kernel_size (2, 2)"),
        Bad(lambda: op(X, 5), ValueError, "images (4, 4) with padding (0, 0) are smaller than the window (5, 5)"),
    )


INDEX = Tensor(np.array([[[[0, 3], [8, 99]]]]))

ROWS = [
    Row(
        "max_pool2d",
        pool_cases(distinct, ceil_mode=st.booleans()),
        lambda x, **options: max_pool(x, **options)[0],
        bad(ops.max_pool2d),
    ),
    Row(
        "max_pool2d_with_indices",
        pool_cases(distinct, ceil_mode=st.booleans()),
        max_pool,
        bad(ops.max_pool2d_with_indices),
    ),
    Row(
        "bias_act_max_pool2d",
        bias_act_cases(),
        bias_act_max_pool,
        (
            Bad(lambda: ops.bias_act_max_pool2d(zeros(4, 4), zeros(4), ops.relu, 2), ValueError, "got (4, 4)"),
            Bad(lambda: ops.bias_act_max_pool2d(X, zeros(2), ops.relu, 2), ValueError, "got x (1, 1, 4, 4) and b (2,)"),
            Bad(lambda: ops.bias_act_max_pool2d(X, zeros(1), "relu", 2), TypeError, "activation is a function such as"),
            Bad(lambda: ops.bias_act_max_pool2d(X, zeros(1), None, 5), ValueError, "smaller than the window (5, 5)"),
            refuses_mixed(lambda x, b: ops.bias_act_max_pool2d(x, b, None, 2), X.shape, (1,)),
        ),
        call=lambda x, b, *, activation, kernel_size, **options: ops.bias_act_max_pool2d(
            x, b, activation, kernel_size, **options
        ),
    ),
    Row(
        "avg_pool2d",
        pool_cases(normal, ceil_mode=st.booleans(), count_include_pad=st.booleans()),
        avg_pool,
        bad(ops.avg_pool2d),
    ),
    Row(
        "max_unpool2d",
        unpool_cases(),
        unpool_reference,
        (
            Bad(lambda: ops.max_unpool2d(zeros(1, 1, 2, 3), INDEX, 2), ValueError, "got x (1, 1, 2, 3), indices (1, 1"),
            Bad(
                lambda: ops.max_unpool2d(zeros(1, 1, 2, 2), INDEX, 2),
                ValueError,
                "indices from 0 to 99 do not fit into planes of (4, 4)",
            ),
            Bad(lambda: ops.max_unpool2d(zeros(1, 1, 2, 2), INDEX, 2, output_size=(3, 0)), ValueError, "output_size"),
        ),
        call=unpool,
    ),
    Row(
        "upsample",
        upsample_cases(),
        upsample,
        (
            Bad(lambda: ops.upsample(zeros(2, 2), 2), ValueError, "upsample: expected x (N, C, H, W), got (2, 2)"),
            Bad(lambda: ops.upsample(X, 0), ValueError, "upsample: scale_factor is a whole number of at least 1"),
            Bad(lambda: ops.upsample(X, 2, "cubic"), ValueError, "mode is 'nearest' or 'bilinear', got 'cubic'"),
        ),
    ),
]
