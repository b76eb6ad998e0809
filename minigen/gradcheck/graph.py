"""What the recorded graph of a function tells: its Functions, the numbers they hold, what each backward returns.

Imports: tensor. Read next: ``contract.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from minigen.autograd import Function, Tensor


def nodes_of(ys: Iterable[Tensor]) -> list[Function]:
    """Every Function that the Tensors were made by, in an order that depends on the graph alone."""
    found: list[Function] = []
    seen: set[int] = set()
    stack = [y.node for y in ys if y.node is not None]
    while stack:
        node = stack.pop()
        if isinstance(node, Function) and id(node) not in seen:
            seen.add(id(node))
            found.append(node)
            stack += [x.node for x in node.inputs if isinstance(x, Tensor) and x.node is not None]
    return found


def numbers_of(ys: Iterable[Tensor]) -> Iterator[tuple[str, float]]:
    """The numbers other than 0 and 1 among static arguments and inputs of Functions: strides, slopes, probabilities."""
    for node in nodes_of(ys):
        name = type(node).__name__
        numbers = [(f"the {key!r} of {name}", value) for key, value in vars(node).items()
                   if key not in ("inputs", "sequence")]  # fmt: skip
        numbers += [(f"the number {x:.6g} that {name} is given", x) for x in node.inputs if isinstance(x, (int, float))]
        for text, value in numbers:
            if type(value) in (int, float) and np.isfinite(value) and value not in (0, 1, -1):
                yield text, float(value)


def leads_from(x: Tensor, target: Tensor) -> bool:
    """Was `x` made from `target` (or is it the same)?"""
    stack, seen = [x], set[int]()
    while stack:
        t = stack.pop()
        if t is target:
            return True
        if id(t) not in seen and t.node is not None:
            seen.add(id(t))
            stack += [i for i in t.node.inputs if isinstance(i, Tensor)]
    return False
