"""A kernel on a device against the reference: the same numbers but for rounding, and the same bits in a second run.

Imports: device, kernels. Read next: ``procedure.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minigen.device import to_device
from minigen.proving.record import Fault
from minigen_kernels import Array, for_device, reference
from minigen_kernels.calls import CALLS, LAYOUTS, arguments, arranged, on_host, produced
from minigen_kernels.cuda.launch import empty as empty_on_cuda
from minigen_kernels.drawn import MANY, OF_LISTS, draw_call, draw_lists

DTYPES = (np.float32, np.float64)
DRAWS = 8  # calls of drawn shapes, each in both dtypes

#: Kernels whose results are the same on every device, to the last bit: copies, choices, random numbers.
EXACT = {
    "max_pool2d", "plane_gather", "upsample_nearest2d", "interpolate_nearest2d", "scale_where",
    "philox", "uniform", "normal", "bernoulli", "permutation",
}  # fmt: skip
#: Functions of one number that keep their digits however small the result is, and by how many units in the last place
#: it may be off: in the tails of a linear unit the rounded argument of an exp moves it, by up to that argument as many.
OF_ONE_NUMBER = dict.fromkeys(("erf", "erfc", "exp_excess", "log_deficit", "sigmoid", "softplus", "elu"), 32) | {
    "linear_unit": 1000
}


def calls_of(name: str, seed: int) -> Iterator[tuple[str, str, list[Any], np.dtype[Any]]]:
    """(in words, order of memory, arguments, dtype): the calls of the table, then drawn ones, in both dtypes.

    Where lists may stand for arrays, a call with lists, too.
    """
    for number, (kernel, shapes, others) in enumerate(CALLS):
        if kernel == name:
            for dtype in DTYPES:
                text = described(name, shapes, others, "contiguous", dtype)
                yield text, "contiguous", arguments(number, dtype), np.dtype(dtype)
    for draw in range(DRAWS):
        layout = LAYOUTS[draw % len(LAYOUTS)]
        for dtype in DTYPES:
            (_, shapes, others), given = draw_call(name, seed, draw, dtype)
            yield described(name, shapes, others, layout, dtype), layout, given, np.dtype(dtype)
    for dtype in DTYPES if name in OF_LISTS else ():
        text = f"{name}(lists of {MANY} arrays) in {np.dtype(dtype)}"
        yield text, "contiguous", draw_lists(name, seed, dtype), np.dtype(dtype)


def described(name: str, shapes: Any, others: Any, layout: str, dtype: Any) -> str:
    """A call in words."""
    return f"{name}({', '.join(map(str, [*shapes, *others]))}) in {np.dtype(dtype)}, {layout}"


def mapped(given: list[Any], change: Callable[[Array], Array]) -> list[Any]:
    """Arguments with every array changed, those in lists, too."""
    return [
        [change(a) for a in one] if isinstance(one, list) else change(one) if isinstance(one, np.ndarray) else one
        for one in given
    ]


def flat(given: list[Any]) -> list[Array]:
    """All arrays among arguments."""
    return [a for one in given for a in (one if isinstance(one, list) else [one]) if isinstance(a, np.ndarray)]


def check_kernel(name: str, device: str, seed: int) -> tuple[int, Fault | None]:
    """How many checks were made, two for each call; and the first fault."""
    room, checks = for_device(device), 0
    empty = empty_on_cuda if device == "cuda" else np.empty
    for text, layout, given, dtype in calls_of(name, seed):
        arrays = {f"argument_{i}": a for i, a in enumerate(flat(given))}
        wanted = produced(reference, name, mapped(given, np.copy))
        runs = []
        try:
            for _ in range(2):
                there = mapped(given, lambda a: to_device(a.copy(), device))
                runs.append(on_host(produced(room, name, arranged(name, there, layout, empty))))
        except Exception as error:
            said = f"{text}: {type(error).__name__}: {error}"
            return checks + 2, Fault(said, {"call": text, "error": repr(error)}, arrays)
        got, again = runs
        checks += 2
        if difference := first_difference(name, got, wanted, given, dtype):
            results = {f"got_{i}": a for i, a in enumerate(got)} | {f"expected_{i}": a for i, a in enumerate(wanted)}
            return checks, Fault(f"{text}: {difference['text']}", {"call": text, **difference}, {**arrays, **results})
        if [a.tobytes() for a in got] != [a.tobytes() for a in again]:
            results = {f"first_{i}": a for i, a in enumerate(got)} | {f"second_{i}": a for i, a in enumerate(again)}
            return checks, Fault(f"{text}: a second run gives other bits", {"call": text}, {**arrays, **results})
    return checks, None


def first_difference(
    name: str, got: list[Array], wanted: list[Array], given: list[Any], dtype: np.dtype[Any]
) -> dict[str, Any] | None:
    """Where two lists of results differ most, by more than rounding; None if they agree."""
    if len(got) != len(wanted):
        return {"text": f"{len(got)} results, {len(wanted)} expected"}
    for i, (a, b) in enumerate(zip(got, wanted)):
        if a.shape != b.shape or a.dtype != b.dtype:
            return {"text": f"result {i} is {a.dtype} {a.shape}, expected {b.dtype} {b.shape}"}
        if not a.size:
            continue
        allowed = tolerance(name, b, given, dtype)
        with np.errstate(all="ignore"):
            off = np.abs(a.astype(float) - b.astype(float))
            bad = ~((off <= allowed) | (a == b) | (np.isnan(a) & np.isnan(b)))
        if bad.any():
            at = np.unravel_index(int(np.argmax(np.where(bad, np.where(np.isnan(off), np.inf, off), -1))), a.shape)
            limit = float(np.broadcast_to(allowed, a.shape)[at])
            where = tuple(map(int, at))
            return {
                "text": f"result {i} at {where}: got {a[at]}, expected {b[at]}, tolerance {limit:.2g}; "
                f"{int(bad.sum())} of {a.size} numbers differ",
                "result": i, "index": where, "got": float(a[at]), "expected": float(b[at]), "tolerance": limit,
                "different": int(bad.sum()),
            }  # fmt: skip
    return None


def tolerance(name: str, wanted: Array, given: list[Any], dtype: np.dtype[Any]) -> Any:
    """How far a result may be off, for each number or for all.

    No sum here has many more than a thousand terms: added in another order, its rounding errors stay below 700 units in
    the last place of the largest number, of the results or of a tenth of the arguments, where terms cancel. A device
    flushes to zero what is below the normal numbers.
    """
    if name in EXACT or wanted.dtype.kind != "f":
        return 0.0
    unit = float(np.finfo(dtype).eps)
    if name in OF_ONE_NUMBER:
        return OF_ONE_NUMBER[name] * unit * np.abs(wanted) + float(np.finfo(dtype).tiny)
    floats = [a for a in flat(given) if a.dtype.kind == "f" and a.size]
    largest = max([float(np.abs(wanted).max()), *(0.1 * float(np.abs(a).max()) for a in floats)])
    return 700 * unit * largest
