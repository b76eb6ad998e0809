"""The gradient in w for few channels: any geometry, both layouts, both orders, any number of threads.

Read next: ``conv_cases.py``.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels.conv_cases import DTYPES, Case, assert_same, cases, make_case

from minigen_kernels import reference
from minigen_kernels.cpu import thin
from minigen_kernels.cpu.circle import Geometry
from minigen_kernels.cpu.layout import as_channels_last
from minigen_kernels.cpu.workers import set_threads, threads


def geometry_of(case: Case) -> Geometry:
    stride, padding, dilation, _ = case.geometry
    return Geometry(case.hw, case.out_hw, case.kernel_hw, stride, padding, dilation)


def expected(case: Case) -> dict[str, np.ndarray]:
    return {"gw": reference.conv2d_weight_grad(case.x, case.g, case.kernel_hw, *case.geometry)}


@pytest.mark.parametrize("dtype", DTYPES)
@given(case=cases(most_channels=9), last=st.tuples(st.booleans(), st.booleans()))
def test_any_geometry(dtype, case, last):
    """Without groups; images and gradients in both layouts."""
    channels = case.w.shape[1], len(case.w) // case.geometry[3]
    case = Case(
        np.ascontiguousarray(case.x[:, : channels[0]]),
        case.w[: channels[1]],
        np.ascontiguousarray(case.g[:, : channels[1]]),
        (*case.geometry[:3], 1),
    )
    given = case.astype(dtype)
    x, g = (as_channels_last(a) if wanted else a for a, wanted in zip((given.x, given.g), last))
    geometry = geometry_of(case)
    assert_same({"gw": thin.weight_grad(x, g, geometry)}, expected(case), dtype, case)
    covered = all(d * (k - 1) >= p for d, k, p in zip(geometry.dilation, geometry.kernel_hw, geometry.padding))
    if geometry.stride == (1, 1) and covered:
        assert_same({"gw": thin.turned(x, g, geometry)}, expected(case), dtype, case)


#: First and last layers: N, groups, Cg, Kg, hw, kernel_hw, out_hw, stride, padding, dilation.
LAYERS = [
    (30, 1, 1, 16, (28, 28), (3, 3), (28, 28), (1, 1), (1, 1), (1, 1)),
    (5, 1, 1, 40, (32, 30), (4, 4), (16, 15), (2, 2), (1, 1), (1, 1)),
    (9, 1, 48, 1, (14, 14), (3, 3), (14, 14), (1, 1), (1, 1), (1, 1)),
    (7, 1, 3, 37, (9, 8), (3, 3), (9, 8), (1, 1), (1, 1), (1, 1)),
    (6, 1, 2, 3, (3, 3), (3, 3), (1, 1), (1, 1), (0, 0), (1, 1)),  # samples shorter than a register
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layer", LAYERS)
def test_layers(dtype, layer):
    """The same bits in both layouts, and with one thread and two."""
    case = make_case(0, *layer)
    first, geometry = case.astype(dtype), geometry_of(case)
    last = first._replace(x=as_channels_last(first.x), g=as_channels_last(first.g))
    gradient = thin.turned if len(case.w) == 1 else thin.weight_grad
    before = threads()
    try:
        set_threads(1)
        got, again = gradient(first.x, first.g, geometry), gradient(last.x, last.g, geometry)
        set_threads(2)
        shared = gradient(first.x, first.g, geometry)
    finally:
        set_threads(before)
    assert_same({"gw": got}, expected(case), dtype, case)
    np.testing.assert_array_equal(again, got)
    np.testing.assert_array_equal(shared, got)


@pytest.mark.parametrize("channels, way", [((1, 16), "straight"), ((32, 1), "turned"), ((64, 64), "")])
def test_the_way_of_a_layer(channels, way):
    """First layers, last layers, and those between, which are left to windows."""
    geometry = Geometry((28, 28), (28, 28), (3, 3), (1, 1), (1, 1), (1, 1))
    assert thin.fitting(*channels, geometry, 4) == way
