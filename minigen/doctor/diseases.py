"""The diseases: for each a function from evidence to a finding, or None, with its threshold and where that comes from.

A threshold is set so that healthy models stay well away from it (``tests/museum`` has both, with their numbers); what
lies between is not called a disease. Each returns at once if the evidence is not there, and does not count as a check.

Imports: NumPy, random, evidence. Read next: ``examine.py``; for readers, ``docs/doctor.md``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minigen.doctor.evidence import Evidence, distances
from minigen.random import Generator
from minigen_kernels import Array

ENOUGH = 100  # images, to say that something never happens
SPREAD = 0.25  # mean distance of two samples, as a share of that of two images
EXPECTED, MISSING = 20.0, 0.03  # a class with this many expected samples is missed at this share of them
CROWDED = 0.8  # share of the samples in two classes that have at most half of that among the images
CERTAIN = 0.9  # probability at which a classifier counts as certain of a sample
RECOGNISABLE = 0.3  # share of the samples that it is certain of, below which they are too bad to ask for classes
FEW_CERTAIN, FEW = 0.05, 0.2  # shares of the expected samples at which a class is missed: of the certain ones; of all
WON, FAKE = 0.99, 0.01  # the discriminator's accuracy, and the probability that it gives to a made image
ACTIVE = 0.01  # variance of a posterior mean (Burda et al. 2016, arXiv:1509.00519, section 5)
ACTIVE_SHARE = 0.1  # of the units of the code
PER_CODE, USED = 4, 0.1  # codes looked up, for each entry of the codebook; share of it that has to be used
SILENT = 0.95  # share of the units of a layer; four fifths are silent in wide VAEs that are well
LARGE_WEIGHT = 1e3
LARGE_TERM, GROWTH = 1e3, 10.0
LARGE_PENALTY = 100.0


_MORE_MODES = (
    "Try --augment or --instance-noise, a penalty (dragan, r1-gan, wgan-gp), or a discriminator that sees several "
    "samples at once (pacgan)"
)


@dataclass(frozen=True)
class Finding:
    """A disease by name, the numbers that show it, and one remedy."""

    disease: str
    evidence: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.disease}: {self.evidence}. {self.remedy}"


Check = Callable[[Evidence], Finding | None]


class NotApplicable(Exception):  # noqa: N818 - it is an answer, not an error
    """The evidence that a check needs is not there."""


def mode_collapse(e: Evidence) -> Finding | None:
    """Samples are all alike, or nearly all are near two classes of images, or none is near a whole class.

    Not asked of models without an adversary whose code may collapse: alike samples are that disease's consequence.
    """
    likelihood = "kl" in e.diagnostics and "real_score" not in e.diagnostics
    if e.samples is None or likelihood or len(e.images) < ENOUGH:
        raise NotApplicable
    images, samples = _rows(e.images), _rows(e.samples)
    spread = spread_of(samples) / max(spread_of(images), 1e-12)
    nearest = distances(samples, images).argmin(1)
    distinct = len(np.unique(nearest))
    counts = {c: int((e.classes[nearest] == c).sum()) for c in np.unique(e.classes)}
    expected = {c: float((e.classes == c).mean()) * len(samples) for c in counts}
    judged = [c for c in counts if expected[c] >= EXPECTED]
    missing = [c for c in judged if counts[c] <= MISSING * expected[c]]
    if spread < SPREAD:
        evidence = (
            f"two of {len(samples)} samples are {spread:.0%} as far apart as two images; {distinct} different images "
            "are nearest to one of them"
        )
        return Finding("mode collapse", evidence, _MORE_MODES)
    crowded = crowd(e, e.classes[nearest], "are nearest to images of")
    if crowded is not None:
        return crowded
    if missing:
        kind = "classes" if e.labelled else "clusters"
        names = f" ({e.listed(missing)})" if e.labelled else ""
        evidence = (
            f"almost none of {len(samples)} samples is nearest to an image of {len(missing)} of the {len(judged)} "
            f"{kind}{names}"
        )
        most = 2 * len(missing) > len(judged)
        return Finding("mode collapse" if most else "partial mode collapse", evidence, _MORE_MODES)
    return None


def crowd(e: Evidence, seen: Array, how: str) -> Finding | None:
    """Two classes have nearly all samples, even if every other one has some. `seen` are the classes of the samples."""
    of_images = {c: float((e.classes == c).mean()) for c in np.unique(e.classes)}
    of_samples = {c: float((seen == c).mean()) for c in of_images}
    two = sorted(sorted(of_images, key=lambda c: -of_samples[c])[:2])
    share, expected = (sum(of[c] for c in two) for of in (of_samples, of_images))
    if share < CROWDED or expected > CROWDED / 2:
        return None
    kind = f"classes ({e.listed(two)})" if e.labelled else "clusters"
    evidence = (
        f"{share:.0%} of {len(seen)} samples {how} 2 of the {len(of_images)} {kind}, where {expected:.0%} are expected"
    )
    return Finding("mode collapse", evidence, _MORE_MODES)


def missing_classes(e: Evidence) -> Finding | None:
    """A classifier hardly recognises any sample as one of some classes, or nearly all as one of two.

    They have to be rare among all samples, and rarer still among those that it is certain of: what is no digit yet is
    called one or another all the same. Not asked where this, or its cause, already has a name.
    """
    if e.recognised is None or not e.labelled or len(e.images) < ENOUGH:
        raise NotApplicable
    if any(_finds(check, e) for check in (mode_collapse, posterior_collapse)):
        raise NotApplicable
    called, certain = e.recognised.argmax(1), e.recognised.max(1) >= CERTAIN
    share = np.bincount(e.classes, minlength=e.recognised.shape[1]) / len(e.classes)
    of_all, of_certain = (np.bincount(some, minlength=len(share)) for some in (called, called[certain]))
    judged = np.flatnonzero(share * len(called) >= EXPECTED)
    if not len(judged) or certain.mean() < RECOGNISABLE:
        raise NotApplicable
    crowded = crowd(e, called[certain], "that a classifier is certain of are of")
    if crowded is not None:
        return crowded
    rare = (of_all <= FEW * share * len(called)) & (of_certain <= FEW_CERTAIN * share * certain.sum())
    missing = judged[rare[judged]]
    if not len(missing):
        return None
    evidence = (
        f"a classifier recognises {of_certain[missing].sum()} of {certain.sum()} samples that it is certain of as "
        f"{len(missing)} of the {len(judged)} classes ({e.listed(missing)}), where "
        f"{share[missing].sum() * certain.sum():.0f} are expected"
    )
    most = 2 * len(missing) > len(judged)
    remedy = (
        _MORE_MODES if "kl" not in e.diagnostics else "Train for longer, and look whether the training images have them"
    )
    return Finding("mode collapse" if most else "partial mode collapse", evidence, remedy)


def constant_reconstructions(e: Evidence) -> Finding | None:
    """Every image is answered with nearly the same one."""
    if e.reconstructions is None or len(e.images) < ENOUGH:
        raise NotApplicable
    spread = spread_of(_rows(e.reconstructions)) / max(spread_of(_rows(e.images)), 1e-12)
    if spread >= 0.1:  # a code of two numbers reaches 0.5
        return None
    return Finding(
        "constant reconstructions",
        f"two reconstructions are {spread:.1%} as far apart as two images",
        "Lower --lr, and look whether units are dead; start again, for dead units do not come back",
    )


def discriminator_won(e: Evidence) -> Finding | None:
    """No made image passes for real, and the generator's gradient carries little."""
    if not {"real_score", "fake_score"} <= e.diagnostics.keys() or len(e.images) < ENOUGH:
        raise NotApplicable
    real, fake = e.diagnostics["real_score"], e.diagnostics["fake_score"]
    accuracy = (float((real > 0).mean()) + float((fake < 0).mean())) / 2
    probability = float(np.mean(1 / (1 + np.exp(-np.clip(fake.astype("f8"), -500, 500)))))
    if e.history:  # batch norm judges a batch by itself in training, and by an average of both kinds here
        accuracy = e.history[-1].get("accuracy", accuracy)
        probability = e.history[-1].get("fake_score", probability)
    if accuracy < WON or probability > FAKE:
        return None
    return Finding(
        "the discriminator has won",
        f"it is right for {accuracy:.1%} of images and samples, and takes a sample for real with probability "
        f"{probability:.1e}",
        "Lower --lr-discriminator, or try --instance-noise, --label-smoothing, or a loss that does not saturate "
        "(non-saturating, lsgan, wgan-gp)",
    )


def posterior_collapse(e: Evidence) -> Finding | None:
    """The code says nothing about the image: the encoder gives the prior, whatever it sees."""
    if "kl" not in e.diagnostics or len(e.images) < 2:
        raise NotApplicable
    kl = e.diagnostics["kl"]
    total, size = float(kl.sum(1).mean()), kl.shape[1]
    variance = e.diagnostics["mean"].astype("f8").var(0)
    active = int((variance > ACTIVE).sum())
    if active >= max(1, ACTIVE_SHARE * size):
        return None
    return Finding(
        "posterior collapse",
        f"{active} of {size} code units are active (variance of the posterior mean above {ACTIVE}); the KL is "
        f"{total:.2g} nats per sample, {float(kl.mean(0).max()):.2g} in its largest unit",
        "Lower the weight of the KL, let it grow over the first epochs (--beta-warmup), or leave each unit some "
        "--free-bits",
    )


def dead_codes(e: Evidence) -> Finding | None:
    """Most of a codebook is never looked up."""
    if "code_usage" not in e.diagnostics:
        raise NotApplicable
    usage = e.diagnostics["code_usage"].astype("f8")
    if usage.sum() < PER_CODE * usage.size:
        raise NotApplicable
    share = usage / usage.sum()
    used, perplexity = int((usage > 0).sum()), math.exp(-float((share * np.log(np.maximum(share, 1e-300))).sum()))
    if used >= max(2, USED * usage.size):
        return None
    return Finding(
        "dead codes",
        f"{used} of {usage.size} codes are used by {len(e.images)} images (perplexity {perplexity:.1f})",
        "Take a codebook that follows the codes by moving averages, put unused codes in the place of used ones, or a "
        "smaller codebook",
    )


def dead_relu(e: Evidence) -> Finding | None:
    """Nearly all units of a layer are 0 for every image: they get no gradient, and cannot come back."""
    if not e.silent or len(e.images) < ENOUGH:
        raise NotApplicable
    name, (dead, size) = max(e.silent.items(), key=lambda item: item[1][0] / max(1, item[1][1]))
    if dead <= SILENT * size:
        return None
    return Finding(
        "dead ReLU",
        f"{dead} of {size} units of {name} are 0 for each of {len(e.images)} images",
        "Lower --lr (or a penalty that drives units to 0) and start again, for dead units do not come back",
    )


def explosion(e: Evidence) -> Finding | None:
    """Weights, or a loss, have left every reasonable range: NaN is next."""
    name, size = e.weight
    if not size <= LARGE_WEIGHT:
        return Finding(
            "exploding weights",
            f"the largest weight is {size:.3g}, in {name}",
            "Lower the learning rate, or set --clip-norm",
        )
    if not e.history:
        return None
    now = e.history[-1]
    penalty = now.get("penalty", 0.0)
    if penalty > LARGE_PENALTY:
        return Finding(
            "exploding penalty",
            f"the gradient penalty is {penalty:.3g}, mean over the epoch, and wanted near 0",
            "Lower --lr-discriminator, or raise --penalty-weight",
        )
    for term, value in now.items():
        past = [abs(epoch[term]) for epoch in e.history if term in epoch]
        rising = len(past) >= 3 and past[-3] < past[-2] < past[-1]
        if abs(value) > LARGE_TERM and rising and abs(value) > GROWTH * past[0]:
            return Finding(
                "exploding loss",
                f"{term!r} has grown from {past[0]:.3g} to {past[-1]:.3g} over {len(past)} epochs",
                "Lower the learning rate, or set --clip-norm; a critic needs clipped weights or a penalty",
            )
    return None


CHECKS: tuple[Check, ...] = (
    explosion,
    discriminator_won,
    posterior_collapse,
    dead_codes,
    dead_relu,
    mode_collapse,
    missing_classes,
    constant_reconstructions,
)  # causes before what follows from them


def _finds(check: Check, e: Evidence) -> bool:
    try:
        return check(e) is not None
    except NotApplicable:
        return False


def spread_of(rows: Array) -> float:
    """The mean distance of two rows (N, D), from N pairs drawn once and for all (N = 512: to about 1 %)."""
    order = Generator(0).spawn("pairs").permutation(len(rows))
    difference = rows[order] - rows[np.roll(order, 1)]
    return float(np.sqrt(np.einsum("nd,nd->n", difference, difference)).mean(dtype="f8"))


def _rows(images: Array) -> Array:
    return images.reshape(len(images), -1).astype(np.float32)
