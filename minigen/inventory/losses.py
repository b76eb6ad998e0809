"""The losses, each with its cases, in several reductions.

Imports: losses. Read next: ``checking.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen import losses
from minigen.autograd import Tensor
from minigen.inventory.item import Item, at, calling
from minigen.inventory.numbers import normal, off, positive, probability
from minigen_kernels import Array


def apart(rng: np.random.Generator) -> tuple[Array, Array]:
    """Predictions and targets whose difference stays 0.1 away from 0 and +-1, where l1 and huber bend."""
    size = np.where(rng.random((4, 5)) < 0.5, rng.uniform(0.1, 0.9, (4, 5)), rng.uniform(1.1, 2, (4, 5)))
    target = normal(rng, (4, 5))
    return target + size * rng.choice([-1, 1], (4, 5)), target


def logits_and_targets(rng: np.random.Generator) -> tuple[Array, Array]:
    """Any logits, and targets inside [0, 1]."""
    return 3 * normal(rng, (4, 5)), probability(rng, (4, 5))


def logits_and_labels(rng: np.random.Generator) -> tuple[Array, Array]:
    """(N, K) and (N,) whole numbers below K."""
    return normal(rng, (4, 3)), rng.integers(0, 3, 4)


def images_and_labels(rng: np.random.Generator) -> tuple[Array, Array]:
    """(N, K, H, W) and (N, H, W) whole numbers below K."""
    return normal(rng, (2, 3, 2, 2)), rng.integers(0, 3, (2, 2, 2))


def probabilities_of_classes(rng: np.random.Generator) -> tuple[Array, Array]:
    """Logits (N, K) and what stays in [0, 1] when the checker moves it."""
    return normal(rng, (4, 3)), probability(rng, (4, 3))


def _l1_penalty(a: Tensor, b: Tensor) -> Tensor:
    return losses.l1_penalty([a, b])


def _l2_penalty(a: Tensor, b: Tensor) -> Tensor:
    return losses.l2_penalty([a, b])


def _nll_logvar(mean: Tensor, target: Tensor, logvar: Tensor, **options: Any) -> Tensor:
    return losses.gaussian_nll(mean, target, logvar=logvar, **options)


def _nll_var(mean: Tensor, target: Tensor, var: Tensor) -> Tensor:
    return losses.gaussian_nll(mean, target, var=var)


def means_and_variance(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """A mean, a target, and a variance for each column."""
    return normal(rng, (4, 3)), normal(rng, (4, 3)), positive(rng, (3,))


TWO = at(normal, (4, 3), (4, 3))

LOSSES = (
    Item("losses.mse", (
        calling(losses.mse, TWO),
        calling(losses.mse, TWO, reduction="batchmean"),
        calling(losses.mse, TWO, reduction="none"),
    )),
    Item("losses.l1", (calling(losses.l1, apart),)),
    Item("losses.huber", (calling(losses.huber, apart), calling(losses.huber, apart, reduction="none"))),
    Item("losses.bce", (
        calling(losses.bce, at(probability, (4, 3), (4, 3))),
        calling(losses.bce, at(probability, (4, 3), (4, 3)), weight=0.5),
    )),
    Item("losses.bce_with_logits", (
        calling(losses.bce_with_logits, logits_and_targets),
        calling(losses.bce_with_logits, logits_and_targets, reduction="none"),
        calling(losses.bce_with_logits, logits_and_targets, pos_weight=2.5, reduction="sum"),
    )),
    Item("losses.cross_entropy", (
        calling(losses.cross_entropy, logits_and_labels),
        calling(losses.cross_entropy, logits_and_labels, label_smoothing=0.1, reduction="none"),
        calling(losses.cross_entropy, images_and_labels, weight=[0.5, 2.0, 1.0], ignore_index=-1, label_smoothing=0.1),
        calling(losses.cross_entropy, probabilities_of_classes, label_smoothing=0.1),
    )),
    Item("losses.gaussian_nll", (
        calling(losses.gaussian_nll, TWO, var=0.7),
        calling(_nll_logvar, at(normal, (4, 3), (4, 3), (4, 3)), reduction="batchmean"),
        calling(_nll_var, means_and_variance),
    )),
    Item("losses.gaussian_kl", (calling(losses.gaussian_kl, TWO), calling(losses.gaussian_kl, TWO, reduction="none"))),
    Item("losses.gaussian_kl_between", (calling(losses.gaussian_kl_between, at(normal, *[(4, 3)] * 4)),)),
    Item("losses.bernoulli_kl", (calling(losses.bernoulli_kl, at(probability, (4, 3), (4, 3))),)),
    Item("losses.categorical_kl", (calling(losses.categorical_kl, TWO),)),
    Item("losses.l1_activity", (calling(losses.l1_activity, at(off(0), (4, 3))),)),
    Item("losses.kl_sparsity", (calling(losses.kl_sparsity, at(probability, (4, 3)), rho=0.1),)),
    Item("losses.l1_penalty", (calling(_l1_penalty, at(off(0), (4, 3), (3,))),)),
    Item("losses.l2_penalty", (calling(_l2_penalty, at(normal, (4, 3), (3,))),)),
)  # fmt: skip
