"""The sparse autoencoder: few code units are active for an image, by one of three means (Ng 2011; Makhzani and Frey).

    h = f(x)                                        the code; ReLU (l1, topk), or sigmoid (kl)
    minimise L(x, g(h)) + weight * penalty(h)
        l1     penalty = sum_j |h_j|, mean over the batch
        kl     penalty = sum_j KL(rho || rho_j), rho_j the mean activation of unit j in the batch (Ng 2011)
        topk   no penalty: f itself sets all units but the k largest to 0 (Makhzani and Frey 2014)

The update moves all parameters along the gradient of that (`gradient_step` in ``build.py``).

Imports: models, losses, ae, build. Read next: ``ae.py``, ``build.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minigen import losses, ops
from minigen.algorithms.autoencoders.ae import COMMON, HIDDEN, LOSSES, Loss, assemble, dense_network, reconstruction
from minigen.algorithms.autoencoders.build import Objective
from minigen.algorithms.experiment import Experiment, Recipe, Setup
from minigen.algorithms.options import Option
from minigen.autograd import Tensor
from minigen.models.autoencoder import Autoencoder, TopK
from minigen.random import Generator

OPTIONS: Mapping[str, Option] = {
    "sparsity": Option(str, "what makes the code sparse", choices=("l1", "kl", "topk")),
    "sparsity_weight": Option(float, "weight of the sparsity penalty (l1, kl)", minimum=0),
    "sparsity_rho": Option(float, "wanted mean activation (kl)", minimum=0, exclusive=True, maximum=0.5),
    "sparsity_k": Option(int, "number of code units that stay active (topk)", minimum=1),
}
DEFAULTS: Mapping[str, Any] = {"sparsity": "l1", "sparsity_weight": 1e-4, "sparsity_rho": 0.05, "sparsity_k": 10}


def sparse(model: Autoencoder, loss: Loss, kind: str, weight: float, rho: float = 0.05) -> Objective:
    """L(x, g(h)) + weight * penalty(h), h = f(x).

    "l1" is sum |h|, mean over the samples, and drives most units to exactly 0. "kl" is the sum over units of
    KL(rho || mean activation), h in (0, 1): each is active in rho of the samples.
    """

    def objective(x: Tensor, y: Tensor | None, noise: Generator) -> dict[str, Tensor]:
        h = model.encode(x)
        reconstruction = loss(model, model.logits(h), x)
        penalty = losses.l1_activity(h, reduction="batchmean") if kind == "l1" else losses.kl_sparsity(h, rho)
        sparsity = penalty * weight
        return {"loss": reconstruction + sparsity, "reconstruction": reconstruction, "sparsity": sparsity}

    return objective


def _build(setup: Setup) -> Experiment:
    options, kind, loss = setup.options, setup.options["sparsity"], LOSSES[setup.options["loss"]]
    for name in {"l1": ("rho", "k"), "kl": ("k",), "topk": ("weight", "rho")}[kind]:
        if options[f"sparsity_{name}"] != DEFAULTS[f"sparsity_{name}"]:
            raise ValueError(f"sparse-ae: --sparsity-{name} has no effect with --sparsity {kind}; leave it out")
    if kind == "topk" and options["sparsity_k"] > options["latent"]:
        raise ValueError(f"sparse-ae: --sparsity-k {options['sparsity_k']} is more than --latent {options['latent']}")
    code: Any = {"l1": ops.relu, "kl": ops.sigmoid}.get(kind) or TopK(options["sparsity_k"])
    model = dense_network(setup, HIDDEN, code=code)
    if kind == "topk":
        return assemble(setup, model, reconstruction(model, loss))
    objective = sparse(model, loss, kind, options["sparsity_weight"], options["sparsity_rho"])
    return assemble(setup, model, objective, sparsity="l1: sum per sample, kl: nats, sum over code units")


RECIPES = (
    Recipe(
        "sparse-ae",
        "autoencoder",
        "pixels-64-pixels with few active code units: L1, KL-rho or the k largest",
        "Ng 2011, CS294A notes; Makhzani and Frey 2014, arXiv:1312.5663",
        {**COMMON, "latent": 64, "hidden": HIDDEN, "layers": 0, **DEFAULTS},
        _build,
    ),
)
