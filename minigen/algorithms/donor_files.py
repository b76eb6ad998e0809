"""The generator of a GAN that is a network from an ONNX file: a decoder that another library has trained.

``minigen train dcgan --init-generator-from decoder.onnx`` takes the network as it is, in the place of the generator
that the model would have. What is around it is brought into line: codes (N, D) get the shape that it takes, its images
the order of axes and the range of a GAN. The file is copied into the run folder, which needs nothing else to be opened.

Imports: onnx, nn, ops. Read next: ``transfer.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from minigen import nn, onnx, ops
from minigen.algorithms.experiment import Recipe
from minigen.algorithms.options import ConfigError
from minigen.autograd import Tensor
from minigen.models.autoencoder import ImageShape
from minigen.onnx.load import Loaded
from minigen.onnx.load_range import last_operator, output_range

SUFFIX = ".onnx"
FLAG = "--init-generator-from"


class FileGenerator(nn.Module):
    """Codes (N, D) to images (N, C, H, W) from -1 to 1, by a network from a file."""

    def __init__(self, network: Loaded, image: ImageShape) -> None:
        """ValueError: its images have another shape, or no bounds."""
        self.network = network.to(dtype=np.float32).train()
        self.image, self.code = image, _code_shape(network)
        with network.evaluation():
            y = network(Tensor(np.zeros((2, *self.code), np.float32)))
        c, h, w = image
        shape = y.shape[1:]
        if shape not in (image, (h, w, c), (c * h * w,)):
            raise ValueError(
                f"its images are {_by(shape)}, those of the data set {_by(image)} (channels, height, width); take a "
                "network, a --dataset or an --image-size that fits"
            )
        self.channels_last = shape != image and shape == (h, w, c)
        bounds = output_range(network)
        if bounds is None:
            last = last_operator(network)
            raise ValueError(
                f"its output ends in {'its input' if last is None else last.title}, which has no bounds; images of a "
                "GAN are from -1 to 1: end the network in Tanh, or in Sigmoid for pixels from 0 to 1"
            )
        self.low, self.high = bounds

    def forward(self, z: Tensor) -> Tensor:
        y = self.network(ops.reshape(z, (z.shape[0], *self.code)))
        y = ops.transpose(y, (0, 3, 1, 2)) if self.channels_last else ops.reshape(y, (z.shape[0], *self.image))
        return y if self.low == -1 else y * 2 - 1


def is_file(path: object) -> bool:
    """Is it the path of an ONNX file rather than of a run?"""
    return isinstance(path, str) and path.endswith(SUFFIX)


def open_network(path: str) -> Loaded:
    """The network in a file. ConfigError if it cannot be read."""
    try:
        return onnx.load(path)
    except (onnx.LoadError, ImportError) as error:
        raise ConfigError(f"{FLAG}: {error}") from error


def adopt_file(
    recipe: Recipe, settings: Mapping[str, Any], given: Mapping[str, Any], part: str, path: str
) -> dict[str, Any]:
    """The settings of a run whose generator is the network in a file: its name, and the size of its codes.

    ConfigError: the model has no generator from codes alone, a setting says otherwise, or the file does not fit.
    """
    flag = f"--init-{part}-from"
    if part != "generator":
        raise ConfigError(
            f"{flag} {path}: a discriminator begins with a run, not with a file; a network that tells images apart has "
            "no agreed output. Take a run folder, or leave it out"
        )
    if part not in recipe.options:
        raise ConfigError(f"{flag}: {recipe.name!r} has no generator that a network could take the place of")
    try:
        latent = math.prod(_code_shape(open_network(path)))
    except ValueError as error:
        raise error if isinstance(error, ConfigError) else ConfigError(f"{flag} {path}: {error}") from error
    wanted = {part: part + SUFFIX, "latent": latent}
    for key, value in wanted.items():
        if settings[key] not in (recipe.options[key], value) or given.get(key, value) != value:
            what = f"takes codes of {latent} numbers" if key == "latent" else "is the generator"
            raise ConfigError(f"{flag} {path}: the network {what}; leave --{key} {settings[key]} out")
    return {**settings, **wanted}


def check_named(settings: Mapping[str, Any], networks: Mapping[str, Any]) -> None:
    """ConfigError for a network that an option names without its file."""
    for part in ("generator", "discriminator"):
        if is_file(settings.get(part)) and part not in networks:
            raise ConfigError(f"--{part} {settings[part]}: a network from a file is given by {FLAG} {settings[part]}")


def file_generator(path: str, image: ImageShape, *, latent: int) -> FileGenerator:
    """The generator in a file, for codes (N, latent). ValueError if it does not fit."""
    network = onnx.load(path)
    size = math.prod(_code_shape(network))
    if size != latent:
        raise ValueError(f"{FLAG}: its network takes codes of {size} numbers, this model gives it {latent}")
    try:
        return FileGenerator(network, image)
    except ValueError as error:
        raise ValueError(f"{FLAG}: {error}") from error


def describe_file(path: str, generator: Any) -> str:
    """A line on what became of the file."""
    place = "as they are" if generator.low == -1 else f"brought from {generator.low:g}, {generator.high:g} to -1, 1"
    count = sum(p.size for p in generator.parameters())
    return f"the generator is the network of {path} ({count:,} parameters); its images are taken {place}"


def _code_shape(network: Loaded) -> tuple[int, ...]:
    """The shape of one code. ValueError if the network is no function from codes to images."""
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        names = [", ".join(v.name for v in values) for values in (network.inputs, network.outputs)]
        raise ValueError(
            f"a generator has one input and one output; its network has inputs {names[0]} and outputs {names[1]}"
        )
    (value,) = network.inputs
    if value.dtype.kind != "f" or value.shape is None or len(value.shape) < 2:
        raise ValueError(f"its input {value.name!r} is no batch of codes: {value.dtype}, shape {value.shape}")
    batch, *lengths = value.shape
    if isinstance(batch, int) or not all(isinstance(n, int) for n in lengths):
        raise ValueError(
            f"its input {value.name!r} has the shape {value.shape}: the first length has to be open and the others "
            "fixed; export it with a dynamic batch axis"
        )
    return tuple(int(n) for n in lengths if n is not None)


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "numbers"
