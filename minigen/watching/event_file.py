"""Event files of TensorBoard, read as far as it takes to cut them: which events stay when a run goes back to a step.

A reader that meets a step twice may draw it twice, or drop what came before: readers differ. So what a resumed run will
write again is taken out of the old files first. This needs no other package: a run can be resumed where it is missing.

A file is a sequence of records: the length (8 bytes, the lowest first), its masked CRC-32C, the data, and theirs. The
data is a protocol buffer `Event`: field 2 is the step, field 5 the summary, whose fields 1 are values with the tag in
their field 1 (TensorFlow: ``core/lib/io/record_writer.cc``, ``core/util/event.proto``,
``core/framework/summary.proto``; the encoding: https://protobuf.dev/programming-guides/encoding).

Imports: atomic. Read next: ``tensorboard.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from minigen.atomic import write_atomically

PATTERN = "events.out.tfevents.*.minigen"  # of the files that are ours
AROUND = 12, 4  # bytes of a record before and after its data

Keep = Callable[[int, list[str]], bool]  # of an event with this step and these tags


def cut_events(folder: Path, step: int, *, whole_epoch: bool) -> None:
    """Take out what a run writes that goes on after update `step`, and a record that was not written to its end.

    Of the events of `step` itself those of a batch stay, and those of the epoch if it was closed (`whole_epoch`).
    """
    filter_events(
        folder,
        lambda at, tags: at < step or (at == step and (whole_epoch or all(tag.startswith("batch/") for tag in tags))),
    )


def filter_events(folder: Path, keep: Keep) -> None:
    """Leave in the event files of a folder only the events to `keep`. A file without any is deleted.

    Events without a tag - the version of the format, marks of a restart - stay where others do.
    """
    for path in sorted(folder.glob(PATTERN)):
        data = path.read_bytes()
        events = [(record, *_step_and_tags(record[AROUND[0] : -AROUND[1]])) for record in records(data)]
        kept = b"".join(record for record, step, tags in events if not tags or keep(step, tags))
        if not any(tags and keep(step, tags) for _, step, tags in events):
            path.unlink()
        elif kept != data:
            write_atomically(path, kept)


def records(data: bytes) -> Iterator[bytes]:
    """The whole records of a file, each with what is around its data, up to the first that is none."""
    start = 0
    while start + sum(AROUND) <= len(data):
        end = start + sum(AROUND) + int.from_bytes(data[start : start + 8], "little")
        if end > len(data) or data[start : start + 8] == bytes(8):  # cut off; or zeros, as a power cut leaves them
            return
        yield data[start:end]
        start = end


def _step_and_tags(event: bytes) -> tuple[int, list[str]]:
    """The step of an event and the tags of its values. (0, []) if it is damaged: readers pass it over."""
    step, tags = 0, []
    try:
        for number, field in _fields(event):
            if number == 2 and isinstance(field, int):
                step = field
            if number == 5 and isinstance(field, bytes):
                values = [value for number, value in _fields(field) if number == 1 and isinstance(value, bytes)]
                named = [dict(_fields(value)).get(1) for value in values]
                tags = [tag.decode() for tag in named if isinstance(tag, bytes)]
    except (IndexError, ValueError):
        return 0, []
    return step, tags


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protocol buffer: number and value, a number or bytes. IndexError or ValueError: it is none."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        if key & 7 == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        length, at = _varint(message, at) if key & 7 == 2 else ({1: 8, 5: 4}.get(key & 7, len(message)), at)
        if at + length > len(message):
            raise ValueError("a field is longer than its message")
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number of 7 bits a byte, the lowest first, and where the next one begins."""
    value = shift = 0
    while message[at] & 0x80:
        value |= (message[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return value | message[at] << shift, at + 1
