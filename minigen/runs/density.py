"""A density for codes that follow none: fitted after training, so that a plain autoencoder can draw images too.

Ghosh et al. 2020 ("From variational to deterministic autoencoders", arXiv:1903.12436, section 4) fit a Gaussian with a
full covariance, or a mixture of ten, to the codes of training images, and decode what they draw from it.

Imports: NumPy, random, algorithms.importance_sampling. Read next: ``sampling.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from minigen.algorithms.importance_sampling import logsumexp
from minigen.random import Generator
from minigen_kernels import Array

COMPONENTS = 10
ITERATIONS, TOLERANCE = 100, 1e-4  # of EM; it stops when a round gains less (nats per code)
FLOOR = 1e-6  # of the mean variance of a code unit: no direction varies less, so units that never change stay legal


@dataclass(frozen=True)
class Mixture:
    """Gaussians with `weights` (K,), `means` (K, D) and lower Cholesky factors `roots` (K, D, D) of the covariances."""

    weights: Array
    means: Array
    roots: Array

    def log_density(self, x: Array) -> Array:
        """log p(x) of codes (N, D) in nats, (N,)."""
        return logsumexp(self.log_joint(x).T)

    def log_joint(self, x: Array) -> Array:
        """log p(x, component), (N, K)."""
        size = x.shape[1]
        logs = np.empty((len(x), len(self.weights)))
        for k, (weight, mean, root) in enumerate(zip(self.weights, self.means, self.roots)):
            whitened = np.linalg.solve(root, (x - mean).T)
            log_volume = np.log(np.diagonal(root)).sum()
            logs[:, k] = np.log(weight) - log_volume - 0.5 * (np.square(whitened).sum(0) + size * np.log(2 * np.pi))
        return logs

    def draw(self, n: int, rng: Generator) -> Array:
        """Codes (n, D) in float32."""
        u = rng.uniform((n,), dtype=np.float64)
        k = np.minimum(np.searchsorted(np.cumsum(self.weights), u, side="right"), len(self.weights) - 1)
        noise = rng.normal((n, self.means.shape[1]), dtype=np.float64)
        codes = self.means[k]
        for one, root in enumerate(self.roots):
            codes[k == one] += noise[k == one] @ root.T
        return codes.astype(np.float32)


def fit_density(codes: Array, kind: str, *, seed: int = 0) -> Mixture:
    """The density "gaussian" or "mixture" (of 10 Gaussians) of codes (N, D)."""
    if kind not in ("gaussian", "mixture"):
        raise ValueError(f"fit_density: kind is 'gaussian' or 'mixture', got {kind!r}")
    if kind == "mixture" and 2 <= len(codes) < 2 * COMPONENTS:
        raise ValueError(
            f"fit_density: a mixture of {COMPONENTS} Gaussians needs at least {2 * COMPONENTS} codes of images, got "
            f"{len(codes)}; take density 'gaussian' (--density gaussian), or more images"
        )
    return fit_mixture(codes, 1 if kind == "gaussian" else COMPONENTS, seed=seed)


def fit_mixture(codes: Array, components: int, *, seed: int = 0) -> Mixture:
    """A mixture of Gaussians with full covariances by EM (Dempster, Laird and Rubin 1977), codes (N, D).

    It begins at the clusters of a few rounds of k-means; one component is the maximum-likelihood Gaussian. The
    likelihood never falls. ValueError for codes that are not finite, or fewer than 2 for each component.
    """
    if codes.ndim != 2 or not codes.shape[1]:
        raise ValueError(f"fit_mixture: expected codes (N, D), got {codes.shape}")
    if components < 1 or len(codes) < 2 * components:
        raise ValueError(
            f"fit_mixture: {components} components need at least {2 * max(components, 1)} codes, got {len(codes)}"
        )
    if not np.isfinite(codes).all():
        raise ValueError("fit_mixture: the codes hold NaN or infinity; the encoder has diverged")
    x = codes.astype(np.float64)
    floor = FLOOR * max(float(x.var(0).mean()), 1e-12)
    nearest = _k_means(x, components, Generator(seed).spawn("density"))
    mixture = _maximise(x, np.eye(components)[nearest], floor)
    before = -np.inf
    for _ in range(ITERATIONS if components > 1 else 0):
        joint = mixture.log_joint(x)
        evidence = logsumexp(joint.T)
        now = float(evidence.mean())
        if now - before < TOLERANCE:
            break
        before = now
        mixture = _maximise(x, np.exp(joint - evidence[:, None]), floor)
    return mixture


def _maximise(x: Array, shares: Array, floor: float) -> Mixture:
    """The M step: weights, means and covariances of codes (N, D) that belong to component k by shares[:, k].

    Raising the small eigenvalues of a covariance to `floor` gives the most likely among those without smaller ones.
    """
    size = x.shape[1]
    counts = shares.sum(0) + 1e-9  # a component that lost all its codes keeps the smallest weight
    means = shares.T @ x / counts[:, None]
    roots = np.empty((len(counts), size, size))
    for k, (count, mean) in enumerate(zip(counts, means)):
        centred = x - mean
        covariance = (shares[:, k, None] * centred).T @ centred / count
        values, vectors = np.linalg.eigh(covariance)
        roots[k] = np.linalg.cholesky((vectors * np.maximum(values, floor)) @ vectors.T)
    return Mixture(counts / counts.sum(), means, roots)


def _k_means(x: Array, components: int, rng: Generator, rounds: int = 10) -> Array:
    """The number of the cluster (N,) of each code. Centres begin at codes that lie far apart (k-means++)."""
    centres = [x[int(rng.integers(0, len(x), (1,))[0])]]
    for _ in range(components - 1):
        squares = np.min([np.square(x - centre).sum(1) for centre in centres], axis=0)
        total = np.cumsum(squares)
        u = float(rng.uniform((1,), dtype=np.float64)[0]) * total[-1]
        centres.append(x[min(int(np.searchsorted(total, u, side="right")), len(x) - 1)])
    means = np.array(centres)
    nearest = np.zeros(len(x), np.int64)
    for _ in range(rounds if components > 1 else 0):
        nearest = (np.square(means).sum(1) - 2 * x @ means.T).argmin(1)
        for k in np.unique(nearest):
            means[k] = x[nearest == k].mean(0)
    return nearest
