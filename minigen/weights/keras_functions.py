"""Activations in Keras' words, and back.

Imports: ops, models. Read next: ``keras_kinds.py``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

from minigen import ops
from minigen.models import autoencoder
from minigen.serialization import CheckpointError
from minigen.weights.keras_variables import KerasLayer, Shape

Function = Callable[[Any], Any]

#: Keras' names of functions that mean the same in both.
BY_NAME: dict[str, Function] = {
    "relu": ops.relu, "sigmoid": ops.sigmoid, "tanh": ops.tanh, "softplus": ops.softplus, "silu": ops.silu,
    "selu": ops.selu, "elu": ops.elu, "gelu": ops.gelu, "mish": ops.mish, "exponential": ops.exp,
}  # fmt: skip
#: Other names of Keras for them. Its function leaky_relu has the slope 0.2, its layer LeakyReLU 0.3, ours 0.01.
ALIASES: dict[str, Function] = {
    "swish": ops.silu, "leaky_relu": functools.partial(ops.leaky_relu, slope=0.2), "softmax": ops.softmax,
}  # fmt: skip
NO_LAYER = "Keras has no layer for it that this version writes"


def function_layer(path: str, f: Any, shape: Shape) -> list[KerasLayer]:
    """The Keras layer of a function of ours on outputs of this shape. CheckpointError: there is none."""
    options: Mapping[str, Any] = {}
    if isinstance(f, functools.partial) and not f.args:
        f, options = f.func, f.keywords
    if f is autoencoder.identity:
        return []
    if f is autoencoder.leaky_relu:
        f, options = ops.leaky_relu, {"slope": 0.2}
    if f is ops.leaky_relu and options.keys() <= {"slope"}:
        return [KerasLayer("LeakyReLU", {"negative_slope": float(options.get("slope", 0.01))}, path=path)]
    if f is ops.elu and options.keys() <= {"alpha"}:
        return [KerasLayer("ELU", {"alpha": float(options.get("alpha", 1.0))}, path=path)]
    if f is ops.softmax and not options and len(shape) == 1:
        return [KerasLayer("Softmax", path=path)]
    name = next((name for name, own in BY_NAME.items() if own is f), None)
    if name is None or options:
        what = getattr(f, "__name__", repr(f))
        settings = ", ".join(f"{key}={value!r}" for key, value in options.items())
        raise CheckpointError(f"function {what}{f' with {settings}' if settings else ''} {path!r}: {NO_LAYER}")
    return [KerasLayer("Activation", {"activation": name}, path=path)]


def named_function(layer: str, name: Any, shape: Shape) -> list[Function]:
    """Our function for an activation that a config of Keras names; none for "linear"."""
    if name in (None, "linear"):
        return []
    f = {**BY_NAME, **ALIASES}.get(name) if isinstance(name, str) else None
    if f is None or (name == "softmax" and len(shape) != 1):
        raise CheckpointError(f"{layer}: there is no activation here that is Keras' {json.dumps(name)[:80]}")
    return [f]


def layer_function(layer: str, kind: str, config: Mapping[str, Any], shape: Shape) -> list[Function]:
    """Our function for an activation layer of Keras."""
    if kind == "Activation":
        return named_function(layer, config.get("activation"), shape)
    if kind == "ReLU" and config.get("max_value") is None and not config.get("threshold"):
        slope = config.get("negative_slope") or 0.0
        return [functools.partial(ops.leaky_relu, slope=slope) if slope else ops.relu]
    if kind == "LeakyReLU":
        return [functools.partial(ops.leaky_relu, slope=config.get("negative_slope", 0.3))]
    if kind == "ELU":
        alpha = config.get("alpha", 1.0)
        return [ops.elu if alpha == 1 else functools.partial(ops.elu, alpha=alpha)]
    if kind == "Softmax" and config.get("axis", -1) in (-1, len(shape)) and len(shape) == 1:
        return [ops.softmax]
    raise CheckpointError(f"{layer}: there is nothing here that is Keras' {kind} with these settings")
