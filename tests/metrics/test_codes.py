"""The mutual information gap: codes that are the factors, codes that mix them, and the textbook formula.

Read next: ``test_pictures.py``.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen import metrics
from minigen.data import Dataset

Array = np.ndarray[Any, Any]


def information(a: list[int], b: list[int]) -> float:
    """sum p(a, b) log p(a, b) / p(a) p(b)."""
    n, pa, pb = len(a), Counter(a), Counter(b)
    joint = Counter(zip(a, b, strict=True))
    return math.fsum(c / n * math.log(c * n / (pa[x] * pb[y])) for (x, y), c in joint.items())


@given(st.integers(2, 60), st.integers(2, 4), st.integers(0, 999))
def test_the_formula(n: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes, factor = rng.integers(0, 20, (n, size)), rng.integers(0, 3, n)
    codes[0], codes[1] = 0, 19  # then the 20 bins are the numbers 0 to 19
    factor[0], factor[1] = 0, 1
    found = metrics.mutual_information_gap(codes.astype(np.float32), {"f": factor})
    best = sorted(information(list(unit), list(factor)) for unit in codes.T)
    wanted = (best[-1] - best[-2]) / information(list(factor), list(factor))
    assert found == {"f": pytest.approx(wanted, abs=1e-12)}


def test_codes_that_are_the_factors_and_codes_that_mix_them() -> None:
    rng = np.random.default_rng(0)
    factors = {"kind": rng.integers(0, 5, 5000), "size": rng.uniform(-1, 1, 5000)}
    clean = np.stack([factors["size"], factors["kind"].astype(float), rng.normal(size=5000)], 1)
    found = metrics.mutual_information_gap(clean, factors)
    assert found["kind"] > 0.97 and found["size"] > 0.9  # what histograms find by chance is about 0.04 of 3 nats
    turned = np.stack([clean[:, 0] + clean[:, 1], clean[:, 0] - clean[:, 1]], 1)
    assert max(metrics.mutual_information_gap(turned, factors).values()) < 0.1
    twice = np.concatenate([clean, clean], 1)  # two units for each factor: no gap
    assert metrics.mutual_information_gap(twice, factors) == {"kind": 0, "size": 0}


def test_what_is_refused() -> None:
    codes, factor = np.zeros((9, 3)), np.arange(9)
    with pytest.raises(ValueError, match=r"D of at least 2, got \(9, 1\)"):
        metrics.mutual_information_gap(codes[:, :1], {"f": factor})
    with pytest.raises(ValueError, match=r"9 codes, but factor 'f' has \(8,\)"):
        metrics.mutual_information_gap(codes, {"f": factor[:8]})
    with pytest.raises(ValueError, match="the encoder has diverged"):
        metrics.mutual_information_gap(codes * np.nan, {"f": factor})
    with pytest.raises(ValueError, match="no factor varies"):
        metrics.mutual_information_gap(codes, {"f": np.ones(9)})
    assert metrics.mutual_information_gap(codes, {"f": factor, "same": np.ones(9)}) == {"f": 0}


def test_in_the_report() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (1000, 1, 2, 2), dtype=np.uint8)
    factors = {"corner": x[:, 0, 0, 0].astype(float), "other": x[:, 0, 1, 1].astype(float)}
    test = Dataset("random", "test", x, factors=factors)

    def encode(images: Array) -> Array:
        return images.reshape(len(images), 4)

    (report,) = metrics.measure_codes(encode, test, test).values()
    wanted = np.mean(list(metrics.mutual_information_gap(encode(test.images_float()), factors).values()))
    assert (
        report.value == pytest.approx(wanted, rel=1e-12) and 0 < report.error < 0.1 and "corner, other" in report.unit
    )
    few = test.subset(np.arange(999))  # of fewer than 1000 codes histograms tell nothing
    assert metrics.measure_codes(encode, few, few) == {}
