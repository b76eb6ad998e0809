"""Convolution and its adjoints: the CUDA kernels on the host against the reference, in both thread orders.

Which kernel runs follows from the shapes; the tests also force each of them on small shapes, so that every edge of a
tile is met. Read next: ``test_sanitizers.py``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen_kernels import cuda, reference
from minigen_kernels.cuda import conv as cuda_conv

DTYPES = [np.float32, np.float64]
#: name of a kernel -> the limits that choose it
KINDS = {"direct": (100, 10**6, 0), "flat": (0, 0, 100), "wide": (0, 0, 0)}


class Case(NamedTuple):
    """Arrays of a convolution in float64, and its geometry."""

    x: np.ndarray
    w: np.ndarray
    g: np.ndarray
    geometry: tuple  # stride, padding, dilation, groups

    def astype(self, dtype) -> Case:
        return Case(*(a.astype(dtype) for a in self[:3]), self.geometry)

    def calls(self, room) -> dict[str, tuple]:
        x, w, g, geometry = self
        return {
            "conv2d": (room.conv2d, x, w, g.shape[2:], *geometry),
            "conv_transpose2d": (room.conv_transpose2d, g, w, x.shape[2:], *geometry),
            "conv2d_weight_grad": (room.conv2d_weight_grad, x, g, w.shape[2:], *geometry),
        }


def make_case(seed, N, groups, Cg, Kg, hw, kernel_hw, out_hw, stride, padding, dilation) -> Case:
    rng = np.random.default_rng(seed)
    shapes = (N, groups * Cg, *hw), (groups * Kg, Cg, *kernel_hw), (N, groups * Kg, *out_hw)
    return Case(*(rng.normal(size=shape) for shape in shapes), (stride, padding, dilation, groups))


@st.composite
def cases(draw):
    """Any geometry: results may be fewer than fit, or reach far outside; the kernel may exceed the image."""

    def pair(low, high):
        return draw(st.tuples(st.integers(low, high), st.integers(low, high)))

    hw, kernel_hw = pair(1, 7), pair(1, 4)
    stride, padding, dilation = pair(1, 4), pair(0, 5), pair(1, 4)
    off = pair(-2, 3)
    out_hw = tuple(
        max(1, (size + 2 * p - d * (k - 1) - 1) // s + 1 + o)
        for size, k, s, p, d, o in zip(hw, kernel_hw, stride, padding, dilation, off)
    )
    N, groups, Cg, Kg = (draw(st.integers(1, most)) for most in (3, 2, 3, 3))
    seed = draw(st.integers(0, 2**32 - 1))
    return make_case(seed, N, groups, Cg, Kg, hw, kernel_hw, out_hw, stride, padding, dilation)


def check(host, case: Case, dtype) -> None:
    """Host against reference: two sums of the same products in different orders.

    Rounding grows like the root of the number of terms, and a term of standard normals stays below 25; 8 of these are
    never reached by chance.
    """
    _, Cg, kh, kw = case.w.shape
    terms = max(case.w.shape[0] * kh * kw, Cg * kh * kw, case.g[:, 0].size)
    tolerance = 8 * 25 * np.finfo(dtype).eps * np.sqrt(terms)
    wanted = case.calls(reference)
    for name, call in case.astype(dtype).calls(cuda).items():
        got = host.run(*call)
        expected = wanted[name][0](*wanted[name][1:])
        assert got.shape == expected.shape and got.dtype == dtype, name
        assert np.abs(got - expected).max(initial=0) <= tolerance, name


def force(patch: pytest.MonkeyPatch, kind: str) -> None:
    for name, limit in zip(("DIRECT_ROWS", "DIRECT_TERMS", "FLAT_ROWS_UP_TO"), KINDS[kind], strict=True):
        patch.setattr(cuda_conv, name, limit)
    patch.setattr(cuda_conv, "DIRECT_WEIGHTS", 64 if kind == "direct" else 0)
    patch.setattr(cuda_conv, "PART_TERMS", 7)  # no multiple of the terms that a tile takes at once


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=25)
@given(case=cases())
def test_every_kernel_on_any_geometry(host, kind, dtype, case):
    with pytest.MonkeyPatch.context() as patch:
        force(patch, kind)
        check(host, case, dtype)


#: What models have, with edges: several tiles of rows, of places and of terms, the last ones not full.
LAYERS = [  # N, groups, Cg, Kg, hw, kernel_hw, out_hw, stride, padding, dilation
    (2, 1, 5, 70, (13, 11), (3, 3), (7, 6), (2, 2), (1, 1), (1, 1)),  # wide
    (3, 1, 40, 10, (6, 5), (3, 2), (6, 5), (1, 1), (1, 0), (1, 1)),  # wide backwards
    (9, 1, 12, 9, (10, 10), (5, 5), (5, 5), (2, 2), (2, 2), (1, 1)),  # flat, both ways
    (7, 1, 1, 16, (12, 12), (3, 3), (12, 12), (1, 1), (1, 1), (1, 1)),  # one channel in
    (5, 1, 16, 1, (9, 20), (3, 3), (9, 20), (1, 1), (1, 1), (1, 1)),  # one channel out
    (5, 6, 1, 1, (8, 20), (3, 3), (3, 7), (3, 3), (1, 1), (2, 1)),  # each channel on its own
    (2, 2, 7, 5, (6, 9), (1, 1), (6, 9), (1, 1), (0, 0), (1, 1)),
]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_layers(host, dtype, layer):
    check(host, make_case(0, *layer), dtype)


def test_every_kernel_is_chosen_somewhere(host, monkeypatch):
    """The layers above, as they are, run every kernel of the file."""
    seen = set()
    launch = cuda_conv.launch
    monkeypatch.setattr(cuda_conv, "launch", lambda *a: (seen.add(a[1]), launch(*a)))
    for layer in LAYERS:
        check(host, make_case(0, *layer), np.float32)
    assert seen == set(cuda.source.kernels("conv.cu"))


@pytest.mark.parametrize(("N", "out_hw"), [(0, (3, 3)), (2, (0, 3)), (2, (3, 0))])
def test_nothing_in_nothing_out(host, N, out_hw):
    calls = make_case(0, N, 1, 2, 3, (5, 5), (3, 3), out_hw, (1, 1), (0, 0), (1, 1)).calls(cuda)
    assert host.run(*calls["conv2d"]).shape == (N, 3, *out_hw)
    for name, shape in {"conv_transpose2d": (N, 2, 5, 5), "conv2d_weight_grad": (3, 2, 3, 3)}.items():
        result = host.run(*calls[name])
        assert result.shape == shape and not result.any()


@pytest.mark.parametrize("kind", KINDS)
def test_cells_that_no_result_sees_are_exact_zeros(host, kind, monkeypatch):
    """Phases without a tap: cells between the windows; and windows that miss the image."""
    force(monkeypatch, kind)
    case = make_case(0, 2, 1, 2, 3, (7, 7), (1, 1), (3, 3), (3, 3), (0, 0), (1, 1))
    gx = host.run(*case.calls(cuda)["conv_transpose2d"])
    assert gx[:, :, ::3, ::3].all()
    gx[:, :, ::3, ::3] = 0
    assert not gx.any()
    far = make_case(0, 2, 1, 2, 3, (2, 2), (2, 2), (2, 2), (1, 1), (5, 5), (1, 1))
    assert not any(host.run(*call).any() for call in far.calls(cuda).values())


@pytest.mark.parametrize("kind", KINDS)
def test_nan_reaches_the_results_that_see_it_and_no_other(host, kind, monkeypatch):
    force(monkeypatch, kind)
    case = make_case(0, 3, 1, 2, 3, (9, 9), (3, 3), (9, 9), (1, 1), (1, 1), (1, 1))
    case.x[1, 0, 4, 8] = np.nan
    seen = np.zeros(case.g.shape, bool)
    seen[1, :, 3:6, 7:] = True
    assert (np.isnan(host.run(*case.calls(cuda)["conv2d"])) == seen).all()


def test_strides_do_not_matter(host):
    case = make_case(0, 2, 1, 3, 4, (6, 5), (3, 3), (6, 5), (1, 1), (1, 1), (1, 1))
    turned = Case(*(np.ascontiguousarray(a.T).T for a in case[:3]), case.geometry)
    for name, call in turned.calls(cuda).items():
        assert host.run(*call).tobytes() == host.run(*case.calls(cuda)[name]).tobytes(), name


@pytest.mark.parametrize("terms", [1, 511, 512, 513, 10**5])
@pytest.mark.parametrize("blocks", [1, 3, 512, 10**4])
def test_parts_cover_a_sum_once(terms, blocks):
    parts, size = cuda_conv._parts(terms, blocks)
    assert (parts - 1) * size < terms <= parts * size
    assert parts * blocks <= max(512, blocks)


def test_misfits_are_refused():
    x, w, g = np.zeros((2, 4, 5, 5)), np.zeros((6, 2, 3, 3)), np.zeros((2, 6, 3, 3))
    pairs = (1, 1), (0, 0), (1, 1)
    with pytest.raises(ValueError, match=r"conv2d: x \(2, 4, 5, 5\), w \(6, 2, 3, 3\), groups 1: x must have"):
        cuda.conv2d(x, w, (3, 3), *pairs, 1)
    with pytest.raises(ValueError, match=r"conv_transpose2d: .* groups 4: g must have"):
        cuda.conv_transpose2d(g, w, (5, 5), *pairs, 4)
    with pytest.raises(ValueError, match=r"conv2d_weight_grad: .* as many samples"):
        cuda.conv2d_weight_grad(x[:1], g, (3, 3), *pairs, 2)
    with pytest.raises(ValueError, match=r"conv2d: an image of 65536 x 32768 cells"):
        cuda.conv2d(x, w, (2**16, 2**15), *pairs, 2)
