"""Arguments and results of a step: the arrays in them, and the memory on the device that a graph reads them from.

Imports: autograd, device. Read next: ``recording.py``.
"""

from __future__ import annotations

import dataclasses
import enum
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from minigen.autograd import Tensor
from minigen.device import array_module, to_device
from minigen_kernels import Array

_VALUES = (type(None), bool, int, str, bytes, np.dtype, type, enum.Enum)
_ALIGNED = 256  # bytes; what an allocation on the device is aligned to


def is_array(x: Any) -> bool:
    """Whether it is an array of numbers, of NumPy or of CuPy: one that can be on a device."""
    if isinstance(x, np.ndarray):
        return x.dtype.kind in "biufc" and x.dtype.isnative
    return type(x).__module__.partition(".")[0] == "cupy" and hasattr(x, "dtype")


def is_record(x: Any) -> bool:
    """Whether it is a dataclass that is nothing but its fields, and can be made anew from them."""
    if not dataclasses.is_dataclass(x) or isinstance(x, type) or hasattr(x, "__post_init__"):
        return False
    return all(field.init for field in dataclasses.fields(x))


@dataclasses.dataclass(eq=False)
class Same:
    """Stands for an object and is equal to what stands for the same one, which lives on as long."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


def mapped(value: Any, change: Callable[[Array], Any]) -> Any:
    """`value` with `change(array)` in the place of each array, in Tensors, tuples, lists, dicts and dataclasses, too.

    A Tensor becomes one without history.
    """
    if isinstance(value, Tensor):
        return Tensor(change(value.data))
    if is_array(value):
        return change(value)
    if isinstance(value, tuple):
        parts = [mapped(x, change) for x in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, list):
        return [mapped(x, change) for x in value]
    if isinstance(value, dict):
        return {key: mapped(x, change) for key, x in value.items()}
    if is_record(value):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **{name: mapped(x, change) for name, x in fields.items()})
    return value


def arrays_in(value: Any) -> list[Array]:
    """The arrays in it, in the order of `mapped`."""
    found: list[Array] = []

    def take(array: Array) -> Array:
        found.append(array)
        return array

    mapped(value, take)
    return found


def filled(value: Any, arrays: Sequence[Array]) -> Any:
    """`value` with these arrays in the places of its own."""
    coming = iter(arrays)
    return mapped(value, lambda _: next(coming))


def kind_of(value: Any) -> Any:
    """What two values must have in common to be arguments of one graph: all but the numbers in arrays. Hashable."""
    if isinstance(value, Tensor):
        return (Tensor, value.requires_grad, kind_of(value.data))
    if is_array(value):
        return (type(value), value.shape, value.dtype.str)
    if isinstance(value, (tuple, list)):
        return (type(value), *map(kind_of, value))
    if isinstance(value, dict):
        return (dict, *((key, kind_of(x)) for key, x in value.items()))
    if is_record(value):
        return (type(value), *(kind_of(getattr(value, field.name)) for field in dataclasses.fields(value)))
    if isinstance(value, (float, complex, np.generic)):
        return (type(value), repr(value))  # 0.0 is not -0.0, and NaN is NaN
    return (type(value), value) if isinstance(value, _VALUES) else Same(value)


def objects_in(value: Any) -> list[Any]:
    """What a graph is bound to in arguments: all that is neither array nor plain value nor made of these."""
    found: list[Any] = []

    def look(kind: Any) -> None:
        if isinstance(kind, Same):
            found.append(kind.value)
        for part in kind if isinstance(kind, tuple) else ():
            look(part)

    look(kind_of(value))
    return found


def host_part(value: Any) -> Any:
    """What a graph cannot change of a result: all but the numbers in arrays on the device."""
    return kind_of(value), [x.tobytes() for x in arrays_in(value) if isinstance(x, np.ndarray)]


class Outputs:
    """The results of a step, copied to one piece of memory on the device, from which `fresh` takes copies."""

    def __init__(self, result: Any) -> None:
        arrays = arrays_in(result)
        on_device = [x for x in arrays if not isinstance(x, np.ndarray)]
        self._like = mapped(result, lambda x: x if isinstance(x, np.ndarray) else np.empty(0, x.dtype))
        self._places: list[tuple[Any, tuple[int, ...]] | None] = [
            None if isinstance(x, np.ndarray) else (x.dtype, x.shape) for x in arrays
        ]
        self._memory = array_module(on_device[0]).empty(_starts(on_device)[-1], np.uint8) if on_device else None
        for view, array in zip(self._views(self._memory), on_device):
            view[...] = array

    def fresh(self) -> Any:
        """The results of the last step, in memory of their own."""
        views = self._views(None if self._memory is None else self._memory.copy())
        return filled(
            self._like, [x if place is None else next(views) for x, place in zip(arrays_in(self._like), self._places)]
        )

    def _views(self, memory: Array | None) -> Iterator[Array]:
        start = 0
        for dtype, shape in [place for place in self._places if place is not None]:
            stop = start + math.prod(shape) * dtype.itemsize
            assert memory is not None
            yield memory[start:stop].view(dtype).reshape(shape)
            start += _room(stop - start)


class Inputs:
    """Arrays on the device that keep their addresses, all in one piece of memory, so that one transfer fills them."""

    def __init__(self, like: Sequence[Array]) -> None:
        starts = _starts(like)
        self._host = np.zeros(max(starts[-1], _ALIGNED), np.uint8)
        self._memory = to_device(self._host, "cuda")
        self.arrays: list[Array] = []
        self._parts: list[Array] = []
        for start, array in zip(starts, like):
            for memory, views in ((self._memory, self.arrays), (self._host, self._parts)):
                views.append(memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape))

    def fill(self, arrays: Sequence[Array]) -> None:
        """Copy these arrays there: those of the host all together, those of the device one by one."""
        for part, array in zip(self._parts, arrays, strict=True):
            if isinstance(array, np.ndarray):
                part[...] = array
        self._memory[...] = to_device(self._host, "cuda")
        for view, array in zip(self.arrays, arrays, strict=True):
            if not isinstance(array, np.ndarray):
                view[...] = array


def _room(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED


def _starts(arrays: Sequence[Array]) -> list[int]:
    """Where each array starts in one piece of memory, and where that ends."""
    return [0, *itertools.accumulate(_room(array.nbytes) for array in arrays)]
