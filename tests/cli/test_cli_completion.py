"""Completion in real shells: the script is loaded, words are typed, and what the shell would offer is looked at.

Read next: ``minigen/cli/completion.py``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from minigen.algorithms.catalog import MODELS
from minigen.cli.app import commands
from minigen.cli.completion import VARIABLE
from minigen.data import NAMES

#: What is typed, and what is offered.
TYPED = {
    "minigen exercise 1": {"1", *(str(n) for n in range(10, 17))},
    "minigen exercise 2.": {"2.1", "2.2", "2.3"},
    "minigen exercise 2 an": set(),  # files
    "minigen kernel max_": {"max_pool2d"},
    "minigen comp": {"compare", "completion"},
    "minigen train co": {name for name in MODELS if name.startswith("co")},
    "minigen train dcgan --be": {"--beta1", "--beta2"},
    "minigen train ae --be": set(),
    "minigen train vae --dataset ": set(NAMES),
    "minigen train vae --log ": {"csv", "tensorboard", "csv,tensorboard"},
    "minigen sample ": {"runs/first", "other"},
    "minigen sample runs/f": {"runs/first"},
    "minigen train --resume ./o": {"./other"},
    "minigen encode other --sp": {"--split"},
    "minigen completion f": {"fish"},
}

#: A command of each shell that prints a line for each word that it would offer. It is given the words.
SHELLS = {
    "bash": r"""
        eval "$(minigen completion bash)"
        words="$1 "; typed=${1##* }; COMP_WORDS=($1); [ -n "$typed" ] || COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _minigen_completion minigen "$typed"; printf '%s\n' "${COMPREPLY[@]}"
    """,
    "zsh": r"""
        compdef() { }
        eval "$(minigen completion zsh)"
        compadd() { print -l -- $completions }
        _describe() { print -l -- ${completions_with_descriptions/:*/} }
        words=("${(@s: :)1}"); CURRENT=${#words}; _minigen_completion
    """,
    "fish": r"minigen completion fish | source; complete -C $argv[1] | string replace -r '\t.*' ''",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs, and the command `minigen` as a program."""
    folder = tmp_path_factory.mktemp("completion")
    for run in ("runs/first", "other"):
        (folder / run).mkdir(parents=True)
        (folder / run / "config.toml").write_text('model = "ae"\n')
    (folder / "runs" / "no-run").mkdir()
    (folder / "bin").mkdir()
    program = folder / "bin" / "minigen"
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path if entry)
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{path}" exec "{sys.executable}" -m minigen "$@"\n')
    program.chmod(0o755)
    return folder


def offered(shell: str, typed: str, folder: Path) -> set[str]:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    flags = {"zsh": ["-f"], "fish": ["--no-config"], "bash": ["--norc"]}[shell]
    words = [program, *flags, "-c", SHELLS[shell], *([shell] if shell != "fish" else []), typed]
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "HOME": str(folder)}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stderr and "error" not in done.stderr, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("typed", TYPED)
def test_what_is_offered(typed: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As click finds it, without a shell."""
    monkeypatch.chdir(folder)
    _, *words, last = typed.split(" ")
    found = ShellComplete(commands, {}, "minigen", VARIABLE).get_completions(words, last)
    assert {item.value for item in found if item.type == "plain"} == TYPED[typed]


@pytest.mark.skipif(sys.platform == "win32", reason="shells of Unix")
@pytest.mark.parametrize("typed", ["minigen train co", "minigen train vae --log ", "minigen sample runs/f"])
def test_bash(typed: str, folder: Path) -> None:
    assert offered("bash", typed, folder) == TYPED[typed]


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["zsh", "fish"])
@pytest.mark.parametrize("typed", ["minigen train co", "minigen sample runs/f"])
def test_other_shells(shell: str, typed: str, folder: Path) -> None:
    assert offered(shell, typed, folder) == TYPED[typed]


def test_no_code_of_the_user_is_executed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "mine.py").write_text("open('executed', 'w')\n")
    found = ShellComplete(commands, {}, "minigen", VARIABLE).get_completions(["train", "mine.py:Model"], "--ep")
    assert [item.value for item in found] == ["--epochs"]
    assert not (folder / "executed").exists()
