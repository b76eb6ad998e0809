"""Importance-weighted autoencoders: a tighter bound from several samples. IWAE, MIWAE and Burda's two layers.

The update moves all parameters along the gradient of `importance_bound` (``../autoencoders/build.py``).

Imports: build, models. Read next: ``../importance_sampling.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from minigen import ops
from minigen.algorithms.autoencoders.build import Objective, build_vae
from minigen.algorithms.experiment import Experiment, Recipe, Setup, Term
from minigen.algorithms.importance_sampling import DECODER_BATCH
from minigen.algorithms.likelihood.build import COMMON, DENSE, ELBO, dense_network, pixel_likelihood
from minigen.algorithms.options import Option, hidden_widths
from minigen.autograd import Tensor
from minigen.models import two_layer_vae
from minigen.models.vae import VAE
from minigen.random import Generator

OPTIONS: Mapping[str, Option] = {
    "k": Option(int, "importance samples in a bound", minimum=1),
    "m": Option(int, "bounds, each of k samples, that are averaged", minimum=1),
}
LEDGER: Mapping[str, Term] = {
    **ELBO,
    "kl": Term("nats per sample, estimated from the samples", of="loss"),
    "gain": Term("nats per sample that the bound lies above the mean of log w", weight=-1.0, of="loss"),
}


def importance_bound(model: VAE, k: int, m: int = 1) -> Objective:
    """-1/m sum over m of log(1/k sum over k of w), w = p(x, z) / q(z | x) with z from q, in nats per sample.

    For k = 1 the evidence bound (its divergence estimated); with k it rises towards log p(x) (Burda et al. 2016,
    arXiv:1509.00519, equation 8). The more samples, the weaker the signal for the encoder; m averages, each of k
    samples, give some of it back (Rainforth et al. 2018, arXiv:1802.04537, equation 9). The gradient is that of the
    bound through z: samples of large weight lead. Derived in docs/guide/13_vae.md.
    """

    def objective(x: Tensor, y: Tensor | None, noise: Generator) -> dict[str, Tensor]:
        draws = noise.normal((m * k, len(x), model.noise_size), dtype=x.dtype)
        log_p, log_ratio = model.log_weights(x, Tensor(draws), y)
        log_w = ops.reshape(log_p + log_ratio, (m, k, len(x)))
        loss = math.log(k) - ops.mean(ops.logsumexp(log_w, axis=1))
        reconstruction, kl = -ops.mean(log_p.detach()), -ops.mean(log_ratio.detach())
        gain = reconstruction + kl - loss.detach()
        return {"loss": loss, "reconstruction": reconstruction, "kl": kl, "gain": gain}

    return objective


def in_chunks(objective: Objective, samples: int) -> Objective:
    """The same objective for evaluation: a few images at a time, as each of them becomes `samples` rows of arrays."""
    size = max(1, DECODER_BATCH // samples)

    def evaluate(x: Tensor, y: Tensor | None, noise: Generator) -> dict[str, Tensor]:
        means: dict[str, Tensor] = {}
        for i in range(0, len(x), size):
            part = x[i : i + size]
            for name, term in objective(part, None if y is None else y[i : i + size], noise).items():
                share = term * (len(part) / len(x))
                means[name] = means[name] + share if name in means else share
        return means

    return evaluate


def _two_layers(setup: Setup) -> VAE:
    return two_layer_vae.two_layers(
        setup.image_shape,
        pixel_likelihood(setup),
        hidden=hidden_widths(setup.options, 200),
        latent=setup.options["latent"],
        rng=Generator(setup.seed).spawn("weights"),
    )


def _build(setup: Setup, model: VAE) -> Experiment:
    k, m = setup.options["k"], setup.options.get("m", 1)
    objective = importance_bound(model, k, m)
    return build_vae(setup, model, objective, evaluation=in_chunks(objective, k * m), ledger=LEDGER)


_BURDA = "Burda, Grosse and Salakhutdinov 2016, Importance weighted autoencoders, arXiv:1509.00519"

RECIPES = (
    Recipe(
        "iwae",
        "likelihood",
        "a VAE with a tighter bound: the log of the mean of k importance weights",
        _BURDA,
        {**DENSE, "k": 5, **COMMON},
        lambda setup: _build(setup, dense_network(setup)),
    ),
    Recipe(
        "miwae",
        "likelihood",
        "the mean of m such bounds: tight, and still a clear signal for the encoder",
        "Rainforth et al. 2018, Tighter variational bounds are not necessarily better, arXiv:1802.04537",
        {**DENSE, "k": 4, "m": 4, **COMMON, "epochs": 5},
        lambda setup: _build(setup, dense_network(setup)),
    ),
    Recipe(
        "burda-vae",
        "likelihood",
        "two layers of codes, pixels-200-200-100-100-100-50 with tanh, trained on m bounds of k samples",
        _BURDA,
        {"hidden": 200, "layers": 2, "latent": 50, "k": 1, "m": 1, **COMMON, "binarize": "dynamic"},
        lambda setup: _build(setup, _two_layers(setup)),
    ),
)
