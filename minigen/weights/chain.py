"""A network as a chain: its layers and functions one after another, each with the name of its entries.

Keras' files know such networks. What is more than a chain - a skip, two inputs, a draw from a posterior - has parts
that are, and the error names them.

Imports: nn, models. Read next: ``keras_layers.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from minigen import nn
from minigen.models.gan import Discriminator
from minigen.models.hybrid import AutoencodingDiscriminator, Encoder
from minigen.serialization import CheckpointError

#: What these networks call, one after the other. (The score of a `Discriminator` is (N, 1) here.)
CHAINS: dict[type[nn.Module], tuple[str, ...]] = {
    Discriminator: ("features", "score"),
    Encoder: ("features", "code"),
    AutoencodingDiscriminator: ("encoder", "decoder"),
}


class Link(NamedTuple):
    """A layer or function, and its path in the network."""

    path: str
    layer: Any

    def name(self, entry: str) -> str:
        """The name of one of its entries in the state of the network."""
        return f"{self.path}.{entry}" if self.path else entry


def chain(module: nn.Module) -> list[Link]:
    """The links of a network. CheckpointError if it is none."""
    return list(_links(module, ""))


def _links(value: Any, path: str) -> Iterator[Link]:
    if type(value) is nn.Sequential:
        parts = [(name, layer) for name, layer in vars(value).items() if name.isdigit()]
    elif type(value) in CHAINS:
        parts = [(name, getattr(value, name)) for name in CHAINS[type(value)]]
    elif isinstance(value, nn.Module) and type(value) is not nn.SpectralNorm and any(True for _ in value.children()):
        parts = list(value.children())
        names = ", ".join(f"{path}.{name}".lstrip(".") for name, _ in parts)
        raise CheckpointError(
            f"{type(value).__name__}{f' {path!r}' if path else ''} is no chain of layers, as Keras' files want it; "
            f"take a part of it: {names}"
        )
    else:
        yield Link(path, value)
        return
    for name, layer in parts:
        yield from _links(layer, f"{path}.{name}".lstrip("."))
