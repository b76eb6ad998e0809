"""How autoencoders are trained: the update, what may corrupt its input, and what may be added to its loss.

Every autoencoder of the catalog runs `autoencoder_step`. They differ in the network, in `corrupt` (denoising) and in
the penalties (sparse, contractive), which are functions of a few lines each.

Imports: models, losses, updates. Read next: ``recipes.py``, ``../fit.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from minigen import losses, nn, ops
from minigen.algorithms.experiment import Step, Terms
from minigen.algorithms.updates import Updates
from minigen.autograd import Tensor, grad
from minigen.data import Batch
from minigen.device import to_device
from minigen.models.autoencoder import Autoencoder
from minigen.random import Generator
from minigen_kernels import Array

Loss = Callable[[Autoencoder, Tensor, Tensor], Tensor]  # (model, decoder output, images) -> mean per pixel
Corrupt = Callable[[Array], Array]
Penalty = Callable[[Autoencoder, Tensor, Tensor], Tensor]  # (model, images, code) -> scalar, already weighted


def autoencoder_step(
    model: Autoencoder,
    update: Updates,
    loss: Loss,
    *,
    corrupt: Corrupt | None = None,
    penalties: Mapping[str, Penalty] | None = None,
    device: str = "cpu",
) -> Step:
    """One update, "model": encode (a corrupted copy of) the images, decode, compare with the clean images, descend."""

    def step(batch: Batch) -> Terms:
        model.train()
        x = to_device(batch.x, device)
        code = model.encode(Tensor(x if corrupt is None else corrupt(x)))
        reconstruction = loss(model, model.logits(code), Tensor(x))
        terms = {name: penalty(model, Tensor(x), code) for name, penalty in (penalties or {}).items()}
        total = reconstruction
        for term in terms.values():
            total = total + term
        update("model", total)
        return {"loss": total, "reconstruction": reconstruction, **terms}

    return step


def autoencoder_evaluation(
    model: Autoencoder, loss: Loss, *, corrupt: Corrupt | None = None, device: str = "cpu"
) -> Step:
    """The reconstruction loss of images (seen corrupted, if `corrupt` is given), in evaluation mode, no penalties."""

    def evaluate(batch: Batch) -> Terms:
        with model.evaluation():
            x = to_device(batch.x, device)
            code = model.encode(Tensor(x if corrupt is None else corrupt(x)))
            return {"loss": loss(model, model.logits(code), Tensor(x))}

    return evaluate


def mse(model: Autoencoder, output: Tensor, x: Tensor) -> Tensor:
    """Squared error of the reconstruction, mean per pixel."""
    return losses.mse(model.head(output), x)


def bce(model: Autoencoder, output: Tensor, x: Tensor) -> Tensor:
    """Binary cross-entropy of the decoder's logits, in nats, mean per pixel. The head must be a sigmoid."""
    return losses.bce_with_logits(output, x)


# What corrupts the input of a denoising autoencoder (Vincent et al. 2010, JMLR 11).


def masking(level: float, rng: Generator, low: float = 0.0) -> Corrupt:
    """Each pixel is set to `low` (black) with probability `level`."""

    def corrupt(x: Array) -> Array:
        lost = rng.bernoulli(level, x.shape, dtype=x.dtype)
        return x * (1 - lost) + low * lost

    return corrupt


def gaussian(level: float, rng: Generator, low: float = 0.0, high: float = 1.0) -> Corrupt:
    """Normal noise of standard deviation `level` is added, and the result kept within the range of the data."""

    def corrupt(x: Array) -> Array:
        return (x + rng.normal(x.shape, 0.0, level, dtype=x.dtype)).clip(low, high)

    return corrupt


def salt_and_pepper(level: float, rng: Generator, low: float = 0.0, high: float = 1.0) -> Corrupt:
    """Each pixel is replaced with probability `level`, by `low` or `high` with equal chance."""

    def corrupt(x: Array) -> Array:
        u = rng.uniform(x.shape, dtype=x.dtype)
        pepper, salt = u < level / 2, (u >= level / 2) & (u < level)
        return x * (u >= level) + pepper.astype(x.dtype) * low + salt.astype(x.dtype) * high

    return corrupt


# What is added to the loss.


def activity_l1(weight: float) -> Penalty:
    """Weight * sum |code|, mean over the samples: most code units are driven to exactly 0."""
    return lambda model, x, code: losses.l1_activity(code, reduction="batchmean") * weight


def activity_kl(weight: float, rho: float) -> Penalty:
    """Weight * sum over units of KL(rho || mean activation), code in (0, 1): each unit is active in rho of the samples.

    Ng 2011, "Sparse autoencoder" (CS294A lecture notes).
    """
    return lambda model, x, code: losses.kl_sparsity(code, rho) * weight


#: The slope s'(a) of an activation h = s(a), from h.
_SLOPES: Mapping[Any, Callable[[Tensor], Tensor]] = {ops.sigmoid: lambda h: h * (1 - h), ops.tanh: lambda h: 1 - h * h}


def contraction(weight: float) -> Penalty:
    """Weight * ||d code / d x||^2 (squared Frobenius norm of the Jacobian), mean over the samples.

    Rifai et al. 2011, "Contractive auto-encoders". The norm is exact. A single dense layer with a sigmoid or tanh has
    it in closed form; any other encoder by its gradients (`jacobian_squares`).
    """

    def penalty(model: Autoencoder, x: Tensor, code: Tensor) -> Tensor:
        layers = list(model.encoder) if type(model.encoder) is nn.Sequential else []
        flatten, dense, activation = layers if len(layers) == 3 else (None, None, None)
        if type(flatten) is nn.Flatten and type(dense) is nn.Dense and activation in _SLOPES:
            squares = layer_squares(dense.weight, _SLOPES[activation](model.encode(x)))
        else:
            squares = jacobian_squares(model.encode, x)
        return squares * (weight / len(x))

    return penalty


def layer_squares(w: Tensor, slopes: Tensor) -> Tensor:
    """The sum over samples of ||dh/dx||^2 of a layer h = s(x w^T + b): that of s'(a_j)^2 ||w_j||^2 over units j.

    Of weights (D, pixels) and slopes s'(a) (N, D); a scalar (Rifai et al. 2011, equation 3).
    """
    return ops.sum(slopes * slopes * ops.sum(w * w, axis=1))


def jacobian_squares(encode: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The sum over samples of ||d code / d x||^2, a scalar: one backward pass for each code unit.

    Each is recorded, so that the penalty can be differentiated in turn: the update goes through second derivatives.
    """
    x = Tensor(x.data, requires_grad=True)
    columns = ops.flatten(encode(x))
    squares = []
    for unit in range(columns.shape[1]):  # samples do not mix, so the sum over them has each one's gradient
        (row,) = grad(columns[:, unit].sum(), [x], create_graph=True)
        squares.append((row * row).sum())
    return ops.stack(squares).sum()


def weight_penalty(kind: Literal["l1", "l2"], weight: float) -> Penalty:
    """Weight * sum |w| or weight * sum w^2 over all weights (not over biases and batch norm's parameters)."""
    norm = losses.l1_penalty if kind == "l1" else losses.l2_penalty
    return lambda model, x, code: norm([p for p in model.parameters() if p.ndim > 1]) * weight


def encode_images(model: Autoencoder, images: Array, device: str = "cpu", batch_size: int = 500) -> Array:
    """The codes (N, D) of images (N, C, H, W), in evaluation mode, as a NumPy array."""
    with model.evaluation():
        codes = [
            ops.flatten(model.encode(Tensor(to_device(images[i : i + batch_size], device)))).numpy()
            for i in range(0, max(1, len(images)), batch_size)
        ]
    return np.concatenate(codes)


def reconstruct_images(model: Autoencoder, images: Array, device: str = "cpu", batch_size: int = 500) -> Array:
    """The reconstructions of images (N, C, H, W), in evaluation mode, as a NumPy array."""
    with model.evaluation():
        parts = [
            model(Tensor(to_device(images[i : i + batch_size], device))).numpy()
            for i in range(0, max(1, len(images)), batch_size)
        ]
    return np.concatenate(parts)


def decode_codes(
    model: Autoencoder, codes: Array, shape: tuple[int, ...], device: str = "cpu", batch_size: int = 500
) -> Array:
    """The images (N, C, H, W) that codes (N, D), each of `shape` to the decoder, become, as a NumPy array."""
    with model.evaluation():
        parts = [
            model.decode(Tensor(to_device(codes[i : i + batch_size], device).reshape(-1, *shape))).numpy()
            for i in range(0, max(1, len(codes)), batch_size)
        ]
    return np.concatenate(parts)
