"""What ends a convolution, and losses and draws with more in them: the CUDA kernels on the host against the reference.

The chunks of a bias's sum are small here, so that small arrays have several. Read next: ``test_host_conv.py``.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels.cuda.test_host_conv import KINDS, force
from kernels.ended import assert_close, calls, drawn

from minigen_kernels import cuda, reference
from minigen_kernels.cuda import activation

DTYPES = [np.float32, np.float64]
SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(activation, "EACH", 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=15)
@given(d=drawn)
def test_against_the_reference(host, kind, dtype, d):
    wanted = calls(reference, reference, d, dtype)
    with pytest.MonkeyPatch.context() as patch:
        force(patch, kind)
        for name, (function, *arguments) in calls(cuda, reference, d, dtype).items():
            assert_close(name, host.run(function, *arguments), wanted[name][0](*wanted[name][1:]), dtype)


def test_nan_wins_in_a_window_and_stays(host):
    x = np.array([[[[1.0, np.nan], [3.0, 2.0]]]])
    for named in (("leaky_relu", 0.0), ("tanh", 0.0)):
        y, index = host.run(cuda.bias_act_max_pool2d, x, np.zeros(1), *named, (1, 1), (2, 2), (2, 2), (0, 0))
        assert np.isnan(y).all() and index.item() == 1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("named", ["sigmoid", "tanh"])
@settings(max_examples=15)
@given(n=st.sampled_from([0, 1, 255, 1100]), seed=SEEDS)
def test_squared_error_of_an_activation(host, dtype, named, n, seed):
    rng = np.random.default_rng(seed)
    x, t, gy = (np.asarray(rng.normal(size=shape) * 2, dtype) for shape in (n, n, ()))
    (total, y), wanted = host.run(cuda.mse_act_sum, x, t, named, 0.3), reference.mse_act_sum(x, t, named, 0.3)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(y, wanted[1], rtol=6 * eps)  # two libraries' exp and tanh
    # Terms below 81, each with an error of a few roundings; added in double.
    np.testing.assert_allclose(total, wanted[0], rtol=0, atol=16 * eps * 9 * max(n, 1))
    g = host.run(cuda.mse_act_sum_backward, gy, wanted[1], t, named, 0.3)
    np.testing.assert_allclose(g, reference.mse_act_sum_backward(gy, wanted[1], t, named, 0.3), rtol=8 * eps, atol=eps)


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=15)
@given(shape=st.sampled_from([(1, 1), (3, 5), (70, 37), (300, 2)]), seed=SEEDS)
def test_a_draw_from_a_posterior(host, dtype, shape, seed):
    rng, eps = np.random.default_rng(seed), np.finfo(dtype).eps
    arrays = [rng.normal(size=s).astype(dtype) for s in (shape, shape, shape[1:], shape[1:])]
    static = (15.0, seed, 3, 2**64 - 2, 0.3)
    found, wanted = host.run(cuda.posterior_sample, *arrays, *static), reference.posterior_sample(*arrays, *static)
    for a, b in zip(found, wanted, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        # A few roundings of numbers of the size of the results; the divergence is a sum of them.
        np.testing.assert_allclose(a, b, rtol=16 * eps, atol=16 * eps * 6)
    np.testing.assert_array_equal(found[4], wanted[4])  # the noise is that of `normal`, to the bit
    gz, gkl = (np.asarray(rng.normal(size=s), dtype) for s in (shape, ()))
    given_arrays = gz, gkl, *wanted[2:], 15.0, 0.3
    gradients = host.run(cuda.posterior_sample_backward, *given_arrays)
    for a, b in zip(gradients, reference.posterior_sample_backward(*given_arrays), strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=16 * eps * 10 * np.sqrt(shape[0]))


def test_misfits_are_refused():
    m, b = np.ones((4, 3), np.float32), np.ones(3, np.float32)
    for room in (cuda, reference):
        with pytest.raises(ValueError, match=r"posterior_sample: b_logvar has shape \(2,\)"):
            room.posterior_sample(m, m, b, b[:2], 15.0, 0, 0, 0, 1.0)
        with pytest.raises(ValueError, match=r"posterior_sample_backward: noise has shape"):
            room.posterior_sample_backward(m, np.ones((), np.float32), m, m, m[:2], 15.0, 1.0)
        with pytest.raises(ValueError, match=r"bias_act_upsample_backward: gy has shape"):
            room.bias_act_upsample_backward(m[None, None], m[None, None], "tanh", 0.0, (2, 2))
