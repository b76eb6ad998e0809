"""The convolution of one image as a product, held to the reference.

Read next: ``kernels/minigen_kernels/cpu/columns.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minigen_kernels import cpu, reference
from minigen_kernels.cpu import columns
from minigen_kernels.cpu.circle import Geometry

CASES = {  # channels, image, kernel, stride, padding, dilation
    "halved": (64, (8, 8), (4, 4), (2, 2), (1, 1), (1, 1)),
    "of two shapes": (5, (7, 9), (3, 2), (1, 2), (2, 1), (1, 1)),
    "far apart": (3, (6, 6), (3, 3), (3, 3), (1, 2), (2, 1)),
    "wider than a register": (2, (3, 37), (2, 2), (1, 1), (0, 0), (1, 1)),
    "mostly outside": (2, (2, 2), (5, 5), (2, 2), (4, 4), (1, 1)),
}


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_it_agrees_with_the_reference(name: str, dtype: Any, last: bool) -> None:
    C, hw, kernel, stride, padding, dilation = CASES[name]
    out = tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, p, d, k, s in zip(hw, padding, dilation, kernel, stride))
    K = 4 * out[0] * out[1]
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(shape).astype(dtype) for shape in ((1, C, *hw), (K, C, *kernel), (K,)))
    if last:
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    geometry = stride, padding, dilation, 1
    assert columns.pays(1, K, 1, Geometry(hw, out, kernel, *geometry[:3]))
    for end in ((), (b, "leaky_relu", 0.2)):
        y, wanted = cpu.conv2d(x, w, out, *geometry, *end), reference.conv2d(x, w, out, *geometry, *end)
        # Sums of at most 1024 products, each about 1 in size, and each rounded once.
        np.testing.assert_allclose(y, wanted, rtol=0, atol=1024 * np.finfo(dtype).eps)


def test_it_is_for_one_image_with_fewer_pixels_than_channels() -> None:
    geometry = Geometry((8, 8), (4, 4), (4, 4), (2, 2), (1, 1), (1, 1))
    assert columns.pays(1, 64, 1, geometry)
    assert not columns.pays(1, 63, 1, geometry)
    assert not columns.pays(2, 64, 1, geometry)
    assert not columns.pays(1, 64, 2, geometry)
