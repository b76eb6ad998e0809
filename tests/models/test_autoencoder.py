"""The autoencoders by name: widths, parameter counts, shapes, refused shapes, heads, and where training starts.

Read next: ``test_autoencoder_in_pytorch.py``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
import pytest
from algorithms.autoencoders.autoencoder_runs import MODELS, batch, build, glyphs, network
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import nn, ops
from minigen.algorithms.options import ConfigError
from minigen.autograd import Tensor, no_grad
from minigen.data import Batch
from minigen.models import autoencoder as architecture
from minigen.models.autoencoder import Autoencoder
from minigen.random import Generator
from minigen.training import prepare
from minigen.training.config import DEFAULTS

# Weights and biases of each network for 1x28x28, added up by hand from the layers that its paper or summary names.
PARAMETERS = {
    "ae": 101_200,  # 784*64 + 64 + 64*784 + 784
    "deep-ae": 218_192,
    "stacked-ae": 106_448,
    "conv-ae": 4_385,
    "dcgan-ae": 3_152_485,
    "sparse-ae": 101_200,
    "denoising-ae": 435_536,
    "contractive-ae": 50_992,
    "linear-ae": 50_992,
}
DENSE = [name for name in MODELS if re.match(r"pixels-", MODELS[name].summary)]


def zeros(*shape: int) -> Tensor:
    return Tensor(np.zeros(shape, np.float32))


def trace(layers: nn.Sequential, x: Tensor) -> list[tuple[int, ...]]:
    """The shape after each layer, without N."""
    shapes = []
    with no_grad():
        for layer in layers:
            x = layer(x)
            shapes.append(x.shape[1:])
    return shapes


def test_every_model_has_a_row_here() -> None:
    assert PARAMETERS.keys() == MODELS.keys()
    assert DENSE == ["ae", "deep-ae", "stacked-ae", "sparse-ae", "denoising-ae", "contractive-ae", "linear-ae"]


@pytest.mark.parametrize("name", MODELS)
def test_number_of_parameters(name: str) -> None:
    assert sum(p.size for p in network(build(name)).parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", DENSE)
def test_widths_are_those_of_the_summary(name: str) -> None:
    layers = [m for _, m in network(build(name)).named_modules() if isinstance(m, nn.Dense)]
    said = re.match(r"[\d-]+", MODELS[name].summary.replace("pixels", "784"))
    assert said is not None
    assert [layers[0].in_features, *(layer.out_features for layer in layers)] == [int(w) for w in said[0].split("-")]


def test_shapes_inside_conv_ae() -> None:
    model = network(build("conv-ae"))
    assert [type(layer).__name__ for layer in model.encoder if isinstance(layer, nn.Module)] == [
        "Conv2d", "MaxPool2d", "Conv2d", "MaxPool2d", "Conv2d", "MaxPool2d",
    ]  # fmt: skip
    assert trace(model.encoder, zeros(2, 1, 28, 28))[2::3] == [(16, 14, 14), (8, 7, 7), (8, 4, 4)]
    assert trace(model.decoder, zeros(2, 8, 4, 4)) == [
        (8, 4, 4), (8, 4, 4), (8, 8, 8), (8, 8, 8), (8, 8, 8), (8, 16, 16),
        (16, 14, 14), (16, 14, 14), (16, 28, 28), (1, 28, 28),
    ]  # fmt: skip
    kernels = {m.weight.shape[2:] for _, m in model.named_modules() if isinstance(m, nn.Conv2d)}
    assert kernels == {(3, 3)}


def test_shapes_inside_dcgan_ae() -> None:
    model = network(build("dcgan-ae")).eval()
    assert trace(model.encoder, zeros(2, 1, 28, 28))[::3] == [(64, 14, 14), (128, 7, 7), (128 * 49,)]
    down, up = trace(model.encoder, zeros(2, 1, 28, 28)), trace(model.decoder, zeros(2, 100))
    assert down[-1] == (100,)
    assert up[0] == (256 * 49,) and up[3] == (256, 7, 7)
    assert [up[4], up[7], up[10]] == [(128, 7, 7), (64, 14, 14), (1, 28, 28)]
    strided = [layer for layer in model.encoder if isinstance(layer, nn.Conv2d)]
    assert [(layer.weight.shape[2:], layer.stride) for layer in strided] == [((5, 5), (2, 2))] * 2


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 32, 28), (1, 36, 36)])
def test_other_image_shapes(name: str, shape: tuple[int, int, int]) -> None:
    experiment = build(name, shape=shape)
    x = batch(2, shape).x
    assert experiment.reconstruct(x).shape == x.shape
    codes = experiment.encode(x)
    per_channel = math.prod(-(-side // 8) for side in shape[1:]) if name == "conv-ae" else 1
    assert codes.shape == (2, MODELS[name].options["latent"] * per_channel)
    assert codes.dtype == np.float32


@pytest.mark.parametrize("name", MODELS)
def test_latent_is_the_size_of_the_code(name: str) -> None:
    codes = build(name, shape=(1, 16, 8), latent=12).encode(batch(3, (1, 16, 8)).x)
    assert codes.shape == (3, 12 * 2 if name == "conv-ae" else 12)


@pytest.mark.parametrize("name", DENSE)
def test_dense_networks_take_any_shape(name: str) -> None:
    x = batch(2, (4, 5, 3)).x
    assert build(name, shape=(4, 5, 3)).reconstruct(x).shape == x.shape


def test_conv_ae_fits_what_its_message_says_and_refuses_the_rest() -> None:
    for height in range(1, 41):
        for width in (8, 12, 15, height):
            make: Callable[[], Autoencoder] = lambda h=height, w=width: architecture.convolutional(  # noqa: E731
                (1, h, w), latent=2, rng=Generator(0)
            )
            if min(height, width) >= 4:
                with no_grad():
                    model = make()
                    code = model.encode(zeros(1, 1, height, width))
                    assert code.shape == (1, 2, -(-height // 8), -(-width // 8))
                    assert model.decode(code).shape == (1, 1, height, width)
                crops = any(isinstance(m, architecture.Crop) for _, m in model.named_modules())
                assert crops == (height % 4 != 0 or width % 4 != 0)
            else:
                with pytest.raises(ValueError, match=f"got {height}x{width};"):
                    make()


def test_messages_about_refused_shapes() -> None:
    with pytest.raises(ValueError) as info:
        build("conv-ae", shape=(1, 3, 28))
    assert str(info.value) == (
        "image sides must be at least 4, got 3x28; give larger images (folders of pictures: --image-size), "
        "or use 'ae' or 'deep-ae', which take any size"
    )
    with pytest.raises(ValueError, match="at least 4, got 28x2; give larger"):
        build("dcgan-ae", shape=(1, 28, 2))
    with pytest.raises(ValueError, match="--halvings 6: after 5 halvings an image of 28x20 is 1x1; take at most 5"):
        build("dcgan-ae", shape=(1, 28, 20), halvings=6)


def test_a_batch_of_other_images_is_refused_by_the_layer() -> None:
    model = network(build("ae"))
    with pytest.raises(nn.ShapeError, match=r"Dense 'encoder\.1': expected input \(N, 784\), got \(2, 1024\)"):
        model(zeros(2, 1, 32, 32))


HEADS = [(ops.sigmoid, (0.0, 1.0)), (ops.tanh, (-1.0, 1.0)), (architecture.identity, (-7.0, 7.0))]


@pytest.mark.parametrize(("head", "value_range"), HEADS)
@settings(max_examples=25)
@given(share=st.floats(0.002, 0.998))
def test_an_untrained_decoder_gives_the_mean_of_the_data(
    head: Callable[[Tensor], Tensor], value_range: tuple[float, float], share: float
) -> None:
    mean = value_range[0] + share * (value_range[1] - value_range[0])
    model = architecture.dense((1, 2, 3), (4,), (5,), rng=Generator(0), head=head)
    before = model.state_dict()
    model.set_data_mean(mean)
    after = model.state_dict()
    for name in before.keys() - {"decoder.2.bias", "centre"}:
        np.testing.assert_array_equal(before[name], after[name])
    assert after["decoder.2.bias"].dtype == np.float32
    model.decoder[2].weight.data = np.zeros_like(model.decoder[2].weight.data)
    with no_grad():
        painted = model.decode(Tensor(np.ones((1, 4), np.float32))).numpy()
    np.testing.assert_allclose(painted, mean, rtol=1e-5, atol=1e-6)  # float32 through atanh and tanh near their ends


def test_the_encoder_sees_how_an_image_differs_from_the_mean() -> None:
    model = architecture.dense((1, 2, 3), (4,), (), rng=Generator(0), code=architecture.identity)
    x = batch(5, (1, 2, 3)).x
    before = model.encode(Tensor(x)).numpy()
    model.set_data_mean(0.375)
    np.testing.assert_array_equal(model.encode(Tensor(x)).numpy(), model.encoder(Tensor(x - np.float32(0.375))).numpy())
    assert model.state_dict()["centre"] == np.float32(0.375) and "centre" not in dict(model.named_parameters())
    weight, bias = model.encoder[1].weight.data, model.encoder[1].bias
    bias.data = bias.data + 0.375 * weight.sum(1)  # the same function with another bias
    np.testing.assert_allclose(model.encode(Tensor(x)).numpy(), before, atol=1e-6)  # float32 sums of 6 terms below 1


@pytest.mark.parametrize("name", ["ae", "deep-ae", "sparse-ae", "contractive-ae"])
def test_codes_stay_alive_on_bright_pictures(name: str) -> None:
    """Dark digits on white. Without the centre 0.08 to 0.44 of the code units are left after these updates."""
    x = 1 - glyphs("train", 256).images_float()
    experiment = build(name, mean=float(x.mean()))
    for step in range(60):
        part = slice(step % 4 * 64, step % 4 * 64 + 64)
        experiment.step(Batch(x[part], None, np.arange(256)[part]))
    assert (experiment.encode(x).std(0) > 1e-4).mean() > 0.6


@pytest.mark.parametrize(("head", "ends"), [(ops.sigmoid, (0.0, 1.0)), (ops.tanh, (-1.0, 1.0))])
def test_a_mean_at_the_ends_is_finite_and_inside(head: Callable[[Tensor], Tensor], ends: tuple[float, float]) -> None:
    for end in ends:
        model = architecture.dense((1, 2, 3), (4,), (), rng=Generator(0), head=head)
        model.set_data_mean(end)
        painted = head(model.decoder[0].bias).numpy()
        assert np.abs(painted - end).max() == pytest.approx(1e-3, rel=1e-3)  # near the end, the gradient still alive


@pytest.mark.parametrize("name", MODELS)
def test_every_model_starts_at_the_mean_of_the_data(name: str) -> None:
    model = network(build(name, shape=(1, 8, 8), mean=0.37))
    last = [p for key, p in model.decoder.named_parameters() if key.endswith("bias")][-1]
    assert last.shape in ((64,), (1,))
    np.testing.assert_allclose(model.head(last).numpy(), 0.37, rtol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_reconstructions_stay_in_the_value_range(name: str) -> None:
    for low, high in ((0.0, 1.0), (-1.0, 1.0)):
        experiment = build(name, shape=(1, 8, 8), value_range=(low, high))
        weight = [p for p in network(experiment).parameters() if p.ndim > 1][-1]
        weight.data = weight.data * 1000  # whatever the layers give, the head bounds it
        y = experiment.reconstruct(batch(4).x)
        if name == "linear-ae":
            assert y.min() < low - 10 and y.max() > high + 10
        else:
            assert low <= y.min() < low + 1e-3 and high - 1e-3 < y.max() <= high  # all of the range can be reached


@pytest.mark.parametrize("name", MODELS)
def test_losses_and_value_ranges_that_contradict_each_other(name: str) -> None:
    if name == "linear-ae":
        with pytest.raises(ValueError, match="^linear-ae: a linear output has no cross-entropy; use --loss mse$"):
            build(name, loss="bce")
        build(name, shape=(1, 8, 8), value_range=(-3.0, 5.0))  # any range will do
        return

    def refused(low: float, high: float, loss: str, message: str) -> None:
        """As `minigen train` builds it: in the name of the model."""
        config = {**DEFAULTS, **MODELS[name].options, "loss": loss}
        facts = {"image_shape": (1, 28, 28), "value_range": (low, high), "mean": 0.2, "classes": None}
        with pytest.raises(ConfigError, match=rf"^{name}: {message}"):
            prepare.build(MODELS[name], config, {**facts, "batches_per_epoch": 1}, "cpu")

    refused(-1.0, 1.0, "bce", "cross-entropy needs data from 0 to 1, .* use --loss mse$")
    refused(0.0, 2.0, "mse", r"expected data in the range \(0, 1\) or \(-1, 1\), got \(0.0, 2.0\)")
