"""WAE-MMD (Tolstikhin et al. 2018, arXiv:1711.01558): the codes of all images together become the prior.

A VAE pulls the distribution of each image's code to the prior, so that they overlap, and pictures blur. Here a code is
one point, and only their mixture is compared with the prior, by the maximum mean discrepancy of two samples.

The update moves encoder and decoder along the gradient of `wae_mmd` (``../autoencoders/build.py``).

Imports: build. Read next: ``rae.py``.
"""

from __future__ import annotations

from collections.abc import Mapping

from minigen import ops
from minigen.algorithms.autoencoders.build import Objective, build, standard_normal
from minigen.algorithms.experiment import Experiment, Recipe, Setup, Term
from minigen.algorithms.likelihood.build import DETERMINISTIC, SQUARED_ERROR, deterministic_network, squared_error
from minigen.algorithms.options import Option
from minigen.autograd import Tensor
from minigen.device import array_module
from minigen.models.autoencoder import Autoencoder
from minigen.random import Generator

OPTIONS: Mapping[str, Option] = {
    "mmd_weight": Option(float, "weight of the discrepancy between codes and prior", minimum=0),
}

#: The kernel is a sum over several widths: a narrow one sees small holes, a wide one codes that lie far away.
SCALES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


def mmd(a: Tensor, b: Tensor) -> Tensor:
    """The squared maximum mean discrepancy of two samples a, b (N, D), without bias: it may be below 0. No unit.

    The mean of k(a_i, a_j) over i != j, plus that of b, less twice the mean of k(a_i, b_j) over i != j, too, the sample
    being a sample of pairs: then it is exactly 0 for equal samples, and its mean is 0 for samples of one distribution
    (Gretton et al. 2012, JMLR 13, lemma 6 and equation 4). k is the inverse multiquadratic kernel C / (C + |x - y|^2)
    with C = 2 D s, summed over the SCALES s; 2 D is the mean squared distance of two draws from N(0, 1) (Tolstikhin et
    al. 2018, section 4). ValueError for samples that differ in shape, or fewer than 2 of each.
    """
    if a.ndim != 2 or a.shape != b.shape or len(a) < 2:
        raise ValueError(f"mmd: expected two samples (N, D), N at least 2, got {a.shape} and {b.shape}")
    n, size = a.shape
    off = Tensor(1 - array_module(a.data).eye(n, dtype=a.dtype))  # i != j

    def mean_kernel(x: Tensor, y: Tensor) -> Tensor:
        squares = ops.sum(x * x, axis=1, keepdims=True) + ops.sum(y * y, axis=1) - ops.matmul(x, ops.transpose(y)) * 2
        total = Tensor(off.data * 0)
        for scale in SCALES:
            c = 2 * size * scale
            total = total + c / (squares + c)
        return ops.sum(total * off) / (n * (n - 1))

    return mean_kernel(a, a) + mean_kernel(b, b) - mean_kernel(a, b) * 2


def wae_mmd(model: Autoencoder, weight: float) -> Objective:
    """|x - G(z)|^2 + weight * MMD(codes, prior), z = E(x) (algorithm 2), squared error per sample.

    One code alone says nothing about a distribution: for a batch of one image the discrepancy counts as 0.
    """

    def objective(x: Tensor, y: Tensor | None, noise: Generator) -> dict[str, Tensor]:
        z = model.encode(x)
        reconstruction = squared_error(model, z, x)
        prior = Tensor(noise.normal(z.shape, dtype=z.dtype))
        discrepancy = mmd(z, prior) if len(x) > 1 else ops.sum(z * 0)
        return {
            "loss": reconstruction + discrepancy * weight,
            "reconstruction": reconstruction,
            "mmd": discrepancy,
        }

    return objective


def _build(setup: Setup) -> Experiment:
    model, weight = deterministic_network(setup), setup.options["mmd_weight"]
    ledger = {
        "loss": Term("squared error per sample, and the weighted discrepancy"),
        "reconstruction": SQUARED_ERROR,
        "mmd": Term("discrepancy of the codes of a batch from the prior, about 0 if it is none", weight, of="loss"),
    }
    draw = standard_normal(setup.options["latent"])
    return build(setup, model, wae_mmd(model, weight), ledger=ledger, draw=draw)


RECIPES = (
    Recipe(
        "wae-mmd",
        "likelihood",
        "an autoencoder whose codes, all together, are drawn to a normal prior",
        "Tolstikhin et al. 2018, Wasserstein auto-encoders, arXiv:1711.01558",
        {**DETERMINISTIC, "mmd_weight": 10.0},
        _build,
    ),
)
