"""Batch, layer and group norm: both rooms against one channel or row at a time, and against difference quotients."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen_kernels import cpu, reference

ROOMS = [reference, cpu]
DTYPES = [np.float32, np.float64]
EPS = 1e-5

#: (N, C, L); also one value a channel, L = 1, and strips of several channels that do not come out even.
SHAPES_NCL = st.one_of(
    st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 9)),
    st.sampled_from([(3, 700, 1), (2, 70, 16), (1, 3, 600), (300, 2, 2)]),
)
SHAPES_RD = st.one_of(st.tuples(st.integers(1, 6), st.integers(1, 40)), st.sampled_from([(3, 1000), (200, 3)]))
SEEDS = st.integers(0, 2**32 - 1)


def forward(room, name: str, x, w, b):
    """Result, mean and biased variance; batch norm without a leaky ReLU."""
    if name == "layer_norm":
        y, mean, var = room.group_norm(x[:, :, None], w, b, 1, EPS)
        return y[:, :, 0], mean[:, 0], var[:, 0]
    return room.batch_norm(x, w, b, b, b, EPS, 0.1, 1.0)[:3]


def backward(room, name: str, gy, x, w, mean, var):
    if name == "layer_norm":
        rows = gy[:, :, None], x[:, :, None], w, mean[:, None], var[:, None]
        gx, gw, gb = room.group_norm_backward(*rows, EPS)
        return gx[:, :, 0], gw, gb
    return room.batch_norm_backward(gy, gy, x, w, mean, var, EPS, 1.0)


def tolerance(dtype, expected: np.ndarray, terms: int = 1) -> float:
    """Rounding allowed in `expected`: 8 operations of half an ulp of its largest entry, growing with terms summed."""
    return 8 * np.finfo(dtype).eps * max(1.0, np.abs(expected).max(initial=0)) * max(1.0, terms**0.5)


def batch_of_rows(x: np.ndarray) -> np.ndarray:
    """(N, C, L) -> (C, N * L): batch norm is layer norm's statistics on this, with a scale for each row."""
    return x.transpose(1, 0, 2).reshape(x.shape[1], -1)


def forward_by_row(row: np.ndarray, w, b) -> tuple[np.ndarray, float, float]:
    """One channel or one sample, in extended precision."""
    row = row.astype(np.longdouble)
    mean = row.sum() / row.size
    var = ((row - mean) ** 2).sum() / row.size
    return (row - mean) / np.sqrt(var + EPS) * w + b, mean, var


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("dtype", DTYPES)
@given(shape=SHAPES_NCL, seed=SEEDS)
def test_batch_norm(room, dtype, shape, seed):
    rng = np.random.default_rng(seed)
    x, w, b = (rng.normal(size=s).astype(dtype) for s in (shape, shape[1], shape[1]))
    y, mean, var = forward(room, "batch_norm", x, w, b)
    assert y.dtype == mean.dtype == var.dtype == dtype and y.shape == shape and mean.shape == var.shape == w.shape
    for c in range(shape[1]):
        wanted = forward_by_row(batch_of_rows(x)[c], w[c], b[c])
        for got, expected in zip((batch_of_rows(y)[c], mean[c], var[c]), wanted, strict=True):
            assert np.abs(got - expected).max() <= tolerance(dtype, expected) * max(1, 1 / np.sqrt(wanted[2] + EPS))


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("dtype", DTYPES)
@given(shape=SHAPES_RD, seed=SEEDS)
def test_layer_norm(room, dtype, shape, seed):
    rng = np.random.default_rng(seed)
    x, w, b = (rng.normal(size=s).astype(dtype) for s in (shape, shape[1], shape[1]))
    y, mean, var = forward(room, "layer_norm", x, w, b)
    assert y.dtype == mean.dtype == var.dtype == dtype and y.shape == shape and mean.shape == var.shape == (shape[0],)
    for r in range(shape[0]):
        wanted = forward_by_row(x[r], w, b)
        for got, expected in zip((y[r], mean[r], var[r]), wanted, strict=True):
            assert np.abs(got - expected).max() <= tolerance(dtype, expected) * max(1, 1 / np.sqrt(wanted[2] + EPS))


#: (N, groups, channels of a group, L): rows, few and many channels, more places than a row of several takes.
SHAPES_NGCL = st.one_of(
    st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 5), st.integers(1, 9)),
    st.sampled_from([(2, 1, 1000, 1), (200, 2, 3, 1), (2, 4, 6, 49), (1, 2, 1, 700), (70, 2, 8, 3), (2, 1, 300, 7)]),
)


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("dtype", DTYPES)
@given(shape=SHAPES_NGCL, last=st.booleans(), seed=SEEDS)
def test_group_norm(room, dtype, shape, last, seed):
    (n, groups, size, length), rng = shape, np.random.default_rng(seed)
    x, gy = (rng.normal(size=(n, groups * size, length)).astype(dtype) for _ in range(2))
    w, b = rng.normal(size=(2, groups * size)).astype(dtype)
    there = x.transpose(0, 2, 1).copy().transpose(0, 2, 1) if last else x
    y, mean, var = room.group_norm(there, w, b, groups, EPS)
    assert y.dtype == mean.dtype == var.dtype == dtype and y.shape == x.shape and mean.shape == var.shape == (n, groups)
    rows = x.reshape(n, groups, -1)
    scales, offsets = (np.repeat(v, length).reshape(groups, -1) for v in (w, b))
    for i in range(n):
        for g in range(groups):
            wanted = forward_by_row(rows[i, g], scales[g], offsets[g])
            for got, expected in zip((y.reshape(rows.shape)[i, g], mean[i, g], var[i, g]), wanted, strict=True):
                terms = 1 if dtype == np.float32 else rows.shape[2]  # float32 is summed in float64
                allowed = tolerance(dtype, expected, terms) * max(1, 1 / np.sqrt(wanted[2] + EPS))
                assert np.abs(got - expected).max() <= allowed
    gradients = room.group_norm_backward(gy, there, w, mean, var, EPS)
    exact = [a.astype(np.longdouble) for a in (gy, w, x, mean, var)]
    s = np.sqrt(exact[4] + EPS)[..., None]
    z = (exact[2].reshape(rows.shape) - exact[3][..., None]) / s
    gz = (exact[0] * exact[1][:, None]).reshape(rows.shape)
    gx = (gz - gz.mean(2, keepdims=True) - z * (gz * z).mean(2, keepdims=True)) / s
    of_channels = (exact[0] * z.reshape(x.shape)).sum((0, 2)), exact[0].sum((0, 2))
    steep = np.abs(w).max() * np.abs(gy).max() / s.min()
    scale = (steep * max(1, np.abs(z).max() ** 2), np.abs(gy).sum() * np.abs(z).max(), np.abs(gy).sum())
    for got, wanted, largest in zip(gradients, (gx.reshape(x.shape), *of_channels), scale, strict=True):
        assert got.dtype == dtype and got.shape == wanted.shape
        assert np.abs(got - wanted).max() <= 16 * np.finfo(dtype).eps * max(1.0, float(largest))


FAMILIES = {"batch_norm": (6, 3, 4), "layer_norm": (6, 5)}


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("name", FAMILIES)
@given(seed=SEEDS)
def test_backward_is_the_derivative(room, name, seed):
    rng, shape = np.random.default_rng(seed), FAMILIES[name]
    x, gy = rng.normal(size=shape), rng.normal(size=shape)
    w, b = rng.normal(size=(2, shape[1]))
    _, mean, var = forward(room, name, x, w, b)
    gradients = backward(room, name, gy, x, w, mean, var)
    # Central differences along a random direction of x, w and b at once: the error is h^2 times the third derivative
    # (channels of 24 and rows of 5 values have a deviation above 1e-2) plus rounding 1e-16 / h.
    d = [rng.normal(size=a.shape) for a in (x, w, b)]
    h = 1e-5 * min(1.0, float(var.min()) ** 0.5)
    plus, minus = (forward(room, name, *(a + s * h * v for a, v in zip((x, w, b), d)))[0] for s in (1, -1))
    numeric = ((plus - minus) * gy).sum() / (2 * h)
    analytic = sum((g * v).sum() for g, v in zip(gradients, d, strict=True))
    scale = sum(np.abs(g * v).sum() for g, v in zip(gradients, d, strict=True))
    assert abs(numeric - analytic) < 1e-7 * max(1.0, scale / float(var.min()))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name, shapes", [("batch_norm", SHAPES_NCL), ("layer_norm", SHAPES_RD)])
@given(data=st.data(), seed=SEEDS)
def test_rooms_agree_on_backward(name, shapes, dtype, data, seed):
    shape, rng = data.draw(shapes), np.random.default_rng(seed)
    x, gy = (rng.normal(size=shape).astype(dtype) for _ in range(2))
    w = rng.normal(size=shape[1]).astype(dtype)
    _, mean, var = forward(reference, name, x, w, w)
    wanted, got = (backward(room, name, gy, x, w, mean, var) for room in ROOMS)
    # gx is a difference of terms of size |w gy| / s, and gw sums gy * z with |z| up to the square root of the count.
    size = np.abs(w).max() * np.abs(gy).max() / np.sqrt(var.min() + EPS)
    scales = (size, np.abs(gy).sum(), np.abs(gy).sum())
    for a, b, scale, like in zip(wanted, got, scales, (x, w, w), strict=True):
        assert a.dtype == b.dtype == dtype and a.shape == b.shape == like.shape
        assert np.abs(a - b).max() <= 8 * np.finfo(dtype).eps * max(1.0, scale) * x.size**0.5


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize(
    "name, shape", [("batch_norm", (64, 5, 49)), ("batch_norm", (64, 5, 1)), ("layer_norm", (5, 999))]
)
def test_a_large_mean_keeps_the_variance(room, name, shape):
    # Mean 1e4, deviation 1: x itself is exact to 5e-4. The formula E[x^2] - E[x]^2 in float32 would give a variance
    # wrong by 1e8 * 6e-8 = 6, and x - mean with a mean rounded to float32 a result wrong by 5e-4.
    rng = np.random.default_rng(0)
    x = (rng.normal(size=shape) + 1e4).astype(np.float32)
    w, b = rng.normal(size=(2, shape[1])).astype(np.float32)
    single = forward(room, name, x, w, b)
    double = forward(room, name, *(a.astype(np.float64) for a in (x, w, b)))
    assert np.abs(single[0] - double[0]).max() < 4e-6  # |y| < 16: a few ulps
    assert np.abs(single[1] - double[1]).max() <= np.spacing(np.float32(1e4)) / 2  # rounded once
    assert np.abs(single[2] / double[2] - 1).max() < 1e-6


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name, shape", [("batch_norm", (4, 5, 6)), ("group_norm", (4, 6, 5))])
def test_strides_purity_and_repetition(room, dtype, name, shape):
    rng = np.random.default_rng(1)
    gy, x = (rng.normal(size=shape).astype(dtype) for _ in range(2))
    w, b = rng.normal(size=(2, shape[1])).astype(dtype)
    _, mean, var = room.group_norm(x, w, b, 2, EPS) if name == "group_norm" else forward(room, name, x, w, b)
    ahead, back = (x, w, b), (gy, x, w, mean, var)
    numbers: tuple[tuple[float, ...], ...] = (2, EPS), (EPS,)
    if name == "batch_norm":
        ahead, back, numbers = (*ahead, mean, var), (gy, *back), ((EPS, 0.1, 0.2), (EPS, 0.2))
    for kernel, arguments, others in zip((name, f"{name}_backward"), (ahead, back), numbers, strict=True):
        before = [a.copy() for a in arguments]
        first, again = (getattr(room, kernel)(*arguments, *others) for _ in range(2))
        strided = [
            np.repeat(a, 3)[::3] if a.ndim == 1 else np.repeat(a[::-1].copy(), 2, axis=-1)[::-1, ..., ::2]
            for a in arguments
        ]
        third = getattr(room, kernel)(*strided, *others)
        for a, b2, c in zip(first, again, third, strict=True):
            assert np.array_equal(a, b2)
            # Another layout may sum in another order in NumPy; the compiled room copies first.
            assert (
                np.array_equal(a, c)
                if room is cpu
                else np.allclose(a, c, rtol=0, atol=1e-5 if dtype == np.float32 else 1e-13)
            )
        assert all(np.array_equal(a, b2) for a, b2 in zip(arguments, before, strict=True))


@pytest.mark.parametrize("room", ROOMS)
def test_nan_reaches_the_user(room):
    x = np.zeros((4, 3, 2), np.float32)
    x[1, 1, 1] = np.nan
    w = np.ones(3, np.float32)
    y, mean, var = forward(room, "batch_norm", x, w, w)
    assert np.isnan(y[:, 1]).all() and np.isnan([mean[1], var[1]]).all()
    assert not np.isnan(y[:, [0, 2]]).any()


@pytest.mark.parametrize("room", ROOMS)
def test_errors(room):
    x3, x2 = np.ones((2, 3, 4), np.float32), np.ones((2, 3), np.float32)
    three, two, wide = np.ones(3, np.float32), np.ones(2, np.float32), np.ones(3)
    with pytest.raises(ValueError, match=r"batch_norm: b has shape \(2,\) .* asks for \(3,\) and float32"):
        room.batch_norm(x3, three, two, three, three, EPS, 0.1, 1.0)
    with pytest.raises(ValueError, match="batch_norm: w has shape .* and dtype float64"):
        room.batch_norm(x3, wide, three, three, three, EPS, 0.1, 1.0)
    with pytest.raises(ValueError, match="batch_norm_backward: gy has shape"):
        room.batch_norm_backward(x3[:1], x3, x3, three, three, three, EPS, 1.0)
    with pytest.raises(ValueError, match="group_norm: w has shape"):
        room.group_norm(x3, two, three, 1, EPS)
    for groups in (0, 2, 4):
        with pytest.raises(
            ValueError, match=rf"group_norm: {groups} groups do not divide the channels of x \(2, 3, 4\)"
        ):
            room.group_norm(x3, three, three, groups, EPS)
    with pytest.raises(ValueError, match=r"group_norm_backward: mean has shape \(3,\) .* asks for \(2, groups\)"):
        room.group_norm_backward(x3, x3, three, three, x2[:, :1], EPS)
    with pytest.raises(ValueError, match=r"group_norm_backward: var has shape \(2, 1\)"):
        room.group_norm_backward(x3, x3, three, x2, x2[:, :1], EPS)


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("dtype", DTYPES)
@given(shape=SHAPES_NCL, seed=SEEDS, momentum=st.sampled_from([0.0, 0.1, 1.0]))
def test_running_statistics(room, dtype, shape, seed, momentum):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape).astype(dtype)
    w, b, old_mean, old_var = rng.normal(size=(4, shape[1])).astype(dtype)
    _, mean, var, new_mean, new_var = room.batch_norm(x, w, b, old_mean, old_var, EPS, momentum, 1.0)
    m = shape[0] * shape[2]
    for new, old, batch in ((new_mean, old_mean, mean), (new_var, old_var, var * (m / max(m - 1, 1)))):
        wanted = (1 - momentum) * old.astype(np.float64) + momentum * batch.astype(np.float64)
        assert new.dtype == dtype and np.abs(new - wanted).max() <= tolerance(dtype, wanted)


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("slope", [0.0, 0.2])
@given(shape=SHAPES_NCL, seed=SEEDS)
def test_the_leaky_relu_that_ends_batch_norm(room, dtype, slope, shape, seed):
    rng = np.random.default_rng(seed)
    x, gy = rng.normal(size=(2, *shape)).astype(dtype)
    w, b = rng.normal(size=(2, shape[1])).astype(dtype)
    z, mean, var = forward(room, "batch_norm", x, w, b)
    y = room.batch_norm(x, w, b, b, b, EPS, 0.1, slope)[0]
    np.testing.assert_array_equal(y, np.where(z > 0, z, dtype(slope) * z))
    got = room.batch_norm_backward(gy, y, x, w, mean, var, EPS, slope)
    wanted = backward(room, "batch_norm", np.where(z > 0, gy, dtype(slope) * gy), x, w, mean, var)
    for a, b2 in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(a, b2)
