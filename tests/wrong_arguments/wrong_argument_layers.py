"""One valid call of every layer and initialiser, with all of its arguments.

Read next: ``wrong_argument_rows.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from wrong_arguments.wrong_argument_row import WINDOW, Row, rng, t, whole

from minigen import nn

CHANNELS = {"in_channels": 4, "out_channels": 2, "kernel_size": 3}
MORE = {"stride": 1, "padding": 1, "dilation": 1, "groups": 1, "bias": True, "weight_init": None, "rng": None}
IMAGE, SEQUENCE = (2, 4, 6, 6), (2, 4, 6)

#: The settings of each layer, and the shapes of what it is called with.
LAYERS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "AvgPool1d": ({**WINDOW, "ceil_mode": True, "count_include_pad": True}, SEQUENCE),
    "AvgPool2d": ({**WINDOW, "ceil_mode": True, "count_include_pad": True}, IMAGE),
    "MaxPool1d": ({**WINDOW, "ceil_mode": True}, SEQUENCE),
    "MaxPool2d": ({**WINDOW, "ceil_mode": True, "return_indices": False}, IMAGE),
    "BatchNorm": ({"num_features": 4, "eps": 1e-5, "momentum": 0.1}, IMAGE),
    "InstanceNorm": (
        {"num_features": 4, "eps": 1e-5, "momentum": 0.1, "affine": True, "track_running_stats": True}, IMAGE,
    ),
    "GroupNorm": ({"num_groups": 2, "num_channels": 4, "eps": 1e-5, "affine": True}, IMAGE),
    "LayerNorm": ({"normalized_shape": (6, 6), "eps": 1e-5}, IMAGE),
    "Conv1d": ({**CHANNELS, **MORE}, SEQUENCE),
    "Conv2d": ({**CHANNELS, **MORE}, IMAGE),
    "ConvTranspose1d": ({**CHANNELS, **MORE, "output_padding": 0}, SEQUENCE),
    "ConvTranspose2d": ({**CHANNELS, **MORE, "output_padding": 0}, IMAGE),
    "Dense": ({"in_features": 6, "out_features": 3, "bias": True, "weight_init": None, "rng": None}, (2, 6)),
    "Dropout": ({"p": 0.5, "rng": None}, (2, 6)),
    "Flatten": ({"start_axis": 1}, IMAGE),
    "Reshape": ({"shape": (2, -1)}, (2, 6)),
    "PReLU": ({"num_parameters": 4, "init": 0.1}, IMAGE),
    "PixelShuffle": ({"upscale_factor": 2}, IMAGE),
    "PixelUnshuffle": ({"downscale_factor": 2}, IMAGE),
    "Upsample": ({"scale_factor": 2, "mode": "bilinear", "size": None, "align_corners": False}, IMAGE),
}  # fmt: skip


def layer(name: str) -> Callable[..., Any]:
    """Make the layer and call it: a setting may be refused at either time."""

    def call(x: Any, **settings: Any) -> Any:
        return getattr(nn, name)(**settings)(x)

    return call


def conv_spectral(layer: Any, rng: Any, x: Any) -> Any:
    return nn.SpectralNorm(layer, rng=rng)(x)


def unpool(x: Any, indices: Any, **settings: Any) -> Any:
    return nn.MaxUnpool2d(**settings)(x, indices)


def averaged(network: Any, decay: Any, x: Any) -> Any:
    return nn.MovingAverage(network, decay)(x)


def dense() -> nn.Module:
    return nn.Dense(3, 3, rng=rng())


OTHER_LAYERS = [
    Row("nn.Embedding", lambda indices, **settings: nn.Embedding(**settings)(indices),
        lambda: {"num_embeddings": 4, "embedding_dim": 3, "padding_idx": 1, "weight_init": None, "rng": None,
                 "indices": whole(2, 3)}),
    Row("nn.MaxUnpool2d", unpool, lambda: {**WINDOW, "x": t(2, 3, 2, 2), "indices": whole(2, 3, 2, 2)}),
    Row("nn.SpectralNorm", conv_spectral, lambda: {"layer": dense(), "rng": None, "x": t(2, 3)},
        "Dense"),
    Row("nn.MovingAverage", averaged, lambda: {"network": dense(), "decay": 0.9, "x": t(2, 3)},
        "Dense"),
    Row("nn.MovingAverage.update", lambda network: nn.MovingAverage(dense(), 0.9).update(network),
        lambda: {"network": dense()}),
    Row("nn.Sequential", lambda first, x: nn.Sequential(first)(x), lambda: {"first": dense(), "x": t(2, 3)},
        "Dense"),
    Row("nn.Parameter", nn.Parameter, lambda: {"data": np.ones(3, np.float32)}),
    Row("nn.manual_seed", nn.manual_seed, lambda: {"seed": 0}),
    Row("nn.power_iteration", nn.power_iteration, lambda: {"network": dense()}),
    Row("nn.functional_copy", nn.functional_copy, lambda: {"module": dense(), "tensors": {"bias": t(3)}}),
    Row("nn.Module.load_state_dict", lambda state: dense().load_state_dict(state),
        lambda: {"state": dense().state_dict()}),
    Row("nn.Module.to", lambda device, dtype: dense().to(device, dtype), lambda: {"device": "cpu", "dtype": "float64"}),
]  # fmt: skip

INITS: dict[str, dict[str, Any]] = {
    "fans": {},
    "glorot_normal": {"rng": None, "gain": 1.0},
    "glorot_uniform": {"rng": None, "gain": 1.0},
    "he_normal": {"rng": None, "slope": 0.0},
    "he_uniform": {"rng": None, "slope": 0.0},
    "normal": {"rng": None, "mean": 0.0, "std": 0.1},
    "orthogonal": {"rng": None, "gain": 1.0},
    "uniform_fan_in": {"rng": None, "fan_in": 2},
    "zeros": {"rng": None},
}
