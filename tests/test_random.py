"""The Generator: right distributions, the same numbers from the same state, independent streams, clear errors."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.random import Generator
from minigen_kernels import reference

N = 100_000

#: A Kolmogorov-Smirnov distance above 2.3 / sqrt(n) has a probability of 2 exp(-2 * 2.3^2) = 5e-5. The seeds are
#: fixed, so a test cannot fail by chance from run to run; the bound only says what a sound generator passes.
KS_BOUND = 2.3 / math.sqrt(N)


def ks_distance(sample: np.ndarray, cdf) -> float:
    """The largest gap between the sample's distribution function and `cdf`."""
    values = cdf(np.sort(sample.astype(np.float64)))
    steps = np.arange(len(sample) + 1) / len(sample)
    return max(np.abs(values - steps[:-1]).max(), np.abs(values - steps[1:]).max())


def normal_cdf(x: np.ndarray) -> np.ndarray:
    return np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_uniform_is_uniform(dtype, seed):
    u = Generator(seed).uniform(N, dtype=dtype)
    assert u.dtype == dtype and u.min() >= 0 and u.max() < 1
    assert ks_distance(u, lambda x: x) < KS_BOUND


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_normal_is_normal(dtype, seed):
    z = Generator(seed).normal(N, dtype=dtype).astype(np.float64)
    assert ks_distance(z, normal_cdf) < KS_BOUND
    # Standard errors of the first four moments are sqrt((1, 2, 15, 96) / n); four of them are allowed.
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((z**power).mean() - moment) < 4 * math.sqrt(variance / N)
    # The two values of a Box-Muller pair share their radius and must still be independent.
    pairs = z.reshape(-1, 2)
    for a, b in (pairs.T, (pairs**2).T, np.abs(pairs).T):
        assert abs(np.corrcoef(a, b)[0, 1]) < 4 / math.sqrt(N / 2)


def test_limits_mean_and_std():
    u = Generator(1).uniform((N,), -2, 6, dtype=np.float64)
    assert u.min() >= -2 and u.max() <= 6 and abs(u.mean() - 2) < 4 * 8 / math.sqrt(12 * N)
    assert np.array_equal(u, -2 + 8 * Generator(1).uniform(N, dtype=np.float64))
    z = Generator(1).normal((N,), 3, 0.5)
    assert z.dtype == np.float32 and np.array_equal(z, np.float32(0.5) * Generator(1).normal(N) + np.float32(3))
    assert np.all(Generator(1).normal(5, 2.0, 0.0) == 2)


def test_bernoulli():
    ones = Generator(2).bernoulli(0.3, (N,))
    assert ones.dtype == np.float32 and set(np.unique(ones)) == {0, 1}
    assert abs(ones.mean() - 0.3) < 4 * math.sqrt(0.3 * 0.7 / N)
    assert Generator(2).bernoulli(0, N).max() == 0 and Generator(2).bernoulli(1, N).min() == 1
    for dtype in (np.float64, np.bool_, np.int64):  # the draw is the same, whatever it is written in
        other = Generator(2).bernoulli(np.float64(0.3), (N,), dtype=dtype)
        assert other.dtype == dtype and np.array_equal(other, ones)


def test_bernoulli_of_an_array():
    p = np.linspace(0, 1, 5, dtype=np.float32)
    ones = Generator(3).bernoulli(p, (20_000, 5))
    assert np.all(np.abs(ones.mean(0) - p) <= 4 * np.sqrt(p * (1 - p) / 20_000))
    assert Generator(3).bernoulli(p).shape == (5,)
    rng = Generator(3)
    for shape in ((1,), (4,), ()):
        with pytest.raises(ValueError, match=r"p of shape \(5,\) does not broadcast to shape"):
            rng.bernoulli(p, shape)
    with pytest.raises(TypeError, match=r"p is a number or an array of numbers, got list \[0.5\]"):
        rng.bernoulli([0.5], (1,))
    assert rng.state["position"] == 0
    assert rng.bernoulli(np.array([True, False]), (2,)).tolist() == [1, 0]  # certain, and never
    every_second = np.tile([1.0, 0.0], (6, 1))[:, ::-1]
    assert rng.bernoulli(every_second, dtype=np.float64).tolist() == [[0, 1]] * 6  # also of strides of its own


@given(seed=st.integers(0, 2**64 - 1), low=st.integers(-(2**63), 2**63 - 1), data=st.data())
def test_integers_are_the_high_part_of_a_product(seed, low, data):
    high = data.draw(st.integers(low + 1, 2**63))
    drawn = Generator(seed).integers(low, high, (3,))
    words = reference.philox(seed, 0, 0, 2).reshape(-1).tolist()
    bits = [words[2 * i] + (words[2 * i + 1] << 32) for i in range(3)]
    assert drawn.dtype == np.int64 and drawn.tolist() == [low + (k * (high - low) >> 64) for k in bits]


def test_integers_are_even():
    counts = np.bincount(Generator(4).integers(0, 7, (N,)), minlength=7)
    # Chi-square with 6 degrees of freedom exceeds 27.9 with probability 1e-4 (fixed seed).
    assert len(counts) == 7 and ((counts - N / 7) ** 2 / (N / 7)).sum() < 27.9


@pytest.mark.parametrize("n, bound", [(3, 25.7), (4, 56.0), (5, 185.0)])
def test_permutations_are_equally_likely(n, bound):
    # The bound is exceeded with probability about 1e-4, for n! - 1 degrees of freedom.
    rng, rounds = Generator(n), 40 * math.factorial(n)
    counts = dict.fromkeys(itertools.permutations(range(n)), 0)
    for _ in range(rounds):
        counts[tuple(rng.permutation(n).tolist())] += 1
    assert sum((c - 40) ** 2 / 40 for c in counts.values()) < bound


@pytest.mark.parametrize("n", [0, 1, 2, 1001])
def test_permutation_is_one(n):
    order = Generator(5).permutation(n)
    assert order.dtype == np.int64 and order.shape == (n,)
    assert np.array_equal(np.sort(order), np.arange(n))
    assert np.array_equal(order, Generator(5).permutation(n))


DRAWS = {
    "uniform": lambda g: g.uniform((5, 3)),
    "uniform64": lambda g: g.uniform((5, 3), dtype=np.float64),
    "normal": lambda g: g.normal((7,)),
    "normal64": lambda g: g.normal((7,), dtype=np.float64),
    "bernoulli": lambda g: g.bernoulli(0.5, (9,)),
    "integers": lambda g: g.integers(-5, 5, (9,)),
    "permutation": lambda g: g.permutation(9),
}


@given(draws=st.lists(st.sampled_from(sorted(DRAWS)), min_size=1, max_size=6), cut=st.integers(0, 5))
def test_state_resumes(draws, cut):
    rng = Generator(2**63 + 5, stream=9)
    expected = [DRAWS[name](rng) for name in draws]
    first = Generator(2**63 + 5, stream=9)
    got = [DRAWS[name](first) for name in draws[:cut]]
    second = Generator(0)
    second.state = json.loads(json.dumps(first.state))
    got += [DRAWS[name](second) for name in draws[cut:]]
    assert all(np.array_equal(a, b) for a, b in zip(expected, got, strict=True))
    assert second.state == rng.state


def test_draws_do_not_overlap():
    rng = Generator(6)
    values = np.concatenate([rng.uniform(n, dtype=np.float64) for n in (1, 2, 3, 4, 5, 1000)])
    assert len(np.unique(values)) == len(values)
    assert rng.state["position"] == 1 + 1 + 2 + 2 + 3 + 500
    rng.uniform(5)
    assert rng.state["position"] == 509 + 2  # a block holds four float32


def test_streams_are_independent():
    root = Generator(7)
    draws = [root.normal(N)] + [root.spawn(name).normal(N) for name in (1, 2, "weights", "noise")]
    draws += [Generator(8).normal(N), root.spawn("weights").spawn("noise").normal(N), root.normal(N)]
    correlation = np.corrcoef(draws) - np.eye(len(draws))
    assert np.abs(correlation).max() < 4.5 / math.sqrt(N)  # 28 pairs, each beyond with probability 7e-6


def test_spawn():
    root = Generator(7)
    child = root.spawn("weights")
    assert root.state["position"] == 0 and child.state["seed"] == 7
    assert np.array_equal(root.spawn(3).uniform(4), Generator(7, stream=3).uniform(4))
    # The hash must never change: runs saved under an older version resume with it.
    assert child.state["stream"] == 14776526817272718198
    with pytest.raises(ValueError, match="stream 0 is this generator's own"):
        root.spawn(0)


def test_numbers_never_change():
    # Saved runs resume bit for bit, also under another version, processor or operating system.
    assert Generator(1).uniform(3).view(np.uint32).tolist() == [1063512070, 1063586318, 1058402850]
    assert Generator(1).normal(3).view(np.uint32).tolist() == [1052951524, 3197612478, 3196008204]
    assert Generator(1).normal(3, dtype=np.float64).view(np.uint64).tolist() == [
        13816227979006758780,
        13825291902846637987,
        13822242533553073101,
    ]
    assert Generator(1).permutation(6).tolist() == [4, 3, 1, 2, 0, 5]


@pytest.mark.parametrize(
    "shape, wanted", [((), ()), (3, (3,)), ([2, np.int64(2)], (2, 2)), ((0,), (0,)), ((3, 0), (3, 0))]
)
def test_shapes(shape, wanted):
    rng = Generator(9)
    for draw in (rng.uniform(shape), rng.normal(shape), rng.bernoulli(0.5, shape), rng.integers(0, 9, shape)):
        assert isinstance(draw, np.ndarray) and draw.shape == wanted
    assert (rng.state["position"] == 0) == (0 in wanted)


def test_seeds():
    assert np.array_equal(Generator(np.uint64(2**64 - 1)).uniform(3), Generator(2**64 - 1).uniform(3))
    for bad in (True, np.True_, 1.0, "1", None, np.array([1])):
        with pytest.raises(TypeError, match="Generator: seed is an integer, got"):
            Generator(bad)
    for bad in (-1, 2**64):
        with pytest.raises(ValueError, match=f"Generator: seed lies between 0 and {2**64 - 1}, got {bad}"):
            Generator(bad)
        with pytest.raises(ValueError, match="Generator: stream lies"):
            Generator(0, stream=bad)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda g: g.uniform(3, 2, 1), "expected finite low <= high, got low=2.0, high=1.0"),
        (lambda g: g.uniform(3, 0, math.nan), "finite low <= high"),
        (lambda g: g.uniform(3, dtype=np.float16), "Generator.uniform: dtype is float32 or float64, got float16"),
        (lambda g: g.normal(3, dtype=int), "Generator.normal: dtype is float32 or float64, got int64"),
        (lambda g: g.normal(3, 0, -1), "std >= 0, got mean=0.0, std=-1.0"),
        (lambda g: g.normal((2, -1)), "Generator.normal: shape lies between 0"),
        (lambda g: g.bernoulli(1.5, 3), "Generator.bernoulli: p is a probability, got 1.5"),
        (lambda g: g.bernoulli(math.nan, 3), "p is a probability, got nan"),
        (lambda g: g.integers(5, 5, 3), "expected low < high, got low=5, high=5"),
        (lambda g: g.integers(0, 2**63 + 1, 3), "Generator.integers: high lies between"),
        (lambda g: g.permutation(-1), "Generator.permutation: n lies between 0"),
        (lambda g: g.spawn(-1), "Generator.spawn: stream lies between 0"),
    ],
)
def test_bad_values_raise_and_change_nothing(call, message):
    rng = Generator(0)
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        call(rng)
    assert rng.state == {"seed": 0, "stream": 0, "position": 0}


def test_bad_types_and_devices():
    with pytest.raises(TypeError, match="shape is an integer, got 2.5 of type float"):
        Generator(0).uniform((2.5,))
    with pytest.raises(ValueError, match="Generator: device is 'cpu' or 'cuda', got 'tpu'"):
        Generator(0, device="tpu")


@pytest.mark.parametrize(
    "bad",
    [
        None,
        {},
        {"seed": 1, "stream": 0},
        {"seed": 1, "stream": 0, "position": -1},
        {"seed": 1.0, "stream": 0, "position": 0},
    ],
)
def test_bad_state_raises_and_changes_nothing(bad):
    rng = Generator(3)
    rng.uniform(1)
    before = rng.state
    with pytest.raises((ValueError, TypeError), match="Generator.state: "):
        rng.state = bad
    assert rng.state == before


def test_a_generator_is_made_without_the_compiler():
    # `import minigen` makes the default generator; Numba takes half a second and must wait for the first draw.
    code = "import sys, minigen.random as r; r.Generator(0).spawn('a'); sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_repr():
    rng = Generator(5, stream=2)
    rng.uniform(9)
    assert repr(rng) == "Generator(seed=5, stream=2, device='cpu') at position 3"
