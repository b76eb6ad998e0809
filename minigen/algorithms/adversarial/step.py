"""The update that all GANs here share: algorithm 1 of Goodfellow et al. 2014 (arXiv:1406.2661).

`Objective` holds the losses of discriminator and generator; the file of each model states them. `GAN` holds the two
networks and says how images reach the discriminator. `adversarial_step` is the algorithm. There ``update(name, loss)``
differentiates the loss in the parameters of the network of that name, and makes one step of its optimizer.

Imports: nn, updates, augment. Read next: ``gan.py``, ``wgan_gp.py``, then ``build.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from minigen import nn, ops
from minigen.algorithms.adversarial.augment import Augment, augmented
from minigen.algorithms.experiment import Step, Term, Terms
from minigen.algorithms.updates import Updates
from minigen.autograd import Tensor, grad
from minigen.data import Batch
from minigen.device import array_module, to_device
from minigen.random import Generator
from minigen_kernels import Array, for_array

Critic = Callable[[Tensor], Tensor]  # images (N, C, H, W) -> scores (N,)
Penalty = Callable[[Critic, Tensor, Tensor, Generator], Tensor]  # (critic, real, fake, noise) -> scalar
AnyGAN = TypeVar("AnyGAN", bound="GAN")


@dataclass(frozen=True)
class Objective:
    """The losses of a GAN, as functions of scores (N,): one for each image (or pack of images).

    `discriminator_loss` maps the scores of real and of fake images to the discriminator's loss, a mean over images;
    `generator_loss` maps those of fake images to the generator's. `unit` is that of both losses. `penalty_weight` times
    `penalty` is added to the discriminator's loss. `weight_constraint` changes the discriminator's weights after each
    of its updates. With `logits` the probability of being real is sigmoid(score), and is what is logged.
    `decision_threshold` is the score that separates real from fake; None where scores have no zero, as those of a
    Wasserstein critic.
    """

    discriminator_loss: Callable[[Tensor, Tensor], Tensor]
    generator_loss: Callable[[Tensor], Tensor]
    unit: str
    decision_threshold: float | None = 0.0
    logits: bool = False
    penalty: Penalty | None = None
    penalty_weight: float = 0.0
    weight_constraint: Callable[[nn.Module], None] | None = None


class GAN:
    """Generator and discriminator, the noise of training, and how images reach the discriminator.

    `noise` draws the codes and every other random number of training. The discriminator scores `pack` images together,
    as the channels of one (Lin et al. 2018). With `joint`, real and fake images share its batches, and so the
    statistics of its batch norm; without, each kind has its own. `augment` and noise of standard deviation `noise_std`
    change every image that it sees. `ema_generator` is the moving average of the generator that samples come from.
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
        """Where samples come from: the moving average, if there is one, else the generator."""
        return self.generator if self.ema_generator is None else self.ema_generator

    @property
    def dtype(self) -> Any:
        """Of the generator's weights."""
        return next((p.dtype for p in self.generator.parameters()), "f4")

    def conditioned_on(self, labels: Array | None, n: int) -> Self:
        """The GAN that trains on n images with these labels (N,): this one, unless the networks are given labels."""
        return self

    def draw_codes(self, n: int) -> Tensor:
        """n codes z from the prior N(0, 1), (n, latent)."""
        return Tensor(self.noise.normal((n, self.latent), dtype=self.dtype))

    def generate(self, n: int) -> Tensor:
        """n images G(z) of new codes, (n, C, H, W)."""
        return self.generator(self.draw_codes(n))

    def scores(self, x: Tensor) -> Tensor:
        """The scores (N / pack,) of images (N, C, H, W) as they are."""
        if self.pack > 1:
            n, c, h, w = x.shape
            x = ops.reshape(x, (n // self.pack, self.pack * c, h, w))
        return self.discriminator(x)

    def augmented_scores(self, x: Tensor) -> Tensor:
        """The scores (N / pack,) of images, augmented and with noise."""
        return self.scores(augmented(x, self.noise, augment=self.augment, noise_std=self.noise_std))

    def real_fake_scores(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """The scores of real and of fake images, augmented."""
        if not self.joint:
            return self.augmented_scores(real), self.augmented_scores(fake)
        both = self.augmented_scores(ops.concat([real, fake]))
        packs = len(real) // self.pack
        return both[:packs], both[packs:]

    def fake_scores(self, real: Tensor, fake: Tensor) -> Tensor:
        """The scores of fake images, augmented; the real ones only share the batch with them, if it is joint."""
        return self.real_fake_scores(real, fake)[1] if self.joint else self.augmented_scores(fake)


def discriminator_terms(gan: GAN, objective: Objective, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """The loss of the discriminator, "loss", its parts, and statistics of the scores. `fake` is detached."""
    real_scores, fake_scores = gan.real_fake_scores(real, fake)
    terms = {"discriminator": objective.discriminator_loss(real_scores, fake_scores)}
    loss = terms["discriminator"]
    if objective.penalty is not None:
        terms["penalty"] = objective.penalty(gan.scores, real, fake, gan.noise)
        loss = loss + terms["penalty"] * objective.penalty_weight
    return {"loss": loss, **terms, **score_terms(objective, real_scores.detach(), fake_scores.detach())}


def generator_terms(gan: GAN, objective: Objective, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """The loss of the generator, "generator"."""
    return {"generator": objective.generator_loss(gan.fake_scores(real, fake))}


LossTerms = Callable[[AnyGAN, Objective, Tensor, Tensor], dict[str, Tensor]]  # such as the two above


def adversarial_step(
    gan: AnyGAN,
    update: Updates,
    objective: Objective,
    *,
    discriminator_terms: LossTerms[AnyGAN] = discriminator_terms,
    generator_terms: LossTerms[AnyGAN] = generator_terms,
    n_critic: int = 1,
    device: str = "cpu",
) -> Step:
    """Algorithm 1: `n_critic` updates of the discriminator, each on its part of the batch, and one of the generator.

    The generator's loss is that of the last fake images, with the discriminator's weights after its last update. The
    discriminator's terms are those of its last update. `discriminator_terms` ("loss" first) and `generator_terms`
    ("generator" first) compute the losses; a model may have its own.
    """

    def step(batch: Batch) -> Terms:
        gan.generator.train()
        gan.discriminator.train()
        images = split_batch(to_device(batch.x, device), n_critic, gan.pack)
        labels: Iterable[Array | None] = [None] * n_critic
        if batch.labels is not None:
            labels = split_batch(batch.labels, n_critic, gan.pack)
        for x, y in zip(images, labels, strict=True):
            model = gan.conditioned_on(y, len(x))
            real, fake = Tensor(x), model.generate(len(x))
            terms = discriminator_terms(model, objective, real, fake.detach())
            update("discriminator", terms["loss"])
            nn.power_iteration(gan.discriminator)  # of its spectral norms, if it has any
            if objective.weight_constraint is not None:
                objective.weight_constraint(gan.discriminator)
        terms |= generator_terms(model, objective, real, fake)
        update("generator", terms["generator"])
        if gan.ema_generator is not None:
            gan.ema_generator.update(gan.generator)
        return terms

    return step


def score_terms(objective: Objective, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """Statistics of the scores (N,) of real and of fake images: means, and accuracy or Wasserstein distance."""
    threshold = objective.decision_threshold
    statistics = for_array(real.data).score_statistics(real.data, fake.data, threshold or 0.0, objective.logits)
    mean_real, mean_fake, difference, accuracy = map(Tensor, statistics)
    last = {"wasserstein": difference} if threshold is None else {"accuracy": accuracy}
    return {"real_score": mean_real, "fake_score": mean_fake, **last}


def gradient_of_scores(critic: Critic, images: Array) -> Tensor:
    """The gradient of each score in its own image, (N, C, H, W), which can be differentiated again.

    A score (of a pack: of its images) must not depend on the other images.
    """
    x = Tensor(images, requires_grad=True)
    scores = critic(x)
    (g,) = grad(scores, [x], Tensor(array_module(images).ones_like(scores.data)), create_graph=True)
    return g


def ledger(objective: Objective) -> dict[str, Term]:
    """What the terms of `adversarial_step` are."""
    score = "mean probability of being real" if objective.logits else "mean score"
    terms = {
        "loss": Term(f"{objective.unit}: the discriminator's"),
        "discriminator": Term(objective.unit, of="loss"),
        "generator": Term(objective.unit),
        "real_score": Term(score),
        "fake_score": Term(score),
    }
    if objective.penalty is not None:
        terms["penalty"] = Term("mean per sample, before its weight", weight=objective.penalty_weight, of="loss")
    if objective.decision_threshold is None:
        terms["wasserstein"] = Term("mean score of real less that of generated images: a distance, times the slope")
    else:
        terms["accuracy"] = Term("share of images that the discriminator has right")
    return terms


def split_batch(x: Array, n_critic: int, pack: int = 1) -> Iterator[Array]:
    """The batch (N, ...) in `n_critic` equal parts. ValueError if they, or packs in them, do not come out even."""
    size, rest = divmod(len(x), n_critic)
    if rest or size % pack or not size:
        packs = f" of packs of {pack}" if pack > 1 else ""
        raise ValueError(f"a batch of {len(x)} images does not make {n_critic} equal parts{packs}; use another number")
    return (x[i * size : (i + 1) * size] for i in range(n_critic))
