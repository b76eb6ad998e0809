"""How much faster is a training step with several threads, and is any step ever slower?

    python benchmarks/threads.py --threads 2        # about three minutes
    python benchmarks/threads.py --models conv-ae --hold nice       # each measuring command after other words

Takes training steps of ``minigen_bench/steps.py`` in turns with 1 and with several threads in one process, and compares
the minima. The serial share s of a step follows from the two times (Karp and Flatt, 1990: of n threads, t_n / t_1 =
s + (1 - s) / n), and from s what 8 cores would make of it, on paper. Only a quiet machine gives numbers that are worth
something: `others` is the part of all cores that other processes took meanwhile. Writes
``benchmarks/results/threads-<cpu>.json``; models that are not measured again stay there.

Imports: minigen, minigen_bench. Read next: ``kernels/minigen_kernels/cpu/workers.py``.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import checkout  # noqa: F401

from minigen_bench.harness import Settings, environment
from minigen_bench.session import empty_result, write
from minigen_bench.steps import STEPS
from minigen_bench.tables import place, slug

HERE = Path(__file__).resolve().parent
MODELS = [name for name, step in STEPS.items() if step.trains]
CORES = 8  # of the estimate


def compare(model: str, threads: int, seconds: float) -> dict[str, float]:
    """The shortest step of `model` in milliseconds, with 1 and with `threads` threads, in turns of three steps."""
    mg = importlib.import_module("minigen")
    training = importlib.import_module("minigen_bench.in_minigen").Training(model, STEPS[model].batch, threads)
    best = {1: float("inf"), threads: float("inf")}
    training.step()  # compiles
    begin, busy, own = time.perf_counter(), busy_seconds(), time.process_time()
    end = begin + seconds
    while time.perf_counter() < end:
        for n in best:
            mg.set_num_threads(n)
            for k in range(4):
                start = time.perf_counter()
                training.step()
                if k:  # threads that wake up are not timed
                    best[n] = min(best[n], time.perf_counter() - start)
    others = busy_seconds() - busy - (time.process_time() - own)
    ratio = best[threads] / best[1]
    serial = min(max((ratio - 1 / threads) / (1 - 1 / threads), 0), 1)
    return {
        "one_ms": 1000 * best[1],
        "several_ms": 1000 * best[threads],
        "ratio": ratio,
        "serial_share": serial,
        f"ratio_of_{CORES}_on_paper": serial + (1 - serial) / CORES,
        "others": others / ((time.perf_counter() - begin) * (os.cpu_count() or 1)),
    }


def busy_seconds() -> float:
    """What all cores have worked since the system began, in seconds; 0 where it does not say."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0
    user, nice, system, _, _, *interrupts = map(int, stat.read_text().split("\n", 1)[0].split()[1:8])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--models", default=",".join(MODELS), help=f"of {', '.join(STEPS)}, with commas between")
    parser.add_argument("--seconds", type=float, default=6, help="for each model")
    parser.add_argument("--hold", default="", help="words before each command that measures")
    parser.add_argument("--note", default="", help="a remark that is kept with the result")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder for the result")
    parser.add_argument("--measure", help=argparse.SUPPRESS)  # in the measured process
    options = parser.parse_args()
    if options.threads < 2:
        parser.error(f"--threads: expected at least 2, to compare with 1, got {options.threads}")
    if options.measure:
        print(json.dumps(compare(options.measure, options.threads, options.seconds)))
        return
    env, _ = environment(options.threads)
    machine = empty_result(Settings(threads=options.threads), [])["machine"]
    file = options.out / f"threads-{slug(place(machine))}.json"
    models = json.loads(file.read_text(encoding="utf-8"))["models"] if file.exists() else {}
    models = {name: row for name, row in models.items() if "serial_share" in row}
    measure = [sys.executable, __file__, "--threads", str(options.threads), "--measure"]
    for model in options.models.split(","):
        subprocess.run([*measure, model, "--seconds", "0.1"], env=env, capture_output=True)  # kernels are compiled
        load = os.getloadavg()[0]
        words = [*shlex.split(options.hold), *measure, model, "--seconds", str(options.seconds)]
        done = subprocess.run(words, env=env, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"threads.py: {model}:\n{done.stderr}")
        found: dict[str, Any] = json.loads(done.stdout)
        models[model] = {**found, "threads": options.threads, "load_before": load}
        times = f"1 thread {found['one_ms']:8.2f} ms, {options.threads} threads {found['several_ms']:8.2f} ms"
        shares = f"serial {found['serial_share']:.2f}, others {found['others']:.2f}"
        print(f"{model:16} {times}, ratio {found['ratio']:.2f}, {shares}", flush=True)
        result = {
            "date": datetime.date.today().isoformat(),
            "machine": machine,
            "note": options.note,
            "models": {name: models[name] for name in STEPS if name in models},
        }
        write(result, file)
    print(f"Kept in {file}")


if __name__ == "__main__":
    main()
