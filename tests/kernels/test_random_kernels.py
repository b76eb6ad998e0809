"""Philox against the authors' vectors, uniform and normal numbers against their definition, the rooms bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen_kernels import cpu, reference
from minigen_kernels.cpu.jit import njit_cached

ROOMS = [reference, cpu]
WORD64 = st.integers(0, 2**64 - 1)
DTYPES = [np.float32, np.float64]


def hex_words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize(
    "counter, key, words",  # kat_vectors of the authors' library Random123, philox4x32 with 10 rounds
    [
        ("0 0 0 0", "0 0", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_known_answers(room, counter, key, words):
    c, k = hex_words(counter), hex_words(key)
    block = room.philox(k[0] + (k[1] << 32), c[2] + (c[3] << 32), c[0] + (c[1] << 32), 1)
    assert block.dtype == np.uint32 and block.tolist() == [hex_words(words)]


def philox_block(seed: int, stream: int, position: int) -> list[int]:
    """One block in Python's integers, after the paper's equations."""
    c = [position % 2**32, position >> 32, stream % 2**32, stream >> 32]
    k = [seed % 2**32, seed >> 32]
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(b >> 32) ^ c[1] ^ k[0], b % 2**32, (a >> 32) ^ c[3] ^ k[1], a % 2**32]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return c


@pytest.mark.parametrize("room", ROOMS)
@given(seed=WORD64, stream=WORD64, position=WORD64, blocks=st.integers(0, 5))
def test_philox_is_the_paper(room, seed, stream, position, blocks):
    got = room.philox(seed, stream, position, blocks)
    assert got.shape == (blocks, 4) and got.dtype == np.uint32
    assert got.tolist() == [philox_block(seed, stream, (position + i) % 2**64) for i in range(blocks)]


@pytest.mark.parametrize("kernel", ["uniform", "normal"])
@pytest.mark.parametrize("dtype", DTYPES)
@given(seed=WORD64, stream=WORD64, position=WORD64, n=st.integers(0, 600))
def test_rooms_agree_bit_for_bit(kernel, dtype, seed, stream, position, n):
    a, b = (getattr(room, kernel)(seed, stream, position, n, dtype) for room in ROOMS)
    assert a.dtype == b.dtype == dtype and a.shape == b.shape == (n,)
    bits = np.dtype(f"u{a.dtype.itemsize}")
    assert np.array_equal(a.view(bits), b.view(bits))


def draw_bits(n: int, dtype) -> list[int]:
    """The integers behind n values of the draw (seed 1, stream 2, position 3), low word first."""
    words = reference.philox(1, 2, 3, n).reshape(-1).tolist()
    if dtype == np.float32:
        return words[:n]
    return [words[2 * i] + (words[2 * i + 1] << 32) for i in range(n)]


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("dtype, drop, digits", [(np.float32, 8, 24), (np.float64, 11, 53)])
def test_uniform_is_the_upper_bits(room, dtype, drop, digits):
    u = room.uniform(1, 2, 3, 101, dtype)
    assert [float(v) for v in u] == [(k >> drop) / 2**digits for k in draw_bits(101, dtype)]  # exact


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_normal_is_box_muller(room, dtype):
    n, bits = 100_000, 8 * np.dtype(dtype).itemsize
    z = room.normal(1, 2, 3, n, dtype).astype(np.longdouble)
    pairs = np.array(draw_bits(n, dtype), dtype=f"u{bits // 8}").reshape(-1, 2)
    # u as the kernel rounds it; everything after that in extended precision.
    u = (pairs[:, 0].astype(dtype) * dtype(2.0**-bits) + dtype(2.0 ** -(bits + 1))).astype(np.longdouble)
    angle = pairs[:, 1].astype(np.longdouble) * (2 * np.longdouble("3.14159265358979323846") / np.longdouble(2) ** bits)
    radius = np.sqrt(-2 * np.log(u))
    expected = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)
    # About ten roundings of half an ulp on the way. The second term is for values near zero, where the reference's own
    # reduction of the angle (no integer arithmetic) loses digits.
    eps = np.finfo(dtype).eps
    assert np.all(
        np.abs(z - expected) <= 5 * eps * np.abs(expected) + 8 * np.finfo(np.longdouble).eps * np.repeat(radius, 2)
    )


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("dtype, largest", [(np.float32, 6.77), (np.float64, 9.50)])
def test_normal_is_finite_at_the_ends(room, dtype, largest):
    # No seed is known whose word is 0, so look at the radius itself, where log(0) would be.
    if room is reference:
        k = np.array([0, 1, 2**31, 2 ** (8 * np.dtype(dtype).itemsize) - 1], dtype=f"u{np.dtype(dtype).itemsize}")
        u = reference.random._open_unit(k, np.dtype(dtype))
        radius = np.sqrt(-2 * reference.random._log(u))
    else:
        one = cpu.random._radius4 if dtype == np.float32 else cpu.random._radius8

        @njit_cached()
        def radius_of(k):
            return one(k)

        word = np.uint32 if dtype == np.float32 else np.uint64
        radius = np.array([radius_of(word(k)) for k in (0, 1, 2**31, 2 ** (8 * word(0).itemsize) - 1)])
    assert np.all(np.isfinite(radius)) and largest - 0.01 < radius[0] < largest and radius[-1] == 0


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("kernel", ["uniform", "normal"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_value_depends_on_its_index_alone(room, kernel, dtype):
    draw = getattr(room, kernel)
    long, per_block = draw(5, 6, 7, 1000, dtype), 16 // np.dtype(dtype).itemsize
    assert np.array_equal(draw(5, 6, 7, 3, dtype), long[:3])
    assert np.array_equal(draw(5, 6, 7 + 65, 100, dtype), long[65 * per_block :][:100])


@pytest.mark.parametrize("room", ROOMS)
@given(seed=WORD64, stream=WORD64, position=WORD64, n=st.integers(0, 600), p=st.floats(0, 1))
def test_bernoulli_compares_the_uniform_numbers(room, seed, stream, position, n, p):
    u = reference.uniform(seed, stream, position, n, np.float32)
    for chance in (p, *map(float, u[:1])):  # the first number is not below itself
        ones = room.bernoulli(seed, stream, position, n, chance)
        assert ones.dtype == np.float32 and ones.shape == (n,)
        np.testing.assert_array_equal(ones, [float(v < np.float32(chance)) for v in u])
    for dtype in DTYPES:  # a probability for each; every second one is the number itself, which is not below itself
        each = np.where(np.arange(n) % 2, u, np.random.default_rng(seed).random(n)).astype(dtype)
        ones = room.bernoulli(seed, stream, position, n, each)
        np.testing.assert_array_equal(ones, [float(float(v) < float(q)) for v, q in zip(u, each, strict=True)])
        strided = np.repeat(each, 2)[::2]
        np.testing.assert_array_equal(ones, room.bernoulli(seed, stream, position, n, strided))


@pytest.mark.parametrize("room", ROOMS)
@given(seed=WORD64, stream=WORD64, position=WORD64, n=st.integers(0, 300))
def test_permutation_is_the_order_of_the_keys(room, seed, stream, position, n):
    words = reference.philox(seed, stream, position, -(-n // 2)).reshape(-1).tolist()
    keys = [words[2 * i] + (words[2 * i + 1] << 32) for i in range(n)]
    order = room.permutation(seed, stream, position, n)
    assert order.dtype == np.int64 and order.shape == (n,)
    assert order.tolist() == sorted(range(n), key=lambda i: (keys[i], i))


@given(keys=st.lists(st.sampled_from([0, 1, 2**63, 2**64 - 1]), max_size=60))
def test_of_equal_keys_the_earlier_comes_first(keys):
    # No seed is known that draws equal ones.
    order = cpu.random._order(np.array(keys, np.uint64))
    assert order.tolist() == sorted(range(len(keys)), key=lambda i: (keys[i], i))


def test_rooms_agree_on_a_long_permutation():
    a, b = (room.permutation(3, 1, 2, 70_000) for room in ROOMS)
    assert np.array_equal(a, b) and np.array_equal(np.sort(a), np.arange(70_000))


@pytest.mark.parametrize("room", ROOMS)
def test_errors(room):
    for p in (np.ones(3), np.ones((2, 2)), np.ones(4, np.int64)):
        with pytest.raises(ValueError, match=r"bernoulli: p is a number or a float array of shape \(4,\), got"):
            room.bernoulli(0, 0, 0, 4, p)
    for kernel in (room.uniform, room.normal):
        with pytest.raises(ValueError, match="dtype is float32 or float64, got float16"):
            kernel(0, 0, 0, 3, np.float16)
