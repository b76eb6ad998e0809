"""What the commands with a page share: where it is served, and serving it until Ctrl-C.

Imports: serving, console. Read next: ``minigen/serving/server.py``.
"""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Callable, Mapping
from typing import Any

import click

from minigen.cli.console import echo, say_note
from minigen.serving import Route, Server
from minigen.serving.server import LOCAL

Function = Callable[..., Any]


def page_options(function: Function) -> Function:
    """``--host``, ``--port`` and ``--no-browser``, as `host`, `port` and `browser`."""
    host = click.option(
        "--host", metavar="ADDRESS", default=LOCAL, show_default=True, help="the interface; others can then reach it"
    )
    port = click.option("--port", type=click.IntRange(1, 65535), help="of the server  [default: a free one]")
    browser = click.option(
        "--no-browser", "browser", is_flag=True, default=True, flag_value=False, help="open no browser"
    )
    return host(port(browser(function)))


def show(routes: Mapping[str, Route], host: str, port: int | None, browser: bool) -> None:
    """Serve a page until Ctrl-C: print its address, and open it."""
    with Server(routes, host=host, port=port or 0) as server:
        if not server.is_local:
            say_note(f"--host {host}: everybody who can reach this machine can use the page; there is no password")
        echo(f"{server.url}  (Ctrl-C ends it)")
        sys.stdout.flush()
        if browser and can_open_browser():
            webbrowser.open(server.url)
        server.wait()
    echo("")


def can_open_browser() -> bool:
    """Is there a screen? Without one `webbrowser` would start a browser in this terminal."""
    if sys.platform in ("win32", "darwin"):
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
