"""Module: an object that owns parameters, the base class of all layers and networks.

A Module finds its contents among its attributes, and in lists, tuples and dicts that are attributes: a `Parameter` is
trained, any other Tensor is a buffer (such as the running statistics of batch norm), a Module is a child. The name of a
parameter is the path of attribute names to it, "encoder.0.weight", as in PyTorch.

Imports: autograd, display. Read next: ``sequential.py``, then ``layers.py``.
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from minigen.autograd import Tensor, as_tensor, no_grad
from minigen.device import array_module
from minigen.display.blocks import Lines, safely
from minigen.nn.modes import Mode, thread_local_modes
from minigen.nn.shown import module_html
from minigen.nn.state import load_tensors
from minigen.shapes import shown
from minigen_kernels import Array


class Parameter(Tensor):
    """A Tensor that belongs to a Module and is trained: a leaf that requires a gradient."""

    __slots__ = ()

    def __init__(self, data: Any) -> None:
        super().__init__(data if isinstance(data, Tensor) else as_tensor(data, "Parameter").data, requires_grad=True)


class ShapeError(ValueError):
    """An input that does not fit a layer. The message names the layer by its path in the outermost Module."""

    def __init__(self, module: Module, expected: str, got: Any, hint: str = "") -> None:
        super().__init__(expected, got, hint)
        self.kind, self.module, self.path = type(module).__name__, module, ""
        self.expected, self.got, self.hint = expected, got, hint

    def __str__(self) -> str:
        name = f"{self.kind} '{self.path}'" if self.path else self.kind
        return f"{name}: expected input {self.expected}, got {self.got}{'. ' + self.hint if self.hint else ''}"


class Module:
    """The base class of layers and networks. A subclass makes its parameters in `__init__` and defines `forward`."""

    training = Mode()  # for batch norm and dropout; train() and eval() set it for all Modules below
    takes_indices: ClassVar[bool] = False  # whether the input is integers; `summary` needs to know

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """What the module computes."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        try:
            return self.forward(*inputs, **options)
        except (ShapeError, AttributeError) as error:
            self._explain(error, inputs)
            raise

    def call_submodule(self, function: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
        """Call a submodule (or a method that uses some); a ShapeError of a layer gets the path from this Module."""
        try:
            return function(*inputs, **options)
        except (ShapeError, AttributeError) as error:
            self._explain(error, inputs)
            raise

    def _explain(self, error: ShapeError | AttributeError, inputs: tuple[Any, ...]) -> None:
        """Add this Module to the path of a ShapeError; TypeError in place of an input that is no Tensor."""
        if isinstance(error, AttributeError):
            if any(error.obj is x for x in inputs) and error.name in ("shape", "ndim", "dtype", "data"):
                raise TypeError(f"{type(self).__name__}: expected a Tensor, got {shown(error.obj)}") from error
        elif error.module is not self:  # each Module that the error passes adds its part of the path
            name = next((name for name, below in self.named_modules() if below is error.module), "?")
            error.path, error.module = f"{name}.{error.path}".rstrip("."), self

    # Contents.

    def children(self) -> Iterator[tuple[str, Module]]:
        """The Modules among the attributes, also those in lists, tuples and dicts, with their names."""
        for name, value in _attributes(self):
            if isinstance(value, Module):
                yield name, value

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """The Module itself (its name is "") and all below it; a shared one comes once, under its first name."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [("", self)]
        while stack:
            prefix, module = stack.pop()
            if id(module) not in seen:
                seen.add(id(module))
                yield prefix, module
                below = [(f"{prefix}.{name}" if prefix else name, child) for name, child in module.children()]
                stack += reversed(below)

    def _named_tensors(self, *, remove_duplicate: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Parameters and buffers with their names; a shared one once, under its first name, or under each of them."""
        seen: set[int] = set()
        stack: list[tuple[str, Module, tuple[int, ...]]] = [("", self, ())]
        while stack:
            prefix, module, above = stack.pop()
            above = (*above, id(module))
            for name, value in _attributes(module):
                if isinstance(value, Tensor) and not (remove_duplicate and id(value) in seen):
                    _check_is_parameter_or_buffer(module, name, value)
                    seen.add(id(value))
                    yield prefix + name, value
            below = [(f"{prefix}{name}.", m, above) for name, m in module.children() if id(m) not in above]
            stack += reversed(below)

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """The Parameters with their names, in the order of the attributes."""
        return ((name, t) for name, t in self._named_tensors() if isinstance(t, Parameter))

    def parameters(self) -> list[Parameter]:
        """All Parameters, each once."""
        return [p for _, p in self.named_parameters()]

    # State: arrays by name.

    def state_dict(self) -> dict[str, Array]:
        """A copy of every parameter and buffer as a NumPy array, by name; a shared one under each of its names."""
        return {name: np.array(t.numpy(), order="C") for name, t in self._named_tensors(remove_duplicate=False)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Copy the values of `state`. All or nothing: ValueError names every entry that does not fit.

        The value of a shared Tensor may be under any of its names; values under several names must be equal.
        Entries named ``num_batches_tracked``, which PyTorch keeps in batch norm, are accepted and not used.
        """
        load_tensors(f"{type(self).__name__}.load_state_dict", self._named_tensors(remove_duplicate=False), state)

    # Mode, device, dtype.

    def train(self, mode: bool = True) -> Self:
        """Training mode for this Module and all below it (batch statistics, active dropout)."""
        for _, module in self.named_modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Evaluation mode for this Module and all below it (running statistics, no dropout)."""
        return self.train(False)

    @contextlib.contextmanager
    def evaluation(self) -> Iterator[None]:
        """Inside ``with``: evaluation mode and no recording of gradients; afterwards the modes are as before.

        Both hold for this thread only: other threads that use the network at the same time see their own mode.
        """
        with no_grad(), thread_local_modes(module for _, module in self.named_modules()):
            self.eval()
            yield

    def to(self, device: str | None = None, dtype: Any = None) -> Self:
        """Move all parameters and buffers to a device ("cpu", "cuda"), in place; gradients are dropped.

        `dtype` is for floats; buffers of integers and booleans keep theirs.
        """
        for _, t in self._named_tensors():
            t.data, t.grad = t.detach().to(device, dtype if t.dtype.kind == "f" else None).data, None
        return self

    def zero_grad(self) -> None:
        """Set the gradients of all parameters to None."""
        for p in self.parameters():
            p.grad = None

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze (False) or unfreeze (True) all parameters: no gradient is computed for a frozen one."""
        for p in self.parameters():
            p.requires_grad = requires_grad
        return self

    def __getstate__(self) -> dict[str, Any]:  # a copy gets the mode that this thread sees
        return {**vars(self), "training": self.training}

    # Text.

    def __repr__(self) -> str:
        shown = [(name, value) for name, value in _attributes(self) if isinstance(value, Module) or _is_function(value)]
        lines = [f"  ({name}): {_indented(value)}" for name, value in shown]
        inside = "\n" + "\n".join(lines) + "\n" if lines else self._settings()
        return f"{type(self).__name__}({inside})"

    def _repr_html_(self) -> str:
        return safely(module_html, self)

    def _named_layers(self, path: str = "") -> Iterator[tuple[str, Any]]:
        """The layers in the order of the attributes, with their paths: Modules without Modules in them, functions, and
        the Tensors that stand between them.
        """
        for name, value in _attributes(self):
            if isinstance(value, Module) and any(True for _ in value.children()):
                yield from value._named_layers(f"{path}{name}.")
            elif isinstance(value, (Module, Tensor)) or _is_function(value):
                yield path + name, value

    def _settings(self) -> str:
        plain = (int, float, str, bool, tuple)
        return ", ".join(f"{k}={v}" for k, v in vars(self).items() if isinstance(v, plain) and k != "training")

    def summary(self, input_shape: tuple[int, ...]) -> str:
        """A table of the layers: name, output shape for an input of `input_shape` (without N), number of parameters.

        The network runs once on zeros (integers if its first layer takes indices) in evaluation mode, and is unchanged.
        """
        first = next(iter(self.parameters()), None)
        xp = array_module(None if first is None else first.data)
        lowest = next((m for _, m in self.named_modules() if not any(True for _ in m.children())), self)
        dtype: Any = np.int64 if lowest.takes_indices else np.float32 if first is None else first.dtype
        rows: list[tuple[str, str, str, str]] = []
        attributes = [
            (f"{prefix}.{name}".lstrip("."), module, name, value)
            for prefix, module in self.named_modules()
            for name, value in vars(module).items()
        ]
        try:
            for path, module, name, value in attributes:
                setattr(module, name, _recorded(path, value, rows))
            network = self if any(True for _ in self.children()) else _Recorder("", self, rows)
            with self.evaluation():
                network(Tensor(xp.zeros((1, *input_shape), dtype)))
        finally:
            for _, module, name, value in attributes:
                setattr(module, name, value)
        total = sum(p.size for p in self.parameters())
        rows = [("name", "layer", "output shape", "parameters"), *rows, ("total", "", "", f"{total:,}")]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = ["  ".join(f"{row[i]:{'>' if i == 3 else '<'}{widths[i]}}" for i in range(4)).rstrip() for row in rows]
        rule = "-" * max(map(len, lines))
        return Lines("\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]]))


class _Recorder(Module):
    """A layer that adds a row to the table when it is called. `summary` puts it in the place of each layer."""

    def __init__(self, path: str, layer: Any, rows: list[tuple[str, str, str, str]]) -> None:
        self.path, self.layer, self.rows = path, layer, rows

    def __getattr__(self, name: str) -> Any:  # the network may read attributes of its layers: a tied weight, a size
        return getattr(self.layer, name)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        try:
            y = self.layer(*inputs, **options)
        except ShapeError as error:
            if error.module is self.layer:  # the path is that of the layer, without the recorder
                error.module = self
            raise
        shape = getattr(y[0] if isinstance(y, tuple) else y, "shape", ())
        count = math.fsum(p.size for p in self.layer.parameters()) if isinstance(self.layer, Module) else 0
        kind = type(self.layer).__name__ if isinstance(self.layer, Module) else self.layer.__name__
        self.rows.append((self.path, kind, "(" + ", ".join(["N", *map(str, shape[1:])]) + ")", f"{int(count):,}"))
        return y


def _attributes(module: Module) -> Iterator[tuple[str, Any]]:
    """Name and value of every attribute; Modules and Tensors in lists, tuples and dicts as "name.0", "name.key", ..."""
    for name, value in vars(module).items():
        if isinstance(value, (list, tuple, dict)):
            yield from _elements(name, value)
        else:
            yield name, value


def _check_is_parameter_or_buffer(module: Module, name: str, t: Tensor) -> None:
    if t.requires_grad and not isinstance(t, Parameter):
        raise TypeError(
            f"{type(module).__name__}.{name} is a Tensor that requires a gradient but no Parameter: make it "
            "nn.Parameter(...) to be trained, or .detach() it to be kept as a buffer"
        )


def _elements(path: str, container: list[Any] | tuple[Any, ...] | dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    for key, element in container.items() if isinstance(container, dict) else enumerate(container):
        if isinstance(element, (list, tuple, dict)):
            yield from _elements(f"{path}.{key}", element)
        elif isinstance(element, (Module, Tensor)):
            yield f"{path}.{key}", element


def _recorded(path: str, value: Any, rows: list[tuple[str, str, str, str]]) -> Any:
    """An attribute of a Module, with a `_Recorder` around every layer in it that has no children."""
    if isinstance(value, dict):
        recorded = copy.copy(value)
        recorded.update({key: _recorded(f"{path}.{key}", element, rows) for key, element in value.items()})
        return recorded
    if isinstance(value, (list, tuple)):
        elements = [_recorded(f"{path}.{i}", element, rows) for i, element in enumerate(value)]
        same = all(a is b for a, b in zip(elements, value, strict=True))
        return value if same else getattr(value, "_make", type(value))(elements)  # a named tuple has _make
    is_layer = isinstance(value, Module) and not any(True for _ in value.children())
    return _Recorder(path, value, rows) if is_layer or _is_function(value) else value


def _is_function(value: Any) -> bool:
    return callable(value) and not isinstance(value, (Module, Tensor, type)) and hasattr(value, "__name__")


def _indented(value: Any) -> str:
    return (repr(value) if isinstance(value, Module) else value.__name__).replace("\n", "\n  ")


def check_module(name: str, value: Any) -> Module:
    """`value`, if it is a Module; else TypeError. `name` is the caller."""
    if not isinstance(value, Module):
        raise TypeError(f"{name}: expected a Module, such as nn.Dense(3, 2), got {shown(value)}")
    return value
