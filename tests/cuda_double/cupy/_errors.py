"""CUDA's errors by their numbers, with CUDA's words (CUDA 12, driver_types.h and cuda.h)."""

from __future__ import annotations

from typing import Any

_RUNTIME = {
    0: ("cudaSuccess", "no error"),
    1: ("cudaErrorInvalidValue", "invalid argument"),
    2: ("cudaErrorMemoryAllocation", "out of memory"),
    101: ("cudaErrorInvalidDevice", "invalid device ordinal"),
    400: ("cudaErrorInvalidResourceHandle", "invalid resource handle"),
    401: ("cudaErrorIllegalState", "the operation cannot be performed in the present state"),
    700: ("cudaErrorIllegalAddress", "an illegal memory access was encountered"),
    900: ("cudaErrorStreamCaptureUnsupported", "operation not permitted when stream is capturing"),
    901: ("cudaErrorStreamCaptureInvalidated", "operation failed due to a previous error during capture"),
    902: ("cudaErrorStreamCaptureMerge", "operation would result in a merge of separate capture sequences"),
    903: ("cudaErrorStreamCaptureUnmatched", "capture was not ended in the same stream as it began"),
    904: ("cudaErrorStreamCaptureUnjoined", "capturing stream has unjoined work"),
    905: ("cudaErrorStreamCaptureIsolation", "dependency created on uncaptured work in another stream"),
    906: (
        "cudaErrorStreamCaptureImplicit",
        "operation would make the legacy stream depend on a capturing blocking stream",
    ),
    907: ("cudaErrorCapturedEvent", "operation not permitted on an event last recorded in a capturing stream"),
}

_DRIVER = {
    1: ("CUDA_ERROR_INVALID_VALUE", "invalid argument"),
    500: ("CUDA_ERROR_NOT_FOUND", "named symbol not found"),
}


class CUDARuntimeError(RuntimeError):
    """Made of a number, as the real one (CuPy 14.2.0, cupy_backends/cuda/api/runtime.pyx)."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__("{}: {}".format(*_RUNTIME[status]))

    def __reduce__(self) -> Any:
        return type(self), (self.status,)


class CUDADriverError(RuntimeError):
    """Made of a number, as the real one (CuPy 14.2.0, cupy_backends/cuda/api/driver.pyx)."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__("{}: {}".format(*_DRIVER[status]))

    def __reduce__(self) -> Any:
        return type(self), (self.status,)


class OutOfMemoryError(MemoryError):
    """`cupy.cuda.memory.OutOfMemoryError` (cupy/cuda/memory.pyx)."""

    def __init__(self, size: int, total: int, limit: int = 0) -> None:
        limited = f", limit set to: {limit:,} bytes" if limit else ""
        super().__init__(f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes{limited}).")
