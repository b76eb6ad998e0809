"""The VAE whose divergence is weighed: beta-VAE, with a weight that can rise, free bits, and a capacity.

The update moves all parameters along the gradient of `weighted_elbo` (``../autoencoders/build.py``).

Imports: build, vae. Read next: ``iwae.py``.
"""

from __future__ import annotations

from collections.abc import Mapping

from minigen import losses, ops
from minigen.algorithms.autoencoders.build import Objective, build_vae
from minigen.algorithms.experiment import Experiment, Recipe, Setup, Term
from minigen.algorithms.likelihood.build import COMMON, DENSE, ELBO, dense_network
from minigen.algorithms.options import Option
from minigen.autograd import Tensor
from minigen.models.vae import VAE
from minigen.random import Generator

OPTIONS: Mapping[str, Option] = {
    "beta": Option(float, "weight of the divergence from the prior in the loss", minimum=0),
    "beta_warmup": Option(int, "updates in which beta (with --capacity: the capacity) rises from 0", minimum=0),
    "free_bits": Option(float, "nats that each dimension of the code may carry for nothing", minimum=0),
    "capacity": Option(float, "nats that the whole code is drawn to carry; 0: as few as it likes", minimum=0),
}


class Warmup:
    """How much of a warm-up of `steps` updates is over, from 0 to 1. A function of the update's number alone."""

    def __init__(self, steps: int) -> None:
        self.steps, self.done = steps, 1.0

    def __call__(self, k: int) -> None:
        """Before update k, counted from 0."""
        self.done = min(1.0, k / self.steps) if self.steps else 1.0


def weighted_elbo(model: VAE, beta: float, capacity: float, free_bits: float, warmup: Warmup) -> Objective:
    """-E_q[log p(x | z)] + beta d, nats per sample, with d the divergence KL(q(z | x) || p(z)) or what is made of it.

    * beta above 1 asks for codes with few, independent dimensions, at the price of the picture (Higgins et al. 2017,
      beta-VAE, ICLR). Rising from 0 it lets the decoder learn to use the code before the code is pulled to the prior
      (Bowman et al. 2016, arXiv:1511.06349).
    * free bits f: d = sum over dimensions of max(f, mean over the batch of KL_j), so that no dimension gains from being
      emptied altogether (Kingma et al. 2016, arXiv:1606.04934, equation 15).
    * capacity c: |d - c| instead of d (Burgess et al. 2018, arXiv:1804.03599, equation 8).
    """

    def objective(x: Tensor, y: Tensor | None, noise: Generator) -> dict[str, Tensor]:
        mean, logvar = model.posterior(x, y)
        z = ops.reparameterize(mean, logvar, Tensor(noise.normal(mean.shape, dtype=mean.dtype)))
        reconstruction = model.likelihood.nll(model.logits(z, y), x)
        kl = losses.gaussian_kl(mean, logvar)
        terms = {"reconstruction": reconstruction, "kl": kl}
        weight = beta if capacity else beta * warmup.done
        if free_bits or capacity:
            penalty = kl
            if free_bits:
                each = ops.mean(losses.gaussian_kl(mean, logvar, reduction="none"), axis=0)
                penalty = ops.sum(ops.maximum(each, free_bits))
            if capacity:
                penalty = ops.abs(penalty - capacity * warmup.done)
            terms["kl_penalty"] = kl = penalty
        return {"loss": reconstruction + kl * weight, **terms}

    return objective


def _build(setup: Setup) -> Experiment:
    options = setup.options
    beta, capacity, free_bits = options["beta"], options["capacity"], options["free_bits"]
    model, warmup, ended = dense_network(setup), Warmup(options["beta_warmup"]), Warmup(0)
    weight = beta if capacity else lambda: beta * warmup.done
    ledger = {**ELBO, "kl": Term(ELBO["kl"].unit, weight, of="loss")}
    if free_bits or capacity:
        ledger["kl"] = Term(ELBO["kl"].unit)
        ledger["kl_penalty"] = Term("nats per sample; divergence after free bits and capacity", weight, of="loss")
    return build_vae(
        setup,
        model,
        weighted_elbo(model, beta, capacity, free_bits, warmup),
        evaluation=weighted_elbo(model, beta, capacity, free_bits, ended),
        schedule=warmup,
        ledger=ledger,
    )


RECIPES = (
    Recipe(
        "beta-vae",
        "likelihood",
        "a VAE whose divergence has a weight: few and independent dimensions of the code",
        "Higgins et al. 2017, beta-VAE: Learning basic visual concepts with a constrained variational framework, ICLR",
        {**DENSE, "beta": 4.0, "beta_warmup": 0, "free_bits": 0.0, "capacity": 0.0, **COMMON, "lr": 5e-4},
        _build,
    ),
)
