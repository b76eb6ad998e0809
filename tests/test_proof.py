"""What `--device auto` takes: the GPU, if it works and is proven with exactly what it runs with now. CuPy is made up.

Read next: ``proving/test_proving.py``.
"""

from __future__ import annotations

import json
import os
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigen import proof
from minigen.device import cuda_status
from minigen.proof import choose_device, cuda_subject, proof_path, read_proof

GPU = {"name": b"NVIDIA Imaginary", "major": 9, "minor": 0}


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / "cache"))
    cuda_status.cache_clear()
    yield
    cuda_status.cache_clear()


def cupy(
    monkeypatch: pytest.MonkeyPatch, version: str = "14.2.0", driver: int = 13010, name: bytes = GPU["name"]
) -> types.ModuleType:
    """A CuPy that works, on a GPU of that name."""
    module, cuda = types.ModuleType("cupy"), types.SimpleNamespace()
    cuda.nvrtc = types.SimpleNamespace(getVersion=lambda: (13, 1))
    cuda.runtime = types.SimpleNamespace(
        getDeviceCount=lambda: 1,
        getDevice=lambda: 0,
        getDeviceProperties=lambda _: {**GPU, "name": name},
        driverGetVersion=lambda: driver,
        runtimeGetVersion=lambda: 13000,
    )
    vars(module).update(__version__=version, float32=np.float32, arange=np.arange, cuda=cuda)
    monkeypatch.setitem(sys.modules, "cupy", module)
    cuda_status.cache_clear()
    return module


def keep(**changes: Any) -> Path:
    """Keep a proof of what there is now, passed unless `changes` say otherwise."""
    path = proof_path(cuda_subject())
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {"verdict": "passed", "date": "2026-01-02T03:04:05", "subject": cuda_subject(), "faults": [], "running": ""}
    path.write_text(json.dumps({**facts, **changes}))
    return path


def test_no_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    device, why = choose_device("auto")
    assert device == "cpu" and why.startswith("cpu (auto: CuPy is not installed")


def no_driver() -> int:
    raise RuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient")


def no_device() -> int:
    raise RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")


@pytest.mark.parametrize("count", [no_driver, no_device])
def test_no_driver_and_no_visible_device(monkeypatch: pytest.MonkeyPatch, count: Callable[[], int]) -> None:
    cupy(monkeypatch).cuda.runtime.getDeviceCount = count
    device, why = choose_device("auto")
    assert device == "cpu" and why == f"cpu (auto: {cuda_status()[1]})" and "prove" not in why


def test_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy(monkeypatch)
    device, why = choose_device("auto")
    assert device == "cpu" and "NVIDIA Imaginary works, but the kernels are not proven on it" in why
    assert "`minigen prove`" in why and "\n" not in why


def test_a_valid_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy(monkeypatch)
    keep()
    assert choose_device("auto") == ("cuda", "cuda (auto: NVIDIA Imaginary, proven on 2026-01-02)")
    assert choose_device("cuda") == ("cuda", "cuda (NVIDIA Imaginary)") and choose_device("cpu") == ("cpu", "cpu")


def test_a_proof_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy(monkeypatch)
    path = keep(verdict="failed", faults=["conv2d", "softmax"])
    device, why = choose_device("auto")
    assert device == "cpu" and "`minigen prove` failed on it: conv2d, softmax; see " in why and str(path) in why
    keep(verdict="failed", faults=[*"abcdefgh"])
    assert "failed on it: a, b, c, d, e and 3 more; see " in choose_device("auto")[1]


def test_a_proof_under_a_wrong_name_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy(monkeypatch)
    path = keep(subject={**cuda_subject(), "driver": "another"})
    device, why = choose_device("auto")
    assert device == "cpu" and f"its proof {path} cannot be used (it is of something else)" in why


def test_a_proof_that_did_not_come_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy(monkeypatch)
    keep(verdict="unfinished", running="kernels: conv2d")
    device, why = choose_device("auto")
    assert device == "cpu" and "did not come to its end, it was at kernels: conv2d" in why


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"driver": 13020}, "driver 13.1, now 13.2"),
        ({"version": "14.3.0"}, "CuPy 14.2.0, now 14.3.0"),
        ({"name": b"NVIDIA Other"}, "device NVIDIA Imaginary, now NVIDIA Other"),
        ({"driver": 13020, "version": "14.3.0"}, "driver 13.1, now 13.2; CuPy 14.2.0, now 14.3.0"),
    ],
)
def test_a_stale_proof_says_what_has_changed(monkeypatch: pytest.MonkeyPatch, other: dict[str, Any], said: str) -> None:
    cupy(monkeypatch)
    keep()
    cupy(monkeypatch, **other)
    device, why = choose_device("auto")
    assert device == "cpu" and f"works, but its proof is of another state ({said})" in why and "`minigen prove`" in why
    keep()
    assert choose_device("auto")[0] == "cuda"
    cupy(monkeypatch)
    assert choose_device("auto")[0] == "cuda"  # the older one is still there


def test_other_kernels_make_a_proof_stale(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cupy(monkeypatch)
    keep()
    before = cuda_subject()["kernels"]
    copy = tmp_path / "minigen_kernels"
    for room in ("cuda", "reference"):
        (copy / room).mkdir(parents=True)
        for path in (Path(proof.minigen_kernels.__file__).parent / room).glob("*.*"):
            (copy / room / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(proof.minigen_kernels, "__file__", str(copy / "__init__.py"))
    assert cuda_subject()["kernels"] == before  # wherever they lie
    path = copy / "cuda" / "conv.cu"
    path.write_bytes(path.read_bytes() + b"\n")
    after = cuda_subject()["kernels"]
    assert f"(kernels {before}, now {after})" in choose_device("auto")[1]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[]", b'{"verdict": "passed"}', b"null",
     b'{"verdict": "surely", "date": "", "subject": {}, "faults": [], "running": ""}'],
)  # fmt: skip
def test_a_damaged_proof_is_none(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    cupy(monkeypatch)
    path = keep()
    path.write_bytes(content)
    device, why = choose_device("auto")
    assert device == "cpu" and f"its proof {path} cannot be used (" in why and "\n" not in why
    with pytest.raises(ValueError, match=r"\S"):
        read_proof(path)


def test_a_damaged_proof_of_another_state_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy(monkeypatch)
    keep().write_bytes(b"{")
    cupy(monkeypatch, driver=13020)
    assert "are not proven on it" in choose_device("auto")[1]


def test_a_folder_where_the_proof_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy(monkeypatch)
    proof_path(cuda_subject()).mkdir(parents=True)
    device, why = choose_device("auto")
    assert device == "cpu" and "cannot be used (Is a directory)" in why


def test_a_file_where_the_cache_folder_should_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cupy(monkeypatch)
    (tmp_path / "cache").write_bytes(b"")
    device, why = choose_device("auto")
    assert device == "cpu" and "cannot be used (Not a directory)" in why


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() == 0, reason="root reads everything")
def test_a_proof_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy(monkeypatch)
    keep().chmod(0)
    assert "cannot be used (Permission denied)" in choose_device("auto")[1]


def test_a_gpu_that_does_not_say_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy(monkeypatch).cuda.runtime.driverGetVersion = no_driver
    device, why = choose_device("auto")
    assert device == "cpu" and "does not say what it is (RuntimeError: cudaErrorInsufficientDriver" in why
