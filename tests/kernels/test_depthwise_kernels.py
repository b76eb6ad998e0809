"""Depthwise convolutions: any geometry, both layouts, any number of threads, bias and activation in the same pass.

Read next: ``conv_cases.py``.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels.conv_cases import DTYPES, assert_same, cases, make_case

from minigen_kernels import cpu, reference
from minigen_kernels.cpu.circle import Geometry
from minigen_kernels.cpu.conv import algorithm
from minigen_kernels.cpu.layout import as_channels_last, is_channels_last
from minigen_kernels.cpu.workers import set_threads, threads


@pytest.mark.parametrize("dtype", DTYPES)
@given(drawn=cases(largest=6), channels=st.integers(16, 37), last=st.tuples(st.booleans(), st.booleans()))
def test_any_geometry(dtype, drawn, channels, last):
    """Whole registers of channels, and not; images and gradients in both layouts."""
    stride, padding, dilation, _ = drawn.geometry
    layer = len(drawn.x), channels, 1, 1, drawn.hw, drawn.kernel_hw, drawn.out_hw, stride, padding, dilation
    case = make_case(0, *layer)
    given = case.astype(dtype)
    x, g = (as_channels_last(a) if wanted else a for a, wanted in zip((given.x, given.g), last))
    got = given._replace(x=x, g=g).run(cpu)
    assert_same(got, case.run(reference), dtype, case)
    assert all(is_channels_last(got[name]) for name in ("conv2d", "conv_transpose2d"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_and_layouts(dtype):
    """The way that is chosen; the same bits in both layouts, and with one thread and two."""
    layer = 20, 40, 1, 1, (14, 13), (5, 5), (7, 7), (2, 2), (2, 2), (1, 1)
    N, groups, C, K, hw, kernel_hw, out_hw, *others = layer
    geometry = Geometry(hw, out_hw, kernel_hw, *others)
    for transposed in (False, True, None):
        assert algorithm(N, C, K, groups, geometry, 4, last=True, transposed=transposed) == "depthwise"
    case = make_case(0, *layer)
    first = case.astype(dtype)
    last = first._replace(x=as_channels_last(first.x), g=as_channels_last(first.g))
    before = threads()
    try:
        set_threads(1)
        got, again = first.run(cpu), last.run(cpu)
        set_threads(2)
        shared = first.run(cpu)
    finally:
        set_threads(before)
    assert_same(got, case.run(reference), dtype, case)
    for name, result in got.items():
        np.testing.assert_array_equal(again[name], result, name)
        np.testing.assert_array_equal(shared[name], result, name)


@pytest.mark.parametrize("named", [("identity", 0.0), ("leaky_relu", 0.0), ("leaky_relu", 0.2), ("tanh", 0.0)])
@pytest.mark.parametrize("kernel_hw", [(3, 3), (1, 2)])
def test_the_end_of_a_layer(named, kernel_hw):
    """The bias and the activation give the bits of `bias_act`, also where a cell of an image sees no result."""
    case = make_case(0, 6, 33, 1, 1, (9, 9), kernel_hw, (4, 4), (2, 2), (0, 0), (1, 1)).astype(np.float32)
    b = np.random.default_rng(1).normal(size=33).astype(np.float32)
    for name, image, hw in (("conv2d", case.x, case.out_hw), ("conv_transpose2d", case.g, case.hw)):
        function = getattr(cpu, name)
        plain = function(image, case.w, hw, *case.geometry)
        ended = function(image, case.w, hw, *case.geometry, b, *named)
        wanted = cpu.bias_act(plain.reshape(*plain.shape[:2], -1), b, *named)
        np.testing.assert_array_equal(ended.reshape(wanted.shape), wanted, name)
