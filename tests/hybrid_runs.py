"""Helpers of the tests of hybrids: small models in float64, each of their losses in plain NumPy, and what updates do.

Read next: ``test_hybrid_losses.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from adversarial_runs import dense

from minigen import optim
from minigen.data import Batch
from minigen.random import Generator
from minigen.tensor import Tensor
from minigen.training.experiment import Experiment, Recipe, Setup
from minigen.training.hybrid import RECIPES

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


def watched_step(experiment: Experiment, one: Batch) -> tuple[Mapping[str, Any], dict[str, Update]]:
    """The terms of a step, and its updates by the names of their losses."""
    seen: dict[str, Update] = {}

    def watch(name: str, loss: Tensor) -> Callable[[], None]:
        assert name not in seen
        seen[name] = Update(float(loss), states(experiment))

        def moved() -> None:
            route = experiment.routes[name]
            seen[name].after = states(experiment)
            seen[name].gradients = {
                m: {key: p.grad.numpy() for key, p in experiment.modules[m].named_parameters() if p.grad is not None}
                for m in route
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


Oracle = Callable[[States, States], float]  # (states at the beginning of the step, of now) -> loss


def draws(experiment: Experiment) -> Generator:
    """A twin of the training noise, which draws what the step will draw."""
    twin = Generator(0)
    twin.state = experiment.generators["noise"].state
    return twin


def oracles(name: str, experiment: Experiment, x: Array, options: Mapping[str, Any]) -> dict[str, Oracle]:
    """Each loss of the coming step on images x, as a function of the states of the modules."""
    noise, n = draws(experiment), len(x)
    minimax = options.get("generator_loss") == "minimax"
    smoothing = options.get("label_smoothing", 0.0)

    def normal(size: int) -> Array:
        return noise.normal((n, size), dtype=np.float64)

    if name == "aae":
        prior = normal(3)

        def code(s: States) -> Array:
            return dense(s["encoder"], x)

        def scores(s: States, z: Array) -> Array:
            return judged(s["discriminator"], z)[1]

        moved: dict[str, Array] = {}

        def discriminator(start: States, s: States) -> float:
            moved.setdefault("codes", code(s))  # of the encoder that has reconstructed
            return real_nats(scores(s, prior), smoothing) + fake_nats(scores(s, moved["codes"]))

        return {
            "reconstruction": lambda start, s: float(((painted(s["decoder"], code(s)) - x) ** 2).mean()),
            "discriminator": discriminator,
            "generator": lambda start, s: generator_nats(scores(s, code(s)), minimax),
        }
    if name == "vae-gan":
        return _vae_gan(x, normal(3), normal(3), options, minimax, smoothing)
    if name == "ali":
        return _ali(x, normal(3), normal(3), smoothing)
    z = normal(3)
    if name in ("mdgan", "dfm"):

        def adversary(start: States, s: States) -> float:
            codes = dense(start["encoder"], x) if name == "mdgan" else z[:0]
            fake = together(start["generator"], z, codes)[0]
            return real_nats(judged(s["discriminator"], x)[1], smoothing) + fake_nats(
                judged(s["discriminator"], fake)[1]
            )

        if name == "mdgan":
            return {"discriminator": adversary, "generator": _mdgan(x, z, options, minimax)}
        corruption = options["feature_noise"] * noise.normal((n, 6), dtype=np.float64)
        return {"discriminator": adversary, **_dfm(x, z, corruption, options, minimax)}
    return _autoencoding(name, x, z, experiment, options)


def _vae_gan(
    x: Array, noise: Array, prior: Array, options: Mapping[str, Any], minimax: bool, smoothing: float
) -> dict[str, Oracle]:
    variance, weight = options["feature_variance"], options["feature_weight"]

    def posterior(s: States) -> tuple[Array, Array]:
        state = s["encoder"]
        mean = dense(part(state, "features.", "mean."), x)
        return mean, 15 * np.tanh(dense(part(state, "features.", "logvar."), x) / 15)

    def made(encoder: States, s: States) -> tuple[Array, Array]:
        """Reconstructions and samples."""
        mean, logvar = posterior(encoder)
        return together(s["decoder"], mean + np.exp(logvar / 2) * noise, prior)

    def error(encoder: States, s: States, wanted: Array) -> float:
        features = judged(s["discriminator"], made(encoder, s)[0])[0]
        return float(((features - wanted) ** 2).sum(1).mean() / (2 * variance))

    def target(start: States) -> Array:
        return judged(start["discriminator"], x)[0]

    def encoder(start: States, s: States) -> float:
        mean, logvar = posterior(s)
        kl = 0.5 * (mean**2 + np.exp(logvar) - logvar - 1).sum(1).mean()
        return float(kl + error(s, s, target(start)))

    def decoder(start: States, s: States) -> float:
        images = made(start, s)
        adversarial = sum(generator_nats(judged(s["discriminator"], x)[1], minimax) for x in images)
        return weight * error(start, s, target(start)) + adversarial

    def discriminator(start: States, s: States) -> float:
        nats = sum(fake_nats(judged(s["discriminator"], images)[1]) for images in made(start, start))
        return real_nats(judged(s["discriminator"], x)[1], smoothing) + nats

    return {"encoder": encoder, "decoder": decoder, "discriminator": discriminator}


def _ali(x: Array, noise: Array, z: Array, smoothing: float) -> dict[str, Oracle]:
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
        made = painted(start["generator"], z)
        return real_nats(scores(s, x, code(start)), smoothing) + fake_nats(scores(s, made, z))

    def generator(start: States, s: States) -> float:
        return fake_nats(scores(s, x, code(s))) + real_nats(scores(s, painted(s["generator"], z), z))

    return {"discriminator": discriminator, "generator": generator}


def _mdgan(x: Array, z: Array, options: Mapping[str, Any], minimax: bool) -> Oracle:
    def generator(start: States, s: States) -> float:
        fake, again = together(s["generator"], z, dense(s["encoder"], x))
        mode = generator_nats(judged(s["discriminator"], again)[1], minimax)
        adversarial = generator_nats(judged(s["discriminator"], fake)[1], minimax)
        squares = float(((again - x) ** 2).mean())
        return adversarial + options["reconstruction_weight"] * squares + options["mode_weight"] * mode

    return generator


def _dfm(x: Array, z: Array, corruption: Array, options: Mapping[str, Any], minimax: bool) -> dict[str, Oracle]:
    goals: list[Array] = []  # the denoiser's answer: the gradient must not flow into it

    def denoiser(start: States, s: States) -> float:
        clean = judged(start["discriminator"], x)[0]
        return float(((dense(s["denoiser"], clean + corruption) - clean) ** 2).mean())

    def generator(start: States, s: States) -> float:
        features, scores = judged(s["discriminator"], painted(s["generator"], z))
        if not goals:
            goals.append(dense(s["denoiser"], features))
        squares = float(((features - goals[0]) ** 2).mean())
        return generator_nats(scores, minimax) + options["feature_weight"] * squares

    return {"denoiser": denoiser, "generator": generator}


def _autoencoding(
    name: str, x: Array, z: Array, experiment: Experiment, options: Mapping[str, Any]
) -> dict[str, Oracle]:
    def codes(s: States, images: Array) -> Array:
        return dense(part(s["discriminator"], "encoder."), images)

    def errors(s: States, images: Array) -> Array:
        again = dense(part(s["discriminator"], "decoder."), codes(s, images)).reshape(images.shape)
        return np.abs(again - images) if name == "began" else (again - images) ** 2

    def fake(s: States) -> Array:
        return painted(s["generator"], z)

    if name == "began":
        return {
            "discriminator": lambda start, s: float(
                errors(s, x).mean() - start["balance"]["k"] * errors(s, fake(start)).mean()
            ),
            "generator": lambda start, s: float(errors(s, fake(s)).mean()),
        }

    def pull_away(c: Array) -> float:
        pairs = [(a, b) for i, a in enumerate(c) for j, b in enumerate(c) if i != j]
        cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for a, b in pairs]
        return float(np.square(cosines).mean())

    def discriminator(start: States, s: States) -> float:
        energy = errors(s, fake(start)).mean((1, 2, 3))
        return float(errors(s, x).mean() + np.maximum(0, options["margin"] - energy).mean())

    def generator(start: States, s: States) -> float:
        return float(errors(s, fake(s)).mean() + options["pull_away_weight"] * pull_away(codes(s, fake(s))))

    return {"discriminator": discriminator, "generator": generator}
