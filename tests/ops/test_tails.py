"""Operations of one number are right far out and near 0: relative to the exact value, not to the largest of an array.

Exact values come from 60 decimal digits (`decimal`), in which even 1 - tanh(40) has 25 left.

Read next: ``test_op_table.py``.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen import ops
from minigen.autograd import Tensor, grad

Exact = Callable[[Decimal], Decimal]

CONTEXT = decimal.Context(prec=60, Emin=-(10**6), Emax=10**6)
SELU_SCALE, SELU_ALPHA = Decimal("1.05070098735548049341933498"), Decimal("1.67326324235437728481704299")


def mish_gate(x: Decimal) -> tuple[Decimal, Decimal, Decimal]:
    """tanh(log(1 + exp(x))) and its two derivatives: n / (n + 2) for n = e (e + 2), e = exp(x)."""
    e = x.exp()
    n, d1, d2 = e * (e + 2), 2 * e * (e + 1), 2 * e * (2 * e + 1)
    return n / (n + 2), 2 * d1 / (n + 2) ** 2, 2 * d2 / (n + 2) ** 2 - 4 * d1 * d1 / (n + 2) ** 3


def below(value: Exact, above: Exact) -> Exact:
    return lambda x: above(x) if x > 0 else value(x)


#: name -> (the operation, its value and two derivatives, the least and the largest argument)
FUNCTIONS: dict[str, tuple[Any, tuple[Exact, Exact, Exact], tuple[float, float]]] = {
    "expm1": (ops.expm1, (lambda x: x.exp() - 1, lambda x: x.exp(), lambda x: x.exp()), (-80, 80)),
    "log1p": (
        ops.log1p,
        (lambda x: (1 + x).ln(), lambda x: 1 / (1 + x), lambda x: -1 / (1 + x) ** 2),
        (-0.999, 1e15),
    ),
    "mish": (
        ops.mish,
        (
            lambda x: x * mish_gate(x)[0],
            lambda x: mish_gate(x)[0] + x * mish_gate(x)[1],
            lambda x: 2 * mish_gate(x)[1] + x * mish_gate(x)[2],
        ),
        (-80, 40),
    ),
    "selu": (
        ops.selu,
        (
            below(lambda x: SELU_SCALE * SELU_ALPHA * (x.exp() - 1), lambda x: SELU_SCALE * x),
            below(lambda x: SELU_SCALE * SELU_ALPHA * x.exp(), lambda x: SELU_SCALE),
            below(lambda x: SELU_SCALE * SELU_ALPHA * x.exp(), lambda x: Decimal(0)),
        ),
        (-80, 80),
    ),
    "celu": (
        lambda x: ops.celu(x, 2.0),
        (
            below(lambda x: 2 * ((x / 2).exp() - 1), lambda x: x),
            below(lambda x: (x / 2).exp(), lambda x: Decimal(1)),
            below(lambda x: (x / 2).exp() / 2, lambda x: Decimal(0)),
        ),
        (-80, 80),
    ),
}

#: Magnitudes from those that vanish beside 1 to the end of the interval.
SIZES = [1e-30, 1e-12, 1e-8, 1e-4, 0.01, 0.3, 0.9, 1.2, 3.0, 9.0, 17.0, 30.0, 39.0, 80.0, 1e6, 1e12]


def three(op: Callable[[Tensor], Tensor], x: np.ndarray) -> list[np.ndarray]:
    """Value, first and second derivative of each element."""
    t = Tensor(x, requires_grad=True)
    y = op(t)
    (g,) = grad(y, [t], Tensor(np.ones_like(x)), create_graph=True)
    (gg,) = grad(g, [t], Tensor(np.ones_like(x)))
    return [y.data, g.data, gg.data]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_relative_accuracy_of_values_and_both_derivatives(name: str, dtype: Any) -> None:
    op, exact, (least, most) = FUNCTIONS[name]
    x = np.array([s * v for v in SIZES for s in (-1, 1) if least <= s * v <= most], dtype)
    found = three(op, x)
    with decimal.localcontext(CONTEXT):
        for order, formula in enumerate(exact):
            wanted = np.array([float(formula(Decimal(float(v)))) for v in x])
            # The condition number of exp is |x|: an argument of 80 that is rounded once (x / 2 is exact, but kernels
            # reduce it) moves the result by up to 80 roundings in the worst room; near a zero of mish'' terms cancel.
            np.testing.assert_allclose(
                found[order],
                wanted,
                rtol=100 * np.finfo(dtype).eps,
                atol=np.finfo(dtype).tiny,
                err_msg=f"{name} {order}",
            )


@given(st.floats(-700, 700), st.floats(-700, 700))
def test_logaddexp_far_out(a: float, b: float) -> None:
    x, y = (Tensor(np.array(v), requires_grad=True) for v in (a, b))
    z = ops.logaddexp(x, y)
    with decimal.localcontext(CONTEXT):
        ea, eb = Decimal(a).exp(), Decimal(b).exp()
        exact = [(ea + eb).ln(), ea / (ea + eb), eb / (ea + eb)]
    found = [z.item(), *(g.item() for g in grad(z, [x, y]))]
    assert found[0] == pytest.approx(float(exact[0]), rel=1e-14, abs=1e-14)  # 0 where exp(a) + exp(b) is 1
    # a - b is rounded, and moves exp(a - b) by |a - b| times as much: 1400 roundings of 1e-16 at most.
    assert found[1:] == pytest.approx([float(e) for e in exact[1:]], rel=1e-12)


def test_logaddexp_of_infinities_and_numbers() -> None:
    inf = float("inf")
    a = Tensor(np.array([inf, -inf, inf, -inf, 2.0]), requires_grad=True)
    b = Tensor(np.array([inf, -inf, 0.0, 0.0, -inf]), requires_grad=True)
    y = ops.logaddexp(a, b)
    np.testing.assert_array_equal(y.data, [inf, -inf, inf, 0, 2])
    ga, gb = grad(y, [a, b], Tensor(np.ones(5)))
    np.testing.assert_array_equal(ga.data, [0.5, 0.5, 1, 0, 1])
    np.testing.assert_array_equal(gb.data, [0.5, 0.5, 0, 1, 0])
    half = Tensor(np.array([0.1]), requires_grad=True)  # a number keeps its digits in float64
    np.testing.assert_array_equal(ops.logaddexp(half, 0.1).data, np.logaddexp(np.array([0.1]), 0.1))
    assert grad(ops.logaddexp(half, 0.1), [half], Tensor(np.ones(1)))[0].item() == 0.5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_angles(dtype: Any) -> None:
    """Sine and cosine of large angles are the exact ones: pi is divided out with all its digits."""
    x = np.array([1e-20, 1.0, 1e3, 1e6, 123456.75], dtype)
    exact = np.exp(1j * x.astype(np.longdouble))
    s, c = three(ops.sin, x), three(ops.cos, x)
    for found, wanted in zip((*s, *c), [exact.imag, exact.real, -exact.imag, exact.real, -exact.imag, -exact.real],
                             strict=True):  # fmt: skip
        np.testing.assert_allclose(found, wanted.astype(np.float64), rtol=8 * np.finfo(dtype).eps)
