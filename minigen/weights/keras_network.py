"""The network that a ``.keras`` file holds, as a chain of ours that computes the same.

Imports: nn, autograd, the other files on Keras. Read next: ``keras.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minigen import nn
from minigen.autograd import Tensor
from minigen.nn.module import ShapeError
from minigen.serialization import CheckpointError
from minigen.weights.keras_config import Item, read_config
from minigen.weights.keras_functions import layer_function, named_function
from minigen.weights.keras_kinds import KINDS
from minigen.weights.keras_make import MAKERS
from minigen.weights.keras_variables import Context, Shape, Variable, channels_last, order_of, same_order
from minigen_kernels import Array

FUNCTIONS = ("Activation", "ReLU", "LeakyReLU", "ELU", "Softmax")
IN_PLACE = ("BatchNormalization", "LayerNormalization", "PReLU", "Dropout", *FUNCTIONS)  # features stay in their places


class Reading:
    """A network in the making: its layers so far, the shape of what they give, and the order of flat features."""

    def __init__(self, shape: Shape, items: Sequence[Item], arrays: Mapping[str, Sequence[Array]]) -> None:
        self.shape = self.input_shape = (*shape[-1:], *shape[:-1])  # channels first
        self.items, self.arrays, self.done = items, arrays, 0
        self.order: Array | None = None
        self.padding: tuple[int, ...] | None = None  # of a layer of zeros before
        self.layers: list[Any] = []
        self.state: dict[str, Array] = {}
        self.sources: dict[str, str] = {}

    def next(self, k: int = 0) -> Item | None:
        """The layer that comes after this one, or k further."""
        return self.items[self.done + k] if self.done + k < len(self.items) else None

    def read(self) -> nn.Sequential:
        """The network with its weights."""
        while (item := self.next()) is not None:
            self.done += 1
            if self.padding is not None and _wrapped(item) not in ("Conv1D", "Conv2D"):
                raise CheckpointError(f"{item}: read is a ZeroPadding before a convolution only")
            if item.kind in MAKERS:
                self._weighted(item)
            elif item.kind in FUNCTIONS:
                self.layers += layer_function(str(item), item.kind, item.config, self.shape)
            elif item.kind in OTHERS:
                OTHERS[item.kind](self, item)
            else:
                raise CheckpointError(f"{item}: there is no such layer here")
        if self.padding is not None:
            raise CheckpointError("the model ends with a ZeroPadding; read is one before a convolution only")
        if self.order is not None:
            raise CheckpointError(
                "the model gives flat features in the order of Keras' pixels, which no layer here does"
            )
        return self._finished()

    def _finished(self) -> nn.Sequential:
        network = nn.Sequential(*self.layers)
        if self.state and all(array.dtype == np.float64 for array in self.state.values()):
            network.to(dtype=np.float64)
        network.load_state_dict({**network.state_dict(), **self.state})
        for _, layer in network.named_modules():
            if isinstance(layer, nn.SpectralNorm):
                leave_divided(layer)
        return network.eval()

    def add(self, layer: Any) -> None:
        """Put a layer behind the others; CheckpointError if it does not fit there."""
        dtype = np.int64 if isinstance(layer, nn.Embedding) else np.float32
        try:
            with nn.Sequential(layer).evaluation():
                y = layer(Tensor(np.zeros((2, *self.shape), dtype)))
        except ShapeError as error:
            raise CheckpointError(f"layer {len(self.layers)} does not fit: {error}") from error
        self.layers.append(layer)
        self.shape = tuple(y.shape[1:])

    # Layers with variables.

    def _weighted(self, item: Item) -> None:
        arrays, here = self.arrays.get(item.path, ()), self.shape
        options: dict[str, Any] = {}
        if _wrapped(item) in ("Conv1D", "Conv2D"):
            options, self.padding = {"padding": self.padding}, None
        elif item.kind.endswith("DTranspose") and (crop := self._crop(item)) is not None:
            options = {"crop": crop}
        layer = MAKERS[item.kind](item, arrays, here, **options)
        before, path = self.order, str(len(self.layers))
        self.add(layer)
        after = self._order_ahead() if _wrapped(item) == "Dense" else before
        self.order = after
        made = KINDS[type(layer)](layer, Context(path, here, self.shape, before, after))
        keras = next(one for one in made if one.variables or len(made) == 1)
        self._take(item, item.path, _present(item, keras.variables), arrays)
        inside = item.config
        if keras.inner is not None:
            inside = item.config["layer"]["config"]
            self._take(item, f"{item.path}/layer", keras.inner.variables, self.arrays.get(f"{item.path}/layer", ()))
        self.layers += named_function(str(item), inside.get("activation"), self.shape)

    def _take(self, item: Item, path: str, variables: Sequence[Variable], arrays: Sequence[Array]) -> None:
        """The variables of a layer as our entries."""
        own = nn.Sequential(*self.layers).state_dict()
        shapes = [variable.shape for variable in variables]
        if [a.shape for a in arrays] != shapes:
            found = ", ".join(str(a.shape) for a in arrays) or "none"
            raise CheckpointError(f"{item}: the variables at {path} are {found}, wanted {', '.join(map(str, shapes))}")
        for i, (variable, array) in enumerate(zip(variables, arrays, strict=True)):
            self.state[variable.entry] = variable.from_keras(array, own[variable.entry].shape)
            self.sources[variable.entry] = f"{path}/vars/{i}"

    def _crop(self, item: Item) -> tuple[tuple[int, int], ...] | None:
        """The crop behind a transposed convolution, which becomes its padding."""
        following = self.next()
        if following is None or following.kind != f"Cropping{item.kind[4]}D":
            return None
        self.done += 1
        return _sides(following, "cropping", int(item.kind[4]))

    def _order_ahead(self) -> Array | None:
        """The order in which flat features leave a dense layer, if a Reshape to images is what they go to."""
        k = 0
        while (item := self.next(k)) is not None and item.kind in IN_PLACE:
            k += 1
        if item is None or item.kind != "Reshape":
            return None
        shape = self._target(item)
        return None if len(shape) < 2 or _is_permute(self.next(k + 1), back=True) else order_of(_first(shape))

    # Layers without.

    def _target(self, item: Item) -> Shape:
        shape, size = item.whole("target_shape"), math.prod(self.shape)
        known = math.prod(n for n in shape if n != -1)
        return tuple(size // max(known, 1) if n == -1 else n for n in shape)

    def reshape(self, item: Item) -> None:
        """Reshape, or Flatten: pixels and channels in Keras' order, or in ours where a Permute says so."""
        flat = (math.prod(self.shape),)
        shape = self._target(item) if item.kind == "Reshape" else flat
        if len(self.shape) > 1 and len(shape) == 1:
            self.order = order_of(self.shape)
            self.add(nn.Flatten())
        elif len(shape) > 1 and _is_permute(self.next(), back=True):
            self._permuted(item, shape)
        elif len(self.shape) == 1 and shape != flat:
            if not same_order(self.order, order_of(_first(shape))):
                raise CheckpointError(f"{item}: its features come in an order that no layer here has")
            self.order = None
            self.add(nn.Reshape(_first(shape)))
        elif channels_last(self.shape) != shape:
            raise CheckpointError(f"{item}: from {channels_last(self.shape)} to {shape} is not read")

    def _permuted(self, item: Item, shape: Shape) -> None:
        """Reshape to channels first, and the Permute behind it."""
        if len(self.shape) > 1 or self.order is not None:
            raise CheckpointError(f"{item}: its features come in an order that no layer here has")
        self.done += 1
        self.add(nn.Reshape(shape))

    def permute(self, item: Item) -> None:
        """Permute to channels first, with the Flatten or Reshape behind it."""
        following = self.next()
        if not _is_permute(item, back=False) or following is None or following.kind not in ("Flatten", "Reshape"):
            raise CheckpointError(f"{item}: read are those between channels first and last, beside Flatten and Reshape")
        self.done += 1
        shape = self._target(following) if following.kind == "Reshape" else (math.prod(self.shape),)
        self.add(nn.Reshape(shape))
        if len(shape) > 1:
            if not _is_permute(self.next(), back=True):
                raise CheckpointError(f"{following}: what follows has its channels in another place than Keras says")
            self.done += 1

    def pad(self, item: Item) -> None:
        """ZeroPadding, kept for the convolution behind it."""
        sides = _sides(item, "padding", int(item.kind[-2]))
        if any(before != behind for before, behind in sides):
            raise CheckpointError(f"{item}: it pads {sides}; read are equal numbers on both sides")
        self.padding = tuple(before for before, _ in sides)

    def pool(self, item: Item) -> None:
        """Pooling: "valid", or "same" where that is our ceil mode."""
        axes, word = int(item.kind[-2]), item.config.get("padding", "valid")
        window = item.whole("pool_size", 2)
        stride = item.whole("strides") if item.config.get("strides") is not None else window
        window, stride = ((n * axes)[:axes] for n in (window, stride))
        behind = [max(0, (-(-n // s) - 1) * s + k - n) for n, k, s in zip(self.shape[1:], window, stride, strict=True)]
        if word == "same" and max(behind) > 1:
            raise CheckpointError(f"{item}: its windows begin outside of the image, which is not read")
        kinds: dict[str, Any] = {
            "MaxPooling2D": nn.MaxPool2d, "MaxPooling1D": nn.MaxPool1d,
            "AveragePooling2D": nn.AvgPool2d, "AveragePooling1D": nn.AvgPool1d,
        }  # fmt: skip
        self.add(kinds[item.kind](window, stride, ceil_mode=word == "same"))

    def upsample(self, item: Item) -> None:
        """UpSampling2D by whole factors."""
        factors, mode = (item.whole("size", 2) * 2)[:2], item.config.get("interpolation", "nearest")
        if mode not in ("nearest", "bilinear"):
            raise CheckpointError(f"{item}: interpolation {mode!r} is not read")
        self.add(nn.Upsample((float(factors[0]), float(factors[1])), mode))

    def dropout(self, item: Item) -> None:
        """Dropout."""
        self.layers.append(nn.Dropout(float(item.config.get("rate", 0.5))))


OTHERS: dict[str, Callable[[Reading, Item], None]] = {
    "Flatten": Reading.reshape, "Reshape": Reading.reshape, "Permute": Reading.permute, "Dropout": Reading.dropout,
    "ZeroPadding2D": Reading.pad, "ZeroPadding1D": Reading.pad, "UpSampling2D": Reading.upsample,
    "MaxPooling2D": Reading.pool, "MaxPooling1D": Reading.pool, "AveragePooling2D": Reading.pool,
    "AveragePooling1D": Reading.pool,
}  # fmt: skip


def read_network(
    config: Mapping[str, Any], arrays: Mapping[str, Sequence[Array]]
) -> tuple[nn.Sequential, Shape, dict[str, str]]:
    """The network of a config and its variables, its input shape here, and for each entry the path that it comes from.

    CheckpointError names the first layer that cannot be read, and variables that no layer has.
    """
    shape, items = read_config(config)
    reading = Reading(shape, items, arrays)
    network = reading.read()
    used = {source.rpartition("/vars/")[0] for source in reading.sources.values()}
    left = [
        path for path in arrays if path not in used and not path.endswith("seed_generator") and path[:9] != "optimizer"
    ]
    if left:
        raise CheckpointError(f"no layer has the variables at {', '.join(left[:5])}")
    return network, reading.input_shape, reading.sources


def leave_divided(layer: nn.SpectralNorm) -> None:
    """Make sigma 1 until the next power iteration: Keras keeps the divided weight, and uses it as it is."""
    w = layer._weight_matrix().data
    v = w.T @ layer.u.data
    layer.v.data = (v / max(float((v * v).sum()), 1e-30)).astype(w.dtype)


def _wrapped(item: Item) -> str:
    """The class of a layer, or of the one inside of a spectral norm."""
    return str(item.config["layer"]["class_name"]) if item.kind == "SpectralNormalization" else item.kind


def _present(item: Item, variables: Sequence[Variable]) -> list[Variable]:
    """The variables of a norm that is without scale or shift."""
    without = {".weight": "scale", ".bias": "center"}
    if not item.kind.endswith("Normalization") or item.kind == "SpectralNormalization":
        return list(variables)
    return [v for v in variables if item.config.get(without.get(v.entry[v.entry.rindex(".") :], ""), True)]


def _first(shape: Shape) -> Shape:
    """(H, W, C) -> (C, H, W)."""
    return (*shape[-1:], *shape[:-1])


def _is_permute(item: Item | None, *, back: bool) -> bool:
    """Whether a layer moves the channels first, or `back` to the last place."""
    if item is None or item.kind != "Permute":
        return False
    dims, n = item.whole("dims"), len(item.whole("dims"))
    return dims == ((*range(2, n + 1), 1) if back else (n, *range(1, n)))


def _sides(item: Item, key: str, axes: int) -> tuple[tuple[int, int], ...]:
    """Padding or crop before and behind, for each axis."""
    value = item.config.get(key, 1)
    values = [value] * axes if isinstance(value, int) else [value] if axes == 1 else list(value)
    return tuple((v, v) if isinstance(v, int) else (int(v[0]), int(v[1])) for v in values)
