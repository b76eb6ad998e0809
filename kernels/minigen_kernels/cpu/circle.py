"""The geometry of circular convolution.

A circular convolution of period L wraps around at the edges. With enough zero padding it equals the linear one, and the
discrete Fourier transform diagonalises it. ``spectral.py`` uses this; here are the transforms, as real matrices with
one row for each wave.

At one frequency, a cell of the image, one of the kernel and one of the result have angles a, b and c, and together
contribute cos(a + b + c). With w = 120 degrees,

    cos(a + b + c) = 4/3 (cos a cos b cos c + cos(a+w) cos(b+w) cos(c+w) + cos(a-w) cos(b-w) cos(c-w)):

three rows for a frequency and its negative, one row for a frequency that is its own negative. The formula is symmetric
in a, b and c, so the same three matrices give a convolution and both its adjoints.

With a stride, each phase of an image (``frame.py``) counts as a channel: every second cell, and the others.

Imports: NumPy, ``frame.py``. Read next: ``spectral.py``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from minigen_kernels import Array, Pair
from minigen_kernels.cpu.frame import Axis, spread_axis, window_axis

#: The limit in bytes for the spectra of this many samples or kernels.
FEWEST_IN_BLOCK, SPECTRA_BYTES = 64, 1 << 25


class Geometry(NamedTuple):
    """The geometry of a convolution (without channels), all (vertical, horizontal)."""

    hw: Pair
    out_hw: Pair
    kernel_hw: Pair
    stride: Pair
    padding: Pair
    dilation: Pair

    def window(self) -> tuple[Axis, Axis]:
        """The axes of `conv2d` and `conv2d_weight_grad`."""
        rows, columns = (window_axis(*axis) for axis in zip(*self))
        return rows, columns

    def spread(self) -> tuple[Axis, Axis]:
        """The axes of `conv_transpose2d`."""
        hw, out_hw, *others = self
        rows, columns = (spread_axis(*axis) for axis in zip(out_hw, hw, *others))
        return rows, columns


class CircularAxis(NamedTuple):
    """One axis of a circular convolution of period `size`.

    image, kernel: the places where cells of an image and offsets of a kernel stand; results stand at 0, 1, ...
    cells (phases, image places), taps (phases, kernel places): which cell or offset it is; -1: none.
    """

    size: int
    image: Array
    kernel: Array
    cells: Array
    taps: Array


class PhaseMap(NamedTuple):
    """The map between a plane and its phases: place i has cell `there[i]`, and cell j is at place `back[j]`.

    there (phases * places), back (H * W); -1: zero, or nowhere.
    """

    phases: int
    there: Array
    back: Array


class Circle(NamedTuple):
    """Both axes: transforms with a row for each of R waves, and the phases of images and kernels.

    image (R, cells), kernel (R, taps), result (R, oh * ow).
    """

    image: Array
    kernel: Array
    result: Array
    cells: PhaseMap
    taps: PhaseMap


class SpectralSteps(NamedTuple):
    """How many multiplications of spectra and in transforms there are, and how many numbers of spectra."""

    products: int
    transforms: int
    numbers: int


def spectral_steps(N: int, C: int, K: int, geometry: Geometry, itemsize: int) -> SpectralSteps | None:
    """What the spectral way does for N samples with C channels and K results; None if the spectra are too large."""
    phases, cells, taps, frequencies, own_negative = 1, 1, 1, 1, 1
    for ring in _circular_axes(geometry):
        phases *= len(ring.cells)
        cells *= len(ring.image)
        taps *= len(ring.kernel)
        frequencies *= ring.size
        own_negative *= 2 - ring.size % 2
    waves, C = own_negative + 3 * (frequencies - own_negative) // 2, phases * C
    if min(FEWEST_IN_BLOCK, max(N, K)) * waves * max(C, K) * itemsize > SPECTRA_BYTES:
        return None
    transforms = C * (N * cells + K * taps) + N * K * geometry.out_hw[0] * geometry.out_hw[1]
    return SpectralSteps(waves * N * C * K, waves * transforms, waves * (N * C + C * K + N * K))


@lru_cache(maxsize=64)
def circle(geometry: Geometry, dtype: Any) -> Circle:
    """The transforms of a geometry. Cached for the last 64, because a training step repeats the same ones."""
    rows, columns = _circular_axes(geometry)
    sizes = rows.size, columns.size
    waves, weights = _waves(sizes)
    image = _wave_values(waves, sizes, -rows.image, -columns.image)
    kernel = _wave_values(waves, sizes, rows.kernel, columns.kernel)
    result = _wave_values(waves, sizes, *map(np.arange, geometry.out_hw)) * weights[:, None]
    image, kernel, result = (np.ascontiguousarray(matrix, dtype) for matrix in (image, kernel, result))
    return Circle(
        image,
        kernel,
        result,
        _phase_map(rows.cells, columns.cells, geometry.hw),
        _phase_map(rows.taps, columns.taps, geometry.kernel_hw),
    )


@lru_cache(maxsize=1024)
def _circular_axes(geometry: Geometry) -> tuple[CircularAxis, CircularAxis]:
    rows, columns = (_circular_axis(axis) for axis in geometry.window())
    return rows, columns


def _circular_axis(axis: Axis) -> CircularAxis:
    """The smallest period for which the circular convolution equals the linear one."""
    ((results, met),) = axis.results
    lead = min(line.lead for line in axis.phases)
    end = max(line.lead + line.size for line in axis.phases)
    cells = np.full((len(axis.phases), end - lead), -1)
    for phase, line in zip(cells, axis.phases):
        phase[line.lead - lead :][: line.size] = line.start + line.step * np.arange(line.size)
    shifts = sorted({tap.shift for tap in met})
    taps = np.full((len(axis.phases), len(shifts)), -1)
    for tap in met:
        taps[tap.phase, shifts.index(tap.shift)] = tap.u
    # A result looks at the places 0, ..., out - 1 + the last shift: none of them may be a whole turn away from a cell.
    around = max(end, results.size + shifts[-1] - lead)
    return CircularAxis(around, np.arange(lead, end), np.array(shifts), cells, taps)


def _waves(sizes: Pair) -> tuple[Array, Array]:
    """The waves, (vertical frequency, horizontal frequency, thirds of a turn), and their weights in a result."""
    waves, weights = [], []
    for f in np.ndindex(sizes):
        negative = (-f[0] % sizes[0], -f[1] % sizes[1])
        thirds = (0,) if f == negative else (0, 1, -1) if f < negative else ()
        waves += [(*f, third) for third in thirds]
        weights += [1.0 if f == negative else 2 * 4 / 3] * len(thirds)
    return np.array(waves), np.array(weights) / (sizes[0] * sizes[1])


def _wave_values(waves: Array, sizes: Pair, rows: Array, columns: Array) -> Array:
    """The values of the waves at these rows and columns of a circle: (R, len(rows) * len(columns))."""
    vertical, horizontal, third = waves.T[:, :, None, None]
    turns = vertical * rows[:, None] % sizes[0] / sizes[0] + horizontal * columns % sizes[1] / sizes[1] + third / 3
    heights: Array = np.cos(2 * np.pi * turns)
    return heights.reshape(len(waves), -1)


def _phase_map(rows: Array, columns: Array, hw: Pair) -> PhaseMap:
    """From the indices along both axes, (phases, places) each."""
    row, column = rows[:, None, :, None], columns[None, :, None, :]
    there = np.where((row < 0) | (column < 0), -1, row * hw[1] + column).ravel()
    (taken,) = np.nonzero(there >= 0)
    back = np.full(hw[0] * hw[1], -1)
    back[there[taken]] = taken
    return PhaseMap(len(rows) * len(columns), there, back)
