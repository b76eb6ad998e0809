"""The options of the hybrids, and the defaults that several of them share.

Imports: adversarial.options. Read next: ``build.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minigen.algorithms.adversarial.options import CONV, DENSE
from minigen.algorithms.options import Option

OPTIONS: Mapping[str, Option] = {
    "reconstruction_weight": Option(float, "weight of the reconstruction in the generator's loss", minimum=0),
    "mode_weight": Option(float, "weight of -log D(G(E(x))) in the generator's loss", minimum=0),
    "feature_weight": Option(float, "weight of the error of features in the loss of the generator", minimum=0),
    "feature_variance": Option(
        float, "variance of a feature around that of the reconstruction", minimum=0, exclusive=True
    ),
    "feature_noise": Option(float, "standard deviation of the noise on features that a denoiser removes", minimum=0),
    "margin": Option(
        float, "energy above which a generated image no longer counts in the loss", minimum=0, exclusive=True
    ),
    "pull_away_weight": Option(float, "weight of the term that makes codes of generated images differ", minimum=0),
    "error": Option(
        str,
        "of a reconstruction: absolute (mean per pixel), or relative to the contrast of the image",
        choices=("absolute", "relative"),
    ),
    "diversity": Option(
        float,
        "wanted error of generated images, as a share of that of real ones",
        minimum=0,
        exclusive=True,
        maximum=1,
    ),
    "balance_rate": Option(float, "how fast the weight k follows the balance of the errors", minimum=0, exclusive=True),
}

COMMON: Mapping[str, Any] = {
    "latent": 64,
    "network": "conv",
    **DENSE,
    **CONV,
    "generator": None,
    "optimizer": "adam",
    "lr_generator": 5e-4,
    "lr_discriminator": 2e-4,
    "beta1": 0.5,
    "beta2": 0.999,
    "schedule": "constant",
    "clip_norm": 0.0,
    "n_critic": 1,
    "epochs": 5,
    "batch_size": 64,
}
IMAGE_DISCRIMINATOR: Mapping[str, Any] = {  # of those whose discriminator sees images
    "ema": 0.999,
    "instance_noise": 0.0,
    "augment": "none",
    "validation": 0.0,
}
LOGISTIC_LOSS: Mapping[str, Any] = {"generator_loss": "non-saturating", "label_smoothing": 0.0}
#: Of models in which both losses train an autoencoder, or its codes: neither side wins at higher rates.
AUTOENCODER_RATES: Mapping[str, Any] = {"lr_generator": 1e-3, "lr_discriminator": 1e-3}
