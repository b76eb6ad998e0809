"""minigen: a neural-network engine from scratch, with autoencoders, VAEs and GANs on top, every gradient checked.

    import minigen as mg
    from minigen import losses, nn, ops, optim

This file only re-exports; names of PyTorch are answered with those that are used here. What trains whole models,
``mg.train`` and its like, is loaded when it is first used. Read next: ``autograd/__init__.py``, ``runs/library.py``.
"""

from minigen import interrupt as interrupt  # first: what follows takes time

# isort: split
import importlib
from typing import TYPE_CHECKING, Any

from minigen import autograd, device, losses, nn, ops, optim
from minigen.autograd import Function, FusedFunction, GradientError, Tensor, grad, no_grad
from minigen.capture import capture
from minigen.compiling import compile
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
from minigen.serialization import CheckpointError, load, save

answer_calls(device)
answer_attributes(nn.Module, OF_MODULES)
answer_attributes(optim.Optimizer, OF_OPTIMIZERS)
answer_attributes(Tensor, OF_TENSORS, [*INSTEAD, *ops.__all__, *(f"{name}_" for name in [*INSTEAD, *ops.__all__])])
if TYPE_CHECKING:
    from minigen import distributed, explore, onnx, weights
    from minigen.anatomy import explain_step
    from minigen.drawing import draw
    from minigen.runs import ConfigError, Logger, NonFiniteLoss, Run, RunFolderError, open_run, train
else:  # to a type checker an unknown name stays unknown
    _unknown = asked_of_module(__name__, OF_MINIGEN)

    def __getattr__(name: str) -> Any:
        if name not in LATE and name not in LATE_ROOMS:
            return _unknown(name)
        room = importlib.import_module(f"minigen.{LATE.get(name, name)}")
        return room if name in LATE_ROOMS else getattr(room, name)

    def __dir__() -> list[str]:
        return sorted({"__version__", *__all__, *(OF_MINIGEN.keys() & globals().keys())})


__version__ = "0.2.0"

#: What is loaded when it is first used, and in which room it is: what trains models and what goes wrong with that, what
#: draws a graph, and what takes a step apart.
LATE = {
    **dict.fromkeys(("ConfigError", "Logger", "NonFiniteLoss", "Run", "RunFolderError", "open_run", "train"), "runs"),
    "draw": "drawing",
    "explain_step": "anatomy",
}
#: Rooms that are loaded when they are first named.
LATE_ROOMS = ("distributed", "explore", "onnx", "weights")

__all__ = [
    "CheckpointError", "ConfigError", "Function", "FusedFunction", "Generator", "GradientError", "GradientMismatch",
    "Logger", "NonFiniteLoss", "Run", "RunFolderError", "Tensor", "autograd", "capture", "compile", "cuda_status",
    "distributed", "draw", "explain_step", "explore", "grad", "gradcheck", "load", "losses", "manual_seed", "nn",
    "no_grad", "onnx", "open_run", "ops", "optim", "save", "set_num_threads", "train", "weights",
]  # fmt: skip
