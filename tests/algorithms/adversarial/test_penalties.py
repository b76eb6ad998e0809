"""Gradient penalties: critics whose penalty is known, second derivatives, and the points where they are taken.

Read next: ``test_closed_forms.py``.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from algorithms.adversarial.adversarial_runs import Array, in_float64
from algorithms.catalog_runs import slow_unless

import minigen as mg
from minigen import nn, ops
from minigen.algorithms.adversarial import dragan, r1_gan, wgan_gp
from minigen.autograd import Tensor, grad
from minigen.models import gan as architecture
from minigen.random import Generator

PENALTIES = {
    "wgan-gp": wgan_gp.gradient_penalty,
    "dragan": dragan.gradient_penalty,
    "r1-gan": r1_gan.r1_penalty,
}


def test_the_penalty_of_a_linear_critic() -> None:
    """Slope ||w|| everywhere, so (||w|| - 1)^2, with the gradient 2 (||w|| - 1) w / ||w||; R1 is ||w||^2 / 2."""
    critic = nn.Sequential(nn.Flatten(), nn.Dense(12, 1, rng=Generator(0)), nn.Reshape(())).to(dtype=np.float64)
    w = critic[1].weight
    x = Tensor(np.random.default_rng(0).normal(size=(5, 3, 2, 2)))
    norm = np.linalg.norm(w.numpy())
    for name in ("wgan-gp", "dragan"):
        value = PENALTIES[name](critic, x, x, Generator(0))
        assert value.item() == pytest.approx((norm - 1) ** 2, rel=1e-10)  # the epsilon in the root is 1e-12
        np.testing.assert_allclose(grad(value, [w])[0].numpy(), 2 * (norm - 1) * w.numpy() / norm, rtol=1e-9)
    value = r1_gan.r1_penalty(critic, x, x, Generator(0))
    assert value.item() == pytest.approx(norm**2 / 2, rel=1e-12)
    np.testing.assert_allclose(grad(value, [w])[0].numpy(), w.numpy(), rtol=1e-12)


@pytest.mark.parametrize(("name", "penalty"), [("wgan-gp", 1.0), ("dragan", 1.0), ("r1-gan", 0.0)])
def test_the_penalty_of_a_flat_critic_has_a_finite_gradient(name: str, penalty: float) -> None:
    critic = nn.Sequential(nn.Flatten(), nn.Dense(4, 1, rng=Generator(0)), nn.Reshape(()))
    critic[1].weight.data = np.zeros((1, 4), np.float32)
    x = Tensor(np.ones((3, 1, 2, 2), np.float32))
    value = PENALTIES[name](critic, x, x, Generator(0))
    assert value.item() == pytest.approx(penalty, abs=1e-5)
    assert np.isfinite(grad(value, [critic[1].weight])[0].numpy()).all()


class Smooth(nn.Module):
    """A critic with a convolution and dense layers that has no kinks; `norm` stands after the first layer."""

    def __init__(self, norm: nn.Module | None = None) -> None:
        rng = Generator(3)
        self.conv, self.norm = nn.Conv2d(1, 2, 2, stride=2, rng=rng), norm
        self.hidden, self.last = nn.Dense(8, 2, rng=rng), nn.Dense(2, 1, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        y = ops.flatten(ops.softplus(y if self.norm is None else self.norm(y)))
        return ops.reshape(self.last(ops.tanh(self.hidden(y))), (x.shape[0],))


CRITICS = {
    "smooth": lambda: Smooth(),
    "layer norm": lambda: Smooth(nn.LayerNorm((2, 2, 2))),
    "spectral norm": lambda: nn.Sequential(
        nn.SpectralNorm(nn.Conv2d(1, 2, 3, padding=1, rng=Generator(0)), rng=Generator(1)), ops.softplus, nn.Flatten(),
        nn.SpectralNorm(nn.Dense(32, 1, rng=Generator(2)), rng=Generator(3)), nn.Reshape(()),
    ),
    "dcgan": lambda: architecture.dcgan_discriminator((1, 4, 4), channels=2, norm="none", rng=Generator(0)),
    "dense": lambda: architecture.dense_discriminator((1, 4, 4), widths=(6, 5), norm="none", rng=Generator(0)),
}  # fmt: skip


FAST = ("smooth-r1-gan", "layer norm-wgan-gp", "spectral norm-dragan", "dcgan-r1-gan", "dense-wgan-gp", "dense-dragan")


@pytest.mark.parametrize(
    ("critic", "name"), slow_unless(lambda case: "-".join(case) in FAST, itertools.product(CRITICS, PENALTIES))
)
def test_penalties_are_differentiated_again(critic: str, name: str) -> None:
    """d penalty / d weights against differences of the penalty, itself made of first derivatives."""
    real, fake = (Tensor(np.random.default_rng(k).normal(size=(2, 1, 4, 4))) for k in (1, 2))

    def penalty(module: nn.Module) -> Tensor:
        return PENALTIES[name](module, real, fake, Generator(1))

    order = 2 if (critic, name) == ("smooth", "r1-gan") else 1  # once to the third derivative of the critic
    mg.gradcheck(penalty, CRITICS[critic](), order=order, draws=2)


def test_a_penalty_through_batch_norm_in_evaluation() -> None:
    """With fixed statistics batch norm mixes no samples: of any two images the penalty is the mean of theirs alone."""
    critic = Smooth(nn.BatchNorm(2)).eval()
    x = np.random.default_rng(0).normal(size=(4, 1, 4, 4))

    def penalty(module: nn.Module, *chosen: int) -> Tensor:
        images = Tensor(x[list(chosen)])
        return r1_gan.r1_penalty(module, images, images, Generator(0))

    mg.gradcheck(lambda d: penalty(d, 0, 1, 2, 3), critic, draws=2)
    critic.to(dtype=np.float64)
    alone = [penalty(critic, i).item() for i in range(4)]
    for i, j in itertools.combinations(range(4), 2):
        assert penalty(critic, i, j).item() == pytest.approx((alone[i] + alone[j]) / 2, rel=1e-12)
    assert penalty(critic, 0, 1, 2, 3).item() == pytest.approx(np.mean(alone), rel=1e-12)


@pytest.mark.parametrize(
    "name", slow_unless(("gan", "wgan-gp").__contains__, ["gan", "lsgan", "wgan-gp", "sngan", "r1-gan"])
)
def test_the_generators_gradient_through_both_networks(name: str) -> None:
    """Batch norm in the generator, dense layers in the discriminator; checked by `gradcheck`."""
    model, objective, _ = in_float64(name, norm="none")
    codes = np.random.default_rng(0).normal(size=(4, 3))

    def loss(generator: nn.Module, z: Tensor) -> Tensor:
        return objective.generator_loss(model.scores(generator(z)))

    mg.gradcheck(loss, model.generator, Tensor(codes), draws=2)


def points_of(name: str, real: Array, fake: Array) -> Array:
    """The images (N, C, H, W) at which the penalty takes the gradient."""
    seen = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.numpy())
        return ops.sum(x, axis=(1, 2, 3))

    PENALTIES[name](critic, Tensor(real), Tensor(fake), Generator(0))
    (points,) = seen
    return points


def test_points_of_the_penalties() -> None:
    real, fake = np.zeros((4000, 1, 1, 2)), np.ones((4000, 1, 1, 2))
    fake[:, 0, 0, 1] = 3.0
    x = points_of("wgan-gp", real, fake)[:, 0, 0]
    np.testing.assert_array_equal(x[:, 1], 3 * x[:, 0])  # one place for a pair, not one for each pixel
    assert x[:, 0].min() >= 0 and x[:, 0].max() < 1
    assert abs(np.histogram(x[:, 0], 4, (0, 1))[0] - 1000).max() < 150  # uniform: five standard deviations
    real = np.tile([[[[-1.0, 1.0]]]], (500, 1, 1, 1))
    noisy = points_of("dragan", real, real * 9).reshape(-1, 2)
    assert noisy[:, 0].min() >= -1 and noisy[:, 0].max() < -0.5 and abs(noisy[:, 0].mean() + 0.75) < 0.03
    np.testing.assert_array_equal(points_of("r1-gan", real, real * 9), real)
