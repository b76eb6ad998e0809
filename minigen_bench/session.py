"""A whole run: step after step, each kept as soon as it is measured.

Imports: the standard library, harness, steps, tables. Read next: ``minigen/cli/bench.py``, ``benchmarks/run.py``.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from minigen_bench import harness
from minigen_bench.harness import Say, Settings, environment, import_folders, measure, missing_peers, on_cores
from minigen_bench.steps import STEPS

Show = Callable[[dict[str, Any], str], None]  # the result so far, and the name of its new step

#: The groups that `--models` takes beside the names of steps.
QUICK = ("dense-ae", "conv-ae", "conv-vae-16", "wide-ae")
GROUPS = {"all": tuple(STEPS), "training": tuple(name for name, step in STEPS.items() if step.trains), "quick": QUICK}


def chosen(what: str, words: str, known: Sequence[str], groups: dict[str, tuple[str, ...]]) -> list[str]:
    """The names in a list with commas; ValueError, with all that there are, for one that is not known."""
    found: list[str] = []
    for word in filter(None, (word.strip() for word in words.split(","))):
        if word not in known and word not in groups:
            raise ValueError(f"{what}: {word} is not known; choose from {', '.join([*groups, *known])}")
        found += [name for name in groups.get(word, (word,)) if name not in found]
    return found


def empty_result(settings: Settings, peers: Sequence[str], note: str = "") -> dict[str, Any]:
    """A result without steps: where it is measured, and how."""
    env, removed = environment(1)
    command = [sys.executable, "-m", "minigen_bench.machine", "facts"]
    facts = json.loads(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)
    machine = {
        **facts,
        "system": platform.platform(),
        "cores": harness.cores(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "removed": removed,
    }
    run = {key: getattr(settings, key) for key in ("threads", "rounds", "seconds", "device")}
    return {
        "date": datetime.date.today().isoformat(),
        "machine": machine,
        "versions": {"python": platform.python_version()},
        "run": run | ({"batch_size": settings.batch} if settings.batch else {}),
        "left_out": missing_peers(peers, settings.device),
        "note": note,
        "models": {},
    }


def continued(result: dict[str, Any], file: Path, names: Sequence[str], peers: Sequence[str]) -> None:
    """Take over the steps that `file` has, if they were measured with the same code, settings and peers."""
    with contextlib.suppress(FileNotFoundError):
        before = json.loads(file.read_text(encoding="utf-8"))
        if before["run"] != result["run"]:
            return
        wanted = {*peers} - result["left_out"].keys()
        for name in names:
            model = before["models"].get(name)
            if model and model.get("commit") == commit() and wanted <= model["runs"].keys() | model["left_out"].keys():
                result["models"][name] = model
        result["versions"] |= before["versions"]
        result["machine"] |= {key: value for key, value in before["machine"].items() if key not in result["machine"]}


def run(
    result: dict[str, Any],
    names: Sequence[str],
    peers: Sequence[str],
    settings: Settings,
    *,
    file: Path | None = None,
    say: Say = lambda _: None,
    show: Show = lambda *_: None,
) -> None:
    """Measure the steps that `result` does not have yet; it is written to `file` and shown after each of them."""
    present = [peer for peer in peers if peer not in result["left_out"]]
    code = commit()
    with on_cores(settings.threads):
        for name in names:
            if name not in result["models"]:
                model = measure(name, present, settings, say)
                result["machine"] |= model.pop("facts")
                for library in model["runs"].values():
                    result["versions"] |= library.pop("versions")
                result["models"][name] = {**model, "date": datetime.date.today().isoformat(), "commit": code}
                result["models"] = {name: result["models"][name] for name in STEPS if name in result["models"]}
                if file is not None:
                    write(result, file)
            show(result, name)


def write(result: dict[str, Any], file: Path) -> None:
    """The result as JSON, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.part")
    part.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    part.replace(file)


def commit() -> str | None:
    """The last commit that changed the code, if it runs from a git checkout, with a mark if it was changed since."""
    where, folders = import_folders()[0], ("minigen", "kernels", "minigen_bench")
    if not (where / ".git").exists():
        return None

    def git(*words: str) -> str:
        command = ["git", "-C", str(where), *words, "--", *folders]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()

    with contextlib.suppress(OSError, subprocess.SubprocessError):
        return git("log", "-1", "--format=%h") + (" (changed)" if git("status", "--porcelain") else "")
    return None
