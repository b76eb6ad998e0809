"""FusedFunction: the first derivative is a hand-written kernel, the higher ones are those of its definition.

Why an engine needs this is in docs/guide/03_higher_orders.md.

Imports: function, backward, tensor, recording. Read next: ``recording.py``, then ``ops/arithmetic.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigen.autograd.backward import OfSecond, grad
from minigen.autograd.changes import GradientError
from minigen.autograd.function import Function
from minigen.autograd.recording import recording
from minigen.autograd.tensor import Tensor
from minigen_kernels import Array


class Identity(Function):
    """The same values under a new name."""

    def forward(self, x: Array) -> Array:
        return x

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy


class FusedFunction(Function):
    """An operation whose first derivative is a hand-written kernel, and which says in `definition` what it computes.

    For the first order the engine runs `backward_arrays`: arrays in, arrays out, free to use whatever `forward` saved.
    Under ``create_graph`` it calls `gradient` instead, which differentiates `definition`: the same function in
    differentiable operations. So fusing can make no higher order wrong, and the definition is what a student reads.
    """

    def backward_arrays(self, gy: Array, y: Array) -> Array | None | tuple[Array | None, ...]:
        """Gradient of the result to gradients of the inputs, as arrays; None where `needs(i)` is False."""
        raise NotImplementedError(f"{type(self).__name__} has no backward_arrays")

    def definition(self, *inputs: Any) -> Tensor:
        """The same function of the same inputs in differentiable operations."""
        raise GradientError(
            f"{type(self).__name__} is fused and has no definition, so it can be differentiated only once: "
            "state `definition`, or do not ask for create_graph"
        )

    def onnx(self, graph: Any, *inputs: Any) -> Any:
        """That of the definition."""
        return None if type(self).definition is FusedFunction.definition else graph.record(self.definition, *inputs)

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        """The kernel's gradient, or under `create_graph` the definition's."""
        if recording.on:
            return self.gradient(gy, y)
        return _as_tensors(self.backward_arrays(gy.data, y.data))

    def gradient(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient of each input in differentiable operations: that of `definition`.

        An operation whose gradient can be told from its result states that here, and needs no definition: then nothing
        is computed again.
        """
        return self._of_definition(lambda y: [(y, gy)])

    def _of_definition(self, with_gradients: Callable[[Any], list[tuple[Tensor, Tensor]]]) -> tuple[Tensor | None, ...]:
        """The gradients of the inputs from those of the results of `definition`, which `with_gradients` puts beside."""
        # New names for the inputs: the inner `grad` ends at them, while its results still depend on the real inputs.
        held = [Identity.apply(x) if isinstance(x, Tensor) and x.requires_grad else x for x in self.inputs]
        asked = [i for i in range(len(held)) if self.needs(i)]
        found: dict[int, Tensor] = {}
        for y, gy in with_gradients(self.definition(*held)):
            for i, gx in zip(asked, grad(y, [held[i] for i in asked], gy, create_graph=True), strict=True):
                found[i] = found[i] + gx if i in found else gx
        return tuple(found.get(i) for i in range(len(held)))


class SecondResult(Function):
    """The second result of a FusedPair, made from the first, to whose Function its gradient goes."""

    value: Array

    def forward(self, y: Array) -> Array:
        return self.value

    def backward(self, gy: Tensor, y: Tensor) -> Any:
        return OfSecond(gy)


class FusedPair(FusedFunction):
    """A FusedFunction with two results: `forward` returns the first and saves the second as `second`.

    `pair` gives both. `backward_arrays` gets the gradients of both, that of the second or None as its last argument;
    `definition` returns both. So what two results share is computed once, also on the way back.
    """

    second: Array

    @classmethod
    def pair(cls, *inputs: Any, **static: Any) -> tuple[Tensor, Tensor]:
        """Run the operation: the first and the second result."""
        function = cls(**static)
        y = function(*inputs)
        return y, SecondResult.apply(y, value=function.second)

    def backward_arrays(
        self, gy: Array, y: Array, second: Array | None = None
    ) -> Array | None | tuple[Array | None, ...]:
        """Gradients of both results to gradients of the inputs, as arrays; None where `needs(i)` is False."""
        raise NotImplementedError(f"{type(self).__name__} has no backward_arrays")

    def definition(self, *inputs: Any) -> Any:
        """The same two functions of the same inputs in differentiable operations."""
        return super().definition(*inputs)

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        """The kernel's gradient, or under `create_graph` the definition's."""
        second: Tensor | None = recording.second
        if recording.on:
            return self._of_definition(lambda ys: [(ys[0], gy)] if second is None else list(zip(ys, (gy, second))))
        return _as_tensors(self.backward_arrays(gy.data, y.data, None if second is None else second.data))


def _as_tensors(arrays: Array | None | tuple[Array | None, ...]) -> tuple[Tensor | None, ...]:
    if not isinstance(arrays, tuple):
        return (None if arrays is None else Tensor(arrays),)
    return tuple([None if gx is None else Tensor(gx) for gx in arrays])
