"""One step, watched: every call of a kernel, and every Function that NumPy computes, with its time.

There are four seams, and nothing stands in them otherwise: the kernels of a device (`recorded_by`); in this thread
``recording.watch`` and ``recording.watch_backward``, which the engine calls in the place of a Function's `forward` and
`backward`; and `noting_steps`, which is told where an optimizer's step begins and ends. A time is that of a kernel
alone, or of a Function or an optimizer that calls none. What the watching costs is measured, too, and taken off.

Imports: costs, functions, places, autograd, device, optim, kernels. Read next: ``explain.py``.
"""

from __future__ import annotations

import contextlib
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from minigen.anatomy.costs import cost, form_of, least_bytes
from minigen.anatomy.functions import PRODUCT, function_cost, gradient_cost
from minigen.anatomy.places import Places
from minigen.autograd import Function, FusedFunction, Tensor, is_recording
from minigen.autograd.recording import recording
from minigen.device import Device, cuda_event, cuda_seconds
from minigen.optim.optimizer import Noted, Optimizer, noting_steps
from minigen_kernels import KernelSet, blas_multiplies, for_device, for_host, recorded_by

Clock = Callable[[], float]
UPDATE = ("_update", "clip_norm")  # how the names of kernels end that belong to an update


class Span(NamedTuple):
    """When something began and ended: seconds of the host, and on a GPU events of the device."""

    begun: float
    done: float
    start: Any
    end: Any

    @property
    def seconds(self) -> float:
        """How long it took, on the device if it was there."""
        return self.done - self.begun if self.start is None else cuda_seconds(self.start, self.end)


class Key(NamedTuple):
    """What is one row of the table: calls of one kernel, by one operation in one place, of one shape."""

    phase: str
    operation: str
    where: str
    kernel: str
    room: str
    shapes: tuple[tuple[int, ...], ...]
    dtype: str
    flops: int | None  # of one call
    bytes: int


@dataclass
class Context:
    """A Function that is being computed, or differentiated."""

    phase: str
    operation: str
    where: str
    calls: int = 0  # of kernels and Functions inside


@dataclass
class Watched:
    """What a step did: calls with their times in seconds, the time of the whole, and what the watching cost of that."""

    calls: list[tuple[Key, float]] = field(default_factory=list)
    wall: float = 0.0
    watching: float = 0.0


class Watch:
    """Watches steps on a device. `clock` gives seconds; on a GPU events of the device are recorded, too."""

    def __init__(self, device: Device, places: Places, clock: Clock = time.perf_counter) -> None:
        self._device, self._places, self._clock = device, places, clock
        self._kernels = for_host() if device == "cpu" else for_device("cuda")
        self._is_compiled = device == "cpu" and self._kernels is for_device("cpu")
        self._thread = threading.get_ident()
        self._event: Callable[[], Any] = cuda_event if device == "cuda" else lambda: None
        self._stack: list[Context] = []
        self._made_in: weakref.WeakKeyDictionary[Function, tuple[str, int]] = weakref.WeakKeyDictionary()
        self._calls: list[tuple[Key, Span]] = []
        self._keys: dict[Any, Key] = {}  # of kernels, by what they depend on
        self._watching = 0.0
        self._update: tuple[int, Any, float] = (0, None, 0.0)
        self._order = 0  # of the derivative that is being computed
        self._phase = "backward"

    @contextlib.contextmanager
    def _installed(self) -> Iterator[None]:
        before = recording.watch, recording.watch_backward
        try:
            with recorded_by(_Kernels(self, self._kernels), self._device), noting_steps(_Steps(self)):
                recording.watch, recording.watch_backward = self.forward, self.backward
                yield
        finally:
            recording.watch, recording.watch_backward = before

    def step(self, step: Callable[[], object]) -> Watched:
        """Make a step, and say what it did."""
        self._calls, self._watching, self._stack = [], 0.0, []
        self._places.look()
        start = self._clock()
        with self._installed():
            step()
        if self._device == "cuda":
            cuda_event().synchronize()
        wall = self._clock() - start
        return Watched([(key, span.seconds) for key, span in self._calls], wall, self._watching)

    # What stands in the seams.

    def kernel(self, name: str, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call a kernel."""
        if threading.get_ident() != self._thread:
            return function(*args, **kwargs)
        came = self._clock()
        context = self._stack[-1] if self._stack else self._outside(name, args)
        context.calls += 1
        start = self._event()
        begun = self._clock()
        result = function(*args, **kwargs)
        done = self._clock()
        span = Span(begun, done, start, self._event())
        known = (context.phase, context.operation, context.where, form_of(name, args, kwargs))
        if (key := self._keys.get(known)) is None:
            key = self._keys[known] = self._key(context, name, args, kwargs, result)
        self._calls.append((key, span))
        self._watching += self._clock() - came - (done - begun)
        return result

    def forward(self, function: Function, arrays: list[Any]) -> Any:
        """In the place of a Function's `forward`."""
        came = self._clock()
        where = self._places.of_call()
        if self._stack:  # a part of a gradient
            context = self._part()
        else:  # between two of them gradients of one Tensor are added up
            phase = "forward" if recording.function is None else self._phase
            context = Context(phase, type(function).__name__, where)
        self._made_in[function] = (context.where, self._order if is_recording() else 0)
        self._stack.append(context)
        start = self._event()
        begun = self._clock()
        try:
            y = function.forward(*arrays)
        finally:
            self._stack.pop()
        done = self._clock()
        span = Span(begun, done, start, self._event())
        if not context.calls:
            flops, moved = function_cost(function, arrays, y)
            shapes = [x.shape for x in arrays if hasattr(x, "shape")]
            self._calls.append((_key_of_numpy(context, function, shapes, y, flops, moved), span))
        self._watching += self._clock() - came - (done - begun)
        return y

    def backward(self, function: Function, gy: Tensor, y: Tensor) -> Any:
        """In the place of a Function's `backward`."""
        came = self._clock()
        where, order = self._made_in.get(function, ("", 0))
        outer = self._order
        if self._stack:  # a gradient that differentiates a definition
            context = self._part()
        else:
            self._order = order + 1
            self._phase = "backward" if not order else f"backward {order + 1}"
            context = Context(self._phase, type(function).__name__, where)
        self._stack.append(context)
        start = self._event()
        begun = self._clock()
        try:
            gxs = function.backward(gy, y)
        finally:
            self._stack.pop()
            self._order = outer
        done = self._clock()
        span = Span(begun, done, start, self._event())
        if not context.calls and isinstance(function, FusedFunction) and not is_recording():
            made = [g.data for g in (gxs if isinstance(gxs, tuple) else (gxs,)) if isinstance(g, Tensor)]
            flops, moved = gradient_cost(function, gy.data, made)
            shapes = [gy.data.shape, *(x.data.shape for x in function.inputs if isinstance(x, Tensor))]
            self._calls.append((_key_of_numpy(context, function, shapes, gy.data, flops, moved), span))
        self._watching += self._clock() - came - (done - begun)
        return gxs

    def _key(self, context: Context, name: str, args: Any, kwargs: Any, result: Any) -> Key:
        arrays = [x for given in (*args, *kwargs.values()) for x in _listed(given) if hasattr(x, "shape")]
        made = result if hasattr(result, "dtype") else next(iter(arrays), None)
        shapes, dtype = tuple(x.shape for x in arrays), str(getattr(made, "dtype", "float32"))
        room = self._room(name, args)
        where = context.phase, context.operation, context.where
        return Key(*where, name, room, shapes, dtype, *cost(name, args, kwargs, result))

    def update_begins(self) -> None:
        """An optimizer's step."""
        self._update = len(self._calls), self._event(), self._clock()

    def update_ends(self, optimizer: Optimizer) -> None:
        """If it has called no kernel, it is one of the user's own, and a row."""
        came = self._clock()
        before, start, begun = self._update
        if len(self._calls) == before:
            span = Span(begun, came, start, self._event())
            arrays = [(p.data, *state.values()) for p, state in zip(optimizer.params, optimizer.states)]
            read = [p.grad.data for p in optimizer.params if p.grad is not None]
            moved = sum(map(least_bytes, read)) + 2 * sum(least_bytes(a) for one in arrays for a in one)
            shapes, like = tuple(p.shape for p in optimizer.params), read[0] if read else np.zeros(0, np.float32)
            name, room = type(optimizer).__name__, "NumPy" if isinstance(like, np.ndarray) else "CuPy"
            key = Key("update", name, "", name, room, shapes, str(like.dtype), None, moved)
            self._calls.append((key, span))
        self._watching += self._clock() - came

    # The parts.

    def _part(self) -> Context:
        outer = self._stack[-1]
        outer.calls += 1
        return Context(outer.phase, outer.operation, outer.where)

    def _outside(self, name: str, args: Any) -> Context:
        """A kernel that no Function calls: of an optimizer, a moving average, a generator of random numbers."""
        first = args[0] if args else None
        phase = "update" if name.endswith(UPDATE) else "forward"
        if name == "add" and isinstance(first, list):  # gradients of leaves, at the end of a pass on a GPU
            phase = self._phase
        where = self._places.of_array(first[0] if isinstance(first, list) and first else first)
        if isinstance(first, list) and len(first) > 1:
            where = f"{len(first)} arrays"
        return Context(phase, name, where or self._places.of_call())

    def _room(self, name: str, args: Any) -> str:
        if name != "matmul":
            return self._device
        if self._device == "cuda":
            return "cuBLAS"
        return "BLAS" if self._is_compiled and blas_multiplies(*args) else "cpu"


def _key_of_numpy(
    context: Context, function: Function, shapes: list[Any], y: Any, flops: int | None, moved: int
) -> Key:
    """The row of a Function that calls no kernel."""
    name = type(function).__name__
    library = "NumPy" if isinstance(y, (np.ndarray, np.generic)) else "CuPy"
    room = {"NumPy": "BLAS", "CuPy": "cuBLAS"}[library] if name == PRODUCT else library
    return Key(context.phase, context.operation, context.where, name, room, tuple(shapes), str(y.dtype), flops, moved)


class _Steps(Noted):
    """Hears where the steps of optimizers begin and end."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        super().__init__()

    @property
    def inside(self) -> bool:
        """Of a step."""
        return bool(self.steps)

    @inside.setter
    def inside(self, inside: bool) -> None:
        if inside:
            self._watch.update_begins()
        elif self.steps:
            self._watch.update_ends(self.steps.pop()[0])


class _Kernels:
    """The kernels of a device; each call goes through the watch."""

    def __init__(self, watch: Watch, kernels: KernelSet) -> None:
        self._watch, self._kernels = watch, kernels

    def __getattr__(self, name: str) -> Any:
        function, kernel = getattr(self._kernels, name), self._watch.kernel
        made = self.__dict__[name] = lambda *args, **kwargs: kernel(name, function, args, kwargs)
        return made


def _listed(x: Any) -> Any:
    return x if isinstance(x, list) else [x]
