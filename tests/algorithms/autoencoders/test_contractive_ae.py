"""The contractive autoencoder: the norm of the Jacobian in closed form and by gradients, and its derivatives.

Read next: ``test_sparse_ae.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from algorithms.autoencoders.autoencoder_runs import batch, sigmoid

import minigen as mg
from minigen import nn, ops
from minigen.algorithms.autoencoders import contractive_ae
from minigen.autograd import Tensor, grad
from minigen.models import autoencoder as architecture
from minigen.models.autoencoder import Autoencoder
from minigen.random import Generator

Array = np.ndarray[Any, Any]


@pytest.mark.parametrize("code", [ops.sigmoid, ops.tanh, ops.relu, architecture.identity])
def test_contraction_is_the_closed_form(code: Callable[[Tensor], Tensor]) -> None:
    """One layer h = s(x w^T + b): ||dh/dx||^2 = sum over j of s'(a_j)^2 ||w_j||^2 (Rifai et al. 2011, equation 3)."""
    model = architecture.dense((1, 3, 4), (6,), (), rng=Generator(0), code=code).to(dtype=np.float64)
    x = batch(5, (1, 3, 4), dtype=np.float64).x
    w, b = model.encoder[1].weight.numpy(), np.linspace(-1, 1, 6)
    model.encoder[1].bias.data = b
    a = x.reshape(5, -1) @ w.T + b
    slope = {
        ops.sigmoid: sigmoid(a) * (1 - sigmoid(a)),
        ops.tanh: 1 - np.tanh(a) ** 2,
        ops.relu: (a > 0) * 1.0,
        architecture.identity: np.ones_like(a),
    }[code]
    value = contractive_ae.jacobian_penalty(model, Tensor(x), 0.3)
    np.testing.assert_allclose(value.item(), 0.3 * (slope**2 @ (w**2).sum(1)).mean(), rtol=1e-10)


def test_contraction_of_two_layers_is_the_jacobian() -> None:
    model = architecture.dense((1, 2, 3), (5, 4), (5,), rng=Generator(1), activation=ops.tanh, code=ops.sigmoid)
    model.to(dtype=np.float64)
    x = batch(3, (1, 2, 3), dtype=np.float64).x
    first, second = model.encoder[1], model.encoder[3]
    total = 0.0
    for row in x.reshape(3, -1):
        h = np.tanh(first.weight.numpy() @ row + first.bias.numpy())
        z = sigmoid(second.weight.numpy() @ h + second.bias.numpy())
        jacobian = (z * (1 - z))[:, None] * second.weight.numpy() @ ((1 - h**2)[:, None] * first.weight.numpy())
        total += (jacobian**2).sum()
    value = contractive_ae.jacobian_penalty(model, Tensor(x), 2.0)
    np.testing.assert_allclose(value.item(), 2.0 * total / 3, rtol=1e-10)


@pytest.mark.parametrize("code", [ops.sigmoid, ops.tanh])
@pytest.mark.parametrize("n", [1, 4])
def test_the_closed_form_is_what_the_gradients_say(code: Callable[[Tensor], Tensor], n: int) -> None:
    """An encoder that is one layer takes the closed form; wrapped, so that nobody sees that it is one, it does not."""
    plain = architecture.dense((2, 3, 3), (5,), (), rng=Generator(3), code=code).to(dtype=np.float64)
    plain.encoder[1].bias.data = np.linspace(-1, 1, 5)
    plain.centre.data = np.array(0.3)
    hidden = Autoencoder(nn.Sequential(plain.encoder), plain.decoder)
    hidden.centre.data = plain.centre.data
    x = Tensor(batch(n, (2, 3, 3), dtype=np.float64).x)
    weights = plain.encoder.parameters()
    penalties = [contractive_ae.jacobian_penalty(model, x, 0.7) for model in (plain, hidden)]
    values, gradients = [float(p) for p in penalties], [grad(p, weights, create_graph=True) for p in penalties]
    assert values[0] == pytest.approx(values[1], rel=1e-12)  # sums of some hundred numbers
    directions = [np.random.default_rng(0).normal(size=p.shape) for p in weights]
    seconds = []
    for gs in gradients:
        along = [ops.sum(g * Tensor(u)) for g, u in zip(gs, directions, strict=True)]
        seconds.append(grad(along[0] + along[1], weights))
    for first, second in ((gradients[0], gradients[1]), (seconds[0], seconds[1])):
        for a, b in zip(first, second, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-10, atol=1e-12)  # the same formulas, reordered


class Contraction(nn.Module):
    """The penalty as a function of the encoder's parameters; the images are part of the Module."""

    def __init__(self, model: Autoencoder, x: Array) -> None:
        self.encoder, self.model, self.x = model.encoder, (lambda: model), Tensor(x)

    def forward(self) -> Tensor:
        return contractive_ae.jacobian_penalty(self.model(), self.x, 0.5)


def test_contraction_can_be_differentiated() -> None:
    """Its gradient goes through second derivatives of the encoder; gradcheck compares it with differences."""
    for widths in ((4,), (5, 3)):
        model = architecture.dense(
            (1, 2, 3), widths, widths[:-1], rng=Generator(2), activation=ops.tanh, code=ops.sigmoid
        )
        model.to(dtype=np.float64)  # gradcheck converts the encoder only
        report = mg.gradcheck(Contraction(model, batch(4, (1, 2, 3)).x))
        assert {row.verdict for row in report.rows} == {"OK"}
        assert len(report.rows) == 2 * len(widths)
