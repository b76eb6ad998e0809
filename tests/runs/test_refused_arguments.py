"""Arguments of `mg.train`, `mg.open_run` and `Run` that cannot be: refused in words, none passed over in silence."""

from __future__ import annotations

import copy
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigen as mg
from minigen.data import Dataset

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 1, 6, 6), dtype=np.uint8)
LABELS = np.arange(60) % 3
NAMES = np.array(["ant", "bee", "cow"])[LABELS]


def train(model: str = "vae", **options: Any) -> Any:
    small: dict[str, Any] = {"epochs": 1, "latent": 2, "hidden": 8, "batch_size": 8, "progress": False}
    return mg.train(model, **{"data": IMAGES, **small, **options})


@pytest.fixture(scope="module")
def run() -> Any:
    """Tests must not change it."""
    return train()


@pytest.fixture(scope="module")
def cvae() -> Any:
    """With labels that have names; tests must not change it."""
    return train("cvae", labels=NAMES)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"data": None}, TypeError, "data: expected an array of images, got None"),
        ({"data": {"x": IMAGES}}, TypeError, "data: expected an array of images, got a dict"),
        ({"data": (x for x in IMAGES)}, TypeError, "data: expected an array of images, got"),
        ({"data": [IMAGES[0], IMAGES[1, :, :3]]}, TypeError, "data: expected an array of images, got a list"),
        ({"test": [IMAGES[:9], LABELS[:9]]}, TypeError, "test: expected an array of images, got a list"),
        ({"test": (IMAGES, LABELS, LABELS)}, TypeError, "test: expected an array of images, got a tuple"),
        ({"test": "mnist"}, TypeError, "test: expected an array of images, got 'mnist'"),
        ({"test": IMAGES[:, :, :3]}, ValueError, r"test: the images are \(1, 3, 6\), those to train on \(1, 6, 6\)"),
        (
            {"data": Dataset("a", "train", IMAGES), "test": Dataset("a", "test", IMAGES[:, :, :3])},
            ValueError,
            "test: the images are",
        ),
    ],
)
def test_images(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        train(**options)


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("draw: n is a whole number of at least 1, got 0", lambda run: run.sample(0)),
        ("draw: n is a whole number of at least 1, got -1", lambda run: run.sample(-1)),
        ("draw: n is a whole number of at least 1, got 1.5", lambda run: run.sample(1.5)),
        ("draw: kind is 'samples', 'grid'", lambda run: run.draw("nearest")),
        ("unit 1: only rows of 'traverse' go along a unit", lambda run: run.draw("samples", 3, unit=1)),
        ("interpolate: kind is 'linear' or", lambda run: run.interpolate(IMAGES[:1], IMAGES[1:2], kind="circular")),
        ("steps is a whole number of at least 2, got 1", lambda run: run.interpolate(IMAGES[:1], IMAGES[1:2], 1)),
        ("steps is a whole number of at least 2, got 2.5", lambda run: run.interpolate(IMAGES[:1], IMAGES[1:2], 2.5)),
        ("images: split is 'train', 'valid' or 'test', got 'all'", lambda run: run.images("all")),
        ("codes: they hold NaN or infinity", lambda run: run.decode(np.full((1, 2), np.nan))),
        ("evaluate: k is a whole number of at least 1, got 0", lambda run: run.evaluate(k=0)),
        ("evaluate: k is a whole number of at least 1, got 2.5", lambda run: run.evaluate(k=2.5)),
        ("evaluate: samples is a whole number of at least 0, got -1", lambda run: run.evaluate(samples=-1)),
        ("evaluate: density is 'gaussian' or 'mixture', got 'flat'", lambda run: run.evaluate(density="flat")),
        ("epochs must be a whole number, got '3'", lambda run: run.resume(epochs="3")),
        ("max_steps must be a whole number, got 9.5", lambda run: run.resume(max_steps=9.5)),
        ("doctor must be true or false, got 'no'", lambda run: run.resume(epochs=2, doctor="no")),
        ("checkpoint_every must be at least 1, got 0", lambda run: run.resume(epochs=2, checkpoint_every=0)),
        ("labels and test belong to images in memory; give data", lambda run: run.resume(epochs=2, labels=LABELS)),
        ("labels: a Dataset holds its own", lambda run: run.encode(run.images(), [0] * 6)),
    ],
)
def test_calls(run: Any, words: str, call: Callable[[Any], Any]) -> None:
    with pytest.raises((ValueError, TypeError), match=words):
        call(run)


def test_labels(cvae: Any, run: Any) -> None:
    codes = cvae.encode(IMAGES[:3], LABELS[:3])
    for same in (NAMES[:3], LABELS[:3].astype(float), LABELS[:3].tolist()):
        np.testing.assert_array_equal(cvae.encode(IMAGES[:3], same), codes)
    for words, labels in {
        "--class dog: the model has the classes ant, bee, cow": ["ant", "bee", "dog"],
        "--class 0.5: the model has the classes": [0.5, 1, 2],
        "--class nan: the model has the classes": [np.nan] * 3,
        "one for each image": [0, 1],
        "the encoder of cvae sees labels beside images; give them, too": None,
    }.items():
        with pytest.raises(ValueError, match=words):
            cvae.encode(IMAGES[:3], labels)
    with pytest.raises(mg.ConfigError, match="classes: 3 of them for 2; give one class, or one for each"):
        cvae.interpolate(IMAGES[:2], IMAGES[2:4], classes=[0, 1, 2])
    with pytest.raises(mg.ConfigError, match="--class 1.5: the model has the classes"):
        cvae.sample(2, classes=1.5)
    np.testing.assert_array_equal(run.encode(IMAGES[:3], NAMES[:3]), run.encode(IMAGES[:3]))  # it sees none


def test_all_units(run: Any) -> None:
    np.testing.assert_array_equal(run.draw("traverse", unit="all").images, run.draw("traverse").images)


def test_a_run_is_itself_alone(run: Any, tmp_path: Path) -> None:
    """Its functions hold networks of their own: a copy would draw with those of the first."""
    assert run == run and run != run.at("last") and len({run, run.at("last")}) == 2
    for make in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="a Run cannot be copied or pickled; mg.open_run"):
            make(run)
    other = train(out=tmp_path / "run")
    with pytest.raises(TypeError, match="labels and test belong to images in memory; give data, too"):
        mg.open_run(tmp_path / "run", test=IMAGES)
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(mg.RunFolderError, match="run folder .*run does not exist any more"):
        other.resume(epochs=2, progress=False)
