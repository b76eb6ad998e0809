"""The losses of VAEs against their formulas in NumPy, and their gradients against differences. All in float64.

Read next: ``test_linear_vae.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from algorithms.likelihood.likelihood_runs import (
    CLASSES,
    batch,
    bernoulli_log_density,
    bounded,
    dense,
    network,
    normal_log_density,
    replay,
    setup_for,
    sigmoid,
    small,
)
from gradcheck.central_differences import check_gradients
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import ops
from minigen.algorithms.autoencoders.build import Objective, preprocessing
from minigen.algorithms.likelihood.beta_vae import Warmup, weighted_elbo
from minigen.algorithms.likelihood.iwae import importance_bound, in_chunks
from minigen.algorithms.likelihood.vae import negative_elbo
from minigen.autograd import Tensor, grad
from minigen.models import likelihood, vae
from minigen.models.two_layer_vae import TwoLayerVAE
from minigen.models.vae import VAE, one_hot
from minigen.random import Generator

Array = np.ndarray[Any, Any]
SHAPE = (2, 2, 3)  # channels, height and width all differ
CLOSE = 1e-11  # sums of a few hundred float64 numbers of size 1, in another order


def elbo_parts(model: VAE, x: Array, noise: Array, y: Array | None = None) -> tuple[Array, Array, Array]:
    """log p(x | z), log p(z), log q(z | x), each (..., N), of a VAE of dense ReLU layers and Bernoulli pixels."""
    state = model.state_dict()
    flat = x.reshape(len(x), -1)
    beside = np.zeros((len(x), 0)) if y is None else y
    h = dense(state, "encoder", lambda a: np.maximum(a, 0))(np.concatenate([flat - state["centre"], beside], 1))
    mean = h @ state["mean.weight"].T + state["mean.bias"]
    logvar = bounded(h @ state["logvar.weight"].T + state["logvar.bias"])
    z = mean + np.exp(logvar / 2) * noise
    beside = np.broadcast_to(beside, (*z.shape[:-1], beside.shape[-1]))
    out = dense(state, "decoder", lambda a: np.maximum(a, 0), lambda a: a)(np.concatenate([z, beside], -1))
    return bernoulli_log_density(out, flat), normal_log_density(z, 0.0, 0.0), normal_log_density(z, mean, logvar)


def kl_per_dimension(model: VAE, x: Array, y: Array | None = None) -> Array:
    """KL(q(z | x) || N(0, 1)) (N, D) by numerical integration of q log(q / p)."""
    state = model.state_dict()
    beside = np.zeros((len(x), 0)) if y is None else y
    seen = np.concatenate([x.reshape(len(x), -1) - state["centre"], beside], 1)
    h = dense(state, "encoder", lambda a: np.maximum(a, 0))(seen)
    mean = h @ state["mean.weight"].T + state["mean.bias"]
    sd = np.exp(bounded(h @ state["logvar.weight"].T + state["logvar.bias"]) / 2)
    u = np.linspace(-12, 12, 4001)[:, None, None]  # the trapezoid rule is exact to rounding for a Gaussian's tails
    q = np.exp(-u * u / 2) / np.sqrt(2 * np.pi)
    z = mean + sd * u
    integral: Array = (q * (-u * u / 2 - np.log(sd) + z * z / 2)).sum(0) * (24 / 4000)
    return integral


def objective_terms(objective: Objective, x: Array, y: Array | None, noise: Generator) -> dict[str, float]:
    terms = objective(Tensor(x), None if y is None else Tensor(y), noise)
    return {name: float(term) for name, term in terms.items()}


@settings(max_examples=10)
@given(n=st.integers(1, 5), seed=st.integers(0, 99), layers=st.integers(1, 2))
def test_negative_elbo(n: int, seed: int, layers: int) -> None:
    model = network(small("vae", shape=SHAPE, layers=layers))
    noise = Generator(seed)
    x, eps = batch(n, SHAPE, seed=seed, dtype=np.float64).x, replay(noise).normal((n, 3), dtype=np.float64)
    terms = objective_terms(negative_elbo(model), x, None, noise)
    log_p, _, _ = elbo_parts(model, x, eps)
    assert terms["reconstruction"] == pytest.approx(-log_p.mean(), rel=CLOSE)
    assert terms["kl"] == pytest.approx(kl_per_dimension(model, x).sum(1).mean(), rel=1e-10)
    assert terms["loss"] == pytest.approx(terms["reconstruction"] + terms["kl"], rel=CLOSE)


def test_a_conditional_vae_sees_the_labels() -> None:
    model, noise = network(small("cvae", shape=SHAPE)), Generator(1)
    one = batch(5, SHAPE, dtype=np.float64)
    y = one_hot(one.labels, CLASSES).astype(np.float64)
    eps = replay(noise).normal((5, 3), dtype=np.float64)
    terms = objective_terms(negative_elbo(model), one.x, y, noise)
    assert terms["reconstruction"] == pytest.approx(-elbo_parts(model, one.x, eps, y)[0].mean(), rel=CLOSE)
    assert terms["kl"] == pytest.approx(kl_per_dimension(model, one.x, y).sum(1).mean(), rel=1e-10)
    turned = elbo_parts(model, one.x, eps, np.roll(y, 1, 1))[0].mean()
    assert abs(terms["reconstruction"] + turned) > 1e-3


@pytest.mark.parametrize(
    ("beta", "capacity", "free_bits"),
    [(4.0, 0.0, 0.0), (0.0, 0.0, 0.0), (2.0, 0.0, 0.1), (3.0, 1.5, 0.0), (3.0, 9.0, 0.1)],
)
@pytest.mark.parametrize("done", [0.0, 0.25, 1.0])
def test_weighted_elbo(beta: float, capacity: float, free_bits: float, done: float) -> None:
    model, noise, warmup = network(small("beta-vae", shape=SHAPE)), Generator(2), Warmup(4)
    warmup(int(4 * done))
    assert warmup.done == done
    x = batch(4, SHAPE, dtype=np.float64).x
    eps = replay(noise).normal((4, 3), dtype=np.float64)
    terms = objective_terms(weighted_elbo(model, beta, capacity, free_bits, warmup), x, None, noise)
    kl = kl_per_dimension(model, x)
    penalty = np.maximum(kl.mean(0), free_bits).sum()
    assert not free_bits or (kl.mean(0) < free_bits).any() != (kl.mean(0) < free_bits).all()  # both sides are seen
    if capacity:
        penalty = abs(penalty - capacity * done)
    weight = beta if capacity else beta * done
    assert terms["loss"] == pytest.approx(-elbo_parts(model, x, eps)[0].mean() + weight * penalty, rel=1e-10)
    assert terms["kl"] == pytest.approx(kl.sum(1).mean(), rel=1e-10)


@settings(max_examples=10)
@given(n=st.integers(1, 4), k=st.integers(1, 4), m=st.integers(1, 3), seed=st.integers(0, 99))
def test_importance_bound(n: int, k: int, m: int, seed: int) -> None:
    model, noise = network(small("miwae", shape=SHAPE)), Generator(seed)
    x, eps = batch(n, SHAPE, seed=seed, dtype=np.float64).x, replay(noise).normal((m * k, n, 3), dtype=np.float64)
    terms = objective_terms(importance_bound(model, k, m), x, None, noise)
    log_p, prior, posterior = elbo_parts(model, x, eps)
    w = np.exp(log_p + prior - posterior).reshape(m, k, n)
    assert terms["loss"] == pytest.approx(-np.log(w.mean(1)).mean(), rel=1e-10)  # e^-20 is no problem in float64
    assert terms["reconstruction"] == pytest.approx(-log_p.mean(), rel=CLOSE)
    assert terms["kl"] == pytest.approx((posterior - prior).mean(), rel=1e-9, abs=1e-10)
    assert terms["gain"] >= (-1e-12 if k == 1 else 0)  # a mean of logs is below the log of a mean


def test_importance_bound_of_two_layers() -> None:
    """log w = log p(x | z1) + log p(z1 | z2) + log p(z2) - log q(z1 | x) - log q(z2 | z1), tanh everywhere."""
    model, noise = network(small("burda-vae", shape=SHAPE)), Generator(5)
    assert isinstance(model, TwoLayerVAE) and (model.latent, model.upper_latent) == (6, 3)
    x = batch(3, SHAPE, dtype=np.float64).x
    eps = replay(noise).normal((4, 3, 9), dtype=np.float64)
    state, flat = model.state_dict(), x.reshape(3, -1)

    def gaussian(prefix: str, features: Array) -> tuple[Array, Array]:
        mean, raw = (features @ state[f"{prefix}{p}.weight"].T + state[f"{prefix}{p}.bias"] for p in ("mean", "logvar"))
        return mean, bounded(raw)

    mean1, logvar1 = gaussian("", dense(state, "encoder", np.tanh)(flat - state["centre"]))
    z1 = mean1 + np.exp(logvar1 / 2) * eps[..., :6]
    mean2, logvar2 = gaussian("upper.", dense(state, "upper.body", np.tanh)(z1))
    z2 = mean2 + np.exp(logvar2 / 2) * eps[..., 6:]
    below = gaussian("prior.", dense(state, "prior.body", np.tanh)(z2))
    log_p = bernoulli_log_density(dense(state, "decoder", np.tanh, lambda a: a)(z1), flat)
    log_w = log_p + normal_log_density(z1, *below) + normal_log_density(z2, 0.0, 0.0)
    log_w = log_w - normal_log_density(z1, mean1, logvar1) - normal_log_density(z2, mean2, logvar2)

    terms = objective_terms(importance_bound(model, 2, 2), x, None, noise)
    assert terms["loss"] == pytest.approx(-np.log(np.exp(log_w.reshape(2, 2, 3)).mean(1)).mean(), rel=CLOSE)
    # The code that images are encoded as, decoded, goes through the mean of z1; and ancestral sampling is as written.
    np.testing.assert_allclose(model(Tensor(x)).numpy().reshape(3, -1), sigmoid(
        dense(state, "decoder", np.tanh, lambda a: a)(mean1)), rtol=1e-10)  # fmt: skip
    code = np.random.default_rng(0).normal(size=(5, 9))
    mean, logvar = gaussian("prior.", dense(state, "prior.body", np.tanh)(code[:, 6:]))
    image = sigmoid(dense(state, "decoder", np.tanh, lambda a: a)(mean + np.exp(logvar / 2) * code[:, :6]))
    np.testing.assert_allclose(model.decode(Tensor(code)).numpy().reshape(5, -1), image, rtol=1e-10)


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("head", [ops.sigmoid, ops.tanh])
def test_gaussian_pixels(learned: bool, head: Any) -> None:
    pixels_ = likelihood.Gaussian(head, variance=0.3, learned=learned).to(dtype=np.float64)
    rng = np.random.default_rng(0)
    y, x = rng.normal(size=(4, 5, *SHAPE)), rng.random((5, *SHAPE))
    mean = np.tanh(y) if head is ops.tanh else sigmoid(y)
    logvar = np.log(0.3) if not learned else bounded(np.log(np.float32(0.3)).astype(np.float64))
    wanted = normal_log_density(x.reshape(5, -1), mean.reshape(4, 5, -1), logvar)
    # The logarithm of the variance is kept in float32.
    np.testing.assert_allclose(pixels_.log_prob(Tensor(y), Tensor(x)).numpy(), wanted, rtol=1e-6)
    assert float(pixels_.nll(Tensor(y[0]), Tensor(x))) == pytest.approx(-wanted[0].mean(), rel=1e-6)
    assert len(pixels_.parameters()) == learned


def test_bernoulli_pixels_are_finite_for_all_logits() -> None:
    y = np.array([[[-1e4, 1e4, 0.0]]], np.float32).reshape(1, 1, 1, 1, 3)
    for x in (0, 1):
        found = likelihood.Bernoulli().log_prob(Tensor(y), Tensor(np.full((1, 1, 1, 3), x, np.float32)))
        assert float(found) == pytest.approx(-1e4 - np.log(2), rel=1e-6)


OBJECTIVES: list[tuple[str, dict[str, Any], Any]] = [
    ("vae", {}, negative_elbo),
    ("vae", {"likelihood": "gaussian-learned"}, negative_elbo),
    ("vae", {"likelihood": "gaussian", "variance": 0.2}, negative_elbo),
    ("conv-vae", {}, negative_elbo),
    ("cvae", {}, negative_elbo),
    ("linear-vae", {}, negative_elbo),
    ("beta-vae", {}, lambda model: weighted_elbo(model, 3.0, 0.0, 0.05, Warmup(0))),
    ("beta-vae", {}, lambda model: weighted_elbo(model, 3.0, 9.0, 0.0, Warmup(0))),
    ("iwae", {"activation": "tanh", "layers": 2}, lambda model: importance_bound(model, 3)),
    ("miwae", {"likelihood": "gaussian-learned"}, lambda model: importance_bound(model, 2, 2)),
    ("burda-vae", {}, lambda model: importance_bound(model, 2, 2)),
]


@pytest.mark.parametrize(("name", "options", "make"), OBJECTIVES, ids=lambda v: v if isinstance(v, str) else "")
def test_gradients_of_the_losses(name: str, options: dict[str, Any], make: Any) -> None:
    """In every parameter, along a random direction: the recipes say that an update takes the first derivative."""
    model = network(small(name, shape=(1, 4, 4) if name == "conv-vae" else SHAPE, **options))
    one = batch(4, (1, 4, 4) if name == "conv-vae" else SHAPE, dtype=np.float64)
    y = Tensor(one_hot(one.labels, CLASSES).astype(np.float64)) if model.classes else None
    objective, rng = make(model), np.random.default_rng(0)
    loss = objective(Tensor(one.x), y, Generator(4))["loss"]
    gradients = grad(loss, model.parameters())
    for (key, p), g in zip(model.named_parameters(), gradients, strict=True):
        start, direction = p.data, rng.normal(size=p.shape)
        slopes = []
        for h in (1e-5, 5e-6):
            sides = []
            for sign in (1, -1):
                p.data = start + sign * h * direction
                sides.append(float(objective(Tensor(one.x), y, Generator(4))["loss"]))
            slopes.append((sides[0] - sides[1]) / (2 * h))
        p.data = start
        # Rounding of a loss of about 20 over 1e-5 is 4e-10; the two steps agree unless a kink lies between them.
        assert slopes[0] == pytest.approx(slopes[1], rel=1e-6, abs=1e-7)
        assert float((g.data * direction).sum()) == pytest.approx(slopes[0], rel=1e-6, abs=1e-7), key


def test_log_variances_are_bounded_smoothly() -> None:
    raw = np.array([-1e4, -80, -1, 0, 1, 80, 1e4], np.float32)
    found = likelihood.soft_clamp(Tensor(raw)).numpy()
    assert np.isfinite(np.exp(found)).all() and abs(found).max() <= likelihood.LOGVAR_LIMIT
    np.testing.assert_allclose(found[2:5], [-1, 0, 1], rtol=2e-3)  # 1 - tanh(1/15) * 15 = 1.5e-3
    check_gradients(likelihood.soft_clamp, [np.linspace(-40, 40, 7)], 2, np.random.default_rng(0))
    model = vae.dense(SHAPE, likelihood.Bernoulli(), hidden=(4,), latent=2, rng=Generator(0))
    model.logvar.load_state_dict({"weight": np.full((2, 4), 1e4), "bias": np.full(2, 1e4)})
    terms = negative_elbo(model)(Tensor(batch(3, SHAPE).x), None, Generator(0))
    gradients = grad(terms["loss"], model.parameters())
    assert np.isfinite(float(terms["kl"])) and all(np.isfinite(g.data).all() for g in gradients)


def test_evaluation_in_chunks_is_the_objective() -> None:
    """A batch that is taken a few images at a time gives the terms of the whole, each image with the same weight."""
    calls: list[int] = []

    def objective(x: Tensor, y: Tensor | None, noise: Generator) -> dict[str, Tensor]:
        calls.append(len(x))
        assert y is not None and len(y) == len(x)
        return {"loss": ops.mean(x) + ops.mean(y)}

    x, y = np.arange(7.0)[:, None], np.arange(14.0)[:, None][::2]
    terms = in_chunks(objective, samples=900)(Tensor(x), Tensor(y), Generator(0))
    assert calls == [2, 2, 2, 1] and float(terms["loss"]) == pytest.approx(x.mean() + y.mean(), rel=1e-12)


def test_images_are_made_black_and_white() -> None:
    x = batch(64).x
    none, threshold, dynamic = (preprocessing(setup_for("vae", binarize=b)) for b in ("none", "threshold", "dynamic"))
    rng = Generator(0)
    np.testing.assert_array_equal(none(x, rng).numpy(), x)
    np.testing.assert_array_equal(threshold(x, rng).numpy(), x > 0.5)
    assert rng.state["position"] == 0
    first, second = dynamic(x, rng).numpy(), dynamic(x, rng).numpy()
    assert set(np.unique(first)) == {0, 1} and (first != second).mean() > 0.2
    mean = np.mean([dynamic(x, rng).numpy() for _ in range(400)], 0)
    assert abs(mean - x).max() < 5 * 0.5 / 20  # five standard deviations of the mean of 400 draws
