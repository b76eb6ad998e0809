"""Rows of the op table: operations that move elements (`minigen/ops/shape.py`) and products of matrices (`linalg.py`).

Read next: ``op_rows_reduce.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as drawn_arrays
from hypothesis.extra.numpy import (
    basic_indices,
    boolean_dtypes,
    integer_array_indices,
    mutually_broadcastable_shapes,
)
from ops.op_row import Array, Bad, Case, Row, Shape, normal, ops, refuses_mixed, seeds, shapes, zeros


@st.composite
def broadcast_cases(draw: st.DrawFn) -> Case:
    small, large = draw(mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)).input_shapes
    shape = np.broadcast_shapes(small, large)
    return Case((normal(np.random.default_rng(draw(seeds)), small),), {"shape": shape})


@st.composite
def sum_to_cases(draw: st.DrawFn) -> Case:
    case = draw(broadcast_cases())
    x = normal(np.random.default_rng(draw(seeds)), case.options["shape"])
    return Case((x,), {"shape": case.inputs[0].shape})


def sum_to(x: Array, shape: Shape) -> Array:
    y = np.zeros(shape)
    own = np.broadcast_to(np.arange(y.size).reshape(shape), x.shape)  # where each element of x goes
    np.add.at(y.reshape(-1), own.ravel(), x.ravel())
    return y


@st.composite
def joined_cases(draw: st.DrawFn, new_axis: bool) -> Case:
    """Two or three arrays; `concat` lets their lengths along the axis differ, `stack` makes a new axis."""
    rng = np.random.default_rng(draw(seeds))
    shape = draw(shapes(least=0 if new_axis else 1))
    axes = len(shape) + new_axis
    axis = draw(st.integers(-axes, axes - 1))
    inputs = []
    for _ in range(draw(st.integers(1, 3))):
        own = list(shape)
        if not new_axis:
            own[axis] = draw(st.integers(1, 3))
        inputs.append(normal(rng, tuple(own)))
    return Case(tuple(inputs), {"axis": axis})


def concat(*xs: Array, axis: int) -> Array:
    rows = [row for x in xs for row in np.moveaxis(x, axis, 0)]
    return np.moveaxis(np.array(rows), 0, axis)


def stack(*xs: Array, axis: int) -> Array:
    return np.moveaxis(np.array(xs), 0, axis)


@st.composite
def index_cases(draw: st.DrawFn) -> Case:
    """Numbers, slices, None, ..., integer arrays (with repeats), masks, and a mixture."""
    shape = draw(shapes(least=1, side=4))
    mask = drawn_arrays(boolean_dtypes(), shape)
    rows = st.lists(st.integers(-shape[0], shape[0] - 1), min_size=1, max_size=4)
    other = st.sampled_from([slice(None), slice(None, None, -1), 0])
    mixed = st.tuples(rows.map(np.array), *(other for _ in shape[1:]))
    basic = basic_indices(shape, allow_newaxis=True)
    index = draw(st.one_of(basic, integer_array_indices(shape), mask, rows, mixed))
    return Case((normal(np.random.default_rng(draw(seeds)), shape),), {"index": index})


def getitem(x: Array, index: Any) -> Array:
    places = np.arange(x.size).reshape(x.shape)[index]
    return x.ravel()[places]


@st.composite
def reshape_cases(draw: st.DrawFn) -> Case:
    shape = draw(shapes())
    wanted: Any = list(draw(st.permutations(shape)))
    if wanted and draw(st.booleans()):
        wanted[draw(st.integers(0, len(wanted) - 1))] = -1
    wanted = draw(st.sampled_from([tuple(wanted), -1]))
    return Case((normal(np.random.default_rng(draw(seeds)), shape),), {"shape": wanted})


@st.composite
def transpose_cases(draw: st.DrawFn) -> Case:
    shape = draw(shapes())
    axes = draw(st.permutations(range(len(shape))))
    axes = [i - len(shape) if draw(st.booleans()) else i for i in axes]
    x = normal(np.random.default_rng(draw(seeds)), shape)
    return Case((x,), {"axes": draw(st.sampled_from([tuple(axes), None]))})


def transpose(x: Array, axes: Any) -> Array:
    axes = tuple(range(x.ndim))[::-1] if axes is None else tuple(i % x.ndim for i in axes)
    y = np.zeros(tuple(x.shape[i] for i in axes))
    for place in np.ndindex(*y.shape):
        back = dict(zip(axes, place, strict=True))
        y[place] = x[tuple(back[i] for i in range(x.ndim))]
    return y


@st.composite
def flatten_cases(draw: st.DrawFn) -> Case:
    shape = draw(shapes(least=1, most=4))
    x = normal(np.random.default_rng(draw(seeds)), shape)
    return Case((x,), {"start_axis": draw(st.integers(0, len(shape) - 1))})


def flatten(x: Array, start_axis: int) -> Array:
    return x.ravel().reshape(*x.shape[:start_axis], int(np.prod(x.shape[start_axis:])))


@st.composite
def matmul_cases(draw: st.DrawFn) -> Case:
    """Vectors, matrices, and stacks of matrices that broadcast."""
    rng = np.random.default_rng(draw(seeds))
    m, k, n = (draw(st.integers(1, 3)) for _ in range(3))
    if draw(st.booleans()):
        left, right = draw(mutually_broadcastable_shapes(num_shapes=2, max_dims=2, max_side=2)).input_shapes
        return Case((normal(rng, (*left, m, k)), normal(rng, (*right, k, n))), {})
    a, b = draw(st.sampled_from([((k,), (k,)), ((k,), (k, n)), ((m, k), (k,)), ((2, m, k), (k,)), ((k,), (2, k, n))]))
    return Case((normal(rng, a), normal(rng, b)), {})


def matmul(a: Array, b: Array) -> Array:
    left, right = (a[None] if a.ndim == 1 else a), (b[:, None] if b.ndim == 1 else b)
    y = (left[..., :, :, None] * right[..., None, :, :]).sum(-2)
    y = y[..., 0] if b.ndim == 1 else y
    if a.ndim > 1:
        return y
    return y[..., 0] if b.ndim == 1 else y[..., 0, :]


@st.composite
def linear_cases(draw: st.DrawFn) -> Case:
    rng = np.random.default_rng(draw(seeds))
    features, out = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    inputs = [normal(rng, (*draw(shapes()), features)), normal(rng, (out, features))]
    if draw(st.booleans()):
        inputs.append(normal(rng, (out,)))
    return Case(tuple(inputs), {})


def linear(x: Array, w: Array, b: Array | None = None) -> Array:
    return (x[..., None, :] * w).sum(-1) + (0 if b is None else b)


ROWS = [
    Row(
        "broadcast_to",
        broadcast_cases(),
        lambda x, shape: np.zeros(shape) + x,
        (Bad(lambda: ops.broadcast_to(zeros(2, 3), (2, 4)), ValueError, "(2, 3) cannot be repeated to (2, 4)"),),
    ),
    Row(
        "sum_to",
        sum_to_cases(),
        sum_to,
        (
            Bad(lambda: ops.sum_to(zeros(2, 3), (3, 2)), ValueError, "shape (3, 2) was not broadcast to (2, 3)"),
            Bad(lambda: ops.sum_to(zeros(3), (1, 1, 3)), ValueError, "sum_to: shape (1, 1, 3)"),
        ),
    ),
    Row(
        "concat",
        joined_cases(new_axis=False),
        concat,
        (
            Bad(lambda: ops.concat([]), ValueError, "concat: expected a sequence of at least one Tensor"),
            Bad(lambda: ops.concat([zeros(2, 3), zeros(2, 2)]), ValueError, "[(2, 3), (2, 2)] differ outside axis 0"),
            Bad(lambda: ops.concat([zeros(2)], axis=1), ValueError, "concat: axis 1"),
            refuses_mixed(lambda *xs: ops.concat(xs), (2,), (2,)),
        ),
        call=lambda *xs, axis: ops.concat(xs, axis),
    ),
    Row(
        "stack",
        joined_cases(new_axis=True),
        stack,
        (
            Bad(lambda: ops.stack([]), ValueError, "stack: expected a sequence of at least one Tensor"),
            Bad(lambda: ops.stack([zeros(2), zeros(3)]), ValueError, "stack: shapes [(2,), (3,)] are not all the same"),
            refuses_mixed(lambda *xs: ops.stack(xs), (2,), (2,)),
        ),
        call=lambda *xs, axis: ops.stack(xs, axis),
    ),
    Row(
        "flatten",
        flatten_cases(),
        flatten,
        (Bad(lambda: ops.flatten(zeros(3)), ValueError, "flatten: start_axis 1 is not an axis of shape (3,)"),),
    ),
    Row(
        "getitem",
        index_cases(),
        getitem,
        (
            Bad(lambda: zeros(3)[5], IndexError, "index 5 is out of bounds for axis 0 with size 3"),
            Bad(lambda: zeros(3)[np.array([0.5])], IndexError, "an index is made of whole numbers, slices"),
            Bad(lambda: zeros(3)[np.array([True, False])], IndexError, "boolean index did not match"),
        ),
        waits=True,  # for a mask
    ),
    Row(
        "reshape",
        reshape_cases(),
        lambda x, shape: x.ravel().reshape(shape),
        (Bad(lambda: ops.reshape(zeros(2, 3), (4, -1)), ValueError, "(2, 3) to (4, -1): 6 elements do not fit"),),
    ),
    Row(
        "transpose",
        transpose_cases(),
        transpose,
        (
            Bad(lambda: ops.transpose(zeros(2, 3), (0, 0)), ValueError, "transpose: axes (0, 0) are not an order"),
            Bad(lambda: ops.transpose(zeros(2, 3), (0, 2)), ValueError, "of the 2 axes of shape (2, 3)"),
        ),
    ),
    Row(
        "matmul",
        matmul_cases(),
        matmul,
        (
            Bad(lambda: ops.matmul(zeros(2, 3), zeros(2, 3)), ValueError, "matmul: shapes (2, 3) @ (2, 3) do not fit"),
            Bad(lambda: ops.matmul(zeros(), zeros(2)), ValueError, "matmul: shapes () @ (2,) do not fit"),
            Bad(
                lambda: ops.matmul(zeros(2, 1, 1), zeros(3, 1, 1)),
                ValueError,
                "the stacks of (2, 1, 1) @ (3, 1, 1) do not fit",
            ),
            refuses_mixed(ops.matmul, (2, 2), (2, 2)),
        ),
    ),
    Row(
        "linear",
        linear_cases(),
        linear,
        (
            Bad(lambda: ops.linear(zeros(2, 3), zeros(4, 2)), ValueError, "got x (2, 3) and w (4, 2)"),
            Bad(lambda: ops.linear(zeros(2, 3), zeros(4, 3), zeros(3)), ValueError, "linear: expected b (4,)"),
            refuses_mixed(ops.linear, (2, 3), (4, 3)),
        ),
    ),
]
