"""What a run ran on: versions, machine, threads, BLAS, devices, commit. For ``env.json`` and ``minigen info``.

Imports: device, data (for the cache folder). Read next: ``run_folder.py``.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import minigen
import minigen_kernels
from minigen import tuning
from minigen.data import cache_folder
from minigen.device import cuda_status
from minigen.proof import choose_device

PACKAGES = ("numpy", "numba", "cupy", "safetensors", "pillow", "matplotlib", "pooch", "click", "rich")
SOURCE = Path(minigen.__file__).resolve().parent.parent


def describe_environment() -> dict[str, Any]:
    """Everything as plain values: versions, machine, threads and products of this process, devices, folders, commit."""
    usable, text = cuda_status()
    kernels: Any = minigen_kernels.for_device("cpu")
    return {
        "minigen": minigen.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name)) is not None},
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "threads": _threads(),
        "matrix products": kernels.mkl.describe(),
        "costs of convolutions": tuning.in_use(),
        "devices": {"cpu": "always", "cuda": text if usable else f"no: {text}", "auto": choose_device("auto")[1]},
        "folders": {
            "data": os.environ.get("MINIGEN_DATA") or None,
            "cache": str(cache_folder()),
            "compiled kernels": _kernel_cache(),
        },
    }


def default_threads() -> int:
    """How many threads a run takes by default: ``OMP_NUM_THREADS`` if set, else one.

    Small networks gain little from a second thread, which waits for work by spinning, on a core that another program
    may want.
    """
    named = os.environ.get("OMP_NUM_THREADS", "")
    return int(named) if named.isdigit() and int(named) > 0 else 1


def _version(package: str) -> str | None:
    names = ("cupy", "cupy-cuda12x", "cupy-cuda13x") if package == "cupy" else (package,)
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    return None


def _processor() -> str:
    """The processor's name, as precisely as the system gives it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _threads() -> dict[str, Any]:
    """Threads of the libraries that are loaded, as they are set now."""
    pools = importlib.import_module("threadpoolctl").threadpool_info()
    blas = [pool for pool in pools if pool["user_api"] == "blas"]
    return {
        "blas": f"{blas[0]['internal_api']} {blas[0].get('version') or ''}".strip() if blas else "unknown",
        "blas threads": max((pool["num_threads"] for pool in blas), default=None),
        "kernel threads": minigen_kernels.cpu_threads().threads(),
    }


def _kernel_cache() -> str:
    """Where Numba keeps the machine code of the kernels."""
    folder = Path(minigen_kernels.__file__).parent / "cpu"
    if named := os.environ.get("NUMBA_CACHE_DIR"):
        return named
    if os.access(folder / "__pycache__" if (folder / "__pycache__").exists() else folder, os.W_OK):
        return f"{folder / '__pycache__'}"
    return f"Numba's own folder of this user, or none: {folder} is read-only"


def _commit() -> str | None:
    """The commit of minigen if it runs from a git checkout, with a mark if files were changed."""
    if not (SOURCE / ".git").exists():
        return None
    words = ("--always", "--abbrev=40", "--exclude=*", "--dirty= (changed)")
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = ["git", "-C", str(SOURCE), "describe", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    return None
