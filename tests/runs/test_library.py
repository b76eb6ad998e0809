"""`mg.train`, `mg.open_run` and `Run`: what is taken and given, what is kept, what is refused, and how it goes on."""

from __future__ import annotations

import json
import os
import signal
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training.runs import left_behind

import minigen as mg
from minigen import runs
from minigen.algorithms.catalog import MODELS
from minigen.cli import main
from minigen.data import Dataset, load
from minigen.nn.init import default_rng

N = 60
IMAGES = np.random.default_rng(0).integers(0, 256, (N, 1, 6, 6), dtype=np.uint8)
LABELS = np.arange(N) % 3
SMALL: dict[str, Any] = {"latent": 2, "batch_size": 8, "seed": 1, "progress": False}


def vae(**options: Any) -> mg.Run:
    return mg.train("vae", **{"data": IMAGES, "labels": LABELS, "epochs": 1, "hidden": 8, **SMALL, **options})


def arrays(run: mg.Run) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in run.at("last").model.state_dict().items()}


@pytest.fixture(scope="module")
def trained() -> mg.Run:
    """Tests must not change it."""
    return vae()


def test_arrays_in_arrays_out(trained: mg.Run) -> None:
    assert trained.image_shape == (1, 6, 6) and trained.value_range == (0, 1) and trained.class_names == ("0", "1", "2")
    samples = trained.sample(3, seed=5)
    assert samples.shape == (3, 1, 6, 6) and samples.dtype == np.float32
    np.testing.assert_array_equal(trained.sample(2, seed=5), samples[:2])
    codes = trained.encode(IMAGES[:4])
    assert codes.shape == (4, 2)
    for same in (IMAGES[:4] / 255, (IMAGES[:4, 0] / np.float32(255)), Dataset("mine", "x", IMAGES[:4])):
        np.testing.assert_array_equal(trained.encode(same), codes)
    black_and_white = IMAGES[:4] > 99
    np.testing.assert_array_equal(trained.encode(black_and_white), trained.encode(black_and_white.astype(float)))
    images = trained.reconstruct(IMAGES[:4])
    np.testing.assert_allclose(trained.decode(codes), images, rtol=1e-5)  # in blocks of another size
    rows = trained.interpolate(IMAGES[:2], IMAGES[2:4], 5)
    assert rows.shape == (2, 5, 1, 6, 6)
    np.testing.assert_allclose(rows, trained.interpolate(codes[:2], codes[2:], 5), rtol=1e-5)
    np.testing.assert_allclose(rows[:, 0], trained.decode(codes[:2]), rtol=1e-5)
    assert trained.draw("traverse", 2).images.shape == (20, 1, 6, 6) and trained.draw("grid", 3).codes.shape == (9, 2)


def test_what_is_known_of_a_run(trained: mg.Run) -> None:
    assert repr(trained) == "Run('vae' on 'in-memory', 'best' checkpoint at step 6, in memory)"
    assert len(trained.images("train")) == 51 and len(trained.images("valid")) == 3 and len(trained.images()) == 6
    metrics = trained.metrics
    assert metrics["split"].tolist() == ["train", "validation"] and metrics["step"].dtype == np.int64
    assert np.isfinite(metrics["loss"]).all() and metrics["epoch"].tolist() == [1, 1]
    assert trained.pictures["epoch_001"].dtype == np.uint8
    found = trained.evaluate(samples=0, k=1)
    assert found.metrics["mse"] > 0 and found.report["mse"].unit and "mse" in repr(found)
    assert trained.doctor().lines()[0].startswith("doctor: ")


def test_several_networks_are_one_module() -> None:
    run = mg.train("gan", data=IMAGES, epochs=1, hidden=8, **SMALL)
    assert isinstance(run.model, mg.nn.Module) and run.value_range == (-1, 1)
    with pytest.raises(AttributeError, match="no network is called 'critic'; there are .*generator"):
        _ = run.model.critic
    assert {name for name, _ in run.model.children()} == run.experiment.modules.keys()
    assert run.model.generator is run.experiment.modules["generator"]


def test_nothing_is_written_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    true_open = open

    def refuse(path: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
        assert not set("wax+") & set(mode), path
        return true_open(path, mode, *args, **options)

    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr(os, "replace", lambda *paths: pytest.fail(f"{paths}"))
    run = vae(checkpoint_every=2, log_every=1)
    run.resume(epochs=2, progress=False)
    run.evaluate(samples=0, k=1)
    assert not list(tmp_path.iterdir()) and len(run.metrics["step"]) == 12 + 4


def test_the_default_generator_of_layers_is_left_alone() -> None:
    mg.manual_seed(7)
    first = default_rng().normal((3,))
    mg.manual_seed(7)
    vae().sample(1)
    np.testing.assert_array_equal(default_rng().normal((3,)), first)


# Data.


def test_a_file_an_array_and_a_data_set_are_the_same(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", images=IMAGES, labels=LABELS)
    wanted = arrays(vae())
    assert arrays(vae(data=tmp_path / "x.npz", labels=None)) == wanted
    assert arrays(vae(data=Dataset("mine", "train", IMAGES, LABELS), labels=None)) == wanted
    np.savez(tmp_path / "y.npz", x_train=IMAGES[:40], x_test=IMAGES[40:], y_train=LABELS[:40], y_test=LABELS[40:])
    run = vae(data=tmp_path / "y.npz", labels=None)
    other = vae(data=IMAGES[:40], labels=LABELS[:40], test=(IMAGES[40:], LABELS[40:]))
    assert arrays(run) == arrays(other) != wanted and len(other.images()) == len(run.images()) == 20
    sets = Dataset("mine", "train", IMAGES[:40]), Dataset("mine", "test", IMAGES[40:])
    assert len(vae(data=sets[0], test=sets[1], labels=None).images()) == 20
    whole = load(tmp_path / "x.npz")
    np.testing.assert_array_equal(vae(validation=0.0).images("train").images, whole.images)


def test_the_array_is_copied() -> None:
    x = IMAGES.copy()
    run = vae(data=x)
    x[:] = 0
    assert run.images("train").images.max() > 0


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"data": IMAGES.astype(int)}, ValueError, "data: images must be uint8 .* got int64; save images.astype"),
        ({"data": IMAGES / 7.0}, ValueError, r"data: float images must lie in \[0, 1\]"),
        ({"data": IMAGES[..., :0]}, ValueError, "data: images must be .* none of it empty"),
        ({"labels": LABELS[:5]}, ValueError, "labels: 60 images but 5 labels"),
        ({"data": np.ma.array(IMAGES), "labels": None}, TypeError, "masked array"),
        ({"data": Dataset("mine", "x", IMAGES)}, TypeError, "labels: a Dataset holds its own"),
        ({"data": "glyphs"}, TypeError, "test and arrays of labels belong to images in memory"),
        ({"dataset": "glyphs"}, TypeError, "the images are data="),
        ({"letters": True}, mg.ConfigError, "--letters is an option of the data set 'glyphs'"),
        ({"data_dir": "."}, mg.ConfigError, "--data-dir is an option of data sets in files"),
        ({"epochs": 0}, mg.ConfigError, "epochs must be at least 1, got 0"),
        ({"epoch": 1}, mg.ConfigError, "model 'vae' has no option --epoch. Did you mean 'epochs'"),
        ({"n_critic": 2}, mg.ConfigError, "model 'vae' has no option --n-critic; these have it: gan"),
        ({"batch_size": 999}, mg.ConfigError, "--batch-size 999 is larger than the 51 images"),
        ({"out": Path(__file__)}, mg.RunFolderError, "is a file; nothing is ever overwritten"),
        ({"lr": 1e30, "optimizer": "sgd"}, mg.NonFiniteLoss, "NaN or infinity|is inf|is nan"),
    ],
)
def test_what_is_refused(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        vae(**options)


def test_what_is_refused_of_a_trained_model(trained: mg.Run) -> None:
    gan = mg.train("gan", data=IMAGES, epochs=1, hidden=8, **SMALL)
    with pytest.raises(ValueError, match="none below 0, and this run works in"):
        gan._images(IMAGES / 255, None)  # they would be taken for grey to white
    bright = Dataset("mine", "given", np.full((2, 1, 6, 6), 0.5, np.float32), value_range=(-1, 1))  # as the error says
    assert gan._images(bright, None).value_range == (-1, 1)
    for words, call in {
        "images: expected \\(N, 1, 6, 6\\), got \\(2, 1, 5, 5\\)": lambda: trained.encode(np.zeros((2, 1, 5, 5))),
        "got values from 0.0 to 7.0": lambda: trained.encode(np.full((1, 1, 6, 6), 7.0) * (IMAGES[:1] > 9)),
        "codes: expected \\(N, 2\\), got \\(1, 3\\)": lambda: trained.decode([[1, 2, 3]]),
        "a and b must have one shape": lambda: trained.interpolate(np.zeros((1, 2)), np.zeros((2, 2))),
        "--class 1: vae knows no classes": lambda: trained.sample(1, classes=1),
        "--truncation is for a prior": lambda: trained.sample(1, truncation=1, density="gaussian"),
        "--traverse 2: the code has the units 0 to 1": lambda: trained.draw("traverse", unit=2),
        "checkpoint is 'best' or 'last', got 'first'": lambda: trained.at("first"),  # type: ignore[arg-type]
        "it cannot change seed": lambda: trained.resume(seed=2, progress=False),
        "epochs 1: the run has done 2": lambda: vae(epochs=2).resume(epochs=1, progress=False),
    }.items():
        with pytest.raises(ValueError, match=words):
            call()
    with pytest.raises(mg.ConfigError, match="gan has no encoder"):
        gan.reconstruct(gan.images())


def test_classes() -> None:
    names = np.array(["ant", "red fox"])[np.arange(N) % 2]
    run = mg.train("cvae", data=IMAGES, labels=names, epochs=1, hidden=8, **SMALL)
    assert run.class_names == ("ant", "red fox")
    fox = run.sample(2, "red fox")
    np.testing.assert_array_equal(fox, run.sample(2, 1))
    np.testing.assert_array_equal(run.sample(2, ["ant", 1])[1], fox[1])
    np.testing.assert_array_equal(run.sample(2)[1], fox[1])  # in turn
    with pytest.raises(mg.ConfigError, match="classes: 3 of them for 2"):
        run.sample(2, [0, 1, 0])
    with pytest.raises(mg.ConfigError, match="--class dog: the model has the classes ant, red fox"):
        run.sample(2, "dog")
    with pytest.raises(ValueError, match="the encoder of cvae sees labels"):
        run.encode(IMAGES[:2])
    assert run.encode(IMAGES[:2], [0, 1]).shape == (2, 2)
    assert run.interpolate(IMAGES[:2], IMAGES[2:4], 3, classes=[0, 1]).shape == (2, 3, 1, 6, 6)


# How it goes on.


def test_resumed_in_memory_and_in_a_folder_it_is_the_run_that_was_never_stopped(tmp_path: Path) -> None:
    whole = vae(epochs=3, out=tmp_path / "whole")
    for out in (None, tmp_path / "parts"):
        run = vae(out=out)
        assert run.resume(epochs=3, progress=False) is run and run.config["epochs"] == 3
        assert arrays(run) == arrays(whole)
        np.testing.assert_array_equal(run.metrics["loss"], whole.metrics["loss"])
    assert left_behind(tmp_path / "parts") == left_behind(tmp_path / "whole")
    again = run.resume(progress=False)  # there is nothing left to do
    assert arrays(again) == arrays(whole) and left_behind(tmp_path / "parts") == left_behind(tmp_path / "whole")


def test_images_in_memory_are_given_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vae(out=tmp_path / "run")
    run = mg.open_run(tmp_path / "run", "last")
    assert run.checkpoint == "last" and run.sample(1).shape == (1, 1, 6, 6)
    needed = "the images of this run were given in memory and are in no file; give them again, in Python"
    for call in (run.images, run.doctor, lambda: run.resume(epochs=2, progress=False)):
        with pytest.raises(mg.ConfigError, match=needed):
            call()
    for words in (["train", "--resume", str(tmp_path / "run"), "--epochs", "2"], ["evaluate", str(tmp_path / "run")]):
        with pytest.raises(SystemExit) as info:
            main(words)
        assert info.value.code == 2 and needed in capsys.readouterr().err
    with pytest.raises(mg.CheckpointError, match="the training images are not those of the run: in-memory now has"):
        run.resume(epochs=2, data=255 - IMAGES, labels=LABELS, progress=False)
    with pytest.warns(UserWarning, match="the train images are not those of the run"):
        mg.open_run(tmp_path / "run", data=255 - IMAGES).images("train")
    run.resume(epochs=2, data=IMAGES, labels=LABELS, progress=False)
    assert arrays(run) == arrays(vae(epochs=2)) and len(run.images()) == 6
    assert arrays(mg.open_run(tmp_path / "run", data=IMAGES, labels=LABELS).resume(epochs=2)) == arrays(run)


@pytest.mark.parametrize("folder", [False, True])
def test_ctrl_c_returns_the_run_so_far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: bool) -> None:
    original, steps, handler = MODELS["vae"], [], signal.getsignal(signal.SIGINT)

    def build(setup: Any) -> Any:
        experiment = original.build(setup)
        step = experiment.step

        def interrupted(batch: Any) -> Any:
            steps.append(batch)
            if len(steps) == 3:
                signal.raise_signal(signal.SIGINT)
            return step(batch)

        return replace(experiment, step=interrupted)

    monkeypatch.setitem(MODELS, "vae", replace(original, build=build))
    with pytest.warns(RuntimeWarning, match=r"interrupted after step 3; saved. To go on: run.resume\(\)"):
        run = vae(out=tmp_path / "run" if folder else None)
    assert run.checkpoint_facts["state"]["step"] == 3 and signal.getsignal(signal.SIGINT) is handler
    run.resume(progress=False)
    assert arrays(run) == arrays(vae())


def test_a_recipe_of_ones_own(tmp_path: Path) -> None:
    recipe = replace(MODELS["ae"], name="mine")
    run = mg.train(recipe, data=IMAGES, epochs=1, out=tmp_path / "run", **SMALL)
    with pytest.raises(ValueError, match="unknown model 'mine'"):
        mg.open_run(tmp_path / "run")
    opened = mg.open_run(tmp_path / "run", model=recipe, data=IMAGES)
    assert arrays(opened) == arrays(run) == arrays(mg.train("ae", data=IMAGES, epochs=1, **SMALL))
    opened.resume(epochs=2, progress=False)


class Tiny(mg.nn.Module):
    objective = "mse"

    def __init__(self, width: int = 4, *, rng: Any) -> None:
        self.layers = mg.nn.Sequential(
            mg.nn.Flatten(), mg.nn.Dense(36, width, rng=rng), mg.nn.Dense(width, 36, rng=rng), mg.nn.Reshape((1, 6, 6))
        )

    def forward(self, x: Any) -> Any:
        return self.layers(x)


def test_a_network_of_ones_own(tmp_path: Path) -> None:
    run = mg.train(Tiny, data=IMAGES, epochs=1, width=3, batch_size=8, progress=False, out=tmp_path / "run")
    assert isinstance(run.model, Tiny) and run.model.layers[1].out_features == 3
    opened = mg.open_run(tmp_path / "run", model=Tiny)
    np.testing.assert_array_equal(opened.reconstruct(IMAGES[:2]), run.reconstruct(IMAGES[:2]))
    config = tmp_path / "run/config.toml"  # in a file that is gone
    config.write_text(config.read_text().replace("test_library.py:Tiny", "gone.py:Small"))
    again = mg.open_run(tmp_path / "run", model=Tiny, data=IMAGES)
    assert arrays(again) == arrays(run) and isinstance(again.resume(epochs=2, progress=False).model, Tiny)
    with pytest.raises(ValueError, match=r"config.toml names the model .*, not 'ae'"):
        mg.open_run(tmp_path / "run", model="ae")


def test_progress_is_printed_where_it_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    vae(progress=True)
    assert "epoch 1/1  step 6" in capsys.readouterr().out
    vae()
    assert capsys.readouterr() == ("", "")


def test_samples_are_measured_as_the_command_measures_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Images without labels: the features are principal components, 36 of them."""
    rng = np.random.default_rng(1)
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path))
    x = rng.integers(0, 256, (800, 1, 6, 6), dtype=np.uint8)
    np.savez(tmp_path / "in-memory.npz", images=x)
    theirs = vae(data=tmp_path / "in-memory.npz", labels=None, out=tmp_path / "run")
    found = vae(data=x, labels=None).evaluate(samples=770, k=1)
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["evaluate", str(tmp_path / "run"), "--json", "--samples", "770", "-k", "1"])
    told = json.loads(capsys.readouterr().out)
    assert found.metrics == told["metrics"] and "frechet_distance" in found.metrics
    assert found.settings == told["settings"] == theirs.evaluate(samples=770, k=1).settings


def test_what_users_catch_is_exported() -> None:
    for name in runs.__all__:
        assert getattr(mg, name) is getattr(runs, name) and name in mg.__all__ and name in dir(mg)
    assert "TYPE_CHECKING" not in dir(mg) and "__version__" in dir(mg)
    with pytest.raises(mg.RunFolderError, match="does not exist"), warnings.catch_warnings():
        mg.open_run("nowhere")
