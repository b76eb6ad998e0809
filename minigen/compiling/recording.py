"""One step for arguments of one kind: recorded twice, compared with a plain step, and replayed.

    first    a step is made with traced arrays, which write down its calls
    second   the next, too; the calls must be the same, with the same numbers
    verify   the next is replayed, then made plainly from the same state: every array must have the same bits
    replay   the calls are made again, without Tensors; numbers of the host move on by their rules

The Python of the step runs once in each of the first three, as it would plainly.

Imports: autograd, optim, random, capture, trace, program. Read next: ``step.py``.
"""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigen.autograd import Tensor
from minigen.autograd.changes import note_changes
from minigen.capture.arguments import arrays_in, filled, is_record, kind_of
from minigen.capture.host import Host, Slot
from minigen.compiling.program import Late, first_difference, program, same
from minigen.compiling.trace import Ref, Trace
from minigen.compiling.traced import Traced
from minigen.optim import Optimizer
from minigen.random import LIMIT
from minigen_kernels import Array

Given = tuple[tuple[Any, ...], dict[str, Any]]  # positional arguments, and those by name
Answer = tuple[Any, str | None]  # the result of a step, and why the next cannot be a replay


@dataclasses.dataclass(frozen=True)
class Made:
    """In a result: a Tensor of this array."""

    array: Any


class Stale(Exception):
    """A question has another answer than when the step was recorded; nothing was changed."""


class Recording:
    """A step for arguments of one kind, with what it reaches in `host`."""

    def __init__(self, step: Callable[..., Any], host: Host) -> None:
        self._step, self._host = step, host
        self._arrays = [slot.array for slot in host.slots]
        self._forms = list(map(_form, self._arrays))
        self._gradients = [None if t.grad is None else _form(t.grad.data) for _, t in host.tensors]
        self._trace: Trace | None = None
        self.text = ""

    def why_not(self) -> str | None:
        """What speaks against a step from here, if anything does."""
        arrays = [slot.array for slot in self._host.slots]
        if any([a is not b for a, b in zip(arrays, self._arrays)]):
            for slot, array, form in zip(self._host.slots, arrays, self._forms):
                if _form(array) != form:
                    return f"{slot.path} was {_told(form)} and is {_told(_form(array))}"
            self._arrays = arrays
        for (path, t), form in zip(self._host.tensors, self._gradients):
            if (None if t.grad is None else _form(t.grad.data)) != form:
                return f"the gradient of {path} is another than it was before the step: present, absent or of a shape"
        return self._host.change()

    def first(self, given: Given) -> Answer:
        """Make a step and record it."""
        if self._host.unseen:
            return self._plainly(given), (
                f"{self._host.unseen[0]} is a large array in a tuple, where compile cannot see whether it changes; put "
                "it in a list, an attribute or a Tensor"
            )
        result, problem = self._traced(given)
        return result, problem or self.why_not_again()

    def second(self, given: Given) -> Answer:
        """Make the next step and record it; the calls must be the same."""
        before, told = self._trace, self._returned
        assert before is not None
        result, problem = self._traced(given)
        problem = problem or self.why_not_again() or first_difference(before.calls, self._trace.calls)
        if problem is None and kind_of(told) != kind_of(self._returned):
            problem = "the step returns numbers of Python's, and they change"
        if problem is None:
            problem = self._compiled()
        return result, problem

    def verify(self, given: Given) -> Answer:
        """Make a step by the list of calls, then once more plainly, and compare."""
        before = _Snapshot(self._host, self._trace, arrays_in(given))
        try:
            result = self.replay(given)
        except Stale:
            return self._plainly(given), None
        replayed = before.now(result)
        before.restore()
        result = self._plainly(given)
        plain = before.now(result)
        for name, a, b in zip(before.names, replayed, plain):
            if not same(a, b):
                return result, f"{name} differs between a replayed step and the same step made plainly"
        return result, None if len(replayed) == len(plain) else "the step returns more arrays, or fewer, than before"

    def replay(self, given: Given) -> Any:
        """Make a step by the list of calls. Stale: it has to be made plainly, and nothing was changed."""
        host = self._host
        positions = [generator._position for generator in host.generators]
        gradients = [None if t.grad is None else t.grad.data for _, t in host.tensors]
        made = self._function([slot.array for slot in host.slots], arrays_in(given), gradients, positions)
        if made is None:
            raise Stale
        bound, new, arrays = made
        for slot, array in zip(self._bound, bound):
            slot.array = array
        for t, array in zip(self._given, new):
            t.grad = Tensor(array)
        for t in self._without:
            t.grad = None
        for (generator, blocks), position in zip(self._advances, positions):
            generator._position = (position + blocks) % LIMIT
        note_changes(self._changing)
        return _rebuilt(self._returned, iter(arrays))

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
        if problem is None and any(isinstance(x, Tensor) and x.requires_grad for x in _tensors_in(given)):
            problem = "an argument is a Tensor that requires a gradient; keep it in what the step is made of"
        if problem is not None:
            return self._plainly(given), problem
        positions = [generator._position for generator in host.generators]
        versions = [t.changed for _, t in host.tensors]
        self._inputs, stand_ins = [], []
        places = [trace.stand_in(array) for array in self._arrays]
        stand_ins += [("places", i, x) for i, x in enumerate(places)]
        arguments = [trace.stand_in(array) for array in arrays_in(given)]
        stand_ins += [("arguments", i, x) for i, x in enumerate(arguments)]
        before = [t.grad for _, t in host.tensors]
        held = [None if g is None else Tensor(trace.stand_in(g.data)) for g in before]
        stand_ins += [("gradients", i, g.data) for i, g in enumerate(held) if g is not None]
        self._inputs = [(source, i, x.ref.number) for source, i, x in stand_ins]
        del stand_ins
        undo = _Undo(host, before)
        for slot, x in zip(host.slots, places):
            slot.array = x
        for (_, t), g in zip(host.tensors, held):
            t.grad = g
        try:
            with trace.recording():
                args, kwargs = filled(given, arguments)
                result = self._step(*args, **kwargs)
                del args, kwargs
        except BaseException as error:
            undo.all(trace)
            if not isinstance(error, Exception):
                raise
            return self._plainly(given), f"{type(error).__name__} while the step was recorded: {error}"
        self._places(trace, places)
        self._grads(trace, before, held)
        self._changing = [t for (_, t), version in zip(host.tensors, versions) if t.changed != version]
        moves = [(g._position - was) % LIMIT for g, was in zip(host.generators, positions)]
        self._advances = [(g, blocks) for g, blocks in zip(host.generators, moves)]
        kept = {id(t): t for _, t in host.tensors}
        self._returned = _template(result, kept, trace)
        result = _values(result, kept)
        del places, arguments, held, x, g
        gc.collect()
        left = trace.left()
        if left:
            _replace(left)
            trace.open = True
            trace.failed("arrays that the step leaves where compile does not see them; keep them in Tensors", None)
            trace.open = False
        self._trace = trace
        return result, trace.problem

    def _places(self, trace: Trace, places: Sequence[Any]) -> None:
        """Put real arrays where traced ones are, and find out which places a step has given another array."""
        self._bound: list[Slot] = []
        self._bound_refs: list[Ref] = []
        for i, (slot, before) in enumerate(zip(self._host.slots, places)):
            now: Any = slot.array
            if now is before:
                slot.array = self._arrays[i]
            elif isinstance(now, Traced):
                slot.array = now.value
                self._bound.append(slot)
                self._bound_refs.append(now.ref)
                if _form(now.value) != self._forms[i]:
                    trace.problem = trace.problem or (
                        f"{slot.path} was {_told(self._forms[i])} and is {_told(_form(now.value))}"
                    )
            else:
                trace.problem = trace.problem or f"{slot.path} becomes an array that compile has not seen"
        self._arrays = [slot.array for slot in self._host.slots]

    def _grads(self, trace: Trace, before: Sequence[Any], held: Sequence[Any]) -> None:
        """The same for gradients."""
        self._given: list[Tensor] = []
        self._given_refs: list[Ref] = []
        self._without: list[Tensor] = []
        for (path, t), was, here in zip(self._host.tensors, before, held):
            if t.grad is here:
                t.grad = was
            elif t.grad is None:
                self._without.append(t)
            elif isinstance(t.grad.data, Traced):
                self._given.append(t)
                self._given_refs.append(t.grad.data.ref)
                t.grad = Tensor(t.grad.data.value)
            else:
                trace.problem = trace.problem or f"the gradient of {path} becomes an array that compile has not seen"

    def _compiled(self) -> str | None:
        """Make the function; what speaks against it, if anything does."""
        assert self._trace is not None
        arrays: list[Any] = []
        _refs_of(self._returned, arrays)
        outputs = (tuple(self._bound_refs), tuple(self._given_refs), tuple(arrays))
        try:
            self._function, self.text = program(self._trace, self._inputs, outputs)
        except Late as error:
            return str(error)
        self._gradients = [None if t.grad is None else _form(t.grad.data) for _, t in self._host.tensors]
        return None


class _Undo:
    """What a step changes of what was there before it, to put it back."""

    def __init__(self, host: Host, gradients: Sequence[Any]) -> None:
        self._host, self._gradients = host, gradients
        self._positions, self._counts = host.positions(), host.counts()
        self._arrays = [slot.array for slot in host.slots]

    def all(self, trace: Trace) -> None:
        """Put all of it back."""
        for owner, contents in trace.saved.values():
            owner[...] = contents
        self.names()

    def names(self) -> None:
        """Put back which array stands where, positions and counts."""
        host = self._host
        for generator, position in zip(host.generators, self._positions):
            generator._position = position
        for (optimizer, i, name), count in self._counts.items():
            optimizer.states[i][name][...] = count
        for (_, t), gradient in zip(host.tensors, self._gradients):
            t.grad = gradient
        for slot, array in zip(host.slots, self._arrays):
            slot.array = array


class _Snapshot:
    """The state before a step, which is made twice."""

    def __init__(self, host: Host, trace: Trace, given: Sequence[Array]) -> None:
        self._host, self._given = host, given
        self._undo = _Undo(host, [t.grad for _, t in host.tensors])
        states = [a for o in host.optimizers for state in o.states for a in state.values()]
        owners = {id(owner): owner for owner, _ in trace.saved.values()}
        self._saved = [(a, a.copy()) for a in [*owners.values(), *states]]
        self.names: list[str] = []

    def restore(self) -> None:
        """Put the state back."""
        for array, contents in self._saved:
            array[...] = contents
        self._undo.names()

    def now(self, result: Any) -> list[Any]:
        """Copies of all that a step may have changed, and of its result."""
        host = self._host
        named = [(slot.path, slot.array) for slot in host.slots]
        named += [("memory that the step changes", a) for a, _ in self._saved]
        named += [(f"the gradient of {path}", None if t.grad is None else t.grad.data) for path, t in host.tensors]
        named += [("an argument", a) for a in self._given]
        named += [(f"result {i}", a) for i, a in enumerate(_arrays_of(result))]
        named += [("the position of a generator", p) for p in host.positions()]
        named += [("the count of an optimizer", count) for count in host.counts().values()]
        self.names = [name for name, _ in named]
        return [a.copy() if isinstance(a, np.ndarray) else a for _, a in named]


def _form(array: Any) -> Any:
    """What must stay of an array that a step finds."""
    if type(array) is not np.ndarray:
        return type(array)
    return array.shape, array.dtype, array.strides


def _told(form: Any) -> str:
    return f"{form[1]} {form[0]}" if isinstance(form, tuple) else f"a {form.__name__}"


def _tensors_in(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    elif is_record(value):
        value = [getattr(value, field.name) for field in dataclasses.fields(value)]
    return [t for x in value for t in _tensors_in(x)] if isinstance(value, (tuple, list)) else []


def _changed_in(value: Any, change: Callable[[Any], Any]) -> Any:
    """`value` with `change(x)` in the place of each Tensor, array and number of NumPy in it."""
    if isinstance(value, (Tensor, np.ndarray, np.generic, Made, Ref)):
        return change(value)
    if isinstance(value, tuple):
        parts = [_changed_in(x, change) for x in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, list):
        return [_changed_in(x, change) for x in value]
    if isinstance(value, dict):
        return {key: _changed_in(x, change) for key, x in value.items()}
    if is_record(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **{name: _changed_in(x, change) for name, x in fields.items()})
    return value


def _template(result: Any, kept: dict[int, Tensor], trace: Trace) -> Any:
    """A result with Refs for arrays, and Made for Tensors that are not those of the step."""

    def change(x: Any) -> Any:
        if isinstance(x, Tensor):
            return x if id(x) in kept else Made(change(x.data))
        if isinstance(x, Traced):
            return x.ref
        trace.problem = trace.problem or "the step returns an array that compile has not seen"
        return x

    return _changed_in(result, change)


def _values(result: Any, kept: dict[int, Tensor]) -> Any:
    """A result with real arrays for traced ones."""

    def change(x: Any) -> Any:
        if isinstance(x, Tensor):
            return x if id(x) in kept else Tensor(change(x.data))
        return x.value if isinstance(x, Traced) else x

    return _changed_in(result, change)


def _refs_of(template: Any, found: list[Any]) -> None:
    def change(x: Any) -> Any:
        if isinstance(x, (Made, Ref)):
            found.append(x.array if isinstance(x, Made) else x)
        return x

    _changed_in(template, change)


def _arrays_of(result: Any) -> list[Any]:
    found: list[Any] = []
    _changed_in(result, lambda x: found.append(x.data if isinstance(x, Tensor) else x) or x)  # type: ignore[func-returns-value]
    return found


def _rebuilt(template: Any, arrays: Any) -> Any:
    def change(x: Any) -> Any:
        if isinstance(x, Made):
            return Tensor(next(arrays))
        return next(arrays) if isinstance(x, Ref) else x

    return _changed_in(template, change)


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
