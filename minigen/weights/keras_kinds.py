"""Each layer of ours in Keras' words: settings, variables, and the layers for padding that Keras needs around it.

Imports: nn, conventions, keras_variables. Read next: ``keras_layers.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from minigen import nn
from minigen.serialization import CheckpointError
from minigen.weights.conventions import CONVENTIONS, Convention
from minigen.weights.keras_variables import Context, KerasLayer, Variable, channels_last

ROWS: dict[type[nn.Module], Convention] = {row.layer: row for row in CONVENTIONS}


def refuse(layer: Any, c: Context, why: str) -> CheckpointError:
    """The error for a layer that has no counterpart."""
    return CheckpointError(f"{type(layer).__name__} {c.path!r}: {why}")


def _settings(layer: Any) -> dict[str, float]:
    """Epsilon and momentum, as Keras counts them."""
    return {setting.keras: setting.to_keras(getattr(layer, setting.own)) for setting in ROWS[type(layer)].settings}


def _kernel_and_bias(layer: Any, c: Context) -> tuple[Variable, ...]:
    """The variables of a layer with a weight and perhaps a bias, by the table."""
    kernel, *rest = ROWS[type(layer)].entries
    axes = kernel.axes
    shape = tuple(layer.weight.shape[axis] for axis in axes)
    found = [Variable(c.name("weight"), shape, axes, c.rows, c.columns)]
    if rest and layer.bias is not None:
        found.append(Variable(c.name("bias"), layer.bias.shape, rows=c.columns))
    return tuple(found)


def dense(layer: nn.Dense, c: Context) -> list[KerasLayer]:
    """Dense."""
    if len(c.here) != 1:
        raise refuse(layer, c, "it works along the last axis, which is that of the channels in Keras; flatten first")
    settings = {"units": layer.out_features, "use_bias": layer.bias is not None, "activation": "linear"}
    return [KerasLayer("Dense", settings, _kernel_and_bias(layer, c))]


def _tuple(value: Any) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value)


def convolution(layer: Any, c: Context) -> list[KerasLayer]:
    """Conv2D, Conv1D, behind a layer of zeros around the image where ours has a padding in pixels."""
    axes = layer.spatial_axes
    padding = layer.padding if isinstance(layer.padding, str) else "valid"
    pixels = (0,) * axes if isinstance(layer.padding, str) else _tuple(layer.padding)
    settings = {
        "filters": layer.out_channels, "kernel_size": _tuple(layer.kernel_size), "strides": _tuple(layer.stride),
        "padding": padding, "dilation_rate": _tuple(layer.dilation), "groups": layer.groups,
        "use_bias": layer.bias is not None, "activation": "linear",
    }  # fmt: skip
    if max(_tuple(layer.stride)) > 1 and max(_tuple(layer.dilation)) > 1:
        raise refuse(layer, c, "Keras has no stride and dilation at once")
    made = [KerasLayer(f"Conv{axes}D", settings, _kernel_and_bias(layer, c))]
    return [*_around("ZeroPadding", axes, pixels), *made]


def transposed(layer: Any, c: Context) -> list[KerasLayer]:
    """Conv2DTranspose, Conv1DTranspose, and a crop behind it where ours has a padding in pixels."""
    axes = layer.spatial_axes
    if layer.groups != 1:
        raise refuse(layer, c, "Keras has no groups there")
    if max(_tuple(layer.stride)) > 1 and max(_tuple(layer.dilation)) > 1:
        raise refuse(layer, c, "Keras has no stride and dilation at once")
    word = layer.padding if isinstance(layer.padding, str) else "valid"
    pixels = (0,) * axes if isinstance(layer.padding, str) else _tuple(layer.padding)
    extra = _tuple(layer.output_padding)
    if word != "same" and any(e >= s for e, s in zip(extra, _tuple(layer.stride), strict=True)):
        raise refuse(layer, c, f"Keras wants an output_padding below the stride, this is {extra}")
    settings = {
        "filters": layer.out_channels, "kernel_size": _tuple(layer.kernel_size), "strides": _tuple(layer.stride),
        "padding": word, "output_padding": None if word == "same" else extra, "dilation_rate": _tuple(layer.dilation),
        "use_bias": layer.bias is not None, "activation": "linear",
    }  # fmt: skip
    made = [KerasLayer(f"Conv{axes}DTranspose", settings, _kernel_and_bias(layer, c))]
    return [*made, *_around("Cropping", axes, pixels)]


def _around(kind: str, axes: int, pixels: tuple[int, ...]) -> list[KerasLayer]:
    """A layer that pads or crops so many pixels at both ends of each axis; none for 0."""
    sides = tuple((p, p) for p in pixels)
    name = "padding" if kind == "ZeroPadding" else "cropping"
    return [KerasLayer(f"{kind}{axes}D", {name: sides if axes == 2 else sides[0]})] if any(pixels) else []


def embedding(layer: nn.Embedding, c: Context) -> list[KerasLayer]:
    """Embedding."""
    if len(c.there) != 1:
        raise refuse(layer, c, "what follows it works on the last axis in Keras, on the first here")
    settings = {"input_dim": layer.num_embeddings, "output_dim": layer.embedding_dim}
    return [KerasLayer("Embedding", settings, (Variable(c.name("weight"), layer.weight.shape),))]


def _per_channel(layer: Any, c: Context) -> tuple[Variable, ...]:
    entries = [entry.own for entry in ROWS[type(layer)].entries]
    return tuple(Variable(c.name(name), getattr(layer, name).shape, rows=c.rows) for name in entries)


def batch_norm(layer: nn.BatchNorm, c: Context) -> list[KerasLayer]:
    """BatchNormalization; its momentum is the share of the old statistics."""
    return [KerasLayer("BatchNormalization", {"axis": -1, **_settings(layer)}, _per_channel(layer, c))]


def layer_norm(layer: nn.LayerNorm, c: Context) -> list[KerasLayer]:
    """LayerNormalization over all axes of a sample."""
    if layer.normalized_shape != c.here:
        raise refuse(layer, c, f"it normalises {layer.normalized_shape} of {c.here}; other axes are these in Keras")
    n = len(c.here)
    axes = (*range(1, n), 0) if n > 1 else ()
    variables = tuple(Variable(c.name(name), channels_last(c.here), axes, c.rows) for name in ("weight", "bias"))
    return [KerasLayer("LayerNormalization", {"axis": tuple(range(1, n + 1)), **_settings(layer)}, variables)]


def group_norm(layer: nn.GroupNorm | nn.InstanceNorm, c: Context) -> list[KerasLayer]:
    """GroupNormalization, for instance norm with groups=-1."""
    groups = layer.num_groups if isinstance(layer, nn.GroupNorm) else -1
    if c.rows is not None and groups != 1:
        raise refuse(layer, c, "its groups are of flat features, which stand in another order in Keras")
    if isinstance(layer, nn.InstanceNorm) and layer.track_running_stats:
        raise refuse(layer, c, "Keras' instance norm keeps no running statistics")
    settings = {"groups": groups, "axis": -1, "center": layer.affine, "scale": layer.affine, **_settings(layer)}
    return [KerasLayer("GroupNormalization", settings, _per_channel(layer, c) if layer.affine else ())]


def prelu(layer: nn.PReLU, c: Context) -> list[KerasLayer]:
    """PReLU, whose slope is shared by all pixels, and by all channels if ours has one."""
    n = len(c.here)
    one = layer.num_parameters == 1
    shared = list(range(1, n + 1)) if one else list(range(1, n))
    shape = (1,) * n if one else (*(1,) * (n - 1), c.here[0])
    variable = Variable(c.name("weight"), shape, rows=None if one else c.rows)
    return [KerasLayer("PReLU", {"shared_axes": shared or None}, (variable,))]


def spectral_norm(layer: nn.SpectralNorm, c: Context) -> list[KerasLayer]:
    """SpectralNormalization around the layer; its kernel is the divided one."""
    if layer.transposed:
        raise refuse(layer, c, "of a transposed convolution Keras normalises another matrix")
    if isinstance(layer.layer, nn.Embedding):
        raise refuse(layer, c, "Keras rounds what comes out of it to whole numbers, as its indices are")
    inside = KINDS[type(layer.layer)](layer.layer, replace(c, path=c.name("layer")))
    wrapped = []
    for one in inside:
        if not one.variables:
            wrapped.append(one)
            continue
        u = Variable(c.name("u"), (1, *layer.u.shape), columns=c.columns)
        wrapped.append(KerasLayer("SpectralNormalization", {"power_iterations": 1}, (one.variables[0], u), one))
    return wrapped


def pooling(layer: Any, c: Context) -> list[KerasLayer]:
    """MaxPooling or AveragePooling: "valid", or "same" where that is our ceil mode."""
    axes = layer.spatial_axes
    k, s, p = (_tuple(value) for value in (layer.kernel_size, layer.stride, layer.padding))
    sizes, outs = c.here[1:], c.there[1:]
    valid = all((n - a) // b + 1 == out for n, a, b, out in zip(sizes, k, s, outs, strict=True))
    behind = [max(0, (out - 1) * b + a - n) for n, a, b, out in zip(sizes, k, s, outs, strict=True)]
    same = all(-(-n // b) == out and pad <= 1 for n, b, out, pad in zip(sizes, s, outs, behind, strict=True))
    if any(p) or not (valid or same) or getattr(layer, "return_indices", False):
        raise refuse(layer, c, f"Keras has no such windows for {sizes}: padding {p}, ceil_mode {layer.ceil_mode}")
    kind = "MaxPooling" if isinstance(layer, (nn.MaxPool2d, nn.MaxPool1d)) else "AveragePooling"
    settings = {"pool_size": k, "strides": s, "padding": "valid" if valid else "same"}
    return [KerasLayer(f"{kind}{axes}D", settings)]


def upsample(layer: nn.Upsample, c: Context) -> list[KerasLayer]:
    """UpSampling2D by whole factors."""
    factors = layer._whole_factors
    if factors is None:
        raise refuse(layer, c, "Keras enlarges by whole factors, and not with aligned corners")
    return [KerasLayer("UpSampling2D", {"size": factors, "interpolation": layer.mode})]


def dropout(layer: nn.Dropout, c: Context) -> list[KerasLayer]:
    """Dropout."""
    return [KerasLayer("Dropout", {"rate": layer.p})]


KINDS: dict[type[nn.Module], Callable[[Any, Context], list[KerasLayer]]] = {
    nn.Dense: dense, nn.Conv2d: convolution, nn.Conv1d: convolution, nn.ConvTranspose2d: transposed,
    nn.ConvTranspose1d: transposed, nn.Embedding: embedding, nn.BatchNorm: batch_norm, nn.LayerNorm: layer_norm,
    nn.GroupNorm: group_norm, nn.InstanceNorm: group_norm, nn.PReLU: prelu, nn.SpectralNorm: spectral_norm,
    nn.MaxPool2d: pooling, nn.MaxPool1d: pooling, nn.AvgPool2d: pooling, nn.AvgPool1d: pooling,
    nn.Upsample: upsample, nn.Dropout: dropout,
}  # fmt: skip
