"""Penalties on the gradient of the discriminator with respect to its input: their gradients are second derivatives.

All look at each sample's own gradient, so nothing in the discriminator may mix samples: batch norm is refused.

Imports: tensor, ops. Read next: ``wgan_gp.py``, ``dragan.py``, ``r1_gan.py``, which use them.
"""

from __future__ import annotations

from collections.abc import Callable

from minigen import ops
from minigen.autograd import Tensor, grad
from minigen.random import Generator
from minigen_kernels import Array

Critic = Callable[[Tensor], Tensor]  # images (N, C, H, W) to scores (N,)
_EPS = 1e-12  # inside the root: where the gradient is 0, that of the root would be infinite


def squared_gradients(critic: Critic, x: Array) -> Tensor:
    """||df/dx||^2 at each of the points x (N, C, H, W): (N,), recorded, so that it can be differentiated in turn.

    The sum of the scores has for each sample the gradient of its own score. (Of packed scores: (N / pack,) do as well.)
    """
    points = Tensor(x, requires_grad=True)
    (g,) = grad(ops.sum(critic(points)), [points], create_graph=True)
    return ops.sum(g * g, axis=(1, 2, 3))


def slope_penalty(critic: Critic, x: Array) -> Tensor:
    """(||df/dx|| - 1)^2, mean over the points x (N, C, H, W): the slope is pulled to 1, from both sides."""
    norm = ops.sqrt(squared_gradients(critic, x) + _EPS)
    return ops.mean((norm - 1) ** 2)


def between(real: Array, fake: Array, rng: Generator) -> Array:
    """A point on the line from each real image to a made one; uniform, one place for each pair."""
    e = rng.uniform((len(real), 1, 1, 1), dtype=real.dtype)
    return e * real + (1 - e) * fake


def around(real: Array, rng: Generator, spread: float = 0.5) -> Array:
    """Each real image with uniform noise from 0 to `spread` standard deviations of the batch added to its pixels."""
    return real + spread * real.std() * rng.uniform(real.shape, dtype=real.dtype)
