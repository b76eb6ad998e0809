"""`cupy.cuda.nvrtc` of the double: the version of the compiler (cupy_backends/cuda/libs/nvrtc.pyx)."""

from __future__ import annotations


def getVersion() -> tuple[int, int]:  # noqa: N802
    """(major, minor)."""
    return 12, 9
