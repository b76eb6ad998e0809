"""Does every loss move what it should, and nothing else? One step of an experiment is watched, and then undone.

The commonest faults of models with several networks train without an error message: a forgotten `detach` lets the
discriminator's loss pull at the generator, a `detach` too many leaves a codebook as it was drawn, a sign climbs where
it should descend, gradients of the last step are still there. An experiment declares where gradients may go (`routes`,
`through`, `ema_modules`); `check_routing` compares that with what happens, and names loss, module and likely cause.

Imports: autograd, nn, experiment. Read next: ``routing_table.py``, then ``ledger.py``.
"""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from minigen.algorithms.experiment import Experiment, Terms
from minigen.algorithms.routing_table import Cell, RoutingReport
from minigen.autograd import GradientError, Tensor, grad
from minigen.data import Batch
from minigen.device import array_module
from minigen_kernels import Array


class RoutingError(RuntimeError):
    """A gradient went where it should not, or did not go where it should. The message names loss, module and cause."""


def check_routing(experiment: Experiment, batch: Batch) -> RoutingReport:
    """Watch one step on `batch`; return what every loss did to every module. Nothing of the experiment changes.

    RoutingError if that is not what the experiment declares. Optimizers begin without a memory of earlier steps, so
    that the direction of their step is that of the gradient.
    """
    report = watch_routing(experiment, batch)
    if report.surprises:
        raise RoutingError("\n".join([*report.surprises, "", str(report)]))
    return report


def watch_routing(experiment: Experiment, batch: Batch) -> RoutingReport:
    """As `check_routing`, but surprises are only listed in the report."""
    with _undone(experiment):
        watcher = _Watcher(experiment)
        experiment.updates.watch = watcher.look
        experiment.schedule(0)
        terms = experiment.step(batch)
        experiment.updates.watch = None
        watcher.between_updates()
        after = _values(experiment)
    surprises = watcher.surprises
    _judge_flow(experiment, watcher)
    _judge_unused(experiment, watcher)
    _judge_logged(watcher, terms)
    stale = _moved_otherwise(experiment, batch, after)
    if stale:
        surprises.append(
            f"the step moves {', '.join(stale)} differently when old gradients lie in .grad: they are added to the new "
            "ones. Call zero_grad before backward, or let Updates take the gradients"
        )
    return RoutingReport(tuple(experiment.modules), watcher.table, tuple(dict.fromkeys(surprises)))


@dataclass
class _Watcher:
    """Sees every loss before and after its parameters move."""

    experiment: Experiment
    table: dict[str, dict[str, Cell]] = field(default_factory=dict)
    values: dict[str, list[float]] = field(default_factory=dict)  # of each loss, one for each of its updates
    reached: dict[int, set[str]] = field(default_factory=dict)  # by which losses each parameter is used
    surprises: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.last: str | None = None  # the loss of the last update
        self.before = _values(self.experiment)

    def look(self, name: str, loss: Tensor) -> Callable[[], None]:
        """Called by `Updates` before the parameters move; what it returns is called after."""
        self.between_updates()
        used = _leaves(loss)
        gradients = _gradients(self.experiment, name, loss, used)
        row = self.table.setdefault(name, {})
        self.values.setdefault(name, []).append(float(loss))
        for module, parameters in _parameters(self.experiment).items():
            mine = [id(p) for p in parameters.values() if id(p) in used]
            for key in mine:
                self.reached.setdefault(key, set()).add(name)
            norm, old = _norm([gradients.get(key) for key in mine]), row.get(module, Cell())
            row[module] = Cell(max(old.norm, norm) if old.flows else norm, old.flows or bool(mine), old.moves)
        return functools.partial(self.after_update, name, _values(self.experiment), gradients)

    def after_update(self, name: str, before: dict[str, dict[str, Array]], gradients: dict[int, Array]) -> None:
        """What has the optimizer of loss `name` changed, and was it downhill?"""
        now = _values(self.experiment)
        slope = 0.0
        for module, parameters in _parameters(self.experiment).items():
            moves = _differing(before[module], now[module])
            if moves:
                self.table[name][module] = replace(self.table[name][module], moves=True)
            for key in moves:
                g = gradients.get(id(parameters[key]))
                if g is not None:
                    slope += float(np.vdot(now[module][key].astype("f8") - before[module][key], g.astype("f8")))
        if slope > 0:
            self.surprises.append(
                f"the update of loss {name!r} goes uphill: the inner product of its step with the gradient is "
                f"{slope:.3g}, above 0. A sign is wrong where the parameters are changed"
            )
        self.last, self.before = name, now

    def between_updates(self) -> None:
        """What changed while no optimizer was at work: averages may follow, and weights be clipped that just moved."""
        now = _values(self.experiment)
        may = {*self.experiment.ema_modules, *self.experiment.routes.get(self.last or "", ())}
        for module in self.experiment.modules:
            if module not in may and _differing(self.before[module], now[module]):
                self.surprises.append(
                    f"module {module!r} has changed without a loss: its parameters were written to outside an update. "
                    "Name it in `ema_modules` if it follows another module; else give it a loss"
                )
        self.before = now


def _judge_flow(experiment: Experiment, watcher: _Watcher) -> None:
    """Each loss against its declaration: what it must reach and move, and what it may."""
    trained = {module for route in experiment.routes.values() for module in route}
    for name, row in watcher.table.items():
        route, through = experiment.routes.get(name, ()), experiment.through.get(name, ())
        if name not in experiment.routes:
            watcher.surprises.append(f"loss {name!r} makes an update, but has no entry in `routes`")
        for module, cell in row.items():
            if module in route:
                _judge_wanted(name, module, cell, watcher)
            elif cell.moves:
                watcher.surprises.append(
                    f"the update of loss {name!r} moves module {module!r}, which is not in its route: its optimizer "
                    "holds parameters of that module. Build the optimizer from the modules of the route only"
                )
            elif cell.flows and module not in through:
                watcher.surprises.append(
                    f"the gradient of loss {name!r} reaches module {module!r} (norm {cell.norm:.3g}), which is not in "
                    "its route: a detach() or no_grad() is missing where the output of that module enters the loss. "
                    "If the gradient has to pass it on its way, name the module in `through`"
                )
            elif cell.flows and module not in trained:
                watcher.surprises.append(
                    f"the gradient of loss {name!r} passes module {module!r}, which no loss trains: freeze it with "
                    "requires_grad_(False), or give it a loss"
                )


def _judge_wanted(name: str, module: str, cell: Cell, watcher: _Watcher) -> None:
    """A module that the route of a loss names."""
    if not cell.flows:
        watcher.surprises.append(
            f"loss {name!r} gives module {module!r} no gradient, though it is in its route: its output is not used, or "
            "a detach() cuts it off"
        )
    elif not cell.norm > 0:
        watcher.surprises.append(
            f"loss {name!r} gives module {module!r} a gradient of {cell.norm:g}, though it is in its route: the branch "
            "is dead (units that are all 0, a weight of 0, or a function without slope)"
        )
    elif not cell.moves:
        watcher.surprises.append(
            f"the update of loss {name!r} does not move module {module!r}, though it is in its route: its optimizer "
            "does not hold the parameters of that module, or its learning rate is 0"
        )


def _judge_unused(experiment: Experiment, watcher: _Watcher) -> None:
    """Optimizers, losses, modules and single parameters that the step did nothing with."""
    for name in experiment.optimizers:
        if name not in watcher.table:
            watcher.surprises.append(f"optimizer {name!r} was never stepped: no update of that name was made")
    trained = {module: {name for name, r in experiment.routes.items() if module in r} for module in experiment.modules}
    for module, parameters in _parameters(experiment).items():
        live = {key: p for key, p in parameters.items() if p.requires_grad}
        if live and not trained[module] and module not in experiment.ema_modules:
            watcher.surprises.append(
                f"module {module!r} has parameters, but no loss trains it, and it is not named in `ema_modules`"
            )
        unused = [key for key, p in live.items() if not trained[module] & watcher.reached.get(id(p), set())]
        if trained[module] and unused and len(unused) < len(live):
            watcher.surprises.append(
                f"parameter {', '.join(map(repr, unused))} of module {module!r} is in none of its losses "
                f"({', '.join(sorted(trained[module]))}): it is not used, or a detach() cuts it off"
            )


def _judge_logged(watcher: _Watcher, terms: Terms) -> None:
    """What an update descends is what is logged, under its name or (with its penalties) as "loss"."""
    for name, values in watcher.values.items():
        if name not in terms and len(watcher.values) > 1:
            continue
        logged = {key: float(terms[key]) for key in (name, "loss") if key in terms}
        descended = (values[-1], math.fsum(values) / len(values))  # of several updates the last one, or the mean
        if any(_close(number, value) for number in logged.values() for value in descended):
            continue
        seen = " and ".join(f"{key!r} {number:.5g}" for key, number in logged.items())
        if any(_close(-number, value) for number in logged.values() for value in descended):
            watcher.surprises.append(
                f"the update of loss {name!r} descends {descended[0]:.5g}, which is minus what is logged ({seen}): it "
                "goes uphill. A sign is wrong"
            )
        else:
            watcher.surprises.append(
                f"the update of loss {name!r} descends {descended[0]:.5g}, but logged is {seen}: a term or a weight is "
                "missing in one of them"
            )


def _close(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-12)  # float32 keeps 7 digits of a loss


def _moved_otherwise(experiment: Experiment, batch: Batch, after: dict[str, dict[str, Array]]) -> list[str]:
    """The modules that another step from the same state leaves elsewhere, if old gradients lie in .grad."""
    with _undone(experiment):
        for parameters in _parameters(experiment).values():
            for p in parameters.values():
                p.grad = Tensor(array_module(p.data).full_like(p.data, 0.5))
        experiment.schedule(0)
        experiment.step(batch)
        now = _values(experiment)
    return [repr(module) for module in experiment.modules if _differing(after[module], now[module])]


@contextlib.contextmanager
def _undone(experiment: Experiment) -> Iterator[None]:
    """Whatever happens inside ``with`` is undone, bit for bit. Inside, no gradient is stored and optimizers are new."""
    modules, updates = experiment.modules, experiment.updates
    states = {name: module.state_dict() for name, module in modules.items()}
    modes = [(m, m.training) for module in modules.values() for _, m in module.named_modules()]
    tensors = [(p, p.grad, p.requires_grad) for ps in _parameters(experiment).values() for p in ps.values()]
    memories = [(o, o.states, o.lr) for o in experiment.optimizers.values()]
    positions = {name: generator.state for name, generator in experiment.generators.items()}
    watch = updates.watch
    try:
        for p, _, _ in tensors:
            p.grad = None
        for optimizer, _, _ in memories:
            optimizer.states = optimizer.initial_states()
        yield
    finally:
        for name, module in modules.items():
            module.load_state_dict(states[name])
        for one, training in modes:
            one.training = training
        for p, gradient, required in tensors:
            p.grad, p.requires_grad = gradient, required
        for optimizer, memory, lr in memories:
            optimizer.states, optimizer.lr = memory, lr
        for name, state in positions.items():
            experiment.generators[name].state = state
        updates.watch = watch


def _parameters(experiment: Experiment) -> dict[str, dict[str, Tensor]]:
    """All parameters, by module and name."""
    return {name: dict(module.named_parameters()) for name, module in experiment.modules.items()}


def _values(experiment: Experiment) -> dict[str, dict[str, Array]]:
    """A copy of all parameters as NumPy arrays, by module and name."""
    return {m: {key: np.array(p.numpy()) for key, p in ps.items()} for m, ps in _parameters(experiment).items()}


def _differing(before: dict[str, Array], now: dict[str, Array]) -> list[str]:
    return [key for key, array in before.items() if not np.array_equal(array, now[key])]


def _leaves(loss: Tensor) -> set[int]:
    """The ids of the Tensors that `loss` was made from and that require a gradient."""
    found, seen, stack = set(), set(), [loss]
    while stack:
        t = stack.pop()
        if id(t) in seen:
            continue
        seen.add(id(t))
        if t.node is None:
            found.add(id(t))
        else:
            stack += [x for x in t.node.inputs if isinstance(x, Tensor) and x.requires_grad]
    return found


def _gradients(experiment: Experiment, name: str, loss: Tensor, used: set[int]) -> dict[int, Array]:
    """The gradients of `loss` in the parameters that it was made from, by their ids.

    Where another update has since changed what lies on the way, only those of the loss's own optimizer can be had.
    """
    groups = [p for parameters in _parameters(experiment).values() for p in parameters.values()]
    for asked in (groups, experiment.optimizers[name].params):
        targets = list({id(p): p for p in asked if id(p) in used}.values())
        with contextlib.suppress(GradientError):
            gradients = grad(loss, targets) if targets else ()
            return {id(p): g.numpy() for p, g in zip(targets, gradients, strict=True)}
    return {}


def _norm(gradients: list[Array | None]) -> float:
    """The norm of all of them together; NaN if one is not known."""
    return math.sqrt(sum(math.nan if g is None else float(np.square(g, dtype="f8").sum()) for g in gradients))
