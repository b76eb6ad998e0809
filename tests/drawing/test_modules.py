"""Large graphs are collapsed by Module: what a box holds, that the graph stays one, and the losses of all 40 models.

Read next: nothing, this is a leaf.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from algorithms.catalog_runs import MODELS, build_small, images_for
from drawing.svg_read import Drawn, rows, walked

import minigen as mg
from minigen import losses, nn, ops
from minigen.autograd import Tensor
from minigen.autograd.recording import recording
from minigen.drawing.boxes import MOST
from minigen.nn.at_work import at_work


class Block(nn.Module):
    """Operations of its own between those of two layers."""

    def __init__(self, rng: mg.Generator) -> None:
        self.first, self.second = nn.Dense(4, 4, rng=rng), nn.Dense(4, 4, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(ops.sin(self.first(x)) * 0.5) + x


def network(depth: int) -> nn.Sequential:
    rng = mg.Generator(0)
    return nn.Sequential(*(Block(rng) for _ in range(depth)))


X = Tensor(np.ones((2, 4), np.float32))


def test_few_boxes_are_not_collapsed() -> None:
    net = network(2)
    drawing = mg.draw(lambda: net(X).sum(), names=net)
    assert "2 operations" not in str(drawing) and "0.first.weight" in str(drawing)
    tooltips = [box.tooltip for box in Drawn(drawing.svg).boxes]
    assert any("in 1.second" in tooltip for tooltip in tooltips) and any("in 0" in tooltip for tooltip in tooltips)


def test_many_are_collapsed_as_far_as_needed() -> None:
    """30 blocks of 6 operations and 4 parameters: 90 boxes of layers would be too many, 30 of blocks are not."""
    net = network(30)
    drawing = mg.draw(lambda: ops.mean(net(X)), names={"net": net, "x": X})
    table = rows(str(drawing))
    assert [row[0] for row in table] == ["x", *(f"net.{i}" for i in range(30)), *(row[0] for row in table[31:])]
    assert all(row[2] == "(2, 4)  Block, 5 operations" for row in table[1:31])
    assert len(table) <= 33 and all(inputs == [i] for i, (_, inputs, _) in enumerate(table[1:31]))
    assert "624 numbers in parameters" not in drawing.svg and "40 numbers in parameters" in drawing.svg
    assert len(rows(str(mg.draw(lambda: ops.mean(net(X)), collapse=False)))) > 60


def test_each_call_of_a_module_is_a_box_of_its_own() -> None:
    """As with a discriminator, which sees real and made images."""
    net = network(1)
    y = [row[0] for row in rows(str(mg.draw(lambda: net(net(X)).sum(), names={"d": net}, collapse=True)))]
    assert y.count("d.0.first") == y.count("d.0.second") == y.count("d.0") == 2

    layer = nn.Dense(4, 4, rng=mg.Generator(0))  # one that runs twice without a pause
    twice = mg.draw(lambda: layer(layer(X)), names={"x": X, "layer": layer}, collapse=True)
    assert [row[0] for row in rows(str(twice))] == ["x", "layer", "layer"]


def test_the_gradient_of_a_module_is_a_box_of_its_own() -> None:
    net, x = network(1), Tensor(X.data, requires_grad=True)

    def penalty() -> list[Tensor]:
        y = net(x).sum()
        (g,) = mg.grad(y, [x], create_graph=True)
        return [y, (g * g).sum()]

    table = rows(str(mg.draw(penalty, names={"d": net, "x": x}, collapse=True)))
    titles = [row[0] for row in table]
    assert {"d.0.first", "d.0.second", "gradient of d.0.first", "gradient of d.0.second"} <= set(titles)
    assert titles.index("gradient of d.0.second") < titles.index("gradient of d.0.first")


def test_of_a_tensor_that_is_there_modules_are_known_by_their_parameters() -> None:
    net = network(2)
    y = net(X).sum()
    seen = rows(str(mg.draw(lambda: net(X).sum(), names=net, collapse=True)))
    known = rows(str(mg.draw(y, names=net, collapse=True)))
    # But for what comes before the first layer or after the last one: of that nobody knows if it was the network's.
    assert known[:-2] == seen[:-2]
    assert known[-2:] != seen[-2:] or [row[0] for row in known[-2:]] == ["Add", "Sum"]


def test_boxes_of_modules_hold_their_buffers() -> None:
    net = nn.Sequential(nn.Dense(4, 4), nn.BatchNorm(4)).eval()
    table = rows(str(mg.draw(lambda: net(X).sum(), names={"net": net, "x": X}, collapse=True)))
    assert [row[0] for row in table][:3] == ["x", "net.0", "net.1"]


def test_watching_leaves_nothing_behind() -> None:
    def fails() -> Tensor:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        mg.draw(fails)
    assert recording.watch is None and list(at_work()) == []


@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_losses_of_every_model_are_drawn(name: str) -> None:
    """All losses of one step, in one picture: few enough boxes, valid, quick, and nothing of it is lost."""
    experiment, batch = build_small(name), images_for(name)
    found: list[Tensor] = []

    def look(_: str, loss: Tensor) -> Callable[[], None]:
        found.append(loss)
        return lambda: None

    def step() -> list[Tensor]:
        experiment.schedule(0)
        experiment.step(batch)
        return found

    experiment.updates.watch = look
    drawing = mg.draw(step, names=dict(experiment.modules))
    drawn = Drawn(drawing.svg)
    start = time.process_time()
    again = mg.draw(found, names=dict(experiment.modules))
    text = again.svg
    assert time.process_time() - start < 2  # seconds; measured: at most 0.3
    drawn.check_places()
    Drawn(text).check_places()
    table = rows(str(drawing))
    assert len(table) <= MOST, len(table)
    words = f": {len(walked(found)[0]):,} operations, "
    assert words in str(drawing).splitlines()[0] and words in str(again).splitlines()[0]
    results = [box for box in drawn.boxes if "result" in box.kinds]
    assert 0 < len(results) <= len(found)


def test_losses_are_drawn_with_their_terms() -> None:
    net = network(1)
    y = mg.draw(lambda: losses.mse(net(X), X) + 0.1 * sum(((p * p).sum() for p in net.parameters()), 0.0), names=net)
    assert str(y).count("Sum") >= 4
