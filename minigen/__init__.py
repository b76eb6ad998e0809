"""minigen: a neural-network engine from scratch, with autoencoders, VAEs and GANs on top, every gradient checked.

    import minigen as mg
    from minigen import losses, nn, ops, optim

This file only re-exports. Read next: ``tensor.py``.
"""

from minigen import interrupt as interrupt  # first: what follows takes time

# isort: split
from minigen import losses, nn, ops, optim
from minigen.device import cuda_status, set_num_threads
from minigen.gradcheck import GradientMismatch, gradcheck
from minigen.nn import manual_seed
from minigen.random import Generator
from minigen.serialization import load, save
from minigen.tensor import Function, FusedFunction, GradientError, Tensor, grad, no_grad

__version__ = "0.1.0"

__all__ = [
    "FusedFunction", "Function", "Generator", "GradientError", "GradientMismatch", "Tensor", "cuda_status", "grad",
    "gradcheck", "load", "losses", "manual_seed", "nn", "no_grad", "ops", "optim", "save", "set_num_threads",
]  # fmt: skip
