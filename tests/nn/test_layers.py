"""The layers one by one: shapes, parameters, training behaviour, and the exchange with PyTorch.

Read next: ``test_device.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minigen import nn, ops
from minigen.autograd import Tensor
from minigen.random import Generator


def images(*shape: int, dtype: Any = np.float32) -> Tensor:
    return Tensor(np.random.default_rng(0).normal(size=shape).astype(dtype))


# (layer, input shape, output shape, shapes of its state), all by PyTorch's rules
LAYERS: list[tuple[Callable[[], nn.Module], tuple[int, ...], tuple[int, ...], dict[str, tuple[int, ...]]]] = [
    (lambda: nn.Dense(4, 3), (2, 4), (2, 3), {"weight": (3, 4), "bias": (3,)}),
    (lambda: nn.Dense(4, 3, bias=False), (2, 5, 4), (2, 5, 3), {"weight": (3, 4)}),
    (
        lambda: nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=1, groups=2),
        (2, 4, 7, 7),
        (2, 6, 4, 8),
        {"weight": (6, 2, 3, 2), "bias": (6,)},
    ),
    (
        lambda: nn.Conv2d(1, 2, 5, stride=2, padding="same", dilation=1, bias=False),
        (2, 1, 7, 8),
        (2, 2, 4, 4),
        {"weight": (2, 1, 5, 5)},
    ),
    (
        lambda: nn.ConvTranspose2d(4, 6, 5, stride=2, padding=2, output_padding=1, groups=2),
        (2, 4, 7, 7),
        (2, 6, 14, 14),
        {"weight": (4, 3, 5, 5), "bias": (6,)},
    ),
    (lambda: nn.Conv2d(1, 2, 3, padding="valid"), (2, 1, 7, 8), (2, 2, 5, 6), {"weight": (2, 1, 3, 3), "bias": (2,)}),
    (
        lambda: nn.Conv1d(4, 6, 3, 2, 1, 2, groups=2),
        (2, 4, 9),
        (2, 6, 4),
        {"weight": (6, 2, 3), "bias": (6,)},
    ),
    (lambda: nn.Conv1d(1, 2, (4,), padding="same", bias=False), (2, 1, 9), (2, 2, 9), {"weight": (2, 1, 4)}),
    (
        lambda: nn.ConvTranspose1d(4, 6, 5, stride=2, padding=2, output_padding=1, groups=2),
        (2, 4, 7),
        (2, 6, 14),
        {"weight": (4, 3, 5), "bias": (6,)},
    ),
    (lambda: nn.MaxPool1d(2, ceil_mode=True), (2, 3, 7), (2, 3, 4), {}),
    (lambda: nn.AvgPool1d(3, 2), (2, 3, 7), (2, 3, 3), {}),
    (lambda: nn.GroupNorm(2, 4), (2, 4, 3, 3), (2, 4, 3, 3), {"weight": (4,), "bias": (4,)}),
    (lambda: nn.GroupNorm(1, 4, affine=False), (1, 4), (1, 4), {}),
    (lambda: nn.PReLU(), (3,), (3,), {"weight": (1,)}),
    (lambda: nn.PReLU(4), (2, 4, 3), (2, 4, 3), {"weight": (4,)}),
    (lambda: nn.InstanceNorm(4), (2, 4, 3), (2, 4, 3), {}),
    (lambda: nn.InstanceNorm(4, affine=True), (2, 4, 3, 2), (2, 4, 3, 2), {"weight": (4,), "bias": (4,)}),
    (lambda: nn.MaxPool2d(2, ceil_mode=True), (2, 3, 7, 7), (2, 3, 4, 4), {}),
    (lambda: nn.MaxPool2d((3, 2), stride=1, padding=1), (2, 3, 7, 7), (2, 3, 7, 8), {}),
    (lambda: nn.AvgPool2d(3, 2), (2, 3, 7, 7), (2, 3, 3, 3), {}),
    (lambda: nn.Upsample(2), (2, 3, 4, 5), (2, 3, 8, 10), {}),
    (lambda: nn.Upsample((1, 3), "bilinear"), (2, 3, 4, 5), (2, 3, 4, 15), {}),
    (
        lambda: nn.ConvTranspose2d(4, 6, 5, stride=(2, 3), padding="same", bias=False),
        (2, 4, 7, 6),
        (2, 6, 14, 18),
        {"weight": (4, 6, 5, 5)},
    ),
    (
        lambda: nn.ConvTranspose2d(4, 6, 4, padding="valid", bias=False),
        (2, 4, 7, 6),
        (2, 6, 10, 9),
        {"weight": (4, 6, 4, 4)},
    ),
    (lambda: nn.PixelShuffle(2), (2, 12, 4, 5), (2, 3, 8, 10), {}),
    (lambda: nn.PixelUnshuffle(2), (2, 3, 4, 6), (2, 12, 2, 3), {}),
    (lambda: nn.Upsample(0.5), (2, 3, 4, 5), (2, 3, 2, 2), {}),
    (lambda: nn.Upsample(size=(7, 3), mode="bilinear", align_corners=True), (2, 3, 4, 5), (2, 3, 7, 3), {}),
    (
        lambda: nn.BatchNorm(3),
        (2, 3, 4, 4),
        (2, 3, 4, 4),
        {"weight": (3,), "bias": (3,), "running_mean": (3,), "running_var": (3,)},
    ),
    (lambda: nn.LayerNorm((4, 5)), (2, 3, 4, 5), (2, 3, 4, 5), {"weight": (4, 5), "bias": (4, 5)}),
    (lambda: nn.LayerNorm(5), (5,), (5,), {"weight": (5,), "bias": (5,)}),
    (lambda: nn.Dropout(0.3), (2, 3), (2, 3), {}),
    (lambda: nn.Flatten(), (2, 3, 4), (2, 12), {}),
    (lambda: nn.Flatten(2), (2, 3, 4, 5), (2, 3, 20), {}),
    (lambda: nn.Reshape((3, -1, 2)), (2, 12), (2, 3, 2, 2), {}),
]


@pytest.mark.parametrize(("make", "shape", "expected", "state"), LAYERS, ids=range(len(LAYERS)))
def test_shapes_and_parameters(make: Any, shape: Any, expected: Any, state: Any) -> None:
    layer = make()
    y = layer(images(*shape))
    assert y.shape == expected and y.dtype == np.float32
    assert {name: value.shape for name, value in layer.state_dict().items()} == state
    if layer.parameters():
        y.sum().backward()
        assert all(p.grad is not None and p.grad.shape == p.shape for p in layer.parameters())


BAD: list[tuple[Callable[[], Any], str]] = [
    (lambda: nn.Dense(0, 3), "Dense: in_features is a whole number of at least 1, got 0"),
    (lambda: nn.Dense(3, 2.5), "Dense: out_features is a whole number"),  # type: ignore[arg-type]
    (lambda: nn.Dense(3, True), "Dense: out_features is a whole number of at least 1, got True"),
    (lambda: nn.Conv2d(4, 6, 3, groups=4), "Conv2d: groups=4 must divide in_channels=4 and out_channels=6"),
    (lambda: nn.Conv2d(4, 6, 0), "Conv2d: kernel_size is a whole number of at least 1"),
    (lambda: nn.Conv2d(4, 6, 3, padding="full"), "got 'full'; convolutions take 'same' and 'valid' too"),  # type: ignore[arg-type]
    (lambda: nn.ConvTranspose2d(4, 6, 3, stride=0), "ConvTranspose2d: stride is a whole number of at least 1"),
    (lambda: nn.MaxPool2d(0), "MaxPool2d: kernel_size is a whole number of at least 1"),
    (lambda: nn.AvgPool2d(2, padding=2), "AvgPool2d: padding (2, 2) must be at most half of kernel_size (2, 2)"),
    (lambda: nn.MaxUnpool2d(2, stride=-1), "MaxUnpool2d: stride is a whole number of at least 1"),
    (lambda: nn.Upsample(0), "Upsample: scale_factor is a number above 0, or a pair of them; got 0"),
    (lambda: nn.PixelShuffle(0), "PixelShuffle: upscale_factor is a whole number of at least 1, got 0"),
    (lambda: nn.PixelShuffle(2)(images(1, 6, 2, 2)), "expected input (N, C*4, H, W), got (1, 6, 2, 2). pixel_shuffle:"),
    (lambda: nn.PixelUnshuffle(2)(images(1, 6, 2, 3)), "expected input (N, C, H*2, W*2), got (1, 6, 2, 3)"),
    (
        lambda: nn.ConvTranspose2d(2, 3, 4, stride=2, padding="same", output_padding=1),
        "ConvTranspose2d: padding 'same' gives one size, so output_padding is 0; got 1",
    ),
    (lambda: nn.Upsample(2, size=3), "Upsample: give scale_factor or size, not both; got 2 and 3"),
    (lambda: nn.Upsample(2, align_corners=True), "Upsample: align_corners goes with mode 'bilinear'"),
    (lambda: nn.Upsample(2, "cubic"), "Upsample: mode is 'nearest' or 'bilinear', got 'cubic'"),  # type: ignore[arg-type]
    (lambda: nn.BatchNorm(0), "BatchNorm: num_features is a whole number of at least 1"),
    (lambda: nn.BatchNorm(3, eps=0), "BatchNorm: eps must be above 0, got 0"),
    (lambda: nn.BatchNorm(3, momentum=2), "BatchNorm: momentum is the weight of the new batch, from 0 to 1; got 2"),
    (lambda: nn.GroupNorm(3, 4), "GroupNorm: num_groups=3 must divide num_channels=4"),
    (lambda: nn.GroupNorm(0, 4), "GroupNorm: num_groups is a whole number of at least 1, got 0"),
    (lambda: nn.GroupNorm(2, 4, eps=0), "GroupNorm: eps must be above 0, got 0"),
    (lambda: nn.InstanceNorm(4, momentum=-1), "InstanceNorm: momentum is the weight of the new batch"),
    (lambda: nn.Conv1d(4, 6, 3, groups=4), "Conv1d: groups=4 must divide in_channels=4 and out_channels=6"),
    (lambda: nn.Conv1d(4, 6, (3, 3)), "Conv1d: kernel_size is a whole number of at least 1, got (3, 3)"),  # type: ignore[arg-type]
    (lambda: nn.ConvTranspose1d(4, 6, 3, padding="full"), "ConvTranspose1d: padding is a whole number"),  # type: ignore[arg-type]
    (lambda: nn.Conv2d(4, 6, 3, padding=((1, 2), (0, 1))), "for other amounts at the two ends use ops.pad"),  # type: ignore[arg-type]
    (lambda: nn.MaxPool1d(2, padding=2), "MaxPool1d: padding 2 must be at most half of kernel_size 2"),
    (lambda: nn.PReLU(0), "PReLU: num_parameters is a whole number of at least 1, got 0"),
    (lambda: nn.PReLU(4)(images(2, 3)), "PReLU: expected input (N, 4, ...), got (2, 3)"),
    (lambda: nn.PReLU(4)(images(4)), "PReLU: expected input (N, 4, ...), got (4,)"),
    (lambda: nn.Embedding(0, 4), "Embedding: num_embeddings is a whole number of at least 1, got 0"),
    (lambda: nn.Embedding(3, 4, padding_idx=3), "Embedding: padding_idx is a row from -3 to 2, got 3"),
    (lambda: nn.GroupNorm(2, 4)(images(2, 6, 3)), "GroupNorm: expected input (N, 4, ...), got (2, 6, 3)"),
    (lambda: nn.InstanceNorm(4)(images(2, 4)), "InstanceNorm: expected input (N, 4, L) or (N, 4, H, W), got (2, 4)"),
    (lambda: nn.InstanceNorm(4)(images(2, 4, 1)), "InstanceNorm: expected input with at least 2 values for each"),
    (lambda: nn.Conv1d(4, 2, 3)(images(2, 4)), "Conv1d: expected input (N, 4, L), got (2, 4). Use nn.Reshape"),
    (
        lambda: nn.Conv1d(4, 2, 3)(images(2, 4, 2)),
        "(N, 4, L) long enough, got (2, 4, 2). conv1d: sequences of length 2",
    ),
    (lambda: nn.AvgPool1d(3)(images(2, 4, 2)), "AvgPool1d: expected input (N, C, L) long enough, got (2, 4, 2)"),
    (lambda: nn.LayerNorm((3, 0)), "LayerNorm: normalized_shape is a whole number of at least 1, got 0"),
    (lambda: nn.Dropout(1.5), "Dropout: p is a probability, from 0 to 1, got 1.5"),
    (lambda: nn.Dropout(-0.1), "Dropout: p is a probability"),
    (lambda: nn.Dense(3, 2, weight_init=lambda shape, rng: np.zeros(3)), "weight_init returned shape (3,)"),
    (lambda: nn.Dense(3, 2)(images(2, 4)), "Dense: expected input (N, 3), got (2, 4). Is a layer missing"),
    (lambda: nn.Conv2d(3, 2, 3)(images(2, 9)), "Conv2d: expected input (N, 3, H, W), got (2, 9). Use nn.Reshape"),
    (lambda: nn.Conv2d(3, 2, 3)(images(2, 4, 5, 5)), "Conv2d: expected input (N, 3, H, W), got (2, 4, 5, 5)"),
    (lambda: nn.Conv2d(3, 2, 3)(images(2, 3, 2, 5)), "got (2, 3, 2, 5). conv2d: images (2, 5) with padding"),
    (lambda: nn.ConvTranspose2d(3, 2, 1, padding=3)(images(2, 3, 2, 5)), "ConvTranspose2d: expected input (N, 3"),
    (lambda: nn.MaxPool2d(3)(images(2, 3, 2, 5)), "MaxPool2d: expected input (N, C, H, W) large enough, got (2, 3, 2"),
    (lambda: nn.AvgPool2d(3)(images(3, 2, 5)), "AvgPool2d: expected input (N, C, H, W), got (3, 2, 5)"),
    (lambda: nn.BatchNorm(3)(images(2, 4)), "BatchNorm: expected input (N, 3), (N, 3, L) or (N, 3, H, W), got"),
    (lambda: nn.BatchNorm(3)(images(1, 3)), "BatchNorm: expected input with at least 2 values for each channel"),
    (lambda: nn.LayerNorm((3, 4))(images(2, 4)), "LayerNorm: expected input (..., 3, 4), got (2, 4)"),
    (lambda: nn.Flatten()(images(3)), "Flatten: expected input with more than 1 axes, got (3,)"),
    (
        lambda: nn.Reshape((5, -1))(images(2, 12)),
        "fits (N, 5, -1), got (2, 12). reshape: (12,) to (5, -1): 12 elements",
    ),
    (lambda: nn.Reshape((5, 2))(images(2, 12)), "Reshape: expected input of a size that fits (N, 5, 2), got (2, 12)"),
]


@pytest.mark.parametrize(("call", "says"), BAD, ids=range(len(BAD)))
def test_bad_arguments_and_inputs(call: Any, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        call()
    assert says in str(caught.value)


def test_the_numbers_of_batch_norm_have_to_be_named() -> None:
    """A number after the channels is eps here and in PyTorch; who writes 0.8 there means the momentum."""
    with pytest.raises(TypeError, match="positional"):
        nn.BatchNorm(3, 0.8)  # type: ignore[misc]


# Training behaviour.


def test_dropout_in_training_and_in_evaluation() -> None:
    layer, x = nn.Dropout(0.25, rng=Generator(0)), Tensor(np.full((200, 200), 3.0))
    y = layer(x).data
    np.testing.assert_allclose(np.unique(y), [0.0, 4.0], rtol=1e-15)
    # 40,000 draws: the share of zeros has standard deviation 0.0022; 5 of them.
    assert abs((y == 0).mean() - 0.25) < 0.011
    assert not np.array_equal(layer(x).data, y)  # new numbers in every call
    assert layer.eval()(x) is x and nn.Dropout(0.0)(x) is x
    again = nn.Dropout(0.25, rng=Generator(0))
    np.testing.assert_array_equal(again(x).data, y)


def test_dropout_of_everything_is_zero_and_has_gradient_zero() -> None:
    layer, x = nn.Dropout(1.0), Tensor(np.full((3, 4), 2.0), requires_grad=True)
    y = layer(x)
    y.sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal([y.data, x.grad.data], np.zeros((2, 3, 4)))
    assert layer.eval()(x) is x


def test_dropout_gives_the_gradient_the_same_mask() -> None:
    x = Tensor(np.ones((20, 20)), requires_grad=True)
    y = nn.Dropout(0.5, rng=Generator(1))(x)
    y.sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.data, y.data)


def test_batch_norm_normalises_in_training_only() -> None:
    layer, x = nn.BatchNorm(3), images(50, 3, 2, 2)
    y = layer(x).data
    # eps = 1e-5 takes 5e-6 of the spread; float32 sums of 200 numbers err by about as much.
    np.testing.assert_allclose(y.mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(y.std((0, 2, 3)), 1, atol=1e-4)
    before = layer.state_dict()
    first = layer.eval()(x[:1]).data
    np.testing.assert_array_equal(first, layer(x).data[:1])  # a sample alone, the same as among others
    assert all(np.array_equal(v, before[k]) for k, v in layer.state_dict().items())


def test_max_pooling_and_unpooling_go_together() -> None:
    pool, unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
    x = images(2, 3, 5, 5)
    y, index = pool(x)
    back = unpool(y, index, output_size=(5, 5))
    assert back.shape == x.shape and index.dtype == np.int64
    np.testing.assert_array_equal(np.where(back.data != 0, x.data, 0), back.data)
    assert (back.data != 0).sum() == y.size


# PyTorch.


def test_running_statistics_are_pytorchs() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    for shape in ((6, 3), (6, 3, 4), (4, 3, 5, 2)):
        ours = nn.BatchNorm(3, eps=1e-3, momentum=0.2).to(dtype=np.float64)
        theirs = (torch.nn.BatchNorm2d if len(shape) == 4 else torch.nn.BatchNorm1d)(3, eps=1e-3, momentum=0.2).double()
        rng = np.random.default_rng(0)
        for _ in range(4):
            x = rng.normal(2, 3, shape)
            expected = theirs(torch.tensor(x)).detach().numpy()
            # float64: a dozen roundings, of numbers up to 10
            np.testing.assert_allclose(ours(Tensor(x)).data, expected, rtol=0, atol=1e-13)
        for name in ("running_mean", "running_var"):
            expected = theirs.state_dict()[name].numpy()
            np.testing.assert_allclose(ours.state_dict()[name], expected, rtol=1e-14, err_msg=name)
        expected = theirs.eval()(torch.tensor(x)).detach().numpy()
        np.testing.assert_allclose(ours.eval()(Tensor(x)).data, expected, rtol=0, atol=1e-13)


def to_exchange() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1),
        nn.BatchNorm(4),
        ops.relu,
        nn.ConvTranspose2d(4, 2, 4, 2, 1),
        nn.LayerNorm((8, 8)),
        nn.Flatten(),
        nn.Dense(128, 5),
    )


def test_a_network_is_exchanged_with_pytorch_both_ways() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, stride=2, padding=1),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.ConvTranspose2d(4, 2, 4, 2, 1),
        torch.nn.LayerNorm((8, 8)),
        torch.nn.Flatten(),
        torch.nn.Linear(128, 5),
    )
    ours, x = to_exchange(), np.random.default_rng(0).normal(size=(6, 1, 8, 8)).astype(np.float32)
    ours(Tensor(x))  # running statistics move away from 0 and 1
    theirs.load_state_dict({name: torch.tensor(value) for name, value in ours.state_dict().items()})
    expected = theirs.eval()(torch.tensor(x)).detach().numpy()
    # float32: outputs of size 1, sums of 128 products, other orders of summation
    np.testing.assert_allclose(ours.eval()(Tensor(x)).data, expected, rtol=0, atol=1e-5)

    theirs.train()(torch.tensor(x + 1))
    fresh = to_exchange()
    fresh.load_state_dict(theirs.state_dict())
    expected = theirs.eval()(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(fresh.eval()(Tensor(x)).data, expected, rtol=0, atol=1e-5)
    assert not np.allclose(fresh(Tensor(x)).data, ours(Tensor(x)).data, atol=1e-3)  # they had moved on
