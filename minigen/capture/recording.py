"""One step, recorded for arguments of one kind: watched, recorded, compared with a plain step, and replayed.

    watch    a plain step; what it launches and leaves behind is written down
    record   the next one is recorded and launched
    verify   the next one is replayed, then made plainly from the same state: every array must have the same bits
    replay   one transfer of what is new, one launch; numbers of the host move on by their rules

So whatever differs between two steps and is not known to move on - a count that the step keeps, a rate that it computes
- makes the replay differ from the plain step, and is found before a replay counts.

Imports: autograd, device, optim, random, arguments, host, kernels. Read next: ``step.py``.
"""

from __future__ import annotations

import gc
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from minigen.autograd import Tensor, note_change
from minigen.capture.arguments import Inputs, Outputs, arrays_in, filled, host_part, kind_of, mapped, objects_in
from minigen.capture.host import KNOWN, Host, Slot
from minigen.device import array_module
from minigen.optim.optimizer import noting_steps
from minigen.random import LIMIT
from minigen.shapes import shown
from minigen_kernels import Array, cuda_graphs

Given = tuple[tuple[Any, ...], dict[str, Any]]  # positional arguments, and those by name
Answer = tuple[Any, str | None]  # the result of a step, and why the next cannot be made by a graph


class Recording:
    """A step for arguments of one kind; `lane` is that of all its steps."""

    def __init__(self, step: Callable[..., Any], host: Host, lane: Any) -> None:
        self._step, self._host = step, host
        self._graphs = cuda_graphs()
        self._recorder = self._graphs.Recorder(lane)
        self._found: list[Tensor | None] = []  # the gradients of before the step that is recorded
        self._fixed = [slot.array for slot in host.slots]  # where a graph finds what steps hand on
        each = list(zip(host.slots, self._fixed))
        self._in_tensors = [(slot.holder, fixed, slot) for slot, fixed in each if isinstance(slot.holder, Tensor)]
        self._elsewhere = [(slot, fixed) for slot, fixed in each if not isinstance(slot.holder, Tensor)]

    def why_not(self) -> str | None:
        """What speaks against a step from here, if anything does."""
        for (path, t), found in zip(self._host.tensors, self._found):
            if found is None and t.grad is not None:
                return f"{path} had no gradient before the step and has one now, to which the step may add"
        return self._host.change() or self._misfit()

    def watch(self, given: Given) -> Answer:
        """Make a plain step, and see what it launches and leaves behind."""
        before = [t.changed for _, t in self._host.tensors]
        kind, contents = kind_of(given), [array.copy() for array in arrays_in(given)]
        positions = self._host.positions()
        with self._graphs.numbers() as numbers:
            result, self._launches = self._plainly(given)
        self._constants = host_part(result)
        self._changing = [t for (_, t), number in zip(self._host.tensors, before) if t.changed != number]
        self._positions = [np.zeros(1, np.uint64) for _ in self._host.generators]
        self._numbers = np.array(numbers.values, np.float64)
        self._inputs = Inputs([*arrays_in(given), *self._positions, self._numbers])
        self._draws = [now != was for now, was in zip(self._host.positions(), positions)]
        sequences = [name for name, draws in zip(self._sequences(), self._draws) if draws]
        shared = [name for name, uses in Counter(sequences).items() if uses > 1]
        if shared:
            return result, "two generators draw from one sequence (seed {}, stream {}); spawn them apart".format(
                *shared[0]
            )
        if kind_of(given) != kind or not all(map(_same_bits, arrays_in(given), contents)):
            return result, "the step changes its arguments; keep what changes in what the step is made of"
        if (change := self.why_not()) is not None:
            return result, f"a step changes what the next may read: {change}"
        gc.collect()
        left = self._recorder.used_bytes()
        if left and (others := objects_in(result)):
            return result, (
                f"the step returns {shown(others[0])}, and its arrays are not seen; "
                "return them alone, in tuples, lists, dicts or dataclasses"
            )
        if left:
            return result, (
                f"{left:,} bytes that a step made are still in use after it, by something that capture does not see; "
                "keep what a step hands on in Tensors, in attributes of what the step is made of"
            )
        return result, None

    def record(self, given: Given) -> Answer:
        """Make a step by recording and launching it; if it cannot be recorded, plainly."""
        self._settle()
        before = _Snapshot(self._host, self._fixed)
        try:
            launches, numbers = self._recorded(given)
            if len(numbers) != len(self._numbers):
                raise ValueError("the optimizers made more updates, or fewer, than in the step before")
        except Exception as error:
            before.restore()
            return self._plainly(given)[0], _told(error)
        except BaseException:
            before.restore()
            raise
        moves = [(now - was) % LIMIT for now, was in zip(self._host.positions(), before.positions)]
        self._advances = [(g, blocks) for g, blocks in zip(self._host.generators, moves) if blocks]
        self._found = before.gradients
        each = zip(self._host.tensors, before.gradients)
        self._gradients = [(t, t.grad) for (_, t), old in each if t.grad is not old]
        self._fill(given, before.positions, numbers)
        self._graph.launch()
        result = self._outputs.fresh()
        problem = self._graphs.first_difference(self._launches, launches)
        if self._noted.rate_was_read:
            problem = "the step reads the learning rate of an optimizer, which a graph would keep as it is"
        if host_part(result) != self._constants:
            problem = "the step returns numbers of Python's, and they change"
        return result, problem

    def verify(self, given: Given) -> Answer:
        """Make a step by the graph, then once more plainly, and compare."""
        self._settle()
        found = [*self._found, *(t.grad for _, t in self._host.tensors)]
        for _, t in self._host.tensors:
            if t.grad is not None:
                t.grad = Tensor(t.grad.data.copy())  # the graph writes new ones where they were
        for gradient in found:  # which the graph must not read: others will stand there
            if gradient is not None:
                gradient.data[...] = np.nan
        before = _Snapshot(self._host, self._fixed)
        arrays = _each_once(self._fixed)
        contents = [array.copy() for array in arrays]
        returned = self.replay(given)
        replayed = [*arrays, *arrays_in(returned), *self._written(before)]
        replayed = [None if array is None else array.copy() for array in replayed]
        counted = self._host.positions(), self._host.counts()
        before.restore()
        for array, content in zip(arrays, contents):
            array[...] = content
        result, _ = self._plainly(given)
        plain = [*arrays, *arrays_in(result), *self._written(before)]
        if counted != (self._host.positions(), self._host.counts()):
            return result, "the positions of generators or the counts of optimizers moved on in another way"
        return result, self._misfit() or self._difference(replayed, plain)

    def replay(self, given: Given) -> Any:
        """Make a step by the graph."""
        self._settle()
        gradients = [t.grad for _, t in self._host.tensors]
        positions = self._host.positions()
        with self._graphs.numbers(launching=False) as numbers:
            for optimizer, given_to_it in self._updates:
                for p, gradient in zip(optimizer.params, given_to_it):
                    p.grad = gradient
                optimizer.step()  # counts steps and takes rates as ever, but launches nothing
        for (_, t), gradient in zip(self._host.tensors, gradients):
            t.grad = gradient
        for t, gradient in self._gradients:
            t.grad = gradient
        self._fill(given, positions, numbers.values)
        self._graph.launch()
        for generator, blocks in self._advances:
            state = generator.state
            generator.state = {**state, "position": (state["position"] + blocks) % LIMIT}
        for t in self._changing:
            note_change(t)
        return self._outputs.fresh()

    # The parts.

    def _plainly(self, given: Given) -> tuple[Any, Any]:
        """Make a step without a graph, but where a graph would make it: its result, and its launches."""
        args, kwargs = given
        gradients = [t.grad for _, t in self._host.tensors]
        result, launches = self._recorder.run(lambda: self._step(*args, **kwargs))
        copied = mapped(result, lambda x: x.copy())
        del result  # and with it the memory of the step
        for (_, t), old in zip(self._host.tensors, gradients):
            if t.grad is not None and t.grad is not old:
                t.grad = Tensor(t.grad.data.copy())
        if self._misfit() is None:
            self._settle()
        return copied, launches

    def _recorded(self, given: Given) -> tuple[Any, list[float]]:
        """Record the graph: the step, its results to where they can be fetched, and what it hands on.

        Its launches, and the numbers that the optimizers took.
        """
        count = len(self._host.generators)
        arrays = self._inputs.arrays
        arguments, words, memory = arrays[: -count - 1], arrays[-count - 1 : -1], arrays[-1]
        each = zip(self._draws, self._sequences(), words, self._host.positions())
        moving = {of: self._graphs.Offset(word, position) for draws, of, word, position in each if draws}

        def body() -> None:
            args, kwargs = filled(given, arguments)
            result = self._step(*args, **kwargs)
            self._outputs = Outputs(result)
            del result
            if (misfit := self._misfit()) is not None:
                raise ValueError(misfit)
            self._settle()

        with noting_steps() as self._noted, self._graphs.offsets(moving), self._graphs.numbers(memory) as numbers:
            self._graph, launches = self._recorder.record(body)
        self._updates = [
            (optimizer, gradients) for optimizer, gradients in self._noted.steps if isinstance(optimizer, KNOWN)
        ]
        noted = {id(p) for optimizer, _ in self._updates for p in optimizer.params}  # by the optimizer's own step
        self._changing = [t for t in self._changing if id(t) not in noted]
        return launches, numbers.values

    def _written(self, before: _Snapshot) -> list[Array | None]:
        """The gradients that a step has left, of each Tensor; None where it is that of before."""
        each = zip(self._host.tensors, before.gradients)
        return [None if t.grad is old or t.grad is None else t.grad.data for (_, t), old in each]

    def _sequences(self) -> list[tuple[int, int]]:
        return [(g.state["seed"], g.state["stream"]) for g in self._host.generators]

    def _moved(self) -> list[tuple[Slot, Array, Array]]:
        """The slots that hold another array than the one where a graph looks; that; and the one that they hold."""
        moved = [(slot, fixed, t.data) for t, fixed, slot in self._in_tensors if t.data is not fixed]
        return moved + [(slot, fixed, slot.array) for slot, fixed in self._elsewhere if slot.array is not fixed]

    def _misfit(self) -> str | None:
        """A slot whose array has another shape or dtype than it had."""
        for slot, fixed, array in self._moved():
            if type(array) is not type(fixed):
                return f"{slot.path} is no longer on the GPU"
            if (array.shape, array.dtype) != (fixed.shape, fixed.dtype):
                return f"{slot.path} was {fixed.dtype} {fixed.shape} and is {array.dtype} {array.shape}"
        return None

    def _settle(self) -> None:
        """Copy what is handed on to where a graph finds it, where a step has put it elsewhere."""
        moved = self._moved()
        targets = {_owner(fixed) for _, fixed, _ in moved}
        arrays = [array.copy() if _owner(array) in targets else array for _, _, array in moved]  # some exchange places
        for (slot, fixed, _), array in zip(moved, arrays):
            fixed[...] = array
            slot.array = fixed

    def _fill(self, given: Given, positions: list[int], numbers: list[float]) -> None:
        """Bring arguments, and positions and numbers of this step, to the device."""
        for place, position in zip(self._positions, positions):
            place[0] = position
        self._numbers[:] = numbers
        self._inputs.fill([*arrays_in(given), *self._positions, self._numbers])

    def _difference(self, replayed: list[Array | None], plain: list[Array | None]) -> str | None:
        """Which array of a replayed step has other bits than that of the same step made plainly."""
        path_of = {id(array): slot.path for slot, array in reversed(list(zip(self._host.slots, self._fixed)))}
        names = [path_of[id(array)] for array in _each_once(self._fixed)]
        names += [f"result {i}" for i in range(len(replayed) - len(names) - len(self._host.tensors))]
        names += [f"the gradient of {path}" for path, _ in self._host.tensors]
        for name, a, b in zip(names, replayed, plain, strict=True):
            if (a is None) != (b is None) or (a is not None and b is not None and not _same_bits(a, b)):
                return f"{name} differs between a step by the graph and the same step made plainly"
        return None


class _Snapshot:
    """What recording a step changes on the host: positions, counts, gradients, which array stands where."""

    def __init__(self, host: Host, fixed: list[Array]) -> None:
        self.host, self.fixed = host, fixed
        self.positions, self.counts = host.positions(), host.counts()
        self.gradients = [t.grad for _, t in host.tensors]

    def restore(self) -> None:
        """Put all of it back."""
        for generator, position in zip(self.host.generators, self.positions):
            generator.state = {**generator.state, "position": position}
        for (optimizer, i, name), count in self.counts.items():
            optimizer.states[i][name][...] = count
        for (_, t), gradient in zip(self.host.tensors, self.gradients):
            t.grad = gradient
        for slot, array in zip(self.host.slots, self.fixed):
            if slot.array is not array:
                slot.array = array


def _each_once(arrays: Iterable[Array]) -> list[Array]:
    return list({id(array): array for array in arrays}.values())


def _owner(x: Array) -> int:
    """The identity of the array that owns its memory."""
    return id(x if x.base is None else x.base)


def _same_bits(a: Array, b: Array) -> bool:
    xp = array_module(a)
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    x, y = (xp.ascontiguousarray(array).reshape(-1).view(np.uint8) for array in (a, b))
    return bool((x == y).all())


def _told(error: Exception) -> str:
    """An error and where it came from, in one line: the last place that is in neither CuPy nor the kernels."""
    frames = traceback.extract_tb(error.__traceback__)
    outside = [f for f in frames if not {"cupy", "minigen_kernels"} & set(Path(f.filename).parts)]
    place = (outside or frames)[-1]
    return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}: {error}"
