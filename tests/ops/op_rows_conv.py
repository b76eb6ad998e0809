"""Rows of the op table: the convolution family (`minigen/ops/conv.py`). The references are nested loops.

Read next: ``op_rows_pool.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from ops.op_row import Array, Bad, Case, Row, both, normal, ops, refuses_mixed, seeds, two, zeros

from minigen.testing.strategies import conv_geometry


def same_geometry(H: int, span: int, stride: int, padding: Any, i: int) -> tuple[int, int]:
    """(size of the result, zeros before the image) along axis i."""
    if padding != "same":
        p = two(padding)[i]
        return (H + 2 * p - span) // stride + 1, p
    out = -(-H // stride)
    return out, max(0, (out - 1) * stride + span - H) // 2


def plan(hw: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> tuple[Any, Any]:
    """(out_hw, padding before) of a convolution."""
    axes = [same_geometry(hw[i], two(dilation)[i] * (kernel[i] - 1) + 1, two(stride)[i], padding, i) for i in (0, 1)]
    return (axes[0][0], axes[1][0]), (axes[0][1], axes[1][1])


def products(N: int, C: int, K: int, image: Any, out: Any, kernel: Any, before: Any, options: Any) -> Any:
    """The heart of all three references: every (x index, w index, y index) whose product a convolution adds up."""
    (sh, sw), (dh, dw), groups = two(options["stride"]), two(options["dilation"]), options["groups"]
    for n in range(N):
        for k in range(K):
            first = k // (K // groups) * (C // groups)  # the first input channel of the group
            for c in range(C // groups):
                for i, j in np.ndindex(*out):
                    for u, v in np.ndindex(*kernel):
                        row, column = i * sh - before[0] + u * dh, j * sw - before[1] + v * dw
                        if 0 <= row < image[0] and 0 <= column < image[1]:
                            yield (n, first + c, row, column), (k, c, u, v), (n, k, i, j)


def conv2d(
    x: Array, w: Array, b: Array | None = None, activation: Any = None, upsample: Any = 1, **options: Any
) -> Array:
    y = sums(x, w, **options)
    y = y if b is None else y + b.reshape(1, -1, 1, 1)
    y = y if activation is None else np.tanh(y)
    return np.kron(y, np.ones(two(upsample)))


def sums(x: Array, w: Array, **options: Any) -> Array:
    image, kernel = x.shape[2:], w.shape[2:]
    out, before = plan(image, kernel, options["stride"], options["padding"], options["dilation"])
    y = np.zeros((len(x), len(w), *out))
    for at_x, at_w, at_y in products(len(x), x.shape[1], len(w), image, out, kernel, before, options):
        y[at_y] += x[at_x] * w[at_w]
    return y


def conv_transpose2d(x: Array, w: Array, b: Array | None = None, *, output_padding: Any, **options: Any) -> Array:
    N, C = x.shape[:2]
    K = w.shape[1] * options["groups"]
    if options["padding"] == "same":  # of the convolution whose adjoint this is
        image = tuple(n * s for n, s in zip(x.shape[2:], two(options["stride"]), strict=True))
        out, before = plan(image, w.shape[2:], options["stride"], "same", options["dilation"])
        assert out == x.shape[2:]
    else:
        image, before = transposed_size(x, w, output_padding, options), two(options["padding"])
    y = np.zeros((N, K, *image))
    # The adjoint of a convolution of K channels to C: what was the image there is the result here.
    for at_y, at_w, at_x in products(N, K, C, image, x.shape[2:], w.shape[2:], before, options):
        y[at_y] += x[at_x] * w[at_w]
    return y if b is None else y + b.reshape(1, -1, 1, 1)


def transposed_size(x: Array, w: Array, output_padding: Any, options: Any) -> tuple[int, ...]:
    return tuple(
        (x.shape[i + 2] - 1) * two(options["stride"])[i]
        - 2 * two(options["padding"])[i]
        + two(options["dilation"])[i] * (w.shape[i + 2] - 1)
        + 1
        + two(output_padding)[i]
        for i in (0, 1)
    )


def conv2d_weight_grad(x: Array, g: Array, kernel_size: Any, **options: Any) -> Array:
    kernel, before = two(kernel_size), two(options["padding"])
    gw = np.zeros((g.shape[1], x.shape[1] // options["groups"], *kernel))
    for at_x, at_w, at_g in products(len(x), x.shape[1], g.shape[1], x.shape[2:], g.shape[2:], kernel, before, options):
        gw[at_w] += x[at_x] * g[at_g]
    return gw


@st.composite
def conv_cases(draw: st.DrawFn) -> Case:
    g = draw(conv_geometry())
    end = {"activation": draw(st.sampled_from([None, ops.tanh])), "upsample": draw(st.one_of(st.just(1), both(1, 2)))}
    return Case(g.arrays(draw(seeds))[: draw(st.integers(2, 3))], {**g.options, **end})


@st.composite
def transpose_cases(draw: st.DrawFn) -> Case:
    g, rng = draw(conv_geometry(same=False)), np.random.default_rng(draw(seeds))
    stride, padding, dilation = two(g.stride), two(g.padding), two(g.dilation)
    extra = tuple(draw(st.integers(0, max(stride[i], dilation[i]) - 1)) for i in (0, 1))
    _, _, *small = g.y_shape
    for i in (0, 1):
        natural = (small[i] - 1) * stride[i] - 2 * padding[i]
        assume(natural + dilation[i] * (g.kernel[i] - 1) + 1 + extra[i] >= 1)
    shapes = [(g.N, g.C, *small), (g.C, g.K // g.groups, *g.kernel), (g.K,)]
    options = {
        **g.options,
        "output_padding": draw(st.sampled_from([extra, extra[0] if extra[0] == extra[1] else extra])),
    }
    if draw(st.booleans()):
        options |= {"padding": "same", "output_padding": 0}
    return Case(tuple(normal(rng, s) for s in shapes[: draw(st.integers(2, 3))]), options)


@st.composite
def weight_grad_cases(draw: st.DrawFn) -> Case:
    g, rng = draw(conv_geometry(same=False)), np.random.default_rng(draw(seeds))
    return Case((normal(rng, g.x_shape), normal(rng, g.y_shape)), {**g.options, "kernel_size": g.kernel})


X, W = zeros(2, 4, 5, 5), zeros(6, 4, 3, 3)

ROWS = [
    Row(
        "conv2d",
        conv_cases(),
        conv2d,
        (
            Bad(lambda: ops.conv2d(zeros(4, 5, 5), W), ValueError, "conv2d: expected x (N, C, H, W) and w"),
            Bad(lambda: ops.conv2d(zeros(2, 3, 5, 5), W), ValueError, "works on 4 channels, but x (2, 3, 5, 5) has 3"),
            Bad(lambda: ops.conv2d(X, W, groups=3), ValueError, "groups=3 must divide the channels"),
            Bad(lambda: ops.conv2d(X, W, groups=0), ValueError, "groups is a whole number of at least 1, got 0"),
            Bad(lambda: ops.conv2d(X, W, zeros(4)), ValueError, "conv2d: expected b (6,), got (4,)"),
            Bad(lambda: ops.conv2d(X, W, stride=0), ValueError, "stride is a whole number of at least 1"),
            Bad(lambda: ops.conv2d(X, W, stride=1.5), ValueError, "or a pair of them; got 1.5"),
            Bad(lambda: ops.conv2d(X, W, padding=-1), ValueError, "padding is a whole number of at least 0"),
            Bad(lambda: ops.conv2d(X, W, padding="full"), ValueError, "conv2d: padding is"),
            Bad(lambda: ops.conv2d(X, zeros(6, 4, 0, 3)), ValueError, "conv2d: a kernel has at least one place"),
            Bad(lambda: ops.conv2d(X, W, upsample=0), ValueError, "upsample is a whole number of at least 1"),
            Bad(lambda: ops.conv2d(X, W, dilation=(1, 2, 3)), ValueError, "got (1, 2, 3)"),
            Bad(lambda: ops.conv2d(zeros(2, 4, 2, 5), W), ValueError, "are smaller than the kernel's span (3, 3)"),
            refuses_mixed(ops.conv2d, X.shape, W.shape),
        ),
        order=3,
    ),
    Row(
        "conv_transpose2d",
        transpose_cases(),
        conv_transpose2d,
        (
            Bad(lambda: ops.conv_transpose2d(X, zeros(3, 4, 3, 3)), ValueError, "works on 3 channels, but x"),
            Bad(
                lambda: ops.conv_transpose2d(X, zeros(4, 6, 3, 0)), ValueError, "a kernel has at least one place, got w"
            ),
            Bad(lambda: ops.conv_transpose2d(X, zeros(4, 6, 3)), ValueError, "and w (C, K/groups, kh, kw)"),
            Bad(
                lambda: ops.conv_transpose2d(X, zeros(4, 6, 3, 3), output_padding=1),
                ValueError,
                "output_padding (1, 1) must be below stride (1, 1) or dilation (1, 1)",
            ),
            Bad(
                lambda: ops.conv_transpose2d(X, zeros(4, 6, 3, 3), stride=2, padding="same", output_padding=1),
                ValueError,
                "padding 'same' gives one size, so output_padding is 0; got (1, 1)",
            ),
            Bad(lambda: ops.conv_transpose2d(X, zeros(4, 6, 3, 3), padding="full"), ValueError, "got 'full'"),
            Bad(lambda: ops.conv_transpose2d(X, zeros(4, 6, 1, 1), padding=3), ValueError, "leaves nothing of images"),
            Bad(lambda: ops.conv_transpose2d(X, zeros(4, 6, 3, 3), zeros(4)), ValueError, "expected b (6,), got (4,)"),
            refuses_mixed(ops.conv_transpose2d, X.shape, (4, 6, 3, 3)),
        ),
        order=3,
    ),
    Row(
        "conv2d_weight_grad",
        weight_grad_cases(),
        conv2d_weight_grad,
        (
            Bad(lambda: ops.conv2d_weight_grad(X, zeros(3, 6, 3, 3), 3), ValueError, "got x (2, 4, 5, 5) and g (3,"),
            Bad(lambda: ops.conv2d_weight_grad(X, zeros(2, 6, 3, 3), 0), ValueError, "kernel_size is a whole number"),
            Bad(
                lambda: ops.conv2d_weight_grad(X, zeros(2, 6, 9, 3), 3),
                ValueError,
                "conv2d_weight_grad: g (2, 6, 9, 3) is larger than the result (5, 5)",
            ),
            refuses_mixed(lambda x, g: ops.conv2d_weight_grad(x, g, 3), X.shape, (2, 6, 3, 3)),
        ),
        order=3,
    ),
]
