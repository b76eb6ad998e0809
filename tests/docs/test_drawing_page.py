"""The page of `mg.draw`: its examples run, print what stands below them, and its pictures are those that they make.

Read next: ``docs/make/drawing.py``.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import re
from pathlib import Path
from typing import Any

import pytest

import minigen as mg
from docs.make import drawing as maker


def test_examples_pictures_and_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = maker.PAGE.read_text(encoding="utf-8")
    scope: dict[str, Any] = {}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for example in maker.examples():
            exec(example, scope)
            if "loss" in scope:
                names = {name: scope[name] for name in ("x", "w", "b", "loss")}
                print(mg.draw(scope.pop("loss"), names=names))
    below = re.findall(r"^```text\n(.*?)^```", page, re.M | re.S)
    assert printed.getvalue() == "".join(below)
    for name in maker.PICTURES:
        kept = maker.ROOT / "docs" / "images" / name
        assert kept.read_text("utf-8") == (tmp_path / name).read_text("utf-8"), "python docs/make/drawing.py"


def test_every_argument_has_a_row() -> None:
    page = maker.PAGE.read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)", page, re.M) == list(inspect.signature(mg.draw).parameters)
