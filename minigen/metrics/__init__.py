"""Metrics of reconstructions, codes, generated images and likelihoods.

Imports: data, models, optim. Read next: ``evaluation.py``, which joins them; ``reconstruction.py`` for the simplest.
"""

from minigen.metrics.disentanglement import mutual_information_gap
from minigen.metrics.evaluation import (
    Measured,
    Report,
    measure_codes,
    measure_points,
    measure_reconstructions,
    measure_samples,
    samples_needed,
)
from minigen.metrics.frechet import (
    extrapolated_frechet_distance,
    fit_gaussian,
    frechet_distance,
    gaussian_distance,
    jackknife_error,
)
from minigen.metrics.latents import linear_probe_accuracy, nearest_neighbour_accuracy
from minigen.metrics.likelihood import active_units, kl_per_dimension, measure_likelihood, measure_posterior
from minigen.metrics.modes import entropy_score, mode_coverage, reverse_kl
from minigen.metrics.neighbours import nearest_distances, prdc
from minigen.metrics.reconstruction import bce, mse, psnr, ssim

__all__ = [
    "Measured", "Report", "active_units", "bce", "entropy_score", "extrapolated_frechet_distance", "fit_gaussian",
    "frechet_distance", "gaussian_distance", "jackknife_error", "kl_per_dimension", "linear_probe_accuracy",
    "measure_codes", "measure_likelihood", "measure_points", "measure_posterior", "measure_reconstructions",
    "measure_samples", "mode_coverage", "mse", "mutual_information_gap", "nearest_distances",
    "nearest_neighbour_accuracy", "prdc", "psnr", "reverse_kl", "samples_needed", "ssim",
]  # fmt: skip
