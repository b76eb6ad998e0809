"""A GAN with a mode regulariser (Che et al. 2017, Mode regularized generative adversarial networks, arXiv:1612.02136).

A generator that misses a mode hears nothing of it: no made image is near. An encoder finds for every training image a
code, and G(E(x)) is made to look like x and to pass for real: so each mode pulls at some code (section 3.1).

    loss           is                                                              moves               passes
    discriminator  -log D(x) - log(1 - D(G(z)))                                    discriminator
    generator      -log D(G(z)) + w_r mean (x - G(E(x)))^2 - w_m log D(G(E(x)))    generator, encoder  discriminator

The encoder hears of the last two alone, the first does not depend on it: with one optimizer for both networks these are
T_G and T_E of the paper (where the sign of the last term is that of a reward). Their two-step variant, with a second
discriminator for G(E(x)), is not this.

Imports: losses, adversarial, build. Read next: ``dfm.py``.
"""

from __future__ import annotations

from minigen import losses, nn
from minigen.algorithms.adversarial import gan
from minigen.algorithms.adversarial.build import Options
from minigen.algorithms.adversarial.game import Rules, parts, score_terms
from minigen.algorithms.experiment import Experiment, Setup, Step, Term, Terms
from minigen.algorithms.hybrid.build import (
    LOGISTIC,
    SAMPLED,
    SCORE_TERMS,
    assemble,
    discriminator_diagnostics,
    generate_together,
    make_ema_generator,
    new_discriminator,
    new_encoder,
    new_generator,
    normal_like,
    recipe,
    training_noise,
)
from minigen.algorithms.hybrid.show import Show
from minigen.algorithms.updates import Updates
from minigen.autograd import Tensor
from minigen.data import Batch
from minigen.device import to_device
from minigen.random import Generator

ROUTES = {"discriminator": ("discriminator",), "generator": ("generator", "encoder")}
THROUGH = {"generator": ("discriminator",)}


def ledger(options: Options) -> dict[str, Term]:
    """What the terms are."""
    return {
        "loss": Term("nats: the discriminator's"),
        "discriminator": Term("nats", of="loss"),
        "generator": Term("nats, and weighted squared error"),
        "adversarial": Term("nats: of samples", of="generator"),
        "reconstruction": Term(
            "squared error, mean per pixel", weight=options["reconstruction_weight"], of="generator"
        ),
        "mode": Term("nats: of reconstructions", weight=options["mode_weight"], of="generator"),
        **SCORE_TERMS,
    }


def step_of(
    encoder: nn.Module,
    generator: nn.Module,
    discriminator: nn.Module,
    update: Updates,
    rules: Rules,
    noise: Generator,
    show: Show,
    options: Options,
    *,
    ema_generator: nn.MovingAverage | None = None,
    n_critic: int = 1,
    device: str = "cpu",
) -> Step:
    """A GAN's update by `rules`, in which the generator's loss has the two terms of reconstructions.

    The discriminator is updated `n_critic` times, each time on its own part of the batch; the generator's update is on
    the last part. Its reconstructions are of the generator before the update, as the samples are.
    """

    def step(batch: Batch) -> Terms:
        for module in (encoder, generator, discriminator):
            module.train()
        for x in map(Tensor, parts(to_device(batch.x, device), n_critic)):
            codes = normal_like(noise, len(x), options["latent"], generator)
            fake, again = generate_together(generator, codes, encoder(x))
            real_scores, fake_scores = discriminator(show(x)), discriminator(show(fake.detach()))
            loss = rules.discriminator(real_scores, fake_scores)
            update("discriminator", loss)
            nn.power_iteration(discriminator)

        adversarial, mode = rules.generator(discriminator(show(fake))), rules.generator(discriminator(show(again)))
        reconstruction = losses.mse(again, x)
        total = adversarial + reconstruction * options["reconstruction_weight"] + mode * options["mode_weight"]
        update("generator", total)
        if ema_generator is not None:
            ema_generator.follow(generator)
        return {
            "loss": loss, "discriminator": loss, "generator": total, "adversarial": adversarial,
            "reconstruction": reconstruction, "mode": mode,
            **score_terms(rules, real_scores.detach(), fake_scores.detach()),
        }  # fmt: skip

    return step


def build(setup: Setup) -> Experiment:
    """The networks and what they can do."""
    options, device = setup.options, setup.device
    encoder, generator, noise = new_encoder(setup), new_generator(setup), training_noise(setup)
    discriminator, ema_generator = new_discriminator(setup), make_ema_generator(setup, generator)
    show = Show(setup, noise)
    rules = gan.rules(options)
    modules: dict[str, nn.Module] = {"generator": generator, "discriminator": discriminator, "encoder": encoder}
    if ema_generator is not None:
        modules["average"] = ema_generator

    def make_step(update: Updates) -> Step:
        settings = {"ema_generator": ema_generator, "n_critic": options["n_critic"], "device": device}
        return step_of(encoder, generator, discriminator, update, rules, noise, show, options, **settings)

    return assemble(
        setup,
        modules,
        ROUTES,
        make_step,
        noise=noise,
        ledger=ledger(options),
        sampler=ema_generator or generator,
        through=THROUGH,
        show=show,
        encoder=encoder,
        decoder=generator,
        diagnostics=discriminator_diagnostics(setup, generator, discriminator),
    )


RECIPES = (
    recipe(
        "mdgan",
        "a GAN whose generator also has to reconstruct each training image, against the loss of modes",
        "Che et al. 2017, Mode regularized generative adversarial networks, arXiv:1612.02136",
        build,
        **{
            **SAMPLED,
            **LOGISTIC,
            "discriminator": None,
            "norm": None,
            "reconstruction_weight": 1.0,
            "mode_weight": 0.2,
        },
    ),
)
