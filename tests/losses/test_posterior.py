"""The draw from a posterior and its divergence: what its parts give one after another, and its derivatives.

Read next: ``test_losses.py``.
"""

from __future__ import annotations

import numpy as np
import pytest
from gradcheck.central_differences import check_gradients

from minigen import losses, nn, ops
from minigen.autograd import Tensor, grad
from minigen.losses.posterior import draw_posterior
from minigen.models import vae
from minigen.models.likelihood import Bernoulli
from minigen.random import Generator


def arrays(n: int, d: int, dtype=np.float64) -> list[np.ndarray]:
    rng = np.random.default_rng(n)
    return [rng.normal(size=shape).astype(dtype) for shape in ((n, d), (n, d), (d,), (d,))]


def in_parts(m, v, b_mean, b_logvar, limit: float, noise: Generator) -> tuple[Tensor, Tensor]:
    mean, z = ops.bias_act(m, b_mean), ops.bias_act(v, b_logvar)
    logvar = ops.tanh(z * (1 / limit)) * limit
    drawn = Tensor(noise.normal(mean.shape, dtype=mean.dtype))
    return ops.reparameterize(mean, logvar, drawn), losses.gaussian_kl(mean, logvar)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (70, 20)])
def test_values_and_gradients_are_those_of_the_parts(shape, dtype):
    """On the CPU: the same bits, but for sums over the samples, which are added in another order."""
    given = [Tensor(a, requires_grad=True) for a in arrays(*shape, dtype)]
    generators = Generator(3), Generator(3)
    found, wanted = (
        f(*given, limit=15.0, noise=g) for f, g in zip((draw_posterior, in_parts), generators, strict=True)
    )
    assert generators[0].state == generators[1].state
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a.data, b.data)
    weights = Tensor(np.random.default_rng(0).normal(size=shape).astype(dtype))
    for loss in (lambda z, kl: ops.sum(z * weights) + kl * 0.5, lambda z, kl: ops.sum(z * weights), lambda z, kl: kl):
        gradients = [grad(loss(*results), given) for results in (found, wanted)]
        for a, b in zip(*gradients, strict=True):
            eps = np.finfo(dtype).eps
            np.testing.assert_allclose(a.data, b.data, rtol=8 * eps, atol=8 * eps * np.abs(b.data).max())


@pytest.mark.parametrize("of", ["both", "draw", "divergence"])
def test_derivatives_of_two_orders(of):
    def f(*x: Tensor) -> Tensor:
        z, kl = draw_posterior(*x, limit=2.0, noise=Generator(3))
        return {"both": ops.sum(z**3) * kl, "draw": z, "divergence": kl}[of]

    check_gradients(f, arrays(3, 2), 2, np.random.default_rng(1))


def test_a_draw_alone_has_gradients_where_its_divergence_is_infinite():
    m, v, b, c = (Tensor(a, requires_grad=True) for a in arrays(3, 2, np.float32))
    m.data[0, 0] = 1e30  # its square is infinite in float32
    z, kl = draw_posterior(m, v, b, c, limit=15.0, noise=Generator(3))
    assert np.isinf(kl.data)
    np.testing.assert_array_equal(grad(ops.sum(z), [m])[0].data, 1)


def test_an_empty_batch_and_mixed_dtypes_are_refused():
    m, v, b, c = map(Tensor, arrays(2, 3))
    with pytest.raises(ValueError, match="draw_posterior: the batch is empty"):
        draw_posterior(m[:0], v[:0], b, c, limit=15.0, noise=Generator(0))
    with pytest.raises(TypeError, match="Nothing is promoted silently"):
        draw_posterior(m, v, b.to(dtype=np.float32), c, limit=15.0, noise=Generator(0))


class Shifted(nn.Dense):
    """A head of one's own."""

    def forward(self, x, activation=None):
        return super().forward(x, activation) + 1.0


def test_a_head_of_ones_own_is_called():
    rng, x = Generator(0), Tensor(np.random.default_rng(0).random((4, 1, 2, 2)).astype(np.float32))
    model = vae.dense((1, 2, 2), Bernoulli(), hidden=(5,), latent=3, rng=rng)
    plain = model.draw(x, Generator(1))
    head = Shifted(5, 3, rng=rng)
    head.weight, head.bias = model.mean.weight, model.mean.bias
    model.mean = head
    shifted = model.draw(x, Generator(1))
    np.testing.assert_allclose(shifted[0].data, plain[0].data + 1, rtol=1e-5)
    mean, logvar = model.posterior(x)
    np.testing.assert_allclose(float(shifted[1]), float(losses.gaussian_kl(mean, logvar)), rtol=1e-6)
