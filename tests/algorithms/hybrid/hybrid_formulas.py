"""The losses of the hybrids in plain NumPy, written from the papers and independent of the code under test.

`oracles` gives the losses of the coming step as functions of the states of all modules.

Read next: ``test_losses.py``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from algorithms.adversarial.adversarial_runs import dense
from algorithms.hybrid.hybrid_runs import SHAPE, Array, State, States

from minigen.algorithms.experiment import Experiment
from minigen.random import Generator

# Networks and losses.


def part(state: State, *prefixes: str) -> dict[str, Array]:
    """The entries of a state that begin with one of the prefixes."""
    return {key: value for key, value in state.items() if key.startswith(prefixes)}


def leaky(x: Array) -> Array:
    return np.where(x > 0, x, 0.2 * x)


def generated(state: State, z: Array) -> Array:
    return np.tanh(dense(state, z)).reshape(-1, *SHAPE)


def generated_jointly(state: State, first: Array, second: Array) -> tuple[Array, Array]:
    """Images of two kinds of codes, in one batch."""
    images = generated(state, np.concatenate([first, second]))
    return images[: len(first)], images[len(first) :]


def features_of(state: State, x: Array, name: str = "features.") -> Array:
    """The features of a discriminator, in training mode: its last layer (perhaps with batch norm), then leaky ReLU."""
    return leaky(dense(part(state, name), x))


def scores_of(state: State, x: Array) -> Array:
    """The scores of a discriminator, in training mode."""
    return dense(part(state, "score."), features_of(state, x))[:, 0]


def softplus(x: Array) -> Array:
    return np.logaddexp(0, x)


def real_nats(scores: Array, smoothing: float = 0.0) -> float:
    """-(1 - s) log D - s log(1 - D)."""
    return float(((1 - smoothing) * softplus(-scores) + smoothing * softplus(scores)).mean())


def fake_nats(scores: Array) -> float:
    """-log(1 - D)."""
    return float(softplus(scores).mean())


def generator_nats(scores: Array, minimax: bool = False) -> float:
    return -fake_nats(scores) if minimax else real_nats(scores)


Oracle = Callable[[States, States], float]  # (states at the beginning of the round, of now) -> loss
Phase = dict[str, Oracle]  # what is descended one after the other, by the names of the losses


@dataclass
class Draws:
    """A twin of the training noise, which draws what the coming step will draw of codes and instance noise."""

    noise: Generator
    n: int
    std: float

    def normal(self, size: int = 3) -> Array:
        return self.noise.normal((self.n, size), dtype=np.float64)

    def instance_noise(self) -> Array:
        """What is added to images before the discriminator sees them."""
        if not self.std:
            return np.zeros((self.n, *SHAPE))
        return self.std * self.noise.normal((self.n, *SHAPE), dtype=np.float64)


def oracles(name: str, experiment: Experiment, x: Array, options: Mapping[str, Any]) -> list[Phase]:
    """The rounds of the coming step on images x: each loss as a function of the states of the modules.

    The discriminator has a round on each part of the images, and all others have theirs on the last part. Random
    numbers are drawn in the order of the rounds, and in a round first those that the discriminator needs.
    """
    parts = np.split(x, options["n_critic"])
    twin = Generator(0)
    twin.state = experiment.generators["noise"].state
    draws = Draws(twin, len(parts[0]), options.get("instance_noise", 0.0))
    phases = {"aae": _aae, "vae-gan": _vae_gan, "ali": _ali, "mdgan": _mdgan, "dfm": _dfm, "began": _began}
    phases_of = phases.get(name, _ebgan)
    rounds = [{"reconstruction": functools.partial(_aae_error, parts[-1])}] if name == "aae" else []
    rounds += [{"discriminator": next(phases_of(part, draws, options))["discriminator"]} for part in parts[:-1]]
    last = phases_of(parts[-1], draws, options)
    return [*rounds, {loss: oracle for phase in last for loss, oracle in phase.items()}]


def discriminator_loss(x: Array, fake: Callable[[States], Array], options: Mapping[str, Any]) -> Oracle:
    """-log D(x) - log(1 - D(G)), of images after augmentation."""

    def discriminator(start: States, s: States) -> float:
        nats = real_nats(scores_of(s["discriminator"], x), options["label_smoothing"])
        return nats + fake_nats(scores_of(s["discriminator"], fake(start)))

    return discriminator


def generator_loss(images: Array, s: States, options: Mapping[str, Any]) -> float:
    """The generator's loss of images after augmentation."""
    return generator_nats(scores_of(s["discriminator"], images), options["generator_loss"] == "minimax")


def _aae_error(x: Array, start: States, s: States) -> float:
    return float(((generated(s["decoder"], dense(s["encoder"], x)) - x) ** 2).mean())


def _aae(x: Array, draws: Draws, options: Mapping[str, Any]) -> Iterator[Phase]:
    prior = draws.normal()

    def discriminator(start: States, s: States) -> float:
        prior_scores = scores_of(s["discriminator"], prior)
        code_scores = scores_of(s["discriminator"], dense(start["encoder"], x))
        return real_nats(prior_scores, options["label_smoothing"]) + fake_nats(code_scores)

    yield {"discriminator": discriminator}
    yield {"generator": lambda start, s: generator_loss(dense(s["encoder"], x), s, options)}


def _vae_gan(x: Array, draws: Draws, options: Mapping[str, Any]) -> Iterator[Phase]:
    variance, weight = options["feature_variance"], options["feature_weight"]
    noise, prior = draws.normal(), draws.normal()
    pair_noise, sample_noise = draws.instance_noise(), draws.instance_noise()  # a pair: image, reconstruction

    def posterior(s: States) -> tuple[Array, Array]:
        state = s["encoder"]
        mean = dense(part(state, "features.", "mean."), x)
        return mean, 15 * np.tanh(dense(part(state, "features.", "logvar."), x) / 15)

    def fake(encoder: States, s: States) -> tuple[Array, Array]:
        """Reconstructions and samples, after augmentation."""
        mean, logvar = posterior(encoder)
        reconstruction, sample = generated_jointly(s["decoder"], mean + np.exp(logvar / 2) * noise, prior)
        return reconstruction + pair_noise, sample + sample_noise

    def error(encoder: States, s: States, target: Array) -> float:
        features = features_of(s["discriminator"], fake(encoder, s)[0])
        return float(((features - target) ** 2).sum(1).mean() / (2 * variance))

    def target_features(start: States) -> Array:
        return features_of(start["discriminator"], x + pair_noise)

    def encoder(start: States, s: States) -> float:
        mean, logvar = posterior(s)
        kl = 0.5 * (mean**2 + np.exp(logvar) - logvar - 1).sum(1).mean()
        return float(kl + error(s, s, target_features(start)))

    def decoder(start: States, s: States) -> float:
        adversarial = sum(generator_loss(images, s, options) for images in fake(start, s))
        return weight * error(start, s, target_features(start)) + adversarial

    def discriminator(start: States, s: States) -> float:
        nats = sum(fake_nats(scores_of(s["discriminator"], images)) for images in fake(start, start))
        return real_nats(scores_of(s["discriminator"], x + pair_noise), options["label_smoothing"]) + nats

    yield {"encoder": encoder, "decoder": decoder, "discriminator": discriminator}


def _ali(x: Array, draws: Draws, options: Mapping[str, Any]) -> Iterator[Phase]:
    noise, z = draws.normal(), draws.normal()
    before = draws.instance_noise(), draws.instance_noise()

    def code(s: States) -> Array:
        state = s["encoder"]
        mean = dense(part(state, "features.", "mean."), x)
        logvar = 15 * np.tanh(dense(part(state, "features.", "logvar."), x) / 15)
        return mean + np.exp(logvar / 2) * noise

    def scores(s: States, images: Array, codes: Array) -> Array:
        state = s["discriminator"]
        of_image = features_of(state, images, "of_image.")
        both = np.concatenate([of_image, leaky(dense(part(state, "of_code."), codes))], 1)
        return dense(part(state, "of_both."), both)[:, 0]

    def discriminator(start: States, s: States) -> float:
        real = scores(s, x + before[0], code(start))
        fake = scores(s, generated(start["generator"], z) + before[1], z)
        return real_nats(real, options["label_smoothing"]) + fake_nats(fake)

    yield {"discriminator": discriminator}
    after = draws.instance_noise(), draws.instance_noise()

    def generator(start: States, s: States) -> float:
        fake = generated(s["generator"], z) + after[1]
        return fake_nats(scores(s, x + after[0], code(s))) + real_nats(scores(s, fake, z))

    yield {"generator": generator}


def _mdgan(x: Array, draws: Draws, options: Mapping[str, Any]) -> Iterator[Phase]:
    z = draws.normal()
    real_noise, fake_noise = draws.instance_noise(), draws.instance_noise()

    def images(s: States) -> tuple[Array, Array]:
        """Samples and reconstructions."""
        return generated_jointly(s["generator"], z, dense(s["encoder"], x))

    yield {"discriminator": discriminator_loss(x + real_noise, lambda start: images(start)[0] + fake_noise, options)}
    after = draws.instance_noise(), draws.instance_noise()

    def generator(start: States, s: States) -> float:
        fake, reconstruction = images(s)
        adversarial = generator_loss(fake + after[0], s, options)
        mode = generator_loss(reconstruction + after[1], s, options)
        squares = float(((reconstruction - x) ** 2).mean())
        return adversarial + options["reconstruction_weight"] * squares + options["mode_weight"] * mode

    yield {"generator": generator}


def _dfm(x: Array, draws: Draws, options: Mapping[str, Any]) -> Iterator[Phase]:
    z = draws.normal()
    real_noise, fake_noise = draws.instance_noise(), draws.instance_noise()
    targets: list[Array] = []  # the denoiser's answer: the gradient must not flow into it

    def fake_images(start: States) -> Array:
        return generated(start["generator"], z) + fake_noise

    yield {"discriminator": discriminator_loss(x + real_noise, fake_images, options)}
    corruption, after = options["feature_noise"] * draws.normal(6), draws.instance_noise()

    def denoiser(start: States, s: States) -> float:
        clean = features_of(start["discriminator"], x + real_noise)
        return float(((dense(s["denoiser"], clean + corruption) - clean) ** 2).mean())

    def generator(start: States, s: States) -> float:
        fake = generated(s["generator"], z) + after
        features = features_of(s["discriminator"], fake)
        if not targets:
            targets.append(dense(s["denoiser"], features))
        error = float(((features - targets[0]) ** 2).mean())
        return generator_loss(fake, s, options) + options["feature_weight"] * error

    yield {"denoiser": denoiser, "generator": generator}


def _began(x: Array, draws: Draws, options: Mapping[str, Any]) -> Iterator[Phase]:
    z = draws.normal()
    real_noise, fake_noise = draws.instance_noise(), draws.instance_noise()

    def error(s: States, images: Array) -> float:
        errors = np.abs(reconstructed(s, images) - images)
        contrast = np.abs(images - images.mean((1, 2, 3), keepdims=True)).mean((1, 2, 3), keepdims=True)
        return float((errors / (1 if options["error"] == "absolute" else contrast + 0.1)).mean())

    def discriminator(start: States, s: States) -> float:
        fake = generated(start["generator"], z) + fake_noise
        return error(s, x + real_noise) - start["balance"]["k"] * error(s, fake)

    yield {"discriminator": discriminator}
    after = draws.instance_noise()
    yield {"generator": lambda start, s: error(s, generated(s["generator"], z) + after)}


def _ebgan(x: Array, draws: Draws, options: Mapping[str, Any]) -> Iterator[Phase]:
    z = draws.normal()
    real_noise, fake_noise = draws.instance_noise(), draws.instance_noise()

    def energy(s: States, images: Array) -> Array:
        return ((reconstructed(s, images) - images) ** 2).mean((1, 2, 3))

    def discriminator(start: States, s: States) -> float:
        fake = generated(start["generator"], z) + fake_noise
        return float(energy(s, x + real_noise).mean() + np.maximum(0, options["margin"] - energy(s, fake)).mean())

    yield {"discriminator": discriminator}
    after = draws.instance_noise()

    def generator(start: States, s: States) -> float:
        fake = generated(s["generator"], z) + after
        codes = encoded(s, fake)
        pairs = [(a, b) for i, a in enumerate(codes) for j, b in enumerate(codes) if i != j]
        cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs]
        return float(energy(s, fake).mean() + options["pull_away_weight"] * np.square(cosines).mean())

    yield {"generator": generator}


def encoded(s: States, images: Array) -> Array:
    """Codes of images, by a discriminator that is an autoencoder."""
    return dense(part(s["discriminator"], "encoder."), images)


def reconstructed(s: States, images: Array) -> Array:
    """Its reconstructions of images."""
    return dense(part(s["discriminator"], "decoder."), encoded(s, images)).reshape(images.shape)
