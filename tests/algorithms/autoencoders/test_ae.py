"""The losses of autoencoders against their formulas in NumPy, and their gradients against differences.

Read next: ``test_denoising_ae.py``.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from algorithms.autoencoders.autoencoder_runs import MODELS, batch, build, network, sigmoid, train

from minigen import optim
from minigen.algorithms.autoencoders import ae, denoising_ae
from minigen.autograd import Tensor, grad, no_grad
from minigen.data import Dataset
from minigen.random import Generator

Array = np.ndarray[Any, Any]
State = dict[str, Array]


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
    experiment.updates.optimizers["model"] = optim.SGD(model.parameters(), lr=0.1)
    experiment.step(batch(6, (1, 3, 4), seed=1, dtype=np.float64))
    one = batch(7, (1, 3, 4), seed=2, dtype=np.float64)
    seen, place = one.x, noise.state
    if name == "denoising-ae":
        seen = denoising_ae.masking(0.5)(one.x, noise)
        noise.state = place
    before = model.state_dict()
    terms = experiment.step(one)
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


@pytest.mark.parametrize("name", ["ae", "conv-ae", "dcgan-ae"])
def test_weight_penalties_leave_biases_and_batch_norm_alone(name: str) -> None:
    model = network(build(name, shape=(1, 8, 8)))
    rng = np.random.default_rng(0)
    for p in model.parameters():
        p.data = rng.normal(size=p.shape).astype(np.float32)
    x, noise = Tensor(batch(2).x), Generator(0)
    for kind in ("l1", "l2"):
        objective = ae.with_weight_decay(model, lambda x, y, noise: {"loss": Tensor(0.0)}, {f"weight_{kind}": 0.5})
        gradients = grad(objective(x, None, noise)["loss"], model.parameters())
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
