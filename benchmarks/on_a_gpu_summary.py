"""``summary.md`` of a folder that ``on_a_gpu.sh`` fills: how its parts ended, and the tables of those with numbers.

    python benchmarks/on_a_gpu_summary.py FOLDER

Called after every part; reads whatever JSON is there.

Imports: minigen_bench/tables.py. Read next: ``on_a_gpu.sh``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import checkout  # noqa: F401

from minigen_bench import tables as report

LATE = (124, 137)  # exit codes of timeout


def read(path: Path) -> Any:
    """What a JSON file holds; None if it is not there, or no JSON: a part may have been stopped while it wrote."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def parts(folder: Path) -> Iterator[list[str]]:
    """A row for each part that has ended."""
    yield ["part", "seconds", "how it ended"]
    for line in (folder / "parts.tsv").read_text(encoding="utf-8").splitlines():
        name, code, seconds, most = line.split("\t")
        said = (
            "done" if code == "0" else f"not done after {most} s" if int(code) in LATE else f"failed with code {code}"
        )
        if code != "0":
            text = (folder / f"{name}.txt").read_text(encoding="utf-8", errors="replace").strip()
            said += f": {text.rpartition(chr(10))[2][:200]}".replace("|", "/")
        yield [name, seconds, said]


def proof(found: dict[str, Any]) -> Iterator[str]:
    """What `minigen prove` said."""
    facts = ", ".join(f"{key} {value}" for key, value in found["subject"].items())
    yield f"**{found['verdict']}**: {found['checks']} checks in {found['seconds']:.0f} s; {facts}."
    for row in found["rows"]:
        if row["fault"] is not None:
            yield f"* {row['part']}, {row['what']}: {' '.join(row['fault']['text'].split())[:400]}"


def launches(device: dict[str, Any], double: dict[str, Any]) -> Iterator[list[str]]:
    """Launches of a step here, beside those that the double counts."""
    kinds = sorted({kind for found in double.values() for kind in found.get("all", {})})
    yield ["model", "minigen's, here", "on the double", "differ in", "host ms", "ms", *(f"{k}, double" for k in kinds)]
    for model, found in device.items():
        other = double.get(model, {"minigen": {}, "of_minigen": "-"})
        names = found["minigen"].keys() | other["minigen"].keys()
        differing = (
            sorted(n for n in names if found["minigen"].get(n) != other["minigen"].get(n)) if model in double else []
        )
        counts = [str(other.get("all", {}).get(kind, 0)) for kind in kinds]
        times = [f"{found[name]:.2f}" if name in found else "-" for name in ("host_ms", "ms")]  # none on the double
        yield [model, str(found["of_minigen"]), str(other["of_minigen"]), ", ".join(differing) or "-", *times, *counts]


def speed(results: list[dict[str, Any]]) -> Iterator[str]:
    """The tables of the six models in one, and how long the host took to ask for a step."""
    whole = results[0] | {"models": {}, "left_out": {}}
    for result in results:
        whole["models"] |= result["models"]
        whole["left_out"] |= result["left_out"]
        whole["versions"] |= result["versions"]
    yield report.setting(whole)
    yield report.times(whole)
    kinds = report.kinds(whole)
    rows = [["host time of a step, ms", *(report.NAMES[kind] for kind in kinds)]]
    for model in whole["models"].values():
        runs = model["runs"]
        rows.append([model["title"], *(f"{runs[kind]['host_ms']:.3f}" if kind in runs else "-" for kind in kinds)])
    yield report.table(rows)


def tiles(found: dict[str, Any]) -> Iterator[list[str]]:
    """Each variant against the kernels that ship: all layers together, the best and the worst of them."""
    yield ["variant", "all", "best", "worst"]
    base = found["base"]
    total = sum(layer["us"] for layer in base.values())
    for name, layers in found["variants"].items():
        if "error" in layers:
            yield [name, layers["error"].replace("|", "/")[:150], "-", "-"]
            continue
        ratios = {layer: timed["us"] / base[layer]["us"] for layer, timed in layers.items()}
        best, worst = min(ratios, key=lambda x: ratios[x]), max(ratios, key=lambda x: ratios[x])
        share = sum(timed["us"] for timed in layers.values()) / total
        yield [name, f"{share:.2f}", f"{ratios[best]:.2f} {best}", f"{ratios[worst]:.2f} {worst}"]


def summary(folder: Path) -> str:
    """The page, of what there is so far."""
    page = ["# minigen on a GPU", report.table(list(parts(folder)))]
    if found := read(folder / "prove.json"):
        page += ["## Proof", *proof(found)]
    if found := read(folder / "launches.json"):
        double = read(folder / "launches-double.json") or {}
        page += ["## Launches of one training step (small models)", report.table(list(launches(found, double)))]
    if results := [found for path in sorted(folder.glob("speed-*/speed-*.json")) if (found := read(path))]:
        page += ["## One training step", *speed(results)]
    if found := read(folder / "tiles.json"):
        page += [
            "## Sizes of the tiles of convolutions, time against those that ship",
            report.table(list(tiles(found))),
        ]
    return "\n\n".join(page) + "\n"


if __name__ == "__main__":
    target = Path(sys.argv[1])
    (target / "summary.md").write_text(summary(target), encoding="utf-8")
