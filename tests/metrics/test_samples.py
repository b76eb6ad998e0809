"""Numbers for generated images: closed forms where there are any, slow loops where there are none.

Read next: ``test_codes.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import metrics
from minigen.data import Dataset
from minigen.data.toys import TOYS
from minigen.metrics import evaluation
from minigen.metrics.frechet import Gaussian, fit_gaussian, gaussian_distance, min_samples

Array = np.ndarray[Any, Any]


def gaussian(mean: Any, cov: Any) -> Gaussian:
    return Gaussian(100, np.asarray(mean, float), np.asarray(cov, float))


# The Frechet distance.


@given(st.integers(1, 6), st.integers(0, 2**32))
def test_gaussians_with_one_set_of_axes(size: int, seed: int) -> None:
    """Where covariances commute, the distance is |m1 - m2|^2 + sum (s1 - s2)^2 over the common axes."""
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(size, size)))[0]
    m1, m2, s1, s2 = rng.normal(size=size), rng.normal(size=size), rng.random(size), rng.random(size)
    s1[0] = 0  # a singular covariance
    found = gaussian_distance(gaussian(m1, axes * s1**2 @ axes.T), gaussian(m2, axes * s2**2 @ axes.T))
    # an eigenvalue is exact to 1e-16, so its square root, where it is 0, to 1e-8
    assert found == pytest.approx(np.square(m1 - m2).sum() + np.square(s1 - s2).sum(), abs=1e-6)


@given(st.integers(1, 6), st.integers(0, 2**32))
def test_any_gaussians(size: int, seed: int) -> None:
    """Against the other form: the eigenvalues of S1 S2, which is not symmetric, are squares of the root's."""
    rng = np.random.default_rng(seed)
    a, b = (fit_gaussian(rng.normal(size=(3 * size + 2, size)) @ rng.normal(size=(size, size))) for _ in range(2))
    roots = np.sqrt(np.maximum(np.linalg.eigvals(a.cov @ b.cov).real, 0)).sum()
    wanted = np.square(a.mean - b.mean).sum() + np.trace(a.cov) + np.trace(b.cov) - 2 * roots
    scale = np.trace(a.cov) + np.trace(b.cov)
    assert gaussian_distance(a, b) == pytest.approx(wanted, abs=1e-6 * scale)  # roots of nearly singular covariances
    assert gaussian_distance(b, a) == pytest.approx(gaussian_distance(a, b), abs=1e-6 * scale)
    assert gaussian_distance(a, a) == pytest.approx(0, abs=1e-6 * scale)


def test_moments_are_those_of_numpy_along_the_right_axis() -> None:
    x = np.random.default_rng(0).normal(3, 2, (50, 4)).astype(np.float32)
    fitted = fit_gaussian(x)
    np.testing.assert_allclose(fitted.cov, np.cov(x.astype(np.float64), rowvar=False), rtol=1e-12)
    np.testing.assert_allclose(fitted.mean, x.astype(np.float64).mean(0), rtol=1e-12)
    assert fitted.cov.dtype == np.float64 and fitted.count == 50


def test_too_few_samples_are_refused_with_the_number_needed() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=(100, 8))
    assert min_samples(8) == 16 and metrics.samples_needed(8) == 96
    metrics.frechet_distance(y[:16], y)
    with pytest.raises(ValueError, match="15 samples are too few for 8 features; at least 16 are needed"):
        metrics.frechet_distance(y[:15], y)
    metrics.extrapolated_frechet_distance(y[:80], y)
    with pytest.raises(ValueError, match="79 samples are too few for 8 features; at least 80 are needed"):
        metrics.extrapolated_frechet_distance(y[:79], y)
    with pytest.raises(ValueError, match=r"expected features \(N, D\), got \(16,\)"):
        metrics.frechet_distance(y[:16, 0], y)
    with pytest.raises(ValueError, match="NaN or infinity"):
        metrics.frechet_distance(y * np.nan, y)
    with pytest.raises(ValueError, match="expected one size"):
        metrics.gaussian_distance(fit_gaussian(y), fit_gaussian(y[:, :3]))


def test_extrapolation_takes_away_most_of_the_bias() -> None:
    """Samples of the true Gaussian: its distance is 0, that of finite samples is not."""
    rng = np.random.default_rng(0)
    size = 16
    truth = rng.normal(size=(100_000, size))  # itself off by 1e-3 only
    found = np.array(
        [
            (metrics.frechet_distance(x, truth), metrics.extrapolated_frechet_distance(x, truth))
            for x in rng.normal(size=(20, 800, size))
        ]
    )
    plain, extrapolated = found.mean(0)
    assert plain > 0.08 and abs(extrapolated) < plain / 5


def test_the_jackknife_gives_the_error_of_a_mean() -> None:
    """Of groups of equal size the jackknife of a mean is the classical error of the mean of the group means."""
    x = np.random.default_rng(0).normal(size=200)
    groups = x.reshape(10, 20).mean(1)
    found = metrics.jackknife_error(lambda some: float(some.mean()), x)
    assert found == pytest.approx(groups.std(ddof=1) / math.sqrt(10), rel=1e-12)
    with pytest.raises(ValueError, match="at least 10 samples, got 9"):
        metrics.jackknife_error(lambda some: 0.0, x[:9])


def test_the_jackknife_tells_the_spread_of_the_frechet_distance() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=(1000, 4))
    draws = rng.normal(0.3, 1, (40, 500, 4))
    spread = np.std([metrics.frechet_distance(x, y) for x in draws], ddof=1)
    told = np.mean([metrics.jackknife_error(lambda some: metrics.frechet_distance(some, y), x) for x in draws[:10]])
    assert told == pytest.approx(spread, rel=0.4)  # a deviation from 40 draws is known to 11 %, each jackknife to 24 %


# Precision, recall, density, coverage.


def slow_neighbourhood(real: Array, fake: Array, k: int, k_density: int) -> list[list[float]]:
    """The definitions, pair by pair."""

    def radius(x: Array, i: int, k: int) -> float:
        return sorted(math.dist(x[i], x[j]) for j in range(len(x)) if j != i)[k - 1]

    def inside(y: Array, x: Array, i: int, k: int) -> bool:
        return math.dist(y, x[i]) <= radius(x, i, k)

    return [
        [float(any(inside(y, real, i, k) for i in range(len(real)))) for y in fake],
        [float(any(inside(x, fake, i, k) for i in range(len(fake)))) for x in real],
        [sum(inside(y, real, i, k_density) for i in range(len(real))) / k_density for y in fake],
        [float(any(inside(y, real, i, k_density) for y in fake)) for i in range(len(real))],
    ]


@settings(max_examples=30)
@given(
    st.integers(5, 12), st.integers(5, 12), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(0, 999)
)
def test_neighbourhoods_pair_by_pair(n: int, m: int, size: int, k: int, k_density: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    real, fake = rng.normal(size=(n, size)), rng.normal(0.5, 1, (m, size))
    found = metrics.prdc(real, fake, k=k, k_density=k_density)
    wanted = slow_neighbourhood(real, fake, k, k_density)
    for name, values in zip(("precision", "recall", "density", "coverage"), wanted, strict=True):
        np.testing.assert_allclose(getattr(found, name), values, rtol=1e-12, err_msg=name)


def test_more_samples_than_fit_into_one_block() -> None:
    """Across blocks of 1,000 rows, and far from the origin, where squares lose digits."""
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(1100, 3)), rng.normal(0.3, 1, (2050, 3))
    found, moved = metrics.prdc(real, fake), metrics.prdc(real + 1e5, fake + 1e5)
    distances = np.linalg.norm(real[:, None] - fake[None], axis=2)
    among = np.sort(np.linalg.norm(real[:, None] - real[None], axis=2), axis=1)
    np.testing.assert_array_equal(found.coverage, (distances <= among[:, 5:6]).any(1))
    np.testing.assert_array_equal(found.precision, (distances <= among[:, 3:4]).any(0))
    for name in ("precision", "recall", "density", "coverage"):
        # moved numbers are rounded to 1e-11, so one pair in many may change sides
        assert np.mean(getattr(moved, name)) == pytest.approx(np.mean(getattr(found, name)), abs=2e-3)


def test_perfect_samples() -> None:
    """Of one distribution: density 1, and coverage 1 - prod (N - i) / (2 N - i), i = 1..k (Naeem et al. 2020)."""
    rng = np.random.default_rng(0)
    n, k = 600, 5
    found = [metrics.prdc(rng.normal(size=(n, 4)), rng.normal(size=(n, 4))) for _ in range(6)]
    wanted = 1 - math.prod((n - i) / (2 * n - i) for i in range(1, k + 1))
    # each mean is over 3600 values; of the share 0.97 the error is 0.003, and neighbours are not independent
    assert np.mean([f.coverage.mean() for f in found]) == pytest.approx(wanted, abs=0.012)
    assert np.mean([f.density.mean() for f in found]) == pytest.approx(1, abs=0.05)


def test_a_collapsed_generator_is_precise_and_covers_nothing() -> None:
    rng = np.random.default_rng(0)
    real = rng.normal(size=(500, 3))
    found = metrics.prdc(real, np.repeat(real[:1], 400, 0))
    assert found.precision.mean() == 1 and found.recall.mean() == 1 / 500 and found.coverage.mean() < 0.05


def test_neighbourhoods_that_are_refused() -> None:
    x = np.zeros((9, 2))
    with pytest.raises(ValueError, match="9 real and 5 generated samples are too few; at least 6 of each are needed"):
        metrics.prdc(x, x[:5])
    with pytest.raises(ValueError, match=r"got \(9, 2\) and \(9, 1\)"):
        metrics.prdc(x, x[:, :1])
    with pytest.raises(ValueError, match="NaN or infinity"):
        metrics.prdc(x, x * np.nan)
    with pytest.raises(ValueError, match="k and k_density must be at least 1, got 0 and 5"):
        metrics.prdc(x, x, k=0)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 5), st.integers(0, 999))
def test_distance_to_the_nearest(n: int, m: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, known = rng.random((n, size), np.float32), rng.random((m, size), np.float32)
    wanted = [min(math.dist(a, b) for b in known.astype(float)) / math.sqrt(size) for a in x.astype(float)]
    np.testing.assert_allclose(metrics.nearest_distances(x, known), wanted, atol=1e-6)  # roots of squares off by 1e-15
    np.testing.assert_array_equal(metrics.nearest_distances(known, known), 0)  # a copy is found out


def test_the_nearest_may_stand_in_any_block() -> None:
    rng = np.random.default_rng(0)
    known = rng.random((2500, 6), np.float32)
    x = known[[3, 1500, 2499]] + np.float32(1e-3)
    np.testing.assert_allclose(metrics.nearest_distances(x, known), 1e-3, rtol=1e-3)  # 1e-3 in float32
    with pytest.raises(ValueError, match=r"none empty, got \(3, 6\) and \(0, 6\)"):
        metrics.nearest_distances(x, known[:0])


# Modes and classes.


@pytest.mark.parametrize("name", TOYS)
def test_modes_of_known_points(name: str) -> None:
    toy = TOYS[name]
    count = len(toy.centres)
    near, far = toy.centres + [2.99 * toy.sigma, 0], toy.centres + [0, 3.01 * toy.sigma]
    found = metrics.mode_coverage(np.concatenate([near, near, far]), toy.centres, toy.sigma)
    assert (found.modes, found.high_quality) == (count, pytest.approx(2 / 3))
    assert found.reverse_kl == pytest.approx(0, abs=1e-12)
    found = metrics.mode_coverage(np.repeat(near[:1], 50, 0), toy.centres, toy.sigma)
    assert (found.modes, found.high_quality) == (1, 1)
    assert found.reverse_kl == pytest.approx(math.log(count), rel=1e-12)
    found = metrics.mode_coverage(far, toy.centres, toy.sigma)
    assert (found.modes, found.high_quality) == (0, 0)


def test_modes_of_true_samples() -> None:
    """Of a Gaussian in the plane 1 - exp(-9/2) = 98.9 % lie within 3 sigma."""
    toy = TOYS["grid"]
    rng = np.random.default_rng(0)
    points = toy.centres[rng.integers(0, 25, 20_000)] + toy.sigma * rng.normal(size=(20_000, 2))
    found = metrics.mode_coverage(points, toy.centres, toy.sigma)
    assert found.modes == 25
    assert found.high_quality == pytest.approx(1 - math.exp(-4.5), abs=4 * math.sqrt(0.011 / 20_000))  # 4 errors
    assert found.reverse_kl == pytest.approx(24 / 2 / 20_000, rel=1)  # its expected value, (M - 1) / 2 N, and as much


def test_modes_that_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got \(0, 2\) and \(8, 2\)"):
        metrics.mode_coverage(np.zeros((0, 2)), TOYS["ring"].centres, 0.01)
    with pytest.raises(ValueError, match="the generator has diverged"):
        metrics.mode_coverage(np.full((3, 2), np.inf), TOYS["ring"].centres, 0.01)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=1, max_size=6))
def test_reverse_kl(counts: list[tuple[int, int]]) -> None:
    p, q = (np.array([c[i] for c in counts]) for i in range(2))
    if not p.sum():
        with pytest.raises(ValueError, match="a histogram is empty"):
            metrics.reverse_kl(p, q)
        return
    pairs = [(a / p.sum(), b / q.sum()) for a, b in zip(p, q, strict=True) if a]
    wanted = math.fsum(a * math.log(a / b) for a, b in pairs)
    assert metrics.reverse_kl(p, q) == pytest.approx(wanted, abs=1e-14)
    assert metrics.reverse_kl(p, q) >= 0
    assert metrics.reverse_kl(np.append(p, 1), np.append(q, 0)) == math.inf  # a class that the truth lacks


def test_entropy_score() -> None:
    sure = np.eye(4)[np.arange(40) % 4]
    assert metrics.entropy_score(sure) == pytest.approx(4, rel=1e-12)  # each image sure, all classes alike
    assert metrics.entropy_score(sure[:1].repeat(9, 0)) == pytest.approx(1, rel=1e-12)  # one class
    assert metrics.entropy_score(np.full((9, 4), 0.25)) == pytest.approx(1, rel=1e-12)  # never sure
    p = np.random.default_rng(0).dirichlet(np.ones(3), 20)
    kl = [sum(a * math.log(a / b) for a, b in zip(row, p.mean(0), strict=True)) for row in p]
    assert metrics.entropy_score(p) == pytest.approx(math.exp(math.fsum(kl) / 20), rel=1e-12)
    with pytest.raises(ValueError, match="at least one row"):
        metrics.entropy_score(p[:0])


# The report.


def images(n: int, seed: int, low: float = 0.0) -> Array:
    return np.random.default_rng(seed).uniform(low, 1, (n, 1, 4, 4)).astype(np.float32)


def some(n: int, seed: int, split: str) -> Dataset:
    labels = np.arange(n) % 2
    return Dataset("random", split, images(n, seed), labels, None)


def features(x: Array) -> Array:
    return x.reshape(len(x), -1)[:, :6].astype(np.float64)


def classify(x: Array) -> Array:
    first = (x[:, 0, 0, :1] > 0.5).astype(np.float64)
    return np.hstack([first, 1 - first])


def test_the_report_of_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "COMPARED", 90)
    train, test = some(120, 0, "train"), some(100, 1, "test")
    samples = images(130, 2, 0.3)
    report = metrics.measure_samples(samples, train, test, features, classify, np.array([0.25, 0.75]))
    x, y = features(samples[:90]), features(test.images_float()[:90])
    z = features(train.images_float())[np.unique(np.linspace(0, 119, 90).astype(int))]
    near = metrics.prdc(y, x)
    chosen = classify(samples).argmax(1)
    flat = samples.reshape(130, -1), train.images_float().reshape(120, -1), test.images_float().reshape(100, -1)
    wanted = {
        "frechet_distance": metrics.frechet_distance(x, y),
        "frechet_distance_extrapolated": metrics.extrapolated_frechet_distance(x, y),
        "frechet_distance_of_training_images": metrics.frechet_distance(z, y),
        "frechet_distance_of_halves": metrics.frechet_distance(y[::2], y[1::2]),
        **{name: getattr(near, name).mean() for name in ("precision", "recall", "density", "coverage")},
        "entropy_score": metrics.entropy_score(classify(samples[:90])),
        "modes": 2.0,
        "class_kl": metrics.reverse_kl(np.bincount(chosen), np.array([1, 3])),
        "distance_to_training": metrics.nearest_distances(flat[0], flat[1]).mean(),
        "distance_to_training_of_test_images": metrics.nearest_distances(flat[2], flat[1]).mean(),
    }
    assert {name: m.value for name, m in report.items()} == pytest.approx(wanted, rel=1e-9)
    assert list(report) == list(wanted)
    without = {"modes", "frechet_distance_of_training_images", "frechet_distance_of_halves"}
    assert all((m.error is None) == (name in without) for name, m in report.items())
    assert "modes" not in metrics.measure_samples(samples, train, test, features, classify)
    assert "modes" not in metrics.measure_samples(samples, train, test, features)


def test_a_class_that_the_data_lack_does_not_count() -> None:
    three = np.eye(3)[np.arange(129) % 3]
    report = evaluation.measure_classes(three, three.argmax(1), np.array([1 / 3, 0, 2 / 3]))
    assert report["modes"].unit == "classes that occur, of 2"
    assert report["class_kl"].value == pytest.approx(math.log(1.5) / 2 + math.log(0.75) / 2, rel=1e-12)


def test_samples_that_are_refused() -> None:
    train, test = some(120, 0, "train"), some(100, 1, "test")
    with pytest.raises(ValueError, match="the generator has diverged"):
        metrics.measure_samples(images(130, 2) * np.float32(np.nan), train, test, features)
    metrics.measure_samples(images(72, 2), train, test, features)
    with pytest.raises(ValueError, match="71 samples are too few; at least 72 are needed"):
        metrics.measure_samples(images(71, 2), train, test, features)


def test_the_report_of_points() -> None:
    toy = TOYS["ring"]
    points = toy.centres[np.arange(400) % 4]
    report = metrics.measure_points(points, toy)
    values = {name: m.value for name, m in report.items()}
    assert values == pytest.approx({"modes": 4, "high_quality": 1, "reverse_kl": math.log(2)})
    assert report["modes"].error is None and report["high_quality"].error == 0
