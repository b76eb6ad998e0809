"""Embedding: rows of a table by their numbers, as words, classes or codes are given vectors.

The operation is linear in the table, and its gradient - for each row of the table the sum of what came back for it - is
linear too; the two are each other's gradients, so every order is there.

Imports: autograd, elementwise, kernels. Read next: ``minigen/nn/module.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.autograd import Function, Tensor, as_tensor
from minigen.device import array_module, to_device
from minigen.ops.elementwise import where
from minigen.shapes import is_whole, shown
from minigen_kernels import Array, for_array


class Embedding(Function):
    index: Array
    padding_idx: int | None

    def forward(self, w: Array) -> Array:
        return w[self.index]

    def onnx(self, graph: Any, w: Any) -> Any:
        return graph.node("Gather", w, self.index, axis=0)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        if self.padding_idx is not None:
            gy = where((self.index == self.padding_idx)[..., None], 0.0, gy)
        return EmbeddingGrad.apply(gy, index=self.index, rows=self.inputs[0].shape[0])


class EmbeddingGrad(Function):
    index: Array
    rows: int

    def forward(self, g: Array) -> Array:
        # Each column of the table is a plane of one line for this kernel: it adds in a fixed order on every device. In
        # float64, since the sum for a row that is named a million times has a million terms.
        xp, n, width = array_module(g), self.index.size, g.shape[-1]
        columns = g.reshape(n, width).T.reshape(1, width, 1, n).astype(np.float64)
        places = xp.broadcast_to(self.index.reshape(-1), columns.shape)
        gw = for_array(columns).plane_scatter(columns, places, (1, self.rows), None)
        return xp.ascontiguousarray(gw.reshape(width, self.rows).T.astype(g.dtype))

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return Embedding.apply(gy, index=self.index, padding_idx=None)


def embedding(indices: Any, w: Tensor, padding_idx: int | None = None) -> Tensor:
    """y[...] = w[indices[...]]: whole numbers of any shape, w (num_embeddings, D) -> (*indices.shape, D).

    The row `padding_idx` (-1: the last) is read like any other but gets no gradient. `indices` are from 0 to
    num_embeddings - 1, a list, an array or a Tensor; that is not checked of those on a GPU, for a check would make the
    host wait. Raises IndexError for one outside, TypeError for numbers that are not whole.
    """
    listed = not hasattr(indices, "dtype")  # a list lies on no device: it goes where w is
    w, indices = as_tensor(w), as_tensor(indices)
    if w.ndim != 2 or w.dtype.kind != "f":
        raise ValueError(f"embedding: expected w (num_embeddings, D) of floats, got {w.dtype} {w.shape}")
    if indices.dtype.kind not in "iu":
        if indices.size or not isinstance(indices.data, np.ndarray):
            raise TypeError(f"embedding: indices are whole numbers, got {indices.dtype}; use .to(dtype=np.int64)")
        indices = Tensor(indices.data.astype(np.int64))  # an empty list has no numbers to be whole
    if indices.device != w.device and not listed:
        raise TypeError(f"embedding: indices are on {indices.device}, w on {w.device}; use .to(device)")
    rows = w.shape[0]
    if padding_idx is not None:
        padding_idx = row("embedding", padding_idx, rows)
    if indices.device == "cpu" and indices.size:
        low, high = indices.data.min(), indices.data.max()
        if low < 0 or high >= rows:
            raise IndexError(f"embedding: indices must be from 0 to {rows - 1} (w {w.shape}), got {low} to {high}")
    return Embedding.apply(w, index=to_device(indices.data.astype(np.int64), w.device), padding_idx=padding_idx)


def row(name: str, value: int, rows: int) -> int:
    """The number of a row, counted from the end if it is below 0."""
    if isinstance(value, bool) or not is_whole(value) or not -rows <= value < rows:
        raise ValueError(f"{name}: padding_idx is a row from {-rows} to {rows - 1}, got {shown(value)}")
    return int(value) % rows


__all__ = ["embedding"]
