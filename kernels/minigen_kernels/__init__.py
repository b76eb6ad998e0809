"""Room 0: kernels. Arrays in, arrays out; nothing here knows what a Tensor or a gradient is.

What NumPy says in one line is not here (it runs on NumPy and CuPy as it stands). What needs a loop is a kernel, and
every kernel exists under the same name, in a file of the same name, in three folders:

* ``reference`` - the obvious NumPy version; its docstring is the specification. Read this first.
* ``cpu``       - the same function in Numba, compiled on first use.
* ``cuda``      - the same function in CUDA C++, launched through CuPy. Proven by running the same source on the host.

`KernelSet` below is the table of contents: one line per kernel. `for_array` is the only dispatch.

The contract of every kernel:

* Pure: it allocates what it returns, and neither keeps nor changes an argument. The one exception are the optimizer
  updates (`sgd_update`, `rmsprop_update`, `adam_update`), whose whole purpose is to change parameter and state in place.
* float32 in, float32 out; float64 in, float64 out.
* Any strides are accepted.
* Deterministic: one output cell has one owner, so the bits of a result depend on the arguments alone.

Imports: NumPy. Read next: ``reference/conv.py``.
"""

from __future__ import annotations

import importlib
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]  # or a cupy.ndarray, which has the same interface
Pair = tuple[int, int]  # (vertical, horizontal)
Window = tuple[Pair, Pair, Pair]  # kernel, stride, padding of a pooling window


class KernelSet(Protocol):
    """The kernels, one line each. Shapes and formulas: the docstring of the same function in ``reference``."""

    # fmt: off
    # conv.py - each of the three is the gradient of the other two.
    def conv2d(self, x: Array, w: Array, out_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> Array: ...
    def conv_transpose2d(self, g: Array, w: Array, out_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> Array: ...
    def conv2d_weight_grad(self, x: Array, g: Array, kernel_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> Array: ...

    # pool.py - plane_gather and plane_scatter are each other's gradients; so are avg_pool2d and avg_pool2d_adjoint.
    def max_pool2d(self, x: Array, out_hw: Pair, kernel: Pair, stride: Pair, padding: Pair) -> tuple[Array, Array]: ...
    def plane_gather(self, x: Array, index: Array) -> Array: ...
    def plane_scatter(self, g: Array, index: Array, hw: Pair, window: Window | None) -> Array: ...
    def avg_pool2d(self, x: Array, out_hw: Pair, kernel: Pair, stride: Pair, padding: Pair, count_include_pad: bool) -> Array: ...
    def avg_pool2d_adjoint(self, g: Array, hw: Pair, kernel: Pair, stride: Pair, padding: Pair, count_include_pad: bool) -> Array: ...

    # upsample.py - each pair is each other's gradient.
    def upsample_nearest2d(self, x: Array, scale: Pair) -> Array: ...
    def block_sum2d(self, g: Array, scale: Pair) -> Array: ...
    def upsample_bilinear2d(self, x: Array, scale: Pair) -> Array: ...
    def upsample_bilinear2d_adjoint(self, g: Array, scale: Pair) -> Array: ...

    # norm.py - fused; the operation that calls them also states its definition in primitive operations.
    def batch_norm(self, x: Array, w: Array, b: Array, eps: float) -> tuple[Array, Array, Array]: ...
    def batch_norm_backward(self, gy: Array, x: Array, w: Array, mean: Array, var: Array, eps: float) -> tuple[Array, Array, Array]: ...
    def layer_norm(self, x: Array, w: Array, b: Array, eps: float) -> tuple[Array, Array, Array]: ...
    def layer_norm_backward(self, gy: Array, x: Array, w: Array, mean: Array, var: Array, eps: float) -> tuple[Array, Array, Array]: ...

    # elementwise.py - what NumPy lacks, or does slowly.
    def erf(self, x: Array) -> Array: ...
    def scale_where(self, x: Array, condition: Array, slope: float) -> Array: ...

    # optim.py - these change p and its state in place.
    def sgd_update(self, p: Array, g: Array, momentum_buffer: Array, lr: float, momentum: float, nesterov: bool, weight_decay: float) -> None: ...
    def rmsprop_update(self, p: Array, g: Array, square_avg: Array, momentum_buffer: Array, lr: float, alpha: float, eps: float, momentum: float, weight_decay: float) -> None: ...
    def adam_update(self, p: Array, g: Array, m: Array, v: Array, step: int, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float, decoupled: bool) -> None: ...

    # random.py - counter-based: the numbers depend on (seed, stream, position) alone.
    def philox(self, seed: int, stream: int, position: int, blocks: int) -> Array: ...
    def uniform(self, seed: int, stream: int, position: int, n: int, dtype: Any) -> Array: ...
    def normal(self, seed: int, stream: int, position: int, n: int, dtype: Any) -> Array: ...
    # fmt: on


def for_device(device: str) -> KernelSet:
    """The kernel room of a device: "cpu" or "cuda". The room is imported when it is first asked for (Numba takes 0.4 s)."""
    if device not in ("cpu", "cuda"):
        raise ValueError(f"for_device: device is 'cpu' or 'cuda', got {device!r}")
    return cast(KernelSet, importlib.import_module(f"minigen_kernels.{device}"))


def for_array(x: Array) -> KernelSet:
    """The kernel room that belongs to an array of floats: `cpu` for numpy.ndarray, `cuda` for cupy.ndarray."""
    if x.dtype.kind != "f":  # compiled for integers, some kernels would cut off fractions without a word
        raise TypeError(f"kernels compute in float32 and float64, got {x.dtype}; use .to(dtype=np.float32)")
    return for_device("cpu" if isinstance(x, (np.ndarray, np.generic)) else "cuda")
