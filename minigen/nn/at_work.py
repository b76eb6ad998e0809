"""Which Modules are being called: read from the stack of calls, so that nobody who does not ask pays for it.

Imports: module. Read next: ``minigen/drawing/modules.py`` and ``minigen/onnx/recording.py``, which ask.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

from minigen.nn.module import Module


def at_work() -> Iterator[tuple[Module, FrameType]]:
    """The Modules that are being called in this thread, the innermost first, each with the frame of its call."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        if frame.f_code is Module.__call__.__code__:
            yield frame.f_locals["self"], frame
        frame = frame.f_back
