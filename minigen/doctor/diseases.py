"""The diseases: for each a function from evidence to a finding or None, and its thresholds with their origin.

The thresholds are far from the values of healthy models (``tests/museum`` has models with and without each disease);
values in between are not reported. A function raises NotApplicable if the evidence is missing.

Imports: NumPy, random, evidence. Read next: ``examine.py``; for readers, ``docs/doctor.md``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minigen.doctor.evidence import Evidence, squared_distances
from minigen.random import Generator
from minigen_kernels import Array

MIN_IMAGES = 100  # images
MIN_SPREAD = 0.25  # smallest mean distance of two samples, relative to that of two images
MIN_EXPECTED, MISSING_SHARE = 20.0, 0.03  # a class with this many expected samples is missing below this share of them
TWO_CLASS_SHARE = 0.8  # share of the samples in two classes whose share of the images is at most half of it
CERTAIN = 0.9  # probability at which a classifier counts as certain of a sample
MIN_CERTAIN = 0.3  # smallest share of samples it must be certain of; otherwise their classes mean nothing
RARE_AMONG_CERTAIN, RARE = 0.05, 0.2  # a class is missing below these shares of the expected: of certain samples; all
MAX_ACCURACY = 0.99  # of the discriminator
MIN_FAKE_PROBABILITY = 0.01  # mean probability of "real" for a generated image
ACTIVE_VARIANCE = 0.01  # variance of a posterior mean (Burda et al. 2016, arXiv:1509.00519, section 5)
MIN_ACTIVE = 0.1  # of the units of the code
MIN_LOOKUPS, MIN_USED = 4, 0.1  # look-ups per codebook entry for a verdict; smallest share of entries that must be used
DEAD_SHARE = 0.95  # share of the units of a layer; it is 0.8 in healthy wide VAEs
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
    """The evidence that a check needs is missing."""


def mode_collapse(e: Evidence) -> Finding | None:
    """Samples are all similar, or nearly all are near two classes of images, or hardly any is near some class.

    Not applicable to VAEs without a discriminator: there similar samples are a consequence of posterior collapse.
    """
    likelihood = "kl" in e.diagnostics and "real_score" not in e.diagnostics
    if e.samples is None or likelihood or len(e.images) < MIN_IMAGES:
        raise NotApplicable
    images, samples = _rows(e.images), _rows(e.samples)
    spread = mean_pairwise_distance(samples) / max(mean_pairwise_distance(images), 1e-12)
    nearest = squared_distances(samples, images).argmin(1)
    distinct = len(np.unique(nearest))
    counts = {c: int((e.classes[nearest] == c).sum()) for c in np.unique(e.classes)}
    expected = {c: float((e.classes == c).mean()) * len(samples) for c in counts}
    judged = [c for c in counts if expected[c] >= MIN_EXPECTED]
    missing = [c for c in judged if counts[c] <= MISSING_SHARE * expected[c]]
    if spread < MIN_SPREAD:
        evidence = (
            f"two of {len(samples)} samples are {spread:.0%} as far apart as two images; {distinct} different images "
            "are nearest to one of them"
        )
        return Finding("mode collapse", evidence, _MORE_MODES)
    collapse = two_class_collapse(e, e.classes[nearest], "are nearest to images of")
    if collapse is not None:
        return collapse
    if missing:
        kind = "classes" if e.labelled else "clusters"
        names = f" ({e.class_names(missing)})" if e.labelled else ""
        evidence = (
            f"almost none of {len(samples)} samples is nearest to an image of {len(missing)} of the {len(judged)} "
            f"{kind}{names}"
        )
        most = 2 * len(missing) > len(judged)
        return Finding("mode collapse" if most else "partial mode collapse", evidence, _MORE_MODES)
    return None


def two_class_collapse(e: Evidence, sample_classes: Array, how: str) -> Finding | None:
    """Whether two classes have nearly all samples. `how` is for the message."""
    of_images = {c: float((e.classes == c).mean()) for c in np.unique(e.classes)}
    of_samples = {c: float((sample_classes == c).mean()) for c in of_images}
    two = sorted(sorted(of_images, key=lambda c: -of_samples[c])[:2])
    share, expected = (sum(of[c] for c in two) for of in (of_samples, of_images))
    if share < TWO_CLASS_SHARE or expected > TWO_CLASS_SHARE / 2:
        return None
    kind = f"classes ({e.class_names(two)})" if e.labelled else "clusters"
    evidence = (
        f"{share:.0%} of {len(sample_classes)} samples {how} 2 of the {len(of_images)} {kind}, "
        f"where {expected:.0%} are expected"
    )
    return Finding("mode collapse", evidence, _MORE_MODES)


def missing_classes(e: Evidence) -> Finding | None:
    """According to a classifier hardly any sample has some of the classes, or nearly all have one of two.

    Such a class must be rare among all samples, and rarer among those that the classifier is certain of, because it
    also gives classes to samples that look like none. Not applicable if `mode_collapse` or `posterior_collapse` finds
    the cause.
    """
    if e.sample_probabilities is None or not e.labelled or len(e.images) < MIN_IMAGES:
        raise NotApplicable
    if any(_applies(check, e) for check in (mode_collapse, posterior_collapse)):
        raise NotApplicable
    called, certain = e.sample_probabilities.argmax(1), e.sample_probabilities.max(1) >= CERTAIN
    share = np.bincount(e.classes, minlength=e.sample_probabilities.shape[1]) / len(e.classes)
    of_all, of_certain = (np.bincount(some, minlength=len(share)) for some in (called, called[certain]))
    judged = np.flatnonzero(share * len(called) >= MIN_EXPECTED)
    if not len(judged) or certain.mean() < MIN_CERTAIN:
        raise NotApplicable
    collapse = two_class_collapse(e, called[certain], "that a classifier is certain of are of")
    if collapse is not None:
        return collapse
    rare = (of_all <= RARE * share * len(called)) & (of_certain <= RARE_AMONG_CERTAIN * share * certain.sum())
    missing = judged[rare[judged]]
    if not len(missing):
        return None
    evidence = (
        f"a classifier recognises {of_certain[missing].sum()} of {certain.sum()} samples that it is certain of as "
        f"{len(missing)} of the {len(judged)} classes ({e.class_names(missing)}), where "
        f"{share[missing].sum() * certain.sum():.0f} are expected"
    )
    most = 2 * len(missing) > len(judged)
    remedy = (
        _MORE_MODES if "kl" not in e.diagnostics else "Train for longer, and look whether the training images have them"
    )
    return Finding("mode collapse" if most else "partial mode collapse", evidence, remedy)


def constant_reconstructions(e: Evidence) -> Finding | None:
    """The reconstructions of all images are nearly the same."""
    if e.reconstructions is None or len(e.images) < MIN_IMAGES:
        raise NotApplicable
    spread = mean_pairwise_distance(_rows(e.reconstructions)) / max(mean_pairwise_distance(_rows(e.images)), 1e-12)
    if spread >= 0.1:  # a code of two numbers reaches 0.5
        return None
    return Finding(
        "constant reconstructions",
        f"two reconstructions are {spread:.1%} as far apart as two images",
        "Lower --lr, and look whether units are dead; start again, for dead units do not come back",
    )


def discriminator_won(e: Evidence) -> Finding | None:
    """The discriminator is nearly always right, so the generator's gradient is small."""
    if not {"real_score", "fake_score"} <= e.diagnostics.keys() or len(e.images) < MIN_IMAGES:
        raise NotApplicable
    real, fake = e.diagnostics["real_score"], e.diagnostics["fake_score"]
    accuracy = (float((real > 0).mean()) + float((fake < 0).mean())) / 2
    probability = float(np.mean(1 / (1 + np.exp(-np.clip(fake.astype("f8"), -500, 500)))))
    if e.history:  # of training: with batch norm the discriminator differs in evaluation mode
        accuracy = e.history[-1].get("accuracy", accuracy)
        probability = e.history[-1].get("fake_score", probability)
    if accuracy < MAX_ACCURACY or probability > MIN_FAKE_PROBABILITY:
        return None
    return Finding(
        "the discriminator has won",
        f"it is right for {accuracy:.1%} of images and samples, and takes a sample for real with probability "
        f"{probability:.1e}",
        "Lower --lr-discriminator, or try --instance-noise, --label-smoothing, or a loss that does not saturate "
        "(non-saturating, lsgan, wgan-gp)",
    )


def posterior_collapse(e: Evidence) -> Finding | None:
    """The posterior is the prior for every image, so the code has no information."""
    if "kl" not in e.diagnostics or len(e.images) < 2:
        raise NotApplicable
    kl = e.diagnostics["kl"]
    total, size = float(kl.sum(1).mean()), kl.shape[1]
    variance = e.diagnostics["mean"].astype("f8").var(0)
    active = int((variance > ACTIVE_VARIANCE).sum())
    if active >= max(1, MIN_ACTIVE * size):
        return None
    return Finding(
        "posterior collapse",
        f"{active} of {size} code units are active (variance of the posterior mean above {ACTIVE_VARIANCE}); the KL is "
        f"{total:.2g} nats per sample, {float(kl.mean(0).max()):.2g} in its largest unit",
        "Lower the weight of the KL, let it grow over the first epochs (--beta-warmup), or leave each unit some "
        "--free-bits",
    )


def dead_codes(e: Evidence) -> Finding | None:
    """Most entries of a codebook are never used."""
    if "code_usage" not in e.diagnostics:
        raise NotApplicable
    usage = e.diagnostics["code_usage"].astype("f8")
    if usage.sum() < MIN_LOOKUPS * usage.size:
        raise NotApplicable
    share = usage / usage.sum()
    used, perplexity = int((usage > 0).sum()), math.exp(-float((share * np.log(np.maximum(share, 1e-300))).sum()))
    if used >= max(2, MIN_USED * usage.size):
        return None
    return Finding(
        "dead codes",
        f"{used} of {usage.size} codes are used by {len(e.images)} images (perplexity {perplexity:.1f})",
        "Take a codebook that follows the codes by moving averages, put unused codes in the place of used ones, or a "
        "smaller codebook",
    )


def dead_relu(e: Evidence) -> Finding | None:
    """Nearly all units of a layer are 0 for every image: they get no gradient, and stay 0."""
    if not e.dead_units or len(e.images) < MIN_IMAGES:
        raise NotApplicable
    name, (dead, size) = max(e.dead_units.items(), key=lambda item: item[1][0] / max(1, item[1][1]))
    if dead <= DEAD_SHARE * size:
        return None
    return Finding(
        "dead ReLU",
        f"{dead} of {size} units of {name} are 0 for each of {len(e.images)} images",
        "Lower --lr (or a penalty that drives units to 0) and start again, for dead units do not come back",
    )


def explosion(e: Evidence) -> Finding | None:
    """Weights or a loss are so large that NaN will follow."""
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
)  # causes before their consequences


def _applies(check: Check, e: Evidence) -> bool:
    try:
        return check(e) is not None
    except NotApplicable:
        return False


def mean_pairwise_distance(rows: Array) -> float:
    """The mean distance of two rows of (N, D), from N fixed random pairs (N = 512: to about 1 %)."""
    order = Generator(0).spawn("pairs").permutation(len(rows))
    difference = rows[order] - rows[np.roll(order, 1)]
    return float(np.sqrt(np.einsum("nd,nd->n", difference, difference)).mean(dtype="f8"))


def _rows(images: Array) -> Array:
    return images.reshape(len(images), -1).astype(np.float32)
