"""Rows of the op table: order and what accumulates (`minigen/ops/order.py`, `reduce.py`, `einsum.py`).

Read next: ``op_rows_reduce.py``.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st
from ops.op_row import (
    Array,
    Bad,
    Case,
    Row,
    distinct,
    normal,
    ops,
    refuses_complex,
    refuses_mixed,
    seeds,
    shapes,
    zeros,
)


@st.composite
def along_an_axis(draw: st.DrawFn, values: Any, least: int = 0, **options: st.SearchStrategy[Any]) -> Case:
    """An array with an axis of its own; `least` elements along each."""
    shape = draw(shapes(least=1).filter(lambda shape: min(shape) >= least))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    drawn = {name: draw(option) for name, option in options.items()}
    return Case((values(np.random.default_rng(draw(seeds)), shape),), {"axis": axis, **drawn})


@st.composite
def prod_cases(draw: st.DrawFn) -> Case:
    """Some of the elements are exactly 0: none, one or several of a product."""
    shape = draw(shapes())
    rng = np.random.default_rng(draw(seeds))
    axes = st.one_of(st.none(), st.sets(st.sampled_from(range(len(shape))) if shape else st.nothing()).map(tuple))
    x = normal(rng, shape) * (rng.random(shape) > draw(st.sampled_from([0, 0.3])))
    return Case((x,), {"axis": draw(axes), "keepdims": draw(st.booleans())})


def cumsum(x: Array, axis: int) -> Array:
    before = np.tri(x.shape[axis])  # row i sums the elements up to i
    return np.moveaxis(np.tensordot(before, x, (1, axis)), 0, axis)


def prod(x: Array, axis: Any, keepdims: bool) -> Array:
    axes = range(x.ndim) if axis is None else axis
    for i in sorted(axes, reverse=True):
        y = np.ones((*x.shape[:i], 1, *x.shape[i + 1 :]))
        for j in range(x.shape[i]):
            y = y * x.take([j], i)
        x = y if keepdims else y.squeeze(i)
    return x


def sort(x: Array, axis: int, descending: bool = False) -> Array:
    """The smallest is taken out again and again."""
    return np.take_along_axis(x, argsort(x, axis, descending), axis)


def argsort(x: Array, axis: int, descending: bool = False) -> Array:
    y = np.zeros(x.shape, np.int64)
    for place in np.ndindex(*x.shape[: axis % x.ndim], 1, *x.shape[axis % x.ndim + 1 :]):
        index = (*place[: axis % x.ndim], slice(None), *place[axis % x.ndim + 1 :])
        line = list(x[index])
        y[index] = sorted(range(len(line)), key=lambda i: -line[i] if descending else line[i])
    return y


def tied(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return np.asarray(rng.integers(-2, 3, shape).astype(np.float64))


def extreme(sign: int) -> Any:
    def place(x: Array, axis: int | None = None, keepdims: bool = False) -> Array:
        flat = x.reshape(-1) if axis is None else np.moveaxis(x, axis, 0)
        y = np.zeros(flat.shape[1:], np.int64)
        for i in range(1, len(flat)):  # the first of equals
            y = np.where(sign * flat[i] > sign * np.take_along_axis(flat, y[None], 0)[0], i, y)
        if not keepdims:
            return y
        return y.reshape((1,) * x.ndim) if axis is None else np.expand_dims(y, axis)

    return place


#: Matrix products and their stacks, diagonals, traces, outer products, further axes, sums of one operand, implicit
#: results, lengths of 1; each with the shapes of its operands.
SUBSCRIPTS = [
    ("ij,jk->ik", (2, 3), (3, 4)), ("bij,bjk->bik", (2, 3, 2), (2, 2, 3)), ("ij,jk", (2, 3), (3, 2)),
    ("ii->", (3, 3)), ("ii", (3, 3)), ("ii->i", (3, 3)), ("iji->j", (2, 3, 2)), ("iij,jk->ki", (2, 2, 3), (3, 2)),
    ("i,j->ji", (2,), (3,)), ("ij->ji", (2, 3)), ("ji", (2, 3)), ("ij->", (2, 3)), ("ij->j", (2, 3)),
    ("i,i->i", (3,), (3,)), ("i,i->", (3,), (3,)), ("...ij,...jk->...ik", (2, 1, 2, 3), (3, 3, 2)),
    ("...i->...", (2, 3, 2)), ("i...,i...->...", (2, 3), (2, 1)), ("...,...", (2, 3), (3,)),
    ("ij,ij,ij->i", (2, 3), (2, 3), (2, 3)), ("ij,jk,kl->il", (2, 3), (3, 2), (2, 2)),
    ("bhqd,bhkd->bhqk", (2, 2, 3, 2), (2, 2, 2, 2)), ("ij,i->ij", (2, 3), (1,)), ("ij,jk->ik", (2, 3), (1, 2)),
    ("i,j,k->", (2,), (3,), (2,)), (",ij->ij", (), (2, 2)), ("->", ()), ("aB,Bc", (2, 2), (2, 2)),
    ("ij,kj->ik", (2, 0), (3, 0)), ("ijk,ilk->jl", (2, 3, 2), (2, 2, 2)), (" i j , j -> i ", (2, 3), (3,)),
    ("iii->i", (2, 2, 2)),
]  # fmt: skip


@st.composite
def einsum_cases(draw: st.DrawFn) -> Case:
    subscripts, *of = draw(st.sampled_from(SUBSCRIPTS))
    rng = np.random.default_rng(draw(seeds))
    return Case(tuple(normal(rng, shape) for shape in of), {"subscripts": subscripts})


def einsum(*operands: Array, subscripts: str) -> Array:
    """Every value of every letter, one after the other. Further axes are given capital letters first."""
    left, arrow, result = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    spare = [x.ndim - len(t.replace("...", "")) for t, x in zip(terms, operands, strict=True)]
    dots = "XYZ"[: max(spare)]
    if not arrow:
        named = "".join(terms)
        result = "..." + "".join(sorted(c for c in set(named) - {"."} if named.count(c) == 1))
    terms = [t.replace("...", dots[len(dots) - n :]) for t, n in zip(terms, spare, strict=True)]
    result = result.replace("...", dots)
    size: dict[str, int] = {}
    for t, x in zip(terms, operands, strict=True):
        for c, n in zip(t, x.shape, strict=True):
            size[c] = n if size.get(c, 1) == 1 else size[c]
    y = np.zeros([size[c] for c in result])
    for values in itertools.product(*(range(n) for n in size.values())):
        at = dict(zip(size, values, strict=True))
        factors = [
            x[tuple(at[c] if n > 1 else 0 for c, n in zip(t, x.shape, strict=True))]
            for t, x in zip(terms, operands, strict=True)
        ]
        y[tuple(at[c] for c in result)] += np.prod(factors)
    return y


def refused(subscripts: Any, *of: tuple[int, ...], says: str, error: type[Exception] = ValueError) -> Bad:
    return Bad(lambda: ops.einsum(subscripts, *(zeros(*shape) for shape in of)), error, says)


ROWS = [
    Row(
        "cumsum",
        along_an_axis(normal),
        cumsum,
        (
            Bad(lambda: ops.cumsum(zeros(2, 3), None), TypeError, "cumsum: axis is one whole number, got None"),
            Bad(lambda: ops.cumsum(zeros(), 0), ValueError, "cumsum: x is one number and has no axis"),
            Bad(lambda: ops.cumsum(zeros(2, 3), 2), ValueError, "cumsum: axis 2 must be different axes out"),
        ),
    ),
    Row(
        "prod",
        prod_cases(),
        prod,
        (
            Bad(lambda: ops.prod(zeros(2, 3), 2), ValueError, "prod: axis 2 must be"),
            refuses_complex(ops.prod),
        ),
    ),
    Row(
        "sort",
        along_an_axis(distinct, descending=st.booleans()),
        sort,
        (
            Bad(lambda: ops.sort(zeros(2, 3), (0, 1)), TypeError, "sort: axis is one whole number, got (0, 1)"),
            Bad(lambda: ops.sort(zeros()), ValueError, "sort: x is one number and has no axis"),
        ),
    ),
    Row(
        "argsort",
        along_an_axis(tied, descending=st.booleans()),
        argsort,
        (Bad(lambda: ops.argsort(zeros(2), 1), ValueError, "argsort: axis 1 must be"),),
        order=0,
    ),
    *(
        Row(
            name,
            st.one_of(
                along_an_axis(tied, 1, keepdims=st.booleans()),
                along_an_axis(tied, 1).map(lambda case: Case(case.inputs, {})),
            ),
            extreme(sign),
            (
                Bad(partial(getattr(ops, name), zeros(2, 0), 1), ValueError, f"{name}: nothing to choose from"),
                Bad(partial(getattr(ops, name), zeros(2, 3), (0, 1)), TypeError, f"{name}: axis is one whole"),
            ),
            order=0,
        )
        for name, sign in (("argmax", 1), ("argmin", -1))
    ),
    Row(
        "einsum",
        einsum_cases(),
        einsum,
        (
            refused(zeros(2), says="the first argument is a text such as 'ij,jk->ik'", error=TypeError),
            refused("ij,jk->ik", (2, 3), says="'ij,jk->ik' has 2 operands, got 1"),
            refused("ij->i", (2, 3, 4), says="'ij' in 'ij->i' names 2 axes, the operand is (2, 3, 4)"),
            refused("ij->i", (2,), says="names 2 axes, the operand is (2,)"),
            refused("ij,jk->ik", (2, 3), (4, 2), says="'j' of 'ij,jk->ik' is 3 and 4 long in shapes [(2, 3), (4"),
            refused("ii->i", (2, 3), says="'i' of 'ii->i' is 2 and 3 long"),
            refused("ii->i", (1, 3), says="an operand of shape (1, 3) has no diagonal along axes [0, 1]"),
            refused("ij->ik", (2, 3), says="'k' in the result of 'ij->ik' has to be the letter of one axis, once"),
            refused("i->ii", (2,), says="'i' in the result of 'i->ii'"),
            refused("i;j->i", (2,), says="may have letters, ',', '->', and one '...' in each operand"),
            refuses_mixed(lambda a, b: ops.einsum("ij,jk", a, b), (2, 3), (3, 2)),
        ),
        call=lambda *xs, subscripts: ops.einsum(subscripts, *xs),
    ),
]
