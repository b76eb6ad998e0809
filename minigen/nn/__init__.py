"""Room 3: objects that own parameters. Layers are made in float32; `module.to(dtype=np.float64)` for checks.

Imports: tensor, ops, random. Read next: ``module.py``, ``layers.py``.
"""

from typing import TYPE_CHECKING

from minigen.names import asked_of_module
from minigen.nn import init
from minigen.nn.conv1d import AvgPool1d, Conv1d, ConvTranspose1d, MaxPool1d
from minigen.nn.embedding import Embedding
from minigen.nn.init import manual_seed
from minigen.nn.layers import BatchNorm, Conv2d, ConvTranspose2d, Dense, Dropout, Flatten, LayerNorm, Reshape
from minigen.nn.module import Module, Parameter, Sequential, ShapeError
from minigen.nn.moving_average import MovingAverage
from minigen.nn.normalization import GroupNorm, InstanceNorm
from minigen.nn.pooling import AvgPool2d, MaxPool2d, MaxUnpool2d, PixelShuffle, PixelUnshuffle, Upsample
from minigen.nn.prelu import PReLU
from minigen.nn.replaced import replaced
from minigen.nn.spectral_norm import SpectralNorm, power_iteration

if not TYPE_CHECKING:  # to a type checker an unknown name stays unknown
    __getattr__ = asked_of_module(__name__)

__all__ = [
    "AvgPool1d", "AvgPool2d", "BatchNorm", "Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d", "Dense", "Dropout",
    "Embedding", "Flatten", "GroupNorm", "InstanceNorm", "LayerNorm", "MaxPool1d", "MaxPool2d", "MaxUnpool2d", "Module",
    "MovingAverage", "PReLU", "Parameter", "PixelShuffle", "PixelUnshuffle", "Reshape", "Sequential", "ShapeError",
    "SpectralNorm", "Upsample", "init", "manual_seed", "power_iteration", "replaced",
]  # fmt: skip
