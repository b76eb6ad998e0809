"""The evaluation of a trained model: of reconstructions, codes, generated images, generated points.

Each function returns `Measured` values by name: the number, its unit, and its standard error. The arguments are images,
codes and functions; ``minigen/runs/evaluation.py`` knows which of them a model has.

All images are scaled to values from 0 to 1, so that models with different value ranges are comparable.

Imports: data, the metrics. Read next: ``frechet.py``, ``minigen/runs/evaluation.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from minigen.data import Batches, Dataset
from minigen.data.batches import PART, over_batches
from minigen.data.toys import Toy
from minigen.metrics import frechet, latents, modes, reconstruction
from minigen.metrics.disentanglement import mutual_information_gap
from minigen.metrics.neighbours import nearest_distances, prdc
from minigen_kernels import Array

PROBE_IMAGES = 10_000  # training codes for the two classifiers; more take minutes and hardly change the result
COMPARED = 10_000  # samples, and test images, that are compared by features; the number of distances is the square
PIXEL_PRODUCTS = 5e10  # for the nearest training images: some seconds


@dataclass(frozen=True)
class Measured:
    """A number, its unit, and its standard error over the images (None if it has none)."""

    value: float
    unit: str
    error: float | None = None


Report = dict[str, Measured]


def measure_reconstructions(reconstruct: Callable[[Array, Array | None], Array], test: Dataset) -> Report:
    """The reconstruction errors of all test images: mse, bce, psnr, and for images of at least 11x11 ssim.

    `reconstruct` maps images (N, C, H, W) and their labels (N,), or None, to images; the labels are for conditional
    models. ValueError if the network gives values that are not finite.
    """
    parts: dict[str, list[Array]] = {}
    low, high = test.value_range
    for batch in Batches(test, PART, shuffle=False):
        x = batch.x
        y = reconstruct(x, batch.labels)
        values = {
            "mse": reconstruction.mse(x, y) / (high - low) ** 2,
            "bce": reconstruction.bce(x, y, test.value_range),
            "psnr": reconstruction.psnr(x, y, test.value_range),
        }
        if min(x.shape[2:]) >= 11:
            values["ssim"] = reconstruction.ssim(x, y, test.value_range)
        for name, v in values.items():
            parts.setdefault(name, []).append(v)
    units = {
        "mse": "squared error, mean per pixel, images and reconstructions scaled to 0..1",
        "bce": "nats, mean per pixel, images and reconstructions scaled to 0..1",
        "psnr": "dB, mean over images",
        "ssim": "-1..1, mean over images; 11x11 Gaussian window",
    }
    return _check_finite(
        {name: mean_over_images(np.concatenate(values), units[name]) for name, values in parts.items()}
    )


def measure_codes(encode: Callable[[Array], Array], train: Dataset, test: Dataset) -> Report:
    """How well codes predict classes (if there are labels) and generative factors (if they are known).

    `encode` maps images to codes (N, D). The two classifiers are trained on the first 10,000 training images: if the
    data is sorted by class, pass a random subset (``Dataset.random_indices``).
    """
    labelled = train.labels is not None and test.labels is not None
    factors = test.factors if test.factors and _any_varies(test.factors) else None
    if not (labelled or factors):
        return {}
    codes, report = over_batches(lambda batch: encode(batch.x), test), Report()
    if train.labels is not None and test.labels is not None:
        known = train.subset(slice(0, PROBE_IMAGES))
        assert known.labels is not None
        four = over_batches(lambda batch: encode(batch.x), known), known.labels, codes, test.labels
        probe, nearest = latents.linear_probe_accuracy(*four), latents.nearest_neighbour_accuracy(*four)
        share = "share of test images"
        report["linear_probe_accuracy"] = _proportion(
            probe, len(test), f"{share}; softmax regression on the codes of training images"
        )
        report["nearest_neighbour_accuracy"] = _proportion(
            nearest, len(test), f"{share}; nearest code among those of training images"
        )
    if factors is not None and codes.shape[1] >= 2 and len(codes) >= 1000:  # histograms need many codes
        report["mutual_information_gap"] = _mean_information_gap(codes, factors)
    return _check_finite(report)


def _mean_information_gap(codes: Array, factors: Mapping[str, Array]) -> Measured:
    names = list(factors)
    columns = [factors[name] for name in names]

    def gap(rows: Array) -> float:
        return float(
            np.mean(list(mutual_information_gap(codes[rows], {n: c[rows] for n, c in zip(names, columns)}).values()))
        )

    order = np.arange(len(codes))
    unit = f"0..1, mean over the factors {', '.join(names)}; histograms of mean codes"
    return Measured(gap(order), unit, frechet.jackknife_error(gap, order))


def samples_needed(dimension: int) -> int:
    """How many generated images `measure_samples` needs for features of that dimension.

    The extrapolation needs 10 D, and the jackknife for its standard error leaves out a tenth.
    """
    return 12 * dimension


def measure_samples(
    samples: Array,
    train: Dataset,
    test: Dataset,
    extract: Callable[[Array], Array],
    classify: Callable[[Array], Array] | None = None,
    class_frequencies: Array | None = None,
) -> Report:
    """How good generated images (N, C, H, W) are, all with values from 0 to 1, drawn in random order.

    The first 10,000 are compared with as many test images by the features (N, D) that `extract` makes of images;
    `classify` gives probabilities (N, classes), and `class_frequencies` (classes,) are those of the data. ValueError,
    with the number, for fewer than 12 D samples or 2 D test images, and for samples that are not finite.
    """
    if not np.isfinite(samples).all():
        raise ValueError("the generated images hold NaN or infinity; the generator has diverged")
    least = samples_needed(extract(samples[:1]).shape[1])
    if len(samples) < least:
        raise ValueError(f"measure_samples: {len(samples)} samples are too few; at least {least} are needed")
    x = extract(samples[:COMPARED])
    y, z = (
        over_batches(lambda batch: extract(batch.x), some)
        for some in (test.subset(slice(COMPARED)), train.subset(train.evenly_spaced_indices(len(x))))
    )
    report = {
        "frechet_distance": Measured(
            frechet.frechet_distance(x, y),
            f"squared, of Gaussians fitted to the features of {len(x)} samples and {len(y)} test images",
            frechet.jackknife_error(lambda some: frechet.frechet_distance(some, y), x),
        ),
        "frechet_distance_extrapolated": Measured(
            frechet.extrapolated_frechet_distance(x, y),
            "the same for infinitely many samples",
            frechet.jackknife_error(lambda some: frechet.extrapolated_frechet_distance(some, y), x),
        ),
        "frechet_distance_of_training_images": Measured(
            frechet.frechet_distance(z, y), f"the same of {len(z)} training images: what a perfect generator would get"
        ),
    }
    if len(y) // 2 >= frechet.min_samples(y.shape[1]):
        report["frechet_distance_of_halves"] = Measured(
            frechet.frechet_distance(y[0::2], y[1::2]),
            "the same of half of the test images to the others: near perfect",
        )
    near = prdc(y, x)
    report |= {
        "precision": mean_over_images(near.precision, "share of samples among the test images, by features; k 3"),
        "recall": mean_over_images(near.recall, "share of test images among the samples, by features; k 3"),
        "density": mean_over_images(near.density, "1 is that of test images; k 5"),
        "coverage": mean_over_images(near.coverage, "share of test images with a sample nearby; k 5"),
    }
    if classify is not None and class_frequencies is not None:
        first = classify(samples[:COMPARED])
        rest = [classify(samples[k : k + 1000]).argmax(1) for k in range(COMPARED, len(samples), 1000)]
        report |= measure_classes(first, np.concatenate([first.argmax(1), *rest]), class_frequencies)
    return _check_finite({**report, **measure_memorization(samples, train, test)})


def measure_classes(probabilities: Array, chosen: Array, class_frequencies: Array) -> Report:
    """The classes of samples, compared with the `class_frequencies` (classes,) of the data.

    `probabilities` (N, classes) of a classifier; `chosen` (M,) are the most likely classes, perhaps of more samples.
    """
    classes, known = len(class_frequencies), class_frequencies > 0

    def divergence(some: Array) -> float:
        return modes.reverse_kl(np.bincount(some, minlength=classes)[known], class_frequencies[known])

    return {
        "entropy_score": Measured(
            modes.entropy_score(probabilities),
            f"1..{classes}; the inception score with this classifier in place of Inception",
            frechet.jackknife_error(modes.entropy_score, probabilities),
        ),
        "modes": Measured(float(len(np.unique(chosen))), f"classes that occur, of {int(known.sum())}"),
        "class_kl": Measured(
            divergence(chosen),
            "nats; divergence of the samples' classes from those of the data",
            frechet.jackknife_error(divergence, chosen),
        ),
    }


def measure_memorization(samples: Array, train: Dataset, test: Dataset) -> Report:
    """The distance of samples to the nearest training image, compared with that of test images: a test for copies.

    It uses the first thousand samples and test images, or fewer for large images and data sets.
    """
    pixels = int(np.prod(train.image_shape))
    count = int(np.clip(PIXEL_PRODUCTS / (pixels * len(train)), 50, 1000))
    mine, others = samples[:count].reshape(-1, pixels), test.images_float(slice(count)).reshape(-1, pixels)
    near = np.full(len(mine) + len(others), np.inf)
    for batch in Batches(train, PART, shuffle=False):
        known = batch.x.reshape(len(batch), pixels)
        near = np.minimum(near, np.concatenate([nearest_distances(some, known) for some in (mine, others)]))
    unit = "root mean square over pixels, 0..1, to the most similar training image"
    return {
        "distance_to_training": mean_over_images(near[: len(mine)], f"{unit}; {len(mine)} samples"),
        "distance_to_training_of_test_images": mean_over_images(near[len(mine) :], f"{unit}; {len(others)}"),
    }


def measure_points(points: Array, toy: Toy) -> Report:
    """The mode coverage (``modes.py``) of generated points (N, 2) for a toy data set."""
    found = modes.mode_coverage(points, toy.centres, toy.sigma)

    def divergence(some: Array) -> float:
        return modes.mode_coverage(some, toy.centres, toy.sigma).reverse_kl

    return {
        "modes": Measured(float(found.modes), f"of {len(toy.centres)} that have a sample within 3 sigma"),
        "high_quality": _proportion(found.high_quality, len(points), "share of samples within 3 sigma of a mode"),
        "reverse_kl": Measured(
            found.reverse_kl, "nats; samples from the data, over the modes", frechet.jackknife_error(divergence, points)
        ),
    }


def mean_over_images(values: Array, unit: str) -> Measured:
    """The mean of values (N,), one for each image, and its standard error."""
    error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    return Measured(float(values.mean()), unit, error)


def _proportion(share: float, count: int, unit: str) -> Measured:
    """A share of `count` images with its binomial standard error."""
    return Measured(share, unit, float(np.sqrt(share * (1 - share) / count)))


def _any_varies(factors: Mapping[str, Array]) -> bool:
    return any(len(np.unique(values[:100])) > 1 for values in factors.values())


def _check_finite(report: Report) -> Report:
    if not all(np.isfinite(m.value) for m in report.values()):
        values = {name: m.value for name, m in report.items()}
        raise ValueError(f"evaluate: the network gives values that are not finite: {values}")
    return report
