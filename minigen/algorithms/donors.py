"""Networks of a GAN that have the layers of an autoencoder: its decoder as generator, its encoder as discriminator.

``--generator "vae hidden=200"`` builds the generator like the decoder of that model; ``--discriminator`` likewise, like
its encoder without the layers that make the code. They begin with weights of their own; ``transfer.py`` puts trained
ones in their place. What differs is the range: a decoder for pixels from 0 to 1 ends in a sigmoid, a generator in tanh.

Imports: models, the autoencoders and VAEs of this room. Read next: ``transfer.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from minigen import nn, ops
from minigen.algorithms import autoencoders, likelihood, options
from minigen.algorithms.donor_files import file_generator, is_file
from minigen.algorithms.experiment import Recipe, Setup
from minigen.algorithms.options import Option, check_value, did_you_mean
from minigen.autograd import Tensor
from minigen.models.autoencoder import Autoencoder, ImageShape
from minigen.models.gan import Discriminator
from minigen.models.vae import VAE
from minigen.random import Generator

OPTIONS: Mapping[str, Option] = {
    "generator": Option(str, "build the generator like the decoder of a model: vae, 'conv-vae channels=16', dcgan-ae"),
    "discriminator": Option(str, "build the discriminator like the encoder of a model, without its code"),
}
BORROWED: Mapping[str, Any] = {"generator": None, "discriminator": None}

MODELS: Mapping[str, Recipe] = {r.name: r for family in (autoencoders, likelihood) for r in family.RECIPES}
SIZES = ("latent", "hidden", "layers", "channels", "halvings", "activation")  # options that decide about the layers
_OPTIONS = {**options.OPTIONS, **autoencoders.OPTIONS, **likelihood.OPTIONS}


class Rescale(nn.Module):
    """x * scale + shift: images in the range of a GAN as the encoder knew them. Both are buffers."""

    def __init__(self) -> None:
        self.scale, self.shift = Tensor(np.ones((), np.float32)), Tensor(np.zeros((), np.float32))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift


def describe(model: str, settings: Mapping[str, Any], *, latent: bool) -> str:
    """The text that builds layers like those of a model with these settings; of sizes as they are by default, none."""
    own = MODELS[model].options
    sizes = [key for key in SIZES if key in own and settings[key] != own[key] and (latent or key != "latent")]
    return " ".join([model, *(f"{key}={settings[key]}" for key in sizes)])


def parse(option: str, text: str) -> tuple[Recipe, dict[str, Any]]:
    """The model that such a text names, and its sizes. ValueError names what is unknown."""
    name, *sizes = text.split() or [""]
    if name not in MODELS:
        raise ValueError(
            f"--{option} {text!r}: {name!r} is no autoencoder or VAE{did_you_mean(name, MODELS)} "
            f"They are {', '.join(MODELS)}"
        )
    recipe, given = MODELS[name], {}
    legal = [key for key in SIZES if key in recipe.options and not (option == "generator" and key == "latent")]
    for word in sizes:
        key, _, value = word.partition("=")
        if key not in legal:
            hint = "; the size of the code is --latent" if key == "latent" else ""
            raise ValueError(
                f"--{option} {text!r}: {word!r} is no size of {name}; write SIZE=VALUE, with "
                f"{', '.join(legal) or 'none'}{hint}"
            )
        kind = _OPTIONS[key].type
        given[key] = check_value(key, int(value) if kind is int and value.isdecimal() else value, _OPTIONS[key])
    return recipe, given


def autoencoder_like(
    option: str, text: str, image: ImageShape, *, latent: int | None, seed: int
) -> tuple[str, Autoencoder]:
    """A model's name, and a new one of that kind for images from 0 to 1. ValueError if the text names none."""
    recipe, sizes = parse(option, text)
    if latent is not None and "latent" in recipe.options:
        sizes["latent"] = latent
    setup = Setup(
        options={**recipe.options, **sizes}, image_shape=image, value_range=(0.0, 1.0), mean=0.5, classes=2, steps=1,
        batches_per_epoch=1, seed=seed, device="cpu",
    )  # fmt: skip
    try:
        modules = recipe.build(setup).modules
    except ValueError as error:  # of images that it cannot take
        raise ValueError(f"--{option} {text!r}: {error}") from error
    return recipe.name, trained_autoencoder(recipe.name, modules)


def trained_autoencoder(name: str, modules: Mapping[str, nn.Module]) -> Autoencoder:
    """The autoencoder among the modules of a model. ValueError if its decoder and encoder are not plain layers."""
    model = modules.get("model")
    if not isinstance(model, Autoencoder) or (isinstance(model, VAE) and model.classes):
        raise ValueError(f"{name} has no decoder from codes alone to images; take another autoencoder or VAE")
    return model


def decoder_of(name: str, model: Autoencoder) -> nn.Sequential:
    """The layers from codes (N, D) to pre-activations. ValueError if they do not begin with a dense layer."""
    decoder = model.decoder
    if not isinstance(decoder, nn.Sequential) or not isinstance(decoder[0], nn.Dense):
        raise ValueError(
            f"the decoder of {name} does not begin with a dense layer: its codes are no vectors, as a generator's are; "
            "take a model whose codes are vectors, such as ae, dcgan-ae, vae or conv-vae"
        )
    if model.head not in (ops.sigmoid, ops.tanh):
        raise ValueError(f"the decoder of {name} has an output without bounds; take one that ends in sigmoid or tanh")
    return decoder


def trunk_of(name: str, model: Autoencoder) -> list[Any]:
    """The layers of the encoder up to the last one with weights, which makes the code; if it is the only one, all.

    A VAE's encoder has no such layer: mean and variance come after it.
    """
    if not isinstance(model.encoder, nn.Sequential):
        raise ValueError(f"the encoder of {name} is no sequence of layers; take another autoencoder or VAE")
    layers = list(model.encoder)
    weighted = [i for i, layer in enumerate(layers) if isinstance(layer, (nn.Dense, nn.Conv2d))]
    return layers if isinstance(model, VAE) or len(weighted) == 1 else layers[: weighted[-1]]


def borrowed_generator(text: str, image: ImageShape, *, latent: int, rng: Generator) -> nn.Module:
    """The decoder's layers, and tanh: codes (N, latent) to images (N, C, H, W). Or the network in an ONNX file."""
    if is_file(text):
        return file_generator(text, image, latent=latent)
    seed = int(rng.integers(0, 2**31, (1,))[0])
    name, model = autoencoder_like("generator", text, image, latent=latent, seed=seed)
    decoder = decoder_of(name, model)
    if decoder[0].in_features != latent:
        raise ValueError(
            f"--generator {text!r}: its first layer takes codes of {decoder[0].in_features}, got --latent {latent}; "
            f"use --latent {decoder[0].in_features}"
        )
    return nn.Sequential(*decoder, ops.tanh)


def borrowed_discriminator(text: str, image: ImageShape, *, rng: Generator) -> Discriminator:
    """`Rescale`, the encoder's layers, and a new layer for the score: images (N, C, H, W) to scores (N,)."""
    seed = int(rng.integers(0, 2**31, (1,))[0])
    trunk = trunk_of(*autoencoder_like("discriminator", text, image, latent=None, seed=seed))
    features = nn.Sequential(Rescale(), *trunk, nn.Flatten())
    with features.evaluation():
        size = features(Tensor(np.zeros((1, *image), np.float32))).shape[1]
    score = nn.Dense(size, 1, weight_init=nn.init.glorot_uniform, rng=rng.spawn("score"))
    return Discriminator(features, score)


def check_borrowed(name: str, defaults: Mapping[str, Any], chosen: Mapping[str, Any]) -> None:
    """ValueError for options that have no effect on networks that are built like others."""
    idle = ["norm"] if chosen.get("discriminator") else []
    if chosen.get("generator") and chosen.get("discriminator"):
        idle += ["network", "hidden", "layers", "channels", "kernel", "halvings"]
    for key in idle:
        if key in defaults and chosen[key] != defaults[key]:
            text = " and ".join(f"--{option}" for option in BORROWED if chosen.get(option))
            raise ValueError(f"{name}: --{key} has no effect with {text}; leave it out")


def check_samples_apart(name: str, discriminator: nn.Module) -> None:
    """ValueError if batch norm mixes samples where each one's own gradient is penalised."""
    if any(isinstance(module, nn.BatchNorm) for _, module in discriminator.named_modules()):
        raise ValueError(
            f"{name}: the penalty is on the gradient of each sample, and batch norm mixes the samples of a batch; take "
            "a --discriminator without it, such as conv-vae or vae"
        )
