"""What is measured: reconstructions, and what codes know of the classes.

Imports: NumPy, data. Read next: ``reconstruction.py``, ``latents.py``.
"""

from minigen.metrics.evaluation import UNITS, evaluate_autoencoder
from minigen.metrics.latents import linear_probe_accuracy, nearest_neighbour_accuracy
from minigen.metrics.reconstruction import bce, mse, psnr, ssim

__all__ = [
    "UNITS", "bce", "evaluate_autoencoder", "linear_probe_accuracy", "mse", "nearest_neighbour_accuracy", "psnr",
    "ssim",
]  # fmt: skip
