"""Autoencoders whose loss is the reconstruction alone, each with another network: ``ae``, ``deep-ae``, ``conv-ae``...

    z = f(x)                    the encoder
    minimise L(x, g(z))         the decoder g; L is the squared error, or the cross-entropy, mean per pixel
    (+ weight decay)            --weight-l1, --weight-l2: of every autoencoder

The update moves all parameters along the gradient of that (`gradient_step` in ``build.py``); the networks are in
``minigen/models/autoencoder.py``. The other files of this folder change the objective, and take the rest from here.

Imports: models, losses, build. Read next: ``build.py``, ``denoising_ae.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from minigen import losses, ops
from minigen.algorithms.autoencoders.build import Objective, build, output_activation
from minigen.algorithms.experiment import Experiment, Recipe, Setup, Term
from minigen.algorithms.options import UPDATE, Option, hidden_widths
from minigen.autograd import Tensor
from minigen.models import autoencoder as architecture
from minigen.models.autoencoder import Autoencoder
from minigen.random import Generator

OPTIONS: Mapping[str, Option] = {
    "loss": Option(str, "reconstruction loss, mean per pixel", choices=("mse", "bce")),
    "weight_l1": Option(float, "weight of sum |w| over all weights in the loss", minimum=0),
    "weight_l2": Option(float, "weight of sum w^2 over all weights in the loss", minimum=0),
}
COMMON: Mapping[str, Any] = {"loss": "mse", **UPDATE, "weight_l1": 0.0, "weight_l2": 0.0}
HIDDEN = 128  # width of hidden layers, in networks that by default have none

Loss = Callable[[Autoencoder, Tensor, Tensor], Tensor]  # (model, decoder output, images) -> mean per pixel


def mse(model: Autoencoder, output: Tensor, x: Tensor) -> Tensor:
    """Squared error of the reconstruction, mean per pixel."""
    return losses.mse(output, x, activation=model.head)


def bce(model: Autoencoder, output: Tensor, x: Tensor) -> Tensor:
    """Binary cross-entropy of the decoder's logits, in nats, mean per pixel. The head must be a sigmoid."""
    return losses.bce_with_logits(output, x)


LOSSES: Mapping[str, Loss] = {"mse": mse, "bce": bce}


def reconstruction(model: Autoencoder, loss: Loss) -> Objective:
    """L(x, g(f(x)))."""

    def objective(x: Tensor, y: Tensor | None, noise: Generator) -> dict[str, Tensor]:
        value = loss(model, model.logits(model.encode(x)), x)
        return {"loss": value, "reconstruction": value}

    return objective


def with_weight_decay(model: Autoencoder, objective: Objective, weights: Mapping[str, float]) -> Objective:
    """The objective, and weight_l1 sum |w| + weight_l2 sum w^2 over all weights (not biases and batch norm's)."""
    norms = {"weight_l1": losses.l1_penalty, "weight_l2": losses.l2_penalty}

    def decayed(x: Tensor, y: Tensor | None, noise: Generator) -> dict[str, Tensor]:
        terms = objective(x, y, noise)
        for name, weight in weights.items():
            terms[name] = norms[name]([p for p in model.parameters() if p.ndim > 1]) * weight
            terms["loss"] = terms["loss"] + terms[name]
        return terms

    return decayed


def assemble(
    setup: Setup, model: Autoencoder, objective: Objective, *, evaluation: Objective | None = None, **penalties: str
) -> Experiment:
    """The experiment of an autoencoder: `build`, with weight decay as the options say, and what the terms are.

    `penalties` are the units of the terms that the objective adds to the reconstruction. The `evaluation`, its term
    "loss", is the reconstruction alone.
    """
    weights = {name: setup.options[name] for name in ("weight_l1", "weight_l2") if setup.options[name]}
    pixel = "squared error, mean per pixel" if setup.options["loss"] == "mse" else "nats, mean per pixel"
    terms = {"loss": Term(f"{pixel}, plus penalties in training"), "reconstruction": Term(pixel, of="loss")}
    units = {**penalties, **dict.fromkeys(weights, "sum over all weights")}
    judged = evaluation or reconstruction(model, LOSSES[setup.options["loss"]])
    return build(
        setup,
        model,
        with_weight_decay(model, objective, weights),
        ledger={**terms, **{name: Term(f"weighted; {unit}", of="loss") for name, unit in units.items()}},
        evaluation=lambda x, y, noise: {"loss": judged(x, y, noise)["loss"]},
    )


def dense_network(setup: Setup, hidden: int, **activations: Any) -> Autoencoder:
    """Pixels, hidden layers as --hidden and --layers say, code, and back; `hidden` is the default of the former."""
    widths = hidden_widths(setup.options, hidden)
    return _network(setup, architecture.dense, (*widths, setup.options["latent"]), widths, **activations)


def _stacked(setup: Setup) -> Autoencoder:
    """A dense layer of half the width stands between code and decoder, whatever --layers says."""
    widths, half = hidden_widths(setup.options), max(1, setup.options["hidden"] // 2)
    return _network(setup, architecture.dense, (*widths, setup.options["latent"]), (half, *widths))


def _convolutional(setup: Setup, make: Callable[..., Autoencoder]) -> Autoencoder:
    sizes = {key: setup.options[key] for key in ("channels", "latent", "halvings") if key in setup.options}
    return _network(setup, make, **sizes)


def _network(setup: Setup, make: Callable[..., Autoencoder], *widths: Any, **how: Any) -> Autoencoder:
    """A network with an output in the range of the data, and weights from the seed."""
    head = output_activation(setup)
    if setup.options["loss"] == "bce" and head is not ops.sigmoid:
        raise ValueError("cross-entropy needs data from 0 to 1, this data set is from -1 to 1; use --loss mse")
    return make(setup.image_shape, *widths, head=head, rng=Generator(setup.seed).spawn("weights"), **how)


def recipe(name: str, summary: str, paper: str, network: Callable[[Setup], Autoencoder], **options: Any) -> Recipe:
    """The autoencoder with that network."""

    def built(setup: Setup) -> Experiment:
        model = network(setup)
        return assemble(setup, model, reconstruction(model, LOSSES[setup.options["loss"]]))

    return Recipe(name, "autoencoder", summary, paper, {**COMMON, **options}, built)


_HINTON = "Hinton and Salakhutdinov 2006, Reducing the dimensionality of data with neural networks, Science 313"

RECIPES: tuple[Recipe, ...] = (
    recipe(
        "ae",
        "pixels-64-pixels: one dense layer each way",
        "Rumelhart, Hinton and Williams 1986, Learning internal representations by error propagation",
        lambda setup: dense_network(setup, HIDDEN),
        latent=64,
        hidden=HIDDEN,
        layers=0,
    ),
    recipe(
        "deep-ae",
        "pixels-128-64-128-pixels: two dense layers each way",
        _HINTON,
        lambda setup: dense_network(setup, 128),
        latent=64,
        hidden=128,
        layers=1,
    ),
    recipe(
        "stacked-ae",
        "pixels-64-32-32-64-pixels: a dense layer between code and decoder",
        _HINTON,
        _stacked,
        latent=32,
        hidden=64,
        layers=1,
    ),
    recipe(
        "conv-ae",
        "3x3 convolutions 16, 8, 8 with pooling to 8x4x4, and back with upsampling",
        "Masci et al. 2011, Stacked convolutional auto-encoders, ICANN",
        lambda setup: _convolutional(setup, architecture.convolutional),
        latent=8,
        channels=16,
    ),
    recipe(
        "dcgan-ae",
        "strided 5x5 convolutions down, transposed ones up, batch norm throughout",
        "Radford, Metz and Chintala 2016, DCGAN, arXiv:1511.06434",
        lambda setup: _convolutional(setup, architecture.dcgan),
        latent=100,
        channels=64,
        halvings=2,
    ),
)
