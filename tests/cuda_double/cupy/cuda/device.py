"""`cupy.cuda.Device` of the double: one device, an H100 by its compute capability."""

from __future__ import annotations

from typing import Any

from .. import _launch
from . import runtime


class Device:
    compute_capability = "90"

    def __init__(self, device: Any = None) -> None:
        self.id = 0 if device is None else int(device)
        runtime.setDevice(self.id)

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device)

    def __hash__(self) -> int:
        return 0

    def __int__(self) -> int:
        return self.id

    def __repr__(self) -> str:
        return "<CUDA Device 0>"

    def use(self) -> Device:
        return self

    def synchronize(self) -> None:
        _launch.wait_for_all("Device.synchronize")

    @property
    def mem_info(self) -> tuple[int, int]:
        return runtime.memGetInfo()

    @property
    def attributes(self) -> dict[str, int]:
        return {name: runtime.deviceGetAttribute(number, 0) for name, number in _NAMED.items()}


_NAMED = {
    "MaxThreadsPerBlock": 1, "MaxBlockDimX": 2, "MaxGridDimX": 5, "MaxGridDimY": 6, "MaxSharedMemoryPerBlock": 8,
    "WarpSize": 10, "MultiProcessorCount": 16, "MaxThreadsPerMultiProcessor": 39,
}  # fmt: skip


def get_device_id() -> int:
    return 0


def get_compute_capability() -> str:
    return Device.compute_capability
