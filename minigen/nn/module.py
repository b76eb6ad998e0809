"""Module: an object that owns parameters. Sequential: modules and functions one after another.

A Module finds what it owns by looking through its attributes: `Parameter`s are trained, other Tensors are buffers (the
running statistics of batch norm), Modules are children; lists, tuples and dicts are looked into. The name of a
parameter is the path of attribute names to it, "encoder.0.weight", as in PyTorch.

Imports: tensor, ops. Read next: ``layers.py``.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from minigen.autograd import Tensor, as_tensor, no_grad
from minigen.device import array_module
from minigen.nn.modes import Mode, thread_local_modes
from minigen.nn.state import load_tensors
from minigen.ops.bias_act import split_activation
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
    """The base of everything that owns parameters. A subclass builds them in `__init__` and states `forward`."""

    training = Mode()  # batch norm and dropout look at it; set for a whole tree by train() and eval()
    takes_indices: ClassVar[bool] = False  # is its input whole numbers? `summary` then tries zeros of that kind

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """What the module computes."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        return self.locating(self.forward, *inputs, **options)

    def locating(self, method: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
        """Call `method`, which uses this Module's layers; a ShapeError from within learns the path to its layer."""
        try:
            return method(*inputs, **options)
        except ShapeError as error:
            if error.module is not self:  # on its way out the error learns the path to the layer
                name = next((name for name, below in self.named_modules() if below is error.module), "?")
                error.path, error.module = f"{name}.{error.path}".rstrip("."), self
            raise
        except AttributeError as error:
            if any(error.obj is x for x in inputs) and error.name in ("shape", "ndim", "dtype", "data"):
                raise TypeError(f"{type(self).__name__}: expected a Tensor, got {shown(error.obj)}") from error
            raise

    # What it owns.

    def children(self) -> Iterator[tuple[str, Module]]:
        """The Modules that are attributes of this one, or in a list, tuple or dict that is, with their names."""
        for name, value in _entries(self):
            if isinstance(value, Module):
                yield name, value

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """The Module itself (its name is "") and all below it; one in two places comes once, under its first name."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [("", self)]
        while stack:
            prefix, module = stack.pop()
            if id(module) not in seen:
                seen.add(id(module))
                yield prefix, module
                below = [(f"{prefix}.{name}" if prefix else name, child) for name, child in module.children()]
                stack += reversed(below)

    def _named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Parameters and buffers with their names; one that stands in two places comes once, under its first name."""
        seen = set()
        for prefix, module in self.named_modules():
            for name, value in _entries(module):
                if isinstance(value, Tensor) and id(value) not in seen:
                    _check_owned(module, name, value)
                    seen.add(id(value))
                    yield f"{prefix}.{name}" if prefix else name, value

    def _named_tensors_repeated(self) -> Iterator[tuple[str, Tensor]]:
        """As `_named_tensors`, but one that stands in two places comes under both names, as in PyTorch."""
        stack: list[tuple[str, Module, tuple[int, ...]]] = [("", self, ())]
        while stack:
            prefix, module, above = stack.pop()
            above = (*above, id(module))
            for name, value in _entries(module):
                if isinstance(value, Tensor):
                    _check_owned(module, name, value)
                    yield prefix + name, value
            below = [(f"{prefix}{name}.", m, above) for name, m in module.children() if id(m) not in above]
            stack += reversed(below)

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """The Parameters with their names, in the order in which they were made."""
        return ((name, t) for name, t in self._named_tensors() if isinstance(t, Parameter))

    def parameters(self) -> list[Parameter]:
        """All Parameters, each once."""
        return [p for _, p in self.named_parameters()]

    # State: arrays by name.

    def state_dict(self) -> dict[str, Array]:
        """A copy of every parameter and buffer as a NumPy array, by name; under each name of one that is shared."""
        return {name: np.array(t.numpy(), order="C") for name, t in self._named_tensors_repeated()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over the values of `state`. All or nothing: ValueError names every entry that does not fit.

        A Tensor that stands in two places is found under any of its names; if under several, they must be equal.
        Entries named ``num_batches_tracked``, which PyTorch keeps in batch norm, are accepted and not used.
        """
        load_tensors(f"{type(self).__name__}.load_state_dict", self._named_tensors_repeated(), state)

    # Modes and places.

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
        """Inside ``with``: evaluation mode and nothing recorded; afterwards every Module is in the mode it was in.

        Both hold for this thread alone: another one that uses the network meanwhile finds it in its own mode.
        """
        with no_grad(), thread_local_modes(module for _, module in self.named_modules()):
            self.eval()
            yield

    def to(self, device: str | None = None, dtype: Any = None) -> Self:
        """Move all parameters and buffers to a device ("cpu", "cuda"), in place; gradients are dropped.

        `dtype` is that of the floating ones; buffers of integers and masks keep theirs.
        """
        for _, t in self._named_tensors():
            t.data, t.grad = t.detach().to(device, dtype if t.dtype.kind == "f" else None).data, None
        return self

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for p in self.parameters():
            p.grad = None

    def requires_grad_(self, on: bool = True) -> Self:
        """Freeze (False) or thaw (True) all parameters: a frozen one gets no gradient, and none is computed for it."""
        for p in self.parameters():
            p.requires_grad = on
        return self

    def __getstate__(self) -> dict[str, Any]:  # a copy begins in the mode in which this thread sees the Module
        return {**vars(self), "training": self.training}

    # What it looks like.

    def __repr__(self) -> str:
        shown = [(name, value) for name, value in _entries(self) if isinstance(value, Module) or _is_function(value)]
        lines = [f"  ({name}): {_indented(value)}" for name, value in shown]
        inside = "\n" + "\n".join(lines) + "\n" if lines else self._settings()
        return f"{type(self).__name__}({inside})"

    def _settings(self) -> str:
        plain = (int, float, str, bool, tuple)
        return ", ".join(f"{k}={v}" for k, v in vars(self).items() if isinstance(v, plain) and k != "training")

    def summary(self, input_shape: tuple[int, ...]) -> str:
        """A table: each layer, the shape that it gives for an input of `input_shape` (without N), its parameters.

        The network is run once on zeros (whole ones if its first layer takes indices), in evaluation mode, without
        changing it.
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
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


class _Recorder(Module):
    """A layer that writes a row about itself whenever it is called. Lives only inside `summary`."""

    def __init__(self, path: str, layer: Any, rows: list[tuple[str, str, str, str]]) -> None:
        self.path, self.layer, self.rows = path, layer, rows

    def __getattr__(self, name: str) -> Any:  # the network may look at its layers: a tied weight, a size
        return getattr(self.layer, name)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        try:
            y = self.layer(*inputs, **options)
        except ShapeError as error:
            if error.module is self.layer:  # its path is that of the layer, not one step longer
                error.module = self
            raise
        shape = getattr(y[0] if isinstance(y, tuple) else y, "shape", ())
        count = math.fsum(p.size for p in self.layer.parameters()) if isinstance(self.layer, Module) else 0
        kind = type(self.layer).__name__ if isinstance(self.layer, Module) else self.layer.__name__
        self.rows.append((self.path, kind, "(" + ", ".join(["N", *map(str, shape[1:])]) + ")", f"{int(count):,}"))
        return y


class Sequential(Module):
    """Modules and plain functions, each given what the one before it returned: ``Sequential(Dense(9, 4), ops.relu)``.

    The layers are named "0", "1", ... in this order; `network[i]` is one of them, a slice is a Sequential of several.

    A `Dense`, `Conv2d` or `ConvTranspose2d` that is followed by ``ops.relu``, ``ops.sigmoid``, ``ops.tanh`` or
    ``ops.leaky_relu`` (also ``functools.partial(ops.leaky_relu, slope=0.2)``) is run together with it: the layer is
    called with `activation` and adds the bias and applies the activation in one pass over memory. It is the same
    function; the last bit of a result may differ. A subclass, or any other function, is called on its own.
    """

    def __init__(self, *layers: Callable[..., Any]) -> None:
        for i, layer in enumerate(layers):
            if not callable(layer):
                raise TypeError(f"Sequential: layer {i} is neither a Module nor a function: {layer!r}")
            setattr(self, str(i), layer)

    def __len__(self) -> int:
        return sum(name.isdigit() for name in vars(self))

    def __iter__(self) -> Iterator[Callable[..., Any]]:
        return (value for name, value in vars(self).items() if name.isdigit())

    def __getitem__(self, i: int | slice) -> Any:
        layers = list(self)
        return Sequential(*layers[i]) if isinstance(i, slice) else layers[i]

    def forward(self, x: Any) -> Any:
        done = False
        for layer, following in itertools.pairwise([*self, None]):
            if done:  # together with the layer before it
                done = False
                continue
            done = following is not None and _takes(layer, following)
            x = layer(x, activation=following) if done else layer(x)
        return x


def _takes(layer: Any, function: Any) -> bool:
    """Can this layer compute `function` of its result along with it? Its own class must say so, not one above it."""
    states_it = "takes_activation" in vars(type(layer)) and "forward" not in vars(layer)
    return states_it and split_activation(function)[1] is None


def _entries(module: Module) -> Iterator[tuple[str, Any]]:
    """Name and value of every attribute; Modules and Tensors in lists, tuples and dicts as "name.0", "name.key", ..."""
    for name, value in vars(module).items():
        if isinstance(value, (list, tuple, dict)):
            yield from _inside(name, value)
        else:
            yield name, value


def _check_owned(module: Module, name: str, t: Tensor) -> None:
    if t.requires_grad and not isinstance(t, Parameter):
        raise TypeError(
            f"{type(module).__name__}.{name} is a Tensor that requires a gradient but no Parameter: make it "
            "nn.Parameter(...) to be trained, or .detach() it to be kept as a buffer"
        )


def _inside(path: str, container: list[Any] | tuple[Any, ...] | dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    for key, element in container.items() if isinstance(container, dict) else enumerate(container):
        if isinstance(element, (list, tuple, dict)):
            yield from _inside(f"{path}.{key}", element)
        elif isinstance(element, (Module, Tensor)):
            yield f"{path}.{key}", element


def _recorded(path: str, value: Any, rows: list[tuple[str, str, str, str]]) -> Any:
    """An attribute of a Module, with every layer in it that has no layers of its own inside a `_Recorder`."""
    if isinstance(value, dict):
        watched = copy.copy(value)
        watched.update({key: _recorded(f"{path}.{key}", element, rows) for key, element in value.items()})
        return watched
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
    """`value`, if it is a Module; else TypeError in the name of the caller."""
    if not isinstance(value, Module):
        raise TypeError(f"{name}: expected a Module, such as nn.Dense(3, 2), got {shown(value)}")
    return value
