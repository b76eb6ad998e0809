"""What a Module finds in itself: dicts and nested lists, other dtypes, shared and circular parts; and its mistakes.

Read next: ``test_layers.py``.
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
import pytest

from minigen import nn, ops
from minigen.autograd import Tensor, is_recording
from minigen.gradcheck import gradcheck
from minigen.random import Generator

Two = namedtuple("Two", "first second")


class Contents(nn.Module):
    """Layers in a dict, in nested lists and in a named tuple; a buffer in a dict; an integer and a mask."""

    def __init__(self) -> None:
        rng = Generator(0)
        self.heads = {"mean": nn.Dense(2, 2, rng=rng), "scale": nn.Dense(2, 2, rng=rng)}
        self.blocks = [[nn.Dense(2, 2, rng=rng)], [nn.Dense(2, 2, rng=rng)]]
        self.two = Two(nn.Dense(2, 2, rng=rng), ops.tanh)
        self.constants = {"offset": Tensor(np.ones(2, np.float32)), "name": "one"}
        self.count, self.mask = Tensor(np.array(3)), Tensor(np.array([True, False]))

    def forward(self, x: Tensor) -> Tensor:
        for (layer,) in self.blocks:
            x = layer(x)
        x = self.two.second(self.two.first(x))
        return self.heads["mean"](x) * ops.sigmoid(self.heads["scale"](x)) + self.constants["offset"]


def test_dicts_and_nested_lists_are_looked_into() -> None:
    module = Contents()
    paths = ["heads.mean", "heads.scale", "blocks.0.0", "blocks.1.0", "two.0"]
    assert [name for name, _ in module.children()] == paths
    assert [n for n, _ in module.named_parameters()] == [f"{p}.{w}" for p in paths for w in ("weight", "bias")]
    assert {"constants.offset", "count", "mask"} < module.state_dict().keys()
    rows = [line.split()[0] for line in module.summary((2,)).splitlines()[2:-2]]
    assert rows == ["blocks.0.0", "blocks.1.0", "two.0", "two.1", "heads.mean", "heads.scale"]
    assert type(module.two) is Two and type(module.heads["mean"]) is nn.Dense  # as before
    assert "float64" not in {str(p.dtype) for p in module.parameters()}
    gradcheck(module, Tensor(np.ones((1, 2))))  # which holds what is in the dicts, too
    assert {p.dtype for p in module.parameters()} == {np.dtype(np.float32)}


def test_integers_and_masks_keep_their_dtype() -> None:
    module, other = Contents(), Contents()
    other.count.data = np.array(7)
    module.load_state_dict(other.state_dict())
    assert module.count.item() == 7 and module.mask.dtype == np.bool_
    module.to(dtype=np.float64)
    assert (module.count.dtype, module.mask.dtype, module.constants["offset"].dtype) == (np.int64, np.bool_, np.float64)
    with pytest.raises(ValueError, match="count has dtype float64, wanted int64"):
        module.load_state_dict({**other.state_dict(), "count": np.array(7.0)})


def test_a_state_may_be_made_of_tensors() -> None:
    source, target = nn.Dense(2, 2), nn.Dense(2, 2)
    target.load_state_dict(dict(source.named_parameters()))
    np.testing.assert_array_equal(target.weight.data, source.weight.data)
    assert target.weight.data is not source.weight.data


def test_a_tensor_that_wants_a_gradient_but_is_no_parameter_is_a_mistake() -> None:
    class Forgetful(nn.Module):
        def __init__(self) -> None:
            self.weight: Any = Tensor(np.ones(2), requires_grad=True)

    module = Forgetful()
    for call in (module.parameters, module.state_dict):
        with pytest.raises(
            TypeError, match=r"Forgetful\.weight .*requires a gradient but no Parameter: make it nn\.Par"
        ):
            call()
    module.weight = nn.Parameter(np.ones(2))
    module.last = module.weight * 2  # a result that was kept: it would become a part of the state
    with pytest.raises(TypeError, match=r"Forgetful\.last .*detach"):
        module.state_dict()


def test_a_module_in_two_places_comes_once_and_a_circle_ends() -> None:
    shared = nn.Dense(2, 2)
    net = nn.Sequential(shared, ops.relu, shared)
    assert [name for name, _ in net.named_modules()] == ["", "0"] and len(net.parameters()) == 2
    shared.owner = net
    assert len(net.parameters()) == 2 and net.eval() is net and not shared.training


def test_an_error_finds_a_layer_that_was_called_past_its_parent() -> None:
    class Shortcut(nn.Module):
        def __init__(self) -> None:
            self.body = nn.Sequential(nn.Dense(3, 2))

        def forward(self, x: Tensor) -> Tensor:
            return self.body[0](x)

    with pytest.raises(nn.ShapeError, match=r"Dense 'body\.0': expected input \(N, 3\), got \(1, 9\)"):
        Shortcut()(Tensor(np.zeros((1, 9), np.float32)))


def test_summary_of_a_network_that_looks_at_its_layers() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            self.encoder = nn.Dense(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return ops.matmul(self.encoder(x), self.encoder.weight)

    assert "encoder" in Tied().summary((4,))


def test_evaluation_ends_in_the_modes_that_were_before() -> None:
    net = nn.Sequential(nn.BatchNorm(2), nn.Sequential(nn.Dropout()))
    net[0].eval()
    with pytest.raises(ZeroDivisionError), net.evaluation():
        assert not any(m.training for _, m in net.named_modules()) and not is_recording()
        raise ZeroDivisionError
    assert [m.training for _, m in net.named_modules()] == [True, False, True, True] and is_recording()


def test_repr_shows_functions_too() -> None:
    assert repr(nn.Sequential(nn.Flatten(), ops.relu)).splitlines()[2] == "  (1): relu"


@pytest.mark.parametrize(("shape", "eps"), [((), 1e-5), (3, 0.0), (3, -1.0)])
def test_layer_norm_refuses_what_cannot_work(shape: Any, eps: float) -> None:
    with pytest.raises(ValueError, match="LayerNorm: expected at least one axis and eps above 0"):
        nn.LayerNorm(shape, eps=eps)
    assert nn.LayerNorm(np.int64(3)).normalized_shape == (3,)  # type: ignore[arg-type]
