"""`minigen evaluate` and `minigen compare`: what is chosen, the settings behind it, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli.drawers import add, make_many
from PIL import Image

from minigen.algorithms.catalog import MODELS
from minigen.doctor import Checkup, Finding
from minigen.metrics import classifier
from minigen.runs import evaluation, open_run

SMALL = ("--batch-size", 16, "--max-steps", 1)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def quick(monkeypatch, cache):
    """A classifier of few steps, trained once for each data set."""
    monkeypatch.setenv("MINIGEN_CACHE", str(cache))
    monkeypatch.setattr(classifier, "STEPS", 30)


@pytest.fixture(scope="session")
def many(tmp_path_factory):
    """1300 images with labels: 130 are the test split, enough for 64 features."""
    return make_many(tmp_path_factory.mktemp("many") / "many.npz", n=1300)


def train(minigen, data, *words, model="drawer", out="run"):
    result = minigen("train", model, "--dataset", data, *SMALL, "--out", out, *words)
    assert result.code == 0, result


def facts(minigen, *words, run="run"):
    result = minigen("evaluate", run, "--json", *words)
    assert result.code == 0, result
    return json.loads(result.out)


SAMPLES = {
    "frechet_distance", "frechet_distance_extrapolated", "precision", "recall", "density", "coverage", "entropy_score",
    "modes", "class_kl", "distance_to_training", "distance_to_training_of_test_images",
    "frechet_distance_of_training_images",
}  # fmt: skip


def test_a_model_that_only_draws(minigen, many, tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / "cache"))
    add(monkeypatch)
    train(minigen, many)
    result = minigen("evaluate", "run", "--json", "--samples", 800)
    assert result.code == 0 and "training a classifier on many" in result.err and result.err.count("\n") == 1
    found = json.loads(result.out)
    assert found["metrics"].keys() == SAMPLES == found["units"].keys() and found["left_out"] == {}
    assert found["standard_errors"].keys() == SAMPLES - {"modes", "frechet_distance_of_training_images"}
    settings = found["settings"]
    assert (settings["samples"], settings["seed"], settings["codes"]) == (800, 0, "prior")
    assert settings["features"]["dimension"] == 64 and len(settings["features"]["weights"]) == 16
    assert 0 <= settings["features"]["test_accuracy"] <= 1 and found["seconds"].keys() >= {"drawing", "samples"}
    assert facts(minigen, "--samples", 800, "--seed", 1)["metrics"] != found["metrics"]
    again = minigen("evaluate", "run", "--samples", 800)
    assert again.err == "" and settings["features"]["weights"] in again.out  # nothing is trained again
    for name, value in found["metrics"].items():
        assert f"{value:.5f} " in again.out and f"  {name} " in again.out
    assert f"±{found['standard_errors']['precision']:.2g}" in again.out
    assert found["doctor"]["checks"] >= 1 and "  doctor: " in again.out


def test_the_doctor_looks_at_the_checkpoint(minigen, many, monkeypatch):
    """With test images, the terms of the epochs, and the classifier of the samples; in the words of training."""
    add(monkeypatch)
    train(minigen, many)
    asked = []
    monkeypatch.setattr(
        evaluation,
        "examine",
        lambda *args, **more: asked.append((args, more)) or Checkup((Finding("ague", "x", "y"),), 3),
    )
    found = facts(minigen, "--samples", 800)["doctor"]
    assert found == {"findings": [{"disease": "ague", "evidence": "x", "remedy": "y"}], "checks": 3, "note": ""}
    result = minigen("evaluate", "run", "--samples", 0)
    assert "  doctor: ague: x. y\n" in result.out
    ((_, images, labels, history), more), ((_, _, _, _), without) = asked
    assert len(images) == len(labels) == 130 and len(history) == 1 and "loss" in history[0]
    answers = more["classify"](images)
    np.testing.assert_allclose(answers.sum(1), 1, atol=1e-9)  # float64
    assert without == {"classify": None}  # without samples no classifier is trained


def test_epochs_after_the_checkpoint_are_not_its_history(minigen, many, monkeypatch):
    add(monkeypatch)
    train(minigen, many)
    path = Path("run/metrics.csv")
    rows = path.read_text().splitlines()
    one = open_run("run", "last", device="cpu")
    assert len(one.history()) == 1
    later = [row for row in rows if ",train," in row][-1]
    path.write_text("\n".join([*rows, later, later]) + "\n")
    assert len(one.history()) == 1
    for damaged in ("", "no table\n", "step,epoch,split\n1\n", "\n".join([rows[0], "1,1,train,0.1,many"])):
        path.write_text(damaged)
        assert one.history() == []
    path.unlink()
    assert one.history() == [] and minigen("evaluate", "run", "--samples", 0).code == 0


def test_the_range_that_a_model_works_in_does_not_matter(minigen, many, monkeypatch):
    """Two drawers whose images are the same but for their range."""
    for name, value_range in (("zero", (0.0, 1.0)), ("minus", (-1.0, 1.0))):
        add(monkeypatch, name)
        monkeypatch.setitem(MODELS, name, replace(MODELS[name], value_range=value_range))
        train(minigen, many, model=name, out=name)
    zero, minus = (facts(minigen, "--samples", 770, run=name)["metrics"] for name in ("zero", "minus"))
    for name in SAMPLES:
        assert minus[name] == pytest.approx(zero[name], rel=1e-3, abs=1e-3)  # images of float32, moved twice


def test_images_without_labels(minigen, tmp_path, monkeypatch):
    add(monkeypatch)
    train(minigen, make_many(tmp_path / "plain.npz", labels=False))
    found = facts(minigen, "--samples", 770)
    halves = {"frechet_distance_of_halves"}  # 75 images of either half are enough for 36 features
    assert found["metrics"].keys() == SAMPLES - {"entropy_score", "modes", "class_kl"} | halves
    features = found["settings"]["features"]
    assert features["kind"].startswith("principal components") and features["dimension"] == 36
    assert "principal components" in minigen("evaluate", "run", "--samples", 770).out


def test_points_of_the_plane(minigen, monkeypatch):
    add(monkeypatch)
    train(minigen, "ring", "--limit", 500)
    found = facts(minigen, "--samples", 500)
    assert found["metrics"].keys() == {"modes", "high_quality", "reverse_kl"} and found["settings"]["samples"] == 500
    result = minigen("evaluate", "run", "--samples", 9)
    assert result.code == 2 and "--samples 9 are too few for these metrics; at least 10 are needed" in result.err


def test_a_likelihood(minigen, data, monkeypatch):
    add(monkeypatch, likelihood=True)
    train(minigen, data)
    found = facts(minigen, "-k", 7)
    x = np.load(data)["images"]
    assert found["metrics"]["log_likelihood_bound_7"] == pytest.approx(found["metrics"]["elbo"] + np.log(7))
    assert -x[0].size < found["metrics"]["elbo"] < 0 and found["settings"]["k"] == 7
    assert found["standard_errors"]["elbo"] > 0 and found["settings"]["likelihood_images"] == 9
    assert "64 features need at least 128 test images, there are 9" in found["left_out"]["samples"]
    assert facts(minigen, "-k", 1)["metrics"].keys() == {"elbo"}


def test_what_each_unit_of_a_code_carries(minigen, data):
    train(minigen, data, "--latent", 30, model="vae")
    found = facts(minigen, "-k", 1)
    assert len(found["kl_per_dimension"]) == 30 and min(found["kl_per_dimension"]) >= 0
    assert sum(found["kl_per_dimension"]) == pytest.approx(found["metrics"]["kl"], rel=1e-6)
    shown = " ".join(minigen("evaluate", "run", "-k", 1).out.split())
    assert " ".join(f"{kl:.2f}" for kl in found["kl_per_dimension"]) in shown.split("kl of each dimension, nats: ")[1]


def test_a_model_whose_encoder_sees_labels(minigen, many):
    """It is told those of the test images; what its codes know of classes is not asked."""
    train(minigen, many, "--latent", 5, model="cvae")
    found = facts(minigen, "-k", 3, "--samples", 770, "--density", "gaussian")
    wanted = {"mse", "bce", "psnr", "elbo", "log_likelihood_bound_3", "kl", "active_units"} | SAMPLES
    assert found["metrics"].keys() == wanted and "told the class" in found["left_out"]["codes"]
    assert len(found["kl_per_dimension"]) == 5 and found["settings"]["labels_given"] is True
    assert sum(found["kl_per_dimension"]) == pytest.approx(found["metrics"]["kl"], rel=1e-6)
    assert found["settings"]["codes"].startswith("gaussian fitted to the codes")
    result = minigen("evaluate", "run", "--samples", 0)
    assert f"on 130 test images of {many}, the encoder told their classes\n" in result.out
    one = open_run("run", "last", device="cpu")
    test = one.images("test")
    seeing = one.experiment.conditioned_on(test.labels)
    x = test.images_float()
    assert found["metrics"]["mse"] == pytest.approx(np.square(seeing.reconstruct(x) - x).mean(), rel=1e-4)  # float32
    assert found["metrics"]["kl"] == pytest.approx(seeing.diagnostics(x)["kl"].sum(1).mean(), rel=1e-4)
    result = minigen("compare", "run", "run", "-o", "x.png", "--samples", 0, "-k", 1)
    assert result.code == 0 and "run: reconstructions" in result.out, result


def test_a_plain_autoencoder_draws_only_if_asked_to(minigen, many):
    train(minigen, many, "--latent", 4, model="ae")
    found = facts(minigen)
    assert "follow no prior; --density gaussian or mixture" in found["left_out"]["samples"]
    assert "frechet_distance" not in found["metrics"] and "mse" in found["metrics"]
    found = facts(minigen, "--samples", 770, "--density", "gaussian")
    assert SAMPLES < found["metrics"].keys() and found["settings"]["codes"].startswith("gaussian fitted to the codes")
    assert facts(minigen, "--samples", 0)["left_out"] == {"samples": "--samples 0"}


def test_what_is_refused(minigen, many, data, monkeypatch):
    add(monkeypatch)
    add(monkeypatch, "blind", latent=False)
    add(monkeypatch, "coder", latent=False, likelihood=True)
    train(minigen, many)
    train(minigen, data, out="few")
    for name in ("blind", "coder"):
        train(minigen, data, model=name, out=name)
    for words, message in {
        ("run", "--samples", 767): "--samples 767 are too few for these metrics; at least 768 are needed",
        ("few", "--samples", 770): "--samples 770: 64 features need at least 128 test images, there are 9",
        ("run", "--density", "gaussian"): "drawer has no encoder",
        ("run", "--samples", 0, "--density", "mixture"): "leave one of them out",
        ("blind",): "blind neither reconstructs nor draws images: there is nothing to measure",
        ("coder", "--samples", 800): "--samples: coder makes no images from codes; leave it out",
        ("coder", "--density", "gaussian"): "--density: coder makes no images from codes; leave it out",
        ("run", "--samples", -1): "-1 is not in the range x>=0",
        ("run", "-k", 0): "0 is not in the range x>=1",
    }.items():
        result = minigen("evaluate", *words)
        assert result.code == 2 and len(result.err.splitlines()) == 1 and message in result.err, result


def test_compare(minigen, data, trained, monkeypatch):
    train(minigen, data, "--latent", 4, model="ae", out="ae")
    add(monkeypatch)
    train(minigen, data)
    result = minigen("compare", trained, "ae", "run", "-o", "x.png")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == f"[1] {trained}: denoising-ae, best checkpoint" and lines[1] == "[2] ae: ae, best checkpoint"
    (mse,) = (line.split() for line in lines if line.startswith("mse "))
    one = [facts(minigen, run=run)["metrics"]["mse"] for run in (trained, "ae")]
    assert [float(cell) for cell in mse[1:5:2]] == pytest.approx(one, abs=1e-4) and mse[5] == "-"
    legend = lines[lines.index("x.png, from top to bottom:") + 1 :]
    assert legend[0] == "test images" and legend[-1] == "run: samples, codes from the prior" and len(legend) == 6
    with Image.open("x.png") as picture:
        assert picture.size == (2 * (9 * 8 - 2), 2 * (6 * 8 - 2))  # 9 test images, 6 rows
    both = json.loads(minigen("compare", trained, "ae", "--json").out)
    assert [run["metrics"] for run in both["runs"]] == [facts(minigen, run=r)["metrics"] for r in (trained, "ae")]
    assert both["picture"] is None and sorted(p.name for p in Path().iterdir()) == ["ae", "run", "x.png"]


def test_a_density_is_for_the_compared_models_without_a_prior(minigen, many, monkeypatch):
    add(monkeypatch)
    add(monkeypatch, "plain", prior=None, encoder=True)
    add(monkeypatch, "coder", latent=False, likelihood=True)
    for name in ("drawer", "plain", "coder"):
        train(minigen, many, model=name, out=name)
    words = ("drawer", "plain", "coder", "--json", "-o", "x.png")
    result = minigen("compare", *words, "--samples", 770, "--density", "gaussian")
    assert result.code == 0, result
    found = json.loads(result.out)
    drawer, plain, coder = found["runs"]
    assert drawer["settings"]["codes"] == "prior" and plain["settings"]["codes"].startswith("gaussian")
    assert coder["left_out"] == {"samples": "coder makes no images from codes"} and "elbo" in coder["metrics"]
    assert SAMPLES <= drawer["metrics"].keys() and SAMPLES <= plain["metrics"].keys()
    assert len(found["rows"]) == 3
    result = minigen("compare", "drawer", "plain", "--samples", 767)
    assert result.code == 2 and "at least 768 are needed" in result.err


def test_compare_points(minigen, monkeypatch):
    add(monkeypatch)
    train(minigen, "ring", "--limit", 500)
    assert minigen("compare", "run", "run", "-o", "x.png", "--samples", 100).code == 0
    with Image.open("x.png") as picture:
        assert picture.size == (2 * (3 * 200 + 2 * 6), 400)


def test_what_cannot_be_compared(minigen, data, many, trained, monkeypatch):
    add(monkeypatch)
    train(minigen, many, out="many")
    for words, message in {
        (): "Missing argument 'RUN RUN ...'",
        (trained,): "minigen compare needs two runs or more; for one there is minigen evaluate",
        ("missing",): "minigen compare needs two runs or more; for one there is minigen evaluate",
        (trained, "many"): f"many was trained with dataset {many}, {trained} with {data}; compare runs of one data set",
        (trained, trained, "-o", "x.jpg"): "pictures are written as PNG",
    }.items():
        result = minigen("compare", *words)
        assert result.code == 2 and message in result.err and not Path("x.png").exists(), result
    result = minigen("compare", trained, "missing", "-o", "x.png")
    assert result.code == 1 and "run folder missing does not exist" in result.err
