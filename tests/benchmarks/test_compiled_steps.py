"""The table of compiled steps on the page is that of the result that is kept, and its script runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks" / "compiled_steps.py"
KEPT = ROOT / "benchmarks" / "results" / "compiled-steps-amd-epyc.json"


def test_the_page_has_the_table_of_the_result(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    for row in json.loads(KEPT.read_text(encoding="utf-8"))["steps"]:
        assert f"| {row['model']} | {row['batch']} | {row['plain_ms']:.2f} | {row['compiled_ms']:.2f} |" in page
    command = [sys.executable, str(SCRIPT), "--models", "ae", "--batch", "4", "--seconds", "0.1"]
    done = subprocess.run([*command, "--out", str(tmp_path / "out.json")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["steps"][0]["lines"] > 20
