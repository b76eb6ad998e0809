"""The VQ-VAE (van den Oord et al. 2017, arXiv:1711.00937): codes are entries of a codebook, and have a learned prior.

    loss      moves      paper
    model     model      equation 3, first and third term: reconstruct, and stay near the entries
    prior     prior      section 3.3: -log p of the grid of codes, which is constant to it
    codebook  codebook   equation 3, second term; with --codebook ema no loss: entries follow running means (A.1)

The paper fits the prior afterwards, to a trained encoder. Here it learns beside the encoder, in the same run, from
entries that are constants to it: it shapes nothing, and after training it knows the codes as they are.

Each update is in `vq_step`, below.

Imports: build, models. Read next: ``minigen/models/vq_vae.py``, ``minigen/models/pixel_cnn.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigen import losses, ops
from minigen.algorithms.autoencoders.build import Preprocess, evaluation_noise, inputs, preprocessing
from minigen.algorithms.experiment import Experiment, Latent, Recipe, Setup, Step, Term, Terms
from minigen.algorithms.likelihood.build import COMMON, pixel_likelihood
from minigen.algorithms.options import Option
from minigen.algorithms.prediction import predict
from minigen.algorithms.updates import Updates, make_optimizer, make_schedule
from minigen.autograd import Tensor
from minigen.data import Batch
from minigen.models import vq_vae as architecture
from minigen.models.pixel_cnn import PixelCNN
from minigen.models.vq_vae import VQVAE, Codebook, Total, perplexity, straight_through
from minigen.random import Generator
from minigen_kernels import Array

OPTIONS: Mapping[str, Option] = {
    "codebook": Option(str, "entries follow running means of codes (ema), or a gradient", choices=("ema", "gradient")),
    "codes": Option(int, "entries of the codebook", minimum=1),
    "codebook_decay": Option(
        float, "how slowly the running means move (--codebook ema)", minimum=0, exclusive=True, maximum=0.9999
    ),
    "commitment": Option(float, "weight of the distance that holds codes near their entries", minimum=0),
    "restart_after": Option(int, "updates after which an unused entry is put where codes are; 0: never", minimum=0),
    "lr_prior": Option(float, "learning rate of the prior over the grid of codes", minimum=0, exclusive=True),
    "prior_channels": Option(int, "channels of the prior over the grid of codes", minimum=1),
    "prior_layers": Option(int, "masked blocks of the prior over the grid of codes", minimum=1),
}
DECAY = 0.99
PRIOR_SAMPLES = 500  # of `Latent.look`: a PixelCNN draws place by place: 10,000 grids of 7x7 take seven seconds


@dataclass(frozen=True)
class Networks:
    """The three networks, and the weight of the commitment."""

    model: VQVAE
    codebook: Codebook
    prior: PixelCNN
    commitment: float

    def terms(self, x: Tensor, total: Total = list) -> tuple[dict[str, Tensor], Array, Array]:
        """The terms of images x (N, C, H, W), their z (N, D, h, w), and the indices of their entries (N, h, w).

        reconstruction -log p(x | e), commitment |z - sg[e]|^2, codebook |sg[z] - e|^2, prior -log p(indices), each a
        sum per sample and a mean over N; sg[.] is a constant to the gradient.
        """
        z = self.model.encode(x)
        indices = self.codebook.nearest(z.data)
        e = self.codebook.embed(indices)
        (usage,) = total([self.codebook.usage(indices)])
        terms = {
            "reconstruction": self.model.likelihood.nll(self.model.logits(straight_through(z, e)), x),
            "commitment": losses.mse(z, e, reduction="batchmean"),
            "prior": ops.mean(self.prior.nll(e, indices)),
        }
        loss = terms["reconstruction"] + terms["commitment"] * self.commitment
        if self.codebook.decay is None:
            terms["codebook"] = self.codebook.codebook_loss(z, indices)
            loss = loss + terms["codebook"]
        watched = {"usage": Tensor((usage > 0).mean(dtype=usage.dtype)), "perplexity": perplexity(usage)}
        return {"loss": loss.detach(), **terms, **watched}, z.data, indices


def vq_step(
    networks: Networks, update: Updates, preprocess: Preprocess, noise: Generator, *, restart_after: int
) -> Step:
    """One update of each loss, then of what no loss moves: running means, and entries that nobody uses."""

    def step(batch: Batch) -> Terms:
        terms, z, indices = networks.terms(preprocess(batch.x, noise), update.total)
        update("model", terms["reconstruction"] + terms["commitment"] * networks.commitment)
        update("prior", terms["prior"])
        if networks.codebook.decay is None:
            update("codebook", terms["codebook"])
        else:
            networks.codebook.ema_update(z, indices, total=update.total)
        networks.codebook.restart_unused(
            z, indices, after=restart_after, rng=noise, total=update.total, part=update.part
        )
        return terms

    return step


def _build(setup: Setup) -> Experiment:
    options, device = setup.options, setup.device
    networks = _networks(setup)
    modules = {"model": networks.model, "codebook": networks.codebook, "prior": networks.prior}
    for module in modules.values():
        module.to(device)
    trained = [name for name, module in modules.items() if module.parameters()]
    lr = {name: options["lr_prior" if name == "prior" else "lr"] for name in trained}
    optimizers = {name: make_optimizer(options["optimizer"], modules[name], lr[name]) for name in trained}
    update = Updates(optimizers, clip_norm=options["clip_norm"])
    noise, preprocess = Generator(setup.seed, device=device).spawn("noise"), preprocessing(setup)

    def evaluate(batch: Batch) -> Terms:
        with networks.model.evaluation():
            return networks.terms(preprocess(batch.x, evaluation_noise(setup)))[0]

    return Experiment(
        modules=modules,
        updates=update,
        generators={"noise": noise},
        step=vq_step(networks, update, preprocess, noise, restart_after=options["restart_after"]),
        schedule=make_schedule(options["schedule"], optimizers.values(), setup.steps),
        ledger=_ledger(options),
        routes={name: (name,) for name in trained},
        evaluate=evaluate,
        **_inference(setup, networks),
    )


def _networks(setup: Setup) -> Networks:
    options, weights = setup.options, Generator(setup.seed).spawn("weights")
    if options["codebook"] == "gradient" and options["codebook_decay"] != DECAY:
        raise ValueError("--codebook-decay has no effect with --codebook gradient; leave it out")
    codes, size = options["codes"], options["latent"]
    model = architecture.convolutional(
        setup.image_shape,
        pixel_likelihood(setup),
        channels=options["channels"],
        layers=options["layers"],
        latent=size,
        rng=weights.spawn("model"),
    )
    model.set_data_mean(setup.mean)
    decay = options["codebook_decay"] if options["codebook"] == "ema" else None
    prior = PixelCNN(
        codes,
        size,
        architecture.grid_shape(setup.image_shape),
        channels=options["prior_channels"],
        layers=options["prior_layers"],
        rng=weights.spawn("prior"),
    )
    codebook = Codebook(codes, size, decay=decay, rng=weights.spawn("codebook"))
    return Networks(model, codebook, prior, options["commitment"])


def _ledger(options: Mapping[str, Any]) -> dict[str, Term]:
    squares = "squared distance per sample, sum over the grid"
    ledger = {
        "loss": Term("per sample: nats of the image, and the distances that hold codes and entries together"),
        "reconstruction": Term("nats per sample, sum over pixels", of="loss"),
        "commitment": Term(squares, weight=options["commitment"], of="loss"),
    }
    if options["codebook"] == "gradient":
        ledger["codebook"] = Term(squares, of="loss")
    return {
        **ledger,
        "prior": Term("nats per sample, sum over the grid of codes; a loss of its own"),
        "usage": Term("share of the codebook that the batch uses"),
        "perplexity": Term("entries of the codebook, all alike, that would be as varied as those of the batch"),
    }


def _inference(setup: Setup, networks: Networks) -> dict[str, Any]:
    """What is done with a trained model. Its codes are the entries of the grid, (N, D h w)."""
    model, codebook, prior = networks.model, networks.codebook, networks.prior
    shape = (codebook.size, *prior.grid)
    size = math.prod(shape)

    def indices(x: Tensor) -> Array:
        return codebook.nearest(model.encode(x).data)

    def apply(function: Callable[[Tensor], Tensor], images: Array) -> Array:
        return predict(model, inputs(setup, images), function=function, device=setup.device)

    def encode(images: Array) -> Array:
        return apply(lambda x: ops.flatten(codebook.embed(indices(x))), images)

    def reconstruct(images: Array) -> Array:
        return apply(lambda x: model.decode(codebook.embed(indices(x))), images)

    def decode(codes: Array, _: Array | None = None) -> Array:
        """What is no entry - a code between two others - is taken for the nearest one."""

        def images_of(z: Tensor) -> Tensor:
            return model.decode(codebook.embed(codebook.nearest(z.data.reshape(-1, *shape))))

        return predict(model, codes, function=images_of, device=setup.device)

    def draw(n: int, rng: Generator) -> Array:
        entries = codebook.embed(prior.sample(n, codebook.embedding.data, rng))
        return np.asarray(entries.numpy().reshape(n, size))

    def pictures(images: Array) -> list[Array]:
        """Images, reconstructions, and samples of the prior from numbers that are always the same."""
        samples = decode(draw(len(images), Generator(setup.seed).spawn("pictures")))
        return [inputs(setup, images), reconstruct(images), samples]

    def log_likelihood(images: Array, k: int) -> Array:
        """Log p(x | e) + log p(e), e the entries that the encoder chooses: a lower bound, and the same for each k."""
        if k < 1:
            raise ValueError(f"log_likelihood: k, the number of importance samples, must be at least 1, got {k}")

        def bound(x: Tensor) -> Tensor:
            chosen = indices(x)
            e = codebook.embed(chosen)
            log_p = model.likelihood.log_prob(ops.reshape(model.logits(e), (1, *x.shape)), x)
            return log_p[0] - prior.nll(e, chosen)

        return apply(bound, images).astype(np.float64)

    def diagnostics(images: Array) -> dict[str, Array]:
        """How often each entry is chosen by these images, (K,)."""
        choices = apply(lambda x: Tensor(indices(x)), images)
        return {"code_usage": np.bincount(choices.reshape(-1), minlength=codebook.codes).astype(np.float32)}

    return {
        "pictures": pictures,
        "reconstruct": reconstruct,
        "encode": encode,
        "latent": Latent(size, decode, draw, look=PRIOR_SAMPLES),
        "log_likelihood": log_likelihood,
        "diagnostics": diagnostics,
    }


RECIPES = (
    Recipe(
        "vq-vae",
        "likelihood",
        "codes are a grid of entries of a codebook; a small PixelCNN learns which grids there are",
        "van den Oord, Vinyals and Kavukcuoglu 2017, Neural discrete representation learning, arXiv:1711.00937",
        {
            "latent": 16,
            "channels": 32,
            "layers": 2,
            "codebook": "ema",
            "codes": 64,
            "codebook_decay": DECAY,
            "commitment": 0.25,
            "restart_after": 200,
            "lr_prior": 3e-3,  # of fixed codes 106 nats after 500 updates of 64; at 1e-3 119
            "prior_channels": 128,
            "prior_layers": 4,
            **COMMON,
            "schedule": "cosine",
            "batch_size": 64,
        },
        _build,
    ),
)
