"""Losses, functions of a prediction and a target; divergences; penalties.

Every loss is made of differentiable operations, so it can be differentiated to any order. The most common (`mse`,
`bce_with_logits`, `gaussian_kl`, and those of a critic) run as one kernel, which is defined by such operations. There
is no broadcasting: a prediction (N, 1) and a target (N,) would compare every sample with every other, so this is an
error.

`reduction` says how the losses of the elements become one number, and so determines the unit:

* ``"mean"``      - over all elements: per pixel, where the elements are pixels.
* ``"sum"``       - over all elements: per batch.
* ``"batchmean"`` - the sum over all axes but the first, the mean over the first: per sample. The terms of the evidence
  lower bound must all use it; otherwise their relative weights depend on the number of pixels.
* ``"none"``      - the losses of the elements.

Logarithms are natural: likelihoods and divergences are in nats. The range of values ([0, 1], or class numbers) is
checked on the CPU only: on a GPU the check would synchronise host and device at every step.

Imports: autograd, ops. Read next: ``reconstruction.py``.
"""

from typing import TYPE_CHECKING

from minigen.losses.categorical import cross_entropy
from minigen.losses.critic import unit_norm_penalty, wasserstein_critic
from minigen.losses.divergence import bernoulli_kl, categorical_kl, gaussian_kl, gaussian_kl_between
from minigen.losses.penalty import kl_sparsity, l1_activity, l1_penalty, l2_penalty
from minigen.losses.reconstruction import bce, bce_with_logits, gaussian_nll, huber, l1, mse
from minigen.losses.reduction import Reduction
from minigen.names import asked_of_module

if not TYPE_CHECKING:  # to a type checker an unknown name stays unknown
    __getattr__ = asked_of_module(__name__)

__all__ = [
    "Reduction", "bce", "bce_with_logits", "bernoulli_kl", "categorical_kl", "cross_entropy", "gaussian_kl",
    "gaussian_kl_between", "gaussian_nll", "huber", "kl_sparsity", "l1", "l1_activity", "l1_penalty", "l2_penalty",
    "mse", "unit_norm_penalty", "wasserstein_critic",
]  # fmt: skip
