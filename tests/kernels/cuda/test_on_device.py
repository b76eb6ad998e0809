"""The CUDA room on a CUDA device, against the reference, the CPU room, and the host's run of the same kernels.

Skipped, with the reason, where no device works. Read next: ``test_launch.py``.
"""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from kernels.cuda.host import HostRoom
from kernels.rooms import assert_agree

from minigen.device import cuda_status
from minigen_kernels import cpu, cuda, plain, reference
from minigen_kernels.calls import CALLS, IDS, results
from minigen_kernels.cuda.launch import launch

pytestmark = pytest.mark.gpu

each_call = pytest.mark.parametrize("call", range(len(CALLS)), ids=IDS)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@pytest.fixture(scope="module", autouse=True)
def device_in_the_report(record_testsuite_property):
    """``pytest -m gpu --junitxml=docs/kernels_on_device.xml`` keeps the proof, and where it was made."""
    record_testsuite_property("device", cuda_status()[1])


@pytest.fixture
def cupy():
    return importlib.import_module("cupy")


@each_dtype
@each_call
def test_all_rooms_agree(cupy, cuda_host_folder, dtype, call):
    device = results(cuda, call, dtype, cupy.asarray)
    for room in (reference, cpu, HostRoom(cuda_host_folder)):
        assert_agree(device, results(room, call, dtype))


@each_dtype
@pytest.mark.parametrize("call", [i for i, name in enumerate(IDS) if name in plain.NAMES])
def test_the_plain_kernels(cupy, dtype, call):
    assert_agree(results(plain.cuda, call, dtype, cupy.asarray), results(reference, call, dtype))


@each_dtype
@each_call
def test_a_second_run_gives_the_same_bits(cupy, dtype, call):
    first, second = (results(cuda, call, dtype, cupy.asarray) for _ in range(2))
    assert [a.tobytes() for a in first] == [a.tobytes() for a in second]


def test_strides_do_not_matter(cupy):
    x = cupy.arange(42, dtype=np.float32).reshape(6, 7)
    assert (cuda.erf(x.T) == cuda.erf(x).T).all()


def test_numpy_arrays_are_refused():
    with pytest.raises(TypeError, match=r"`real\* x` takes an array on the current device, got a numpy array"):
        cuda.erf(np.ones(3))


def test_a_compile_error_names_file_and_line(cupy, tmp_path):
    path = tmp_path / "broken.cu"
    path.write_text('#include "common.cuh"\n\nextern "C" __global__ void f(real* x) { x[0] = missing; }\n')
    with pytest.raises(RuntimeError, match=r"broken.cu\(3\): error: .*missing"):
        launch(str(path), "f", 1, 1, cupy.ones(1))


def test_too_large_an_array_is_one_clear_error(cupy):
    with pytest.raises(MemoryError, match="no room on the CUDA device for an array of shape"):
        cuda.uniform(0, 0, 0, 2**50, np.float32)
