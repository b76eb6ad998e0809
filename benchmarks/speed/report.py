"""The result as a JSON file, as a table on the terminal, and as ``docs/performance.md``.

Imports: the standard library. Read next: ``run.py``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

NAMES = {
    "minigen": "minigen",
    "minigen-captured": "minigen captured",
    "torch": "PyTorch",
    "torch-tuned": "PyTorch tuned",
    "torch-compile": "torch.compile",
    "jax": "JAX",
}
Result = Mapping[str, Any]


def ratios(result: Result) -> dict[str, float]:
    """For each model the step in minigen over that in the best peer; below 1 minigen is ahead.

    The shortest steps on a CPU, where other programs only ever add; the medians on a GPU, which is not shared.
    """
    key, found = f"{compared(result)}_ms", {}
    for name, model in result["models"].items():
        peers = [run[key] for kind, run in model["runs"].items() if not kind.startswith("minigen")]
        if peers:
            found[name] = model["runs"]["minigen"][key] / min(peers)
    return found


def compared(result: Result) -> str:
    """What stands for a library: "min" or "median" of the rounds."""
    return "median" if result["run"]["device"] == "cuda" else "min"


def geometric_mean(values: Iterable[float]) -> float:
    """The exponential of the mean logarithm."""
    logs = [math.log(v) for v in values]
    return math.exp(sum(logs) / len(logs))


def kinds(result: Result) -> list[str]:
    """The libraries that were measured, minigen first."""
    return list(dict.fromkeys(kind for model in result["models"].values() for kind in model["runs"]))


def times(result: Result) -> str:
    """The table of times in Markdown."""
    measured, ratio, first = kinds(result), ratios(result), compared(result)
    second = "min" if first == "median" else "median"
    rows = [["one training step, ms", *(NAMES[kind] for kind in measured), "to best peer", "floor", "to floor"]]
    for name, model in result["models"].items():
        runs, floor = model["runs"], model["floor_ms"]
        cells = [
            f"{_ms(runs[kind][f'{first}_ms'])} ({_ms(runs[kind][f'{second}_ms'])})" if kind in runs else "-"
            for kind in measured
        ]
        to_peer = f"{ratio[name]:.2f}" if name in ratio else "-"
        to_floor = f"{runs['minigen'][f'{first}_ms'] / floor:.1f}"
        rows.append([model["title"], *cells, to_peer, _ms(floor), to_floor])
    if ratio:
        mean = f"{geometric_mean(ratio.values()):.2f}"
        rows.append(["geometric mean", *("" for _ in measured), mean, "", ""])
    return table(rows)


def memory(result: Result) -> str:
    """The table of peak memory in Markdown."""
    measured = kinds(result)
    rows = [["peak memory of the process, MB", *(NAMES[kind] for kind in measured)]]
    for model in result["models"].values():
        peaks = [f"{model['runs'][kind]['peak_mb']:.0f}" if kind in model["runs"] else "-" for kind in measured]
        rows.append([model["title"], *peaks])
    return table(rows)


def table(rows: list[list[str]]) -> str:
    """Rows of cells, the first of them the heading, as a Markdown table that is also legible as text."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))]
        lines.append(f"| {' | '.join(cells)} |")
    ruler = ["-" * widths[0], *("-" * (w - 1) + ":" for w in widths[1:])]
    return "\n".join([lines[0], f"| {' | '.join(ruler)} |", *lines[1:]])


def setting(result: Result) -> str:
    """What was measured where, in Markdown."""
    machine, run = result["machine"], result["run"]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    lines = [
        f"Measured {result['date']} on {machine['cpu']} ({machine['cores']} cores visible, {run['threads']} used), "
        f"{machine['system']}.",
        *([f"GPU: {machine['gpu']}; a cell shows the median."] if "gpu" in machine else []),
        f"{versions}; BLAS: {machine['blas']}, kernels for {machine['kernels']}.",
        f"Batch {run['batch_size']}, float32; {run['rounds']} rounds.",
    ]
    sgemm = [model["sgemm"] / 1e9 for model in result["models"].values()]
    copy = [model["copy"] / 1e9 for model in result["models"].values()]
    lines.append(
        f"Best sgemm {min(sgemm):.0f} to {max(sgemm):.0f} GFLOP/s, copy {min(copy):.0f} to {max(copy):.0f} GB/s."
    )
    if run["threads"] == 1 and run["device"] == "cpu":  # else several threads share the time
        share = min(worker["on_core"] for model in result["models"].values() for worker in model["runs"].values())
        lines.append(f"No process had its core for less than {share:.0%} of the time.")
    if machine["removed"]:
        lines.append(
            f"Set on this machine, and removed for all processes of the benchmark: {', '.join(machine['removed'])}."
        )
    lines += [f"Left out: {kind}: {reason}." for kind, reason in result["left_out"].items()]
    runs = [(name, kind, run) for name, model in result["models"].items() for kind, run in model["runs"].items()]
    lines += [f"{NAMES[kind]}, {name}: {run['remark']}." for name, kind, run in runs if run.get("remark")]
    if result["note"]:
        lines.append(f"**Note:** {result['note']}")
    return "\n".join(lines)


HOW = """# Performance

Written by `python benchmarks/run.py --peers torch,torch-tuned,jax --threads 1`; all numbers are in
`benchmarks/results/`.

## How it is measured

* One training step: forward, gradients, Adam, on data that are in memory already, with the noise that the step draws.
  The six training steps are in `benchmarks/speed/in_minigen.py`, and the same again in `in_torch.py` (eager) and
  `in_jax.py` (one compiled function a step, buffers donated, images with channels last). "PyTorch tuned" is PyTorch
  with channels-last convolutions and the fused Adam; it counts as a peer where it was measured.
* All start from the same weights. Before anything is timed, every library does three updates with the same data and
  noise, and their losses have to agree.
* Each library runs in a process of its own, all on the same core (or cores), and they take turns round by round, so
  that what else the machine does meets all of them. A cell shows the minimum over the rounds, and the median in
  brackets; "to best peer" compares the minima: below 1, minigen is ahead.
* The floor is the arithmetic alone: FLOPs / (rate of a 1024 x 1024 sgemm in NumPy) + 28 bytes x parameters / (rate of a
  copy). 28 bytes are what one Adam step reads (p, g, m, v) and writes (p, m, v) for a parameter in float32; the copy
  works on as many bytes as Adam's four arrays take. FLOPs: `benchmarks/speed/work.py`, those of the
  convolution as it is defined, products with the zeros around an image included. A convolution that leaves these out,
  or multiplies spectra instead (`kernels/minigen_kernels/cpu/spectral.py`), needs fewer and can come below its part of
  the floor. Both rates are measured in the same rounds.
* The work of a kernel is cut into pieces that depend on shapes alone, and threads take one piece after the other
  (`kernels/minigen_kernels/cpu/threads.py`). So the bits of a result are the same for any number of threads, and
  `--resume` takes another.
* Peak memory is that of the whole process, libraries and compiler included.
* JAX 0.10.2 has no fast way on a CPU for the gradient in the kernel of a convolution over spread-out images: it is
  most of JAX's time in the last two models.
"""


TRANSFERS = ("h2d", "d2h", "sync")
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
    kept = Path(__file__).resolve().parents[1] / "results"
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


def page(results: Iterable[Result]) -> str:
    """The whole of ``docs/performance.md``."""
    parts = [HOW, launches(), GRAPHS]
    for result in results:
        run = result["run"]
        threads = f"{run['threads']} thread{'s' if run['threads'] > 1 else ''}"
        where = result["machine"].get("gpu") or f"{result['machine']['cpu']}, {threads}"
        parts.append(f"## {where}\n\n{setting(result)}\n")
        parts.append(f"{times(result)}\n\n{memory(result)}\n")
    return "\n".join(parts)


def write(result: Result, results: Path, docs: Path) -> Path:
    """Keep the result in the folder `results`, and write the page anew from all that is kept there."""
    gpu = result["machine"].get("gpu")
    place = slug(gpu) if gpu else f"{slug(result['machine']['cpu'])}-{result['run']['threads']}-threads"
    file = results / f"speed-{place}.json"
    results.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    kept = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.glob("speed-*.json"))]
    docs.mkdir(parents=True, exist_ok=True)
    (docs / "performance.md").write_text(page(kept), encoding="utf-8")
    return file


def slug(name: str) -> str:
    """A name as a part of a file's name."""
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def _ms(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"
