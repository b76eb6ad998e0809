"""`compile`: a step of training that is recorded once, and replayed without Tensors from then on.

Imports: autograd, nn, capture, recording. Read next: ``recording.py``, ``traced.py``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar, cast

from minigen.autograd import is_recording
from minigen.capture import CapturedStep
from minigen.capture.arguments import arrays_in, kind_of, objects_in
from minigen.capture.host import Captured, Host
from minigen.compiling import traced
from minigen.compiling.matching import Match, aliases, matcher
from minigen.compiling.program import Stale
from minigen.compiling.recording import AGAIN, Recording
from minigen.nn.modes import modes_of_thread
from minigen.shapes import shown
from minigen_kernels import for_host

P = ParamSpec("P")
R = TypeVar("R")

MOST_KINDS = 8  # of arguments that steps are recorded for; others are given to plain steps
MOST_SEEN = 64  # kinds that are counted; beyond, one that was seen long ago begins anew
MANY = "the arguments are of ever new kinds: give numbers that change as arrays, objects as the same ones each time"
BEGINNING = "a step is replayed from the fifth on: the first is plain, the next are recorded twice, and compared"
ELSEWHERE = "another thread is recording a step"
ASKED = "numbers that the step asks about (whether all labels are classes, say) were not as when it was recorded"

_recorder = threading.RLock()  # a recording puts traced arrays in the places of all that its step reaches


class _Kind:
    """How far the steps with arguments of one kind have come."""

    def __init__(self) -> None:
        self.calls, self.attempt, self.wait = 0, 2, 1
        self.reason = BEGINNING  # why its steps are plain
        self.recording: Recording | None = None
        self.next = "first"
        self.match: Match = lambda given: None
        self.place: Any = None

    def later(self, reason: str) -> None:
        """Try again after some plain steps, twice as many each time."""
        self.recording, self.next, self.reason = None, "first", reason
        self.attempt, self.wait = self.calls + 1 + self.wait, 2 * self.wait


class CompiledStep(Captured, Generic[P, R]):
    """A step that makes itself a list of calls; called like the step. `compile` makes it and says what it requires.

    `reason` says why the last call was a plain step, and is None if it was a replay. `replays` counts these.
    """

    def __init__(self, step: Callable[P, R]) -> None:
        if not callable(step):
            raise TypeError(f"compile: step is a function that makes a step of training, got {shown(step)}")
        self.step = step
        self.reason: str | None = BEGINNING
        self.replays = 0
        self._last: _Kind | None = None  # that was replayed last
        self._kinds: dict[Any, _Kind] = {}
        self._captured: CapturedStep[P, R] | None = None
        self._started = False

    def __repr__(self) -> str:
        return f"CompiledStep({getattr(self.step, '__qualname__', self.step)}; {self.status()}; {self.replays} replays)"

    def status(self) -> str:
        """How the last step was made, and why."""
        if self._captured is not None:
            return self._captured.status()
        return "steps are replayed" if self.reason is None else f"plain steps: {self.reason}"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Make a step: by the list of calls if there is one, else plainly. What a replay returns has no history."""
        given = (args, kwargs)
        if traced.current is not None and traced.current.is_here():  # a part of a step that is being recorded
            return self.step(*args, **kwargs)
        if not self._started:
            self._started = True
            if Host(self.step, objects_in(given), "cuda").slots:
                self._captured = CapturedStep(self.step)
        if self._captured is not None:
            result = self._captured(*args, **kwargs)
            self.reason, self.replays = self._captured.reason, self._captured.replays
            return result
        last = self._last  # most steps are of the kind of the step before
        arrays = last.match(given) if last is not None and last.place == _place() else None
        if last is None or arrays is None:
            return self._by_kind(self._kind(given), given)
        last.calls += 1
        return self._replay(last, given, arrays)

    def _by_kind(self, kind: _Kind, given: Any) -> R:
        """Make a step with arguments of this kind."""
        args, kwargs = given
        kind.calls += 1
        if kind.next == "replay" or (kind.recording is None and kind.calls < kind.attempt):
            return self._next(kind, given)
        if not _recorder.acquire(blocking=False):
            self.reason = ELSEWHERE
            return self.step(*args, **kwargs)
        try:
            return self._next(kind, given)
        finally:
            _recorder.release()

    def _next(self, kind: _Kind, given: Any) -> R:
        """The same, while no other thread records a step."""
        args, kwargs = given
        if kind.recording is None and kind.calls >= kind.attempt:
            self._begin(kind, given)
        recording = kind.recording
        if recording is not None and kind.next == "verify" and (why_not := recording.why_not()) is not None:
            kind.later(why_not)
            recording = None
        if recording is None:
            self.reason = kind.reason
            return self.step(*args, **kwargs)
        if kind.next == "replay":
            self._last, kind.match, kind.place = kind, matcher(given), _place()
            return self._replay(kind, given, arrays_in(given))
        make = {"first": recording.first, "second": recording.second, "verify": recording.verify}[kind.next]
        result, problem = make(given)
        after = {"first": "second", "second": "verify", "verify": "replay"}
        kind.next, self.reason = after[kind.next], problem or BEGINNING
        if problem == AGAIN:
            kind.next = "verify"
        elif problem is not None:
            kind.later(problem)
        return cast(R, result)

    def _replay(self, kind: _Kind, given: Any, arrays: Any) -> R:
        """Make a step by the list of calls, or plainly if that cannot be."""
        args, kwargs = given
        recording = kind.recording
        assert recording is not None
        if (why_not := recording.why_not()) is not None:
            self._last = None
            kind.later(why_not)
            self.reason = why_not
            return self.step(*args, **kwargs)
        try:
            result = recording.replay(arrays)
        except Stale:
            self.reason = ASKED
            return self.step(*args, **kwargs)
        self.reason, self.replays, self._last = None, self.replays + 1, kind
        return cast(R, result)

    @property
    def program(self) -> str:
        """The list of calls of the kind that was replayed last, as Python; empty if none was."""
        return "" if self._last is None or self._last.recording is None else self._last.recording.text

    def _kind(self, given: Any) -> _Kind:
        """What is known of steps with such arguments, in such a mode."""
        arrays = arrays_in(given)
        key = (*_place(), *(x.strides for x in arrays), *aliases(arrays), kind_of(given))
        if key not in self._kinds and len(self._kinds) >= MOST_SEEN:
            without = [key for key, kind in self._kinds.items() if kind.recording is None]
            del self._kinds[without[0] if without else next(iter(self._kinds))]
        kind = self._kinds.setdefault(key, _Kind())
        if kind.calls == 0 and len(self._kinds) > MOST_KINDS:
            kind.reason = MANY
        return kind

    def _begin(self, kind: _Kind, given: Any) -> None:
        """Make a recording, unless there are many."""
        if sum(k.recording is not None for k in self._kinds.values()) >= MOST_KINDS:
            kind.reason = f"there are recordings for {MOST_KINDS} kinds of arguments already"
        else:
            kind.recording = Recording(self.step, Host(self.step, objects_in(given), "cpu"))


def _place() -> tuple[Any, ...]:
    """What a step depends on besides arguments and all that it reaches, but for numbers of arrays."""
    return is_recording(), modes_of_thread(), for_host()


def compile(step: Callable[P, R]) -> CompiledStep[P, R]:
    """`step`, recorded once and replayed: the returned function takes the same arguments and makes the same steps.

        step = mg.compile(step)
        for batch in batches:
            terms = step(batch)

    `step` is a whole step of training: forward, gradients, updates; it may have several losses and optimizers. What it
    does with arrays is a list of calls of kernels and of NumPy. From the fifth call with arguments of one kind on (the
    same shapes, dtypes and orders in memory) this list is run, a function of Python with a line for each call
    (`CompiledStep.program`): no Tensors, no history, no checks. The bits are those of the plain step. What is new in a
    step is known:

    * arrays among the arguments, alone or in tuples, lists, dicts, dataclasses and Tensors;
    * what the step finds in Tensors and in attributes: parameters, buffers, gradients;
    * the positions of the Generators that it draws from;
    * learning rates and step counts of SGD, RMSprop, Adam and AdamW.

    All else that `step` reads has to stay: numbers and flags among its arguments, in its closure, in global variables
    that it or a function of yours names, and in the objects and classes that it reaches from there are compared before
    every call. If one has changed, the step is made plainly, and recorded anew. Questions that it asks of numbers - are
    all labels classes? - are asked again. What it hands on to the next call stands in Tensors or in attributes. Lines
    that only print or count do nothing in a replay.

    Whether a step can be replayed is found out, not trusted: the second and third calls are recorded and must be the
    same, and the fourth is made twice, by the list and plainly, and every bit of results, parameters, buffers, states
    and gradients compared. What does not pass is made plainly, as if it were not compiled, and `reason` of the
    CompiledStep says why: a number that Python reads (``float(loss)``), a shape that depends on numbers (``x[mask]``),
    random numbers that are not minigen's, an iterator, arrays that it leaves where nobody sees them. There are no
    errors but those of `step`. What no comparison reaches - the clock, files - must not matter to it.

    Arguments may be changed in place, `x[...] = y`; a step that changes a list, dict or Tensor among them stays plain.
    Results have no history; their memory is their own. A step on a CUDA device is captured as a graph: see `capture`.

    The nearest in PyTorch is ``torch.compile``, which compiles kernels of its own; here the kernels stay, and what goes
    is the time that Python takes between them.

    TypeError for a step that cannot be called.
    """
    return CompiledStep(step)
