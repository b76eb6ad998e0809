"""Streams, events and capture (CuPy 14.2.0, cupy/cuda/stream.pyx). All work is done when it is launched, or captured.

Who may use a stream while it captures follows CuPy's tests (tests/cupy_tests/cuda_tests/test_graph.py): a capture is
relaxed unless told otherwise (:397), the null stream cannot capture (:394), a wait for a capturing stream makes its
capture invalid, and `end_capture` then says so.
"""

from __future__ import annotations

import itertools
import time
import weakref
from typing import Any

from .. import _launch
from .._errors import CUDARuntimeError
from .._launch import ACTIVE, INVALID, Capture, captures, current_stream
from .graph import Graph
from .runtime import streamCaptureModeRelaxed

_handles = itertools.count(0x5000_0000, 0x100)
_streams: weakref.WeakSet[Stream] = weakref.WeakSet()


class Event:
    """cupy.cuda.Event. Recorded in a capture it belongs to the graph, and nobody may ask whether it is done."""

    def __init__(self, block: bool = False, disable_timing: bool = False, interprocess: bool = False) -> None:
        if interprocess and not disable_timing:
            raise ValueError("Timing must be disabled for interprocess events")
        self.ptr = next(_handles)
        self._timed, self._time = not disable_timing, None
        self._capture: Capture | None = None
        self._stream: Any = None

    def record(self, stream: Any = None) -> None:
        stream = stream or current_stream()
        self._capture, self._stream = _launch.capture_of(stream), stream
        self._time = None if self._capture else time.perf_counter()

    @property
    def done(self) -> bool:
        """runtime.eventQuery raises nothing: whatever is no success is not done (stream.pyx:139)."""
        if self._capture is not None:
            self._capture.state = INVALID
            return False
        return True

    def synchronize(self) -> None:
        if self._capture is not None:
            self._capture.state = INVALID
            raise CUDARuntimeError(907)
        _launch.record("sync", "Event.synchronize")


def get_elapsed_time(start_event: Event, end_event: Event) -> float:
    """Milliseconds; on the double those of the host."""
    if start_event._time is None or end_event._time is None or not (start_event._timed and end_event._timed):
        raise CUDARuntimeError(400)
    return (end_event._time - start_event._time) * 1e3


class Stream:
    """cupy.cuda.Stream."""

    null: Stream

    def __init__(
        self, null: bool = False, non_blocking: bool = False, ptds: bool = False, priority: Any = None
    ) -> None:
        if ptds:
            raise NotImplementedError("double: the default stream of a thread (ptds)")
        self.ptr, self.device_id = (0, -1) if null else (next(_handles), 0)
        self.is_non_blocking = non_blocking and not null
        self.priority = priority or 0
        self._capture: Capture | None = None
        _streams.add(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self.ptr == other.ptr

    def __hash__(self) -> int:
        return self.ptr

    def __repr__(self) -> str:
        return f"<Stream {self.ptr} (device {self.device_id})>"

    def __enter__(self) -> Stream:
        _launch.thread.stack.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _launch.thread.stack.pop()

    def use(self) -> Stream:
        _launch.thread.stack[-1] = self
        return self

    @property
    def done(self) -> bool:
        """runtime.streamQuery raises nothing (stream.pyx:268), but a capture does not survive the question."""
        if self._capture is not None:
            self._capture.state = INVALID
            return False
        return True

    def synchronize(self) -> None:
        _launch.wait("Stream.synchronize", stream=self)

    def record(self, event: Event | None = None) -> Event:
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """In a capture: `self` joins the capture of the event, or takes in the work of the event's stream."""
        theirs, mine = event._capture, self._capture
        if theirs is None or theirs.state != ACTIVE:
            if mine is not None and event._time is not None:
                mine.state = INVALID
                raise CUDARuntimeError(905)
            return
        if mine is not None and mine is not theirs:
            mine.state = theirs.state = INVALID
            raise CUDARuntimeError(902)
        if mine is None:
            self._capture = theirs
            theirs.unjoined.add(self)
        else:
            theirs.unjoined.discard(event._stream)

    def launch_host_func(self, callback: Any, arg: Any) -> None:
        _launch.launch("host", "launch_host_func", lambda: callback(arg), stream=self)

    def begin_capture(self, mode: int | None = None) -> None:
        if self.ptr in (0, 1):
            raise RuntimeError("cannot capture on the default (legacy) stream")
        if self._capture is not None:
            self._capture.state = INVALID
            raise CUDARuntimeError(401)
        self._capture = Capture(self, streamCaptureModeRelaxed if mode is None else mode)
        captures.add(self._capture)

    def end_capture(self) -> Graph:
        capture = self._capture
        if capture is None:
            raise CUDARuntimeError(401)
        if capture.origin is not self:
            capture.state = INVALID
            raise CUDARuntimeError(903)
        captures.discard(capture)
        for stream in _joined(capture):
            stream._capture = None
        if capture.unjoined:
            raise CUDARuntimeError(904)
        if capture.state == INVALID:
            raise CUDARuntimeError(901)
        capture.state = "ended"
        return Graph._of(capture)

    def is_capturing(self) -> bool:
        return _launch.is_capturing(self)


def _joined(capture: Capture) -> list[Stream]:
    return [s for s in list(_streams) if s._capture is capture]


def get_current_stream(device_id: int = -1) -> Stream:
    stream: Stream = current_stream()
    return stream


Stream.null = _launch._Thread.null = _launch.thread.stack[-1] = Stream(null=True)
