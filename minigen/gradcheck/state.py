"""A snapshot of all state around the function under check. It is restored before each evaluation and after the check.

A layer may hold running statistics, random generators and counters. If an evaluation did not start from the same state
as the one before, a difference of two evaluations would be no derivative.

Imports: autograd, random. Read next: ``linearization.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol, runtime_checkable

import numpy as np

from minigen.autograd import Tensor
from minigen.device import to_device
from minigen.random import Generator
from minigen_kernels import Array


@runtime_checkable
class ModuleLike(Protocol):
    """What the checker needs of a Module. (This room may not import the class itself.)"""

    def named_modules(self) -> Iterator[tuple[str, Any]]:
        """The Module itself and all below it."""

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """The trained Tensors."""


@contextmanager
def replaced_data(tensors: Sequence[Tensor], arrays: Sequence[Array]) -> Iterator[None]:
    """Inside ``with``, the Tensors hold these arrays."""
    before = [t.data for t in tensors]
    try:
        for t, data in zip(tensors, arrays, strict=True):
            t.data = data
        yield
    finally:
        for t, data in zip(tensors, before, strict=True):
            t.data = data


class StateSnapshot:
    """Everything in Modules and generators that an evaluation could read or change, except the variables.

    `inputs`: those of the function, among which generators are looked for. `variables`: ids of the Tensors that the
    check itself moves. Floating Tensors in Modules are copied in `dtype`.
    """

    def __init__(self, roots: Iterable[ModuleLike], inputs: Sequence[Any], variables: set[int], dtype: Any) -> None:
        self._tensors: dict[int, tuple[Tensor, Array, Tensor | None, bool]] = {}
        self._generators: dict[int, Generator] = {}
        self._restorers: dict[int, Callable[[], None]] = {}
        modules = {id(module): module for root in roots for _, module in root.named_modules()}
        for module in modules.values():
            self._restorers[id(module)] = partial(_restore_items, vars(module), dict(vars(module)))
        for x in inputs:
            if isinstance(x, (Generator, np.random.Generator, np.random.RandomState)):
                self._record(x)
        for module in modules.values():
            for value in vars(module).values():
                self._record(value)
        # From here on the Modules hold copies.
        for t, data, _, _ in self._tensors.values():
            t.data = data.astype(dtype) if data.dtype.kind == "f" else data.copy()
        self._buffers = [(t, t.data.copy()) for t, *_ in self._tensors.values() if id(t) not in variables]

    def _record(self, value: Any) -> None:
        restorer: Callable[[], None] | None = None
        if isinstance(value, Tensor):
            self._tensors[id(value)] = value, value.data, value.grad, value.requires_grad
        elif isinstance(value, np.ndarray):
            restorer = partial(_restore_array, value, value.copy())
        elif isinstance(value, Generator):
            self._generators[id(value)] = value
            restorer = partial(setattr, value, "state", value.state)
        elif isinstance(value, (np.random.Generator, np.random.RandomState)):
            bits: Any = value._bit_generator if isinstance(value, np.random.RandomState) else value.bit_generator
            restorer = partial(setattr, bits, "state", bits.state)
        elif isinstance(value, (list, dict)):
            restorer = partial(_restore_items, value, value.copy())
        if restorer is not None:
            self._restorers[id(value)] = restorer
        if isinstance(value, (list, tuple, dict)):
            for element in value.values() if isinstance(value, dict) else value:
                self._record(element)

    def restore(self) -> None:
        """Back to the snapshot; called before each evaluation."""
        for t, data in self._buffers:
            t.data = data.copy()  # a copy: the function may change it in place
        for restorer in self._restorers.values():
            restorer()

    @contextmanager
    def on(self, device: str) -> Iterator[None]:
        """Inside ``with``, Tensors and generators are on `device`."""
        tensors = [t for t, *_ in self._tensors.values()]
        devices = [(g, g.device) for g in self._generators.values()]
        buffers = self._buffers
        try:
            self._buffers = [(t, to_device(data, device)) for t, data in buffers]
            for g, _ in devices:
                g.device = device
            with replaced_data(tensors, [to_device(t.data, device) for t in tensors]):
                yield
        finally:
            self._buffers = buffers
            for g, before in devices:
                g.device = before

    def release(self) -> None:
        """Restore what was there before the check, in the original dtype and bit for bit."""
        self.restore()
        for t, data, g, requires_grad in self._tensors.values():
            t.data, t.grad, t.requires_grad = data, g, requires_grad


def _restore_array(array: Array, content: Array) -> None:
    if not np.array_equal(array, content, equal_nan=array.dtype.kind == "f"):
        array[...] = content


def _restore_items(container: Any, content: Any) -> None:
    """Put the items of a list or dict back."""
    container.clear()
    container.extend(content) if isinstance(container, list) else container.update(content)
