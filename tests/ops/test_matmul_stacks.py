"""Products of stacks of matrices: values, gradients of both orders, and the memory that they take.

Read next: ``op_rows_shape.py``.
"""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen import ops
from minigen.autograd import Tensor, grad
from minigen.ops import linalg


def summed_to(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    x = x.sum(tuple(range(x.ndim - len(shape))))
    return x.sum(tuple(i for i, n in enumerate(shape) if n == 1 != x.shape[i]), keepdims=True)


@st.composite
def stacks(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes of matrices (or vectors) whose leading axes broadcast: missing, 1, 0 or equal."""
    full = draw(st.lists(st.integers(0, 3), max_size=3))
    m, k, n = (draw(st.sampled_from([0, 1, 2, 3, linalg.FEW, linalg.NARROW])) for _ in range(3))
    leads = []
    for _ in range(2):
        lead = [draw(st.sampled_from([size, size, 1])) for size in full]
        leads.append(lead[draw(st.integers(0, len(lead))) :])
    return (*leads[0], m, k), (*leads[1], k, n)


@given(stacks())
def test_every_pair_of_stacks_to_the_second_order(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=shape) for shape in shapes)
    x, w = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)
    y = x @ w
    assert y.shape == (a @ b).shape
    close = dict(rtol=1e-12, atol=1e-12)  # sums of at most 432 products of numbers near 1, in another order
    np.testing.assert_allclose(y.data, a @ b, **close)
    c, d, e = rng.normal(size=y.shape), rng.normal(size=a.shape), rng.normal(size=b.shape)
    gy = Tensor(c, requires_grad=True)
    gx, gw = grad(y, [x, w], gy, create_graph=True)
    np.testing.assert_allclose(gx.data, summed_to(c @ b.swapaxes(-1, -2), a.shape), **close)
    np.testing.assert_allclose(gw.data, summed_to(a.swapaxes(-1, -2) @ c, b.shape), **close)
    # gx . d + gw . e = c . (d @ b) + c . (a @ e)
    gxx, gww, ggy = grad((gx * Tensor(d)).sum() + (gw * Tensor(e)).sum(), [x, w, gy])
    np.testing.assert_allclose(gxx.data, summed_to(c @ e.swapaxes(-1, -2), a.shape), **close)
    np.testing.assert_allclose(gww.data, summed_to(d.swapaxes(-1, -2) @ c, b.shape), **close)
    np.testing.assert_allclose(ggy.data, d @ b + a @ e, **close)


@pytest.mark.parametrize("shapes", [((5, 2, 3), (3,)), ((3,), (5, 3, 2)), ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2))])
def test_vectors(shapes: Any) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=shape) for shape in shapes)
    x, w = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)
    np.testing.assert_allclose((x @ w).data, a @ b, rtol=1e-14)
    gx, gw = grad((x @ w).sum(), [x, w])
    step = 1e-6
    for g, value, f in ((gx, a, lambda v: (v @ b).sum()), (gw, b, lambda v: (a @ v).sum())):
        for i in np.ndindex(value.shape):
            moved = value.copy()
            moved[i] += step
            # linear, so the quotient is exact but for rounding: 1e-15 / 1e-6
            assert g.data[i] == pytest.approx((f(moved) - f(value)) / step, abs=1e-8)


SHARED = {
    "matrix right": ((300, 2, 64), (64, 64)),
    "matrix left": ((64, 64), (300, 64, 2)),
    "one of a stack, right": ((300, 2, 64), (1, 64, 64)),
    "one of a stack, left": ((1, 64, 64), (300, 64, 2)),
    "a stack of heads": ((300, 4, 2, 64), (4, 64, 64)),
}


@pytest.mark.parametrize("shapes", SHARED.values(), ids=SHARED)
@pytest.mark.parametrize("order", [1, 2])
def test_a_shared_matrix_costs_no_copy_for_each_of_the_stack(shapes: Any, order: int) -> None:
    x, w = (Tensor(np.ones(shape), requires_grad=True) for shape in shapes)
    inputs = x.size + w.size
    (x @ w).sum().backward()  # what compiles, compiles here
    tracemalloc.start()
    gx, gw = grad((x @ w).sum(), [x, w], create_graph=order == 2)
    if order == 2:
        grad((gx * gx).sum() + (gw * gw).sum(), [x, w])
    peak = tracemalloc.get_traced_memory()[1] / 8
    tracemalloc.stop()
    # A handful of arrays of the size of the inputs; the products that are summed would be 300 matrices of 64 x 64, or,
    # beside heads, 1,200: more than 15 times the inputs.
    assert peak < 12 * inputs


@pytest.mark.parametrize("shapes", SHARED.values(), ids=SHARED)
def test_a_shared_matrix_is_multiplied_once_with_all_that_it_meets(shapes: Any, monkeypatch: Any) -> None:
    """Here the stacks are of narrow matrices. As many products remain as there are different shared matrices."""
    products, multiply = [], linalg._product

    def counted(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        products.append(max(a.size // (a.shape[-1] * a.shape[-2]), b.size // (b.shape[-1] * b.shape[-2])))
        return multiply(a, b)

    monkeypatch.setattr(linalg, "_product", counted)
    x, w = (Tensor(np.ones(shape), requires_grad=True) for shape in shapes)
    shared = min((x, w), key=lambda t: t.size)
    grad((x @ w).sum(), [x, w])
    assert products == [shared.size // (64 * 64)] * 3


def test_matrices_that_repeat_a_number_are_multiplied_as_any() -> None:
    """The gradient of a sum is one number, seen in every place; beside a stack NumPy would leave BLAS for it."""
    rng = np.random.default_rng(0)
    for shape, other in (((3, 4, 5), (5, 2)), ((4, 5), (3, 5, 2)), ((3, 4, 5), (3, 5, 1))):
        for row in (rng.normal(size=(1, 1)), rng.normal(size=(shape[-2], 1)), rng.normal(size=shape[-1:])):
            a, b = np.broadcast_to(row, shape), rng.normal(size=other)
            np.testing.assert_allclose(
                (Tensor(a) @ Tensor(b)).numpy(), np.einsum("...ij,...jk->...ik", a, b), atol=1e-13
            )


def test_stacks_that_do_not_fit_are_named() -> None:
    a, b = Tensor(np.ones((2, 3, 4))), Tensor(np.ones((3, 4, 5)))
    with pytest.raises(ValueError, match=r"matmul: the stacks of \(2, 3, 4\) @ \(3, 4, 5\) do not fit; .* equal or 1"):
        a @ b
    with pytest.raises(ValueError, match=r"matmul: shapes \(2, 3, 4\) @ \(3, 5\) do not fit"):
        ops.matmul(a, Tensor(np.ones((3, 5))))
