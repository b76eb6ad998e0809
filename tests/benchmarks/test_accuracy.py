"""The fast paths are as exact as the page of their errors says.

Read next: ``benchmarks/accuracy.py``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Of the largest element. Sums of 10,000 products with errors of 6e-8 in another order give some 1e-6; the transforms
#: of tiles of 6x6 (Lavin and Gray 2016, arXiv:1509.09308) multiply that by about 6.
BOUND = 2e-5


@pytest.mark.parametrize("only", ["softmax", pytest.param("", marks=pytest.mark.slow)])
def test_errors_are_small_and_the_page_has_them(only: str, tmp_path: Path) -> None:
    words = [sys.executable, str(ROOT / "benchmarks" / "accuracy.py"), "--only", only, "--out", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("accuracy-*.json")
    calls = json.loads(file.read_text(encoding="utf-8"))["calls"]
    assert len(calls) >= (2 if only else 25)
    page = (tmp_path / "performance.md").read_text(encoding="utf-8")
    for name, call in calls.items():
        assert f"| {name} " in page
        for what, errors in call.items():
            assert max(errors.values()) < BOUND, f"{name}, {what}: {errors}"  # PyTorch's, too: float64 is right
    assert 0 < calls["softmax (128, 1000)"]["result"]["minigen"]
