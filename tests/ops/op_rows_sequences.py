"""Rows of the op table: sequences (`minigen/ops/conv1d.py`) and `minigen/ops/embedding.py`. The references are loops.

Read next: ``op_table.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from ops.op_row import Array, Bad, Case, Draw, Row, Strategy, distinct, normal, ops, refuses_mixed, seeds, zeros

from minigen.autograd import Tensor


def geometry(draw: st.DrawFn, *paddings: Any) -> dict[str, Any]:
    """Options of a convolution; a number may stand alone or in a tuple, as PyTorch takes it."""
    options = {
        "stride": draw(st.integers(1, 3)),
        "padding": draw(st.sampled_from([0, 1, 2, *paddings])),
        "dilation": draw(st.integers(1, 2)),
        "groups": draw(st.integers(1, 2)),
    }
    return {k: (v,) if k != "groups" and isinstance(v, int) and draw(st.booleans()) else v for k, v in options.items()}


def number(value: Any) -> int:
    return value[0] if isinstance(value, tuple) else value


def plan(length: int, k: int, stride: Any, padding: Any, dilation: Any) -> tuple[int, int]:
    """(length of the result, zeros before the sequence)."""
    s, span = number(stride), number(dilation) * (k - 1) + 1
    if padding == "same":
        return math.ceil(length / s), max(0, (math.ceil(length / s) - 1) * s + span - length) // 2
    p = 0 if padding == "valid" else number(padding)
    return (length + 2 * p - span) // s + 1, p


@st.composite
def conv_cases(draw: st.DrawFn) -> Case:
    options, rng = geometry(draw, "same", "valid"), np.random.default_rng(draw(seeds))
    g, k, length = options["groups"], draw(st.integers(1, 3)), draw(st.integers(1, 7))
    assume(plan(length, k, options["stride"], options["padding"], options["dilation"])[0] >= 1)
    N, C, K = (draw(st.integers(1, 2)) for _ in range(3))
    arrays = normal(rng, (N, g * C, length)), normal(rng, (g * K, C, k)), normal(rng, (g * K,))
    return Case(arrays[: draw(st.integers(2, 3))], options)


def products(C: int, K: int, groups: int) -> Any:
    """(output channel, input channel within its group, input channel) of a convolution."""
    for k in range(K):
        for c in range(C // groups):
            yield k, c, k // (K // groups) * (C // groups) + c


def conv1d(x: Array, w: Array, b: Array | None = None, *, groups: int, **options: Any) -> Array:
    (N, C, L), (K, _, taps) = x.shape, w.shape
    out, before = plan(L, taps, **options)
    y = np.zeros((N, K, out)) + (0 if b is None else b[:, None])
    for k, c, channel in products(C, K, groups):
        for i, u in np.ndindex(out, taps):
            at = i * number(options["stride"]) - before + u * number(options["dilation"])
            if 0 <= at < L:
                y[:, k, i] += x[:, channel, at] * w[k, c, u]
    return y


@st.composite
def transpose_cases(draw: st.DrawFn) -> Case:
    options, rng = geometry(draw), np.random.default_rng(draw(seeds))
    s, d = number(options["stride"]), number(options["dilation"])
    options["output_padding"] = draw(st.integers(0, max(s, d) - 1))
    g, k, length = options["groups"], draw(st.integers(1, 3)), draw(st.integers(1, 4))
    out = (length - 1) * s - 2 * number(options["padding"]) + d * (k - 1) + 1 + options["output_padding"]
    assume(out >= 1)
    N, C, K = (draw(st.integers(1, 2)) for _ in range(3))
    arrays = normal(rng, (N, g * C, length)), normal(rng, (g * C, K, k)), normal(rng, (g * K,))
    return Case(arrays[: draw(st.integers(2, 3))], options)


def conv_transpose1d(
    x: Array, w: Array, b: Array | None = None, *, groups: int, output_padding: int, **options: Any
) -> Array:
    (N, C, L), (_, K, taps) = x.shape, w.shape
    s, p, d = (number(options[name]) for name in ("stride", "padding", "dilation"))
    y = np.zeros((N, K * groups, (L - 1) * s - 2 * p + d * (taps - 1) + 1 + output_padding))
    y += 0 if b is None else b[:, None]
    for c, k, channel in products(K * groups, C, groups):
        for i, u in np.ndindex(L, taps):
            at = i * s - p + u * d
            if 0 <= at < y.shape[2]:
                y[:, channel, at] += x[:, c, i] * w[c, k, u]
    return y


@st.composite
def pool_cases(draw: st.DrawFn, values: Draw, **options: Strategy) -> Case:
    k, rng = draw(st.integers(1, 3)), np.random.default_rng(draw(seeds))
    p = draw(st.integers(0, k // 2))
    drawn = {name: draw(strategy) for name, strategy in options.items()}
    window = {"kernel_size": k, "stride": draw(st.sampled_from([None, 1, 2, 3, (2,)])), "padding": p}
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.integers(max(1, k - 2 * p), 7)))
    return Case((values(rng, shape),), {**window, **drawn})


def windows(length: int, kernel_size: int, stride: Any, padding: int, ceil_mode: bool) -> list[range]:
    s = kernel_size if stride is None else number(stride)
    count = (math.ceil if ceil_mode else math.floor)((length + 2 * padding - kernel_size) / s) + 1
    starts = [i * s - padding for i in range(count)]
    return [range(a, a + kernel_size) for a in starts if a < length or not ceil_mode]


def max_pool1d(x: Array, **options: Any) -> Array:
    own = windows(x.shape[2], **options)
    return np.stack([x[:, :, [i for i in w if 0 <= i < x.shape[2]]].max(2) for w in own], 2)


def avg_pool1d(x: Array, count_include_pad: bool, **options: Any) -> Array:
    length, p, means = x.shape[2], options["padding"], []
    for window in windows(length, **options):
        inside = [i for i in window if 0 <= i < length]
        counted = [i for i in window if -p <= i < length + p] if count_include_pad else inside
        means.append(x[:, :, inside].sum(2) / len(counted))
    return np.stack(means, 2)


@st.composite
def embedding_cases(draw: st.DrawFn) -> Case:
    rng, rows = np.random.default_rng(draw(seeds)), draw(st.integers(1, 4))
    shape = tuple(draw(st.lists(st.integers(0, 3), max_size=3)))
    kind = draw(st.sampled_from([np.int64, np.int32, np.uint8]))
    return Case((normal(rng, (rows, draw(st.integers(1, 3)))),), {"indices": rng.integers(0, rows, shape).astype(kind)})


def embedding(w: Any, *, indices: Array) -> Any:
    return ops.embedding(indices, w)


def embedding_reference(w: Array, *, indices: Array) -> Array:
    y = np.zeros((*indices.shape, w.shape[1]))
    for place in np.ndindex(*indices.shape):
        y[place] = w[int(indices[place])]
    return y


X, W, TABLE = zeros(1, 4, 5), zeros(2, 2, 3), zeros(3, 2)


def bad_pool(op: Any, name: str) -> tuple[Bad, ...]:
    return (
        Bad(lambda: op(zeros(1, 1, 4, 4), 2), ValueError, f"{name}: expected x (N, C, L), got (1, 1, 4, 4)"),
        Bad(lambda: op(X, 0), ValueError, f"{name}: kernel_size is a whole number of at least 1, got 0"),
        Bad(lambda: op(X, (2, 2)), ValueError, f"{name}: kernel_size is a whole number of at least 1, got (2, 2)"),
        Bad(lambda: op(X, 2, 0), ValueError, f"{name}: stride is a whole number of at least 1"),
        Bad(lambda: op(X, 2, 2, 2), ValueError, f"{name}: padding 2 must be at most half of kernel_size 2"),
        Bad(lambda: op(X, 6), ValueError, f"{name}: sequences of length 5 with padding 0 are shorter than the window"),
        Bad(lambda: op(X, 8, 3, ceil_mode=True), ValueError, f"{name}: sequences of length 5"),
        Bad(lambda: op(zeros(1, 4, 0), 1), ValueError, f"{name}: sequences of length 0"),
    )


ROWS = [
    Row(
        "conv1d",
        conv_cases(),
        conv1d,
        (
            Bad(
                lambda: ops.conv1d(zeros(1, 4, 5, 5), W),
                ValueError,
                "conv1d: expected x (N, C, L) and w (K, C/groups, k)",
            ),
            Bad(lambda: ops.conv1d(X, W), ValueError, "conv1d: w (2, 2, 3) with groups=1 works on 2 channels"),
            Bad(lambda: ops.conv1d(X, W, groups=3), ValueError, "conv1d: groups=3 must divide"),
            Bad(
                lambda: ops.conv1d(X, W, groups=2, dilation=3),
                ValueError,
                "conv1d: sequences of length 5 with padding 0",
            ),
            Bad(lambda: ops.conv1d(zeros(1, 4, 0), W, groups=2, padding="same"), ValueError, "sequences of length 0"),
            Bad(lambda: ops.conv1d(X, zeros(2, 4, 0)), ValueError, "conv1d: a kernel has at least one place"),
            Bad(lambda: ops.conv1d(X, W, groups=2, padding="full"), ValueError, "conv1d: padding is a whole number"),  # type: ignore[arg-type]
            Bad(lambda: ops.conv1d(X, W, zeros(3), groups=2), ValueError, "conv1d: expected b (2,), got (3,)"),
            refuses_mixed(ops.conv1d, (1, 2, 5), (2, 2, 3)),
        ),
        order=3,
    ),
    Row(
        "conv_transpose1d",
        transpose_cases(),
        conv_transpose1d,
        (
            Bad(
                lambda: ops.conv_transpose1d(X, W), ValueError, "conv_transpose1d: w (2, 2, 3) with groups=1 works on 2"
            ),
            Bad(
                lambda: ops.conv_transpose1d(zeros(4, 5), W),
                ValueError,
                "x (N, C, L) and w (C, K/groups, k), got x (4, 5)",
            ),
            Bad(
                lambda: ops.conv_transpose1d(X, zeros(4, 1, 1), stride=2, padding="same", output_padding=1),
                ValueError,
                "conv_transpose1d: padding 'same' gives one size, so output_padding is 0; got 1",
            ),
            Bad(lambda: ops.conv_transpose1d(X, zeros(4, 1, 1), padding=3), ValueError, "padding 3 leaves nothing of"),
            Bad(
                lambda: ops.conv_transpose1d(X, zeros(4, 1, 1), output_padding=1),
                ValueError,
                "output_padding 1 must be",
            ),
            refuses_mixed(ops.conv_transpose1d, (1, 2, 5), (2, 2, 3)),
        ),
        order=3,
    ),
    Row(
        "max_pool1d",
        pool_cases(distinct, ceil_mode=st.booleans()),
        max_pool1d,
        bad_pool(ops.max_pool1d, "max_pool1d"),
    ),
    Row(
        "avg_pool1d",
        pool_cases(normal, ceil_mode=st.booleans(), count_include_pad=st.booleans()),
        avg_pool1d,
        bad_pool(ops.avg_pool1d, "avg_pool1d"),
    ),
    Row(
        "embedding",
        embedding_cases(),
        embedding_reference,
        (
            Bad(lambda: ops.embedding([0, 3], TABLE), IndexError, "indices must be from 0 to 2 (w (3, 2)), got 0 to 3"),
            Bad(lambda: ops.embedding([-1], TABLE), IndexError, "got -1 to -1"),
            Bad(lambda: ops.embedding([0.0], TABLE), TypeError, "embedding: indices are whole numbers, got float32"),
            Bad(lambda: ops.embedding([True], TABLE), TypeError, "embedding: indices are whole numbers, got bool"),
            Bad(
                lambda: ops.embedding([0], zeros(3)),
                ValueError,
                "expected w (num_embeddings, D) of floats, got float64 (3,)",
            ),
            Bad(lambda: ops.embedding([0], Tensor([[1]])), ValueError, "of floats, got int64 (1, 1)"),
            Bad(
                lambda: ops.embedding([0], TABLE, 3), ValueError, "embedding: padding_idx is a row from -3 to 2, got 3"
            ),
        ),
        call=embedding,
        order=3,
    ),
]
