"""The report that joins the measures of a model.

Read next: ``test_metrics.py``.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from minigen import metrics
from minigen.data import Dataset
from minigen.metrics import Report, evaluation, measure_codes, measure_reconstructions
from minigen_kernels import Array


def dataset(n: int, side: int = 12, labels: bool = True, seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, 1, side, side), dtype=np.uint8)
    return Dataset("random", "test", images, rng.integers(0, 3, n) if labels else None)


def darken(x: Array, labels: Array | None = None) -> Array:
    return x * np.float32(0.9)


def encode(x: Array) -> Array:
    return x.reshape(len(x), -1)[:, :5]


def values(report: Report) -> dict[str, float]:
    return {name: m.value for name, m in report.items()}


def test_the_report_is_the_mean_over_all_images() -> None:
    """1,003 images are two blocks, the second of three images: each image counts once."""
    test = dataset(1003, seed=1)
    x = test.images_float()
    report = measure_reconstructions(darken, test)
    assert list(report) == ["mse", "bce", "psnr", "ssim"]
    for name, m in report.items():
        each = getattr(metrics, name)(x, darken(x))
        assert m.value == pytest.approx(each.mean(), rel=1e-12) and type(m.value) is float
        assert m.error == pytest.approx(each.std(ddof=1) / math.sqrt(1003), rel=1e-12)  # that of a mean


def test_reconstructions_are_told_the_labels_of_their_images() -> None:
    """In the second block of a thousand, too; and None where there are none."""
    test = dataset(1003, seed=1)
    x, heard = test.images_float(), []

    def listening(images: Array, labels: Array | None) -> Array:
        heard.append(labels)
        return images

    measure_reconstructions(listening, test)
    np.testing.assert_array_equal(np.concatenate(heard), test.labels)
    heard.clear()
    measure_reconstructions(listening, dataset(len(x), labels=False))
    assert heard == [None, None]


def test_the_report_of_codes() -> None:
    train, test = dataset(200), dataset(103, seed=1)
    codes = encode(train.images_float()), train.labels, encode(test.images_float()), test.labels
    wanted = {
        "linear_probe_accuracy": metrics.linear_probe_accuracy(*codes),
        "nearest_neighbour_accuracy": metrics.nearest_neighbour_accuracy(*codes),
    }
    report = measure_codes(encode, train, test)
    assert values(report) == pytest.approx(wanted, rel=1e-12)
    for m in report.values():  # right or wrong: the variance of a coin
        assert m.error == pytest.approx(math.sqrt(m.value * (1 - m.value) / 103), rel=1e-12)


def test_a_perfect_autoencoder() -> None:
    report = values(measure_reconstructions(lambda x, _: x, dataset(30, seed=1)))
    assert (report["mse"], report["psnr"]) == (0, 120)
    assert report["ssim"] == pytest.approx(1, rel=1e-12)


def test_what_is_left_out() -> None:
    for train, test in ((dataset(20, labels=False), dataset(30)), (dataset(20), dataset(30, labels=False))):
        assert measure_codes(encode, train, test) == {}
    assert list(measure_reconstructions(darken, dataset(30, side=10))) == ["mse", "bce", "psnr"]
    assert measure_reconstructions(darken, dataset(1))["mse"].error is None  # one image says nothing of the spread


@pytest.mark.parametrize("value_range", [(-1.0, 1.0), (-3.0, 5.0)])
def test_all_numbers_are_those_of_images_scaled_to_0_1(value_range: tuple[float, float]) -> None:
    low, high = value_range
    unit = dataset(20)
    wanted = values(measure_reconstructions(darken, unit))

    def shifted(x: Array, _: Array | None) -> Array:
        return (darken((x - low) / (high - low)) * (high - low) + low).astype(np.float32)

    # images of float32 are exact to 1e-7; psnr is a logarithm of small errors
    assert values(measure_reconstructions(shifted, unit.in_range(value_range))) == pytest.approx(wanted, rel=1e-4)


def test_the_classifiers_see_a_limited_number_of_training_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "PROBE_IMAGES", 12)
    seen = []

    def watched(x: Array) -> Array:
        seen.append(x)
        return encode(x)

    train, test = dataset(20), dataset(30, seed=1)
    measure_codes(watched, train, test)
    assert [len(x) for x in seen] == [30, 12]
    np.testing.assert_array_equal(seen[1], train.images_float(slice(0, 12)))


def test_numbers_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="evaluate: the network gives values that are not finite"):
        measure_reconstructions(lambda x, _: x * np.float32(np.nan), dataset(30))
    with pytest.raises(ValueError, match="the encoder has diverged"):
        measure_codes(lambda x: encode(x) * np.float32(np.inf), dataset(20), dataset(30))
