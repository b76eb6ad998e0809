"""``docs/conventions.md`` is what the kept answers and today's minigen give; PyTorch of today answers as it says.

Read next: ``benchmarks/conventions/tables.py``.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAKER = importlib.util.spec_from_file_location("conventions_page", ROOT / "docs" / "make" / "conventions.py")
assert MAKER is not None and MAKER.loader is not None
conventions = importlib.util.module_from_spec(MAKER)
MAKER.loader.exec_module(conventions)
tables = importlib.import_module("tables")
TABLES = [importlib.import_module(f"table_{name}").TABLE for name in conventions.SUBJECTS]

each_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)

SLIPS = ("FileNotFound", "ModuleNotFound", "Import", "Name", "Attribute", "Type", "Key", "Index")
#: Cells where minigen raises the error that it should.
REFUSED = {"one value", "equal sets, 5 samples of 8", "one law, 5 samples of 8", "3 samples", "3 samples, density"}


def test_the_page_is_what_was_measured() -> None:
    page = (ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")
    assert page == conventions.page(), "run `python docs/make/conventions.py` and read what has changed"


@each_table
def test_minigen_answers_every_cell(table: Any) -> None:
    cells = tables.minigen_cells(table.name)
    assert {key for key, cell in cells.items() if isinstance(cell, dict)} <= REFUSED, cells
    rows = {row.key for part in table.parts for row in part.rows}
    assert {key for key in cells if not key.endswith(", each")} <= rows


@each_table
def test_what_differs_is_explained_and_what_is_asked_was_answered(table: Any) -> None:
    found = tables.columns(table)
    for row in (row for part in table.parts for row in part.rows):
        if found["minigen"] and tables.differing(table, row, found):
            assert row.guess or row.port, f"{table.name}, {row.key}: peers differ from minigen, and no note says why"
    asked = {key for cells in found.values() for key in cells if not key.endswith(", each")}
    assert asked == {row.key for part in table.parts for row in part.rows}


@each_table
def test_every_peer_was_asked(table: Any) -> None:
    answers = tables.kept(table.name)
    assert list(answers) == [peer.name for peer in table.peers]
    for name, answer in answers.items():
        assert "failed" in answer or answer["versions"], name
        for key, cell in answer.get("cells", {}).items():
            if isinstance(cell, dict):  # a refusal, not a program that is missing or a slip of the script
                assert not cell["error"].startswith(SLIPS), f"{table.name}, {name}, {key}: {cell['error']}"


@each_table
@pytest.mark.filterwarnings("ignore")
def test_torch_answers_as_kept(table: Any) -> None:
    torch = pytest.importorskip("torch", reason="compares with PyTorch: pip install torch==2.13.0")
    in_torch, adapter = importlib.import_module("in_torch"), importlib.import_module("adapter")
    if table.name not in in_torch.TABLES:
        return  # of other packages
    kept = tables.kept(table.name)["PyTorch"]
    if torch.__version__.split("+")[0] != kept["versions"]["torch"].split("+")[0]:
        pytest.skip(f"PyTorch {torch.__version__} is not the version of the page")
    now = adapter.measure(in_torch.TABLES[table.name]())
    assert now.keys() == kept["cells"].keys()
    for key, cell in now.items():
        assert tables.same(cell, kept["cells"][key]), f"{key}: {cell} now, {kept['cells'][key]} kept"


def test_a_cell_is_compared_as_it_is_read() -> None:
    assert tables.same([1.0, "nan"], [1.00001, "nan"]) and not tables.same([1.0], [1.01])
    assert not tables.same([0.0], [1e-9]) and not tables.same([1.0], "1") and not tables.same([1.0], [1.0, 1.0])
    assert tables.text_of([0.1 + 0.2, "inf", -0.0]) == "0.3, Inf, 0" and tables.text_of({"error": "x"}) == "refused"
