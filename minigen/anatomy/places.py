"""Where an operation was called: the Module that stands above it, by the name that the step's own code has for it.

Imports: autograd, nn, capture (which names a function uses). Read next: ``watch.py``.
"""

from __future__ import annotations

import functools
import types
from collections import deque
from collections.abc import Iterator
from typing import Any

from minigen.autograd import Tensor
from minigen.capture.code import bound, is_installed, names_in
from minigen.nn import Module
from minigen.nn.at_work import at_work

DEPTH = 6  # attributes of attributes that are looked through for Modules
MOST = 20_000  # objects
_PLAIN = (str, bytes, int, float, complex, bool, type(None), type, types.ModuleType, Tensor)


class Places:
    """The names of the Modules that a step uses, and of their parameters."""

    def __init__(self, step: Any, arguments: tuple[Any, ...] = ()) -> None:
        self._names: dict[int, str] = {}
        self._modules: list[tuple[str, Module]] = []  # they are held, so that no identity comes twice
        self._arrays: dict[int, str] = {}
        self._find(step, arguments)

    def look(self) -> None:
        """Note which arrays the parameters hold now."""
        self._arrays = {
            id(t.data): f"{name}.{own}".lstrip(".")
            for name, module in self._modules
            for own, t in vars(module).items()
            if isinstance(t, Tensor)
        }

    def of_array(self, x: Any) -> str:
        """The name of a parameter, by its array; "" for others."""
        return self._arrays.get(id(x), "")

    def of_call(self) -> str:
        """The innermost Module whose call is being computed, by name or by class; "" outside of any."""
        return next((self._names.get(id(module)) or type(module).__name__ for module, _ in at_work()), "")

    def _find(self, step: Any, arguments: tuple[Any, ...]) -> None:
        """Breadth first, so that the shortest way gives the name: its last word, if no other Module has that."""
        queue = deque([("", step, 0), *(("", x, 0) for x in arguments)])
        seen: dict[int, Any] = {}
        while queue and len(seen) < MOST:
            name, x, depth = queue.popleft()
            if id(x) in seen or isinstance(x, _PLAIN):
                continue
            seen[id(x)] = x
            if isinstance(x, Module):
                self._add(name or type(x).__name__, x)
            elif depth < DEPTH:
                queue += [(part or name, value, depth + 1) for part, value in _parts(x)]

    def _add(self, name: str, root: Module) -> None:
        for path, module in root.named_modules():
            if id(module) not in self._names:
                self._names[id(module)] = f"{name}.{path}".rstrip(".")
                self._modules.append((self._names[id(module)], module))


def _parts(x: Any) -> Iterator[tuple[str, Any]]:
    """What an object holds, with names."""
    if isinstance(x, functools.partial):
        yield from (("", x.func), ("", x.args), ("", x.keywords))
    elif isinstance(x, types.MethodType):
        yield from (("", x.__self__), ("", x.__func__))
    elif isinstance(x, types.FunctionType):
        yield from ((name, value) for name, _, value in bound(x))
        yield from (("", x.__defaults__), ("", x.__kwdefaults__), ("", getattr(x, "__wrapped__", None)))
        if not is_installed(x):
            named = sorted(names_in(x.__code__).variables & {*x.__globals__})
            yield from ((name, x.__globals__[name]) for name in named)
    elif isinstance(x, dict):
        yield from ((key if isinstance(key, str) else "", value) for key, value in x.items())
    elif isinstance(x, list | tuple):
        yield from (("", value) for value in x)
    elif hasattr(x, "__dict__"):
        yield from vars(x).items()
