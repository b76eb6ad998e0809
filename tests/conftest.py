"""What holds for the whole suite: how hypothesis draws, which process gets which file, and GPU tests without a GPU.

Read next: ``ops/op_table.py``.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

# One thread, before NumPy is loaded: BLAS threads spin while they wait, which on shared cores takes many times as long.
os.environ.update(
    {name: os.environ.get(name, "1") for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")}
)
os.environ["MINIGEN_COMPILE_AHEAD"] = "0"  # the cores have tests to run

import pytest
from hypothesis import settings

from minigen.device import cuda_status

# No deadline: the first example of a kernel compiles it. On a CI machine the same examples come in every run.
settings.register_profile("default", deadline=None, max_examples=25)
settings.register_profile("ci", deadline=None, max_examples=25, derandomize=True)
# `--hypothesis-profile=seeded --hypothesis-seed=N`: four times as many examples, those of N. Derandomised tests
# do not look at the seed, and on a CI machine hypothesis derandomises every profile that does not say otherwise.
settings.register_profile("seeded", deadline=None, derandomize=False)
settings.load_profile("ci" if os.environ.get("CI") else "default")


#: A package of the name `cupy` that stands for CuPy and a GPU, see its README.
CUDA_DOUBLE = Path(__file__).with_name("cuda_double")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cuda-double", action="store_true", help="device 'cuda' is the double in tests/cuda_double")


def pytest_configure(config: pytest.Config) -> None:
    """With `--cuda-double`, here and in processes that tests start, `import cupy` finds the double."""
    if config.getoption("cuda_double"):
        sys.path.insert(0, str(CUDA_DOUBLE))
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(CUDA_DOUBLE), os.environ.get("PYTHONPATH")]))


#: With several processes the first begins by compiling Numba's kernels, the others meanwhile with what needs none of
#: them: nvcc, g++, reading the source. Kernels lie on disk when they are needed, and none is compiled twice.
FIRST = [f"tests/kernels/{name}" for name in ("test_contract", "cuda/test_compile", "cuda/test_sanitizers")]
FIRST += ["tests/kernels/cuda/test_host_", "tests/test_architecture"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file is run by one process, as with `--dist loadfile`: what it trains and compiles is made once."""
    from xdist.scheduler import LoadFileScheduling

    if config.getoption("dist") != "load" or config.getoption("markexpr") == "slow":
        return None  # another one is asked for; or some files would take minutes when all others are done
    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Search for no garbage while tests are collected, and never among the thousands that were."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


#: All of these need a GPU. Elsewhere they are not even read.
ON_DEVICE = [Path(__file__).parent / name for name in ("device", "cuda_double", "kernels/cuda/test_on_device.py")]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Layers that are made without a generator start from the same weights, whatever was tested before."""
    if "minigen.nn" in sys.modules:
        sys.modules["minigen.nn"].manual_seed(0)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    return True if collection_path in ON_DEVICE and not cuda_status()[0] else None


def pytest_report_header() -> str:
    usable, text = cuda_status()
    return f"device: cuda, {text}" if usable else f"device: cpu; tests of a GPU are left out or skipped: {text}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files first that begin as in `FIRST`. Skip tests marked `gpu`, with the reason, where no GPU works."""
    items.sort(key=lambda item: [not item.nodeid.startswith(place) for place in FIRST])
    gpu = [item for item in items if item.get_closest_marker("gpu")]
    if not gpu:
        return
    usable, reason = cuda_status()
    if not usable:
        for item in gpu:
            item.add_marker(pytest.mark.skip(reason=reason))
