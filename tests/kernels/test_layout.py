"""The two layouts of images, and the conversions between them."""

from __future__ import annotations

import numpy as np
import pytest

from minigen_kernels.cpu.layout import as_channels_first, as_channels_last, is_channels_last, lies_last

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
