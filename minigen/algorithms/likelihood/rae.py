"""Regularised autoencoders (Ghosh et al. 2020, arXiv:1903.12436): a VAE without noise, smooth by other means.

What noise does in a VAE - codes near one another become images near one another - a penalty on the decoder does here,
and codes are kept small. There is no prior: ``minigen sample`` fits a density to the codes of training images
(section 4 of the paper).

The update moves encoder and decoder along the gradient of `regularised` (``../autoencoders/build.py``).

Imports: build. Read next: ``vq_vae.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from minigen import losses, nn, ops
from minigen.algorithms.autoencoders.build import Objective, build
from minigen.algorithms.experiment import Experiment, Recipe, Setup, Term
from minigen.algorithms.likelihood.build import DETERMINISTIC, SQUARED_ERROR, deterministic_network, squared_error
from minigen.algorithms.options import Option
from minigen.autograd import Tensor, grad
from minigen.models.autoencoder import Autoencoder
from minigen.random import Generator

OPTIONS: Mapping[str, Option] = {
    "decoder_penalty": Option(
        str,
        "what keeps the decoder smooth: l2 of its weights; its gradient in the code; spectral norm of its layers",
        choices=("l2", "gradient", "spectral"),
    ),
    "decoder_weight": Option(float, "weight of that penalty (l2, gradient)", minimum=0),
    "code_weight": Option(float, "weight of |code|^2 / 2 in the loss", minimum=0),
}
DECODER_WEIGHT = 1e-3  # by default

Penalty = Callable[[Tensor, Generator], Tensor]  # (codes, noise) -> scalar


def decoder_l2(decoder: nn.Module) -> Penalty:
    """|w|^2, the sum over all weights of the decoder, biases left out (RAE-L2, equation 7)."""
    return lambda z, noise: losses.l2_penalty([p for p in decoder.parameters() if p.ndim > 1])


def gradient_penalty(model: Autoencoder) -> Penalty:
    """|d D(z) / d z|^2, the squared Frobenius norm of the Jacobian, mean over the batch (RAE-GP, equation 8).

    Estimated without bias by one backward pass: for normal v of the shape of an image, the gradient g of <D(z), v> has
    E |g|^2 = |J|^2 (Hutchinson 1990). Recorded, so that the update goes through second derivatives. Codes are
    constants to it: what it smooths is the decoder.
    """

    def penalty(z: Tensor, noise: Generator) -> Tensor:
        at = Tensor(z.data, requires_grad=True)
        images = model.decode(at)
        v = Tensor(noise.normal(images.shape, dtype=images.dtype))
        (g,) = grad(ops.sum(images * v), [at], create_graph=True)
        return ops.sum(g * g) / len(z)

    return penalty


def spectrally_normalised(decoder: nn.Sequential, rng: Generator) -> nn.Sequential:
    """The decoder with every layer's weight divided by its largest singular value (RAE-SN, section 3.1)."""
    return nn.Sequential(
        *(
            nn.SpectralNorm(f, rng=rng) if isinstance(f, (nn.Dense, nn.Conv2d, nn.ConvTranspose2d)) else f
            for f in decoder
        )
    )


def regularised(
    model: Autoencoder, *, code_weight: float, penalty: Penalty | None = None, weight: float = 0.0
) -> Objective:
    """|x - D(z)|^2 + code_weight |z|^2 / 2 + weight * penalty, z = E(x) (equation 6), squared error per sample.

    Layers of the decoder with spectral norm follow their singular values by a step of the power method an update.
    """

    def objective(x: Tensor, y: Tensor | None, noise: Generator) -> dict[str, Tensor]:
        nn.power_iteration(model.decoder)
        z = model.encode(x)
        terms = {
            "reconstruction": squared_error(model, z, x),
            "code": ops.sum(z * z) * (0.5 / len(z)),
        }
        loss = terms["reconstruction"] + terms["code"] * code_weight
        if penalty is not None:
            terms["penalty"] = penalty(z, noise)
            loss = loss + terms["penalty"] * weight
        return {"loss": loss, **terms}

    return objective


def _build(setup: Setup) -> Experiment:
    options = setup.options
    kind, code_weight, weight = options["decoder_penalty"], options["code_weight"], options["decoder_weight"]
    model = deterministic_network(setup)
    assert isinstance(model.decoder, nn.Sequential)
    ledger = {
        "loss": Term("squared error per sample, plus penalties in training"),
        "reconstruction": SQUARED_ERROR,
        "code": Term("half the squared length of a code", code_weight, of="loss"),
    }
    penalty: Penalty | None = None
    if kind == "spectral":
        if weight != DECODER_WEIGHT:
            raise ValueError("--decoder-weight has no effect with --decoder-penalty spectral; leave it out")
        model.decoder = spectrally_normalised(model.decoder, Generator(setup.seed).spawn("spectral"))
    elif kind == "gradient":
        penalty = gradient_penalty(model)
        ledger["penalty"] = Term("squared norm of the decoder's Jacobian per sample, estimated", weight, of="loss")
    else:
        penalty = decoder_l2(model.decoder)
        ledger["penalty"] = Term("sum of the squared weights of the decoder", weight, of="loss")
    return build(
        setup,
        model,
        regularised(model, code_weight=code_weight, penalty=penalty, weight=weight),
        evaluation=lambda x, y, noise: {"loss": squared_error(model, model.encode(x), x)},
        ledger=ledger,
    )


RECIPES = (
    Recipe(
        "rae",
        "likelihood",
        "an autoencoder with small codes and a smooth decoder; a density fitted to its codes makes the samples",
        "Ghosh et al. 2020, From variational to deterministic autoencoders, arXiv:1903.12436",
        {**DETERMINISTIC, "latent": 16, "decoder_penalty": "l2", "decoder_weight": DECODER_WEIGHT, "code_weight": 1e-1},
        _build,
        order=2,
    ),
)
