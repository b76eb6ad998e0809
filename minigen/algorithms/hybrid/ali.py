"""Adversarially learned inference (Dumoulin et al. 2017, arXiv:1606.00704): a discriminator of images with their codes.

The discriminator sees pairs of an image and a code: (x, E(x)) of a real image with its inferred code, or (G(z), z) of a
drawn code with its image. Where it cannot tell them apart, the joint distributions are one, and so E inverts G, though
nothing compares pixels. E(x) is a draw from N(mean(x), exp(logvar(x))). (Their section 2 and algorithm 1; with an E
without noise it is the BiGAN of Donahue et al. 2017, arXiv:1605.09782.)

    loss           is                                                   moves               passes
    discriminator  -log D(x, E(x)) - log(1 - D(G(z), z))                discriminator       the pairs are detached
    generator      -log(1 - D(x, E(x))) - log D(G(z), z)                encoder, generator  discriminator

Imports: ops, adversarial, build. Read next: ``mdgan.py``.
"""

from __future__ import annotations

from minigen import nn, ops
from minigen.algorithms.adversarial import gan
from minigen.algorithms.adversarial.build import predict
from minigen.algorithms.adversarial.game import Rules, parts, score_terms
from minigen.algorithms.experiment import Experiment, Setup, Step, Term, Terms
from minigen.algorithms.hybrid.build import (
    SAMPLED,
    SCORE_TERMS,
    assemble,
    make_ema_generator,
    new_discriminator,
    new_gaussian_encoder,
    new_generator,
    normal_like,
    recipe,
    scores_apart,
    training_noise,
    weights,
)
from minigen.algorithms.hybrid.show import Show
from minigen.algorithms.updates import Updates
from minigen.autograd import Tensor
from minigen.data import Batch
from minigen.device import to_device
from minigen.models import hybrid as architecture
from minigen.models.hybrid import GaussianEncoder, JointDiscriminator
from minigen.random import Generator
from minigen_kernels import Array

ROUTES = {"discriminator": ("discriminator",), "generator": ("encoder", "generator")}
THROUGH = {"generator": ("discriminator",)}
LEDGER = {
    "loss": Term("nats: the discriminator's"),
    "discriminator": Term("nats, of pairs of image and code", of="loss"),
    "generator": Term("nats: of encoder and generator"),
    "generator_of_images": Term("nats: pairs of real image and inferred code", of="generator"),
    "generator_of_codes": Term("nats: pairs of drawn code and made image", of="generator"),
    **SCORE_TERMS,
}


def step_of(
    encoder: GaussianEncoder,
    generator: nn.Module,
    discriminator: JointDiscriminator,
    update: Updates,
    rules: Rules,
    noise: Generator,
    show: Show,
    *,
    ema_generator: nn.MovingAverage | None = None,
    n_critic: int = 1,
    device: str = "cpu",
) -> Step:
    """Algorithm 1: the discriminator, then encoder and generator together, each kind to pass as the other.

    The discriminator is updated `n_critic` times, each time on its own part of the batch; the other update is on the
    last part.
    """

    def step(batch: Batch) -> Terms:
        for module in (encoder, generator, discriminator):
            module.train()
        for x in map(Tensor, parts(to_device(batch.x, device), n_critic)):
            mean, logvar = encoder.posterior(x)
            z_x = ops.reparameterize(mean, logvar, Tensor(noise.normal(mean.shape, dtype=mean.dtype)))
            z = normal_like(noise, len(x), mean.shape[1], generator)
            fake = generator(z)
            real, made = discriminator(show(x), z_x.detach()), discriminator(show(fake.detach()), z)
            loss = rules.discriminator(real, made)
            update("discriminator", loss)
            nn.power_iteration(discriminator)

        of_images = gan.cross_entropy(discriminator(show(x), z_x), 0.0)
        of_codes = gan.cross_entropy(discriminator(show(fake), z), 1.0)
        update("generator", of_images + of_codes)
        if ema_generator is not None:
            ema_generator.follow(generator)
        return {
            "loss": loss, "discriminator": loss, "generator": of_images + of_codes, "generator_of_images": of_images,
            "generator_of_codes": of_codes, **score_terms(rules, real.detach(), made.detach()),
        }  # fmt: skip

    return step


def build(setup: Setup) -> Experiment:
    """The networks and what they can do."""
    options, device = setup.options, setup.device
    encoder, generator, noise = new_gaussian_encoder(setup), new_generator(setup), training_noise(setup)
    discriminator = architecture.joint_discriminator(
        new_discriminator(setup),
        latent=options["latent"],
        hidden=options["hidden"],
        rng=weights(setup).spawn("joint"),
    )
    ema_generator, show = make_ema_generator(setup, generator), Show(setup, noise)
    rules = gan.rules({**options, "generator_loss": "non-saturating"})
    modules: dict[str, nn.Module] = {"encoder": encoder, "generator": generator, "discriminator": discriminator}
    if ema_generator is not None:
        modules["average"] = ema_generator

    def diagnostics(images: Array) -> dict[str, Array]:
        codes = predict(encoder, images, device)
        drawn = to_device(Generator(setup.seed).spawn("signs").normal(codes.shape), "cpu")
        made = predict(generator, drawn, device)
        real, fake = ((x, z) for x, z in ((images, codes), (made, drawn)))
        on_device = (tuple(Tensor(to_device(a, device)) for a in pair) for pair in (real, fake))
        return scores_apart(discriminator, *on_device)

    def make_step(update: Updates) -> Step:
        settings = {"ema_generator": ema_generator, "n_critic": options["n_critic"], "device": device}
        return step_of(encoder, generator, discriminator, update, rules, noise, show, **settings)

    return assemble(
        setup,
        modules,
        ROUTES,
        make_step,
        noise=noise,
        ledger=LEDGER,
        sampler=ema_generator or generator,
        through=THROUGH,
        show=show,
        encoder=encoder,
        decoder=generator,
        diagnostics=diagnostics,
    )


RECIPES = (
    recipe(
        "ali",
        "encoder and generator against a discriminator of pairs: the encoder learns to invert the generator",
        "Dumoulin et al. 2017, Adversarially learned inference, arXiv:1606.00704",
        build,
        uses=("hidden",),
        **{**SAMPLED, "discriminator": None, "norm": "batch", "label_smoothing": 0.0},
    ),
)
