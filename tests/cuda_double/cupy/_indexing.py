"""Indexing of the double (CuPy 14.2.0, cupy/_core/_routines_indexing.pyx).

CuPy's differences from NumPy: whole-number arrays wrap around instead of raising IndexError (:518 and the kernels), a
mask is counted on the host, which waits (:428), a list or an array of NumPy's is transferred each time, and an
assignment takes arrays of CuPy's or one number, never an array of NumPy's (core.pyx `__setitem__`, cupy#2079).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from . import _launch
from ._core import Base, capturing, device_array, from_host, operand, produce, wrap, write
from ._ledger import hazard

_SCATTER = {"add": np.add, "sub": np.subtract, "max": np.maximum, "min": np.minimum}
_UFUNC = {"add": "add", "sub": "subtract", "max": "maximum", "min": "minimum"}


class Gather(NamedTuple):
    """An array of indices and the length of its axis, around which they wrap."""

    indices: np.ndarray
    length: int


def resolved(parts: Any) -> tuple[Any, ...]:
    """The index as NumPy takes it, with the values that the arrays hold now."""
    return tuple((p.indices % p.length if p.length else p.indices) if isinstance(p, Gather) else p for p in parts)


def _axes(s: Any) -> int:
    """How many axes a part of an index takes."""
    if s is None or s is Ellipsis or isinstance(s, (bool, np.bool_)):
        return 0
    if isinstance(s, (Base, np.ndarray)) and s.dtype == bool:
        return s.ndim
    if isinstance(s, list) and len(s) and np.asarray(s).dtype == bool:
        return np.asarray(s).ndim
    return 1


def parse(a: np.ndarray, index: Any) -> tuple[list[Any], bool]:
    """The parts of an index, and whether one is an array."""
    given = list(index) if isinstance(index, tuple) else [index]
    taken = sum(map(_axes, given))
    if taken > a.ndim:
        raise IndexError(f"too many indices for array: array is {a.ndim}-dimensional, but {taken} were indexed")
    parts: list[Any] = []
    axis, advanced = 0, False
    for s in given:
        if s is None or s is Ellipsis:
            parts.append(s)
            axis += a.ndim - taken if s is Ellipsis else 0
        elif isinstance(s, slice):
            if any(isinstance(end, Base) for end in (s.start, s.stop, s.step)):
                raise TypeError("slice indices must be integers or None or have an __index__ method")
            parts.append(s)
            axis += 1
        elif not isinstance(s, Base) and np.isscalar(s) and not isinstance(s, (bool, np.bool_)):
            if not isinstance(s, (int, np.integer)):
                raise IndexError(f"double: index {s!r} is no whole number (CuPy would cut it off with int())")
            parts.append(int(s))
            axis += 1
        else:
            advanced = True
            part = _array_part(a, s, axis)
            parts.append(part)
            axis += part.ndim if isinstance(part, np.ndarray) else 1
    return parts, advanced


def _array_part(a: np.ndarray, s: Any, axis: int) -> Any:
    """A mask, or a `Gather`, of an array, a list, True or False."""
    if not isinstance(s, Base):
        empty_list = isinstance(s, (list, tuple)) and np.size(s) == 0
        s = from_host(np.asarray(s, np.int32) if empty_list else s, name="index")
    i = s._a
    if i.dtype.kind == "b":
        return i
    if i.dtype.kind not in "iu":
        raise IndexError(f"arrays used as indices must be of integer or boolean type. (actual: {i.dtype.type})")
    n = a.shape[axis]
    if n == 0 and i.size:
        raise IndexError("cannot do a non-empty take from an empty axes.")
    if i.size and n and not capturing() and (int(i.min()) < -n or int(i.max()) >= n):
        hazard("index beyond the axis: CuPy wraps it around, NumPy raises IndexError")
    return Gather(i, n)


def _viewed(a: np.ndarray, parts: list[Any]) -> np.ndarray:
    return a[tuple(parts)] if any(p is Ellipsis for p in parts) else a[(*parts, ...)]


def _preparation(parts: list[Any], name: str) -> None:
    """What CuPy launches before the gather itself: scans of masks, for which it waits, and joined indices."""
    arrays = [p for p in parts if isinstance(p, (Gather, np.ndarray))]
    masks = [p for p in arrays if isinstance(p, np.ndarray)]
    if masks:
        _launch.launch("reduction", "mask scan", _nothing, 2 * len(masks))
        _launch.to_host(f"{name} with a mask")
    if len(arrays) > 1:
        _launch.launch("memset", "index", _nothing)
        _launch.launch("elementwise", "index", _nothing, len(arrays))


def _nothing() -> None:
    pass


def _repeated(a: np.ndarray, parts: list[Any], size: int) -> bool:
    """Whether an index names an element twice; unknown, so no, while a graph is made."""
    if capturing() or size < 2 or not any(isinstance(p, Gather) for p in parts):
        return False
    ids = np.arange(a.size).reshape(a.shape)[resolved(parts)]
    return np.unique(ids).size != ids.size


def getitem(x: Any, index: Any) -> Any:
    a = x._a
    parts, advanced = parse(a, index)
    if not advanced:
        return wrap(_viewed(a, parts), x)
    _preparation(parts, "getitem")
    return produce("gather", "getitem", lambda: a[resolved(parts)])


def setitem(x: Any, index: Any, value: Any) -> None:
    a = x._a
    parts, advanced = parse(a, index)
    if isinstance(value, Base):
        while value.ndim and value.shape[0] == 1:
            value = value.reshape(value.shape[1:])
    if not advanced:
        assign(_viewed(a, parts), value)
        return
    _preparation(parts, "setitem")
    v = from_host(value, x.dtype)._a
    if _repeated(a, parts, v.size):
        hazard("assignment with repeated indices: which value stays is undefined")

    def work() -> None:
        with np.errstate(all="ignore"):
            a[resolved(parts)] = v.astype(a.dtype)

    _launch.launch("gather", "setitem", work)


def scatter(x: Any, index: Any, value: Any, op: str) -> None:
    """`ufunc.at` (_routines_indexing.pyx, _scatter_op): atomic, so floats with repeated indices vary in their bits."""
    import cupy

    a = x._a
    parts, advanced = parse(a, index)
    if not advanced:
        view = wrap(_viewed(a, parts), x)
        getattr(cupy, _UFUNC[op])(view, value, view)
        return
    masks = any(isinstance(p, np.ndarray) for p in parts)
    kinds = "ilqILQefd" if op == "add" else "iI" if op == "sub" else "ilqILQfd"
    if x.dtype.char not in kinds and not masks:
        raise TypeError(f"cupy.{op}.at does not support {x.dtype}")
    _preparation(parts, f"scatter_{op}")
    v = from_host(value, x.dtype)._a
    if x.dtype.kind == "f" and op in ("add", "sub") and not masks and _repeated(a, parts, 2):
        hazard("scatter_add of floats with repeated indices: atomicAdd, so the order and the bits vary")

    def work() -> None:
        with np.errstate(all="ignore"):
            _SCATTER[op].at(a, resolved(parts), v.astype(a.dtype))

    _launch.launch("gather", f"scatter_{op}", work)


def take(x: Any, indices: Any, axis: Any, out: Any) -> Any:
    """`take` wraps around (_routines_indexing.pyx, _take)."""
    if out is not None:
        raise NotImplementedError("double: take(out=)")
    if not np.isscalar(indices) and not isinstance(indices, Base):
        indices = from_host(indices, int, "index")
    a, i = x._a, operand(indices)
    return produce("gather", "take", lambda: np.take(a, i, axis=axis, mode="wrap"))


def nonzero(x: Any) -> tuple[Any, ...]:
    """Two kernels, then the host waits for the number of elements (_routines_indexing.pyx, _ndarray_nonzero)."""
    if x.ndim == 0:
        raise ValueError("Calling nonzero on 0d arrays is not allowed. Use cp.atleast_1d(scalar).nonzero() instead.")
    a = x._a
    _launch.launch("gather", "nonzero", _nothing, 2)
    _launch.to_host("nonzero")
    found = np.nonzero(a)
    results = [produce("gather", "nonzero", lambda i=i: i, 0) for i in found]
    return tuple(results)


def broadcast_write(a: np.ndarray) -> None:
    """Refuse a write to a broadcast view: NumPy raises ValueError, CuPy writes without a word."""
    if a.size and 0 in [s for s, n in zip(a.strides, a.shape) if n > 1]:
        hazard("write to a broadcast view: NumPy refuses it, CuPy writes")
        raise RuntimeError(
            "double: a write to a broadcast view; NumPy raises ValueError here, CuPy writes without a word"
        )


def assign(target: np.ndarray, value: Any) -> None:
    """x[basic index] = value, and `full`: an array of CuPy's or one number (core.pyx, `__setitem__` and `fill`)."""
    broadcast_write(target)
    if isinstance(value, Base):
        v = device_array(value)
        if np.broadcast_shapes(v.shape, target.shape) != target.shape:
            raise ValueError(f"could not broadcast input array from shape {v.shape} into shape {target.shape}")
        same = v.shape == target.shape and v.dtype == target.dtype and v.strides == target.strides
        write("d2d" if same and target.flags.c_contiguous else "elementwise", "copy", target, lambda: v)
        return
    number = np.asarray(value, dtype=target.dtype)
    if number.shape != ():
        raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
    write("memset" if number == 0 and target.flags.c_contiguous else "elementwise", "fill", target, lambda: number)
