"""Products of matrices: matmul, and linear, which is a dense layer's whole computation.

Imports: autograd, bias_act, reduce, shape, kernels. Read next: ``conv.py``.
"""

from __future__ import annotations

import math

import numpy as np

from minigen.autograd import Function, FusedFunction, Tensor, as_tensor
from minigen.ops.bias_act import IDENTITY, Activation, Fused, activation_gradient, check_activation, split_activation
from minigen.ops.reduce import sum
from minigen.ops.shape import reshape, swap_last, transpose
from minigen.shapes import stack_shape
from minigen_kernels import Array, for_array


def gemm(a: Array, b: Array) -> Array:
    """a @ b: the one place where the engine multiplies matrices. Two of floats are a kernel's work, see its file.

    On a GPU vectors and stacks of matrices are, too.
    """
    two = a.ndim == b.ndim == 2 or not isinstance(a, np.ndarray)
    if two and a.dtype == b.dtype and a.dtype.kind == "f":
        return for_array(a).matmul(a, b)
    return _for_blas(a) @ _for_blas(b)


def _for_blas(x: Array) -> Array:
    """A copy of matrices that repeat a number, such as the gradient of a sum: NumPy multiplies them without BLAS."""
    return x.copy() if isinstance(x, np.ndarray) and 0 in x.strides[-2:] else x


class MatMul(Function):
    """(..., M, K) @ (..., K, N) -> (..., M, N); leading axes broadcast."""

    one_dtype = True

    def forward(self, a: Array, b: Array) -> Array:
        return gemm(a, b)

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        a, b = self.inputs
        return (
            _matmul_to(gy, swap_last(b), a.shape) if self.needs(0) else None,
            _matmul_to(swap_last(a), gy, b.shape) if self.needs(1) else None,
        )


class Linear(FusedFunction):
    one_dtype = True
    fused: Fused

    def forward(self, x: Array, w: Array, b: Array | None = None) -> Array:
        z = gemm(x, w.T)
        return z if b is None else for_array(z).bias_act(z[:, :, None], b, *self.fused)[:, :, 0]

    def backward_arrays(self, gy: Array, y: Array) -> tuple[Array | None, ...]:
        x, w = self.inputs[0].data, self.inputs[1].data
        gz, gb = gy, None
        if len(self.inputs) == 3 and (self.fused is not IDENTITY or self.needs(2)):
            gz, gb = for_array(y).bias_act_backward(gy[:, :, None], y[:, :, None], *self.fused)
            gz = gz[:, :, 0]
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
    if left.ndim > 2 and left.ndim >= right.ndim and all(n == 1 for n in right.shape[:-2]):
        # All matrices of the stack meet one and the same: they are one matrix of many rows.
        k = left.shape[-1]
        left, right = reshape(left, (math.prod(left.shape[:-1]), k)), reshape(right, (k, right.shape[-1]))
    return reshape(MatMul.apply(left, right), (*stack, *rows, *columns))


def _matmul_to(a: Tensor, b: Tensor, shape: tuple[int, ...]) -> Tensor:
    """``sum_to(a @ b, shape)`` for stacks of matrices, without making the products that are summed.

    What is summed over one leading axis is the product of matrices that lie side by side: sum_i a_i b_i = [a_1 a_2 ...]
    [b_1 b_2 ...]^T. So these axes join the axis that the product sums over.
    """
    if a.ndim == b.ndim == 2:
        return matmul(a, b)
    stack = stack_shape(a.shape, b.shape)
    n = len(stack)
    a, b = (reshape(x, (*(1,) * (n + 2 - x.ndim), *x.shape)) for x in (a, b))
    wanted = (*(1,) * (n + 2 - len(shape)), *shape)
    summed = [i for i in range(n) if wanted[i] != stack[i]]
    if summed:
        kept = [i for i in range(n) if i not in summed]
        length = math.prod(stack[i] for i in summed) * a.shape[-1]
        rows, columns = a.shape[-2], b.shape[-1]
        a = reshape(transpose(a, (*kept, n, *summed, n + 1)), (*(a.shape[i] for i in kept), rows, length))
        b = reshape(transpose(b, (*kept, *summed, n, n + 1)), (*(b.shape[i] for i in kept), length, columns))
    return reshape(matmul(a, b), shape)


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
    check_activation("linear", activation)
    fused, left = (IDENTITY, activation) if b is None else split_activation(activation)
    flat = x if len(size) == 2 else reshape(x, (-1, size[-1]))
    y = Linear.apply(flat, w, fused=fused) if b is None else Linear.apply(flat, w, b, fused=fused)
    y = y if len(size) == 2 else reshape(y, (*size[:-1], weights[0]))
    return y if left is None else left(y)


__all__ = ["linear", "matmul"]
