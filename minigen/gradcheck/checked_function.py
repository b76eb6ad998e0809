"""The function under check: named variables that can be moved, outputs that can be evaluated, and its gradient.

`UserFunction` is the user's function or Module. `GradientFunction` is the gradient of another checked function, as a
function of the same variables and of the cotangents: checking it adds one order. All state (buffers, generators,
attributes of Modules) is restored before every evaluation, so that the same point gives the same numbers.

Imports: autograd, random. Read next: ``state.py``, then ``linearization.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigen.autograd import Function, Tensor, grad
from minigen.device import to_device
from minigen.gradcheck.state import ModuleLike, StateSnapshot, replaced_data
from minigen_kernels import Array


@dataclass(frozen=True)
class Variable:
    """A leaf Tensor in the dtype of the check that the outputs may depend on, and its name in messages."""

    name: str
    tensor: Tensor

    def numbers(self) -> Array:
        """Its values in float64, on the CPU."""
        return np.asarray(self.tensor.numpy(), np.float64)


class CheckedFunction:
    """Outputs as a function of variables. `evaluate` gives Tensors, `values_at` the numbers at another point."""

    variables: list[Variable]
    output_names: list[str]
    wrong_dtypes: dict[str, str]  # outputs in another floating dtype than that of the check

    def evaluate(self, create_graph: bool) -> list[Tensor]:
        """The outputs at the current values of the variables; with `create_graph` they can be differentiated."""
        raise NotImplementedError

    def values(self) -> Array:
        """All elements of all outputs in one float64 vector, on the CPU, whatever the dtype of the check."""
        return np.concatenate([np.zeros(0), *(y.numpy().ravel() for y in self.evaluate(False))])

    @contextmanager
    def at(self, point: Mapping[int, Array]) -> Iterator[None]:
        """Inside ``with``, the variables (by number) have these values."""
        tensors = [self.variables[i].tensor for i in point]
        # np.asarray: arithmetic turns an array of shape () into a number.
        arrays = [to_device(np.asarray(x, t.dtype), t.device) for t, x in zip(tensors, point.values(), strict=True)]
        with replaced_data(tensors, arrays):
            yield

    def values_at(self, point: Mapping[int, Array]) -> Array:
        """The `values` where the variables (by number) have the given values."""
        try:
            with self.at(point):
                return self.values()
        except Exception as error:
            names = ", ".join(self.variables[i].name for i in point)
            error.add_note(f"gradcheck: this happened at a slightly moved point ({names}); start further inside")
            raise

    def vjp(self, ys: list[Tensor], gys: Sequence[Tensor], create_graph: bool) -> list[Tensor]:
        """The vector-Jacobian product gy.dy/dx, summed over the outputs, for each variable x: the analytic gradient."""
        xs = [v.tensor for v in self.variables]
        root = CotangentSeed.apply(*ys, gys=tuple(gys)) if ys else Tensor(0.0)
        if not root.requires_grad:  # no recorded operation leads from a variable to an output
            return [Tensor(np.zeros_like(x.data)) for x in xs]
        return list(grad(root, xs, create_graph=create_graph))


class CotangentSeed(Function):
    """A number whose gradient in its inputs are the cotangents `gys`: one backward pass for many outputs."""

    gys: tuple[Tensor, ...]

    def forward(self, *ys: Array) -> Array:
        return np.zeros_like(ys[0], shape=())

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        return self.gys


class UserFunction(CheckedFunction):
    """The user's function. Floating inputs become copies in `dtype`; Modules compute in it until `release`."""

    def __init__(
        self, fn: Callable[..., Any], inputs: Sequence[Any], wrt: Sequence[int] | None, dtype: Any, *others: Any
    ) -> None:
        self.fn, self.inputs, self.dtype, self.output_names = fn, list(inputs), np.dtype(dtype), []
        self.wrong_dtypes = {}
        owner = fn if isinstance(fn, ModuleLike) else getattr(fn, "__self__", None)  # a method of a Module
        candidates = {"": owner} | {f" of input {i}": x for i, x in enumerate(inputs)}
        roots = {suffix: x for suffix, x in candidates.items() if isinstance(x, ModuleLike)}
        self.variables = []
        for i, x in enumerate(inputs):
            data = array_in(x)
            if data is not None and data.dtype.kind == "f":
                chosen = wrt is None or i in wrt
                self.inputs[i] = Tensor(data.astype(self.dtype, order="C"), requires_grad=chosen)
                if chosen:
                    self.variables.append(Variable(f"input {i}", self.inputs[i]))
        parameters = {
            id(p): Variable(f"parameter '{name}'{suffix}", p)
            for suffix, root in reversed(roots.items())
            for name, p in root.named_parameters()
            if p.requires_grad
        }
        self.variables += parameters.values()
        modules = [x for x in others if isinstance(x, ModuleLike)]  # they compute in `dtype` too
        self.state = StateSnapshot([*roots.values(), *modules], inputs, set(parameters), self.dtype)

    @property
    def wrt(self) -> list[int]:
        """The positions of the inputs that are differentiated."""
        return [i for i, x in enumerate(self.inputs) if isinstance(x, Tensor) and x.requires_grad]

    def with_inputs(self, inputs: Sequence[Any], dtype: Any) -> UserFunction:
        """The same function at other inputs, or in another dtype."""
        return UserFunction(self.fn, inputs, self.wrt, dtype)

    def evaluate(self, create_graph: bool) -> list[Tensor]:
        return self._call(self.fn)

    def _call(self, fn: Callable[..., Any]) -> list[Tensor]:
        self.state.restore()
        result = fn(*self.inputs)
        several = list(result) if isinstance(result, (tuple, list)) else [result]
        names = [f"output {k}" for k in range(len(several))] if len(several) > 1 else ["the output"]
        for name, y in zip(names, several, strict=True):
            if not isinstance(y, Tensor):
                raise TypeError(f"gradcheck: fn has to return a Tensor or several; {name} is {type(y).__name__}")
            if y.dtype.kind == "f" and y.dtype != self.dtype:
                self.wrong_dtypes[name] = str(y.dtype)
        self.output_names = [name for name, y in zip(names, several, strict=True) if y.dtype == self.dtype]
        return [y for y in several if y.dtype == self.dtype]  # indices and masks have no derivative

    @contextmanager
    def on(self, device: str) -> Iterator[None]:
        """Inside ``with``, everything is on `device`: inputs, parameters, buffers and generators."""
        inputs = self.inputs
        tensors = [x for x in inputs if isinstance(x, Tensor)] + [v.tensor for v in self.variables]
        raw = [None if isinstance(x, Tensor) else array_in(x) for x in inputs]
        try:
            self.inputs = [x if a is None else to_device(a, device) for x, a in zip(inputs, raw, strict=True)]
            with replaced_data(tensors, [to_device(t.data, device) for t in tensors]), self.state.on(device):
                yield
        finally:
            self.inputs = inputs

    def release(self) -> None:
        """Give the Modules back exactly as they came."""
        self.state.release()


class SurrogateGradient(UserFunction):
    """A function `fn` whose gradient is meant to be that of another one, `derivative_of`: a straight-through estimator.

    The gradient is that of `fn`, the values are those of `derivative_of`. Above order 1 nothing is different: there the
    gradient of `fn` is the function.
    """

    def __init__(
        self, fn: Callable[..., Any], derivative_of: Callable[..., Any], inputs: Sequence[Any], wrt: Any, dtype: Any
    ) -> None:
        super().__init__(fn, inputs, wrt, dtype, derivative_of)
        self.derivative_of = derivative_of
        own = {v.name: v.tensor for v in self.variables}
        named: list[tuple[str, Tensor]] = []
        if isinstance(derivative_of, ModuleLike):
            named = list(derivative_of.named_parameters())
        pairs = [(p, own.get(f"parameter '{name}'")) for name, p in named]
        self._shared = [(p, mine) for p, mine in pairs if mine is not None]

    def with_inputs(self, inputs: Sequence[Any], dtype: Any) -> UserFunction:
        return SurrogateGradient(self.fn, self.derivative_of, inputs, self.wrt, dtype)

    def values(self) -> Array:
        shapes = [y.shape for y in self.evaluate(False)]
        ys = self._call(self._call_derivative_of)
        if (others := [y.shape for y in ys]) != shapes:
            wanted, got = (" and ".join(map(str, each)) or "none" for each in (shapes, others))
            raise ValueError(
                f"gradcheck: derivative_of has to give results like those of fn, of shape {wanted}; it gives {got}"
            )
        return np.concatenate([np.zeros(0), *(y.numpy().ravel() for y in ys)])

    def _call_derivative_of(self, *inputs: Any) -> Any:
        for p, own in self._shared:
            p.data = own.data
        return self.derivative_of(*inputs)


def array_in(x: Any) -> Array | None:
    """The array that `x` is or holds, if it is an array or a Tensor."""
    data = x.data if isinstance(x, Tensor) else x
    return data if hasattr(data, "dtype") and hasattr(data, "shape") and not isinstance(data, np.generic) else None


class GradientFunction(CheckedFunction):
    """The gradient of a checked function at given cotangents, as a function of its variables and of the cotangents."""

    def __init__(self, inner: CheckedFunction, cotangents: Sequence[Tensor]) -> None:
        self.inner, self.wrong_dtypes = inner, {}
        self.cotangents = [Tensor(v.data, requires_grad=True) for v in cotangents]
        names = [f"cotangent of {name}" for name in inner.output_names]
        self.variables = inner.variables + [Variable(*pair) for pair in zip(names, self.cotangents, strict=True)]
        self.output_names = [f"the gradient in {v.name}" for v in inner.variables]

    def evaluate(self, create_graph: bool) -> list[Tensor]:
        # Without a graph this is the gradient that training uses (fused kernels included), already checked one order
        # below. With a graph it is what is differentiated. The first is the reference for the second.
        return self.inner.vjp(self.inner.evaluate(True), self.cotangents, create_graph)


def innermost(function: CheckedFunction) -> tuple[UserFunction, list[list[Tensor]]]:
    """The user's function below all gradients, and the cotangents of those gradients, outermost first."""
    chain: list[list[Tensor]] = []
    while isinstance(function, GradientFunction):
        chain.append(function.cotangents)
        function = function.inner
    assert isinstance(function, UserFunction)
    return function, chain
