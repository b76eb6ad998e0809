"""The draw of a posterior and its divergence, as the formulas say, and its gradients by differences.

Read next: ``cuda/test_host_ended.py``.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen_kernels import cpu, reference

ROOMS = pytest.mark.parametrize("room", [reference, cpu], ids=["reference", "cpu"])
LIMIT, SCALE = 15.0, 0.3
SEED = (7, 1, 5)


def drawn(seed: int, n: int, d: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in ((n, d), (n, d), (d,), (d,))]


sizes = given(st.integers(0, 99), st.integers(1, 9), st.integers(1, 7))


@ROOMS
@sizes
def test_a_draw_is_the_mean_and_noise_of_a_bounded_variance(room, seed, n, d):
    m, v, b_mean, b_logvar = drawn(seed, n, d)
    z, kl, mean, t, noise = room.posterior_sample(m, v, b_mean, b_logvar, LIMIT, *SEED, SCALE)
    logvar = LIMIT * np.tanh((v + b_logvar) / LIMIT)
    assert np.array_equal(noise.ravel(), reference.normal(*SEED, n * d, np.float64))
    np.testing.assert_allclose(mean, m + b_mean, rtol=1e-14)
    np.testing.assert_allclose(t, logvar / LIMIT, rtol=1e-14)
    np.testing.assert_allclose(z, m + b_mean + np.exp(logvar / 2) * noise, rtol=1e-13)
    np.testing.assert_allclose(kl, SCALE * (mean**2 + np.exp(logvar) - 1 - logvar).sum() / 2, rtol=1e-12, atol=1e-14)


@ROOMS
@sizes
def test_gradients_are_those_of_differences(room, seed, n, d):
    inputs = drawn(seed, n, d)
    gz, gkl = np.random.default_rng(seed + 100).normal(size=(n, d)), np.asarray(1.7)
    _, _, *kept = room.posterior_sample(*inputs, LIMIT, *SEED, SCALE)
    found = room.posterior_sample_backward(gz, gkl, *kept, LIMIT, SCALE)

    def value(k, step, direction):
        moved = [x + step * direction if i == k else x for i, x in enumerate(inputs)]
        z, kl, *_ = reference.posterior_sample(*moved, LIMIT, *SEED, SCALE)
        return (gz * z).sum() + gkl * kl

    for k, gradient in enumerate(found):
        direction = np.random.default_rng(k).normal(size=gradient.shape)
        slope = (value(k, 1e-5, direction) - value(k, -1e-5, direction)) / 2e-5
        np.testing.assert_allclose((gradient * direction).sum(), slope, rtol=1e-6, atol=1e-6)
