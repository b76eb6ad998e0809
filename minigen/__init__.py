"""minigen: a neural-network engine from scratch, with autoencoders, VAEs and GANs on top, every gradient checked.

    import minigen as mg
    from minigen import losses, nn, ops, optim

This file only re-exports; names of PyTorch are answered with those that are used here. Read next:
``autograd/__init__.py``.
"""

from minigen import interrupt as interrupt  # first: what follows takes time

# isort: split
from typing import TYPE_CHECKING

from minigen import autograd, device, losses, nn, ops, optim
from minigen.autograd import Function, FusedFunction, GradientError, Tensor, grad, no_grad
from minigen.device import cuda_status, set_num_threads
from minigen.gradcheck import GradientMismatch, gradcheck
from minigen.names import (
    INSTEAD,
    OF_MINIGEN,
    OF_MODULES,
    OF_OPTIMIZERS,
    OF_TENSORS,
    answer_attributes,
    answer_calls,
    asked_of_module,
)
from minigen.nn import manual_seed
from minigen.random import Generator
from minigen.serialization import load, save

answer_calls(device)
answer_attributes(nn.Module, OF_MODULES)
answer_attributes(optim.Optimizer, OF_OPTIMIZERS)
answer_attributes(Tensor, OF_TENSORS, [*INSTEAD, *ops.__all__, *(f"{name}_" for name in [*INSTEAD, *ops.__all__])])
if not TYPE_CHECKING:  # to a type checker an unknown name stays unknown
    __getattr__ = asked_of_module(__name__, OF_MINIGEN)

__version__ = "0.2.0"

__all__ = [
    "FusedFunction", "Function", "Generator", "GradientError", "GradientMismatch", "Tensor", "autograd", "cuda_status",
    "grad", "gradcheck", "load", "losses", "manual_seed", "nn", "no_grad", "ops", "optim", "save", "set_num_threads",
]  # fmt: skip
