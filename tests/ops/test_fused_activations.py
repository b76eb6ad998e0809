"""Layers that end with an activation: the fused operation is the same function, to every order, and is used.

Read next: ``op_rows_bias_act.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from gradcheck.central_differences import check_gradients
from ops.op_rows_bias_act import PLAIN

from minigen import nn, ops
from minigen.autograd import Tensor, grad
from minigen.ops.bias_act import split_activation
from minigen.random import Generator


def called(activation: Any) -> str:
    return getattr(activation, "__name__", type(activation).__name__)


SHAPES: dict[str, tuple[Callable[..., Tensor], list[tuple[int, ...]]]] = {
    "linear": (ops.linear, [(5, 3), (4, 3), (4,)]),
    "linear of a sequence": (ops.linear, [(2, 5, 3), (4, 3), (4,)]),
    "conv2d": (partial(ops.conv2d, stride=2, padding=1), [(2, 3, 5, 4), (4, 3, 3, 2), (4,)]),
    "conv2d enlarged": (partial(ops.conv2d, stride=2, padding=1, upsample=(2, 3)), [(2, 3, 5, 4), (4, 3, 3, 2), (4,)]),
    "conv_transpose2d": (partial(ops.conv_transpose2d, stride=2), [(2, 3, 3, 2), (3, 4, 3, 2), (4,)]),
}
FUSED = [activation for activation, _ in PLAIN if activation is not None and split_activation(activation)[1] is None]

each_operation = pytest.mark.parametrize("name", SHAPES)
each_activation = pytest.mark.parametrize("activation", [activation for activation, _ in PLAIN[1:]], ids=called)


def arrays(name: str, away: bool = True) -> list[np.ndarray]:
    """Inputs; with `away` the operation's result stays 2e-2 away from 0, where relu has a kink."""
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        inputs = [rng.normal(size=shape) for shape in SHAPES[name][1]]
        if not away or np.abs(SHAPES[name][0](*map(Tensor, inputs)).data).min() > 2e-2:
            return inputs
    raise AssertionError("no seed keeps away from 0")


def plain(name: str, activation: Any, *inputs: Tensor) -> Tensor:
    return activation(SHAPES[name][0](*inputs))


@each_operation
@each_activation
@pytest.mark.parametrize("bias", [True, False])
def test_it_is_the_same_function_and_gradient(name: str, activation: Any, bias: bool) -> None:
    inputs = [Tensor(x, requires_grad=True) for x in arrays(name)[: 3 if bias else 2]]
    y, expected = SHAPES[name][0](*inputs, activation=activation), plain(name, activation, *inputs)
    np.testing.assert_allclose(y.data, expected.data, rtol=1e-13)  # sums of 27 products at most
    gy = Tensor(np.random.default_rng(1).normal(size=y.shape))
    for g, wanted in zip(grad(y, inputs, gy), grad(expected, inputs, gy), strict=True):
        np.testing.assert_allclose(g.data, wanted.data, rtol=0, atol=1e-12)  # sums of some hundred products


@each_operation
@pytest.mark.parametrize("activation", FUSED, ids=called)
def test_derivatives_of_two_orders(name: str, activation: Any) -> None:
    f = partial(SHAPES[name][0], activation=activation)
    check_gradients(f, arrays(name), 2, np.random.default_rng(2))


def test_what_is_known_to_the_kernels() -> None:
    known = {function: split_activation(function)[0] for function in FUSED}
    assert list(known.values()) == [
        ("leaky_relu", 0.0), ("sigmoid", 0.0), ("tanh", 0.0), ("leaky_relu", 0.01), ("leaky_relu", 0.2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "activation",
    [
        partial(ops.leaky_relu, slope=-0.5),
        partial(ops.leaky_relu, slope=float("nan")),
        partial(ops.leaky_relu, slope="0.2"),
        partial(ops.leaky_relu),
        partial(ops.leaky_relu, slope=0.2, x=None),
        partial(ops.elu, alpha=0.2),
        partial(ops.relu),
        ops.silu,
        lambda x: ops.relu(x),
        nn.Flatten(),
        [],  # cannot be hashed
    ],
    ids=called,
)
def test_what_is_not(activation: Any) -> None:
    fused, left = split_activation(activation)
    assert fused == ("identity", 0.0) and left is activation


# Sequential.


def layers() -> list[tuple[nn.Module, tuple[int, ...]]]:
    rng = Generator(0)
    return [
        (nn.Dense(6, 4, rng=rng), (3, 6)),
        (nn.Dense(6, 4, rng=rng), (2, 3, 6)),
        (nn.Dense(6, 4, bias=False, rng=rng), (3, 6)),
        (nn.Conv2d(3, 4, 3, padding="same", rng=rng), (2, 3, 5, 5)),
        (nn.ConvTranspose2d(3, 4, 3, stride=2, rng=rng), (2, 3, 5, 5)),
    ]


def names(y: Tensor) -> list[str]:
    """The operations from `y` back to its leaves, along the first inputs."""
    found = []
    while y.node is not None:
        found.append(type(y.node).__name__)
        y = y.node.inputs[0]
    return found


@pytest.mark.parametrize("i", range(len(layers())))
@pytest.mark.parametrize("activation", FUSED, ids=called)
def test_sequential_runs_layer_and_activation_together(i: int, activation: Any) -> None:
    layer, shape = layers()[i]
    x = Tensor(np.random.default_rng(0).normal(size=shape).astype(np.float32), requires_grad=True)
    y, expected = nn.Sequential(layer, activation)(x), activation(layer(x))
    np.testing.assert_allclose(y.data, expected.data, rtol=1e-5, atol=1e-6)  # float32, 27 products
    fused = layer.bias is not None
    assert len(names(y)) == len(names(expected)) - fused
    for g, wanted in zip(grad(y.sum(), [x, *layer.parameters()]), grad(expected.sum(), [x, *layer.parameters()])):
        np.testing.assert_allclose(g.data, wanted.data, rtol=0, atol=1e-4)  # sums of 200 products of about 1


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5), (4, 3, 2, 5)])
@pytest.mark.parametrize("activation", FUSED, ids=called)
def test_batch_norm_ends_in_an_activation(shape: tuple[int, ...], activation: Any) -> None:
    """Bit by bit what both do one after the other, in training and evaluation; relus are the same operation."""
    first, second = nn.BatchNorm(3), nn.BatchNorm(3)
    rng = np.random.default_rng(0)
    for layer in (first, second):
        layer.weight.data, layer.bias.data = np.float32([1.5, -0.5, 0.7]), np.float32([0.1, 0.2, -0.3])
    for training in (True, True, False):
        first.train(training), second.train(training)
        x = Tensor(rng.normal(size=shape).astype(np.float32), requires_grad=True)
        y, expected = nn.Sequential(first, activation)(x), activation(second(x))
        if training:
            relus = split_activation(activation)[0].name == "leaky_relu"
            assert len(names(y)) == len(names(expected)) - relus
        gy = Tensor(rng.normal(size=shape).astype(np.float32))
        found, wanted = (
            [y.data, *(g.data for g in grad(y, [x, layer.weight, layer.bias], gy)), *layer.state_dict().values()]
            for y, layer in ((y, first), (expected, second))
        )
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_recorded_gradient_of_batch_norm_has_the_signs_of_the_result() -> None:
    """The definition is rounded otherwise than the kernel: of results near 0 many come out on the other side."""
    x = np.random.default_rng(0).normal(size=(16, 200)).astype(np.float32)
    ones = np.ones(200, np.float32)
    b = Tensor(-ops.batch_norm(Tensor(x), Tensor(ones), Tensor(ones * 0)).data[0], requires_grad=True)
    y = ops.batch_norm(Tensor(x), Tensor(ones), b, activation=ops.relu)
    for create_graph in (False, True):
        (gb,) = grad(y, [b], Tensor(np.ones_like(x)), create_graph=create_graph)
        np.testing.assert_array_equal(gb.data, (y.data > 0).sum(0))


def test_a_long_network_is_the_same_function() -> None:
    rng = Generator(1)
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3, rng=rng), ops.relu, ops.tanh, nn.Flatten(), nn.Dense(32, 5, rng=rng),
        nn.Dense(5, 4, rng=rng), ops.sigmoid, nn.Sequential(nn.Dense(4, 4, rng=rng)), ops.relu,
        nn.Dense(4, 3, rng=rng), ops.softplus,
    ).to(dtype=np.float64)  # fmt: skip
    x = Tensor(np.random.default_rng(0).normal(size=(3, 1, 6, 6)))
    expected = x
    for layer in net:
        expected = layer(expected)
    np.testing.assert_allclose(net(x).data, expected.data, rtol=1e-13)
    assert net.summary((1, 6, 6)).count("relu") == 2  # the table still has a row for each


def test_the_unusual_takes_the_plain_way() -> None:
    class Doubled(nn.Dense):
        def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
            return super().forward(x) * 2

    x = Tensor(np.ones((2, 3)))
    ones = {"weight_init": lambda shape, rng: np.ones(shape, np.float32), "bias": True}
    doubled = Doubled(3, 2, **ones).to(dtype=np.float64)  # type: ignore[arg-type]
    np.testing.assert_array_equal(nn.Sequential(doubled, ops.relu)(x).data, np.full((2, 2), 6.0))
    layer = nn.Dense(3, 2, **ones).to(dtype=np.float64)  # type: ignore[arg-type]
    layer.forward = lambda x: x * 5  # type: ignore[method-assign]
    np.testing.assert_array_equal(nn.Sequential(layer, ops.relu)(x).data, np.full((2, 3), 5.0))


def test_a_misfit_still_names_its_layer() -> None:
    net = nn.Sequential(nn.Dense(3, 2), ops.relu, nn.Dense(4, 2), ops.relu)
    with pytest.raises(nn.ShapeError, match=r"Dense '2': expected input \(N, 4\), got \(1, 2\)"):
        net(Tensor(np.ones((1, 3), np.float32)))


# What is computed.


def test_gradients_that_nobody_asks_for_are_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    products: list[tuple[int, ...]] = []
    kernels: list[str] = []

    def counted(a: Any, b: Any) -> Any:
        products.append((*a.shape, b.shape[1]))
        return a @ b

    monkeypatch.setattr("minigen.ops.linalg.gemm", counted)
    backward = ops.linear.__globals__["for_array"](np.ones(1)).bias_act_backward
    monkeypatch.setattr("minigen_kernels.cpu.bias_act_backward", lambda *a: kernels.append(a[2]) or backward(*a))
    names = ops.bias_act.__globals__
    sum_axes = names["sum_axes"]
    monkeypatch.setitem(names, "sum_axes", lambda *a: kernels.append("sum") or sum_axes(*a))
    x, w, b = (Tensor(np.ones(shape), requires_grad=True) for shape in ((5, 3), (4, 3), (4,)))
    y, linear = ops.linear(x, w, b, ops.tanh), ops.linear(x, w, b)
    for result, targets, expected, passes in (
        (y, [w, b], [(4, 5, 3)], 1),  # the first layer: its input is data
        (y, [x], [(5, 4, 3)], 1),  # a frozen one
        (y, [b], [], 1),
        (linear, [x, w], [(5, 4, 3), (4, 5, 3)], 0),  # without activation only the bias needs a pass
        (linear, [b], [], 1),
    ):
        products.clear()
        kernels.clear()
        grad(result.sum(), targets)
        assert products == expected and len(kernels) == passes


def test_an_empty_batch() -> None:
    x, w, b = Tensor(np.ones((0, 3)), requires_grad=True), Tensor(np.ones((4, 3)), True), Tensor(np.ones(4), True)
    y = ops.linear(x, w, b, ops.relu)
    assert y.shape == (0, 4)
    gx, gw, gb = grad(y.sum(), [x, w, b])
    assert gx.shape == (0, 3) and not gw.data.any() and not gb.data.any()
