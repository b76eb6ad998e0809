"""The contractive autoencoder (Rifai et al. 2011, ICML): codes that change little when the image does.

    h = f(x)                                      the code, a sigmoid layer
    minimise L(x, g(h)) + weight * |dh/dx|^2      the squared Frobenius norm of the encoder's Jacobian

The update moves all parameters along the gradient of that (`gradient_step` in ``build.py``); where the norm has no
closed form, it goes through second derivatives.

Imports: models, autograd, ae, build. Read next: ``ae.py``, ``build.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from minigen import nn, ops
from minigen.algorithms.autoencoders.ae import COMMON, HIDDEN, LOSSES, Loss, assemble, dense_network, reconstruction
from minigen.algorithms.autoencoders.build import Objective
from minigen.algorithms.experiment import Experiment, Recipe, Setup
from minigen.algorithms.options import Option
from minigen.autograd import Tensor, grad
from minigen.models.autoencoder import Autoencoder
from minigen.random import Generator

OPTIONS: Mapping[str, Option] = {
    "contraction": Option(float, "weight of the Jacobian's squared norm", minimum=0),
}


def contractive(model: Autoencoder, loss: Loss, weight: float) -> Objective:
    """L(x, g(h)) + weight * |dh/dx|^2, h = f(x)."""

    def objective(x: Tensor, y: Tensor | None, noise: Generator) -> dict[str, Tensor]:
        reconstruction = loss(model, model.logits(model.encode(x)), x)
        contraction = jacobian_penalty(model, x, weight)
        return {"loss": reconstruction + contraction, "reconstruction": reconstruction, "contraction": contraction}

    return objective


#: The derivative s'(a) of an activation h = s(a), from h.
_DERIVATIVES: Mapping[Any, Callable[[Tensor], Tensor]] = {
    ops.sigmoid: lambda h: h * (1 - h),
    ops.tanh: lambda h: 1 - h * h,
}


def jacobian_penalty(model: Autoencoder, x: Tensor, weight: float) -> Tensor:
    """Weight * |dh/dx|^2 (squared Frobenius norm of the Jacobian), mean over the images x (N, C, H, W).

    The norm is exact. A single dense layer h = s(x w^T + b), s a sigmoid or tanh, has it in closed form, the sum of
    s'(a_j)^2 |w_j|^2 over units j (equation 3); any other encoder by its gradients.
    """
    layers = list(model.encoder) if type(model.encoder) is nn.Sequential else []
    flatten, dense, activation = layers if len(layers) == 3 else (None, None, None)
    if type(flatten) is nn.Flatten and type(dense) is nn.Dense and activation in _DERIVATIVES:
        derivatives, w = _DERIVATIVES[activation](model.encode(x)), dense.weight
        norm = ops.sum(derivatives * derivatives * ops.sum(w * w, axis=1))
    else:
        norm = jacobian_norm(model.encode, x)
    return norm * (weight / len(x))


def jacobian_norm(encode: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The sum over samples of |dh/dx|^2, h = encode(x), a scalar: one backward pass for each code unit.

    Each is recorded, so that the penalty can be differentiated in turn: the update goes through second derivatives.
    """
    x = Tensor(x.data, requires_grad=True)
    columns = ops.flatten(encode(x))
    norms = []
    for unit in range(columns.shape[1]):  # samples do not mix, so the sum over them has each one's gradient
        (row,) = grad(columns[:, unit].sum(), [x], create_graph=True)
        norms.append((row * row).sum())
    return ops.stack(norms).sum()


def _build(setup: Setup) -> Experiment:
    weight, loss = setup.options["contraction"], LOSSES[setup.options["loss"]]
    model = dense_network(setup, HIDDEN, code=ops.sigmoid)
    if not weight:
        return assemble(setup, model, reconstruction(model, loss))
    return assemble(setup, model, contractive(model, loss, weight), contraction="squared Jacobian norm per sample")


RECIPES = (
    Recipe(
        "contractive-ae",
        "autoencoder",
        "pixels-32-pixels, sigmoid code, exact penalty on the encoder's Jacobian",
        "Rifai et al. 2011, Contractive auto-encoders, ICML",
        {**COMMON, "latent": 32, "hidden": HIDDEN, "layers": 0, "contraction": 1e-4},
        _build,
    ),
)
