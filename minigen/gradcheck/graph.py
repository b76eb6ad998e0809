"""The recorded graph of a function: its Tensors and Functions, and what each backward is given and returns.

Imports: autograd. Read next: ``diagnosis/contract.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from minigen.autograd import Function, Tensor

#: Called in place of `node.backward`, with the node, its own backward, gy and y.
Interceptor = Callable[[Function, Callable[[Tensor, Tensor], Any], Tensor, Tensor], Any]


def graph_tensors(ys: Iterable[Tensor]) -> list[Tensor]:
    """The Tensors from which `ys` were computed, `ys` included, each once."""
    found: dict[int, Tensor] = {}
    stack = list(ys)
    while stack:
        t = stack.pop()
        if id(t) not in found:
            found[id(t)] = t
            if t.node is not None:
                stack += [x for x in t.node.inputs if isinstance(x, Tensor)]
    return list(found.values())


def graph_nodes(ys: Iterable[Tensor]) -> list[Function]:
    """The Functions that computed `ys`, each once, in an order that depends on the graph alone."""
    found: dict[int, Function] = {}
    stack = [y.node for y in ys if y.node is not None]
    while stack:
        node = stack.pop()
        if isinstance(node, Function) and id(node) not in found:
            found[id(node)] = node
            stack += [x.node for x in node.inputs if isinstance(x, Tensor) and x.node is not None]
    return list(found.values())


def depends_on(y: Tensor, x: Tensor) -> bool:
    """Was `y` computed from `x`, or is it the same Tensor?"""
    return any(t is x for t in graph_tensors([y]))


def static_numbers(ys: Iterable[Tensor]) -> Iterator[tuple[str, float]]:
    """The static arguments and plain numbers of the Functions, other than 0, 1 and -1: strides, slopes, probabilities.

    Each with a description.
    """
    for node in graph_nodes(ys):
        name = type(node).__name__
        numbers = [(f"the {key!r} of {name}", value) for key, value in vars(node).items()
                   if key not in ("inputs", "sequence")]  # fmt: skip
        numbers += [(f"the number {x:.6g} that {name} is given", x) for x in node.inputs if isinstance(x, (int, float))]
        for text, value in numbers:
            if type(value) in (int, float) and np.isfinite(value) and value not in (0, 1, -1):
                yield text, float(value)


@contextmanager
def intercepted(ys: Iterable[Tensor], intercept: Interceptor) -> Iterator[None]:
    """Inside ``with``, `intercept` is called in place of the backward of every Function that computed `ys`."""
    nodes = graph_nodes(ys)

    def replacement(node: Function) -> Callable[[Tensor, Tensor], Any]:
        own = node.backward
        return lambda gy, y: intercept(node, own, gy, y)

    for node in nodes:
        node.__dict__["backward"] = replacement(node)
    try:
        yield
    finally:
        for node in nodes:
            del node.__dict__["backward"]


def find_in_place_write(ys: Sequence[Tensor], vjp: Callable[[], object]) -> str:
    """The first write of a backward into gy, its inputs or its result while `vjp` runs, in words; "" if there is none.

    A cotangent may be shared: the sum of two Tensors passes the same array to both. So `gy *= 2` is wrong even where
    no other Function reads that array.
    """
    found: list[str] = []

    def intercept(node: Function, backward: Callable[[Tensor, Tensor], Any], gy: Tensor, y: Tensor) -> Any:
        inputs = [(f"its input {i}", x) for i, x in enumerate(node.inputs) if isinstance(x, Tensor)]
        arguments = [("gy", gy), *inputs, ("its result y", y)]
        before = [t.data.copy() for _, t in arguments]
        gxs = backward(gy, y)
        for (name, t), old in zip(arguments, before, strict=True):
            if t.data.shape != old.shape or bool(((t.data != old) & ((t.data == t.data) | (old == old))).any()):
                found.append(f"{type(node).__name__}.backward changes {name}")
        return gxs

    with intercepted(ys, intercept):
        vjp()
    return found[0] if found else ""
