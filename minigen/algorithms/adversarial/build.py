"""From options to an `Experiment`: the networks, optimizers, schedules, pictures and samples of a GAN.

Imports: models, step, updates. Read next: ``gan.py``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from minigen import nn, optim
from minigen.algorithms.adversarial.augment import AUGMENTATIONS, linear_decay
from minigen.algorithms.adversarial.options import COMMON, CONV, DENSE
from minigen.algorithms.adversarial.step import GAN, AnyGAN, Objective, adversarial_step, ledger
from minigen.algorithms.donors import (
    BORROWED,
    borrowed_discriminator,
    borrowed_generator,
    check_borrowed,
    check_samples_apart,
)
from minigen.algorithms.experiment import Experiment, Latent, Recipe, Setup, Step
from minigen.algorithms.options import hidden_widths
from minigen.algorithms.prediction import predict
from minigen.algorithms.updates import Updates, make_optimizer, make_schedule
from minigen.autograd import Tensor, no_grad
from minigen.device import to_device
from minigen.models import gan as architecture
from minigen.models.autoencoder import ImageShape
from minigen.random import Generator
from minigen_kernels import Array

Options = Mapping[str, Any]

#: Options that act by batch norm, which a discriminator with a gradient penalty must not have.
BATCH_NORM_OPTIONS = ("joint_batch",)


def recipe(
    name: str,
    summary: str,
    paper: str,
    make_objective: Callable[[Options], Objective],
    build: Callable[[Setup, Objective], Experiment] | None = None,
    *,
    fixed_network: str | None = None,
    order: int = 1,
    without: tuple[str, ...] = (),
    **own: Any,
) -> Recipe:
    """A GAN by name, trained by `adversarial_step` unless it has a `build` of its own.

    `fixed_network` is "dense" or "conv"; without it there is an option, by default "conv". `own` are options besides
    those that all GANs have, and other defaults for these. Of the common ones those in `without` are left out, since
    they could have no effect.
    """
    sizes = {None: {"network": "conv", **DENSE, **CONV}, "dense": DENSE, "conv": CONV}[fixed_network]
    options = {**COMMON, **sizes, **BORROWED, **own}
    options = {key: value for key, value in options.items() if key not in without}

    def checked(setup: Setup) -> Experiment:
        objective = make_objective(setup.options)
        check_setup(name, options, setup)
        check_discriminator(name, setup.options, objective)
        check_borrowed(name, options, setup.options)
        if build is not None:
            return build(setup, objective)
        gan = make_gan(setup, fixed_network)
        if objective.penalty is not None:
            check_samples_apart(name, gan.discriminator)
        return make_experiment(setup, gan, objective)

    return Recipe(
        name, "gan", summary, paper, options, checked, order=order, value_range=(-1.0, 1.0),
        batches_per_step=batches_per_step,
    )  # fmt: skip


def batches_per_step(options: Options) -> int:
    """How many batches one update sees: one for each update of the discriminator and each image of its packs."""
    return int(options["n_critic"] * options.get("pack", 1))


def check_setup(name: str, defaults: Options, setup: Setup, dense_with_conv: tuple[str, ...] = ()) -> None:
    """ValueError for options without effect, and for data out of the range of tanh.

    `dense_with_conv` are sizes of dense layers that have an effect beside convolutions, too.
    """
    options, idle = setup.options, list[tuple[str, str]]()
    if setup.value_range != (-1.0, 1.0):
        raise ValueError(f"{name}: the generator ends in tanh: expected data in (-1, 1), got {setup.value_range}")
    if "network" in options:
        sizes = CONV if options["network"] == "dense" else [key for key in DENSE if key not in dense_with_conv]
        idle += [(key, f"--network {options['network']}") for key in sizes]
    if options["optimizer"] not in ("adam", "adamw"):
        idle += [(key, f"--optimizer {options['optimizer']}") for key in ("beta1", "beta2")]
    for key, cause in idle:
        if options[key] != defaults[key]:
            raise ValueError(f"{name}: --{key.replace('_', '-')} has no effect with {cause}; leave it out")


def check_discriminator(name: str, options: Options, objective: Objective) -> None:
    """ValueError for options of the discriminator that contradict each other or its penalty."""
    if options["norm"] == "batch" and objective.penalty is not None:
        raise ValueError(
            f"{name}: the penalty is on the gradient of each sample, and batch norm mixes the samples of a batch; "
            "use --norm none, layer or spectral"
        )
    if options.get("joint_batch") and options["norm"] != "batch":
        raise ValueError(f"{name}: --joint-batch has no effect without --norm batch; leave it out")


def make_generator(
    options: Options, image: ImageShape, rng: Generator, network: str | None = None, *, inputs: int | None = None
) -> nn.Module:
    """The generator of images that the options have, from codes (or `inputs` numbers). ValueError if no layer fits."""
    latent, rng = inputs or options["latent"], rng.spawn("generator")
    if options.get("generator"):
        return borrowed_generator(options["generator"], image, latent=latent, rng=rng)
    if (network or options["network"]) == "dense":
        return architecture.dense_generator(image, latent=latent, widths=hidden_widths(options), rng=rng)
    generator = architecture.dcgan_generator(
        image,
        latent=latent,
        channels=options["channels"],
        kernel=options["kernel"],
        halvings=options["halvings"],
        rng=rng,
    )
    architecture.warn_of_checkerboard(generator)
    return generator


def make_discriminator(
    options: Options, image: ImageShape, rng: Generator, network: str | None = None
) -> architecture.Discriminator:
    """The discriminator that the options have, of images of that shape. ValueError if no layer fits."""
    norm, rng = options["norm"], rng.spawn("discriminator")
    if options.get("discriminator"):
        return borrowed_discriminator(options["discriminator"], image, rng=rng)
    if (network or options["network"]) == "dense":
        return architecture.dense_discriminator(image, widths=hidden_widths(options), norm=norm, rng=rng)
    return architecture.dcgan_discriminator(
        image,
        channels=options["channels"],
        kernel=options["kernel"],
        halvings=options["halvings"],
        norm=norm,
        rng=rng,
    )


def make_gan(setup: Setup, network: str | None = None) -> GAN:
    """Both networks on their device, and how images reach the discriminator."""
    (c, h, w), pack = setup.image_shape, setup.options.get("pack", 1)
    rng = Generator(setup.seed).spawn("weights")
    generator = make_generator(setup.options, setup.image_shape, rng, network)
    return assemble_gan(GAN, setup, generator, make_discriminator(setup.options, (c * pack, h, w), rng, network))


def assemble_gan(
    kind: type[AnyGAN], setup: Setup, generator: nn.Module, discriminator: nn.Module, **own: Any
) -> AnyGAN:
    """A GAN of that kind of these networks, moved to their device, with the settings that all have and its own."""
    options = setup.options
    return kind(
        generator.to(setup.device),
        discriminator.to(setup.device),
        latent=options["latent"],
        noise=Generator(setup.seed, device=setup.device).spawn("noise"),
        ema_generator=nn.MovingAverage(generator, options["ema"]) if options["ema"] else None,
        pack=options.get("pack", 1),
        joint=options.get("joint_batch", False),
        augment=AUGMENTATIONS[options["augment"]],
        noise_std=options["instance_noise"],
        **own,
    )


def make_updates(setup: Setup, gan: GAN) -> tuple[Updates, Callable[[int], None]]:
    """The optimizers of both networks, and what sets their learning rates and the noise for update k."""
    options, steps = setup.options, setup.steps
    kind, betas = options["optimizer"], (options["beta1"], options["beta2"])
    optimizers: dict[str, optim.Optimizer] = {
        "discriminator": make_optimizer(kind, gan.discriminator, options["lr_discriminator"], betas=betas),
        "generator": make_optimizer(kind, gan.generator, options["lr_generator"], betas=betas),
    }
    set_rates = make_schedule(options["schedule"], optimizers.values(), steps)

    def schedule(k: int) -> None:
        set_rates(k)
        gan.noise_std = linear_decay(options["instance_noise"], k, steps)

    return Updates(optimizers, clip_norm=options["clip_norm"]), schedule


def make_experiment(
    setup: Setup, gan: AnyGAN, objective: Objective, make_step: Callable[..., Step] = adversarial_step
) -> Experiment:
    """All of a GAN that is trained by the step that `make_step` makes, with the arguments of `adversarial_step`."""
    seed, device = setup.seed, setup.device
    update, schedule = make_updates(setup, gan)
    modules = {"generator": gan.generator, "discriminator": gan.discriminator}
    if gan.ema_generator is not None:
        modules["average"] = gan.ema_generator

    def draw(n: int, rng: Generator) -> Array:
        return to_device(rng.normal((n, gan.latent)), "cpu")

    def decode(codes: Array, labels: Array | None = None) -> Array:
        return predict(gan.sampler, codes, device=device)

    def pictures(images: Array) -> list[Array]:
        return [decode(draw(len(images), Generator(seed).spawn("pictures")))]

    def diagnostics(images: Array) -> dict[str, Array]:
        def generate(n: int) -> Array:
            return predict(gan.generator, draw(n, Generator(seed).spawn("signs")), device=device)

        return training_scores(gan, images, generate, device)

    return Experiment(
        modules=modules,
        updates=update,
        generators={"noise": gan.noise},
        step=make_step(gan, update, objective, n_critic=setup.options["n_critic"], device=device),
        schedule=schedule,
        pictures=pictures,
        ledger=ledger(objective),
        routes={"discriminator": ("discriminator",), "generator": ("generator",)},
        through={"generator": ("discriminator",)},
        ema_modules=() if gan.ema_generator is None else ("average",),
        latent=Latent(gan.latent, decode, draw),
        diagnostics=diagnostics if objective.logits else None,
    )


def training_scores(gan: GAN, images: Array, generate: Callable[[int], Array], device: str) -> dict[str, Array]:
    """The logits of images (N, C, H, W) and of as many from `generate`, as the discriminator gives them in training.

    That is with the batch statistics of each kind; a copy computes them, so that no running statistics change. Empty
    for fewer than two (packs of) images: one has no statistics. Of several outputs the first is the logit.
    """
    n = len(images) // gan.pack * gan.pack
    if n < 2 * gan.pack:
        return {}
    copied = copy.copy(gan)
    copied.discriminator = copy.deepcopy(gan.discriminator).train()
    samples = generate(n)
    with no_grad():
        scores = [copied.scores(Tensor(to_device(x, device))).numpy() for x in (images[:n], samples)]
    real, fake = (s if s.ndim == 1 else s[:, 0] for s in scores)
    return {"real_score": real, "fake_score": fake}
