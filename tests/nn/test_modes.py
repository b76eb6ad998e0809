"""Training and evaluation mode: `evaluation` blocks in several threads, copies made inside, modes set inside.

Read next: ``test_nn.py``.
"""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable

import numpy as np

import minigen as mg
from minigen import nn
from minigen.autograd import is_recording


def network() -> nn.Sequential:
    return nn.Sequential(nn.Dense(2, 3), nn.BatchNorm(3), nn.Dropout(0.5))


def modes(module: nn.Module) -> list[bool]:
    return [m.training for _, m in module.named_modules()]


def in_threads(*tasks: Callable[[], object]) -> None:
    """Run the tasks at once; what one raises is raised here."""
    errors: list[BaseException] = []

    def kept(task: Callable[[], object]) -> None:
        try:
            task()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=kept, args=(task,)) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if errors:
        raise errors[0]


def test_blocks_in_four_threads_do_not_see_each_other() -> None:
    net = network()
    x = mg.Tensor(np.ones((4, 2), np.float32))
    with net.evaluation():
        expected = net(x).data
    together = threading.Barrier(4, timeout=30)

    def evaluate() -> None:
        for _ in range(50):
            with net.evaluation():
                together.wait()  # all four are inside
                assert not any(modes(net)) and not is_recording()
                np.testing.assert_array_equal(net(x).data, expected)

    in_threads(*[evaluate] * 4)
    assert all(modes(net)) and is_recording()


def test_a_thread_that_trains_meanwhile_stays_in_training_mode() -> None:
    net = network()
    inside, seen = threading.Event(), threading.Event()

    def evaluate() -> None:
        with net.evaluation():
            inside.set()
            assert seen.wait(30) and not any(modes(net))

    def train() -> None:
        assert inside.wait(30)
        try:
            assert all(modes(net)) and is_recording()
            net[1].eval()  # the Module's own mode, for every thread outside of a block
        finally:
            seen.set()

    in_threads(evaluate, train)
    assert modes(net) == [True, True, False, True]


def test_modes_set_inside_a_block_end_with_it() -> None:
    net = network()
    net[0].eval()
    with net.evaluation():
        net[2].train()  # dropout at work in evaluation, as for Monte Carlo samples
        assert modes(net) == [False, False, False, True]
        with net.evaluation():
            assert not any(modes(net))
        assert modes(net) == [False, False, False, True]
    assert modes(net) == [True, False, True, True]


def test_copies_made_inside_a_block_are_in_the_mode_that_is_seen() -> None:
    net = network()
    weight = mg.Tensor(np.zeros((3, 2), np.float32))
    with net.evaluation():
        copies = [copy.deepcopy(net), pickle.loads(pickle.dumps(net)), nn.functional_copy(net, {"0.weight": weight})]
        for each in copies:
            assert not any(modes(each))
    for each in copies:
        assert not any(modes(each))
    assert all(modes(net)) and all(modes(copy.deepcopy(net)))
