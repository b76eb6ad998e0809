"""Images at any other size, nearest and bilinear, and the two adjoints.

All four are linear and work on each axis alone. A result looks at a place of the image; `step` says how far, in pixels
of the image, the place moves from one result to the next, (vertical, horizontal). It is an argument of its own, since a
size (5 pixels to 7) and a factor (5 pixels, 1.5 times) may differ in it where they agree in the number of results.

This file is the specification. Imports: NumPy. Read next: ``norm.py``, ``../cpu/interpolate.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array, Pair, Step


def interpolate_nearest2d(x: Array, out_hw: Pair, step: Step) -> Array:
    """Each result is the pixel in which its place lies: y[..., i, j] = x[..., floor(i sh), floor(j sw)].

    x (N, C, H, W), out_hw = (oh, ow), step = (sh, sw) -> y (N, C, oh, ow). See `nearest` for the rounding.
    """
    rows, columns = (nearest(n, o, s) for n, o, s in zip(x.shape[2:], out_hw, step, strict=True))
    y: Array = x[:, :, rows[:, None], columns]
    return y


def interpolate_nearest2d_adjoint(g: Array, hw: Pair, step: Step) -> Array:
    """The adjoint of `interpolate_nearest2d`: every pixel gets the sum of the results that it gave.

    g (N, C, oh, ow), hw = (H, W) -> gx (N, C, H, W).
    """
    rows, columns = (nearest(n, o, s) for n, o, s in zip(hw, g.shape[2:], step, strict=True))
    gx = np.zeros((*g.shape[:2], *hw), g.dtype)
    for i, j in np.ndindex(len(rows), len(columns)):
        gx[:, :, rows[i], columns[j]] += g[:, :, i, j]
    return gx


def interpolate_bilinear2d(x: Array, out_hw: Pair, step: Step, align_corners: bool) -> Array:
    """Each result lies on a straight line between the two pixels next to its place, on each axis.

    With a = floor(s) and t = s - a for the place s of a result (see `place`), on one axis
    y = (1 - t) * x[a] + t * x[min(a + 1, H - 1)].

    x (N, C, H, W), out_hw = (oh, ow) -> y (N, C, oh, ow).
    """
    y: Array = x
    for axis in (2, 3):
        low, high, t = between(x.shape[axis], out_hw[axis - 2], step[axis - 2], align_corners, x.dtype)
        t = t.reshape(-1, *(1,) * (3 - axis))
        y = (1 - t) * y.take(low, axis) + t * y.take(high, axis)
    return y


def interpolate_bilinear2d_adjoint(g: Array, hw: Pair, step: Step, align_corners: bool) -> Array:
    """The adjoint of `interpolate_bilinear2d`: every pixel gets what the results took of it.

    g (N, C, oh, ow), hw = (H, W) -> gx (N, C, H, W).
    """
    gx: Array = g
    for axis in (2, 3):
        low, high, t = between(hw[axis - 2], g.shape[axis], step[axis - 2], align_corners, g.dtype)
        weights = np.zeros((g.shape[axis], hw[axis - 2]), g.dtype)  # what each result takes of each pixel
        results = np.arange(g.shape[axis])
        weights[results, low] += 1 - t
        weights[results, high] += t
        gx = np.moveaxis(np.moveaxis(gx, axis, -1) @ weights, -1, axis)
    return gx


def nearest(size: int, results: int, step: float) -> Array:
    """On one axis, the pixel of each result: floor(i step), and never beyond the last one.

    The product is rounded to float32, whatever the images are: this decides which pixel a place on an edge belongs to,
    and PyTorch decides it so for images of float32.
    """
    places = np.arange(results, dtype=np.float32) * np.float32(step)
    return np.minimum(places.astype(np.int64), size - 1)


def place(size: int, results: int, step: float, align_corners: bool) -> Array:
    """On one axis, where each result looks, in pixels: 0 is the centre of the first pixel, size - 1 that of the last.

    Results and pixels lie next to each other like tiles, and their outer edges (or with `align_corners` their outer
    centres) are the same; beyond the outer centres the image is constant.
    """
    i = np.arange(results)
    return np.clip(i * step if align_corners else (i + 0.5) * step - 0.5, 0, size - 1)


def between(
    size: int, results: int, step: float, align_corners: bool, dtype: np.dtype[np.generic]
) -> tuple[Array, Array, Array]:
    """On one axis, the two pixels between which each result lies, and the weight of the second one."""
    s = place(size, results, step, align_corners)
    low = s.astype(np.int64)
    return low, np.minimum(low + 1, size - 1), (s - low).astype(dtype)
