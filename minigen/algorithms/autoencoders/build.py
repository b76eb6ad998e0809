"""From a network and an objective to an `Experiment`: what all models with an encoder, a decoder and one loss share.

An objective maps images to the terms of a loss. It is what one model differs in from another, and stands in the model's
own file (``ae.py``, ``denoising_ae.py``, ``../likelihood/vae.py``). Here are the update, the evaluation, and what is
done with a trained model: codes, reconstructions, samples, pictures, and of a VAE the estimate of the likelihood.

Imports: models, updates, prediction, importance_sampling. Read next: ``denoising_ae.py``, ``../likelihood/vae.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minigen import ops
from minigen.algorithms.experiment import Experiment, Latent, Setup, Step, Term, Terms
from minigen.algorithms.importance_sampling import log_likelihood
from minigen.algorithms.prediction import predict
from minigen.algorithms.updates import Updates, make_optimizer, make_schedule
from minigen.autograd import Tensor
from minigen.data import Batch
from minigen.device import to_device
from minigen.models.autoencoder import Autoencoder
from minigen.models.vae import VAE, one_hot
from minigen.random import Generator
from minigen_kernels import Array

Objective = Callable[[Tensor, Tensor | None, Generator], dict[str, Tensor]]  # (images, one-hot labels, noise) -> terms
Preprocess = Callable[[Array, Generator], Tensor]  # images as a batch has them -> images as the model takes them


def gradient_step(
    model: Autoencoder, update: Updates, objective: Objective, preprocess: Preprocess, noise: Generator
) -> Step:
    """One update: the loss of a batch, its gradient in all parameters, and a step of the optimizer along it.

    The loss is the term "loss" of the objective; `update`, which has one optimizer, "model", does the rest.
    """

    def step(batch: Batch) -> Terms:
        model.train()
        terms = objective(preprocess(batch.x, noise), one_hot_labels(model, batch), noise)
        update("model", terms["loss"])
        return terms

    return step


def build(
    setup: Setup,
    model: Autoencoder,
    objective: Objective,
    *,
    ledger: Mapping[str, Term],
    evaluation: Objective | None = None,
    schedule: Callable[[int], None] = lambda k: None,
    draw: Callable[[int, Generator], Array] | None = None,
    code_shape: tuple[int, ...] | None = None,
) -> Experiment:
    """The experiment that trains `model` on `objective`.

    `evaluation` is the objective on held-out images, where it differs. `schedule` runs before update k, and sets what
    else changes during training than the learning rate. `draw` takes codes from the prior, if there is one. The shape
    of a code, if it is not given, is that of the code of a black image.
    """
    options, device = setup.options, setup.device
    model.set_data_mean(setup.mean)
    shape = _code_shape(model, setup) if code_shape is None else code_shape
    model.to(device)
    optimizer = make_optimizer(options["optimizer"], model, options["lr"])
    update = Updates({"model": optimizer}, clip_norm=options["clip_norm"])
    noise = Generator(setup.seed, device=device).spawn("noise")
    learning_rate, preprocess = make_schedule(options["schedule"], [optimizer], setup.steps), preprocessing(setup)

    def before_update(k: int) -> None:
        learning_rate(k)
        schedule(k)

    def evaluate(batch: Batch) -> Terms:
        rng = evaluation_noise(setup)
        with model.evaluation():
            return (evaluation or objective)(preprocess(batch.x, rng), one_hot_labels(model, batch), rng)

    def encode(images: Array) -> Array:
        return predict(model, inputs(setup, images), function=lambda x: ops.flatten(model.encode(x)), device=device)

    def decode(codes: Array, _: Array | None = None) -> Array:
        def images_of(z: Tensor) -> Tensor:
            return model.decode(ops.reshape(z, (-1, *shape)))

        return predict(model, codes, function=images_of, device=device)

    def reconstruct(images: Array) -> Array:
        return predict(model, inputs(setup, images), device=device)

    def pictures(images: Array) -> list[Array]:
        """Images, reconstructions and, with a prior, samples from codes that are always the same."""
        x = inputs(setup, images)
        columns = [x, predict(model, x, device=device)]
        if draw is not None:
            columns.append(decode(draw(len(images), Generator(setup.seed).spawn("pictures"))))
        return columns

    return Experiment(
        modules={"model": model},
        updates=update,
        generators={"noise": noise},
        step=gradient_step(model, update, objective, preprocess, noise),
        schedule=before_update,
        pictures=pictures,
        ledger=ledger,
        routes={"model": ("model",)},
        evaluate=evaluate,
        reconstruct=reconstruct,
        encode=encode,
        latent=Latent(int(np.prod(shape)), decode, draw),
    )


def build_vae(setup: Setup, model: VAE, objective: Objective, **settings: Any) -> Experiment:
    """`build`, with what a prior N(0, 1) and a likelihood make possible: samples, log p(x), divergences."""
    preprocess = preprocessing(setup)
    experiment = build(setup, model, objective, draw=standard_normal(model.noise_size), **settings)
    encode = experiment.encode
    assert encode is not None

    def diagnostics(images: Array) -> dict[str, Array]:
        divergences = predict(model, inputs(setup, images), function=model.divergences, device=setup.device)
        return {"kl": divergences, "mean": encode(images)}

    experiment.diagnostics = diagnostics
    experiment.log_likelihood = lambda images, k: log_likelihood(
        model, images, k, preprocess=preprocess, rng=evaluation_noise(setup)
    )
    return experiment


def _code_shape(model: Autoencoder, setup: Setup) -> tuple[int, ...]:
    """The shape of the code of one image. A network that does not fit the images raises, by its layer's full name."""
    labels = [Tensor(np.zeros((1, model.classes), np.float32))] if isinstance(model, VAE) and model.classes else []
    with model.evaluation():
        code = model.encode(Tensor(np.zeros((1, *setup.image_shape), np.float32)), *labels)
        model.decode(code, *labels)
    return code.shape[1:]


def preprocessing(setup: Setup) -> Preprocess:
    """How images become what the model takes: on the device and, with --binarize, black and white.

    "dynamic" draws each pixel anew with its grey value as the probability, so that an image is never twice the same
    (Burda et al. 2016, arXiv:1509.00519, section 5); it takes the numbers from the generator that it is given.
    """
    binarize, device = setup.options.get("binarize", "none"), setup.device

    def preprocess(images: Array, rng: Generator) -> Tensor:
        x = to_device(images, device)
        if binarize == "threshold":
            x = (x > 0.5).astype(x.dtype)
        elif binarize == "dynamic":
            x = rng.bernoulli(x, dtype=x.dtype)
        return Tensor(x)

    return preprocess


def output_activation(setup: Setup) -> Callable[[Tensor], Tensor]:
    """Of a decoder whose output has the range of the data. ValueError if that is not one of two."""
    activations = {(0.0, 1.0): ops.sigmoid, (-1.0, 1.0): ops.tanh}
    if setup.value_range not in activations:
        raise ValueError(f"expected data in the range (0, 1) or (-1, 1), got {setup.value_range}")
    return activations[setup.value_range]


def evaluation_noise(setup: Setup) -> Generator:
    """The random numbers of everything but training: the same each time, so that training is left as it is."""
    return Generator(setup.seed, device=setup.device).spawn("looking")


def inputs(setup: Setup, images: Array) -> Array:
    """Images (N, C, H, W) preprocessed for evaluation, as a NumPy array."""
    if setup.options.get("binarize", "none") == "none":
        return images
    return np.asarray(to_device(preprocessing(setup)(images, evaluation_noise(setup)).data, "cpu"))


def standard_normal(size: int) -> Callable[[int, Generator], Array]:
    """Draws codes (n, size) from N(0, 1), as NumPy arrays."""
    return lambda n, rng: np.asarray(to_device(rng.normal((n, size)), "cpu"))


def one_hot_labels(model: Autoencoder, batch: Batch) -> Tensor | None:
    """The labels of a batch as one-hot rows (N, K) on the model's device; None for a model without classes."""
    if not isinstance(model, VAE) or not model.classes:
        return None
    if batch.labels is None:
        raise ValueError("a conditional model needs labels, and this batch has none; train on labelled images")
    return Tensor(to_device(one_hot(batch.labels, model.classes), model.centre.device))
