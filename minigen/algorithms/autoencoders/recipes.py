"""The autoencoders by name, with their options.

Imports: models, training steps, optim. Read next: ``step.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minigen import ops
from minigen.algorithms.autoencoders import step as training
from minigen.algorithms.experiment import Experiment, Latent, Recipe, Setup, Term
from minigen.algorithms.options import UPDATE, Option
from minigen.algorithms.updates import Updates, make_optimizer, make_schedule
from minigen.autograd import Tensor
from minigen.device import to_device
from minigen.models import autoencoder as architecture
from minigen.models.autoencoder import Autoencoder, ImageShape
from minigen.random import Generator

OPTIONS: Mapping[str, Option] = {
    "loss": Option(str, "reconstruction loss, mean per pixel", choices=("mse", "bce")),
    "weight_l1": Option(float, "weight of sum |w| over all weights in the loss", minimum=0),
    "weight_l2": Option(float, "weight of sum w^2 over all weights in the loss", minimum=0),
    "corruption": Option(str, "what is done to the input", choices=("masking", "gaussian", "salt-and-pepper")),
    "corruption_level": Option(float, "share of pixels hit, or standard deviation of the noise", minimum=0, maximum=1),
    "sparsity": Option(str, "what makes the code sparse", choices=("l1", "kl", "topk")),
    "sparsity_weight": Option(float, "weight of the sparsity penalty (l1, kl)", minimum=0),
    "sparsity_rho": Option(float, "wanted mean activation (kl)", minimum=0, exclusive=True, maximum=0.5),
    "sparsity_k": Option(int, "number of code units that stay active (topk)", minimum=1),
    "contraction": Option(float, "weight of the Jacobian's squared norm", minimum=0),
}

_COMMON = {"loss": "mse", **UPDATE, "weight_l1": 0.0, "weight_l2": 0.0}

Network = Callable[[ImageShape, Mapping[str, Any], Callable[[Tensor], Tensor], Generator], Autoencoder]


def _autoencoder(name: str, summary: str, paper: str, network: Network, **options: Any) -> Recipe:
    """A recipe for an autoencoder: its network, and the options beyond those that all of them take."""

    def build(setup: Setup) -> Experiment:
        return _build(name, network, setup)

    return Recipe(name, "autoencoder", summary, paper, {**_COMMON, **options}, build)


def _build(name: str, network: Network, setup: Setup) -> Experiment:
    options, device = setup.options, setup.device
    rng = Generator(setup.seed)
    noise = Generator(setup.seed, device=device).spawn("noise")
    low, high = setup.value_range
    model = network(setup.image_shape, options, _head(name, setup), rng.spawn("weights"))
    model.start_at(setup.mean)
    with model.evaluation():  # a network that does not fit the images is found out here, by its layer's full name
        code = model.encode(Tensor(np.zeros((1, *setup.image_shape), np.float32)))
        model.decode(code)
    code_shape, code_size = code.shape[1:], code.size
    model.to(device)
    optimizer = make_optimizer(options["optimizer"], model, options["lr"])
    loss = training.bce if options["loss"] == "bce" else training.mse
    corrupt: training.Corrupt | None = None
    if "corruption" in options:
        level = options["corruption_level"]
        corrupt = {
            "masking": lambda: training.masking(level, noise, low),
            "gaussian": lambda: training.gaussian(level, noise, low, high),
            "salt-and-pepper": lambda: training.salt_and_pepper(level, noise, low, high),
        }[options["corruption"]]()

    def corrupt_to_look(images: Any) -> Any:
        """`corrupt` with the same noise each time: looking must not change the training that follows."""
        if corrupt is None:
            return images
        state = noise.state
        noise.state = Generator(setup.seed).spawn("pictures").state
        corrupted = corrupt(images)
        noise.state = state
        return corrupted

    def pictures(images: Any) -> list[Any]:
        if corrupt is None:
            return [images, training.reconstruct_images(model, images, device)]
        corrupted = to_device(corrupt_to_look(to_device(images, device)), "cpu")
        return [images, corrupted, training.reconstruct_images(model, corrupted, device)]

    update = Updates({"model": optimizer}, clip_norm=options["clip_norm"])
    penalties = _penalties(options)
    return Experiment(
        modules={"model": model},
        updates=update,
        generators={"noise": noise},
        step=training.autoencoder_step(model, update, loss, corrupt=corrupt, penalties=penalties, device=device),
        evaluate=training.autoencoder_evaluation(model, loss, corrupt=corrupt_to_look, device=device),
        schedule=make_schedule(options["schedule"], optimizer, setup.steps),
        pictures=pictures,
        reconstruct=lambda images: training.reconstruct_images(model, images, device),
        encode=lambda images: training.encode_images(model, images, device),
        ledger=_ledger(options["loss"], penalties),
        routes={"model": ("model",)},
        latent=Latent(code_size, lambda codes, _: training.decode_codes(model, codes, code_shape, device)),
    )


def _head(name: str, setup: Setup) -> Callable[[Tensor], Tensor]:
    """The last activation: its range must be that of the data."""
    if name == "linear-ae":
        if setup.options["loss"] == "bce":
            raise ValueError("linear-ae: a linear output has no cross-entropy; use --loss mse")
        return architecture.identity
    if setup.value_range == (0.0, 1.0):
        return ops.sigmoid
    if setup.value_range != (-1.0, 1.0):
        raise ValueError(f"{name}: expected data in the range (0, 1) or (-1, 1), got {setup.value_range}")
    if setup.options["loss"] == "bce":
        raise ValueError(f"{name}: cross-entropy needs data from 0 to 1, this data set is from -1 to 1; use --loss mse")
    return ops.tanh


def _penalties(options: Mapping[str, Any]) -> dict[str, training.Penalty]:
    """The terms that the options add to the loss, by the names under which they are logged."""
    terms: dict[str, training.Penalty] = {}
    if options.get("sparsity") == "l1":
        terms["sparsity"] = training.activity_l1(options["sparsity_weight"])
    if options.get("sparsity") == "kl":
        terms["sparsity"] = training.activity_kl(options["sparsity_weight"], options["sparsity_rho"])
    if options.get("contraction"):
        terms["contraction"] = training.contraction(options["contraction"])
    if options["weight_l1"]:
        terms["weight_l1"] = training.weight_penalty("l1", options["weight_l1"])
    if options["weight_l2"]:
        terms["weight_l2"] = training.weight_penalty("l2", options["weight_l2"])
    return terms


def _ledger(loss: str, penalties: Mapping[str, training.Penalty]) -> dict[str, Term]:
    pixel = "squared error, mean per pixel" if loss == "mse" else "nats, mean per pixel"
    units = {
        "sparsity": "weighted; l1: sum per sample, kl: nats, sum over code units",
        "contraction": "weighted; squared Jacobian norm per sample",
        "weight_l1": "weighted; sum over all weights",
        "weight_l2": "weighted; sum over all weights",
    }
    terms = {"loss": Term(f"{pixel}, plus penalties in training"), "reconstruction": Term(pixel, of="loss")}
    return {**terms, **{name: Term(units[name], of="loss") for name in penalties}}


_SPARSITY: Mapping[str, Any] = {"sparsity": "l1", "sparsity_weight": 1e-4, "sparsity_rho": 0.05, "sparsity_k": 10}


def _sparse_network(
    image: ImageShape, options: Mapping[str, Any], head: Callable[[Tensor], Tensor], rng: Generator
) -> Autoencoder:
    kind, latent = options["sparsity"], options["latent"]
    for name in {"l1": ("rho", "k"), "kl": ("k",), "topk": ("weight", "rho")}[kind]:
        if options[f"sparsity_{name}"] != _SPARSITY[f"sparsity_{name}"]:
            raise ValueError(f"sparse-ae: --sparsity-{name} has no effect with --sparsity {kind}; leave it out")
    if kind == "topk" and options["sparsity_k"] > latent:
        raise ValueError(f"sparse-ae: --sparsity-k {options['sparsity_k']} is more than --latent {latent}")
    code: Any = {"l1": ops.relu, "kl": ops.sigmoid}.get(kind) or architecture.TopK(options["sparsity_k"])
    return architecture.dense(image, (latent,), (), code=code, head=head, rng=rng)


_VINCENT = "Vincent et al. 2010, Stacked denoising autoencoders, JMLR 11"
_HINTON = "Hinton and Salakhutdinov 2006, Reducing the dimensionality of data with neural networks, Science 313"

RECIPES: tuple[Recipe, ...] = (
    _autoencoder(
        "ae",
        "pixels-64-pixels: one dense layer each way",
        "Rumelhart, Hinton and Williams 1986, Learning internal representations by error propagation",
        lambda image, o, head, rng: architecture.dense(image, (o["latent"],), (), head=head, rng=rng),
        latent=64,
    ),
    _autoencoder(
        "deep-ae",
        "pixels-128-64-128-pixels: two dense layers each way",
        _HINTON,
        lambda image, o, head, rng: architecture.dense(image, (128, o["latent"]), (128,), head=head, rng=rng),
        latent=64,
    ),
    _autoencoder(
        "stacked-ae",
        "pixels-64-32-32-64-pixels: a dense layer between code and decoder",
        _HINTON,
        lambda image, o, head, rng: architecture.dense(image, (64, o["latent"]), (32, 64), head=head, rng=rng),
        latent=32,
    ),
    _autoencoder(
        "conv-ae",
        "3x3 convolutions 16, 8, 8 with pooling to 8x4x4, and back with upsampling",
        "Masci et al. 2011, Stacked convolutional auto-encoders, ICANN",
        lambda image, o, head, rng: architecture.convolutional(image, latent=o["latent"], head=head, rng=rng),
        latent=8,
    ),
    _autoencoder(
        "dcgan-ae",
        "strided 5x5 convolutions down, transposed ones up, batch norm throughout",
        "Radford, Metz and Chintala 2016, DCGAN, arXiv:1511.06434",
        lambda image, o, head, rng: architecture.dcgan(image, latent=o["latent"], head=head, rng=rng),
        latent=100,
    ),
    _autoencoder(
        "sparse-ae",
        "pixels-64-pixels with few active code units: L1, KL-rho or the k largest",
        "Ng 2011, CS294A notes; Makhzani and Frey 2014, arXiv:1312.5663",
        _sparse_network,
        latent=64,
        **_SPARSITY,
    ),
    _autoencoder(
        "denoising-ae",
        "pixels-256-64-256-pixels that sees corrupted images and is asked for the clean ones",
        _VINCENT,
        lambda image, o, head, rng: architecture.dense(image, (256, o["latent"]), (256,), head=head, rng=rng),
        latent=64,
        corruption="masking",
        corruption_level=0.3,
    ),
    _autoencoder(
        "contractive-ae",
        "pixels-32-pixels, sigmoid code, exact penalty on the encoder's Jacobian",
        "Rifai et al. 2011, Contractive auto-encoders, ICML",
        lambda image, o, head, rng: architecture.dense(image, (o["latent"],), (), code=ops.sigmoid, head=head, rng=rng),
        latent=32,
        contraction=1e-4,
    ),
    _autoencoder(
        "linear-ae",
        "pixels-32-pixels without activations: finds the subspace of the principal components",
        "Baldi and Hornik 1989, Neural networks and principal component analysis, Neural Networks 2",
        lambda image, o, head, rng: architecture.dense(
            image, (o["latent"],), (), code=architecture.identity, head=head, rng=rng
        ),
        latent=32,
    ),
)
