"""Modules: what they own, how they are saved and loaded, how they behave in training, what they refuse.

Read next: ``test_layers.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minigen import nn, ops
from minigen.autograd import Tensor, grad
from minigen.random import Generator


def zeros(*shape: int) -> Tensor:
    return Tensor(np.zeros(shape, np.float32))


def network() -> nn.Sequential:
    """Dense, convolution, batch norm, as modules and functions, on 1x6x6 images."""
    rng = Generator(3)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, rng=rng),
        nn.BatchNorm(4),
        ops.relu,
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.5, rng=rng),
        nn.Dense(36, 5, rng=rng),
    )


class Pair(nn.Module):
    """Children as attributes and in a list, a buffer, a shared parameter, and a plain number."""

    def __init__(self) -> None:
        rng = Generator(0)
        self.encoder = nn.Sequential(nn.Dense(4, 3, rng=rng), ops.tanh)
        self.heads = [nn.Dense(3, 2, rng=rng), nn.Dense(3, 1, bias=False, rng=rng)]
        self.scale = nn.Parameter(np.ones(1, np.float32))
        self.center = Tensor(np.zeros(4, np.float32))
        self.tied = self.heads[0].weight
        self.temperature = 0.5

    def forward(self, x: Tensor) -> Tensor:
        h = self.encoder(x - self.center)
        return ops.concat([head(h) for head in self.heads], 1) * self.scale * self.temperature


# What a module owns.


def test_names_are_paths_of_attributes() -> None:
    module = Pair()
    names = ["encoder.0.weight", "encoder.0.bias", "heads.0.weight", "heads.0.bias", "heads.1.weight", "scale"]
    assert sorted(name for name, _ in module.named_parameters()) == sorted([*names[:2], "tied", *names[3:]])
    assert sorted(module.state_dict()) == sorted([*names, "tied", "center"])  # a tied weight under both of its names
    assert [name for name, _ in module.children()] == ["encoder", "heads.0", "heads.1"]
    assert len(module.parameters()) == 6 and all(p.requires_grad for p in module.parameters())


def test_sequential_is_a_sequence() -> None:
    net = network()
    assert len(net) == 7 and net[2] is ops.relu and isinstance(net[-1], nn.Dense)
    assert [layer for layer in net] == [net[i] for i in range(7)]
    front = net[:2]
    assert isinstance(front, nn.Sequential) and len(front) == 2 and front[0] is net[0]
    with pytest.raises(TypeError, match="Sequential: layer 1 is neither a Module nor a function: 3"):
        nn.Sequential(ops.relu, 3)  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        net.layers  # noqa: B018 - an unknown attribute raises
    with pytest.raises(NotImplementedError, match="Module has no forward"):
        nn.Module()(zeros(1))


def test_repr_shows_the_tree() -> None:
    assert repr(Pair()).splitlines()[:3] == [
        "Pair(",
        "  (encoder): Sequential(",
        "    (0): Dense(in_features=4, out_features=3)",
    ]
    assert repr(nn.BatchNorm(4)) == "BatchNorm(num_features=4, eps=1e-05, momentum=0.1)"


# State.


def test_state_goes_round_bit_for_bit() -> None:
    source, target = Pair(), Pair()
    for p in source.parameters():
        p.data = p.data + 1
    state = source.state_dict()
    target.load_state_dict(state)
    for name, value in target.state_dict().items():
        np.testing.assert_array_equal(value, state[name])
        assert value.dtype == np.float32
    x = Tensor(np.ones((2, 4), np.float32))
    np.testing.assert_array_equal(source(x).data, target(x).data)
    assert target.heads[0].weight is target.tied  # what was shared stays shared


def test_a_state_is_a_copy() -> None:
    module = nn.Dense(2, 2)
    state = module.state_dict()
    state["weight"][:] = 7
    assert not (module.weight.data == 7).any()
    module.load_state_dict(state)
    state["weight"][:] = 8
    assert (module.weight.data == 7).all()


def test_a_refused_state_names_everything_and_changes_nothing() -> None:
    net = network()
    before = net.state_dict()
    state: dict[str, Any] = {name: value + 1 for name, value in before.items()}
    del state["6.bias"]
    state["7.weight"] = np.zeros((2, 2))
    state["0.weight"] = np.zeros((4, 1, 5, 5))
    state["1.running_mean"] = np.zeros(4, np.int64)
    with pytest.raises(ValueError) as caught:
        net.load_state_dict(state)
    for fault in (
        "Sequential.load_state_dict: ",
        "missing 6.bias (5,)",
        "unexpected 7.weight (2, 2)",
        "0.weight has shape (4, 1, 5, 5), wanted (4, 1, 3, 3)",
        "1.running_mean has dtype int64, wanted float32",
    ):
        assert fault in str(caught.value)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_a_state_is_taken_in_the_dtype_of_the_module() -> None:
    module = nn.Dense(2, 2)
    module.load_state_dict({"weight": np.full((2, 2), 0.5), "bias": np.zeros(2), "num_batches_tracked": 3})
    assert module.weight.dtype == np.float32 and module.weight.data[0, 0] == 0.5


# Modes and places.


def test_train_and_eval_reach_the_whole_tree() -> None:
    module = nn.Sequential(Pair(), nn.Sequential(nn.Dropout()))
    assert all(m.training for _, m in module.named_modules())
    assert module.eval() is module and not any(m.training for _, m in module.named_modules())
    assert module.train()[1][0].training


def test_to_float64_and_back() -> None:
    net = network()
    x = np.random.default_rng(0).normal(size=(3, 1, 6, 6))
    single = net.eval()(Tensor(x.astype(np.float32)))
    single.sum().backward()
    assert net.to(dtype=np.float64) is net
    assert {a.dtype for a in net.state_dict().values()} == {np.dtype(np.float64)}
    assert all(p.grad is None for p in net.parameters())
    double = net(Tensor(x))
    assert single.dtype == np.float32 and double.dtype == np.float64
    np.testing.assert_allclose(single.data, double.data, rtol=0, atol=1e-5)  # float32: 6e-8 times a few dozen steps
    with pytest.raises(TypeError, match="Nothing is promoted silently"):
        net(Tensor(x.astype(np.float32)))
    with pytest.raises(TypeError, match="float16 is not supported"):
        net.to(dtype=np.float16)


def test_a_frozen_module_gets_no_gradient_but_passes_one_on() -> None:
    first, second = nn.Dense(3, 3), nn.Dense(3, 2)
    second.requires_grad_(False)
    x = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    second(first(x)).sum().backward()
    assert all(p.grad is not None for p in first.parameters()) and x.grad is not None
    assert all(p.grad is None for p in second.parameters())
    assert second.requires_grad_() is second and all(p.requires_grad for p in second.parameters())
    first.zero_grad()
    assert all(p.grad is None for p in first.parameters())


def test_a_network_stays_float32_through_forward_and_backward() -> None:
    net = network()
    y = net(zeros(4, 1, 6, 6))
    assert y.dtype == np.float32
    assert {g.dtype for g in grad(y.sum(), net.parameters())} == {np.dtype(np.float32)}
    assert net[1].running_mean.dtype == np.float32


# Errors name the layer.


def test_an_error_names_the_layer_by_its_path() -> None:
    decoder = nn.Sequential(nn.Dense(64, 128), ops.relu, nn.Dense(400, 784))

    class Autoencoder(nn.Module):
        def __init__(self) -> None:
            self.encoder, self.decoder = nn.Dense(784, 64), decoder

        def forward(self, x: Tensor) -> Tensor:
            return self.decoder(self.encoder(x))

    with pytest.raises(nn.ShapeError) as caught:
        Autoencoder()(zeros(32, 784))
    assert str(caught.value).startswith("Dense 'decoder.2': expected input (N, 400), got (32, 128)")
    with pytest.raises(ValueError, match=r"^Dense: expected input \(N, 400\), got \(3,\)"):
        decoder[2](zeros(3))


def test_an_error_in_a_list_of_modules_names_the_element() -> None:
    module = Pair()
    module.heads[1] = nn.Dense(7, 1)
    with pytest.raises(nn.ShapeError, match=r"Dense 'heads\.1': expected input \(N, 7\), got \(2, 3\)"):
        nn.Sequential(module)[0](zeros(2, 4))
    with pytest.raises(nn.ShapeError, match=r"Dense '0\.heads\.1'"):
        nn.Sequential(module)(zeros(2, 4))


# The summary.


def test_summary_is_a_table_and_changes_nothing() -> None:
    net = network()
    net[1].eval()
    before, modes = net.state_dict(), [m.training for _, m in net.named_modules()]
    lines = net.summary((1, 6, 6)).splitlines()
    rows = [line.split() for line in lines]
    assert rows[0] == ["name", "layer", "output", "shape", "parameters"]
    assert set(lines[1]) == set(lines[-2]) == {"-"}
    assert rows[2:-2] == [
        ["0", "Conv2d", "(N,", "4,", "6,", "6)", "40"],
        ["1", "BatchNorm", "(N,", "4,", "6,", "6)", "8"],
        ["2", "relu", "(N,", "4,", "6,", "6)", "0"],
        ["3", "MaxPool2d", "(N,", "4,", "3,", "3)", "0"],
        ["4", "Flatten", "(N,", "36)", "0"],
        ["5", "Dropout", "(N,", "36)", "0"],
        ["6", "Dense", "(N,", "5)", "185"],
    ]
    assert rows[-1] == ["total", "233"]
    assert [m.training for _, m in net.named_modules()] == modes
    assert net[2] is ops.relu and all(np.array_equal(v, before[k]) for k, v in net.state_dict().items())


def test_summary_of_lists_and_of_a_single_layer() -> None:
    table = Pair().summary((4,))
    assert [line.split()[0] for line in table.splitlines()[2:-2]] == ["encoder.0", "encoder.1", "heads.0", "heads.1"]
    assert "Dense" in nn.Dense(3, 4).summary((3,))


def test_summary_names_the_layer_that_does_not_fit_and_changes_nothing() -> None:
    net = nn.Sequential(nn.Sequential(nn.Dense(3, 4)), nn.Dense(5, 2))
    with pytest.raises(nn.ShapeError, match=r"Dense '1': expected input \(N, 5\), got \(1, 4\)"):
        net.summary((3,))
    with pytest.raises(nn.ShapeError, match=r"Dense '0\.0': expected input \(N, 3\), got \(1, 7\)"):
        net.summary((7,))
    assert isinstance(net[1], nn.Dense) and net.training
