"""Drawn networks are the same in both libraries, and the script keeps what it measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch is not installed")

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks" / "random_networks.py"
BUILD = """
import random_networks as benchmark

draw = benchmark.Draw(3)
for number in range(40):
    for family in sorted(set(benchmark.FAMILIES), key=lambda family: family.__name__):
        network = family(draw)
        assert len(benchmark.steps(network, "sgd", number)) == 4
"""


def test_networks_of_each_family_have_as_many_parameters_in_both() -> None:
    done = subprocess.run([sys.executable, "-c", BUILD], cwd=SCRIPT.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_script_keeps_its_times(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "--seed", "1", "--count", "1", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("random-networks-*.json")
    (network,) = json.loads(file.read_text(encoding="utf-8"))["networks"]
    assert set(network["ms"]) == {"minigen", "minigen compiled", "PyTorch", "PyTorch tuned"}
    assert network["best_peer_ms"] == min(network["ms"]["PyTorch"], network["ms"]["PyTorch tuned"])
