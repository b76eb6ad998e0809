"""`benchmarks/on_a_gpu.sh` comes to its end on the double, whatever its parts do, and writes down what they found.

Read next: ``benchmarks/on_a_gpu_summary.py``.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The function that makes ``summary.md``."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return runpy.run_path(str(BENCHMARKS / "on_a_gpu_summary.py"))["summary"]


def write(path: Path, found: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found), encoding="utf-8")


def test_the_summary_says_how_every_part_ended(page: Any, tmp_path: Path) -> None:
    (tmp_path / "parts.tsv").write_text("info\t0\t3\t60\nprove\t1\t20\t180\ntiles\t124\t240\t240\n")
    (tmp_path / "prove.txt").write_text("a line\nNOT PROVEN | 1 fault\n")
    (tmp_path / "tiles.txt").write_text("")
    text = page(tmp_path)
    assert "| info " in text and "done" in text
    assert "failed with code 1: NOT PROVEN / 1 fault" in text and "not done after 240 s" in text


def test_the_summary_compares_launches_and_tiles(page: Any, tmp_path: Path) -> None:
    (tmp_path / "parts.tsv").write_text("launches\t0\t3\t60\n")
    here = {"minigen": {"adam": 2, "conv": 3}, "of_minigen": 5, "host_ms": 1.5, "ms": 2.25}
    double = {"minigen": {"adam": 1, "conv": 3}, "of_minigen": 4, "all": {"cublas": 7}, "host_ms": 0, "ms": 0}
    write(tmp_path / "launches.json", {"ae": here})
    write(tmp_path / "launches-double.json", {"ae": double})
    base = {"a": {"us": 10.0}, "b": {"us": 30.0}}
    variants = {"X = 2": {"a": {"us": 5.0}, "b": {"us": 33.0}}, "X = 3": {"error": "too | many"}}
    write(tmp_path / "tiles.json", {"base": base, "variants": variants})
    (tmp_path / "prove.json").write_text("{")  # stopped while it was written
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page(tmp_path).splitlines()]
    cells = {row[0]: row[1:] for row in rows}
    assert cells["ae"] == ["5", "4", "adam", "1.50", "2.25", "7"]
    assert cells["X = 2"] == ["0.95", "0.50 a", "1.10 b"] and cells["X = 3"] == ["too / many", "-", "-"]
    assert "## Proof" not in page(tmp_path)


def test_every_size_that_is_tried_is_a_constant_of_the_kernels() -> None:
    choices = runpy.run_path(str(BENCHMARKS / "conv_tiles.py"))["CHOICES"]
    for file, constants in choices.items():
        text = (ROOT / "kernels" / "minigen_kernels" / "cuda" / file).read_text(encoding="utf-8")
        for constant, values in constants.items():
            (value,) = re.findall(rf"^(?:constexpr int )?{constant} = (\d+)", text, flags=re.MULTILINE)
            assert int(value) not in values, f"{constant} = {value} is what ships"


@pytest.mark.slow
def test_the_script_comes_to_its_end_on_the_double(tmp_path: Path) -> None:
    env = {**os.environ, "QUICK": "1", "MINIGEN_CACHE": str(tmp_path / "cache")}
    env["PYTHONPATH"] = str(ROOT / "tests" / "cuda_double")
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env["PATH"]])
    command = ["bash", str(BENCHMARKS / "on_a_gpu.sh"), str(tmp_path / "out")]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    ends = dict(line.split("\t")[:2] for line in (tmp_path / "out" / "parts.tsv").read_text().splitlines())
    speed = ["speed-dense-ae", "speed-conv-ae"]
    assert list(ends) == ["info", "prove", "launches", "launches-double", *speed, "tests", "tiles"]
    assert set(ends.values()) == {"0"}, done.stdout
    text = (tmp_path / "out" / "summary.md").read_text()
    for heading in ("Proof", "Launches of one training step", "One training step", "Sizes of the tiles"):
        assert f"## {heading}" in text
    assert "**passed**" in text and "RESIDENT = 3" in text
