"""Densities fitted to codes: known Gaussians and mixtures are found again, and their samples follow them."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen.random import Generator
from minigen.runs import density
from minigen.runs.density import Mixture, fit_density, fit_mixture


def known(n, seed=0):
    """Codes of a mixture of three Gaussians in the plane that hardly touch, and their weights, means, covariances."""
    rng = np.random.default_rng(seed)
    weights, means = np.array([0.5, 0.3, 0.2]), np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 9.0]])
    roots = np.array([[[1, 0], [0.5, 0.3]], [[0.5, 0], [0, 2]], [[1, 0], [-0.9, 0.5]]])
    k = rng.choice(3, n, p=weights)
    codes = means[k] + (roots[k] @ rng.normal(size=(n, 2, 1)))[:, :, 0]
    return codes, weights, means, roots @ roots.transpose(0, 2, 1)


@settings(max_examples=20)
@given(st.integers(1, 5), st.integers(6, 40), st.integers(0, 999))
def test_one_component_is_the_gaussian_of_the_moments(size, n, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(2, 3, (n, size)) @ rng.normal(size=(size, size))
    found = fit_density(x, "gaussian")
    np.testing.assert_allclose(found.means[0], x.mean(0), rtol=1e-6, atol=1e-8)  # a count is 1e-9 too large
    wanted = np.cov(x, rowvar=False, bias=True).reshape(size, size)
    # no eigenvalue is below a millionth of the mean variance
    np.testing.assert_allclose(found.roots[0] @ found.roots[0].T, wanted, rtol=1e-6, atol=2e-6 * np.trace(wanted))
    assert found.weights.tolist() == [1.0]


def test_a_known_mixture_is_found_again():
    codes, weights, means, covariances = known(20_000)
    found = fit_mixture(codes, 3)
    order = [int(np.square(found.means - mean).sum(1).argmin()) for mean in means]
    assert sorted(order) == [0, 1, 2]
    # 4,000 codes or more a component: moments to 1.6 % of the deviation (5 % is three errors), weights to 0.35 %
    np.testing.assert_allclose(found.weights[order], weights, atol=0.015)
    np.testing.assert_allclose(found.means[order], means, atol=0.12)
    roots = found.roots[order]
    np.testing.assert_allclose(roots @ roots.transpose(0, 2, 1), covariances, atol=0.2)


def test_the_log_density_is_the_formula():
    codes, *_ = known(500)
    mixture = fit_mixture(codes, 3)
    for x, found in zip(codes[:20], mixture.log_density(codes[:20]), strict=True):
        total = 0.0
        for weight, mean, root in zip(mixture.weights, mixture.means, mixture.roots, strict=True):
            cov = root @ root.T
            square = (x - mean) @ np.linalg.inv(cov) @ (x - mean)
            total += weight * math.exp(-square / 2) / math.sqrt((2 * math.pi) ** 2 * np.linalg.det(cov))
        assert found == pytest.approx(math.log(total), rel=1e-9, abs=1e-9)


@settings(max_examples=15)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 999))
def test_the_likelihood_never_falls(components, size, seed):
    x = np.random.default_rng(seed).normal(size=(60, size)) ** 3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(density, "TOLERANCE", -math.inf)  # every round is made
        values = []
        for rounds in range(6):
            patch.setattr(density, "ITERATIONS", rounds)
            values.append(fit_mixture(x, components).log_density(x).mean())
    # a component without codes keeps a weight of 1e-9, and exp and log round
    assert all(later >= earlier - 1e-7 for earlier, later in zip(values, values[1:], strict=False))


def test_draws_follow_the_density():
    codes, weights, means, covariances = known(4000)
    mixture = fit_mixture(codes, 3)
    drawn = mixture.draw(50_000, Generator(1))
    assert drawn.dtype == np.float32 and drawn.shape == (50_000, 2)
    mean = mixture.weights @ mixture.means
    spread = mixture.roots @ mixture.roots.transpose(0, 2, 1) + np.einsum("ki,kj->kij", mixture.means, mixture.means)
    cov = np.tensordot(mixture.weights, spread, 1) - np.outer(mean, mean)
    np.testing.assert_allclose(drawn.mean(0), mean, atol=5 * np.sqrt(cov.max() / 50_000))  # five errors
    np.testing.assert_allclose(np.cov(drawn, rowvar=False), cov, atol=0.03 * cov.max())
    assert np.array_equal(drawn, mixture.draw(50_000, Generator(1)))  # the seed decides
    near = np.sqrt(np.square(drawn[:, None] - means).sum(2)).argmin(1)
    np.testing.assert_allclose(np.bincount(near) / 50_000, weights, atol=0.04)


def test_draws_take_memory_for_codes_and_not_for_a_matrix_each():
    size, n = 100, 2000
    mixture = Mixture(np.ones(2) / 2, np.zeros((2, size)), np.stack([np.eye(size)] * 2))
    tracemalloc.start()
    mixture.draw(n, Generator(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 * n * size * 8  # a matrix for each code would be 100 times the codes


def test_draws_lean_the_way_the_codes_do():
    codes = np.random.default_rng(0).normal(size=(4000, 2)) @ [[1, 2], [0, 0.5]]
    drawn = fit_density(codes, "gaussian").draw(50_000, Generator(1))
    wanted = np.cov(codes, rowvar=False)
    np.testing.assert_allclose(np.cov(drawn, rowvar=False), wanted, atol=0.03 * wanted.max())  # 50,000: 0.6 % an error


def test_units_that_never_change_and_codes_that_are_alike():
    rng = np.random.default_rng(0)
    codes = np.concatenate([rng.normal(size=(200, 2)), np.full((200, 1), 3.0)], 1)  # a dead ReLU unit
    for kind in ("gaussian", "mixture"):
        drawn = fit_density(codes, kind).draw(100, Generator(0))
        np.testing.assert_allclose(drawn[:, 2], 3, atol=0.02) and np.isfinite(drawn).all()
    same = fit_mixture(np.ones((40, 3)), 10).draw(20, Generator(0))  # fewer different codes than components
    np.testing.assert_allclose(same, 1, atol=1e-3)


def test_codes_that_are_refused():
    x = np.zeros((9, 2))
    with pytest.raises(
        ValueError, match="10 Gaussians needs at least 20 codes of images, got 9; take density 'gaussian'"
    ):
        fit_density(x, "mixture")
    with pytest.raises(ValueError, match="kind is 'gaussian' or 'mixture', got 'kernel'"):
        fit_density(x, "kernel")
    with pytest.raises(ValueError, match="the encoder has diverged"):
        fit_density(x * np.nan, "gaussian")
    with pytest.raises(ValueError, match=r"expected codes \(N, D\), got \(9,\)"):
        fit_density(x[:, 0], "gaussian")
