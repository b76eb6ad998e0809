"""``minigen data inspect``: what would be read of a data set, and what is refused, before a training is lost.

Imports: data.inspection, runs.model_fit, training. Read next: ``minigen/data/inspection.py``.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import click
import numpy as np

from minigen.algorithms.catalog import find_recipe
from minigen.algorithms.options import ConfigError
from minigen.cli.console import echo
from minigen.cli.output import PICTURE, Output, data_places, force_option
from minigen.cli.settings import Setting
from minigen.data.inspection import Inspection, inspect_data
from minigen.pictures import as_png, grid
from minigen.runs.model_fit import ModelFit, fit_models
from minigen.runs.settings import plain_options
from minigen.training.config import GENERAL, PICTURES, given_picture_options
from minigen.training.prepare import check_dataset

MOST = 10  # refusals, classes and copies that are printed one by one
DELAY, INTERVAL = 2.0, 0.2  # seconds before the first line about how far a look has come, and between two
READING = ("data_dir", "letters", *PICTURES)


@click.group(invoke_without_command=True)
@click.pass_context
def data(ctx: click.Context) -> None:
    """Look at a data set before a model is trained on it."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@data.command("inspect", params=[Setting(name, GENERAL[name]) for name in READING])
@click.argument("path")
@click.option("-o", "output", metavar="FILE.png", help="write the mean image")
@click.option("--model", "models", multiple=True, metavar="MODEL", help="only this model, with all of its layers")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@force_option
@click.pass_context
def inspect(
    ctx: click.Context,
    /,
    path: str,
    output: str | None,
    models: tuple[str, ...],
    as_json: bool,
    force: bool,
    **flags: Any,
) -> None:
    """Say what would be read of the data set PATH, what is refused and why, and which models fit.

    PATH is a file, folder or pattern as --dataset of minigen train has it, or the name of a data set. Every file is
    opened; exit code 1 if one is refused.

    \b
    minigen data inspect pictures
    minigen data inspect pictures --labels labels.csv:kind --image-size 32x48 -o mean.png
    minigen data inspect shards --model dcgan --json
    """  # noqa: D301 - click wants the true backspace: it keeps the lines below apart
    options = plain_options(flags)
    names = [find_recipe(name).name for name in models]
    written = None if output is None else Output(output, PICTURE, force=force)
    config = {"dataset": path, **{name: GENERAL[name].default for name in READING}, **options}
    check_dataset(config)
    if written is not None:
        written.keep(*data_places(config))
    reading = given_picture_options(options)
    with _Telling() as telling:
        found = inspect_data(
            path, reading, data_dir=options.get("data_dir"), letters=options.get("letters", False), tell=telling.tell
        )
    fits = _fits(found, names or None)
    if written is not None:
        if found.mean_image is None:
            raise ConfigError(
                f"-o: there is no mean image: {found.refused[0].reason if found.refused else 'no images'}"
            )
        shown = found.mean_image[None, : 3 if len(found.mean_image) >= 3 else 1].astype(np.float32)
        written.write(as_png(grid(shown, value_range=found.value_range)))
    if as_json:
        echo(json.dumps(_facts(found, fits)))
    else:
        _print(found, fits, detailed=bool(names))
        if written is not None:
            echo(f"{output}: the mean of {found.count:,} images")
    ctx.exit(1 if found.refused else 0)


class _Telling:
    """A line on the terminal that says how far a long look has come; nothing in a file or pipe, or in a short one."""

    def __init__(self) -> None:
        self.start, self.width, self.shown = time.monotonic(), 0, 0.0

    def tell(self, done: int, of: int) -> None:
        """`done` of so many looks."""
        now = time.monotonic()
        if sys.stderr.isatty() and now - self.start > DELAY and now - self.shown > INTERVAL:
            self.shown = now
            self._write(f"minigen: {done / of:.0%} of {of // 2:,} pictures looked at")

    def _write(self, line: str) -> None:
        click.echo("\r" + line.ljust(self.width), nl=False, err=True)
        self.width = len(line)

    def __enter__(self) -> _Telling:
        return self

    def __exit__(self, *_: object) -> None:
        if self.width:
            self._write("")
            click.echo("\r", nl=False, err=True)


def _fits(found: Inspection, names: list[str] | None) -> list[ModelFit]:
    """What becomes of the models; of images that have no common shape, nothing."""
    if found.shape is None or found.mean is None:
        return []
    classes = None if found.classes is None else len(found.classes)
    images = found.splits.get("train", 0)
    return list(
        fit_models(found.shape, found.value_range, mean=found.mean, classes=classes, images=images, names=names)
    )


def _print(found: Inspection, fits: list[ModelFit], *, detailed: bool) -> None:
    rows = {
        "images": _counted(found),
        "stored": ", ".join(f"{n:,} {kind}" for kind, n in found.kinds.items() if n),
        "sizes": _sizes(found),
        "become": _becoming(found),
        "classes": _classes(found),
        "copies": _copies(found),
        "memory": _memory(found),
    }
    for name, value in rows.items():
        if value:
            echo(f"{name:<8} {value}")
    for note in found.notes:
        echo(f"{'note':<8} {note}")
    if found.refused:
        echo(f"{'refused':<8} {len(found.refused):,}, so nothing of it would be read:")
        for refusal in found.refused[:MOST]:
            echo(f"  {refusal.name}: {refusal.reason}" if refusal.name else f"  {refusal.reason}")
        if len(found.refused) > MOST:
            echo(f"  and {len(found.refused) - MOST:,} more")
    if fits:
        echo(f"{'models':<8} with their default options, and about the memory that training needs besides the images:")
    for fit in fits:
        _print_fit(fit, detailed)


def _print_fit(fit: ModelFit, detailed: bool) -> None:
    if fit.networks is None:
        echo(f"  {fit.name:<15} does not fit: {fit.refused}")
        return
    line = f"  {fit.name:<15} {fit.parameters:>13,} parameters  {_bytes(fit.memory):>8}"
    if not detailed:
        sizes = max((n.sizes for n in fit.networks.values()), key=len)
        echo(f"{line}  {' '.join(f'{h}x{w}' for h, w in sizes) or 'dense'}")
        return
    echo(f"{line}  batches of {fit.batch_size}")
    for name, network in fit.networks.items():
        if network.parameters:
            echo(f"    {name}: {network}: {network.parameters:,} parameters")
    for note in fit.advice:
        echo(f"    note: {note}")


def _counted(found: Inspection) -> str:
    parts = " and ".join(
        f"{n:,} {'to train on' if split == 'train' else 'of the test set'}" for split, n in found.splits.items()
    )
    return f"{found.count:,}: {parts}{' (a tenth, drawn at random)' if found.drawn else ''}" if parts else ""


def _sizes(found: Inspection) -> str:
    shown = [f"{h}x{w}" + (f" ({n:,})" if len(found.sizes) > 1 else "") for (h, w), n in found.sizes.most_common(MOST)]
    more = f" and {len(found.sizes) - MOST:,} more" if len(found.sizes) > MOST else ""
    return f"{', '.join(shown)}{more} (height x width)" if shown else ""


def _becoming(found: Inspection) -> str:
    if found.shape is None or found.mean is None:
        return ""
    low, high = found.value_range
    return (
        f"{found.dtype} {'x'.join(map(str, found.shape))} (channels x height x width), values {low:g} to {high:g}; "
        f"they go from {found.low:.4g} to {found.high:.4g}, mean {found.mean:.4g}"
    )


def _classes(found: Inspection) -> str:
    if found.classes is None:
        return "none: no labels" if found.count else ""
    rows = [f"{name} {' + '.join(f'{n:,}' for n in counts.values())}" for name, counts in found.classes.items()]
    more = f", and {len(rows) - MOST:,} more" if len(rows) > MOST else ""
    return f"{len(rows):,}: {', '.join(rows[:MOST])}{more}"


def _copies(found: Inspection) -> str:
    shown = ", ".join(f"{one} is {other}" for one, other in found.copies[: MOST // 2])
    more = f", and {len(found.copies) - MOST // 2:,} more" if len(found.copies) > MOST // 2 else ""
    leaks = f" ({found.leaks:,} in the test set of one to train on, or the other way)" if found.leaks else ""
    return f"{len(found.copies):,} of the same pixels as others{leaks}: {shown}{more}" if shown else ""


def _memory(found: Inspection) -> str:
    if not found.nbytes:
        return ""
    where = "stay in their files, and are read batch by batch" if found.streamed else "are loaded into memory"
    choice = "" if found.in_files is False else " (--stream, --no-stream)"  # such as MNIST, which is always loaded
    return f"{_bytes(found.nbytes)} of pixels, which {where}{choice}"


def _bytes(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} TB"


def _facts(found: Inspection, fits: list[ModelFit]) -> dict[str, Any]:
    """What ``--json`` prints."""
    return {
        "name": found.name,
        "splits": found.splits,
        "test_set_is_drawn": found.drawn,
        "shape": found.shape,
        "dtype": found.dtype,
        "value_range": found.value_range,
        "low": found.low,
        "high": found.high,
        "mean": found.mean,
        "sizes": {f"{h}x{w}": n for (h, w), n in found.sizes.items()},
        "stored": {kind: n for kind, n in found.kinds.items() if n},
        "classes": found.classes,
        "copies": found.copies,
        "leaks": found.leaks,
        "refused": [{"name": r.name, "reason": r.reason} for r in found.refused],
        "notes": found.notes,
        "bytes": found.nbytes,
        "streamed": found.streamed,
        "models": {
            fit.name: {"fits": False, "reason": fit.refused}
            if fit.networks is None
            else {
                "fits": True,
                "parameters": fit.parameters,
                "memory": fit.memory,
                "batch_size": fit.batch_size,
                "networks": {
                    name: {"layers": str(n), "parameters": n.parameters, "sizes": n.sizes}
                    for name, n in fit.networks.items()
                },
                "advice": fit.advice,
            }
            for fit in fits
        },
    }
