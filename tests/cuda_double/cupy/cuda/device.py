"""`cupy.cuda.Device` of the double, an H100 by its compute capability."""

from __future__ import annotations

from typing import Any

from .. import _launch
from . import runtime


class Device:
    compute_capability = "90"

    def __init__(self, device: Any = None) -> None:
        self.id = runtime.getDevice() if device is None else int(device)
        self._before: list[int] = []
        runtime.check(self.id)

    def __enter__(self) -> Device:
        self._before.append(runtime.getDevice())
        return self.use()

    def __exit__(self, *_: object) -> None:
        runtime.setDevice(self._before.pop())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self) -> int:
        return self.id

    def __int__(self) -> int:
        return self.id

    def __repr__(self) -> str:
        return f"<CUDA Device {self.id}>"

    def use(self) -> Device:
        runtime.setDevice(self.id)
        return self

    def synchronize(self) -> None:
        _launch.wait_for_all("Device.synchronize")

    @property
    def mem_info(self) -> tuple[int, int]:
        return runtime.memGetInfo()

    @property
    def attributes(self) -> dict[str, int]:
        return {name: runtime.deviceGetAttribute(number, self.id) for name, number in _NAMED.items()}


_NAMED = {
    "MaxThreadsPerBlock": 1, "MaxBlockDimX": 2, "MaxGridDimX": 5, "MaxGridDimY": 6, "MaxSharedMemoryPerBlock": 8,
    "WarpSize": 10, "MultiProcessorCount": 16, "MaxThreadsPerMultiProcessor": 39,
}  # fmt: skip


def get_device_id() -> int:
    return runtime.getDevice()


def get_compute_capability() -> str:
    return Device.compute_capability
