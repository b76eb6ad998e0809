"""Each strategy draws what it promises: shapes that belong together, numbers off the kinks, views of the same values.

Read next: ``test_check_layer.py``.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from minigen import ops
from minigen.autograd import Function, Tensor
from minigen.gradcheck import GradientMismatch, gradcheck
from minigen.testing.strategies import (
    ConvGeometry,
    away_from,
    broadcast_views,
    broadcastable,
    by_axes,
    conv_geometry,
    distinct,
    images_nchw,
    positive,
    scales,
    seeds,
    shapes,
    strided,
)
from minigen.testing.views import LAYOUTS, view


def root_mean_square(x: Any) -> float:
    return float(np.sqrt(np.mean(x.astype(np.float64) ** 2)))


@given(by_axes("N D", "K D", "K", "", "D 2 N", N=(0, 4), D=2, K=st.sampled_from([3, 5])))
def test_axes_of_one_name_have_one_length(arrays: Any) -> None:
    x, w, b, scalar, other = arrays
    N, K = len(x), len(w)
    assert 0 <= N <= 4 and K in (3, 5)
    assert [a.shape for a in arrays] == [(N, 2), (K, 2), (K,), (), (2, 2, N)]
    assert all(isinstance(a, np.ndarray) and a.dtype == np.float64 for a in arrays)


@given(images_nchw(C=3, H=(2, 4), dtype=np.float32, values=positive))
def test_images(x: Any) -> None:
    N, C, H, W = x.shape
    assert 1 <= N <= 2 and C == 3 and 2 <= H <= 4 and 1 <= W <= 6
    assert x.dtype == np.float32 and (x >= 0.3).all() and (x <= 3).all()


@given(by_axes("N D", "N D", values=(distinct, positive)))
def test_each_array_its_own_values(arrays: Any) -> None:
    x, y = arrays
    assert (np.diff(np.sort(x, axis=None)) >= 0.3 - 1e-12).all() and (y > 0).all()


@given(by_axes("20 20", "20 20", scale=scales()))
def test_each_array_its_own_scale(arrays: Any) -> None:
    # The root mean square of 400 normal numbers is within 6 deviations (0.035 each) of 1.
    for x in arrays:
        size = root_mean_square(x)
        assert 0.79e-8 < size < 1.21e8 and abs(size / 10 ** round(np.log10(size)) - 1) < 0.21


def test_scales_reach_both_ends_and_shrink_to_1() -> None:
    assert find(scales(), lambda s: True) == 1
    for end in (1e-8, 1e8):
        assert find(scales(), lambda s, end=end: np.isclose(s, end)) == pytest.approx(end)
    assert find(scales(1e3, 1e5), lambda s: True) == 1e3


@given(
    by_axes("N D", "D", scale=scales(), dtype=np.float64),
    st.lists(st.sampled_from([-1.0, 0.0, 1e-3, 1.0, 6.0]), min_size=1, unique=True),
    st.sampled_from([np.float32, np.float64]),
)
def test_away_from_kinks(arrays: Any, kinks: list[float], dtype: Any) -> None:
    arrays = tuple(x.astype(dtype) for x in arrays)
    moved = away_from(*kinks)((*arrays, "an option", np.arange(3)))
    assert moved[2] == "an option" and np.array_equal(moved[3], np.arange(3))
    room = min(np.diff(sorted(kinks)), default=np.inf) / 4
    for x, y in zip(arrays, moved):
        assert y.shape == x.shape and y.dtype == dtype
        for kink in kinks:
            # Moved off one kink, a number may come closer to the next, but not closer than half of what lies between.
            wanted = min(room, 2e-2 * max(abs(kink), root_mean_square(x)))
            # float32 rounds kink + distance to 6e-8 of the kink
            assert (np.abs(y.astype(np.float64) - kink) >= wanted * (1 - 1e-5) - 1e-7 * abs(kink)).all()
        far = np.abs(x[..., None].astype(np.float64) - kinks).min(-1) > 2e-2 * max(
            max(map(abs, kinks)), root_mean_square(x)
        )
        assert np.array_equal(x[far], y[far])


def test_away_from_moves_zeros_and_keeps_their_side() -> None:
    assert np.array_equal(np.sign(away_from(0)(np.array([-1e-9, 1e-9, -5.0, 0.0, 4.0]))), [-1, 1, -1, 1, 1])
    assert abs(away_from(0)(np.zeros(3))).min() >= 0.02
    for bad in ((), (np.nan,), (np.inf,)):
        with pytest.raises(ValueError, match="give one or more finite kinks"):
            away_from(*bad)


@given(images_nchw(scale=scales()).map(away_from(0)))
@settings(max_examples=20)
def test_relu_is_smooth_away_from_its_kink(x: Any) -> None:
    gradcheck(ops.relu, x, allow_zero=True)  # all may lie left of 0


LAYOUT_INPUTS = by_axes("N C H", "N", "", N=(0, 3))


@given(st.data(), LAYOUT_INPUTS, st.sampled_from(LAYOUTS), st.sampled_from([np.float32, np.float64, np.int64]))
def test_views_have_the_same_values(data: Any, arrays: Any, layout: Any, dtype: Any) -> None:
    for x in arrays:
        x = np.asarray(x * 10, dtype)
        y = view(x, layout)
        assert type(y) is np.ndarray and y.dtype == x.dtype and np.array_equal(x, y) and not np.shares_memory(x, y)
    drawn = data.draw(strided(st.just((*arrays, "an option"))))
    assert drawn[-1] == "an option" and all(map(np.array_equal, drawn, arrays))


def test_views_are_not_contiguous() -> None:
    x = np.arange(12.0).reshape(3, 4)
    assert view(x, "fortran").flags.f_contiguous
    assert all(s < 0 for s in view(x, "reversed").strides)
    assert view(x, "stepped").strides == (2 * 10 * 8, 16) and view(x, "inside").strides == (10 * 8, 8)
    with pytest.raises(ValueError, match="layout is one of contiguous, fortran"):
        view(x, "elsewhere")  # type: ignore[arg-type]


def test_strided_draws_every_layout() -> None:
    x = np.ones((2, 3))
    wanted = {view(x, layout).strides for layout in LAYOUTS}
    seen = set()

    @given(strided(st.just(x)))
    @settings(database=None, derandomize=True)
    def draw(y: Any) -> None:
        seen.add(y.strides)

    draw()
    assert seen == wanted


@given(broadcast_views(by_axes("N C H", "N", "", N=(0, 3))))
def test_broadcast_views_are_constant_and_read_only(arrays: Any) -> None:
    for x in arrays:
        if x.size and x.ndim:
            assert not x.flags.writeable and 0 in x.strides
            axis = x.strides.index(0)
            assert np.array_equal(x, np.broadcast_to(x.take([0], axis), x.shape))


@given(broadcastable(3, scale=scales()))
def test_broadcastable_shapes(arrays: Any) -> None:
    assert len(arrays) == 3
    np.broadcast_shapes(*(x.shape for x in arrays))


class Times(Function):
    """x * y, whose gradients are not summed over the broadcast axes when they have as many."""

    def forward(self, x: Any, y: Any) -> Any:
        return x * y

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        return tuple(
            ops.broadcast_to(ops.mean(g, tuple(i for i, n in enumerate(x.shape) if n == 1), keepdims=True), x.shape)
            if g.ndim == x.ndim
            else ops.sum_to(g, x.shape)
            for g, x in zip((gy * self.inputs[1], gy * self.inputs[0]), self.inputs)
        )


def test_broadcastable_finds_the_missing_sum() -> None:
    @given(broadcastable(2))
    @settings(database=None, derandomize=True, max_examples=200, phases=[Phase.generate])
    def check(arrays: Any) -> None:
        gradcheck(Times.apply, *arrays)

    with pytest.raises(GradientMismatch):
        check()


@given(shapes(1, 2, 4))
def test_shapes(shape: Any) -> None:
    assert 1 <= len(shape) <= 2 and all(1 <= n <= 4 for n in shape)


@given(conv_geometry(), seeds())
def test_geometry_of_a_convolution(g: ConvGeometry, seed: int) -> None:
    x, w, b = g.arrays(seed)
    assert (x.shape, w.shape, b.shape) == (g.x_shape, g.w_shape, g.b_shape)
    assert ops.conv2d(Tensor(x), Tensor(w), Tensor(b), **g.options).shape == g.y_shape


@given(conv_geometry(same=False), seeds())
def test_geometry_of_the_way_back(g: ConvGeometry, seed: int) -> None:
    _, w, _ = g.arrays(seed)
    y = Tensor(np.random.default_rng(seed).normal(size=g.y_shape))
    back = ops.conv_transpose2d(y, Tensor(w), output_padding=g.output_padding, **g.options)
    assert back.shape == g.x_shape


@pytest.mark.slow
def test_geometry_reaches_the_corners() -> None:
    def differs(g: ConvGeometry) -> bool:
        return isinstance(g.stride, tuple) and g.stride[0] != g.stride[1]

    assert find(conv_geometry(), differs).groups == 1
    assert find(conv_geometry(), lambda g: g.padding == "same").padding == "same"
    assert any(find(conv_geometry(same=False), lambda g: any(g.output_padding)).output_padding)
    assert find(conv_geometry(stride=2, groups=3), lambda g: True).stride == 2
    with pytest.raises(ValueError, match="no padding 'same'"):
        find(conv_geometry(), lambda g: g.padding == "same").output_padding  # noqa: B018


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: by_axes(), "give a layout for each array"),
        (lambda: by_axes("N D", M=3), r"sizes for \['M'\], which are axes of none"),
        (lambda: by_axes("N D", N=(3, 2)), r"by_axes: N is a length, a pair .* got \(3, 2\)"),
        (lambda: by_axes("N", "D", values=(positive,)), "1 functions of values for 2 arrays"),
        (lambda: scales(0, 1), "expected 0 < least <= most"),
        (lambda: conv_geometry(stride=(2, 1)), "conv_geometry: stride is a length"),
    ],
)
def test_wrong_use_is_refused(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


def test_without_hypothesis_the_rest_works_and_the_strategies_say_what_to_install() -> None:
    code = """
import sys
sys.modules["hypothesis"] = sys.modules["pytest"] = None  # as if they were not installed
import numpy as np
from minigen import nn
from minigen.testing import check_layer, check_vjp
check_vjp(lambda a: a[0] ** 2, lambda a, g: 2 * a[0] * g, [np.ones(2)])
assert check_layer(lambda: nn.Dense(2, 2), np.ones((2, 2)) * [1, 2]).ok
try:
    import minigen.testing.strategies
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "pip install 'minigen-engine[test]'" in done.stdout
