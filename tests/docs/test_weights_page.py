"""The page of weights shows the table as it is, and what it says to run runs.

Read next: ``docs/make/weights.py``.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from docs.make import weights as maker
from minigen.cli import main

PAGE = maker.PAGE.read_text(encoding="utf-8")


def test_the_table_is_that_of_the_code() -> None:
    assert maker.page(PAGE) == PAGE, "rewrite the table: python docs/make/weights.py"
    assert PAGE.count("| `nn.") == 2 * len(maker.CONVENTIONS)


def test_what_the_page_says_to_run_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed: the page writes a .pt file")
    pytest.importorskip("h5py", reason="h5py is not installed: the page writes a file of Keras")
    monkeypatch.chdir(tmp_path)
    for program in re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S):
        exec(compile(program, "docs/weights.md", "exec"), {})
    for line in (line for part in re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S) for line in part.splitlines()):
        with pytest.raises(SystemExit) as info:
            main(shlex.split(line)[1:])
        assert info.value.code == 0, (line, capsys.readouterr().err)
    assert "into generator, at step 20" in capsys.readouterr().out
