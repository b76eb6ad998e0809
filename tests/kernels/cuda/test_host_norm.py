"""The batch-norm and group-norm CUDA kernels on the host against the reference.

The chunks are made small here, so that small arrays have several.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen_kernels import reference
from minigen_kernels.cuda import norm

DTYPES = [np.float32, np.float64]
EPS = 1e-5

SHAPES = {
    # (N, C, L): one value a channel, dense layers (L = 1), rows longer than a block's 32 threads, several chunks.
    "batch_norm": st.one_of(
        st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 9)),
        st.sampled_from([(3, 2, 100), (150, 3, 1), (60, 2, 7), (1, 2, 300), (2, 40, 1)]),
    ),
    # (R, D): rows longer than a block has threads, columns of more than one block, several chunks of rows.
    "layer_norm": st.one_of(
        st.tuples(st.integers(1, 6), st.integers(1, 40)), st.sampled_from([(3, 700), (20, 33), (41, 3)])
    ),
}
SEEDS = st.integers(0, 2**32 - 1)


def forward(room, name: str, x, w, b, slope: float = 1.0):
    """Batch norm with its running statistics, or layer norm; `room` runs a kernel by name."""
    if name == "layer_norm":
        y, mean, var = room("group_norm", x[:, :, None], w, b, 1, EPS)
        return y[:, :, 0], mean[:, 0], var[:, 0]
    return room(name, x, w, b, w, b, EPS, 0.1, slope)


def backward(room, name: str, gy, x, w, mean, var, slope: float = 1.0, y=None):
    if name == "layer_norm":
        rows = gy[:, :, None], x[:, :, None], w, mean[:, None], var[:, None]
        gx, gw, gb = room("group_norm_backward", *rows, EPS)
        return gx[:, :, 0], gw, gb
    return room("batch_norm_backward", gy, gy if y is None else y, x, w, mean, var, EPS, slope)


def of_reference(name: str, *arguments):
    return getattr(reference, name)(*arguments)


def on(host):
    return lambda name, *arguments: host.run(getattr(norm, name), *arguments)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(norm, "CHUNK", 64)
    monkeypatch.setattr(norm, "ALONE", 256)


def assert_near(got: np.ndarray, wanted: np.ndarray, dtype, scale: float) -> None:
    """Equal up to 8 roundings of half an ulp of `scale`."""
    assert got.dtype == dtype and got.shape == wanted.shape
    assert np.abs(got - wanted).max(initial=0) <= 4 * np.finfo(dtype).eps * scale


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SHAPES)
@settings(max_examples=20)
@given(data=st.data(), seed=SEEDS)
def test_forward(host, name, dtype, data, seed):
    shape, rng = data.draw(SHAPES[name]), np.random.default_rng(seed)
    x, w, b = (rng.normal(size=s).astype(dtype) for s in (shape, shape[1], shape[1]))
    y, mean, var, *running = forward(on(host), name, x, w, b)
    wanted = forward(of_reference, name, x, w, b)
    # Float: sums in double, rounded once; in double, sums of up to 700 numbers near 1 in two orders differ by less than
    # the root of 700 roundings, 27. The result divides by the deviation.
    many = 1 if dtype == np.float32 else 27
    size = np.abs(x).max() ** 2 + 1
    assert_near(mean, wanted[1], dtype, many * size)
    assert_near(var, wanted[2], dtype, many * size)
    for got, expected in zip(running, wanted[3:], strict=True):
        assert_near(got, expected, dtype, many * size)
    steepest = np.abs(w).max() / np.sqrt(wanted[2].min() + EPS)
    assert_near(y, wanted[0], dtype, many * (size * steepest * max(1, steepest) + np.abs(b).max()))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SHAPES)
@settings(max_examples=20)
@given(data=st.data(), seed=SEEDS)
def test_backward(host, name, dtype, data, seed):
    shape, rng = data.draw(SHAPES[name]), np.random.default_rng(seed)
    x, gy, w = (rng.normal(size=s).astype(dtype) for s in (shape, shape, shape[1]))
    _, mean, var = forward(of_reference, name, x, w, w)[:3]
    got = backward(on(host), name, gy, x, w, mean, var)
    wanted = backward(of_reference, name, gy, x, w, mean, var)
    # gx is a difference of terms of size |w gy| / s, where z is at most the root of the number of values; gw and gb are
    # sums of as many roundings as terms, at worst.
    deviation = np.sqrt(var.min() + EPS)
    assert_near(got[0], wanted[0], dtype, x.size**0.5 * max(1, np.abs(w).max() * np.abs(gy).max() / deviation))
    for k in (1, 2):
        assert_near(got[k], wanted[k], dtype, x.size**0.5 * max(1, np.abs(gy).sum()))


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=25)
@given(data=st.data(), seed=SEEDS)
def test_group_norm(host, dtype, data, seed):
    n, groups, size = (data.draw(st.integers(1, 4)) for _ in range(3))
    length, rng = data.draw(st.sampled_from([1, 2, 9, 70])), np.random.default_rng(seed)
    x, gy = (rng.normal(size=(n, groups * size, length)).astype(dtype) for _ in range(2))
    w, b = rng.normal(size=(2, groups * size)).astype(dtype)
    got, wanted = host.run(norm.group_norm, x, w, b, groups, EPS), reference.group_norm(x, w, b, groups, EPS)
    many = 1 if dtype == np.float32 else 27  # as in `test_forward`
    assert_near(got[1], wanted[1], dtype, many * (np.abs(x).max() ** 2 + 1))
    assert_near(got[2], wanted[2], dtype, many * (np.abs(x).max() ** 2 + 1))
    steepest = np.abs(w).max() / np.sqrt(wanted[2].min() + EPS)
    size = np.abs(x).max() ** 2 + 1
    assert_near(got[0], wanted[0], dtype, many * (size * steepest * max(1, steepest) + np.abs(b).max()))
    gradients = host.run(norm.group_norm_backward, gy, x, w, *wanted[1:], EPS)
    deviation = np.sqrt(wanted[2].min() + EPS)
    scale = x.size**0.5 * max(1, np.abs(w).max() * np.abs(gy).max() / deviation)
    sums = x.size**0.5 * max(1, np.abs(gy).sum())
    exact = reference.group_norm_backward(gy, x, w, *wanted[1:], EPS)
    for a, c, largest in zip(gradients, exact, (scale, sums, sums), strict=True):
        assert_near(a, c, dtype, largest)


@pytest.mark.parametrize(
    ("name", "shape"), [("batch_norm", (64, 2, 49)), ("batch_norm", (64, 5, 1)), ("layer_norm", (5, 999))]
)
def test_a_large_mean_keeps_the_variance(host, name, shape):
    # Mean 1e4, deviation 1: E[x^2] - E[x]^2 in float32 would give a variance wrong by 1e8 * 6e-8 = 6.
    rng = np.random.default_rng(0)
    x = (rng.normal(size=shape) + 1e4).astype(np.float32)
    w, b = rng.normal(size=(2, shape[1])).astype(np.float32)
    got = forward(on(host), name, x, w, b)
    exact = forward(of_reference, name, *(a.astype(np.float64) for a in (x, w, b)))
    assert np.abs(got[0] - exact[0]).max() < 4e-6  # |y| < 16: a few ulps
    assert np.abs(got[1] - exact[1]).max() <= np.spacing(np.float32(1e4)) / 2  # rounded once
    assert np.abs(got[2] / exact[2] - 1).max() < 1e-6


def test_chunks_of_real_size(host, monkeypatch):
    """As users run it: 18000 values of a channel are five chunks, 9000 are taken by one block; 300 rows are three."""
    monkeypatch.undo()
    rng = np.random.default_rng(0)
    for channels in (1, 2):
        x, gy = rng.normal(size=(2, 3, channels, 6000 // channels))
        w, b = rng.normal(size=(2, channels))
        results = forward(on(host), "batch_norm", x, w, b, 0.2)
        for got, wanted in zip(results, forward(of_reference, "batch_norm", x, w, b, 0.2), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-13)  # sums of numbers near 1, over their number
        y, mean, var = results[:3]
        gradients = backward(on(host), "batch_norm", gy, x, w, mean, var, 0.2, y)
        for got, wanted in zip(gradients, backward(of_reference, "batch_norm", gy, x, w, mean, var, 0.2, y)):
            np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-11)  # sums of 18000 numbers near 1
    x, gy = rng.normal(size=(2, 300, 4))
    w, b = rng.normal(size=(2, 4))
    _, mean, var = forward(of_reference, "layer_norm", x, w, b)
    gradients = backward(on(host), "layer_norm", gy, x, w, mean, var)
    for got, wanted in zip(gradients, backward(of_reference, "layer_norm", gy, x, w, mean, var)):
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-11)  # rows of 4 may have a deviation of 1e-2


def test_huge_arrays_get_larger_chunks():
    """A grid has at most 65535 blocks in its second direction."""
    assert norm._chunks(10, 4096) == (4096, 1)
    assert norm._chunks(4097, 4096) == (4096, 2)
    assert norm._chunks(4096**2 + 1, 4096) == (4097, 4096)
    assert norm._chunks(0, 4096) == (4096, 1)


def test_nan_stays_in_its_channel(host):
    x = np.zeros((4, 3, 2), np.float32)
    x[1, 1, 1] = np.nan
    w = np.ones(3, np.float32)
    y, mean, var = forward(on(host), "batch_norm", x, w, w)[:3]
    assert np.isnan(y[:, 1]).all() and np.isnan([mean[1], var[1]]).all()
    assert not np.isnan(y[:, [0, 2]]).any()


def test_no_samples(host):
    three, empty = np.ones(3), np.ones(0)
    y, *statistics = forward(on(host), "batch_norm", np.zeros((0, 3, 4)), three, three)
    assert y.shape == (0, 3, 4) and np.isnan(statistics).all()
    gx, gw, gb = backward(on(host), "batch_norm", y, y, three, *statistics[:2])
    assert gx.shape == (0, 3, 4) and gw.tolist() == gb.tolist() == [0, 0, 0]
    y, mean, var = forward(on(host), "layer_norm", np.zeros((0, 3)), three, three)
    assert y.shape == (0, 3) and mean.shape == var.shape == (0,)
    gx, gw, gb = backward(on(host), "layer_norm", y, y, three, empty, empty)
    assert gx.shape == (0, 3) and gw.tolist() == gb.tolist() == [0, 0, 0]


def test_wrong_shapes_are_refused():
    x, three, two = np.ones((2, 3, 4), np.float32), np.ones(3, np.float32), np.ones(2, np.float32)
    with pytest.raises(ValueError, match=r"batch_norm: b has shape \(2,\)"):
        norm.batch_norm(x, three, two, three, three, EPS, 0.1, 1.0)
    with pytest.raises(ValueError, match="batch_norm_backward: gy has shape"):
        norm.batch_norm_backward(x[:1], x, x, three, three, three, EPS, 1.0)
    with pytest.raises(ValueError, match="group_norm: w has shape"):
        norm.group_norm(x, two, three, 1, EPS)
    with pytest.raises(ValueError, match="group_norm: 2 groups do not divide"):
        norm.group_norm(x, three, three, 2, EPS)
    with pytest.raises(ValueError, match=r"group_norm_backward: mean has shape \(2,\)"):
        norm.group_norm_backward(x, x, three, two, two, EPS)
