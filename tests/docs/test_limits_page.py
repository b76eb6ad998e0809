"""The ways round that ``docs/limits.md`` gives do what it says.

Read next: ``test_readme.py``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from minigen import ops
from minigen.autograd import Tensor, grad

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "limits.md").read_text(encoding="utf-8")


def image(*shape: int) -> Tensor:
    return Tensor(np.random.default_rng(0).normal(size=shape), requires_grad=True)


@pytest.mark.parametrize("d", [2, 3])
def test_pooling_with_dilation(d: int) -> None:
    assert "`ops.pixel_unshuffle(x, d)`, pool, `ops.pixel_shuffle(x, d)`" in PAGE
    x = image(2, 3, 12, 6 * d)
    y = ops.pixel_shuffle(ops.max_pool2d(ops.pixel_unshuffle(x, d), 2, 1), d)
    H, W = x.shape[2] - d, x.shape[3] - d
    parts = [x.data[:, :, u * d : u * d + H, v * d : v * d + W] for u in (0, 1) for v in (0, 1)]
    np.testing.assert_array_equal(y.data, np.max(parts, axis=0))


def test_pooling_to_a_size() -> None:
    assert "`x.mean((2, 3))`" in PAGE and "`ops.avg_pool2d(x, (H // h, W // w))`" in PAGE
    x = image(2, 3, 6, 8)
    np.testing.assert_allclose(ops.avg_pool2d(x, (6 // 1, 8 // 1)).data[:, :, 0, 0], x.mean((2, 3)).data, atol=1e-14)
    assert ops.avg_pool2d(x, (6 // 2, 8 // 4)).shape == (2, 3, 2, 4)
    assert ops.interpolate(x, (4, 3), mode="bilinear").shape == (2, 3, 4, 3)


def test_limits_that_are_arrays() -> None:
    assert "`ops.minimum(ops.maximum(x, low), high)`" in PAGE
    x, low, high = image(3, 4), np.full(4, -0.5), np.full((3, 1), 0.4)
    np.testing.assert_array_equal(ops.minimum(ops.maximum(x, low), high).data, np.clip(x.data, low, high))


def test_the_branch_that_is_not_taken() -> None:
    assert "`ops.where(x > 0, ops.sqrt(ops.where(x > 0, x, 1.0)), x)`" in PAGE
    x = Tensor(np.array([-1.0, 0.0, 4.0]), requires_grad=True)
    y = ops.where(x > 0, ops.sqrt(ops.where(x > 0, x, 1.0)), x)
    np.testing.assert_array_equal(y.data, [-1, 0, 2])
    np.testing.assert_array_equal(grad(y, [x], Tensor(np.ones(3)))[0].data, [1, 1, 0.25])
