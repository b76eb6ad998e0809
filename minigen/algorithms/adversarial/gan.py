"""The GAN of Goodfellow et al. 2014 (arXiv:1406.2661), with dense networks (``gan``) and with DCGAN's (``dcgan``).

D(x) = sigmoid(score) is the probability of being real. The discriminator minimises -E log D(x) - E log(1 - D(G(z))),
the generator E log(1 - D(G(z))) (minimax, equation 1) or, with the same fixed point but a gradient that does not vanish
where the discriminator is sure, -E log D(G(z)) (non-saturating, section 3). All is computed from the scores.
Derived in docs/guide/14_gans.md.

Two files complete this one: ``step.py`` has the update loop, ``build.py`` the networks and optimizers.

Imports: losses, step, build. Read next: ``lsgan.py``, ``wgan.py``.
"""

from __future__ import annotations

from typing import Any

from minigen import losses
from minigen.algorithms.adversarial.build import Options, recipe
from minigen.algorithms.adversarial.step import Objective
from minigen.autograd import Tensor
from minigen.device import array_module

LOSS_OPTIONS: dict[str, Any] = {"generator_loss": "non-saturating", "label_smoothing": 0.0}  # those of `objective`


def cross_entropy(scores: Tensor, target: float) -> Tensor:
    """-t log D - (1 - t) log(1 - D) of scores (N,), D = sigmoid(score): nats, mean over them."""
    return losses.bce_with_logits(scores, Tensor(array_module(scores.data).full_like(scores.data, target)))


def objective(options: Options) -> Objective:
    """Losses in nats. One-sided label smoothing s: real images have the target 1 - s (Salimans et al. 2016, 3.4)."""
    real_target = 1 - options["label_smoothing"]
    minimax = options["generator_loss"] == "minimax"
    return Objective(
        discriminator_loss=lambda real, fake: cross_entropy(real, real_target) + cross_entropy(fake, 0.0),
        generator_loss=lambda fake: -cross_entropy(fake, 0.0) if minimax else cross_entropy(fake, 1.0),
        unit="nats",
        logits=True,
    )


RECIPES = (
    recipe(
        "gan",
        "dense generator and discriminator, logistic loss",
        "Goodfellow et al. 2014, Generative adversarial nets, arXiv:1406.2661",
        objective,
        fixed_network="dense",
        epochs=20,
        **LOSS_OPTIONS,
    ),
    recipe(
        "dcgan",
        "strided convolutions, transposed ones in the generator, batch norm in both",
        "Radford, Metz and Chintala 2016, DCGAN, arXiv:1511.06434",
        objective,
        fixed_network="conv",
        norm="batch",
        **LOSS_OPTIONS,
    ),
)
