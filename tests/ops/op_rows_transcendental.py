"""Rows of the op table: functions beyond powers (`minigen/ops/transcendental.py`).

Read next: ``op_rows_shape.py``.
"""

from __future__ import annotations

import cmath
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes
from ops.op_row import (
    Array,
    Bad,
    Case,
    Draw,
    Row,
    cases,
    normal,
    ops,
    refuses_complex,
    refuses_mixed,
    seeds,
    shapes,
    zeros,
)

#: Sine and cosine are the parts of exp(ix), which is none of NumPy's sines.
turned = np.vectorize(lambda x: cmath.exp(1j * x), otypes=[np.complex128])


def unary(name: str, reference: Any, draw: Draw) -> Row:
    return Row(name, cases(draw, shapes()), reference, (refuses_complex(getattr(ops, name)),))


def above_minus_one(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """From -0.7 to 2: log1p ends at -1."""
    return np.asarray(rng.uniform(-0.7, 2, shape))


@st.composite
def two_of_them(draw: st.DrawFn) -> Case:
    """Two operands that broadcast, or one and a number."""
    rng = np.random.default_rng(draw(seeds))
    a, b = draw(mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)).input_shapes
    number = draw(st.sampled_from([None, None, 0, 1.5]))
    return Case((normal(rng, a), normal(rng, b)), {}) if number is None else Case((normal(rng, a),), {"b": number})


ROWS = [
    unary("expm1", lambda x: np.exp(x) - 1, normal),
    unary("log1p", lambda x: np.log(1 + x), above_minus_one),
    unary("sin", lambda x: turned(x).imag, normal),
    unary("cos", lambda x: turned(x).real, normal),
    Row(
        "logaddexp",
        two_of_them(),
        lambda a, b: np.log(np.exp(a) + np.exp(b)),
        (
            refuses_mixed(ops.logaddexp, (2,), (2,)),
            Bad(lambda: ops.logaddexp(zeros(2, 3), zeros(2)), ValueError, "(inputs of shape (2, 3), (2,))"),
        ),
    ),
]
