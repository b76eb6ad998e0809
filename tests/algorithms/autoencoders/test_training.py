"""How autoencoders are trained: each loss term against its formula, corruption, options, and what training achieves.

Read next: ``test_metrics.py``.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from algorithms.autoencoders.autoencoder_runs import MODELS, batch, build, glyphs, network, train
from hypothesis import given, settings
from hypothesis import strategies as st

import minigen as mg
from minigen import nn, ops, optim
from minigen.algorithms.autoencoders import recipes
from minigen.algorithms.autoencoders import step as training
from minigen.algorithms.catalog import OPTIONS
from minigen.algorithms.experiment import Experiment
from minigen.algorithms.updates import Updates, make_schedule
from minigen.autograd import Tensor, grad, no_grad
from minigen.data import Dataset
from minigen.models import autoencoder as architecture
from minigen.models.autoencoder import Autoencoder
from minigen.random import Generator

Array = np.ndarray[Any, Any]
State = dict[str, Array]


# The formulas, in NumPy.


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def dense_forward(state: State, x: Array, code: Callable[[Array], Array]) -> tuple[Array, Array]:
    """Code (N, D) and decoder output (N, pixels) of a network of dense layers."""
    y = x.reshape(len(x), -1)
    for part in ("encoder", "decoder"):
        names = [name[: -len(".weight")] for name in state if name.startswith(part) and name.endswith(".weight")]
        for name in names:
            y = y @ state[f"{name}.weight"].T + state[f"{name}.bias"]
            y = y if name == names[-1] else relu(y)
        if part == "encoder":
            y = z = code(y)
    return z, y


def weights(state: State) -> list[Array]:
    return [value for name, value in state.items() if name.endswith(".weight") and value.ndim > 1]


def expected_terms(name: str, options: dict[str, Any], state: State, x: Array, seen: Array) -> dict[str, float]:
    """What a step has to report for the parameters `state`: `x` the clean images, `seen` what the encoder is given."""
    kind = options.get("sparsity")
    code = sigmoid if name == "contractive-ae" or kind == "kl" else (lambda a: a) if name == "linear-ae" else relu
    z, output = dense_forward(state, seen - state["centre"], code)
    flat = x.reshape(len(x), -1)
    if options.get("loss") == "bce":
        p = sigmoid(output)
        reconstruction = -(flat * np.log(p) + (1 - flat) * np.log(1 - p)).mean()
    else:
        reconstruction = ((output if name == "linear-ae" else sigmoid(output)) - flat).__pow__(2).mean()
    terms = {"reconstruction": reconstruction}
    if kind == "l1":
        terms["sparsity"] = options["sparsity_weight"] * np.abs(z).sum(1).mean()
    if kind == "kl":
        rho, r = options["sparsity_rho"], z.mean(0)
        kl = rho * np.log(rho / r) + (1 - rho) * np.log((1 - rho) / (1 - r))
        terms["sparsity"] = options["sparsity_weight"] * kl.sum()
    if "contraction" in options:
        w = state["encoder.1.weight"]
        clean, _ = dense_forward(state, x - state["centre"], sigmoid)
        terms["contraction"] = options["contraction"] * ((clean * (1 - clean)) ** 2 @ (w**2).sum(1)).mean()
    if "weight_l1" in options:
        terms["weight_l1"] = options["weight_l1"] * sum(np.abs(w).sum() for w in weights(state))
    if "weight_l2" in options:
        terms["weight_l2"] = options["weight_l2"] * sum((w**2).sum() for w in weights(state))
    return {"loss": sum(terms.values()), **terms}


CASES: list[tuple[str, dict[str, Any]]] = [
    ("ae", {}),
    ("ae", {"loss": "bce", "weight_l1": 1e-3, "weight_l2": 2e-3}),
    ("deep-ae", {"weight_l2": 1e-3}),
    ("stacked-ae", {"loss": "bce"}),
    ("sparse-ae", {"sparsity": "l1", "sparsity_weight": 0.02}),
    ("sparse-ae", {"sparsity": "kl", "sparsity_weight": 0.03, "sparsity_rho": 0.1, "weight_l1": 1e-3}),
    ("denoising-ae", {"corruption": "masking", "corruption_level": 0.5}),
    ("contractive-ae", {"contraction": 0.7, "loss": "bce"}),
    ("linear-ae", {"weight_l1": 1e-3}),
]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_terms_and_gradients_of_a_step(name: str, options: dict[str, Any]) -> None:
    """Of the second step, so that a gradient left over from the first would show. float64."""
    experiment = build(name, shape=(1, 3, 4), latent=5, **options)
    model, noise = network(experiment).to(dtype=np.float64), experiment.generators["noise"]
    experiment.updates = Updates({})  # built for float32 parameters; the step below has its own
    penalties = recipes._penalties({**MODELS[name].options, **options})
    loss = training.bce if options.get("loss") == "bce" else training.mse
    corrupt = training.masking(0.5, noise) if name == "denoising-ae" else None
    step = training.autoencoder_step(
        model, Updates({"model": optim.SGD(model.parameters(), lr=0.1)}), loss, corrupt=corrupt, penalties=penalties
    )
    step(batch(6, (1, 3, 4), seed=1, dtype=np.float64))
    one = batch(7, (1, 3, 4), seed=2, dtype=np.float64)
    seen, place = one.x, noise.state
    if corrupt is not None:
        seen = corrupt(one.x)
        noise.state = place
    before = model.state_dict()
    terms = step(one)
    wanted = expected_terms(name, options, before, one.x, seen)
    assert list(terms) == list(wanted)
    for term, value in wanted.items():
        assert float(terms[term]) == pytest.approx(value, rel=1e-12), term  # a few dozen roundings of 1e-16

    rng, h = np.random.default_rng(0), 1e-6
    for key, p in model.named_parameters():
        assert p.grad is not None
        for _ in range(3):
            i = tuple(rng.integers(0, n) for n in p.shape)
            sides = []
            for sign in (1, -1):
                moved = {**before, key: before[key].copy()}
                moved[key][i] += sign * h
                sides.append(expected_terms(name, options, moved, one.x, seen)["loss"])
            # central differences: an error of h^2 and of 1e-16 / h
            assert p.grad.numpy()[i] == pytest.approx((sides[0] - sides[1]) / (2 * h), rel=1e-6, abs=1e-8), (key, i)
            # Stochastic gradient descent went along this gradient.
            assert p.numpy()[i] == pytest.approx(before[key][i] - 0.1 * p.grad.numpy()[i], rel=1e-12)


@pytest.mark.parametrize("loss", ["mse", "bce"])
@pytest.mark.parametrize("name", ["conv-ae", "dcgan-ae"])
def test_reconstruction_loss_of_convolutions(name: str, loss: str) -> None:
    experiment, one = build(name, shape=(1, 8, 8), loss=loss, weight_l2=1e-3), batch(5)
    model = network(experiment)
    before, twin = model.state_dict(), copy.deepcopy(model).train()
    with no_grad():
        logits = twin.decoder(twin.encode(Tensor(one.x))).numpy().astype(np.float64)
    p = sigmoid(logits)
    wanted = -(one.x * np.log(p) + (1 - one.x) * np.log(1 - p)).mean() if loss == "bce" else ((p - one.x) ** 2).mean()
    terms = experiment.step(one)
    # Sums of a few hundred float32 numbers.
    assert float(terms["reconstruction"]) == pytest.approx(wanted, rel=1e-5)
    assert float(terms["weight_l2"]) == pytest.approx(1e-3 * sum((w**2).sum() for w in weights(before)), rel=1e-4)
    assert float(terms["loss"]) == pytest.approx(wanted + float(terms["weight_l2"]), rel=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_evaluation_sees_what_pictures_show_and_no_penalty(name: str) -> None:
    heavy = {"weight_l1": 1.0, "weight_l2": 1.0, "sparsity_weight": 1.0, "contraction": 1.0, "corruption_level": 0.7}
    heavy = {key: value for key, value in heavy.items() if key in MODELS[name].options}
    experiment, one = build(name, shape=(1, 8, 8), **heavy), batch(5)
    terms = experiment.evaluate(one)
    *seen, y = experiment.pictures(one.x)  # clean images, of denoising the corrupted ones, reconstructions
    assert len(seen) == (2 if name == "denoising-ae" else 1) and list(terms) == ["loss"]
    np.testing.assert_array_equal(y, experiment.reconstruct(seen[-1]))
    assert float(terms["loss"]) == pytest.approx(np.square(y.astype(np.float64) - one.x).mean(), rel=1e-5)


# Penalties.


@pytest.mark.parametrize("code", [ops.sigmoid, ops.tanh, ops.relu, architecture.identity])
def test_contraction_is_the_closed_form(code: Callable[[Tensor], Tensor]) -> None:
    """One layer h = s(x w^T + b): ||dh/dx||^2 = sum over j of s'(a_j)^2 ||w_j||^2 (Rifai et al. 2011, equation 3)."""
    model = architecture.dense((1, 3, 4), (6,), (), rng=Generator(0), code=code).to(dtype=np.float64)
    x = batch(5, (1, 3, 4), dtype=np.float64).x
    w, b = model.encoder[1].weight.numpy(), np.linspace(-1, 1, 6)
    model.encoder[1].bias.data = b
    a = x.reshape(5, -1) @ w.T + b
    slope = {
        ops.sigmoid: sigmoid(a) * (1 - sigmoid(a)),
        ops.tanh: 1 - np.tanh(a) ** 2,
        ops.relu: (a > 0) * 1.0,
        architecture.identity: np.ones_like(a),
    }[code]
    value = training.contraction(0.3)(model, Tensor(x), Tensor(a))
    np.testing.assert_allclose(value.item(), 0.3 * (slope**2 @ (w**2).sum(1)).mean(), rtol=1e-10)


def test_contraction_of_two_layers_is_the_jacobian() -> None:
    model = architecture.dense((1, 2, 3), (5, 4), (5,), rng=Generator(1), activation=ops.tanh, code=ops.sigmoid)
    model.to(dtype=np.float64)
    x = batch(3, (1, 2, 3), dtype=np.float64).x
    first, second = model.encoder[1], model.encoder[3]
    total = 0.0
    for row in x.reshape(3, -1):
        h = np.tanh(first.weight.numpy() @ row + first.bias.numpy())
        z = sigmoid(second.weight.numpy() @ h + second.bias.numpy())
        jacobian = (z * (1 - z))[:, None] * second.weight.numpy() @ ((1 - h**2)[:, None] * first.weight.numpy())
        total += (jacobian**2).sum()
    value = training.contraction(2.0)(model, Tensor(x), model.encode(Tensor(x)))
    np.testing.assert_allclose(value.item(), 2.0 * total / 3, rtol=1e-10)


@pytest.mark.parametrize("code", [ops.sigmoid, ops.tanh])
@pytest.mark.parametrize("n", [1, 4])
def test_the_closed_form_is_what_the_gradients_say(code: Callable[[Tensor], Tensor], n: int) -> None:
    """An encoder that is one layer takes the closed form; wrapped, so that nobody sees that it is one, it does not."""
    plain = architecture.dense((2, 3, 3), (5,), (), rng=Generator(3), code=code).to(dtype=np.float64)
    plain.encoder[1].bias.data = np.linspace(-1, 1, 5)
    plain.centre.data = np.array(0.3)
    hidden = Autoencoder(nn.Sequential(plain.encoder), plain.decoder)
    hidden.centre.data = plain.centre.data
    x = Tensor(batch(n, (2, 3, 3), dtype=np.float64).x)
    weights = plain.encoder.parameters()
    penalties = [training.contraction(0.7)(model, x, x) for model in (plain, hidden)]
    values, gradients = [float(p) for p in penalties], [grad(p, weights, create_graph=True) for p in penalties]
    assert values[0] == pytest.approx(values[1], rel=1e-12)  # sums of some hundred numbers
    directions = [np.random.default_rng(0).normal(size=p.shape) for p in weights]
    seconds = []
    for gs in gradients:
        along = [ops.sum(g * Tensor(u)) for g, u in zip(gs, directions, strict=True)]
        seconds.append(grad(along[0] + along[1], weights))
    for first, second in ((gradients[0], gradients[1]), (seconds[0], seconds[1])):
        for a, b in zip(first, second, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10, atol=1e-12)  # the same formulas, reordered


class Contraction(nn.Module):
    """The penalty as a function of the encoder's parameters; the images are part of the Module."""

    def __init__(self, model: Autoencoder, x: Array) -> None:
        self.encoder, self.model, self.x = model.encoder, (lambda: model), Tensor(x)

    def forward(self) -> Tensor:
        return training.contraction(0.5)(self.model(), self.x, self.x)


def test_contraction_can_be_differentiated() -> None:
    """Its gradient goes through second derivatives of the encoder; gradcheck compares it with differences."""
    for widths in ((4,), (5, 3)):
        model = architecture.dense(
            (1, 2, 3), widths, widths[:-1], rng=Generator(2), activation=ops.tanh, code=ops.sigmoid
        )
        model.to(dtype=np.float64)  # gradcheck converts the encoder only
        report = mg.gradcheck(Contraction(model, batch(4, (1, 2, 3)).x))
        assert {row.verdict for row in report.rows} == {"OK"}
        assert len(report.rows) == 2 * len(widths)


@pytest.mark.parametrize("name", ["ae", "conv-ae", "dcgan-ae"])
def test_weight_penalties_leave_biases_and_batch_norm_alone(name: str) -> None:
    model = network(build(name, shape=(1, 8, 8)))
    rng = np.random.default_rng(0)
    for p in model.parameters():
        p.data = rng.normal(size=p.shape).astype(np.float32)
    x = Tensor(batch(2).x)
    for kind in ("l1", "l2"):
        gradients = grad(training.weight_penalty(kind, 0.5)(model, x, x), model.parameters())
        count = 0
        for (key, p), g in zip(model.named_parameters(), gradients, strict=True):
            w = p.numpy()
            if w.ndim == 1:
                np.testing.assert_array_equal(g.numpy(), 0)
            else:
                np.testing.assert_allclose(g.numpy(), 0.5 * np.sign(w) if kind == "l1" else w, rtol=1e-6)
                count += 1
            assert key.endswith(".weight") or w.ndim == 1
        assert count == {"ae": 2, "conv-ae": 7, "dcgan-ae": 7}[name]


def test_top_k_leaves_k_units_active_and_adds_no_term() -> None:
    experiment = build("sparse-ae", shape=(1, 8, 8), sparsity="topk", sparsity_k=3)
    assert list(experiment.step(batch(8))) == ["loss", "reconstruction"]
    assert ((experiment.encode(batch(20, seed=1).x) != 0).sum(1) == 3).all()


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


# Corruption.

N = 200_000
LOW_HIGH = [(0.0, 1.0), (-1.0, 1.0)]
CORRUPTIONS: dict[str, Callable[[float, Generator, float, float], training.Corrupt]] = {
    "masking": lambda level, rng, low, high: training.masking(level, rng, low),
    "gaussian": training.gaussian,
    "salt-and-pepper": training.salt_and_pepper,
}


def share_is(found: Array, share: float) -> bool:
    """Is this the share of True among independent draws? Five standard deviations: wrong once in two million."""
    return bool(abs(found.mean() - share) <= 5 * math.sqrt(share * (1 - share) / found.size))


def greys(low: float, high: float, dtype: Any = np.float32) -> Array:
    """Images whose pixels are none of them at the ends of the range."""
    x = np.random.default_rng(5).uniform(0.25, 0.75, (N // 100, 1, 10, 10))
    return (low + (high - low) * x).astype(dtype)


def test_every_corruption_is_tested() -> None:
    assert tuple(CORRUPTIONS) == OPTIONS["corruption"].choices


@pytest.mark.parametrize(("low", "high"), LOW_HIGH)
@pytest.mark.parametrize("level", [0.0, 0.1, 0.5, 1.0])
def test_masking(level: float, low: float, high: float) -> None:
    x = greys(low, high)
    y = training.masking(level, Generator(1), low)(x)
    hit = y != x
    assert share_is(hit, level)
    assert (y[hit] == low).all()


@pytest.mark.parametrize(("low", "high"), LOW_HIGH)
@pytest.mark.parametrize("level", [0.0, 0.1, 0.5, 1.0])
def test_salt_and_pepper(level: float, low: float, high: float) -> None:
    x = greys(low, high)
    y = training.salt_and_pepper(level, Generator(1), low, high)(x)
    hit = y != x
    assert share_is(hit, level)
    assert np.isin(y[hit], (low, high)).all()
    assert share_is(y == low, level / 2) and share_is(y == high, level / 2)


@pytest.mark.parametrize(("low", "high"), LOW_HIGH)
def test_gaussian(low: float, high: float) -> None:
    x = np.full((N // 100, 1, 10, 10), (low + high) / 2, np.float32)
    noise = training.gaussian(0.05, Generator(1), low, high)(x) - x  # 10 standard deviations from the ends: no clipping
    assert abs(noise.mean()) < 5 * 0.05 / math.sqrt(N)
    assert abs(noise.std() / 0.05 - 1) < 5 / math.sqrt(2 * N)
    np.testing.assert_array_equal(training.gaussian(0.0, Generator(1), low, high)(x), x)
    wide = training.gaussian(1.0, Generator(1), low, high)(x)
    beyond = math.erfc((high - low) / 2 / math.sqrt(2)) / 2  # the normal distribution above one end
    assert wide.min() == low and wide.max() == high
    assert share_is(wide == low, beyond) and share_is(wide == high, beyond)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("low", "high"), LOW_HIGH)
@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_what_holds_for_every_corruption(kind: str, low: float, high: float, dtype: Any) -> None:
    x, rng = greys(low, high, dtype)[:50], Generator(3)
    kept = x.copy()
    corrupt = CORRUPTIONS[kind](0.3, rng, low, high)
    place = rng.state
    first, second = corrupt(x), corrupt(x)
    np.testing.assert_array_equal(x, kept)  # the argument is not changed
    assert first.dtype == dtype and first.shape == x.shape
    assert low <= first.min() and first.max() <= high
    assert not np.array_equal(first, second)  # each call draws anew
    rng.state = place
    np.testing.assert_array_equal(corrupt(x), first)  # and the state brings the draw back
    np.testing.assert_array_equal(CORRUPTIONS[kind](0.3, Generator(3), low, high)(x), first)
    assert not np.array_equal(CORRUPTIONS[kind](0.3, Generator(4), low, high)(x), first)


def test_images_go_to_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(training, "to_device", lambda array, device: seen.append(device) or array)
    model, one = network(build("ae", shape=(1, 8, 8))), batch(3)
    update = Updates({"model": optim.Adam(model.parameters())})
    training.autoencoder_step(model, update, training.mse, device="cuda")(one)
    training.autoencoder_evaluation(model, training.mse, device="cuda")(one)
    training.encode_images(model, one.x, "cuda")
    training.reconstruct_images(model, one.x, "cuda")
    assert seen == ["cuda"] * 4


@pytest.mark.parametrize("name", ["ae", "dcgan-ae"])
def test_codes_and_reconstructions_do_not_depend_on_how_images_are_parted(name: str) -> None:
    model, x = network(build(name, shape=(1, 8, 8))), batch(7).x
    for function in (training.encode_images, training.reconstruct_images):
        whole = function(model, x)
        # Matrix products of other sizes add up float32 in another order.
        np.testing.assert_allclose(function(model, x, batch_size=3), whole, rtol=1e-4, atol=1e-6)
        assert whole.dtype == np.float32 and type(whole) is np.ndarray
    assert training.encode_images(model, x).shape == (7, 64 if name == "ae" else 100)


# Looking changes nothing.


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


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_pictures_of_a_denoising_autoencoder(kind: str) -> None:
    experiment, x = build("denoising-ae", shape=(1, 8, 8), corruption=kind), batch(4).x
    clean, corrupted, restored = experiment.pictures(x)
    np.testing.assert_array_equal(clean, x)
    assert not np.array_equal(corrupted, x) and corrupted.shape == x.shape
    np.testing.assert_array_equal(restored, experiment.reconstruct(corrupted))
    experiment.step(batch(8))
    np.testing.assert_array_equal(experiment.pictures(x)[1], corrupted)  # the same noise after every epoch


@pytest.mark.parametrize("name", [name for name in MODELS if name != "denoising-ae"])
def test_pictures_of_the_others(name: str) -> None:
    experiment, x = build(name, shape=(1, 8, 8)), batch(4).x
    clean, restored = experiment.pictures(x)
    np.testing.assert_array_equal(clean, x)
    np.testing.assert_array_equal(restored, experiment.reconstruct(x))


# Options.

# What an option needs beside it to mean anything, and the value it is moved to where it has no choices.
NEEDS: dict[str, dict[str, Any]] = {"sparsity_rho": {"sparsity": "kl"}, "sparsity_k": {"sparsity": "topk"}}
MOVED: dict[str, Any] = {
    "latent": 12,
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


@pytest.mark.parametrize(("name", "option"), [(name, option) for name in MODELS for option in MODELS[name].options])
def test_every_option_moves_something(name: str, option: str) -> None:
    values = OPTIONS[option].choices or (MODELS[name].options[option], MOVED[option])
    if (name, option) == ("linear-ae", "loss"):
        values = ("mse",)  # bce is refused, see test_autoencoder_models.py
    traces = [trace_of_training(name, **NEEDS.get(option, {}), **{option: value}) for value in values]
    for one, other in itertools.combinations(range(len(values)), 2):
        assert traces[one] != traces[other], f"{option} {values[one]} and {values[other]} make no difference"
    default = {**MODELS[name].options, **NEEDS.get(option, {})}[option]
    assert trace_of_training(name, **NEEDS.get(option, {})) == traces[values.index(default)]  # and nothing else does


@pytest.mark.parametrize("kind", ["l1", "kl"])
def test_sparsity_weight_counts_for_both_penalties(kind: str) -> None:
    terms = [
        build("sparse-ae", shape=(1, 8, 8), sparsity=kind, sparsity_weight=w).step(batch(8)) for w in (0.001, 0.003)
    ]
    assert float(terms[1]["sparsity"]) == pytest.approx(3 * float(terms[0]["sparsity"]), rel=1e-5)
    assert float(terms[0]["sparsity"]) > 0


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
        schedule = make_schedule(name, optimizer, steps)
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


# What training achieves.


@pytest.mark.parametrize("name", MODELS)
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


def test_linear_ae_finds_the_principal_subspace() -> None:
    """The decoder's columns span what the largest principal components span (Baldi and Hornik 1989)."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(64, 3)))[0].T
    factors = rng.uniform(-1, 1, (128, 3)) * (1.0, 0.8, 0.6)
    x = (0.5 + 0.9 * factors @ basis + 0.02 * rng.normal(size=(128, 64))).astype(np.float32).reshape(-1, 1, 8, 8)
    centred = x.reshape(128, 64) - x.reshape(128, 64).mean(0, dtype=np.float64)
    _, singular, components = np.linalg.svd(centred, full_matrices=False)
    assert singular[2] > 5 * singular[3]  # three directions, and noise far below: the subspace is well defined
    best = (singular[3:] ** 2).sum() / x.size  # no linear network of this width has a smaller error

    experiment = build("linear-ae", shape=(1, 8, 8), latent=3, lr=0.02, schedule="cosine", steps=1500, mean=0.5)
    train(experiment, Dataset("low rank", "train", x, value_range=(-1.0, 2.0)), 128, 1500)
    span = np.linalg.qr(network(experiment).decoder[0].weight.numpy().astype(np.float64))[0]
    cosines = np.linalg.svd(components[:3] @ span, compute_uv=False)
    assert math.degrees(math.acos(min(1.0, cosines.min()))) < 1  # seen: 0.22, 0.25, 0.29 for three seeds of the data
    error = np.square(experiment.reconstruct(x).astype(np.float64) - x).mean()
    assert best * (1 - 1e-6) <= error < 1.1 * best  # seen: 1.05


@pytest.mark.parametrize(("kind", "level"), [("masking", 0.3), ("gaussian", 0.5), ("salt-and-pepper", 0.3)])
def test_denoising_cleans_unseen_images(kind: str, level: float) -> None:
    images, unseen = glyphs("train", 800), glyphs("test", 300).images_float()
    experiment = build("denoising-ae", mean=images.mean(), lr=2e-3, corruption=kind, corruption_level=level)
    train(experiment, images, 50, 200)
    clean, corrupted, restored = experiment.pictures(unseen)
    before, after = (float(np.square(y - clean).mean()) for y in (corrupted, restored))
    # Masking glyphs changes little, as most of their pixels are black anyway. Seen: 0.72, and 0.25 and 0.19.
    assert after < (0.85 if kind == "masking" else 0.4) * before


def test_sparse_ae_has_fewer_active_units_than_ae() -> None:
    images, unseen = glyphs("train", 800), glyphs("test", 300).images_float()
    shares = []
    for name in ("ae", "sparse-ae"):
        experiment = build(name, mean=images.mean(), lr=2e-3)
        train(experiment, images, 50, 200)
        shares.append((experiment.encode(unseen) > 0.01).mean())
    assert shares[1] < 0.6 * shares[0]  # seen: 0.89 and 0.39


def test_kl_sparsity_drives_units_to_rho() -> None:
    images = glyphs("train", 800)
    experiment = build("sparse-ae", mean=images.mean(), lr=1e-2, sparsity="kl", sparsity_weight=0.1, sparsity_rho=0.1)
    start = experiment.encode(images.images_float()).mean(0)
    train(experiment, images, 100, 150)
    end = experiment.encode(images.images_float()).mean(0)
    assert np.abs(start - 0.1).mean() > 0.2
    assert np.abs(end - 0.1).mean() < 0.02


@pytest.mark.parametrize(
    ("kind", "option", "value"), [("l1", "rho", 0.1), ("l1", "k", 3), ("kl", "k", 3), ("topk", "weight", 1.0)]
)
def test_a_sparsity_setting_without_effect_is_refused(kind, option, value):
    with pytest.raises(ValueError, match=f"--sparsity-{option} has no effect with --sparsity {kind}"):
        build("sparse-ae", sparsity=kind, **{f"sparsity_{option}": value})


def test_a_misfit_in_a_step_names_the_layer_by_its_whole_path():
    with pytest.raises(nn.ShapeError, match=r"BatchNorm 'decoder\.1': expected input with at least 2 values"):
        build("dcgan-ae").step(batch(1, (1, 28, 28)))
