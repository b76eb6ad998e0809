"""Which Module made an operation.

The engine does not note it, so that no training pays for it. `watching` sees it while a function runs, in the stack of
calls. Of Tensors that are already there, `by_parameters` tells as much as can be: who uses a parameter of a Module
belongs to it, and so does what lies between such operations.

Imports: autograd, nn, graph. Read next: ``boxes.py``.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import Any

from minigen.autograd import Function
from minigen.autograd.recording import recording
from minigen.drawing.graph import Node, Part
from minigen.nn import Module
from minigen.nn.at_work import at_work


@contextlib.contextmanager
def watching(labels: dict[int, tuple[Part, ...]], given: set[int], modules: Mapping[str, Module]) -> Iterator[None]:
    """Inside ``with``: which calls of Modules each Function of this thread is part of is put into `labels`, by its id.

    The ids of Tensors that a Module is called with are put into `given`: these are not its own.

    What a `backward` does is part of the gradient of the call that its Function is part of. An id may come again after
    its Function is gone; the later entry counts, which is that of the living one.
    """
    paths: dict[int, str] = {}
    for name, module in modules.items():
        _add_paths(paths, name, module)
    calls: dict[FrameType, Part] = {}  # holds the frames, so that no two calls are taken for one
    before = recording.watch

    def watch(function: Function, arrays: list[Any]) -> Any:
        if recording.function is not None:
            parts = labels.get(id(recording.function), ())
            labels[id(function)] = tuple(part.gradient_of() for part in parts)
        else:
            stack = list(at_work())[::-1]
            for module, frame in stack:
                if frame not in calls:
                    if id(module) not in paths:
                        _add_paths(paths, "", module)
                    calls[frame] = Part(len(calls), paths[id(module)], type(module).__name__)
                    given.update(map(id, frame.f_locals["inputs"]))
            labels[id(function)] = tuple(calls[frame] for _, frame in stack)
        return function.forward(*arrays) if before is None else before(function, arrays)

    recording.watch = watch
    try:
        yield
    finally:
        recording.watch = before


def by_parameters(nodes: Sequence[Node], modules: Mapping[str, Module]) -> dict[int, tuple[Part, ...]]:
    """The Modules of operations, by the id of their Functions, as far as their parameters and buffers tell.

    An operation that uses none is part of the Modules that all of those before and behind it have in common.
    """
    owners: dict[int, tuple[Part, ...]] = {}
    for name, module in modules.items():
        below = dict(module.named_modules())
        for inner, t in module._named_tensors():
            words = inner.split(".")[:-1]
            above = [".".join(words[:i]) for i in range(len(words) + 1)]
            chain = [(f"{name}.{path}".strip("."), below[path]) for path in above if path in below]
            owners.setdefault(id(t), tuple(Part(path, path or _kind(m), _kind(m)) for path, m in chain))
    own: dict[Node, tuple[Part, ...]] = {}
    for node in nodes:
        used = [owners[id(x.tensor)] for _, x in node.inputs if id(x.tensor) in owners]
        if used:
            own[node] = max(used, key=len)
    before: dict[Node, tuple[Part, ...]] = {}  # what those before it have in common
    behind: dict[Node, tuple[Part, ...]] = {}
    for node in nodes:
        for _, x in node.inputs:
            if (parts := own.get(x, before.get(x))) is not None:
                before[node] = common(before.get(node, parts), parts)
    for node in reversed(nodes):
        if (parts := own.get(node, behind.get(node))) is not None:
            for _, x in node.inputs:
                behind[x] = common(behind.get(x, parts), parts)
    between = {node: common(before[node], behind[node]) for node in nodes if node in before and node in behind}
    return {id(node.function): parts for node, parts in (between | own).items()}


def common(a: tuple[Part, ...], b: tuple[Part, ...]) -> tuple[Part, ...]:
    """The Modules that hold both."""
    return tuple(part for part, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(a, b)))


def _add_paths(paths: dict[int, str], name: str, module: Module) -> None:
    for path, below in module.named_modules():
        paths.setdefault(id(below), f"{name}.{path}".strip(".") or _kind(module))


def _kind(module: Module) -> str:
    return type(module).__name__
