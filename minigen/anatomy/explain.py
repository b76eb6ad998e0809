"""`explain_step`: a step of training is made some times, watched and unwatched in turns, and taken apart into rows.

Imports: watch, state, machine, result, places, capture, shapes. Read next: ``watch.py``.
"""

from __future__ import annotations

import inspect
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from minigen.anatomy.machine import Rates, rates
from minigen.anatomy.places import Places
from minigen.anatomy.result import Anatomy
from minigen.anatomy.rows import PYTHON, Row
from minigen.anatomy.state import put_back
from minigen.anatomy.watch import Clock, Key, Watch, Watched
from minigen.capture.host import Captured
from minigen.device import Device, cuda_event
from minigen.shapes import shown, whole_number

STEPS = 7
FIRST = 2  # steps that compile and fill caches
LATER = (inspect.isgeneratorfunction, inspect.iscoroutinefunction, inspect.isasyncgenfunction)


def explain_step(step: Callable[..., Any], *arguments: Any, steps: int = STEPS) -> Anatomy:
    """Take ``step(*arguments)``, a step of training, apart: operations, kernels, FLOPs, bytes, times, what bounds them.

        print(mg.explain_step(step, batch))

    `step` is any function that makes one: forward, gradients, updates; it may have several losses and optimizers, and
    gradients of gradients. It is made 2 times first, then `steps` times watched and as often unwatched, in turns. The
    times of rows are medians of the watched steps, on a GPU by its events. What a step that nobody watches takes beyond
    them is the row "Python": Tensors, history, checks, and what an operation or an optimizer does around its kernels.
    So the rows add up to the time of a step; were watched steps slower than that, all rows are shortened alike.

    The steps are real ones, with the arguments as they are; afterwards all is put back: weights, buffers, gradients,
    states of optimizers, positions of generators, numbers and containers that the step reaches. A UserWarning says what
    cannot be: what an iterator has given is gone; an array of more than 64 MB that is no parameter and no state, such
    as a data set, is not copied, but compared.

    The floors are those of this machine: ``minigen/anatomy/machine.py`` measures them at the first call, in some
    seconds, and keeps them. FLOPs and bytes are the least that the formula of a kernel needs, which
    ``minigen/anatomy/costs.py`` states. The model behind is the roofline (Williams, Waterman and Patterson 2009).

    TypeError for a step that cannot be called, that is a generator or a coroutine, or that `compile` or `capture`
    made: its replays call no kernel by name.
    """
    if isinstance(step, Captured):
        kind = type(step).__name__
        raise TypeError(f"explain_step: the replays of a {kind} cannot be taken apart; give its plain step, `.step`")
    if not callable(step):
        raise TypeError(f"explain_step: step is a function that makes a step of training, got {shown(step)}")
    if any(is_later(one) for one in (step, type(step).__call__) for is_later in LATER):
        raise TypeError(
            f"explain_step: a call of {shown(step)} runs nothing, because it has `yield` or `async`; give a function "
            "that makes a step: steps = train(); mg.explain_step(lambda: next(steps))"
        )
    steps = whole_number("explain_step", "steps", steps, 1)
    places = Places(step, arguments)
    with put_back(step, arguments) as device:
        plain, watched = measure(lambda: step(*arguments), device, places, steps)
    dtypes = {key.dtype for one in watched for key, _ in one.calls}
    known = {dtype: rates(device, dtype) for dtype in dtypes | {_usual(watched)}}
    return anatomy_of(plain, watched, device, known[_usual(watched)], known)


def measure(
    step: Callable[[], object], device: Device, places: Places, steps: int, clock: Clock = time.perf_counter
) -> tuple[list[float], list[Watched]]:
    """Seconds of unwatched steps, and watched steps."""
    watch = Watch(device, places, clock)
    for _ in range(FIRST):
        step()
    watch.step(step)  # the tables of the watch are filled, too
    plain, watched = [], []
    for _ in range(steps):
        _wait(device)
        start = clock()
        step()
        _wait(device)
        plain.append(clock() - start)
        watched.append(watch.step(step))
    return plain, watched


def anatomy_of(
    plain: Sequence[float], watched: Sequence[Watched], device: Device, usual: Rates, known: dict[str, Rates]
) -> Anatomy:
    """The rows of watched steps: medians over them."""
    seconds = statistics.median(plain)
    times: dict[Key, list[float]] = {}
    counts: dict[Key, int] = {}
    for i, one in enumerate(watched):
        for key, elapsed in one.calls:
            times.setdefault(key, [0.0] * len(watched))[i] += elapsed
            counts[key] = counts.get(key, 0) + 1
    medians = {key: statistics.median(each) for key, each in times.items()}
    shorter = min(1.0, seconds / max(sum(medians.values()), 1e-12))  # the machine was busier while steps were watched
    rows = []
    for key, median in medians.items():
        calls = max(1, round(counts[key] / len(watched)))
        floor, bound = floor_of(key, known[key.dtype])
        ms = 1000 * median * shorter
        rows.append(
            Row(
                key.phase,
                key.operation,
                key.where,
                key.kernel,
                key.room,
                key.shapes,
                calls,
                None if key.flops is None else calls * key.flops,
                calls * key.bytes,
                ms,
                ms / 1000 / seconds,
                1000 * calls * floor,
                bound,
            )  # fmt: skip
        )
    rows.sort(key=lambda row: -row.ms)
    alike = statistics.median(one.wall - one.watching for one in watched)
    left = max(0.0, seconds - sum(row.ms for row in rows) / 1000)
    rows.append(Row(PYTHON, PYTHON, "", PYTHON, PYTHON, (), 0, 0, 0, 1000 * left, left / seconds, 0.0, ""))
    return Anatomy(
        tuple(rows),
        1000 * seconds,
        1000 * alike,
        len(plain),
        device,
        usual.name,
        usual.flops,
        usual.copies,
        1000 * usual.call,
    )


def floor_of(key: Key, rates: Rates) -> tuple[float, str]:
    """The least seconds of one call on a machine with these rates, and what they go to."""
    if not key.bytes and not key.flops:  # a view
        return 0.0, ""
    least = {
        "arithmetic": (key.flops or 0) / rates.flops,
        "memory": key.bytes / rates.copy_rate(key.bytes),
        "call": rates.call,
    }
    bound = max(least, key=lambda name: least[name])
    return least[bound], bound


def _usual(watched: Sequence[Watched]) -> str:
    """The dtype of most calls."""
    found = [key.dtype for one in watched for key, _ in one.calls]
    return max(sorted(set(found)), key=found.count, default="float32")


def _wait(device: Device) -> None:
    if device == "cuda":
        cuda_event().synchronize()
