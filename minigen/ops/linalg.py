"""Products of matrices: matmul, and linear, which is a dense layer's whole computation.

Imports: tensor. Read next: ``conv.py``.
"""

from __future__ import annotations

from minigen.tensor import Function, Tensor, as_tensor, matmul, reshape, sum, transpose
from minigen_kernels import Array


class Linear(Function):
    def forward(self, x: Array, w: Array, b: Array | None = None) -> Array:
        y: Array = x @ w.T
        if b is not None:
            y += b
        return y

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        x, w = self.inputs[:2]
        gx = matmul(gy, w) if self.needs(0) else None
        gw = matmul(transpose(gy), x) if self.needs(1) else None
        if len(self.inputs) == 2:
            return gx, gw
        return gx, gw, sum(gy, 0) if self.needs(2) else None


def linear(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    """The dense layer y = x w^T + b for x (..., in), w (out, in), b (out,): y (..., out)."""
    x, w = as_tensor(x), as_tensor(w)
    if w.ndim != 2 or not x.ndim or x.shape[-1] != w.shape[1]:
        raise ValueError(f"linear: expected x (..., in) and w (out, in), got x {x.shape} and w {w.shape}")
    if b is not None and as_tensor(b).shape != w.shape[:1]:
        raise ValueError(f"linear: expected b ({w.shape[0]},) for w {w.shape}, got {as_tensor(b).shape}")
    flat = x if x.ndim == 2 else reshape(x, (-1, x.shape[-1]))
    y = Linear.apply(flat, w) if b is None else Linear.apply(flat, w, b)
    return y if x.ndim == 2 else reshape(y, (*x.shape[:-1], w.shape[0]))


__all__ = ["linear", "matmul"]
