"""ONNX operators that move elements and compute nothing, and those about shapes: Reshape, Slice, Gather, Pad, Shape.

What depends on shapes alone is a NumPy array, no Tensor: the loader keeps such values on the host and computes with
them as it goes. So the arithmetic by which exporters write a flexible batch needs nothing special.

Imports: autograd, ops, load_node, load_elementwise. Read next: ``load_reduce.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from minigen import ops
from minigen.autograd import Tensor
from minigen.device import array_module
from minigen.onnx.load_elementwise import DTYPES, Operator
from minigen.onnx.load_node import Node, host, is_float, number, numbers
from minigen.ops.indexing import ScatterAdd
from minigen_kernels import Array


def _reshape(node: Node, x: Tensor, shape: Any = None) -> Tensor:
    wanted = node.argument("shape", shape)
    if wanted is None:
        raise node.error("it has no shape")
    if not node.get("allowzero", 0):
        if any(n == 0 and i >= x.ndim for i, n in enumerate(wanted)):
            raise node.error(f"shape {wanted} copies a length (0) that the value of shape {x.shape} does not have")
        wanted = [x.shape[i] if n == 0 else n for i, n in enumerate(wanted)]
    return ops.reshape(x, tuple(wanted))


def _flatten(node: Node, x: Tensor) -> Tensor:
    axis = node.whole("axis", 1)
    if not -x.ndim <= axis <= x.ndim:
        raise node.error(f"axis {axis} is none of shape {x.shape}")
    axis = axis + x.ndim if axis < 0 else axis
    return ops.reshape(x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


def _transpose(node: Node, x: Tensor) -> Tensor:
    return ops.transpose(x, node.get("perm"))


def _squeeze(node: Node, x: Tensor, axes: Any = None) -> Tensor:
    given = node.argument("axes", axes)
    dropped = [i for i, n in enumerate(x.shape) if n == 1] if given is None else [node.axis(a, x.ndim) for a in given]
    if any(x.shape[i] != 1 for i in dropped):
        raise node.error(f"axes {given} of shape {x.shape} are not all of length 1")
    return ops.reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in dropped))


def _unsqueeze(node: Node, x: Tensor, axes: Any = None) -> Tensor:
    given = node.argument("axes", axes) or []
    added = {node.axis(a, x.ndim + len(given)) for a in given}
    if len(added) != len(given):
        raise node.error(f"axes {given} name one of them twice")
    lengths = iter(x.shape)
    return ops.reshape(x, tuple(1 if i in added else next(lengths) for i in range(x.ndim + len(given))))


def _concat(node: Node, *xs: Tensor) -> Tensor:
    return ops.concat(xs, node.whole("axis", 1))


def _split(node: Node, x: Tensor, lengths: Any = None) -> tuple[Tensor, ...]:
    axis, count = node.axis(node.whole("axis", 0), x.ndim), node.whole("num_outputs", len(node.outputs))
    parts = node.argument("split", lengths)
    if parts is None:
        size = -(-x.shape[axis] // count)
        parts = [max(0, min(size, x.shape[axis] - i * size)) for i in range(count)]
    if sum(parts) != x.shape[axis] or len(parts) != len(node.outputs) or min(parts) < 0:
        raise node.error(f"parts {parts} are not {len(node.outputs)} that make up axis {axis} of shape {x.shape}")
    ends = np.cumsum([0, *parts]).tolist()
    lead = (slice(None),) * axis
    return tuple(x[(*lead, slice(a, b))] for a, b in zip(ends[:-1], ends[1:], strict=True))


def _slice(node: Node, x: Tensor, starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None) -> Tensor:
    first, last = node.argument("starts", starts) or [], node.argument("ends", ends) or []
    along = node.argument("axes", axes) or range(len(first))
    by = numbers(steps) if steps is not None else [1] * len(first)
    if not len(first) == len(last) == len(list(along)) == len(by) or 0 in by:
        raise node.error(f"starts {first}, ends {last}, axes {list(along)} and steps {by} do not fit")
    index = [slice(None)] * x.ndim
    for start, end, axis, step in zip(first, last, (node.axis(a, x.ndim) for a in along), by, strict=True):
        if step < 0:  # backwards from before the first element: from it, where NumPy takes none
            start = max(start, -x.shape[axis])
        index[axis] = slice(start, end, step)
    return x[tuple(index)]


def _gather(node: Node, x: Tensor, places: Tensor) -> Tensor:
    axis = node.axis(node.whole("axis", 0), x.ndim)
    index: Any = places.data if places.ndim else int(places.item())
    return x[(*(slice(None),) * axis, index)]


def gather_elements(node: Node, x: Tensor, places: Tensor) -> Tensor:
    """The elements of x at `places` along one axis, which has the length of those; the other axes agree."""
    axis = node.axis(node.whole("axis", 0), x.ndim)
    grid: list[Any] = list(np.ogrid[tuple(slice(n) for n in places.shape)])
    grid[axis] = places.data
    return x[tuple(grid)]


def _gather_nd(node: Node, x: Tensor, places: Tensor) -> Tensor:
    batch, index = node.whole("batch_dims", 0), places.data
    grid: list[Any] = []
    if batch:
        more = index.ndim - 1 - batch
        grid = [g.reshape(*g.shape, *(1,) * more) for g in np.ogrid[tuple(slice(n) for n in index.shape[:batch])]]
    return x[(*grid, *(index[..., i] for i in range(index.shape[-1])))]


def _scattered(node: Node, x: Tensor, index: Any, updates: Tensor) -> Tensor:
    """x with `updates` at an index: in the place of what is there, or added to it."""
    added = ScatterAdd.apply(updates, index=index, shape=x.shape)
    if node.choice("reduction", "none", ("none", "add"), "export a sum, or write each place once") == "add":
        return x + added
    xp = array_module(x.data)
    free = xp.ones(x.shape, bool)
    free[index] = False
    if x.size - int(free.sum()) != updates.size:
        raise node.error("an element is written twice, and which one remains is not said")
    return ops.where(free, x, added) if is_float(x) else Tensor(xp.where(free, x.data, added.data).astype(x.dtype))


def _scatter_elements(node: Node, x: Tensor, places: Tensor, updates: Tensor) -> Tensor:
    axis = node.axis(node.whole("axis", 0), x.ndim)
    grid: list[Any] = list(np.ogrid[tuple(slice(n) for n in places.shape)])
    grid[axis] = places.data
    return _scattered(node, x, tuple(grid), updates)


def _scatter_nd(node: Node, x: Tensor, places: Tensor, updates: Tensor) -> Tensor:
    return _scattered(node, x, tuple(places.data[..., i] for i in range(places.shape[-1])), updates)


def _expand(node: Node, x: Tensor, shape: Tensor) -> Tensor:
    return ops.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(numbers(shape))))


def _tile(node: Node, x: Tensor, repeats: Tensor) -> Tensor:
    times = numbers(repeats)
    if len(times) != x.ndim:
        raise node.error(f"repeats {times} are not one for each axis of shape {x.shape}")
    apart = ops.reshape(x, tuple(n for length in x.shape for n in (1, length)))
    whole = tuple(n for pair in zip(times, x.shape, strict=True) for n in pair)
    return ops.reshape(ops.broadcast_to(apart, whole), tuple(r * n for r, n in zip(times, x.shape, strict=True)))


MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}


def pad(node: Node, x: Tensor, pads: Any = None, value: Any = None, axes: Any = None) -> Tensor:
    """A negative number of elements is cut off."""
    amounts = node.argument("pads", pads) or node.argument("paddings") or []
    along = [node.axis(a, x.ndim) for a in (range(x.ndim) if axes is None else numbers(axes))]
    if len(amounts) != 2 * len(along):
        raise node.error(f"pads {amounts} are not two for each of axes {along} of shape {x.shape}")
    pairs = [(0, 0)] * x.ndim
    for axis, before, after in zip(along, amounts[: len(along)], amounts[len(along) :], strict=True):
        pairs[axis] = (before, after)
    mode = MODES[node.choice("mode", "constant", tuple(MODES))]
    x = x[tuple(slice(max(0, -a), n - max(0, -b)) for (a, b), n in zip(pairs, x.shape, strict=True))]
    pairs = [(max(0, a), max(0, b)) for a, b in pairs]
    fill = number(value) if value is not None else node.get("value", 0.0)
    return ops.pad(x, pairs, fill if mode == "constant" else 0.0, mode)  # type: ignore[arg-type]


def _depth_to_space(node: Node, x: Tensor) -> Tensor:
    r = node.whole("blocksize", 0)
    if x.ndim != 4 or r < 1 or x.shape[1] % (r * r):
        raise node.error(f"blocksize {r} does not fit a value of shape {x.shape}")
    if node.choice("mode", "DCR", ("DCR", "CRD")) == "CRD":
        return ops.pixel_shuffle(x, r)
    n, c, h, w = x.shape
    blocks = ops.transpose(ops.reshape(x, (n, r, r, c // (r * r), h, w)), (0, 3, 4, 1, 5, 2))
    return ops.reshape(blocks, (n, c // (r * r), h * r, w * r))


def _space_to_depth(node: Node, x: Tensor) -> Tensor:
    r = node.whole("blocksize", 0)
    if x.ndim != 4 or r < 1 or x.shape[2] % r or x.shape[3] % r:
        raise node.error(f"blocksize {r} does not fit a value of shape {x.shape}")
    if node.choice("mode", "DCR", ("DCR", "CRD")) == "CRD":
        return ops.pixel_unshuffle(x, r)
    n, c, h, w = x.shape
    blocks = ops.transpose(ops.reshape(x, (n, c, h // r, r, w // r, r)), (0, 3, 5, 1, 2, 4))
    return ops.reshape(blocks, (n, c * r * r, h // r, w // r))


def _shape(node: Node, x: Tensor) -> Array:
    return np.asarray(x.shape[node.get("start", 0) : node.get("end")], np.int64)


def _size(node: Node, x: Tensor) -> Array:
    return np.asarray(x.size, np.int64)


def _constant_of_shape(node: Node, shape: Tensor) -> Array:
    value = np.asarray(node.get("value", np.zeros(1, np.float32)))
    return np.broadcast_to(value.reshape(()), tuple(numbers(shape)))


def _range(node: Node, start: Tensor, limit: Tensor, step: Tensor) -> Array:
    a, b, by = (host(v) for v in (start, limit, step))
    if by.item() == 0:
        raise node.error("its step is 0")
    count = max(0, math.ceil((b.item() - a.item()) / by.item()))
    return (a.reshape(()) + np.arange(count) * by.reshape(())).astype(a.dtype)


def _eye_like(node: Node, x: Tensor) -> Array:
    rows, columns = x.shape
    return np.eye(rows, columns, node.whole("k", 0), DTYPES[node.get("dtype", 1)] if "dtype" in node.attributes
                  else x.dtype)  # fmt: skip


def _one_hot(node: Node, places: Tensor, depth: Tensor, values: Tensor) -> Tensor:
    count, (off, on) = int(number(depth)), host(values)
    axis = node.axis(node.whole("axis", -1), places.ndim + 1)
    xp = array_module(places.data)
    index = xp.expand_dims(places.data % count, axis)
    shape = tuple(count if i == axis else 1 for i in range(places.ndim + 1))
    inside = xp.expand_dims((places.data >= -count) & (places.data < count), axis)
    hot = (index == xp.arange(count).reshape(shape)) & inside
    return Tensor(xp.where(hot, on, off).astype(values.dtype))


def _trilu(node: Node, x: Tensor, k: Any = None) -> Tensor:
    diagonal = 0 if k is None else int(number(k))
    kept = np.tri(x.shape[-2], x.shape[-1], diagonal - 1 if node.get("upper", 1) else diagonal, dtype=bool)
    xp = array_module(x.data)
    mask = xp.broadcast_to(xp.asarray(~kept if node.get("upper", 1) else kept), x.shape)
    return ops.where(mask, x, 0.0) if is_float(x) else Tensor(xp.where(mask, x.data, 0).astype(x.dtype))


SHAPE: dict[str, Operator] = {
    "Reshape": _reshape, "Flatten": _flatten, "Transpose": _transpose, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze,
    "Concat": _concat, "Split": _split, "Slice": _slice, "Gather": _gather, "GatherElements": gather_elements,
    "GatherND": _gather_nd, "Expand": _expand, "Tile": _tile, "Pad": pad, "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth, "Shape": _shape, "Size": _size, "ConstantOfShape": _constant_of_shape,
    "Range": _range, "EyeLike": _eye_like, "OneHot": _one_hot, "Trilu": _trilu,
    "ScatterElements": _scatter_elements, "Scatter": _scatter_elements, "ScatterND": _scatter_nd,
}  # fmt: skip
