"""The game of a GAN: two players, what each is shown, and the update that nearly all GANs have in common.

`Rules` are what one GAN differs in from another: the two losses, and perhaps a penalty. `Game` holds the networks and
decides how images come before the discriminator. `adversarial_step` is the update.

Imports: nn, updates. Read next: ``gan.py``, ``wgan_gp.py``, then ``build.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from minigen import nn, ops
from minigen.algorithms.adversarial.augment import Augment, augmented
from minigen.algorithms.experiment import Step, Term, Terms
from minigen.algorithms.updates import Updates
from minigen.autograd import Tensor
from minigen.data import Batch
from minigen.device import array_module, to_device
from minigen.random import Generator
from minigen_kernels import Array

Penalty = Callable[["Game", Tensor, Tensor], Tensor]  # (game, real, fake) -> scalar


@dataclass(frozen=True)
class Rules:
    """What the players want. Scores are (N,), one for each image (or pack of images); losses are means over them.

    `discriminator` maps the scores of real and of made images to its loss, `generator` those of made images to its
    own. `unit` is that of both. `decision_threshold` is the score between real and generated; None where scores have no
    zero, as those of a critic. With `logits` the probability of being real is sigmoid(score), and is what is logged.
    The penalty times `penalty_weight` is added to the discriminator's loss. After its updates `constrain` may change
    its weights.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    unit: str
    decision_threshold: float | None = 0.0
    logits: bool = False
    penalty: Penalty | None = None
    penalty_weight: float = 0.0
    constrain: Callable[[nn.Module], None] | None = None


class Game:
    """Generator and discriminator, the noise that the one is given, and how the other is shown images.

    `noise` draws the codes and every other random number of training. `pack` images are judged together, as the
    channels of one (Lin et al. 2018). With `joint`, real and made images share the discriminator's batches, and so its
    batch norm's statistics; without, each kind has its own. `noise_std` is the standard deviation of what is added to
    every image. `ema_generator` follows the generator, and samples come from it.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        *,
        latent: int,
        noise: Generator,
        ema_generator: nn.MovingAverage | None = None,
        pack: int = 1,
        joint: bool = False,
        augment: Augment | None = None,
        noise_std: float = 0.0,
    ) -> None:
        self.generator, self.discriminator, self.ema_generator = generator, discriminator, ema_generator
        self.latent, self.noise, self.pack, self.joint = latent, noise, pack, joint
        self.augment, self.noise_std = augment, noise_std

    @property
    def sampler(self) -> nn.Module:
        """Where samples come from: the average, if there is one, else the generator."""
        return self.generator if self.ema_generator is None else self.ema_generator

    def generate(self, n: int) -> Tensor:
        """n new images from the generator, (n, C, H, W); codes are N(0, 1), in the dtype of its weights."""
        dtype = next((p.dtype for p in self.generator.parameters()), "f4")
        return self.generator(Tensor(self.noise.normal((n, self.latent), dtype=dtype)))

    def critic(self, x: Tensor) -> Tensor:
        """The scores (N / pack,) of images (N, C, H, W), shown as they are."""
        if self.pack > 1:
            n, c, h, w = x.shape
            x = ops.reshape(x, (n // self.pack, self.pack * c, h, w))
        return self.discriminator(x)

    def score(self, x: Tensor) -> Tensor:
        """The scores (N / pack,) of images, augmented and with noise."""
        return self.critic(augmented(x, self.noise, augment=self.augment, noise_std=self.noise_std))

    def scores(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """The scores of real and of made images."""
        if not self.joint:
            return self.score(real), self.score(fake)
        both = self.score(ops.concat([real, fake]))
        packs = len(real) // self.pack
        return both[:packs], both[packs:]

    def fake_scores(self, real: Tensor, fake: Tensor) -> Tensor:
        """The scores of made images; the real ones only keep them company, if batches are joint."""
        return self.scores(real, fake)[1] if self.joint else self.score(fake)


def adversarial_step(game: Game, update: Updates, rules: Rules, *, n_critic: int = 1, device: str = "cpu") -> Step:
    """One update: "discriminator" `n_critic` times, each time on its own part of the batch, then "generator".

    Goodfellow et al. 2014, arXiv:1406.2661, algorithm 1. The generator is judged by the images that the discriminator
    has last been shown, but by its weights after that. Terms of the discriminator are those of its last update.
    """

    def step(batch: Batch) -> Terms:
        game.generator.train()
        game.discriminator.train()
        for x in parts(to_device(batch.x, device), n_critic, game.pack):
            real, fake = Tensor(x), game.generate(len(x))
            terms = discriminator_terms(game, rules, real, fake.detach())
            update("discriminator", terms["loss"])
            after_discriminator_update(game, rules)
        generator = rules.generator(game.fake_scores(real, fake))
        update("generator", generator)
        if game.ema_generator is not None:
            game.ema_generator.follow(game.generator)
        return {**terms, "generator": generator}

    return step


def discriminator_terms(game: Game, rules: Rules, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """The loss of the discriminator, "loss", its parts, and how well it does. `fake` is detached."""
    on_real, on_fake = game.scores(real, fake)
    terms = {"discriminator": rules.discriminator(on_real, on_fake)}
    loss = terms["discriminator"]
    if rules.penalty is not None:
        terms["penalty"] = rules.penalty(game, real, fake)
        loss = loss + terms["penalty"] * rules.penalty_weight
    return {"loss": loss, **terms, **score_terms(rules, on_real.detach(), on_fake.detach())}


def score_terms(rules: Rules, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """What the scores (N,) of real and made images say about how the game stands."""
    if rules.decision_threshold is None:
        shown = {"real_score": ops.mean(real), "fake_score": ops.mean(fake)}
        return {**shown, "wasserstein": shown["real_score"] - shown["fake_score"]}
    right = ((real.data > rules.decision_threshold).mean() + (fake.data <= rules.decision_threshold).mean()) * 0.5
    if rules.logits:
        real, fake = ops.sigmoid(real), ops.sigmoid(fake)
    accuracy = Tensor(array_module(right).asarray(right, real.dtype))
    return {"real_score": ops.mean(real), "fake_score": ops.mean(fake), "accuracy": accuracy}


def after_discriminator_update(game: Game, rules: Rules) -> None:
    """What follows an update of the discriminator."""
    nn.power_iteration(game.discriminator)
    if rules.constrain is not None:
        rules.constrain(game.discriminator)


def ledger(rules: Rules) -> dict[str, Term]:
    """What the terms of `adversarial_step` are."""
    score = "mean probability of being real" if rules.logits else "mean score"
    terms = {
        "loss": Term(f"{rules.unit}: the discriminator's"),
        "discriminator": Term(rules.unit, of="loss"),
        "generator": Term(rules.unit),
        "real_score": Term(score),
        "fake_score": Term(score),
    }
    if rules.penalty is not None:
        terms["penalty"] = Term("mean per sample, before its weight", weight=rules.penalty_weight, of="loss")
    if rules.decision_threshold is None:
        terms["wasserstein"] = Term("mean score of real less that of made images: a distance, times the slope")
    else:
        terms["accuracy"] = Term("share of images that the discriminator has right")
    return terms


def parts(x: Array, n_critic: int, pack: int = 1) -> Iterator[Array]:
    """The batch (N, ...) in `n_critic` equal parts. ValueError if they, or packs in them, do not come out even."""
    size, rest = divmod(len(x), n_critic)
    if rest or size % pack or not size:
        packs = f" of packs of {pack}" if pack > 1 else ""
        raise ValueError(f"a batch of {len(x)} images does not make {n_critic} equal parts{packs}; use another number")
    return (x[i * size : (i + 1) * size] for i in range(n_critic))
