"""What a step can reach from its closure: the arrays that it changes, and everything on the host that it may depend on.

A captured graph repeats launches, and no Python runs. So whatever Python would have read has to be as it was when the
graph was recorded. `Host` finds it: from the function over its closure, defaults, global variables and bound objects to
attributes, classes, lists, tuples, sets and dicts, without end. Of what it finds

* Tensors, arrays on the device and the states of optimizers are *slots*, whose contents may change,
* Generators and Optimizers have numbers that move on by a rule (positions, step counts, learning rates),
* all else must stay: numbers, texts, flags, which object stands where.

Global variables are those that the code of a function names, numbers of modules (``config.weight``), too, and of
functions those of the same file. The functions of
minigen have none that change. What cannot be seen from here: the clock, files, and what an iterator will give next.

Imports: autograd, optim, random. Read next: ``recording.py``.
"""

from __future__ import annotations

import array as arrays
import collections
import contextvars
import functools
import gc
import operator
import os
import queue
import random
import sys
import types
import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigen.autograd import Tensor
from minigen.capture.code import bound, is_installed, is_of_a_library, is_own_module, names_in
from minigen.device import Device, device_of
from minigen.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from minigen.optim.multi_tensor import is_step_count
from minigen.random import Generator
from minigen_kernels import Array

_LEAVES = (
    type(None), bool, int, float, complex, str, bytes, np.generic, np.dtype, types.ModuleType,
    types.BuiltinFunctionType,
)  # fmt: skip
#: Optimizers whose rates and counts may change from step to step: their kernels can read such numbers from the device.
KNOWN: tuple[type[Optimizer], ...] = (SGD, RMSprop, Adam, AdamW)
#: What holds values that no walk finds, or not the next ones: bytes, variables of a context, what may be gone.
_OPAQUE = (arrays.array, bytearray, memoryview, contextvars.ContextVar, queue.SimpleQueue, weakref.ReferenceType)
_INNER = (types.BuiltinFunctionType, types.ModuleType)  # leaves that are walked: ``settings.get`` has a `__self__`
_SMALL = 4096  # elements; a larger array on the host must be the same object, its contents are not looked at


class Captured:
    """The base of what captures `step`: it may stand where the step reaches it, and what it counts is not looked at."""

    step: Callable[..., Any]


@dataclass
class Slot:
    """A place that holds an array: an attribute of a Tensor, an entry of a dict or list, a variable of a closure."""

    path: str
    holder: Any
    key: Any

    @property
    def array(self) -> Array:
        """What it holds now."""
        if isinstance(self.holder, (Tensor, types.CellType)):
            return getattr(self.holder, self.key)
        return vars(self.holder)[self.key] if isinstance(self.holder, type) else self.holder[self.key]

    @array.setter
    def array(self, array: Array) -> None:
        if isinstance(self.holder, (Tensor, types.CellType, type)):
            setattr(self.holder, self.key, array)
        else:
            self.holder[self.key] = array


class Host:
    """What a step reaches now, found by a walk that takes about a millisecond.

    Its slots hold the arrays of `device`. On the CPU these are all that can be put in place; of an array in a tuple the
    contents must stay. `unseen` names what cannot be looked at: such arrays that are large, and iterators; `samplers`
    are the sources of random numbers that are not minigen's.
    """

    def __init__(self, step: Any, arguments: Iterable[Any] = (), device: Device = "cuda") -> None:
        self._device = device
        self._is_slot = _is_device_array if device == "cuda" else _is_host_array
        self.unseen: list[str] = []
        self.samplers: list[Any] = []
        self.tensors: list[tuple[str, Tensor]] = []
        self.slots: list[Slot] = []
        self.generators: list[Generator] = []
        self.optimizers: list[Optimizer] = []
        self._items: list[tuple[str, Any, Any, Any]] = []  # path, container, key, what was there
        self._attributes: list[tuple[str, Any, str, Any]] = []
        self._lengths: list[tuple[str, Any, int]] = []
        self._sets: list[tuple[str, Any, Any]] = []
        self._orders: list[tuple[str, Any, list[Any]]] = []
        self._contents: list[tuple[str, Array, bytes]] = []
        self._seen: dict[int, Any] = {}  # the objects themselves, so that no identity comes twice
        self._walk("step", step)
        for x in arguments:
            self._walk(f"the argument of {type(x).__name__}", x)

    def change(self) -> str | None:
        """What is not as it was: "step.weight was 0.5 and is 0.6"; None if all is."""
        for path, container, key, before in self._items:
            try:
                now = container[key]
            except (KeyError, IndexError):
                return f"{path} is gone"
            if now is not before and not _same(now, before):
                return f"{path} {_changed(before, now)}"
        for path, holder, name, before in self._attributes:
            now = getattr(holder, name, None)
            if now is not before and not _same(now, before):
                return f"{path} {_changed(before, now)}"
        for path, container, length in self._lengths:
            if len(container) != length:
                return f"{path} had {length} entries and has {len(container)}"
        for path, elements, before in self._sets:
            if elements != before:
                return f"{path} has other elements than it had"
        for path, entries, keys in self._orders:
            if not all(map(operator.is_, entries, keys)):
                return f"{path} has its entries in another order"
        for path, array, contents in self._contents:
            if array.tobytes() != contents:
                return f"the numbers in {path} changed"
        return None

    def positions(self) -> list[int]:
        """Where each generator is."""
        return [generator.state["position"] for generator in self.generators]

    def counts(self) -> dict[tuple[Optimizer, int, str], int]:
        """The step counts of the optimizers, which are `KNOWN`."""
        each = [(o, i, state) for o in self.optimizers for i, state in enumerate(o.states)]
        return {(o, i, k): int(a) for o, i, state in each for k, a in state.items() if is_step_count(a)}

    def _walk(self, path: str, start: Any) -> None:
        stack = [(path, start)]
        while stack:
            path, x = stack.pop()
            if (isinstance(x, _LEAVES) and not isinstance(x, _INNER)) or id(x) in self._seen:
                continue
            self._seen[id(x)] = x
            if isinstance(x, Tensor):
                self._tensor(path, x)
            elif isinstance(x, Generator):
                self.generators.append(x)
                self._attributes += [(f"{path}{name}", x, name, getattr(x, name)) for name in ("_seed", "_stream")]
            elif isinstance(x, types.ModuleType):  # one that no function names, but an object or list holds
                stack += list(self._modules([(path, x)], set() if is_installed(x) else set(vars(x))))
            elif isinstance(x, np.ndarray):
                self._content(path, x)
            elif not _is_device_array(x):
                stack += list(self._parts(path, x))[::-1]

    def _content(self, path: str, x: Array) -> None:
        if x.dtype.hasobject and self._device == "cpu":
            self.unseen.append(f"{path} is an array of objects")
        elif x.size <= _SMALL:
            self._contents.append((path, x, x.tobytes()))
        elif self._device == "cpu":
            self.unseen.append(f"{path} is a large array in a tuple")

    def _slot(self, path: str, holder: Any, key: Any, array: Array) -> None:
        self.slots.append(Slot(path, holder, key))
        self._seen[id(array)] = array

    def _tensor(self, path: str, t: Tensor) -> None:
        self.tensors.append((path, t))
        self._attributes.append((path + ".requires_grad", t, "requires_grad", t.requires_grad))
        if device_of(t.data) == self._device:
            self._slot(path, t, "data", t.data)
        else:
            self._attributes.append((path, t, "data", t.data))

    def _parts(self, path: str, x: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(x, Captured):
            yield path, x.step
        elif isinstance(x, Optimizer):
            yield from self._optimizer(path, x)
        elif isinstance(x, functools.partial):
            yield from ((path, x.func), (path, x.args), (path, x.keywords))
        elif isinstance(x, types.MethodType):
            yield from ((path, x.__self__), (path, x.__func__))
        elif isinstance(x, types.FunctionType):
            yield from self._function(path, x)
        elif isinstance(x, type):
            yield from self._class(path, x)
        elif isinstance(x, (staticmethod, classmethod)):
            yield path, x.__func__
        elif isinstance(x, property):
            yield path, x.fget
        elif isinstance(x, dict):
            self._lengths.append((path, x, len(x)))
            self._orders.append((path, x, list(x)))
            yield from self._entries(lambda key: f"{path}[{key!r}]", x, x.items())
        elif isinstance(x, (list, tuple, collections.deque)):
            self._lengths.append((path, x, len(x)))
            yield from self._entries(lambda key: f"{path}[{key}]", x, enumerate(x))
        elif isinstance(x, (set, frozenset)):
            self._sets.append((path, x, x.copy()))
            yield from ((f"{path}[...]", element) for element in x)
        else:
            if isinstance(x, Iterator) and self._device == "cpu":
                self.unseen.append(f"{path} is an iterator")
            if isinstance(x, (random.Random, np.random.Generator, np.random.RandomState)):
                self.samplers.append(x)
            if isinstance(x, _OPAQUE) and self._device == "cpu":
                self.unseen.append(f"{path} is of the type {type(x).__name__}")
            if type(x).__module__ in sys.stdlib_module_names:  # views of a dict, methods of a list, lru_cache, ...
                yield from ((path, part) for part in gc.get_referents(x))
            yield from self._object(path, x, getattr(x, "__dict__", {}))

    def _function(self, path: str, f: types.FunctionType) -> Iterator[tuple[str, Any]]:
        yield from self._closure(path, f)
        if not is_of_a_library(f):
            variables, code, texts = names_in(f.__code__)
            by_text = texts if "globals" in variables else set()  # globals()["weight"]
            names = [name for name in variables | by_text if name in f.__globals__]
            found = [(name, f.__globals__[name]) for name in names]
            own = [(n, x) for n, x in found if getattr(x, "__globals__", f.__globals__) is f.__globals__]
            globals_now = self._entries(lambda name: f"global {name}", f.__globals__, own)
            yield from ((path, x) for path, x in globals_now if not isinstance(x, types.ModuleType))
            imported = [(name, sys.modules[name]) for name in code if name in sys.modules]
            yield from self._modules([*found, *imported, *((name, x) for name, _, x in bound(f))], code | texts)
            if not code.isdisjoint(("environ", "getenv")):
                yield "os.environ", os.environ
            for name, other in found:  # functions of other files: what they hold, not their global variables
                functions = isinstance(other, (types.FunctionType, types.MethodType))
                if functions and self._device == "cpu" and not is_installed(other):
                    yield f"global {name}", other
                elif functions and other.__globals__ is not f.__globals__:
                    yield f"global {name}", getattr(other, "__self__", None)
                    yield from self._closure(f"global {name}", getattr(other, "__func__", other))

    def _modules(self, named: list[tuple[str, Any]], code: set[str]) -> Iterator[tuple[str, Any]]:
        """What modules among these, and modules in them, hold under names in the code of a function."""
        seen = set[int]()
        while named:
            name, module = named.pop()
            if is_own_module(module) and id(module) not in seen:
                seen.add(id(module))
                read = [(n, x) for n, x in vars(module).items() if n in code and n[:2] != "__" and self._is_read(x)]
                entries = self._entries(functools.partial("{}.{}".format, name), vars(module), read)
                yield from ((path, x) for path, x in entries if not isinstance(x, types.ModuleType))
                named += [(f"{name}.{n}", x) for n, x in read]

    def _is_read(self, x: Any) -> bool:
        """Whether it is looked at, found in a module that a function names."""
        own = self._device == "cpu" and isinstance(x, (types.FunctionType, type)) and not is_installed(x)
        return own or not callable(x)

    def _closure(self, path: str, f: types.FunctionType) -> Iterator[tuple[str, Any]]:
        for name, cell, value in bound(f):
            if self._device == "cpu" and self._is_slot(value):
                self._slot(f"{path}.{name}", cell, "cell_contents", value)
            else:
                self._attributes.append((f"{path}.{name}", cell, "cell_contents", value))
            if not isinstance(value, types.ModuleType):
                yield f"{path}.{name}", value
        fixed = ("__code__", "__defaults__", "__kwdefaults__")
        self._attributes += [(f"{path}.{name}", f, name, getattr(f, name)) for name in fixed]
        yield from ((path, value) for value in (f.__defaults__, f.__kwdefaults__))
        yield from self._attributes_of(path, f.__dict__)

    def _object(self, path: str, x: Any, attributes: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        yield from self._attributes_of(path, attributes)
        for kind in type(x).__mro__:
            yield kind.__name__, kind
            slots = kind.__dict__.get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if name not in ("__weakref__", "__dict__") and hasattr(x, name):
                    self._attributes.append((f"{path}.{name}", x, name, getattr(x, name)))
                    yield f"{path}.{name}", getattr(x, name)

    def _attributes_of(self, path: str, attributes: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        self._lengths.append((path, attributes, len(attributes)))
        yield from self._entries(lambda key: f"{path}.{key}", attributes, attributes.items())

    def _class(self, path: str, kind: type) -> Iterator[tuple[str, Any]]:
        if not is_of_a_library(kind):
            own = [(name, value) for name, value in vars(kind).items() if name[:2] != "__" or callable(value)]
            yield from self._entries(lambda name: f"{path}.{name}", kind, own)
            yield from ((base.__name__, base) for base in (*kind.__bases__, type(kind)))

    def _optimizer(self, path: str, optimizer: Optimizer) -> Iterator[tuple[str, Any]]:
        known = isinstance(optimizer, KNOWN)
        states = getattr(optimizer, "states", ())  # that of a parameter group has none of its own
        if known and states:
            self.optimizers.append(optimizer)
        for i, state in enumerate(states if known else ()):
            for name, array in state.items():
                if self._is_slot(array) and not is_step_count(array):
                    self._slot(f"{path}.states[{i}][{name!r}]", state, name, array)
        own = {"states", "_lr"} if known else set()
        fixed = [(name, value) for name, value in vars(optimizer).items() if name not in own]
        yield from self._entries(lambda key: f"{path}.{key}", vars(optimizer), fixed)

    def _entries(
        self, path_of: Callable[[Any], str], container: Any, entries: Iterable[tuple[Any, Any]]
    ) -> Iterator[tuple[str, Any]]:
        """The entries of a list, a tuple, a dict, which may be that of an object's attributes, or a class."""
        holder = container
        container = vars(container) if isinstance(container, type) else container
        for key, value in list(entries):
            if self._is_slot(value) and self._device == "cpu" and isinstance(container, tuple):
                self._content(path_of(key), value)  # a tuple can hold no other
            elif self._is_slot(value):
                self._slot(path_of(key), holder, key, value)
            elif not isinstance(container, tuple):  # whose entries cannot change
                self._items.append((path_of(key), container, key, value))
            yield path_of(key), value


def _is_device_array(x: Any) -> bool:
    return type(x).__module__.partition(".")[0] == "cupy" and hasattr(x, "dtype") and hasattr(x, "data")


def _is_host_array(x: Any) -> bool:
    return type(x) is np.ndarray and x.dtype.kind in "biufc"


def _same(a: Any, b: Any) -> bool:
    if type(a) is not type(b) or not isinstance(a, _LEAVES):
        return False
    return repr(a) == repr(b) if isinstance(a, (float, complex, np.generic)) else bool(a == b)  # 0.0 is not -0.0


def _changed(before: Any, now: Any) -> str:
    plain = isinstance(before, _LEAVES) and isinstance(now, _LEAVES)
    if isinstance(before, Tensor) and isinstance(now, Tensor):
        return "is another Tensor than it was; keep its array, `t.data`, or put that into the Tensor that is there"
    return f"was {before!r} and is {now!r}" if plain else "is another object than it was"
