"""Gradient clipping, between ``loss.backward()`` and ``opt.step()``.

`.grad` becomes a new Tensor. The array is not scaled in place, because two parameters may share it (both terms of a sum
get the same gradient) and it would be scaled twice.

Imports: autograd, kernels. Read next: ``nn/module.py``.
"""

from __future__ import annotations

from collections.abc import Iterable

from minigen.autograd import Tensor
from minigen.device import array_module
from minigen.optim.settings import check_number
from minigen.shapes import several
from minigen_kernels import Array, for_array


def clip_grad_norm(params: Iterable[Tensor], max_norm: float) -> Tensor:
    """Scale all gradients by one factor so that their total norm (L2) is at most `max_norm`; return the old norm.

    The factor is min(1, max_norm / (norm + 1e-6)), as in PyTorch (Pascanu et al. 2013, arXiv:1211.5063, algorithm 1).
    An infinite `max_norm` only measures. Parameters without a gradient are skipped. The norm has shape () and stays on
    the device, which avoids synchronisation. A NaN or infinity anywhere makes every gradient NaN or 0.
    """
    limit = check_number("clip_grad_norm", "max_norm", max_norm, ends="(]")
    found = _with_gradient("clip_grad_norm", params)
    if not found:
        return Tensor(0.0)
    clipped, norm = for_array(found[0][1]).clip_norm([g for _, g in found], limit)
    for (p, _), g in zip(found, clipped):
        p.grad = Tensor(g)
    return Tensor(norm)


def clip_grad_value(params: Iterable[Tensor], limit: float) -> None:
    """Clip every element of every gradient to +-`limit`. Unlike `clip_grad_norm` this changes the direction."""
    limit = check_number("clip_grad_value", "limit", limit, ends="()")
    for p, g in _with_gradient("clip_grad_value", params):
        p.grad = Tensor(array_module(g).clip(g, -limit, limit))


def _with_gradient(name: str, params: Iterable[Tensor]) -> list[tuple[Tensor, Array]]:
    """The Tensors that have a gradient, with the array of the gradient."""
    if isinstance(params, Tensor):
        raise TypeError(f"{name}: expected several Tensors, such as opt.params; put a single one in a list")
    found = []
    for i, p in enumerate(several(name, params, "several Tensors, such as opt.params")):
        if not isinstance(p, Tensor):
            raise TypeError(f"{name}: expected Tensors, such as opt.params, but number {i} is {type(p).__name__}")
        if p.grad is not None:
            found.append((p, p.grad.data))
    return found
