"""What a row of the op table is, and the strategies that rows are made with.

A row says of one public operation: what inputs to draw, what an independent reference makes of them, how often it can
be differentiated, and what it must refuse. `test_op_table.py` turns each row into tests.

Inputs are drawn as a shape and a seed; the numbers come from NumPy's generator. So drawing is quick, and a failure
shrinks to a small shape. Where an operation has kinks or ties, its strategy stays at least 1e-2 away from them: then no
tolerance has to be loosened for the sake of a kink.

Imports: hypothesis, NumPy, minigen.ops. Read next: ``op_rows_elementwise.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from minigen import ops
from minigen.tensor import Tensor

Array = NDArray[Any]
Shape = tuple[int, ...]
Draw = Callable[[np.random.Generator, Shape], Array]
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
    order: int = 2
    float32: float = 1e-5  # error of the float32 result, relative to the largest number of the result (or 1)

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


# Numbers.


def normal(rng: np.random.Generator, shape: Shape) -> Array:
    """Smooth everywhere: any number will do."""
    return rng.normal(size=shape)


def positive(rng: np.random.Generator, shape: Shape) -> Array:
    """From 0.3 to 3."""
    return rng.uniform(0.3, 3, shape)


def off(*kinks: float) -> Draw:
    """Normal numbers, none within 2e-2 of a kink."""

    def draw(rng: np.random.Generator, shape: Shape) -> Array:
        x = rng.normal(size=shape)
        for kink in kinks:
            x = np.where(np.abs(x - kink) < 2e-2, kink + np.copysign(2e-2, x - kink), x)
        return x

    return draw


def distinct(rng: np.random.Generator, shape: Shape) -> Array:
    """No two within 0.3 of each other, positive and negative: the largest, the smallest and the spread are clear."""
    n = int(np.prod(shape))
    x = (rng.permutation(n) - 0.5 * n + 0.25) * 0.5 + rng.uniform(-0.1, 0.1, n)
    return x.reshape(shape)


def distinct_sizes(rng: np.random.Generator, shape: Shape) -> Array:
    """No two absolute values within 0.1 of each other, none below 0.1."""
    n = int(np.prod(shape))
    x = (rng.permutation(n) + 1) * 0.25 + rng.uniform(-0.05, 0.05, n)
    return (x * rng.choice([-1, 1], n)).reshape(shape)


# Strategies.

seeds: Strategy = st.integers(0, 2**32 - 1)


def shapes(least: int = 0, most: int = 3, side: int = 3) -> Strategy:
    """Shapes of `least` to `most` axes of length 1 to `side`."""
    return st.lists(st.integers(1, side), min_size=least, max_size=most).map(tuple)


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
