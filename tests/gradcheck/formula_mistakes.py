"""Functions whose backward has a mistake in its formula: a factor, an order of elements, a missing term, a region.

Read next: ``engine_mistakes.py``, ``test_diagnosis.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigen import ops
from minigen.autograd import Function, Tensor
from minigen.ops.linalg import matmul
from minigen.ops.shape import swap_last
from minigen_kernels import Array

Rng = np.random.Generator
Case = tuple[Callable[..., Any], tuple[Any, ...], int]  # the function, its inputs, the order


class Made(Function):
    """A Function from two others: `f` (arrays to array) and `b` (gy, y, inputs to gradients)."""

    f: Any
    b: Any

    def forward(self, *xs: Array) -> Array:
        return self.f(*xs)

    def backward(self, gy: Tensor, y: Tensor) -> Any:
        return self.b(gy, y, *self.inputs)


def made(f: Any, b: Any) -> Callable[..., Tensor]:
    return lambda *xs: Made.apply(*xs, f=f, b=b)


def tanh(spoil: Callable[[Any], Any]) -> Callable[..., Tensor]:
    """tanh(x), whose gradient is spoilt."""
    return made(np.tanh, lambda gy, y, x: spoil(gy * (1 - y * y)))


def shape_of(rng: Rng, ndim: int, low: int = 2, high: int = 6) -> tuple[int, ...]:
    return tuple(int(n) for n in rng.integers(low, high, ndim))


def normal(rng: Rng, *shape: int) -> Array:
    return rng.standard_normal(shape)


# kind: every function here makes a mistake of that kind.


def by_a_length(rng: Rng) -> Case:
    x = normal(rng, *shape_of(rng, 2))
    return tanh(lambda g: g / len(x)), (x,), 1


def by_an_ugly_number(rng: Rng) -> Case:
    c = float(rng.uniform(1.1, 30))
    return tanh(lambda g: g * c), (normal(rng, *shape_of(rng, 3)),), 1


def by_a_number_of_the_layer(rng: Rng) -> Case:
    return lambda x: Made.apply(x, slope=0.37, f=lambda x: 0.37 * x, b=lambda gy, y, x: gy), (normal(rng, 4, 3),), 1


def turned_sign(rng: Rng) -> Case:
    return tanh(lambda g: -g), (normal(rng, *shape_of(rng, 2)),), 1


def transposed_square(rng: Rng) -> Case:
    n, m = shape_of(rng, 2)
    f = made(np.matmul, lambda gy, y, a, b: (matmul(gy, swap_last(b)), swap_last(matmul(swap_last(a), gy))))
    return f, (normal(rng, m, n), normal(rng, n, n)), 1


def transposed_by_reshape(rng: Rng) -> Case:
    n = int(rng.integers(2, 5))
    return tanh(lambda g: ops.reshape(g.T, (n, n + 1))), (normal(rng, n, n + 1),), 1


def reversed_axes(rng: Rng) -> Case:
    return tanh(lambda g: g[:, ::-1, ::-1]), (normal(rng, *shape_of(rng, 3)),), 1


def shifted_round(rng: Rng) -> Case:
    return tanh(lambda g: ops.concat([g[:, -1:], g[:, :-1]], 1)), (normal(rng, *shape_of(rng, 2, 4, 7)),), 1


def shifted_over_the_edge(rng: Rng) -> Case:
    return tanh(lambda g: ops.concat([g[1:], g[:1] * 0], 0)), (normal(rng, *shape_of(rng, 2, 4, 7)),), 1


def first_slice_only(rng: Rng) -> Case:
    n, m = shape_of(rng, 2)
    f = made(lambda x, w: x * w, lambda gy, y, x, w: (gy * w, (gy * x)[:1]))
    return f, (normal(rng, n, m), normal(rng, 1, m)), 1


def not_summed(rng: Rng) -> Case:
    n, m = shape_of(rng, 2)
    return made(lambda x, b: x + b, lambda gy, y, x, b: (gy, gy)), (normal(rng, n, m), normal(rng, m)), 1


def summed_too_far(rng: Rng) -> Case:
    n, m = shape_of(rng, 2)
    f = made(lambda x, b: x + b, lambda gy, y, x, b: (gy, ops.broadcast_to(ops.sum(gy), b.shape)))
    return f, (normal(rng, n, m), normal(rng, m)), 1


def exchanged_inputs(rng: Rng) -> Case:
    shape = shape_of(rng, 2)
    f = made(lambda a, b: a * np.exp(b), lambda gy, y, a, b: (gy * y, gy * ops.exp(b)))
    return f, (normal(rng, *shape), normal(rng, *shape)), 1


def forgotten_mean(rng: Rng) -> Case:
    return made(lambda x: x - x.mean(0), lambda gy, y, x: gy), (normal(rng, *shape_of(rng, 2, 4, 8)),), 1


def forgotten_norm(rng: Rng) -> Case:
    f = made(lambda x: x / np.sqrt((x * x).sum()), lambda gy, y, x: gy / ops.norm(x))
    return f, (normal(rng, *shape_of(rng, 2, 3, 5)),), 1


def forgotten_statistics(rng: Rng) -> Case:
    def f(x: Array) -> Array:
        return (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)

    return made(f, lambda gy, y, x: gy / ops.sqrt(ops.var(x, 0) + 1e-5)), (normal(rng, *shape_of(rng, 2, 5, 9)),), 1


def forgotten_skip(rng: Rng) -> Case:
    return (
        made(lambda x: x + np.tanh(x), lambda gy, y, x: gy * (1 - ops.tanh(x) ** 2)),
        (normal(rng, *shape_of(rng, 2)),),
        1,
    )


def forgotten_output(rng: Rng) -> Case:
    return lambda x: (ops.tanh(x), made(np.exp, lambda gy, y, x: gy * 0)(x)), (normal(rng, *shape_of(rng, 2)),), 1


def batch_as_one_sample(rng: Rng) -> Case:
    def f(x: Array) -> Array:
        e = np.exp(x)
        return e / e.sum(1, keepdims=True)

    return made(f, lambda gy, y, x: y * (gy - ops.sum(gy * y))), (normal(rng, *shape_of(rng, 2, 2, 6)),), 1


def away_from(kink: float, x: Array) -> Array:
    return np.where(np.abs(x - kink) < 0.05, x + 0.1, x)


def leak_forgotten(rng: Rng) -> Case:
    x = away_from(0, normal(rng, *shape_of(rng, 2, 3, 6)))
    return (
        made(lambda x: np.where(x > 0, x, 0.1 * x), lambda gy, y, x: gy * Tensor(np.where(x.data > 0, 1.0, 0))),
        (x,),
        1,
    )


def wrong_above_one(rng: Rng) -> Case:
    x = away_from(1, normal(rng, *shape_of(rng, 2, 5, 7)))
    f = made(lambda x: np.where(x > 1, x * x, 2 * x), lambda gy, y, x: gy * 2)
    return f, (x,), 1


def greater_of_two(rng: Rng) -> Case:
    a = normal(rng, *shape_of(rng, 2, 4, 6))
    b = a + away_from(0, normal(rng, *a.shape))
    f = made(np.maximum, lambda gy, y, a, b: (gy, gy * Tensor((b.data > a.data) * 1.0)))
    return f, (a, b), 1


def last_row(rng: Rng) -> Case:
    return tanh(lambda g: ops.concat([g[:-1], g[-1:] * 0.5], 0)), (normal(rng, *shape_of(rng, 2, 3, 6)),), 1


def border(rng: Rng) -> Case:
    shape = (2, 1, *shape_of(rng, 2, 4, 6))
    inner = np.zeros(shape)
    inner[:, :, 1:-1, 1:-1] = 1
    return tanh(lambda g: g * Tensor(inner)), (normal(rng, *shape),), 1


def one_channel(rng: Rng) -> Case:
    scale = np.ones((1, 3, 1))
    scale[:, 1] = -1
    return tanh(lambda g: g * Tensor(scale)), (normal(rng, 2, 3, 4),), 1


def one_element(rng: Rng) -> Case:
    shape = shape_of(rng, 2, 3, 6)
    scale = np.ones(shape)
    scale[tuple(int(rng.integers(n)) for n in shape)] = 2
    return tanh(lambda g: g * Tensor(scale)), (normal(rng, *shape),), 1
