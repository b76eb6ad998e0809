"""GANs as models of the catalog: runs that resume bit for bit, samples, every option's effect, guards, and learning.

Read next: ``tests/museum`` for what goes wrong, ``test_examples.py``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from algorithms.adversarial.adversarial_runs import MODELS, OBJECTIVES, batch, network_of, setup_for, small
from algorithms.catalog_runs import first_of_each, slow_unless
from training.runs import make_data, stopped_and_resumed

from minigen import nn
from minigen.algorithms.adversarial import OPTIONS, RECIPES, build
from minigen.algorithms.adversarial.step import discriminator_terms
from minigen.algorithms.experiment import Experiment
from minigen.algorithms.options import ConfigError
from minigen.algorithms.prediction import predict
from minigen.autograd import Tensor, grad
from minigen.data import Batch
from minigen.random import Generator
from minigen.training.config import resolve
from minigen.training.opening import open_trained


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return make_data(tmp_path_factory.mktemp("data") / "images.npz", n=135, side=8)


@pytest.mark.parametrize("name", slow_unless(("gan", "wgan-gp").__contains__, MODELS))
def test_a_run_resumes_bit_for_bit_and_can_be_opened(name: str, data: Any, tmp_path: Any) -> None:
    """16 steps at once, and 16 with a stop after 9; with every random number that there can be."""
    options = {"instance_noise": 0.2, "augment": "diffaugment", "schedule": "cosine", "ema": 0.9}
    sizes = ("channels",) if network_of(name, {}) == "conv" else ("hidden",)
    sizes = {key: 2 for key in ("latent", *sizes)}
    if MODELS[name].options["n_critic"] > 1:
        options["n_critic"] = 2
    settings = {**options, **sizes, "batch_size": 8, "max_steps": 16, "epochs": 99, "log_every": 5}
    whole = stopped_and_resumed(data, tmp_path, after=9, model=name, **settings)
    assert whole.state.step == 16

    experiment, _ = open_trained(MODELS[name], whole.prepared.config, whole.folder.last, "cpu")
    codes = samples_of(experiment)[0]
    for a, b in zip(samples_of(experiment), samples_of(whole.prepared.experiment)):
        np.testing.assert_array_equal(a, b)
    latent = experiment.latent
    assert latent is not None and codes.shape == (5, latent.size) and latent.classes is None
    assert np.isfinite(latent.decode(codes, None)).all()


def samples_of(experiment: Experiment) -> tuple[Any, Any]:
    latent = experiment.latent
    assert latent is not None and latent.draw is not None
    codes = latent.draw(5, Generator(7))
    return codes, latent.decode(codes, None)


@pytest.mark.parametrize("name", MODELS)
def test_looking_changes_nothing(name: str) -> None:
    """Pictures, samples and diagnostics; and a sample does not depend on the samples beside it."""
    experiment, one = small(name), batch(20)
    experiment.step(one)
    before = everything(experiment)
    (picture,) = experiment.pictures(one.x[:6])
    assert picture.shape == (6, 1, 8, 8) and abs(picture).max() <= 1
    np.testing.assert_array_equal(picture, experiment.pictures(one.x[:6])[0])
    codes, samples = samples_of(experiment)
    assert experiment.latent is not None
    alone = np.concatenate([experiment.latent.decode(z[None], None) for z in codes])
    np.testing.assert_allclose(alone, samples, atol=1e-6)  # products of other sizes round differently
    assert experiment.latent.decode(codes[:0], None).shape == (0, 1, 8, 8)
    if experiment.diagnostics is not None:
        diagnostics = experiment.diagnostics(one.x[:9])
        assert set(diagnostics) == {"real_score", "fake_score"}
        assert {s.shape for s in diagnostics.values()} == {(9 // MODELS[name].options.get("pack", 1),)}
    assert_same(before, everything(experiment))


def everything(experiment: Experiment) -> dict[str, Any]:
    state = {f"{n}.{k}": v for n, module in experiment.modules.items() for k, v in module.state_dict().items()}
    return state | {n: np.array(list(g.state.values()), "u8") for n, g in experiment.generators.items()}


def assert_same(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)


@pytest.mark.parametrize("name", MODELS)
def test_ledger_routes_and_recipe(name: str) -> None:
    experiment = small(name)
    n = MODELS[name].batches_per_step(MODELS[name].options)
    terms = experiment.step(batch(4 * n))
    assert next(iter(terms)) == "loss" and terms.keys() == experiment.ledger.keys()
    parts = [t for t in experiment.ledger if experiment.ledger[t].of == "loss"]
    total = sum(float(experiment.ledger[t].weight) * float(terms[t]) for t in parts)  # type: ignore[arg-type]
    assert float(terms["loss"]) == pytest.approx(total, rel=1e-5)
    assert experiment.routes.keys() == experiment.optimizers.keys() == {"discriminator", "generator"}
    assert MODELS[name].value_range == (-1.0, 1.0)
    assert MODELS[name].order == (2 if "penalty" in terms else 1)


def test_the_options_and_the_recipes_know_each_other() -> None:
    used = {key for recipe in RECIPES for key in recipe.options}
    assert OPTIONS.keys() <= used
    for recipe in MODELS.values():
        for key, value in recipe.options.items():
            if key in OPTIONS and OPTIONS[key].choices:
                assert value in OPTIONS[key].choices


def test_a_penalised_discriminator_has_no_batch_norm_to_share_batches_in() -> None:
    """--joint-batch acts by batch norm, which these models refuse: it is no option of theirs."""
    for recipe in RECIPES:
        if recipe.name in ("wgan-gp", "dragan", "r1-gan"):
            with pytest.raises(ConfigError, match=f"{recipe.name} has no option 'joint_batch'"):
                resolve(recipe, OPTIONS, {"joint_batch": True})
        else:
            assert resolve(recipe, OPTIONS, {"joint_batch": True})["joint_batch"]


# Every option has an effect.

OTHER: dict[str, Any] = {
    "latent": 4, "hidden": 7, "layers": 3, "channels": 3, "kernel": 5, "norm": "layer", "optimizer": "rmsprop",
    "lr_generator": 0.01, "lr_discriminator": 0.01, "beta1": 0.2, "beta2": 0.8, "schedule": "cosine",
    "clip_norm": 1e-3, "n_critic": 3, "ema": 0.1, "instance_noise": 0.3, "augment": "translate", "pack": 4,
    "generator_loss": "minimax", "label_smoothing": 0.2, "weight_clip": 0.005, "penalty_weight": 2.0,
    "joint_batch": True, "network": "dense",
}  # fmt: skip
EFFECTS = [(name, option) for name, recipe in MODELS.items() for option in recipe.options if option in OTHER]


@pytest.mark.parametrize(("name", "option"), first_of_each(lambda case: case[1], EFFECTS))
@pytest.mark.filterwarnings("ignore:ConvTranspose2d")
def test_every_option_has_an_effect(name: str, option: str) -> None:
    """Other networks, other weights after two steps, or other samples. Of every model: ``algorithms/test_knobs.py``."""
    value, more = OTHER[option], {}
    if option in ("beta1", "beta2"):
        more["optimizer"] = "adam"
    if option == "optimizer" and MODELS[name].options["optimizer"] == "rmsprop":
        value = "sgd"
    if option == "joint_batch":
        more["norm"] = "batch"
    if option in ("hidden", "layers") and "network" in MODELS[name].options:
        more["network"] = "dense"
    ends = [after_two_steps(name, **{**more, **given}) for given in ({}, {option: value})]
    same = [
        a.keys() == b.keys() and all(a[k].shape == b[k].shape and np.array_equal(a[k], b[k]) for k in a)
        for a, b in [ends]
    ]
    assert same == [False]


@pytest.mark.parametrize(
    ("name", "option"), [case for case in EFFECTS if case[1] in ("hidden", "joint_batch", "layers")]
)
def test_an_option_without_effect_is_refused_with_the_reason(name: str, option: str) -> None:
    options = MODELS[name].options
    idle = options["norm"] != "batch" if option == "joint_batch" else "network" in options
    reason = "without --norm batch" if option == "joint_batch" else "with --network conv"
    if idle:
        with pytest.raises(ValueError, match=f"--{option.replace('_', '-')} has no effect {reason}"):
            small(name, **{option: OTHER[option]})


@pytest.mark.parametrize("name", MODELS)
def test_the_sizes_of_the_networks_are_those_of_the_options(name: str) -> None:
    """`layers` hidden dense layers of `hidden` units in each network; `channels` at the image, twice as many next."""
    networks = [network_of(name, {})] if name in ("gan", "dcgan") else ["dense", "conv"]
    for network in networks:
        options: dict[str, Any] = {"hidden": 9, "layers": 3} if network == "dense" else {"channels": 5}
        experiment = small(name, **options, **({} if len(networks) == 1 else {"network": network}))
        for module in (experiment.modules["generator"], experiment.modules["discriminator"]):
            weights = [p.shape for key, p in module.named_parameters() if key.endswith("weight") and p.ndim > 1]
            if network == "dense":
                assert [shape[0] for shape in weights[:-1]] == [9, 9, 9]
            else:
                assert sorted(n for shape in weights if len(shape) == 4 for n in shape[:2])[-3:] == [5, 5, 10]


def after_two_steps(name: str, **options: Any) -> dict[str, Any]:
    setup = setup_for(name, **options)
    experiment = MODELS[name].build(setup)
    n = MODELS[name].batches_per_step(setup.options)
    images = batch(4 * n * 2)
    for k in range(2):
        experiment.schedule(k)
        part = slice(k * 4 * n, (k + 1) * 4 * n)
        experiment.step(Batch(images.x[part], None, images.index[part]))
    return {f"{n}.{key}": v for n, m in experiment.modules.items() for key, v in m.state_dict().items()}


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_samples_come_from_the_average_if_there_is_one(ema: float) -> None:
    experiment = small("gan", ema=ema)
    for k in range(3):
        experiment.step(batch(8, seed=k))
    codes, samples = samples_of(experiment)
    by_generator = predict(experiment.modules["generator"], codes)
    assert ("average" in experiment.modules) == (ema > 0) == (experiment.ema_modules == ("average",))
    assert np.array_equal(samples, by_generator) == (ema == 0)
    if ema:
        np.testing.assert_array_equal(samples, predict(experiment.modules["average"], codes))


def test_the_noise_falls_to_zero_over_the_run() -> None:
    setup = setup_for("gan", instance_noise=0.5, steps=10)
    model = build.make_gan(setup, "dense")
    _, schedule = build.make_updates(setup, model)
    levels = []
    for k in (0, 4, 9, 10, 50):
        schedule(k)
        levels.append(model.noise_std)
    assert levels == pytest.approx([0.5, 0.3, 0.05, 0.0, 0.0])


@pytest.mark.parametrize("joint", [False, True])
def test_batch_norm_sees_real_and_fake_images_apart_unless_joined(joint: bool) -> None:
    """Apart, the scores of real images do not depend on the fake ones; joined, they do."""
    setup = setup_for("dcgan", norm="batch", joint_batch=joint)
    model = build.make_gan(setup, "conv")
    real = Tensor(batch(6).x)
    a, b = (model.real_fake_scores(real, Tensor(batch(6, seed=k).x))[0].numpy() for k in (1, 2))
    assert np.array_equal(a, b) != joint
    with_company = model.fake_scores(real, real).numpy()
    assert (abs(with_company - model.augmented_scores(real).numpy()).max() < 1e-5) == (not joint) or joint


def test_augmentation_is_the_same_kind_for_both_and_lets_the_generators_gradient_pass() -> None:
    setup = setup_for("gan", augment="translate")
    model, seen = build.make_gan(setup, "dense"), []

    def watched(x: Tensor, rng: Generator) -> Tensor:
        seen.append(x.shape)
        return x * 2.0

    model.augment = watched
    fake = model.generate(4)
    terms = discriminator_terms(model, OBJECTIVES["gan"](setup.options), Tensor(batch(6).x), fake.detach())
    assert seen == [(6, 1, 8, 8), (4, 1, 8, 8)] and np.isfinite(float(terms["loss"]))
    gradients = grad(model.augmented_scores(fake).sum(), model.generator.parameters())
    assert sum(float((g.numpy() ** 2).sum()) for g in gradients) > 0


def test_packs_stand_side_by_side_as_channels() -> None:
    setup = setup_for("pacgan", pack=2, norm="none", network="dense")
    model, seen = build.make_gan(setup), []

    class Watcher(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x.numpy())
            return x.sum(axis=(1, 2, 3))

    model.discriminator = Watcher()
    x = batch(6).x
    assert model.scores(Tensor(x)).shape == (3,)
    np.testing.assert_array_equal(seen[0], np.stack([np.concatenate([x[2 * i], x[2 * i + 1]]) for i in range(3)]))


# Guards.


def test_batch_norm_is_refused_in_a_critic_with_a_penalty() -> None:
    for name in ("wgan-gp", "dragan", "r1-gan"):
        with pytest.raises(ValueError, match=f"{name}: the penalty is on .* use --norm none, layer or spectral"):
            small(name, norm="batch")
        for norm in ("layer", "spectral"):
            small(name, norm=norm).step(batch(4 * MODELS[name].batches_per_step(MODELS[name].options)))


def test_options_without_effect_and_data_out_of_range_are_refused() -> None:
    def refused(name: str, message: str, value_range: tuple[float, float] = (-1.0, 1.0), **options: Any) -> None:
        recipe = MODELS[name]
        chosen = replace(setup_for(name), options={**recipe.options, **options}, value_range=value_range)
        with pytest.raises(ValueError, match=message):
            recipe.build(chosen)

    refused("gan", r"gan: the generator ends in tanh: expected data in \(-1, 1\), got \(0.0, 1.0\)", (0.0, 1.0))
    refused("lsgan", "--channels has no effect with --network dense", network="dense", channels=5)
    refused("lsgan", "--hidden has no effect with --network conv", hidden=5)
    refused("wgan", "--beta1 has no effect with --optimizer rmsprop", beta1=0.3)


def test_the_papers_kernel_warns_once() -> None:
    with pytest.warns(UserWarning, match="checkerboard") as caught:
        small("dcgan", kernel=5)
    assert len(caught) == 1


def test_images_that_do_not_fit_convolutions() -> None:
    with pytest.raises(ValueError, match="at least 4, got 3x10.*--network dense"):
        small("dcgan", shape=(1, 3, 10))
    small("lsgan", shape=(2, 1, 1), network="dense").step(batch(8, (2, 1, 1)))  # points of the plane


# Learning.


@pytest.mark.parametrize(
    "name", slow_unless(("gan", "wgan-gp").__contains__, (name for name in MODELS if name != "dcgan"))
)
def test_a_point_is_found(name: str) -> None:
    """All images are one image: after some hundred steps of dense networks the samples are near it (dcgan is gan)."""
    options = {"network": "dense"} if "network" in MODELS[name].options else {}
    rates = {"lr_generator": 2e-3, "lr_discriminator": 2e-3}
    more = {"wgan": {"weight_clip": 0.05, "n_critic": 2}, "wgan-gp": {"n_critic": 2}}.get(name, {})
    if MODELS[name].options["norm"] == "batch":  # of images that are all alike it leaves nothing
        more["norm"] = "none"
    steps = 200
    experiment = small(name, shape=(1, 2, 2), steps=steps, hidden=32, **options, **rates, **more)
    target = np.array([0.5, -0.5, 0.2, -0.8], np.float32).reshape(1, 2, 2)
    n = MODELS[name].batches_per_step({**MODELS[name].options, **more}) * 16
    x = np.broadcast_to(target, (n, 1, 2, 2)) + 0.05 * np.random.default_rng(0).normal(size=(n, 1, 2, 2))
    one = Batch(x.astype(np.float32), None, np.arange(n))
    first = distance(experiment, target)
    for k in range(steps):
        experiment.schedule(k)
        experiment.step(one)
    assert distance(experiment, target) < 0.4 * first


def distance(experiment: Experiment, target: Any) -> float:
    """The mean distance of samples from the target."""
    latent = experiment.latent
    assert latent is not None and latent.draw is not None
    samples = latent.decode(latent.draw(200, Generator(1)), None)
    return float(np.sqrt(((samples - target) ** 2).sum((1, 2, 3))).mean())
