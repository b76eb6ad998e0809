"""The entries of a network as PyTorch names them: `slots` lists them, `to_torch` gives them as a state dict.

Imports: autograd, nn, conventions. Read next: ``matching.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from minigen import nn
from minigen.autograd import Tensor
from minigen.nn.module import check_module
from minigen.weights.conventions import COUNTER, SPECTRAL
from minigen_kernels import Array


@dataclass(frozen=True)
class Slot:
    """A parameter or buffer under one of its names. `torch` is PyTorch's name for it, `aliases` other ones of PyTorch.

    Tied weights have a slot under each of their names, as in PyTorch.
    """

    name: str
    tensor: Tensor
    torch: str
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All names by which a file may call it, PyTorch's first."""
        return tuple(dict.fromkeys((self.torch, *self.aliases, self.name)))


def slots(module: nn.Module) -> list[Slot]:
    """Every parameter and buffer under each of its names, in the order of `state_dict`."""
    spectral = {path for path, layer in _paths(module) if isinstance(layer, nn.SpectralNorm)}
    found = []
    for name, tensor in module._named_tensors(remove_duplicate=False):
        torch, aliases = name, tuple[str, ...]()
        for own, theirs in SPECTRAL.items():
            if name.endswith(f".{own}") or name == own:
                path = name[: -len(own)]
                if path.rstrip(".") in spectral:
                    torch, aliases = path + theirs[0], tuple(path + other for other in theirs[1:])
        found.append(Slot(name, tensor, torch, aliases))
    return found


def counters(module: nn.Module) -> list[str]:
    """The names of the counters of batches that PyTorch keeps where there are running statistics."""
    mean = "running_mean"
    return [slot.torch[: -len(mean)] + COUNTER for slot in slots(module) if slot.name.rpartition(".")[2] == mean]


def to_torch(module: nn.Module) -> dict[str, Array]:
    """The state dict that the same network has in PyTorch, as NumPy arrays: copies, tied ones under each name.

    Where PyTorch counts batches, it is 0: they are not counted here, and PyTorch uses the number with ``momentum=None``
    only.
    """
    state = {slot.torch: np.array(slot.tensor.numpy(), order="C") for slot in slots(check_module("to_torch", module))}
    return state | {name: np.zeros((), np.int64) for name in counters(module)}


def _paths(module: nn.Module, prefix: str = "", above: tuple[int, ...] = ()) -> Iterator[tuple[str, nn.Module]]:
    """Every Module under each of its paths."""
    yield prefix.rstrip("."), module
    for name, child in module.children():
        if id(child) not in above:
            yield from _paths(child, f"{prefix}{name}.", (*above, id(module)))
