"""Each layer that Keras has too, at drawn settings, both ways, with the real library: values, settings, bits.

Read next: ``keras_there.py``, ``test_keras_networks.py``.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from weights.keras_there import Array, compute, keras, load, randomise

from minigen import nn, ops, weights
from minigen.autograd import Tensor
from minigen.models.autoencoder import leaky_relu
from minigen.serialization import CheckpointError

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras and NumPy 2
    pytest.mark.filterwarnings("ignore:You might experience inconsistencies:UserWarning"),  # of "same", see below
]
few, small = st.integers(1, 3), st.integers(1, 2)
L = keras.layers
drawn = settings(max_examples=8, deadline=None, derandomize=True)


def fill(module: nn.Module, seed: int) -> None:
    """Random numbers in all floats; a variance is above 0, singular vectors are some."""
    rng = np.random.default_rng(seed)
    for name, tensor in module._named_tensors():
        values = rng.uniform(0.3, 1.5, tensor.shape) if name.endswith("var") else rng.normal(size=tensor.shape)
        tensor.data = values.astype(np.float32)
    for _, layer in module.named_modules():
        if isinstance(layer, nn.SpectralNorm):
            layer.iterate(3)


def close(a: Array, b: Array) -> None:
    """Float32, a few dozen terms of order 1: 1e-5 of the largest number is a hundred roundings."""
    assert a.shape == b.shape
    assert np.abs(a - b).max(initial=0) <= 1e-5 * max(1, np.abs(b).max(initial=0))


def there_and_back(module: nn.Sequential, shape: tuple[int, ...], path: Path, x: Array | None = None) -> None:
    """Keras computes the same from our file, and we from Keras' own; weights come back to the bit."""
    weights.write(module, path / "ours.keras", shape)
    model = load(path / "ours.keras")
    x = np.random.default_rng(3).normal(size=(3, *shape)).astype(np.float32) if x is None else x
    with module.evaluation():
        ours = module(Tensor(x)).numpy()
    close(ours, compute(model, x))
    weights.write(module, path / "ours.weights.h5", shape)
    model.load_weights(path / "ours.weights.h5")
    close(ours, compute(model, x))
    model.save(path / "theirs.keras")
    model.save_weights(path / "theirs.weights.h5")
    back = weights.read_keras(path / "theirs.keras")
    close(back(Tensor(x)).numpy(), ours)
    spectral = any(isinstance(layer, nn.SpectralNorm) for _, layer in module.named_modules())
    before = module.state_dict()
    for name in ("theirs.keras", "theirs.weights.h5"):
        fill(module, 99)
        plan = weights.load(module, path / name, input_shape=shape)
        assert not any("something else" in note for note in plan.notes), plan.notes
        with module.evaluation():
            close(module(Tensor(x)).numpy(), ours)
        if not spectral:  # which keeps the divided weight
            assert all(a.tobytes() == module.state_dict()[key].tobytes() for key, a in before.items())


@st.composite
def convolutions(draw: Any, kind: type[nn.Module]) -> nn.Module:
    transposed = "Transpose" in kind.__name__
    groups, stride = 1 if transposed else draw(small), draw(few)
    options: dict[str, Any] = {"stride": stride, "dilation": draw(small) if stride == 1 else 1, "groups": groups}
    options["padding"] = draw(st.sampled_from([0, 1, 2, "same", "valid"]))
    if transposed and options["padding"] != "same":
        options["output_padding"] = draw(st.integers(0, stride - 1))
    return kind(groups * draw(few), groups * draw(few), draw(few) + 1, bias=draw(st.booleans()), **options)


KINDS = [nn.Conv2d, nn.Conv1d, nn.ConvTranspose2d, nn.ConvTranspose1d]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@drawn
@given(data=st.data())
def test_convolutions(kind: type[nn.Module], data: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    layer: Any = data.draw(convolutions(kind))
    module = nn.Sequential(layer)
    fill(module, data.draw(few))
    shape = (layer.in_channels, 9, 8)[: 1 + layer.spatial_axes]
    there_and_back(module, shape, tmp_path_factory.mktemp("keras"))


eps, momentum = st.sampled_from([1e-5, 1e-3, 0.1]), st.sampled_from([0.1, 0.01, 0.5])
IMAGES = st.tuples(few, small, few)
SHAPES = st.one_of(st.tuples(few), st.tuples(few, few), IMAGES)
#: Layers of a channel count that take any shape (C, ...).
NORMS = {
    "batch": st.builds(lambda eps, m: lambda shape: nn.BatchNorm(shape[0], eps=eps, momentum=m), eps, momentum),
    "layer": st.builds(lambda eps: lambda shape: nn.LayerNorm(shape, eps), eps),
    "group": st.builds(lambda eps, affine: lambda shape: nn.GroupNorm(1, shape[0], eps, affine), eps, st.booleans()),
    "groups": st.builds(lambda eps: lambda shape: nn.GroupNorm(shape[0], shape[0], eps), eps),
    "instance": st.builds(
        lambda eps, affine: lambda shape: nn.InstanceNorm(shape[0], eps=eps, affine=affine), eps, st.booleans()
    ),
    "prelu": st.booleans().map(lambda one: lambda shape: nn.PReLU(1 if one else shape[0])),
    "dropout": st.just(lambda shape: nn.Dropout(0.5)),
}


@pytest.mark.parametrize("name", NORMS)
@drawn
@given(data=st.data(), shape=SHAPES)
def test_norms(name: str, data: Any, shape: tuple[int, ...], tmp_path_factory: pytest.TempPathFactory) -> None:
    if name in ("instance", "groups"):
        shape = (*shape, 4) if len(shape) < 3 else shape  # of one number nothing is left
        shape = (*shape[:-1], 4)
    module = nn.Sequential(data.draw(NORMS[name])(shape))
    fill(module, data.draw(few))
    there_and_back(module, shape, tmp_path_factory.mktemp("keras"))


@drawn
@given(n=few, m=few, bias=st.booleans(), seed=few, wrapped=st.booleans())
def test_dense(n: int, m: int, bias: bool, seed: int, wrapped: bool, tmp_path_factory: Any) -> None:
    layer = nn.Dense(n, m, bias)
    module = nn.Sequential(nn.SpectralNorm(layer) if wrapped else layer)
    fill(module, seed)
    there_and_back(module, (n,), tmp_path_factory.mktemp("keras"))


@drawn
@given(n=few, m=few, seed=few)
def test_embedding(n: int, m: int, seed: int, tmp_path_factory: Any) -> None:
    module = nn.Sequential(nn.Embedding(n, m))
    fill(module, seed)
    there_and_back(module, (), tmp_path_factory.mktemp("keras"), x=np.arange(n))


@drawn
@given(layer=convolutions(nn.Conv2d), seed=few)
def test_spectral_norm_of_a_convolution(layer: Any, seed: int, tmp_path_factory: Any) -> None:
    module = nn.Sequential(nn.SpectralNorm(layer))
    fill(module, seed)
    there_and_back(module, (layer.in_channels, 9, 8), tmp_path_factory.mktemp("keras"))


@drawn
@given(shape=IMAGES, between=st.permutations(["norm", "act", "prelu"]), width=few, seed=few)
def test_the_order_of_flat_features(
    shape: tuple[int, ...], between: list[str], width: int, seed: int, tmp_path_factory: Any
) -> None:
    """Pixels to flat features to pixels, with what keeps features in their places on both sides."""

    def kept(n: int) -> list[Any]:
        made = {"norm": nn.BatchNorm(n), "act": ops.tanh, "prelu": nn.PReLU(n)}
        return [made[name] for name in between]

    size = int(np.prod(shape))
    module = nn.Sequential(
        nn.Flatten(), *kept(size), nn.Dense(size, width), nn.LayerNorm(width) if width > 1 else ops.tanh,
        nn.Dense(width, size), *kept(size), nn.Reshape(shape), nn.Conv2d(shape[0], 2, 1),
    )  # fmt: skip
    fill(module, seed)
    there_and_back(module, shape, tmp_path_factory.mktemp("keras"))


@pytest.mark.parametrize("layers", [
    [nn.Flatten()], [nn.Reshape((3, 2, 2))], [nn.Flatten(), nn.Reshape((2, 2, 3))], [nn.Reshape((2, 6))],
    [nn.Flatten(), ops.relu], [nn.Conv2d(2, 3, 1), nn.Flatten(), nn.BatchNorm(18)],
    [nn.Reshape((12,)), nn.Dense(12, 4)], [nn.Flatten(), nn.Dense(12, 12), nn.Reshape((3, 4))],
])  # fmt: skip
def test_flat_features_at_the_ends(layers: list[Any], tmp_path: Path) -> None:
    """Where no dense layer can take the other order, the axes are put back."""
    module = nn.Sequential(*layers)
    fill(module, 1)
    there_and_back(module, (2, 3, 2) if not isinstance(layers[0], nn.Reshape) or len(layers) > 1 else (12,), tmp_path)


FUNCTIONS = [
    ops.relu, ops.sigmoid, ops.tanh, ops.softplus, ops.silu, ops.selu, ops.elu, ops.gelu, ops.mish, ops.exp,
    ops.leaky_relu, leaky_relu, functools.partial(ops.leaky_relu, slope=0.2), functools.partial(ops.elu, alpha=0.5),
    ops.softmax,
]  # fmt: skip


@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: getattr(f, "__name__", "partial"))
def test_activations(f: Any, tmp_path: Path) -> None:
    there_and_back(nn.Sequential(f), (5,), tmp_path, np.linspace(-3, 3, 20, dtype=np.float32).reshape(4, 5))


@drawn
@given(
    kind=st.sampled_from(["Max", "Avg"]), axes=small, k=few, stride=few, ceil=st.booleans(), n=st.integers(4, 9)
)  # fmt: skip
def test_pooling_is_the_same_or_refused(
    kind: str, axes: int, k: int, stride: int, ceil: bool, n: int, tmp_path_factory: Any
) -> None:
    """With PyTorch below it Keras repeats the last pixel where an average has one too few; elsewhere it takes fewer."""
    assume(kind == "Max" or not ceil or k < 3 or keras.backend.backend() != "torch")
    module = nn.Sequential(getattr(nn, f"{kind}Pool{axes}d")(k, stride, ceil_mode=ceil))
    shape = (2, n, n + 1)[: axes + 1]
    try:
        weights.write(module, tmp_path_factory.mktemp("keras") / "x.keras", shape)
    except CheckpointError as error:
        assert "Keras has no such windows" in str(error)
        return
    there_and_back(module, shape, tmp_path_factory.mktemp("keras"))


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("factors", [2, (1, 3)])
def test_upsampling(mode: Any, factors: Any, tmp_path: Path) -> None:
    there_and_back(nn.Sequential(nn.Upsample(factors, mode)), (2, 3, 4), tmp_path)


# The other way round: models that Keras made.

activations = st.sampled_from(["linear", "relu", "leaky_relu", "tanh", "gelu", "swish"])


def comes_in(model: Any, shape: tuple[int, ...], path: Path, seed: int = 0) -> nn.Sequential:
    """Read a model of Keras' own: what it computes, we compute."""
    randomise(model, seed)
    model.save(path / "x.keras")
    network = weights.read_keras(path / "x.keras")
    x = np.random.default_rng(seed).normal(size=(3, *shape)).astype(np.float32)
    close(network(Tensor(x)).numpy(), compute(model, x))
    return network


@pytest.mark.parametrize("kind", ["Conv2D", "Conv1D", "Conv2DTranspose", "Conv1DTranspose"])
@drawn
@given(data=st.data())
def test_convolutions_of_keras(kind: str, data: Any, tmp_path_factory: Any) -> None:
    axes, stride = int(kind[4]), data.draw(few)
    groups = 1 if "Transpose" in kind else data.draw(small)
    options: dict[str, Any] = {"groups": groups} if groups > 1 else {}
    options |= {"dilation_rate": data.draw(small)} if stride == 1 else {}
    layer = getattr(L, kind)(
        2 * groups, data.draw(few) + 1, strides=stride, padding=data.draw(st.sampled_from(["same", "valid"])),
        use_bias=data.draw(st.booleans()), activation=data.draw(activations), **options,
    )  # fmt: skip
    shape = (groups * data.draw(few), 8, 7)[: axes + 1]
    model = keras.Sequential([keras.Input((*shape[1:], shape[0])), layer])
    comes_in(model, shape, tmp_path_factory.mktemp("keras"))


@drawn
@given(data=st.data(), shape=SHAPES, center=st.booleans(), scale=st.booleans(), eps=eps)
def test_norms_of_keras(
    data: Any, shape: tuple[int, ...], center: bool, scale: bool, eps: float, tmp_path_factory: Any
) -> None:
    options = {"center": center, "scale": scale, "epsilon": eps}
    n = len(shape)
    layer = data.draw(st.sampled_from([
        lambda: L.BatchNormalization(momentum=0.9, **options),
        lambda: L.LayerNormalization(axis=tuple(range(1, n + 1)), **options),
        lambda: L.GroupNormalization(1, **options),
    ]))()  # fmt: skip
    model = keras.Sequential([keras.Input((*shape[1:], shape[0])), layer])
    (ours,) = comes_in(model, shape, tmp_path_factory.mktemp("keras"))
    assert ours.eps == eps and getattr(ours, "momentum", 0.1) == 0.1


def test_defaults_of_keras(tmp_path: Path) -> None:
    """The defaults that the table states are those of the library."""
    layers = {"BatchNormalization": {}, "LayerNormalization": {}, "GroupNormalization": {"groups": 1}}
    for row in weights.CONVENTIONS:
        for setting in row.settings:
            made = getattr(L, row.keras)(**layers[row.keras])
            assert getattr(made, setting.keras) == setting.keras_default
            own: Any = row.layer
            ours = own(2, 2) if own is nn.GroupNorm else own(2)
            assert getattr(ours, setting.own) == setting.default
    assert L.LeakyReLU().negative_slope == 0.3
    model = keras.Sequential([keras.Input((4,)), L.LeakyReLU(), L.Dense(3, activation="leaky_relu"), L.ReLU()])
    comes_in(model, (4,), tmp_path)
