"""How long until the first training update, in a new process: on a fresh machine, with data but nothing compiled, warm?

    python benchmarks/cold_start.py --models ae,conv-ae,dcgan          # about three minutes

Runs ``minigen train MODEL`` and ends it at the moment when every optimizer has made its first update. "fresh" has empty
caches, so the glyphs are drawn and all kernels compiled; "compiling" finds the data; "alone" does, too, but has no help
from processes on other cores (``kernels/minigen_kernels/ahead.py``); "warm" finds the kernels, too. Seconds are from
the start of the process to that moment: by the clock, and of processor time, which other programs disturb less; that of
the processes that help is included, until they end. Then come the kernels that take longest to compile. Writes
``benchmarks/results/cold-start-<cpu>.json``.

Imports: the standard library; in the measured process minigen and Numba. Read next: ``run.py``.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import os
import platform
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import checkout  # noqa: F401

from minigen_bench.harness import environment, held, processor
from minigen_bench.tables import slug

HERE = Path(__file__).resolve().parent
STATES = ("fresh", "alone", "compiling", "warm")
SHOWN = 5  # kernels in the list


class FirstUpdates:
    """Ends the process when an optimizer is about to make its second update, and says when the last first one ended."""

    def __init__(self, started: float, answer: Path) -> None:
        self.started, self.answer = started, answer
        self.stepped: list[Any] = []
        self.last: dict[str, float] = {}
        event = importlib.import_module("numba.core.event")
        self.compiled = event.RecordingListener()
        event.register("numba:compile", self.compiled)
        optimizer = importlib.import_module("minigen.optim").Optimizer
        self.step, optimizer.step = optimizer.step, lambda one: self.watched(one)

    def watched(self, optimizer: Any) -> None:
        """In the place of `Optimizer.step`."""
        if any(one is optimizer for one in self.stepped):
            self.last["cpu_seconds"] += helped()
            self.answer.write_text(json.dumps({**self.last, "kernels": self.kernels()}), encoding="utf-8")
            os._exit(0)
        self.step(optimizer)
        self.stepped.append(optimizer)
        self.last = {"seconds": time.time() - self.started, "cpu_seconds": time.process_time()}

    def kernels(self) -> dict[str, float]:
        """Seconds that each of our functions took to compile, with those that it calls."""
        begun: dict[Any, float] = {}
        seconds: dict[str, float] = {}
        for moment, event in self.compiled.buffer:
            function = event.data["dispatcher"].py_func
            key = (function, str(event.data.get("args")))
            if event.is_start:
                begun[key] = moment
            elif key in begun and function.__module__.startswith("minigen_kernels"):
                name = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
                seconds[name] = seconds.get(name, 0.0) + moment - begun[key]
        return seconds


def helped() -> float:
    """Processor seconds of the processes that compile for this one; they end."""
    for crew in getattr(sys.modules.get("minigen_kernels.ahead"), "crews", ()):
        for member in crew.members:
            member.communicate()
        shutil.rmtree(crew.folder)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measured_process(model: str, started: str, answer: str, out: str) -> None:
    """What the new process does."""
    FirstUpdates(float(started), Path(answer))
    sys.argv = ["minigen", "train", model, "--out", out]
    importlib.import_module("minigen.cli").main()


def first_update(model: str, caches: Path, threads: int, hold: Sequence[str], ahead: str) -> dict[str, Any]:
    """Run the process with these caches; ahead: whether other processes may help it ("1"), or not ("0")."""
    env, _ = environment(threads)
    env["MINIGEN_COMPILE_AHEAD"] = ahead
    env |= {"NUMBA_CACHE_DIR": str(caches / "numba"), "MINIGEN_CACHE": str(caches / "data")}
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        with held(hold):
            words = [sys.executable, __file__, "--measure", model, str(time.time())]
            words += [str(answer), str(Path(folder) / "run")]
            done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
        if not answer.exists():
            sys.exit(f"cold_start.py: minigen train {model} made no update:\n{done.stdout}{done.stderr}")
        return json.loads(answer.read_text(encoding="utf-8"))


def measure(model: str, threads: int, hold: Sequence[str]) -> dict[str, Any]:
    """One model in all states; the kernels are those that it compiles alone."""
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for state in STATES:
            if state in ("alone", "compiling"):  # the data stay, the kernels go
                (Path(folder) / "numba").rename(Path(folder) / f"compiled before {state}")
            result[state] = first_update(model, Path(folder), threads, hold, str(int(state != "alone")))
    result["kernels"] = result["alone"]["kernels"]
    if compiled := result["warm"]["kernels"]:
        result["never cached"] = sorted(compiled)
    for state in STATES:
        del result[state]["kernels"]
    return result


def table(models: dict[str, Any]) -> str:
    """What is printed."""
    lines = [f"{'seconds to the first update':28}" + "".join(f"{state:>20}" for state in STATES)]
    for name, found in models.items():
        cells = [f"{found[s]['seconds']:.1f} (cpu {found[s]['cpu_seconds']:.1f})" for s in STATES]
        lines.append(f"{name:28}" + "".join(f"{cell:>20}" for cell in cells))
    for name, found in models.items():
        longest = sorted(found["kernels"].items(), key=lambda pair: -pair[1])[:SHOWN]
        lines.append(f"{name}: longest to compile: " + ", ".join(f"{kernel} {s:.1f}" for kernel, s in longest))
        if "never cached" in found:
            lines.append(f"{name}: compiled again in the warm process: {', '.join(found['never cached'])}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="ae,conv-ae,dcgan", help="of minigen list, with commas between")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--note", default="", help="a remark that is kept with the result")
    parser.add_argument("--hold", default="", help="a command to run around each process, as in run.py")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder for the result")
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)  # in the measured process
    options = parser.parse_args()
    if options.measure:
        measured_process(*options.measure)
        return
    models = {model: measure(model, options.threads, shlex.split(options.hold)) for model in options.models.split(",")}
    print(table(models))
    machine = {"cpu": processor(), "system": platform.platform(), "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    result = {
        "date": datetime.date.today().isoformat(),
        "machine": machine,
        "note": options.note,
        "threads": options.threads,
        "models": models,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / f"cold-start-{slug(machine['cpu'])}.json"
    file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"Kept in {file}")


if __name__ == "__main__":
    main()
