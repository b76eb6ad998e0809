"""The likelihood of images under a model, and the use of the dimensions of its code.

The likelihood of a VAE is an intractable integral over codes; importance samples give lower bounds of it
(`Experiment.log_likelihood`). All numbers are in nats per sample, that is, summed over the pixels of an image.

Imports: NumPy, evaluation. Read next: ``minigen/algorithms/importance_sampling.py`` for the bound itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from minigen.metrics.evaluation import Measured, Report, mean_over_images
from minigen_kernels import Array

ACTIVE = 0.01  # a unit with a larger variance of the posterior mean is active


def measure_likelihood(log_likelihood: Callable[[Array, int], Array], images: Array, k: int) -> Report:
    """The ELBO (one sample) and the bound from k samples, of images (N, C, H, W), with standard errors.

    `log_likelihood` maps images and a number of samples to (N,). The standard errors are those of the mean over images.
    They do not include the gap to log p(x): in expectation the bounds are below it, and rise with k. ValueError for no
    images, k below 1, or a likelihood that is not finite.
    """
    if not len(images):
        raise ValueError("measure_likelihood: expected at least one image, got none")
    report = Report()
    for name, samples in {"elbo": 1, **({f"log_likelihood_bound_{k}": k} if k != 1 else {})}.items():
        values = np.asarray(log_likelihood(images, samples), np.float64)
        if not np.isfinite(values).all():
            bad = int((~np.isfinite(values)).sum())
            raise ValueError(f"measure_likelihood: the likelihood is not finite for {bad} of {len(values)} images")
        unit = f"nats per sample, lower bound of log p(x) from {samples} importance sample{'s' * (samples > 1)}"
        report[name] = mean_over_images(values, unit)
    return report


def measure_posterior(diagnostics: Mapping[str, Array]) -> Report:
    """KL and active units, from "kl" (N, D), KL divergences in nats, and "mean" (N, D), posterior means."""
    kl, units = diagnostics["kl"].astype(np.float64).sum(1), diagnostics["mean"].shape[1]
    unit = f"of {units} units; variance of the posterior mean above {ACTIVE}"
    return {
        "kl": mean_over_images(kl, "nats per sample, posterior against prior"),
        "active_units": Measured(float(active_units(diagnostics["mean"])), unit),
    }


def kl_per_dimension(kl: Array) -> Array:
    """The mean over images of divergences (N, D): (D,), nats, in float64. Near 0 for dimensions without information."""
    if kl.ndim != 2 or not len(kl):
        raise ValueError(f"kl_per_dimension: expected divergences (N, D) with N above 0, got {kl.shape}")
    mean: Array = kl.mean(0, dtype=np.float64)
    return mean


def active_units(means: Array, threshold: float = ACTIVE) -> int:
    """The number of active units: those whose posterior means (N, D) have a variance above `threshold` over images.

    The variance of E[z_j | x] is 0 if the posterior is the prior for every image (Burda et al. 2016, arXiv:1509.00519,
    section 5.2).
    """
    if means.ndim != 2 or len(means) < 2:
        raise ValueError(f"active_units: expected posterior means (N, D) of at least 2 images, got {means.shape}")
    return int((means.astype(np.float64).var(0, ddof=1) > threshold).sum())
