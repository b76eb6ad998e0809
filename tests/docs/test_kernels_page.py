"""The page of kernels lists the kernels of the contract, and what it names as evidence exists. Nothing is run.

Read next: ``docs/make/kernels.py``.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from docs.make import kernels as maker
from minigen_kernels.cuda import source

ROOT = Path(__file__).resolve().parents[2]
PAGE = maker.PAGE.read_text(encoding="utf-8")
REWRITE = "rewrite the page: python docs/make/kernels.py"


def rows(heading: str) -> list[list[str]]:
    """The cells of the table whose heading begins with this cell."""
    table = PAGE[PAGE.index(f"| {heading} |") :].split("\n\n")[0].strip().split("\n")[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table]


def functions(file: str) -> set[str]:
    return {n.name for n in ast.walk(ast.parse((ROOT / file).read_text("utf-8"))) if isinstance(n, ast.FunctionDef)}


def test_a_row_for_each_kernel_and_no_empty_cell() -> None:
    table = rows("kernel")
    assert [row[0] for row in table] == [f"[`{kernel}`](#{kernel})" for kernel in maker.KERNELS], REWRITE
    assert all(len(row) == 7 and all(row) for row in table)
    for kernel, row in zip(maker.KERNELS, table):
        assert row[1] == maker.escaped(maker.sentence(kernel)), REWRITE
        assert row[6] == maker.on_device(kernel), REWRITE


def test_the_tests_exist_and_are_as_many_as_the_table_says() -> None:
    sections = dict(re.findall(r"^### (\w+)\n\n(.*?)(?=\n\n|\Z)", PAGE, flags=re.M | re.S))
    assert list(sections) == maker.KERNELS, REWRITE
    for kernel, row in zip(maker.KERNELS, rows("kernel")):
        told = {"reference": row[2], "cpu": row[3], "cuda, on the host": row[5]}
        for line in sections[kernel].strip().split("\n"):
            room, _, evidence = line.removeprefix("* ").partition(": ")
            names = 0
            for part in evidence.split("; "):
                file, *tests = re.findall(r"`([^`]+)`", part)
                assert tests and set(tests) <= functions(file), f"{kernel}: {file} lacks one of {tests}; {REWRITE}"
                names += len(tests)
            assert told.pop(room).split()[0] == str(names), f"{kernel}: {room}"
        assert set(told.values()) <= {maker.LIBRARY}, f"{kernel}: no tests for {sorted(told)}"


def test_the_entry_points_are_those_that_the_kernels_launch() -> None:
    launched = {(kernel, f"`{file}: {name}`") for kernel in maker.KERNELS for file, name in maker.entry_points(kernel)}
    told = {(by.strip("` "), row[0]) for row in rows("entry point") for by in row[1].split(",")}
    assert told == launched, REWRITE
    there = [f"`{p.name}: {name}`" for p in sorted(source.HERE.glob("*.cu")) for name in source.kernels(p.name)]
    assert [row[0] for row in rows("entry point")] == there, REWRITE


def test_the_figures_are_those_of_the_sources_as_they_are() -> None:
    told = dict(re.findall(r"`(\w+\.cu)` ([0-9a-f]{8})", PAGE))
    assert told == {path.name: maker.digest(path.name) for path in source.HERE.glob("*.cu")}, REWRITE
    registers = {row[0].strip("`"): max(map(int, row[2:])) for row in rows("entry point")}
    for kernel, row in zip(maker.KERNELS, rows("kernel")):
        points = [": ".join(point) for point in maker.entry_points(kernel)]
        wanted = f" {max(registers[p] for p in points)} registers, no spills" if points else maker.LIBRARY
        assert row[4].endswith(wanted), kernel


REPORT = """<testsuites><testsuite name="pytest"><properties><property name="device" value="Card 1"/></properties>
<testcase name="test_all_rooms_agree[conv2d_0-float32]"/><testcase name="test_all_rooms_agree[conv2d_1-float32]"/>
<testcase name="test_all_rooms_agree[conv2d_weight_grad-float32]"><failure message="wrong"/></testcase>
<testcase name="test_all_rooms_agree[erf-float64]"><skipped message="no device"/></testcase>
</testsuite></testsuites>"""


@pytest.mark.parametrize(
    ("kernel", "cell"),
    [
        ("conv2d", "2 calls agree, Card 1"),
        ("conv2d_weight_grad", "FAILED: 1 of 1 calls, Card 1"),
        ("erf", "not yet run"),
        ("uniform", "not yet run"),
    ],
)
def test_the_report_of_a_device_is_read(kernel: str, cell: str, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    assert maker.on_device(kernel, report) == "not yet run"
    report.write_text(REPORT, encoding="utf-8")
    assert maker.on_device(kernel, report) == cell
