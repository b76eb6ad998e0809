"""x[index] in ONNX: Slice for slices, Gather for numbers and sets of places, GatherND for several sets.

The rules are NumPy's: sets of places are broadcast together, and stand where they stood if they were neighbours, else
in front.

Imports: compiling. Read next: ``arrays.py``.
"""

from __future__ import annotations

from types import EllipsisType
from typing import Any

import numpy as np

from minigen.compiling.traced import Traced


def taken(graph: Any, x: Any, index: Any) -> Any:
    """x[index]; sets of places in it are Values or arrays."""
    x, parts = graph.value(x), _spelled(graph, x, index)
    several = [part for part in parts if _is_set(part)]
    if several:  # numbers beside sets of places are such sets, too
        parts = [graph.constant(np.array(part, np.int64)) if isinstance(part, int) else part for part in parts]
    y, axis = x, 0
    for part in parts:  # slices first: they keep the axes
        if isinstance(part, slice) and part != slice(None):
            y = graph.slice(y, axis, part.start, part.stop, 1 if part.step is None else part.step)
        axis += part is not None
    axes = [part for part in parts if part is not None]
    sets = [i for i, part in enumerate(axes) if _is_set(part)]
    if len(sets) == 1:
        y = graph.node("Gather", y, _places(graph, axes[sets[0]]), axis=sets[0])
        width = len(axes[sets[0]].shape)
        axes = axes[: sets[0]] + [slice(None)] * width + axes[sets[0] + 1 :]
        return _with_new_axes(graph, y, parts, width, sets[0])
    if sets:
        return _of_several(graph, y, x, parts, axes, sets)
    for i in reversed([i for i, part in enumerate(axes) if isinstance(part, int)]):
        y = graph.node("Gather", y, np.array(axes[i], np.int64), axis=i)
    kept = [part for part in parts if not isinstance(part, int)]
    new = [i for i, part in enumerate(kept) if part is None]
    return graph.node("Unsqueeze", y, np.array(new, np.int64)) if new else y


def _spelled(graph: Any, x: Any, index: Any) -> list[Any]:
    """A part for each axis, and None for new ones; masks, which are constant, as sets of places."""
    parts: list[Any] = []
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, Traced):  # to isinstance it is an array; places that depend on an input are no numbers
            part = graph.value(part)
            part = part if part.constant is None else part.constant
        if isinstance(part, (np.ndarray, list)) and np.asarray(part).dtype == np.bool_:
            parts += [graph.constant(places.astype(np.int64)) for places in np.nonzero(np.asarray(part))]
        elif isinstance(part, (np.ndarray, list)):
            parts.append(graph.constant(np.asarray(part, np.int64)))
        else:
            parts.append(int(part) if isinstance(part, np.integer) else part)
    named = sum(part is not None and not isinstance(part, EllipsisType) for part in parts)
    if not any(isinstance(part, EllipsisType) for part in parts):
        parts.append(...)
    at = next(i for i, part in enumerate(parts) if isinstance(part, EllipsisType))
    return [*parts[:at], *[slice(None)] * (len(x.shape) - named), *parts[at + 1 :]]


def _is_set(part: Any) -> bool:
    return hasattr(part, "dtype")


def _places(graph: Any, part: Any) -> Any:
    return graph.cast(part, np.int64)


def _with_new_axes(graph: Any, y: Any, parts: list[Any], width: int, at: int) -> Any:
    """The axes that None adds, where one set of places has made `width` axes of one."""
    new, axis = [], 0
    for part in parts:
        if part is None:
            new.append(axis)
        axis += width if _is_set(part) else 1
    return graph.node("Unsqueeze", y, np.array(new, np.int64)) if new else y


def _of_several(graph: Any, y: Any, x: Any, parts: list[Any], axes: list[Any], sets: list[int]) -> Any:
    """The named axes in front, then all places at once; back to where they stood, if they were neighbours."""
    rest = [i for i in range(len(axes)) if i not in sets]
    shape = np.broadcast_shapes(*(tuple(axes[i].shape) for i in sets))
    moved = graph.node("Transpose", y, perm=[*sets, *rest])
    columns = [graph.expand(_places(graph, axes[i]), shape) for i in sets]
    columns = [graph.node("Unsqueeze", c, np.array([-1], np.int64)) for c in columns]
    z = graph.node("GatherND", moved, graph.node("Concat", *columns, axis=-1))
    of_sets = [i for i, part in enumerate(parts) if _is_set(part)]
    neighbours = of_sets == list(range(of_sets[0], of_sets[0] + len(of_sets)))
    before = sets[0] if neighbours else 0
    width = len(shape)
    order = [*range(width, width + before), *range(width), *range(width + before, width + len(rest))]
    z = z if order == sorted(order) else graph.node("Transpose", z, perm=order)
    new, axis, seen = [], 0 if neighbours else width, False
    for part in parts:
        if part is None:
            new.append(axis)
        if not _is_set(part):
            axis += 1
        elif neighbours and not seen:
            axis, seen = axis + width, True
    return graph.node("Unsqueeze", z, np.array(new, np.int64)) if new else z
