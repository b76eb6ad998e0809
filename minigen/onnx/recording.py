"""What a forward pass does, written down: which Function made an array of which others, and what NumPy did beside.

The function runs once, in evaluation mode, on traced arrays (``minigen/compiling/traced.py``) in the place of its
inputs and parameters. So nothing that depends on an input goes by unseen: a mask, the places of the largest elements.
What does not depend on one is a number that is known.

Imports: autograd, nn, compiling. Read next: ``graph.py``.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minigen.autograd import Function, Tensor
from minigen.autograd.recording import recording
from minigen.compiling.calls import Ref, pairs, refs_in
from minigen.compiling.trace import Trace
from minigen.compiling.traced import Traced
from minigen.nn import Parameter
from minigen.nn.at_work import at_work

ROOM = Path(__file__).parent
#: Rooms that look at numbers only to refuse them: what they ask of an array decides nothing else.
CHECKING = frozenset(ROOM.parent / room for room in ("ops", "nn", "losses", "autograd"))


class ExportError(ValueError):
    """Something that has no ONNX form, or another value in another runtime."""


class NoFormError(ValueError):
    """There is no ONNX form of a call of NumPy or of a kernel."""


class TrainingError(Exception):
    """A network that nobody named is in training mode. No ValueError: those are told in a Function's name."""


@dataclass(eq=False)
class Source:
    """An array of the forward pass: its numbers, whether they depend on an input, and where they come from."""

    value: Any
    depends: bool = False
    name: str = ""  # of a parameter
    made: Made | None = None
    applied: Applied | None = None
    refused: str = ""  # why there is no graph of it, if there is none

    @property
    def path(self) -> str:
        """The layer that made it."""
        return self.applied.path if self.applied is not None else self.made.path if self.made is not None else ""


@dataclass(eq=False)
class Made:
    """A call of NumPy or of a kernel. Among the arguments and in the result, arrays are Refs."""

    function: Any
    args: Any
    kwargs: Any
    result: Any
    number: int  # of the Ref in the result that is asked for
    sources: Mapping[int, Source]
    path: str


@dataclass(eq=False)
class Applied:
    """A Function that was applied: its inputs, and what its static arguments stand for."""

    function: Function
    inputs: list[Any]  # Sources, or numbers
    sources: Mapping[int, Source]
    made: Made | None  # what `forward` did last
    path: str


@dataclass
class Recording(Trace):
    """A trace that knows where each array comes from."""

    paths: Mapping[int, str] = field(default_factory=dict)  # by the identity of a Module
    sources: dict[int, Source] = field(default_factory=dict)

    # What the exporter does.

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Inside ``with``: calls and Functions of this thread are written down."""
        before, recording.watch = recording.watch, self._applied
        try:
            with self.recording():
                yield
        finally:
            recording.watch = before

    def start(self, array: Any, *, name: str = "", depends: bool = False) -> Any:
        """What stands for a parameter or an input."""
        traced = self.stand_in(array)
        self.sources[traced.ref.number] = Source(array, depends, name)
        return traced

    def source(self, x: Any) -> Source:
        """Where an array or a Tensor comes from."""
        x = x.data if isinstance(x, Tensor) else x
        return self.sources[x.ref.number] if isinstance(x, Traced) else Source(np.asarray(x))

    # What traced arrays do.

    def call(
        self, function: Any, args: Any, kwargs: Any = None, *, changes: Iterable[Any] = (), told: Any = None
    ) -> Any:
        """As `Trace.call`, and with the sources of the result."""
        changes, count = list(changes), len(self.calls)
        for x in changes:
            if isinstance(x, Traced):  # those who have read it had these numbers
                self.sources[x.ref.number].value = np.array(x.value)
        answer = super().call(function, args, kwargs, changes=changes, told=told)
        if len(self.calls) > count:
            call = self.calls[-1]
            sources = {n: self.sources[n] for n in refs_in((call.args, call.kwargs))}
            depends = any(source.depends for source in sources.values())
            refused = next((source.refused for source in sources.values() if source.refused), "")
            if told is not None or _draws(function):
                refused = (
                    f"it draws random numbers ({function.__name__}), and a graph draws others: give them as an input"
                )
            results: Any = (call.result,) if isinstance(call.result, Ref) else call.result or ()
            given = [*pairs(results, (answer,) if isinstance(call.result, Ref) else answer or ())]
            if changes and not given:  # in its place
                given = [(x.ref.number, x) for x in changes if isinstance(x, Traced)]
                results = tuple(x.ref for _, x in given)
            path = self._path()
            for number, traced in given:
                made = Made(call.function, call.args, call.kwargs, results, number, sources, path)
                self.sources[number] = Source(traced.value, depends, made=made, refused=refused)
            for number, _ in given if changes else ():
                self._spoil(number)
        return answer

    def expect(self, x: Any, truth: bool) -> None:
        """A decision of Python's is one for all inputs only if it depends on none, or only refuses some."""
        if self.is_here() and self.sources[x.ref.number].depends and _asking() not in CHECKING:
            self.failed("it decides by numbers of its input", None, of=x)

    def failed(self, what: str, result: Any, of: Any = None) -> Any:
        """Write down that there is no graph for all inputs, unless it is about numbers that are always the same."""
        if not self.is_here() or (isinstance(of, Traced) and not self.sources[of.ref.number].depends):
            return result
        return super().failed(what, result)

    # The parts.

    def _spoil(self, changed: int) -> None:
        """Other views of an array that was changed do not know what they hold."""
        for number, source in self.sources.items():
            if number != changed and self.memory[number] == self.memory[changed] and not source.refused:
                why = "it is a view of an array that was changed"
                self.sources[number] = Source(source.value, True, refused=why)

    def _applied(self, function: Function, arrays: list[Any]) -> Any:
        """Call `forward`, with stand-ins for all arrays: a constant one could be indexed unseen."""
        self._check_mode()
        arrays = [self.start(x) if type(x) is np.ndarray else x for x in arrays]
        found = [self.source(x) if isinstance(x, Traced) else x for x in arrays]
        y = function.forward(*arrays)
        if not isinstance(y, Traced):
            return y
        before = self.sources[y.ref.number]
        if not any(source is before for source in found):  # else it is the same array under a new name
            sources = {n: self.sources[n] for n in refs_in(self._refs(vars(function)))}
            applied = Applied(function, found, sources, before.made, self._path())
            self.sources[y.ref.number] = Source(before.value, before.depends, applied=applied, refused=before.refused)
        return y

    def _check_mode(self) -> None:
        """TrainingError for a layer whose statistics would move: its network was not given, so it trains."""
        layers = [m for m, _ in at_work()]
        if not layers or any(id(m) in self.paths for m in layers):
            return
        layer = layers[0]
        if layer.training and any(isinstance(x, Tensor) and not isinstance(x, Parameter) for x in vars(layer).values()):
            raise TrainingError(
                f"export: the function calls a {type(layer).__name__} that is in training mode, of a network that was "
                "not given. Name the networks that the function uses, modules={'': network}: they run in evaluation "
                "mode; or call network.eval() before"
            )

    def _path(self) -> str:
        """The innermost Module that is at work, by its name in the network."""
        return next((self.paths[id(m)] for m, _ in at_work() if id(m) in self.paths), "")


def _draws(kernel: Callable[..., Any]) -> bool:
    """Whether it is a kernel of random numbers."""
    return (getattr(kernel, "__module__", None) or "").startswith("minigen_kernels") and "position" in getattr(
        kernel, "__code__", (lambda: None).__code__
    ).co_varnames


def _asking() -> Path:
    """The folder of the innermost code outside of traces."""
    frame: Any = sys._getframe(1)
    while Path(frame.f_code.co_filename).parent in (ROOM, ROOM.parent / "compiling"):
        frame = frame.f_back
    return Path(frame.f_code.co_filename).parent
