"""The speed benchmark runs, and what it compares is the same in minigen and in PyTorch. No time is asserted.

Read next: ``benchmarks/run.py``.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import performance_page
from minigen.device import cuda_status
from minigen_bench import tables

ROOT = Path(__file__).resolve().parents[2]
BATCH = 4


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """The benchmark's command in a new process."""
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})


@pytest.mark.parametrize("models", ["dense-ae", pytest.param("dense-ae,dcgan", marks=pytest.mark.slow)])
def test_a_run_keeps_its_numbers_and_writes_the_page(models: str, tmp_path: Path) -> None:
    tiny = ["--batch-size", str(BATCH), "--rounds", "2", "--steps", "1", "--out", str(tmp_path)]
    done = run("--peers", "", "--models", models, "--note", "a test", *tiny)
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("speed-*-1-threads.json")
    result = json.loads(file.read_text(encoding="utf-8"))
    assert list(result["models"]) == models.split(",")
    for model in result["models"].values():
        (kind,) = model["runs"]
        own = model["runs"][kind]
        assert kind == "minigen" and len(own["rounds_ms"]) == 2
        assert 0 < own["min_ms"] <= own["median_ms"] and own["peak_mb"] > 10
        assert model["floor_ms"] > 0 and np.isfinite(own["losses"]).all()
    page = (tmp_path / "performance.md").read_text(encoding="utf-8")
    assert "**Note:** a test" in page and tables.times(result) in page and tables.memory(result) in page


def test_a_run_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    tiny = ["--peers", "", "--batch-size", str(BATCH), "--rounds", "1", "--steps", "1", "--out", str(tmp_path)]
    assert run("--models", "dense-ae", *tiny).returncode == 0
    (file,) = tmp_path.glob("speed-*-1-threads.json")
    first = json.loads(file.read_text(encoding="utf-8"))["models"]["dense-ae"]
    assert run("--models", "vae,dense-ae", *tiny).returncode == 0
    models = json.loads(file.read_text(encoding="utf-8"))["models"]
    assert list(models) == ["dense-ae", "vae"] and models["dense-ae"] == first
    assert run("--models", "dense-ae", "--again", *tiny).returncode == 0
    assert json.loads(file.read_text(encoding="utf-8"))["models"]["dense-ae"] != first


def test_the_page_is_that_of_the_kept_results() -> None:
    kept = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert kept == performance_page.page(ROOT / "benchmarks" / "results"), "python benchmarks/run.py --page"


@pytest.mark.parametrize("words", [["--models", "nonsense"], ["--peers", "nonsense"], ["--rounds", "0"]])
def test_a_bad_option_is_one_message(words: list[str]) -> None:
    done = run(*words)
    assert done.returncode == 2 and words[0] in done.stderr and "Traceback" not in done.stderr


def test_the_table_compares_with_the_fastest_peer() -> None:
    def runs(**ms: float) -> dict[str, dict[str, float]]:
        return {kind.replace("_", "-"): {"min_ms": value} for kind, value in ms.items()}

    models = {"a": {"runs": runs(minigen=1.0, torch=4.0, jax=2.0)}, "b": {"runs": runs(minigen=4.0, torch_tuned=2.0)}}
    ratios = tables.ratios({"run": {"device": "cpu"}, "models": {**models, "c": {"runs": runs(minigen=1.0)}}})
    assert ratios == {"a": 0.5, "b": 2.0}
    assert tables.geometric_mean(ratios.values()) == pytest.approx(1.0, abs=1e-12)


def test_a_compiled_step_has_a_column_of_its_own() -> None:
    runs = {kind: {"min_ms": ms, "median_ms": ms} for kind, ms in (("minigen", 2), ("minigen-compiled", 1), ("jax", 4))}
    models = {"a": {"title": "a", "batch": 8, "floor_ms": 0.5, "runs": runs}}
    head, _, row, mean, above = tables.times({"run": {"device": "cpu"}, "models": models}).splitlines()
    cells = [
        dict(zip(*([cell.strip() for cell in line.split("|")] for line in (head, other)))) for other in (row, mean)
    ]
    assert [each["to best peer"] for each in cells] == ["0.50", "0.50"]
    assert [each["compiled to best peer"] for each in cells] == ["0.25", "0.25"]
    assert cells[0]["to floor"] == "4.0" and above.count("0 of 1") == 2


def test_on_a_gpu_the_medians_are_compared() -> None:
    times = {"min_ms": 1.0, "median_ms": 6.0}, {"min_ms": 2.0, "median_ms": 3.0}
    model = {"title": "a", "batch": 8, "floor_ms": 1.5, "runs": dict(zip(("minigen", "torch-compile"), times))}
    result = {"run": {"device": "cuda"}, "models": {"a": model}}
    assert tables.ratios(result) == {"a": 2.0}
    cells = [cell.strip() for cell in tables.times(result).split("\n")[2].split("|")]
    assert cells[1:-1] == ["a, batch 8", "6.00 (1.00)", "3.00 (2.00)", "2.00", "1.50", "4.0"]


def test_without_a_gpu_there_is_one_message() -> None:
    usable, reason = cuda_status()
    if usable:
        pytest.skip("there is a GPU")
    done = run("--device", "cuda")
    assert done.returncode == 2 and done.stderr.strip().endswith(f"--device cuda: {reason}")
    assert "Traceback" not in done.stderr


def test_a_peer_without_a_gpu_is_left_out() -> None:
    if importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    code = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    if subprocess.run([sys.executable, "-c", code], check=False).returncode == 0:
        pytest.skip("PyTorch finds a GPU")
    code = "from run import harness; print(harness.without_gpu('torch'))"
    folder = str(ROOT / "benchmarks")
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout == "this PyTorch finds no GPU\n"


@pytest.mark.slow
@pytest.mark.parametrize("script", ["cold_start.py", "threads.py"])
def test_the_smaller_benchmarks_run(script: str, tmp_path: Path) -> None:
    options = {"cold_start.py": ["--models", "ae"], "threads.py": ["--models", "dense-ae", "--seconds", "0.1"]}[script]
    command = [sys.executable, str(ROOT / "benchmarks" / script), *options, "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("*.json")
    (found,) = json.loads(file.read_text(encoding="utf-8"))["models"].values()
    if script == "threads.py":
        assert 0 < found["one_ms"] and 0 < found["several_ms"]
    else:
        assert all(0 < found[state]["seconds"] for state in ("fresh", "compiling", "warm"))
        assert "optim._adam" in found["kernels"] and "never cached" not in found


def test_the_launcher_is_measured(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "launcher.py"), "--rounds", "1", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("*.json")
    launches = json.loads(file.read_text(encoding="utf-8"))["launches"]
    assert len(launches) == 11 and all(row["us"] > 0 for row in launches.values())
    assert launches["conv2d"]["arguments"] >= 19  # two images, a kernel, and all of its geometry
