"""Who catches what: the gradient museum is shown to minigen's checker, to PyTorch's, and to four well-known ways.

    python benchmarks/gradcheck_comparison.py              # 20 seeds: the result file, the table in docs/gradcheck.md
    python benchmarks/gradcheck_comparison.py --seeds 2    # a quick look
    python benchmarks/gradcheck_comparison.py --page-only  # the table again, from the result file

"Refused" means that the checker did not pass a function, for whatever reason and in whatever words; an exception counts
as that. A broken layer should be refused, a right one should not.

Imports: gradient_checkers, the museum in tests. Read next: ``gradient_checkers.py``.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", NUMBA_NUM_THREADS="1")

import argparse
import importlib.util
import json
import platform
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from museum.gradients.exhibits import Exhibit, room  # noqa: E402

from benchmarks.gradient_checkers import CHECKERS  # noqa: E402

RESULT, PAGE = ROOT / "benchmarks" / "results" / "gradcheck-comparison.json", ROOT / "docs" / "gradcheck.md"
START, END = "<!-- comparison: written by benchmarks/gradcheck_comparison.py -->", "<!-- end of comparison -->"
Row = dict[str, Any]


def refused(name: str, exhibit: Exhibit, seed: int) -> bool:
    """Did the checker not pass this exhibit?"""
    fn, inputs = exhibit.draw(seed)
    np.random.seed(seed)  # for the exhibit that draws from NumPy's global generator
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return not CHECKERS[name](exhibit, fn, inputs, seed)
    except Exception:
        return True


def run(seeds: int, names: Sequence[str]) -> dict[str, Any]:
    """How often each checker refused each exhibit, of `seeds` draws; and the CPU time for all."""
    seconds = dict.fromkeys(names, 0.0)
    rooms: dict[str, dict[str, Row]] = {"wrong": {}, "right": {}}
    for exhibit in [*room("wrong"), *room("right")]:
        row: Row = {"verdict": exhibit.verdict, "order": exhibit.order, "refused": {}}
        for name in names:
            start = time.process_time()
            row["refused"][name] = sum(refused(name, exhibit, seed) for seed in range(seeds))
            seconds[name] += time.process_time() - start
        rooms["wrong" if exhibit.wrong else "right"][exhibit.name] = row
        print(f"{exhibit.name:45}", *(f"{row['refused'][name]:4}" for name in names), flush=True)
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    if "PyTorch" in names:
        import torch

        versions["torch"] = torch.__version__
    return {"seeds": seeds, "versions": versions, "seconds": {n: round(s, 1) for n, s in seconds.items()}, **rooms}


def summary(result: dict[str, Any]) -> str:
    """The first table: how many exhibits."""
    seeds, names = result["seeds"], list(result["seconds"])

    def counted(rows: Sequence[Row], wanted: Callable[[int], bool]) -> list[str]:
        return [str(sum(wanted(row["refused"][name]) for row in rows)) for name in names]

    lines = [["", *names], ["---", *["---:"] * len(names)]]
    for first, title in ((True, "order 1"), (False, "order 2 or 3")):
        rows = [row for row in result["wrong"].values() if (row["order"] == 1) is first]
        lines.append(
            [f"of {len(rows)} wrong ones, {title}: caught in every draw", *counted(rows, lambda n: n == seeds)]
        )
        lines.append([f"... missed in some draws, {title}", *counted(rows, lambda n: 0 < n < seeds)])
        lines.append([f"... missed in every draw, {title}", *counted(rows, lambda n: n == 0)])
    rows = list(result["right"].values())
    lines.append([f"of {len(rows)} right ones: false alarm in some draw", *counted(rows, lambda n: n > 0)])
    lines.append(["CPU seconds for all", *(f"{result['seconds'][name]:.0f}" for name in names)])
    return rendered(lines)


def table(result: dict[str, Any]) -> str:
    """The part of the page between the two marks."""
    seeds, names = result["seeds"], list(result["seconds"])
    wrong, by_all = [["broken layer", "verdict", *names], ["---", "---", *["---:"] * len(names)]], []
    for exhibit, row in result["wrong"].items():
        if all(n == seeds for n in row["refused"].values()):
            by_all.append(f"`{exhibit}`")
            continue
        order = f", order {row['order']}" if row["order"] > 1 else ""
        counts = ("all" if n == seeds else f"**{n}**" for n in (row["refused"][name] for name in names))
        wrong.append([f"`{exhibit}`", row["verdict"] + order, *counts])
    right = [["right layer", *names], ["---", *["---:"] * len(names)]]
    for exhibit, row in result["right"].items():
        if any(row["refused"].values()):
            right.append([f"`{exhibit}`", *(f"**{n}**" if (n := row["refused"][name]) else "" for name in names)])
    return "\n\n".join([
        f"{seeds} draws of each exhibit; " + ", ".join(f"{name} {v}" for name, v in result["versions"].items()) + ".",
        summary(result),
        f"The broken layers that some checker missed, and in how many of {seeds} draws they were caught:",
        rendered(wrong),
        f"The other {len(by_all)} were caught by every checker in every draw: {', '.join(by_all)}.",
        f"The right layers that some checker refused, and in how many of {seeds} draws:",
        rendered(right),
    ])  # fmt: skip


def rendered(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def write_page(result: dict[str, Any], page: Path) -> None:
    """Put the table between the two marks of the page."""
    text = page.read_text(encoding="utf-8")
    before, after = text.split(START)[0], text.split(END)[1]
    page.write_text(f"{before}{START}\n\n{table(result)}\n\n{END}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="draws of each exhibit")
    parser.add_argument("--out", type=Path, default=RESULT, help="the result file")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page that gets the table")
    parser.add_argument("--page-only", action="store_true", help="write the table from the result file")
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error(f"--seeds: at least 1 is wanted, got {options.seeds}")
    if not options.page_only:
        if importlib.util.find_spec("torch") is None:
            parser.error("PyTorch is one of the checkers that are compared: pip install torch")
        options.out.write_text(json.dumps(run(options.seeds, list(CHECKERS)), indent=1) + "\n", encoding="utf-8")
    write_page(json.loads(options.out.read_text(encoding="utf-8")), options.page)


if __name__ == "__main__":
    main()
