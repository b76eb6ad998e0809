"""Autoencoders whose code is one point, beside the VAEs that they replace: what WAE-MMD and the RAEs share.

The network is that of ``conv-vae`` without the variance. As there, an objective maps images to terms ("loss" first),
and is all that one algorithm differs in from another.

Imports: models, build. Read next: ``wae.py``, ``rae.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minigen import losses, nn, ops
from minigen.algorithms.autoencoders.step import decode_codes, encode_images, reconstruct_images
from minigen.algorithms.experiment import Experiment, Latent, Setup, Term, Terms
from minigen.algorithms.likelihood.build import looking
from minigen.algorithms.options import UPDATE
from minigen.algorithms.updates import Updates, make_optimizer, make_schedule
from minigen.autograd import Tensor
from minigen.data import Batch
from minigen.device import to_device
from minigen.models.autoencoder import Autoencoder
from minigen.models.likelihood import Gaussian
from minigen.models.vae import convolutional
from minigen.random import Generator
from minigen_kernels import Array

Objective = Callable[[Tensor, Generator], dict[str, Tensor]]  # (images, noise) -> terms, "loss" first

COMMON: Mapping[str, Any] = {"channels": 32, "latent": 8, **UPDATE}
RECONSTRUCTION = Term("squared error per sample, sum over pixels", of="loss")


def network(setup: Setup) -> Autoencoder:
    """Encoder and decoder of the convolutional VAE; the output has the range of the data, which must be one of two."""
    heads = {(0.0, 1.0): ops.sigmoid, (-1.0, 1.0): ops.tanh}
    if setup.value_range not in heads:
        raise ValueError(f"expected data in the range (0, 1) or (-1, 1), got {setup.value_range}")
    vae = convolutional(
        setup.image_shape,
        Gaussian(heads[setup.value_range]),
        channels=setup.options["channels"],
        latent=setup.options["latent"],
        rng=Generator(setup.seed).spawn("weights"),
    )
    assert isinstance(vae.encoder, nn.Sequential)
    model = Autoencoder(nn.Sequential(*vae.encoder, vae.mean), vae.decoder, vae.head)
    model.start_at(setup.mean)
    return model


def squared_error(model: Autoencoder, code: Tensor, x: Tensor) -> Tensor:
    """|x - decoder(code)|^2: the sum over pixels, the mean over the batch."""
    return losses.mse(model.decode(code), x, reduction="batchmean")


def build(
    setup: Setup,
    model: Autoencoder,
    objective: Objective,
    *,
    ledger: Mapping[str, Term],
    judge: Objective | None = None,
    before: Callable[[], None] = lambda: None,
    draw: Callable[[int, Generator], Array] | None = None,
) -> Experiment:
    """The experiment that trains `model` on `objective`.

    `judge` is the objective of evaluation, where it differs; `before` runs before each update; `draw` takes codes from
    the prior, and is None where there is none.
    """
    options, device = setup.options, setup.device
    model.to(device)
    optimizer = make_optimizer(options["optimizer"], model, options["lr"])
    update = Updates({"model": optimizer}, clip_norm=options["clip_norm"])
    noise = Generator(setup.seed, device=device).spawn("noise")

    def step(batch: Batch) -> Terms:
        before()
        model.train()
        terms = objective(Tensor(to_device(batch.x, device)), noise)
        update("model", terms["loss"])
        return terms

    def evaluate(batch: Batch) -> Terms:
        with model.evaluation():
            return (judge or objective)(Tensor(to_device(batch.x, device)), looking(setup))

    def decode(codes: Array, _: Array | None = None) -> Array:
        return decode_codes(model, codes, (options["latent"],), device)

    def pictures(images: Array) -> list[Array]:
        """Images, reconstructions and, with a prior, samples from codes that are always the same."""
        columns = [images, reconstruct_images(model, images, device)]
        if draw is not None:
            columns.append(decode(draw(len(images), Generator(setup.seed).spawn("pictures"))))
        return columns

    return Experiment(
        modules={"model": model},
        updates=update,
        generators={"noise": noise},
        step=step,
        schedule=make_schedule(options["schedule"], optimizer, setup.steps),
        pictures=pictures,
        ledger=ledger,
        routes={"model": ("model",)},
        evaluate=evaluate,
        reconstruct=lambda images: reconstruct_images(model, images, device),
        encode=lambda images: encode_images(model, images, device),
        latent=Latent(options["latent"], decode, draw),
    )


def as_array(x: Array) -> Array:
    """A NumPy array."""
    return np.asarray(to_device(x, "cpu"))
