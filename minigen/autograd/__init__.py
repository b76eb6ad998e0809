"""The engine: Tensor, Function, and the backward pass.

A `Tensor` is an array that remembers how it was made: `y.node` is the `Function` that made it, `y.node.inputs` are the
Tensors that it was made from. `grad` follows these links backwards. A Function's `backward` takes Tensors, returns
Tensors and calls only differentiable operations; so the gradient is itself made of operations, and can be
differentiated again, to any order. There is no other machinery. The operations themselves are in ``minigen/ops/``.

Imports: device, shapes, called, names, kernels. Read next: ``tensor.py``, ``function.py``, ``backward.py``,
``fused.py``, ``recording.py``; then ``gradcheck/__init__.py`` and ``ops/arithmetic.py``.
"""

from minigen.autograd.backward import grad
from minigen.autograd.changes import GradientError, note_change
from minigen.autograd.function import Function
from minigen.autograd.fused import FusedFunction, FusedPair
from minigen.autograd.recording import is_recording, no_grad
from minigen.autograd.tensor import Tensor, as_tensor

__all__ = [
    "Function", "FusedFunction", "FusedPair", "GradientError", "Tensor", "as_tensor", "grad", "is_recording", "no_grad",
    "note_change",
]  # fmt: skip
