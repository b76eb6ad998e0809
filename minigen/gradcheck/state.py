"""All state around the function under check: put back before each evaluation, and as it was in the end.

A layer may hold running statistics, random generators, counters. Each evaluation has to start from the same, or the
numeric derivative would be that of another function at each step.

Imports: tensor, random. Read next: ``verdict.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, runtime_checkable

import numpy as np

from minigen.autograd import Tensor
from minigen.device import to_device
from minigen.random import Generator
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


class HeldState:
    """Everything in Modules and generators that an evaluation could read or change, except the variables.

    `inputs`: those of the function, among which generators are looked for; `variables`: ids of Tensors that the check
    itself moves. Floating Tensors in Modules are copied in `dtype`.
    """

    def __init__(self, roots: Iterable[ModuleLike], inputs: Sequence[Any], variables: set[int], dtype: Any) -> None:
        self._modules: dict[int, tuple[Any, dict[str, Any]]] = {}
        self._tensors: dict[int, tuple[Tensor, Array, Tensor | None, bool]] = {}
        self._arrays: dict[int, tuple[Array, Array]] = {}
        self._lists: dict[int, tuple[Any, Any]] = {}
        self._generators: dict[int, tuple[Generator, Any]] = {}
        self._numpy_generators: dict[int, tuple[Any, Any]] = {}
        for x in inputs:
            if isinstance(x, (Generator, np.random.Generator, np.random.RandomState)):
                self._hold(x)
        for root in roots:
            for _, module in root.named_modules():
                self._modules[id(module)] = module, dict(vars(module))
                for value in vars(module).values():
                    self._hold(value)
        # From here on the Modules hold copies.
        for t, data, _, _ in self._tensors.values():
            t.data = data.astype(dtype) if data.dtype.kind == "f" else data.copy()
        self._buffers = [(t, t.data.copy()) for t, *_ in self._tensors.values() if id(t) not in variables]

    def _hold(self, value: Any) -> None:
        if isinstance(value, Tensor):
            self._tensors[id(value)] = value, value.data, value.grad, value.requires_grad
        elif isinstance(value, np.ndarray):
            self._arrays[id(value)] = value, value.copy()
        elif isinstance(value, Generator):
            self._generators[id(value)] = value, value.state
        elif isinstance(value, np.random.Generator):
            self._numpy_generators[id(value)] = value.bit_generator, value.bit_generator.state
        elif isinstance(value, np.random.RandomState):
            self._numpy_generators[id(value)] = value._bit_generator, value._bit_generator.state
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
        for bits, state in self._numpy_generators.values():
            bits.state = state

    @contextmanager
    def on(self, device: str) -> Iterator[None]:
        """Inside, Tensors and generators are on `device`."""
        tensors = [(t, t.data) for t, *_ in self._tensors.values()]
        devices = [(g, g.device) for g, _ in self._generators.values()]
        buffers = self._buffers
        try:
            self._buffers = [(t, to_device(data, device)) for t, data in buffers]
            for t, data in tensors:
                t.data = to_device(data, device)
            for g, _ in devices:
                g.device = device
            yield
        finally:
            self._buffers = buffers
            for t, data in tensors:
                t.data = data
            for g, before in devices:
                g.device = before

    def release(self) -> None:
        """As it was before the check, in the original dtype and bit for bit."""
        self.rewind()
        for t, data, g, requires_grad in self._tensors.values():
            t.data, t.grad, t.requires_grad = data, g, requires_grad
