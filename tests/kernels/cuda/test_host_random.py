"""The random CUDA kernels on the host: the reference's numbers, bit for bit.

The host rounds every operation, as -fmad=false makes the device do; so these tests prove the steps and their order.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen_kernels import reference
from minigen_kernels.cuda import random
from minigen_kernels.cuda.launch import empty, launch
from minigen_kernels.cuda.source import HERE, program

WORD64 = st.integers(0, 2**64 - 1)
DTYPES = [np.float32, np.float64]

#: random.cu and a kernel that shows its functions of one number, so that numbers no seed is known for can be tried.
ONE_NUMBER = """
extern "C" __global__ void one_number_kernel(const unsigned long long* k, real* r, real* c, real* s, int n) {
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    r[i] = radius((Word)k[i]);
    cos_sin((Word)k[i], &c[i], &s[i]);
  }
}
"""


def bits(a: np.ndarray) -> np.ndarray:
    return a.view(f"u{a.dtype.itemsize}")


@pytest.mark.parametrize(
    "counter, key, words",  # kat_vectors of the authors' library Random123, philox4x32 with 10 rounds
    [
        ("0 0 0 0", "0 0", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)
def test_known_answers(host, counter, key, words):
    c, k, wanted = ([int(word, 16) for word in text.split()] for text in (counter, key, words))
    block = host.run(random.philox, k[0] + (k[1] << 32), c[2] + (c[3] << 32), c[0] + (c[1] << 32), 1)
    assert block.dtype == np.uint32 and block.tolist() == [wanted]


@given(seed=WORD64, stream=WORD64, position=WORD64, blocks=st.integers(0, 300))
def test_philox(host, seed, stream, position, blocks):
    got = host.run(random.philox, seed, stream, position, blocks)
    assert got.dtype == np.uint32
    np.testing.assert_array_equal(got, reference.philox(seed, stream, position, blocks))


@given(position=WORD64, value=WORD64)
def test_an_offset_on_the_device_takes_the_place_of_a_part_of_the_position(host, position, value):
    """What is drawn is the same, and it moves on when the word does, as in a recorded graph."""
    word = np.array([value], np.uint64)
    draws = (
        ("philox", (5,)), ("uniform", (9, np.float32)), ("normal", (9, np.float64)), ("bernoulli", (9, 0.5)),
        ("bernoulli", (9, np.full(9, 0.5, np.float32))), ("permutation", (9,)),
    )  # fmt: skip
    for name, sizes in draws:
        draw = getattr(random, name)
        with random.offsets({(1, 2): random.Offset(word, value)}):
            np.testing.assert_array_equal(
                host.run(draw, 1, 2, position, *sizes), getattr(reference, name)(1, 2, position, *sizes)
            )
            np.testing.assert_array_equal(  # another sequence
                host.run(draw, 3, 2, position, *sizes), getattr(reference, name)(3, 2, position, *sizes)
            )
        stale = random.Offset(np.array([(value + 7) % 2**64], np.uint64), value)
        with random.offsets({(1, 2): stale}):
            np.testing.assert_array_equal(
                host.run(draw, 1, 2, position, *sizes), getattr(reference, name)(1, 2, (position + 7) % 2**64, *sizes)
            )


def test_positions_wrap_around(host):
    got = host.run(random.philox, 1, 2, 2**64 - 1, 3)
    np.testing.assert_array_equal(got[1:], reference.philox(1, 2, 0, 2))


@pytest.mark.parametrize("kernel", ["uniform", "normal"])
@pytest.mark.parametrize("dtype", DTYPES)
@given(seed=WORD64, stream=WORD64, position=WORD64, n=st.integers(0, 1100))
def test_draws_are_the_reference_bit_for_bit(host, kernel, dtype, seed, stream, position, n):
    got = host.run(getattr(random, kernel), seed, stream, position, n, dtype)
    wanted = getattr(reference, kernel)(seed, stream, position, n, dtype)
    assert got.dtype == dtype and got.shape == (n,)
    np.testing.assert_array_equal(bits(got), bits(wanted))


@pytest.mark.parametrize("dtype", DTYPES)
def test_many_normals_bit_for_bit(host, monkeypatch, dtype):
    monkeypatch.setattr("minigen_kernels.cuda.launch.MOST_BLOCKS", 2)  # fewer threads than blocks of numbers
    got = host.run(random.normal, 7, 8, 9, 100_000, dtype)
    np.testing.assert_array_equal(bits(got), bits(reference.normal(7, 8, 9, 100_000, dtype)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_turn_and_the_ends_of_the_radius(host, tmp_path, dtype):
    file = tmp_path / "one_number.cu"
    file.write_text((HERE / "random.cu").read_text(encoding="utf-8") + ONE_NUMBER, encoding="utf-8")
    word = np.dtype(f"u{np.dtype(dtype).itemsize}")
    eighth = 2 ** (8 * word.itemsize - 3)
    turns = [i * eighth + d for i in range(9) for d in (-1, 0, 1)]  # where the quarter turns begin and end
    # Where the exponent of u steps: at sqrt(1/2), in steps of an ulp of u.
    ulp = 2 ** (8 * word.itemsize - np.finfo(dtype).nmant - 1)
    roots = [round(float(dtype(0.5**0.5)) * 8 * eighth) + d * ulp for d in (-2, -1, 0, 1, 2)]
    k = np.array([0, *roots, *(n for n in turns if 0 < n < 8 * eighth)], word)

    def one_number() -> list[np.ndarray]:
        r, c, s = (empty(k.shape, dtype) for _ in range(3))
        launch(str(file), "one_number_kernel", 1, 32, k.astype(np.uint64), r, c, s, k.size)
        return [r, c, s]

    r, c, s = host.run(one_number)
    radius = np.sqrt(-2 * reference.random._log(reference.random._open_unit(k, np.dtype(dtype))))
    for got, wanted in zip((r, c, s), (radius, *reference.random._cos_sin(k, np.dtype(dtype)))):
        np.testing.assert_array_equal(bits(got), bits(wanted))
    assert np.isfinite(r).all() and r[0] == r.max() and r[-1] == 0


def test_the_compiler_may_not_fuse():
    """A fused multiply-add is rounded once instead of twice: other bits."""
    assert "-fmad=false" in program("random.cu", np.dtype(np.float32)).options


@settings(max_examples=20)
@given(seed=WORD64, stream=WORD64, position=WORD64, n=st.integers(0, 1100), p=st.floats(0, 1))
def test_bernoulli(host, seed, stream, position, n, p):
    u = reference.uniform(seed, stream, position, n, np.float32)
    # Every second probability is the number itself, which is not below itself.
    each = [np.where(np.arange(n) % 2, u, np.random.default_rng(seed).random(n)).astype(dtype) for dtype in DTYPES]
    for chance in (p, *map(float, u[:1]), *each):
        ones = host.run(random.bernoulli, seed, stream, position, n, chance)
        assert ones.dtype == np.float32
        np.testing.assert_array_equal(ones, reference.bernoulli(seed, stream, position, n, chance))


@pytest.mark.parametrize("n", [0, 1, 2, 5, 1023, 1024, 1025, 2048, 5000])
def test_permutation(host, monkeypatch, n):
    monkeypatch.setattr("minigen_kernels.cuda.launch.MOST_BLOCKS", 3)  # the merges take several turns
    order = host.run(random.permutation, 3, 2**63 + 1, 2**64 - 1, n)
    assert order.dtype == np.int64
    np.testing.assert_array_equal(order, reference.permutation(3, 2**63 + 1, 2**64 - 1, n))


@settings(max_examples=20)
@given(n=st.integers(0, 40), seed=st.integers(0, 2**32 - 1))
def test_a_merge_puts_equal_keys_of_the_left_run_first(host, n, seed):
    """No seed is known that draws equal keys, so the merge is given some: runs of 6, the last one shorter."""
    keys = np.random.default_rng(seed).integers(0, 4, n).astype(np.uint64) << np.uint64(62)
    order, wanted = (
        np.array([i + k for i in range(0, n, run) for k in np.argsort(keys[i : i + run], kind="stable")], np.int64)
        for run in (6, 12)
    )

    def merge() -> list[np.ndarray]:
        merged = [empty((n,), np.uint64), empty((n,), np.int64)]
        launch("random.cu", "merge_kernel", 2, 32, keys[order], order, *merged, n, 6)
        return merged

    merged_keys, merged_order = host.run(merge)
    np.testing.assert_array_equal(merged_order, wanted)
    np.testing.assert_array_equal(merged_keys, keys[wanted])


def test_equal_keys_of_a_run_keep_their_order(host, tmp_path):
    """The network of random.cu on keys that are mostly equal."""
    file = tmp_path / "equal_keys.cu"
    text = (HERE / "random.cu").read_text(encoding="utf-8")
    made = "words.values[2 * k] | (unsigned long long)words.values[2 * k + 1] << 32"
    assert made in text
    file.write_text(text.replace(made, "words.values[2 * k] >> 30"), encoding="utf-8")

    def sort() -> list[np.ndarray]:
        keys, order = empty((1000,), np.uint64), empty((1000,), np.int64)
        launch(str(file), "sorted_keys_kernel", 1, 512, keys, order, 3, None, 1, 2, 1000)
        return [keys, order]

    keys, order = host.run(sort)
    made_keys = reference.philox(1, 2, 3, 500)[:, ::2].reshape(-1) >> 30
    np.testing.assert_array_equal(order, np.argsort(made_keys, kind="stable"))
    np.testing.assert_array_equal(keys, np.sort(made_keys))


def test_errors():
    for p in (np.ones(3), np.ones(4, np.int64)):
        with pytest.raises(ValueError, match=r"bernoulli: p is a number or a float array of shape \(4,\), got"):
            random.bernoulli(0, 0, 0, 4, p)
    for draw in (random.uniform, random.normal):
        with pytest.raises(ValueError, match="dtype is float32 or float64, got float16"):
            draw(0, 0, 0, 3, np.float16)
