"""A trace: the calls of kernels and of NumPy that a step makes, in order, written down while the step is made.

Imports: random, optim, kernels, traced. Read next: ``program.py``, which makes a function of a trace.
"""

from __future__ import annotations

import inspect
import threading
import traceback
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from minigen.capture.host import KNOWN
from minigen.compiling import traced
from minigen.compiling.calls import Call, Position, Ref
from minigen.compiling.traced import Traced, TracedArray, TracedNumber
from minigen.optim.multi_tensor import listed
from minigen.optim.optimizer import Noted, noting_steps
from minigen.random import LIMIT, Generator
from minigen_kernels import KernelSet, for_host, recorded_by

#: Kernels that change arrays, and which of their arguments.
CHANGED = {
    "sgd_update": (0, 2),
    "rmsprop_update": (0, 2, 3),
    "adam_update": (0, 2, 3),
    "average_update": (0,),
    "total_update": (0,),
}


@dataclass
class Trace:
    """What a step does with arrays. `problem` says why it cannot be repeated from that."""

    generators: Sequence[Generator]
    calls: list[Call] = field(default_factory=list)
    problem: str | None = None
    open: bool = True
    memory: list[int] = field(default_factory=list)  # of each Ref: the number of the piece of memory that it lies in
    changed: set[int] = field(default_factory=set)  # pieces of memory that were changed
    found: dict[int, Any] = field(default_factory=dict)  # those of them that were there at the start: their arrays
    contents: dict[int, Any] = field(default_factory=dict)  # and what these held

    def __post_init__(self) -> None:
        self._made: list[weakref.ref[Any]] = []
        self._thread = threading.get_ident()
        self._start = [generator.state for generator in self.generators]
        self._errors = np.geterr()
        self._pieces: dict[int, tuple[Any, int]] = {}  # by the identity of an owner: a weak reference to it, a number
        self._started: dict[int, Any] = {}  # the owners of those of the start
        self._noted: Noted | None = None

    # What the recorder of a step does.

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Inside of the ``with`` block, calls are written down."""
        outer = traced.current
        traced.current = self
        try:
            with noting_steps() as self._noted, recorded_by(cast(KernelSet, _Kernels(self))):
                yield
            if self._noted.rate_was_read:
                self.problem = self.problem or "the learning rate of an optimizer, which the step reads or sets"
        finally:
            traced.current, self.open, self._noted = outer, False, None

    def stand_in(self, array: Any) -> Any:
        """What stands for an array that is there at the start."""
        new = self._new(array)
        self._started[self.memory[-1]] = owner_of(array)
        return new

    def let_go(self) -> None:
        """Forget what could put the start back."""
        self.contents.clear()
        self._started.clear()

    def left(self) -> list[Any]:
        """The traced arrays that something still holds."""
        return [x for ref in self._made if (x := ref()) is not None]

    def is_here(self) -> bool:
        """Whether calls of this thread are written down."""
        return self.open and threading.get_ident() == self._thread

    # What traced arrays do.

    def failed(self, what: str, result: Any, of: Any = None) -> Any:
        """Write down that the step cannot be repeated, and where it does what, with the array `of` if with one."""
        if self.problem is None and self.open:
            self.problem = f"{what}, {_place()}"
        return result

    def values(self, x: Any) -> Any:
        """The arrays themselves in the place of those that stand for them."""
        kind = type(x)
        if kind is TracedArray or kind is TracedNumber:
            return x.value
        if kind is tuple or kind is list:
            return kind(map(self.values, x))
        if kind is dict:
            return {key: self.values(value) for key, value in x.items()}
        if kind is slice:
            return slice(self.values(x.start), self.values(x.stop), self.values(x.step))
        return x

    def call(
        self, function: Any, args: Any, kwargs: Any = None, *, changes: Iterable[Any] = (), told: Any = None
    ) -> Any:
        """Make a call and write it down; with the arguments `told` in the place of `args`, if they are given."""
        kwargs = kwargs or {}
        values, named = self.values(args), self.values(kwargs)
        if not self.is_here():
            return function(*values, **named)
        changes = list(changes)
        for x in changes:
            self._save(x)
        result = function(*values, **named)
        if not self.open:
            return result
        errors = np.geterr()
        refs = self._refs(args if told is None else told), self._refs(kwargs)
        for x in changes:
            if isinstance(x, Traced) and x.value is result:
                answer, result_refs = x, x.ref
                break
        else:
            answer, result_refs = self._named(result)
        state = errors if errors != self._errors else None
        call = Call(function, *refs, result_refs, bool(changes), state, like=_like(self.values(answer)))
        self.calls.append(call)
        return answer

    def expect(self, x: Any, truth: bool) -> None:
        """Write down that the step has asked whether x is true."""
        if self.is_here():
            self.calls.append(Call(bool, (x.ref,), {}, None, False, None, truth, frozenset(self.changed), _place()))

    def kernel(self, name: str, function: Any, args: Any, kwargs: Any) -> Any:
        """Make a call of a kernel and write it down."""
        if not self.is_here():
            return function(*self.values(args), **self.values(kwargs))
        optimizer = self._noted.steps[-1][0] if self._noted is not None and self._noted.inside else None
        if isinstance(optimizer, KNOWN) and name in CHANGED:
            return self._update(optimizer, function, args, kwargs)
        changes = [x for i in CHANGED.get(name, ()) for x in (args[i] if isinstance(args[i], list) else [args[i]])]
        return self.call(function, args, kwargs, changes=changes, told=self._moving(function, args))

    # The parts.

    def _update(self, optimizer: Any, function: Any, args: Any, kwargs: Any) -> None:
        """An update of an optimizer is repeated as such: with its rate and its counts of that time."""
        many = isinstance(args[0], list)
        arrays = args[0] if many else [args[0]]
        found = [next((i for i, p in enumerate(optimizer.params) if p.data is x), -1) for x in arrays]
        if -1 in found:
            self.failed("an update of what is no parameter of the optimizer", None)
        for i in CHANGED[function.__name__]:
            for x in args[i] if many else [args[i]]:
                self._save(x)
        function(*self.values(args), **self.values(kwargs))
        gradients = args[1]
        call = Call(_update_many if many else _update_one, (), {}, None, changes=True, error_state=None)
        call.args = (optimizer, found if many else found[0], self._refs(args[0]), self._refs(gradients))
        self.calls.append(call)

    def _moving(self, function: Any, args: Any) -> Any:
        """The arguments of a kernel with the position of its generator, if it draws, as one that moves."""
        names = _parameters(function)
        if "position" not in names:
            return None
        at = names.index("position")
        seed, stream, position = args[names.index("seed")], args[names.index("stream")], args[at]
        found = [i for i, s in enumerate(self._start) if (s["seed"], s["stream"]) == (seed, stream)]
        if len(found) > 1:  # copies from which nothing is drawn do not matter
            found = [i for i in found if self.generators[i].state != self._start[i]]
        if len(found) > 1:
            self.failed(f"two generators draw from one sequence (seed {seed}, stream {stream}); spawn them apart", None)
        if len(found) != 1:
            return None
        start, now = self._start[found[0]]["position"], self.generators[found[0]].state["position"]
        blocks = (position - start) % LIMIT
        if blocks > (now - start) % LIMIT:
            self.failed("the position of a generator, which the step sets", None)
        return (*args[:at], Position(found[0], blocks), *args[at + 1 :])

    def _save(self, x: Any) -> None:
        if not isinstance(x, Traced):
            self.failed("a change of an array that is no attribute, Tensor or argument", None)
            return
        piece = self.memory[x.ref.number]
        if piece in self._started and piece not in self.found:
            self.found[piece] = self._started[piece]
            self.contents[piece] = self.found[piece].copy()
        self.changed.add(piece)

    def _refs(self, x: Any) -> Any:
        kind = type(x)
        if kind is TracedArray or kind is TracedNumber:
            return x.ref
        if kind is tuple or kind is list:
            return kind(map(self._refs, x))
        if kind is dict:
            return {key: self._refs(value) for key, value in x.items()}
        if kind is slice:
            return slice(self._refs(x.start), self._refs(x.stop), self._refs(x.step))
        return x

    def _named(self, result: Any) -> tuple[Any, Any]:
        """The result with traced arrays in it, and their Refs."""
        if isinstance(result, (np.ndarray, np.generic)) and result.dtype.kind in "biufc":
            new = self._new(result)
            return new, new.ref
        if isinstance(result, (tuple, list)):
            pairs = [self._named(x) for x in result]
            parts = [answer for answer, _ in pairs]
            kind = type(result)
            made = kind(*parts) if hasattr(result, "_fields") else kind(parts)
            return made, tuple(refs for _, refs in pairs)
        if result is not None:
            self.failed(f"{type(result).__name__} as the result of a call", None)
        return result, None

    def _new(self, value: Any) -> Any:
        ref, owner = Ref(len(self.memory)), owner_of(value)
        of, piece = self._pieces.get(id(owner), (None, 0))
        if of is None or of() is not owner:  # the identity of an array that is gone may come again
            piece = ref.number
            if isinstance(owner, np.ndarray):
                self._pieces[id(owner)] = weakref.ref(owner), piece
        self.memory.append(piece)
        made = (TracedArray if isinstance(value, np.ndarray) else TracedNumber)(self, value, ref)
        self._made.append(weakref.ref(made))
        return made


class _Kernels:
    """The kernels of the CPU; a trace writes down their calls."""

    def __init__(self, trace: Trace) -> None:
        self._trace, self._kernels = trace, for_host()

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._kernels, name)
        return lambda *args, **kwargs: self._trace.kernel(name, function, args, kwargs)


def _update_one(optimizer: Any, i: int, p: Any, g: Any) -> None:
    optimizer.settings_of(i).update(p, g, optimizer.states[i])


def _update_many(optimizer: Any, indices: list[int], p: Any, g: Any) -> None:
    optimizer.settings_of(indices[0]).update(p, g, listed([optimizer.states[i] for i in indices]))


_PARAMETERS: dict[Any, list[str]] = {}


def _parameters(function: Any) -> list[str]:
    if function not in _PARAMETERS:
        _PARAMETERS[function] = list(inspect.signature(function).parameters)
    return _PARAMETERS[function]


def owner_of(x: Any) -> Any:
    """The array that owns the memory of x."""
    while isinstance(getattr(x, "base", None), np.ndarray):
        x = x.base
    return x


def _like(result: Any) -> Any:
    """Shape, dtype and order of what a call returns, and whether it may be written to."""
    if isinstance(result, (np.ndarray, np.generic)):
        return type(result), result.shape, result.dtype.str, result.strides, result.flags.writeable
    return tuple(map(_like, result)) if isinstance(result, (tuple, list)) else None


def _place() -> str:
    """The innermost line outside of this room, the engine and NumPy: "in file.py:12"."""
    here = Path(__file__).parent
    for frame in reversed(traceback.extract_stack()):
        path = Path(frame.filename)
        if path.parent not in (here, here.parent / "autograd") and "numpy" not in path.parts:
            return f"in {path.name}:{frame.lineno}"
    return ""
