"""Products of matrices: matmul, and linear, which is a dense layer's whole computation.

Imports: autograd, bias_act, reduce, shape, kernels. Read next: ``conv.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigen.autograd import FusedFunction, Tensor, as_tensor
from minigen.ops.bias_act import (
    IDENTITY,
    Activation,
    Fused,
    activation_gradient,
    bias_act_gradients,
    check_activation,
    split_activation,
)
from minigen.ops.reduce import sum
from minigen.ops.shape import reshape, swap_last, transpose
from minigen.shapes import stack_shape
from minigen_kernels import Array, for_array

NARROW = 16  # rows: a stack of matrices of fewer takes BLAS longer than one matrix of all their rows
FEW = 8  # columns: a product with fewer takes no longer than a copy of the other factor


def gemm(a: Array, b: Array) -> Array:
    """a @ b: the one place where the engine multiplies matrices. Two of floats are a kernel's work, see its file.

    On a GPU vectors and stacks of matrices are, too. A matrix that all of a stack meet is multiplied with all at once,
    if these are narrow or lie one below the other.
    """
    if a.ndim <= 2 >= b.ndim:
        return _product(a, b)
    n = max(a.ndim, b.ndim)
    a, b = _with_axes(a, n), _with_axes(b, n)
    if axes := _to_join(a, b):
        return _of_joined(a, b, axes)
    if axes := _to_join(swap_last(b), swap_last(a)):
        return swap_last(_of_joined(swap_last(b), swap_last(a), axes))
    return _product(a, b)


def _product(a: Array, b: Array) -> Array:
    two = a.ndim == b.ndim == 2 or not isinstance(a, np.ndarray)
    if two and a.dtype == b.dtype and a.dtype.kind == "f":
        return for_array(a).matmul(a, b)
    return _for_blas(a) @ _for_blas(b)


def _for_blas(x: Array) -> Array:
    """A copy of matrices that repeat a number, such as the gradient of a sum: NumPy multiplies them without BLAS."""
    return x.copy() if isinstance(x, np.ndarray) and 0 in x.strides[-2:] else x


def _to_join(a: Array, b: Array) -> list[int]:
    """The axes along which the matrices of a meet one and the same of b, if it is worth to make them one matrix."""
    n = a.ndim - 2
    axes = _repeated(b.shape, a.shape)
    if not axes or (a.shape[-2] < NARROW and b.shape[-1] >= FEW):
        return axes
    is_one = a.flags.c_contiguous and all(i in axes or a.shape[i] == 1 for i in range(axes[0], n))
    return axes if is_one else []


def _of_joined(a: Array, b: Array, axes: Sequence[int]) -> Array:
    """a @ b, of which b is the same all along `axes`."""
    n = a.ndim - 2
    kept = [i for i in range(n) if i not in axes]
    y = gemm(_joined(a, axes, rows=True), b.reshape(*(b.shape[i] for i in kept), *b.shape[-2:]))
    y = y.reshape(*y.shape[:-2], *(a.shape[i] for i in axes), a.shape[-2], b.shape[-1])
    return y.transpose(*np.argsort((*kept, *axes)).tolist(), n, n + 1)


def _joined(x: Any, axes: Sequence[int], *, rows: bool) -> Any:
    """A stack (array or Tensor); its matrices along `axes` become one: one below another (`rows`) or side by side."""
    if not axes:
        return x
    n, (height, width) = x.ndim - 2, x.shape[-2:]
    kept, count = [i for i in range(n) if i not in axes], math.prod([x.shape[i] for i in axes])
    if rows:
        order, matrix = (*kept, *axes, n, n + 1), (count * height, width)
    else:
        order, matrix = (*kept, n, *axes, n + 1), (height, count * width)
    return x.transpose(order).reshape((*(x.shape[i] for i in kept), *matrix))


def _with_axes(x: Any, n: int) -> Any:
    """With n axes: those that lack in front have length 1."""
    return x if x.ndim == n else x.reshape((*(1,) * (n - x.ndim), *x.shape))


def _repeated(shape: tuple[int, ...], full: tuple[int, ...]) -> list[int]:
    """The axes of a stack of matrices along which `shape` is repeated in a product with stack `full`."""
    return [i for i in range(len(shape) - 2) if shape[i] == 1 != full[i]]


class MatMul(FusedFunction):
    """(..., M, K) @ (..., K, N) -> (..., M, N); leading axes broadcast.

    What was repeated along an axis gets a sum over that axis as its gradient. Such a sum is one product, of matrices
    side by side: sum_i a_i b_i = [a_1 a_2 ...] [b_1^T b_2^T ...]^T; so the products in it are never made.
    Derived for two matrices in docs/guide/02_engine.md.
    """

    one_dtype = True

    def forward(self, a: Array, b: Array) -> Array:
        return gemm(a, b)

    def onnx(self, graph: Any, a: Any, b: Any) -> Any:
        return graph.node("MatMul", a, b)

    def backward_arrays(self, gy: Array, y: Array) -> tuple[Any, ...]:
        return self._gradients(gemm, gy, *[x.data for x in self.inputs])

    def gradient(self, gy: Tensor, y: Tensor) -> tuple[Any, ...]:
        return self._gradients(matmul, gy, *self.inputs)

    def _gradients(self, product: Callable[[Any, Any], Any], gy: Any, *factors: Any) -> tuple[Any, ...]:
        """Of arrays with gemm as the product, of Tensors with matmul."""
        a, b = (_with_axes(x, gy.ndim) for x in factors)
        ga = gb = None
        if self.needs(0):
            axes = _repeated(a.shape, gy.shape)
            ga = product(_joined(gy, axes, rows=False), swap_last(_joined(b, axes, rows=False))).reshape(
                factors[0].shape
            )
        if self.needs(1):
            axes = _repeated(b.shape, gy.shape)
            gb = product(swap_last(_joined(a, axes, rows=True)), _joined(gy, axes, rows=True)).reshape(factors[1].shape)
        return ga, gb


class Linear(FusedFunction):
    """y = activation(x w^T + b): x (N, in), w (out, in), b (out,) -> (N, out). Derived in docs/guide/05_dense.md."""

    one_dtype = True
    fused: Fused

    def forward(self, x: Array, w: Array, b: Array | None = None) -> Array:
        z = gemm(x, w.T)
        return z if b is None else for_array(z).bias_act(z[:, :, None], b, *self.fused)[:, :, 0]

    def onnx(self, graph: Any, x: Any, w: Any, b: Any = None) -> Any:
        return graph.activation(graph.node("Gemm", x, w, b, transB=1), self.fused)

    def backward_arrays(self, gy: Array, y: Array) -> tuple[Array | None, ...]:
        x, w = self.inputs[0].data, self.inputs[1].data
        gy = gy if gy.flags.c_contiguous else gy.copy()  # one layout: cuBLAS by CuPy and by a graph give the same bits
        gz, gb = bias_act_gradients(self.fused, gy, y, len(self.inputs) == 3 and self.needs(2))
        gx = gemm(gz, w) if self.needs(0) else None
        gw = gemm(gz.T, x) if self.needs(1) else None
        return (gx, gw, gb)[: len(self.inputs)]

    def gradient(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        x, w = self.inputs[:2]
        gz = activation_gradient(self.fused, gy, y)
        gx = matmul(gz, w) if self.needs(0) else None
        gw = matmul(transpose(gz), x) if self.needs(1) else None
        gb = sum(gz, 0) if len(self.inputs) == 3 and self.needs(2) else None
        return (gx, gw, gb)[: len(self.inputs)]


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """The matrix product as in NumPy: stacks broadcast; a 1-d operand is a row (left) or column (right)."""
    a, b = as_tensor(a), as_tensor(b)
    if not a.ndim or not b.ndim or a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError(
            f"matmul: shapes {a.shape} @ {b.shape} do not fit; the last axis of a is the last but one of b"
        )
    left = reshape(a, (1, a.size)) if a.ndim == 1 else a
    right = reshape(b, (b.size, 1)) if b.ndim == 1 else b
    rows, columns = left.shape[-2:-1] if a.ndim > 1 else (), right.shape[-1:] if b.ndim > 1 else ()
    if left.ndim == right.ndim == 2:
        y = MatMul.apply(left, right)
        return y if a.ndim == b.ndim == 2 else reshape(y, (*rows, *columns))
    stack = stack_shape(left.shape, right.shape)
    y = MatMul.apply(left, right)
    return y if a.ndim > 1 < b.ndim else reshape(y, (*stack, *rows, *columns))


def linear(x: Tensor, w: Tensor, b: Tensor | None = None, activation: Activation | None = None) -> Tensor:
    """The dense layer y = activation(x w^T + b) for x (..., in), w (out, in), b (out,): y (..., out).

    With a bias, an activation that `bias_act` knows is computed in the same pass.
    """
    x, w = as_tensor(x), as_tensor(w)
    size, weights = x.shape, w.shape
    if len(weights) != 2 or not size or size[-1] != weights[1]:
        raise ValueError(f"linear: expected x (..., in) and w (out, in), got x {size} and w {weights}")
    if b is not None and as_tensor(b).shape != weights[:1]:
        raise ValueError(f"linear: expected b ({weights[0]},) for w {weights}, got {as_tensor(b).shape}")
    fused, left = (IDENTITY, activation) if b is None else split_activation(activation)
    if left is not None:
        check_activation("linear", left)
    flat = x if len(size) == 2 else reshape(x, (-1, size[-1]))
    y = Linear.apply(flat, w, fused=fused) if b is None else Linear.apply(flat, w, b, fused=fused)
    y = y if len(size) == 2 else reshape(y, (*size[:-1], weights[0]))
    return y if left is None else left(y)


__all__ = ["linear", "matmul"]
