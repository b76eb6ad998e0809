"""The page `docs/testing.md` is a test file: it passes, and its tables name what there is.

Read next: ``docs/testing.md``.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from minigen.testing import strategies
from minigen.testing.layer_checks import CHECKS

pytest_plugins = ["pytester"]

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")


def test_the_code_on_the_page_passes(pytester: pytest.Pytester) -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
    pytester.makepyfile(test_page="import pytest\npytestmark = pytest.mark.filterwarnings('error')\n" + code)
    result = pytester.runpytest_inprocess("-p", "minigen_pytest", "--strict-markers", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=len(re.findall(r"^def test_", code, re.MULTILINE)))


def test_the_tables_are_complete() -> None:
    assert [name for name, _ in CHECKS if f"\n| {name} |" not in PAGE] == []
    assert [name for name in strategies.__all__ if name not in PAGE and name != "ConvGeometry"] == []
