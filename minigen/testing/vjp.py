"""The checker for other engines: a function of arrays and its hand-written vector-Jacobian product.

Whatever computes with arrays can be checked: the two functions become a `Function` of this engine, which goes through
the same checker and gets the same diagnosis.

Imports: autograd, gradcheck. Read next: ``torch_function.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigen.autograd import Function, GradientError, Tensor
from minigen.gradcheck import Report, gradcheck
from minigen_kernels import Array


def check_vjp(
    f: Callable[[tuple[Any, ...]], Any],
    vjp: Callable[[tuple[Any, ...], Array], Any],
    inputs: Sequence[Any],
    **options: Any,
) -> Report:
    """Check that ``vjp(arrays, cotangent)`` is the gradient of ``f(arrays)``, at `inputs`. Return a report, or raise.

    `f` takes a tuple like `inputs` and returns one array (or number); `vjp` takes the same tuple and an array of the
    shape of the result, and returns one array like each input: sum over the result of cotangent * dy/dx. It may return
    None for inputs that have no gradient, and the array alone where there is one input. Floating arrays among `inputs`
    are checked in float64; all else (integer arrays, options) is handed on as it came.

        def f(arrays):
            x, w = arrays
            return x @ w

        def vjp(arrays, gy):
            x, w = arrays
            return gy @ w.T, x.T @ gy

        check_vjp(f, vjp, [np.random.randn(2, 3), np.random.randn(3, 4)])

    `options` are those of `gradcheck`. `order` is 1: `vjp` gives numbers, which nothing can differentiate. To check a
    second derivative, give `vjp` as `f`, together with a vjp of its own.

    Raises `GradientMismatch` with the diagnosis; TypeError or ValueError for what is no such pair of functions.
    """
    if not callable(f) or not callable(vjp):
        raise TypeError(f"check_vjp: f and vjp are functions, got {f!r} and {vjp!r}")
    if not isinstance(inputs, (list, tuple)):
        raise TypeError(
            f"check_vjp: inputs is a list or tuple of arrays, got {type(inputs).__name__}; for one array: [x]"
        )
    if options.get("order", 1) != 1:
        raise ValueError(
            f"check_vjp: order={options['order']}, but the numbers that vjp returns cannot be differentiated; "
            "check the second derivative as check_vjp(vjp_as_a_function, its_own_vjp, inputs)"
        )
    name = getattr(f, "__name__", type(f).__name__)
    kind: type[ExternalFunction] = type(name, (ExternalFunction,), {})  # the engine's messages name the class

    def target(*arguments: Any) -> Tensor:
        positions = [i for i, x in enumerate(arguments) if isinstance(x, Tensor)]
        return kind.apply(*(arguments[i] for i in positions), f=f, vjp=vjp, arguments=arguments, positions=positions)

    target.__name__ = name
    return gradcheck(target, *inputs, **options)


class ExternalFunction(Function):
    """f(arrays) with the gradient vjp(arrays, cotangent). `inputs`: the Tensors at `positions` among `arguments`."""

    f: Callable[[tuple[Any, ...]], Any]
    vjp: Callable[[tuple[Any, ...], Array], Any]
    arguments: tuple[Any, ...]
    positions: list[int]

    def forward(self, *arrays: Array) -> Array:
        y = np.asarray(self.f(self._arguments_with(arrays)))
        if y.dtype.kind != "f":
            raise TypeError(f"f has to return one array of floating numbers, got {y.dtype} of shape {y.shape}")
        return y

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        returned = self.vjp(self._arguments_with([x.data for x in self.inputs]), gy.data)
        several = returned if isinstance(returned, (tuple, list)) else (returned,)
        if len(several) != len(self.arguments):
            name = type(self).__name__
            raise GradientError(
                f"{name}: vjp returned {len(several)} gradients for {len(self.arguments)} inputs; it has to return one "
                "for each, None where there is none"
            )
        return tuple(_gradient(several[i], x.dtype) for i, x in zip(self.positions, self.inputs, strict=True))

    def _arguments_with(self, arrays: Sequence[Array]) -> tuple[Any, ...]:
        """`arguments` with these arrays in place of the Tensors."""
        arguments = list(self.arguments)
        for i, array in zip(self.positions, arrays, strict=True):
            arguments[i] = array
        return tuple(arguments)


def _gradient(g: Any, dtype: Any) -> Tensor | None:
    """A gradient as a Tensor; Python's numbers have no dtype and take that of the input."""
    if g is None:
        return None
    return Tensor(np.asarray(g, dtype if isinstance(g, (int, float)) else None))
