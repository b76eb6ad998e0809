"""The adversarial autoencoder (Makhzani et al. 2015, arXiv:1511.05644): a discriminator shapes codes, not images.

A VAE draws each posterior to the prior by a divergence with a formula. Here codes of images and draws from the prior
N(0, 1) come before a discriminator, and the encoder learns to fool it: the codes of all images together become the
prior, which can then be sampled. (Section 2, with a deterministic encoder.)

    loss            moves                 passes
    reconstruction  encoder, decoder
    discriminator   discriminator                          codes are detached
    generator       encoder               discriminator    the decoder plays no part

Imports: losses, adversarial, build. Read next: ``vae_gan.py``.
"""

from __future__ import annotations

from minigen import losses, nn
from minigen.algorithms.adversarial import gan
from minigen.algorithms.adversarial.build import predict
from minigen.algorithms.adversarial.game import Rules, parts, score_terms
from minigen.algorithms.experiment import Experiment, Setup, Step, Term, Terms
from minigen.algorithms.hybrid.build import (
    FAST,
    LOGISTIC,
    SCORE_TERMS,
    assemble,
    make_ema_generator,
    new_encoder,
    new_generator,
    recipe,
    scores_apart,
    training_noise,
    weights,
)
from minigen.algorithms.updates import Updates
from minigen.autograd import Tensor
from minigen.data import Batch
from minigen.device import to_device
from minigen.models import gan as networks
from minigen.random import Generator
from minigen_kernels import Array

ROUTES = {"reconstruction": ("encoder", "decoder"), "discriminator": ("discriminator",), "generator": ("encoder",)}
THROUGH = {"generator": ("discriminator",)}
PIXEL = "squared error, mean per pixel"
LEDGER = {
    "loss": Term(f"{PIXEL}: that of the reconstruction"),
    "reconstruction": Term(PIXEL, of="loss"),
    "discriminator": Term("nats, of codes"),
    "generator": Term("nats: how the encoder fools it"),
    **SCORE_TERMS,
}


def step_of(
    encoder: nn.Module,
    decoder: nn.Module,
    discriminator: nn.Module,
    update: Updates,
    rules: Rules,
    noise: Generator,
    *,
    ema_generator: nn.MovingAverage | None = None,
    n_critic: int = 1,
    device: str = "cpu",
) -> Step:
    """The two phases of section 2: reconstruct; then discriminator and encoder play for the codes, by `rules`.

    The discriminator is updated `n_critic` times, each time on the codes of its own part of the batch; the other
    updates are on the last part.
    """

    def step(batch: Batch) -> Terms:
        for module in (encoder, decoder, discriminator):
            module.train()
        *_, x = shares = [Tensor(part) for part in parts(to_device(batch.x, device), n_critic)]
        reconstruction = losses.mse(decoder(encoder(x)), x)
        update("reconstruction", reconstruction)

        for x in shares:
            z = encoder(x)
            real, fake = discriminator(Tensor(noise.normal(z.shape, dtype=z.dtype))), discriminator(z.detach())
            loss = rules.discriminator(real, fake)
            update("discriminator", loss)
        generator = rules.generator(discriminator(z))
        update("generator", generator)
        if ema_generator is not None:
            ema_generator.follow(decoder)
        terms = {
            "loss": reconstruction,
            "reconstruction": reconstruction,
            "discriminator": loss,
            "generator": generator,
        }
        return {**terms, **score_terms(rules, real.detach(), fake.detach())}

    return step


def build(setup: Setup) -> Experiment:
    """The networks and what they can do."""
    options, device = setup.options, setup.device
    encoder, decoder, noise = new_encoder(setup), new_generator(setup), training_noise(setup)
    rng = weights(setup).spawn("discriminator")
    discriminator = networks.dense_discriminator(
        (options["latent"], 1, 1), widths=(options["hidden"],) * options["layers"], rng=rng
    )
    rules, ema_generator = gan.rules(options), make_ema_generator(setup, decoder)
    modules: dict[str, nn.Module] = {"encoder": encoder, "decoder": decoder, "discriminator": discriminator}
    if ema_generator is not None:
        modules["average"] = ema_generator

    def evaluate(batch: Batch) -> Terms:
        x = Tensor(to_device(batch.x, device))
        with encoder.evaluation(), decoder.evaluation():
            return {"loss": losses.mse(decoder(encoder(x)), x)}

    def diagnostics(images: Array) -> dict[str, Array]:
        codes = predict(encoder, images, device)
        prior = Generator(setup.seed, device=device).spawn("signs").normal(codes.shape)
        return scores_apart(discriminator, (Tensor(prior),), (Tensor(to_device(codes, device)),))

    def make_step(update: Updates) -> Step:
        settings = {"ema_generator": ema_generator, "n_critic": options["n_critic"], "device": device}
        return step_of(encoder, decoder, discriminator, update, rules, noise, **settings)

    return assemble(
        setup,
        modules,
        ROUTES,
        make_step,
        noise=noise,
        ledger=LEDGER,
        sampler=ema_generator or decoder,
        through=THROUGH,
        encoder=encoder,
        decoder=decoder,
        evaluate=evaluate,
        diagnostics=diagnostics,
    )


RECIPES = (
    recipe(
        "aae",
        "an autoencoder whose codes a discriminator cannot tell from a normal prior",
        "Makhzani et al. 2015, Adversarial autoencoders, arXiv:1511.05644",
        build,
        uses=("hidden", "layers"),
        **{**LOGISTIC, **FAST, "latent": 8, "ema": 0.0},
    ),
)
