"""``minigen watch``: curves, pictures and findings of runs in the browser, while they train and afterwards.

Imports: dashboard, serving. Read next: ``page.py``, ``minigen/dashboard/page.py``.
"""

from __future__ import annotations

import click

from minigen.cli.completion import complete_run
from minigen.cli.console import echo
from minigen.cli.output import PAGE, Output, force_option
from minigen.cli.page import page_options, show
from minigen.dashboard import find_runs, routes, snapshot


@click.command()
@click.argument("runs", nargs=-1, metavar="[RUN ...]", shell_complete=complete_run)
@click.option(
    "-o", "--output", metavar="PAGE", help="write the page, FILE.html or a folder with index.html, and serve nothing"
)
@page_options
@force_option
def watch(runs: tuple[str, ...], output: str | None, host: str, port: int | None, browser: bool, force: bool) -> None:
    """Watch runs in the browser: curves, pictures, what the doctor found, speed.

    Each RUN is the folder of a run, or one that holds runs; without any it is runs/. Folders are
    only read: it works during training, afterwards, and for what a killed process has left.
    With -o the page is one file that shows the runs as they stand now, and needs no network.

    \b
    minigen watch
    minigen watch runs/vae-glyphs-2026-11-20_17-30-09 runs/dcgan-mnist-2026-11-21_09-12-40
    minigen watch runs -o training.html
    """  # noqa: D301 - click wants the true backspace: it keeps the lines below apart
    paths = runs or ("runs",)
    found = find_runs(paths)
    if output is None:
        show(routes(lambda: find_runs(paths)), host, port, browser)
        return
    target = Output(output, PAGE, force=force)
    target.keep(*(file for watched in found for file in watched.folder.files()))
    page = snapshot(found).encode()
    target.write(page)
    count = f"{len(found)} run{'' if len(found) == 1 else 's'}"
    echo(f"{target.path}: {len(page) / 1e6:.1f} MB, {count} as of now; open it in a browser")
