"""Conditional GANs as models of the catalog: labels, samples of a class, runs that resume bit for bit, and learning.

Read next: ``test_unrolled.py``.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from algorithms.adversarial.conditional_runs import (
    CLASSES,
    CONDITIONAL,
    MODELS,
    Array,
    assert_same,
    batch,
    everything,
    one_hot,
    setup_for,
    small,
)
from algorithms.catalog_runs import slow_unless
from click.testing import CliRunner
from training.runs import make_data, stopped_and_resumed

from minigen import nn
from minigen.algorithms.adversarial import build
from minigen.algorithms.adversarial.cgan import CGAN
from minigen.algorithms.experiment import Experiment
from minigen.algorithms.routing import check_routing
from minigen.autograd import Tensor
from minigen.cli.app import commands
from minigen.data import Batch
from minigen.random import Generator
from minigen.training.opening import open_trained

# Labels.


@pytest.mark.parametrize("name", ["cgan", "acgan"])
def test_labels_that_are_missing_are_one_clear_error(name: str) -> None:
    with pytest.raises(
        ValueError, match=f"{name} needs labels, and this data set has none; use 'dcgan', or a data set"
    ):
        small(name, classes=None)
    experiment = small(name)
    with pytest.raises(ValueError, match=f"{name} needs labels, and this batch has none"):
        experiment.step(replace(batch(), labels=None))
    with pytest.raises(ValueError, match="labels must be from 0 to 2, got 0 to 3"):
        experiment.step(replace(batch(), labels=np.arange(8) % 4))


def test_infogan_needs_none() -> None:
    experiment = small("infogan", classes=None)
    experiment.step(replace(batch(), labels=None))
    assert experiment.latent is not None and experiment.latent.classes == CLASSES


@pytest.mark.parametrize("name", CONDITIONAL)
def test_a_sample_is_of_the_class_that_is_named(name: str) -> None:
    """The label reaches the generator; without one for each code there is an error."""
    latent = small(name, network="dense").latent
    assert latent is not None and latent.draw is not None and latent.classes == CLASSES
    codes = latent.draw(4, Generator(0))
    assert codes.shape == (4, latent.size) and codes.dtype == np.float32
    as_zero, as_two = (latent.decode(codes, np.full(4, k)) for k in (0, 2))
    assert abs(as_zero - as_two).max() > 1e-4
    mixed = latent.decode(codes, np.array([2, 0, 0, 2]))
    np.testing.assert_allclose(mixed[[0, 3]], as_two[[0, 3]], atol=1e-6)  # products of other sizes round differently
    assert latent.decode(codes[:0], np.zeros(0, int)).shape == (0, 1, 8, 8)
    for labels in (None, np.zeros(3, int)):
        with pytest.raises(ValueError, match=f"{name}: expected a label for each of the 4 codes"):
            latent.decode(codes, labels)


def test_the_first_units_of_infogans_codes_are_its_values() -> None:
    latent = small("infogan", continuous=2, network="dense").latent
    assert latent is not None and latent.draw is not None and latent.size == 2 + 3
    codes = latent.draw(4000, Generator(0))
    assert abs(codes[:, :2]).max() <= 1 < abs(codes[:, 2:]).max()
    assert codes[:, :2].std() == pytest.approx(3**-0.5, abs=0.02)  # 8000 draws: a standard error of 0.003


@pytest.mark.parametrize("name", CONDITIONAL)
def test_the_generator_is_given_in_a_sample_what_it_was_given_in_training(name: str) -> None:
    """Noise, then the label as one-hot, then the values; each in its place."""
    experiment, seen = small(name, network="dense", ema=0.0), []
    generator, latent = experiment.modules["generator"], experiment.latent
    assert latent is not None and latent.draw is not None
    forward = generator.forward
    generator.forward = lambda x: (seen.append(x.numpy()), forward(x))[1]  # type: ignore[method-assign]
    images = batch(6)
    experiment.step(images)
    labels = np.array([2, 0])
    codes = latent.draw(2, Generator(0))
    latent.decode(codes, labels)
    trained, sampled = seen[0], seen[-1]
    assert trained.shape[1] == sampled.shape[1] == latent.size + CLASSES
    for rows in (trained, sampled):
        np.testing.assert_array_equal(np.sort(rows[:, 3 : 3 + CLASSES]), np.tile([0, 0, 1], (len(rows), 1)))
    np.testing.assert_array_equal(sampled[:, 3 : 3 + CLASSES], one_hot(labels))
    if name != "infogan":
        assert images.labels is not None
        np.testing.assert_array_equal(trained[:, 3 : 3 + CLASSES], one_hot(images.labels))
    values = latent.size - 3
    np.testing.assert_array_equal(sampled[:, :3], codes[:, values:])
    np.testing.assert_array_equal(sampled[:, 3 + CLASSES :], codes[:, :values])
    assert abs(trained[:, 3 + CLASSES :]).max(initial=0) <= 1


def test_a_joint_batch_has_every_label_twice() -> None:
    setup = setup_for("cgan", norm="batch", joint_batch=True)
    seen = []

    class Watcher(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            seen.append(y.numpy())
            return x.sum(axis=(1, 2, 3))

    model = build.assemble_gan(CGAN, setup, nn.Dense(6, 1), Watcher(), name="cgan", classes=CLASSES)
    labels = np.array([0, 2])
    x = Tensor(batch(2).x)
    real, fake = model.conditioned_on(labels, 2).real_fake_scores(x, x * 2)
    np.testing.assert_array_equal(seen[0], one_hot(np.array([0, 2, 0, 2])))
    np.testing.assert_allclose(fake.numpy(), 2 * real.numpy(), rtol=1e-5)


# As models of the catalog.


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data") / "images.npz", n=135, side=8)


@pytest.mark.parametrize("name", slow_unless(("cgan", "unrolled-gan").__contains__, MODELS))
def test_a_run_resumes_bit_for_bit_and_can_be_opened(
    name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """16 steps at once, and 16 with a stop after 9; with every random number that there can be. Then samples of it."""
    options = {"instance_noise": 0.2, "augment": "diffaugment", "schedule": "cosine", "ema": 0.9, "n_critic": 2}
    size = "hidden" if MODELS[name].options["network"] == "dense" else "channels"
    more = {"unroll": 2} if name == "unrolled-gan" else {}
    sizes = {key: 2 for key in ("latent", size)}
    settings = {**options, **sizes, **more, "batch_size": 8, "max_steps": 16, "epochs": 99, "log_every": 5}
    whole = stopped_and_resumed(data, tmp_path, after=9, model=name, **settings)
    assert whole.state.step == 16

    experiment, _ = open_trained(MODELS[name], whole.prepared.config, whole.folder.last, "cpu")
    own, kept = experiment.latent, whole.prepared.experiment.latent
    assert own is not None and own.draw is not None and kept is not None
    codes = own.draw(5, Generator(7))
    labels = None if own.classes is None else np.arange(5) % own.classes
    np.testing.assert_array_equal(own.decode(codes, labels), kept.decode(codes, labels))

    monkeypatch.chdir(tmp_path)
    for words in (["--class", "1"], ["--traverse", "0", "-n", "2"], []):
        if name == "unrolled-gan" and words[:1] == ["--class"]:
            continue
        done = CliRunner().invoke(commands, ["sample", "whole", "-o", "a.png", *words])
        assert done.exit_code == 0, done.output


@pytest.mark.parametrize("network", ["dense", "conv"])
@pytest.mark.parametrize("name", MODELS)
def test_looking_changes_nothing(name: str, network: str) -> None:
    experiment, one = small(name, network=network, norm="batch"), batch(20)
    experiment.step(one)
    before = everything(experiment)
    pictures = experiment.pictures(one.x[:6])
    assert len(pictures) == (1 if name == "unrolled-gan" else CLASSES)
    assert all(part.shape == (6, 1, 8, 8) and abs(part).max() <= 1 for part in pictures)
    np.testing.assert_array_equal(pictures[0], experiment.pictures(one.x[:6])[0])
    assert (experiment.diagnostics is None) == (name == "cgan")  # it gives no score to an image without its label
    if experiment.diagnostics is not None:
        diagnostics = experiment.diagnostics(one.x[:9])
        assert {key: sign.shape for key, sign in diagnostics.items()} == {"real_score": (9,), "fake_score": (9,)}
    check_routing(experiment, one)
    assert_same(before, everything(experiment))


@pytest.mark.parametrize("name", MODELS)
def test_images_of_other_shapes(name: str) -> None:
    for shape in ((2, 1, 1), (3, 5, 7)):
        small(name, shape=shape, network="dense").step(batch(8, shape))
    small(name, shape=(3, 32, 32), network="conv").step(batch(4, (3, 32, 32)))
    with pytest.raises(ValueError, match="at least 4, got 10x3"):
        small(name, shape=(1, 10, 3), network="conv")
    with pytest.raises(ValueError, match=rf"{name}: the generator ends in tanh: expected data in \(-1, 1\)"):
        MODELS[name].build(replace(setup_for(name), value_range=(0.0, 1.0)))


# Learning.


def three_levels(n: int = 48) -> Batch:
    """Images of one grey: -0.7, 0 or 0.7, which is the class."""
    labels = np.arange(n) % CLASSES
    x = (labels - 1.0) * 0.7 + 0.03 * np.random.default_rng(0).normal(size=(1, 2, 2, n))
    return Batch(x.transpose(3, 0, 1, 2).astype(np.float32), labels, np.arange(n))


def trained(name: str, steps: int, **options: Any) -> tuple[Experiment, dict[str, float]]:
    rates = {"lr_generator": 2e-3, "lr_discriminator": 2e-3, "ema": 0.9}
    experiment = small(name, shape=(1, 2, 2), network="dense", norm="none", hidden=32, **rates, **options)
    one = three_levels()
    for k in range(steps):
        experiment.schedule(k)
        terms = experiment.step(one)
    return experiment, {term: float(value) for term, value in terms.items()}


def sample_means(experiment: Experiment) -> list[Array]:
    """Mean grey (100,) of samples of each class."""
    latent = experiment.latent
    assert latent is not None and latent.draw is not None
    codes = latent.draw(100, Generator(1))
    return [latent.decode(codes, np.full(100, k)).mean((1, 2, 3)) for k in range(CLASSES)]


@pytest.mark.parametrize("name", slow_unless("acgan".__eq__, ["cgan", "acgan"]))
def test_each_class_is_generated(name: str) -> None:
    means = [grey.mean() for grey in sample_means(trained(name, 200)[0])]
    np.testing.assert_allclose(means, [-0.7, 0.0, 0.7], atol=0.25)


@pytest.mark.slow
def test_infogan_finds_the_classes_by_itself() -> None:
    """The bound comes near log 3, and samples of one category keep to one level."""
    experiment, terms = trained("infogan", 300)
    assert terms["category"] > 0.8 * math.log(CLASSES)
    greys = sample_means(experiment)
    nearest = [np.abs(grey[:, None] - [-0.7, 0.0, 0.7]).argmin(1) for grey in greys]
    assert sorted(int(np.bincount(n, minlength=3).argmax()) for n in nearest) == [0, 1, 2]
