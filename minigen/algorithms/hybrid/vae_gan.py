"""VAE-GAN (Larsen et al. 2016, arXiv:1512.09300): reconstructions are compared in the features of a discriminator.

Pixels that are off by one in place cost a VAE much, and its pictures are blurred. Here the likelihood is a Gaussian of
variance v (1 in the paper) around the discriminator's features f of the reconstruction, and the discriminator learns
what matters. With L_gan = -log D(x) - log(1 - D(x~)) - log(1 - D(x_p)), x~ the reconstruction and x_p a sample
(algorithm 1, "minimax"; "non-saturating" puts -log D(x~) - log D(x_p) in the place of -L_gan):

    loss           is                                       moves           passes
    encoder        KL + |f(x) - f(x~)|^2 / 2v               encoder         decoder, discriminator
    decoder        gamma |f(x) - f(x~)|^2 / 2v - L_gan      decoder         discriminator; the encoder is left alone
    discriminator  L_gan                                    discriminator   images are detached

The discriminator hears nothing of the comparison: its features could shrink to please it. As in the algorithm all three
gradients are taken at the same weights: what moves first, the encoder, is on the way of no later gradient.

Where images are augmented or have noise added before the discriminator sees them, an image and its reconstruction have
the same draws: else f would differ of two images that are the same.

Imports: losses, ops, adversarial, build. Read next: ``ali.py``.
"""

from __future__ import annotations

from minigen import losses, nn, ops
from minigen.algorithms.adversarial import gan
from minigen.algorithms.adversarial.build import predict
from minigen.algorithms.adversarial.game import Rules, parts, score_terms
from minigen.algorithms.experiment import Experiment, Setup, Step, Term, Terms
from minigen.algorithms.hybrid.build import (
    LOGISTIC,
    SAMPLED,
    SCORE_TERMS,
    assemble,
    generate_together,
    judge,
    make_ema_generator,
    new_discriminator,
    new_gaussian_encoder,
    new_generator,
    normal_like,
    recipe,
    scores_apart,
    training_noise,
)
from minigen.algorithms.hybrid.show import Show
from minigen.algorithms.updates import Updates
from minigen.autograd import Tensor
from minigen.data import Batch
from minigen.device import to_device
from minigen.models.gan import Discriminator
from minigen.models.hybrid import GaussianEncoder
from minigen.random import Generator
from minigen_kernels import Array

ROUTES = {"encoder": ("encoder",), "decoder": ("decoder",), "discriminator": ("discriminator",)}
THROUGH = {"encoder": ("decoder", "discriminator"), "decoder": ("encoder", "discriminator")}


def ledger(feature_weight: float) -> dict[str, Term]:
    """What the terms are. The error of features stands there twice, once for each loss that it is part of."""
    return {
        "loss": Term("nats: the discriminator's"),
        "discriminator": Term("nats: of images, reconstructions and samples", of="loss"),
        "encoder": Term("nats per sample"),
        "kl": Term("nats per sample, sum over the code", of="encoder"),
        "features": Term("nats per sample: half the squared error over the variance, sum over features", of="encoder"),
        "decoder": Term("nats, and weighted features"),
        "features_of_decoder": Term("nats per sample, as features", weight=feature_weight, of="decoder"),
        "adversarial": Term("nats: of reconstructions and samples", of="decoder"),
        **SCORE_TERMS,
    }


def step_of(
    encoder: GaussianEncoder,
    decoder: nn.Module,
    discriminator: Discriminator,
    update: Updates,
    rules: Rules,
    noise: Generator,
    show: Show,
    *,
    feature_weight: float,
    feature_variance: float,
    ema_generator: nn.MovingAverage | None = None,
    n_critic: int = 1,
    device: str = "cpu",
) -> Step:
    """Algorithm 1, by the `rules` of a logistic game, in which reconstructions and samples are both made images.

    The discriminator is updated `n_critic` times, each time on its own part of the batch; algorithm 1, with the last of
    these updates, is on the last part.
    """

    def shown(x: Tensor) -> tuple[Tensor, ...]:
        """The mean and log-variance of the codes of images; and these, reconstructions and samples, to be judged."""
        mean, logvar = encoder.posterior(x)
        z = ops.reparameterize(mean, logvar, Tensor(noise.normal(mean.shape, dtype=mean.dtype)))
        again, drawn = generate_together(decoder, z, normal_like(noise, len(x), mean.shape[1], encoder))
        return mean, logvar, *show.alike(x, again), show(drawn)

    def discriminate(on_real: Tensor, again: Tensor, drawn: Tensor) -> Terms:
        on_again, on_drawn = (judge(discriminator, images.detach())[1] for images in (again, drawn))
        loss = rules.discriminator(on_real, on_again) + gan.cross_entropy(on_drawn, 0.0)
        update("discriminator", loss)
        nn.power_iteration(discriminator)
        made = ops.concat([on_again, on_drawn])
        return {"loss": loss, "discriminator": loss, **score_terms(rules, on_real.detach(), made.detach())}

    def step(batch: Batch) -> Terms:
        for module in (encoder, decoder, discriminator):
            module.train()
        *first, last = map(Tensor, parts(to_device(batch.x, device), n_critic))
        for x in first:
            _, _, real, again, drawn = shown(x)
            discriminate(judge(discriminator, real)[1], again, drawn)

        mean, logvar, real, again, drawn = shown(last)
        f_real, on_real = judge(discriminator, real)
        f_again, on_again = judge(discriminator, again)
        on_drawn = judge(discriminator, drawn)[1]

        kl = losses.gaussian_kl(mean, logvar)
        error = losses.mse(f_again, f_real.detach(), reduction="batchmean") * (0.5 / feature_variance)
        adversarial = rules.generator(on_again) + rules.generator(on_drawn)
        loss_e, loss_d = kl + error, error * feature_weight + adversarial
        update("encoder", loss_e)
        update("decoder", loss_d)
        if ema_generator is not None:
            ema_generator.follow(decoder)

        return {
            **discriminate(on_real, again, drawn), "encoder": loss_e, "kl": kl, "features": error, "decoder": loss_d,
            "features_of_decoder": error, "adversarial": adversarial,
        }  # fmt: skip

    return step


def build(setup: Setup) -> Experiment:
    """The networks and what they can do."""
    options, device = setup.options, setup.device
    encoder, decoder, noise = new_gaussian_encoder(setup), new_generator(setup), training_noise(setup)
    discriminator, ema_generator = new_discriminator(setup), make_ema_generator(setup, decoder)
    rules, show = gan.rules(options), Show(setup, noise)
    modules: dict[str, nn.Module] = {"encoder": encoder, "decoder": decoder, "discriminator": discriminator}
    if ema_generator is not None:
        modules["average"] = ema_generator

    def diagnostics(images: Array) -> dict[str, Array]:
        x = Tensor(to_device(images, device))
        with encoder.evaluation():
            mean, logvar = encoder.posterior(x)
            kl = losses.gaussian_kl(mean, logvar, reduction="none")
        codes = to_device(Generator(setup.seed).spawn("signs").normal(mean.shape), "cpu")
        made = Tensor(to_device(predict(decoder, codes, device), device))
        return {"kl": kl.numpy(), "mean": mean.numpy(), **scores_apart(discriminator, (x,), (made,))}

    def make_step(update: Updates) -> Step:
        settings = {name: options[name] for name in ("feature_weight", "feature_variance", "n_critic")}
        settings |= {"ema_generator": ema_generator, "device": device}
        return step_of(encoder, decoder, discriminator, update, rules, noise, show, **settings)

    return assemble(
        setup,
        modules,
        ROUTES,
        make_step,
        noise=noise,
        ledger=ledger(options["feature_weight"]),
        sampler=ema_generator or decoder,
        through=THROUGH,
        show=show,
        encoder=encoder,
        decoder=decoder,
        diagnostics=diagnostics,
    )


RECIPES = (
    recipe(
        "vae-gan",
        "a VAE whose reconstructions are compared in the features of a discriminator",
        "Larsen et al. 2016, Autoencoding beyond pixels using a learned similarity metric, arXiv:1512.09300",
        build,
        **{
            **SAMPLED,
            **LOGISTIC,
            "discriminator": None,
            "norm": None,
            "latent": 20,
            "feature_weight": 0.1,
            "feature_variance": 10.0,
        },
    ),
)
