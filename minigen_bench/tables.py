"""The result of a run as tables, in Markdown that is also legible on a terminal.

Imports: the standard library. Read next: ``session.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

NAMES = {
    "minigen": "minigen",
    "minigen-compiled": "minigen compiled",
    "minigen-captured": "minigen captured",
    "torch": "PyTorch",
    "torch-tuned": "PyTorch tuned",
    "torch-compile": "torch.compile",
    "jax": "JAX",
}
TARGET = 0.95  # no step should take more of the best peer's time
Result = Mapping[str, Any]


def ratios(result: Result, own: str = "minigen") -> dict[str, float]:
    """For each step its time in minigen over that in the best peer; below 1 minigen is ahead.

    The shortest times on a CPU, where other programs only ever add; the medians on a GPU, which is not shared.
    """
    key, found = f"{compared(result)}_ms", {}
    for name, model in result["models"].items():
        peers = [run[key] for kind, run in model["runs"].items() if not kind.startswith("minigen")]
        if peers and own in model["runs"]:
            found[name] = model["runs"][own][key] / min(peers)
    return found


def to_floor(result: Result, name: str) -> float | None:
    """The time of a step in minigen over its floor; None where there is none."""
    model = result["models"][name]
    return model["runs"]["minigen"][f"{compared(result)}_ms"] / model["floor_ms"] if model["floor_ms"] else None


def compared(result: Result) -> str:
    """What stands for a library: "min" or "median" of the rounds."""
    return "median" if result["run"]["device"] == "cuda" else "min"


def geometric_mean(values: Iterable[float]) -> float:
    """The exponential of the mean logarithm."""
    logs = [math.log(v) for v in values]
    return math.exp(sum(logs) / len(logs))


def kinds(result: Result) -> list[str]:
    """The libraries that were measured, minigen first."""
    found = {kind for model in result["models"].values() for kind in model["runs"]}
    return [kind for kind in NAMES if kind in found]


def title(result: Result, name: str) -> str:
    """A step, with its batch."""
    model = result["models"][name]
    batch = model.get("batch", result["run"].get("batch_size"))
    said = f", batch {batch}"
    return model["title"] if said in model["title"] else f"{model['title']}{said}"


def times(result: Result) -> str:
    """The table of times."""
    measured, others = kinds(result), other_ways(result)
    heads = ["to best peer", *(f"{way} to best peer" for way in others), "floor", "to floor"]
    rows = [["one step, ms", *(NAMES[kind] for kind in measured), *heads]]
    rows += [row(result, name, measured) for name in result["models"]]
    found = [ratios(result, own).values() for own in ("minigen", *others.values())]
    if found[0]:
        blanks = ["" for _ in measured]
        above = [sum(ratio > TARGET for ratio in each) for each in found]
        rows.append(["geometric mean", *blanks, *(f"{geometric_mean(each):.2f}" for each in found), "", ""])
        rows.append([f"steps above {TARGET}", *blanks, *(f"{n} of {len(e)}" for n, e in zip(above, found)), "", ""])
    return table(rows)


def other_ways(result: Result) -> dict[str, str]:
    """The other ways of minigen's that were measured beside a peer: in a word, and the kind."""
    return {
        kind.removeprefix("minigen-"): kind
        for kind in kinds(result)
        if kind.startswith("minigen-") and ratios(result, kind)
    }


def row(result: Result, name: str, measured: Iterable[str]) -> list[str]:
    """The cells of one step."""
    first = compared(result)
    second = "min" if first == "median" else "median"
    runs, floor = result["models"][name]["runs"], result["models"][name]["floor_ms"]
    cells = [
        f"{_ms(runs[kind][f'{first}_ms'])} ({_ms(runs[kind][f'{second}_ms'])})" if kind in runs else "-"
        for kind in measured
    ]
    one = {**result, "models": {name: result["models"][name]}}
    ratio = [ratios(one, own) for own in ("minigen", *other_ways(result).values())]
    above = to_floor(result, name)
    to_peer = [f"{r[name]:.2f}" if r else "-" for r in ratio]
    return [title(result, name), *cells, *to_peer, _ms(floor) if floor else "-", f"{above:.1f}" if above else "-"]


def memory(result: Result) -> str:
    """The table of peak memory."""
    measured = kinds(result)
    rows = [["peak memory of the process, MB", *(NAMES[kind] for kind in measured)]]
    for name, model in result["models"].items():
        peaks = [f"{model['runs'][kind]['peak_mb']:.0f}" if kind in model["runs"] else "-" for kind in measured]
        rows.append([title(result, name), *peaks])
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
    """What was measured where."""
    machine, run, models = result["machine"], result["run"], result["models"].values()
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    lines = [
        f"Measured {result['date']} on {place(machine)} ({machine['cores']} cores visible, {run['threads']} used), "
        f"{machine['system']}.",
        *([f"GPU: {machine['gpu']}; a cell shows the median."] if "gpu" in machine else []),
    ]
    if machine.get("caches"):
        caches = ", ".join(f"{name} {size}" for name, size in machine["caches"].items())
        lines.append(f"Vector registers of {machine['register_bits']} bits; caches: {caches}.")
    batch = run.get("batch_size")
    lines += [
        f"{versions}; NumPy's BLAS: {machine['blas']}, kernels for {machine['kernels']}.",
        f"{f'Batch {batch}, float32; ' if batch else ''}{run['rounds']} rounds.",
    ]
    if commits := {model["commit"] for model in models if model.get("commit")}:
        lines.append(f"minigen's commit: {', '.join(sorted(commits))}.")
    if result["models"]:
        lines.append(rates(result))
    if run["threads"] == 1 and run["device"] == "cpu" and result["models"]:  # else several threads share the time
        share = min(worker["on_core"] for model in models for worker in model["runs"].values())
        lines.append(f"No process had its core for less than {share:.0%} of the time.")
    if compiled := [model["runs"]["torch-compile"] for model in models if "torch-compile" in model["runs"]]:
        seconds = [run["first_seconds"] for run in compiled]
        lines.append(
            f"torch.compile took {min(seconds):.0f} to {max(seconds):.0f} s for the first updates, which do not count."
        )
    if machine["removed"]:
        lines.append(
            f"Set on this machine, and removed for all processes of the benchmark: {', '.join(machine['removed'])}."
        )
    lines += [f"Left out: {kind}: {reason}." for kind, reason in result["left_out"].items()]
    lines += [f"Left out: {gap}." for gap in gaps(result)]
    runs = [(name, kind, run) for name, model in result["models"].items() for kind, run in model["runs"].items()]
    lines += [f"{NAMES[kind]}, {name}: {run['remark']}." for name, kind, run in runs if run.get("remark")]
    if result["note"]:
        lines.append(f"**Note:** {result['note']}")
    return "\n".join(lines)


def gaps(result: Result) -> list[str]:
    """The peers that lack a step, each with the reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, model in result["models"].items():
        for kind, reason in model.get("left_out", {}).items():
            found.setdefault((kind, reason), []).append(name)
    return [f"{NAMES[kind]} of {', '.join(names)}: {reason}" for (kind, reason), names in found.items()]


def place(machine: Mapping[str, Any]) -> str:
    """The processor, with the name that compilers give its kind."""
    known = machine.get("llvm_cpu")
    return f"{machine['cpu']} ({known})" if known else machine["cpu"]


def rates(result: Result) -> str:
    """What the floors are made of: the best rates, and the library that has them."""
    said = []
    kinds = ("product", "sgemm", "product of matrices", "GFLOP/s"), ("copy", "copy", "copy", "GB/s")
    for key, old, what, unit in kinds:
        by: dict[str, list[float]] = {}
        for model in result["models"].values():
            if model.get("dtype", "float32") == "float32":
                for library, rate in model.get("rates", {}).get(key, {"NumPy": model[old]}).items():
                    by.setdefault(library, []).append(rate / 1e9)
        each = [f"{library} {min(found):.0f} to {max(found):.0f} {unit}" for library, found in by.items()]
        said.append(f"{what}: {', '.join(each)}")
    return f"Best {'; '.join(said)}."


def slug(name: str) -> str:
    """A name as a part of a file's name."""
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def _ms(value: float) -> str:
    """Three digits."""
    digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:.{digits}f}"
