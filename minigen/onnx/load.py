"""`load`: an ONNX file as a Module, whose weights are trained and whose gradients are those of any other.

The Module runs the nodes of the graph one after the other, each by operations of `minigen.ops`. Three kinds of values:
Tensors; weights, which are Parameters and buffers of the Module under the names that the file gives them; and what is
known without the input (constants) or from its shape alone, which is kept as NumPy arrays on the host.

Imports: autograd, nn, given, load_file, and the tables of operators. Read next: ``load_file.py``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from minigen.autograd import Tensor, as_tensor, no_grad
from minigen.device import to_device
from minigen.nn.init import generator
from minigen.nn.module import Module, Parameter, ShapeError
from minigen.onnx.given import free
from minigen.onnx.load_conv import CONV
from minigen.onnx.load_elementwise import ELEMENTWISE
from minigen.onnx.load_file import Graph, Value, read_graph
from minigen.onnx.load_node import LoadError, Node, Unsupported
from minigen.onnx.load_norm import NORM, STATEFUL
from minigen.onnx.load_reduce import REDUCE
from minigen.onnx.load_resize import RESIZE
from minigen.onnx.load_roles import SETTINGS, role_of_weights
from minigen.onnx.load_shape import SHAPE
from minigen.random import Generator
from minigen_kernels import Array

PURE = {**ELEMENTWISE, **SHAPE, **REDUCE, **CONV, **NORM, **RESIZE}
OPERATORS = (*PURE, *STATEFUL, "Constant")
ARITHMETIC = ("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min")  # a constant of no axes is a Python number to these
TRIED = (2, 1, 4, 8, 16, 28, 32, 64)  # lengths for axes that the file leaves open

Known = Tensor | Array


class _Plan:
    """The graph in the order in which it is run. No Module, and no container: its arrays are no state."""

    def __init__(self, graph: Graph, constants: dict[str, Array], attributes: dict[str, str]) -> None:
        self.graph, self.constants, self.attributes = graph, constants, attributes
        self.converted: dict[tuple[str, np.dtype[Any] | None, str], Tensor] = {}
        kept = {v.name for v in graph.outputs}
        self.steps: list[tuple[Node, list[str]]] = []  # a node, and the values that nobody needs after it
        for node in reversed(graph.nodes):
            done = [name for name in dict.fromkeys([*node.inputs, *node.outputs]) if name and name not in kept]
            kept.update(done)
            self.steps.insert(0, (node, done))

    def __deepcopy__(self, memo: dict[int, Any]) -> _Plan:  # nothing in it changes: a copy of the network shares it
        return self

    def constant(self, name: str, dtype: np.dtype[Any] | None, device: str) -> Tensor:
        """A constant as a Tensor, floats of that dtype. It is converted once."""
        key = (name, dtype, device)
        if key not in self.converted:
            self.converted[key] = as_tensor_beside(self.constants[name], dtype, device)
        return self.converted[key]


class Loaded(Module):
    """A network from an ONNX file. It takes the inputs of the graph in order, and returns its output (or a tuple).

    Weights are float32, or float64 where the file has such; `to` changes that. `train` and `eval` decide what batch
    norm and dropout do; in the beginning it is in the mode in which the file was written, usually `eval`.
    """

    def __init__(self, graph: Graph) -> None:
        roles = role_of_weights(graph)
        taken, attributes = {*dir(self), "training", "_plan", "_rng"}, dict[str, str]()
        kept = roles.keys() - taken  # any other gets another name, which no weight has either
        for name, role in roles.items():
            if role != "constant":
                attributes[name] = name if name in kept else free(name, taken | kept)
                taken.add(attributes[name])
                array = {**graph.weights, **graph.fixed}[name]
                vars(self)[attributes[name]] = Parameter(array) if role == "parameter" else Tensor(array)
        constants = {n: a for n, a in {**graph.weights, **graph.fixed}.items() if n not in attributes}
        self._plan = _Plan(graph, constants, attributes)
        self._rng = generator(None)
        self.training = any(_trains(node, constants) for node in graph.nodes)

    # What the operators of `load_norm.py` see.

    @property
    def generator(self) -> Generator:
        """Where the numbers of dropout and of random nodes come from."""
        return self._rng

    def owns(self, name: str) -> bool:
        """Is there a parameter or buffer of this name in the file?"""
        return name in self._plan.attributes

    # What the file says.

    @property
    def inputs(self) -> tuple[Value, ...]:
        """Name, dtype and shape of each input; in a shape a name or None is a length that is left open."""
        return tuple(self._plan.graph.inputs)

    @property
    def outputs(self) -> tuple[Value, ...]:
        """Name, dtype and shape of each output."""
        return tuple(self._plan.graph.outputs)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """What it runs, in that order."""
        return tuple(self._plan.graph.nodes)

    @property
    def metadata(self) -> dict[str, str]:
        """What its maker wrote into the file, by name."""
        return dict(self._plan.graph.metadata)

    def example_inputs(self, rng: Generator | None = None) -> list[Array]:
        """Normal numbers of the shapes in the file; an axis that is left open gets a small length at which it runs."""
        rng = rng or generator(None)
        return [_drawn(v, shape, rng) for v, shape in zip(self.inputs, self._shapes_that_run(), strict=True)]

    def _shapes_that_run(self) -> list[tuple[int, ...]]:
        error: Exception | None = None
        before = self._rng.state
        for shapes in _shapes(self.inputs):
            try:
                with self.evaluation(), np.errstate(all="ignore"):
                    self(*(Tensor(_zeros(v, s)) for v, s in zip(self.inputs, shapes, strict=True)))
                return shapes
            except Unsupported:
                raise
            except (ValueError, TypeError, IndexError) as raised:
                error = error or raised
            finally:
                self._rng.state = before
        raise LoadError(f"it runs for none of the shapes that were tried: {error}")

    def forward(self, *inputs: Any, **_: Any) -> Any:
        values: dict[str, Known] = dict(zip((v.name for v in self.inputs), self._checked(inputs), strict=True))
        own = vars(self)
        values.update({name: own[attribute] for name, attribute in self._plan.attributes.items()})
        for node, done in self._plan.steps:
            values.update(zip(node.outputs, self._run(node, values), strict=False))
            for name in done:
                values.pop(name, None)
        made = [values.get(v.name, self._plan.constants.get(v.name)) for v in self.outputs]
        results = tuple(y if isinstance(y, Tensor) else Tensor(y) for y in made)
        return results[0] if len(results) == 1 else results

    def _checked(self, inputs: tuple[Any, ...]) -> Iterator[Tensor]:
        if len(inputs) != len(self.inputs):
            names = ", ".join(v.name for v in self.inputs)
            raise TypeError(f"{type(self).__name__}: it takes {len(self.inputs)} inputs ({names}), got {len(inputs)}")
        for x, wanted in zip(inputs, self.inputs, strict=True):
            x = as_tensor(x, type(self).__name__)
            if (x.dtype.kind == "f") != (wanted.dtype.kind == "f"):
                raise TypeError(f"{type(self).__name__}: {wanted.name!r} is of {wanted.dtype}, got {x.dtype}")
            if not fits(x.shape, wanted.shape):
                hint = "The file fixes these lengths; to leave one open, export it with dynamic axes"
                raise ShapeError(self, f"{wanted.name!r} {shown_shape(wanted.shape)}", x.shape, hint)
            yield x

    def _run(self, node: Node, values: dict[str, Known]) -> tuple[Known, ...]:
        """What a node makes of the values so far."""
        constants = self._plan.constants
        given = [values[n] if n in values else constants[n] if n else None for n in node.inputs]
        live = [x for x in given if isinstance(x, Tensor)]
        dtype = next((x.dtype for x in live if x.dtype.kind == "f"), None)
        device = live[0].device if live else "cpu"
        for i, (name, x) in enumerate(zip(node.inputs, given, strict=True)):
            if x is None or isinstance(x, Tensor):
                continue
            if node.op in ARITHMETIC and live and not x.ndim and x.dtype != bool:
                given[i] = x.item()
            else:
                given[i] = (
                    self._plan.constant(name, dtype, device) if name in constants and name not in values
                    else as_tensor_beside(x, dtype, device)
                )  # fmt: skip
        made = self._called(node, given)
        made = made if isinstance(made, tuple) else (made,)
        if live or node.op in STATEFUL:
            return made
        return tuple(np.asarray(y.numpy() if isinstance(y, Tensor) else y) for y in made)

    def _called(self, node: Node, given: list[Any]) -> Any:
        try:
            if node.op in STATEFUL:
                return STATEFUL[node.op](node, self, *given)
            return PURE[node.op](node, *given)
        except LoadError:
            raise
        except (ValueError, TypeError, IndexError) as error:
            kind = next(k for k in (ValueError, TypeError, IndexError) if isinstance(error, k))
            raise kind(f"{node.title}: {error}") from error

    def __repr__(self) -> str:
        graph = self._plan.graph
        inputs = ", ".join(f"{v.name} {shown_shape(v.shape)}" for v in graph.inputs)
        count = sum(p.size for p in self.parameters())
        return f"Loaded({graph.path}: {inputs}; {len(graph.nodes)} nodes, {count:,} parameters)"


def load(path: str | os.PathLike[str]) -> Loaded:
    """The network in an ONNX file as a Module: trained, checked and saved like one that was written here.

    Float initializers that are used as weights are its Parameters, under their names in the file; means and variances
    of batch norm are buffers. float16 and bfloat16 become float32. Opsets from 7 on; weights beside the file
    (external data) are read from its folder only. It needs the package onnx, no runtime.

    LoadError (a ValueError) names what is damaged, or the node and attribute that minigen has nothing for.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"onnx.load: expected the path of a file, got {type(path).__name__}")
    where = f"onnx.load: {os.fspath(path)}"
    try:
        network = Loaded(read_graph(path, OPERATORS))
        _fold(network)
        _try(network)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        kind = type(error) if isinstance(error, LoadError) else LoadError
        raise kind(f"{where}: {error}") from error
    except MemoryError as error:
        raise LoadError(f"{where}: it asks for a value that is larger than the memory") from error
    return network


def _fold(network: Loaded) -> None:
    """Compute once what depends on constants alone."""
    plan, known = network._plan, dict[str, Known]()
    left: list[Node] = []
    for node in plan.graph.nodes:
        if node.op not in STATEFUL and all(not n or n in plan.constants or n in known for n in node.inputs):
            with no_grad():
                known.update(zip(node.outputs, network._run(node, known), strict=False))
            plan.constants.update({n: v for n, v in known.items() if isinstance(v, np.ndarray)})
        else:
            left.append(node)
    plan.graph.nodes, plan.graph.weights, plan.graph.fixed = left, {}, {}
    network._plan = _Plan(plan.graph, plan.constants, plan.attributes)


def _try(network: Loaded) -> None:
    """Run the network once: LoadError for what minigen has not, or does not fit together, whatever the input is.

    Where lengths are left open, or an input says how (a shape, a factor), only the former can be told.
    """
    is_open = not all(isinstance(n, int) for v in network.inputs for n in _axes_of(v)[1:])
    names = {v.name for v in network.inputs}
    is_open |= any(names & set(node.inputs[1:]) for node in network._plan.graph.nodes if node.op in SETTINGS)
    try:
        network._shapes_that_run()
    except Unsupported:
        raise
    except LoadError:  # zeros may be no whole numbers for it, and the lengths that were tried none that fit
        if not is_open and all(v.dtype.kind == "f" for v in network.inputs):
            raise


def fits(shape: tuple[int, ...], wanted: tuple[int | str | None, ...] | None) -> bool:
    """Is this shape one that the file allows?"""
    if wanted is None:
        return True
    return len(shape) == len(wanted) and all(
        n == w or not isinstance(w, int) for n, w in zip(shape, wanted, strict=True)
    )


def shown_shape(shape: tuple[int | str | None, ...] | None) -> str:
    """A shape in words: "(N, 3, 8, 8)", with "?" for a length without a name."""
    return "of any shape" if shape is None else "(" + ", ".join(str(n or "?") if n != 0 else "0" for n in shape) + ")"


def _trains(node: Node, constants: dict[str, Array]) -> bool:
    """Is it written in training mode: batch norm by an attribute, dropout by its third input?"""
    if node.op == "BatchNormalization":
        return bool(node.get("training_mode", 0))
    return node.op == "Dropout" and any(bool(np.all(constants.get(name, False))) for name in node.inputs[2:])


def as_tensor_beside(x: Array, dtype: np.dtype[Any] | None, device: str) -> Tensor:
    """An array as a constant Tensor: floats in the dtype of those that it meets."""
    return Tensor(to_device(x.astype(dtype, copy=False) if dtype is not None and x.dtype.kind == "f" else x, device))


def _shapes(inputs: tuple[Value, ...]) -> Iterator[list[tuple[int, ...]]]:
    """Shapes for all inputs: those in the file, with open lengths tried (one name, one length; a batch is of 2)."""
    for length in TRIED:
        yield [
            tuple(n if isinstance(n, int) else 2 if i == 0 else length for i, n in enumerate(_axes_of(v, length)))
            for v in inputs
        ]
        if all(isinstance(n, int) for v in inputs for n in _axes_of(v)[1:]):
            return


def _axes_of(value: Value, length: int | None = None) -> tuple[int | str | None, ...]:
    """The shape in the file; without one, (N, length)."""
    return (None, length) if value.shape is None else value.shape


def _zeros(value: Value, shape: tuple[int, ...]) -> Array:
    return np.zeros(shape, value.dtype)


def _drawn(value: Value, shape: tuple[int, ...], rng: Generator) -> Array:
    if value.dtype.kind == "f":
        return rng.normal(shape, dtype=value.dtype)
    return np.zeros(shape, value.dtype)
