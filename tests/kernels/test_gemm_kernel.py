"""The product of matrices: both rooms against a sum of products, and the transposition that the CPU room uses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen_kernels import cpu, reference
from minigen_kernels.cpu import gemm as cpu_file

SIZES = st.one_of(st.integers(0, 9), st.sampled_from([15, 16, 17, 33, 64, 65, 130]))
SEEDS = st.integers(0, 2**32 - 1)
DTYPES = [np.float32, np.float64]


@pytest.fixture(params=[False, True], ids=["plain BLAS", "transposing"], autouse=True)
def way(request, monkeypatch):
    """Both ways on every machine, whatever its BLAS likes."""
    monkeypatch.setattr(cpu_file, "blas_rearranges_slowly", lambda: request.param)
    return request.param


@pytest.mark.parametrize("room", [reference, cpu])
@pytest.mark.parametrize("dtype", DTYPES)
@given(m=SIZES, k=SIZES, n=SIZES, seed=SEEDS)
def test_product_with_a_transposed_factor(room, dtype, m, k, n, seed):
    rng = np.random.default_rng(seed)
    a, w = rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(n, k)).astype(dtype)
    y = room.matmul(a, w.T)
    assert y.dtype == dtype and y.shape == (m, n) and y.flags.c_contiguous
    wanted = np.einsum("mk,nk->mn", a.astype(np.float64), w.astype(np.float64))
    # Each of k products is rounded once and added once: k units of a sum of products of standard normals.
    np.testing.assert_allclose(y, wanted, rtol=0, atol=(k + 1) * np.finfo(dtype).eps * 16)


@pytest.mark.parametrize("dtype", DTYPES)
@given(m=SIZES, k=SIZES, layout=st.sampled_from(["C", "F", "strided"]), seed=SEEDS)
def test_product_with_a_vector(dtype, m, k, layout, seed):
    rng = np.random.default_rng(seed)
    a, v = rng.normal(size=(2 * m, k)).astype(dtype)[::2], rng.normal(size=2 * k).astype(dtype)[::2]
    a = a if layout == "strided" else np.array(a, order=layout)
    wanted = np.einsum("mk,k->m", a.astype(np.float64), v.astype(np.float64))
    column, row = cpu.matmul(a, v[:, None]), cpu.matmul(v[None], a.T)
    for y, shape in ((column, (m, 1)), (row, (1, m))):
        assert y.dtype == dtype and y.shape == shape and y.flags.c_contiguous
        np.testing.assert_allclose(y.ravel(), wanted, rtol=0, atol=(k + 1) * np.finfo(dtype).eps * 16)


def test_nan_passes_through_a_product_with_a_vector():
    a, v = np.ones((3, 20), np.float32), np.zeros((20, 1), np.float32)
    a[1, 7] = np.nan
    for y in (cpu.matmul(a, v), cpu.matmul(np.asfortranarray(a), v), cpu.matmul(v.T, a.T).T):
        assert np.isnan(y).ravel().tolist() == [False, True, False]


def test_the_transposing_way_is_taken(monkeypatch, way):
    calls = []
    monkeypatch.setattr(cpu_file, "transposed", lambda x: calls.append(x.shape) or np.ascontiguousarray(x.T))
    x, w = np.ones((16, 40), np.float32), np.ones((50, 40), np.float32)
    cpu.matmul(x, w.T)
    expected = [(16, 40), (50, 16)] if way else []
    assert calls == expected
    for a, b in (
        (x[:15], w.T),
        (x, w.T.copy()),
        (x[::-1], w.T),
        (np.ones((500, 40), np.float32), w.T),
        (x, w[:, ::-1].T),
    ):
        np.testing.assert_allclose(cpu.matmul(a, b), 40)
    assert calls == expected  # too few rows, plain factors, strides, and more to transpose than to rearrange


@pytest.mark.parametrize("dtype", DTYPES)
@given(m=SIZES, n=SIZES)
def test_transposed(dtype, m, n):
    x = np.arange(m * n, dtype=dtype).reshape(m, n)
    y = cpu_file.transposed(x)
    np.testing.assert_array_equal(y, x.T)
    assert y.dtype == dtype and y.flags.c_contiguous
