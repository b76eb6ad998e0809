"""One's own network in the loop: a Module of the user's, with the objective that it names, as a `Recipe`.

The Module says what is descended by its attribute `objective`:

* "mse", "l1", "bce", "bce_with_logits": that loss of `minigen.losses`, mean per pixel, of images x (N, C, H, W) and
  their reconstruction ``forward(x)`` - or ``decode(encode(x))``, without a forward -, of the same shape. With
  "bce_with_logits" the reconstructions shown are the sigmoid of it.
* "elbo": L = -E_q[log p(x | z)] + KL(q(z | x) || N(0, I)), in nats per sample (Kingma and Welling 2014,
  arXiv:1312.6114). ``encode(x)`` gives (mean, logvar), each (N, D), of q(z | x) = N(mean, exp(logvar)). ``decode(z)``
  gives pre-activations y (N, C, H, W), for z (N, D): sigmoid(y) are the probabilities of ``--likelihood bernoulli``;
  the means of a gaussian are sigmoid(y) or tanh(y), for data from 0 or from -1 to 1. Options as of ``vae``.
* a method ``objective(self, x, rng)``: it gives the loss, one number, or a dict of numbers with "loss", each of which
  is logged. Noise has to come from `rng`, a Generator, or from one that a layer keeps, as Dropout does: then a run
  resumes bit for bit.

What else the Module has decides what a run can do. ``encode(x)`` gives codes (N, ...); ``decode(z)`` images of codes;
``latent``, a number beside a method `objective`, says that codes (N, latent) of N(0, I) can be decoded to samples. Of a
tuple that encode, decode or forward gives, its first Tensor is the code or the image.

The class (or a function that returns the Module) is called with those of `GIVEN` that its signature names: the shape
(C, H, W) of the images, the number of classes or None, lowest and highest value of a pixel, the mean of all pixels, the
seed, and a Generator for the weights. Each other argument has a default that is a number, a truth value or a text, and
is an option of the run.

Imports: models, autoencoders, likelihood, user_code. Read next: ``autoencoders/build.py``, ``catalog.py``.
"""

from __future__ import annotations

import hashlib
import inspect
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from minigen import losses, nn, ops
from minigen.algorithms.autoencoders.build import build, build_vae, standard_normal
from minigen.algorithms.experiment import Experiment, Recipe, Setup, Term
from minigen.algorithms.likelihood.build import ELBO, PIXELS, pixel_likelihood
from minigen.algorithms.likelihood.vae import negative_elbo
from minigen.algorithms.options import UPDATE, ConfigError, Option
from minigen.algorithms.user_code import find_in_module, parameters_of, running
from minigen.autograd import Tensor
from minigen.data import Batch
from minigen.models.autoencoder import identity
from minigen.models.likelihood import Likelihood
from minigen.models.vae import VAE
from minigen.random import Generator
from minigen.shapes import shown
from minigen_kernels import Array

GIVEN = ("image_shape", "classes", "value_range", "mean", "seed", "rng")
TAKEN = ("model", "config", "out", "resume", "checkpoint", "json", "as_json", "help", "model_digest")
NOT_TERMS = ("step", "epoch", "split", "seconds", "")  # columns of metrics.csv
#: The losses of a reconstruction, with their units.
LOSSES: Mapping[str, tuple[Callable[[Tensor, Tensor], Tensor], str]] = {
    "mse": (losses.mse, "squared error, mean per pixel"),
    "l1": (losses.l1, "absolute error, mean per pixel"),
    "bce": (losses.bce, "nats, mean per pixel"),
    "bce_with_logits": (losses.bce_with_logits, "nats, mean per pixel"),
}
HOW = f"objective = one of 'elbo', {', '.join(map(repr, LOSSES))}; or a method objective(self, x, rng) for the loss"


def load_recipe(place: str) -> Recipe:
    """The recipe that "my_vae.py:MyVAE" or "my_module:MyVAE" names. ConfigError, UserCodeError if it is none."""
    found, name, file = find_in_module(place, _is_network, "Module with an objective")
    return recipe_of(found, f"{file}:{name}")


def recipe_of(thing: Any, place: str = "") -> Recipe:
    """A class of Modules, a function that returns one, or a `Recipe`, as a Recipe; `place` is "FILE.py:Name".

    ConfigError: it is none of these, names no objective, or its constructor needs what nothing gives.
    """
    if isinstance(thing, Recipe):
        return replace(thing, place=place or thing.place)
    if not inspect.isfunction(thing) and not (isinstance(thing, type) and issubclass(thing, nn.Module)):
        what = f"{place or 'the model'} is {shown(thing)}"
        if isinstance(thing, nn.Module):
            what = f"{place or 'the model'} is a Module; a run makes its own from the class {type(thing).__name__}"
        raise ConfigError(f"{what}; to train it, it has to be a class of nn.Module, or a Recipe")
    place = place or _place_of(thing)
    file, _, path = place.rpartition(":")
    name = path.rpartition(".")[2]
    kind = getattr(thing, "objective", None)
    if isinstance(thing, type) and not callable(kind):
        _check_objective(name, kind)
    usual = {**UPDATE, **(PIXELS if kind == "elbo" or inspect.isfunction(thing) else {})}
    own: dict[str, Any] = {}
    declared = {"model_digest": Option(str, "checksum of the file with the network")}
    for p in parameters_of(thing).values():
        if p.name in GIVEN or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            continue
        if p.default is p.empty or p.kind is p.POSITIONAL_ONLY:
            raise ConfigError(
                f"{name}: its constructor needs {p.name!r}, which nothing gives. It is given {', '.join(GIVEN)}; every "
                "other argument has a default, which is an option of the run if it is a number, true or false, or text"
            )
        if type(p.default) in (int, float, bool, str):
            if p.name in TAKEN:
                raise ConfigError(f"{name}: its argument {p.name!r} has the name of a setting of minigen; rename it")
            real = p.annotation in (float, "float") and type(p.default) is int
            own[p.name] = float(p.default) if real else p.default
            if p.name not in usual:
                declared[p.name] = Option(type(own[p.name]), f"an argument of {name}")
    digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()[:16] if Path(file).is_file() else "none"
    return Recipe(
        name,
        "own",
        (thing.__doc__ or "").strip().partition("\n")[0].rstrip(".") or "a network of your own",
        f"From {file}",
        {**usual, **own, "model_digest": digest},
        lambda setup: _build(thing, name, own, setup),
        place=place,
        declared=declared,
    )


def _is_network(value: Any) -> bool:
    return isinstance(value, Recipe) or (isinstance(value, type) and issubclass(value, nn.Module))


def _place_of(thing: Any) -> str:
    """Where a class or function was defined: "FILE.py:Name", or "module:Name" in a notebook."""
    file = getattr(sys.modules.get(getattr(thing, "__module__", "")), "__file__", None)
    found = thing.__module__ if file is None else Path(file).absolute()
    return f"{found}:{thing.__qualname__}"


def _check_objective(name: str, kind: Any) -> None:
    if kind is None:
        raise ConfigError(f"{name} names no objective, so nothing can be descended; give it {HOW}")
    if not callable(kind) and kind != "elbo" and kind not in LOSSES:
        raise ConfigError(f"{name}: unknown objective {kind!r}; give it {HOW}")


class OwnNetwork(VAE):
    """A network of the user's as the functions of an autoencoder and of a VAE; what they give is held to its shape.

    Its parameters are those of `network`; `head` is what makes images of the output of forward or decode.
    """

    def __init__(self, network: nn.Module, name: str, image: tuple[int, ...], likelihood: Likelihood | None) -> None:
        self.network, self.name, self.image, self.classes = network, name, image, 0
        self.objective = getattr(network, "objective", None)
        _check_objective(name, self.objective)
        self.has_encode, self.has_decode = (callable(getattr(network, m, None)) for m in ("encode", "decode"))
        wanted = [p for p in parameters_of(network.forward).values() if p.default is p.empty]
        own_forward = type(network).forward is not nn.Module.forward
        self.by_forward = own_forward and self.objective != "elbo" and len(wanted) == 1
        self.head: Callable[[Tensor], Tensor] = ops.sigmoid if self.objective == "bce_with_logits" else identity
        if likelihood is not None:
            self.likelihood, self.head = likelihood, likelihood.head
        self.code_shape: tuple[int, ...] = ()
        self.ledger: dict[str, Term] = {}  # of what is logged; empty until the first look
        self.centre = Tensor(np.zeros((), np.float32))  # has the device of the network

    def set_data_mean(self, mean: float) -> None:
        """Nothing: the first weights are those that the user chose."""

    def ask(self, method: str, *inputs: Any) -> Any:
        """What a method of the user's gives."""
        with running(f"{self.name}.{method}"):
            return self.network.call_submodule(getattr(self.network, method), *inputs)

    def posterior(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance, each (N, D), of q(z | x) for images (N, C, H, W)."""
        found = self.ask("encode", x)
        pair = found if isinstance(found, (tuple, list)) else (found,)
        shapes = [p.shape if isinstance(p, Tensor) else shown(p) for p in pair]
        if len(shapes) != 2 or shapes[0] != shapes[1] or len(shapes[0]) != 2 or shapes[0][0] != len(x):
            got = " and ".join(map(str, shapes))
            raise ValueError(f"{self.name}: encode has to give (mean, logvar), each ({len(x)}, D), and gave {got}")
        return pair[0], pair[1]

    def encode(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Images (N, C, H, W) to codes (N, ...)."""
        code = _first(self.ask("encode", x))
        if not isinstance(code, Tensor) or code.shape[:1] != x.shape[:1]:
            raise ValueError(f"{self.name}: encode has to give codes ({len(x)}, ...), and gave {shown(code)}")
        return code

    def logits(self, code: Tensor, y: Tensor | None = None) -> Tensor:
        """Codes (N, ...), or (N, D) of the same size, to images before the head."""
        return self._images("decode", self.ask("decode", ops.reshape(code, (-1, *self.code_shape))), len(code))

    def output(self, x: Tensor) -> Tensor:
        """Images to their reconstructions before the head."""
        if self.by_forward:
            return self._images("forward", self.ask("forward", x), len(x))
        return self.logits(self.encode(x))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return self.head(self.output(x))

    def _images(self, method: str, found: Any, n: int) -> Tensor:
        images, wanted = _first(found), (n, *self.image)
        if not isinstance(images, Tensor) or images.shape != wanted:
            raise ValueError(f"{self.name}: {method} has to give images {wanted}, and gave {shown(images)}")
        if isinstance(self.objective, str) and images.dtype != np.float32:
            raise ValueError(f"{self.name}: {method} has to give float32, as the images are, and gave {images.dtype}")
        return images

    def terms(self, x: Tensor, y: Tensor | None, noise: Generator) -> dict[str, Any]:
        """The loss of images (N, C, H, W), and what else is logged of it: of a loss by name, or the user's own."""
        if isinstance(self.objective, str):
            return {"loss": LOSSES[self.objective][0](self.output(x), x)}
        found = self.ask("objective", x, noise)
        terms = dict(found) if isinstance(found, Mapping) else {"loss": found}
        for key, value in terms.items():
            if getattr(value, "shape", ()) or not isinstance(value, (Tensor, float, int, np.number, np.ndarray)):
                raise ValueError(f"{self.name}: objective has to give one number, and {key!r} is {shown(value)}")
            if not isinstance(key, str) or key in NOT_TERMS:
                raise ValueError(f"{self.name}: objective cannot call a term {key!r}; names are texts, and other ones")
        if not isinstance(terms.get("loss"), Tensor):
            raise ValueError(f"{self.name}: objective has to give a Tensor as 'loss', and gave {shown(found)}")
        if self.ledger and terms.keys() != self.ledger.keys():
            now, first = (", ".join(map(repr, names)) for names in (terms, self.ledger))
            raise ValueError(f"{self.name}: objective has to give the same terms each time: first {first}, now {now}")
        return terms


def _first(found: Any) -> Any:
    return found[0] if isinstance(found, (tuple, list)) and found else found


def _build(thing: Any, name: str, own: Mapping[str, Any], setup: Setup) -> Experiment:
    """The experiment of a user's network. One look at two random images finds out what does not fit."""
    rng = Generator(setup.seed)
    given = {"rng": rng.spawn("weights"), **{key: getattr(setup, key) for key in GIVEN if key != "rng"}}
    arguments = {key: value for key, value in given.items() if key in parameters_of(thing)}
    with running(f"the constructor of {name}"):
        network = thing(**arguments, **{key: setup.options[key] for key in own})
    if not isinstance(network, nn.Module):
        raise ValueError(f"{name}: expected it to return an nn.Module, got {shown(network)}")
    if not any(p.requires_grad for p in network.parameters()):
        raise ValueError(f"{name}: it has no nn.Parameter that is trained")
    likelihood = pixel_likelihood(setup) if getattr(network, "objective", None) == "elbo" else None
    idle = {key: value for key, value in PIXELS.items() if likelihood is None and key not in own}
    if any(setup.options.get(key, value) != value for key, value in idle.items()):  # a function may return anything
        raise ValueError(f"{name}: {', '.join(f'--{key}' for key in idle)} have no effect without objective 'elbo'")
    model = OwnNetwork(network, name, setup.image_shape, likelihood)
    x = rng.spawn("trial").uniform((2, *setup.image_shape), *setup.value_range, dtype=np.float32)
    with model.evaluation():
        size, reconstructs = _look(model, Tensor(x))
    if likelihood is not None:
        model.latent = size
        experiment = build_vae(setup, model, negative_elbo(model), ledger=ELBO)
    else:
        experiment = _without_likelihood(setup, model, size, reconstructs)
    learned = {} if likelihood is None or not likelihood.parameters() else {"likelihood": likelihood}
    experiment.modules, experiment.network = {"model": network, **learned}, model
    experiment.routes = {"model": tuple(experiment.modules)}
    for path, module in network.named_modules():  # a generator that a layer keeps; several layers may share one
        kept = {f"model.{path}.{key}": value for key, value in vars(module).items() if isinstance(value, Generator)}
        experiment.generators |= {k: g for k, g in kept.items() if g not in experiment.generators.values()}
    assert experiment.evaluate is not None
    terms = experiment.evaluate(Batch(x, None, np.arange(2)))
    if not math.isfinite(float(terms["loss"])):
        raise ValueError(f"{name}: with its first weights the loss of random images is {float(terms['loss'])}")
    if likelihood is None:
        unit = f"as {name}.objective says" if callable(model.objective) else LOSSES[str(model.objective)][1]
        model.ledger.update({key: Term(unit) for key in ("loss", *terms)})
    return experiment


def _look(model: OwnNetwork, x: Tensor) -> tuple[int, bool]:
    """How many numbers a code has, 0 for a network without codes, and whether images can be reconstructed.

    `model` learns the shape of a code.
    """
    name, kind, both = model.name, model.objective, model.has_encode and model.has_decode
    if isinstance(kind, str) and not (model.by_forward or both):
        wanted = "encode(x) and decode(z)" if kind == "elbo" else "a forward(x), or encode(x) and decode(z)"
        raise ValueError(f"{name}: the objective {kind!r} needs {wanted}")
    latent = None if isinstance(kind, str) else getattr(model.network, "latent", None)
    if model.has_encode:
        model.code_shape = (model.posterior(x)[0] if kind == "elbo" else model.encode(x)).shape[1:]
    elif model.has_decode and isinstance(latent, int):
        model.code_shape = (latent,)
    size = math.prod(model.code_shape) if model.code_shape else 0
    if both and latent not in (None, size):
        raise ValueError(f"{name}: its latent is {latent}, but encode gives codes of {size} numbers")
    if model.has_decode and size:
        model.logits(Tensor(np.zeros((2, *model.code_shape), np.float32)))
    if model.by_forward and callable(kind):  # what forward gives may as well be features, or anything else
        return size, getattr(_first(model.ask("forward", x)), "shape", ()) == x.shape
    return size, model.by_forward or both


def _without_likelihood(setup: Setup, model: OwnNetwork, size: int, reconstructs: bool) -> Experiment:
    """Of a loss of reconstructions, or of the user's own objective. What the network cannot do is None."""

    def samples(images: Array) -> list[Array]:
        """The picture of a network that reconstructs nothing: what it draws, from codes that are always the same."""
        codes = draw(len(images), Generator(setup.seed).spawn("pictures"))
        return [images if latent is None or not prior else latent.decode(codes, None)]

    draw, decodes = standard_normal(size), model.has_decode and size > 0
    prior = decodes and callable(model.objective) and getattr(model.network, "latent", None) is not None
    plain = replace(setup, options={**setup.options, "binarize": "none"})
    experiment = build(
        plain, model, model.terms, ledger=model.ledger, draw=draw if prior else None, code_shape=model.code_shape
    )
    latent = experiment.latent if decodes else None
    experiment.latent = latent
    if not model.has_encode:
        experiment.encode = None
    if not reconstructs:
        experiment.reconstruct, experiment.pictures = None, samples
    return experiment
