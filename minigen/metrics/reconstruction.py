"""Reconstruction errors: mean squared error, cross-entropy, PSNR and SSIM.

All take NumPy arrays (N, C, H, W) and return one number for each image, (N,), in float64.

Imports: NumPy. Read next: ``latents.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array


def mse(x: Array, y: Array) -> Array:
    """Squared error, mean over the pixels of each image."""
    _check("mse", x, y)
    return np.square(x.astype(np.float64) - y).mean((1, 2, 3))


def bce(x: Array, y: Array, value_range: tuple[float, float] = (0.0, 1.0)) -> Array:
    """Cross-entropy -x log y - (1-x) log(1-y) in nats, mean over the pixels of each image, after scaling to 0..1.

    y is clipped to [1e-7, 1 - 1e-7], the resolution of float32.
    """
    _check("bce", x, y)
    low, high = value_range
    t = (x.astype(np.float64) - low) / (high - low)
    p = np.clip((y.astype(np.float64) - low) / (high - low), 1e-7, 1 - 1e-7)
    return -(t * np.log(p) + (1 - t) * np.log1p(-p)).mean((1, 2, 3))


def psnr(x: Array, y: Array, value_range: tuple[float, float] = (0.0, 1.0)) -> Array:
    """Peak signal-to-noise ratio 10 log10(range^2 / mse) of each image, in decibel; at most 120."""
    span = value_range[1] - value_range[0]
    return 10 * np.log10(span**2 / np.maximum(mse(x, y), span**2 * 1e-12))


def ssim(x: Array, y: Array, value_range: tuple[float, float] = (0.0, 1.0)) -> Array:
    """Structural similarity of each image, from -1 to 1 (equal); mean over positions and channels.

    Gaussian window of 11x11 pixels with sigma 1.5, K1 = 0.01, K2 = 0.03, over the positions where the window lies
    inside the image (Wang et al. 2004, IEEE TIP 13(4)). The lower end of `value_range` is subtracted first,
    because SSIM depends on ratios of means. ValueError for images below 11x11.
    """
    _check("ssim", x, y)
    if min(x.shape[2:]) < 11:
        raise ValueError(f"ssim: the window has 11x11 pixels, the images have {x.shape[2]}x{x.shape[3]}")
    low, span = value_range[0], value_range[1] - value_range[0]
    a, b = x.astype(np.float64) - low, y.astype(np.float64) - low
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    ma, mb = _blur(a), _blur(b)
    va, vb, cov = _blur(a * a) - ma * ma, _blur(b * b) - mb * mb, _blur(a * b) - ma * mb
    similarity = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
    return similarity.mean((1, 2, 3))


def _blur(x: Array) -> Array:
    """Weighted mean over an 11x11 Gaussian window, one axis after the other; (N, C, H, W) -> (N, C, H-10, W-10)."""
    window = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window /= window.sum()
    for axis in (2, 3):
        n = x.shape[axis] - 10
        x = np.add.reduce([w * np.take(x, range(i, i + n), axis) for i, w in enumerate(window)])
    return x


def _check(name: str, x: Array, y: Array) -> None:
    if x.shape != y.shape or x.ndim != 4:
        raise ValueError(f"{name}: expected two arrays of one shape (N, C, H, W), got {x.shape} and {y.shape}")
