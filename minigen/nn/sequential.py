"""Sequential: modules and functions, one after another.

Imports: module, ops. Read next: ``layers.py``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from minigen.nn.module import Module
from minigen.ops.bias_act import split_activation


class Sequential(Module):
    """Modules and functions, each applied to the result of the one before: ``Sequential(Dense(9, 4), ops.relu)``.

    The layers are named "0", "1", ... in this order; `network[i]` is one of them, a slice is a Sequential of several.

    A `Dense`, `Conv2d` or `ConvTranspose2d` that is followed by ``ops.relu``, ``ops.sigmoid``, ``ops.tanh`` or
    ``ops.leaky_relu`` (also ``functools.partial(ops.leaky_relu, slope=0.2)``) is fused with it: the layer is called
    with `activation`, and adds the bias and applies the activation in one pass over memory; so is a `BatchNorm`, with
    relu and leaky relu. The function is the same; the last bit of a result may differ. Subclasses and other functions
    are called separately.
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
            if done:  # computed by the layer before it
                done = False
                continue
            done = following is not None and _can_fuse(layer, following)
            x = layer(x, activation=following) if done else layer(x)
        return x


def _can_fuse(layer: Any, function: Any) -> bool:
    """Whether the layer can compute the activation `function` of its result. Its own class must say so."""
    states_it = "takes_activation" in vars(type(layer)) and "forward" not in vars(layer)
    return states_it and split_activation(function)[1] is None
