"""A chain of layers in Keras' words: its layers with their settings, and where each of their variables comes from.

Images are (N, H, W, C) in Keras. So a dense layer behind `Flatten` has its rows in another order, and one in front of
`Reshape` its columns, and so has what lies between. `translate` follows the order of the features through the chain.

Imports: nn, autograd, chain, keras_functions, keras_kinds. Read next: ``keras_config.py``, the way back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from minigen import nn
from minigen.autograd import Tensor
from minigen.nn.module import ShapeError
from minigen.serialization import CheckpointError
from minigen.weights.chain import Link, chain
from minigen.weights.keras_functions import function_layer
from minigen.weights.keras_kinds import KINDS
from minigen.weights.keras_variables import Context, KerasLayer, Shape, channels_last, order_of, same_order
from minigen_kernels import Array

#: Layers that leave each feature where it is.
IN_PLACE = (nn.BatchNorm, nn.LayerNorm, nn.PReLU, nn.Dropout)


def translate(module: nn.Module, input_shape: Shape) -> list[KerasLayer]:
    """The Keras layers of a chain whose input is (N, *input_shape), here (C, H, W), (C, L) or (D,).

    CheckpointError names the first layer or setting that Keras does not have.
    """
    links = chain(module)
    shapes = shapes_of(module, links, input_shape)
    order: Array | None = None  # that of flat features at this point
    found: list[KerasLayer] = []
    for i, (link, here, there) in enumerate(zip(links, shapes[:-1], shapes[1:], strict=True)):
        layer = link.layer
        if isinstance(layer, nn.Flatten):
            layers, order = _flatten(links, i, shapes, order)
        elif isinstance(layer, nn.Reshape):
            layers, order = _reshape(link, here, there, order)
        elif not isinstance(layer, nn.Module):
            layers = function_layer(link.path, layer, there)
        elif type(layer) in KINDS:
            after = _order_ahead(links, i + 1, shapes) if _is_dense(layer) else order
            layers = KINDS[type(layer)](layer, Context(link.path, here, there, order, after))
            order = after
        else:
            raise CheckpointError(f"{type(layer).__name__} {link.path!r}: Keras has no such layer")
        found += [one.named(link.path) for one in layers]
    return found


def shapes_of(module: nn.Module, links: Sequence[Link], input_shape: Shape) -> list[Shape]:
    """The shape, without N, of the input and of what each link makes of it; the network is unchanged."""
    first = links[0].layer if links else None
    while isinstance(first, nn.SpectralNorm):
        first = first.layer
    like = next((t for _, t in module._named_tensors() if t.dtype.kind == "f"), Tensor(np.zeros((), np.float32)))
    dtype = np.dtype(np.int64) if isinstance(first, nn.Embedding) else like.dtype
    x: Any = Tensor(np.zeros((2, *input_shape), dtype), device=like.device)
    shapes = [tuple(x.shape[1:])]
    with module.evaluation():
        for link in links:
            try:
                x = link.layer(x)
            except ShapeError as error:
                raise CheckpointError(f"input {input_shape} does not fit: {link.path}: {error}") from error
            shapes.append(tuple(x.shape[1:]))
    return shapes


def _is_dense(layer: Any) -> bool:
    return isinstance(layer.layer if isinstance(layer, nn.SpectralNorm) else layer, nn.Dense)


def _next_that_mixes(links: Sequence[Link], i: int) -> tuple[int, Any]:
    """The first link from i on that does more than change features in their places; (len, None) if there is none."""
    for k in range(i, len(links)):
        layer = links[k].layer
        if isinstance(layer, nn.Module) and not isinstance(layer, IN_PLACE):
            return k, layer
    return len(links), None


def _order_ahead(links: Sequence[Link], i: int, shapes: Sequence[Shape]) -> Array | None:
    """The order in which the features before link i leave, so that a `Reshape` to images finds them in Keras' order."""
    k, layer = _next_that_mixes(links, i)
    return order_of(shapes[k + 1]) if isinstance(layer, nn.Reshape) and len(shapes[i]) == 1 else None


def _flatten(
    links: Sequence[Link], i: int, shapes: Sequence[Shape], order: Array | None
) -> tuple[list[KerasLayer], Array | None]:
    """Flatten. The dense layer behind it follows the other order; where there is none, the axes are put back."""
    here = shapes[i]
    if links[i].layer.start_axis != 1:
        raise CheckpointError(f"Flatten {links[i].path!r}: Keras flattens all axes of a sample")
    if len(here) <= 1:
        return [KerasLayer("Flatten")], order
    theirs, (k, layer) = order_of(here), _next_that_mixes(links, i + 1)
    back = isinstance(layer, nn.Reshape) and shapes[k + 1] == here
    if theirs is None or back or _is_dense(layer):
        return [KerasLayer("Flatten")], theirs
    return [_permute_first(len(here)), KerasLayer("Flatten")], None


def _reshape(link: Link, here: Shape, there: Shape, order: Array | None) -> tuple[list[KerasLayer], Array | None]:
    """Reshape: of flat features in Keras' order at once; of others by way of our order of axes."""
    if len(here) == 1 and same_order(order, order_of(there)):
        return [KerasLayer("Reshape", {"target_shape": channels_last(there)})], None
    if order is not None:
        raise CheckpointError(f"Reshape {link.path!r}: its features come in an order that Keras cannot undo")
    before = [_permute_first(len(here))] if len(here) > 1 else []
    after = [KerasLayer("Permute", {"dims": (*range(2, len(there) + 1), 1)})] if len(there) > 1 else []
    return [*before, KerasLayer("Reshape", {"target_shape": there}), *after], None


def _permute_first(axes: int) -> KerasLayer:
    """(H, W, C) -> (C, H, W)."""
    return KerasLayer("Permute", {"dims": (axes, *range(1, axes))})
