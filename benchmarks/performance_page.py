"""``docs/performance.md``, from the results of ``run.py``, ``threads.py``, ``cold_start.py``, ``accuracy.py``, ...

Imports: minigen_bench/tables.py. Read next: ``run.py``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minigen_bench.tables import (
    TARGET,
    Result,
    geometric_mean,
    memory,
    place,
    ratios,
    setting,
    slug,
    table,
    times,
    title,
    to_floor,
)

HOW = """# Performance

Written by `python benchmarks/run.py --models all --peers torch,torch-tuned,torch-compile,jax --threads 1,2`; all
numbers are in `benchmarks/results/`. `minigen bench` measures the same on your machine, beside the peers that are
installed there ([README](../README.md#speed-and-the-gpu)).

## How it is measured

* One training step: forward, gradients, Adam, on data that are in memory already, with the noise that the step draws.
  `minigen_bench/steps.py` lists the steps, which stand in four folders beside it, each with the three libraries side
  by side: `in_minigen.py`, `in_torch.py` (eager) and `in_jax.py` (one compiled function a step, buffers donated, images
  with channels last), each as its users write them. "PyTorch tuned" is PyTorch with channels-last convolutions and the
  fused Adam, "torch.compile" with compiled networks in the default mode, "minigen compiled" the same step replayed by
  `mg.compile`; the time that compiling takes does not count.
* Beside training: inference, and the check of a layer's gradient, element by element, as PyTorch's does by default.
* All start from the same weights. Before anything is timed, every library does three updates with the same data and
  noise, and their losses have to agree.
* Each library runs in a process of its own, all on the same core (or cores), and they take turns round by round, so
  that what else the machine does meets all of them. One that takes three times as long as the fastest takes part in
  three rounds only. A cell shows the minimum over the rounds, and the median in brackets; "to best peer" compares the
  minima: below 1, minigen is ahead.
* The floor is the arithmetic alone: FLOPs / (rate of a 1024 x 1024 product) + 28 bytes x parameters / (rate of a copy),
  both rates of the better of NumPy and PyTorch, measured in the same rounds. 28 bytes are what one Adam step reads (p,
  g, m, v) and writes (p, m, v) for a parameter in float32; the copy works on as many bytes as Adam's four arrays take.
  FLOPs: `minigen_bench/arithmetic.py`, those of the convolution as it is defined, products with the zeros around an
  image included. A convolution that leaves these out, or that multiplies spectra or transformed tiles instead, needs
  fewer and can come below its part of the floor.
* The work of a kernel is cut into pieces that depend on shapes alone, and threads take one piece after the other
  (`kernels/minigen_kernels/cpu/threads.py`). So the bits of a result are the same for any number of threads, and
  `--resume` takes another.
* Peak memory is that of the whole process, libraries and compiler included.
* JAX 0.10.2 has no fast way on a CPU for the gradient in the kernel of a convolution over spread-out images: it is
  most of JAX's time in the GANs of images.
"""


TRANSFERS = ("h2d", "d2h", "sync")
FIRST_UPDATES = """## The first update on a machine

Kernels are compiled when they are first called, and kept. Written by `python benchmarks/cold_start.py`: seconds from
the start of `minigen train MODEL` to the end of its first update, and in brackets the processor seconds of all
processes. While one process goes through the first step, others on cores that are free compile what it needs next
(`kernels/minigen_kernels/ahead.py`; `MINIGEN_COMPILE_AHEAD=0` turns that off).
"""

ACCURACY = """## Accuracy

Written by `python benchmarks/accuracy.py`: the largest error of any element against the same in float64, relative to
the largest magnitude of the result; of the gradients that of the worst. Which way a convolution takes - frames,
windows, transformed tiles, spectra - depends on its shape; the rows are chosen so that each is taken by some. Half of
the last digit of float32 is 6e-8.
"""

RANDOM = """## Networks at random

The steps above are those that minigen was made fast by. `python benchmarks/random_networks.py` draws others: dense and
convolutional autoencoders, classifiers and generators of any width and depth, with all activations, normalisations,
losses and optimizers; their times are in `benchmarks/results/`. One thread; the step's time to the better one of
PyTorch eager and tuned, the least of seven turns. The first networks drawn (2026-11-30) had shown what was slow -
`selu` 12 times behind PyTorch, `gelu` 8, group norm 3 - and are not among these.
"""

LAUNCHES = """## Launches of a step on a GPU

A launch costs the host 5 to 10 us, whatever its size, so the step of a small model takes as long as its launches do.
`benchmarks/launches.py` counts those of one training step, as `minigen train` makes it, on the double of CuPy
(`tests/cuda_double`): before 2026-11-29, and now. No step waits for the device. Adam is one launch for up to 32
parameters, and so is a moving average; sums end in the last block of their own kernel; bias, activation, pooling or
enlargement end the convolution before them; a VAE's draw and its divergence are one kernel.
"""


GRAPHS = """## A step as one CUDA graph

On a GPU every launch costs the host 5 to 10 us, and the step of a small model is tens to hundreds of them. `minigen
train --capture`, and `mg.capture(step)` for a step of one's own, record a whole step as a CUDA graph, which is
launched at once.

* **No GPU has run this yet**, so it is off by default, and no time is given here. It is tested on a double of CuPy
  (`tests/cuda_double`), which keeps the launches of a capture and repeats them on the same memory, and refuses what
  CuPy 14.2 refuses while a stream is captured. There a captured run of each of the 40 models leaves what a plain run
  leaves, bit for bit: metrics, pictures, checkpoints (`tests/capture/test_training.py`).
* Captured are 39 of the 40 models. `unrolled-gan` is not: the steps that it looks ahead take Adam's rate and step
  count as numbers of Python's, which a graph would keep as they are. Its runs are those of plain steps, and say so.
* From the fifth step on, a step is one transfer for all that is new (images, labels, random positions, learning
  rates, step counts), a copy into place, one launch, and a copy of the results; a test counts them. Besides these four
  calls of CuPy, Python then works 0.1 ms for `ae` and 0.5 ms for `wgan-gp`, whose step has six updates (measured on
  the double, on a shared core): what must not have changed is compared, 6 to 40 us, and the optimizers count and
  compute their scalars.
* The first steps pay for that: one is watched, one recorded, and one made twice, by the graph and plainly, to compare
  all bits. A step that does not pass is made plainly, and tried again ever more rarely; `CapturedStep.reason` (or the
  line after an epoch) says why. So is a batch of another size, until it has a graph of its own, and a step whose
  weight changes, as in `--beta-warmup`, until it stays.
* CuPy does not let cuBLAS into a capture, so products of matrices are made by a cuBLAS handle beside CuPy's, with a
  workspace of its own (`kernels/minigen_kernels/cuda/cublas.py`), by the call that CuPy makes. On the double the bits
  are the same. On a GPU cuBLAS may choose another algorithm with another workspace; so with `--capture` plain steps
  use that handle, too, and a resumed run has the bits of one that was not stopped.
* With a graph, NaN is found as before (every 50 steps), but the message cannot name the operation: there is no
  history.
"""


def launches() -> str:
    """The launches of a training step of six models, before and now, as ``benchmarks/launches.py`` counted them."""
    kept = Path(__file__).resolve().parent / "results"
    before, now = (
        json.loads((kept / f"launches-on-the-double{version}.json").read_text(encoding="utf-8"))
        for version in ("-before", "")
    )
    lines = [
        LAUNCHES,
        "| model | element-wise | reductions | minigen's kernels | cuBLAS | all |",
        "| --- |" + " ---: |" * 5,
    ]
    for model, counted in now.items():
        old, new = before[model]["all"], counted["all"]
        kinds = [(old.get(kind, 0), new.get(kind, 0)) for kind in ("elementwise", "reduction", "raw", "cublas")]
        kinds.append(tuple(sum(n for kind, n in c.items() if kind not in TRANSFERS) for c in (old, new)))
        lines.append(f"| {model} | " + " | ".join(f"{a} -> {b}" for a, b in kinds) + " |")
    return "\n".join(lines) + "\n"


def kept_results(folder: Path) -> list[Result]:
    """Whole runs that are kept, the newest version of minigen first; then by processor and threads."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("speed-*.json")]
    found.sort(key=lambda r: (place(r["machine"]), r["run"]["threads"]))
    return sorted(found, key=lambda r: r["versions"]["minigen"], reverse=True)


def where(result: Result) -> str:
    """The processor or GPU, and the version of minigen."""
    name = result["machine"].get("gpu") or place(result["machine"])
    return f"{name}, minigen {result['versions']['minigen']}"


def side_by_side(results: Sequence[Result]) -> str:
    """The ratios to the best peer and to the floor of all machines, one thread."""
    results = [result for result in results if result["run"]["threads"] == 1 and ratios(result)]
    names = dict.fromkeys(name for result in results for name in result["models"])
    ratio = [ratios(result) for result in results]
    rows = [["one step", *(f"{where(r)}: {what}" for r in results for what in ("ms", "to best peer", "to floor"))]]
    for name in names:
        said = next(title(result, name) for result in results if name in result["models"])
        cells: list[str] = []
        for result, found in zip(results, ratio):
            ms = result["models"][name]["runs"]["minigen"]["min_ms"] if name in result["models"] else None
            floor = to_floor(result, name) if ms is not None else None
            cells += [f"{ms:.3g}" if ms else "-", f"{found[name]:.2f}" if name in found else "-"]
            cells.append(f"{floor:.1f}" if floor else "-")
        rows.append([said, *cells])
    rows.append(["geometric mean", *(c for f in ratio for c in ("", f"{geometric_mean(f.values()):.2f}", ""))])
    above = [sum(value > TARGET for value in found.values()) for found in ratio]
    rows.append([f"steps above {TARGET}", *(c for n, f in zip(above, ratio) for c in ("", f"{n} of {len(f)}", ""))])
    return f"## One thread, all machines\n\n{table(rows)}\n"


def threads(one: Result, several: Result) -> str:
    """The same steps with one thread and with several, in minigen and in its best peer."""
    n, both = several["run"]["threads"], [name for name in one["models"] if name in several["models"]]
    ratio = ratios(several)
    rows = [["one step, ms", "1 thread", f"{n} threads", f"{n} to 1", f"best peer, {n}", "to best peer"]]
    for name in both:
        a, b = (result["models"][name]["runs"] for result in (one, several))
        mine, yours = a["minigen"]["min_ms"], b["minigen"]["min_ms"]
        cells = [f"{mine:.3g}", f"{yours:.3g}", f"{yours / mine:.2f}"]
        peer = [f"{yours / ratio[name]:.3g}", f"{ratio[name]:.2f}"] if name in ratio else ["-", "-"]
        rows.append([title(one, name), *cells, *peer])
    return f"### {where(one)}: 1 and {n} threads\n\n{table(rows)}\n"


def serial_shares(found: dict[str, Any]) -> str:
    """What ``threads.py`` measured."""
    n = max(model["threads"] for model in found["models"].values())
    rows = [["one step, ms", "1 thread", f"{n} threads", f"{n} to 1", "serial share", "8 to 1, on paper"]]
    for name, model in found["models"].items():
        cells = [f"{model[key]:.3g}" for key in ("one_ms", "several_ms")]
        shares = [f"{model[key]:.2f}" for key in ("ratio", "serial_share", "ratio_of_8_on_paper")]
        rows.append([name, *cells, *shares])
    return f"""### {place(found["machine"])}: 1 and {n} threads in turns

Written by `python benchmarks/threads.py`: minigen alone, in one process, the minimum of steps with one and with {n}
threads in turns. The serial share follows from the two (Karp and Flatt, 1990), and from it what 8 cores would make.
{found["note"]}

{table(rows)}
"""


def accuracy(found: dict[str, Any]) -> str:
    """The errors that ``accuracy.py`` measured."""
    rows = [["computed in float32", "minigen", "PyTorch", "gradients, minigen", "gradients, PyTorch"]]
    for name, call in found["calls"].items():
        gradients = [errors for what, errors in call.items() if what != "result"]
        worst = [max((errors.get(kind, 0.0) for errors in gradients), default=0.0) for kind in ("minigen", "torch")]
        pairs = [call["result"].get(kind, 0.0) for kind in ("minigen", "torch")] + worst
        rows.append([name, *(f"{error:.1e}" if error else "-" for error in pairs)])
    return f"### {place(found['machine'])}: errors\n\n{table(rows)}\n"


def random_networks(found: dict[str, Any]) -> str:
    """The networks that ``random_networks.py`` drew, by family."""
    rows = [["family", "networks", "geometric mean", "largest", "`mg.compile`: geometric mean", "largest"]]
    of_family: dict[str, list[dict[str, Any]]] = {}
    for one in found["networks"]:
        of_family.setdefault(one["family"].replace("_", " "), []).append(one)
    for name, networks in [*sorted(of_family.items()), ("all", found["networks"])]:
        cells = [name, str(len(networks))]
        for way in ("minigen", "minigen compiled"):
            times = [one["ms"][way] / one["best_peer_ms"] for one in networks]
            cells += [f"{geometric_mean(times):.2f}", f"{max(times):.2f}"]
        rows.append(cells)
    return f"### {place(found['machine'])}: networks at random\n\nSeed {found['seed']}.\n\n{table(rows)}\n"


def first_updates(found: dict[str, Any]) -> str:
    """What ``cold_start.py`` measured."""
    rows = [["seconds to the first update", "kernels are there", "compiled by one process", "by two or more"]]
    for model, states in found["models"].items():
        cells = [f"{states[s]['seconds']:.1f} ({states[s]['cpu_seconds']:.1f})" for s in ("warm", "alone", "compiling")]
        rows.append([model, *cells])
    cores = found["machine"]["cores"]
    return f"### {place(found['machine'])}, {cores} cores: first updates\n\n{found['note']}\n\n{table(rows)}\n"


def ranks(found: dict[str, Any]) -> str:
    """One process and two ranks, side by side."""
    rows = [[
        "images/s", "one process, one core", "under mpiexec -n 1", "two ranks", "to one", "two apart, to one",
        "two ranks share 128 images, to one", "networks of the steps, two ranks", "PyTorch, gloo", "to PyTorch",
    ]]  # fmt: skip
    for model, kinds in found["models"].items():
        rate = {kind: numbers["images/s"] for kind, numbers in kinds.items()}
        to_one = {kind: f"{rate[kind] / rate['one']:.2f}" for kind in ("ranks", "pair", "halves")}
        whole = {kind: f"{number:,.0f}" for kind, number in rate.items()}
        rows.append([
            model, whole["one"], whole["mpi"], whole["ranks"], to_one["ranks"], to_one["pair"], to_one["halves"],
            whole["minigen"], whole["torch"], f"{rate['minigen'] / rate['torch']:.2f}",
        ])  # fmt: skip
    return f"""## Two ranks

Written by `python benchmarks/data_parallel.py` on {found["processor"]}, {found["cores"]} cores, minigen
{found["minigen"]}, NumPy {found["packages"]["numpy"]}, MPICH 5.0.2, PyTorch 2.13.0: 128 images a rank, a core a rank,
the best of all turns. Two processes that do not talk to each other are what the machine gives at most: each is slowed
by the other. In PyTorch conv-ae is a DistributedDataParallel; a GAN, whose networks run several times before a backward
pass, takes one all_reduce for all gradients of a network. [distributed.md](distributed.md) says what is sent.

{table(rows)}
"""


def page(folder: Path) -> str:
    """The whole of ``docs/performance.md``, of what `folder` holds."""
    results = kept_results(folder)
    parts = [HOW]
    if any(r["run"]["threads"] == 1 and ratios(r) for r in results):
        parts.append(side_by_side(results))
    single = {where(r): r for r in results if r["run"]["threads"] == 1}
    several = [r for r in results if r["run"]["threads"] > 1 and where(r) in single]
    shared = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("threads-*.json"))]
    shared = [found for found in shared if all("serial_share" in model for model in found["models"].values())]
    if several or shared:
        parts += ["## Threads\n", *(threads(single[where(r)], r) for r in several), *map(serial_shares, shared)]
    parts += [ranks(json.loads(p.read_text(encoding="utf-8"))) for p in sorted(folder.glob("data-parallel-*.json"))]
    for head, name, write_part in (
        (RANDOM, "random-networks", random_networks),
        (FIRST_UPDATES, "cold-start", first_updates),
        (ACCURACY, "accuracy", accuracy),
    ):
        found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob(f"{name}-*.json"))]
        parts += [head, *map(write_part, found)] if found else []
    parts += [launches(), GRAPHS]
    for result in results:
        n = result["run"]["threads"]
        parts.append(f"## {where(result)}, {n} thread{'s' if n > 1 else ''}\n\n{setting(result)}\n")
        parts.append(f"{times(result)}\n\n{memory(result)}\n")
    return "\n".join(parts)


def file_name(result: Result) -> str:
    """Where a result is kept, in the folder of results."""
    machine, n = result["machine"], result["run"]["threads"]
    if result["run"]["device"] == "cuda":
        return f"speed-{slug(machine.get('gpu') or 'gpu')}.json"
    return f"speed-{slug(place(machine))}-{n}-threads.json"


def write(results: Path, docs: Path) -> Path:
    """Write the page, from what is kept in the folder `results`, into the folder `docs`."""
    docs.mkdir(parents=True, exist_ok=True)
    path = docs / "performance.md"
    path.write_text(page(results), encoding="utf-8")
    return path
