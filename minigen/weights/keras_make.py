"""A layer of ours for each layer of Keras with variables: its settings, not yet its weights.

Imports: nn, keras_config. Read next: ``keras_network.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from minigen import nn
from minigen.random import Generator
from minigen.serialization import CheckpointError
from minigen.weights.conventions import CONVENTIONS
from minigen.weights.keras_config import Item, item_of
from minigen.weights.keras_variables import Shape
from minigen_kernels import Array

Arrays = Sequence[Array]
SETTINGS = {(row.keras, s.own): s for row in CONVENTIONS for s in row.settings}


def setting(item: Item, own: str) -> float:
    """Epsilon or momentum of a layer, as it is counted here."""
    one = SETTINGS[item.kind, own]
    return one.to_keras(float(item.config.get(one.keras, one.keras_default)))


def _kernel(item: Item, arrays: Arrays, axes: int) -> Array:
    if not arrays or arrays[0].ndim != axes:
        shapes = ", ".join(str(a.shape) for a in arrays) or "none"
        raise CheckpointError(
            f"{item}: wanted a kernel with {axes} axes at {item.path}/vars/0, the variables are {shapes}"
        )
    return arrays[0]


def _bias(item: Item) -> bool:
    return bool(item.config.get("use_bias", True))


def dense(item: Item, arrays: Arrays, here: Shape) -> nn.Module:
    """Dense, of flat features."""
    if len(here) != 1:
        raise CheckpointError(f"{item}: it works on the channels of {here}; here a dense layer takes flat features")
    n_in, n_out = _kernel(item, arrays, 2).shape
    return nn.Dense(n_in, n_out, _bias(item), weight_init=nn.init.zeros)


def convolution(item: Item, arrays: Arrays, here: Shape, padding: Any = None) -> nn.Module:
    """Conv1D, Conv2D; `padding` in pixels, of a layer of zeros before it."""
    axes = int(item.kind[4])
    kernel, word = _kernel(item, arrays, axes + 2), item.config.get("padding", "valid")
    if word not in ("valid", "same") or (word == "same" and padding is not None):
        raise CheckpointError(f"{item}: padding {word!r} is not read{' behind a ZeroPadding' if padding else ''}")
    groups = int(item.config.get("groups", 1))
    kind = nn.Conv2d if axes == 2 else nn.Conv1d
    return kind(
        kernel.shape[-2] * groups, kernel.shape[-1], kernel.shape[:axes], item.whole("strides", 1),
        word if word == "same" else padding or 0, item.whole("dilation_rate", 1), groups, _bias(item),
        weight_init=nn.init.zeros,
    )  # fmt: skip


def transposed(item: Item, arrays: Arrays, here: Shape, crop: Any = None) -> nn.Module:
    """Conv1DTranspose, Conv2DTranspose; `crop` (before, behind) for each axis, of a Cropping behind it."""
    axes = int(item.kind[4])
    kernel, word = _kernel(item, arrays, axes + 2), item.config.get("padding", "valid")
    stride, dilation = item.whole("strides", 1), item.whole("dilation_rate", 1)
    stride, dilation = ((n * axes)[:axes] for n in (stride, dilation))
    kind = nn.ConvTranspose2d if axes == 2 else nn.ConvTranspose1d
    given = item.config.get("output_padding")
    if word == "same":
        if given is not None or crop is not None:
            raise CheckpointError(f"{item}: padding 'same' with an output_padding or a crop is not read")
        padding: Any = "same"
        extra: tuple[int, ...] = (0,) * axes
    else:
        spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel.shape, strict=False)]
        usual = tuple(max(s - span, 0) for s, span in zip(stride, spans, strict=True))
        theirs = usual if given is None else (item.whole("output_padding") * axes)[:axes]
        crop = crop or ((0, 0),) * axes
        padding = tuple(before for before, _ in crop)
        extra = tuple(e + before - behind for e, (before, behind) in zip(theirs, crop, strict=True))
        if min(extra) < 0:
            raise CheckpointError(f"{item}: cropped by {crop} it is no transposed convolution of ours")
    settings: Any = {"stride": stride, "padding": padding, "output_padding": extra, "dilation": dilation}
    if axes == 1:
        settings = {name: value if isinstance(value, str) else value[0] for name, value in settings.items()}
    return kind(
        kernel.shape[-1], kernel.shape[-2], kernel.shape[:axes], bias=_bias(item), weight_init=nn.init.zeros, **settings
    )


def embedding(item: Item, arrays: Arrays, here: Shape) -> nn.Module:
    """Embedding of one index a sample."""
    if here:
        raise CheckpointError(f"{item}: of sequences {here} its vectors are the last axis in Keras, which is not read")
    return nn.Embedding(*_kernel(item, arrays, 2).shape, weight_init=nn.init.zeros)


def batch_norm(item: Item, arrays: Arrays, here: Shape) -> nn.Module:
    """BatchNormalization of the channels."""
    if item.whole("axis", -1)[0] not in (-1, len(here)) or item.config.get("renorm"):
        raise CheckpointError(f"{item}: read is batch norm of the last axis, without renorm")
    return nn.BatchNorm(here[0], eps=setting(item, "eps"), momentum=setting(item, "momentum"))


def layer_norm(item: Item, arrays: Arrays, here: Shape) -> nn.Module:
    """LayerNormalization of all axes of a sample."""
    n = len(here)
    axes = sorted(axis % (n + 1) for axis in item.whole("axis", -1))
    if axes != list(range(1, n + 1)) or item.config.get("rms_scaling"):
        raise CheckpointError(f"{item}: it normalises the axes {axes} of {n}; read is one of all axes of a sample")
    return nn.LayerNorm(here, setting(item, "eps"))


def group_norm(item: Item, arrays: Arrays, here: Shape) -> nn.Module:
    """GroupNormalization of the channels."""
    if item.whole("axis", -1)[0] not in (-1, len(here)):
        raise CheckpointError(f"{item}: read is group norm of the last axis")
    groups, affine = (
        int(item.config.get("groups", 32)),
        bool(item.config.get("center", True) or item.config.get("scale", True)),
    )
    eps = setting(item, "eps")
    if groups == -1 and len(here) > 1:
        return nn.InstanceNorm(here[0], eps=eps, affine=affine)
    return nn.GroupNorm(here[0] if groups == -1 else groups, here[0], eps, affine)


def prelu(item: Item, arrays: Arrays, here: Shape) -> nn.Module:
    """PReLU with one slope, or one for each channel."""
    shape = arrays[0].shape if arrays else ()
    for n in dict.fromkeys((1, here[0])):
        if shape == ((1,) * len(here) if n == 1 else (*(1,) * (len(here) - 1), n)):
            return nn.PReLU(n)
    raise CheckpointError(f"{item}: its slopes have the shape {shape}; read are one, or one for each channel")


def spectral_norm(item: Item, arrays: Arrays, here: Shape, **options: Any) -> nn.Module:
    """SpectralNormalization around another layer, which gets the `options`."""
    inner = item_of(item.config["layer"], f"{item.path}/layer")
    if inner.kind not in ("Dense", "Conv2D", "Conv1D"):
        raise CheckpointError(f"{item}: around a {inner.kind} it is not read")
    layer: Any = MAKERS[inner.kind](inner, arrays, here, **options)
    return nn.SpectralNorm(layer, rng=Generator(0))


MAKERS: dict[str, Callable[..., nn.Module]] = {
    "Dense": dense, "Conv2D": convolution, "Conv1D": convolution, "Conv2DTranspose": transposed,
    "Conv1DTranspose": transposed, "Embedding": embedding, "BatchNormalization": batch_norm,
    "LayerNormalization": layer_norm, "GroupNormalization": group_norm, "PReLU": prelu,
    "SpectralNormalization": spectral_norm,
}  # fmt: skip
