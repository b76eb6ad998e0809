"""Kernels: functions of arrays, without Tensors and without autograd.

A computation that is one line of NumPy is not here (it runs on NumPy and CuPy). One that needs a loop is a kernel, and
every kernel exists under the same name, in a file of the same name, in three folders:

* ``reference`` - a simple NumPy version; its docstring is the specification. Read this first.
* ``cpu``       - the same function in Numba, compiled on first use.
* ``cuda``      - the same function in CUDA C++, launched through CuPy. Tested by running the same source on the host.

`KernelSet` below is the table of contents: one line per kernel. `for_array` is the only dispatch. A fourth folder,
``plain``, is for reading: six kernels as short loops in Numba and in CUDA, between the formula and the fast versions.

The contract of every kernel:

* Pure: it allocates its results, and does not change its arguments. The exception are the optimizer updates
  (`sgd_update`, `rmsprop_update`, `adam_update`), which change parameter and state in place, and `average_update` and
  `total_update`.
* float32 in, float32 out; float64 in, float64 out.
* Any strides are accepted.
* Deterministic: each output element is written by one thread, so the bits of a result depend only on the arguments.

Imports: NumPy. Read next: ``reference/conv.py``.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import math
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]  # or a cupy.ndarray, which has the same interface
Arrays = Any  # an array, or a list of arrays that are all treated alike, on a GPU by one launch
Pair = tuple[int, int]  # (vertical, horizontal)
Step = tuple[float, float]  # (vertical, horizontal), in pixels
Window = tuple[Pair, Pair, Pair]  # kernel, stride, padding of a pooling window


class KernelSet(Protocol):
    """The kernels, one line each. Shapes and formulas: the docstring of the same function in ``reference``."""

    # fmt: off
    # conv.py - each of the first three is the gradient of the other two. The fourth is fused, with those of activation.py.
    def conv2d(self, x: Array, w: Array, out_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int, b: Array | None = None, activation: str = "identity", slope: float = 0.0) -> Array: ...
    def conv_transpose2d(self, g: Array, w: Array, out_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int, b: Array | None = None, activation: str = "identity", slope: float = 0.0) -> Array: ...
    def conv2d_weight_grad(self, x: Array, g: Array, kernel_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int) -> Array: ...
    def conv2d_upsample(self, x: Array, w: Array, out_hw: Pair, stride: Pair, padding: Pair, dilation: Pair, groups: int, b: Array, activation: str, slope: float, scale: Pair) -> tuple[Array, Array]: ...

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

    # interpolate.py - each pair is each other's gradient.
    def interpolate_nearest2d(self, x: Array, out_hw: Pair, step: Step) -> Array: ...
    def interpolate_nearest2d_adjoint(self, g: Array, hw: Pair, step: Step) -> Array: ...
    def interpolate_bilinear2d(self, x: Array, out_hw: Pair, step: Step, align_corners: bool) -> Array: ...
    def interpolate_bilinear2d_adjoint(self, g: Array, hw: Pair, step: Step, align_corners: bool) -> Array: ...

    # gemm.py
    def matmul(self, a: Array, b: Array) -> Array: ...

    # reduce.py - sums that keep their digits, however many terms they have.
    def sum_axes(self, x: Array, axes: tuple[int, ...], scale: float) -> Array: ...

    # activation.py - fused, as those in norm.py: what ends a dense layer or a convolution. `activation`: a name of the table in ``reference``.
    def bias_act(self, x: Array, b: Array, activation: str, slope: float) -> Array: ...
    def bias_act_backward(self, gy: Array, y: Array, activation: str, slope: float) -> tuple[Array, Array]: ...

    # the same after pooling, or before an enlargement: in pool.py and upsample.py.
    def bias_act_max_pool2d(self, x: Array, b: Array, activation: str, slope: float, out_hw: Pair, kernel: Pair, stride: Pair, padding: Pair) -> tuple[Array, Array]: ...
    def bias_act_max_pool2d_backward(self, gy: Array, y: Array, index: Array, activation: str, slope: float, hw: Pair, window: Window) -> tuple[Array, Array]: ...
    def bias_act_upsample_backward(self, gy: Array, y: Array, activation: str, slope: float, scale: Pair) -> tuple[Array, Array]: ...

    # norm.py - fused; the operation that calls them also states its definition in primitive operations.
    def batch_norm(self, x: Array, w: Array, b: Array, running_mean: Array, running_var: Array, eps: float, momentum: float, slope: float) -> tuple[Array, Array, Array, Array, Array]: ...
    def batch_norm_backward(self, gy: Array, y: Array, x: Array, w: Array, mean: Array, var: Array, eps: float, slope: float) -> tuple[Array, Array, Array]: ...
    def layer_norm(self, x: Array, w: Array, b: Array, eps: float) -> tuple[Array, Array, Array]: ...
    def layer_norm_backward(self, gy: Array, x: Array, w: Array, mean: Array, var: Array, eps: float) -> tuple[Array, Array, Array]: ...

    # softmax.py - fused, with a definition; each backward takes the result y.
    def softmax(self, x: Array) -> Array: ...
    def softmax_backward(self, gy: Array, y: Array) -> Array: ...
    def log_softmax(self, x: Array) -> Array: ...
    def log_softmax_backward(self, gy: Array, y: Array) -> Array: ...

    # loss.py - elements and their sums; fused, with a definition.
    def bce_with_logits(self, x: Array, y: Array) -> Array: ...
    def bce_with_logits_sum(self, x: Array, y: Array, scale: float) -> Array: ...
    def bce_with_logits_sum_backward(self, gy: Array, x: Array, y: Array, scale: float) -> Array: ...
    def mse_sum(self, p: Array, t: Array, scale: float) -> Array: ...
    def mse_sum_backward(self, gy: Array, p: Array, t: Array, scale: float) -> Array: ...
    def mse_act_sum(self, x: Array, t: Array, activation: str, scale: float) -> tuple[Array, Array]: ...
    def mse_act_sum_backward(self, gy: Array, y: Array, t: Array, activation: str, scale: float) -> Array: ...
    def gaussian_kl_sum(self, mean: Array, logvar: Array, scale: float) -> Array: ...
    def gaussian_kl_sum_backward(self, gy: Array, mean: Array, logvar: Array, scale: float) -> tuple[Array, Array]: ...

    # posterior.py - fused: a draw from the Gaussian that an encoder describes, and its divergence.
    def posterior_sample(self, m: Array, v: Array, b_mean: Array, b_logvar: Array, limit: float, seed: int, stream: int, position: int, scale: float) -> tuple[Array, Array, Array, Array, Array]: ...
    def posterior_sample_backward(self, gz: Array, gkl: Array, mean: Array, t: Array, noise: Array, limit: float, scale: float) -> tuple[Array, Array, Array, Array]: ...

    # score.py - of the scores of a GAN's discriminator; the difference and the penalty are fused, with a definition.
    def score_statistics(self, real: Array, fake: Array, threshold: float, logits: bool) -> Array: ...
    def mean_difference(self, a: Array, b: Array) -> Array: ...
    def mean_difference_backward(self, gy: Array, n: int, m: int) -> tuple[Array, Array]: ...
    def unit_norm_penalty(self, g: Array) -> tuple[Array, Array]: ...
    def unit_norm_penalty_backward(self, gy: Array, g: Array, norms: Array) -> Array: ...

    # elementwise.py - what NumPy lacks, or does slowly; and sums of many pairs of arrays, by one launch on a GPU.
    def add(self, a: Arrays, b: Arrays) -> Arrays: ...
    def erf(self, x: Array) -> Array: ...
    def erfc(self, x: Array) -> Array: ...
    def exp_excess(self, x: Array) -> Array: ...
    def log_deficit(self, x: Array) -> Array: ...
    def sigmoid(self, x: Array) -> Array: ...
    def softplus(self, x: Array) -> Array: ...
    def mish(self, x: Array) -> Array: ...
    def mish_backward(self, gy: Array, x: Array) -> Array: ...
    def scale_where(self, x: Array, condition: Array, slope: float) -> Array: ...
    def leaky_relu(self, x: Array, slope: float) -> Array: ...
    def leaky_relu_backward(self, gy: Array, x: Array, slope: float) -> Array: ...
    def mix(self, a: Array, b: Array, weight: Array) -> Array: ...
    def reparameterize(self, mean: Array, logvar: Array, noise: Array) -> Array: ...
    def reparameterize_backward(self, gz: Array, logvar: Array, noise: Array) -> tuple[Array, Array]: ...

    # optim.py - these change p and its state in place.
    def sgd_update(self, p: Arrays, g: Arrays, momentum_buffer: Arrays, lr: float, momentum: float, nesterov: bool, weight_decay: float) -> None: ...
    def rmsprop_update(self, p: Arrays, g: Arrays, square_avg: Arrays, momentum_buffer: Arrays, lr: float, alpha: float, eps: float, momentum: float, weight_decay: float) -> None: ...
    def adam_update(self, p: Arrays, g: Arrays, m: Arrays, v: Arrays, step: int, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float, decoupled: bool) -> None: ...
    def clip_norm(self, g: Arrays, max_norm: float) -> tuple[Arrays, Array]: ...  # but this one changes nothing

    # running.py - what is kept over many steps, changed in place.
    def average_update(self, average: Arrays, value: Arrays, count: Array, decay: float, copied: int) -> None: ...
    def total_update(self, total: Arrays, term: Arrays, weight: float) -> None: ...

    # random.py - counter-based: the numbers depend on (seed, stream, position) alone.
    def philox(self, seed: int, stream: int, position: int, blocks: int) -> Array: ...
    def uniform(self, seed: int, stream: int, position: int, n: int, dtype: Any) -> Array: ...
    def normal(self, seed: int, stream: int, position: int, n: int, dtype: Any) -> Array: ...
    def bernoulli(self, seed: int, stream: int, position: int, n: int, p: float | Array) -> Array: ...
    def permutation(self, seed: int, stream: int, position: int, n: int) -> Array: ...
    # fmt: on


def for_device(device: str) -> KernelSet:
    """The kernels of a device, "cpu" or "cuda". They are imported on first use (Numba takes 0.4 s)."""
    return _recording.get(device) or _room(device) if _recording else _room(device)


@functools.cache
def _room(device: str) -> KernelSet:
    if device not in ("cpu", "cuda"):
        raise ValueError(f"for_device: device is 'cpu' or 'cuda', got {device!r}")
    return cast(KernelSet, importlib.import_module(f"minigen_kernels.{device}"))


def plain_room() -> ModuleType:
    """The plain room, which is read and compared with. It is imported on first use, like the others."""
    return importlib.import_module("minigen_kernels.plain")


def convolution_choice() -> ModuleType:
    """The choice between ways to convolve on the CPU, ``cpu/choice.py``; imported on first use."""
    return importlib.import_module("minigen_kernels.cpu.choice")


def convolution_tuning() -> ModuleType:
    """What measures the costs that it chooses by, ``cpu/tune.py``; imported on first use."""
    return importlib.import_module("minigen_kernels.cpu.tune")


def compile_ahead() -> ModuleType:
    """What compiles kernels in other processes before they are called, ``ahead.py``; imported on first use."""
    return importlib.import_module("minigen_kernels.ahead")


def cuda_graphs() -> ModuleType:
    """What records launches on a CUDA device and repeats them, ``cuda/graph.py``; imported on first use."""
    return importlib.import_module("minigen_kernels.cuda.graph")


def cpu_threads() -> ModuleType:
    """How many threads the kernels for the CPU use, ``cpu/workers.py``; imported on first use."""
    return importlib.import_module("minigen_kernels.cpu.workers")


_instead_of_cpu: KernelSet | None = None  # see `in_reference`
_recording: dict[str, KernelSet] = {}  # see `recorded_by`


def for_array(x: Array) -> KernelSet:
    """The kernels for an array of floats: `cpu` for numpy.ndarray, `cuda` for cupy.ndarray."""
    if x.dtype.kind != "f":  # compiled for integers, some kernels would silently truncate
        raise TypeError(f"kernels compute in float32 and float64, got {x.dtype}; use .to(dtype=np.float32)")
    if type(x) is not np.ndarray and not isinstance(x, (np.ndarray, np.generic)):
        return for_device("cuda")
    return (_recording and _recording.get("cpu")) or _instead_of_cpu or _room("cpu")


def as_ncl(x: Array) -> Array:
    """(N, C) or (N, C, H, W) as (N, C, L): all that a channel has in one image as one axis."""
    return x[:, :, None] if x.ndim == 2 else x.reshape(*x.shape[:2], math.prod(x.shape[2:]))


def for_host() -> KernelSet:
    """The kernels that NumPy arrays use, were they not recorded."""
    return _instead_of_cpu or _room("cpu")


@contextlib.contextmanager
def recorded_by(kernels: KernelSet, device: str = "cpu") -> Iterator[None]:
    """Inside ``with``: all calls of kernels of a device go to these, which write them down; in every thread."""
    global _recording
    before, _recording = _recording, {**_recording, device: kernels}
    try:
        yield
    finally:
        _recording = before


def blas_multiplies(a: Array, b: Array) -> bool:
    """Whether the CPU's `matmul` leaves a (M, K) times b (K, N) to BLAS: small ones; with MKL the others, too."""
    (m, k), n = a.shape, b.shape[1]
    small = importlib.import_module("minigen_kernels.cpu.gemm").SMALL
    mkl = importlib.import_module("minigen_kernels.cpu.mkl")
    return min(m, k, n) > 1 and (m * k * n <= small or mkl.library() is not None)


@contextlib.contextmanager
def in_reference() -> Iterator[None]:
    """Inside ``with``: NumPy arrays use the `reference` kernels, in every thread. For tests; it is slow."""
    global _instead_of_cpu
    before, _instead_of_cpu = _instead_of_cpu, cast(KernelSet, importlib.import_module("minigen_kernels.reference"))
    try:
        yield
    finally:
        _instead_of_cpu = before
