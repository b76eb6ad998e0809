"""A trace as a function of Python: one line for each call, with local variables for arrays.

    def step(arguments):
        v0 = parameter_0.data
        v4 = arguments[0]
        v5 = matmul_1(v4, v0.T)
        ...

Calls whose results nobody needs are left out, and an array is let go after the last line that needs it. A question that
the step asked of numbers (are all labels classes?) is asked again, and if the answer is another one, the function
raises Stale; such lines come before the first that changes what was there before the step.

Imports: trace. Read next: ``recording.py``.
"""

from __future__ import annotations

import dataclasses
import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigen.autograd import Tensor
from minigen.capture.arguments import is_record
from minigen.compiling.buffers import in_place, last_uses
from minigen.compiling.calls import Call, Made, Position, Ref, pairs, refs_in, renamed
from minigen.compiling.fusion import fused
from minigen.compiling.trace import Trace
from minigen.random import LIMIT

_PLAIN = (type(None), bool, int, str)


class LateError(ValueError):
    """A question to which the answer is known too late."""


class Stale(Exception):  # noqa: N818 - nothing has failed
    """A question has another answer than when the step was recorded; nothing was changed."""


@dataclass
class Surroundings:
    """What a trace is given and what it gives.

    `inputs`: where an array comes from - an object with the name of its attribute, or None with the number of an
    argument - and its Ref. `outputs`: objects, the names of their attributes, and what becomes of them. `moves`:
    generators, and by how many blocks they move on.
    """

    inputs: Sequence[tuple[Any, Any, int]]
    outputs: Sequence[tuple[Any, str, Any]]
    moves: Sequence[tuple[Any, int]]
    result: Any


def program(trace: Trace, given: Surroundings, *, fuse: bool = True) -> tuple[Callable[..., Any], str]:
    """The function of the arrays among the arguments that makes the calls of a trace; its text.

    With `fuse` activations join the kernels before them (``fusion.py``).

    LateError: a question comes after a change, and depends on it.
    """
    kept = set(refs_in([value for _, _, value in given.outputs])) | set(refs_in(given.result))
    calls, names = fused(trace, kept) if fuse else (trace.calls, {})
    kept = {renamed(ref, names) for ref in kept}
    calls, constants = _folded(trace, _needed(calls, set(kept)), kept)
    early = _early(trace, calls)
    calls = [call for i, call in enumerate(calls) if i in early] + [c for i, c in enumerate(calls) if i not in early]
    calls = in_place(trace, calls, kept | constants.keys(), [number for _, _, number in given.inputs])
    writer = _Writer(constants, names)
    used = kept.union(*(refs_in((call.args, call.kwargs)) for call in calls))
    for holder, name, number in given.inputs:
        if number in used:
            writer.line(f"v{number} = " + (f"arguments[{name}]" if holder is None else writer.place(holder, name)))
    for i, (generator, blocks) in enumerate(given.moves):
        if blocks or any(isinstance(x, Position) and x.generator == i for call in calls for x in call.args):
            writer.line(f"position{i} = {writer.place(generator, '_position')}")
    ends = last_uses(calls, kept | constants.keys())
    unread = {id(holder) for holder, name, number in given.inputs if name == "grad.data" and number not in used}
    replaced = [holder for holder, name, _ in given.outputs if name == "grad" and id(holder) in unread]
    asked = max((i for i, call in enumerate(calls) if call.expected is not None), default=-1)
    for i, call in enumerate(calls):
        if i == asked + 1 and replaced:  # no Stale from here on; the new ones take their memory
            writer.line(" = ".join(writer.place(holder, "grad") for holder in replaced) + " = None")
        writer.call(call)
        if i in ends:
            writer.line(" = ".join(f"v{ref}" for ref in sorted(ends[i])) + " = None")
    for holder, name, value in given.outputs:
        writer.line(f"{writer.place(holder, name)} = {writer.text(value)}")
    for i, (generator, blocks) in enumerate(given.moves):
        if blocks:
            writer.line(f"{writer.place(generator, '_position')} = (position{i} + {blocks}) % {LIMIT}")
    writer.line(f"return {writer.text(given.result)}")
    return writer.function()


def _needed(calls: Sequence[Call], needed: set[int]) -> list[Call]:
    """The calls without those whose results nobody needs."""
    kept = []
    for call in reversed(calls):
        if call.changes or call.expected is not None or not needed.isdisjoint(refs_in(call.result)):
            kept.append(call)
            needed.update(refs_in((call.args, call.kwargs)))
    return kept[::-1]


def _folded(trace: Trace, calls: list[Call], outputs: set[int]) -> tuple[list[Call], dict[int, Any]]:
    """The calls without those that give the same arrays in every step; and these arrays, by their Refs."""
    kept, constants = [], dict[int, Any]()
    apart = trace.changed | {trace.memory[ref] for ref in outputs}  # such arrays have to be new in every step
    for call in calls:
        fixed = constants.keys() >= set(refs_in((call.args, call.kwargs))) and not _draws(call.args)
        if not fixed or call.changes or call.function in (np.empty, np.empty_like):
            kept.append(call)
        elif call.expected is None and apart.isdisjoint(trace.memory[ref] for ref in refs_in(call.result)):
            with np.errstate(**(call.error_state or np.geterr())):
                made = call.function(*_filled(call.args, constants), **_filled(call.kwargs, constants))
            constants.update(pairs(call.result, made))
        elif call.expected is None:
            kept.append(call)
    return kept, constants


def _filled(x: Any, constants: dict[int, Any]) -> Any:
    """Arguments with arrays in the place of Refs."""
    if isinstance(x, Ref):
        return constants[x.number]
    if type(x) in (tuple, list):
        return type(x)(_filled(part, constants) for part in x)
    if type(x) is dict:
        return {key: _filled(part, constants) for key, part in x.items()}
    return slice(*(_filled(part, constants) for part in (x.start, x.stop, x.step))) if type(x) is slice else x


def _draws(args: Any) -> bool:
    return any(isinstance(x, Position) for x in args)


def _early(trace: Trace, calls: list[Call]) -> set[int]:
    """The calls that have to come first, by their places: those that lead to questions after a change."""
    made = {ref: i for i, call in enumerate(calls) for ref in refs_in(call.result)}
    early: set[int] = set()
    changed = False  # anything that was there before the step
    for i, call in enumerate(calls):
        if call.expected is not None and changed:
            way, stack = {i}, list(refs_in(call.args))
            while stack:
                ref = stack.pop()
                if trace.memory[ref] in call.changed:
                    raise LateError(f"a question about numbers that the step has changed before, {call.like}")
                if ref in made and made[ref] not in way:
                    way.add(made[ref])
                    stack += refs_in((calls[made[ref]].args, calls[made[ref]].kwargs))
            early |= way
        lasting = any(trace.memory[ref] in trace.found for ref in refs_in((call.args, call.kwargs)))
        changed = changed or (call.changes and lasting)
    return early


class _Writer:
    """Lines of Python, and the constants in them."""

    def __init__(self, made: dict[int, Any], renamed: dict[int, int]) -> None:
        self._made, self._renamed = made, renamed
        self._lines: list[str] = []
        self._constants: dict[str, Any] = {}
        self._names: dict[int, str] = {}

    def line(self, text: str) -> None:
        self._lines.append("    " + text)

    def place(self, holder: Any, name: str) -> str:
        return f"{self._constant(holder, type(holder).__name__.lower())}.{name}"

    def call(self, call: Call) -> None:
        if call.error_state is not None:
            self.line(f"with {self._constant(np.errstate, 'errstate')}(**{self._constant(call.error_state, 'c')}):")
        indent = "    " if call.error_state is not None else ""
        if call.expected is not None:
            stale = self._constant(Stale, "Stale")
            self.line(f"{indent}if {'not ' if call.expected else ''}{self.text(call.args[0])}: raise {stale}")
            return
        target = _target(call.result)
        expression = self._expression(call)
        self.line(indent + (f"{target} = {expression}" if target and not expression.endswith(" ;") else expression))

    def text(self, x: Any) -> str:
        """Arguments and results as Python."""
        if isinstance(x, Ref):
            number = renamed(x.number, self._renamed)
            return self._constant(self._made[number], "made") if number in self._made else f"v{number}"
        if isinstance(x, Position):
            return f"(position{x.generator} + {x.blocks}) % {LIMIT}" if x.blocks else f"position{x.generator}"
        if isinstance(x, Made):
            return f"{self._constant(Tensor, 'Tensor')}({self.text(x.ref)})"
        if type(x) in _PLAIN or (type(x) is float and math.isfinite(x)):
            return repr(x)
        if type(x) is tuple:
            return f"({', '.join(map(self.text, x))}{',' if len(x) == 1 else ''})"
        if type(x) is list:
            return f"[{', '.join(map(self.text, x))}]"
        if type(x) is dict:  # a new one in each step, as it may be the caller's to change
            return f"{{{', '.join(f'{self.text(key)}: {self.text(value)}' for key, value in x.items())}}}"
        if hasattr(x, "_fields") and _moves(x):
            return f"{self._constant(type(x), type(x).__name__)}({', '.join(map(self.text, x))})"
        if is_record(x) and (_moves(x) or not x.__dataclass_params__.frozen):
            named = [f"{f.name}={self.text(getattr(x, f.name))}" for f in dataclasses.fields(x)]
            return f"{self._constant(type(x), type(x).__name__)}({', '.join(named)})"
        if type(x) is slice:
            return f"slice({self.text(x.start)}, {self.text(x.stop)}, {self.text(x.step)})"
        return self._constant(x, "c")

    def function(self) -> tuple[Callable[..., Any], str]:
        names = ", ".join(self._constants)
        body = "\n".join("    " + line for line in self._lines)
        text = f"    def step(arguments):\n{body}\n"
        scope: dict[str, Any] = {}
        exec(f"def make({names}):\n{text}    return step\n", scope)
        function: Callable[..., Any] = scope["make"](**self._constants)
        return function, text

    def _expression(self, call: Call) -> str:
        function, args = call.function, call.args
        if function is operator.getitem and isinstance(args[0], Ref):
            return f"{self.text(args[0])}[{self.text(args[1])}]"
        if function is operator.setitem and isinstance(args[0], Ref):
            return f"{self.text(args[0])}[{self.text(args[1])}] = {self.text(args[2])} ;"
        if function is getattr:
            return f"{self.text(args[0])}.{args[1]}"
        parts = [self.text(x) for x in args]
        named = [f"{name}={self.text(x)}" for name, x in call.kwargs.items()]
        name = function.__name__
        if isinstance(args[0] if args else None, Ref) and function is getattr(np.ndarray, name, None):
            return f"{parts[0]}.{name}({', '.join(parts[1:] + named)})"
        return f"{self._constant(function, name)}({', '.join(parts + named)})"

    def _constant(self, x: Any, like: str) -> str:
        name = self._names.get(id(x))
        if name is None:
            like = re.sub("[^a-zA-Z0-9_]", "", like)
            name = f"{like}_{len(self._constants)}" if like in self._constants or len(like) == 1 else like
            self._constants[name], self._names[id(x)] = x, name
        return name


def _moves(x: Any) -> bool:
    """Whether it is not the same in every step."""
    if isinstance(x, Position):
        return True
    return any(True for _ in refs_in(x)) or (isinstance(x, (tuple, list)) and any(map(_moves, x)))


def _target(result: Any) -> str:
    if isinstance(result, Ref):
        return f"v{result.number}"
    if isinstance(result, tuple):
        parts = [_target(part) or "_" for part in result]
        return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"
    return ""
