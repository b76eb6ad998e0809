"""From a network and an objective to an `Experiment`: what all models with a latent variable and an encoder share.

An objective maps images and labels to terms, "loss" first; it is what one algorithm differs in from another
(``vae.py``, ``beta_vae.py``, ``iwae.py``). The update, the evaluation, pictures, samples and the estimate of the
likelihood are the same for all, and are here.

Imports: models, updates. Read next: ``vae.py``, ``bounds.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minigen import ops
from minigen.algorithms.autoencoders.step import decode_codes, encode_images, reconstruct_images
from minigen.algorithms.experiment import Experiment, Latent, Setup, Step, Term, Terms
from minigen.algorithms.likelihood import bounds, pixels
from minigen.algorithms.likelihood.pixels import See
from minigen.algorithms.options import UPDATE, Option
from minigen.algorithms.updates import Updates, make_optimizer, make_schedule
from minigen.autograd import Tensor
from minigen.data import Batch
from minigen.device import to_device
from minigen.models import vae as architecture
from minigen.models.vae import VAE
from minigen.random import Generator
from minigen_kernels import Array

Objective = Callable[[Tensor, Tensor | None, Generator], dict[str, Tensor]]  # (images, one-hot labels, noise) -> terms

OPTIONS: Mapping[str, Option] = {
    "hidden": Option(int, "width of a hidden dense layer", minimum=1),
    "layers": Option(int, "hidden dense layers of each network", minimum=1),
    "channels": Option(int, "channels of the convolution nearest to the image; the next has twice as many", minimum=1),
    "activation": Option(str, "after each hidden layer", choices=("relu", "tanh")),
    **pixels.OPTIONS,
}
DENSE: Mapping[str, Any] = {"hidden": 400, "layers": 1, "activation": "relu", "latent": 20}
COMMON: Mapping[str, Any] = {**UPDATE, **pixels.DEFAULTS}

PART = 500  # images that are looked at together

#: The terms of an evidence lower bound (ELBO), and how they make up the loss.
ELBO: Mapping[str, Term] = {
    "loss": Term("nats per sample"),
    "reconstruction": Term("nats per sample, sum over pixels", of="loss"),
    "kl": Term("nats per sample, sum over the code", of="loss"),
}


def dense_network(setup: Setup, *, classes: int = 0) -> VAE:
    """The network of dense layers that the options describe."""
    options = setup.options
    return architecture.dense(
        setup.image_shape,
        pixels.likelihood_of(setup),
        hidden=(options["hidden"],) * options["layers"],
        latent=options["latent"],
        classes=classes,
        activation={"relu": ops.relu, "tanh": ops.tanh}[options["activation"]],
        rng=Generator(setup.seed).spawn("weights"),
    )


def build(
    setup: Setup,
    model: VAE,
    objective: Objective,
    *,
    ledger: Mapping[str, Term] = ELBO,
    judge: Objective | None = None,
    schedule: Callable[[int], None] | None = None,
) -> Experiment:
    """The experiment that trains `model` on `objective`.

    `judge` is the objective of evaluation, where it differs (weights that change during training are at their end).
    `schedule` sets such weights for update k; the learning rate has its own schedule.
    """
    options, device = setup.options, setup.device
    model.start_at(setup.mean)
    with model.evaluation():  # a network that does not fit the images is found out here, by its layer's full name
        nothing = Tensor(np.zeros((1, *setup.image_shape), np.float32))
        labels = Tensor(np.zeros((1, model.classes), np.float32)) if model.classes else None
        model.log_weights(nothing, Tensor(np.zeros((1, 1, model.noise_size), np.float32)), labels)
    model.to(device)
    optimizer = make_optimizer(options["optimizer"], model, options["lr"])
    update = Updates({"model": optimizer}, clip_norm=options["clip_norm"])
    noise = Generator(setup.seed, device=device).spawn("noise")
    see = pixels.seeing(setup)
    rate = make_schedule(options["schedule"], optimizer, setup.steps)

    def before(k: int) -> None:
        rate(k)
        if schedule is not None:
            schedule(k)

    return Experiment(
        modules={"model": model},
        updates=update,
        generators={"noise": noise},
        step=_step(model, update, objective, see, noise),
        schedule=before,
        ledger=ledger,
        routes={"model": ("model",)},
        evaluate=_evaluation(model, judge or objective, see, setup),
        **_abilities(setup, model, see),
    )


def looking(setup: Setup) -> Generator:
    """Noise for all that only looks: the same each time, and not that of the training, which must not move."""
    return Generator(setup.seed, device=setup.device).spawn("looking")


def labels_of(model: VAE, batch: Batch) -> Tensor | None:
    """The labels of a batch as one-hot rows (N, K) on the model's device; None for a model without classes."""
    if not model.classes:
        return None
    if batch.labels is None:
        raise ValueError("a conditional model needs labels, and this batch has none; train on labelled images")
    return Tensor(to_device(architecture.one_hot(batch.labels, model.classes), model.centre.device))


def in_parts(model: VAE, function: Callable[..., Tensor], *arrays: Array) -> Array:
    """`function` of arrays (N, ...) that belong together row by row, some rows at once, in evaluation mode: NumPy's."""
    device = model.centre.device
    with model.evaluation():
        parts = [
            function(*(Tensor(to_device(a[i : i + PART], device)) for a in arrays)).numpy()
            for i in range(0, max(1, len(arrays[0])), PART)
        ]
    return np.concatenate(parts)


def _step(model: VAE, update: Updates, objective: Objective, see: See, noise: Generator) -> Step:
    """One update, "model": the objective of a batch, its gradient, a step of the optimizer."""

    def step(batch: Batch) -> Terms:
        model.train()
        terms = objective(see(batch.x, noise), labels_of(model, batch), noise)
        update("model", terms["loss"])
        return terms

    return step


def _evaluation(model: VAE, objective: Objective, see: See, setup: Setup) -> Step:
    """The terms of a batch in evaluation mode, with the same noise each time."""

    def evaluate(batch: Batch) -> Terms:
        noise = looking(setup)
        with model.evaluation():
            return objective(see(batch.x, noise), labels_of(model, batch), noise)

    return evaluate


def _abilities(setup: Setup, model: VAE, see: See) -> dict[str, Any]:
    """What a model with an encoder and a prior can do for who looks at it: the fields of `Experiment` by name."""
    device = setup.device

    def seen(images: Array) -> Array:
        return np.asarray(to_device(see(images, looking(setup)).data, "cpu"))

    def decode(codes: Array, _: Array | None = None) -> Array:
        return decode_codes(model, codes, (model.noise_size,), device)

    def pictures(images: Array) -> list[Array]:
        """Images, reconstructions, and samples from codes that are always the same."""
        x, codes = seen(images), draw(len(images), Generator(setup.seed).spawn("pictures"))
        return [x, reconstruct_images(model, x, device), decode(codes)]

    def draw(n: int, rng: Generator) -> Array:
        return np.asarray(to_device(rng.normal((n, model.noise_size)), "cpu"))

    def log_likelihood(images: Array, k: int) -> Array:
        return bounds.log_likelihood(model, images, k, see=see, rng=looking(setup))

    def diagnostics(images: Array) -> dict[str, Array]:
        x = seen(images)
        return {"kl": in_parts(model, model.divergences, x), "mean": encode_images(model, x, device)}

    return {
        "pictures": pictures,
        "reconstruct": lambda images: reconstruct_images(model, seen(images), device),
        "encode": lambda images: encode_images(model, seen(images), device),
        "latent": Latent(model.noise_size, decode, draw),
        "log_likelihood": log_likelihood,
        "diagnostics": diagnostics,
    }
