"""How fast is one training step, against PyTorch, JAX and the arithmetic alone?

    python benchmarks/run.py --models all --peers torch,torch-tuned,torch-compile,jax --threads 1,2

Times all steps of ``minigen_bench/steps.py`` in minigen and in its peers, each library in a process of its own, in
turns, and writes ``benchmarks/results/speed-<cpu>-<threads>-threads.json`` and ``docs/performance.md``. Each step is
kept as soon as it is measured: the same command goes on where it was stopped, as long as the code is the same
(`--again` begins anew). With some of the models only it just prints, unless ``--out`` names a folder for the result and
the page.

    python benchmarks/run.py --peers torch --models conv-ae,dcgan --rounds 3

    python benchmarks/run.py --device cuda --peers minigen-captured,torch,torch-compile,jax

    python benchmarks/run.py --page        # only writes the page anew, from what is kept

A peer that is not installed, has no GPU where one is asked for, or ends with an error is left out, and the result says
so. On a GPU all compute in full float32, without TF32. `--hold COMMAND`, such as `--hold "flock /tmp/quiet"`, is run
around each round. How the measuring works, and what the floor is, stands in ``performance_page.py``; ``on_a_gpu.sh``
runs this and all else that a GPU should be asked.

Imports: minigen_bench. Read next: ``minigen_bench/steps.py``.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

import checkout
import performance_page

from minigen_bench import harness, session, tables
from minigen_bench.steps import STEPS

HERE = Path(__file__).resolve().parent


def say(text: str) -> None:
    """Progress, on one line of the error stream."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def show(result: dict[str, Any], name: str) -> None:
    """A step that is done."""
    say("")
    runs, ratio = result["models"][name]["runs"], tables.ratios(result).get(name)
    each = "  ".join(f"{tables.NAMES[kind]} {run['min_ms']:.2f}" for kind, run in runs.items())
    print(f"{name:18} {each}{f'  to best peer {ratio:.2f}' if ratio else ''}", flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", help=f"of {', '.join(harness.PEERS)}, with commas between (default: all)")
    parser.add_argument("--models", default="all", help=f"of {', '.join([*session.GROUPS, *STEPS])}, with commas")
    parser.add_argument("--threads", default="1", help="with commas between: one run after the other")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, help="steps of a round (default: what --seconds allow)")
    parser.add_argument("--seconds", type=float, default=0.3, help="about how long a library's part of a round lasts")
    parser.add_argument("--batch-size", type=int, help="instead of that of each step")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--note", default="", help="a remark that is kept with the result")
    parser.add_argument("--hold", default="", help="a command to run around each round")
    parser.add_argument("--again", action="store_true", help="measure steps that are kept already, too")
    parser.add_argument("--out", type=Path, help="folder for the result and the page")
    parser.add_argument("--page", action="store_true", help="write the page from what is kept, and measure nothing")
    options = parser.parse_args()
    options.peers = ",".join(harness.DEFAULT_PEERS[options.device]) if options.peers is None else options.peers
    try:
        options.models = session.chosen("--models", options.models, list(STEPS), session.GROUPS)
        options.peers = session.chosen("--peers", options.peers, list(harness.PEERS), {})
        options.threads = [int(word) for word in options.threads.split(",")]
    except ValueError as error:
        parser.error(str(error))
    most = harness.cores()
    for name, low, high in (("threads", 1, most), ("rounds", 1, None), ("steps", 1, None), ("batch_size", 2, None)):
        given = getattr(options, name)
        for value in given if isinstance(given, list) else [given]:
            if value is not None and (value < low or (high and value > high)):
                end = f" to {high}" if high else " on"
                parser.error(f"--{name.replace('_', '-')}: expected from {low}{end}, got {value}")
    if options.out and options.out.exists() and not options.out.is_dir():
        parser.error(f"--out {options.out}: a folder is wanted, and this is a file")
    if options.device == "cuda" and (reason := harness.without_gpu("minigen")):
        parser.error(f"--device cuda: {reason}")
    return options


def main() -> None:
    options = parse()
    results, docs = (options.out, options.out) if options.out else (HERE / "results", checkout.ROOT / "docs")
    if options.page:
        print(f"Written: {performance_page.write(results, docs)}")
        return
    kept = options.out is not None or options.models == list(STEPS)
    for threads in options.threads:
        settings = harness.Settings(
            threads, options.rounds, options.seconds, options.steps, options.batch_size, options.device,
            shlex.split(options.hold),
        )  # fmt: skip
        result = session.empty_result(settings, options.peers, options.note)
        file = results / performance_page.file_name(result) if kept else None
        if file is not None and not options.again:
            session.continued(result, file, options.models, options.peers)
        session.run(result, options.models, options.peers, settings, file=file, say=say, show=show)
        print(tables.setting(result), tables.times(result), tables.memory(result), sep="\n\n")
        print(f"\nKept in {file}" if file else "\nNot kept: only some of the models.")
    if kept:
        performance_page.write(results, docs)


if __name__ == "__main__":
    try:
        main()
    except (harness.WorkerEndedError, harness.DisagreementError) as error:
        sys.exit(f"run.py: {error}")
