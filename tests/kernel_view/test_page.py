"""The tables in docs/kernel_view.md are what the command prints.

Read next: ``docs/kernel_view.md``.
"""

from __future__ import annotations

import re
from pathlib import Path

from kernels.cuda.conftest import needed

from minigen.kernel_view.looking import look
from minigen.kernel_view.text import lines
from minigen_kernels.host.build import compiler

PAGE = Path(__file__).parents[2] / "docs" / "kernel_view.md"


def test_tables_are_not_stale() -> None:
    needed("g++", compiler())
    printed = "\n".join(lines(look("conv2d"), 0))
    blocks = re.findall(r"```text\n(.*?)\n(?:  \.\.\.\n)?```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        assert block in printed, "docs/kernel_view.md is stale: run minigen kernel conv2d --rows 0 and copy its tables"
