"""The same network in PyTorch: its own layers, in the places that ours have, and the forward passes of our models.

Independent of `minigen.weights`: names are those of attributes here and there, and only the layers are PyTorch's.

Read next: ``test_torch_models.py``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from minigen import nn, ops
from minigen.autograd import Tensor
from minigen.models.autoencoder import identity, leaky_relu

torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
files = pytest.importorskip("safetensors.torch")  # imports PyTorch
load_file, save_file = files.load_file, files.save_file
t, F = torch.nn, torch.nn.functional
torch.set_num_threads(1)

FUNCTIONS: dict[Any, Callable[[Any], Any]] = {
    ops.relu: F.relu,
    ops.sigmoid: torch.sigmoid,
    ops.tanh: torch.tanh,
    ops.leaky_relu: F.leaky_relu,
    leaky_relu: functools.partial(F.leaky_relu, negative_slope=0.2),
    identity: lambda x: x,
}


def function(f: Any) -> Callable[[Any], Any]:
    """PyTorch's word for an activation of ours."""
    if isinstance(f, functools.partial):
        assert f.func is ops.leaky_relu and f.keywords.keys() == {"slope"}
        return functools.partial(F.leaky_relu, negative_slope=f.keywords["slope"])
    return FUNCTIONS[f]


class Function(t.Module):  # type: ignore[misc]
    def __init__(self, f: Callable[[Any], Any]) -> None:
        super().__init__()
        self.f = f

    def forward(self, *x: Any) -> Any:
        return self.f(*x)


class PerAxes(t.Module):  # type: ignore[misc]
    """Batch and instance norm, which PyTorch has once for each number of axes, under one name."""

    def __new__(cls, kinds: dict[int, Any], axes: int, *args: Any, **options: Any) -> Any:
        return kinds[axes](*args, **options)


def convolution(kind: Any, layer: Any) -> Any:
    extra = {"output_padding": layer.output_padding} if layer.transposed else {}
    return kind(
        layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding,
        dilation=layer.dilation, groups=layer.groups, bias=layer.bias is not None, **extra,
    )  # fmt: skip


def spectral(layer: nn.SpectralNorm, axes: int) -> Any:
    return t.utils.parametrizations.spectral_norm(twin(layer.layer, axes))


def norm(kinds: dict[int, Any], layer: Any, axes: int) -> Any:
    own = {} if isinstance(layer, nn.BatchNorm) else {
        "affine": layer.affine, "track_running_stats": layer.track_running_stats,
    }  # fmt: skip
    return kinds[axes](layer.num_features, eps=layer.eps, momentum=layer.momentum, **own)


BATCH = {2: t.BatchNorm1d, 3: t.BatchNorm1d, 4: t.BatchNorm2d}
INSTANCE = {3: t.InstanceNorm1d, 4: t.InstanceNorm2d}
#: For each layer of ours: PyTorch's, of its settings and the number of axes of its input.
LAYERS: dict[Any, Callable[[Any, int], Any]] = {
    nn.Dense: lambda m, _: t.Linear(m.in_features, m.out_features, m.bias is not None),
    nn.Conv2d: lambda m, _: convolution(t.Conv2d, m),
    nn.Conv1d: lambda m, _: convolution(t.Conv1d, m),
    nn.ConvTranspose2d: lambda m, _: convolution(t.ConvTranspose2d, m),
    nn.ConvTranspose1d: lambda m, _: convolution(t.ConvTranspose1d, m),
    nn.BatchNorm: lambda m, axes: norm(BATCH, m, axes),
    nn.InstanceNorm: lambda m, axes: norm(INSTANCE, m, axes),
    nn.LayerNorm: lambda m, _: t.LayerNorm(m.normalized_shape, m.eps),
    nn.GroupNorm: lambda m, _: t.GroupNorm(m.num_groups, m.num_channels, m.eps, m.affine),
    nn.Embedding: lambda m, _: t.Embedding(m.num_embeddings, m.embedding_dim, m.padding_idx),
    nn.PReLU: lambda m, _: t.PReLU(m.num_parameters),
    nn.SpectralNorm: spectral,
    nn.Flatten: lambda m, _: t.Flatten(m.start_axis),
    nn.Reshape: lambda m, _: Function(lambda x: x.reshape(len(x), *m.shape)),
    nn.MaxPool2d: lambda m, _: t.MaxPool2d(m.kernel_size, m.stride, m.padding, ceil_mode=m.ceil_mode),
    nn.Upsample: lambda m, _: t.Upsample(scale_factor=m.scale_factor, mode=m.mode),
}


def soft_clamp(x: Any) -> Any:
    return 15 * torch.tanh(x / 15)


def masked(m: Any, x: Any) -> Any:
    return F.conv2d(x, m.conv.weight * m.mask, m.conv.bias, padding=m.conv.padding)


def vae(m: Any, x: Any, y: Any = None) -> Any:
    x = x - m.centre
    features = m.encoder(x if y is None else torch.cat([x.flatten(1), y], 1))
    mean = m.mean(features)
    return mean, soft_clamp(m.logvar(features)), m.head(m.decoder(mean if y is None else torch.cat([mean, y], 1)))


def two_layer_vae(m: Any, x: Any) -> Any:
    features = m.encoder(x - m.centre)
    z1 = m.mean(features)
    z2 = m.upper(z1)
    return z1, soft_clamp(m.logvar(features)), *z2, *m.prior(z2[0]), m.head(m.decoder(z1))


def gaussian(m: Any, x: Any) -> Any:
    features = (m.features if hasattr(m, "features") else m.body)(x)
    return m.mean(features), soft_clamp(m.logvar(features))


def conditional(m: Any, x: Any, y: Any) -> Any:
    if m.plane is None:
        return m.body(torch.cat([x.flatten(1), y], 1))
    return m.body(torch.cat([x, m.plane(y).reshape(len(x), 1, *x.shape[2:])], 1))


def auxiliary(m: Any, x: Any) -> Any:
    features = m.features(x)
    return torch.cat([m.score(features), m.head(features)], 1)


def codebook(m: Any, z: Any) -> Any:
    grid = z.movedim(1, -1)
    return m.embedding[torch.cdist(grid.flatten(0, -2), m.embedding).argmin(1)].reshape(grid.shape).movedim(-1, 1)


FORWARD: dict[str, Callable[..., Any]] = {
    "Autoencoder": lambda m, x: m.head(m.decoder(m.encoder(x - m.centre))),
    "VQVAE": lambda m, x: m.head(m.decoder(m.encoder(x - m.centre))),
    "VAE": vae,
    "TwoLayerVAE": two_layer_vae,
    "GaussianLayer": gaussian,
    "GaussianEncoder": gaussian,
    "LearnedConstant": lambda m, x: m.value.expand(len(x), -1),
    "Codebook": codebook,
    "MaskedConv2d": masked,
    "MaskedBlock": lambda m, x: x + m.layers(x),
    "ResidualBlock": lambda m, x: x + m.layers(x),
    "PixelCNN": lambda m, e: m.rest(m.first(e) + m.place),
    "Discriminator": lambda m, x: m.score(m.features(x)).reshape(len(x)),
    "Encoder": lambda m, x: m.code(m.features(x)),
    "ConditionalDiscriminator": conditional,
    "AuxiliaryDiscriminator": auxiliary,
    "AutoencodingDiscriminator": lambda m, x: m.decoder(m.encoder(x)),
    "JointDiscriminator": lambda m, x, z: m.of_both(torch.cat([m.of_image(x), m.of_code(z)], 1)).reshape(len(x)),
    "MovingAverage": lambda m, x: m.network(x),
    "Bernoulli": lambda m, y: m.head(y),
    "Gaussian": lambda m, y: m.head(y),
    "EquilibriumControl": lambda m: (m.k, m.used),
}


class Twin(t.Module):  # type: ignore[misc]
    """A Module of ours that is no layer: the same attributes, and the forward pass of its class."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.compute = FORWARD[type(module).__name__]
        for name, value in vars(module).items():
            if isinstance(value, nn.Module):
                self.add_module(name, twin(value))
            elif isinstance(value, nn.Parameter):
                self.register_parameter(name, t.Parameter(torch.tensor(value.numpy())))
            elif isinstance(value, Tensor):
                self.register_buffer(name, torch.tensor(value.numpy()))
            elif callable(value):
                setattr(self, name, function(value))
            elif value is None:
                setattr(self, name, None)

    def forward(self, *x: Any) -> Any:
        return self.compute(self, *x)


def twin(module: Any, axes: int = 4) -> Any:
    """The twin of a Module, or of a function; `axes` is how many its input has, for norms."""
    if not isinstance(module, nn.Module):
        return Function(function(module))
    if type(module) in LAYERS:
        return LAYERS[type(module)](module, axes)
    if type(module) is not nn.Sequential:
        return Twin(module)
    layers, flat = [], type(next(iter(module))) is nn.Dense  # a network of codes begins with rows
    for layer in module:
        flat = type(layer) is nn.Flatten or (flat and type(layer) is not nn.Reshape)
        layers.append(twin(layer, 2 if flat else 4))
    return t.Sequential(*layers)
