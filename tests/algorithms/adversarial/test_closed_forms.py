"""Optima and dynamics of GANs that are known in closed form: optimal discriminators, the Dirac-GAN, a linear critic.

Read next: ``test_training.py``.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from algorithms.adversarial.adversarial_runs import setup_for
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import losses, nn, ops, optim
from minigen.algorithms.adversarial import gan, r1_gan, wgan
from minigen.algorithms.adversarial.step import GAN, adversarial_step
from minigen.algorithms.updates import Updates
from minigen.autograd import Tensor, grad
from minigen.data import Batch
from minigen.random import Generator

# Closed forms.


@settings(max_examples=10)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=2, max_size=5))
def test_the_optimal_discriminator_is_p_over_p_plus_q(counts: list[tuple[int, int]]) -> None:
    """On a finite set of points, with a logit for each, and its loss is 2 log 2 - 2 JSD (Goodfellow 2014, 4.1)."""
    p, q = (np.array(c, np.float64) for c in zip(*counts))
    real, fake = (np.repeat(np.arange(len(p)), c.astype(int)) for c in (p, q))
    p, q = p / p.sum(), q / q.sum()
    objective = gan.objective(setup_for("gan").options)
    logits = nn.Parameter(np.zeros(len(p)))
    for _ in range(60):  # Newton's method: the loss is convex, and each logit has its own curvature
        loss = objective.discriminator_loss(logits[real], logits[fake])
        d = 1 / (1 + np.exp(-logits.numpy()))
        logits.data = logits.data - grad(loss, [logits])[0].numpy() / ((p + q) * d * (1 - d))
    np.testing.assert_allclose(1 / (1 + np.exp(-logits.numpy())), p / (p + q), atol=1e-9)
    m = (p + q) / 2
    jsd = (p * np.log(p / m)).sum() / 2 + (q * np.log(q / m)).sum() / 2
    best = objective.discriminator_loss(logits[real], logits[fake]).item()
    assert best == pytest.approx(2 * math.log(2) - 2 * jsd, abs=1e-9)
    # Smoothing the real target pulls D below p / (p + q), to (1 - s) p / (p + q), and leaves q's part alone.
    smooth = gan.objective({**setup_for("gan").options, "label_smoothing": 0.1})
    logits.data = np.log(0.9 * p / (0.1 * p + q))
    (g,) = grad(smooth.discriminator_loss(logits[real], logits[fake]), [logits])
    np.testing.assert_allclose(g.numpy(), 0, atol=1e-12)


class Point(nn.Module):
    """The generator of the Dirac-GAN: every code becomes the number theta."""

    def __init__(self, theta: float) -> None:
        self.theta = nn.Parameter(np.array(theta))

    def forward(self, z: Tensor) -> Tensor:
        return ops.broadcast_to(self.theta, (len(z), 1, 1, 1))


class Slope(nn.Module):
    """The discriminator of the Dirac-GAN: the score psi x."""

    def __init__(self, psi: float) -> None:
        self.psi = nn.Parameter(np.array(psi))

    def forward(self, x: Tensor) -> Tensor:
        return ops.reshape(x * self.psi, (len(x),))


def dirac(gamma: float, lr: float, steps: int) -> list[float]:
    """Distances from the goal theta = psi = 0 along the training: all data are 0 (Mescheder et al. 2018, section 2)."""
    theta, psi = Point(1.0), Slope(1.0)
    model = GAN(theta, psi, latent=1, noise=Generator(0))
    kind, options = (r1_gan, {"penalty_weight": gamma}) if gamma else (gan, {})
    objective = kind.objective({"label_smoothing": 0.0, "generator_loss": "minimax", **options})
    update = Updates({"discriminator": optim.SGD(psi.parameters(), lr), "generator": optim.SGD(theta.parameters(), lr)})
    step, zeros = adversarial_step(model, update, objective), Batch(np.zeros((2, 1, 1, 1)), None, np.arange(2))
    path = []
    for _ in range(steps):
        step(zeros)
        path.append(math.hypot(theta.theta.item(), psi.psi.item()))
    return path


def test_dirac_gan_circles_and_r1_contracts() -> None:
    """Taking turns, the two circle the goal (Mescheder 2018, lemma 2.4); with R1 they reach it (theorem 4.1)."""
    around_it = dirac(0.0, 0.2, 300)
    assert 1.0 < min(around_it) and max(around_it) < 2.0  # it began at 1.41 and goes nowhere
    assert dirac(0.5, 0.2, 600)[-1] < 1e-6


def test_dirac_gan_spirals_out_if_both_move_at_once() -> None:
    """Lemma 2.3: without taking turns the distance from the goal grows in every step, and with R1 it shrinks."""
    objective = gan.objective(setup_for("gan", generator_loss="minimax").options)
    ends = {}
    for gamma in (0.0, 0.5):
        theta, psi = Point(1.0), Slope(1.0)
        path = []
        for _ in range(300):
            model = GAN(theta, psi, latent=1, noise=Generator(0))
            real = Tensor(np.zeros((1, 1, 1, 1)))
            fake = model.generate(1)
            d_loss = objective.discriminator_loss(model.scores(real), model.scores(fake.detach()))
            d_loss = d_loss + r1_gan.r1_penalty(model.scores, real, fake, model.noise) * gamma
            (g_psi,) = grad(d_loss, [psi.psi])
            (g_theta,) = grad(objective.generator_loss(model.scores(fake)), [theta.theta])
            psi.psi.data, theta.theta.data = psi.psi.data - 0.2 * g_psi.data, theta.theta.data - 0.2 * g_theta.data
            path.append(math.hypot(theta.theta.item(), psi.psi.item()))
        ends[gamma] = path
    assert all(b > a for a, b in zip(ends[0.0], ends[0.0][1:])) and ends[0.0][-1] > 2
    assert ends[0.5][-1] < 1e-3


def test_a_clipped_linear_critic_measures_the_distance_of_means() -> None:
    """Among f(x) = w x with |w| <= c the best gives c |mean p - mean q|: c times the distance of shifted copies."""
    critic = nn.Sequential(nn.Flatten(), nn.Dense(1, 1, rng=Generator(0)), nn.Reshape(())).to(dtype=np.float64)
    real = Tensor(np.random.default_rng(0).normal(size=(50, 1, 1, 1)))
    fake = Tensor(real.numpy() - 3.0)
    optimizer = optim.SGD(critic.parameters(), 0.01)
    for _ in range(20):
        loss = losses.wasserstein_critic(critic(real), critic(fake))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        wgan.clip_weights(critic, 0.05)
    assert -losses.wasserstein_critic(critic(real), critic(fake)).item() == pytest.approx(0.05 * 3.0, rel=1e-9)
