"""Convolution: the reference against six plain loops, the processor's room against the reference.

The adjoints have a truth of their own: <conv2d(x, w), g> = <x, conv_transpose2d(g, w)> =
<w, conv2d_weight_grad(x, g)>, for any x, w and g.

Read next: ``conv_cases.py``, ``test_window_kernels.py``.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from kernels.conv_cases import DTYPES, Case, assert_same, cases, make_case

from minigen_kernels import cpu, reference
from minigen_kernels.cpu import conv as cpu_conv
from minigen_kernels.cpu import frame as cpu_frame
from minigen_kernels.cpu import frame_sums as cpu_sums
from minigen_kernels.cpu import spectral as cpu_spectral
from minigen_kernels.cpu.choice import algorithm
from minigen_kernels.cpu.circle import Geometry
from minigen_kernels.cpu.frame import window_axis
from minigen_kernels.cpu.layout import as_channels_last

ROOMS = [reference, cpu]


#: What models have: 5 x 5 with stride 2, one channel in, one channel out, 1 x 1, depthwise; lines of many registers.
LAYERS = [  # N, groups, Cg, Kg, hw, kernel_hw, out_hw, stride, padding, dilation
    (37, 1, 6, 9, (14, 14), (5, 5), (7, 7), (2, 2), (2, 2), (1, 1)),
    (7, 1, 1, 16, (28, 28), (3, 3), (28, 28), (1, 1), (1, 1), (1, 1)),
    (5, 1, 16, 1, (9, 40), (3, 3), (9, 40), (1, 1), (1, 1), (1, 1)),
    (5, 1, 8, 5, (4, 70), (1, 1), (2, 35), (2, 2), (0, 0), (1, 1)),
    (3, 1, 7, 5, (6, 9), (1, 1), (6, 9), (1, 1), (0, 0), (2, 2)),
    (3, 2, 7, 5, (6, 9), (1, 1), (6, 9), (1, 1), (0, 0), (1, 1)),
    (5, 6, 1, 1, (8, 50), (3, 3), (3, 17), (3, 3), (1, 1), (2, 1)),
]


def six_loops(case: Case) -> dict[str, np.ndarray]:
    """All three from the one formula: each product w * x, w * g and g * x goes where it says."""
    (sh, sw), (ph, pw), (dh, dw), groups = case.geometry
    x, w, g = case.x, case.w, case.g
    y, gx, gw = np.zeros_like(g), np.zeros_like(x), np.zeros_like(w)
    K, Cg, kh, kw = w.shape
    for k in range(K):
        for c in range(Cg):
            channel = k // (K // groups) * Cg + c
            for u in range(kh):
                for v in range(kw):
                    for i in range(g.shape[2]):
                        for j in range(g.shape[3]):
                            a, b = i * sh - ph + u * dh, j * sw - pw + v * dw
                            if 0 <= a < x.shape[2] and 0 <= b < x.shape[3]:
                                y[:, k, i, j] += w[k, c, u, v] * x[:, channel, a, b]
                                gx[:, channel, a, b] += w[k, c, u, v] * g[:, k, i, j]
                                gw[k, c, u, v] += g[:, k, i, j] @ x[:, channel, a, b]
    return {"conv2d": y, "conv_transpose2d": gx, "conv2d_weight_grad": gw}


@given(case=cases(largest=6, most_channels=2))
def test_reference_is_the_formula(case):
    assert_same(case.run(reference), six_loops(case), np.float64, case)


@pytest.mark.parametrize("dtype", DTYPES)
@given(case=cases())
def test_cpu_equals_reference(dtype, case):
    assert_same(case.astype(dtype).run(cpu), case.run(reference), dtype, case)


@pytest.mark.parametrize("dtype", DTYPES)
@given(case=cases(most_channels=5))
def test_cpu_with_samples_abreast(dtype, case):
    """The other layout of a frame, which few of the cases above would choose, and few taps at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu_conv, "algorithm", lambda *layer, **direction: "frames")
        patch.setattr(cpu_frame, "_should_interleave", lambda *layer: True)
        patch.setattr(cpu_sums, "CACHE_BYTES", 256)
        patch.setattr(cpu_sums, "_plan", cpu_sums._plan.__wrapped__)
        assert_same(case.astype(dtype).run(cpu), case.run(reference), dtype, case)


@pytest.mark.parametrize("dtype", DTYPES)
@given(case=cases(most_channels=5))
def test_cpu_around_a_circle(dtype, case):
    """By spectra, in blocks of a few samples and kernels: what none of the cases above is large enough to choose."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu_conv, "algorithm", lambda *layer, **direction: "spectra")
        patch.setattr(cpu_spectral, "SPECTRA_BYTES", 1 << 12)
        assert_same(case.astype(dtype).run(cpu), case.run(reference), dtype, case)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("group_bytes", [1, 1 << 14, 1 << 30])
@pytest.mark.parametrize("abreast", [False, True])
@pytest.mark.parametrize("layer", LAYERS)
def test_groups_of_samples(dtype, group_bytes, abreast, layer, monkeypatch):
    """One sample (or strip of them) at a time, a few with a smaller last group, and all at once."""
    monkeypatch.setattr(cpu_conv, "algorithm", lambda *layer, **direction: "frames")
    monkeypatch.setattr(cpu_frame, "_should_interleave", lambda *layer: abreast)
    monkeypatch.setattr(cpu_sums, "GROUP_BYTES", group_bytes)
    monkeypatch.setattr(cpu_sums, "_plan", cpu_sums._plan.__wrapped__)
    monkeypatch.setattr(cpu_conv, "DOT_GROUP_BYTES", group_bytes)
    case = make_case(0, *layer)
    assert_same(case.astype(dtype).run(cpu), case.run(reference), dtype, case)


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_one_cell_kernels_see_zeros_outside(room, stride):
    """A kernel of one cell is no product of matrices where results lie, wholly or in part, outside the image."""
    for size, out in itertools.product((1, 2, 3, 4), (0, 1, 2, 3, 5)):
        for hw, out_hw in (((size, 3), (out, 2)), ((3, size), (2, out))):
            case = make_case(0, 2, 1, 2, 3, hw, (1, 1), out_hw, (stride, stride), (0, 0), (1, 1))
            assert_same(case.run(room), six_loops(case), np.float64, case)


#: Layers of which all three kernels are done by spectra, with a stride, groups, a dilation.
CIRCLES = [  # as LAYERS
    (49, 1, 72, 56, (7, 7), (5, 5), (7, 7), (1, 1), (2, 2), (1, 1)),
    (64, 1, 96, 128, (14, 13), (5, 6), (7, 7), (2, 2), (2, 2), (1, 2)),
    (72, 2, 80, 72, (8, 6), (5, 4), (8, 7), (1, 1), (2, 2), (1, 1)),
    (64, 1, 80, 96, (7, 9), (5, 5), (7, 9), (1, 1), (4, 4), (2, 2)),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layer", CIRCLES)
def test_layers_that_go_around_a_circle(dtype, layer):
    """What the rule chooses by itself."""
    N, groups, Cg, Kg, hw, kernel_hw, out_hw, *steps = layer
    geometry = Geometry(hw, out_hw, kernel_hw, *steps)
    for transposed in (False, True, None):
        assert algorithm(N, Cg, Kg, groups, geometry, np.dtype(dtype).itemsize, True, transposed) == "spectra"
    case = make_case(0, *layer)
    assert_same(case.astype(dtype).run(cpu), case.run(reference), dtype, case)


@pytest.mark.parametrize(
    ("N", "C", "K", "size", "kernel"),
    [
        (128, 1, 64, 28, 5),  # each number of x meets few others
        (128, 8, 8, 8, 3),  # so does each number of everything
        (1, 128, 128, 7, 3),  # for a single sample, the transforms of the kernels would be all the work
        (2, 2, 3, 9, 3),  # nothing to gain
        (128, 64, 64, 112, 3),  # the circle, and with it the matrices of the transforms, grow with the image
    ],
)
def test_layers_that_do_not(N, C, K, size, kernel):
    geometry = Geometry((size, size), (size, size), (kernel, kernel), (1, 1), (kernel // 2, kernel // 2), (1, 1))
    assert algorithm(N, C, K, 1, geometry, 4, True, transposed=False) != "spectra"


@pytest.mark.parametrize(("N", "C", "size", "abreast"), [(64, 8, 7, True), (1, 8, 7, False), (64, 64, 64, False)])
def test_both_layouts_are_chosen(N, C, size, abreast):
    """A batch of small images goes abreast; a single sample lies flat, and so do images too large for the cache."""
    axis = window_axis(size, size, 3, 1, 1, 1)
    frame = cpu_frame.Frame(np.zeros((N, C, size, size), np.float32), 1, C, axis, axis, 1 << 19)
    assert (frame.interleaved > 1) == abreast


@pytest.mark.parametrize("room", ROOMS)
@given(case=cases())
def test_adjoints(room, case):
    result = case.run(room)
    y_g = np.vdot(result["conv2d"], case.g)
    x_gx = np.vdot(case.x, result["conv_transpose2d"])
    w_gw = np.vdot(case.w, result["conv2d_weight_grad"])
    # Products of three normals, in three orders: rounding relative to the sum of their magnitudes.
    magnitude = np.vdot(np.abs(case.w), six_loops_magnitude(case))
    tolerance = 8 * np.finfo(np.float64).eps * magnitude
    assert abs(y_g - x_gx) <= tolerance and abs(y_g - w_gw) <= tolerance


def six_loops_magnitude(case: Case) -> np.ndarray:
    return reference.conv2d_weight_grad(np.abs(case.x), np.abs(case.g), case.kernel_hw, *case.geometry)


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize(("N", "out_hw"), [(0, (3, 3)), (2, (0, 3)), (2, (3, 0))])
def test_nothing_in_nothing_out(room, N, out_hw):
    case = make_case(0, N, 1, 2, 3, (5, 5), (3, 3), out_hw, (1, 1), (0, 0), (1, 1))
    result = case.run(room)
    assert result["conv2d"].shape == (N, 3, *out_hw)
    assert result["conv_transpose2d"].shape == case.x.shape and not result["conv_transpose2d"].any()
    assert result["conv2d_weight_grad"].shape == case.w.shape and not result["conv2d_weight_grad"].any()


@pytest.mark.parametrize("room", ROOMS)
def test_cells_that_no_result_sees(room):
    """Windows that miss the image, and cells between the windows, give exact zeros."""
    case = make_case(0, 2, 1, 2, 3, (7, 7), (1, 1), (3, 3), (3, 3), (0, 0), (1, 1))
    gx = case.run(room)["conv_transpose2d"]
    assert gx[:, :, ::3, ::3].all()
    gx[:, :, ::3, ::3] = 0
    assert not gx.any()
    far = make_case(0, 2, 1, 2, 3, (2, 2), (2, 2), (2, 2), (1, 1), (5, 5), (1, 1))
    assert not any(result.any() for result in far.run(room).values())


@pytest.mark.parametrize("room", ROOMS)
def test_nan_reaches_the_results_that_see_it_and_no_other(room):
    case = make_case(0, 3, 1, 2, 3, (9, 9), (3, 3), (9, 9), (1, 1), (1, 1), (1, 1))
    case.x[1, 0, 4, 8] = np.nan
    y = room.conv2d(case.x, case.w, case.out_hw, *case.geometry)
    seen = np.zeros(y.shape, bool)
    seen[1, :, 3:6, 7:] = True
    assert (np.isnan(y) == seen).all()


@pytest.mark.parametrize("stride", [(2, 2), (1, 3), (3, 2)])
@pytest.mark.parametrize("size", [(8, 8), (7, 10)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_strided_kernel_of_one_cell_on_channels_last(stride, size, dtype):
    """The shortcut of a residual network: the cells that are met, and a product of matrices."""
    rng = np.random.default_rng(0)
    out_hw = tuple((n - 1) // s + 1 for n, s in zip(size, stride))
    x, g = (as_channels_last(rng.standard_normal((3, c, *hw)).astype(dtype)) for c, hw in ((20, size), (33, out_hw)))
    w, b = rng.standard_normal((33, 20, 1, 1)).astype(dtype), rng.standard_normal(33).astype(dtype)
    rest = stride, (0, 0), (1, 1), 1
    close = 1e-5 if dtype is np.float32 else 1e-12
    for name, args in (
        ("conv2d", (x, w, out_hw, *rest)),
        ("conv2d", (x, w, out_hw, *rest, b, "leaky_relu", 0.1)),
        ("conv_transpose2d", (g, w, size, *rest)),
        ("conv_transpose2d", (g, w, size, *rest, b[:20], "sigmoid", 0.0)),
        ("conv2d_weight_grad", (x, g, (1, 1), *rest)),
    ):
        found, exact = getattr(cpu, name)(*args), getattr(reference, name)(*args)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, exact, rtol=close, atol=10 * close, err_msg=name)
