"""Functions with a mistake in the use of the engine: a detached array, state, writes in place, a wrong shape, gy.

Read next: ``test_diagnosis.py``.
"""

from __future__ import annotations

import numpy as np
from gradcheck.formula_mistakes import Case, Rng, made, normal, shape_of, tanh

from minigen import ops
from minigen.autograd import Function, FusedFunction, Tensor
from minigen_kernels import Array


def cut_at_order_1(rng: Rng) -> Case:
    return lambda x: x * ops.exp(x.detach() * 0.5), (normal(rng, *shape_of(rng, 2)),), 1


class Saved(Function):
    def forward(self, x: Array) -> Array:
        self.saved = np.tanh(x)
        return self.saved

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy * (1 - Tensor(self.saved) * y)


def saved_array(rng: Rng) -> Case:
    return Saved.apply, (normal(rng, *shape_of(rng, 2)),), 2


def saved_number(rng: Rng) -> Case:
    return lambda x: x * float(np.exp(x.data.mean())), (normal(rng, *shape_of(rng, 2)),), 1


def zeros(rng: Rng) -> Case:
    return tanh(lambda g: g * 0), (normal(rng, *shape_of(rng, 2)),), 1


def no_path(rng: Rng) -> Case:
    return lambda a, b: a * ops.exp(b.detach()), (normal(rng, 3), normal(rng, 3)), 1


def nothing(rng: Rng) -> Case:
    f = made(lambda a, b: a * b, lambda gy, y, a, b: (gy * b, None))
    return f, (normal(rng, 2, 3), normal(rng, 2, 3)), 1


def division_by_zero(rng: Rng) -> Case:
    x = normal(rng, 3, 4)
    x[1, 2] = 0
    return made(lambda x: x * x, lambda gy, y, x: gy * 2 * x * x / x), (x,), 1


def wrong_shape(rng: Rng) -> Case:
    return tanh(ops.sum), (normal(rng, *shape_of(rng, 2)),), 1


def wrong_dtype(rng: Rng) -> Case:
    return tanh(lambda g: g.to(dtype=np.float32)), (normal(rng, *shape_of(rng, 2)),), 1


def too_few(rng: Rng) -> Case:
    return made(lambda a, b: a * b, lambda gy, y, a, b: gy * b), (normal(rng, 3), normal(rng, 3)), 1


def dice(rng: Rng) -> Case:
    return lambda x: x * Tensor(rng.random(x.shape)), (normal(rng, 3),), 1


def dice_backward(rng: Rng) -> Case:
    return tanh(lambda g: g * Tensor(rng.random(g.shape))), (normal(rng, 3),), 1


def overwrites_input(rng: Rng) -> Case:
    def f(x: Tensor) -> Tensor:
        x.data *= 0.9
        return x * x

    return f, (normal(rng, 3, 2),), 1


def overwrites_gy(rng: Rng) -> Case:
    def b(gy: Tensor, y: Tensor, x: Tensor) -> Tensor:
        gy.data *= 1 - y.data**2
        return gy

    return made(np.tanh, b), (normal(rng, 3, 2),), 1


class Shared(Function):
    last: Array

    def forward(self, x: Array) -> Array:
        Shared.last = x
        return x * x

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy * Tensor(Shared.last * 2)


def shared_state(rng: Rng) -> Case:
    return Shared.apply, (normal(rng, 3),), 1


class OtherDefinition(FusedFunction):
    def forward(self, x: Array) -> Array:
        return np.tanh(x)

    def backward_arrays(self, gy: Array, y: Array) -> Array:
        return gy * (1 - y * y)

    def definition(self, x: Tensor) -> Tensor:
        return ops.tanh(x * 1.1)


def other_definition(rng: Rng) -> Case:
    return OtherDefinition.apply, (normal(rng, 2, 3),), 2


def gy_forgotten(rng: Rng) -> Case:
    return made(np.tanh, lambda gy, y, x: 1 - y * y), (normal(rng, *shape_of(rng, 2)),), 1


def clipped(rng: Rng) -> Case:
    return tanh(lambda g: ops.clip(g, -0.1, 0.1)), (normal(rng, *shape_of(rng, 2)),), 1


def added(rng: Rng) -> Case:
    return tanh(lambda g: g + 0.01), (normal(rng, *shape_of(rng, 2)),), 1
