"""A run on images in files is the run on the same images in memory, to the last bit, however it is interrupted."""

import threading

import numpy as np
import pytest
from data.layouts import drawn, write

import minigen as mg
from minigen.data import load
from minigen.data.stored import StoredImages
from minigen.training.prepare import fingerprint

OPTIONS = {"epochs": 2, "batch_size": 8, "limit": 40, "validation": 0.1, "hidden": 8, "latent": 2, "progress": False}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / "cache"))
    return write("tar", tmp_path / "set", *drawn(60, (8, 8)), 3)


def weights(run):
    return {name: p.data.copy() for name, p in run.model.named_parameters()}


def same(a, b):
    return all(np.array_equal(x, b[name]) for name, x in a.items())


def rows(run):
    return {name: column for name, column in run.metrics.items() if name not in ("seconds", "split")}


def test_streamed_and_loaded_runs_are_one(folder, tmp_path):
    runs = {
        name: mg.train("vae", data=str(folder), out=tmp_path / name, stream=stream, workers=workers, **OPTIONS)
        for name, (stream, workers) in {"memory": (False, 2), "streamed": (True, 2), "alone": (True, 0)}.items()
    }
    first = runs["memory"]
    assert isinstance(runs["streamed"].images("train").images, StoredImages)
    for run in runs.values():
        assert same(weights(first), weights(run)) and run.facts == first.facts
        assert all(np.array_equal(x, rows(run)[name], equal_nan=True) for name, x in rows(first).items())
        test = run.images("test")
        assert np.array_equal(run.encode(test), first.encode(first.images("test")))
        assert np.array_equal(run.reconstruct(test), first.reconstruct(first.images("test")))
        assert run.evaluate(k=2).metrics == first.evaluate(k=2).metrics
        assert fingerprint(run.images("valid")) == fingerprint(first.images("valid"))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("minigen-data")]


def test_a_run_goes_on_in_the_middle_of_an_epoch_the_other_way(folder, tmp_path):
    whole = mg.train("vae", data=str(folder), out=tmp_path / "whole", stream=False, **OPTIONS)
    for stream in (True, False):
        options = {**OPTIONS, "stream": stream, "max_steps": 3}
        run = mg.train("vae", data=str(folder), out=tmp_path / f"cut{stream}", **options)
        run = run.resume(max_steps=8, stream=not stream, workers=1, progress=False)
        assert same(weights(whole.at("last")), weights(run.at("last")))


def test_other_pictures_are_noticed_by_a_run_that_is_resumed(folder, tmp_path):
    run = mg.train("vae", data=str(folder), out=tmp_path / "run", stream=True, **OPTIONS)
    write("tar", folder, *drawn(60, (8, 8), seed=1), 3)
    with pytest.raises(mg.CheckpointError, match="are not those of the run"):
        run.resume(epochs=3, progress=False)
    write("tar", folder, *drawn(7, (8, 8)), 3)  # fewer than in a batch, of which the user said nothing
    with pytest.raises(mg.CheckpointError, match="are not those of the run"):
        run.resume(epochs=3, progress=False)


def test_a_file_that_changes_while_it_is_trained_on(folder, monkeypatch):
    monkeypatch.setattr("minigen.data.pixels.MOST", 0)  # of pixels that are kept nothing is read from the file
    images = load(folder, stream=True)
    for path in folder.glob("*.tar"):
        path.write_bytes(path.read_bytes() + bytes(512))
    with pytest.raises(ValueError, match=r"data-000.\.tar: it has changed since it was first read"):
        mg.train("vae", data=images, **OPTIONS)


def test_with_kept_pixels_a_training_goes_on_with_what_it_began_with(folder):
    images, memory = (load(folder, stream=stream) for stream in (True, False))
    for path in folder.glob("*.tar"):
        path.write_bytes(bytes(512))
    assert same(weights(mg.train("vae", data=memory, **OPTIONS)), weights(mg.train("vae", data=images, **OPTIONS)))
