"""Devices: each reason for which a GPU cannot be used is a different sentence, told by a CuPy made up here.

Read next: ``test_proof.py``, what ``--device auto`` takes.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from minigen import nn
from minigen.autograd import Tensor
from minigen.device import (
    array_module,
    check_device,
    cuda_status,
    device_of,
    set_num_threads,
    to_device,
)
from minigen.proof import choose_device


@pytest.fixture(autouse=True)
def no_memory() -> Iterator[None]:
    """The verdict is found once per process; here each test asks anew."""
    cuda_status.cache_clear()
    yield
    cuda_status.cache_clear()


def made_up_cupy(count: Callable[[], int], arange: Callable[..., Any] = np.arange) -> types.ModuleType:
    """A module that answers as CuPy does, with NumPy arrays."""
    cupy = types.ModuleType("cupy")
    properties = {"name": b"NVIDIA Imaginary"}
    runtime = types.SimpleNamespace(
        getDeviceCount=count, getDevice=lambda: 0, getDeviceProperties=lambda number: properties
    )
    vars(cupy).update(
        __version__="14.1.0", float32=np.float32, arange=arange, cuda=types.SimpleNamespace(runtime=runtime)
    )
    return cupy


def no_driver() -> int:
    raise RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient\nmore lines")


def no_device() -> int:  # CuPy never returns 0
    raise RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")


def broken(*_: Any, **__: Any) -> Any:
    raise RuntimeError("no kernel image is available\nfor this device")


UNUSABLE = {
    "CuPy is missing": (None, "CuPy is not installed (", "pip install 'minigen-engine[cuda13]' or '[cuda12]'"),
    "driver is missing": (
        made_up_cupy(no_driver),
        "CuPy 14.1.0 finds no usable NVIDIA driver",
        "(cudaErrorInsufficientDriver: CUDA driver version is insufficient)",
    ),
    "no device": (made_up_cupy(no_device), "no CUDA device is visible", "CUDA_VISIBLE_DEVICES is ''"),
    "kernels fail": (
        made_up_cupy(lambda: 1, broken),
        "a test kernel failed",
        "(RuntimeError: no kernel image is available)",
    ),
    "wrong numbers": (
        made_up_cupy(lambda: 1, lambda n, dtype: np.zeros(n, dtype)),
        "computes wrong numbers",
        "4.0 and 0.0, not 10 and 14",
    ),
}


@pytest.mark.parametrize(("cupy", "reason", "detail"), UNUSABLE.values(), ids=UNUSABLE)
def test_cuda_that_cannot_be_used_is_an_error_with_the_reason(
    cupy: Any, reason: str, detail: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", cupy)  # None makes `import cupy` fail
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    usable, text = cuda_status()
    assert not usable and reason in text and detail in text and "\n" not in text
    requests: list[Callable[[], Any]] = [
        lambda: check_device("cuda"),
        lambda: choose_device("cuda"),
        lambda: to_device(np.zeros(2), "cuda"),
        lambda: Tensor(np.zeros(2), device="cuda"),
        lambda: Tensor(np.zeros(2)).to("cuda"),
        lambda: nn.Dense(2, 2).to("cuda"),
    ]
    for request in requests:
        with pytest.raises(RuntimeError) as caught:
            request()
        assert "device 'cuda' was asked for, but" in str(caught.value)
        assert reason in str(caught.value) and "'auto'" in str(caught.value)
    assert choose_device("auto") == ("cpu", f"cpu (auto: {text})")


def test_cuda_that_works_is_chosen_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", made_up_cupy(lambda: 1))
    assert cuda_status() == (True, "NVIDIA Imaginary")
    assert check_device("cuda") == "cuda"
    assert choose_device("cuda") == ("cuda", "cuda (NVIDIA Imaginary)")
    assert choose_device("cpu") == ("cpu", "cpu")


def test_the_gpu_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setitem(sys.modules, "cupy", made_up_cupy(lambda: calls.append(1) or 1))  # type: ignore[func-returns-value]
    for _ in range(3):
        cuda_status()
    assert calls == [1]


@pytest.mark.parametrize("name", ["gpu", "cuda:0", "", "CPU"])
def test_an_unknown_device_is_refused(name: str) -> None:
    for request in (check_device, choose_device, lambda d: to_device(np.zeros(2), d), lambda d: Tensor(1.0, device=d)):
        with pytest.raises(ValueError, match="device: expected 'cpu' or 'cuda', got"):
            request(name)


def test_numpy_is_the_cpu() -> None:
    x = np.zeros(2)
    assert array_module(x) is array_module(1.0) is np and device_of(x) == "cpu" and to_device(x, "cpu") is x


def test_arrays_of_cupy_belong_to_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy = made_up_cupy(lambda: 1)
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    array = type("ndarray", (), {"__module__": "cupy"})()
    assert array_module(array) is cupy and device_of(array) == "cuda"
    look_alike = type("ndarray", (), {"__module__": "cupyish.core"})()
    assert array_module(look_alike) is np


@pytest.mark.parametrize("n", [0, -1, 1.5, True, "2", None])
def test_a_number_of_threads_is_at_least_1(n: Any) -> None:
    with pytest.raises(ValueError, match="set_num_threads: expected a whole number of at least 1, got"):
        set_num_threads(n)


@pytest.mark.gpu
def test_tensors_move_to_the_gpu_and_back() -> None:
    x = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    y = (x.to("cuda") * 2).sum()
    assert y.device == "cuda" and y.item() == 30
    y.backward()
    assert x.grad is not None and x.grad.device == "cpu"
    np.testing.assert_array_equal(x.grad.data, np.full((2, 3), 2.0))
    with pytest.raises(TypeError, match="inputs on cuda and cpu. Nothing is moved silently"):
        y + Tensor(np.array(1.0))
