"""`TensorBoard`: a training as event files, for ``tensorboard --logdir``: curves, pictures, histograms, settings.

tensorboardX makes the messages: it knows the formats of all of TensorBoard's tabs. Its writer is left aside. That one
hands events to a thread through a queue: the last ones are lost with a killed process, and when the disk is full the
thread is gone and the training waits for ever. It also writes settings into a folder of their own, where they are a
second run. Here an event is in the file when the call returns.

Imports: event_file, logger; tensorboardX when a training begins. Read next: ``minigen/training/watch.py``.
"""

from __future__ import annotations

import importlib
import importlib.util
import struct
import time
from collections.abc import Mapping
from io import BufferedWriter
from pathlib import Path
from typing import Any

import numpy as np

from minigen.watching.event_file import PATTERN, filter_events
from minigen.watching.logger import Logger
from minigen_kernels import Array

BUCKETS = 64  # of a histogram, all as wide, from the smallest value to the largest
LARGEST = float(np.finfo(np.float32).max)  # a value beyond it is counted beside the histogram
SPLITS = {
    "batch": "one update",
    "train": "mean over the updates of the epoch",
    "validation": "mean over the validation images",
}
HPARAMS = "_hparams_/"  # how the tags of settings begin


def why_not() -> str | None:
    """Why no event files can be written here: what is missing, and how it is installed. None if they can be."""
    if importlib.util.find_spec("tensorboardX") is None:
        return "tensorboardX is missing; install it: pip install 'minigen-engine[tensorboard]', or take --log csv"
    return None


class TensorBoard(Logger):
    """Writes an event file into `folder`, a new one each time that training starts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._units: Mapping[str, str] = {}
        self._file: BufferedWriter | None = None

    def start(self, settings: Mapping[str, Any], units: Mapping[str, str], step: int) -> None:
        """Begin a file. Of a resumed run the settings are written anew, since some may have changed."""
        self._summary = importlib.import_module("tensorboardX.summary")
        self._proto = importlib.import_module("tensorboardX.proto.event_pb2")
        self._crc32c = importlib.import_module("tensorboardX.record_writer").masked_crc32c
        self._units = units
        filter_events(self.folder, lambda _, tags: not all(tag.startswith(HPARAMS) for tag in tags))
        if step:  # a TensorBoard that is looking on forgets what was cut off, and will come again
            self._event(step=step + 1, session_log=self._proto.SessionLog(status=self._proto.SessionLog.START))
        experiment, begun, _ = self._summary.hparams(settings, ["train/loss", "validation/loss"])
        self._write(0, experiment, begun)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        self._write(step, *(self._scalar(name, value) for name, value in values.items()))

    def images(self, step: int, pictures: Mapping[str, Array]) -> None:
        layouts = {2: "HW", 3: "HWC"}
        self._write(step, *(self._summary.image(name, x, dataformats=layouts[x.ndim]) for name, x in pictures.items()))

    def histograms(self, step: int, arrays: Mapping[str, Array]) -> None:
        for name, array in arrays.items():
            inside, beside = sort_out(array)
            if inside.size:
                self._write(step, self._histogram(name, inside))
            self._write(step, *(self._scalar(f"{name}/{kind}", n) for kind, n in beside.items()))

    def text(self, step: int, texts: Mapping[str, str]) -> None:
        shown = {name: "  \n".join(text.splitlines()) for name, text in texts.items()}  # Markdown's end of a line
        self._write(step, *(self._summary.text(name, text) for name, text in shown.items()))

    def finish(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _scalar(self, name: str, value: float) -> Any:
        """With what it is, once a file."""
        if name in self._described:
            return self._summary.scalar(name, value)
        self._described.add(name)
        split, _, term = name.partition("/")
        what = [self._units.get(term, "count"), *([SPLITS[split]] if split in SPLITS else [])]
        summary = self._summary.scalar(name, value, summary_description=", ".join(what))
        summary.value[0].metadata.plugin_data.plugin_name = "scalars"  # TensorBoard misses it where there is metadata
        return summary

    def _histogram(self, name: str, values: Array) -> Any:
        """Of finite values. TensorBoard takes the smallest value for the left edge, and the limits for right ones."""
        low, high = float(values.min()), float(values.max())
        counts, limits = [values.size], [high]
        if high - low > 2 * BUCKETS * np.spacing(max(-low, high, high - low)):  # else there are not so many numbers
            counts, (_, *limits) = (x.tolist() for x in np.histogram(values, BUCKETS, (low, high)))
        return self._summary.histogram_raw(name, low, high, values.size, values.sum(), values @ values, limits, counts)

    def _open(self) -> None:
        """A new file, whose name comes after those that are there: they are read in this order."""
        self.folder.mkdir(exist_ok=True)
        stamps = [
            int(path.name.split(".")[3]) for path in self.folder.glob(PATTERN) if path.name.split(".")[3].isdigit()
        ]
        stamp = max(int(time.time()), *(stamp + 1 for stamp in stamps), 0)
        self._file = open(self.folder / PATTERN.replace("*", f"{stamp:010}"), "xb")  # noqa: SIM115 - as long as the run
        self._described: set[str] = set()
        self._event(file_version="brain.Event:2")

    def _write(self, step: int, *summaries: Any) -> None:
        """An event with all values of these summaries; none without any."""
        if summaries:
            whole = self._proto.Event(step=step)
            for summary in summaries:
                whole.summary.MergeFrom(summary)
            self._event(step=step, summary=whole.summary)

    def _event(self, **fields: Any) -> None:
        if self._file is None or not Path(self._file.name).exists():  # somebody has deleted it
            self.finish()
            self._open()
        assert self._file is not None
        data = self._proto.Event(wall_time=time.time(), **fields).SerializeToString()
        length = struct.pack("<Q", len(data))
        sums = (struct.pack("<I", self._crc32c(part)) for part in (length, data))
        self._file.write(length + next(sums) + data + next(sums))
        self._file.flush()


def sort_out(array: Array) -> tuple[Array, dict[str, int]]:
    """The values for a histogram, float64 (N,), and how many are left out: kinds with their number, if any."""
    values = array.reshape(-1).astype(np.float64)
    nan, infinite = np.isnan(values), np.isinf(values)
    beyond = ~nan & ~infinite & (np.abs(values) > LARGEST)
    counts = {"NaN": nan, "infinite": infinite, "beyond_float32": beyond}
    return values[~(nan | infinite | beyond)], {kind: int(some.sum()) for kind, some in counts.items() if some.any()}
