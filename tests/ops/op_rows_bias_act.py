"""Rows of the op table: bias and activation in one (`minigen/ops/bias_act.py`).

Drawn is x + b, which stays away from 0, where relu has a kink; x is what remains.

Read next: ``op_rows_conv.py``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st
from ops.op_row import Array, Bad, Case, Row, normal, normal_away_from, ops, refuses_mixed, seeds, zeros


def leaky(slope: float) -> Any:
    return lambda z: np.where(z > 0, z, slope * z)


#: Those that the kernels know, in every way to say them, and others, which take the plain way.
PLAIN: list[tuple[Any, Any]] = [
    (None, lambda z: z),
    (ops.relu, leaky(0.0)),
    (ops.sigmoid, lambda z: 1 / (1 + np.exp(-z))),
    (ops.tanh, np.tanh),
    (ops.leaky_relu, leaky(0.01)),
    (partial(ops.leaky_relu, slope=0.2), leaky(0.2)),
    (partial(ops.leaky_relu, slope=-0.5), leaky(-0.5)),
    (ops.silu, lambda z: z / (1 + np.exp(-z))),
    (lambda z: ops.tanh(z * 2), lambda z: np.tanh(2 * z)),
]


@st.composite
def bias_cases(draw: st.DrawFn) -> Case:
    rng = np.random.default_rng(draw(seeds))
    shape = (draw(st.integers(0, 3)), draw(st.integers(1, 3)), *draw(st.sampled_from([(), (2,), (3, 2)])))
    b, activation = normal(rng, shape[1:2]), draw(st.sampled_from(PLAIN))[0]
    z = normal_away_from(0.0)(rng, shape)
    return Case((z - along_channels(b, z), b), {"activation": activation})


def along_channels(b: Array, x: Array) -> Array:
    return b.reshape(1, -1, *(1,) * (x.ndim - 2))


def bias_act(x: Array, b: Array, activation: Any) -> Array:
    (formula,) = (formula for function, formula in PLAIN if function is activation)
    return formula(x + along_channels(b, x))


ROWS = [
    Row(
        "bias_act",
        bias_cases(),
        bias_act,
        (
            Bad(lambda: ops.bias_act(zeros(2, 3), zeros(2)), ValueError, "got x (2, 3) and b (2,)"),
            Bad(lambda: ops.bias_act(zeros(3), zeros(3)), ValueError, "bias_act: expected x (N, C) or (N, C, H, W)"),
            Bad(lambda: ops.bias_act(zeros(2, 3), zeros(3, 1), ops.relu), ValueError, "and b (3, 1)"),
            refuses_mixed(ops.bias_act, (2, 3), (3,)),
        ),
    ),
]
