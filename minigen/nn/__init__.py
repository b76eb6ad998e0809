"""Modules, that is, objects that own parameters. Layers are float32; `module.to(dtype=np.float64)` for checks.

Imports: autograd, ops, random. Read next: ``module.py``, ``layers.py``.
"""

from typing import TYPE_CHECKING

from minigen.names import asked_of_module
from minigen.nn import init
from minigen.nn.conv import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from minigen.nn.functional_copy import functional_copy
from minigen.nn.init import manual_seed
from minigen.nn.layers import Dense, Dropout, Embedding, Flatten, PReLU, Reshape
from minigen.nn.module import Module, Parameter, ShapeError
from minigen.nn.moving_average import MovingAverage
from minigen.nn.normalization import BatchNorm, GroupNorm, InstanceNorm, LayerNorm
from minigen.nn.pooling import (
    AvgPool1d,
    AvgPool2d,
    MaxPool1d,
    MaxPool2d,
    MaxUnpool2d,
    PixelShuffle,
    PixelUnshuffle,
    Upsample,
)
from minigen.nn.sequential import Sequential
from minigen.nn.spectral_norm import SpectralNorm, power_iteration

if not TYPE_CHECKING:  # to a type checker an unknown name stays unknown
    __getattr__ = asked_of_module(__name__)

__all__ = [
    "AvgPool1d", "AvgPool2d", "BatchNorm", "Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d", "Dense", "Dropout",
    "Embedding", "Flatten", "GroupNorm", "InstanceNorm", "LayerNorm", "MaxPool1d", "MaxPool2d", "MaxUnpool2d", "Module",
    "MovingAverage", "PReLU", "Parameter", "PixelShuffle", "PixelUnshuffle", "Reshape", "Sequential", "ShapeError",
    "SpectralNorm", "Upsample", "functional_copy", "init", "manual_seed", "power_iteration",
]  # fmt: skip
