"""Memory of a list of calls: after which call an array is let go, and which call may write its result there.

A function of NumPy that works element by element may put its result in the place of an argument that nobody needs any
more: then it reads and writes one piece of memory less, and that is in the cache.

Imports: calls, trace. Read next: ``program.py``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence, Set

import numpy as np

from minigen.compiling.calls import Call, Ref, pairs, refs_in
from minigen.compiling.trace import Trace


def last_uses(calls: Sequence[Call], kept: Set[int]) -> dict[int, list[int]]:
    """For a call, by its place: the arrays that nobody needs after it. `kept` are needed at the end."""
    ends: dict[int, list[int]] = {}
    for ref, i in _last(calls).items():
        if ref not in kept:
            ends.setdefault(i, []).append(ref)
    return ends


def in_place(trace: Trace, calls: Sequence[Call], kept: Set[int], start: Iterable[int]) -> list[Call]:
    """The calls, with results in the places of arguments. `kept` are needed at the end, `start` are there before."""
    last, form = _last(calls), dict[int, object]()
    latest: dict[int, int] = {}  # for a piece of memory: the last call that needs any of it
    for ref, i in last.items():
        latest[trace.memory[ref]] = max(i, latest.get(trace.memory[ref], -1))
    held = {trace.memory[ref] for ref in [*kept, *start]}
    made = []
    for i, call in enumerate(calls):
        form.update(pairs(call.result, call.like))
        made.append(call)
        if not isinstance(call.function, np.ufunc) or call.kwargs or not isinstance(call.result, Ref):
            continue
        if call.like[0] is not np.ndarray:  # a number
            continue
        for x in call.args:
            piece = trace.memory[x.number] if isinstance(x, Ref) else -1
            if piece == -1 or piece in held or latest[piece] > i or form.get(x.number) != call.like:
                continue
            if sum(trace.memory[ref] == piece for ref in set(refs_in(call.args))) == 1:
                made[-1] = dataclasses.replace(call, kwargs={"out": x})
                latest[trace.memory[call.result.number]] = max(latest.get(trace.memory[call.result.number], i), i)
                break
    return made


def _last(calls: Sequence[Call]) -> dict[int, int]:
    return {ref: i for i, call in enumerate(calls) for ref in refs_in((call.args, call.kwargs, call.result))}
