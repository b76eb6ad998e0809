"""Penalties, terms of a loss without a target: on the activations of a code, and on weights.

Imports: autograd, ops, divergence. Read next: ``optim/optimizers.py``.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable

from minigen import ops
from minigen.autograd import Tensor
from minigen.device import array_module
from minigen.losses.divergence import bernoulli_kl_elements
from minigen.losses.reduction import Reduction, check_same_shape, check_unit_interval, reduce
from minigen.shapes import one_number, several, shown


def l1_activity(code: Tensor, *, reduction: Reduction = "batchmean") -> Tensor:
    """The L1 norm |code| of a code (N, ...), which makes it sparse.

    Unit: that of the code; per sample ("batchmean"), per element ("mean"), per batch ("sum").
    """
    (code,) = check_same_shape("l1_activity", code=code)
    return reduce("l1_activity", ops.abs(code), reduction)


def kl_sparsity(code: Tensor, rho: float = 0.05) -> Tensor:
    """The sum over units of KL(Bernoulli(rho) || Bernoulli(r)), r the mean activation of a unit over the batch.

    `code` is (N, D) or (N, ...), with values in [0, 1], as a sigmoid gives them. The target for the mean activation of
    each unit is `rho`. Unlike the other penalties this one depends on the batch (Ng, "Sparse autoencoder", lecture
    notes of CS294A, Stanford). Unit: nats, summed over units.
    """
    rho = one_number("kl_sparsity", "rho", rho)
    if not 0 < rho < 1:
        raise ValueError(f"kl_sparsity: rho must be between 0 and 1, got {rho!r}")
    (code,) = check_same_shape("kl_sparsity", code=code)
    if code.ndim < 2 or not code.shape[0]:
        raise ValueError(f"kl_sparsity: expected a code (N, D) or (N, ...) with N above 0, got shape {code.shape}")
    check_unit_interval("kl_sparsity", "code", code, hint="let a sigmoid make the code")
    r = ops.mean(code, axis=0)
    return ops.sum(bernoulli_kl_elements(Tensor(array_module(r.data).full_like(r.data, rho)), r))


def l1_penalty(parameters: Iterable[Tensor]) -> Tensor:
    """The sum of |w| over all elements of the given Tensors, which makes the weights sparse."""
    return functools.reduce(operator.add, [ops.sum(ops.abs(w)) for w in _several("l1_penalty", parameters)])


def l2_penalty(parameters: Iterable[Tensor]) -> Tensor:
    """The sum of w^2 over all elements of the given Tensors.

    There is no factor 1/2: ``c * l2_penalty(ws)`` has the gradient 2 c w, like ``weight_decay=2 * c`` in SGD.
    """
    return functools.reduce(operator.add, [ops.sum(w**2) for w in _several("l2_penalty", parameters)])


def _several(name: str, parameters: Iterable[Tensor]) -> list[Tensor]:
    """The Tensors of an iterable. A single Tensor is refused, because iterating over it would give its rows."""
    if isinstance(parameters, Tensor):
        raise TypeError(f"{name}: expected several Tensors, such as module.parameters(); put a single one in a list")
    tensors = several(name, parameters, "several Tensors, such as module.parameters()")
    if not tensors:
        raise ValueError(f"{name}: expected at least one Tensor, got an empty {type(parameters).__name__}")
    for i, w in enumerate(tensors):
        if not isinstance(w, Tensor):
            raise TypeError(f"{name}: expected Tensors, such as module.parameters(), but number {i} is {shown(w)}")
    return tensors
