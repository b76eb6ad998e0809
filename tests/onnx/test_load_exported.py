"""Networks that PyTorch and Keras have written: outputs and gradients are theirs.

Read next: ``minigen/onnx/load.py``.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigen as mg
from minigen import optim
from minigen.autograd import Tensor

torch = pytest.importorskip("torch", reason="needs PyTorch, whose networks are loaded")
pytest.importorskip("onnx.helper", reason="needs the package onnx")

RNG = np.random.default_rng(0)


def dense() -> Any:
    """An autoencoder of dense layers."""
    t = torch.nn
    encoder = t.Sequential(t.Flatten(), t.Linear(144, 16), t.ReLU(), t.Linear(16, 5))
    return t.Sequential(encoder, t.Linear(5, 16), t.SiLU(), t.Linear(16, 144), t.Sigmoid(), t.Unflatten(1, (1, 12, 12)))


def conv() -> Any:
    """An autoencoder of convolutions, pooling, and every way to make images larger."""
    t = torch.nn
    return t.Sequential(
        t.Conv2d(1, 4, 3, 2, 1), t.BatchNorm2d(4), t.LeakyReLU(0.2), t.MaxPool2d(3, 2, 1, ceil_mode=True),
        t.Conv2d(4, 6, 3, padding=1, groups=2), t.ELU(), t.AvgPool2d(3, 2, 1, count_include_pad=False),
        t.Upsample(scale_factor=2), t.Conv2d(6, 4, 3, padding=2, dilation=2), t.GELU(),
        t.Upsample(size=(6, 6), mode="bilinear"), t.ConvTranspose2d(4, 3, 5, 2, 2, 1), t.PReLU(3),
        t.ReflectionPad2d(1), t.Conv2d(3, 4, 3), t.PixelShuffle(2), t.AvgPool2d(2), t.Hardsigmoid(),
    )  # fmt: skip


class VAE(torch.nn.Module):  # type: ignore[misc]
    """Three outputs, and a noise that is an input."""

    def __init__(self) -> None:
        super().__init__()
        t = torch.nn
        self.body, self.mean, self.logvar, self.out = (t.Linear(*n) for n in ((144, 8), (8, 3), (8, 3), (3, 144)))

    def forward(self, x: Any, noise: Any) -> Any:
        h = torch.tanh(self.body(x.flatten(1)))
        mean, logvar = self.mean(h), self.logvar(h)
        code = mean + torch.exp(0.5 * logvar) * noise
        return torch.nn.functional.softplus(self.out(code)).reshape(x.shape[0], 1, 12, 12), mean, logvar


def generator() -> Any:
    t = torch.nn
    return t.Sequential(
        t.ConvTranspose2d(5, 8, 3, 1, 0, bias=False), t.BatchNorm2d(8), t.ReLU(True),
        t.ConvTranspose2d(8, 4, 4, 2, 1, bias=False), t.BatchNorm2d(4), t.ReLU(True),
        t.ConvTranspose2d(4, 1, 4, 2, 1, bias=False), t.Tanh(),
    )  # fmt: skip


def discriminator() -> Any:
    t = torch.nn
    return t.Sequential(
        t.Conv2d(1, 4, 4, 2, 1, bias=False), t.LeakyReLU(0.2), t.Conv2d(4, 8, 4, 2, 1, bias=False), t.BatchNorm2d(8),
        t.LeakyReLU(0.2), t.Dropout(0.0), t.Conv2d(8, 1, 3), t.Flatten(), t.LayerNorm(1), t.Linear(1, 1),
    )  # fmt: skip


IMAGES, CODES = (3, 1, 12, 12), (3, 5, 1, 1)
NETWORKS: dict[str, tuple[Callable[[], Any], tuple[tuple[int, ...], ...]]] = {
    "dense": (dense, (IMAGES,)), "conv": (conv, (IMAGES,)), "vae": (VAE, (IMAGES, (3, 3))),
    "generator": (generator, (CODES,)), "discriminator": (discriminator, (IMAGES,)),
}  # fmt: skip


def made(name: str) -> tuple[Any, list[Any]]:
    """A network in float64 with statistics as after a training, and inputs for it."""
    torch.manual_seed(0)
    make, shapes = NETWORKS[name]
    network = make().double()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-1, 1)
            module.running_var.uniform_(0.5, 2)
    return network, [torch.randn(shape, dtype=torch.float64) for shape in shapes]


def export(network: Any, inputs: list[Any], path: Path, **options: Any) -> Any:
    """What minigen loads of the file that PyTorch's exporter writes; the first axis is left open."""
    names = [f"x{i}" for i in range(len(inputs))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network, tuple(inputs), path, dynamo=False, input_names=names,
            dynamic_axes={name: {0: "N"} for name in names}, **options,
        )  # fmt: skip
    return mg.onnx.load(path)


def outputs_of(network: Any, inputs: list[Any]) -> list[Any]:
    ys = network(*inputs)
    return list(ys) if isinstance(ys, tuple) else [ys]


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_trained_network_of_pytorch(name: str, opset: int, tmp_path: Path) -> None:
    if name == "discriminator" and opset < 17:
        opset = 17  # LayerNormalization is of 17; before it is written as arithmetic, in float32
    network, inputs = made(name)
    loaded = export(network.eval(), inputs, tmp_path / "model.onnx", opset_version=opset)
    more = [torch.cat([x, x]) for x in inputs]
    for xs in (inputs, more):
        for y, z in zip(outputs_of(network, xs), outputs_of(loaded, [Tensor(x.numpy()) for x in xs]), strict=True):
            np.testing.assert_allclose(z.numpy(), y.detach().numpy(), rtol=1e-8, atol=1e-10)  # attributes have 32 bits


@pytest.mark.parametrize("name", ["dense", "conv", "vae", "generator", "discriminator"])
def test_gradients_and_a_step_of_training(name: str, tmp_path: Path) -> None:
    """Exported in training mode, so that batch norm stays batch norm: gradients, then two steps of Adam, agree."""
    network, inputs = made(name)
    options = dict(training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False, opset_version=17)
    loaded = export(network.train(), inputs, tmp_path / "model.onnx", **options)
    loaded.train()
    theirs, mine = dict(network.named_parameters()), dict(loaded.named_parameters())
    assert mine.keys() == theirs.keys()
    network.load_state_dict({k: torch.from_numpy(v) for k, v in loaded.state_dict().items()}, strict=False)
    adams = torch.optim.Adam(network.parameters(), lr=0.01), optim.Adam(loaded.parameters(), lr=0.01)
    for _ in range(2):
        ys, zs = outputs_of(network, inputs), outputs_of(loaded, [Tensor(x.numpy()) for x in inputs])
        of_torch, of_minigen = sum((y**2).mean() for y in ys), sum((z**2).mean() for z in zs)
        np.testing.assert_allclose(of_minigen.item(), of_torch.item(), rtol=1e-8)
        for step in adams:
            step.zero_grad()
        of_torch.backward()
        of_minigen.backward()
        largest = max(p.grad.abs().max().item() for p in theirs.values())
        for key, p in theirs.items():
            np.testing.assert_allclose(
                mine[key].grad.numpy(), p.grad.numpy(), rtol=1e-6, atol=1e-8 * largest, err_msg=key
            )
        for step in adams:
            step.step()
    for key, array in loaded.state_dict().items():
        np.testing.assert_allclose(array, network.state_dict()[key].numpy(), rtol=1e-6, atol=1e-8, err_msg=key)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_the_newer_exporter_of_pytorch(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="needs the package onnxscript, which that exporter is made with")
    network, inputs = made(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        axes = tuple({0: torch.export.Dim("N")} for _ in inputs)
        torch.onnx.export(network.eval(), tuple(inputs), tmp_path / "model.onnx", dynamo=True, dynamic_shapes=axes)
    loaded = mg.onnx.load(tmp_path / "model.onnx")
    for y, z in zip(outputs_of(network, inputs), outputs_of(loaded, [Tensor(x.numpy()) for x in inputs]), strict=True):
        np.testing.assert_allclose(z.numpy(), y.detach().numpy(), rtol=1e-6, atol=1e-7)


@pytest.mark.slow
def test_networks_of_keras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras writes them by PyTorch's exporter, with its own order of axes: (N, H, W, C)."""
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras", reason="needs Keras 3")
    if keras.backend.backend() != "torch":
        pytest.skip(f"Keras runs on {keras.backend.backend()} in this process; its export by PyTorch is what is tested")
    layers = importlib.import_module("keras.layers")
    networks = {
        "autoencoder": [
            layers.Input((12, 12, 1)), layers.Conv2D(4, 3, activation="relu", padding="same"),
            layers.MaxPooling2D(2, padding="same"), layers.Conv2D(4, 3, strides=2, padding="same"),
            layers.BatchNormalization(), layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="gelu"), layers.UpSampling2D(2),
            layers.Conv2D(1, 3, activation="sigmoid", padding="same"),
        ],
        "decoder": [
            layers.Input((5,)), layers.Dense(3 * 3 * 4), layers.BatchNormalization(), layers.ReLU(),
            layers.Reshape((3, 3, 4)), layers.Conv2DTranspose(4, 4, strides=2, padding="same", activation="silu"),
            layers.UpSampling2D(2, interpolation="bilinear"),
            layers.Conv2DTranspose(1, 5, padding="same", activation="tanh"),
        ],
    }  # fmt: skip
    for name, parts in networks.items():
        network = keras.Sequential(parts)
        x = RNG.normal(size=(3, *network.input_shape[1:])).astype(np.float32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for variable in network.variables:  # the exporter merges equal ones; of a trained network there are none
                value = keras.ops.convert_to_numpy(variable)
                variable.assign(value + 0.1 * RNG.random(value.shape).astype(np.float32))
            y = keras.ops.convert_to_numpy(network(x, training=False))
            network.export(tmp_path / f"{name}.onnx", format="onnx", verbose=False)
        loaded = mg.onnx.load(tmp_path / f"{name}.onnx")
        np.testing.assert_allclose(loaded(Tensor(x)).numpy(), y, rtol=1e-4, atol=1e-6)
        total = (loaded(Tensor(x)) ** 2).sum()
        total.backward()
        assert all(p.grad is not None for p in loaded.parameters())
