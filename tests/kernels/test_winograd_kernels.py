"""Minimal filters: matrices in fractions, the kernels against the reference, their error, and when they are taken.

Read next: ``test_conv_kernels.py``.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels.sharing import sharing

from minigen_kernels import cpu, reference
from minigen_kernels.cpu import window_sums, winograd
from minigen_kernels.cpu.choice import algorithm, direct_cost, filter_cost, groups_at_once
from minigen_kernels.cpu.circle import Geometry
from minigen_kernels.cpu.lanes import REGISTER_BYTES
from minigen_kernels.cpu.layout import as_channels_last, is_channels_last
from minigen_kernels.cpu.minimal_filters import POINTS, minimal_filter

FORMS = [(n + 1 - r, r) for n in POINTS for r in range(2, n)]  # all F(m, r) with m >= 2
ONE = (1, 1)


@pytest.mark.parametrize(("m", "r"), FORMS)
def test_a_minimal_filter_is_a_filter_exactly(m, r):
    """y[i] = sum over u of d[i + u] w[u], in fractions, for every unit vector d and w."""
    f = minimal_filter(m, r)
    n = m + r - 1
    assert [len(f.image), len(f.kernel), len(f.result)] == [n, n, n]
    for j, u in product(range(n), range(r)):
        products = [d[j] * w[u] for d, w in zip(f.image, f.kernel)]
        y = [sum(p * row[i] for p, row in zip(products, f.result)) for i in range(m)]
        assert y == [Fraction(j == i + u) for i in range(m)]


@pytest.mark.parametrize(("m", "r"), FORMS)
def test_what_is_not_finite_reaches_the_results_that_see_it(m, r):
    """Every result that sees cell j gets a product that cell j is in, or an infinity would be lost."""
    f = minimal_filter(m, r)
    for j, i in product(range(m + r - 1), range(m)):
        if 0 <= j - i < r:
            assert any(d[j] and row[i] for d, row in zip(f.image, f.result))


#: m, kernel, stride: F(4, 3), F(2, 3), F(2, 5), F(4, 2), F(2, 2), and phases with fewer taps than others.
CONVOLUTIONS = [
    (4, (3, 3), (1, 1)),
    (2, (3, 3), (1, 1)),
    (2, (5, 5), (1, 1)),
    (4, (4, 4), (2, 2)),
    (2, (4, 4), (2, 2)),
    (4, (3, 4), (2, 2)),
    (4, (5, 3), (2, 1)),
    (4, (5, 6), (2, 2)),
]


def arrays(seed, N, C, K, hw, kernel_hw, out_hw, dtype, layout="last", groups=1):
    """x, w, g and biases of both results; C and K are channels of a group."""
    rng = np.random.default_rng(seed)
    shapes = (N, C * groups, *hw), (K * groups, C, *kernel_hw), (N, K * groups, *out_hw), (K * groups,), (C * groups,)
    made = [rng.normal(size=shape).astype(dtype) for shape in shapes]
    if layout == "last":
        made = [as_channels_last(a) if a is made[0] or a is made[2] else a for a in made]
    return made


def run(m, x, w, g, b, bc, stride, padding, slope, dilation=ONE, groups=1):
    """All three, with bias and leaky ReLU, if there is a slope."""
    end = {None: window_sums.PLAIN, 1.0: window_sums.BIAS, 0.0: window_sums.RELU}.get(slope, window_sums.LEAKY_RELU)
    ends = [() if slope is None else (bias, end, slope) for bias in (b, bc)]
    sizes = stride, padding, dilation, groups
    return [
        winograd.conv2d(x, w, g.shape[2:], *sizes, m, *ends[0]),
        winograd.conv_transpose2d(g, w, x.shape[2:], *sizes, m, *ends[1]),
        winograd.conv2d_weight_grad(x, g, w.shape[2:], *sizes, m),
    ]


def run_reference(x, w, g, b, bc, stride, padding, slope, dilation=ONE, groups=1):
    x, w, g, b, bc = (a.astype(np.float64) for a in (x, w, g, b, bc))
    ends = [(), ()] if slope is None else [(b, "leaky_relu", slope), (bc, "leaky_relu", slope)]
    sizes = stride, padding, dilation, groups
    return [
        reference.conv2d(x, w, g.shape[2:], *sizes, *ends[0]),
        reference.conv_transpose2d(g, w, x.shape[2:], *sizes, *ends[1]),
        reference.conv2d_weight_grad(x, g, w.shape[2:], *sizes),
    ]


def magnitudes(x, w, g, stride, padding, dilation=ONE, groups=1):
    """The sums of the magnitudes of all terms."""
    sizes = stride, padding, None, dilation, groups
    return run_reference(abs(x), abs(w), abs(g), w[:, 0, 0, 0], x[0, :, 0, 0], *sizes)


#: The largest error, in units of eps times the mean sum of magnitudes, and how many times the root of its mean square
#: exceeds that of NumPy's direct sums in float32; by m and r. Measured: 0.6 and 0.8 of these.
WORST = {(2, 2): (10, 5), (3, 3): (6, 5), (4, 2): (12, 8), (2, 3): (6, 3), (4, 3): (20, 12), (2, 5): (12, 8)}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("convolution", CONVOLUTIONS)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_equals_the_reference(dtype, convolution, data):
    """Any image, padding, dilation, groups and results that lie outside; few tiles at a time, and kernels in parts."""
    m, kernel_hw, stride = convolution
    if dtype == np.float64 and (m, kernel_hw[0]) not in ((4, 3), (4, 4)):
        return  # compiling takes long, and there is no other code
    lanes = 64 // np.dtype(dtype).itemsize  # as many as registers may have
    N, C, K = (data.draw(st.integers(*ends)) for ends in ((1, 3), (lanes, lanes + 5), (lanes, 3 * lanes)))
    hw, padding = (data.draw(st.tuples(*[st.integers(*ends)] * 2)) for ends in ((1, 11), (0, 4)))
    steps = [1, 1, 2, 3] if stride == ONE else [1]
    dilation, groups = tuple(data.draw(st.sampled_from(steps)) for _ in hw), data.draw(st.sampled_from([1, 1, 2, 3]))
    out_hw = tuple(
        max(1, (size + 2 * p - d * (k - 1) - 1) // s + 1 + data.draw(st.integers(-2, 3)))
        for size, k, s, p, d in zip(hw, kernel_hw, stride, padding, dilation)
    )
    slope = data.draw(st.sampled_from([None, 0.0, 0.2, 1.0]))
    layout = data.draw(st.sampled_from(["first", "last"]))
    given_arrays = arrays(data.draw(st.integers(0, 99)), N, C, K, hw, kernel_hw, out_hw, dtype, layout, groups)
    with pytest.MonkeyPatch.context() as patch:
        if data.draw(st.booleans()):
            for name in ("GROUP_BYTES", "FEWEST_TILES", "FEWEST_TERMS", "KERNEL_BYTES"):
                patch.setattr(winograd, name, 1)
        got = run(m, *given_arrays, stride, padding, slope, dilation, groups)
    wanted = run_reference(*given_arrays, stride, padding, slope, dilation, groups)
    largest = magnitudes(*given_arrays[:3], stride, padding, dilation, groups)
    whole = 2 / np.pi * np.prod(kernel_hw)  # the mean magnitude of a result that sees all of one channel
    for a, b, most, channels in zip(got, wanted, largest, (C, K, 1)):
        assert a.shape == b.shape and a.dtype == dtype
        # 20 is the largest number in WORST. Results share the error of the largest one of their tile, which may be one
        # that is not asked for: those that are may see nothing but zeros.
        assert np.abs(a - b).max() <= 20 * np.finfo(dtype).eps * (most.max() + channels * whole)
    assert is_channels_last(got[0]) and is_channels_last(got[1]) and got[2].flags.c_contiguous


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("C", [16, 128])
@pytest.mark.parametrize(
    ("m", "r", "k", "stride"),
    [(2, 3, 3, 1), (3, 3, 3, 1), (4, 3, 3, 1), (2, 5, 5, 1), (2, 2, 4, 2), (4, 2, 4, 2), (4, 3, 5, 2)],
)
def test_error_beside_direct_sums(m, r, k, stride, C, positive):
    """In float32, against float64; with normal images and those after a ReLU."""
    x, w, g, b, bc = arrays(C, 4, C, 32, (16, 16), (k, k), (16 // stride, 16 // stride), np.float32)
    if positive:
        x, g = np.maximum(x, 0), np.maximum(g, 0)
    geometry = (stride, stride), (k // 2, k // 2)
    got = run(m, x, w, g, b, bc, *geometry, None)
    wanted = run_reference(x, w, g, b, bc, *geometry, None)
    direct = [
        reference.conv2d(x, w, g.shape[2:], *geometry, ONE, 1),
        reference.conv_transpose2d(g, w, x.shape[2:], *geometry, ONE, 1),
        reference.conv2d_weight_grad(x, g, (k, k), *geometry, ONE, 1),
    ]
    most, times = WORST[m, r]
    for a, b64, plain, size in zip(got, wanted, direct, magnitudes(x, w, g, *geometry)):
        error = np.abs(a - b64)
        assert error.max() <= most * np.finfo(np.float32).eps * size.mean()
        assert np.sqrt((error**2).mean()) <= times * np.sqrt(((plain - b64) ** 2).mean())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("convolution", CONVOLUTIONS[:5:3])
def test_values_that_are_not_finite(convolution, value):
    """They reach what they reach in direct sums, and nothing in other samples."""
    m, kernel_hw, stride = convolution
    out_hw = (9 // stride[0], 9 // stride[1])
    x, w, g, b, bc = arrays(0, 2, 16, 16, (9, 9), kernel_hw, out_hw, np.float32)
    x[1, 3, 4, 5] = g[1, 3, 1, 2] = value
    got, wanted = run(m, x, w, g, b, bc, stride, ONE, None), run_reference(x, w, g, b, bc, stride, ONE, None)
    for a, b64 in zip(got, wanted):
        assert not np.isfinite(a[~np.isfinite(b64)]).any() and not np.isfinite(b64).all()
    assert np.isfinite(got[0][0]).all() and np.isfinite(got[1][0]).all()


def test_relu_of_minus_infinity_is_zero_and_of_nan_is_nan():
    x, w = np.zeros((1, 16, 4, 4), np.float32), np.ones((16, 16, 3, 3), np.float32)
    b = np.zeros(16, np.float32)
    b[:3] = -np.inf, np.nan, -1
    y = winograd.conv2d(x, w, (4, 4), ONE, ONE, ONE, 1, 4, b, window_sums.RELU)
    assert not y[:, [0, 2]].any() and np.isnan(y[:, 1]).all() and not y[:, 3:].any()


@pytest.mark.parametrize(
    ("kernel_hw", "stride", "dilation"),
    [((3, 3), (1, 1), (1, 1)), ((4, 4), (2, 2), (1, 1)), ((4, 3), (2, 2), (1, 1)), ((3, 3), (1, 1), (3, 3))],
)
@pytest.mark.parametrize(("N", "C"), [(16, 16), (5, 48)])
def test_the_same_bits_for_any_number_of_threads(kernel_hw, stride, dilation, N, C):
    """One, four and nine phases, which threads take whole or share; one piece of the gradient in w and several."""
    padding = dilation
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel_hw)]
    out_hw = tuple((17 + 2 * p - span) // s + 1 for p, span, s in zip(padding, spans, stride))
    given_arrays = arrays(0, N, C, 40, (17, 17), kernel_hw, out_hw, np.float32)
    found = []
    for threads in (1, 2, 3, 4):
        with sharing(threads):
            found.append(run(4 if kernel_hw[0] == kernel_hw[1] else 2, *given_arrays, stride, padding, 0.2, dilation))
    for again in found[1:]:
        assert all(a.tobytes() == b.tobytes() for a, b in zip(found[0], again))


@pytest.mark.parametrize(("tiles", "group"), [(64, 24), (256, 24), (1000, 96), (30, 40), (24, 24), (25, 24), (7, 8)])
def test_several_groups_are_an_even_number(tiles, group):
    even = winograd._even(tiles, group, 8)
    count = -(-tiles // even)
    assert count == 1 or (count % 2 == 0 and even <= 2 * group) and even % 8 == 0


def geometry_of(size, kernel, stride=1, dilation=1):
    padding = kernel // 2
    out = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    return Geometry(*((n, n) for n in (size, out, kernel, stride, padding, dilation)))


@pytest.mark.parametrize("transposed", [False, True, None])
def test_layers_that_take_minimal_filters(transposed):
    """Many channels; small tiles where images are small; and not where something keeps them from it."""

    def size(N, C, K, groups, geometry):
        way = algorithm(N, C, K, groups, geometry, 4, True, transposed)
        return way if isinstance(way, int) else 0

    assert size(64, 64, 64, 1, geometry_of(16, 3)) == 4
    assert size(64, 64, 128, 1, geometry_of(16, 4, 2)) in (3, 4)
    assert size(64, 128, 128, 1, geometry_of(6, 3)) == 3
    assert (
        size(64, 64, 64, 1, geometry_of(16, 3, dilation=2)) in (3, 4) and size(64, 64, 64, 2, geometry_of(16, 3)) == 4
    )
    assert size(64, 64, 64, 1, geometry_of(16, 4, 2, dilation=2)) == 0
    assert size(64, 64, 64, 1, geometry_of(16, 1)) == 0
    assert size(64, 3, 64, 1, geometry_of(16, 3)) == 0 and size(64, 64, 1, 1, geometry_of(16, 3)) == 0
    assert size(0, 64, 64, 1, geometry_of(16, 3)) == 0
    assert size(64, 64, 64, 1, geometry_of(7, 5)) == 0  # few spectra do it
    lanes = REGISTER_BYTES // 4
    assert transposed is not None or size(64, 2 * lanes, lanes, 1, geometry_of(16, 3)) == 0  # half of a panel is empty


def test_the_costs_count_multiplications():
    """Of 4 x 4 results and many channels nearly all the cost: 36 instead of 144."""
    geometry = geometry_of(16, 3)._replace(padding=(0, 0), out_hw=(14, 14))
    assert direct_cost(8, 16, 32, geometry, transposed=False) == 8 * 16 * 32 * 14 * 14 * 9
    many = Geometry((18, 18), (16, 16), (3, 3), (1, 1), (0, 0), (1, 1))
    ratio = filter_cost(1 << 20, 1 << 20, 1 << 20, many, 4, None) / direct_cost(1 << 20, 1 << 20, 1 << 20, many, False)
    assert 0.25 <= ratio < 0.26


@pytest.mark.parametrize(("C", "K", "groups"), [(4, 4, 8), (8, 8, 4), (8, 4, 6), (2, 8, 8), (16, 16, 2), (3, 5, 12)])
def test_groups_of_few_channels_are_joined(C, K, groups):
    """For the gradient in w, which has the pairs of channels of one group; NaN in one group stays there."""
    geometry = geometry_of(12, 3)
    joined = groups_at_once(24, C, K, groups, geometry, 4, True)
    panel = 2 * REGISTER_BYTES // 4
    assert groups % joined == 0 and (joined == 1 or joined * max(C, K) <= panel)
    assert joined > 1 or not (C == K and panel % C == 0 and C < panel)
    x, _, g, _, _ = arrays(0, 24, C, K, (12, 12), (3, 3), (12, 12), np.float32, groups=groups)
    found = cpu.conv2d_weight_grad(x, g, (3, 3), ONE, ONE, ONE, groups)
    exact = reference.conv2d_weight_grad(x.astype(np.float64), g.astype(np.float64), (3, 3), ONE, ONE, ONE, groups)
    np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-4 * np.abs(exact).max())
    x[0, 0, 5, 5] = np.nan
    spoilt = cpu.conv2d_weight_grad(x, g, (3, 3), ONE, ONE, ONE, groups)
    assert np.isnan(spoilt[:K]).any() and np.isfinite(spoilt[K:]).all()
