"""Whole runs: what is in the folder, and that a run stopped anywhere ends in the same bits as one never stopped."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from training.runs import left_behind, make_data, run

from minigen import serialization
from minigen.algorithms.catalog import MODELS
from minigen.algorithms.options import ConfigError
from minigen.data import load
from minigen.serialization import CheckpointError
from minigen.training.checkpoint import load_checkpoint
from minigen.training.nonfinite import NonFiniteLoss
from minigen.training.opening import open_trained
from minigen.training.prepare import training_data
from minigen.training.run_folder import RunFolder
from minigen.training.session import Interrupted


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory.mktemp("data") / "images.npz")


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """A run that nothing has stopped, and what it left: 77 images in 4 batches an epoch."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    return run(data, folder), left_behind(folder)


def test_what_a_run_leaves(whole):
    made, left = whole
    assert made.finished and made.state.step == 8
    assert left["files"] == [
        "checkpoints/best.safetensors", "checkpoints/last.safetensors", "config.toml", "env.json", "metrics.csv",
        "samples/epoch_001.png", "samples/epoch_002.png",
    ]  # fmt: skip
    splits = [(row["step"], row["epoch"], row["split"]) for row in left["metrics"]]
    one = [(str(k), "1", "batch") for k in range(1, 5)] + [("4", "1", "train"), ("4", "1", "validation")]
    two = [(str(k), "2", "batch") for k in range(5, 9)] + [("8", "2", "train"), ("8", "2", "validation")]
    assert splits == one + two
    environment = json.loads(made.folder.environment.read_text())
    assert environment["packages"]["numpy"] == np.__version__ and environment["threads"]["kernel threads"] >= 1
    assert left["samples"]["epoch_001.png"].startswith(b"\x89PNG")


def test_the_rows_are_right(whole):
    """The epoch's row is the mean of its batches; the validation row is what the best model gives when it is opened."""
    made, left = whole
    rows = left["metrics"]
    for epoch in ("1", "2"):
        batch = [float(r["loss"]) for r in rows if r["epoch"] == epoch and r["split"] == "batch"]
        (train,) = (float(r["loss"]) for r in rows if r["epoch"] == epoch and r["split"] == "train")
        assert train == pytest.approx(np.mean(batch), rel=1e-12)  # both are sums of the same float64 numbers
    validation = {r["epoch"]: float(r["loss"]) for r in rows if r["split"] == "validation"}
    assert made.best.loss == min(validation.values()) and validation[str(made.best.epoch)] == made.best.loss
    experiment, facts = open_trained(made.prepared.recipe, made.prepared.config, made.folder.best, "cpu")
    _, held = training_data(made.prepared.config)
    x = held.images_float()
    clean, _, restored = experiment.pictures(x)  # a denoising model is asked to restore, in validation too
    mse = np.mean((restored.astype(np.float64) - clean) ** 2)
    assert made.best.loss == pytest.approx(mse, rel=1e-5)  # float32 sums
    assert facts == made.prepared.facts


def test_held_out_images_are_not_trained_on(data):
    config = {"dataset": str(data), "data_dir": None, "image_size": None, "letters": False}
    whole = load(str(data), split="train")
    for validation, limit, held in ((0.0, None, 0), (0.1, None, 8), (0.001, None, 1), (0.5, 20, 10)):
        train, kept = training_data({**config, "validation": validation, "limit": limit})
        assert (0 if kept is None else len(kept)) == held
        parts = [train] if kept is None else [train, kept]
        found = sorted(x.tobytes() for part in parts for x in part.images)
        assert found == sorted(x.tobytes() for x in whole.images[: limit or len(whole)])


class Crash(BaseException):
    """Stands for the end of the process: nothing in minigen catches it."""


def crash_at(monkeypatch, call):
    """The `call`-th file is not written any more."""
    count, true_replace = 0, os.replace

    def replace(source, target):
        nonlocal count
        count += 1
        if count == call:
            raise Crash
        true_replace(source, target)

    monkeypatch.setattr(serialization.os, "replace", replace)
    return lambda: count


def test_a_crash_at_any_write_is_made_good(data, whole, tmp_path, monkeypatch):
    """Every file that a run writes takes its name by `os.replace`. Crash at each of them, resume, compare the end."""
    settings = {"checkpoint_every": 3}
    with monkeypatch.context() as patch:
        written = crash_at(patch, None)
        run(data, tmp_path / "whole", **settings)
    expected, total = left_behind(tmp_path / "whole"), written()
    assert total > 10
    begun = 0
    for call in range(1, total + 1):
        folder = tmp_path / str(call)
        with monkeypatch.context() as patch, pytest.raises(Crash):
            crash_at(patch, call)
            run(data, folder, **settings)
        assert not list(tmp_path.rglob("*.tmp"))
        if not folder.exists():  # before the first step: no folder is left, so there is nothing to go on with
            continue
        begun += 1
        run(data, folder, resume=True, **settings)
        assert left_behind(folder) == expected, f"after a crash at write {call}"
    assert begun == total - 3  # config, environment and first checkpoint


@pytest.mark.parametrize("model", ["denoising-ae", "sparse-ae", "contractive-ae"])
@pytest.mark.parametrize(("call", "step"), [(1, 1), (4, 4), (5, 4), (7, 6)])
def test_a_run_that_is_asked_to_stop_goes_on_the_same(data, tmp_path, model, call, step):
    """It is asked after every step, and after every epoch; at call 4 the validation of the epoch is still to come."""
    settings = {"model": model, "latent": 4, "optimizer": "rmsprop", "schedule": "cosine"}
    run(data, tmp_path / "whole", **settings)
    calls = 0

    def stop():
        nonlocal calls
        calls += 1
        return calls == call

    with pytest.raises(Interrupted):
        run(data, tmp_path / "stopped", stop=stop, **settings)
    assert load_checkpoint(tmp_path / "stopped/checkpoints/last.safetensors").facts["state"]["step"] == step
    run(data, tmp_path / "stopped", resume=True, **settings)
    assert left_behind(tmp_path / "stopped") == left_behind(tmp_path / "whole")


def test_more_epochs_and_more_steps(data, whole, tmp_path):
    run(data, tmp_path / "short", epochs=1)
    run(data, tmp_path / "short", resume=True, epochs=2)
    assert left_behind(tmp_path / "short") == whole[1]  # the learning rate is constant, so the whole run is the same
    made = run(data, tmp_path / "steps", max_steps=6)
    assert made.finished and "samples/step_000006.png" in left_behind(tmp_path / "steps")["files"]
    made = run(data, tmp_path / "steps", resume=True, max_steps=99)
    assert made.state.step == 8
    theirs = load_checkpoint(whole[0].folder.last).arrays
    for name, array in load_checkpoint(made.folder.last).arrays.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)
    with pytest.raises(ConfigError, match="epochs 1: the run has done 2 already"):
        run(data, tmp_path / "short", resume=True, epochs=1)
    assert RunFolder(tmp_path / "short").read_config()["epochs"] == 2


def test_a_finished_run_stays_as_it_is(data, whole):
    made, left = whole
    assert run(data, made.folder.path, resume=True).finished
    assert left_behind(made.folder.path) == left


def test_a_failing_first_step_leaves_no_folder(data, tmp_path, monkeypatch):
    def break_step(setup):
        experiment = MODELS["ae"].build(setup)

        def fail(batch):
            raise ValueError("Dense 'decoder.2': expected input (N, 400), got (32, 784)")

        experiment.step = fail
        return experiment

    monkeypatch.setitem(MODELS, "broken", replace(MODELS["ae"], name="broken", build=break_step))
    with pytest.raises(ValueError, match="Dense 'decoder.2'"):
        run(data, tmp_path / "run", model="broken")
    assert not list(tmp_path.iterdir())


def test_nan_stops_and_the_last_good_checkpoint_stays(data, tmp_path):
    with np.errstate(all="ignore"), pytest.raises(NonFiniteLoss, match=r"last\.safetensors holds step 0"):
        run(data, tmp_path / "run", model="linear-ae", lr=1e20, optimizer="sgd")
    checkpoint = load_checkpoint(tmp_path / "run" / "checkpoints" / "last.safetensors")
    assert all(np.isfinite(a).all() for a in checkpoint.arrays.values())


def test_a_failing_disk_in_the_middle(data, tmp_path, monkeypatch):
    """The run ends with the reason, its files stay whole, and it can go on when there is space again."""
    count, true_fsync = 0, os.fsync

    def fsync(descriptor):
        nonlocal count
        count += 1
        if count > 12:
            raise OSError(28, "No space left on device")
        true_fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(serialization.os, "fsync", fsync)
        with pytest.raises((OSError, CheckpointError), match="No space left on device"):
            run(data, tmp_path / "run")
    assert not list(tmp_path.rglob("*.tmp"))
    run(data, tmp_path / "run", resume=True)
    run(data, tmp_path / "whole")
    assert left_behind(tmp_path / "run") == left_behind(tmp_path / "whole")


def test_runs_that_cannot_go_on(data, whole, tmp_path):
    def copy(name):
        made = run(data, tmp_path / name, max_steps=1)
        return made.folder

    other = make_data(tmp_path / "other.npz", n=120)
    folder = copy("data")
    with pytest.raises(CheckpointError, match="the training images are not those of the run"):
        run(other, folder.path, resume=True)
    folder = copy("model")
    with pytest.raises(CheckpointError, match="is of model 'denoising-ae', the run is of 'ae'"):
        run(data, folder.path, model="ae", resume=True)
    folder = copy("options")
    with pytest.raises(CheckpointError, match="is of another model: model: .* has shape"):
        run(data, folder.path, latent=5, resume=True)
    folder = copy("garbage")
    folder.last.write_bytes(b"\xff" * 1000)
    with pytest.raises(CheckpointError, match="is damaged"):
        run(data, folder.path, resume=True)
    folder.last.unlink()
    with pytest.raises(CheckpointError, match="there is no such file"):
        run(data, folder.path, resume=True)


def test_contradictions_are_found_before_anything_is_written(data, tmp_path):
    for message, settings in {
        "--batch-size 1000 is larger than the 77 images": {"batch_size": 1000},
        "unknown data set 'mnits'. Did you mean 'mnist'": {"dataset": "mnits"},
        "linear-ae: a linear output has no cross-entropy": {"model": "linear-ae", "loss": "bce"},
    }.items():
        with pytest.raises(ConfigError, match=message):
            run(data, tmp_path / "run", **settings)
    with pytest.raises(FileNotFoundError):
        run(tmp_path / "nothing.npz", tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_colour_and_odd_channels_have_pictures(tmp_path):
    rng = np.random.default_rng(0)
    for channels in (3, 4):
        path = tmp_path / f"{channels}.npz"
        np.savez(path, images=rng.integers(0, 256, (40, 8, 9, channels), dtype=np.uint8))
        made = run(path, tmp_path / str(channels), epochs=1)
        assert list(made.folder.samples.iterdir())
