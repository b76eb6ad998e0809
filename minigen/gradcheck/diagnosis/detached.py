"""A detached part of the graph: something that depends on the input is a constant to the engine.

The constants in the graph (Tensors without history, numbers) are evaluated at two points nearby. One that differs is
no constant. It is reported only if its derivative, added to the analytic gradient, gives the numeric one.

Imports: autograd, and the files of the checker. Read next: ``location.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from minigen.autograd import Function, Tensor, grad
from minigen.gradcheck.checked_function import CotangentSeed, innermost
from minigen.gradcheck.diagnosis.failed_check import RESIDUAL, FailedCheck
from minigen.gradcheck.graph import graph_nodes
from minigen.gradcheck.report import Explanation
from minigen_kernels import Array

STEP = 1e-5  # of the central difference
MOST = 24  # directions


@dataclass
class Constant:
    """A Tensor without history, or a number: input `i` of `consumer`, or output `i` itself if `consumer` is None."""

    consumer: Function | None
    i: int
    value: Tensor | float

    def numbers(self) -> Array:
        """Its value as an array."""
        return np.asarray(self.value.numpy() if isinstance(self.value, Tensor) else self.value, np.float64)


def detached(failed: FailedCheck) -> Iterator[Explanation]:
    """A constant in the graph depends on the tensor, and its missing derivative is the whole difference."""
    if failed.x.size == 0 or failed.directions.count == 0:
        return
    lin, i = failed.lin, failed.check.i
    ys = lin.function.evaluate(True)
    constants = _constants(ys)
    worst = np.argsort(-np.abs(failed.comparison.excess(failed.comparison.analytic)).max(0))[:MOST]
    order = [int(j) for j in worst if failed.usable[:, j].all()]
    moves = [_rates_of_change(failed, constants, failed.directions.direction(j)) for j in order]
    if not moves or any(m is None for m in moves):
        return
    suspects = [n for n in range(len(constants)) if any(m is not None and m[n].any() for m in moves)]
    if not suspects:
        return
    missing = np.zeros((len(lin.cotangents), len(order)))
    alone: dict[int, float] = dict.fromkeys(suspects, 0.0)
    for k, gys in enumerate(lin.cotangents):
        gradients = [_gradient(ys, gys, constants[n]) for n in suspects]
        for column, m in enumerate(moves):
            for n, g in zip(suspects, gradients, strict=True):
                part = float((g * m[n]).sum()) if m is not None else 0.0
                missing[k, column] += part
                alone[n] = max(alone[n], abs(part))
    e = failed.comparison
    difference = (e.numeric - e.analytic)[:, order]
    # Looser than a check, because this is a central difference of one step.
    if np.linalg.norm(difference - missing) > 0.1 * RESIDUAL * np.linalg.norm(difference):
        return
    culprits = [constants[n] for n in suspects if alone[n] > 1e-3 * np.abs(missing).max()]
    what = " and ".join(dict.fromkeys(_describe(c, failed) for c in culprits[:3]))
    which = "The gradient" if lin.order == 1 else f"The derivative of order {lin.order}"
    instead = "without .detach()" if lin.order == 1 else "from self.inputs or y, not from an array that was saved"
    yield Explanation(
        "detached",
        f"{which} ignores the dependence of {what} on {lin.variables[i].name}: what has no history is a constant to "
        f"the engine. With its derivative both sides agree. Compute it in differentiable operations, {instead}.",
    )


def _constants(ys: Sequence[Tensor]) -> list[Constant]:
    """All constants in the graph, in an order that depends on the graph alone."""
    found = [Constant(None, k, y) for k, y in enumerate(ys) if y.node is None and not y.requires_grad]
    seen = {id(y) for y in ys}
    for node in graph_nodes(ys):
        for i, x in enumerate(node.inputs):
            number = isinstance(x, (int, float)) and not isinstance(x, bool)
            tensor = isinstance(x, Tensor) and x.node is None and not x.requires_grad and x.dtype.kind == "f"
            if number or (tensor and id(x) not in seen):
                seen.add(id(x))
                found.append(Constant(node, i, x))
    return found


def _rates_of_change(failed: FailedCheck, constants: list[Constant], d: Array) -> list[Array] | None:
    """d/dt of each constant along `d`; None if the graph is another one there."""
    values, function, i = [], failed.lin.function, failed.check.i
    x = function.variables[i].tensor.numpy()
    for t in (STEP, -STEP):
        with function.at({i: x + np.asarray((t * d).reshape(failed.shape), x.dtype)}):
            there = _constants(function.evaluate(True))
            same = len(there) == len(constants) and all(
                type(a.consumer) is type(b.consumer) and a.numbers().shape == b.numbers().shape
                for a, b in zip(there, constants, strict=True)
            )
            if not same:
                return None
            values.append([c.numbers() for c in there])
    return [(a - b) / (2 * STEP) for a, b in zip(*values, strict=True)]


def _gradient(ys: list[Tensor], gys: list[Tensor], c: Constant) -> Array:
    """The derivative of gy.y with respect to a constant. In place of a number stands a Tensor of one element."""
    if c.consumer is None:
        return gys[c.i].numpy()
    inputs, is_tensor = c.consumer.inputs, isinstance(c.value, Tensor)
    dtype = next(x.dtype for x in inputs if isinstance(x, Tensor))
    x = c.value if isinstance(c.value, Tensor) else Tensor(np.asarray(c.value, dtype))
    x.requires_grad = True
    if not is_tensor:
        c.consumer.inputs = tuple(x if i == c.i else old for i, old in enumerate(inputs))
    try:
        root = CotangentSeed.apply(*ys, gys=tuple(gys))
        return grad(root, [x])[0].numpy() if root.requires_grad else np.zeros(x.shape)
    except Exception:
        if is_tensor:
            raise
        return np.zeros(())  # a backward that treats numbers differently from Tensors
    finally:
        x.requires_grad, c.consumer.inputs = False, inputs


def _describe(c: Constant, failed: FailedCheck) -> str:
    """The attribute that holds the constant, or the tensor that it is a copy of; else the Function that uses it."""
    numbers = c.numbers()
    function, _ = innermost(failed.lin.function)
    for node in graph_nodes(function.evaluate(True)):
        for name, value in vars(node).items():
            held = isinstance(value, (np.ndarray, np.generic)) and name not in ("inputs", "sequence")
            if held and value.shape == numbers.shape and np.array_equal(value, numbers):
                return f"self.{name} of {type(node).__name__}"
    for v in failed.lin.variables:
        if v.tensor.shape == numbers.shape and np.array_equal(v.tensor.numpy(), numbers):
            return f"a copy of {v.name} without history, which {type(c.consumer).__name__} is given,"
    if c.consumer is None:
        return "the result itself"
    what = f"a Tensor of shape {numbers.shape}" if isinstance(c.value, Tensor) else "a number"
    return f"{what} that {type(c.consumer).__name__} is given as input {c.i}"
