"""Convolutions to few channels by dot products: any geometry, both layouts, any number of threads.

Read next: ``conv_cases.py``.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels.conv_cases import DTYPES, Case, assert_same, cases, make_case

from minigen_kernels import cpu, reference
from minigen_kernels.cpu import dots
from minigen_kernels.cpu.circle import Geometry
from minigen_kernels.cpu.conv import algorithm
from minigen_kernels.cpu.lanes import REGISTER_BYTES
from minigen_kernels.cpu.layout import as_channels_last
from minigen_kernels.cpu.workers import set_threads, threads


def both_ways(case: Case, last: bool) -> dict[str, np.ndarray]:
    """conv2d if w has more channels of the image, else conv_transpose2d; in the layout that is asked for."""
    stride, padding, dilation, _ = case.geometry
    geometry = Geometry(case.hw, case.out_hw, case.kernel_hw, stride, padding, dilation)
    transposed = len(case.w) > case.w.shape[1]
    image = case.g if transposed else case.x
    image = as_channels_last(image) if last else image
    return {"sums": dots.correlate(image, case.w, transposed, geometry)}


def expected(case: Case, room=reference) -> dict[str, np.ndarray]:
    name = "conv_transpose2d" if len(case.w) > case.w.shape[1] else "conv2d"
    return {"sums": case.run(room)[name]}


@pytest.mark.parametrize("dtype", DTYPES)
@given(
    drawn=cases(largest=6), many=st.integers(16, 37), few=st.integers(1, 5), swapped=st.booleans(), last=st.booleans()
)
def test_any_geometry(dtype, drawn, many, few, swapped, last):
    """Both convolutions; runs of the channels of a tap, and of those of a row of the kernel."""
    channels = (few, many) if swapped else (many, few)
    stride, padding, dilation, _ = drawn.geometry
    layer = len(drawn.x), 1, *channels, drawn.hw, drawn.kernel_hw, drawn.out_hw, stride, padding, dilation
    case = make_case(0, *layer)
    assert_same(both_ways(case.astype(dtype), last), expected(case), dtype, case)


#: Last layers: N, groups, Cg, Kg, hw, kernel_hw, out_hw, stride, padding, dilation.
LAYERS = [
    (30, 1, 16, 1, (28, 28), (3, 3), (28, 28), (1, 1), (1, 1), (1, 1)),
    (5, 1, 3, 48, (32, 30), (4, 4), (16, 15), (2, 2), (1, 1), (1, 1)),
    (9, 1, 32, 3, (16, 16), (3, 3), (14, 14), (1, 1), (0, 0), (1, 1)),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layer", LAYERS)
def test_layers(dtype, layer):
    """The way that is chosen; the same bits in both layouts, and with one thread and two."""
    case = make_case(0, *layer)
    given, transposed = case.astype(dtype), len(case.w) > case.w.shape[1]
    given = given._replace(x=as_channels_last(given.x), g=as_channels_last(given.g))
    N, _, C, K, hw, kernel_hw, out_hw, *others = layer
    geometry = Geometry(hw, out_hw, kernel_hw, *others)
    size = np.dtype(dtype).itemsize
    if REGISTER_BYTES >= dots.ROWS * size:
        assert algorithm(N, C, K, 1, geometry, size, last=True, transposed=transposed) == "dots"
    before = threads()
    try:
        set_threads(1)
        got, again = both_ways(given, last=True), both_ways(case.astype(dtype), last=False)
        chosen = expected(given, cpu) if REGISTER_BYTES >= dots.ROWS * size else got
        set_threads(2)
        shared = both_ways(given, last=True)
    finally:
        set_threads(before)
    assert_same(got, expected(case), dtype, case)
    for other in (again, chosen, shared):
        np.testing.assert_array_equal(other["sums"], got["sums"])
