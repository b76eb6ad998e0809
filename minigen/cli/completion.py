"""``minigen completion``: what a shell needs to complete the command, and the words that it is given.

Nothing of a user's own is executed or opened for it: of a run folder it counts that it has a ``config.toml``.

Imports: click, algorithms, data. Read next: ``settings.py``, ``app.py``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

from minigen.algorithms.catalog import MODELS
from minigen.data import NAMES

SHELLS = {
    "bash": 'eval "$(minigen completion bash)"    in ~/.bashrc',
    "zsh": 'eval "$(minigen completion zsh)"     in ~/.zshrc, after compinit',
    "fish": "minigen completion fish | source    in ~/.config/fish/config.fish",
}
VARIABLE = "_MINIGEN_COMPLETE"  # by which the script asks; click's name for it


@click.command()
@click.argument("shell", type=click.Choice(list(SHELLS)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script by which a shell completes commands, options, models, data sets and run folders.

    \b
    bash:  eval "$(minigen completion bash)"    in ~/.bashrc
    zsh:   eval "$(minigen completion zsh)"     in ~/.zshrc, after compinit
    fish:  minigen completion fish | source    in ~/.config/fish/config.fish
    """  # noqa: D301 - click wants the true backspace: it keeps the lines below apart
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(ctx.find_root().command, {}, "minigen", VARIABLE).source())


def complete_model(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Models by name; FILE.py:CLASS is completed as a file."""
    return _items({name: recipe.summary for name, recipe in MODELS.items()}, incomplete, "file")


def complete_dataset(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Data sets by name, or files."""
    return _items(dict.fromkeys(NAMES, ""), incomplete, "file")


def complete_run(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Run folders: below ``runs/``, or in the folder that was typed so far; else folders."""
    folder = os.path.dirname(incomplete)
    places = [folder] if folder else ["runs", ""]
    found = [str(path.parent) for place in places for path in sorted(Path(place).glob("*/config.toml"))]
    written = incomplete[: len(incomplete) - len(incomplete.lstrip("./"))] if incomplete.startswith("./") else ""
    return _items({written + path: "" for path in found}, incomplete, "dir")


def complete_file(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files."""
    return _items({}, incomplete, "file")


def complete_choice(choices: Iterable[str]) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """A function that completes one of these words."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(word) for word in choices if word.startswith(incomplete)]

    return complete


def _items(words: dict[str, str], incomplete: str, otherwise: str) -> list[CompletionItem]:
    """The words that begin like this, with their help; if there are none, files ("file") or folders ("dir")."""
    found = [CompletionItem(word, help=help or None) for word, help in words.items() if word.startswith(incomplete)]
    return found or [CompletionItem(incomplete, type=otherwise)]
