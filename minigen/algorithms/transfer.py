"""A GAN that begins with the weights of a trained autoencoder: its decoder as generator, its encoder as discriminator.

``minigen train dcgan --init-generator-from RUN`` builds the generator like the decoder of that run (``donors.py``) and
gives it the decoder's weights; ``--init-discriminator-from RUN`` does so with the encoder. The run is named in the
config, together with the layers that were taken over, so that nothing of it is needed to resume. Three things are
brought into line, exactly, so that the generator first draws what the decoder did:

* Range. A decoder for pixels from 0 to 1 ends in a sigmoid. 2 sigmoid(y) - 1 = tanh(y / 2): the last layer is halved.
* Codes. Those of a VAE are near the prior N(0, 1), and are taken as they are. Those of a plain autoencoder follow no
  prior: z ~ N(0, 1) becomes mean + L z, with the mean and covariance L L^T of the codes of the images that the GAN is
  to learn. This goes into the first layer: W' = W L, b' = b + W mean. Only mean and covariance are right then: where
  codes are not normal (behind a ReLU they are not), the first samples lie between the images.
* Input. An encoder for pixels from 0 to 1 that subtracts its centre c sees (x + 1) / 2 - c (`Rescale`).

The layer of the score is new, and so is the memory of the optimizers; a moving average begins at what was given.

Imports: nn, data, donors. Read next: ``minigen/runs/sessions.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigen import nn, ops
from minigen.algorithms import donors
from minigen.algorithms.experiment import Experiment, Recipe
from minigen.algorithms.options import ConfigError
from minigen.data import Dataset
from minigen.data.batches import over_batches
from minigen.models.autoencoder import Autoencoder
from minigen.models.gan import Discriminator
from minigen_kernels import Array

CODES = 10_000  # images whose codes give mean and covariance
PRIOR = "N(0, 1)"
SETTINGS = {"generator": "init_generator_from", "discriminator": "init_discriminator_from"}


@dataclass(frozen=True)
class Donor:
    """A trained autoencoder or VAE: its run, model, settings and networks, and facts about the images it has seen."""

    path: str
    recipe: Recipe
    config: Mapping[str, Any]
    experiment: Experiment
    facts: Mapping[str, Any]

    @property
    def model(self) -> Autoencoder:
        """Its networks. ConfigError if it is no autoencoder, or one that sees labels."""
        if self.recipe.place or self.recipe.name not in donors.MODELS:
            raise ConfigError(
                f"{self.path} is a run of {self.recipe.name!r}, which is no autoencoder or VAE; begin with one of "
                f"{', '.join(donors.MODELS)}"
            )
        try:
            return donors.trained_autoencoder(self.recipe.name, self.experiment.modules)
        except ValueError as error:
            raise ConfigError(f"{self.path}: {error}") from error


def adopt(
    recipe: Recipe, settings: Mapping[str, Any], given: Mapping[str, Any], part: str, donor: Donor
) -> dict[str, Any]:
    """The settings of a run whose `part` ("generator" or "discriminator") begins with the networks of `donor`.

    Layers, and the size of the code, become those of the donor. `given` are the flags of the command line. ConfigError:
    a setting says otherwise, or the model has no such part.
    """
    flag = "--" + SETTINGS[part].replace("_", "-")
    if part not in recipe.options:
        raise ConfigError(f"{flag}: {recipe.name!r} has no {part} with layers like an autoencoder's; leave it out")
    model, name = donor.model, donor.recipe.name
    wanted: dict[str, Any] = {part: donors.describe(name, donor.config, latent=part == "discriminator")}
    try:
        if part == "generator":
            wanted["latent"] = donors.decoder_of(name, model)[0].in_features
        else:
            donors.trunk_of(name, model)
    except ValueError as error:
        raise ConfigError(f"{flag} {donor.path}: {error}") from error
    for key, value in wanted.items():
        if settings[key] not in (recipe.options[key], value) or given.get(key, value) != value:  # the default gives way
            first = donors.decoder_of(name, model)[0].weight.shape if key == "latent" else None
            shape = "" if first is None else f" (the weight of its decoder's first layer is {first})"
            raise ConfigError(
                f"{flag} {donor.path} has {key} {value!r}{shape}, and --{key} {settings[key]} does not fit it: "
                f"use --{key} {value!r}, or leave it out"
            )
    return {**settings, **wanted}


def give_decoder(donor: Donor, experiment: Experiment, images: Dataset) -> str:
    """Put the donor's decoder in the place of the generator, which must have its layers; say what was done.

    `images` are those that the GAN is to learn. ConfigError: they are of another size than the donor's, or the
    generator has other layers; it names the shapes.
    """
    _check_images(donor, images.image_shape)
    model = donor.model
    state = model.decoder.state_dict()
    how = f"its codes, near {PRIOR}, are taken as they are"
    latent = donor.experiment.latent
    if latent is None or latent.draw is None:
        assert donor.experiment.encode is not None
        low, high = donor.facts["value_range"]
        encode, some = donor.experiment.encode, images.in_range((low, high)).subset(slice(CODES))
        codes = over_batches(lambda batch: encode(batch.x), some)
        mean, root = spread_of(codes)
        weight = state["0.weight"].astype("f8")
        state["0.bias"] = (state["0.bias"] + weight @ mean).astype(state["0.bias"].dtype)
        state["0.weight"] = (weight @ root).astype(state["0.weight"].dtype)
        how = f"its codes follow no prior: {PRIOR} is brought to the mean and covariance of {len(codes):,} of them"
    if model.head is ops.sigmoid:
        for key in list(state)[-2:]:  # weight and bias of the last layer
            state[key] = state[key] * state[key].dtype.type(0.5)
    name = "generator" if "generator" in experiment.modules else "decoder"
    _load(donor, name, experiment.modules[name], state)
    average = experiment.modules.get("average")
    if isinstance(average, nn.MovingAverage):
        average.network.load_state_dict(experiment.modules[name].state_dict())
    return f"the {name} begins as the decoder of {donor.path} ({donor.recipe.name}); {how}"


def give_encoder(donor: Donor, experiment: Experiment, image_shape: tuple[int, int, int]) -> str:
    """Put the donor's encoder in the place of the discriminator's features; say what was done. ConfigError as above."""
    _check_images(donor, image_shape)
    discriminator, model = experiment.modules["discriminator"], donor.model
    trunk = donors.trunk_of(donor.recipe.name, model)
    low, high = donor.facts["value_range"]
    scale = (high - low) / 2  # from (-1, 1), the range of a GAN
    given = nn.Sequential(donors.Rescale(), *trunk).state_dict()
    given["0.scale"] = np.array(scale, np.float32)
    given["0.shift"] = np.array(low + scale - float(model.centre), np.float32)
    assert isinstance(discriminator, Discriminator)
    _load(donor, "discriminator", discriminator.features, given)
    return f"the discriminator begins as the encoder of {donor.path} ({donor.recipe.name}); its last layer is new"


def spread_of(codes: Array) -> tuple[Array, Array]:
    """The mean (D,) of codes (N, D), and a root L (D, D) of their covariance L L^T, in float64; for N = 1 a zero root.

    From eigenvalues, so that units that never vary do no harm.
    """
    x = codes.astype(np.float64)
    mean = x.mean(0)
    values, vectors = np.linalg.eigh((x - mean).T @ (x - mean) / max(1, len(x) - 1))
    return mean, vectors * np.sqrt(np.maximum(values, 0))


def _check_images(donor: Donor, image_shape: tuple[int, int, int]) -> None:
    if list(donor.facts["image_shape"]) != list(image_shape):
        theirs, ours = ("x".join(map(str, shape)) for shape in (donor.facts["image_shape"], image_shape))
        raise ConfigError(
            f"{donor.path} was trained on images of {theirs}, the images here are {ours}; take a run on images of "
            "that size (another --dataset, or --image-size for a folder of pictures)"
        )


def _load(donor: Donor, name: str, module: nn.Module, state: Mapping[str, Array]) -> None:
    try:
        module.load_state_dict(state)
    except ValueError as error:
        raise ConfigError(
            f"the {name} has other layers than {donor.path} ({donor.recipe.name}): {error}. Options that make them "
            f"fit: --{'latent and --' if name != 'discriminator' else ''}{name} "
            f"{donors.describe(donor.recipe.name, donor.config, latent=name == 'discriminator')!r}"
        ) from error
