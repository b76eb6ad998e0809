"""The product of matrices: both rooms against a sum of products, and all ways that the CPU room cuts and copies.

A block in registers: ``test_tile.py``.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels.sharing import sharing

from minigen_kernels import cpu, reference
from minigen_kernels.cpu import gemm as cpu_file
from minigen_kernels.cpu import product as product_file
from minigen_kernels.cpu.lanes import REGISTER_BYTES
from minigen_kernels.cpu.stack import multiply_stack

SIZES = st.one_of(st.integers(0, 9), st.sampled_from([15, 16, 17, 33, 64, 65, 130]))
SEEDS = st.integers(0, 2**32 - 1)
DTYPES = [np.float32, np.float64]


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


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("a_turned", "b_turned"), [(False, False), (False, True), (True, False), (True, True)])
@given(
    sizes=st.tuples(*[st.integers(1, 70)] * 3),
    cuts=st.tuples(*[st.integers(1, 40)] * 2, st.integers(1, 3)),
    copies=st.tuples(st.booleans(), st.booleans()),
    seed=SEEDS,
)
def test_every_way_to_cut_and_copy(dtype, a_turned, b_turned, sizes, cuts, copies, seed):
    rng = np.random.default_rng(seed)
    m, k, n = sizes
    a, b = rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)
    depth, height, panels = cuts
    width = panels * product_file.REGISTERS * REGISTER_BYTES // b.itemsize
    plan = depth, height, width, copies[0], copies[1] or b_turned
    c = np.full((m, n), np.nan, dtype)
    turned = np.ascontiguousarray(a.T if a_turned else a), np.ascontiguousarray(b.T if b_turned else b)
    product_file.product(turned[0], a_turned, turned[1], b_turned, c, plan)
    wanted = np.einsum("mk,kn->mn", a.astype(np.float64), b.astype(np.float64))
    np.testing.assert_allclose(c, wanted, rtol=0, atol=(k + 1) * np.finfo(dtype).eps * 16)
    again = np.empty((m, n), dtype)
    product_file.product(a, False, b, False, again, (depth, m, width, False, True))
    assert c.tobytes() == again.tobytes()  # the bits depend on the runs of terms alone


LAYOUTS = [
    lambda x: x,
    lambda x: np.asfortranarray(x),
    lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    lambda x: x[::-1].copy()[::-1],
    lambda x: np.concatenate([x, x], axis=1)[:, : x.shape[1]],
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(16, 300, 200), (8, 784, 100), (128, 64, 48), (65, 90, 70), (300, 1030, 37)])
def test_every_layout(dtype, shape):
    m, k, n = shape
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(m, k)).astype(dtype), rng.normal(size=(k, n)).astype(dtype)
    wanted = np.einsum("mk,kn->mn", a.astype(np.float64), b.astype(np.float64), optimize=True)
    for of_a in LAYOUTS:
        for of_b in LAYOUTS:
            y = cpu.matmul(of_a(a), of_b(b))
            assert y.dtype == dtype and y.shape == (m, n) and y.flags.c_contiguous
            # Sums of k products of standard normals: of a size of sqrt(k), with at most k errors of half a unit of it.
            np.testing.assert_allclose(y, wanted, rtol=0, atol=4 * k * np.finfo(dtype).eps)


@pytest.mark.parametrize(("m", "k", "n"), [(130, 300, 100), (16, 784, 400), (1100, 520, 20), (3136, 64, 64)])
@pytest.mark.parametrize("turned", [False, True])
def test_the_same_bits_for_any_number_of_threads(m, k, n, turned):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(m, k)).astype(np.float32), rng.normal(size=(k, n)).astype(np.float32)
    a, b = (np.asfortranarray(a), np.asfortranarray(b)) if turned else (a, b)
    alone = cpu.matmul(a, b)
    for count in (2, 3):
        with sharing(count):
            assert cpu.matmul(a, b).tobytes() == alone.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
@given(
    sizes=st.tuples(st.integers(0, 9), *[st.integers(0, 70)] * 3),
    turned=st.tuples(st.booleans(), st.booleans()),
    one=st.sampled_from([(False, False), (True, False), (False, True)]),
    apart=st.booleans(),
    seed=SEEDS,
)
def test_stacks(dtype, sizes, turned, one, apart, seed):
    """Matrices one after another, or row beside row; of any factor there may be one for all."""
    rng, (S, M, K, N) = np.random.default_rng(seed), sizes
    step = 1 + seed % 2  # neither the numbers of a row nor those of a column are neighbours

    def stack(S, rows, columns, turned):
        shape = (S, columns, rows) if turned else (S, rows, columns)
        if apart:
            shape = (shape[1], shape[0], shape[2])
        x = np.repeat(rng.standard_normal(shape).astype(dtype), step, axis=2)[:, :, ::step]
        x = x.swapaxes(0, 1) if apart else x
        return x.swapaxes(1, 2) if turned else x

    a, b = stack(1 if one[0] else S, M, K, turned[0]), stack(1 if one[1] else S, K, N, turned[1])
    step = 1
    c, expected = stack(S, M, N, False), np.matmul(a.astype(float), b.astype(float))
    multiply_stack(a, b, c)
    np.testing.assert_allclose(c, np.broadcast_to(expected, c.shape), rtol=0, atol=(K + 1) * np.finfo(dtype).eps * 16)
    if S and not one[0] and not one[1]:
        alone = np.ascontiguousarray(c[:1]) * np.nan
        multiply_stack(a[:1], b[:1], alone)
        assert (alone == c[:1]).all()


def test_sums_are_as_exact_as_those_of_blas():
    rng = np.random.default_rng(0)
    for k in (300, 784, 5000):
        a, w = rng.normal(size=(64, k)).astype(np.float32), rng.normal(size=(96, k)).astype(np.float32)
        exact = a.astype(np.float64) @ w.T.astype(np.float64)
        ours, theirs = (np.abs(y - exact).std() for y in (cpu.matmul(a, w.T), np.matmul(a, w.T)))
        assert ours < 1.5 * theirs


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_zero_times_what_is_no_number_is_nan(number):
    a, b = np.ones((70, 300), np.float32), np.zeros((300, 50), np.float32)
    a[3, 290] = number
    for y in (cpu.matmul(a, b), cpu.matmul(np.asfortranarray(a), b), cpu.matmul(b.T, a.T).T):
        assert np.isnan(y).all(axis=1).tolist() == [i == 3 for i in range(70)]


def test_few_rows_are_copied_instead_of_many(monkeypatch):
    calls = []
    monkeypatch.setattr(cpu_file, "transposed", lambda x: calls.append(x.shape) or np.ascontiguousarray(x.T))
    x, w = np.ones((16, 400), np.float32), np.ones((500, 400), np.float32)
    np.testing.assert_array_equal(cpu.matmul(x, w.T), 400)
    assert calls == [(500, 16)]
    for a, b in (
        (np.ones((128, 400), np.float32), w.T),
        (x, w.T.copy()),
        (np.asfortranarray(x), w.T),
        (x[:, :9], w.T[:9]),
    ):
        np.testing.assert_array_equal(cpu.matmul(a, b), a.shape[1])
    assert calls == [(500, 16)]


def test_the_runs_of_terms_depend_on_their_number_alone():
    depths = {}
    for m, k, n in [(16, 784, 400), (128, 784, 20), (784, 784, 784), (64, 100, 6272), (6272, 100, 64), (9, 257, 9)]:
        for cache in (1 << 18, 1 << 19, 1 << 21):
            for itemsize in (4, 8):
                for turned in ((False, False), (True, False), (False, True)):
                    depth, height, width, _, copy_b = product_file.cuts(m, k, n, *turned, itemsize, cache)
                    assert depths.setdefault(k, depth) == depth and (copy_b or not turned[1])
                    assert height * depth * itemsize <= cache // 2 or height <= 8
                    assert width * itemsize % (product_file.REGISTERS * REGISTER_BYTES) == 0
    assert depths == {784: 200, 100: 104, 257: 136}


def test_the_size_of_the_cache_is_plausible():
    assert 1 << 17 <= product_file.second_cache() <= 1 << 27


def test_vectors_and_transposes_are_the_same_bits_for_any_number_of_threads():
    a = np.random.default_rng(0).normal(size=(301, 2003)).astype(np.float32)
    made = set()
    for count in (1, 2, 3):
        with sharing(count):
            results = cpu.matmul(a, a[:1].T), cpu.matmul(a[:, :1].T, a), cpu_file.transposed(a)
            made.add(b"".join(y.tobytes() for y in results))
    assert len(made) == 1
    np.testing.assert_array_equal(results[2], a.T)
    np.testing.assert_allclose(results[1], np.float64(a[:, :1].T) @ a, rtol=0, atol=1e-3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_of_whole_cache_lines_begin_at_one(dtype):
    """Also those of a transposed factor; others are as NumPy has them."""
    for _ in range(20):
        a, b = np.ones((64, 128), dtype), np.ones((128, 160), dtype)
        for y in (cpu.matmul(a, b), cpu.matmul(a, np.asfortranarray(b)), cpu.matmul(a, b[:, :100].copy())):
            assert y.flags.c_contiguous and y.flags.writeable and (y == 128).all()
            assert y.shape[1] == 100 or y.ctypes.data % 64 == 0


@pytest.mark.parametrize("dtype", DTYPES)
@given(m=SIZES, n=SIZES)
def test_transposed(dtype, m, n):
    x = np.arange(m * n, dtype=dtype).reshape(m, n)
    y = cpu_file.transposed(x)
    np.testing.assert_array_equal(y, x.T)
    assert y.dtype == dtype and y.flags.c_contiguous
