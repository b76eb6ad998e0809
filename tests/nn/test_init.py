"""Initialisers: variance, bounds, orthogonal rows, and the layers that use them.

Read next: ``test_layers.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from minigen import nn
from minigen.random import Generator

# Initialisers. For n draws, mean and variance of a sample err by 1/sqrt(n); 5 standard deviations are allowed.

SHAPE = (200, 100, 2, 2)  # fan_in 400, fan_out 800; 80,000 numbers


@pytest.mark.parametrize(
    ("draw", "variance", "bound"),
    [
        (nn.init.glorot_uniform, 2 / 1200, math.sqrt(6 / 1200)),
        (nn.init.glorot_normal, 2 / 1200, None),
        (nn.init.he_uniform, 2 / 400, math.sqrt(6 / 400)),
        (nn.init.he_normal, 2 / 400, None),
        (lambda shape, rng: nn.init.he_normal(shape, rng=rng, slope=1.0), 1 / 400, None),
        (lambda shape, rng: nn.init.glorot_uniform(shape, rng=rng, gain=2), 8 / 1200, 2 * math.sqrt(6 / 1200)),
        (nn.init.normal, 0.02**2, None),
    ],
    ids=["glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "he with slope", "glorot with gain", "normal"],
)
def test_initialisers_have_their_variance(draw: Any, variance: float, bound: float | None) -> None:
    w = draw(SHAPE, rng=Generator(0))
    assert w.shape == SHAPE and w.dtype == np.float32
    n = w.size
    assert abs(w.mean()) < 5 * math.sqrt(variance / n)
    assert abs(w.var() / variance - 1) < 5 * math.sqrt(2 / n)  # the kurtosis of the normal; the uniform's is less
    if bound is not None:
        assert 0.99 * bound < np.abs(w).max() <= bound * (1 + 1e-6)
    np.testing.assert_array_equal(w, draw(SHAPE, rng=Generator(0)))


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (3, 2, 3, 3)])
def test_orthogonal_rows_or_columns(shape: tuple[int, ...]) -> None:
    w = nn.init.orthogonal(shape, rng=Generator(0), gain=2.0)
    assert w.shape == shape and w.dtype == np.float32
    flat = w.reshape(shape[0], -1).astype(np.float64)
    gram = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-6)  # float32 numbers of size 1


def test_zeros_and_fans() -> None:
    assert not nn.init.zeros((2, 3), rng=Generator(0)).any()
    with pytest.raises(ValueError, match=r"he_normal: a weight has shape \(out, in, ...\), none of them 0, got \(3,\)"):
        nn.init.he_normal((3,), rng=Generator(0))


def test_default_weights_are_uniform_in_one_over_sqrt_fan_in() -> None:
    for layer, fan_in in (
        (nn.Dense(50, 400), 50),
        (nn.Conv2d(4, 100, 5, groups=2), 50),
        (nn.ConvTranspose2d(8, 2, 5), 50),
    ):
        bound = 1 / math.sqrt(fan_in)
        for p in layer.parameters():
            assert np.abs(p.data).max() <= bound * (1 + 1e-6)
        assert np.abs(layer.weight.data).max() > 0.95 * bound
        assert abs(layer.weight.data.var() * 3 / bound**2 - 1) < 0.3  # 400 numbers and more; 5 deviations are 0.22


def test_weights_come_from_the_given_generator_or_from_the_seed() -> None:
    a, b = nn.Dense(3, 4, rng=Generator(5)), nn.Dense(3, 4, rng=Generator(5))
    np.testing.assert_array_equal(a.weight.data, b.weight.data)
    nn.manual_seed(7)
    first, second = nn.Dense(3, 4), nn.Dense(3, 4)
    assert not np.array_equal(first.weight.data, second.weight.data)
    nn.manual_seed(7)
    np.testing.assert_array_equal(nn.Dense(3, 4).weight.data, first.weight.data)
    orthogonal = nn.Dense(4, 4, weight_init=nn.init.orthogonal, rng=Generator(0))
    assert orthogonal.bias is not None and not orthogonal.bias.data.any()
