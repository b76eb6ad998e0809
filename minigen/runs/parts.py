"""The parts of a trained model that can leave it, as functions of Tensors: what ``minigen export`` writes.

    part            takes                              gives
    decoder         code                               image
    generator       code                               image (both by the average of their weights, if there is one)
    encoder         image                              code; of a VAE mean, log_variance; of a VQ-VAE code, indices
    reconstruct     image                              reconstruction
    discriminator   image (ali: and code; aae: code)   score; began, ebgan: reconstruction
    classifier      image                              probabilities of the classes (infogan: and values)

A model that is told the class takes it, too, as whole numbers (N,) from 0. A code is (N, D), an image (N, C, H, W) in
the model's range of values. A network of a user's own has the first, third and fourth part, as far as it can do them.

Imports: algorithms, models, trained. Read next: ``run.py``, ``minigen/onnx/export.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigen import nn, ops
from minigen.algorithms.custom import OwnNetwork
from minigen.algorithms.options import ConfigError, did_you_mean
from minigen.autograd import Tensor
from minigen.models.autoencoder import Autoencoder
from minigen.models.hybrid import AutoencodingDiscriminator, GaussianEncoder, JointDiscriminator
from minigen.models.likelihood import soft_clamp
from minigen.models.vae import VAE
from minigen.models.vq_vae import VQVAE, Codebook
from minigen.runs.trained import Trained
from minigen_kernels import Array

PARTS = ("decoder", "generator", "encoder", "reconstruct", "discriminator", "classifier")


@dataclass(frozen=True)
class Part:
    """A function of Tensors, what its inputs are called, and what its outputs are called."""

    function: Callable[..., Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def parts_of(trained: Trained) -> dict[str, Part]:
    """The parts that a model has, by name, the one that makes images first. ConfigError: minigen knows none."""
    modules: Mapping[str, Any] = trained.experiment.modules
    if isinstance(modules.get("model"), VQVAE):
        found = _of_vq_vae(trained, modules["model"], modules["codebook"])
    elif isinstance(modules.get("model"), Autoencoder):
        found = _of_autoencoder(trained, modules["model"])
    elif "discriminator" in modules:
        found = _of_gan(trained, modules)
    else:
        found = {} if trained.experiment.network is None else _of_own(trained, trained.experiment.network)
    if not found:
        raise ConfigError(
            f"{trained.recipe.name} is a network of your own that has no part which minigen knows; write it with "
            "mg.onnx.export(mg.open_run(RUN).model, images, 'model.onnx')"
        )
    return {name: found[name] for name in PARTS if name in found}


def part_of(trained: Trained, name: str | None) -> tuple[str, Part]:
    """A part by name; None: that which makes images. ConfigError: the model has none."""
    parts = parts_of(trained)
    name = next(iter(parts)) if name is None else name
    if name not in parts:
        known = f"its parts are {', '.join(parts)}"
        raise ConfigError(
            f"--part {name}: {trained.recipe.name} has none{did_you_mean(name, parts)} {known.capitalize()}"
        )
    return name, parts[name]


def examples(trained: Trained, part: Part) -> tuple[Array, ...]:
    """Inputs of a part: images in the range of values, normal codes, and every class."""
    latent, rng = trained.experiment.latent, np.random.default_rng(0)
    classes = trained.facts["classes"] or 0
    if latent is not None and latent.classes:
        classes = latent.classes
    (low, high), n = trained.value_range, max(2, classes)
    shape = tuple(trained.facts["image_shape"])
    channels = shape[0] * int(trained.config.get("pack", 1)) if part.outputs == ("score",) else shape[0]
    images = low + (high - low) * rng.random((n, channels, *shape[1:]))
    codes = rng.normal(size=(n, 1 if latent is None else latent.size))
    made = {
        "image": images.astype(np.float32), "code": codes.astype(np.float32),
        "class": np.arange(n) % max(classes, 1),
    }  # fmt: skip
    return tuple(made[name] for name in part.inputs)


# Autoencoders and VAEs.


def _of_autoencoder(trained: Trained, model: Autoencoder) -> dict[str, Part]:
    classes = model.classes if isinstance(model, VAE) else 0
    given = ("class",) if classes else ()
    shape = model.code_shape if isinstance(model, OwnNetwork) else _code_shape(trained, model, classes)
    gaussian = model.objective == "elbo" if isinstance(model, OwnNetwork) else type(model).encode is VAE.encode

    def told(x: Tensor, labels: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return tuple(one_hot(t, classes, x.dtype) for t in labels)

    def encode(x: Tensor, *labels: Tensor) -> Any:
        x = _binarized(trained, x)
        if gaussian and isinstance(model, VAE):
            return model.posterior(x, *told(x, labels))
        return ops.flatten(model.encode(x, *told(x, labels)))

    def decode(code: Tensor, *labels: Tensor) -> Tensor:
        return model.decode(ops.reshape(code, (-1, *shape)), *told(code, labels))

    def reconstruct(x: Tensor, *labels: Tensor) -> Tensor:
        x = _binarized(trained, x)
        return model.forward(x, *told(x, labels))

    return {
        "decoder": Part(decode, ("code", *given), ("image",)),
        "encoder": Part(encode, ("image", *given), ("mean", "log_variance") if gaussian else ("code",)),
        "reconstruct": Part(reconstruct, ("image", *given), ("reconstruction",)),
    }


def _of_own(trained: Trained, model: OwnNetwork) -> dict[str, Part]:
    """Of a network of a user's own: what its experiment can do."""
    does = trained.experiment
    able = {"decoder": does.latent, "encoder": does.encode, "reconstruct": does.reconstruct}
    return {name: part for name, part in _of_autoencoder(trained, model).items() if able[name] is not None}


def _of_vq_vae(trained: Trained, model: VQVAE, codebook: Codebook) -> dict[str, Part]:
    grid = _code_shape(trained, model, 0)

    def encode(x: Tensor) -> tuple[Tensor, Tensor]:
        indices = codebook.nearest(model.encode(_binarized(trained, x)).data)
        return ops.flatten(codebook.embed(indices)), Tensor(indices)

    def decode(code: Tensor) -> Tensor:
        return model.decode(codebook.embed(codebook.nearest(ops.reshape(code, (-1, *grid)).data)))

    def reconstruct(x: Tensor) -> Tensor:
        return model.decode(codebook.embed(codebook.nearest(model.encode(_binarized(trained, x)).data)))

    return {
        "decoder": Part(decode, ("code",), ("image",)),
        "encoder": Part(encode, ("image",), ("code", "indices")),
        "reconstruct": Part(reconstruct, ("image",), ("reconstruction",)),
    }


def _code_shape(trained: Trained, model: Autoencoder, classes: int) -> tuple[int, ...]:
    labels = [Tensor(np.zeros((1, classes), np.float32))] if classes else []
    x = Tensor(np.zeros((1, *trained.facts["image_shape"]), np.float32)).to(model.centre.device, model.centre.dtype)
    with model.evaluation():
        return model.encode(x, *(t.to(x.device, x.dtype) for t in labels)).shape[1:]


def _binarized(trained: Trained, x: Tensor) -> Tensor:
    """Images as the encoder takes them: black and white at 0.5, if it was trained so."""
    if trained.config.get("binarize", "none") != "threshold":
        return x
    return ops.where(x > 0.5, Tensor(np.ones((), x.dtype)), 0.0)


# GANs, alone and with an encoder.


def _of_gan(trained: Trained, modules: Mapping[str, Any]) -> dict[str, Part]:
    latent, discriminator = trained.latent, modules["discriminator"]
    drawn_by = modules.get("average") or modules.get("generator") or modules["decoder"]
    numbers = int(trained.config.get("continuous", 0)) if latent.classes else 0
    found: dict[str, Part] = {}

    def generate(code: Tensor, *labels: Tensor) -> Tensor:
        if labels:  # noise, class, numbers: as `conditional.py` joins them
            row = one_hot(labels[0], latent.classes or 0, code.dtype)
            code = ops.concat([code[:, numbers:], row, code[:, :numbers]], axis=1)
        return drawn_by(code)

    found["generator"] = Part(generate, ("code", *(("class",) if latent.classes else ())), ("image",))
    encoder: Any = modules.get("encoder")
    decoder: Any = modules.get("decoder") or modules.get("generator")
    if isinstance(discriminator, AutoencodingDiscriminator):
        encoder, decoder = discriminator.encoder, discriminator.decoder

    def reconstruct(x: Tensor) -> Tensor:
        return ops.clip(decoder(encoder(x)), -1, 1)

    if encoder is not None and decoder is not None:
        if "decoder" in modules:
            found["decoder"] = Part(drawn_by, ("code",), ("image",))
        two = isinstance(encoder, GaussianEncoder)
        found["encoder"] = Part(
            encoder.posterior if two else encoder, ("image",), ("mean", "log_variance") if two else ("code",)
        )
        found["reconstruct"] = Part(reconstruct, ("image",), ("reconstruction",))
    found |= _of_discriminator(trained, discriminator, numbers)
    return found


def _of_discriminator(trained: Trained, discriminator: Any, numbers: int) -> dict[str, Part]:
    name, classes = trained.recipe.name, trained.latent.classes or 0
    if isinstance(discriminator, AutoencodingDiscriminator):
        return {"discriminator": Part(discriminator, ("image",), ("reconstruction",))}
    if isinstance(discriminator, JointDiscriminator):
        return {"discriminator": Part(discriminator, ("image", "code"), ("score",))}
    if name == "aae":
        return {"discriminator": Part(discriminator, ("code",), ("score",))}
    if name == "cgan":
        return {
            "discriminator": Part(
                lambda x, label: discriminator(x, one_hot(label, classes, x.dtype)), ("image", "class"), ("score",)
            )
        }
    if not classes:
        return {"discriminator": Part(discriminator, ("image",), ("score",))}

    def classify(x: Tensor) -> Any:
        outputs = discriminator(x)
        probabilities = ops.softmax(outputs[:, 1 : 1 + classes])
        if not numbers:
            return probabilities
        mean, logvar = outputs[:, 1 + classes : 1 + classes + numbers], outputs[:, 1 + classes + numbers :]
        return probabilities, mean, soft_clamp(logvar)

    return {
        "discriminator": Part(lambda x: discriminator(x)[:, 0], ("image",), ("score",)),
        "classifier": Part(
            classify, ("image",), ("probabilities", *(("values", "values_log_variance") if numbers else ()))
        ),
    }


def one_hot(labels: Tensor, classes: int, dtype: Any) -> Tensor:
    """Whole numbers (N,) as rows (N, K), by operations."""
    return ops.embedding(labels, Tensor(np.eye(classes, dtype=dtype)))


def networks_of(trained: Trained) -> dict[str, nn.Module]:
    """The networks by the names that parameters have in ``run.model``."""
    modules = trained.experiment.modules
    return {"": next(iter(modules.values()))} if len(modules) == 1 else dict(modules)
