"""A training step makes no more launches than ``docs/performance.md`` says, and at most half of those it once made.

On the double of CuPy, which counts all of them. Read next: ``benchmarks/launches.py``.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
RESULTS = BENCHMARKS / "results"
BEFORE, KEPT = (
    json.loads((RESULTS / f"launches-on-the-double{version}.json").read_text(encoding="utf-8"))
    for version in ("-before", "")
)

pytestmark = pytest.mark.gpu


@pytest.fixture
def launches(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The benchmark, as a module."""
    if not hasattr(importlib.import_module("cupy"), "_ledger"):
        pytest.skip("only the double counts the launches of CuPy and cuBLAS")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("launches")
    sys.modules.pop("launches", None)


def total(counted: dict[str, int]) -> int:
    return sum(n for kind, n in counted.items() if kind not in ("h2d", "d2h", "sync"))


@pytest.mark.parametrize("model", KEPT)
def test_a_step_makes_the_launches_that_the_page_says(launches: Any, model: str) -> None:
    found = launches.measure(model)
    assert found == KEPT[model], "write it anew: python benchmarks/launches.py, see its first lines; then the page"
    assert 2 * total(found["all"]) <= total(BEFORE[model]["all"])
    assert "sync" not in found["all"] and "d2h" not in found["all"]


def test_the_page_shows_the_counts() -> None:
    page = (BENCHMARKS.parent / "docs" / "performance.md").read_text(encoding="utf-8")
    for model in KEPT:
        assert f"| {total(BEFORE[model]['all'])} -> {total(KEPT[model]['all'])} |" in page
