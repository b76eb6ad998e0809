"""The accuracy of two classifiers of codes, a linear probe and nearest neighbours: how well codes predict classes.

Imports: NumPy. Read next: ``evaluation.py``.
"""

from __future__ import annotations

import numpy as np

from minigen_kernels import Array


def linear_probe_accuracy(
    train: Array, train_labels: Array, test: Array, test_labels: Array, *, l2: float = 1e-3, iterations: int = 200
) -> float:
    """The test accuracy of a linear classifier of codes: softmax regression on standardised codes.

    train (N, D), test (M, D), labels (N,) and (M,). Minimises mean cross-entropy + l2/2 ||W||^2 by accelerated gradient
    descent with the step 1/L, L the largest curvature; no random numbers. (Alain and Bengio 2016, arXiv:1610.01644.)
    """
    _check(train, train_labels, test, test_labels)
    mean, std = train.mean(0, dtype=np.float64), train.std(0, dtype=np.float64)
    std[std < 1e-8] = 1  # avoids a division by 0 for a constant unit
    ones = np.ones((len(train), 1)), np.ones((len(test), 1))
    x = np.hstack([(train - mean) / std, ones[0]])
    classes, t = np.unique(train_labels, return_inverse=True)
    target = np.eye(len(classes))[t]
    curvature = 0.5 * np.linalg.eigvalsh(x.T @ x / len(x))[-1] + l2
    w = ahead = np.zeros((x.shape[1], len(classes)))
    for k in range(iterations):
        logits = x @ ahead
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        new = ahead - (x.T @ (p - target) / len(x) + l2 * ahead) / curvature
        ahead = new + k / (k + 3) * (new - w)  # Nesterov 1983
        w = new
    predicted = classes[(np.hstack([(test - mean) / std, ones[1]]) @ w).argmax(1)]
    return float((predicted == test_labels).mean())


def nearest_neighbour_accuracy(train: Array, train_labels: Array, test: Array, test_labels: Array) -> float:
    """The accuracy of a 1-nearest-neighbour classifier: the nearest training code (Euclidean) has the same label."""
    _check(train, train_labels, test, test_labels)
    centre = train.mean(0, dtype=np.float64)  # avoids cancellation in the squares below
    known, queries = train - centre, test - centre
    right, norms = 0, np.square(known).sum(1)
    for i in range(0, len(test), 1000):
        nearest = (norms - 2 * queries[i : i + 1000] @ known.T).argmin(1)
        right += int((train_labels[nearest] == test_labels[i : i + 1000]).sum())
    return right / len(test)


def _check(train: Array, train_labels: Array, test: Array, test_labels: Array) -> None:
    if train.ndim != 2 or test.ndim != 2 or train.shape[1] != test.shape[1]:
        raise ValueError(f"codes: expected train (N, D) and test (M, D), got {train.shape} and {test.shape}")
    if train_labels.shape != train.shape[:1] or test_labels.shape != test.shape[:1]:
        raise ValueError(
            f"codes: expected one label for each code, got {train_labels.shape} for {train.shape} and "
            f"{test_labels.shape} for {test.shape}"
        )
    if not len(train) or not len(test):
        raise ValueError(f"codes: expected at least one to train on and one to test, got {len(train)} and {len(test)}")
    if not (np.isfinite(train).all() and np.isfinite(test).all()):
        raise ValueError("codes: expected finite numbers, got NaN or infinity; the encoder has diverged")
