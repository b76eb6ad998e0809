"""A step of every model of the catalog, and of every operation, layer and loss, taken apart.

Read next: ``test_explain.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from algorithms.catalog_runs import MODELS, build_small, images_for

import minigen as mg
from minigen import nn
from minigen.autograd import Tensor, grad
from minigen.inventory import ITEMS

FAST = ("ae", "vae", "wgan-gp", "vq-vae", "aae", "unrolled-gan")
ALL = [pytest.param(name, marks=[] if name in FAST else [pytest.mark.slow]) for name in MODELS]


@pytest.mark.parametrize("name", ALL)
def test_a_step_of_every_model(name: str) -> None:
    experiment = build_small(name)
    batch = images_for(name)
    before = {key: a.tobytes() for m in experiment.modules.values() for key, a in m.state_dict().items()}
    taken = mg.explain_step(experiment.step, batch, steps=1)
    after = {key: a.tobytes() for m in experiment.modules.values() for key, a in m.state_dict().items()}
    assert after == before
    totals = {total.name: total for total in taken.total()}
    assert {"forward", "backward", "update"} <= totals.keys()
    if name != "rae":  # whose penalty is an option
        assert ("backward 2" in totals) == (MODELS[name].order > 1)
    assert all(row.flops is not None for row in taken.rows), [row.operation for row in taken.rows if row.flops is None]
    assert all(total.ms > 0 for name, total in totals.items() if name != "Python")
    places = {row.where.partition(".")[0] for row in taken.rows}
    assert places & experiment.modules.keys()


CASES = [(item.name, case) for item in ITEMS for case in item.cases]


def tensors(case: Any) -> tuple[Any, list[Any]]:
    """A function and its inputs: floats as Tensors that require a gradient."""
    fn, inputs = case(np.random.default_rng(0))
    if isinstance(fn, nn.Module):
        fn.to(dtype=np.float64)
    floats = [isinstance(x, np.ndarray) and x.dtype.kind == "f" for x in inputs]
    return fn, [Tensor(x, requires_grad=True) if f else x for x, f in zip(inputs, floats)]


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[name for name, _ in CASES])
def test_the_flops_of_every_operation_layer_and_loss_are_known_to_second_order(case: Any) -> None:
    fn, inputs = tensors(case)
    asked = [x for x in inputs if isinstance(x, Tensor) and x.requires_grad]

    def step() -> None:
        y = fn(*inputs)
        y = y[0] if isinstance(y, tuple) else y
        if y.requires_grad:
            gradients = grad(y, asked, Tensor(np.ones(y.shape, y.dtype)), create_graph=True)
            squares = [(g * g).sum() for g in gradients if g.requires_grad]
            if squares:
                grad(sum(squares[1:], squares[0]), asked)

    unknown = {(row.operation, row.kernel) for row in mg.explain_step(step, steps=1).rows if row.flops is None}
    assert not unknown
