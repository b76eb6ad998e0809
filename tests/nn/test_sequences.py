"""Group and instance norm, sequences and embeddings: the checks of every layer, PyTorch, and the edges.

Read next: ``test_layers.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen import nn, ops
from minigen.autograd import Tensor, grad
from minigen.random import Generator
from minigen.testing import check_layer

Array = np.ndarray[Any, Any]
rng = np.random.default_rng(0)

SAMPLES: dict[str, tuple[Callable[[], nn.Module], tuple[Array, ...]]] = {
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), (rng.normal(size=(3, 4, 3, 2)),)),
    "GroupNorm of one sample": (lambda: nn.GroupNorm(4, 4, affine=False), (rng.normal(size=(1, 4, 5)),)),
    "InstanceNorm": (lambda: nn.InstanceNorm(3, affine=True), (rng.normal(size=(2, 3, 3, 3)),)),
    "Conv1d": (lambda: nn.Conv1d(2, 4, 3, 2, "same", groups=2), (rng.normal(size=(2, 2, 7)),)),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(2, 3, 4, 2, 1), (rng.normal(size=(2, 2, 5)),)),
    "MaxPool1d": (lambda: nn.MaxPool1d(2), (rng.permutation(24).reshape(2, 2, 6) * 0.5,)),
    "AvgPool1d": (lambda: nn.AvgPool1d(3, 2, 1), (rng.normal(size=(2, 2, 6)),)),
    "PReLU": (lambda: nn.PReLU(3), (rng.normal(size=(2, 3, 4)),)),
    "BatchNorm in evaluation": (lambda: nn.BatchNorm(3).eval(), (rng.normal(size=(2, 3, 4)),)),
    "Embedding": (lambda: nn.Embedding(5, 3), (np.array([[0, 2, 2], [4, 1, 2]]),)),
}


@pytest.mark.parametrize(("make", "inputs"), [SAMPLES[name] for name in SAMPLES if "evaluation" not in name])
def test_every_check_of_a_layer(make: Any, inputs: Any) -> None:
    check_layer(make, inputs, batch_independent=True)


def test_running_statistics_are_part_of_the_state() -> None:
    # In training they move, so a batch is not independent.
    check_layer(lambda: nn.InstanceNorm(3, affine=True, track_running_stats=True), rng.normal(size=(2, 3, 3, 3)))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_batch_of_none_is_a_batch(name: str) -> None:
    make, (x,) = SAMPLES[name]
    y = make()(Tensor(x[:0].astype(np.int64 if name == "Embedding" else np.float32)))
    assert y.shape[0] == 0 and y.shape[1:] == make()(Tensor(x if name == "Embedding" else x.astype("f4"))).shape[1:]


@pytest.mark.parametrize("norm", [nn.GroupNorm(2, 4), nn.InstanceNorm(4)])
def test_a_large_mean_leaves_float32_its_digits(norm: nn.Module) -> None:
    x = np.random.default_rng(1).normal(1e4, 1, (2, 4, 50, 50)).astype(np.float32)
    exact = norm.to(dtype=np.float64)(Tensor(x.astype(np.float64))).data
    # x itself is rounded to 1e-3; from these numbers on nothing is lost but single roundings of z, which is below 5.
    np.testing.assert_allclose(norm.to(dtype=np.float32)(Tensor(x)).data, exact, rtol=0, atol=2e-6)


def test_group_norm_between_layer_norm_and_instance_norm() -> None:
    x = Tensor(np.random.default_rng(2).normal(size=(2, 4, 3, 3)))
    one, each = ops.group_norm(x, 1), ops.group_norm(x, 4)
    ones, zeros = np.ones((4, 3, 3)), np.zeros((4, 3, 3))
    np.testing.assert_array_equal(one.data, ops.layer_norm(x, Tensor(ones), Tensor(zeros)).data)
    np.testing.assert_array_equal(each.data, ops.instance_norm(x).data)


def test_errors_name_the_layer_by_its_path() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            self.table, self.decoder = (
                nn.Embedding(4, 6),
                nn.Sequential(nn.Conv1d(6, 8, 3), ops.relu, nn.GroupNorm(2, 4)),
            )

        def forward(self, indices: Any) -> Any:
            return self.decoder(ops.transpose(self.table(indices), (0, 2, 1)))

    with pytest.raises(nn.ShapeError, match=r"GroupNorm 'decoder.2': expected input \(N, 4, ...\), got \(1, 8, 2\)"):
        Net()([[0, 1, 2, 3]])
    with pytest.raises(IndexError, match=r"Embedding 'table': .*whole numbers below 4, got \(1, 2\)\. .* got 1 to 4"):
        Net()([[4, 1]])
    with pytest.raises(nn.ShapeError, match="'decoder.0': .* long enough, got"):
        Net()([[1]])


def test_summary_of_layers_for_sequences() -> None:
    class Channels(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return ops.transpose(x, (0, 2, 1))

    net = nn.Sequential(nn.Embedding(10, 4), Channels(), nn.Conv1d(4, 6, 3), nn.GroupNorm(2, 6), nn.MaxPool1d(2))
    shown = net.summary((8,))
    for row in (
        r"0 +Embedding +\(N, 8, 4\)",
        r"2 +Conv1d +\(N, 6, 6\)",
        r"3 +GroupNorm +\(N, 6, 6\)",
        r"4 +MaxPool1d +\(N, 6, 3\)",
    ):
        assert re.search(row, shown)
    assert shown.splitlines()[-1].split() == ["total", str(40 + 78 + 12)]


# PyTorch.


def exchanged(ours: nn.Module, theirs: Any, x: Array) -> None:
    """The same output after the state went over, and after it came back from PyTorch in training."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    tx = torch.tensor(x)
    theirs.load_state_dict({k: torch.tensor(v) for k, v in ours.state_dict().items()}, strict=False)
    for _ in range(2):  # in training mode, where running statistics move
        # float64: a dozen roundings of numbers of a few units
        np.testing.assert_allclose(ours(Tensor(x)).data, theirs(tx).detach().numpy(), rtol=0, atol=1e-12)
    state = {name: value for name, value in theirs.state_dict().items() if "num_batches" not in name}
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: tuple(v.shape) for k, v in state.items()}
    for name, value in state.items():
        np.testing.assert_allclose(ours.state_dict()[name], value.numpy(), rtol=1e-13, atol=1e-13, err_msg=name)
    with torch.no_grad():
        for p in theirs.parameters():
            p.mul_(1.5).add_(0.25)
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    ours.eval(), theirs.eval()
    np.testing.assert_allclose(ours(Tensor(x)).data, theirs(tx).detach().numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("tracked", [False, True])
@pytest.mark.parametrize("affine", [False, True])
def test_normalisation_is_pytorchs(affine: bool, tracked: bool) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    draw = np.random.default_rng(3)
    for shape, kind in (((2, 4, 5), torch.nn.InstanceNorm1d), ((3, 4, 3, 2), torch.nn.InstanceNorm2d)):
        options = dict(eps=1e-3, momentum=0.3, affine=affine, track_running_stats=tracked)
        ours = nn.InstanceNorm(4, **options).to(dtype=np.float64)
        exchanged(ours, kind(4, **options).double(), draw.normal(2, 3, shape))
    for shape in ((3, 4), (2, 4, 5), (1, 4, 3, 2)):
        ours = nn.GroupNorm(2, 4, 1e-3, affine).to(dtype=np.float64)
        exchanged(ours, torch.nn.GroupNorm(2, 4, 1e-3, affine).double(), draw.normal(2, 3, shape))


def test_layers_are_exchanged_with_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    t, draw = torch.nn, np.random.default_rng(4)
    pairs: list[tuple[nn.Module, Any]] = [
        (nn.Conv1d(4, 6, 3, 2, 1, 2, 2), t.Conv1d(4, 6, 3, 2, 1, 2, 2)),
        (nn.Conv1d(4, 6, 5, padding="same", bias=False), t.Conv1d(4, 6, 5, padding="same", bias=False)),
        (nn.Conv1d(4, 6, (4,), padding="valid"), t.Conv1d(4, 6, (4,), padding="valid")),
        (nn.ConvTranspose1d(4, 6, 5, 2, 2, 1, 2, False, 3), t.ConvTranspose1d(4, 6, 5, 2, 2, 1, 2, False, 3)),
        (nn.MaxPool1d(3, 2, 1, ceil_mode=True), t.MaxPool1d(3, 2, 1, ceil_mode=True)),
        (nn.AvgPool1d(3, 2, 1, True, False), t.AvgPool1d(3, 2, 1, True, False)),
        (nn.BatchNorm(4), t.BatchNorm1d(4)),
        (nn.PReLU(), t.PReLU()),
        (nn.PReLU(4, 0.1), t.PReLU(4, 0.1)),
    ]
    for ours, theirs in pairs:
        exchanged(ours.to(dtype=np.float64), theirs.double(), draw.normal(size=(2, 4, 9)))


@given(seed=st.integers(0, 2**32 - 1), padding=st.sampled_from([None, 0, 3, -1, -5]))
def test_an_embedding_is_pytorchs_with_padding_too(seed: int, padding: int | None) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    draw = np.random.default_rng(seed)
    ours, theirs = nn.Embedding(5, 3, padding), torch.nn.Embedding(5, 3, padding)
    assert padding is None or (not ours.weight.data[padding].any() and ours.padding_idx == theirs.padding_idx)
    weight, indices = draw.normal(size=(5, 3)), draw.integers(0, 5, tuple(draw.integers(1, 5, draw.integers(0, 3))))
    ours.to(dtype=np.float64).load_state_dict({"weight": weight})
    theirs.double().load_state_dict({"weight": torch.tensor(weight)})
    y, ty = ours(indices), theirs(torch.tensor(indices))
    np.testing.assert_array_equal(y.data, ty.detach().numpy())
    # A square, whose gradient depends on the weight again: both orders, repeated rows, rows without gradient.
    (g,) = grad((y * y * y).sum(), [ours.weight], create_graph=True)
    (tg,) = torch.autograd.grad((ty * ty * ty).sum(), [theirs.weight], create_graph=True)
    np.testing.assert_allclose(g.data, tg.detach().numpy(), rtol=1e-13, atol=1e-13)
    c = draw.normal(size=(5, 3))
    (gg,) = grad((g * Tensor(c)).sum(), [ours.weight])
    (tgg,) = torch.autograd.grad((tg * torch.tensor(c)).sum(), [theirs.weight])
    np.testing.assert_allclose(gg.data, tgg.numpy(), rtol=1e-13, atol=1e-13)


# Embeddings.


@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(["i1", "u1", "i4", "u4", "i8", "u8"]), tensor=st.booleans())
def test_repeated_rows_get_the_sum_of_their_gradients(seed: int, kind: str, tensor: bool) -> None:
    draw = np.random.default_rng(seed)
    indices = draw.integers(0, 4, (3, 5)).astype(kind)
    layer, c = nn.Embedding(4, 2), draw.normal(size=(3, 5, 2)).astype(np.float32)
    expected = np.zeros((4, 2))
    np.add.at(expected, indices.astype(int), c.astype(np.float64))
    given_indices: Any = Tensor(indices) if tensor else indices[::-1][::-1]
    (layer(given_indices) * Tensor(c)).sum().backward()
    assert layer.weight.grad is not None and layer.weight.grad.dtype == np.float32
    # a sum in float64, rounded once: half a unit of numbers up to 10
    np.testing.assert_allclose(layer.weight.grad.data, expected, rtol=6e-8, atol=1e-12)


def test_a_row_that_is_named_a_million_times() -> None:
    w = Tensor(np.zeros((2, 1), np.float32), requires_grad=True)
    y = ops.embedding(np.zeros(1_000_000, np.int64), w)
    (g,) = grad(y, [w], Tensor(np.full(y.shape, np.float32(0.1))))
    assert g.data.tolist() == [[np.float32(1_000_000 * float(np.float32(0.1)))], [0.0]]


def test_indices_are_read_when_the_rows_are() -> None:
    indices, layer = np.array([0, 1]), nn.Embedding(3, 1)
    y = layer(indices)
    indices[:] = 2
    y.sum().backward()
    assert layer.weight.grad is not None and layer.weight.grad.data.tolist() == [[1.0], [1.0], [0.0]]


def test_an_embedding_with_spectral_norm() -> None:
    layer = nn.SpectralNorm(nn.Embedding(4, 3, rng=Generator(0)), rng=Generator(1))
    layer.iterate(100)
    every = layer(np.arange(4)).data
    assert np.linalg.svd(every, compute_uv=False)[0] == pytest.approx(1, abs=1e-5)  # float32
