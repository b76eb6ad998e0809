"""A step of training as a list of calls of kernels and NumPy, without Tensors: `compile`. Read ``step.py`` first.

A small model's step is hundreds of operations, and each costs Python microseconds for Tensors, history and checks.
"""

from minigen.compiling.step import CompiledStep, compile

__all__ = ["CompiledStep", "compile"]
