"""The networks of the hybrids, built from the options: those of a GAN, and encoders with a discriminator's layers.

Imports: adversarial, models. Read next: ``minigen/models/hybrid.py``.
"""

from __future__ import annotations

from minigen import nn
from minigen.algorithms.adversarial.build import make_discriminator, make_generator
from minigen.algorithms.experiment import Setup
from minigen.algorithms.options import hidden_widths
from minigen.models import gan, hybrid
from minigen.models.gan import Discriminator
from minigen.models.hybrid import AutoencodingDiscriminator, Encoder, GaussianEncoder, JointDiscriminator
from minigen.random import Generator


def generator(setup: Setup) -> nn.Module:
    """Codes (N, D) to images (N, C, H, W): the generator that a GAN with these options has."""
    return make_generator(setup.options, setup.image_shape, _rng(setup))


def discriminator(setup: Setup) -> Discriminator:
    """Images (N, C, H, W) to scores (N,): the discriminator that a GAN with these options has."""
    return make_discriminator(setup.options, setup.image_shape, _rng(setup))


def code_discriminator(setup: Setup) -> Discriminator:
    """Codes (N, D) to scores (N,), with dense layers."""
    code, rng = (setup.options["latent"], 1, 1), _rng(setup, "discriminator")
    return gan.dense_discriminator(code, widths=hidden_widths(setup.options), rng=rng)


def joint_discriminator(setup: Setup) -> JointDiscriminator:
    """Images (N, C, H, W) with codes (N, D) to scores (N,)."""
    latent, hidden = setup.options["latent"], setup.options["hidden"]
    return hybrid.joint_discriminator(discriminator(setup), latent=latent, hidden=hidden, rng=_rng(setup, "joint"))


def autoencoding_discriminator(setup: Setup) -> AutoencodingDiscriminator:
    """A discriminator that is an autoencoder; only its encoder has a norm, that of --norm."""
    options, image, rng = setup.options, setup.image_shape, _rng(setup, "decoder")
    latent = options["latent"]
    encoder = hybrid.encoder(discriminator(setup), latent=latent, rng=_rng(setup, "code"))
    if options["network"] == "dense":
        decoder = hybrid.dense_decoder(image, latent=latent, widths=hidden_widths(options), rng=rng)
    else:
        sizes = {key: options[key] for key in ("channels", "kernel", "halvings")}
        decoder = hybrid.conv_decoder(image, latent=latent, rng=rng, **sizes)
    return AutoencodingDiscriminator(encoder, decoder)


def encoder(setup: Setup) -> Encoder:
    """Images (N, C, H, W) to codes (N, D), with the layers of a discriminator with batch norm."""
    return hybrid.encoder(_features(setup), latent=setup.options["latent"], rng=_rng(setup, "code"))


def gaussian_encoder(setup: Setup) -> GaussianEncoder:
    """Images (N, C, H, W) to distributions over codes (N, D), with the layers of a discriminator with batch norm."""
    return hybrid.gaussian_encoder(_features(setup), latent=setup.options["latent"], rng=_rng(setup, "code"))


def denoiser(setup: Setup, discriminator: Discriminator) -> nn.Module:
    """The features (N, F) of a discriminator to such features."""
    size, hidden = hybrid.feature_size(discriminator), setup.options["hidden"]
    return hybrid.denoiser(size, hidden=hidden, rng=_rng(setup, "denoiser"))


def _features(setup: Setup) -> Discriminator:
    """A discriminator whose layers, up to the score, an encoder takes."""
    options = {**setup.options, "norm": "batch", "discriminator": None}
    return make_discriminator(options, setup.image_shape, _rng(setup, "encoder"))


def _rng(setup: Setup, network: str | None = None) -> Generator:
    """The random numbers that weights begin with: all of them, or those of one network."""
    rng = Generator(setup.seed).spawn("weights")
    return rng if network is None else rng.spawn(network)
