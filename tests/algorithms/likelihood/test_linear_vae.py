"""The linear VAE is probabilistic PCA: what is known in closed form, held against the bounds and against training.

Read next: ``test_training.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from algorithms.likelihood.likelihood_runs import network, setup_for, small

from minigen.algorithms import importance_sampling
from minigen.algorithms.autoencoders.build import preprocessing
from minigen.algorithms.likelihood.vae import negative_elbo
from minigen.autograd import Tensor
from minigen.data import Batch
from minigen.models.likelihood import LOGVAR_LIMIT, Gaussian
from minigen.models.linear_vae import exact_log_likelihood
from minigen.models.vae import VAE
from minigen.random import Generator

Array = np.ndarray[Any, Any]
SHAPE = (1, 2, 4)
PIXELS, LATENT = 8, 3


def gaussian_images(n: int, seed: int = 0) -> Array:
    """Images (N, 1, 2, 4) that vary along three directions, with a little noise in all."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(LATENT, PIXELS)) * np.array([[1.5], [1.0], [0.6]])
    x = rng.normal(size=(n, LATENT)) @ directions + 0.3 * rng.normal(size=(n, PIXELS)) + rng.normal(size=PIXELS)
    return x.reshape(n, *SHAPE)


def principal_components(x: Array) -> tuple[Array, Array, float, float]:
    """Tipping and Bishop 1999: the best W (P, D), b and variance, and their mean log-likelihood, in closed form."""
    flat = x.reshape(len(x), -1)
    b = flat.mean(0)
    values, vectors = np.linalg.eigh(np.cov(flat.T, bias=True))
    values, vectors = values[::-1], vectors[:, ::-1]
    variance = values[LATENT:].mean()
    w = vectors[:, :LATENT] * np.sqrt(values[:LATENT] - variance)
    log_det = np.log(values[:LATENT]).sum() + (PIXELS - LATENT) * math.log(variance)
    return w, b, variance, -0.5 * (PIXELS * math.log(2 * math.pi) + log_det + PIXELS)


def unbounded(logvar: Array | float) -> Array:
    """What `bounded` makes this log-variance of."""
    return LOGVAR_LIMIT * np.arctanh(np.asarray(logvar) / LOGVAR_LIMIT)


def at_the_optimum(x: Array) -> VAE:
    """The linear VAE with the best decoder, and with the posterior of that decoder as its encoder."""
    model = network(small("linear-vae", shape=SHAPE))
    w, b, variance, _ = principal_components(x)
    m = variance * np.eye(LATENT) + w.T @ w  # diagonal: the columns of W are orthogonal
    mean = np.linalg.solve(m, w.T)
    assert isinstance(model.likelihood, Gaussian)
    model.decoder.load_state_dict({"0.weight": w, "0.bias": b})
    model.mean.load_state_dict({"weight": mean, "bias": mean @ (float(model.centre) - b)})  # it sees x - centre
    model.logvar.load_state_dict({"value": unbounded(np.log(variance / np.diag(m)))})
    model.likelihood.load_state_dict({"logvar": unbounded(math.log(variance))})
    return model


def test_exact_log_likelihood_is_that_of_the_normal_distribution() -> None:
    x = gaussian_images(6)
    model = network(small("linear-vae", shape=SHAPE))
    assert isinstance(model.likelihood, Gaussian)
    state = model.decoder.state_dict()
    w, b, v = state["0.weight"], state["0.bias"], math.exp(float(model.likelihood.log_variance()))
    covariance, d = w @ w.T + v * np.eye(PIXELS), x.reshape(6, -1) - b
    squares = (d @ np.linalg.inv(covariance) * d).sum(1)
    wanted = -0.5 * (squares + np.log(np.linalg.det(2 * math.pi * covariance)))
    np.testing.assert_allclose(exact_log_likelihood(model, x), wanted, rtol=1e-10)
    with pytest.raises(TypeError, match="expected a linear VAE, got one with Bernoulli"):
        exact_log_likelihood(network(small("vae", shape=SHAPE)), x)


def test_the_gap_is_zero_at_the_optimum() -> None:
    """There q(z | x) is the true posterior, so every importance weight is p(x) itself, whatever the noise."""
    x = gaussian_images(200)
    model = at_the_optimum(x)
    best = principal_components(x)[3]
    exact = exact_log_likelihood(model, x)
    assert exact.mean() == pytest.approx(best, rel=1e-10)
    noise = Generator(0).normal((5, len(x), LATENT), dtype=np.float64)
    log_p, log_ratio = model.log_weights(Tensor(x), Tensor(noise))
    # float64, and terms of some hundreds that cancel; the variance went through tanh and back.
    np.testing.assert_allclose(log_p.numpy() + log_ratio.numpy(), np.tile(exact, (5, 1)), atol=1e-8)
    # The same in the form of the loss, where the divergence is exact and the noise does not cancel: in the mean only.
    many = np.repeat(x[:4], 20_000, 0)
    loss = float(negative_elbo(model)(Tensor(many), None, Generator(1))["loss"])
    assert -loss == pytest.approx(exact[:4].mean(), abs=0.05)  # the deviation of one sample is 2, of 80,000 0.007


def test_nothing_near_the_optimum_is_better() -> None:
    x = gaussian_images(100)
    model, rng = at_the_optimum(x), np.random.default_rng(0)
    best = exact_log_likelihood(model, x).mean()
    for p in (*model.decoder.parameters(), *model.likelihood.parameters()):
        start = p.data
        for _ in range(3):
            p.data = start + 0.05 * rng.normal(size=p.shape)
            assert exact_log_likelihood(model, x).mean() < best
        p.data = start


def bound(model: VAE, x: Array, k: int) -> Array:
    preprocess = preprocessing(setup_for("linear-vae", shape=SHAPE))
    return importance_sampling.log_likelihood(model, x, k, preprocess=preprocess, rng=Generator(3))


def test_the_bound_rises_with_k_and_stays_below_the_exact_likelihood() -> None:
    """With the right mean of the posterior, and a variance that is not its own."""
    x = np.repeat(gaussian_images(5), 400, 0)  # the mean over many draws is what is monotone
    model = at_the_optimum(gaussian_images(100))
    model.logvar.load_state_dict({"value": np.full(LATENT, -1.0)})
    exact = exact_log_likelihood(model, x).mean()
    values = [bound(model, x, k) for k in (1, 2, 4, 16, 64)]
    means = [v.mean() for v in values]
    errors = [v.std() / math.sqrt(len(v)) for v in values]
    for (a, b), e in zip(zip(means, means[1:], strict=False), errors, strict=False):
        assert b - a > 5 * e, (means, errors)  # five standard errors: no chance
    assert means[-1] < exact and exact - means[-1] < 0.2 * (exact - means[0])


def test_samples_in_batches_are_the_same_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays small: the samples are summed up a few at a time, with the noise that they would have had."""
    x = gaussian_images(4)
    model = at_the_optimum(gaussian_images(100))
    model.logvar.load_state_dict({"value": np.zeros(LATENT)})
    whole = bound(model, x, 11)
    monkeypatch.setattr(importance_sampling, "DECODER_BATCH", 8)
    np.testing.assert_allclose(bound(model, x, 11), whole, rtol=1e-12)
    monkeypatch.setattr(importance_sampling, "IMAGE_BATCH", 1)
    assert bound(model, x, 1).shape == (4,) and bound(model, x[:0], 5).shape == (0,)
    with pytest.raises(ValueError, match="k, the number of importance samples, must be at least 1, got 0"):
        bound(model, x, 0)


def test_logsumexp_over_the_first_axis() -> None:
    x = np.array([[-1e4, 3.0, -np.inf, 1e4], [-1e4 + 1, 2.0, -np.inf, 1e4]])
    wanted = [-1e4 + 1 + math.log1p(math.exp(-1)), 3 + math.log1p(math.exp(-1)), -np.inf, 1e4 + math.log(2)]
    np.testing.assert_allclose(importance_sampling.logsumexp(x), wanted, rtol=1e-14)


@pytest.mark.slow
def test_training_finds_the_principal_components() -> None:
    x = gaussian_images(512).astype(np.float32)
    experiment = small("linear-vae", shape=SHAPE)
    model = experiment.modules["model"]
    assert isinstance(model, VAE)
    optimizer = experiment.optimizers["model"]
    for k in range(1500):
        optimizer.lr = 0.05 * (1 - k / 1500)
        experiment.step(Batch(x, None, np.arange(512)))
    exact = exact_log_likelihood(model, x).mean()
    w, _, variance, best = principal_components(x)
    assert best - 0.02 < exact < best + 1e-4  # nats; seen: 0.005 below
    learned = model.decoder.state_dict()["0.weight"]
    assert np.linalg.svd(np.linalg.qr(w)[0].T @ np.linalg.qr(learned)[0])[1].min() > 0.999  # cosines between subspaces
    assert experiment.evaluate is not None
    terms = {name: float(v) for name, v in experiment.evaluate(Batch(x, None, np.arange(512))).items()}
    assert terms["exact"] == pytest.approx(-exact, rel=1e-6) and abs(terms["loss"] - terms["exact"]) < 0.3
    assert isinstance(model.likelihood, Gaussian)
    assert math.exp(float(model.likelihood.log_variance())) == pytest.approx(variance, rel=0.05)
