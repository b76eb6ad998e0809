"""Optimizers, which change parameters in place; gradient clipping; learning rates as functions of the step.

A training step reads: ``opt.lr = schedule(k)``, ``opt.zero_grad()``, ``loss.backward()``, ``clip_grad_norm(opt.params,
1.0)``, ``opt.step()``.

Imports: autograd, kernels. Read next: ``optimizer.py``.
"""

from typing import TYPE_CHECKING

from minigen.names import asked_of_module
from minigen.optim.clipping import clip_grad_norm, clip_grad_value
from minigen.optim.groups import Group
from minigen.optim.optimizer import Optimizer
from minigen.optim.optimizers import SGD, Adam, AdamW, RMSprop
from minigen.optim.schedules import (
    Schedule,
    constant_schedule,
    cosine_schedule,
    exponential_schedule,
    step_schedule,
)

if not TYPE_CHECKING:  # to a type checker an unknown name stays unknown
    __getattr__ = asked_of_module(__name__)

__all__ = [
    "Adam", "AdamW", "Group", "Optimizer", "RMSprop", "SGD", "Schedule", "clip_grad_norm", "clip_grad_value",
    "constant_schedule", "cosine_schedule", "exponential_schedule", "step_schedule",
]  # fmt: skip
