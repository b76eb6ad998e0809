"""The backward pass: from a Tensor back along its history to the gradients of what it was made from.

`grad` and `Tensor.backward` both find what lies between the result and the targets, then call the `backward` of each
Function on this path, the last one first. The idea is built up in docs/guide/02_engine.md.

Imports: tensor, changes, few_launches, recording, shapes. Read next: ``fused.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minigen.autograd.changes import GradientError, changed_since, check_unchanged
from minigen.autograd.few_launches import Late, add_late, ones, own
from minigen.autograd.recording import RecordingMode, recording
from minigen.autograd.tensor import Node, Tensor, as_tensor
from minigen.device import array_module
from minigen.shapes import flag, several

Path = list[tuple[Tensor, Node, tuple[bool, ...]]]  # a Tensor, its Function, and which inputs are on a way to a target


class OfSecond(NamedTuple):
    """What the `backward` of a second result returns: the gradient that its Function gets beside that of the first."""

    gradient: Tensor


def grad(
    y: Tensor, xs: Sequence[Tensor], gy: Tensor | None = None, *, create_graph: bool = False
) -> tuple[Tensor, ...]:
    """The gradients of `y` with respect to each Tensor in `xs`: zeros for one that `y` does not depend on.

    `gy` (the shape of `y`) weights the elements of `y`; without it `y` must have one element. With `create_graph` the
    gradients are recorded and can be differentiated again; otherwise the first order pays for no graph.
    """
    if isinstance(xs, Tensor):
        raise TypeError("grad: xs is a sequence of Tensors; write grad(y, [x]) and take the first of the result")
    xs = several("grad", xs, "a sequence of Tensors as xs")
    create_graph = flag("grad", "create_graph", create_graph)
    for i, x in enumerate(xs):
        if not isinstance(x, Tensor) or not x.requires_grad:
            raise ValueError(f"grad: xs[{i}] does not require a gradient: {x!r}. Make it with requires_grad=True")
    return _backpropagate("grad", y, gy, xs, create_graph) if len(xs) else ()


def backward(y: Tensor, gy: Tensor | None = None) -> None:
    """`Tensor.backward`: add the gradient of `y` to the `.grad` of every leaf that requires one."""
    leaves: list[Tensor] = []
    gradients = _backpropagate("backward", y, gy, leaves, False)
    for leaf, g in zip(leaves, gradients, strict=True):
        leaf.grad = g if leaf.grad is None else leaf.grad + g


def _backpropagate(
    name: str, y: Tensor, gy: Tensor | None, targets: list[Tensor], create_graph: bool
) -> tuple[Tensor, ...]:
    """The gradients of the targets. An empty list of targets stands for all leaves, and is filled with them."""
    gradients = {id(y): _first_gradient(name, y, gy, create_graph)}
    path = _path(name, y, targets)
    targeted = {id(t) for t in targets}
    late: Late | None = None if create_graph or isinstance(y.data, np.ndarray) else []
    seconds: dict[int, Tensor] = {}  # gradients of second results, by the first result of the same Function
    outer = recording.function, recording.needs_input_grad, recording.second  # of a `backward` that has called `grad`
    try:
        with RecordingMode(create_graph):
            for t, function, needed in reversed(path):
                g = gradients.get(id(t)) if id(t) in targeted else gradients.pop(id(t), None)
                second = seconds.pop(id(t), None) if seconds else None
                if g is None and second is not None:
                    g = Tensor(array_module(t.data).zeros_like(t.data))
                if g is not None:
                    recording.function, recording.needs_input_grad, recording.second = function, needed, second
                    watch = recording.watch_backward
                    gxs = function.backward(g, t) if watch is None else watch(function, g, t)
                    if isinstance(gxs, OfSecond):
                        first = id(function.inputs[0])
                        seconds[first] = seconds[first] + gxs.gradient if first in seconds else gxs.gradient
                    else:
                        _add_gradients(gradients, late, function, needed, gxs)
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is None:  # the call of `backward` itself
            signature = "it takes the gradient of the result and the result: def backward(self, gy, y)"
            raise GradientError(f"{error}; {signature}") from error
        raise
    finally:
        recording.function, recording.needs_input_grad, recording.second = outer
    if late:
        add_late(gradients, late)
    return tuple([
        own(gradients[id(t)]) if id(t) in gradients else Tensor(array_module(t.data).zeros_like(t.data))
        for t in targets
    ])  # fmt: skip


def _first_gradient(name: str, y: Tensor, gy: Tensor | None, create_graph: bool) -> Tensor:
    """What the backward pass starts with: `gy`, or 1 for a `y` of one element."""
    if not isinstance(y, Tensor):
        raise TypeError(f"{name}: y has to be a Tensor, got {y!r}")
    if not y.requires_grad:
        raise ValueError(f"{name}: nothing that {y!r} was made from requires a gradient (or it was made in no_grad)")
    if gy is None:
        if y.size != 1:
            raise ValueError(f"{name}: y has shape {y.shape}; give gy of that shape, or reduce y to one number")
        return Tensor(np.ones_like(y.data) if isinstance(y.data, np.ndarray) else ones(y.data))
    gy = as_tensor(gy, name)
    if (gy.shape, gy.dtype, gy.device) != (y.shape, y.dtype, y.device):
        raise ValueError(f"{name}: gy has to be like y, which is {y!r}, but it is {gy!r}")
    return gy if create_graph else gy.detach()  # it may itself come back as a gradient


def _path(name: str, y: Tensor, targets: list[Tensor]) -> Path:
    """What lies between the targets and `y`, in the order in which it was made."""
    # Everything that y was made from, up to the targets: what ran before the oldest target cannot depend on one.
    oldest = min((-1 if t.node is None else t.node.sequence for t in targets), default=-1)
    made: list[tuple[int, Tensor, Node]] = []
    leaves: list[Tensor] = []
    seen, stack = set(), [y]
    while stack:
        t = stack.pop()
        if id(t) in seen:
            continue
        seen.add(id(t))
        if t.node is None:
            leaves.append(t)
        elif t.node.sequence > oldest:
            made.append((t.node.sequence, t, t.node))
            stack += [x for x in t.node.inputs if isinstance(x, Tensor) and x.requires_grad]
    if not targets:
        targets += leaves
    made.sort(key=lambda event: event[0])

    # Forwards in time: which of it depends on a target?
    depends = {id(t) for t in targets}
    changes = bool(made) and changed_since(made[0][0])
    path: Path = []
    for _, t, function in made:
        needed = tuple([id(x) in depends for x in function.inputs])
        if True in needed:
            if changes:
                check_unchanged(name, function)
            depends.add(id(t))
            path.append((t, function, needed))
    return path


def _add_gradients(
    gradients: dict[int, Tensor], late: Late | None, function: Node, needed: tuple[bool, ...], gxs: Any
) -> None:
    """Check what a `backward` returned, and add it to the gradients found so far; for leaves to `late`, if there is."""
    inputs = function.inputs
    if not isinstance(gxs, tuple):
        gxs = (gxs,)
    if len(gxs) != len(inputs):
        name = type(function).__name__
        raise GradientError(f"{name}.backward returned {len(gxs)} gradients for {len(inputs)} inputs")
    for i, (x, gx) in enumerate(zip(inputs, gxs)):
        if gx is None or not needed[i]:
            continue
        wanted, key = x.data, id(x)
        given = gx.data if isinstance(gx, Tensor) else None
        if (
            given is None
            or given.shape != wanted.shape
            or (given.dtype is not wanted.dtype and given.dtype != wanted.dtype)
            or (type(given) is not type(wanted) and gx.device != x.device)
        ):
            name = type(function).__name__
            what = "like the input" if isinstance(gx, Tensor) else "a Tensor like the input"
            raise GradientError(f"{name}.backward: the gradient of input {i} must be {what}, {x!r}; got {gx!r}")
        before = gradients.get(key)
        if before is None:
            gradients[key] = gx
        elif late is not None and x.node is None:
            late.append((key, gx))
        elif recording.on or recording.watch is not None:
            gradients[key] = before + gx
        else:  # the same without a Function
            gradients[key] = Tensor(before.data + gx.data)
