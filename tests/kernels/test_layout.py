"""The two layouts of images, and the conversions between them."""

from __future__ import annotations

import numpy as np
import pytest

from minigen.autograd import Tensor
from minigen_kernels import cpu
from minigen_kernels.calls import CALLS, IDS, arguments, arranged, produced
from minigen_kernels.cpu.layout import as_channels_first, as_channels_last, dense, is_channels_last, lies_last

#: Less than a square of registers, whole squares, and what overlaps; more channels than pixels, and fewer.
SHAPES = [(2, 3, 5, 7), (2, 16, 4, 8), (3, 33, 5, 7), (2, 9, 13, 17), (1, 70, 3, 3), (2, 12, 19), (0, 4, 2, 2)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, bool])
@pytest.mark.parametrize("shape", SHAPES)
def test_conversions_keep_every_number(shape, dtype):
    x = (100 * np.random.default_rng(0).normal(size=shape)).astype(dtype)
    last = as_channels_last(x)
    assert last.dtype == dtype and is_channels_last(last)
    np.testing.assert_array_equal(last, x)
    first = as_channels_first(last)
    assert first.dtype == dtype and first.flags.c_contiguous
    np.testing.assert_array_equal(first, x)


def test_what_is_in_a_layout_is_not_copied():
    x = np.ones((2, 9, 4, 5), np.float32)
    last = as_channels_last(x)
    assert as_channels_first(x) is x and as_channels_last(last) is last
    assert lies_last(last) and not lies_last(x) and not is_channels_last(x)
    for shape in ((2, 1, 4, 5), (2, 9, 1, 1)):
        both = np.ones(shape, np.float32)
        assert is_channels_last(both) and not lies_last(both)
        assert as_channels_last(both) is both and as_channels_first(both) is both


def test_other_strides_are_copied():
    x = np.arange(2.0 * 9 * 4 * 6).reshape(2, 9, 4, 6)[..., ::2]
    assert not is_channels_last(x)
    np.testing.assert_array_equal(as_channels_last(x), x)
    np.testing.assert_array_equal(as_channels_first(x), x)


def test_parts_of_an_array_are_copied_in_its_layout():
    """Some of the channels, as the gradient of a concatenation takes them, and some of the pixels."""
    x = np.random.default_rng(0).normal(size=(2, 40, 6, 5)).astype(np.float32)
    for part in (np.s_[:, 8:24], np.s_[:, :, 1:-1, ::2]):
        got = dense(as_channels_last(x)[part])
        assert lies_last(got) and dense(x[part]).flags.c_contiguous
        np.testing.assert_array_equal(got, x[part])
    assert dense(as_channels_last(x[:, :3])).flags.c_contiguous  # too few to fill a register


def test_a_sum_of_two_layouts_is_channels_last():
    """NumPy would take four times as long, and go on channels first: a residual connection meets this."""
    a, b = np.random.default_rng(0).normal(size=(2, 2, 40, 6, 5)).astype(np.float32)
    for x, y in ((a, as_channels_last(b)), (as_channels_last(a), b)):
        got = (Tensor(x) + Tensor(y)).data
        assert lies_last(got)
        np.testing.assert_array_equal(got, a + b)
    assert not lies_last((Tensor(a) + Tensor(b)).data)


#: Calls of kernels that take images, (N, C, H, W) or (N, C, L); the convolutions choose their layout themselves.
IMAGES = [i for i, (name, shapes, _) in enumerate(CALLS) if len(shapes[:1] and shapes[0]) > 2 and "conv" not in name]
IMAGES = [i for i in IMAGES if IDS[i] not in ("sum_axes", "unit_norm_penalty")]


def with_channels(call: int, dtype: type) -> list:
    """The arguments of a call with five times as many channels, 20: they fill registers, and a part of one."""
    given = arguments(call, dtype)
    channels = given[0].shape[1]
    if IDS[call] == "batch_norm" and channels == 1:
        channels = 0
    return [
        np.concatenate([a] * 5, axis=1 if a.ndim > 2 else 0)
        if isinstance(a, np.ndarray) and channels in (a.shape[1:2] if a.ndim > 2 else a.shape)
        else a
        for a in given
    ]


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("call", IMAGES, ids=[IDS[i] for i in IMAGES])
def test_kernels_of_images_answer_in_the_layout_they_got(call, dtype, mixed):
    """The same bits in both layouts, but for the sums over pixels, which are added in the order of memory."""
    given, name = with_channels(call, dtype), IDS[call]
    there = arranged(name, given, "mixed" if mixed else "channels last")
    wanted, got = produced(cpu, name, given), produced(cpu, name, there)
    for a, b in zip(wanted, got, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        if a.ndim > 2 and a.shape[1] > 8 and not mixed:
            assert is_channels_last(b)
        if a.ndim > 2 and "norm" not in name:
            np.testing.assert_array_equal(a, b)
        else:  # numbers near 1, at most 16500 of a channel: 8 or 16 at a time in dtype, then in float64
            np.testing.assert_allclose(a, b, rtol=64 * np.finfo(dtype).eps, atol=64 * np.finfo(dtype).eps)
