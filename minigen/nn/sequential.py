"""Sequential: modules and functions, one after another.

Imports: module, conv, pooling, ops. Read next: ``layers.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from minigen.nn.conv import Conv2d
from minigen.nn.module import Module
from minigen.nn.pooling import MaxPool2d, Upsample
from minigen.ops.bias_act import split_activation


class Sequential(Module):
    """Modules and functions, each applied to the result of the one before: ``Sequential(Dense(9, 4), ops.relu)``.

    The layers are named "0", "1", ... in this order; `network[i]` is one of them, a slice is a Sequential of several.

    A `Dense`, `Conv2d` or `ConvTranspose2d` that is followed by ``ops.relu``, ``ops.sigmoid``, ``ops.tanh`` or
    ``ops.leaky_relu`` (also ``functools.partial(ops.leaky_relu, slope=0.2)``) is fused with it: the layer is called
    with `activation`, and adds the bias and applies the activation in one pass over memory; so is a `BatchNorm`, with
    relu and leaky relu. A `MaxPool2d` or an `Upsample` by whole factors that comes after a `Conv2d` and its activation
    is computed in that pass, too. The function is the same; the last bit of a result may differ. Subclasses and other
    functions are called separately.
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
        layers, done = [*self, None, None], 0
        while (layer := layers[done]) is not None:
            following, third = layers[done + 1 : done + 3]
            if following is None or not _can_fuse(layer, following):
                x, done = layer(x), done + 1
            elif type(layer) is Conv2d and layer.bias is not None and _plain(third, MaxPool2d):
                x, done = third.of_bias_act(layer.sums(x), layer.bias, following), done + 3
            elif type(layer) is Conv2d and layer.bias is not None and _plain(third, Upsample) and third.blocks:
                x, done = layer(x, activation=following, upsample=third.blocks), done + 3
            else:
                x, done = layer(x, activation=following), done + 2
        return x


def _can_fuse(layer: Any, function: Any) -> bool:
    """Whether the layer can compute the activation `function` of its result. Its own class must say so."""
    states_it = "takes_activation" in type(layer).__dict__ and "forward" not in layer.__dict__
    return states_it and split_activation(function)[1] is None


def _plain(layer: Any, kind: type[Module]) -> bool:
    """Whether a layer is of that very class, with the `forward` that is written there."""
    return type(layer) is kind and "forward" not in vars(layer) and not getattr(layer, "return_indices", False)
