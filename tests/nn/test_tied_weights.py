"""Weights that stand in two places: their names, files of PyTorch both ways, and what is refused.

Read next: ``test_contents.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigen as mg
from minigen import nn, ops, optim


class Tied(nn.Module):
    def __init__(self, seed: int = 0) -> None:
        rng = mg.Generator(seed)
        self.enc, self.dec = nn.Dense(4, 4, rng=rng), nn.Dense(4, 4, rng=rng)
        self.dec.weight = self.enc.weight

    def forward(self, x: mg.Tensor) -> mg.Tensor:
        return self.dec(ops.tanh(self.enc(x)))


def twice(seed: int = 0) -> nn.Sequential:
    layer = nn.Dense(4, 4, rng=mg.Generator(seed))
    return nn.Sequential(layer, nn.Dense(4, 4, rng=mg.Generator(seed + 1)), layer)


NAMES = {
    Tied: ["enc.weight", "enc.bias", "dec.weight", "dec.bias"],
    twice: ["0.weight", "0.bias", "1.weight", "1.bias", "2.weight", "2.bias"],
}
SHARED = {Tied: [("enc.weight", "dec.weight")], twice: [("0.weight", "2.weight"), ("0.bias", "2.bias")]}
make_each = pytest.mark.parametrize("make", [Tied, twice], ids=["weight", "layer"])
X = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)


def theirs(torch: Any, make: Any) -> Any:
    class TiedTwin(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.enc, self.dec = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)
            self.dec.weight = self.enc.weight

        def forward(self, x: Any) -> Any:
            return self.dec(torch.tanh(self.enc(x)))

    layer = torch.nn.Linear(4, 4)
    return TiedTwin() if make is Tied else torch.nn.Sequential(layer, torch.nn.Linear(4, 4), layer)


def same(module: nn.Module, twin: Any, torch: Any) -> None:
    # three products of 4 x 4 in float32
    expected = twin(torch.tensor(X)).detach().numpy()
    np.testing.assert_allclose(module(mg.Tensor(X)).data, expected, rtol=1e-5, atol=1e-6)


@make_each
def test_the_state_has_every_name_and_training_each_parameter_once(make: Any) -> None:
    module = make()
    assert list(module.state_dict()) == NAMES[make]
    once = [name for name in NAMES[make] if name not in [second for _, second in SHARED[make]]]
    assert [name for name, _ in module.named_parameters()] == once
    assert len(optim.SGD(module.parameters(), lr=0.1).params) == len(once)


@make_each
def test_any_one_of_the_names_is_enough(make: Any, tmp_path: Path) -> None:
    module = make(5)
    mg.save(module, tmp_path / "x")
    whole = mg.load(tmp_path / "x")
    for drop in ([], [a for a, _ in SHARED[make]], [b for _, b in SHARED[make]]):
        other = make(9)
        other.load_state_dict({name: array for name, array in whole.items() if name not in drop})
        np.testing.assert_array_equal(other(mg.Tensor(X)).data, module(mg.Tensor(X)).data)
        a, b = SHARED[make][0]
        assert other.state_dict()[a].tobytes() == other.state_dict()[b].tobytes() == whole[a].tobytes()


@make_each
def test_names_that_disagree_or_are_all_missing_are_named_and_nothing_changes(make: Any) -> None:
    module = make()
    before, state = module.state_dict(), make(7).state_dict()
    a, b = SHARED[make][0]
    with pytest.raises(ValueError, match=f"load_state_dict: {a} and {b} are one tensor here, but their values differ$"):
        module.load_state_dict({**state, b: state[b] + 1})
    with pytest.raises(ValueError, match=rf"load_state_dict: missing {a} or {b} \(4, 4\)$"):
        module.load_state_dict({name: array for name, array in state.items() if name not in (a, b)})
    with pytest.raises(ValueError, match=rf"load_state_dict: .*{b} has shape \(4, 5\), wanted \(4, 4\)"):
        module.load_state_dict({**state, b: np.zeros((4, 5))})
    assert all(np.array_equal(array, before[name]) for name, array in module.state_dict().items())
    state = {name: np.full_like(array, np.nan) for name, array in state.items()}
    module.load_state_dict(state)  # NaN is as good a value as any, and equal to NaN here


@make_each
def test_weights_go_to_pytorch_and_back(make: Any, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from safetensors.torch import load_file, load_model, save_model

    module, twin = make(3), theirs(torch, make)
    mg.save(module, tmp_path / "ours.safetensors")
    twin.load_state_dict(load_file(tmp_path / "ours.safetensors"))  # strict: every name is there
    same(module, twin, torch)
    load_model(fresh := theirs(torch, make), tmp_path / "ours.safetensors", strict=False)
    same(module, fresh, torch)

    twin = theirs(torch, make)
    (back := make(4)).load_state_dict(twin.state_dict())
    same(back, twin, torch)
    (back := make(4)).load_state_dict(dict(twin.named_parameters()))  # each once, and requiring a gradient
    same(back, twin, torch)
    save_model(twin, str(tmp_path / "theirs.safetensors"))  # drops all names but one
    (back := make(4)).load_state_dict(mg.load(tmp_path / "theirs.safetensors"))
    same(back, twin, torch)


def test_a_replaced_tied_weight_goes_by_any_of_its_names() -> None:
    module = Tied()
    new = mg.Tensor(np.eye(4, dtype=np.float32), requires_grad=True)
    for name in ("enc.weight", "dec.weight"):
        copy = nn.functional_copy(module, {name: new})
        assert copy.enc.weight is copy.dec.weight is new
    constants = {name: mg.Tensor(array) for name, array in Tied(3).state_dict().items()}
    np.testing.assert_array_equal(nn.functional_copy(module, constants)(mg.Tensor(X)).data, Tied(3)(mg.Tensor(X)).data)
    other = mg.Tensor(np.eye(4, dtype=np.float32), requires_grad=True)
    with pytest.raises(ValueError, match=r"dec\.weight and enc\.weight are one tensor here; give one for both"):
        nn.functional_copy(module, {"enc.weight": new, "dec.weight": other})


def test_a_module_that_knows_its_parent_has_a_state() -> None:
    module = Tied()
    module.enc.parent = module  # type: ignore[attr-defined]
    assert list(module.state_dict()) == NAMES[Tied]
