"""Small runs of all kinds that pages are made of: trained for some steps, in memory, once a process.

Read next: ``browser.py``.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import numpy as np

import minigen as mg
from minigen.data import Dataset
from minigen.data.glyphs import glyphs

DENSE = {"hidden": 32, "latent": 8}
#: Steps that are long enough for samples to differ from each other after a few of them.
LIVELY = {"lr_generator": 1e-2, "lr_discriminator": 2e-3, "ema": 0.5, "latent": 8}
GAN = {"network": "dense", "hidden": 32, **LIVELY}
CONV_GAN = {"channels": 4, **LIVELY}
CONV = {"channels": 8, "latent": 8}
VQ = {"codes": 16, "latent": 8, "channels": 8, "layers": 1, "prior_channels": 8, "lr": 1e-2, "max_steps": 80}
#: By kind: the model, is its data RGB 32x32 instead of grey 28x28, and its options.
KINDS: dict[str, tuple[str, bool, dict[str, Any]]] = {
    "ae": ("ae", False, {"latent": 8}),
    "conv-ae-rgb": ("conv-ae", True, CONV),
    "denoising-ae": ("denoising-ae", False, {"hidden": 64, "latent": 32, "max_steps": 150, "lr": 3e-3}),
    "denoising-ae-rgb": ("denoising-ae", True, {"hidden": 64, "latent": 32, "corruption": "gaussian"}),
    "rae-rgb": ("rae", True, {"channels": 8, "hidden": 32, "latent": 6, "lr": 1e-2, "max_steps": 60}),
    "vae": ("vae", False, DENSE),
    "burda-vae": ("burda-vae", False, {"hidden": 32, "latent": 4, "lr": 1e-2}),
    "beta-vae": ("beta-vae", False, {"hidden": 64, "latent": 16, "beta": 0.05, "max_steps": 400, "lr": 3e-3}),
    "cvae": ("cvae", False, DENSE),
    "conv-vae-rgb": ("conv-vae", True, {"channels": 8, "hidden": 32, "latent": 6, "lr": 1e-2}),
    "vae-2": ("vae", False, {"hidden": 32, "latent": 2, "lr": 1e-2}),
    "vq-vae": ("vq-vae", False, VQ),
    "vq-vae-rgb": ("vq-vae", True, VQ),
    "gan": ("gan", False, {"hidden": 32, **LIVELY}),
    "wgan-gp-rgb": ("wgan-gp", True, {**CONV_GAN, "n_critic": 1}),
    "lsgan": ("lsgan", False, GAN),
    "sngan": ("sngan", False, CONV_GAN),
    "pacgan": ("pacgan", False, GAN),
    "cgan": ("cgan", False, GAN),
    "acgan-rgb": ("acgan", True, CONV_GAN),
    "infogan": ("infogan", False, {**GAN, "latent": 6}),
    "aae": ("aae", False, GAN),
    "ali": ("ali", False, GAN),
    "vae-gan-rgb": ("vae-gan", True, CONV_GAN),
    "began": ("began", False, GAN),
    "ebgan": ("ebgan", False, GAN),
}
TRAIN, TEST = 512, 64


@functools.cache
def data_of(split: str, rgb: bool) -> Dataset:
    """Digits of 28x28 with their factors, or in colours on 32x32, without factors."""
    grey = glyphs(split=split, count=TRAIN if split == "train" else TEST)
    if not rgb:
        return grey
    padded = np.pad(grey.images[:], ((0, 0), (0, 0), (2, 2), (2, 2)))
    tints = np.random.default_rng(0).uniform(0.3, 1, (len(grey), 3, 1, 1))
    return replace(grey, name="coloured", images=(padded * tints).astype(np.uint8), factors=None)


@functools.cache
def small_run(kind: str) -> mg.Run:
    """The run of a kind: 30 steps, unless it needs more to show something."""
    name, rgb, options = KINDS[kind]
    settings = {"max_steps": 30, "batch_size": 32, "validation": 0.0, **options}
    if name == "beta-vae":
        return mg.train(name, data=glyphs(count=3000), test=glyphs(split="test", count=500), progress=False, **settings)
    return mg.train(name, data=data_of("train", rgb), test=data_of("test", rgb), progress=False, **settings)
