"""The geometry of a convolution around a circle, and when it pays.

Close a line of cells to a circle of L places: what runs over one edge comes back at the other. As long as it meets only
zeros there, a convolution around the circle is the one that was wanted, and a wave that fits the circle is only turned
and stretched by it. ``spectral.py`` uses this; here are its waves, as matrices with one row for each wave.

The rows are real numbers. At one frequency, a cell of the image, one of the kernel and one of the result have angles a,
b and c, and together contribute cos(a + b + c). With w = 120 degrees,

    cos(a + b + c) = 4/3 (cos a cos b cos c + cos(a+w) cos(b+w) cos(c+w) + cos(a-w) cos(b-w) cos(c-w)):

three rows for a frequency and its negative, one row for a frequency that is its own negative. The formula treats a, b
and c alike, which is why the same three matrices give a convolution and both its adjoints.

With a stride, each phase of an image (``frame.py``) counts as a channel: every second cell, and the others.

Imports: NumPy, ``frame.py``. Read next: ``spectral.py``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from minigen_kernels import Array, Pair
from minigen_kernels.cpu.frame import Axis, spread_axis, window_axis

#: What a product of a transform and one of the spectra cost, in products of the direct way: fitted to the times of 270
#: layers on an x86 processor, such that spectra, where they are chosen, are hardly ever the slower way.
TRANSFORM_COST, SPECTRUM_COST = 2.0, 1.3
#: Where the direct way takes less, there is nothing to gain.
FEWEST_PRODUCTS = 1 << 20
#: The spectra of this many samples or kernels together must not take more than so many bytes.
FEWEST_IN_BLOCK, SPECTRA_BYTES = 64, 1 << 25


class Geometry(NamedTuple):
    """A convolution but for its channels: image, result and kernel, each (vertical, horizontal)."""

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


class Ring(NamedTuple):
    """One axis of a convolution, closed to a circle of `size` places.

    image, kernel: the places where cells of an image and offsets of a kernel stand; results stand at 0, 1, ...
    cells (phases, image places), taps (phases, kernel places): which cell or offset it is; -1: none.
    """

    size: int
    image: Array
    kernel: Array
    cells: Array
    taps: Array


class Deal(NamedTuple):
    """How a plane is dealt out in phases: place i gets number `there[i]`, and number j went to place `back[j]`.

    there (phases * places), back (H * W); -1: zero, or nowhere.
    """

    phases: int
    there: Array
    back: Array


class Circle(NamedTuple):
    """Both axes: matrices with a row for each of R waves, and how images and kernels are dealt out before.

    image (R, cells), kernel (R, taps), result (R, oh * ow).
    """

    image: Array
    kernel: Array
    result: Array
    cells: Deal
    taps: Deal


@lru_cache(maxsize=1024)
def pays(N: int, C: int, K: int, geometry: Geometry, itemsize: int, transposed: bool) -> bool:
    """Whether the way around a circle costs less, for N samples of a group with C channels and K results.

    Both are counted in products. A circle gains where many channels meet many results and many samples, since each
    number goes through the transforms once.
    """
    direct = N * C * K
    for axis in geometry.spread() if transposed else geometry.window():
        direct *= sum(line.size * len(met) for line, met in axis.results)
    phases, cells, taps, frequencies, own_negative = 1, 1, 1, 1, 1
    for ring in _rings(geometry):
        phases *= len(ring.cells)
        cells *= len(ring.image)
        taps *= len(ring.kernel)
        frequencies *= ring.size
        own_negative *= 2 - ring.size % 2
    waves = own_negative + 3 * (frequencies - own_negative) // 2
    transforms = waves * (phases * C * (N * cells + K * taps) + N * K * geometry.out_hw[0] * geometry.out_hw[1])
    around = TRANSFORM_COST * transforms + SPECTRUM_COST * waves * phases * N * C * K
    block = min(FEWEST_IN_BLOCK, max(N, K)) * waves * max(phases * C, K) * itemsize
    return max(around, FEWEST_PRODUCTS) < direct and block <= SPECTRA_BYTES


@lru_cache(maxsize=64)
def circle(geometry: Geometry, dtype: Any) -> Circle:
    """Its matrices. Kept for the last 64 geometries: a training step comes back to the same ones."""
    rows, columns = _rings(geometry)
    sizes = rows.size, columns.size
    waves, weights = _waves(sizes)
    image = _heights(waves, sizes, -rows.image, -columns.image)
    kernel = _heights(waves, sizes, rows.kernel, columns.kernel)
    result = _heights(waves, sizes, *map(np.arange, geometry.out_hw)) * weights[:, None]
    image, kernel, result = (np.ascontiguousarray(matrix, dtype) for matrix in (image, kernel, result))
    return Circle(
        image,
        kernel,
        result,
        _deal(rows.cells, columns.cells, geometry.hw),
        _deal(rows.taps, columns.taps, geometry.kernel_hw),
    )


@lru_cache(maxsize=1024)
def _rings(geometry: Geometry) -> tuple[Ring, Ring]:
    rows, columns = (_ring(axis) for axis in geometry.window())
    return rows, columns


def _ring(axis: Axis) -> Ring:
    """The smallest circle in which what runs over an edge meets only zeros."""
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
    return Ring(around, np.arange(lead, end), np.array(shifts), cells, taps)


def _waves(sizes: Pair) -> tuple[Array, Array]:
    """The waves, (vertical frequency, horizontal frequency, thirds of a turn), and their weights in a result."""
    waves, weights = [], []
    for f in np.ndindex(sizes):
        negative = (-f[0] % sizes[0], -f[1] % sizes[1])
        thirds = (0,) if f == negative else (0, 1, -1) if f < negative else ()
        waves += [(*f, third) for third in thirds]
        weights += [1.0 if f == negative else 2 * 4 / 3] * len(thirds)
    return np.array(waves), np.array(weights) / (sizes[0] * sizes[1])


def _heights(waves: Array, sizes: Pair, rows: Array, columns: Array) -> Array:
    """How high each wave stands at these rows and columns of a circle: (R, len(rows) * len(columns))."""
    vertical, horizontal, third = waves.T[:, :, None, None]
    turns = vertical * rows[:, None] % sizes[0] / sizes[0] + horizontal * columns % sizes[1] / sizes[1] + third / 3
    heights: Array = np.cos(2 * np.pi * turns)
    return heights.reshape(len(waves), -1)


def _deal(rows: Array, columns: Array, hw: Pair) -> Deal:
    """From the indices along both axes, (phases, places) each."""
    row, column = rows[:, None, :, None], columns[None, :, None, :]
    there = np.where((row < 0) | (column < 0), -1, row * hw[1] + column).ravel()
    (taken,) = np.nonzero(there >= 0)
    back = np.full(hw[0] * hw[1], -1)
    back[there[taken]] = taken
    return Deal(len(rows) * len(columns), there, back)
