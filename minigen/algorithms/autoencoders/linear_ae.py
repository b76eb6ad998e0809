"""The linear autoencoder: no activations, so that the best codes are the principal components of the images.

    z = W x + b, minimise |x - V z - c|^2, mean per pixel (Baldi and Hornik 1989: V spans the principal subspace)

That it does is derived in docs/guide/12_autoencoders.md.

One linear layer each way is all that there is: hidden layers without activations would add nothing. The objective and
the update are those of ``ae.py``.

Imports: models, ae. Read next: ``ae.py``.
"""

from __future__ import annotations

from minigen.algorithms.autoencoders.ae import recipe
from minigen.algorithms.experiment import Recipe, Setup
from minigen.models import autoencoder as architecture
from minigen.models.autoencoder import Autoencoder, identity
from minigen.random import Generator


def _network(setup: Setup) -> Autoencoder:
    if setup.options["loss"] == "bce":
        raise ValueError("linear-ae: a linear output has no cross-entropy; use --loss mse")
    rng = Generator(setup.seed).spawn("weights")
    return architecture.dense(setup.image_shape, (setup.options["latent"],), (), code=identity, head=identity, rng=rng)


RECIPES: tuple[Recipe, ...] = (
    recipe(
        "linear-ae",
        "pixels-32-pixels without activations: finds the subspace of the principal components",
        "Baldi and Hornik 1989, Neural networks and principal component analysis, Neural Networks 2",
        _network,
        latent=32,
    ),
)
