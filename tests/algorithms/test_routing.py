"""Routing: what the check sees of a right game, the words that it has for each kind of fault, and the whole catalog.

The game here is a GAN of dense layers with an average of the generator; every fault that can be planted in it is an
argument of `game`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from algorithms.catalog_runs import MODELS, build_small, images_for
from numpy.typing import NDArray

from minigen import losses, nn, ops, optim
from minigen.algorithms.experiment import Experiment, Term
from minigen.algorithms.routing import RoutingError, check_routing, watch_routing
from minigen.algorithms.updates import Updates
from minigen.autograd import Tensor
from minigen.data import Batch
from minigen.random import Generator


class Uphill(optim.Optimizer):
    """Gradient ascent: the fault is in the optimizer."""

    def init_state(self, p: NDArray[Any]) -> dict[str, NDArray[Any]]:
        return {}

    def update(self, p: NDArray[Any], g: NDArray[Any], state: dict[str, NDArray[Any]]) -> None:
        p += self.lr * g


class Adding(Updates):
    """Updates that let gradients pile up, as a forgotten zero_grad does."""

    def __call__(self, name: str, loss: Tensor) -> None:
        moved = None if self.watch is None else self.watch(name, loss)
        loss.backward()
        self.optimizers[name].step()
        if moved is not None:
            moved()


def dense(*widths: int, seed: int, norm: bool = False) -> nn.Sequential:
    rng = Generator(seed)
    layers: list[Any] = [nn.Flatten()]
    for n_in, n_out in zip(widths, widths[1:]):
        layers += [nn.Dense(n_in, n_out, rng=rng), *([nn.BatchNorm(n_out)] if norm else []), ops.tanh]
    return nn.Sequential(*layers[:-1])


def game(fault: str = "") -> Experiment:
    generator, discriminator = dense(3, 8, 4, seed=0, norm=True), dense(4, 8, 1, seed=1)
    average, extra = dense(3, 8, 4, seed=0, norm=True), nn.Dense(2, 2, rng=Generator(2))
    modules: dict[str, nn.Module] = {"generator": generator, "discriminator": discriminator, "average": average}
    if fault in ("orphan", "extra is frozen"):
        modules["extra"] = extra
        extra.requires_grad_(fault == "orphan")
    noise = Generator(3).spawn("noise")
    owned = generator.parameters() + (discriminator.parameters() if fault == "foreign parameters" else [])
    optimizers: dict[str, optim.Optimizer] = {
        "discriminator": optim.SGD(discriminator.parameters(), 0.1, momentum=0.9),
        "generator": Uphill(owned, 0.1) if fault == "uphill" else optim.Adam(owned, 0.01),
    }
    if fault == "rate 0":
        optimizers["generator"].lr = 0.0
    update = (Adding if fault == "stale" else Updates)(optimizers)

    def follow() -> None:
        for p, q in zip(average.parameters(), generator.parameters(), strict=True):
            p.data = 0.9 * p.data + 0.1 * q.data

    def step(batch: Batch) -> Mapping[str, Tensor | float]:
        real, n = Tensor(batch.x), len(batch)
        fake = generator(Tensor(noise.normal((n, 3))))
        seen = fake if fault == "no detach" else fake.detach()
        ones, zeros = Tensor(np.ones((n, 1), np.float32)), Tensor(np.zeros((n, 1), np.float32))
        loss_d = losses.bce_with_logits(discriminator(real), ones)
        loss_d = loss_d + losses.bce_with_logits(discriminator(seen), zeros)
        if fault != "never stepped":
            update("discriminator", loss_d)
        if fault == "clipped":
            for p in discriminator.parameters():
                p.data = p.data.clip(-0.05, 0.05)
        fake = generator(Tensor(noise.normal((n, 3))))
        if fault == "cut off":
            fake = Tensor(fake.data, requires_grad=True)
        if fault == "dead branch":
            fake = fake * 0.0
        if fault == "lost parameter":
            fake = ops.flatten(Tensor(np.ones((n, 4), np.float32)) + generator[4].bias)
        loss_g = losses.bce_with_logits(discriminator(fake), ones)
        update("generator", -loss_g if fault == "descends minus the loss" else loss_g)
        follow()
        if fault == "written outside":
            discriminator[1].bias.data = discriminator[1].bias.data + 0.1
        logged = loss_g * 0.5 if fault == "logs half" else loss_g
        return {"loss": loss_d + logged, "discriminator": loss_d, "generator": logged}

    return Experiment(
        modules=modules,
        updates=update,
        generators={"noise": noise},
        step=step,
        schedule=lambda k: None,
        pictures=lambda images: [images],
        ledger={"loss": Term("nats"), "discriminator": Term("nats", of="loss"), "generator": Term("nats", of="loss")},
        routes={
            "discriminator": ("discriminator",),
            **({} if fault == "no route" else {"generator": ("generator",)}),
        },
        through={} if fault == "not declared" else {"generator": ("discriminator",)},
        ema_modules=() if fault == "average not declared" else ("average",),
    )


def batch(n: int = 6) -> Batch:
    return Batch(np.random.default_rng(0).random((n, 4, 1, 1), dtype=np.float32), None, np.arange(n))


@pytest.mark.parametrize("fine", ["", "clipped", "extra is frozen"])
def test_a_right_game_passes_and_its_table_can_be_read(fine: str) -> None:
    report = check_routing(game(fine), batch())
    d, g = report.table["discriminator"], report.table["generator"]
    assert (d["discriminator"].moves, d["generator"].flows, d["generator"].moves) == (True, False, False)
    assert (g["generator"].moves, g["discriminator"].flows, g["discriminator"].moves) == (True, True, False)
    header, first, second = str(report).splitlines()
    assert header.split()[-len(report.modules) :] == list(report.modules)
    assert first.split()[0] == "discriminator" and "moves" in first and "passes" not in first
    assert "passes" in second and "moves" in second


FAULTS = {
    "no detach": "the gradient of loss 'discriminator' reaches module 'generator' (norm",
    "foreign parameters": "the update of loss 'generator' moves module 'discriminator', which is not in its route",
    "not declared": "the gradient of loss 'generator' reaches module 'discriminator' (norm",
    "no route": "loss 'generator' makes an update, but has no entry in `routes`",
    "cut off": "loss 'generator' gives module 'generator' no gradient, though it is in its route",
    "dead branch": "loss 'generator' gives module 'generator' a gradient of 0, though it is in its route",
    "lost parameter": "parameter '1.weight', '1.bias', '2.weight', '2.bias', '4.weight', '5.weight', '5.bias' of "
    "module 'generator' is in none of its losses (generator)",
    "never stepped": "optimizer 'discriminator' was never stepped",
    "orphan": "module 'extra' has parameters, but no loss trains it",
    "average not declared": "module 'average' has changed without a loss",
    "written outside": "module 'discriminator' has changed without a loss",
    "rate 0": "the update of loss 'generator' does not move module 'generator'",
    "uphill": "the update of loss 'generator' goes uphill: the inner product",
    "descends minus the loss": "which is minus what is logged ('generator' ",
    "logs half": "a term or a weight is missing in one of them",
    "stale": "differently when old gradients lie in .grad",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named(fault: str) -> None:
    with pytest.raises(RoutingError) as caught:
        check_routing(game(fault), batch())
    assert FAULTS[fault] in str(caught.value)
    assert "gradient of loss" in str(caught.value)  # the table comes along


@pytest.mark.parametrize("fault", ["no detach", "not declared", "cut off", "dead branch", "uphill", "orphan"])
def test_a_fault_is_named_once(fault: str) -> None:
    assert len(watch_routing(game(fault), batch()).surprises) == 1


def everything(experiment: Experiment) -> Any:
    """All that training changes, to be compared."""
    return (
        {name: {k: a.tobytes() for k, a in m.state_dict().items()} for name, m in experiment.modules.items()},
        {name: {k: a.tobytes() for k, a in o.state_dict().items()} for name, o in experiment.optimizers.items()},
        {name: rng.state for name, rng in experiment.generators.items()},
        [m.training for module in experiment.modules.values() for _, m in module.named_modules()],
        [
            None if p.grad is None else p.grad.data.tobytes()
            for m in experiment.modules.values()
            for p in m.parameters()
        ],
        experiment.updates.watch,
    )


@pytest.mark.parametrize("fault", ["", "stale", "rate 0"])
def test_a_look_changes_nothing(fault: str) -> None:
    experiment = game(fault)
    for _ in range(3):
        experiment.step(batch())
    before = everything(experiment)
    watch_routing(experiment, batch())
    assert everything(experiment) == before
    other = game(fault)
    for _ in range(3):
        other.step(batch())
    for one in (experiment, other):
        one.step(batch())
    assert everything(experiment) == everything(other)


def test_a_step_that_fails_is_undone_too() -> None:
    experiment = game()
    before = everything(experiment)
    with pytest.raises(ValueError):
        check_routing(experiment, Batch(np.zeros((4, 5, 1, 1), np.float32), None, np.arange(4)))
    assert everything(experiment) == before


def test_a_gradient_that_can_no_longer_be_had_still_counts_as_flowing() -> None:
    """Two losses of one graph: when the second is descended, the first module has moved already."""
    first, second, noise = nn.Dense(4, 4, rng=Generator(0)), nn.Dense(4, 1, rng=Generator(1)), Generator(2)
    optimizers: dict[str, optim.Optimizer] = {
        "first": optim.SGD(first.parameters(), 0.1),
        "second": optim.SGD(second.parameters(), 0.1),
    }
    update = Updates(optimizers)

    def step(batch: Batch) -> Mapping[str, Tensor | float]:
        hidden = ops.tanh(first(ops.flatten(Tensor(batch.x))))
        size = (hidden * hidden).mean()
        value = (second(hidden) ** 2).mean()
        update("first", size)
        update("second", value)
        return {"loss": size + value}

    wrong: Callable[..., Experiment] = lambda **more: Experiment(  # noqa: E731
        modules={"first": first, "second": second},
        updates=update,
        generators={"noise": noise},
        step=step,
        schedule=lambda k: None,
        pictures=lambda images: [images],
        ledger={"loss": Term("none")},
        routes={"first": ("first",), "second": ("second",)},
        **more,
    )
    (surprise,) = watch_routing(wrong(), batch()).surprises
    assert surprise.startswith("the gradient of loss 'second' reaches module 'first' (norm nan)")
    assert "? passes" in str(check_routing(wrong(through={"second": ("first",)}), batch()))


@pytest.mark.parametrize("name", MODELS)
def test_every_model_of_the_catalog(name: str) -> None:
    experiment = build_small(name)
    before = everything(experiment)
    check_routing(experiment, images_for(name))
    assert everything(experiment) == before
