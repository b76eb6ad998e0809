"""DRAGAN (Kodali et al. 2017, arXiv:1705.07215): the logistic loss, and gradients of norm 1 near the data.

Where the discriminator rises steeply to a few real images, the generator follows them and collapses. lambda
(||grad s(x + d)|| - 1)^2, s the score, is therefore added to its loss (their equation 4) at noisy copies of real
images, with the noise d of the authors' code: uniform, half a standard deviation of the batch wide.

Two files complete this one: ``gan.py`` has the logistic loss, ``step.py`` the update loop.

Imports: losses, gan, step, build. Read next: ``r1_gan.py``.
"""

from __future__ import annotations

from dataclasses import replace

from minigen import losses
from minigen.algorithms.adversarial import gan
from minigen.algorithms.adversarial.build import BATCH_NORM_OPTIONS, Options, recipe
from minigen.algorithms.adversarial.step import Critic, Objective, gradient_of_scores
from minigen.autograd import Tensor
from minigen.random import Generator


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor, noise: Generator) -> Tensor:
    """(||ds/dx|| - 1)^2, mean over one noisy copy x of each real image."""
    x = real.data + 0.5 * real.data.std() * noise.uniform(real.shape, dtype=real.dtype)
    return losses.unit_norm_penalty(gradient_of_scores(critic, x))


def objective(options: Options) -> Objective:
    """The losses of ``gan``, in nats, and the penalty."""
    return replace(gan.objective(options), penalty=gradient_penalty, penalty_weight=options["penalty_weight"])


RECIPES = (
    recipe(
        "dragan",
        "the discriminator's slope is pulled to 1 near real images",
        "Kodali et al. 2017, On convergence and stability of GANs, arXiv:1705.07215",
        objective,
        order=2,
        without=BATCH_NORM_OPTIONS,
        **gan.LOSS_OPTIONS,
        penalty_weight=10.0,
    ),
)
