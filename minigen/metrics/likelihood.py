"""How likely are images under a model, and which dimensions of its code does it use?

The likelihood of a VAE is an integral over codes that nobody can compute; what can be is bounds of it from importance
samples (`Experiment.log_likelihood`). All numbers are in nats per sample: the sum over the pixels of an image.

Imports: NumPy, evaluation. Read next: ``minigen/algorithms/importance_sampling.py`` for the bound itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from minigen.metrics.evaluation import Measured, Report
from minigen_kernels import Array

ACTIVE = 0.01  # variance of the posterior mean from which on a unit counts as active


def measure_likelihood(log_likelihood: Callable[[Array, int], Array], images: Array, k: int) -> Report:
    """The evidence bound (one sample) and the bound from k samples, of images (N, C, H, W), with standard errors.

    `log_likelihood` maps images and a number of samples to (N,). The errors say how much the means would change with
    other images, not how far the bounds are from log p(x): in expectation they lie below it, and the more samples, the
    less so. ValueError for no images, k below 1, or a likelihood that is not finite.
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
        report[name] = Measured(float(values.mean()), unit, _standard_error(values))
    return report


def measure_posterior(signs: Mapping[str, Array]) -> Report:
    """What the code carries: "kl" (N, D), divergences from the prior in nats, and "mean" (N, D), posterior means."""
    kl, units = signs["kl"].astype(np.float64).sum(1), signs["mean"].shape[1]
    unit = f"of {units} units; variance of the posterior mean above {ACTIVE}"
    return {
        "kl": Measured(float(kl.mean()), "nats per sample, posterior against prior", _standard_error(kl)),
        "active_units": Measured(float(active_units(signs["mean"])), unit),
    }


def kl_per_dimension(kl: Array) -> Array:
    """The mean over images of divergences (N, D): (D,), nats, in float64. Near 0 where a dimension carries nothing."""
    if kl.ndim != 2 or not len(kl):
        raise ValueError(f"kl_per_dimension: expected divergences (N, D) with N above 0, got {kl.shape}")
    mean: Array = kl.mean(0, dtype=np.float64)
    return mean


def active_units(means: Array, threshold: float = ACTIVE) -> int:
    """How many units of the code have a posterior mean that varies over images (N, D) by more than `threshold`.

    The variance over images of E[z_j | x]; a unit of which the posterior is the prior for every image has 0 (Burda et
    al. 2016, arXiv:1509.00519, section 5.2).
    """
    if means.ndim != 2 or len(means) < 2:
        raise ValueError(f"active_units: expected posterior means (N, D) of at least 2 images, got {means.shape}")
    return int((means.astype(np.float64).var(0, ddof=1) > threshold).sum())


def _standard_error(values: Array) -> float | None:
    """Of the mean of independent values; None of a single one."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
