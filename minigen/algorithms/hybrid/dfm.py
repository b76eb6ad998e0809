"""Denoising feature matching (Warde-Farley and Bengio 2017, Improving GANs with denoising feature matching, ICLR).

A denoising autoencoder r learns the features f of the discriminator on real images: r(f + noise) is drawn to f. For
small noise r(f) - f points to where such features are denser (Alain and Bengio 2014, arXiv:1211.4246), and the
generator's features are drawn there, besides fooling the discriminator (their equations 3 and 4).

    loss           is                                              moves           passes
    discriminator  -log D(x) - log(1 - D(G(z)))                    discriminator
    denoiser       mean (r(f(x) + noise) - f(x))^2                 denoiser        f(x) is detached
    generator      -log D(G(z)) + w mean (f(G(z)) - r(f(G(z))))^2  generator       discriminator; r(...) is detached

Imports: losses, adversarial, build. Read next: ``began.py``.
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
    judge,
    make_ema_generator,
    new_discriminator,
    new_generator,
    normal_like,
    recipe,
    training_noise,
    weights,
)
from minigen.algorithms.hybrid.show import Show
from minigen.algorithms.updates import Updates
from minigen.autograd import Tensor, no_grad
from minigen.data import Batch
from minigen.device import to_device
from minigen.models import hybrid as architecture
from minigen.models.gan import Discriminator
from minigen.random import Generator

ROUTES = {"discriminator": ("discriminator",), "denoiser": ("denoiser",), "generator": ("generator",)}
THROUGH = {"generator": ("discriminator",)}


def ledger(options: Options) -> dict[str, Term]:
    """What the terms are."""
    return {
        "loss": Term("nats: the discriminator's"),
        "discriminator": Term("nats", of="loss"),
        "denoiser": Term("squared error, mean per feature"),
        "generator": Term("nats, and weighted squared error"),
        "adversarial": Term("nats", of="generator"),
        "features": Term("squared error, mean per feature", weight=options["feature_weight"], of="generator"),
        **SCORE_TERMS,
    }


def step_of(
    generator: nn.Module,
    discriminator: Discriminator,
    denoiser: nn.Module,
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
    """Discriminator by `rules`, denoiser on its features before that update, generator on features after it.

    The discriminator is updated `n_critic` times, each time on its own part of the batch; the other two updates are on
    the last part. All features are of images as the discriminator is shown them.
    """

    def step(batch: Batch) -> Terms:
        for module in (generator, discriminator, denoiser):
            module.train()
        for x in map(Tensor, parts(to_device(batch.x, device), n_critic)):
            fake = generator(normal_like(noise, len(x), options["latent"], generator))
            features, real_scores = judge(discriminator, show(x))
            fake_scores = discriminator(show(fake.detach()))
            loss = rules.discriminator(real_scores, fake_scores)
            update("discriminator", loss)
            nn.power_iteration(discriminator)

        clean = features.detach()
        corrupted = clean + Tensor(noise.normal(clean.shape, std=options["feature_noise"], dtype=clean.dtype))
        denoising = losses.mse(denoiser(corrupted), clean)
        update("denoiser", denoising)

        features, scores = judge(discriminator, show(fake))
        with no_grad():
            goal = denoiser(features)
        adversarial, error = rules.generator(scores), losses.mse(features, goal)
        total = adversarial + error * options["feature_weight"]
        update("generator", total)
        if ema_generator is not None:
            ema_generator.follow(generator)
        return {
            "loss": loss, "discriminator": loss, "denoiser": denoising, "generator": total,
            "adversarial": adversarial, "features": error,
            **score_terms(rules, real_scores.detach(), fake_scores.detach()),
        }  # fmt: skip

    return step


def build(setup: Setup) -> Experiment:
    """The networks and what they can do."""
    options, device = setup.options, setup.device
    generator, noise = new_generator(setup), training_noise(setup)
    show = Show(setup, noise)
    discriminator, ema_generator = new_discriminator(setup), make_ema_generator(setup, generator)
    size = architecture.feature_size(discriminator)
    denoiser = architecture.denoiser(size, hidden=options["hidden"], rng=weights(setup).spawn("denoiser"))
    rules = gan.rules(options)
    modules: dict[str, nn.Module] = {"generator": generator, "discriminator": discriminator, "denoiser": denoiser}
    if ema_generator is not None:
        modules["average"] = ema_generator

    def make_step(update: Updates) -> Step:
        settings = {"ema_generator": ema_generator, "n_critic": options["n_critic"], "device": device}
        return step_of(generator, discriminator, denoiser, update, rules, noise, show, options, **settings)

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
        diagnostics=discriminator_diagnostics(setup, generator, discriminator),
    )


RECIPES = (
    recipe(
        "dfm",
        "a GAN whose generator is drawn to features that a denoising autoencoder has learnt from real images",
        "Warde-Farley and Bengio 2017, Improving generative adversarial networks with denoising feature matching, ICLR",
        build,
        uses=("hidden",),
        **{**SAMPLED, **LOGISTIC, "discriminator": None, "norm": "batch", "feature_weight": 0.1, "feature_noise": 1.0},
    ),
)
