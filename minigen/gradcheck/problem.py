"""The function under check as a problem: named variables that can be moved, outputs that can be asked for.

`Given` is the user's function or Module itself. `GradientOf` is the gradient of another problem, as a function of the
same variables and of the cotangents: checking it is checking one order more. Before every evaluation all state
(buffers, generators, attributes of Modules) is put back, so that the same point gives the same numbers.

Imports: tensor, random. Read next: ``verdict.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from minigen.device import to_device
from minigen.random import Generator
from minigen.tensor import Function, Tensor, grad
from minigen_kernels import Array


@runtime_checkable
class ModuleLike(Protocol):
    """What the checker wants of a Module (it stands below the room of layers and cannot name that class)."""

    def named_modules(self) -> Iterator[tuple[str, Any]]:
        """The Module itself and all below it."""
        ...

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """The trained Tensors."""
        ...


@dataclass(frozen=True)
class Variable:
    """A leaf Tensor in float64 that the outputs may depend on, and its name in messages."""

    name: str
    tensor: Tensor


class Problem:
    """Outputs as a function of variables. `evaluate` gives Tensors, `at` the numbers at a moved point."""

    variables: list[Variable]
    output_names: list[str]

    def evaluate(self, create_graph: bool) -> list[Tensor]:
        """The outputs at the current values of the variables; with `create_graph` they can be differentiated."""
        raise NotImplementedError

    def rewind(self) -> None:
        """Put back all state but the variables."""
        raise NotImplementedError

    def values(self) -> Array:
        """All elements of all outputs in one float64 vector, on the CPU."""
        return np.concatenate([np.zeros(0), *(y.numpy().ravel() for y in self.evaluate(False))])

    def at(self, moved: dict[int, Array]) -> Array:
        """As `values`, where the variables (by number) have the given values; afterwards they have their own again."""
        tensors = [self.variables[i].tensor for i in moved]
        before = [t.data for t in tensors]
        try:
            for t, new in zip(tensors, moved.values(), strict=True):
                t.data = to_device(np.asarray(new), t.device)  # arithmetic turns arrays of shape () into numbers
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
    """The user's function. Floating inputs become float64 copies, Modules compute in float64 until `release`."""

    def __init__(self, fn: Callable[..., Any], inputs: Sequence[Any], wrt: Sequence[int] | None) -> None:
        self.fn, self.inputs, self.output_names = fn, list(inputs), []
        owner = fn if isinstance(fn, ModuleLike) else getattr(fn, "__self__", None)  # a method of a Module
        candidates = {"": owner} | {f" of input {i}": x for i, x in enumerate(inputs)}
        roots = {suffix: x for suffix, x in candidates.items() if isinstance(x, ModuleLike)}
        self.variables = []
        for i, x in enumerate(inputs):
            if isinstance(x, Tensor) or hasattr(x, "dtype") and hasattr(x, "shape") and not isinstance(x, np.generic):
                data = x.data if isinstance(x, Tensor) else x
                if data.dtype.kind == "f":
                    chosen = wrt is None or i in wrt
                    self.inputs[i] = Tensor(data.astype(np.float64, order="C"), requires_grad=chosen)
                    if chosen:
                        self.variables.append(Variable(f"input {i}", self.inputs[i]))
        parameters = {
            id(p): Variable(f"parameter '{name}'{suffix}", p)
            for suffix, root in reversed(roots.items())
            for name, p in root.named_parameters()
            if p.requires_grad
        }
        self.variables += parameters.values()
        self.state = HeldState(roots.values(), [x for x in inputs if isinstance(x, Generator)], set(parameters))

    def evaluate(self, create_graph: bool) -> list[Tensor]:
        self.rewind()
        result = self.fn(*self.inputs)
        several = list(result) if isinstance(result, (tuple, list)) else [result]
        names = [f"output {k}" for k in range(len(several))] if len(several) > 1 else ["the output"]
        for name, y in zip(names, several, strict=True):
            if not isinstance(y, Tensor):
                raise TypeError(f"gradcheck: fn has to return a Tensor or several; {name} is {type(y).__name__}")
            if y.dtype == np.float32:
                raise TypeError(
                    f"gradcheck: fn loses precision: {name} is float32 although all inputs are float64. "
                    "Keep the dtype of the inputs inside fn (make constants with dtype=x.dtype)"
                )
        self.output_names = [name for name, y in zip(names, several, strict=True) if y.dtype == np.float64]
        return [y for y in several if y.dtype == np.float64]  # indices and masks have no derivative

    def rewind(self) -> None:
        self.state.rewind()

    def release(self) -> None:
        """Give the Modules back exactly as they came."""
        self.state.release()


class GradientOf(Problem):
    """The gradient of a problem at given cotangents, as a function of its variables and of the cotangents."""

    def __init__(self, inner: Problem, cotangents: Sequence[Tensor]) -> None:
        self.inner = inner
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


class HeldState:
    """Everything in Modules and Generators that an evaluation could read or change, except the variables."""

    def __init__(self, roots: Iterable[ModuleLike], generators: Sequence[Generator], variables: set[int]) -> None:
        self._modules: dict[int, tuple[Any, dict[str, Any]]] = {}
        self._tensors: dict[int, tuple[Tensor, Array, Tensor | None, bool]] = {}
        self._arrays: dict[int, tuple[Array, Array]] = {}
        self._lists: dict[int, tuple[Any, Any]] = {}
        self._generators = {id(g): (g, g.state) for g in generators}
        for root in roots:
            for _, module in root.named_modules():
                self._modules[id(module)] = module, dict(vars(module))
                for value in vars(module).values():
                    self._hold(value)
        # From here on the Modules hold float64 copies.
        for t, data, _, _ in self._tensors.values():
            t.data = data.astype(np.float64) if data.dtype.kind == "f" else data.copy()
        self._buffers = [(t, t.data.copy()) for t, *_ in self._tensors.values() if id(t) not in variables]

    def _hold(self, value: Any) -> None:
        if isinstance(value, Tensor):
            self._tensors[id(value)] = value, value.data, value.grad, value.requires_grad
        elif isinstance(value, np.ndarray):
            self._arrays[id(value)] = value, value.copy()
        elif isinstance(value, Generator):
            self._generators[id(value)] = value, value.state
        elif isinstance(value, (list, dict)):
            self._lists[id(value)] = value, value.copy()
        if isinstance(value, (list, tuple, dict)):
            for element in value.values() if isinstance(value, dict) else value:
                self._hold(element)

    def rewind(self) -> None:
        """Back to the beginning: before each evaluation."""
        for module, attributes in self._modules.values():
            vars(module).clear()
            vars(module).update(attributes)
        for t, data in self._buffers:
            t.data = data.copy()  # a copy: the function may change it in place
        for array, content in self._arrays.values():
            if not np.array_equal(array, content, equal_nan=array.dtype.kind == "f"):
                array[...] = content
        for container, content in self._lists.values():
            container.clear()
            container.extend(content) if isinstance(container, list) else container.update(content)
        for generator, state in self._generators.values():
            generator.state = state

    def release(self) -> None:
        """As it was before the check, in the original dtype and bit for bit."""
        self.rewind()
        for t, data, g, requires_grad in self._tensors.values():
            t.data, t.grad, t.requires_grad = data, g, requires_grad
