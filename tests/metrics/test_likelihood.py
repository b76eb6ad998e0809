"""Reports of likelihoods and of what a code carries, on numbers whose answer is known.

Read next: ``test_samples.py``.
"""

from __future__ import annotations

import numpy as np
import pytest

from minigen.metrics import active_units, kl_per_dimension, measure_likelihood, measure_posterior


def test_likelihood_report() -> None:
    images = np.arange(9.0).reshape(9, 1, 1, 1)
    report = measure_likelihood(lambda x, k: x[:, 0, 0, 0] * 2 - 100 / k, images, 50)
    assert list(report) == ["elbo", "log_likelihood_bound_50"]
    elbo, bound = report.values()
    assert (elbo.value, bound.value) == (8 - 100, 8 - 2)
    assert elbo.error == bound.error == pytest.approx(2 * np.arange(9.0).std(ddof=1) / 3, rel=1e-12)
    assert bound.unit == "nats per sample, lower bound of log p(x) from 50 importance samples"
    assert list(measure_likelihood(lambda x, k: x[:, 0, 0, 0], images, 1)) == ["elbo"]
    assert measure_likelihood(lambda x, k: np.ones(1), images[:1], 1)["elbo"].error is None


def test_likelihood_that_cannot_be_reported() -> None:
    with pytest.raises(ValueError, match="expected at least one image, got none"):
        measure_likelihood(lambda x, k: np.zeros(0), np.zeros((0, 1, 2, 2)), 1)
    with pytest.raises(ValueError, match="not finite for 2 of 3 images"):
        measure_likelihood(lambda x, k: np.array([np.nan, 1.0, -np.inf]), np.zeros((3, 1, 2, 2)), 1)


def test_what_a_code_carries() -> None:
    rng = np.random.default_rng(0)
    means = np.stack([rng.normal(0, 1, 500), rng.normal(5, 0.2, 500), rng.normal(0, 0.05, 500), np.full(500, 7.0)], 1)
    assert active_units(means) == 2 and active_units(means, 0.001) == 3 and active_units(means, 0.5) == 1
    kl = np.abs(means).astype(np.float32)
    np.testing.assert_allclose(kl_per_dimension(kl), np.abs(means).mean(0), rtol=1e-6)
    report = measure_posterior({"kl": kl, "mean": means})
    assert report["kl"].value == pytest.approx(np.abs(means).sum(1).mean(), rel=1e-6)
    assert report["active_units"].value == 2 and "of 4 units" in report["active_units"].unit
    for bad in (means[:1], means[0]):
        with pytest.raises(ValueError, match="posterior means"):
            active_units(bad)
    with pytest.raises(ValueError, match="divergences"):
        kl_per_dimension(kl[:0])
