"""The function under check as a problem: named variables that can be moved, outputs that can be asked for.

`Given` is the user's function or Module itself. `GradientOf` is the gradient of another problem, as a function of the
same variables and of the cotangents: checking it is checking one order more. Before every evaluation all state
(buffers, generators, attributes of Modules) is put back, so that the same point gives the same numbers.

Imports: tensor, random. Read next: ``state.py``, then ``verdict.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigen.autograd import Function, Tensor, grad
from minigen.device import to_device
from minigen.gradcheck.state import HeldState, ModuleLike
from minigen_kernels import Array


@dataclass(frozen=True)
class Variable:
    """A leaf Tensor in the dtype of the check that the outputs may depend on, and its name in messages."""

    name: str
    tensor: Tensor


class Problem:
    """Outputs as a function of variables. `evaluate` gives Tensors, `at` the numbers at a moved point."""

    variables: list[Variable]
    output_names: list[str]
    foreign: dict[str, str]  # outputs in another floating dtype than that of the check

    def evaluate(self, create_graph: bool) -> list[Tensor]:
        """The outputs at the current values of the variables; with `create_graph` they can be differentiated."""
        raise NotImplementedError

    def rewind(self) -> None:
        """Put back all state but the variables."""
        raise NotImplementedError

    def values(self) -> Array:
        """All elements of all outputs in one float64 vector, on the CPU, whatever the dtype of the check."""
        return np.concatenate([np.zeros(0), *(y.numpy().ravel() for y in self.evaluate(False))])

    def at(self, moved: dict[int, Array]) -> Array:
        """As `values`, where the variables (by number) have the given values; afterwards they have their own again."""
        tensors = [self.variables[i].tensor for i in moved]
        before = [t.data for t in tensors]
        try:
            for t, new in zip(tensors, moved.values(), strict=True):
                t.data = to_device(np.asarray(new, t.dtype), t.device)  # arithmetic makes numbers of shape ()
            return self.values()
        except Exception as error:
            names = ", ".join(self.variables[i].name for i in moved)
            error.add_note(f"gradcheck: this happened at a slightly moved point ({names}); start further inside")
            raise
        finally:
            for t, old in zip(tensors, before, strict=True):
                t.data = old

    def pull_back(self, ys: list[Tensor], gys: Sequence[Tensor], create_graph: bool) -> list[Tensor]:
        """The analytic gradient: sum over the outputs of gy.dy/dx, for each variable x."""
        xs = [v.tensor for v in self.variables]
        root = Root.apply(*ys, gys=tuple(gys)) if ys else Tensor(0.0)
        if not root.requires_grad:  # no recorded operation leads from a variable to an output
            return [Tensor(np.zeros_like(x.data)) for x in xs]
        return list(grad(root, xs, create_graph=create_graph))


class Root(Function):
    """A number that has the given cotangents `gys` as gradients in its inputs: one backward walk for many outputs."""

    gys: tuple[Tensor, ...]

    def forward(self, *ys: Array) -> Array:
        return np.zeros_like(ys[0], shape=())

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        return self.gys


class Given(Problem):
    """The user's function. Floating inputs become copies in `dtype`, Modules compute in it until `release`."""

    def __init__(
        self, fn: Callable[..., Any], inputs: Sequence[Any], wrt: Sequence[int] | None, dtype: Any, *others: Any
    ) -> None:
        self.fn, self.inputs, self.dtype, self.output_names = fn, list(inputs), np.dtype(dtype), []
        self.foreign = {}
        owner = fn if isinstance(fn, ModuleLike) else getattr(fn, "__self__", None)  # a method of a Module
        candidates = {"": owner} | {f" of input {i}": x for i, x in enumerate(inputs)}
        roots = {suffix: x for suffix, x in candidates.items() if isinstance(x, ModuleLike)}
        self.variables = []
        for i, x in enumerate(inputs):
            data = array_of(x)
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
        self.state = HeldState([*roots.values(), *modules], inputs, set(parameters), self.dtype)

    def again(self, inputs: Sequence[Any], wrt: Sequence[int], dtype: Any) -> Given:
        """The same function with other inputs, or in another dtype."""
        return Given(self.fn, inputs, wrt, dtype)

    def evaluate(self, create_graph: bool) -> list[Tensor]:
        return self._outputs_of(self.fn)

    def _outputs_of(self, fn: Callable[..., Any]) -> list[Tensor]:
        self.rewind()
        result = fn(*self.inputs)
        several = list(result) if isinstance(result, (tuple, list)) else [result]
        names = [f"output {k}" for k in range(len(several))] if len(several) > 1 else ["the output"]
        for name, y in zip(names, several, strict=True):
            if not isinstance(y, Tensor):
                raise TypeError(f"gradcheck: fn has to return a Tensor or several; {name} is {type(y).__name__}")
            if y.dtype.kind == "f" and y.dtype != self.dtype:
                self.foreign[name] = str(y.dtype)
        self.output_names = [name for name, y in zip(names, several, strict=True) if y.dtype == self.dtype]
        return [y for y in several if y.dtype == self.dtype]  # indices and masks have no derivative

    def rewind(self) -> None:
        self.state.rewind()

    @contextmanager
    def on(self, device: str) -> Iterator[None]:
        """Inside, everything is on `device`: inputs, parameters, buffers and generators."""
        inputs, held = self.inputs, [x for x in self.inputs if isinstance(x, Tensor)]
        held += [v.tensor for v in self.variables]
        before = [(t, t.data) for t in held]
        try:
            for t in held:
                t.data = to_device(t.data, device)
            raw = [None if isinstance(x, Tensor) else array_of(x) for x in inputs]
            self.inputs = [x if a is None else to_device(a, device) for x, a in zip(inputs, raw, strict=True)]
            with self.state.on(device):
                yield
        finally:
            self.inputs = inputs
            for t, data in before:
                t.data = data

    def release(self) -> None:
        """Give the Modules back exactly as they came."""
        self.state.release()


def array_of(x: Any) -> Array | None:
    """The array that `x` is or holds, if it is an array or a Tensor."""
    data = x.data if isinstance(x, Tensor) else x
    return data if hasattr(data, "dtype") and hasattr(data, "shape") and not isinstance(data, np.generic) else None


class GradientOf(Problem):
    """The gradient of a problem at given cotangents, as a function of its variables and of the cotangents."""

    def __init__(self, inner: Problem, cotangents: Sequence[Tensor]) -> None:
        self.inner, self.foreign = inner, {}
        self.cotangents = [Tensor(v.data, requires_grad=True) for v in cotangents]
        names = [f"cotangent of {name}" for name in inner.output_names]
        self.variables = inner.variables + [Variable(*pair) for pair in zip(names, self.cotangents, strict=True)]
        self.output_names = [f"the gradient in {v.name}" for v in inner.variables]

    def evaluate(self, create_graph: bool) -> list[Tensor]:
        # Without a graph this is the gradient that training uses (fused kernels and all), already checked one order
        # below. With a graph it is what is differentiated. The first is the witness against the second.
        return self.inner.pull_back(self.inner.evaluate(True), self.cotangents, create_graph)

    def rewind(self) -> None:
        self.inner.rewind()
