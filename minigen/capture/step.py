"""`capture`: a step of training that is recorded once as a CUDA graph, and launched as a whole from then on.

Imports: autograd, arguments, host, recording. Read next: ``recording.py``, ``minigen/training/fit.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar, cast

from minigen.autograd import is_recording
from minigen.capture.arguments import kind_of, objects_in
from minigen.capture.host import Captured, Host
from minigen.capture.recording import Given, Recording
from minigen.shapes import flag, shown
from minigen_kernels import cuda_graphs

P = ParamSpec("P")
R = TypeVar("R")

MOST_KINDS = 4  # of arguments that graphs are recorded for; others are given to plain steps
MOST_SEEN = 64  # kinds that are counted; beyond, one that was seen long ago begins anew
MANY = "the arguments are of ever new kinds: give numbers that change as arrays, objects as the same ones each time"
BEGINNING = (
    "a graph is launched from the fifth step on: the first compiles, the next are watched, recorded and compared"
)


class _Kind:
    """How far the steps with arguments of one kind have come."""

    def __init__(self) -> None:
        self.calls, self.attempt, self.wait = 0, 2, 1
        self.reason = BEGINNING  # why its steps are plain
        self.recording: Recording | None = None
        self.next = "watch"

    def later(self, reason: str) -> None:
        """Try again after some plain steps, twice as many each time."""
        self.recording, self.next, self.reason = None, "watch", reason
        self.attempt, self.wait = self.calls + 1 + self.wait, 2 * self.wait


class CapturedStep(Captured, Generic[P, R]):
    """A step that makes itself a CUDA graph; called like the step. `capture` makes it and says what it requires.

    `reason` says why the last call was a plain step, and is None if it was a replay. `replays` counts these.
    """

    def __init__(self, step: Callable[P, R], *, check: bool = True) -> None:
        if not callable(step):
            raise TypeError(f"capture: step is a function that makes a step of training, got {shown(step)}")
        self.step, self.check = step, flag("capture", "check", check)
        self.reason: str | None = BEGINNING
        self.replays = 0
        self._kinds: dict[Any, _Kind] = {}
        self._never: str | None = None
        self._lane: Any = None  # where steps run, on a GPU

    def __repr__(self) -> str:
        return f"CapturedStep({getattr(self.step, '__qualname__', self.step)}; {self.status()}; {self.replays} replays)"

    def status(self) -> str:
        """How the last step was made, and why."""
        return "steps are launches of a graph" if self.reason is None else f"plain steps: {self.reason}"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Make a step: by the graph if there is one, else plainly. What a graph returns has no history."""
        if self._lane is None and self._never is None:
            self._start((args, kwargs))
        if self._lane is None:
            return self.step(*args, **kwargs)
        given = (args, kwargs)
        kind = self._kind(given)
        kind.calls += 1
        if kind.recording is None and kind.calls >= kind.attempt:
            self._begin(kind, given)
        if kind.recording is not None and (why_not := kind.recording.why_not()) is not None:
            kind.later(why_not)
        recording = kind.recording
        if recording is None:
            self.reason = kind.reason
            return cast(R, self._lane.run(lambda: self.step(*args, **kwargs)))
        if kind.next == "replay":
            self.reason, self.replays = None, self.replays + 1
            return cast(R, recording.replay(given))
        make = {"watch": recording.watch, "record": recording.record, "verify": recording.verify}[kind.next]
        result, problem = make(given)
        after = {"watch": "record", "record": "verify" if self.check else "replay", "verify": "replay"}
        kind.next, self.reason = after[kind.next], problem or BEGINNING
        if problem is not None:
            kind.later(problem)
        return cast(R, result)

    def _start(self, given: Given) -> None:
        """Find out whether there can be graphs."""
        if not Host(self.step, objects_in(given)).slots:
            self.reason = self._never = "nothing that the step reaches is on a CUDA device, and only there are graphs"
            return
        try:
            self._lane = cuda_graphs().Lane()
        except RuntimeError as error:
            self.reason = self._never = str(error)

    def _kind(self, given: Given) -> _Kind:
        """What is known of steps with such arguments, and with gradients or in `no_grad`."""
        key = (is_recording(), kind_of(given))
        if key not in self._kinds and len(self._kinds) >= MOST_SEEN:
            del self._kinds[next(key for key, kind in self._kinds.items() if kind.recording is None)]
        kind = self._kinds.setdefault(key, _Kind())
        if kind.calls == 0 and len(self._kinds) > MOST_KINDS:
            kind.reason = MANY
        return kind

    def _begin(self, kind: _Kind, given: Given) -> None:
        """Make a recording, unless there are many."""
        if sum(k.recording is not None for k in self._kinds.values()) >= MOST_KINDS:
            kind.reason = f"there are graphs for {MOST_KINDS} kinds of arguments already"
        else:
            kind.recording = Recording(self.step, Host(self.step, objects_in(given)), self._lane)


def capture(step: Callable[P, R], *, check: bool = True) -> CapturedStep[P, R]:
    """`step` as a CUDA graph: the returned function takes the same arguments and makes the same steps, in one launch.

        step = mg.capture(step)
        for batch in batches:
            terms = step(batch)

    `step` is a whole step of training: forward, gradients, updates; it may have several losses and optimizers. Each
    launch costs the host microseconds, and a step has tens to hundreds. From the fifth call with arguments of one kind
    on (the same shapes and dtypes) there is one transfer for all that is new, and one launch. What is new is known:

    * arrays among the arguments, of NumPy or on the device, alone or in tuples, lists, dicts, dataclasses and Tensors.
      `step` is given them on the device;
    * the positions of the Generators that it draws from (those that lie on the device);
    * learning rates and step counts of SGD, RMSprop, Adam and AdamW.

    All else that `step` reads on the host has to stay: numbers and flags among its arguments, in its closure, in global
    variables that it names, and in the objects and classes that it reaches from there are compared before every call,
    and when one has changed, plain steps are made until it stays. What no comparison reaches - the clock, what an
    iterator gives next, global variables of other files - must not matter to it. It must not wait for the device or
    transfer (no ``float(loss)``, no random numbers of the CPU), not change its arguments, and not add to the gradients
    of the call before. What it hands on to the next call stands in Tensors (of Modules, optimizers) or in attributes.

    Whether that is so is found out, not trusted: the second call is watched, the third recorded, and the fourth is made
    twice, by the graph and plainly, and every bit of results, parameters, buffers, states and gradients compared (not
    with ``check=False``). A step that does not pass is made plainly, as if it were not captured, and `reason` of the
    CapturedStep says why: there are no errors but those of `step`. So it is on a CPU, which has no graphs.

    Results are copies, without history; gradients are in ``.grad`` until the next call. The memory of one step is kept
    for each kind of arguments, and a workspace of 4 or 32 MiB for cuBLAS. All steps run on a stream of their own, and
    products of matrices by a cuBLAS handle of its own, which may round in another way than CuPy's.

    So far this has been run on a double of CuPy only (tests/cuda_double), not on a GPU.

    See "CUDA Graphs" in the CUDA C++ Programming Guide. The nearest in PyTorch are ``torch.cuda.CUDAGraph``, where the
    caller copies what is new and answers for the rest, and ``torch.compile(mode="reduce-overhead")``.

    TypeError for a step that cannot be called.
    """
    return CapturedStep(step, check=check)
