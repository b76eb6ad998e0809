"""The VQ-VAE: its losses and what each of them moves, codes, and what it learns. In float64.

Read next: ``test_points.py``.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from algorithms.catalog_runs import build_small, images_for
from gradcheck.central_differences import check_gradients

from minigen import nn, ops
from minigen.algorithms.experiment import Experiment
from minigen.algorithms.likelihood.vq_vae import Networks
from minigen.autograd import Tensor, grad
from minigen.data import Batch
from minigen.models.pixel_cnn import PixelCNN
from minigen.models.vq_vae import VQVAE, Codebook, grid_shape
from minigen.random import Generator

Array = np.ndarray[Any, Any]
CLOSE = 1e-11  # sums of a few hundred float64 numbers of size 1, in another order


def test_the_first_batch_spreads_the_codebook() -> None:
    experiment, one = build_small("vq-vae", codes=16), images_for("vq-vae")
    first, later = ({k: float(v) for k, v in experiment.step(one).items()} for _ in range(2))
    assert first["usage"] <= 2 / 16 and later["usage"] >= 8 / 16
    without = build_small("vq-vae", codes=16, restart_after=0)
    assert [float(without.step(one)["usage"]) <= 2 / 16 for _ in range(3)] == [True] * 3


def networks_of(experiment: Experiment) -> Networks:
    """The networks of an experiment, in float64, with a codebook that codes fall upon."""
    model, entries, prior = (experiment.modules[name] for name in ("model", "codebook", "prior"))
    assert isinstance(model, VQVAE) and isinstance(entries, Codebook) and isinstance(prior, PixelCNN)
    rng = np.random.default_rng(5)
    for module in (model, prior):
        module.to(dtype=np.float64)
        for p in module.parameters():
            p.data = p.data + 0.05 * rng.normal(size=p.shape)
    entries.to(dtype=np.float64)
    z = model.encode(Tensor(images_for("vq-vae").x.astype("f8"))).numpy()
    entries.embedding.data = np.moveaxis(z, 1, -1).reshape(-1, z.shape[1])[: entries.codes] + 0.02
    return Networks(model, entries, prior, 0.25)


def small_networks(**options: Any) -> Networks:
    return networks_of(build_small("vq-vae", codes=6, prior_channels=16, prior_layers=1, **options))


def test_the_terms_are_those_of_the_formulas() -> None:
    networks, x = small_networks(codebook="gradient"), images_for("vq-vae").x.astype("f8")
    terms, z, found = networks.terms(Tensor(x))
    assert len(np.unique(found)) > 2
    e = np.moveaxis(networks.codebook.embedding.numpy()[found], -1, 1)
    p = 1 / (1 + np.exp(-networks.model.logits(Tensor(e)).numpy()))
    reconstruction = -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum((1, 2, 3)).mean()
    distance = np.square(z - e).sum((1, 2, 3)).mean()
    logits = networks.prior(Tensor(e)).numpy()
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    prior = -np.take_along_axis(log_p, found[:, None], 1).sum((1, 2, 3)).mean()
    share = np.bincount(found.reshape(-1), minlength=6) / found.size
    wanted = {
        "loss": reconstruction + 1.25 * distance,
        "reconstruction": reconstruction,
        "commitment": distance,
        "prior": prior,
        "codebook": distance,
        "usage": (share > 0).mean(),
        "perplexity": np.exp(-(share[share > 0] * np.log(share[share > 0])).sum()),
    }
    assert {name: float(v) for name, v in terms.items()} == pytest.approx(wanted, rel=CLOSE)


def reached(loss: Tensor, module: nn.Module) -> set[str]:
    """The parameters of `module` in which the loss has a gradient that is not 0."""
    names, parameters = zip(*module.named_parameters(), strict=True)
    return {name for name, g in zip(names, grad(loss, parameters), strict=True) if np.any(g.numpy())}


def test_each_term_reaches_what_it_is_for() -> None:
    """Commitment the encoder alone, the codebook's term the codebook alone, the prior's the prior alone."""
    networks = small_networks(codebook="gradient")
    terms, _, _ = networks.terms(Tensor(images_for("vq-vae").x.astype("f8")))
    model, entries, prior = networks.model, networks.codebook, networks.prior
    encoder, decoder = model.encoder, model.decoder
    table = {
        "reconstruction": (True, True, False, False),
        "commitment": (True, False, False, False),
        "codebook": (False, False, True, False),
        "prior": (False, False, False, True),
    }
    for term, wanted in table.items():
        assert tuple(bool(reached(terms[term], m)) for m in (encoder, decoder, entries, prior)) == wanted, term
    assert reached(terms["reconstruction"], encoder) == {name for name, _ in encoder.named_parameters()}
    assert reached(terms["prior"], prior) == {name for name, _ in prior.named_parameters()}


def test_gradients_against_differences() -> None:
    """Where nothing is a constant to the gradient: decoder, entries and prior; and the encoder under the commitment."""
    networks, x = small_networks(codebook="gradient", channels=2), Tensor(images_for("vq-vae").x[:3].astype("f8"))
    model, entries, prior = networks.model, networks.codebook, networks.prior
    for network in (model, prior):  # hundreds of ReLUs have a kink within any step; what is between them is the matter
        for _, module in network.named_modules():
            if isinstance(module, nn.Sequential):
                for key in [key for key, layer in vars(module).items() if layer is ops.relu]:
                    setattr(module, key, ops.softplus)
    z = model.encode(x)
    found = entries.nearest(z.data)
    e = entries.embed(found)
    rng = np.random.default_rng(0)

    def check(module: nn.Module, loss: Any, order: int) -> None:
        names = [name for name, _ in module.named_parameters()]

        def of(*values: Tensor) -> Tensor:
            return loss(nn.functional_copy(module, dict(zip(names, values, strict=True))))  # type: ignore[no-any-return]

        check_gradients(of, [p.data for p in module.parameters()], order, rng)

    check(entries, lambda m: m.codebook_loss(z, found), 2)
    check(prior, lambda m: ops.mean(m.nll(e, found)), 1)
    check(model.decoder, lambda m: model.likelihood.nll(m(e), x), 1)
    check(model.encoder, lambda m: ops.sum((m(x - model.centre) - e) ** 2), 1)


def test_the_bound_of_the_likelihood_is_image_and_codes_together() -> None:
    experiment, one = build_small("vq-vae", codes=6), images_for("vq-vae")
    experiment.step(one)
    assert experiment.evaluate is not None and experiment.log_likelihood is not None
    terms = {name: float(v) for name, v in experiment.evaluate(one).items()}
    values = experiment.log_likelihood(one.x, 1)
    assert -values.mean() == pytest.approx(terms["reconstruction"] + terms["prior"], rel=1e-6)  # float32
    np.testing.assert_array_equal(values, experiment.log_likelihood(one.x, 50))
    with pytest.raises(ValueError, match="at least 1, got 0"):
        experiment.log_likelihood(one.x, 0)


def test_codes_are_entries_and_anything_else_is_taken_for_the_nearest() -> None:
    experiment, one = build_small("vq-vae", codes=6), images_for("vq-vae")
    experiment.step(one)
    latent, encode, reconstruct = experiment.latent, experiment.encode, experiment.reconstruct
    assert latent is not None and latent.draw is not None and encode is not None and reconstruct is not None
    codes, entries = encode(one.x), experiment.modules["codebook"].state_dict()["embedding"]
    vectors = np.moveaxis(codes.reshape(8, 4, 2, 2), 1, -1).reshape(-1, 4)
    drawn = np.moveaxis(latent.draw(5, Generator(0)).reshape(5, 4, 2, 2), 1, -1).reshape(-1, 4)
    for v in (*vectors, *drawn):
        assert (v == entries).all(1).any()
    np.testing.assert_array_equal(latent.decode(codes, None), reconstruct(one.x))
    gap = min(np.abs(a - b).max() for a, b in itertools.combinations(entries, 2))
    np.testing.assert_array_equal(latent.decode(codes + np.float32(0.1 * gap), None), reconstruct(one.x))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="sides must be at least 4, got 3x28; give larger images"):
        grid_shape((1, 3, 28))
    assert grid_shape((1, 30, 28)) == (7, 7) and grid_shape((1, 17, 23)) == (4, 5)
    with pytest.raises(ValueError, match="--codebook-decay has no effect with --codebook gradient; leave it out"):
        build_small("vq-vae", codebook="gradient", codebook_decay=0.5)


@pytest.mark.parametrize("codebook", ["ema", "gradient"])
def test_an_update_moves_the_entries(codebook: str) -> None:
    """Not only where unused ones are put where codes are."""
    experiment, images = build_small("vq-vae", codebook=codebook, restart_after=0), images_for("vq-vae")
    before = experiment.modules["codebook"].state_dict()["embedding"]
    experiment.step(images)
    assert abs(experiment.modules["codebook"].state_dict()["embedding"] - before).max() > 1e-6


PATTERNS = np.zeros((4, 1, 8, 8), np.float32)
PATTERNS[0, 0, :4], PATTERNS[1, 0, 4:], PATTERNS[2, 0, :, :4], PATTERNS[3, 0, :, 4:] = 1, 1, 1, 1


@pytest.mark.slow
@pytest.mark.parametrize("codebook", ["ema", "gradient"])
def test_it_learns_four_pictures_and_draws_them(codebook: str) -> None:
    """Halves that are bright: a prior that drew places on their own would make all 16 pictures of quadrants."""
    experiment = build_small(
        "vq-vae", codebook=codebook, codes=8, restart_after=50, lr=5e-3, prior_channels=32, channels=8
    )
    rng = np.random.default_rng(0)
    for _ in range(120):
        labels = rng.integers(0, 4, 32)
        experiment.step(Batch(PATTERNS[labels], labels, np.arange(32)))
    latent, reconstruct = experiment.latent, experiment.reconstruct
    assert latent is not None and latent.draw is not None and reconstruct is not None
    assert np.square(reconstruct(PATTERNS) - PATTERNS).mean() < 0.01
    samples = latent.decode(latent.draw(100, Generator(0)), None)
    nearest = np.square(samples[:, None] - PATTERNS).mean((2, 3, 4))
    assert (nearest.min(1) < 0.02).mean() > 0.9
    assert (np.bincount(nearest.argmin(1), minlength=4) > 5).all()
