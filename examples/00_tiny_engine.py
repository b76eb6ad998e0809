"""A whole automatic differentiation engine in a hundred lines of NumPy. docs/guide/02_engine.md builds it up.

    python examples/00_tiny_engine.py

Three ideas make the engine. A Tensor records how it was made. `grad` walks this record backwards and applies the chain
rule. The chain rule is itself written in operations: so a gradient has a record too, and can be differentiated again.

Expected: 8, 12, 12, 6, 0 for x^3 and its derivatives at 2; then a network of 33 numbers learns XOR, and its loss falls
below 0.001. Takes less than a second. Read next: 01_fit_a_line.py, and minigen/autograd/ for the whole engine.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

count = itertools.count()


class Tensor:
    """An array and its history: the Tensors that it was made from, and what turns its gradient into theirs."""

    def __init__(self, data: Any, inputs: tuple[Tensor, ...] = (), backward: Any = None) -> None:
        self.data, self.inputs, self.backward = np.asarray(data, dtype=np.float64), inputs, backward
        self.shape = self.data.shape
        self.order = next(count)  # what it was made from has smaller numbers

    def __add__(self, other: Any) -> Tensor:
        a, b = self, _as_tensor(other)
        return Tensor(a.data + b.data, (a, b), lambda g: (g.sum_to(a.shape), g.sum_to(b.shape)))

    def __mul__(self, other: Any) -> Tensor:
        a, b = self, _as_tensor(other)
        return Tensor(a.data * b.data, (a, b), lambda g: ((g * b).sum_to(a.shape), (g * a).sum_to(b.shape)))

    __radd__, __rmul__ = __add__, __mul__  # 2 + x and 2 * x

    def __neg__(self) -> Tensor:
        return self * -1

    def __sub__(self, other: Any) -> Tensor:
        return self + _as_tensor(other) * -1

    def __rsub__(self, other: Any) -> Tensor:
        return _as_tensor(other) - self

    def __truediv__(self, other: Any) -> Tensor:
        return self * _as_tensor(other) ** -1

    def __pow__(self, n: float) -> Tensor:
        return Tensor(self.data**n, (self,), lambda g: (g * n * self ** (n - 1) if n else g * 0,))

    def __matmul__(self, other: Tensor) -> Tensor:  # matrices (M, K) and (K, N)
        return Tensor(self.data @ other.data, (self, other), lambda g: (g @ other.T, self.T @ g))

    @property
    def T(self) -> Tensor:  # noqa: N802 - the name that NumPy gives it
        return Tensor(self.data.T, (self,), lambda g: (g.T,))

    def exp(self) -> Tensor:
        return Tensor(np.exp(self.data), (self,), lambda g: (g * self.exp(),))

    def log(self) -> Tensor:
        return Tensor(np.log(self.data), (self,), lambda g: (g / self,))

    def tanh(self) -> Tensor:
        return Tensor(np.tanh(self.data), (self,), lambda g: (g * (1 - self.tanh() ** 2),))

    def broadcast_to(self, shape: tuple[int, ...]) -> Tensor:
        return Tensor(np.broadcast_to(self.data, shape), (self,), lambda g: (g.sum_to(self.shape),))

    def sum_to(self, shape: tuple[int, ...] = ()) -> Tensor:
        """The sum over the axes along which `shape` is broadcast to the shape of the Tensor; over all by default."""
        lengths = (1,) * (self.data.ndim - len(shape)) + shape
        axes = tuple(i for i, n in enumerate(lengths) if n != self.shape[i])
        total = self.data.sum(axes, keepdims=True).reshape(shape)
        return Tensor(total, (self,), lambda g: (g.broadcast_to(self.shape),))


def _as_tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else Tensor(x)


def grad(y: Tensor, xs: list[Tensor]) -> list[Tensor]:
    """The gradients of `y` (of the sum of its elements) with respect to each Tensor in `xs`."""
    history, stack = {y}, [y]  # everything that y was made from
    while stack:
        new = set(stack.pop().inputs) - history
        history |= new
        stack += new
    gradients = {y: Tensor(np.ones_like(y.data))}
    for t in sorted(history, key=lambda t: t.order, reverse=True):  # each after all that was made from it
        for x, g in zip(t.inputs, t.backward(gradients[t]) if t.backward else ()):
            gradients[x] = gradients[x] + g if x in gradients else g  # all paths from x to y add up
    return [gradients.get(x, Tensor(np.zeros_like(x.data))) for x in xs]


def main(steps: int = 200) -> tuple[list[float], float]:
    """Differentiate x^3 four times, then train a network; return the derivatives and the last loss."""
    x = Tensor(2.0)
    derivatives = [x**3]
    for _ in range(4):
        derivatives += grad(derivatives[-1], [x])
    print("x^3 and its derivatives at 2:", *[f"{d.data:g}" for d in derivatives])

    rng = np.random.default_rng(0)
    points, wanted = Tensor([[0, 0], [0, 1], [1, 0], [1, 1]]), Tensor([[0], [1], [1], [0]])
    parameters = [Tensor(rng.normal(size=shape)) for shape in ((2, 8), (8,), (8, 1), (1,))]
    for _ in range(steps):
        w1, b1, w2, b2 = parameters
        loss = (((points @ w1 + b1).tanh() @ w2 + b2 - wanted) ** 2).sum_to() / 4
        parameters = [Tensor(p.data - 0.2 * g.data) for p, g in zip(parameters, grad(loss, parameters))]
    print(f"XOR: the loss after {steps} steps is {loss.data:.4f}")
    return [float(d.data) for d in derivatives], float(loss.data)


if __name__ == "__main__":
    main()
