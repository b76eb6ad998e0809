"""The journal of a run: findings at the steps where they were made, why training stopped; it goes back with the run.

Read next: ``test_metrics_file.py``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from training.runs import make_data, run

from minigen.doctor import Checkup
from minigen.doctor.diseases import Finding
from minigen.training.journal import Journal, read_journal
from minigen.training.nonfinite import NonFiniteLoss
from minigen.training.run_folder import RunFolder

FOUND = Checkup((Finding("mode collapse", "1 of 10 classes", "Train longer"),), 3)


@pytest.mark.parametrize("in_memory", [False, True])
def test_it_is_cut_where_a_run_goes_on(tmp_path: Path, in_memory: bool) -> None:
    path = None if in_memory else tmp_path / "journal.jsonl"
    journal = Journal(path)
    assert list(journal.entries()) == []
    journal.cut(0)
    journal.checkup(4, 1, FOUND)
    journal.checkup(8, 2, Checkup((), 3, "a note"))
    journal.stopped(9, 3, NonFiniteLoss("step 9: loss is nan"))
    first, second, last = journal.entries()
    finding = {"disease": "mode collapse", "evidence": "1 of 10 classes", "remedy": "Train longer"}
    assert first["step"] == 4 and first["epoch"] == 1 and first["doctor"]["checks"] == 3
    assert list(map(dict, first["doctor"]["findings"])) == [finding]
    assert second["doctor"]["note"] == "a note" and last["stopped"] == "step 9: loss is nan"
    journal.cut(9)
    assert [entry["step"] for entry in journal.entries()] == [4, 8]  # it has been begun again
    journal.cut(7)
    assert [entry["step"] for entry in journal.entries()] == [4]
    journal.cut(3)
    assert list(journal.entries()) == [] and not list(tmp_path.iterdir())


def test_a_damaged_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    Journal(path).checkup(4, 1, FOUND)
    whole = path.read_bytes()
    for wrong in (
        b"{\n",
        b"[1]\n",
        b"null\n",
        b"\xff\n",
        b'{"step": 1.5, "epoch": 1, "doctor": {}}\n',
        b'{"step": 1, "epoch": 1}\n',
        b"[" * 99_999 + b"\n",
    ):
        path.write_bytes(wrong + whole + wrong + whole[:-9])
        assert [entry["step"] for entry in read_journal(path)] == [4], wrong


def test_a_run_writes_what_the_doctor_says_and_a_resumed_one_says_it_once(tmp_path: Path) -> None:
    data = make_data(tmp_path / "images.npz")
    made = run(data, tmp_path / "run", epochs=1)
    (entry,) = made.folder.open_journal().entries()
    assert (entry["step"], entry["epoch"]) == (made.state.step, 1) and entry["doctor"]["note"]
    made = run(data, tmp_path / "run", epochs=2, resume=True)
    steps = [entry["step"] for entry in made.folder.open_journal().entries()]
    assert steps == [made.state.step // 2, made.state.step]


def test_a_run_writes_why_it_stopped_and_forgets_it_when_it_goes_on(tmp_path: Path) -> None:
    data = make_data(tmp_path / "images.npz")
    run(data, tmp_path / "run", epochs=1, doctor=False)
    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path / "run", epochs=9, doctor=False, resume=True, stop=lambda: fail(KeyboardInterrupt()))
    assert not RunFolder(tmp_path / "run").journal.exists()
    with pytest.raises(RuntimeError):
        run(data, tmp_path / "run", epochs=9, doctor=False, resume=True, stop=lambda: fail(RuntimeError("a fault")))
    (entry,) = RunFolder(tmp_path / "run").open_journal().entries()
    assert (entry["stopped"], entry["epoch"]) == ("a fault", 2)
    run(data, tmp_path / "run", epochs=9, doctor=False, resume=True)
    assert not RunFolder(tmp_path / "run").journal.exists()


def test_nan_is_written_with_its_step(tmp_path: Path) -> None:
    with pytest.raises(NonFiniteLoss), np.errstate(all="ignore"):
        run(make_data(tmp_path / "images.npz"), tmp_path / "run", model="vae", lr=1e30, checkpoint_every=1)
    folder = RunFolder(tmp_path / "run")
    entry = folder.open_journal().entries()[-1]
    assert entry["stopped"].startswith(f"step {entry['step']}: ")


def fail(error: BaseException) -> bool:
    raise error
