"""The networks of the VQ-VAE: codebook, straight-through gradient, running means, restarts. In float64.

Read next: ``test_pixel_cnn.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import nn, ops
from minigen.autograd import Tensor, grad
from minigen.models.likelihood import Bernoulli
from minigen.models.vq_vae import NEVER_USED, Codebook, convolutional, grid_shape, perplexity, straight_through
from minigen.random import Generator

Array = np.ndarray[Any, Any]
CLOSE = 1e-11  # sums of a few hundred float64 numbers of size 1, in another order


def book(codes: int = 5, size: int = 3, *, decay: float | None = 0.9, seed: int = 0) -> Codebook:
    """A codebook in float64, its entries of size 1."""
    made = Codebook(codes, size, decay=decay, rng=Generator(seed))
    made.to(dtype=np.float64)
    start = np.random.default_rng(seed).normal(size=(codes, size))
    made.embedding.data = start
    if decay is not None:
        made.sums.data = start.copy()
    return made


def grid(n: int = 4, size: int = 3, *, seed: int = 1) -> Array:
    return np.random.default_rng(seed).normal(size=(n, size, 2, 3))


@settings(max_examples=25)
@given(
    n=st.integers(0, 4), codes=st.integers(1, 6), size=st.integers(1, 4), h=st.integers(1, 3), seed=st.integers(0, 99)
)
def test_the_nearest_entry_is_chosen(n: int, codes: int, size: int, h: int, seed: int) -> None:
    entries = book(codes, size, seed=seed)
    z = np.random.default_rng(seed + 1).normal(size=(n, size, h, 2))
    found = entries.nearest(z)
    e = entries.embedding.numpy()
    distances = np.square(z[:, None] - e[None, :, :, None, None]).sum(2)
    np.testing.assert_array_equal(found, distances.argmin(1))
    np.testing.assert_array_equal(entries.embed(found).numpy(), np.moveaxis(e[found], -1, 1))
    np.testing.assert_array_equal(entries.usage(found), np.bincount(found.reshape(-1), minlength=codes))


def test_of_equal_entries_the_first_is_chosen_and_an_entry_chooses_itself() -> None:
    entries = book()
    entries.embedding.data[3] = entries.embedding.data[1]
    found = entries.nearest(np.moveaxis(entries.embedding.numpy()[None, None], -1, 1))
    np.testing.assert_array_equal(found, [[[0, 1, 2, 1, 4]]])
    with pytest.raises(nn.ShapeError, match=r"Codebook: expected input \(N, 3, h, w\), got \(4, 2, 2, 3\)"):
        entries.nearest(np.zeros((4, 2, 2, 3)))


def test_perplexity_counts_entries() -> None:
    assert float(perplexity(np.array([4.0, 4.0, 0.0, 4.0]))) == pytest.approx(3, rel=1e-12)
    assert float(perplexity(np.array([7.0, 0.0]))) == 1 and float(perplexity(np.zeros(3))) == 1
    share = np.array([1, 2, 5]) / 8
    assert float(perplexity(8 * share)) == pytest.approx(math.exp(-(share * np.log(share)).sum()), rel=1e-12)


def test_straight_through_is_the_entry_in_value_and_the_identity_in_gradient() -> None:
    """Of order two as well: d/dz (w st^2) = 2 w e, and its derivative is 2 w."""
    rng = np.random.default_rng(0)
    z, e, w = (rng.normal(size=(2, 3, 2, 2)) * s for s in (1e6, 1e-6, 1))  # a difference would lose all digits of e
    at, entry = Tensor(z, requires_grad=True), Tensor(e, requires_grad=True)
    y = straight_through(at, entry)
    np.testing.assert_array_equal(y.numpy(), e)
    (first,) = grad(ops.sum(y * y * Tensor(w)), [at], create_graph=True)
    np.testing.assert_allclose(first.numpy(), 2 * w * e, rtol=1e-14)
    (second,) = grad(ops.sum(first), [at])
    np.testing.assert_allclose(second.numpy(), 2 * w, rtol=1e-14)
    (to_entry,) = grad(ops.sum(straight_through(at, entry)), [entry])
    assert not to_entry.numpy().any()


def test_entries_follow_running_means() -> None:
    """Appendix A.1, step by step, with a loop over the vectors."""
    entries, decay = book(), 0.9
    counts, sums, e = np.ones(5), entries.embedding.numpy().copy(), entries.embedding.numpy().copy()
    for k in range(6):
        z = grid(seed=k) + 0.5
        found = entries.nearest(z)
        entries.ema_update(z, found)
        vectors = [(found[n, i, j], z[n, :, i, j]) for n, i, j in np.ndindex(*found.shape)]
        for code in range(5):
            own = [v for chosen, v in vectors if chosen == code]
            counts[code] = decay * counts[code] + (1 - decay) * len(own)
            sums[code] = decay * sums[code] + (1 - decay) * np.sum(own, axis=0) if own else decay * sums[code]
            e[code] = sums[code] / counts[code]
        np.testing.assert_allclose(entries.embedding.numpy(), e, atol=CLOSE)
        np.testing.assert_allclose(entries.counts.numpy(), counts, atol=CLOSE)
    with pytest.raises(ValueError, match="trained by its gradient; it has no decay"):
        book(decay=None).ema_update(z, found)


def test_an_entry_that_is_never_chosen_stays_where_it_is() -> None:
    """Count and sum fall towards 0 together; their quotient would end as 0 / 0."""
    entries = book(2, 3, decay=0.5)
    far = entries.embedding.data[1] = np.full(3, 1e3)
    entries.sums.data[1] = far
    entries.to(dtype=np.float32)
    z = grid().astype(np.float32)
    for _ in range(300):  # 0.5^300 is 0 in float32
        entries.ema_update(z, entries.nearest(z))
    assert entries.counts.numpy()[1] == 0
    np.testing.assert_allclose(entries.embedding.numpy()[1], far, rtol=1e-6)


def test_unused_entries_are_put_where_codes_are() -> None:
    entries, z = book(6), grid()
    found = np.zeros((4, 2, 3), np.int64)
    found[0, 0, 0] = 2
    entries.unused.data = np.array([9, 3, 9, 1, 2, NEVER_USED], np.int32)
    before, counts, sums = (t.numpy().copy() for t in (entries.embedding, entries.counts, entries.sums))
    rng = Generator(4)
    entries.restart_unused(z, found, after=3, rng=rng)
    now, vectors = entries.embedding.numpy(), np.moveaxis(z, 1, -1).reshape(-1, 3)
    dead = [1, 4, 5]  # 3 + 1, 2 + 1 and for ever; 0 and 2 are used, 3 is unused for 2 updates
    np.testing.assert_array_equal(entries.unused.numpy(), [0, 0, 0, 2, 0, 0])
    for code in range(6):
        if code in dead:
            assert (now[code] == vectors).all(1).any()
            assert entries.counts.numpy()[code] == 1 and (entries.sums.numpy()[code] == now[code]).all()
        else:
            np.testing.assert_array_equal(now[code], before[code])
            assert entries.counts.numpy()[code] == counts[code] and (entries.sums.numpy()[code] == sums[code]).all()
    assert rng.state["position"] > 0

    still, position = book(6), Generator(4)
    start = still.embedding.numpy().copy()
    still.restart_unused(z, found, after=0, rng=position)
    np.testing.assert_array_equal(still.embedding.numpy(), start)
    assert position.state["position"] == 0 and still.unused.numpy()[2] == 0 and still.unused.numpy()[1] > NEVER_USED


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (2, 4, 8)])
def test_images_that_fit(shape: tuple[int, int, int]) -> None:
    model = convolutional(shape, Bernoulli(), channels=2, latent=3, rng=Generator(0))
    z = model.encode(Tensor(np.zeros((2, *shape), np.float32)))
    assert z.shape == (2, 3, *grid_shape(shape)) and grid_shape(shape) == (shape[1] // 4, shape[2] // 4)
    assert model.decode(z).shape == (2, *shape)
