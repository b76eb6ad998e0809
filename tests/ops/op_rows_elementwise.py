"""Rows of the op table: operations that treat each element alone (`minigen/ops/elementwise.py`).

Read next: ``op_rows_shape.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes
from ops.op_row import (
    Array,
    Bad,
    Case,
    Row,
    Strategy,
    cases,
    normal,
    normal_away_from,
    ops,
    positive,
    refuses_complex,
    refuses_mixed,
    seeds,
    shapes,
    zeros,
)

erf = np.vectorize(math.erf, otypes=[np.float64])


def gelu(x: Array, approximate: str) -> Array:
    if approximate == "none":
        return x * 0.5 * (1 + erf(x / np.sqrt(2)))
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def leaky_relu(x: Array, slope: float = 0.01) -> Array:
    return np.maximum(x, 0) + slope * np.minimum(x, 0)


def elu(x: Array, alpha: float = 1.0) -> Array:
    return np.maximum(x, 0) + alpha * (np.exp(np.minimum(x, 0)) - 1)


def clip(x: Array, low: float | None = None, high: float | None = None) -> Array:
    x = x if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


@st.composite
def power_cases(draw: st.DrawFn) -> Case:
    """Tensor ** Tensor, Tensor ** number and number ** Tensor."""
    rng = np.random.default_rng(draw(seeds))
    form = draw(st.sampled_from(["tensors", "number above", "number below"]))
    if form == "tensors":
        a, b = draw(mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)).input_shapes
        return Case((positive(rng, a), normal(rng, b)), {})
    shape = draw(shapes())
    if form == "number below":
        return Case((normal(rng, shape),), {"base": draw(st.sampled_from([0.5, 2, 3.0, np.float32(2)]))})
    exponent = draw(st.sampled_from([0, 1, 2, 3, -1, -2, 0.5, 2.0, 1.7, np.int64(2), np.float32(3)]))
    values = positive if exponent != int(exponent) or exponent < 0 else normal  # x**3 has no need of x > 0
    return Case((values(rng, shape),), {"exponent": exponent})


def power(a: Any, b: Any = None, *, base: Any = None, exponent: Any = None) -> Any:
    if b is not None:
        return ops.power(a, b)
    return ops.power(base, a) if base is not None else ops.power(a, exponent)


def power_reference(a: Array, b: Array | None = None, *, base: Any = None, exponent: Any = None) -> Array:
    if base is not None:
        return np.exp(a * math.log(base))
    if b is not None:
        return np.exp(b * np.log(a))
    if exponent == int(exponent):
        y = np.ones_like(a)
        for _ in range(abs(int(exponent))):
            y = y * a
        return y if exponent >= 0 else 1 / y
    return np.exp(exponent * np.log(a))


@st.composite
def apart(draw: st.DrawFn) -> Case:
    """Two broadcasting operands (or one and a number) that nowhere come closer to each other than 0.1."""
    rng = np.random.default_rng(draw(seeds))
    a, b = draw(mutually_broadcastable_shapes(num_shapes=2, max_dims=3, max_side=3)).input_shapes
    low, high = rng.integers(-8, 8, a) * 0.25, rng.integers(-8, 8, b) * 0.25 + 0.125
    if draw(st.booleans()):
        return Case((low,), {"number": 0.125, "first": draw(st.booleans())})
    return Case((low, high), {})


def of_two(op: Any) -> Any:
    """An operation of two operands, either of which may be a number."""

    def call(a: Any, b: Any = None, *, number: float | None = None, first: bool = False) -> Any:
        if b is not None:
            return op(a, b)
        return op(number, a) if first else op(a, number)

    return call


def larger(a: Array, b: Array | None = None, *, number: float = 0.0, first: bool = False) -> Array:
    b = np.asarray(number) if b is None else b
    return np.where(a > b, a, b)


def smaller(a: Array, b: Array | None = None, *, number: float = 0.0, first: bool = False) -> Array:
    b = np.asarray(number) if b is None else b
    return np.where(a > b, b, a)


@st.composite
def where_cases(draw: st.DrawFn) -> Case:
    rng = np.random.default_rng(draw(seeds))
    c, a, b = draw(mutually_broadcastable_shapes(num_shapes=3, max_dims=3, max_side=3)).input_shapes
    condition = rng.random(c) < 0.5
    if draw(st.booleans()):
        return Case((normal(rng, a),), {"condition": condition, "number": 2, "first": draw(st.booleans())})
    return Case((normal(rng, a), normal(rng, b)), {"condition": condition})


def where(a: Any, b: Any = None, *, condition: Array, **number: Any) -> Any:
    return of_two(lambda a, b: ops.where(condition, a, b))(a, b, **number)


def where_reference(a: Array, b: Any = None, *, condition: Array, number: float = 0.0, first: bool = False) -> Array:
    mask = condition.astype(np.float64)
    a, b = (a, b) if b is not None else (number, a) if first else (a, number)
    return a * mask + b * (1 - mask)


def unary(name: str, reference: Any, draw: Any = normal, *bad: Bad, **options: Strategy) -> Row:
    op = getattr(ops, name)
    return Row(name, cases(draw, shapes(), **options), reference, (refuses_complex(op), *bad))


def binary_bad(op: Any) -> tuple[Bad, ...]:
    return (
        refuses_mixed(op, (2,), (2,)),
        Bad(lambda: op(zeros(2, 3), zeros(2)), ValueError, "(inputs of shape (2, 3), (2,))"),
    )


LIMITS = [{"low": -1.0, "high": 1.0}, {"low": -1.0}, {"high": 0.5}, {"low": -0.5, "high": None}]

ROWS = [
    unary("exp", np.exp),
    unary("log", np.log, positive),
    unary("sqrt", np.sqrt, positive),
    unary("abs", lambda x: np.where(x < 0, -x, x), normal_away_from(0)),
    unary("tanh", lambda x: (np.exp(2 * x) - 1) / (np.exp(2 * x) + 1)),
    unary("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
    unary("softplus", lambda x: np.log(1 + np.exp(x))),
    unary("erf", erf),
    unary("erfc", lambda x: 1 - erf(x)),
    unary("relu", lambda x: np.where(x > 0, x, 0), normal_away_from(0)),
    unary("leaky_relu", leaky_relu, normal_away_from(0), slope=st.sampled_from([0.01, 0.2, 1.0])),
    unary("elu", elu, normal_away_from(0), alpha=st.sampled_from([1.0, 0.5])),
    unary(
        "gelu",
        gelu,
        normal,
        Bad(lambda: ops.gelu(zeros(2), "exact"), ValueError, "gelu: approximate is 'none' or 'tanh', got 'exact'"),
        approximate=st.sampled_from(["none", "tanh"]),
    ),
    unary("silu", lambda x: x / (1 + np.exp(-x))),
    Row(
        "clip",
        st.sampled_from(LIMITS).flatmap(
            lambda limits: cases(
                normal_away_from(-1, 1, -0.5, 0.5), shapes(), **{k: st.just(v) for k, v in limits.items()}
            )
        ),
        clip,
        (
            Bad(lambda: ops.clip(zeros(2)), ValueError, "clip: give low, high or both"),
            Bad(lambda: ops.clip(zeros(2), 1, 0), ValueError, "low must not be above high, got low=1, high=0"),
        ),
    ),
    Row("maximum", apart(), larger, binary_bad(ops.maximum), call=of_two(ops.maximum)),
    Row("minimum", apart(), smaller, binary_bad(ops.minimum), call=of_two(ops.minimum)),
    Row("power", power_cases(), power_reference, binary_bad(ops.power), call=power),
    Row(
        "reparameterize",
        st.builds(
            lambda shape, seed: Case(tuple(np.random.default_rng(seed).normal(size=(3, *shape))), {}), shapes(), seeds
        ),
        lambda mean, logvar, noise: mean + np.sqrt(np.exp(logvar)) * noise,
        (
            Bad(
                lambda: ops.reparameterize(zeros(2, 3), zeros(3), zeros(2, 3)),
                ValueError,
                "reparameterize: mean has shape (2, 3) but logvar has (3,); nothing is broadcast",
            ),
            Bad(lambda: ops.reparameterize(zeros(2), zeros(2), 0.0), ValueError, "but noise has ()"),
            refuses_mixed(ops.reparameterize, (2,), (2,), (2,)),
        ),
    ),
    Row(
        "where",
        where_cases(),
        where_reference,
        (
            Bad(lambda: ops.where(zeros(2), 1.0, zeros(2)), TypeError, "where: the condition has to be bool"),
            Bad(
                lambda: ops.where(np.ones(3, bool), zeros(2), zeros(2)),
                ValueError,
                "(inputs of shape (2,), (2,))",
            ),
            refuses_mixed(lambda a, b: ops.where(np.ones(2, bool), a, b), (2,), (2,)),
        ),
        call=where,
    ),
]
