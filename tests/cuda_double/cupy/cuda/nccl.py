"""`cupy.cuda.nccl` of the double: bytes between processes of one machine, by files (CuPy 14.2.0, libs/nccl.pyx).

A group begins to receive when all of it is sent; outside of one, a rank that sends to itself would wait for ever. As
NCCL does, it refuses a GPU that another rank has, memory that is not of the current device, and work in a capture (NCCL
itself can be captured; nothing here needs it). CUPY_DOUBLE_NCCL=0: the library is not installed.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .. import _launch
from . import memory

available = os.environ.get("CUPY_DOUBLE_NCCL") != "0"
NCCL_INT8, NCCL_UINT8 = 0, 1
LIMIT = 60  # seconds until a message that does not come is an error
_group = threading.local()


class NcclError(RuntimeError):
    pass


def get_unique_id() -> tuple[int, ...]:
    """128 numbers of the type char."""
    return tuple(os.urandom(1)[0] - 128 for _ in range(128))


def groupStart() -> None:  # noqa: N802
    if getattr(_group, "calls", None) is not None:
        raise NotImplementedError("double: a group in a group")
    _group.calls = []


def groupEnd() -> None:  # noqa: N802
    calls, _group.calls = _group.calls, None
    for is_receive in (False, True):
        for receives, call in calls:
            if receives is is_receive:
                call()


def _run(receives: bool, call: Callable[[], None]) -> None:
    if _launch.captures and _launch.is_capturing(_launch.current_stream()):
        raise NotImplementedError("double: NCCL in a capture")
    calls = getattr(_group, "calls", None)
    if calls is None:
        call()
    else:
        calls.append((receives, call))


def _at(address: int, count: int) -> np.ndarray:
    """The bytes of device memory at an address; all of them are of one allocation."""
    for block in memory.living():
        if block.ptr <= address and address + count <= block.ptr + len(block.data):
            if block.device_id != _launch.thread.device:
                raise NcclError("NCCL_ERROR_INVALID_ARGUMENT: memory of another device")
            return block.data[address - block.ptr :][:count]
    raise NcclError("NCCL_ERROR_INVALID_ARGUMENT: no device memory there")


class NcclCommunicator:
    def __init__(self, ndev: int, commId: tuple[int, ...], rank: int) -> None:  # noqa: N803
        name = "".join(f"{c & 255:02x}" for c in commId[:16])
        self._folder = Path(tempfile.gettempdir()) / f"cupy-double-nccl-{name}"
        self._folder.mkdir(exist_ok=True)
        self._rank, self._size, self._device, self._sent = rank, ndev, _launch.thread.device, [0] * ndev
        self._received = [0] * ndev
        self._own = self._folder / f"device-{self._device}"
        try:
            self._own.touch(exist_ok=False)
        except FileExistsError:
            raise NcclError("NCCL_ERROR_INVALID_USAGE: two ranks on one GPU") from None
        self._alive = True
        atexit.register(self.destroy)

    def destroy(self) -> None:
        if self._alive:
            self._alive = False
            self._own.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # others are still there
                self._folder.rmdir()

    def send(self, sendbuf: int, count: int, datatype: int, peer: int, stream: int) -> None:
        self._check(datatype, stream)
        if peer == self._rank and getattr(_group, "calls", None) is None:
            raise NcclError("double: a rank that sends to itself outside of a group waits for ever")
        _run(False, lambda: self._put(_at(sendbuf, count), peer))

    def recv(self, recvbuf: int, count: int, datatype: int, peer: int, stream: int) -> None:
        self._check(datatype, stream)
        _run(True, lambda: self._take(_at(recvbuf, count), peer))

    def allGather(self, sendbuf: int, recvbuf: int, count: int, datatype: int, stream: int) -> None:  # noqa: N802
        self._check(datatype, stream)

        def gather() -> None:
            for peer in range(self._size):
                self._put(_at(sendbuf, count), peer)
            for peer in range(self._size):
                self._take(_at(recvbuf + peer * count, count), peer)

        _run(True, gather)

    def _check(self, datatype: int, stream: int) -> None:
        if datatype not in (NCCL_INT8, NCCL_UINT8):
            raise NotImplementedError("double: NCCL moves bytes only")
        if self._device != _launch.thread.device or stream != _launch.current_stream().ptr:
            raise NcclError("double: not the device of this communicator, or not the current stream")
        _launch.record("nccl", "nccl")

    def _put(self, what: np.ndarray, peer: int) -> None:
        place = self._folder / f"{self._rank}-{peer}-{self._sent[peer]}"
        self._sent[peer] += 1
        place.with_suffix(".part").write_bytes(what.tobytes())
        place.with_suffix(".part").rename(place)

    def _take(self, where: np.ndarray, peer: int) -> None:
        place = self._folder / f"{peer}-{self._rank}-{self._received[peer]}"
        self._received[peer] += 1
        until = time.monotonic() + LIMIT
        while not place.exists():
            if time.monotonic() > until:
                raise NcclError(f"double: rank {peer} has sent nothing")
            time.sleep(1e-4)
        found = np.frombuffer(place.read_bytes(), np.uint8)
        place.unlink()
        if len(found) != len(where):
            raise NcclError(f"double: {len(found)} bytes for {len(where)}")
        where[:] = found
