"""From results to the nodes of their graph: every Tensor that they were made from, operations in the order of time.

Imports: autograd, nn. Read next: ``modules.py``.
"""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from minigen.autograd import Tensor
from minigen.nn import Parameter


class Part(NamedTuple):
    """A call of a Module: what tells it from other calls, the Module's name and class, and if this is its gradient."""

    key: Hashable
    path: str
    kind: str
    gradient: bool = False

    @property
    def words(self) -> str:
        """The Module's name, for a reader."""
        return f"{'gradient of ' * self.gradient}{self.path}"

    def gradient_of(self) -> Part:
        """What computes its gradient, of any order."""
        return self if self.gradient else self._replace(key=("gradient", self.key), gradient=True)


@dataclass(eq=False)
class Node:
    """A Tensor: the result of a Function, or a leaf, which has none."""

    tensor: Tensor
    first: int  # the number of the first result that needs it
    name: str  # "" if it has none
    inputs: list[tuple[str, Node]] = field(default_factory=list)  # with the name of the argument
    numbers: list[tuple[str, float]] = field(default_factory=list)  # inputs that are plain numbers
    parts: tuple[Part, ...] = ()  # the calls of Modules that it is part of, the outermost first
    is_inner: bool = False  # does a leaf belong to the Modules that use it?

    @property
    def function(self) -> Any:
        """The Function that made it, or None."""
        return self.tensor.node

    @property
    def kind(self) -> str:
        """What it is: an operation, or which kind of leaf."""
        if self.function is not None:
            return "operation"
        if not self.tensor.requires_grad:
            return "constant"
        return "parameter" if isinstance(self.tensor, Parameter) else "leaf"

    @property
    def is_stale(self) -> bool:
        """Was an input changed in place after the operation ran? Then `backward` refuses, and values are newer ones."""
        return self.function is not None and any(x.tensor.changed > self.function.sequence for _, x in self.inputs)


def nodes_of(results: Sequence[Tensor], names: Mapping[int, str]) -> list[Node]:
    """The nodes of the graph: operations in the order in which they ran, each leaf before the first that uses it."""
    found: dict[int, Node] = {}
    for number, result in enumerate(results):
        stack = [result]
        while stack:
            t = stack.pop()
            if id(t) not in found:
                found[id(t)] = Node(t, number, names.get(id(t), ""))
                stack += [x for x in t.node.inputs if isinstance(x, Tensor)] if t.node is not None else []
    ordered: dict[int, Node] = {}
    for node in sorted((n for n in found.values() if n.function is not None), key=lambda n: n.function.sequence):
        for argument, x in zip(_arguments(node.function), node.function.inputs):
            if isinstance(x, Tensor):
                ordered.setdefault(id(x), found[id(x)])
                node.inputs.append((argument, found[id(x)]))
            else:
                node.numbers.append((argument, x))
        ordered[id(node.tensor)] = node
    return list(ordered.values())


def _arguments(function: Any) -> list[str]:
    """The names of the inputs, as `forward` calls them; "" for one of many."""
    names: list[str] = []
    for parameter in inspect.signature(function.forward).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            break
        names.append(parameter.name)
    return names + [""] * (len(function.inputs) - len(names))
