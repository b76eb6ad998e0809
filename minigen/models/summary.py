"""What a network is for images of one size: its layers with their widths, sizes of feature maps, parameters.

The sizes are computed from the layers, in the order in which a module holds them, without a forward pass.

Imports: nn, pixel_cnn. Read next: ``sizes.py``, which decides what the sizes are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from minigen import nn
from minigen.models.autoencoder import Crop
from minigen.models.pixel_cnn import PixelCNN
from minigen.models.sizes import BOTTOM, Size


@dataclass(frozen=True)
class Chain:
    """Layers of one kind, each of which takes what the one before gives: their widths, and of convolutions the sizes.

    `sizes` are those of the input and of what follows each layer, with pooling, upsampling and cropping done.
    """

    kind: str
    widths: tuple[int, ...]
    sizes: tuple[Size, ...] = ()

    def __str__(self) -> str:
        """As in "Conv2d 1-32-64 (28x28, 14x14, 7x7)"; a size that stays is named once."""
        text = f"{self.kind} {'-'.join(map(str, self.widths))}"
        different = [f"{h}x{w}" for (h, w), _ in groupby(self.sizes)]
        return f"{text} ({', '.join(different)})" if different else text


@dataclass(frozen=True)
class Summary:
    """A network: its chains of layers, how many parameters it has, and how many of them are in dense layers."""

    chains: tuple[Chain, ...]
    parameters: int
    dense_parameters: int

    @property
    def sizes(self) -> list[Size]:
        """The different sizes of the feature maps of the first convolutions, in their order; none without."""
        first = next((chain.sizes for chain in self.chains if chain.sizes), ())
        return [size for size, _ in groupby(first)]

    @property
    def smallest(self) -> Size | None:
        """The smallest feature map between convolutions; None without."""
        sizes = [size for chain in self.chains for size in chain.sizes]
        return min(sizes, key=lambda size: size[0] * size[1], default=None)

    def __str__(self) -> str:
        return ", ".join(map(str, self.chains))


def summarize(modules: Mapping[str, nn.Module], image: tuple[int, int, int] | None) -> dict[str, Summary]:
    """The networks that have layers or parameters, by name, for images (C, H, W).

    Without an image no sizes: those of a network of a user's own, whose layers may come in any order, are not known.
    """
    found = {name: _summary(module, image) for name, module in modules.items()}
    return {name: summary for name, summary in found.items() if summary.chains or summary.parameters}


def advice(networks: Mapping[str, Summary], image: tuple[int, int, int], halvings: int | None) -> list[str]:
    """A note where most parameters are in dense layers at large feature maps, and more `halvings` make them smaller.

    `halvings` is the option of the model, or None if it has no such option.
    """
    size = max((n.smallest for n in networks.values() if n.smallest is not None), default=(0, 0), key=min)
    total, dense = (sum(getattr(n, key) for n in networks.values()) for key in ("parameters", "dense_parameters"))
    if halvings is None or min(size) <= 2 * BOTTOM or dense < total / 2:
        return []
    wanted = math.ceil(math.log2(min(image[1:]) / BOTTOM))
    return [
        f"{dense:,} of {total:,} parameters are in dense layers, most of them at the smallest feature maps of "
        f"{size[0]}x{size[1]}; --halvings {wanted} makes these {BOTTOM} pixels or less on a side"
    ]


def _summary(network: nn.Module, image: tuple[int, int, int] | None) -> Summary:
    chains: list[tuple[str, list[int], list[Size]]] = []
    size = None if image is None else network.grid if isinstance(network, PixelCNN) else image[1:]
    dense = 0
    for _, layer in network.named_modules():
        if isinstance(layer, nn.Dense):
            dense += sum(p.size for p in layer.parameters())
            _append(chains, type(layer).__name__, (layer.in_features, layer.out_features), None, None)
        elif isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            before, size = size, size and _after(layer, size)
            _append(chains, type(layer).__name__, (layer.in_channels, layer.out_channels), before, size)
        elif size is not None and image is not None:
            size = _after(layer, size)
            if chains and chains[-1][2] and not isinstance(layer, nn.Reshape):
                chains[-1][2][-1] = size
    return Summary(
        tuple(Chain(kind, tuple(widths), tuple(sizes)) for kind, widths, sizes in chains),
        sum(p.size for p in network.parameters()),
        dense,
    )


def _append(
    chains: list[tuple[str, list[int], list[Size]]],
    kind: str,
    widths: tuple[int, int],
    before: Size | None,
    after: Size | None,
) -> None:
    """Add a layer to the last chain, or begin a new one."""
    if not chains or (chains[-1][0], chains[-1][1][-1]) != (kind, widths[0]):
        chains.append((kind, [widths[0]], [] if before is None else [before]))
    chains[-1][1].append(widths[1])
    if after is not None:
        chains[-1][2].append(after)


def _after(layer: nn.Module, size: Size) -> Size:
    """The height and width of the feature map that a layer makes of one of that size."""
    match layer:
        case nn.Conv2d() | nn.ConvTranspose2d():
            return tuple(_side(layer, axis, size[axis]) for axis in (0, 1))  # type: ignore[return-value]
        case nn.MaxPool2d(ceil_mode=True, kernel_size=(2, 2)):
            return -(-size[0] // 2), -(-size[1] // 2)
        case nn.Upsample() if layer.blocks is not None:
            return size[0] * layer.blocks[0], size[1] * layer.blocks[1]
        case Crop():
            return size[0] - layer.rows, size[1] - layer.columns
        case nn.Reshape() if len(layer.shape) == 3:
            return layer.shape[1], layer.shape[2]
    return size


def _side(layer: nn.Conv2d | nn.ConvTranspose2d, axis: int, side: int) -> int:
    names = ("kernel_size", "stride", "padding", "dilation")
    kernel, stride, padding, dilation = (int(getattr(layer, name)[axis]) for name in names)
    extent = dilation * (kernel - 1)
    if isinstance(layer, nn.Conv2d):
        return (side + 2 * padding - extent - 1) // stride + 1
    added: Any = layer.output_padding
    return (side - 1) * stride - 2 * padding + extent + 1 + int(added[axis])
