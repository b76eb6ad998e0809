"""Right answers to the exercises of docs/guide/14_gans.md."""

import math

import minigen as mg
from minigen import ops


def best_discriminator(p, q, smoothing):
    return (1 - smoothing) * p / (p + q)


def largest_step(gamma):
    if gamma <= 1:
        return 4 * gamma
    return 4 / (gamma + math.sqrt(gamma**2 - 1))


def penalty(critic, real, fake, mix):
    x = mg.Tensor(mix * real.numpy() + (1 - mix) * fake.numpy(), requires_grad=True)
    (slopes,) = mg.grad(ops.sum(critic(x)), [x], create_graph=True)
    norms = ops.sqrt(ops.sum(slopes * slopes, axis=1))
    return ops.mean((norms - 1) ** 2)
