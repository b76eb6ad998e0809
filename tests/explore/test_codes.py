"""The principal plane of codes against the covariance matrix, and the order of dimensions.

Read next: ``test_payload.py``.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen.explore.codes import most_active, principal_plane, spread_of


@settings(deadline=None)
@given(n=st.integers(3, 60), size=st.integers(2, 40), seed=st.integers(0, 2**32 - 1))
def test_the_principal_plane_is_that_of_the_covariance_matrix(n: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.normal(size=(n, size)) * np.geomspace(1, 0.1, size) + rng.normal(size=size)
    plane = principal_plane(codes)
    assert plane is not None
    values, vectors = np.linalg.eigh(np.cov(codes.T, bias=True))
    np.testing.assert_allclose(plane.explained, values[::-1][:2] / values.sum(), rtol=1e-9, atol=1e-12)
    projected = (codes - codes.mean(0)) @ plane.components.T
    np.testing.assert_allclose(projected.var(0), values[::-1][:2], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(plane.components @ plane.components.T, np.eye(2), atol=1e-9)
    for component in plane.components:
        assert component[np.abs(component).argmax()] > 0


def test_codes_of_many_dimensions_have_one_too() -> None:
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(700, 2)))[0].T
    codes = rng.normal(size=(1500, 2)) * (5, 3) @ axes + 0.01 * rng.normal(size=(1500, 700))
    plane = principal_plane(codes)
    assert plane is not None
    np.testing.assert_allclose(np.linalg.svd(plane.components @ axes.T)[1], 1, atol=1e-3)  # the same plane


@pytest.mark.parametrize("codes", [np.ones((5, 3)), np.ones((5, 1)), np.arange(5.0)[:, None], np.ones((1, 3))])
def test_what_has_no_plane(codes: np.ndarray) -> None:
    assert principal_plane(codes) is None


def test_the_most_active_dimension_is_first() -> None:
    std = np.array([0.1, 2.0, 1.0])
    order, by = most_active(std, None)
    assert (order.tolist(), by) == ([1, 2, 0], "variance")
    order, by = most_active(std, np.array([0.5, 0.0, 3.0]))
    assert (order.tolist(), by) == ([2, 0, 1], "kl")


def test_the_spread_of_normal_codes() -> None:
    spread = spread_of(np.random.default_rng(0).normal(2, 3, (100_000, 1)).astype(np.float32))
    assert spread["mean"][0] == pytest.approx(2, abs=0.05) and spread["std"][0] == pytest.approx(3, abs=0.05)
    assert spread["low"][0] == pytest.approx(2 - 3 * 2.5758, abs=0.15)  # the 0.005 quantile of N(0, 1) is -2.5758
    assert spread["high"][0] == pytest.approx(2 + 3 * 2.5758, abs=0.15)
