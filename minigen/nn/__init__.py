"""Room 3: objects that own parameters. Layers are made in float32; `module.to(dtype=np.float64)` for checks.

Imports: tensor, ops, random. Read next: ``module.py``, ``layers.py``.
"""

from minigen.nn import init
from minigen.nn.init import manual_seed
from minigen.nn.layers import BatchNorm, Conv2d, ConvTranspose2d, Dense, Dropout, Flatten, LayerNorm, Reshape
from minigen.nn.module import Module, Parameter, Sequential, ShapeError
from minigen.nn.pooling import AvgPool2d, MaxPool2d, MaxUnpool2d, Upsample

__all__ = [
    "AvgPool2d", "BatchNorm", "Conv2d", "ConvTranspose2d", "Dense", "Dropout", "Flatten", "LayerNorm", "MaxPool2d",
    "MaxUnpool2d", "Module", "Parameter", "Reshape", "Sequential", "ShapeError", "Upsample", "init", "manual_seed",
]  # fmt: skip
