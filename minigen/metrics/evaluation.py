"""Everything that is measured of a trained autoencoder, in one call.

Imports: data, training.experiment. Read next: ``minigen/cli``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from minigen.data import Dataset
from minigen.metrics import latents, reconstruction
from minigen_kernels import Array

UNITS: Mapping[str, str] = {
    "mse": "squared error, mean per pixel, in the data's value range",
    "bce": "nats, mean per pixel, images and reconstructions scaled to 0..1",
    "psnr": "dB, mean over images",
    "ssim": "-1..1, mean over images; 11x11 Gaussian window",
    "linear_probe_accuracy": "share of test images; softmax regression on the codes of training images",
    "nearest_neighbour_accuracy": "share of test images; nearest code among those of training images",
}

# Training codes that the two classifiers see: more would take minutes, and hardly change the answer.
PROBE_IMAGES = 10_000


def evaluate_autoencoder(
    reconstruct: Callable[[Array], Array], encode: Callable[[Array], Array], train: Dataset, test: Dataset
) -> dict[str, float]:
    """Measure reconstructions of all test images and, where there are labels, what the codes know of the classes.

    `reconstruct` maps images (N, C, H, W) to images, `encode` maps them to codes (N, D). The codes of the first 10,000
    training images train the two classifiers. Keys and units: `UNITS`; ssim is left out for images below 11x11, the
    accuracies are left out without labels.
    """
    sums: dict[str, float] = {}
    for start in range(0, len(test), 1000):
        x = test.images_float(slice(start, start + 1000))
        y = reconstruct(x)
        values = {
            "mse": reconstruction.mse(x, y),
            "bce": reconstruction.bce(x, y, test.value_range),
            "psnr": reconstruction.psnr(x, y, test.value_range),
        }
        if min(x.shape[2:]) >= 11:
            values["ssim"] = reconstruction.ssim(x, y, test.value_range)
        for name, v in values.items():
            sums[name] = sums.get(name, 0.0) + float(v.sum())
    report = {name: total / len(test) for name, total in sums.items()}
    if train.labels is not None and test.labels is not None:
        known = slice(0, PROBE_IMAGES)
        codes = encode(train.images_float(known)), train.labels[known], encode(test.images_float()), test.labels
        report["linear_probe_accuracy"] = latents.linear_probe_accuracy(*codes)
        report["nearest_neighbour_accuracy"] = latents.nearest_neighbour_accuracy(*codes)
    if not all(np.isfinite(v) for v in report.values()):
        raise ValueError(f"evaluate: the network gives values that are not finite: {report}")
    return report
