"""``minigen compare``: several runs in one table and one picture.

Imports: runs, pictures. Read next: ``evaluate.py``, ``minigen/runs/evaluation.py``.
"""

from __future__ import annotations

import json
from typing import Any

import click
import numpy as np

from minigen.algorithms.options import ConfigError
from minigen.cli.completion import complete_run
from minigen.cli.console import echo
from minigen.cli.opening import density_option, json_option, k_option, opens_run, samples_option, seed_option
from minigen.cli.output import PICTURE, Output
from minigen.pictures import POINT, as_png, grid, sheet
from minigen.runs import Run
from minigen.runs.drawing import draw
from minigen.runs.evaluation import Evaluation, Plan, check_plan, measure, to_unit_range
from minigen.training.config import PICTURES

COLUMNS, POINTS = 16, 2000  # images in a row of the picture; points in a panel of it


def _several(ctx: click.Context, param: click.Parameter, runs: tuple[str, ...]) -> tuple[str, ...]:
    if len(runs) < 2:
        raise ConfigError("minigen compare needs two runs or more; for one there is minigen evaluate")
    return runs


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN RUN ...", callback=_several, shell_complete=complete_run)
@click.option("-o", "--output", metavar="FILE.png", help="a picture with rows of each run; an old one is replaced")
@samples_option
@k_option
@density_option(
    "draw codes of models without a prior from a density fitted to those of training images  "
    "[by default their samples are not measured; the picture shows those of a mixture]"
)
@seed_option("of the samples")
@opens_run(PICTURE)
@json_option
@click.pass_context
def compare(ctx: click.Context, /, trained: list[Run], target: Output | None, as_json: bool, **options: Any) -> None:
    """Measure several runs on the same test images, side by side.

    Each RUN is the folder of a run; all must be of one data set. What is measured: see minigen evaluate.
    """
    runs: tuple[str, ...] = ctx.params["runs"]
    _check_same_data(runs, trained)
    plans = [_plan(one, **options) for one in trained]
    for one, plan in zip(trained, plans):
        check_plan(one, plan)  # all of them, before the first is measured
    with np.errstate(all="ignore"):
        found = [measure(one, plan, lambda text: echo(text, err=True)) for one, plan in zip(trained, plans)]
        legend = [] if target is None else _picture(target, runs, trained, plans)
    if as_json:
        facts = [{"run": run, **f.as_dict()} for run, f in zip(runs, found, strict=True)]
        echo(json.dumps({"runs": facts, "picture": target and target.name, "rows": legend}))
        return
    _print_table(runs, trained, found)
    for line in legend if target is None else [f"{target.name}, from top to bottom:", *legend]:
        echo(line)


def _plan(trained: Run, samples: int | None, k: int, density: str | None, seed: int) -> Plan:
    """What the options mean for one of several runs: nothing is asked of a model that it cannot do."""
    latent = trained.experiment.latent
    if latent is None:
        return Plan(None, k, None, seed)
    return Plan(samples, k, density if latent.draw is None and samples != 0 else None, seed)


def _check_same_data(runs: tuple[str, ...], trained: list[Run]) -> None:
    """ConfigError if two runs are of other images: their numbers could not be compared."""
    for name in ("dataset", "letters", *PICTURES):
        first = trained[0].config[name]
        for run, one in zip(runs, trained, strict=True):
            if one.config[name] != first:
                raise ConfigError(
                    f"{run} was trained with {name} {one.config[name]}, {runs[0]} with {first}; "
                    "compare runs of one data set"
                )


def _print_table(runs: tuple[str, ...], trained: list[Run], found: list[Evaluation]) -> None:
    """A row for each number, a column for each run, each with its standard error; below it the units."""
    columns = [f"[{i + 1}]" for i in range(len(runs))]
    for column, run, one in zip(columns, runs, trained, strict=True):
        echo(f"{column} {run}: {one.recipe.name}, {one.checkpoint} checkpoint")
    units = {name: m.unit for f in found for name, m in f.report.items()}
    width = max((len(name) for name in units), default=0)
    echo(f"{'':<{width}}  " + "".join(f"{column:>20}" for column in columns))
    for name in units:
        cells = []
        for f in found:
            m = f.report.get(name)
            error = "" if m is None or m.error is None else f" ±{m.error:.1g}"
            cells.append("-" if m is None else f"{m.value:.4f}{error}")
        echo(f"{name:<{width}}  " + "".join(f"{cell:>20}" for cell in cells))
    for name, unit in units.items():
        echo(f"{name}: {unit}")
    for column, f in zip(columns, found, strict=True):
        for name, reason in f.left_out.items():
            echo(f"{column} {name}: left out: {reason}")
        for line in f.checkup.lines():
            echo(f"{column} {line}")


def _picture(target: Output, runs: tuple[str, ...], trained: list[Run], plans: list[Plan]) -> list[str]:
    """Write a picture with test images and, of each run, reconstructions and samples; return what its rows are.

    Points of the plane are plotted instead, one panel after the other.
    """
    test = trained[0].images("test")
    points = test.image_shape == POINT
    n = min(POINTS if points else COLUMNS, len(test))
    places = test.random_indices(n)
    rows, legend = [to_unit_range(test.images_float(places), test.value_range)], ["test images"]
    for run, one, plan in zip(runs, trained, plans, strict=True):
        same = one.images("test").subset(places)
        experiment = one.conditioned_on(same.labels)
        if experiment.reconstruct is not None:
            rows.append(to_unit_range(experiment.reconstruct(same.images_float()), same.value_range))
            legend.append(f"{run}: reconstructions")
        if experiment.latent is not None and plan.samples != 0 and (experiment.latent.draw or experiment.encode):
            drawn = draw(one, n=n, density=plan.density, seed=plan.seed)
            rows.append(to_unit_range(drawn.images, same.value_range))
            legend.append(f"{run}: samples, codes from the {drawn.origin}")
    if points:
        target.write(as_png(sheet(rows)))
    else:
        images = np.concatenate(rows)
        target.write(as_png(grid(images[:, : 3 if images.shape[1] >= 3 else 1], n)))
    return legend
