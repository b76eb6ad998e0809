"""What is measured: each number against its formula or a slow independent version.

Read next: ``test_report.py``, ``test_samples.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import metrics

Array = np.ndarray[Any, Any]
RANGES = st.sampled_from([(0.0, 1.0), (-1.0, 1.0), (-3.0, 5.0)])


@st.composite
def pairs(draw: st.DrawFn, least: int = 1, most: int = 6) -> tuple[Array, Array, tuple[float, float]]:
    """Two stacks of images of one shape inside a value range, and the range."""
    n, c = draw(st.integers(1, 3)), draw(st.sampled_from([1, 3]))
    h, w = draw(st.integers(least, most)), draw(st.integers(least, most))
    low, high = value_range = draw(RANGES)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x, y = (rng.uniform(low, high, (n, c, h, w)).astype(np.float32) for _ in range(2))
    share = draw(st.sampled_from([0.0, 0.3, 1.0]))  # how much of x there is in y
    return x, (share * x + (1 - share) * y).astype(np.float32), value_range


# Reconstructions.


@given(pairs())
def test_mse(drawn: tuple[Array, Array, tuple[float, float]]) -> None:
    x, y, _ = drawn
    for image, other, value in zip(x, y, metrics.mse(x, y), strict=True):
        differences = [float(a) - float(b) for a, b in zip(image.flat, other.flat, strict=True)]
        # in float64: a few roundings of 1e-16
        assert value == pytest.approx(math.fsum(d * d for d in differences) / len(differences), rel=1e-13, abs=1e-30)


@given(pairs())
def test_bce(drawn: tuple[Array, Array, tuple[float, float]]) -> None:
    x, y, (low, high) = drawn
    for image, other, value in zip(x, y, metrics.bce(x, y, (low, high)), strict=True):
        total = 0.0
        for a, b in zip(image.flat, other.flat, strict=True):
            t, p = (float(a) - low) / (high - low), (float(b) - low) / (high - low)
            p = min(max(p, 1e-7), 1 - 1e-7)
            total -= t * math.log(p) + (1 - t) * math.log(1 - p)
        assert value == pytest.approx(total / image.size, rel=1e-9)  # log(1 - p) and log1p(-p) differ for small p


def test_bce_of_saturated_pixels_is_finite() -> None:
    black, white = np.zeros((1, 1, 2, 2), np.float32), np.ones((1, 1, 2, 2), np.float32)
    np.testing.assert_allclose(metrics.bce(black, white), [-math.log(1e-7)], rtol=1e-8)
    np.testing.assert_allclose(metrics.bce(white, black), [-math.log(1e-7)], rtol=1e-8)
    np.testing.assert_allclose(metrics.bce(white, white), [1e-7], rtol=1e-6)


@given(pairs())
def test_psnr(drawn: tuple[Array, Array, tuple[float, float]]) -> None:
    x, y, (low, high) = drawn
    for error, value in zip(metrics.mse(x, y), metrics.psnr(x, y, (low, high)), strict=True):
        wanted = 120.0 if error <= (high - low) ** 2 * 1e-12 else 20 * math.log10((high - low) / math.sqrt(error))
        assert value == pytest.approx(wanted, abs=1e-9)


def test_psnr_of_known_errors() -> None:
    x = np.zeros((3, 1, 4, 4), np.float32)
    y = x + np.array([0.0, 0.1, 1.0], np.float32).reshape(3, 1, 1, 1)
    np.testing.assert_allclose(metrics.psnr(x, y), [120, 20, 0], atol=1e-6)  # 0.1 in float32
    np.testing.assert_allclose(
        metrics.psnr(x, y, (-1.0, 1.0)), [120, 20 + 20 * math.log10(2), 20 * math.log10(2)], atol=1e-6
    )


def slow_ssim(x: Array, y: Array, low: float, span: float) -> float:
    """Wang et al. 2004 window by window: weighted means, variances and covariance of 11x11 pixels."""
    window = [[math.exp(-(i * i + j * j) / (2 * 1.5**2)) for j in range(-5, 6)] for i in range(-5, 6)]
    weights = np.array(window) / np.sum(window)
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    values = []
    for a, b in zip(x.astype(np.float64) - low, y.astype(np.float64) - low, strict=True):
        for top in range(a.shape[0] - 10):
            for left in range(a.shape[1] - 10):
                p, q = (image[top : top + 11, left : left + 11] for image in (a, b))
                mp, mq = (weights * p).sum(), (weights * q).sum()
                vp, vq = (weights * (p - mp) ** 2).sum(), (weights * (q - mq) ** 2).sum()
                cov = (weights * (p - mp) * (q - mq)).sum()
                luminance = (2 * mp * mq + c1) / (mp**2 + mq**2 + c1)
                values.append(luminance * (2 * cov + c2) / (vp + vq + c2))
    return float(np.mean(values))


@settings(max_examples=25)
@given(pairs(11, 14))
def test_ssim_window_by_window(drawn: tuple[Array, Array, tuple[float, float]]) -> None:
    x, y, (low, high) = drawn
    found = metrics.ssim(x, y, (low, high))
    # E[a^2] - E[a]^2 against E[(a - E[a])^2], in float64, for values up to 8
    wanted = [slow_ssim(a, b, low, high - low) for a, b in zip(x, y, strict=True)]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9)


@settings(max_examples=25)
@given(pairs(11, 14))
def test_ssim_is_symmetric_at_most_1_and_1_for_equals(drawn: tuple[Array, Array, tuple[float, float]]) -> None:
    x, y, value_range = drawn
    found = metrics.ssim(x, y, value_range)
    np.testing.assert_allclose(metrics.ssim(y, x, value_range), found, rtol=1e-12)
    np.testing.assert_allclose(metrics.ssim(x, x, value_range), 1, rtol=1e-12)
    assert (np.abs(found) <= 1 + 1e-12).all()
    assert found.dtype == np.float64 and found.shape == (len(x),)
    low, high = value_range  # where the images are kept between other numbers, they are as similar
    unit = ((x.astype(np.float64) - low) / (high - low) for x in (x, y))
    np.testing.assert_allclose(metrics.ssim(*unit), found, rtol=0, atol=1e-9)


def test_ssim_of_a_negative_is_negative() -> None:
    x = np.random.default_rng(0).choice([-1.0, 1.0], (1, 1, 16, 16)).astype(np.float32)
    assert metrics.ssim(x, -x, (-1.0, 1.0))[0] < -0.5
    assert metrics.ssim(x, 0.9 * x, (-1.0, 1.0))[0] > 0.9


@pytest.mark.parametrize("metric", [metrics.mse, metrics.bce, metrics.psnr, metrics.ssim])
def test_each_image_gets_its_own_number_in_float64(metric: Callable[[Array, Array], Array]) -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.random((4, 3, 12, 13)).astype(np.float32) for _ in range(2))
    together = metric(x, y)
    assert together.shape == (4,) and together.dtype == np.float64
    np.testing.assert_allclose(
        np.concatenate([metric(x[i : i + 1], y[i : i + 1]) for i in range(4)]), together, rtol=1e-12
    )
    assert len(set(together)) == 4


@pytest.mark.parametrize("name", ["mse", "bce", "psnr", "ssim"])
def test_shapes_that_do_not_fit(name: str) -> None:
    metric = getattr(metrics, name)
    first = "mse" if name == "psnr" else name
    with pytest.raises(ValueError) as info:
        metric(np.zeros((2, 1, 12, 12)), np.zeros((1, 1, 12, 12)))
    assert str(info.value) == (
        f"{first}: expected two arrays of one shape (N, C, H, W), got (2, 1, 12, 12) and (1, 1, 12, 12)"
    )
    with pytest.raises(ValueError, match="of one shape"):
        metric(np.zeros((12, 12)), np.zeros((12, 12)))


def test_images_too_small_for_the_window() -> None:
    with pytest.raises(ValueError, match="ssim: the window has 11x11 pixels, the images have 12x10"):
        metrics.ssim(np.zeros((1, 1, 12, 10)), np.zeros((1, 1, 12, 10)))


# Codes.


def blobs(n: int, classes: int, dimensions: int, spread: float, seed: int) -> tuple[Array, Array]:
    """Normal clouds around the corners of a simplex, class by class in turn."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    return (np.eye(classes, dimensions)[labels] + spread * rng.normal(size=(n, dimensions))).astype(np.float32), labels


def test_probe_of_classes_that_a_plane_separates() -> None:
    train, test = blobs(300, 4, 6, 0.05, 0), blobs(200, 4, 6, 0.05, 1)
    assert metrics.linear_probe_accuracy(*train, *test) == 1.0
    assert metrics.nearest_neighbour_accuracy(*train, *test) == 1.0


def test_no_plane_separates_opposite_corners_but_neighbours_do() -> None:
    """Exclusive or: the nearest neighbour is always right."""
    rng = np.random.default_rng(0)
    corner = rng.integers(0, 2, (2000, 2))
    codes, labels = (corner + 0.1 * rng.normal(size=corner.shape)).astype(np.float32), corner.sum(1) % 2
    split = codes[:1000], labels[:1000], codes[1000:], labels[1000:]
    assert metrics.linear_probe_accuracy(*split) < 0.82  # a plane has three of four corners right, +- 5 deviations
    assert metrics.nearest_neighbour_accuracy(*split) > 0.99


def test_codes_that_know_nothing_are_at_chance() -> None:
    rng = np.random.default_rng(0)
    codes, labels = rng.normal(size=(4000, 5)).astype(np.float32), rng.integers(0, 4, 4000)
    split = codes[:2000], labels[:2000], codes[2000:], labels[2000:]
    for accuracy in (metrics.linear_probe_accuracy(*split), metrics.nearest_neighbour_accuracy(*split)):
        assert abs(accuracy - 0.25) < 5 * math.sqrt(0.25 * 0.75 / 2000)  # five standard deviations of a guess


def optimal_probe(train: Array, labels: Array, test: Array, l2: float) -> Array:
    """Classes that the exact optimum gives: Newton's method on all weights, with the whole Hessian."""
    mean, std = train.mean(0), train.std(0)
    x, classes = np.hstack([(train - mean) / std, np.ones((len(train), 1))]), int(labels.max()) + 1
    w = np.zeros((x.shape[1], classes))
    for _ in range(30):
        p = np.exp(x @ w)
        p /= p.sum(1, keepdims=True)
        g = x.T @ (p - np.eye(classes)[labels]) / len(x) + l2 * w
        curvature = np.einsum("ni,nk,kl,nj->ikjl", x, p, np.eye(classes), x) - np.einsum(
            "ni,nk,nl,nj->ikjl", x, p, p, x
        )
        hessian = curvature.reshape(w.size, w.size) / len(x) + l2 * np.eye(w.size)
        w = w - np.linalg.solve(hessian, g.ravel()).reshape(w.shape)
    assert np.abs(g).max() < 1e-10
    return (np.hstack([(test - mean) / std, np.ones((len(test), 1))]) @ w).argmax(1)


@pytest.mark.parametrize("l2", [1e-3, 1e-1])
@pytest.mark.parametrize("spread", [0.4, 1.0])
def test_probe_reaches_the_optimum(spread: float, l2: float) -> None:
    """On classes that overlap, with two axes that nearly agree, one much longer, and an offset: hard for descent."""
    (train, labels), (test, _) = blobs(150, 3, 4, spread, 0), blobs(1000, 3, 4, spread, 1)
    mix = np.array([[1, 6, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 50.0]])
    train, test = train @ mix + 100, test @ mix + 100
    answers = optimal_probe(train, labels, test, l2)
    # Labelled with the optimum's answers, the share of right ones is the share of equal decisions.
    agreement = metrics.linear_probe_accuracy(train, labels, test, answers, l2=l2)
    assert agreement >= 0.99  # seen: 0.996 and more; without acceleration, or with a third of the iterations, less
    assert 0.2 < (answers == 0).mean() < 0.5  # the answers are not all alike


def test_probe_does_not_see_scale_offset_and_dead_units() -> None:
    (train, labels), (test, answers) = blobs(120, 3, 4, 0.6, 0), blobs(200, 3, 4, 0.6, 1)
    plain = metrics.linear_probe_accuracy(train, labels, test, answers)
    assert 0.5 < plain < 0.95
    dead = [np.full((len(codes), 1), 7.0) for codes in (train, test)]
    moved = [np.hstack([1000 * codes.astype(np.float64) - 5, d]) for codes, d in zip((train, test), dead, strict=True)]
    assert metrics.linear_probe_accuracy(moved[0], labels, moved[1], answers) == plain


@pytest.mark.parametrize("accuracy", [metrics.linear_probe_accuracy, metrics.nearest_neighbour_accuracy])
def test_labels_are_names_not_places(accuracy: Callable[..., float]) -> None:
    (train, labels), (test, answers) = blobs(120, 3, 4, 0.6, 0), blobs(200, 3, 4, 0.6, 1)
    names = np.array([42, 7, 1000])
    assert accuracy(train, names[labels], test, names[answers]) == accuracy(train, labels, test, answers)
    unknown = np.where(answers == 0, 5, names[answers])  # a class that was never seen cannot be right
    seen = accuracy(train, names[labels], test[answers != 0], names[answers[answers != 0]])
    assert accuracy(train, names[labels], test, unknown) == pytest.approx(seen * (answers != 0).mean())


@settings(max_examples=30)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 4), st.sampled_from([0.0, 1e3]), st.integers(0, 2**32))
def test_nearest_neighbour_by_brute_force(n: int, m: int, d: int, offset: float, seed: int) -> None:
    """Far from the origin too: distances must not drown in the squares of large codes."""
    rng = np.random.default_rng(seed)
    train, test = ((offset + rng.normal(size=(k, d))).astype(np.float32) for k in (n, m))
    labels, answers = rng.integers(0, 3, n), rng.integers(0, 3, m)
    right = 0
    for code, answer in zip(test.astype(np.float64), answers, strict=True):
        distances = [math.dist(code, other) for other in train.astype(np.float64)]
        right += labels[distances.index(min(distances))] == answer
    assert metrics.nearest_neighbour_accuracy(train, labels, test, answers) == right / m


def test_more_test_codes_than_fit_into_one_block() -> None:
    (train, labels), (test, answers) = blobs(90, 3, 4, 0.5, 0), blobs(2500, 3, 4, 0.5, 1)
    parts = [
        metrics.nearest_neighbour_accuracy(train, labels, test[i : i + 500], answers[i : i + 500])
        for i in range(0, 2500, 500)
    ]
    assert metrics.nearest_neighbour_accuracy(train, labels, test, answers) == pytest.approx(np.mean(parts), rel=1e-12)


@pytest.mark.parametrize("accuracy", [metrics.linear_probe_accuracy, metrics.nearest_neighbour_accuracy])
def test_codes_that_are_refused(accuracy: Callable[..., float]) -> None:
    x, t = np.zeros((4, 3)), np.zeros(4, np.int64)
    with pytest.raises(ValueError, match=r"expected train \(N, D\) and test \(M, D\), got \(4, 3\) and \(4, 2\)"):
        accuracy(x, t, np.zeros((4, 2)), t)
    with pytest.raises(ValueError, match=r"expected train \(N, D\) and test \(M, D\), got \(4, 3, 1\) and \(4, 3\)"):
        accuracy(x[..., None], t, x, t)
    with pytest.raises(ValueError, match=r"one label for each code, got \(3,\) for \(4, 3\) and \(4,\) for \(4, 3\)"):
        accuracy(x, t[:3], x, t)
    with pytest.raises(ValueError, match=r"one label for each code, got \(4,\) for \(4, 3\) and \(1,\) for \(4, 3\)"):
        accuracy(x, t, x, t[:1])
    with pytest.raises(ValueError, match="at least one to train on and one to test, got 4 and 0"):
        accuracy(x, t, x[:0], t[:0])
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="expected finite numbers, got NaN or infinity"):
            accuracy(x, t, np.full((4, 3), bad), t)
