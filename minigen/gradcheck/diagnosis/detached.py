"""Was a part of the graph cut? Then something that depends on the input is a constant to the engine.

The constants in the graph (Tensors without history, numbers) are looked at twice, at the point and beside it. One that
has changed ought not to be a constant. What its derivative would have added is computed; only if both sides then agree
is it named.

Imports: tensor, and the files of the checker. Read next: ``places.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from minigen.autograd import Function, Tensor, grad
from minigen.gradcheck.diagnosis.case import LEFT_OVER, Case
from minigen.gradcheck.graph import nodes_of
from minigen.gradcheck.problem import GradientOf, Root
from minigen.gradcheck.report import Explanation
from minigen_kernels import Array

STEP = 1e-5
MOST = 24  # so many probes are looked at


@dataclass
class Constant:
    """A Tensor without history, or a number, that `user` is given as its input `i` (None: it is an output itself)."""

    user: Function | None
    i: int
    value: Tensor | float

    def numbers(self) -> Array:
        """The numbers as an array."""
        return np.asarray(self.value.numpy() if isinstance(self.value, Tensor) else self.value, np.float64)


def detached(case: Case) -> Iterator[Explanation]:
    """A constant in the graph moves with the tensor, and its missing derivative is the whole difference."""
    if case.x.size == 0 or case.probes.count == 0:
        return
    sides, i = case.sides, case.one.i
    ys = sides.problem.evaluate(True)
    constants = _constants(ys)
    worst = np.argsort(-np.abs(case.evidence.excess(case.evidence.analytic)).max(0))[:MOST]
    order = [int(j) for j in worst if case.usable[:, j].all()]
    moves = [_moves(case, constants, case.probes.direction(j)) for j in order]
    if not moves or any(m is None for m in moves):
        return
    suspects = [n for n in range(len(constants)) if any(m is not None and m[n].any() for m in moves)]
    if not suspects:
        return
    missing = np.zeros((len(sides.cotangents), len(order)))
    alone: dict[int, float] = dict.fromkeys(suspects, 0.0)
    for k, gys in enumerate(sides.cotangents):
        gradients = _gradients(ys, gys, [constants[n] for n in suspects])
        for column, m in enumerate(moves):
            for n, g in zip(suspects, gradients, strict=True):
                part = float((g * m[n]).sum()) if m is not None else 0.0
                missing[k, column] += part
                alone[n] = max(alone[n], abs(part))
    e = case.evidence
    difference = (e.numeric - e.analytic)[:, order]
    # A central difference of one step: far better than this, and far worse than the other explanations.
    if np.linalg.norm(difference - missing) > 0.1 * LEFT_OVER * np.linalg.norm(difference):
        return
    culprits = [constants[n] for n in suspects if alone[n] > 1e-3 * np.abs(missing).max()]
    what = " and ".join(dict.fromkeys(_describe(c, case) for c in culprits[:3]))
    which = "The gradient" if sides.order == 1 else f"The derivative of order {sides.order}"
    instead = "without .detach()" if sides.order == 1 else "from self.inputs or y, not from an array that was saved"
    yield Explanation(
        "detached",
        f"{which} ignores that {what} depends on {sides.variables[i].name}: it is a constant to the engine. With its "
        f"derivative both sides agree. Compute it in differentiable operations, {instead}.",
    )


def _constants(ys: Sequence[Tensor]) -> list[Constant]:
    """All constants in the graph, in an order that depends on the graph alone."""
    found = [Constant(None, k, y) for k, y in enumerate(ys) if y.node is None and not y.requires_grad]
    seen = {id(y) for y in ys}
    for node in nodes_of(ys):
        for i, x in enumerate(node.inputs):
            number = isinstance(x, (int, float)) and not isinstance(x, bool)
            tensor = isinstance(x, Tensor) and x.node is None and not x.requires_grad and x.dtype.kind == "f"
            if number or (tensor and id(x) not in seen):
                seen.add(id(x))
                found.append(Constant(node, i, x))
    return found


def _moves(case: Case, constants: list[Constant], d: Array) -> list[Array] | None:
    """d/dt of each constant along `d`; None if the graph is another one there."""
    beside = []
    variable = case.sides.variables[case.one.i].tensor
    before = variable.data
    try:
        for t in (STEP, -STEP):
            variable.data = before + np.asarray((t * d).reshape(case.shape), before.dtype)
            there = _constants(case.sides.problem.evaluate(True))
            same = len(there) == len(constants) and all(
                type(a.user) is type(b.user) and a.numbers().shape == b.numbers().shape
                for a, b in zip(there, constants, strict=True)
            )
            if not same:
                return None
            beside.append([c.numbers() for c in there])
    finally:
        variable.data = before
    return [(a - b) / (2 * STEP) for a, b in zip(*beside, strict=True)]


def _gradients(ys: list[Tensor], gys: list[Tensor], constants: list[Constant]) -> list[Array]:
    """The derivative of gy.y in each constant: zeros for numbers, which cannot be asked."""
    found = []
    for c in constants:
        if c.user is None:
            found.append(gys[c.i].numpy())
            continue
        if not isinstance(c.value, Tensor):
            found.append(_in_number(ys, gys, c))
            continue
        c.value.requires_grad = True
        try:
            root = Root.apply(*ys, gys=tuple(gys))
            found.append(grad(root, [c.value])[0].numpy() if root.requires_grad else np.zeros(c.value.shape))
        finally:
            c.value.requires_grad = False
    return found


def _in_number(ys: list[Tensor], gys: list[Tensor], c: Constant) -> Array:
    """The derivative in a number: put a Tensor of one element in its place, and take it away again."""
    assert c.user is not None
    others = [x for x in c.user.inputs if isinstance(x, Tensor)]
    stand_in = Tensor(np.asarray(c.value, others[0].dtype), requires_grad=True)
    inputs = c.user.inputs
    c.user.inputs = tuple(stand_in if i == c.i else x for i, x in enumerate(inputs))
    try:
        root = Root.apply(*ys, gys=tuple(gys))
        return grad(root, [stand_in])[0].numpy() if root.requires_grad else np.zeros(())
    except Exception:  # a backward that treats numbers in another way than Tensors
        return np.zeros(())
    finally:
        c.user.inputs = inputs


def _describe(c: Constant, case: Case) -> str:
    """The attribute that holds the constant, or the tensor that it is a copy of; else who uses it."""
    numbers = c.numbers()
    problem = case.sides.problem
    while isinstance(problem, GradientOf):
        problem = problem.inner
    for node in nodes_of(problem.evaluate(True)):
        for name, value in vars(node).items():
            held = isinstance(value, (np.ndarray, np.generic)) and name not in ("inputs", "sequence")
            if held and value.shape == numbers.shape and np.array_equal(value, numbers):
                return f"self.{name} of {type(node).__name__}"
    for v in case.sides.variables:
        if v.tensor.shape == numbers.shape and np.array_equal(v.tensor.numpy(), numbers):
            return f"a copy of {v.name} without history, which {type(c.user).__name__} is given,"
    if c.user is None:
        return "the result itself"
    what = f"a Tensor of shape {numbers.shape}" if isinstance(c.value, Tensor) else "a number"
    return f"{what} that {type(c.user).__name__} is given as input {c.i}"
