"""The networks of GANs: shapes, spectral normalisation, the moving average, and augmentation that lets gradients pass.

Read next: ``tests/algorithms/adversarial/test_training.py``.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigen as mg
from minigen import nn, ops
from minigen.algorithms.adversarial import augment
from minigen.autograd import Tensor, grad, no_grad
from minigen.models import gan as architecture
from minigen.random import Generator

Array = np.ndarray[Any, Any]


# Architectures.


@pytest.mark.parametrize("norm", ["none", "batch", "layer", "spectral"])
@pytest.mark.parametrize("kernel", [4, 5])
@pytest.mark.parametrize(
    ("image", "first"), [((1, 28, 28), 7), ((3, 32, 32), 8), ((1, 8, 12), 2), ((2, 64, 32), 16), ((1, 64, 64), 8)]
)
def test_dcgan_fits_the_image(image: tuple[int, int, int], first: int, kernel: int, norm: Any) -> None:
    rng = Generator(0)
    generator = architecture.dcgan_generator(image, latent=5, channels=2, kernel=kernel, rng=rng)
    discriminator = architecture.dcgan_discriminator(image, channels=2, kernel=kernel, norm=norm, rng=rng)
    with no_grad():
        x = generator(Tensor(rng.normal((2, 5))))
        assert x.shape == (2, *image) and abs(x.numpy()).max() <= 1
        assert discriminator(x).shape == (2,)
    assert generator[1].shape[1] == first
    kinds = {"batch": nn.BatchNorm, "layer": nn.LayerNorm, "spectral": nn.SpectralNorm}
    found = [type(m) for _, m in discriminator.named_modules()]
    steps = len(architecture.downsampling_steps(image, kernel, 0))
    for name, kind in kinds.items():
        wanted = {"batch": steps - 1, "layer": steps - 1, "spectral": steps + 1}[name] if name == norm else 0
        assert found.count(kind) == wanted


def test_widths_of_the_papers_networks() -> None:
    """DCGAN for 28x28: 7x7x128 - 14x14x64 - 28x28x1 and back."""
    generator = architecture.dcgan_generator((1, 28, 28), rng=Generator(0))
    assert generator[0].weight.shape == (128 * 49, 100)
    assert [m.weight.shape[:2] for _, m in generator.named_modules() if isinstance(m, nn.ConvTranspose2d)] == [
        (128, 64), (64, 1),
    ]  # fmt: skip
    discriminator = architecture.dcgan_discriminator((1, 28, 28), rng=Generator(0))
    assert [m.weight.shape[:2] for _, m in discriminator.named_modules() if isinstance(m, nn.Conv2d)] == [
        (64, 1), (128, 64),
    ]  # fmt: skip
    assert np.std(generator[0].weight.numpy()) == pytest.approx(0.02, rel=0.02)


@pytest.mark.parametrize("image", [(1, 28, 3), (3, 1, 32)])
def test_sides_that_do_not_fit(image: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=f"at least 4, got {image[1]}x{image[2]}.*--network dense"):
        architecture.dcgan_generator(image, rng=Generator(0))


@pytest.mark.parametrize("widths", [(), (5,), (6, 4, 3)])
def test_dense_networks(widths: tuple[int, ...]) -> None:
    image, rng = (2, 3, 5), Generator(0)
    generator = architecture.dense_generator(image, latent=4, widths=widths, rng=rng, head=ops.sigmoid)
    x = generator(Tensor(rng.normal((7, 4))))
    assert x.shape == (7, *image) and x.numpy().min() >= 0
    for norm in ("none", "batch", "layer", "spectral"):
        scores = architecture.dense_discriminator(image, widths=widths, norm=norm, rng=rng)(x)
        assert scores.shape == (7,)
    dense = [m.weight.shape for _, m in generator.named_modules() if isinstance(m, nn.Dense)]
    assert dense == list(zip((*widths, 30), (4, *widths)))


def test_discriminator_names_the_layer_that_does_not_fit() -> None:
    discriminator = architecture.dcgan_discriminator((1, 8, 8), channels=2, norm="spectral", rng=Generator(0))
    with pytest.raises(nn.ShapeError, match=r"Conv2d 'features.0': expected input \(N, 1, H, W\)"):
        discriminator(Tensor(np.zeros((2, 3, 8, 8), np.float32)))


def test_the_warning_of_a_checkerboard() -> None:
    with pytest.warns(
        UserWarning, match=r"ConvTranspose2d '4'.*\(2, 2\) does not divide its kernel \(5, 5\)"
    ) as caught:
        architecture.warn_of_checkerboard(architecture.dcgan_generator((1, 8, 8), kernel=5, rng=Generator(0)))
    assert len(caught) == 1  # two layers of that kind, one line
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        architecture.warn_of_checkerboard(architecture.dcgan_generator((1, 8, 8), kernel=4, rng=Generator(0)))


# Spectral normalisation.

LAYERS = {
    "dense": lambda: nn.Dense(6, 4, rng=Generator(0)),
    "conv": lambda: nn.Conv2d(3, 4, 3, stride=2, padding=1, rng=Generator(0)),
    "transposed": lambda: nn.ConvTranspose2d(3, 5, 3, rng=Generator(0)),
}
INPUTS = {"dense": (2, 6), "conv": (2, 3, 5, 5), "transposed": (2, 3, 2, 2)}


def as_matrix(layer: nn.Module) -> Array:
    w = layer.weight.numpy()
    w = w.transpose(1, 0, 2, 3) if isinstance(layer, nn.ConvTranspose2d) else w
    return w.reshape(len(w), -1)


@pytest.mark.parametrize("kind", LAYERS)
def test_sigma_is_the_largest_singular_value(kind: str) -> None:
    layer = nn.SpectralNorm(LAYERS[kind](), rng=Generator(1)).to(dtype=np.float64)
    layer.iterate(500)
    largest = np.linalg.svd(as_matrix(layer.layer), compute_uv=False)[0]
    assert layer.sigma().item() == pytest.approx(largest, rel=1e-9)  # the gap to the second makes 500 steps enough
    x = Tensor(np.random.default_rng(0).normal(size=INPUTS[kind]))
    plain, bias = layer.layer, layer.layer.bias.numpy().reshape((-1,) + (1,) * (len(INPUTS[kind]) - 2))
    wanted = (plain(x).numpy() - bias) / largest + bias
    np.testing.assert_allclose(layer(x).numpy(), wanted, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("kind", LAYERS)
def test_the_gradient_flows_through_sigma(kind: str) -> None:
    """gradcheck moves the weight with u and v held, as Miyato et al. differentiate; and d sigma / dW = u v^T."""
    layer = nn.SpectralNorm(LAYERS[kind](), rng=Generator(1))
    mg.gradcheck(layer, np.random.default_rng(0).normal(size=INPUTS[kind]), draws=2)
    layer.to(dtype=np.float64)
    g = grad(layer.sigma(), [layer.layer.weight])[0].numpy()
    g = g.transpose(1, 0, 2, 3) if kind == "transposed" else g
    outer = np.outer(layer.u.numpy(), layer.v.numpy())
    np.testing.assert_allclose(g.reshape(outer.shape), outer, rtol=1e-12, atol=1e-15)


def test_only_power_iteration_moves_the_vectors() -> None:
    rng = Generator(0)
    network = nn.Sequential(nn.SpectralNorm(nn.Dense(9, 8, rng=rng), rng=rng), nn.Flatten())
    layer = network[0]
    layer.layer.weight.data = rng.normal((8, 9))  # other singular vectors than those it was made with
    before = layer.state_dict()
    x = Tensor(rng.normal((3, 9)))
    network.train()(x)
    network.eval()(x)
    assert all(np.array_equal(before[key], value) for key, value in layer.state_dict().items())
    nn.power_iteration(network)
    after = layer.state_dict()
    assert not np.array_equal(after["u"], before["u"]) and not np.array_equal(after["v"], before["v"])
    w = after["layer.weight"]
    v = w.T @ before["u"]
    np.testing.assert_allclose(after["v"], v / np.linalg.norm(v), rtol=1e-5)
    u = w @ after["v"]
    np.testing.assert_allclose(after["u"], u / np.linalg.norm(u), rtol=1e-5)


def test_spectral_norm_of_zeros_and_of_other_layers() -> None:
    layer = nn.SpectralNorm(nn.Dense(3, 2, rng=Generator(0)), rng=Generator(1))
    layer.layer.weight.data = np.zeros((2, 3), np.float32)
    layer.iterate()
    assert np.isfinite(layer(Tensor(np.ones((1, 3), np.float32))).numpy()).all()
    assert "Dense" in layer.summary((3,)) and "(N, 2)" in layer.summary((3,))
    with pytest.raises(TypeError, match="SpectralNorm: expected a layer with one weight .Dense, Conv1d, Conv2d"):
        nn.SpectralNorm(nn.BatchNorm(3))  # type: ignore[arg-type]


# The moving average.


def test_the_average_is_that_of_the_path() -> None:
    network = nn.Sequential(nn.Dense(3, 2, rng=Generator(0)), nn.BatchNorm(2))
    average = nn.MovingAverage(network, 0.9)
    wanted = network[0].weight.numpy().astype(np.float64)
    draw = Generator(1)
    for k in range(1, 120):
        network[0].weight.data = draw.normal((2, 3))
        network[1].running_mean.data = draw.normal((2,))
        average.update(network)
        d = min(0.9, (1 + k) / (10 + k))
        wanted = d * wanted + (1 - d) * network[0].weight.numpy()
        # float32: up to 120 roundings, each of 6e-8
        np.testing.assert_allclose(average.network[0].weight.numpy(), wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(average.network[1].running_mean.numpy(), network[1].running_mean.numpy())
    assert average.network[1].running_mean.data is not network[1].running_mean.data
    assert average.parameters() == [] and len(network.parameters()) == 4  # nothing of it is trained


def test_an_average_is_saved_and_used_like_a_network() -> None:
    network = nn.Sequential(nn.Dense(3, 2, rng=Generator(0)), ops.tanh)
    average, other = nn.MovingAverage(network, 0.99), nn.MovingAverage(nn.Sequential(nn.Dense(3, 2), ops.tanh), 0.99)
    network[0].weight.data = network[0].weight.data + 1
    average.update(network)
    other.load_state_dict(average.state_dict())
    x = Tensor(np.ones((1, 3), np.float32))
    np.testing.assert_array_equal(other(x).numpy(), average(x).numpy())
    network[0].weight.data = network[0].weight.data - 2
    for each in (average, other):
        each.update(network)  # the count of updates came along
    np.testing.assert_array_equal(other(x).numpy(), average(x).numpy())
    for decay in (0.0, 1.0, -0.1):
        with pytest.raises(ValueError, match="decay must be between 0 and 1"):
            nn.MovingAverage(network, decay)


# Augmentation.


def images(n: int = 40, c: int = 1, side: int = 16, dtype: Any = np.float64) -> Array:
    return np.random.default_rng(0).uniform(-1, 1, (n, c, side, side)).astype(dtype)


@settings(max_examples=15)
@given(st.integers(1, 5), st.integers(1, 3), st.integers(1, 19), st.integers(1, 19), st.integers(0, 99))
def test_translate_moves_whole_images(n: int, c: int, height: int, width: int, seed: int) -> None:
    x = np.random.default_rng(0).normal(size=(n, c, height, width))
    y = augment.translate(Tensor(x), Generator(seed)).numpy()
    for one, moved in zip(x, y):
        candidates = []
        up, across = (height + 4) // 8, (width + 4) // 8
        padded = np.pad(one, ((0, 0), (up, up), (across, across)), constant_values=-1.0)
        for dy in range(2 * up + 1):
            candidates += [padded[:, dy : dy + height, dx : dx + width] for dx in range(2 * across + 1)]
        assert min(abs(moved - wanted).max() for wanted in candidates) < 1e-12  # x + 1 - 1 rounds


def test_translate_uses_every_move_and_draws_for_each_image() -> None:
    x = np.full((3000, 1, 16, 1), -1.0)
    x[:, 0, 8] = 1.0
    places = augment.translate(Tensor(x), Generator(0)).numpy()[:, 0, :, 0].argmax(1)
    counts = np.bincount(places, minlength=16)
    assert list(np.flatnonzero(counts)) == [6, 7, 8, 9, 10] and abs(counts[6:11] - 600).max() < 110  # 5 deviations


def test_colour_and_cutout() -> None:
    x = images(c=3)
    y = augment.color(Tensor(x), Generator(0)).numpy()
    for one, shaded in zip(x, y):  # within an image and its channel differences a change of colour is linear
        grey, after = one.mean(0), shaded.mean(0)
        a, b = np.polyfit(grey.ravel(), after.ravel(), 1)
        np.testing.assert_allclose(after, a * grey + b, atol=1e-12)
        assert 0.5 <= a <= 1.5
    assert len({round(float(v), 9) for v in (y - x).mean((1, 2, 3))}) == len(x)
    holes = augment.cutout(Tensor(np.ones((300, 2, 16, 12))), Generator(0)).numpy() == 0
    assert (holes[:, 0] == holes[:, 1]).all() and holes.any((1, 2, 3)).all()
    area = holes[:, 0].sum((1, 2))
    assert area.max() == 8 * 6 and area.min() >= 4 * 3  # of half the sides; at the edge at least half of those
    for mask in holes[:, 0]:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        assert mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()


@pytest.mark.parametrize("name", ["translate", "diffaugment"])
@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_pass_an_augmentation(name: str, channels: int) -> None:
    function = augment.AUGMENTATIONS[name]
    assert function is not None
    x = images(2, channels, 4)
    mg.gradcheck(lambda t: function(t, Generator(3)), x, draws=2)
    single = function(Tensor(x.astype(np.float32)), Generator(3))
    assert single.dtype == np.float32 and single.shape == x.shape
    assert function(Tensor(x[:0]), Generator(3)).shape == (0, channels, 4, 4)
