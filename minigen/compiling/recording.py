"""One step for arguments of one kind: recorded twice, compared with a plain step, and replayed.

    first    a step is made with traced arrays, which write down its calls
    second   the next, too; the calls must be the same, with the same numbers
    verify   the next is replayed, then made plainly from the same state: every array must have the same bits
    replay   the calls are made again, without Tensors; numbers of the host move on by their rules

The Python of the step runs once in each of the first three, as it would plainly.

Imports: autograd, optim, random, capture, trace, program. Read next: ``step.py``.
"""

from __future__ import annotations

import gc
import operator
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from minigen.autograd import Tensor
from minigen.autograd.changes import note_changes
from minigen.capture.arguments import arrays_in, filled, kind_of
from minigen.capture.host import Host, Slot
from minigen.compiling.calls import Made, first_difference, same
from minigen.compiling.program import LateError, Stale, Surroundings, program
from minigen.compiling.results import template, tensors_in, values
from minigen.compiling.state import Snapshot, Undo, sampler_states
from minigen.compiling.trace import Trace
from minigen.compiling.traced import Traced
from minigen.random import LIMIT
from minigen_kernels import Array

Given = tuple[tuple[Any, ...], dict[str, Any]]  # positional arguments, and those by name
Answer = tuple[Any, str | None]  # the result of a step, and why the next cannot be a replay

AGAIN = "the step has to be compared once more"


class Recording:
    """A step for arguments of one kind, with what it reaches in `host`."""

    def __init__(self, step: Callable[..., Any], host: Host) -> None:
        self._step, self._host = step, host
        self._tensors = [t for _, t in host.tensors]
        self._of_tensors = [slot.holder for slot in host.slots if isinstance(slot.holder, Tensor)]
        states = {id(state) for optimizer in host.optimizers for state in optimizer.states}  # no Python looks at these
        elsewhere = [slot for slot in host.slots if not isinstance(slot.holder, Tensor)]
        self._elsewhere = [slot for slot in elsewhere if id(slot.holder) not in states]
        self._slots = [slot for slot in host.slots if isinstance(slot.holder, Tensor)] + self._elsewhere
        self._slots += [slot for slot in elsewhere if id(slot.holder) in states]
        self._arrays = self._arrays_now()
        self._forms = list(map(_form, self._arrays))
        self._without_gradient = [t.grad is None for t in self._tensors]
        self._found: list[tuple[str, Tensor, Any]] = []  # gradients that a step finds and uses, and their forms
        self._trace: Trace | None = None
        self._function: Callable[[Sequence[Array]], Any] = lambda arrays: None
        self._fuse = True
        self.text = ""

    def why_not(self) -> str | None:
        """What speaks against a step from here, if anything does."""
        arrays = [t.data for t in self._of_tensors] + [slot.array for slot in self._elsewhere]
        if not all(map(operator.is_, arrays, self._arrays)):
            for slot, array, before, form in zip(self._slots, arrays, self._arrays, self._forms):
                if array is not before and _form(array) != form:
                    return f"{slot.path} was {_told(form)} and is {_told(_form(array))}"
            self._arrays[: len(arrays)] = arrays
        if [t.grad is None for t in self._tensors] != self._without_gradient:
            return "before one step a Tensor has a gradient, before another it has none"
        for path, t, form in self._found:
            if t.grad is not None and _form(t.grad.data) != form:
                return f"the gradient of {path} was {_told(form)} and is {_told(_form(t.grad.data))}"
        return self._host.change()

    def _arrays_now(self) -> list[Any]:
        return [slot.array for slot in self._slots]

    def first(self, given: Given) -> Answer:
        """Make a step and record it."""
        if self._host.unseen:
            return self._plainly(given), f"{self._host.unseen[0]}, where compile cannot see what changes"
        result, problem = self._traced(given)
        return result, self.why_not_again() or problem

    def second(self, given: Given) -> Answer:
        """Make the next step and record it; the calls must be the same."""
        before, told = self._trace, self._returned
        result, problem = self._traced(given)
        assert before is not None and self._trace is not None
        problem = self.why_not_again() or problem or first_difference(before.calls, self._trace.calls)
        if problem is None and kind_of(told) != kind_of(self._returned):
            problem = "the step returns numbers of Python's, and they change"
        if problem is None:
            problem = self._compiled()
        return result, problem

    def verify(self, given: Given) -> Answer:
        """Make a step by the list of calls, then once more plainly, and compare."""
        assert self._trace is not None
        before = Snapshot(self._host, self._trace, arrays_in(given))
        try:
            result = self.replay(arrays_in(given))
        except Stale:
            return self._plainly(given), AGAIN
        except Exception as error:
            before.restore()
            return self._plainly(given), f"{type(error).__name__} while the step was replayed: {error}"
        replayed = before.now(result)
        before.restore()
        result = self._plainly(given)
        plain = before.now(result)
        for name, a, b in zip(before.names, replayed, plain):
            if not same(a, b):
                if self._fuse:
                    self._fuse = False
                    return result, self._compiled() or AGAIN
                return result, f"{name} differs between a replayed step and the same step made plainly"
        if len(replayed) != len(plain):
            return result, "the step returns more arrays, or fewer, than before"
        self._trace = None  # and what it holds
        return result, None

    def replay(self, arrays: Sequence[Array]) -> Any:
        """Make a step by the list of calls, with these arrays among its arguments.

        Stale: it has to be made plainly, and nothing was changed.
        """
        result = self._function(arrays)
        note_changes(self._changing)
        return result

    # The parts.

    def why_not_again(self) -> str | None:
        """What a step has changed that the next may read."""
        change = self._host.change()
        return None if change is None else f"a step changes what the next may read: {change}"

    def _plainly(self, given: Given) -> Any:
        args, kwargs = given
        return self._step(*args, **kwargs)

    def _traced(self, given: Given) -> Answer:
        """Make a step with traced arrays in the place of all that it reaches."""
        host, trace = self._host, Trace(self._host.generators)
        problem = self.why_not()
        if problem is None and any(isinstance(x, Tensor) and x.requires_grad for x in tensors_in(given)):
            problem = "an argument is a Tensor that requires a gradient; keep it in what the step is made of"
        if problem is not None:
            return self._plainly(given), problem
        positions = [generator._position for generator in host.generators]
        versions = [t.changed for _, t in host.tensors]
        self._inputs: list[tuple[Any, Any, int]] = []
        places = [trace.stand_in(array) for array in self._arrays]
        self._inputs += [(*_attribute(slot), x.ref.number) for slot, x in zip(self._slots, places)]
        own = {id(array): array for array in arrays_in(given)}  # one that is given twice is one array
        made = {key: trace.stand_in(array) for key, array in own.items()}
        arguments = [made[id(array)] for array in arrays_in(given)]
        self._inputs += [(None, i, x.ref.number) for i, x in enumerate(arguments)]
        before = [t.grad for t in self._tensors]
        held = [None if g is None else Tensor(trace.stand_in(g.data)) for g in before]
        self._inputs += [
            (t, "grad.data", cast(Any, g.data).ref.number) for t, g in zip(self._tensors, held) if g is not None
        ]
        undo, samplers = Undo(host, before), sampler_states(host)
        for slot, place in zip(self._slots, places):
            slot.array = place
        for t, gradient in zip(self._tensors, held):
            t.grad = gradient
        place = gradient = None
        try:
            with trace.recording():
                args, kwargs = filled(given, arguments)
                kind = kind_of((args, kwargs))
                result = self._step(*args, **kwargs)
                as_given = kind_of((args, kwargs)) == kind
                as_given = as_given and all(map(operator.is_, arrays_in((args, kwargs)), arguments))
                del args, kwargs
        except BaseException as error:
            undo.all(trace)
            if not isinstance(error, Exception):
                raise
            return self._plainly(given), f"{type(error).__name__} while the step was recorded: {error}"
        if not as_given:  # it has changed copies of what it was given
            undo.all(trace)
            return self._plainly(given), "the step changes a list, dict or Tensor among its arguments; return it"
        trace.let_go()
        self._outputs: list[tuple[Any, str, Any]] = []
        self._places(trace, places)
        self._grads(trace, before, held)
        self._changing = [t for (_, t), version in zip(host.tensors, versions) if t.changed != version]
        moves = [(g._position - was) % LIMIT for g, was in zip(host.generators, positions)]
        self._advances = [(g, blocks) for g, blocks in zip(host.generators, moves)]
        kept = {id(t): t for _, t in host.tensors}
        self._returned = template(result, kept, trace)
        result = values(result, kept)
        del places, arguments, held, made
        gc.collect()
        if left := trace.left():
            _replace(left)
            trace.problem = trace.problem or (
                "arrays that a step made are still in use after it, by something that compile does not see; keep what "
                "a step hands on in Tensors, in attributes of what the step is made of"
            )
        if sampler_states(host) != samplers:
            trace.problem = trace.problem or "the step draws random numbers that are not of a Generator of minigen's"
        self._trace = trace
        return result, trace.problem

    def _places(self, trace: Trace, places: Sequence[Any]) -> None:
        """Put real arrays where traced ones are, and find out which places a step has given another array."""
        for slot, before, array, form in zip(self._slots, places, self._arrays, self._forms):
            now: Any = slot.array
            if now is before:
                slot.array = array
            elif isinstance(now, Traced):
                slot.array = now.value
                self._outputs.append((*_attribute(slot), now.ref))
                if _form(now.value) != form:
                    trace.problem = trace.problem or f"{slot.path} was {_told(form)} and is {_told(_form(now.value))}"
            else:
                trace.problem = trace.problem or f"{slot.path} becomes an array that compile has not seen"
        self._arrays = self._arrays_now()

    def _grads(self, trace: Trace, before: Sequence[Any], held: Sequence[Any]) -> None:
        """The same for gradients."""
        for (path, t), was, here in zip(self._host.tensors, before, held):
            if t.grad is here:
                t.grad = was
            elif t.grad is None:
                self._outputs.append((t, "grad", None))
            elif isinstance(t.grad.data, Traced):
                self._outputs.append((t, "grad", Made(t.grad.data.ref)))
                t.grad = Tensor(t.grad.data.value)
            else:
                trace.problem = trace.problem or f"the gradient of {path} becomes an array that compile has not seen"

    def _compiled(self) -> str | None:
        """Make the function; what speaks against it, if anything does."""
        assert self._trace is not None
        try:
            given = Surroundings(self._inputs, self._outputs, self._advances, self._returned)
            self._function, self.text = program(self._trace, given, fuse=self._fuse)
        except LateError as error:
            return str(error)
        self._without_gradient = [t.grad is None for t in self._tensors]
        self._found = [(path, t, _form(t.grad.data)) for path, t in self._host.tensors if t.grad is not None]
        return None


def _attribute(slot: Slot) -> tuple[Any, str]:
    """A place as an attribute."""
    return (slot.holder, "data") if isinstance(slot.holder, Tensor) else (slot, "array")


def _form(array: Any) -> Any:
    """What must stay of an array that a step finds."""
    if type(array) is not np.ndarray:
        return type(array)
    return array.shape, array.dtype, array.strides


def _told(form: Any) -> str:
    return f"{form[1]} {form[0]}" if isinstance(form, tuple) else f"a {form.__name__}"


def _replace(left: Sequence[Any]) -> None:
    """Put real arrays where something still holds traced ones, as far as that can be found."""
    for x in left:
        for holder in gc.get_referrers(x):
            if isinstance(holder, Tensor):
                holder.data = x.value
            elif isinstance(holder, dict):
                holder.update({key: x.value for key, value in holder.items() if value is x})
            elif isinstance(holder, list) and holder is not left:
                holder[:] = [x.value if value is x else value for value in holder]
