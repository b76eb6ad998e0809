"""Where arrays live: the CPU (NumPy) or a CUDA device (CuPy). This file is the only one that guards the import of CuPy.

CuPy is imported when a GPU is first asked for. `import cupy` also succeeds on a machine without a driver, so
`cuda_status` finds out by running two small kernels, and says in one sentence why a GPU cannot be used.

Imports: NumPy, minigen_kernels. Read next: ``proof.py``, ``autograd/tensor.py``.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import re
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np

from minigen_kernels import Array, cpu_threads

Device = Literal["cpu", "cuda"]
_local_rank = 0  # of this process among those of its run on this machine


def array_module(x: Any) -> ModuleType:
    """The library that `x` belongs to: cupy for a CuPy array, numpy for everything else (Python numbers too)."""
    kind: Any = type(x)
    if kind is np.ndarray:
        return np
    if _is_of_cupy(kind):
        return sys.modules["cupy"]
    return x.module if _is_traced(kind) else np


@functools.cache
def _is_traced(kind: type) -> bool:  # ``compiling/traced.py``: an array that writes down what is done to it
    return kind.__module__ == "minigen.compiling.traced"


@functools.cache
def _is_of_cupy(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "cupy"


def device_of(x: Array) -> Device:
    """The device of an array: "cpu" for numpy.ndarray (and NumPy's scalars), "cuda" for cupy.ndarray."""
    return "cpu" if isinstance(x, (np.ndarray, np.generic)) else "cuda"


def to_device(x: Array, device: str) -> Array:
    """`x` on "cpu" or "cuda": the same array if it is there, else a copy. The only place that transfers."""
    if check_device(device) == device_of(x):
        return x
    cupy = importlib.import_module("cupy")
    return cupy.asarray(x) if device == "cuda" else cupy.asnumpy(x)


def refuse_masked(name: str, x: Any) -> None:
    """Raise TypeError for a masked array of NumPy's, alone or in lists: its mask would be lost without a word."""
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{name}: got a masked array, whose mask would be lost; fill it first, as in x.filled(0)")
    if isinstance(x, (list, tuple)):
        for element in x:
            refuse_masked(name, element)


def check_device(device: str, prefix: str = "") -> Device:
    """Return `device` if it works here; else raise ValueError (no such name) or RuntimeError (no usable GPU)."""
    if isinstance(device, str) and device == "cpu":
        return "cpu"
    if not isinstance(device, str) or device != "cuda":
        raise ValueError(f"{prefix}device: expected 'cpu' or 'cuda', got {device!r}")
    usable, text = cuda_status()
    if not usable:
        raise RuntimeError(f"device 'cuda' was asked for, but {text}. Use device 'cpu', or 'auto' to fall back to it")
    return "cuda"


@functools.cache
def cuda_status() -> tuple[bool, str]:
    """Is there a GPU that works? Return (True, name of the device) or (False, the reason in one sentence).

    The verdict is found once per process, by running an element-wise kernel and a matrix product on the device. A CUDA
    context does not survive a fork: call this in the process that will compute.
    """
    try:
        cupy = importlib.import_module("cupy")
    except ImportError as error:
        return (False, f"CuPy is not installed ({error}): pip install 'minigen-engine[cuda13]' or '[cuda12]'")
    try:
        count = cupy.cuda.runtime.getDeviceCount()
        if _local_rank:
            cupy.cuda.Device(_local_rank % count).use()
    except Exception as error:  # CuPy raises its own classes, which cannot be named before the import
        if "cudaErrorNoDevice" in str(error):
            hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
            why = "" if hidden is None else f": CUDA_VISIBLE_DEVICES is {hidden!r}"
            return False, f"no CUDA device is visible{why}"
        return (False, f"CuPy {cupy.__version__} finds no usable NVIDIA driver ({_first_line(error)})")
    try:
        x = cupy.arange(4, dtype=cupy.float32)
        total, product = float((x + 1).sum()), float((x[None] @ x[:, None])[0, 0])
    except Exception as error:
        return (
            False,
            f"a CUDA device was found, but a test kernel failed ({type(error).__name__}: {_first_line(error)})",
        )
    if (total, product) != (10.0, 14.0):
        return (False, f"a CUDA device was found, but it computes wrong numbers ({total} and {product}, not 10 and 14)")
    name = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.runtime.getDevice())["name"].decode()
    return True, name


def share_cuda_devices(local_rank: int) -> None:
    """Let the processes of a run on this machine, of which this is number `local_rank`, take a CUDA device each.

    Where there are fewer devices, several take the same one. Before the first array on a GPU.
    """
    global _local_rank
    _local_rank = local_rank


def cuda_device() -> int | None:
    """The number of this thread's CUDA device; None where none is used."""
    if "cupy" not in sys.modules or not cuda_status()[0]:
        return None
    return int(sys.modules["cupy"].cuda.runtime.getDevice())


def use_cuda_device(number: int | None) -> None:
    """Let this thread use the CUDA device that `cuda_device` gave in another one; CUDA begins each with device 0."""
    if number is not None:
        sys.modules["cupy"].cuda.Device(number).use()


def cuda_identity() -> tuple[Any, ...]:
    """What no other GPU of this machine has, of the current one."""
    runtime = importlib.import_module("cupy").cuda.runtime
    properties = runtime.getDeviceProperties(runtime.getDevice())
    return tuple(properties[name] for name in ("pciDomainID", "pciBusID", "pciDeviceID", "uuid"))


def cuda_nccl() -> Any:
    """CuPy's module for NCCL; None if the library is missing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without the library it warns, and has nothing in it
        try:
            module = importlib.import_module("cupy.cuda.nccl")
        except ImportError:
            return None
    return module if getattr(module, "available", False) else None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def cuda_facts() -> dict[str, str]:
    """What results on the current GPU depend on besides minigen: device, driver, libraries. For a GPU that works."""
    cupy = importlib.import_module("cupy")
    runtime = cupy.cuda.runtime
    properties = runtime.getDeviceProperties(runtime.getDevice())
    driver = _cuda_version(runtime.driverGetVersion())
    with contextlib.suppress(OSError):  # on Linux it says more: "NVRM version: NVIDIA UNIX ...  580.65.06  ..."
        found = re.search(r"\d+\.[\d.]+", Path("/proc/driver/nvidia/version").read_text(encoding="utf-8"))
        driver = f"{found[0]} (CUDA {driver})" if found else driver
    return {
        "device": properties["name"].decode(),
        "compute capability": f"{properties['major']}.{properties['minor']}",
        "driver": driver,
        "CUDA runtime": _cuda_version(runtime.runtimeGetVersion()),
        "NVRTC": ".".join(map(str, cupy.cuda.nvrtc.getVersion())),
        "CuPy": cupy.__version__,
    }


def _cuda_version(number: int) -> str:
    """Of 13010: "13.1"."""
    return f"{number // 1000}.{number % 1000 // 10}"


def cuda_memory_in_use() -> int:
    """Bytes that arrays on the current GPU hold, when all that was asked of it is done; a library's are not counted."""
    cupy = importlib.import_module("cupy")
    cupy.cuda.get_current_stream().synchronize()
    return int(cupy.get_default_memory_pool().used_bytes())


def cuda_event() -> Any:
    """A point in the work of the current stream, recorded now, between two of which `cuda_seconds` tells the time."""
    event = importlib.import_module("cupy").cuda.Event()
    event.record()
    return event


def cuda_seconds(start: Any, end: Any) -> float:
    """Seconds that the device took from one event to another; both are done."""
    return float(importlib.import_module("cupy").cuda.get_elapsed_time(start, end)) / 1000


def set_num_threads(n: int) -> None:
    """Let kernels on the CPU use `n` threads, at most as many as there are cores that this process may use.

    The bits of a result are the same for any number. So BLAS, which cuts products into other pieces for other numbers,
    is held to one thread, in the whole process. A forked process computes with one thread until it calls this.
    On cores that other programs use, too, several threads can be slower than one: a kernel ends with its last piece.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ValueError(f"set_num_threads: expected a whole number of at least 1, got {n!r}")
    importlib.import_module("threadpoolctl").threadpool_limits(1, user_api="blas")
    cpu_threads().set_threads(n)
