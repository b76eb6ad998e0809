"""A run folder as `minigen watch` sees it: its state, its speed, what was found; and that the folder stays as it is.

Read next: ``test_page.py``.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from pathlib import Path

import pytest
from dashboard.folders import batch, contents, finding, folder, trained

from minigen.dashboard import Watched, find_runs, snapshot
from minigen.dashboard.networks import describe, parameters_of
from minigen.training.run_folder import RunFolder, RunFolderError

TRAINING = Path(__file__).parents[1] / "training"
LONG_AGO = 1_600_000_000


def watched(path: Path) -> Watched:
    return Watched(path, path.name)


def age(path: Path) -> None:
    for place in (path / "metrics.csv", path / "checkpoints" / "last.safetensors"):
        os.utime(place, (LONG_AGO, LONG_AGO))


def test_a_finished_run(tmp_path: Path) -> None:
    found = watched(trained()).summary()
    assert (found["status"], found["step"], found["steps"], found["steps_per_epoch"]) == ("finished", 8, 8, 4)
    assert (found["model"], found["epochs"], found["samples"]) == ("vae", 2, ["epoch_001", "epoch_002"])
    assert found["dataset"] == "images.npz"
    assert found["eta"] is None and found["rate"] > 0 and found["best"]["epoch"] in (1, 2) and found["notes"] == []
    (entry,) = found["journal"]
    assert entry["step"] == 8 and entry["doctor"]["note"].startswith("too few updates")
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_run_in_training_is_known_by_its_lock_which_is_left_alone(tmp_path: Path) -> None:
    path = folder(tmp_path / "run", [batch(k, 3, 2, 1, seconds=k / 8) for k in range(1, 5)])
    age(path)
    run = watched(path)
    before = run.stamp()
    if run._is_locked() is None:
        pytest.skip("this system does not tell who holds a lock: there is no /proc/locks")
    with RunFolder(path).lock():
        assert run.summary()["status"] == "training" and run.stamp() != before
    assert run.summary()["status"] == "finished"  # its checkpoint is at the last step
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody holds it
    os.close(descriptor)


def test_rate_and_time_to_go(tmp_path: Path) -> None:
    path = folder(tmp_path / "run", [batch(k, 3, 2, 1, seconds=100 + k / 8) for k in range(1, 5)])
    (path / "config.toml").write_text((path / "config.toml").read_text().replace("epochs = 2", "epochs = 6"))
    run = watched(path)
    with RunFolder(path).lock():
        found = run.summary()
    if found["status"] == "training":
        assert (found["step"], found["steps"], found["rate"]) == (8, 24, 8)  # the checkpoint is further than the table
        assert found["eta"] == (24 - 8) / 8
    found = run.summary()
    assert found["eta"] is None or found["status"] == "training"


def test_without_news_of_a_lock_a_run_trains_if_it_was_written_just_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder(tmp_path / "run")
    (path / "config.toml").write_text((path / "config.toml").read_text().replace("epochs = 2", "epochs = 6"))
    monkeypatch.setattr(Watched, "_is_locked", lambda self: None)
    (path / "metrics.csv").touch()
    assert watched(path).summary()["status"] == "training"
    age(path)
    assert watched(path).summary()["status"] == "stopped"


def test_a_run_that_ended_with_an_error(tmp_path: Path) -> None:
    journal = [
        {"step": 4, "epoch": 1, "doctor": finding()},
        {"step": 87, "epoch": 2, "stopped": "step 87: loss is nan"},  # the table has a row every 50 updates
    ]
    path = folder(tmp_path / "run", [batch(4, 3, 2, 1)], journal)
    (path / "checkpoints" / "last.safetensors").write_bytes(b"damaged")
    found = watched(path).summary()
    assert (found["status"], found["step"]) == ("failed", 87)
    assert [entry["step"] for entry in found["journal"]] == [4, 87]
    assert found["steps"] is None and found["notes"] == ["the last checkpoint is missing or cannot be read"]


def test_what_is_missing_or_damaged_is_said_and_no_error(tmp_path: Path) -> None:
    path = folder(tmp_path / "run", journal=[])
    (path / "journal.jsonl").write_bytes(
        b'{"step": 1}\n[]\nnull\n{"step": true, "epoch": 1, "stopped": "x"}\n\xff{\n' + b"[" * 9999
    )
    (path / "config.toml").write_text("= [")
    (path / "metrics.csv").unlink()
    shutil.rmtree(path / "checkpoints")
    shutil.rmtree(path / "samples")
    found = watched(path).summary()
    assert found["notes"] == [
        "config.toml cannot be read", "the last checkpoint is missing or cannot be read", "there is no metrics.csv yet"
    ]  # fmt: skip
    assert (found["status"], found["step"], found["samples"], found["journal"]) == ("stopped", 0, [], [])
    assert describe(watched(path))["networks"] == []


def test_pictures_in_the_order_of_their_steps(tmp_path: Path) -> None:
    path = folder(tmp_path / "run")
    for name in ("epoch_010.png", "step_000007.png", ".hidden.png", "x.txt"):
        (path / "samples" / name).write_bytes((path / "samples" / "epoch_001.png").read_bytes())
    (path / "samples" / "epoch_003.png").write_bytes(b"GIF89a")
    run = watched(path)
    assert run.samples() == ["epoch_001", "step_000007", "epoch_002", "epoch_003", "epoch_010"]  # 4 updates an epoch
    assert run.picture("epoch_010") == (path / "samples" / "epoch_001.png").read_bytes()
    for name in ("epoch_003", "epoch_004", "../config", "../samples/epoch_001", ".hidden", ""):
        with pytest.raises(FileNotFoundError, match="has no picture"):
            run.picture(name)


@pytest.mark.parametrize("place", ["version_0_1/run", "version_0_2/ae", "version_0_2/wgan-gp"])
def test_runs_of_old_versions(place: str) -> None:
    before = contents(TRAINING / place)
    run = watched(TRAINING / place)
    found, about = run.summary(), describe(run)
    assert found["step"] > 0 and found["steps"] and found["notes"] == []
    assert about["note"] is None and about["networks"] and about["units"]["loss"]["unit"]
    assert contents(TRAINING / place) == before


def test_units_and_networks_are_those_of_the_model(tmp_path: Path) -> None:
    about = describe(watched(trained()))
    assert about["note"] is None and about["image"] == [1, 6, 6]
    assert about["units"]["kl"] == {"unit": "nats per sample, sum over the code", "of": "loss"}
    (network,) = about["networks"]
    dense = [(chain["kind"], chain["widths"]) for chain in network["chains"]]
    assert ("Dense", [36, 8]) in dense and ("Dense", [2, 8, 36]) in dense
    shapes = {entry["name"]: entry["shape"] for entry in about["parameters"]}
    assert sum(len(shape) for shape in shapes.values()) and [8, 36] in shapes.values() or [36, 8] in shapes.values()


def test_code_of_a_users_own_is_not_executed(tmp_path: Path) -> None:
    path = folder(tmp_path / "run")
    code = tmp_path / "own.py"
    code.write_text(f"open({str(tmp_path / 'executed')!r}, 'w')\nclass Net: pass\n")
    config = (path / "config.toml").read_text()
    (path / "config.toml").write_text(config.replace('model = "vae"', f'model = "{code}:Net"'))
    about = describe(watched(path))
    assert (
        "own.py:Net, which is not executed" in about["note"]
        and about["parameters"]
        and not (tmp_path / "executed").exists()
    )
    assert (
        watched(path).summary()["model"] == "own.py:Net" and str(tmp_path) not in about["note"]
    )  # a page names no folder


def test_parameters_of_something_else(tmp_path: Path) -> None:
    for data in (b"", b"1234", (1 << 40).to_bytes(8, "little") + b"{}", (2).to_bytes(8, "little") + b"[]", bytes(40)):
        (tmp_path / "x").write_bytes(data)
        assert parameters_of(tmp_path / "x") == []
    assert parameters_of(tmp_path) == parameters_of(tmp_path / "none") == []


def test_which_runs_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("b", "a"):
        folder(tmp_path / "runs" / name)
    (tmp_path / "runs" / "notes.txt").write_text("")
    assert [run.name for run in find_runs(["runs"])] == ["runs/a", "runs/b"]
    assert [run.name for run in find_runs(["runs/b", "runs", "./runs/b"])] == ["runs/b", "runs/a"]
    for given, why in (("none", "does not exist"), ("runs/notes.txt", "is a file"), ("runs/a/samples", "holds no run")):
        with pytest.raises(RunFolderError, match=f"^{given} {why}. `minigen train` makes a run folder"):
            find_runs([given])


def test_looking_writes_nothing(tmp_path: Path) -> None:
    path = folder(tmp_path / "run")
    before = contents(path)
    run = watched(path)
    run.summary(), run.stamp(), describe(run), run.table.update(), run.picture("epoch_001")
    assert contents(path) == before


def test_a_stamp_changes_with_what_is_shown(tmp_path: Path) -> None:
    path = folder(tmp_path / "run")
    run = watched(path)
    seen = {run.stamp()}
    for change in (
        lambda: (path / "metrics.csv").write_text("x"),
        lambda: (path / "journal.jsonl").write_text("{}"),
        lambda: (path / "samples" / "epoch_009.png").write_text("x"),
        lambda: (path / "config.toml").write_text("x = 1"),
        lambda: (path / "checkpoints" / "last.safetensors").unlink(),
    ):
        time.sleep(0.01)
        change()
        seen.add(run.stamp())
    assert len(seen) == 6 and run.stamp() in seen


def test_a_row_that_is_odd_hides_no_run(tmp_path: Path) -> None:
    odd = batch(3, "nan", "inf", "-inf", seconds=float("nan"))
    run = watched(
        folder(tmp_path / "run", [batch(1, 2, 1, 1), odd], [{"step": 2, "epoch": 1, "doctor": {"share": float("nan")}}])
    )
    found = run.summary()
    assert found["seconds"] is None and found["rate"] is None and found["journal"][0]["doctor"]["share"] is None
    assert "minigen watch" in snapshot([run])
