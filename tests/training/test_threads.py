"""Training ends in the same bits for any number of threads, also where a resumed run takes another number.

Read next: ``../kernels/test_threads.py``.
"""

from __future__ import annotations

import json
import tomllib

import numpy as np
import pytest
from kernels.sharing import sharing
from training.runs import left_behind, make_data, run

import minigen as mg
from minigen import losses, nn, ops, optim
from minigen.training.config import check_change
from minigen.training.session import Interrupted
from minigen_kernels.cpu import workers


@pytest.fixture(autouse=True)
def one_thread_afterwards():
    yield
    mg.set_num_threads(1)


def dense(rng):
    x = mg.Tensor(rng.random((128, 784), np.float32))
    network = nn.Sequential(nn.Dense(784, 128), ops.relu, nn.Dense(128, 784), ops.sigmoid)
    return network, lambda: losses.mse(network(x), x)


def convolutional(rng):
    x = mg.Tensor(rng.random((64, 1, 28, 28), np.float32))
    network = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm(16), ops.relu, nn.MaxPool2d(2),
        nn.Conv2d(16, 8, 3, padding=1), ops.relu, nn.Upsample(2), nn.Conv2d(8, 1, 3, padding=1),
    )  # fmt: skip
    return network, lambda: losses.bce_with_logits(network(x), x)


def transposed(rng):
    z, x = mg.Tensor(rng.random((32, 64, 7, 7), np.float32)), mg.Tensor(rng.random((32, 1, 28, 28), np.float32))
    network = nn.Sequential(
        nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1), nn.BatchNorm(32), ops.relu,
        nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1), ops.tanh,
    )  # fmt: skip
    return network, lambda: losses.mse(network(z), x)


@pytest.mark.parametrize("model", [dense, convolutional, transposed])
def test_updates_are_the_same_bits(model):
    def trained(n):
        mg.manual_seed(0)
        network, loss = model(np.random.default_rng(0))
        optimizer = optim.Adam(network.parameters(), lr=1e-2)
        with sharing(n):
            for _ in range(2):
                optimizer.zero_grad()
                loss().backward()
                optimizer.step()
        return {name: a.tobytes() for name, a in network.state_dict().items()}

    assert trained(1) == trained(2) == trained(3)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["ae", "conv-vae", "vq-vae", "dcgan", "wgan-gp", "gan"])
def test_models_end_in_the_same_bits(tmp_path, model):
    data = make_data(tmp_path / "images.npz", n=400, side=28)
    for n in (1, 2):
        run(data, tmp_path / str(n), model=model, batch_size=32, max_steps=4, threads=n)
    assert trained(tmp_path / "1") == trained(tmp_path / "2")


def trained(folder):
    """What a run left, but for its number of threads."""
    left = left_behind(folder)
    del left["config"]
    for name, (facts, arrays) in ((name, kept) for name, kept in left.items() if name.endswith(".safetensors")):
        facts = json.loads(facts)
        del facts["config"]["threads"]
        left[name] = facts, arrays
    return left


def test_a_resumed_run_may_take_another_number(tmp_path):
    data = make_data(tmp_path / "images.npz")
    run(data, tmp_path / "whole", threads=1)
    steps = iter(range(9))
    with pytest.raises(Interrupted):
        run(data, tmp_path / "parts", threads=1, stop=lambda: next(steps) == 3)
    old = tomllib.loads((tmp_path / "parts/config.toml").read_text())
    assert check_change(old, {"threads": 2}) == {**old, "threads": 2}
    run(data, tmp_path / "parts", threads=2, resume=True)
    assert trained(tmp_path / "parts") == trained(tmp_path / "whole")


def test_a_number_of_threads_is_for_all_kernels_and_none_for_blas():
    mg.set_num_threads(2)
    found = __import__("threadpoolctl").threadpool_info()
    assert workers.threads() in (1, 2)  # 1 on a machine with one core
    assert all(library["num_threads"] == 1 for library in found if library["user_api"] == "blas")
