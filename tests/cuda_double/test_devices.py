"""Several devices of the double, and NCCL between them.

Read next: ``tests/distributed/test_on_device.py``.
"""

from __future__ import annotations

import threading

import numpy as np
import pytest

cp = pytest.importorskip("cupy")
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not hasattr(cp, "_ledger"), reason="about the double of CuPy"),
]


@pytest.fixture(autouse=True)
def two_devices(monkeypatch):
    monkeypatch.setenv("CUPY_DOUBLE_DEVICES", "2")


def test_arrays_lie_on_the_device_that_was_current_and_are_refused_on_another():
    with cp.cuda.Device(1):
        x = cp.arange(3, dtype=np.float32)
        assert x.device.id == x.data.device_id == cp.cuda.runtime.getDevice() == 1 and float((x + x).sum()) == 6
    assert cp.cuda.runtime.getDevice() == 0
    for compute in (lambda: x + 1, lambda: cp.concatenate([x, x])):
        with pytest.raises(ValueError, match="array device = 1 while current = 0"):
            compute()
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        cp.cuda.Device(2)


def test_a_thread_begins_with_the_first_device():
    found = []
    with cp.cuda.Device(1):
        thread = threading.Thread(target=lambda: found.append(cp.cuda.runtime.getDevice()))
        thread.start()
        thread.join()
    assert found == [0]


def test_what_nccl_refuses():
    from cupy.cuda import nccl

    identity = nccl.get_unique_id()
    one = nccl.NcclCommunicator(1, identity, 0)
    x = cp.arange(4, dtype=np.uint8)
    y, stream = cp.zeros_like(x), cp.cuda.get_current_stream().ptr
    try:
        with pytest.raises(nccl.NcclError, match="waits for ever"):
            one.send(x.data.ptr, 4, nccl.NCCL_UINT8, 0, stream)
        with pytest.raises(nccl.NcclError, match="two ranks on one GPU"):
            nccl.NcclCommunicator(1, identity, 0)
        with pytest.raises(nccl.NcclError, match="no device memory there"):
            one.allGather(x.data.ptr, y.data.ptr, 5, nccl.NCCL_UINT8, stream)
        with pytest.raises(nccl.NcclError, match="not the device"), cp.cuda.Device(1):
            one.allGather(x.data.ptr, y.data.ptr, 4, nccl.NCCL_UINT8, stream)
        one.allGather(x.data.ptr, y.data.ptr, 4, nccl.NCCL_UINT8, stream)
        assert (x == y).all()
        y.fill(0)
        nccl.groupStart()
        one.recv(y.data.ptr, 4, nccl.NCCL_UINT8, 0, stream)
        one.send(x.data.ptr, 4, nccl.NCCL_UINT8, 0, stream)
        nccl.groupEnd()
        assert (x == y).all()
    finally:
        one.destroy()
