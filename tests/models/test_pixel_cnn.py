"""The prior over grids of codes: what a place depends on, its probabilities, and draws from it. In float64.

Read next: ``algorithms/likelihood/test_vq_vae.py``.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from minigen import nn
from minigen.autograd import Tensor
from minigen.models.pixel_cnn import MaskedConv2d, PixelCNN
from minigen.random import Generator

Array = np.ndarray[Any, Any]
CLOSE = 1e-11  # sums of a few hundred float64 numbers of size 1, in another order


def small_prior(
    codes: int = 2, size: int = 3, shape: tuple[int, int] = (2, 2), *, channels: int = 4, layers: int = 2
) -> PixelCNN:
    prior = PixelCNN(codes, size, shape, channels=channels, layers=layers, rng=Generator(0))
    prior.to(dtype=np.float64)
    rng = np.random.default_rng(1)
    for p in prior.parameters():
        p.data = p.data + 0.4 * rng.normal(size=p.shape)
    return prior


def test_a_place_depends_on_those_before_it_and_on_no_other() -> None:
    prior, rng = small_prior(4, 3, (4, 5), channels=16), np.random.default_rng(0)
    e = rng.normal(size=(1, 3, 4, 5))
    plain = prior(Tensor(e)).numpy()
    for i, j in np.ndindex(4, 5):
        other = e.copy()
        other[:, :, i, j] += rng.normal(size=3)
        changed = (prior(Tensor(other)).numpy() != plain).any((0, 1)).reshape(-1)
        assert not changed[: i * 5 + j + 1].any()  # the place itself is not seen either
        assert j == 4 or changed[i * 5 + j + 1]
        assert i == 3 or changed[(i + 1) * 5 + j]
    with pytest.raises(nn.ShapeError, match=r"PixelCNN: expected input \(N, D, 4, 5\), got \(1, 3, 5, 5\)"):
        prior(Tensor(np.zeros((1, 3, 5, 5))))


@pytest.mark.parametrize(("shape", "layers"), [((4, 5), 2), ((1, 1), 2), ((9, 2), 3), ((2, 9), 0)])
def test_one_place_after_the_other_gives_the_same_as_all_at_once(shape: tuple[int, int], layers: int) -> None:
    prior = small_prior(4, 3, shape, channels=5, layers=layers)
    e = np.random.default_rng(0).normal(size=(2, 3, *shape))
    whole, seen = prior(Tensor(e)).numpy(), [np.zeros((2, *shape, 2)) for _ in range(layers)]
    for i, j in np.ndindex(*shape):
        place = prior.logits_at(np.moveaxis(e, 1, -1), i, j, seen).numpy()
        np.testing.assert_allclose(place, whole[:, :, i, j], atol=CLOSE)


def test_masks() -> None:
    a, b = (MaskedConv2d(1, 1, 3, include_center=own, rng=Generator(0)).mask.numpy()[0, 0] for own in (False, True))
    np.testing.assert_array_equal(a, [[1, 1, 1], [1, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(b, [[1, 1, 1], [1, 1, 0], [0, 0, 0]])


def all_grids(codes: int) -> Array:
    return np.array(list(itertools.product(range(codes), repeat=4))).reshape(-1, 2, 2)


def test_probabilities_of_all_grids_sum_up_to_one() -> None:
    prior, embedding = small_prior(3), np.random.default_rng(2).normal(size=(3, 3))
    grids = all_grids(3)
    nll = prior.nll(Tensor(np.moveaxis(embedding[grids], -1, 1)), grids).numpy()
    assert nll.shape == (81,) and np.exp(-nll).sum() == pytest.approx(1, rel=1e-12)


def test_grids_are_drawn_with_their_probabilities() -> None:
    prior, embedding, n = small_prior(2), np.random.default_rng(2).normal(size=(2, 3)), 20_000
    grids = all_grids(2)
    p = np.exp(-prior.nll(Tensor(np.moveaxis(embedding[grids], -1, 1)), grids).numpy())
    drawn = prior.sample(n, embedding, Generator(3)).reshape(n, 4) @ (8, 4, 2, 1)
    counts = np.bincount(drawn, minlength=16)
    # Pearson's statistic has mean 15 and standard deviation 5.5; with wrong probabilities it is of the order of n.
    assert ((counts - n * p) ** 2 / (n * p)).sum() < 15 + 5 * 5.5
    assert p.max() > 2 / 16  # they are not all alike
    assert prior.sample(0, embedding, Generator(3)).shape == (0, 2, 2)
