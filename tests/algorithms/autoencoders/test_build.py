"""What all autoencoders share: looks that change nothing, options, schedules, seeds, and runs that can be kept.

Read next: ``../test_sizes.py``.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from algorithms.autoencoders.autoencoder_runs import MODELS, batch, build, glyphs, network, train
from algorithms.catalog_runs import first_of_each, slow_unless
from hypothesis import given, settings
from hypothesis import strategies as st

import minigen as mg
from minigen import nn, optim
from minigen.algorithms import prediction
from minigen.algorithms.autoencoders import build as building
from minigen.algorithms.catalog import OPTIONS
from minigen.algorithms.experiment import Experiment
from minigen.algorithms.prediction import predict
from minigen.algorithms.updates import make_schedule
from minigen.random import Generator


@settings(max_examples=20)
@given(st.floats(1e-4, 10.0))
def test_clip_norm_limits_the_whole_gradient(limit: float) -> None:
    free, clipped = (build("ae", shape=(1, 4, 4), clip_norm=norm) for norm in (0.0, limit))
    norms = []
    for experiment in (free, clipped):
        experiment.step(batch(8, (1, 4, 4)))
        gradients = [p.grad for p in network(experiment).parameters()]
        norms.append(
            math.sqrt(sum(float((g.numpy().astype(np.float64) ** 2).sum()) for g in gradients if g is not None))
        )
    assert norms[1] == pytest.approx(min(norms[0], limit), rel=1e-4)  # PyTorch's divisor: norm + 1e-6


def test_images_go_to_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    for module in (building, prediction):
        monkeypatch.setattr(module, "to_device", lambda array, device: seen.append(device) or array)
    monkeypatch.setattr(building, "Generator", lambda seed, device="cpu": Generator(seed))
    monkeypatch.setattr(nn.Module, "to", lambda self, device: self)
    experiment, one = build("ae", shape=(1, 8, 8), device="cuda"), batch(3)
    for use in (experiment.step, experiment.evaluate):
        use(one)
    for use in (experiment.encode, experiment.reconstruct):
        use(one.x)
    assert seen == ["cuda"] * 4


@pytest.mark.parametrize("name", ["ae", "dcgan-ae"])
def test_codes_and_reconstructions_do_not_depend_on_how_images_are_parted(name: str) -> None:
    model, x = network(build(name, shape=(1, 8, 8))), batch(7).x
    for function in (model.encode, model):
        whole = predict(model, x, function=function)
        # Matrix products of other sizes add up float32 in another order.
        np.testing.assert_allclose(predict(model, x, function=function, batch_size=3), whole, rtol=1e-4, atol=1e-6)
        assert whole.dtype == np.float32 and type(whole) is np.ndarray
    assert predict(model, x, function=model.encode).shape == (7, 64 if name == "ae" else 100)


@pytest.mark.parametrize("name", ["ae", "conv-ae", "dcgan-ae"])
def test_no_images_have_no_codes_and_no_reconstructions(name: str) -> None:
    """Batch norm takes no empty batch; the shapes are there all the same, and nothing has moved."""
    experiment = build(name, shape=(1, 8, 8))
    before, none = snapshot(experiment), batch(2).x[:0]
    codes = experiment.encode(none)
    assert codes.shape == (0, experiment.latent.size) and experiment.reconstruct(none).shape == (0, 1, 8, 8)
    assert experiment.latent.decode(codes, None).shape == (0, 1, 8, 8) and snapshot(experiment) == before


def snapshot(experiment: Experiment) -> list[Any]:
    arrays = {**network(experiment).state_dict(), **experiment.optimizers["model"].state_dict()}
    return [{key: value.tobytes() for key, value in arrays.items()}, experiment.generators["noise"].state]


def look(experiment: Experiment) -> None:
    one = batch(4, seed=9)
    experiment.evaluate(one)
    experiment.reconstruct(one.x)
    experiment.encode(one.x)
    experiment.pictures(one.x)


@pytest.mark.parametrize("name", MODELS)
def test_looking_changes_neither_the_state_nor_the_training_that_follows(name: str) -> None:
    watched, alone = (build(name, shape=(1, 8, 8)) for _ in range(2))
    for experiment in (watched, alone):
        experiment.step(batch(8, seed=1))
    before = snapshot(watched)
    look(watched)
    assert snapshot(watched) == before
    for experiment in (watched, alone):
        experiment.step(batch(8, seed=2))
    assert snapshot(watched) == snapshot(alone)
    assert snapshot(watched) != before  # training goes on: parameters, running statistics and noise move
    if name == "dcgan-ae":
        key = "encoder.1.running_mean"
        assert snapshot(watched)[0][key] != before[0][key]


@pytest.mark.parametrize("name", [name for name in MODELS if name != "denoising-ae"])
def test_pictures_of_the_others(name: str) -> None:
    experiment, x = build(name, shape=(1, 8, 8)), batch(4).x
    clean, restored = experiment.pictures(x)
    np.testing.assert_array_equal(clean, x)
    np.testing.assert_array_equal(restored, experiment.reconstruct(x))


# What an option needs beside it to mean anything, and the value it is moved to where it has no choices.
NEEDS: dict[str, dict[str, Any]] = {
    "sparsity_rho": {"sparsity": "kl"},
    "sparsity_k": {"sparsity": "topk"},
    "hidden": {"layers": 1},
}
MOVED: dict[str, Any] = {
    "latent": 12,
    "hidden": 20,
    "layers": 2,
    "channels": 6,
    "halvings": 1,
    "lr": 2e-3,
    "weight_l1": 1e-4,
    "weight_l2": 1e-4,
    "clip_norm": 1e-3,
    "corruption_level": 0.6,
    "sparsity_weight": 1e-3,
    "sparsity_rho": 0.2,
    "sparsity_k": 2,
    "contraction": 1e-2,
}


def trace_of_training(name: str, seed: int = 0, **options: Any) -> tuple[Any, ...]:
    """The learning rates, terms and last gradients of three steps."""
    experiment, rows = build(name, shape=(1, 8, 8), steps=3, seed=seed, **options), []
    for k in range(3):
        experiment.schedule(k)
        terms = experiment.step(batch(8, seed=k))
        rows.append((experiment.optimizers["model"].lr, *((key, float(value)) for key, value in terms.items())))
    gradients = [p.grad.numpy().tobytes() for p in network(experiment).parameters() if p.grad is not None]
    return tuple(rows), tuple(gradients)


@pytest.mark.parametrize(
    ("name", "option"),
    first_of_each(lambda case: case[1], [(name, option) for name in MODELS for option in MODELS[name].options]),
)
def test_every_option_moves_something(name: str, option: str) -> None:
    values = OPTIONS[option].choices or (MODELS[name].options[option], MOVED[option])
    if (name, option) == ("linear-ae", "loss"):
        values = ("mse",)  # bce is refused, see test_autoencoder_models.py
    traces = [trace_of_training(name, **NEEDS.get(option, {}), **{option: value}) for value in values]
    for one, other in itertools.combinations(range(len(values)), 2):
        assert traces[one] != traces[other], f"{option} {values[one]} and {values[other]} make no difference"
    default = {**MODELS[name].options, **NEEDS.get(option, {})}[option]
    assert trace_of_training(name, **NEEDS.get(option, {})) == traces[values.index(default)]  # and nothing else does


@pytest.mark.parametrize("name", MODELS)
def test_the_seed_is_all_the_chance_there_is(name: str) -> None:
    assert trace_of_training(name, seed=1) == trace_of_training(name, seed=1)
    assert trace_of_training(name, seed=1) != trace_of_training(name, seed=2)


@pytest.mark.parametrize("name", MODELS)
def test_every_term_has_a_unit(name: str) -> None:
    options = {"weight_l1": 1e-4, "weight_l2": 1e-4}
    for loss in ("mse",) if name == "linear-ae" else ("mse", "bce"):
        experiment = build(name, shape=(1, 8, 8), loss=loss, **options)
        assert experiment.step(batch(4)).keys() <= experiment.ledger.keys()
        assert ("nats" in experiment.ledger["reconstruction"].unit) == (loss == "bce")


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 300, 301])
def test_schedules_are_what_their_help_says(steps: int) -> None:
    """constant; step (a tenth after each third); cosine to 0; exponential to a hundredth."""
    rates = {}
    for name in OPTIONS["schedule"].choices:
        optimizer = optim.SGD([nn.Parameter(np.ones(1, np.float32))], lr=0.5)
        schedule = make_schedule(name, [optimizer], steps)
        rates[name] = []
        for k in range(steps + 1):
            schedule(k)
            rates[name].append(optimizer.lr)
    assert rates["constant"] == [0.5] * (steps + 1)
    assert rates["cosine"][0] == rates["exponential"][0] == rates["step"][0] == 0.5
    assert rates["cosine"][steps] == pytest.approx(0, abs=1e-15)
    assert rates["exponential"][steps] == pytest.approx(0.005, rel=1e-9)
    for name in ("step", "cosine", "exponential"):
        assert rates[name] == sorted(rates[name], reverse=True)
    if steps >= 7:
        counts = {lr: sum(math.isclose(rate, lr) for rate in rates["step"][:steps]) for lr in (0.5, 0.05, 0.005)}
        assert sum(counts.values()) == steps
        assert all(abs(count - steps / 3) < 2 for count in counts.values())


@pytest.mark.parametrize("name", slow_unless(lambda name: name != "dcgan-ae", MODELS))
def test_thirty_steps_reduce_the_loss_and_the_result_can_be_kept(name: str, tmp_path: Any) -> None:
    images = glyphs("train", 800)
    experiment = build(name, mean=images.mean())
    losses = train(experiment, images, 8 if name == "dcgan-ae" else 32, 30)
    assert np.mean(losses[-3:]) < 0.85 * np.mean(losses[:3])  # seen: 0.75 (contractive-ae) and less
    model = network(experiment)
    assert {p.dtype for p in model.parameters()} == {np.dtype(np.float32)}
    mg.save(model, tmp_path / "model.safetensors")
    other = build(name, mean=images.mean(), seed=1)
    x = glyphs("test", 5).images_float()
    wanted = experiment.reconstruct(x)
    assert not np.array_equal(other.reconstruct(x), wanted)
    network(other).load_state_dict(mg.load(tmp_path / "model.safetensors"))
    np.testing.assert_array_equal(other.reconstruct(x), wanted)
    np.testing.assert_array_equal(other.encode(x), experiment.encode(x))


def test_a_misfit_in_a_step_names_the_layer_by_its_whole_path():
    with pytest.raises(nn.ShapeError, match=r"BatchNorm 'decoder\.1': expected input with at least 2 values"):
        build("dcgan-ae").step(batch(1, (1, 28, 28)))
