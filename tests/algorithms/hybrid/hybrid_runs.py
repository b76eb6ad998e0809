"""Helpers of the tests of hybrids: small models in float64, each of their losses in plain NumPy, and what updates do.

Read next: ``test_hybrid_losses.py``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from algorithms.adversarial.adversarial_runs import dense

from minigen import optim
from minigen.algorithms.experiment import Experiment, Recipe, Setup
from minigen.algorithms.hybrid import RECIPES
from minigen.autograd import Tensor
from minigen.data import Batch
from minigen.random import Generator

Array = np.ndarray[Any, Any]
State = Mapping[str, Array]
States = Mapping[str, State]  # of all modules, by name

MODELS: dict[str, Recipe] = {recipe.name: recipe for recipe in RECIPES}
SMALL = {"latent": 3, "hidden": 6, "channels": 2}
SHAPE = (1, 2, 3)
RATE = 0.1


def setup_for(name: str, *, shape: tuple[int, int, int] = (1, 8, 8), steps: int = 30, **options: Any) -> Setup:
    """What the recipe is given: all its options, those not named as they are by default, or smaller."""
    recipe = MODELS[name]
    assert options.keys() <= recipe.options.keys(), options.keys() - recipe.options.keys()
    chosen = {**recipe.options, **options}
    idle = {"dense": "channels", "conv": "hidden"}[chosen["network"]]
    chosen |= {key: SMALL[key] for key in SMALL if key not in options and key != idle}
    return Setup(chosen, shape, (-1.0, 1.0), 0.0, None, steps, steps, 0, "cpu")


def small(name: str, **options: Any) -> Experiment:
    """The model of that name, small, with dense networks unless told."""
    return MODELS[name].build(setup_for(name, **{"network": "dense", **options}))


def in_float64(name: str, **options: Any) -> Experiment:
    """The same for images of `SHAPE`, in float64, with plain gradient descent."""
    experiment = MODELS[name].build(setup_for(name, **{"network": "dense", "shape": SHAPE, **options}))
    for module in experiment.modules.values():
        module.to(dtype=np.float64)
    for loss, optimizer in experiment.optimizers.items():
        experiment.updates.optimizers[loss] = optim.SGD(optimizer.params, RATE)
    return experiment


def batch(n: int = 8, shape: tuple[int, int, int] = (1, 8, 8), *, seed: int = 0, dtype: Any = np.float32) -> Batch:
    """Random images between -1 and 1."""
    x = np.random.default_rng(seed).uniform(-1, 1, (n, *shape)).astype(dtype)
    return Batch(x, None, np.arange(n))


@dataclass
class Update:
    """One update: the value of its loss, the states of all modules before and after, and the gradients it followed."""

    loss: float
    before: States
    after: States = field(default_factory=dict)
    gradients: Mapping[str, State] = field(default_factory=dict)


def watched_step(experiment: Experiment, one: Batch) -> tuple[Mapping[str, Any], list[tuple[str, Update]]]:
    """The terms of a step, and its updates in their order, each with the name of its loss."""
    seen: list[tuple[str, Update]] = []

    def watch(name: str, loss: Tensor) -> Callable[[], None]:
        update = Update(float(loss), states(experiment))
        seen.append((name, update))

        def moved() -> None:
            update.after = states(experiment)
            update.gradients = {
                m: {key: p.grad.numpy() for key, p in experiment.modules[m].named_parameters() if p.grad is not None}
                for m in experiment.routes[name]
            }

        return moved

    experiment.updates.watch = watch
    terms = experiment.step(one)
    experiment.updates.watch = None
    return terms, seen


def states(experiment: Experiment) -> dict[str, dict[str, Array]]:
    return {name: module.state_dict() for name, module in experiment.modules.items()}


# Networks and losses in NumPy.


def part(state: State, *prefixes: str) -> dict[str, Array]:
    """The entries of a state that begin with one of the prefixes."""
    return {key: value for key, value in state.items() if key.startswith(prefixes)}


def leaky(x: Array) -> Array:
    return np.where(x > 0, x, 0.2 * x)


def painted(state: State, z: Array) -> Array:
    return np.tanh(dense(state, z)).reshape(-1, *SHAPE)


def together(state: State, first: Array, second: Array) -> tuple[Array, Array]:
    """Images of two kinds of codes, in one batch."""
    images = painted(state, np.concatenate([first, second]))
    return images[: len(first)], images[len(first) :]


def judged(state: State, x: Array) -> tuple[Array, Array]:
    """Features and scores of a discriminator, in training mode."""
    features = normalised(part(state, "features."), x)
    return features, dense(part(state, "score."), features)[:, 0]


def normalised(state: State, x: Array) -> Array:
    """The features of a trunk, whose last layer is followed by leaky ReLU (perhaps with batch norm before it)."""
    return leaky(dense(state, x))


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

    def disturbance(self) -> Array:
        """What is added to images before the discriminator sees them."""
        if not self.std:
            return np.zeros((self.n, *SHAPE))
        return self.std * self.noise.normal((self.n, *SHAPE), dtype=np.float64)


def oracles(name: str, experiment: Experiment, x: Array, options: Mapping[str, Any]) -> list[Phase]:
    """The rounds of the coming step on images x: each loss as a function of the states of the modules.

    The discriminator has a round on each part of the images, and all others have theirs on the last part. Random
    numbers are drawn in the order of the rounds, and in a round first those that the discriminator needs.
    """
    shares = np.split(x, options["n_critic"])
    twin = Generator(0)
    twin.state = experiment.generators["noise"].state
    draws = Draws(twin, len(shares[0]), options.get("instance_noise", 0.0))
    phases = {"aae": _aae, "vae-gan": _vae_gan, "ali": _ali, "mdgan": _mdgan, "dfm": _dfm, "began": _began}
    phases_of = phases.get(name, _ebgan)
    rounds = [{"reconstruction": functools.partial(_aae_error, shares[-1])}] if name == "aae" else []
    rounds += [{"discriminator": next(phases_of(part, draws, options))["discriminator"]} for part in shares[:-1]]
    last = phases_of(shares[-1], draws, options)
    return [*rounds, {loss: oracle for phase in last for loss, oracle in phase.items()}]


def adversary(x: Array, fake: Callable[[States], Array], options: Mapping[str, Any]) -> Oracle:
    """-log D(x) - log(1 - D(G)), of images as they are shown."""

    def discriminator(start: States, s: States) -> float:
        nats = real_nats(judged(s["discriminator"], x)[1], options["label_smoothing"])
        return nats + fake_nats(judged(s["discriminator"], fake(start))[1])

    return discriminator


def fooling(images: Array, s: States, options: Mapping[str, Any]) -> float:
    """The generator's loss of images as they are shown."""
    return generator_nats(judged(s["discriminator"], images)[1], options["generator_loss"] == "minimax")


def _aae_error(x: Array, start: States, s: States) -> float:
    return float(((painted(s["decoder"], dense(s["encoder"], x)) - x) ** 2).mean())


def _aae(x: Array, draws: Draws, options: Mapping[str, Any]) -> Iterator[Phase]:
    prior = draws.normal()

    def discriminator(start: States, s: States) -> float:
        on_prior, on_codes = (judged(s["discriminator"], z)[1] for z in (prior, dense(start["encoder"], x)))
        return real_nats(on_prior, options["label_smoothing"]) + fake_nats(on_codes)

    yield {"discriminator": discriminator}
    yield {"generator": lambda start, s: fooling(dense(s["encoder"], x), s, options)}


def _vae_gan(x: Array, draws: Draws, options: Mapping[str, Any]) -> Iterator[Phase]:
    variance, weight = options["feature_variance"], options["feature_weight"]
    noise, prior = draws.normal(), draws.normal()
    on_pair, on_drawn = draws.disturbance(), draws.disturbance()  # images and reconstructions have the same

    def posterior(s: States) -> tuple[Array, Array]:
        state = s["encoder"]
        mean = dense(part(state, "features.", "mean."), x)
        return mean, 15 * np.tanh(dense(part(state, "features.", "logvar."), x) / 15)

    def made(encoder: States, s: States) -> tuple[Array, Array]:
        """Reconstructions and samples, as they are shown."""
        mean, logvar = posterior(encoder)
        again, drawn = together(s["decoder"], mean + np.exp(logvar / 2) * noise, prior)
        return again + on_pair, drawn + on_drawn

    def error(encoder: States, s: States, wanted: Array) -> float:
        features = judged(s["discriminator"], made(encoder, s)[0])[0]
        return float(((features - wanted) ** 2).sum(1).mean() / (2 * variance))

    def target(start: States) -> Array:
        return judged(start["discriminator"], x + on_pair)[0]

    def encoder(start: States, s: States) -> float:
        mean, logvar = posterior(s)
        kl = 0.5 * (mean**2 + np.exp(logvar) - logvar - 1).sum(1).mean()
        return float(kl + error(s, s, target(start)))

    def decoder(start: States, s: States) -> float:
        adversarial = sum(fooling(images, s, options) for images in made(start, s))
        return weight * error(start, s, target(start)) + adversarial

    def discriminator(start: States, s: States) -> float:
        nats = sum(fake_nats(judged(s["discriminator"], images)[1]) for images in made(start, start))
        return real_nats(judged(s["discriminator"], x + on_pair)[1], options["label_smoothing"]) + nats

    yield {"encoder": encoder, "decoder": decoder, "discriminator": discriminator}


def _ali(x: Array, draws: Draws, options: Mapping[str, Any]) -> Iterator[Phase]:
    noise, z = draws.normal(), draws.normal()
    before = draws.disturbance(), draws.disturbance()

    def code(s: States) -> Array:
        state = s["encoder"]
        mean = dense(part(state, "features.", "mean."), x)
        logvar = 15 * np.tanh(dense(part(state, "features.", "logvar."), x) / 15)
        return mean + np.exp(logvar / 2) * noise

    def scores(s: States, images: Array, codes: Array) -> Array:
        state = s["discriminator"]
        of_image = normalised(part(state, "of_image."), images)
        both = np.concatenate([of_image, leaky(dense(part(state, "of_code."), codes))], 1)
        return dense(part(state, "of_both."), both)[:, 0]

    def discriminator(start: States, s: States) -> float:
        real = scores(s, x + before[0], code(start))
        made = scores(s, painted(start["generator"], z) + before[1], z)
        return real_nats(real, options["label_smoothing"]) + fake_nats(made)

    yield {"discriminator": discriminator}
    after = draws.disturbance(), draws.disturbance()

    def generator(start: States, s: States) -> float:
        made = painted(s["generator"], z) + after[1]
        return fake_nats(scores(s, x + after[0], code(s))) + real_nats(scores(s, made, z))

    yield {"generator": generator}


def _mdgan(x: Array, draws: Draws, options: Mapping[str, Any]) -> Iterator[Phase]:
    z = draws.normal()
    on_real, on_fake = draws.disturbance(), draws.disturbance()

    def images(s: States) -> tuple[Array, Array]:
        """Samples and reconstructions."""
        return together(s["generator"], z, dense(s["encoder"], x))

    yield {"discriminator": adversary(x + on_real, lambda start: images(start)[0] + on_fake, options)}
    after = draws.disturbance(), draws.disturbance()

    def generator(start: States, s: States) -> float:
        fake, again = images(s)
        adversarial, mode = fooling(fake + after[0], s, options), fooling(again + after[1], s, options)
        squares = float(((again - x) ** 2).mean())
        return adversarial + options["reconstruction_weight"] * squares + options["mode_weight"] * mode

    yield {"generator": generator}


def _dfm(x: Array, draws: Draws, options: Mapping[str, Any]) -> Iterator[Phase]:
    z = draws.normal()
    on_real, on_fake = draws.disturbance(), draws.disturbance()
    goals: list[Array] = []  # the denoiser's answer: the gradient must not flow into it

    yield {"discriminator": adversary(x + on_real, lambda start: painted(start["generator"], z) + on_fake, options)}
    corruption, after = options["feature_noise"] * draws.normal(6), draws.disturbance()

    def denoiser(start: States, s: States) -> float:
        clean = judged(start["discriminator"], x + on_real)[0]
        return float(((dense(s["denoiser"], clean + corruption) - clean) ** 2).mean())

    def generator(start: States, s: States) -> float:
        made = painted(s["generator"], z) + after
        features = judged(s["discriminator"], made)[0]
        if not goals:
            goals.append(dense(s["denoiser"], features))
        return fooling(made, s, options) + options["feature_weight"] * float(((features - goals[0]) ** 2).mean())

    yield {"denoiser": denoiser, "generator": generator}


def _began(x: Array, draws: Draws, options: Mapping[str, Any]) -> Iterator[Phase]:
    z = draws.normal()
    on_real, on_fake = draws.disturbance(), draws.disturbance()

    def error(s: States, images: Array) -> float:
        errors = np.abs(again_of(s, images) - images)
        contrast = np.abs(images - images.mean((1, 2, 3), keepdims=True)).mean((1, 2, 3), keepdims=True)
        return float((errors / (1 if options["error"] == "absolute" else contrast + 0.1)).mean())

    def discriminator(start: States, s: States) -> float:
        made = painted(start["generator"], z) + on_fake
        return error(s, x + on_real) - start["balance"]["k"] * error(s, made)

    yield {"discriminator": discriminator}
    after = draws.disturbance()
    yield {"generator": lambda start, s: error(s, painted(s["generator"], z) + after)}


def _ebgan(x: Array, draws: Draws, options: Mapping[str, Any]) -> Iterator[Phase]:
    z = draws.normal()
    on_real, on_fake = draws.disturbance(), draws.disturbance()

    def energies(s: States, images: Array) -> Array:
        return ((again_of(s, images) - images) ** 2).mean((1, 2, 3))

    def discriminator(start: States, s: States) -> float:
        made = painted(start["generator"], z) + on_fake
        return float(energies(s, x + on_real).mean() + np.maximum(0, options["margin"] - energies(s, made)).mean())

    yield {"discriminator": discriminator}
    after = draws.disturbance()

    def generator(start: States, s: States) -> float:
        made = painted(s["generator"], z) + after
        codes = codes_of(s, made)
        pairs = [(a, b) for i, a in enumerate(codes) for j, b in enumerate(codes) if i != j]
        cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs]
        return float(energies(s, made).mean() + options["pull_away_weight"] * np.square(cosines).mean())

    yield {"generator": generator}


def codes_of(s: States, images: Array) -> Array:
    """Of a discriminator that is an autoencoder."""
    return dense(part(s["discriminator"], "encoder."), images)


def again_of(s: States, images: Array) -> Array:
    """What it makes of images."""
    return dense(part(s["discriminator"], "decoder."), codes_of(s, images)).reshape(images.shape)
