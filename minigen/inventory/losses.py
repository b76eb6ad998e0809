"""The losses, each with its cases, in several reductions.

Imports: losses, ops. Read next: ``checking.py``.
"""

from __future__ import annotations

import numpy as np

from minigen import losses, ops
from minigen.inventory.cases import Item, arrays, case, normal, normal_away_from, positive, probability
from minigen_kernels import Array


def separated(rng: np.random.Generator) -> tuple[Array, Array]:
    """Predictions and targets whose difference is 0.1 away from 0 and +-1, the kinks of l1 and huber."""
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
    """Logits (N, K) and probabilities that stay in [0, 1] when the checker moves them."""
    return normal(rng, (4, 3)), probability(rng, (4, 3))


def means_and_variance(rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """A mean, a target, and a variance for each column."""
    return normal(rng, (4, 3)), normal(rng, (4, 3)), positive(rng, (3,))


PAIR = arrays(normal, (4, 3), (4, 3))

LOSSES = (
    Item("losses.mse", (
        case(losses.mse, PAIR),
        case(losses.mse, PAIR, reduction="batchmean"),
        case(losses.mse, PAIR, activation=ops.sigmoid),
        case(losses.mse, PAIR, activation=ops.tanh, reduction="sum"),
        case(losses.mse, PAIR, reduction="none"),
    )),
    Item("losses.l1", (case(losses.l1, separated),)),
    Item("losses.huber", (case(losses.huber, separated), case(losses.huber, separated, reduction="none"))),
    Item("losses.bce", (
        case(losses.bce, arrays(probability, (4, 3), (4, 3))),
        case(losses.bce, arrays(probability, (4, 3), (4, 3)), weight=0.5),
    )),
    Item("losses.bce_with_logits", (
        case(losses.bce_with_logits, logits_and_targets),
        case(losses.bce_with_logits, logits_and_targets, reduction="none"),
        case(losses.bce_with_logits, logits_and_targets, pos_weight=2.5, reduction="sum"),
    )),
    Item("losses.cross_entropy", (
        case(losses.cross_entropy, logits_and_labels),
        case(losses.cross_entropy, logits_and_labels, label_smoothing=0.1, reduction="none"),
        case(losses.cross_entropy, images_and_labels, weight=[0.5, 2.0, 1.0], ignore_index=-1, label_smoothing=0.1),
        case(losses.cross_entropy, probabilities_of_classes, label_smoothing=0.1),
    )),
    Item("losses.gaussian_nll", (
        case(losses.gaussian_nll, PAIR, var=0.7),
        case(lambda mean, target, logvar: losses.gaussian_nll(mean, target, logvar=logvar, reduction="batchmean"),
             arrays(normal, (4, 3), (4, 3), (4, 3))),
        case(lambda mean, target, var: losses.gaussian_nll(mean, target, var=var), means_and_variance),
    )),
    Item("losses.gaussian_kl", (case(losses.gaussian_kl, PAIR), case(losses.gaussian_kl, PAIR, reduction="none"))),
    Item("losses.gaussian_kl_between", (case(losses.gaussian_kl_between, arrays(normal, *[(4, 3)] * 4)),)),
    Item("losses.bernoulli_kl", (case(losses.bernoulli_kl, arrays(probability, (4, 3), (4, 3))),)),
    Item("losses.categorical_kl", (case(losses.categorical_kl, PAIR),)),
    Item("losses.l1_activity", (case(losses.l1_activity, arrays(normal_away_from(0), (4, 3))),)),
    Item("losses.kl_sparsity", (case(losses.kl_sparsity, arrays(probability, (4, 3)), rho=0.1),)),
    Item("losses.l1_penalty", (
        case(lambda a, b: losses.l1_penalty([a, b]), arrays(normal_away_from(0), (4, 3), (3,))),
    )),
    Item("losses.wasserstein_critic", (case(losses.wasserstein_critic, arrays(normal, (4,), (3,))),)),
    Item("losses.unit_norm_penalty", (case(losses.unit_norm_penalty, arrays(normal, (4, 2, 3))),)),
    Item("losses.l2_penalty", (case(lambda a, b: losses.l2_penalty([a, b]), arrays(normal, (4, 3), (3,))),)),
)  # fmt: skip
