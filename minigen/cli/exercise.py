"""``minigen exercise``: the exercises of the guide: what there is, the tasks, a file to fill in, and its check.

Exit codes: 0 right, or shown; 1 an answer is wrong or still missing; 2 there was nothing to check.

Imports: exercises. Read next: ``minigen/exercises/chapters.py``.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from minigen.algorithms.options import ConfigError
from minigen.algorithms.user_code import UserCodeError
from minigen.atomic import write_atomically
from minigen.cli.completion import complete_file
from minigen.cli.console import echo
from minigen.exercises.answers import Answers, Outcome, start_file, why_not_loaded
from minigen.exercises.chapters import chapter, numbers, wanted
from minigen.exercises.exercise import Exercise

WRONG, NOT_CHECKED = 1, 2


def complete_number(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Numbers of chapters; after a point, of the exercises of that chapter."""
    if "." not in incomplete:
        found = [str(number) for number in numbers()]
    else:
        whole = incomplete.partition(".")[0]
        found = [one.number for number in numbers() if str(number) == whole for one in chapter(number).exercises]
    return [CompletionItem(number) for number in found if number.startswith(incomplete)]


@click.command()
@click.argument("number", required=False, metavar="[NUMBER]", shell_complete=complete_number)
@click.argument("file", required=False, metavar="[FILE.py]", shell_complete=complete_file)
@click.option(
    "--start",
    metavar="FILE.py",
    shell_complete=complete_file,
    help="write the tasks and the code to fill in to a new file",
)
@click.pass_context
def exercise(ctx: click.Context, number: str | None, file: str | None, start: str | None) -> None:
    """Show and check the exercises of the guide (docs/guide).

    NUMBER is that of a chapter, 2, or of one exercise, 2.1. Without FILE.py its tasks are shown; with it, the answers
    in that file are checked.

    \b
    minigen exercise                        all exercises
    minigen exercise 2                      the tasks of chapter 2
    minigen exercise 2 --start answers.py   a file to fill in
    minigen exercise 2 answers.py           is it right, and where is it not?
    minigen exercise 2.1 answers.py         one of them

    Exit code: 0 right, 1 wrong or not finished, 2 nothing to check.
    """  # noqa: D301 - click wants the true backspace: it keeps the lines below apart
    if number is None:
        if start is not None:
            raise ConfigError("--start: of which chapter? minigen exercise 2 --start answers.py")
        _list()
        return
    found, exercises = wanted(number)
    if start is not None:
        if file is not None:
            raise ConfigError(f"{file} is to be checked, {start} to be written: give one of the two")
        _write(start, start_file(number, exercises, start))
        echo(f"written: {start}\nnext: fill it in, then minigen exercise {number} {shlex.quote(start)}")
    elif file is None:
        echo(f"{found.number}. {found.title}\n")
        for one in exercises:
            echo(f"{one.number} {one.title}\n\n{one.task.strip()}\n\n{_indented(one.start)}\n")
        echo(f"next: minigen exercise {number} --start answers.py")
    else:
        ctx.exit(_check(number, file, exercises))


def _list() -> None:
    for number in numbers():
        found = chapter(number)
        echo(f"{number}. {found.title}")
        for one in found.exercises:
            echo(f"   {one.number} {one.title}")
    echo(f"\nnext: minigen exercise {numbers()[0]}")


def _write(path: str, text: str) -> None:
    """The text as a new file. ConfigError if there is one of that name, or it would be no Python file."""
    if not path.endswith(".py"):
        raise ConfigError(f"--start {path}: take a name that ends in .py")
    if os.path.lexists(path):
        raise ConfigError(f"--start {path}: there is a file of this name, which is kept; take another name")
    if not Path(path).absolute().parent.is_dir():
        raise ConfigError(f"--start {path}: there is no folder {Path(path).parent}")
    write_atomically(path, text.encode())


def _check(number: str, file: str, exercises: tuple[Exercise, ...]) -> int:
    """Check the answers one by one, say what is wrong, and return the exit code."""
    try:
        answers = Answers(file)
    except UserCodeError as error:
        raise ConfigError(f"{file} cannot be run: {why_not_loaded(error)}") from error
    except ConfigError as error:
        if os.path.exists(file):
            raise
        raise ConfigError(f"{error} To begin one: minigen exercise {number} --start {file}") from error
    width = max(len(one.title) for one in exercises)
    outcomes: list[Outcome] = []
    for one in exercises:
        outcomes.append(answers.check(one))
        echo(f"{one.number} {one.title:<{width}}  {outcomes[-1].verdict}")
        if outcomes[-1].text:
            echo(_indented(outcomes[-1].text))
    verdicts = [outcome.verdict for outcome in outcomes]
    right = verdicts.count("right")
    if len(exercises) > 1:
        echo(f"{right} of {len(exercises)} right")
    if right == len(exercises):
        return 0
    return WRONG if right or "wrong" in verdicts else NOT_CHECKED


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.strip().splitlines())
