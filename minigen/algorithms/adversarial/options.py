"""The options of adversarial models, and the defaults that most of them share.

Imports: donors, augment, options. Read next: ``step.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minigen.algorithms import donors
from minigen.algorithms.adversarial.augment import AUGMENTATIONS
from minigen.algorithms.options import Option

OPTIONS: Mapping[str, Option] = {
    **donors.OPTIONS,
    "network": Option(str, "the networks: dense (any size of image) or conv (DCGAN's)", choices=("dense", "conv")),
    "kernel": Option(int, "4, or the 5 of the DCGAN paper, which favours checkerboards", minimum=4, maximum=5),
    "norm": Option(
        str,
        "what the discriminator's layers are normalised by; not set: batch between convolutions, else none",
        choices=("none", "batch", "layer", "spectral"),
    ),
    "generator_loss": Option(
        str, "-log D(G(z)) (non-saturating) or log(1 - D(G(z))) (minimax)", choices=("non-saturating", "minimax")
    ),
    "label_smoothing": Option(float, "real images count as real to 1 - this only (one-sided)", minimum=0, maximum=0.5),
    "lr_generator": Option(float, "learning rate of the generator", minimum=0, exclusive=True),
    "lr_discriminator": Option(float, "learning rate of the discriminator or critic", minimum=0, exclusive=True),
    "beta1": Option(float, "adam: how slowly the mean of the gradient moves", minimum=0, maximum=0.9999),
    "beta2": Option(float, "adam: how slowly the mean of its square moves", minimum=0, maximum=0.99999),
    "n_critic": Option(int, "updates of the discriminator, each on new images, for one of the generator", minimum=1),
    "ema": Option(
        float, "decay of the average of the generator that samples come from; 0: none", minimum=0, maximum=0.99999
    ),
    "instance_noise": Option(
        float, "standard deviation of noise on all images the discriminator sees; falls to 0 over the run", minimum=0
    ),
    "augment": Option(str, "random changes of all images the discriminator sees", choices=tuple(AUGMENTATIONS)),
    "joint_batch": Option(bool, "real and made images go through the discriminator's batch norm together"),
    "pack": Option(int, "images that the discriminator judges together", minimum=1),
    "weight_clip": Option(float, "weights of the critic are cut off at +- this", minimum=0, exclusive=True),
    "penalty_weight": Option(float, "weight of the gradient penalty", minimum=0),
    "class_weight": Option(float, "weight of the cross-entropy of the class in both losses", minimum=0),
    "categories": Option(int, "values of the code's category", minimum=2),
    "continuous": Option(int, "numbers from -1 to 1 in the code", minimum=1),
    "category_weight": Option(float, "weight of the information about the category in both losses", minimum=0),
    "continuous_weight": Option(float, "weight of the information about the numbers in both losses", minimum=0),
    "unroll": Option(int, "steps of the discriminator that the generator looks ahead; 0: none", minimum=0),
}

DENSE: Mapping[str, Any] = {"hidden": 256, "layers": 2}
CONV: Mapping[str, Any] = {"channels": 32, "kernel": 4, "halvings": 0}
COMMON: Mapping[str, Any] = {
    "latent": 64,
    "norm": "none",
    "optimizer": "adam",
    "lr_generator": 2e-4,
    "lr_discriminator": 2e-4,
    "beta1": 0.5,
    "beta2": 0.999,
    "schedule": "constant",
    "clip_norm": 0.0,
    "n_critic": 1,
    "ema": 0.999,
    "instance_noise": 0.0,
    "augment": "none",
    "joint_batch": False,
    "epochs": 5,
    "batch_size": 64,
    "validation": 0.0,
}
