"""Losses: functions (prediction, target, ...) to one number to be made small; divergences; penalties.

Every loss is stated in differentiable operations, so it can be differentiated to any order; the commonest (`mse`,
`bce_with_logits`, `gaussian_kl`) are reduced by a kernel in one pass over memory, with that statement as definition.
Nothing is broadcast: a prediction (N, 1) against a target (N,) would silently compare every sample with every other, so
it is an error.

`reduction` says what becomes of the numbers of the elements, and with it the unit of the loss:

* ``"mean"``      - over all elements: per pixel, where the elements are pixels.
* ``"sum"``       - over all elements: per batch.
* ``"batchmean"`` - the sum over all axes but the first, the mean over the first: per sample. Terms that are added up to
  an evidence bound must all be of this kind, or one of them gets a weight that nobody chose.
* ``"none"``      - the numbers themselves.

Logarithms are natural: a likelihood or a divergence is in nats. That values lie in their range - [0, 1], or the class
numbers - is checked on the CPU alone: on a GPU a check would make the host wait for the device at every step.

Imports: tensor, ops. Read next: ``reconstruction.py``.
"""

from typing import TYPE_CHECKING

from minigen.losses.categorical import cross_entropy
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
    "mse",
]  # fmt: skip
