"""A layer in Keras' words, and how each of its variables is made of an entry of ours and back.

Imports: nothing of minigen. Read next: ``keras_kinds.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from minigen_kernels import Array

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Variable:
    """A variable of Keras: the entry that it is, transposed to `axes`, in `shape`, with rows and columns in this order.

    Row i of Keras is row ``rows[i]`` of ours.
    """

    entry: str
    shape: Shape
    axes: tuple[int, ...] = ()
    rows: Array | None = None
    columns: Array | None = None

    def to_keras(self, array: Array) -> Array:
        """Our array as Keras keeps it."""
        array = (array.transpose(self.axes) if self.axes else array).reshape(self.shape)
        array = array if self.rows is None else array[self.rows]
        return np.array(array if self.columns is None else array[..., self.columns], order="C")

    def from_keras(self, array: Array, own_shape: Shape) -> Array:
        """Keras' array, which has `shape`, as ours of `own_shape`."""
        array = array if self.columns is None else array[..., np.argsort(self.columns)]
        array = array if self.rows is None else array[np.argsort(self.rows)]
        if not self.axes:
            return np.array(array.reshape(own_shape), order="C")
        transposed = tuple(own_shape[axis] for axis in self.axes)
        return np.array(array.reshape(transposed).transpose(np.argsort(self.axes)), order="C")


@dataclass(frozen=True)
class KerasLayer:
    """A layer of Keras: its class, its settings, its variables in the order of the file; `inner` of a wrapper.

    `path` is that of our layer, for errors; `normalized` of a spectral norm, whose kernel is kept divided.
    """

    kind: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    variables: tuple[Variable, ...] = ()
    inner: KerasLayer | None = None
    path: str = ""

    def named(self, path: str) -> KerasLayer:
        """The same with the path of our layer."""
        return replace(self, path=path)


@dataclass(frozen=True)
class Context:
    """Where a layer stands: its path, the shapes (without N) of its input and output, and the order of flat features.

    `rows` is the order of the incoming features, `columns` that of the outgoing ones: feature i of Keras is ours at
    that place. None: the same order.
    """

    path: str
    here: Shape
    there: Shape
    rows: Array | None
    columns: Array | None

    def name(self, entry: str) -> str:
        """The name of an entry of the layer in the state of the network."""
        return f"{self.path}.{entry}" if self.path else entry


def channels_last(shape: Shape) -> Shape:
    """(C, H, W) -> (H, W, C); (D,) stays."""
    return (*shape[1:], *shape[:1])


def order_of(shape: Shape) -> Array | None:
    """The order in which Keras flattens images that are (C, H, W) here: feature i is ours at that place."""
    if len(shape) < 2:
        return None
    order = np.arange(math.prod(shape)).reshape(shape)
    order = np.moveaxis(order, 0, -1).reshape(-1)
    return None if np.array_equal(order, np.arange(order.size)) else order


def same_order(a: Array | None, b: Array | None) -> bool:
    """Whether two orders are the same."""
    return b is None if a is None else b is not None and np.array_equal(a, b)
