"""Convolution as a product of spectra, for small images with many channels.

A circular convolution of period L is one product for each of its L frequencies (the convolution theorem). On a 7 x 7
image a 5 x 5 kernel with padding 2 needs 25 products per result. With a period of 9 x 9, 121 products give all 49
results. So a layer becomes

    y = A.T ((D x) * (E w)),

where D, E and A (``circle.py``) transform an image, a kernel and a result. The adjoints use the same matrices: gx = D.T
((A g) * (E w)) and gw = E.T ((D x) * (A g)). For each row of the spectra, the product in the middle is a matrix
product, (samples, channels) times (channels, results). The transforms are products, too: for such small periods a fast
Fourier transform is not faster than a matrix product.

Each result is a sum over the whole image. Measured in float32, the mean error of results and gx is half that of the
direct sums, that of gw two to three times as large. But it is relative to the largest numbers of the image: a result
that should be zero may be a rounding error, and NaN or an infinity reaches all results of its sample (or kernel).

Imports: NumPy, ``circle.py``, ``stack.py``, ``threads.py``. Read next: ``circle.py``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minigen_kernels import Array, Pair
from minigen_kernels.cpu.circle import SPECTRA_BYTES, Circle, PhaseMap
from minigen_kernels.cpu.stack import multiply_stack
from minigen_kernels.cpu.threads import njit_shared


def conv2d(x: Array, w: Array, out_hw: Pair, groups: int, circle: Circle) -> Array:
    """x (N, C, H, W), w (K, C/groups, kh, kw) -> y (N, K, oh, ow)."""
    x, w = _flat(x), _flat(w)
    y = np.empty((len(x), len(w), circle.result.shape[1]), x.dtype)
    for c, k in _groups(groups, x.shape[1], len(w)):
        rows = _rows_in_block(x[:, c], y[:, k], circle)
        for n in _slices(0, len(x), rows):
            image = _spectra(circle.image, _to_phases(x[n, c], circle.cells))
            for some in _slices(k.start, k.stop, rows):
                kernel = _spectra(circle.kernel, _to_phases(w[some], circle.taps))
                product = _products(image.swapaxes(0, 1), kernel.transpose(1, 2, 0))
                _planes(circle.result, product, y[n, some])
    return y.reshape(*y.shape[:2], *out_hw)


def conv_transpose2d(g: Array, w: Array, out_hw: Pair, groups: int, circle: Circle) -> Array:
    """g (N, K, oh, ow), w (K, C/groups, kh, kw) -> gx (N, C, H, W)."""
    g, w = _flat(g), _flat(w)
    gx = np.empty((len(g), groups * w.shape[1], out_hw[0] * out_hw[1]), g.dtype)
    for c, k in _groups(groups, gx.shape[1], g.shape[1]):
        rows = _rows_in_block(gx[:, c], g[:, k], circle)
        for n in _slices(0, len(g), rows):
            result = _spectra(circle.result, g[n, k])
            for some in _slices(c.start, c.stop, rows):
                kernel = _spectra(
                    circle.kernel, _to_phases(w[k, some.start - c.start : some.stop - c.start], circle.taps)
                )
                product = _products(result.swapaxes(0, 1), kernel.swapaxes(0, 1))
                _from_phases(circle.image, product, circle.cells, gx[n, some])
    return gx.reshape(*gx.shape[:2], *out_hw)


def conv2d_weight_grad(x: Array, g: Array, kernel_hw: Pair, groups: int, circle: Circle) -> Array:
    """x (N, C, H, W), g (N, K, oh, ow) -> gw (K, C/groups, kh, kw)."""
    x, g = _flat(x), _flat(g)
    gw = np.zeros((g.shape[1], x.shape[1] // groups, kernel_hw[0] * kernel_hw[1]), x.dtype)
    for c, k in _groups(groups, x.shape[1], g.shape[1]):
        rows = _rows_in_block(x[:, c], g[:, k], circle)
        for n in _slices(0, len(x), rows):
            image = _spectra(circle.image, _to_phases(x[n, c], circle.cells))
            for some in _slices(k.start, k.stop, rows):
                result = _spectra(circle.result, g[n, some])
                product = _products(result.transpose(1, 2, 0), image.swapaxes(0, 1))
                part = np.empty_like(gw[some])
                _from_phases(circle.kernel, product, circle.taps, part)
                gw[some] += part
    return gw.reshape(*gw.shape[:2], *kernel_hw)


def _spectra(waves: Array, planes: Array) -> Array:
    """waves (R, m), planes (A, B, m) -> (A, R, B): for each plane its sums with the waves."""
    spectra = np.empty((len(planes), len(waves), planes.shape[1]), planes.dtype)
    multiply_stack(waves[None], planes.swapaxes(1, 2), spectra)
    return spectra


def _planes(waves: Array, spectra: Array, planes: Array) -> None:
    """The adjoint: waves (R, m), spectra (A, R, B) -> planes (A, B, m), each a sum of waves."""
    multiply_stack(spectra.swapaxes(1, 2), waves[None], planes)


def _products(a: Array, b: Array) -> Array:
    """For each row of the spectra a product of matrices: a (R, I, m), b (R, m, J) -> (I, R, J)."""
    products = np.empty((a.shape[1], a.shape[0], b.shape[2]), a.dtype)
    multiply_stack(a, b, products.swapaxes(0, 1))
    return products


def _to_phases(planes: Array, phase_map: PhaseMap) -> Array:
    """planes (A, B, H * W) -> (A, B * phases, places)."""
    A, B, size = planes.shape
    if _is_identity(phase_map):
        return planes
    dealt = np.empty((A, B * phase_map.phases, len(phase_map.there) // phase_map.phases), planes.dtype)
    _pick(np.ascontiguousarray(planes).reshape(A * B, size), phase_map.there, dealt.reshape(A * B, -1))
    return dealt


def _from_phases(waves: Array, spectra: Array, phase_map: PhaseMap, planes: Array) -> None:
    """The planes (A, B, H * W) from spectra (A, R, B * phases)."""
    A, B, size = planes.shape
    if _is_identity(phase_map):
        return _planes(waves, spectra, planes)
    dealt = np.empty((A, B * phase_map.phases, waves.shape[1]), planes.dtype)
    _planes(waves, spectra, dealt)
    picked = np.empty((A * B, size), planes.dtype)
    _pick(dealt.reshape(A * B, -1), phase_map.back, picked)
    planes[:] = picked.reshape(A, B, size)


def _is_identity(phase_map: PhaseMap) -> bool:
    """Whether the plane is its own only phase."""
    return phase_map.phases == 1 and len(phase_map.there) == len(phase_map.back)


@njit_shared()
def _pick(rows: Array, places: Array, picked: Array) -> None:
    """Numbers places[0], places[1], ... of each row; zero for place -1."""
    for i in range(len(rows)):
        for j in range(len(places)):
            picked[i, j] = rows[i, places[j]] if places[j] >= 0 else 0


def _flat(planes: Array) -> Array:
    """(A, B, H, W) -> (A, B, H * W), contiguous."""
    return np.ascontiguousarray(planes).reshape(*planes.shape[:2], -1)


def _groups(groups: int, C: int, K: int) -> Iterator[tuple[slice, slice]]:
    """The channels and the result channels of each group."""
    return zip(_slices(0, C, C // groups), _slices(0, K, K // groups))


def _rows_in_block(x: Array, y: Array, circle: Circle) -> int:
    """How many samples or kernels have spectra of bounded size: with x (N, C, .) and y (N, K, .) of a group."""
    return SPECTRA_BYTES // (len(circle.image) * max(x.shape[1] * circle.cells.phases, y.shape[1]) * x.itemsize)


def _slices(first: int, stop: int, step: int) -> Iterator[slice]:
    """first, ..., stop - 1, at least one and at most `step` at a time."""
    step = max(1, step)
    return (slice(start, min(start + step, stop)) for start in range(first, stop, step))
