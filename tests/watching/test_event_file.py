"""Event files, cut at a step: what is left of files that another writer wrote.

Read next: ``test_tensorboard.py``.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.watching.event_file import cut_events, filter_events, records

board = pytest.importorskip("tensorboardX", reason="needs tensorboardX")
NAME = "events.out.tfevents.{}.minigen"


def write(path, steps, tag="train/loss"):
    """A file of another writer, with a scalar at each step."""
    writer = board.event_file_writer.EventsWriter(str(path.parent / "events"), ".other")
    for step in steps:
        summary = board.summary.scalar(tag, float(step), summary_description="nats")
        writer.write_event(board.proto.event_pb2.Event(step=step, summary=summary, wall_time=1.0))
    writer.close()
    (other,) = path.parent.glob("*.other")
    other.rename(path)


def steps_of(path):
    """The steps in a file, read by the messages of tensorboardX."""
    events = [board.proto.event_pb2.Event.FromString(record[12:-4]) for record in records(path.read_bytes())]
    return [event.step for event in events if event.HasField("summary")]


@given(st.lists(st.integers(0, 2**40), max_size=6), st.integers(0, 2**40))
def test_what_is_before_the_step_stays(tmp_path_factory, steps, at):
    folder = tmp_path_factory.mktemp("tensorboard")
    path = folder / NAME.format(1)
    write(path, steps)
    cut_events(folder, at, whole_epoch=False)
    left = [step for step in steps if step < at]
    assert path.exists() == bool(left)
    assert not left or steps_of(path) == left


@pytest.mark.parametrize(("tag", "whole", "left"), [
    ("batch/loss", False, [1, 2]), ("batch/loss", True, [1, 2]),
    ("train/loss", False, [1]), ("train/loss", True, [1, 2]), ("samples", False, [1]), ("samples", True, [1, 2]),
])  # fmt: skip
def test_at_the_step_itself_what_the_checkpoint_has_stays(tmp_path, tag, whole, left):
    path = tmp_path / NAME.format(1)
    write(path, [1, 2, 3], tag)
    cut_events(tmp_path, 2, whole_epoch=whole)
    assert steps_of(path) == left


def test_a_file_that_ends_in_the_middle_of_a_record(tmp_path):
    whole = tmp_path / NAME.format(1)
    write(whole, [1, 2, 3])
    data = whole.read_bytes()
    *_, last = records(data)
    assert b"".join(records(data)) == data
    for lost in range(1, len(last) + 1):
        whole.write_bytes(data[:-lost])
        cut_events(tmp_path, 9, whole_epoch=True)
        assert whole.read_bytes() == data[: -len(last)]
    whole.write_bytes(data + bytes(100))  # what a power cut can leave
    cut_events(tmp_path, 9, whole_epoch=True)
    assert whole.read_bytes() == data


@given(st.binary(max_size=300))
def test_no_bytes_are_an_error(tmp_path_factory, data):
    """Nor do records of any bytes, with lengths that are right, end a training."""
    folder = tmp_path_factory.mktemp("tensorboard")
    (folder / NAME.format(1)).write_bytes(data)
    record = len(data).to_bytes(8, "little") + bytes(4) + data + bytes(4)
    (folder / NAME.format(2)).write_bytes(record)
    cut_events(folder, 5, whole_epoch=True)


def test_files_of_others_are_left_alone(tmp_path):
    write(tmp_path / "events.out.tfevents.1.laptop", [1, 2, 3])
    before = (tmp_path / "events.out.tfevents.1.laptop").read_bytes()
    filter_events(tmp_path, lambda step, tags: False)
    assert (tmp_path / "events.out.tfevents.1.laptop").read_bytes() == before


def test_a_folder_that_is_not_there(tmp_path):
    cut_events(tmp_path / "none", 3, whole_epoch=True)
    assert not list(tmp_path.iterdir())
