"""Rows of the op table: prelu, selu, celu, hardswish and mish (`minigen/ops/activations.py`).

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
    cases,
    normal,
    normal_away_from,
    ops,
    refuses_complex,
    refuses_mixed,
    seeds,
    shapes,
)
from ops.op_row import zeros as zeros_of

from minigen.autograd import Tensor


def unary(name: str, reference: Any, draw: Draw, *bad: Bad, **options: Any) -> Row:
    return Row(name, cases(draw, shapes(), **options), reference, (refuses_complex(getattr(ops, name)), *bad))


def celu(x: Array, alpha: float = 1.0) -> Array:
    return np.maximum(x, 0) + np.minimum(0, alpha * (np.exp(x / alpha) - 1))


def selu(x: Array) -> Array:
    """Scale and slope are the fixed point of mean 0 and variance 1: here from the paper's equation 14."""
    return 1.0507009873554804934 * (np.maximum(x, 0) + 1.6732632423543772848 * (np.exp(np.minimum(x, 0)) - 1))


@st.composite
def prelu_cases(draw: st.DrawFn) -> Case:
    """One slope for all, or one for each channel."""
    rng = np.random.default_rng(draw(seeds))
    shape = draw(st.sampled_from([(), (4,), (2, 3), (2, 3, 4), (0, 3, 2), (2, 3, 2, 2)]))
    slopes = draw(st.sampled_from([(1,), shape[1:2] or (1,)]))
    return Case((normal_away_from(0)(rng, shape), normal(rng, slopes)), {})


def prelu(x: Array, w: Array) -> Array:
    w = w if x.ndim < 2 else w.reshape(1, -1, *(1,) * (x.ndim - 2))
    return np.asarray(np.maximum(x, 0) + np.minimum(x, 0) * w).reshape(x.shape)


ROWS = [
    unary("mish", lambda x: x * np.tanh(np.log(1 + np.exp(x))), normal),
    unary(
        "hardswish",
        lambda x: x * np.clip(x + 3, 0, 6) / 6,
        lambda rng, shape: normal_away_from(-3, 3)(rng, shape) * 1.0,
    ),
    unary("selu", selu, normal_away_from(0)),
    unary(
        "celu",
        celu,
        normal_away_from(0),
        Bad(lambda: ops.celu(zeros_of(2), 0.0), ValueError, "celu: alpha must be above 0, got 0.0"),
        alpha=st.sampled_from([1.0, 0.5, 2.0]),
    ),
    Row(
        "prelu",
        prelu_cases(),
        prelu,
        (
            Bad(
                lambda: ops.prelu(zeros_of(2, 3), zeros_of(2)),
                ValueError,
                "prelu: expected w (1,) or one slope for each channel, (3,), for x (2, 3), got (2,)",
            ),
            Bad(lambda: ops.prelu(zeros_of(4), zeros_of(4)), ValueError, "prelu: expected w (1,) for x (4,), got (4,)"),
            Bad(lambda: ops.prelu(zeros_of(2, 3), Tensor(0.5)), ValueError, "got ()"),
            refuses_mixed(ops.prelu, (2, 3), (1,)),
        ),
    ),
]
