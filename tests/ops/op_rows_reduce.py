"""Rows of the op table: operations that make one number of many (`minigen/ops/reduce.py`), and softmax.

Read next: ``op_rows_conv.py``.
"""

from __future__ import annotations

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
    distinct,
    distinct_sizes,
    normal,
    ops,
    seeds,
    shapes,
    zeros,
)


@st.composite
def reductions(draw: st.DrawFn, values: Draw, **options: Strategy) -> Case:
    """An array, and the axes to reduce: all, one (also counted from the end), or several."""
    shape = draw(shapes())
    ndim = len(shape)
    axis: Any = None
    if ndim:
        one = st.integers(-ndim, ndim - 1)
        several = st.lists(st.integers(0, ndim - 1), min_size=1, unique=True).map(tuple)
        axis = draw(st.one_of(st.none(), one, several))
    drawn = {name: draw(strategy) for name, strategy in options.items()}
    x = values(np.random.default_rng(draw(seeds)), shape)
    return Case((x,), {"axis": axis, "keepdims": draw(st.booleans()), **drawn})


@st.composite
def var_cases(draw: st.DrawFn) -> Case:
    case = draw(reductions(distinct))
    count = case.inputs[0].size // max(1, case.inputs[0].mean(case.options["axis"]).size)
    correction = draw(st.sampled_from([0, 1] if count > 1 else [0]))
    return Case(case.inputs, {**case.options, "correction": correction})


def folded(x: Array, axis: Any, keepdims: bool, fold: Any) -> Array:
    """`fold` of the reduced elements of each group, with Python loops."""
    axes = range(x.ndim) if axis is None else {i % x.ndim for i in (axis if isinstance(axis, tuple) else (axis,))}
    kept = [i for i in range(x.ndim) if i not in axes]
    y = np.zeros([1 if i in axes else n for i, n in enumerate(x.shape)])
    for place in np.ndindex(*y.shape):
        group = x[tuple(place[i] if i in kept else slice(None) for i in range(x.ndim))]
        y[place] = fold([float(v) for v in np.ravel(group)])
    return y if keepdims else y.reshape([x.shape[i] for i in kept])


def reducing(fold: Any) -> Any:
    """A reference: `fold` makes one number of a list of numbers."""
    return lambda x, axis, keepdims: folded(x, axis, keepdims, fold)


def variance(x: Array, axis: Any, keepdims: bool, correction: int) -> Array:
    def fold(group: list[float]) -> float:
        mean = sum(group) / len(group)
        return sum((v - mean) ** 2 for v in group) / (len(group) - correction)

    return folded(x, axis, keepdims, fold)


def norm(x: Array, axis: Any, keepdims: bool, order: float) -> Array:
    def fold(group: list[float]) -> float:
        sizes = [abs(v) for v in group]
        return max(sizes) if order == np.inf else sum(v**order for v in sizes) ** (1 / order)

    return folded(x, axis, keepdims, fold)


@st.composite
def softmax_cases(draw: st.DrawFn) -> Case:
    shape = draw(shapes(least=1))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    return Case((normal(np.random.default_rng(draw(seeds)), shape),), {"axis": axis})


def softmax(x: Array, axis: int) -> Array:
    return np.exp(x) / np.exp(x).sum(axis, keepdims=True)


def bad(op: Any, *more: Bad) -> tuple[Bad, ...]:
    name = op.__name__
    return (
        Bad(lambda: op(zeros(2, 3), 2), ValueError, f"{name}: axis 2 must be different axes out of -2 ... 1"),
        Bad(lambda: op(zeros(2, 3), (0, -2)), ValueError, f"{name}: axis (0, -2) must be different axes"),
        *more,
    )


def bad_of_empty(op: Any, *more: Bad) -> tuple[Bad, ...]:
    return bad(op, Bad(lambda: op(zeros(0, 3), 0), ValueError, "x has shape (0, 3) and axis is 0"), *more)


softmax_bad = (
    Bad(lambda: ops.softmax(zeros(2), 1), ValueError, "softmax: axis 1"),
    Bad(lambda: ops.softmax(zeros(0)), ValueError, "softmax: nothing to reduce"),
    Bad(lambda: ops.softmax(zeros(2, 3), (0, 1)), TypeError, "softmax: axis is one whole number, got (0, 1)"),
)
log_softmax_bad = (
    Bad(lambda: ops.log_softmax(zeros(2), 1), ValueError, "log_softmax: axis 1"),
    Bad(lambda: ops.log_softmax(zeros(0)), ValueError, "log_softmax: nothing to reduce"),
)

ROWS = [
    Row("sum", reductions(normal), reducing(sum), bad(ops.sum)),
    Row("mean", reductions(normal), reducing(lambda group: sum(group) / len(group)), bad_of_empty(ops.mean)),
    Row("max", reductions(distinct), reducing(max), bad_of_empty(ops.max)),
    Row(
        "min",
        reductions(distinct),
        reducing(min),
        (
            Bad(lambda: ops.min(zeros(2, 3), 2), ValueError, "min: axis 2 must be different axes out of -2 ... 1"),
            Bad(lambda: ops.min(zeros(0)), ValueError, "min: nothing to reduce"),
        ),
    ),
    Row(
        "var",
        var_cases(),
        variance,
        bad_of_empty(
            ops.var,
            Bad(lambda: ops.var(zeros(1), correction=1), ValueError, "var: 1 elements and correction=1 leave nothing"),
        ),
    ),
    Row(
        "logsumexp",
        reductions(normal),
        reducing(lambda group: np.log(sum(np.exp(v) for v in group))),
        bad_of_empty(ops.logsumexp),
    ),
    Row(
        "norm",
        reductions(distinct_sizes, order=st.sampled_from([2, 1, 3, 1.5, np.inf])),
        norm,
        bad(ops.norm, Bad(lambda: ops.norm(zeros(2), order=-1), ValueError, "norm: order must be above 0, got -1")),
    ),
    Row("softmax", softmax_cases(), softmax, softmax_bad),
    Row("log_softmax", softmax_cases(), lambda x, axis: np.log(softmax(x, axis)), log_softmax_bad),
]
