"""``minigen explore``: a page to look inside a trained model, served here, or written to a file to be shared.

Imports: explore, serving. Read next: ``page.py``, ``minigen/explore/page.py``.
"""

from __future__ import annotations

import click

from minigen.algorithms.options import ConfigError
from minigen.cli.completion import complete_run
from minigen.cli.console import echo, say_note
from minigen.cli.opening import opens_run
from minigen.cli.output import PAGE, Output
from minigen.cli.page import page_options, show
from minigen.explore.page import html, routes
from minigen.runs import Run
from minigen.serving.server import LOCAL

LARGE = 30  # MB


@click.command()
@click.argument("run", shell_complete=complete_run)
@click.option(
    "-o", "--output", metavar="PAGE", help="write the page, FILE.html or a folder with index.html, and serve nothing"
)
@page_options
@opens_run(PAGE)
def explore(run: Run, target: Output | None, host: str, port: int | None, browser: bool) -> None:
    """Look inside a trained model, in the browser.

    RUN is the folder of a run. Without -o the page is served on this machine, and minigen
    computes its images. With -o it is one file that needs neither minigen nor a network: it
    can be sent to a friend, or laid on any web server.

    \b
    minigen explore runs/vae-glyphs-2026-11-20_17-30-09
    minigen explore runs/vae-glyphs-2026-11-20_17-30-09 -o page.html
    """  # noqa: D301 - click wants the true backspace: it keeps the lines below apart
    if target is None:
        show(routes(run), host, port, browser)
        return
    if port is not None or host != LOCAL:
        raise ConfigError(f"-o writes a page and serves none: leave {'--host' if port is None else '--port'} out")
    page = html(run).encode()
    target.write(page)
    size = len(page) / 1e6
    echo(f"{target.path}: {size:.1f} MB, the page of {run.checkpoint_path}; open it in a browser")
    if size > LARGE:
        say_note(
            f"a page above {LARGE} MB opens slowly, and few mailboxes take it: it holds all weights of the networks"
        )
