"""What a row of the op table is, and the strategies that rows are made with.

A row says of one public operation: what inputs to draw, what an independent reference makes of them, how often it can
be differentiated, and what it must refuse. `test_op_table.py` turns each row into tests.

Inputs are drawn as a shape and a seed; the numbers come from NumPy's generator. So drawing is quick, and a failure
shrinks to a small shape. Where an operation has kinks or ties, its strategy stays at least 1e-2 away from them: then no
tolerance has to be loosened for the sake of a kink.

Imports: hypothesis, NumPy, minigen.ops, inventory and testing. Read next: ``op_rows_elementwise.py``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

import minigen.ops
from minigen.autograd import Tensor
from minigen.inventory.cases import Draw, distinct, distinct_sizes, normal, normal_away_from, positive
from minigen.testing import strategies
from minigen.testing.strategies import shapes

__all__ = [
    "Array", "Bad", "Case", "Draw", "Row", "Shape", "Strategy", "both", "cases", "distinct", "distinct_sizes", "normal",
    "normal_away_from", "ops", "positive", "refuses_complex", "refuses_mixed", "seeds", "shapes", "two", "zeros",
]  # fmt: skip

Array = NDArray[Any]
Shape = tuple[int, ...]
Strategy = st.SearchStrategy[Any]


@dataclass(frozen=True)
class Case:
    """One draw: float64 arrays that can be differentiated, and the static options."""

    inputs: tuple[Array, ...]
    options: dict[str, Any]

    def __post_init__(self) -> None:  # NumPy makes scalars of arrays of shape ()
        object.__setattr__(self, "inputs", tuple(map(np.asarray, self.inputs)))


@dataclass(frozen=True)
class Bad:
    """A call that must raise `error` with `says` in its message."""

    call: Callable[[], Any]
    error: type[Exception]
    says: str


@dataclass(frozen=True)
class Row:
    """One public operation. Of several results the first is differentiated."""

    name: str
    cases: Strategy  # of Case
    reference: Callable[..., Any]  # (*arrays, **options) -> array, or a tuple of arrays
    bad: tuple[Bad, ...]
    call: Callable[..., Any] | None = None  # (*tensors, **options); by default the operation itself
    order: int = 2  # 0: the results are whole numbers, without gradient
    float32: float = 1e-5  # error of the float32 result, relative to the largest number of the result (or 1)
    waits: bool = False  # on a GPU: the host has to know numbers of the inputs, for the shape of the result

    def __post_init__(self) -> None:
        assert self.bad, f"row {self.name} has no bad input"

    def run(self, *inputs: Any, **options: Any) -> tuple[Tensor, ...]:
        """The results of the operation, always as a tuple."""
        y = (self.call or getattr(ops, self.name))(*inputs, **options)
        return y if isinstance(y, tuple) else (y,)

    def expected(self, case: Case) -> tuple[Array, ...]:
        """The results of the reference, always as a tuple."""
        y = self.reference(*case.inputs, **case.options)
        return y if isinstance(y, tuple) else (y,)


class _Operations:
    """`minigen.ops`, as the rows say it.

    An operation that is not there yet can be called no more than any other missing name; but its row stands, and so
    its own tests fail, instead of the collection of all.
    """

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return getattr(minigen.ops, name, functools.partial(_missing, name))


def _missing(name: str, *_: Any, **__: Any) -> Any:
    raise AssertionError(
        f"minigen.ops has no {name} yet: write it in minigen/ops/<family>.py and export it in minigen/ops/__init__.py"
    )


ops = _Operations()


# Strategies.

seeds: Strategy = strategies.seeds()


def cases(draw: Draw, shape: Strategy, **options: Strategy) -> Strategy:
    """One array of a drawn shape, and options that do not depend on it."""
    return st.builds(
        lambda shape, seed, options: Case((draw(np.random.default_rng(seed), shape),), options),
        shape,
        seeds,
        st.fixed_dictionaries(options),
    )


@st.composite
def both(draw: st.DrawFn, least: int, most: int) -> Any:
    """A geometry argument: one number for both axes, or a pair."""
    if draw(st.booleans()):
        return draw(st.integers(least, most))
    return draw(st.integers(least, most)), draw(st.integers(least, most))


def two(value: Any) -> tuple[int, int]:
    """What `both` drew, as a pair."""
    return value if isinstance(value, tuple) else (value, value)


def zeros(*shape: int, dtype: Any = np.float64) -> Tensor:
    """Something of a shape, for a call that is refused anyway."""
    return Tensor(np.zeros(shape, dtype))


def refuses_complex(op: Callable[..., Any]) -> Bad:
    """Every operation refuses a dtype that the engine does not have."""
    return Bad(lambda: op(np.zeros(3, np.complex128)), TypeError, "dtype complex128 is not supported")


def refuses_mixed(op: Callable[..., Any], *shapes: Shape) -> Bad:
    """Every operation of several inputs refuses float32 together with float64."""
    tensors = [zeros(*shape, dtype=np.float32 if i == 0 else np.float64) for i, shape in enumerate(shapes)]
    return Bad(lambda: op(*tensors), TypeError, "Nothing is promoted silently")
