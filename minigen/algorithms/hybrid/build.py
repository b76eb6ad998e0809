"""What the hybrids share: their options, their networks, optimizers by loss, pictures and samples.

A hybrid names its losses and says of each which modules it moves (`routes`); one optimizer is made for each loss. The
learning rate of "discriminator" and "denoiser" is ``lr_discriminator``, that of all other losses ``lr_generator``.

Imports: models, adversarial, updates. Read next: ``aae.py``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from minigen import nn, ops
from minigen.algorithms.adversarial.build import Options, batches, make_discriminator, make_generator, predict
from minigen.algorithms.adversarial.options import CONV, DENSE
from minigen.algorithms.donors import check_borrowed
from minigen.algorithms.experiment import Experiment, Latent, Recipe, Setup, Step, Term
from minigen.algorithms.hybrid.show import Show
from minigen.algorithms.options import Option
from minigen.algorithms.updates import Updates, make_optimizer, make_schedule
from minigen.autograd import Tensor, no_grad
from minigen.device import to_device
from minigen.models import hybrid as architecture
from minigen.models.gan import Discriminator
from minigen.random import Generator
from minigen_kernels import Array

OPTIONS: Mapping[str, Option] = {
    "reconstruction_weight": Option(float, "weight of the reconstruction in the generator's loss", minimum=0),
    "mode_weight": Option(float, "weight of -log D(G(E(x))) in the generator's loss", minimum=0),
    "feature_weight": Option(float, "weight of the error of features in the loss of the generator", minimum=0),
    "feature_variance": Option(
        float, "variance of a feature around that of the reconstruction", minimum=0, exclusive=True
    ),
    "feature_noise": Option(float, "standard deviation of the noise on features that a denoiser removes", minimum=0),
    "margin": Option(float, "made images whose energy is above this are left alone", minimum=0, exclusive=True),
    "pull_away_weight": Option(float, "weight of the term that drives codes of made images apart", minimum=0),
    "error": Option(
        str,
        "of a reconstruction: absolute (mean per pixel), or relative to the contrast of the image",
        choices=("absolute", "relative"),
    ),
    "diversity": Option(
        float,
        "wanted error of made images, as a share of that of real ones",
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
SAMPLED: Mapping[str, Any] = {  # of those whose generator plays against images
    "ema": 0.999,
    "instance_noise": 0.0,
    "augment": "none",
    "validation": 0.0,
}
FAST: Mapping[str, Any] = {"lr_generator": 1e-3, "lr_discriminator": 1e-3}  # an autoencoder learns, and cannot win
LOGISTIC: Mapping[str, Any] = {"generator_loss": "non-saturating", "label_smoothing": 0.0}

#: What the terms of a logistic discriminator are (`game.score_terms`).
SCORE_TERMS: Mapping[str, Term] = {
    "real_score": Term("mean probability of being real"),
    "fake_score": Term("mean probability of being real"),
    "accuracy": Term("share that the discriminator has right"),
}


def recipe(
    name: str,
    summary: str,
    paper: str,
    build: Callable[[Setup], Experiment],
    *,
    uses: tuple[str, ...] = (),
    **own: Any,
) -> Recipe:
    """A hybrid by name. `uses` are sizes of dense layers that have an effect beside convolutions too.

    A default norm of None is batch norm between convolutions, and nothing between dense layers: there, with batch norm,
    the discriminator wins within some thousand updates, and all samples become alike.
    """
    options = {**COMMON, **own}

    def checked(setup: Setup) -> Experiment:
        check(name, options, setup, uses)
        check_borrowed(name, options, setup.options)
        if setup.options.get("norm", "") is None:
            norm = "none" if setup.options["network"] == "dense" else "batch"
            setup = replace(setup, options={**setup.options, "norm": norm})
        return build(setup)

    return Recipe(name, "hybrid", summary, paper, options, checked, value_range=(-1.0, 1.0), batches_per_step=batches)


def check(name: str, defaults: Options, setup: Setup, uses: tuple[str, ...]) -> None:
    """ValueError for options without effect, and for data that tanh cannot paint."""
    if setup.value_range != (-1.0, 1.0):
        raise ValueError(f"{name}: the generator ends in tanh: expected data in (-1, 1), got {setup.value_range}")
    network, optimizer = setup.options["network"], setup.options["optimizer"]
    sizes = CONV if network == "dense" else [key for key in DENSE if key not in uses]
    idle = [(key, f"--network {network}") for key in sizes]
    if optimizer not in ("adam", "adamw"):
        idle += [(key, f"--optimizer {optimizer}") for key in ("beta1", "beta2")]
    for key, cause in idle:
        if setup.options[key] != defaults[key]:
            raise ValueError(f"{name}: --{key.replace('_', '-')} has no effect with {cause}; leave it out")


# Networks.


def weights(setup: Setup) -> Generator:
    """The random numbers that weights begin with."""
    return Generator(setup.seed).spawn("weights")


def new_generator(setup: Setup) -> nn.Module:
    """The generator that a GAN with these options has."""
    return make_generator(setup.options, setup.image_shape, weights(setup))


def new_discriminator(setup: Setup) -> Discriminator:
    """The discriminator that a GAN with these options has."""
    return make_discriminator(setup.options, setup.image_shape, weights(setup))


def new_trunk(setup: Setup) -> Discriminator:
    """The discriminator, with batch norm, whose features an encoder makes codes of."""
    options = {**setup.options, "norm": "batch", "discriminator": None}
    return make_discriminator(options, setup.image_shape, weights(setup).spawn("encoder"))


def new_encoder(setup: Setup) -> architecture.Encoder:
    """The layers of a discriminator with batch norm, and a code."""
    trunk, rng = new_trunk(setup), weights(setup).spawn("code")
    return architecture.encoder(trunk, latent=setup.options["latent"], rng=rng)


def new_gaussian_encoder(setup: Setup) -> architecture.GaussianEncoder:
    """The layers of a discriminator with batch norm, and a distribution over codes."""
    trunk, rng = new_trunk(setup), weights(setup).spawn("code")
    return architecture.gaussian_encoder(trunk, latent=setup.options["latent"], rng=rng)


def new_autoencoder(setup: Setup) -> architecture.AutoencodingDiscriminator:
    """A discriminator that is an autoencoder, without batch norm but for that of --norm in its encoder."""
    options, rng = setup.options, weights(setup).spawn("decoder")
    widths = (options["hidden"],) * options["layers"]
    trunk = new_discriminator(setup)
    encoder = architecture.encoder(trunk, latent=options["latent"], rng=weights(setup).spawn("code"))
    decoder = (
        architecture.dense_decoder(setup.image_shape, latent=options["latent"], widths=widths, rng=rng)
        if options["network"] == "dense"
        else architecture.conv_decoder(
            setup.image_shape, latent=options["latent"], channels=options["channels"], kernel=options["kernel"], rng=rng
        )
    )
    return architecture.AutoencodingDiscriminator(encoder, decoder)


def make_ema_generator(setup: Setup, generator: nn.Module) -> nn.MovingAverage | None:
    """What follows the generator, and paints in its place; None with --ema 0."""
    return nn.MovingAverage(generator, setup.options["ema"]) if setup.options["ema"] else None


# Training.


def training_noise(setup: Setup) -> Generator:
    """The random numbers of training."""
    return Generator(setup.seed, device=setup.device).spawn("noise")


def make_updates(
    setup: Setup, modules: Mapping[str, nn.Module], routes: Mapping[str, tuple[str, ...]], show: Show | None
) -> tuple[Updates, Callable[[int], None]]:
    """An optimizer for each loss, over the modules of its route; and what sets rates and noise for update k."""
    options = setup.options
    optimizers = {}
    for loss, route in routes.items():
        rate = options["lr_discriminator" if loss in ("discriminator", "denoiser") else "lr_generator"]
        betas = (options["beta1"], options["beta2"])
        optimizers[loss] = make_optimizer(options["optimizer"], [modules[name] for name in route], rate, betas=betas)
    rates = [make_schedule(options["schedule"], optimizer, setup.steps) for optimizer in optimizers.values()]

    def schedule(k: int) -> None:
        for rate in rates:
            rate(k)
        if show is not None:
            show.fade(k)

    return Updates(optimizers, clip_norm=options["clip_norm"]), schedule


def normal_like(rng: Generator, n: int, size: int, network: nn.Module) -> Tensor:
    """Codes (n, size) from the prior N(0, 1), in the dtype of the network."""
    return Tensor(rng.normal((n, size), dtype=network.parameters()[0].dtype))


def assemble(
    setup: Setup,
    modules: dict[str, nn.Module],
    routes: Mapping[str, tuple[str, ...]],
    make_step: Callable[[Updates], Step],
    *,
    noise: Generator,
    ledger: Mapping[str, Term],
    sampler: nn.Module,
    through: Mapping[str, tuple[str, ...]],
    show: Show | None = None,
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
    **abilities: Any,
) -> Experiment:
    """All of a hybrid. `sampler` makes samples of codes; `encoder` and `decoder`, if given, codes and reconstructions.

    `show`, if given, is how the discriminator is shown images; its noise is made to fade. An "average" among the
    modules follows another one, and is moved by no loss.
    """
    device, latent = setup.device, int(setup.options["latent"])
    for module in modules.values():
        module.to(device)
    update, schedule = make_updates(setup, modules, routes, show)

    def draw(n: int, rng: Generator) -> Array:
        return to_device(rng.normal((n, latent)), "cpu")

    def decode(codes: Array, _: Array | None = None) -> Array:
        return predict(sampler, codes, device)

    def pictures(images: Array) -> list[Array]:
        """With an encoder: images, reconstructions, and samples; else only these."""
        samples = decode(draw(len(images), Generator(setup.seed).spawn("pictures")))
        return [samples] if reconstruct is None else [images, reconstruct(images), samples]

    reconstruct: Callable[[Array], Array] | None = None
    if encoder is not None:
        source, target = encoder, decoder or sampler
        reconstruct = lambda images: predict(target, predict(source, images, device), device).clip(-1, 1)  # noqa: E731
        abilities["encode"] = lambda images: predict(source, images, device)
    return Experiment(
        modules=modules,
        updates=update,
        generators={"noise": noise},
        step=make_step(update),
        schedule=schedule,
        pictures=pictures,
        ledger=ledger,
        routes=routes,
        through=through,
        ema_modules=tuple(name for name in modules if name == "average"),
        reconstruct=reconstruct,
        latent=Latent(latent, decode, draw),
        **abilities,
    )


def generate_together(generator: nn.Module, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """The images of two kinds of codes (N, D), made in one batch.

    Batch norm's running statistics, by which samples are made later, are then those that both kinds were trained with;
    of two batches they would be a mean of the statistics of both, and right for neither.
    """
    images = generator(ops.concat([first, second]))
    return images[: len(first)], images[len(first) :]


def judge(discriminator: Discriminator, x: Tensor) -> tuple[Tensor, Tensor]:
    """Features (N, F) and scores (N,) of images (N, C, H, W)."""
    features = discriminator.features(x)
    return features, ops.reshape(discriminator.score(features), (len(x),))


def scores_apart(network: nn.Module, real: tuple[Tensor, ...], fake: tuple[Tensor, ...]) -> dict[str, Array]:
    """The logits of what is real and of what is made, each with its own batch statistics, as training has them.

    A copy of the network is asked, so that looking moves no running statistics. Empty for one of each.
    """
    watched = copy.deepcopy(network).train()
    with no_grad():
        if len(real[0]) < 2:
            return {}
        return {"real_score": watched(*real).numpy(), "fake_score": watched(*fake).numpy()}


def discriminator_diagnostics(
    setup: Setup, generator: nn.Module, discriminator: nn.Module
) -> Callable[[Array], dict[str, Array]]:
    """What the doctor is shown of a discriminator of images: the logits of images, and of as many samples."""

    def diagnostics(images: Array) -> dict[str, Array]:
        codes = to_device(Generator(setup.seed).spawn("signs").normal((len(images), setup.options["latent"])), "cpu")
        samples = predict(generator, codes, setup.device)
        real, fake = (Tensor(to_device(x, setup.device)) for x in (images, samples))
        return scores_apart(discriminator, (real,), (fake,))

    return diagnostics
