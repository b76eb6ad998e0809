"""Softmax and its logarithm over rows, the obvious NumPy version: subtract the largest, take exp, divide by the sum.

Without the first step exp would overflow; it changes nothing, since the factor cancels. Sums are taken in float64.

What is not finite follows from the formula, as in PyTorch: -inf beside finite numbers has probability 0; a row that
holds a NaN or +inf, or -inf alone, is NaN throughout, because no distribution belongs to it.

Imports: NumPy. Read next: ``loss.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array


def softmax(x: Array) -> Array:
    """y = exp(x) / sum exp(x), the sum over each row: x (R, K) -> y (R, K), K at least 1."""
    e = np.exp(_below_largest(x))
    return (e / e.sum(axis=1, keepdims=True, dtype=np.float64)).astype(x.dtype)


def softmax_backward(gy: Array, y: Array) -> Array:
    """Gradient of `softmax` in x, from its result y: gx = y (gy - sum gy y), all (R, K).

    Its Jacobian is derived in docs/guide/10_losses.md.
    """
    check_rows("softmax_backward", gy, y)
    return (y * (gy - (gy * y).sum(axis=1, keepdims=True, dtype=np.float64))).astype(y.dtype)


def log_softmax(x: Array) -> Array:
    """y = x - log sum exp(x), the sum over each row: x (R, K) -> y (R, K), K at least 1."""
    shifted = _below_largest(x)
    return (shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True, dtype=np.float64))).astype(x.dtype)


def log_softmax_backward(gy: Array, y: Array) -> Array:
    """Gradient of `log_softmax` in x, from its result y: gx = gy - exp(y) sum gy, all (R, K)."""
    check_rows("log_softmax_backward", gy, y)
    return (gy - np.exp(y) * gy.sum(axis=1, keepdims=True, dtype=np.float64)).astype(y.dtype)


def _below_largest(x: Array) -> Array:
    """x less the largest of its row."""
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, which is the answer
        return x - x.max(axis=1, keepdims=True)


def check_rows(name: str, gy: Array, y: Array) -> None:
    """Raise ValueError unless gy is like y (R, K). All versions call this: compiled code would read past the end."""
    if y.ndim != 2 or gy.shape != y.shape or gy.dtype != y.dtype:
        raise ValueError(
            f"{name}: gy has shape {gy.shape} and dtype {gy.dtype}, but y has {y.shape} and {y.dtype}; "
            "both are (R, K), of one dtype"
        )
