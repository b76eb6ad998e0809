"""Checkpoints: all of an experiment comes back; other models, other files and NaN are refused."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen import nn, optim
from minigen.algorithms.experiment import Experiment
from minigen.algorithms.updates import Updates
from minigen.autograd import Tensor
from minigen.random import Generator
from minigen.serialization import CheckpointError, load, load_metadata, save
from minigen.training.checkpoint import (
    KEY,
    DamagedCheckpoint,
    load_checkpoint,
    restore,
    restore_modules,
    save_checkpoint,
)
from minigen.training.nonfinite import NonFiniteLoss


def experiment(width=3, seed=0):
    rng = Generator(seed)
    net = nn.Sequential(nn.Dense(2, width, rng=rng), nn.BatchNorm(width))
    adam = optim.Adam(net.parameters(), lr=0.01)
    noise = Generator(seed).spawn("noise")

    def step(batch):
        loss = (net.train()(Tensor(noise.normal((5, 2)))) ** 2).mean()
        net.zero_grad()
        loss.backward()
        adam.step()
        return {"loss": loss}

    nothing = lambda *_: None  # noqa: E731
    return Experiment(
        modules={"net": net},
        updates=Updates({"adam": adam}),
        generators={"noise": noise},
        step=step,
        schedule=nothing,
        pictures=nothing,
        ledger={},
    )


def contents(e):
    arrays = {**e.modules["net"].state_dict(), **e.optimizers["adam"].state_dict()}
    return {key: a.tobytes() for key, a in arrays.items()}, e.generators["noise"].state


def test_everything_comes_back_and_goes_on_the_same(tmp_path):
    one, other = experiment(seed=0), experiment(seed=1)
    for _ in range(3):
        one.step(None)
    save_checkpoint(tmp_path / "c", one, {"step": 3, "large": 2**63 + 1, "third": 1 / 3})
    checkpoint = load_checkpoint(tmp_path / "c")
    assert {k: checkpoint.facts[k] for k in ("step", "large", "third")} == {
        "step": 3,
        "large": 2**63 + 1,
        "third": 1 / 3,
    }
    assert contents(one) != contents(other)
    restore(other, checkpoint)
    assert contents(one) == contents(other)
    for _ in range(3):
        one.step(None), other.step(None)
    assert contents(one) == contents(other)


def test_modules_alone(tmp_path):
    one, other = experiment(seed=0), experiment(seed=1)
    one.step(None)
    save_checkpoint(tmp_path / "c", one, {})
    before = other.optimizers["adam"].state_dict()
    restore_modules(other, load_checkpoint(tmp_path / "c"))
    for key, array in one.modules["net"].state_dict().items():
        np.testing.assert_array_equal(other.modules["net"].state_dict()[key], array)
    for key, array in before.items():
        np.testing.assert_array_equal(other.optimizers["adam"].state_dict()[key], array)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["parameter", "optimizer"])
def test_nothing_that_is_not_finite_is_written(tmp_path, bad, where):
    e = experiment()
    e.step(None)
    save_checkpoint(tmp_path / "c", e, {})
    old = (tmp_path / "c").read_bytes()
    array = e.modules["net"].parameters()[0].data if where == "parameter" else e.optimizers["adam"].states[0]["m"]
    array[0, 0] = bad
    with pytest.raises(NonFiniteLoss, match="holds NaN or infinity; no checkpoint was written"):
        save_checkpoint(tmp_path / "c", e, {})
    assert (tmp_path / "c").read_bytes() == old


def test_checkpoints_of_other_models_are_refused(tmp_path):
    save_checkpoint(tmp_path / "c", experiment(), {})
    checkpoint = load_checkpoint(tmp_path / "c")
    with pytest.raises(
        CheckpointError, match=r"c is of another model: net: .*0\.weight has shape \(3, 2\), wanted \(4, 2\)"
    ):
        restore(experiment(width=4), checkpoint)
    other = experiment()
    other.modules = {"encoder": other.modules["net"]}
    with pytest.raises(CheckpointError, match="it has the modules encoder, net, wanted are encoder"):
        restore(other, checkpoint)
    other = experiment()
    other.updates = Updates({"adam": optim.SGD(other.modules["net"].parameters(), momentum=0.9)})
    with pytest.raises(CheckpointError, match="does not fit the model: adam: .*momentum_buffer"):
        restore(other, checkpoint)
    other = experiment()
    other.generators = {"dice": Generator(0)}
    with pytest.raises(CheckpointError, match="it has the generators noise, wanted are dice"):
        restore(other, checkpoint)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A checkpoint as bytes."""
    path, e = tmp_path_factory.mktemp("written") / "c", experiment()
    e.step(None)
    save_checkpoint(path, e, {"step": 1, "name": "ring"})
    return path.read_bytes()


@given(place=st.integers(0), bit=st.integers(0, 7))
def test_every_flipped_bit_is_found(written, tmp_path_factory, place, bit):
    damaged = bytearray(written)
    damaged[place % len(written)] ^= 1 << bit
    path = tmp_path_factory.getbasetemp() / "flipped"
    path.write_bytes(damaged)
    with pytest.raises(CheckpointError, match="flipped"):
        load_checkpoint(path)


def test_what_was_changed_is_named(written, tmp_path):
    path = tmp_path / "c"
    path.write_bytes(written)
    arrays, strings = load(path), load_metadata(path)
    m, v = "optimizers/adam/0.m", "optimizers/adam/0.v"  # of one shape
    for changed, message in (
        ({m: arrays[v], v: arrays[m]}, f"damaged: since it was written, {m}, {v} changed"),
        ({m: np.nextafter(arrays[m], 9, dtype="f4")}, f"{m} changed"),
        ({m: arrays[m].T.copy()}, f"{m} changed"),
        ({m: arrays[m].view("i4")}, f"{m} changed"),
        ({"modules/net/x": arrays[m]}, "modules/net/x .not there then. changed"),
    ):
        save({**arrays, **changed}, path, strings)
        with pytest.raises(DamagedCheckpoint, match=message):
            load_checkpoint(path)
    save({k: a for k, a in arrays.items() if k != m}, path, strings)
    with pytest.raises(DamagedCheckpoint, match=f"{m} .now missing. changed"):
        load_checkpoint(path)
    facts = strings[KEY].replace("ring", "rung")
    for texts, message in (
        ({**strings, KEY: facts}, "its facts have changed"),
        ({KEY: facts}, "the table of checksums changed"),
        ({**strings, KEY: '{"format": 1}'}, "its facts have changed"),
    ):
        save(arrays, path, texts)
        with pytest.raises(DamagedCheckpoint, match=message):
            load_checkpoint(path)


def test_files_that_are_no_checkpoints(tmp_path):
    path = tmp_path / "c"
    save({"a": np.ones(2)}, path)
    with pytest.raises(CheckpointError, match="c holds arrays, but is no checkpoint of a training run"):
        load_checkpoint(path)
    for text in ("{", "[1]", "{}", "null"):
        save({"a": np.ones(2)}, path, {KEY: text})
        with pytest.raises(CheckpointError, match="no JSON|no checkpoint"):
            load_checkpoint(path)
    save({"a": np.ones(2)}, path, {KEY: json.dumps({"format": 99})})
    with pytest.raises(CheckpointError, match="has format 99, this version of minigen reads 1"):
        load_checkpoint(path)
    save_checkpoint(path, experiment(), {})
    whole = path.read_bytes()
    for length in (0, 7, 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="damaged"):
            load_checkpoint(path)
