"""Hybrids as models of the catalog: runs that resume bit for bit, looks that change nothing, guards, and learning.

Read next: ``test_augment_pipe.py``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from algorithms.catalog_runs import slow_unless
from algorithms.hybrid.hybrid_runs import MODELS, batch, setup_for, small
from training.runs import make_data, stopped_and_resumed

from minigen import nn
from minigen.algorithms.experiment import Experiment
from minigen.algorithms.prediction import predict
from minigen.data import Batch
from minigen.random import Generator
from minigen.training.opening import open_trained


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return make_data(tmp_path_factory.mktemp("data") / "images.npz", n=135, side=8)


@pytest.mark.parametrize("name", slow_unless(("aae", "vae-gan").__contains__, MODELS))
def test_a_run_resumes_bit_for_bit_and_can_be_opened(name: str, data: Any, tmp_path: Any) -> None:
    """16 steps at once, and 16 with a stop after 9; with every random number that there can be."""
    network = {"mdgan": "conv", "began": "conv"}.get(name, "dense")
    sizes = {"conv": {"channels": 2}, "dense": {"hidden": 4}}[network]
    settings = {"network": network, "latent": 3, **sizes, "schedule": "cosine", "log_every": 5}
    settings |= {"batch_size": 8, "max_steps": 16, "epochs": 99, "n_critic": 2, "ema": 0.9}
    if name != "aae":
        settings |= {"instance_noise": 0.2, "augment": "diffaugment"}
    whole = stopped_and_resumed(data, tmp_path, after=9, model=name, **settings)
    assert whole.state.step == 16 and whole.prepared.batches.batch_size == 16

    opened, _ = open_trained(MODELS[name], whole.prepared.config, whole.folder.last, "cpu")
    x = batch(5).x
    for a, b in zip(looks(opened, x), looks(whole.prepared.experiment, x)):
        np.testing.assert_array_equal(a, b)


def looks(experiment: Experiment, x: Any) -> list[Any]:
    """Samples, codes and reconstructions, and the diagnostics for the doctor, of images x."""
    latent = experiment.latent
    assert latent is not None and latent.draw is not None and latent.classes is None
    z = latent.draw(5, Generator(7))
    samples = latent.decode(z, None)
    assert z.shape == (5, latent.size) and samples.shape == x.shape[:0] + (5, *x.shape[1:])
    assert latent.decode(z[:0], None).shape == (0, *x.shape[1:])
    seen = [z, samples]
    if experiment.encode is not None and experiment.reconstruct is not None:
        codes, images = experiment.encode(x), experiment.reconstruct(x)
        assert codes.shape == (len(x), latent.size) and images.shape == x.shape and abs(images).max() <= 1
        assert experiment.encode(x[:0]).shape == (0, latent.size)
        seen += [codes, images]
    if experiment.diagnostics is not None:
        seen += experiment.diagnostics(x).values()
    assert all(np.isfinite(array).all() for array in seen)
    return seen


@pytest.mark.parametrize("name", MODELS)
def test_looking_changes_nothing(name: str) -> None:
    """Also, codes and reconstructions of an image do not depend on the images beside it."""
    experiment, one = small(name), batch(9)
    experiment.step(one)
    before = everything(experiment)
    first, second = looks(experiment, one.x), looks(experiment, one.x)
    columns = experiment.pictures(one.x[:6])
    assert len(columns) == (1 if experiment.reconstruct is None else 3)
    assert all(column.shape == (6, 1, 8, 8) for column in columns)
    for a, b in zip(first, second):
        np.testing.assert_array_equal(a, b)
    if experiment.reconstruct is not None:
        alone = np.concatenate([experiment.reconstruct(one.x[i : i + 1]) for i in range(9)])
        np.testing.assert_allclose(alone, experiment.reconstruct(one.x), atol=1e-6)  # other products round differently
    if experiment.evaluate is not None:
        assert set(experiment.evaluate(one)) == {"loss"}
    after = everything(experiment)
    assert before.keys() == after.keys()
    for key in before:
        np.testing.assert_array_equal(before[key], after[key], err_msg=key)


def everything(experiment: Experiment) -> dict[str, Any]:
    state = {f"{n}.{k}": v for n, module in experiment.modules.items() for k, v in module.state_dict().items()}
    return state | {n: np.array(list(g.state.values()), "u8") for n, g in experiment.generators.items()}


def test_what_each_model_can() -> None:
    """The doctor is shown logits where there are logits, and the divergence where there is one."""
    for name in MODELS:
        experiment = small(name)
        diagnostics = set() if experiment.diagnostics is None else set(experiment.diagnostics(batch(4).x))
        assert ("real_score" in diagnostics) == (name not in ("began", "ebgan"))
        assert ("kl" in diagnostics) == (name == "vae-gan")
        assert (experiment.encode is None) == (name == "dfm")
        assert MODELS[name].family == "hybrid" and MODELS[name].order == 1
        assert MODELS[name].value_range == (-1.0, 1.0)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("ema", [0.0, 0.5])
def test_samples_come_from_the_moving_average_if_there_is_one(name: str, ema: float) -> None:
    """What follows the generator, or the decoder where that is the generator; reconstructions are its own."""
    experiment = small(name, ema=ema)
    for seed in range(3):
        experiment.step(batch(8, seed=seed))
    z, samples = looks(experiment, batch(5).x)[:2]
    sampler = experiment.modules["decoder" if "decoder" in experiment.modules else "generator"]
    assert ("average" in experiment.modules) == (ema > 0) == (experiment.ema_modules == ("average",))
    assert np.array_equal(samples, predict(sampler, z)) == (ema == 0)
    if ema:
        np.testing.assert_array_equal(samples, predict(experiment.modules["average"], z))
    if experiment.encode is not None and experiment.reconstruct is not None and name not in ("began", "ebgan"):
        reconstruction = predict(sampler, experiment.encode(batch(5).x)).clip(-1, 1)
        np.testing.assert_array_equal(experiment.reconstruct(batch(5).x), reconstruction)


def test_options_without_effect_and_data_out_of_range_are_refused() -> None:
    def refused(name: str, message: str, value_range: tuple[float, float] = (-1.0, 1.0), **options: Any) -> None:
        recipe = MODELS[name]
        chosen = replace(setup_for(name), options={**recipe.options, **options}, value_range=value_range)
        with pytest.raises(ValueError, match=message):
            recipe.build(chosen)

    refused("mdgan", r"mdgan: the generator ends in tanh: expected data in \(-1, 1\), got \(0.0, 1.0\)", (0.0, 1.0))
    refused("began", "began: --channels has no effect with --network dense", network="dense", channels=5)
    refused("mdgan", "mdgan: --hidden has no effect with --network conv", network="conv", hidden=5)
    refused("ali", "--beta1 has no effect with --optimizer sgd", optimizer="sgd", beta1=0.3)
    small("dfm", network="conv", hidden=5, channels=2)  # the denoiser has hidden layers in any case
    small("aae", network="conv", hidden=5, layers=1, channels=2)


@pytest.mark.parametrize("name", ["mdgan", "vae-gan"])
@pytest.mark.parametrize(("network", "norm", "wanted"), [
    ("dense", None, False), ("conv", None, True), ("dense", "batch", True), ("conv", "none", False),
])  # fmt: skip
def test_the_norm_that_a_discriminator_has_by_default(name: str, network: str, norm: str | None, wanted: bool) -> None:
    """Batch norm between convolutions, none between dense layers; what is asked for is done."""
    assert MODELS[name].options["norm"] is None
    discriminator = small(name, network=network, norm=norm).modules["discriminator"]
    assert any(isinstance(module, nn.BatchNorm) for _, module in discriminator.named_modules()) == wanted


def test_images_that_do_not_fit_convolutions() -> None:
    for name in ("began", "vae-gan"):
        with pytest.raises(ValueError, match="at least 4, got 1x1"):
            small(name, network="conv", shape=(2, 1, 1))
    for shape in ((2, 1, 1), (3, 5, 7)):
        small("began", shape=shape).step(batch(6, shape))


def test_a_batch_of_one_image() -> None:
    """Without batch norm's statistics in the way: those of one dense feature are refused by the layer."""
    for name in ("began", "ebgan"):
        terms = small(name, network="conv").step(batch(1))
        assert all(np.isfinite(float(value)) for value in terms.values())


# Learning.

LEARNERS = {
    "aae": {"lr_generator": 3e-3, "lr_discriminator": 1e-3},
    "mdgan": {"lr_generator": 3e-3, "lr_discriminator": 5e-4, "norm": "none", "reconstruction_weight": 10.0},
    "began": {"lr_generator": 2e-3, "lr_discriminator": 2e-3},
    "ebgan": {"lr_generator": 2e-3, "lr_discriminator": 2e-3},
}


@pytest.mark.parametrize("name", slow_unless(("aae", "began").__contains__, LEARNERS))
def test_it_learns_to_reconstruct(name: str) -> None:
    """Images of two numbers: after 150 steps the error is below a half of what it was."""
    experiment = small(name, hidden=24, latent=2, **LEARNERS[name])
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(2, 64)) * 0.5

    def images(n: int) -> Any:
        return np.tanh(rng.normal(size=(n, 2)) @ basis).reshape(n, 1, 8, 8).astype(np.float32)

    test = images(100)
    assert experiment.reconstruct is not None

    def error() -> float:
        assert experiment.reconstruct is not None
        return float(((experiment.reconstruct(test) - test) ** 2).mean())

    first = error()
    for k in range(150):
        experiment.schedule(k)
        experiment.step(Batch(images(32), None, np.arange(32)))
    assert error() < 0.5 * first


def test_vae_gan_learns_the_features_of_its_discriminator() -> None:
    """With a discriminator that hardly moves, the error of features falls, and the code says something."""
    rates = {"lr_generator": 3e-3, "lr_discriminator": 1e-6}
    experiment = small("vae-gan", hidden=24, latent=2, norm="none", feature_weight=1.0, feature_variance=0.1, **rates)
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(2, 64)) * 0.5
    errors = []
    for k in range(150):
        x = np.tanh(rng.normal(size=(32, 2)) @ basis).reshape(32, 1, 8, 8).astype(np.float32)
        experiment.schedule(k)
        errors.append(float(experiment.step(Batch(x, None, np.arange(32)))["features"]))
    assert np.mean(errors[-10:]) < 0.3 * np.mean(errors[:3])
    assert experiment.diagnostics is not None and experiment.diagnostics(x)["kl"].sum(1).mean() > 1


@pytest.mark.slow
def test_the_codes_of_an_adversarial_autoencoder_become_the_prior() -> None:
    """Images on a line, codes of one number: its mean and spread become those of N(0, 1)."""
    experiment = small("aae", hidden=24, latent=1, lr_generator=2e-3, lr_discriminator=2e-3)
    rng = np.random.default_rng(0)

    def images(n: int) -> Any:
        line = rng.uniform(-1, 1, (n, 1)) * np.linspace(0.2, 0.9, 64)
        return line.reshape(n, 1, 8, 8).astype(np.float32)

    for k in range(500):
        experiment.schedule(k)
        experiment.step(Batch(images(64), None, np.arange(64)))
    assert experiment.encode is not None and experiment.reconstruct is not None
    test = images(400)
    codes = experiment.encode(test)
    assert abs(codes.mean()) < 0.4 and 0.6 < codes.std() < 1.5
    assert float(((experiment.reconstruct(test) - test) ** 2).mean()) < 0.25 * float((test**2).mean())
