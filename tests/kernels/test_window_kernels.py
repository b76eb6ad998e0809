"""Convolutions in windows of channels-last frames: any geometry, both layouts, any number of threads.

Read next: ``conv_cases.py``.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels.conv_cases import DTYPES, assert_same, cases, make_case

from minigen_kernels import cpu, reference
from minigen_kernels.cpu import channels_last
from minigen_kernels.cpu import conv as cpu_conv
from minigen_kernels.cpu.circle import Geometry
from minigen_kernels.cpu.layout import as_channels_last, is_channels_last
from minigen_kernels.cpu.workers import set_threads, threads


def always_windows(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cpu_conv, "algorithm", lambda *layer, **direction: "windows")
    patch.setattr(cpu_conv.thin, "fitting", lambda *layer: "")


@pytest.mark.parametrize("dtype", DTYPES)
@given(case=cases(most_channels=9), last=st.tuples(st.booleans(), st.booleans()), in_place=st.sampled_from([0, 16]))
def test_any_geometry(dtype, case, last, in_place):
    """Images and gradients in both layouts; results are channels last. What weights meet is copied, or is not."""
    given = case.astype(dtype)
    x, g = (as_channels_last(a) if wanted else a for a, wanted in zip((given.x, given.g), last))
    with pytest.MonkeyPatch.context() as patch:
        always_windows(patch)
        patch.setattr(channels_last, "IN_PLACE", in_place)
        patch.setattr(channels_last, "weight_plan", channels_last.weight_plan.__wrapped__)
        got = given._replace(x=x, g=g).run(cpu)
    assert_same(got, case.run(reference), dtype, case)
    assert all(is_channels_last(got[name]) for name in ("conv2d", "conv_transpose2d"))


#: Several groups of samples and panels of both widths; phases; short runs of weights; groups of channels; one pixel;
#: blocks of weights of each shape.
LAYERS = [  # N, groups, Cg, Kg, hw, kernel_hw, out_hw, stride, padding, dilation
    (13, 1, 64, 72, (16, 16), (3, 3), (16, 16), (1, 1), (1, 1), (1, 1)),
    (30, 1, 32, 20, (16, 15), (4, 4), (8, 7), (2, 2), (1, 1), (1, 1)),
    (9, 1, 1, 17, (28, 28), (5, 5), (14, 14), (2, 2), (2, 2), (1, 1)),
    (5, 2, 24, 12, (9, 9), (3, 2), (5, 5), (2, 2), (2, 2), (2, 2)),
    (70, 1, 16, 40, (4, 4), (4, 4), (1, 1), (1, 1), (0, 0), (1, 1)),
    (5, 1, 16, 8, (14, 14), (3, 3), (14, 14), (1, 1), (1, 1), (1, 1)),
    (5, 1, 40, 11, (15, 13), (4, 3), (8, 7), (2, 2), (1, 1), (1, 1)),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layer", LAYERS)
def test_layers(dtype, layer, monkeypatch):
    """The same bits in both layouts, and with one thread and two."""
    always_windows(monkeypatch)
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
@pytest.mark.parametrize("layer", [LAYERS[1], (30, 1, 32, 20, (22, 22), (2, 3), (7, 7), (3, 4), (0, 3), (1, 1))])
def test_the_end_of_a_layer(named, layer, monkeypatch):
    """The bias and the activation in the same pass give the bits of `bias_act`; a NaN stays one.

    In the second layer some cells of an image see no result: there the gradient in x is the bias alone.
    """
    always_windows(monkeypatch)
    case = make_case(0, *layer).astype(np.float32)
    case.x[3, 5, 6, 6] = np.nan
    for function, x, hw in ((cpu.conv2d, case.x, case.out_hw), (cpu.conv_transpose2d, case.g, case.hw)):
        plain = function(x, case.w, hw, *case.geometry)
        bias = np.linspace(-1, 1, plain.shape[1], dtype=np.float32)
        wanted = cpu.bias_act(plain.reshape(*plain.shape[:2], -1), bias, *named).reshape(plain.shape)
        np.testing.assert_array_equal(function(x, case.w, hw, *case.geometry, bias, *named), wanted)
        if function is cpu.conv2d:
            assert np.isnan(wanted[3]).any() and not np.isnan(wanted[4]).any()


def way(N, C, K, size, kernel, stride=1, groups=1, last=True, transposed=False):
    out = (size - 1) // stride + 1
    geometry = Geometry((size, size), (out, out), (kernel,) * 2, (stride,) * 2, (kernel // 2,) * 2, (1, 1))
    return cpu_conv.algorithm(N, C, K, groups, geometry, 4, last, transposed=transposed)


def test_the_way_of_a_layer():
    """Windows are the rule; the exceptions are those that ``conv.py`` names."""
    assert way(2, 64, 64, 6, 3) == way(1, 1, 64, 28, 5, 2) == way(64, 64, 128, 16, 1) == "windows"
    assert way(64, 64, 1, 28, 3, transposed=None) == "windows"  # or what ``thin.py`` does
    assert way(64, 64, 1, 28, 3) == way(64, 1, 64, 28, 3, transposed=True) == "dots"
    assert way(64, 64, 1, 28, 3, last=False) == way(64, 1, 1, 28, 3, groups=4) == "frames"
    assert way(64, 1, 1, 28, 3, groups=64) == "depthwise"
    assert way(64, 64, 128, 16, 1, last=False) == "product"
    assert way(128, 64, 64, 7, 5) == "spectra"
