"""Write ``docs/kernels.md``: for every kernel and every room, the evidence that it works there.

    python docs/make/kernels.py         # needs nvcc and g++, no GPU; about two minutes

Nothing on the page is typed in. The kernels are those of the contract (`KernelSet`); the sentences are the first of
their docstrings in the reference room; the tests are run, and a test counts for a kernel in a room if it passed and
that kernel ran in it; the CUDA entry points are those that the kernel launches; registers and spills are nvcc's
report. What a GPU says comes from the report of ``pytest -m gpu --junitxml=docs/kernels_on_device.xml``, if there is
one. A kernel without evidence, or a test that fails, ends the script, and the page stays as it was.

Imports: minigen_kernels, pytest, ``tests/kernels/cuda``. Read next: ``kernels.md``.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import re
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.pop(0)  # the folder of this script, where `kernels` is this file and not the folder of tests
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "kernels"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

import numpy as np
import pytest
from kernels.cuda import nvcc

from minigen_kernels import KernelSet, calls, cuda, reference
from minigen_kernels.cuda import source
from minigen_kernels.cuda.launch import using
from minigen_kernels.host.build import HostBackend

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "kernels.md"
ON_DEVICE = ROOT / "docs" / "kernels_on_device.xml"
#: The rooms that tests call here. The CUDA room runs on the host: tests marked gpu are left out.
ROOMS = {"reference": "reference", "cpu": "cpu", "cuda": "host"}
#: What stands in the cells of a kernel that has no CUDA source of ours.
LIBRARY = "cuBLAS"
KERNELS = [name for name in vars(KernelSet) if not name.startswith("_")]

Calls = dict[str, dict[str, set[str]]]  # kernel, room -> ids of tests


def family(kernel: str) -> str:
    """The file of a kernel, the same in every room: "conv" of `conv2d`."""
    return getattr(reference, kernel).__module__.rpartition(".")[2]


def sentence(kernel: str) -> str:
    """The first sentence of the reference's docstring, on one line."""
    first = " ".join(getattr(reference, kernel).__doc__.split("\n\n")[0].split())
    return re.split(r"(?<=\.)(?<!et al\.)\s", first)[0]


# The tests that call a kernel.


class Recorder:
    """A plugin of pytest that writes down which test calls which kernel in which room, and lets go of what fails."""

    def __init__(self) -> None:
        self.called: dict[str, set[tuple[str, str]]] = defaultdict(set)
        self.failed: set[str] = set()
        self.test: str | None = None
        self.inside = False

    def watch(self, room: str, kernel: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function; a call that returns is written down, unless another kernel made it."""

        @functools.wraps(function)
        def watched(*arguments: Any, **named: Any) -> Any:
            if self.inside or self.test is None:
                return function(*arguments, **named)
            self.inside = True
            try:
                result = function(*arguments, **named)
            finally:
                self.inside = False
            self.called[self.test].add((ROOMS[room], kernel))
            return result

        return watched

    def pytest_configure(self) -> None:
        """Put the watched functions into the rooms, before any test module takes one from there."""
        for room in ROOMS:
            package = importlib.import_module(f"minigen_kernels.{room}")
            for kernel in KERNELS:
                original = getattr(package, kernel)
                watched = self.watch(room, kernel, original)
                for module in (package, sys.modules[original.__module__]):
                    setattr(module, kernel, watched)

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self.test = item.nodeid.partition("[")[0]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)


def tests_of_kernels() -> Calls:
    """Run the tests of single kernels; the ids of the tests (without parameters) that called each, by room."""
    files = [p for p in sorted((ROOT / "tests" / "kernels").glob("test_*.py")) if p.name != "test_contract.py"]
    files += sorted((ROOT / "tests" / "kernels" / "cuda").glob("test_host_*.py"))
    recorder = Recorder()
    options = ["-q", "-m", "not gpu and not slow", "--rootdir", str(ROOT)]
    code = pytest.main([*options, *map(str, files)], plugins=[recorder])
    if code or recorder.failed:
        sys.exit(f"docs/make/kernels.py: tests failed, so the page is not written: {sorted(recorder.failed)}")
    found: Calls = {kernel: defaultdict(set) for kernel in KERNELS}
    for test, called in recorder.called.items():
        for room, kernel in called:
            found[kernel][room].add(test)
    return found


# What a kernel launches, and what the compiler says of it.


class Noting(HostBackend):
    """Runs nothing; keeps the entry points that are launched. Results are whatever memory holds."""

    def __init__(self) -> None:
        super().__init__(Path())
        self.launched: set[tuple[str, str]] = set()

    def empty(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        return np.zeros(shape, dtype)

    def run(self, program: source.Program, kernel: str, *_: Any) -> None:
        self.launched.add((program.file, kernel))


def entry_points(kernel: str) -> list[tuple[str, str]]:
    """(file, name) of every CUDA entry point that the calls of this kernel launch; none for one that is a library's."""
    backend = Noting()
    with using(backend):
        for number, (name, _, _) in enumerate(calls.CALLS):
            if name == kernel:
                calls.results(cuda, number, np.float32)
    return sorted(backend.launched)


def compiled() -> dict[str, dict[int, dict[str, nvcc.Figures]]]:
    """For every `.cu` file and architecture, the figures of its entry points in float. Double has to compile too."""
    found: dict[str, dict[int, dict[str, nvcc.Figures]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in sorted(source.HERE.glob("*.cu")):
            found[path.name] = {}
            for architecture in nvcc.architectures():
                for dtype in (np.float64, np.float32):
                    program = source.program(path.name, np.dtype(dtype))
                    done = nvcc.compiled(program, architecture, Path(folder))
                    if done.returncode:
                        sys.exit(f"docs/make/kernels.py: {path.name} in {program.dtype}: {done.stderr}")
                found[path.name][architecture] = nvcc.figures(done.stderr)
    return found


def digest(file: str) -> str:
    """Of what the compiler reads of a `.cu` file: a page with another one shows figures of older code."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/|#line[^\n]*", "", source.program(file, np.dtype(np.float32)).text, flags=re.S)
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()[:8]


# What a GPU said.


def on_device(kernel: str, report: Path = ON_DEVICE) -> str:
    """The cell of the last column, from the report of ``pytest -m gpu``."""
    if not report.exists():
        return "not yet run"
    suite = next(ElementTree.parse(report).getroot().iter("testsuite"))
    name = next((p.get("value", "") for p in suite.iter("property") if p.get("name") == "device"), "unnamed device")
    own = re.compile(rf"test_all_rooms_agree\[(?:.*-)?{kernel}(?:_?\d+)?(?:-.*)?\]")
    cases = [case for case in suite.iter("testcase") if own.fullmatch(case.get("name", ""))]
    bad = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    if bad:
        return f"FAILED: {len(bad)} of {len(cases)} calls, {name}"
    ran = [case for case in cases if case.find("skipped") is None]
    return f"{len(ran)} calls agree, {name}" if ran else "not yet run"


# The page.

HEAD = """# Kernels

Written by `python docs/make/kernels.py`; do not edit. One row for each kernel of the contract
(`kernels/minigen_kernels/__init__.py`), and in each cell what proves it:

* **reference, cpu**: tests that ran the kernel of this room, and passed: against formulas, other libraries, or the
  reference. Beyond these, `tests/kernels/test_contract.py` holds every kernel of both rooms to the contract: dtype
  kept, arguments untouched, any strides, the same bits in a second call.
* **cuda, compiled**: the entry points that the kernel launches compile in float and double, without a warning, and
  spill no registers in float (nvcc {version}; `tests/kernels/cuda/test_compile.py::test_nvcc`). The number is the most
  registers of a thread in float, over all entry points and architectures.
* **cuda, on the host**: tests that ran the same CUDA source on the host (`tests/kernels/cuda`), with the threads of a
  block in both orders and the same bits required; there is no GPU in this.
  `tests/kernels/cuda/test_sanitizers.py::test_every_kernel_is_clean` runs every entry point under the address and
  undefined-behaviour sanitizers.
* **cuda, on a device**: what `pytest -m gpu --junitxml=docs/kernels_on_device.xml` reported of
  `tests/kernels/cuda/test_on_device.py::test_all_rooms_agree`.

Names of tests and entry points stand below the table.
"""


def page(tests: Calls, reports: dict[str, dict[int, dict[str, nvcc.Figures]]]) -> str:
    """The whole page."""
    rows = [["kernel", "what it is", "reference", "cpu", "cuda, compiled", "cuda, on the host", "cuda, on a device"]]
    for kernel in KERNELS:
        points = entry_points(kernel)
        cells = [_tests_cell(kernel, room, tests[kernel][room]) for room in ("reference", "cpu")]
        if points:
            cells += [_compiled_cell(points, reports), _tests_cell(kernel, "host", tests[kernel]["host"])]
        else:
            cells += [LIBRARY, LIBRARY]
        link = f"[`{kernel}`](#{kernel})"
        rows.append([link, escaped(sentence(kernel)), *cells, on_device(kernel)])
    head = HEAD.format(version=nvcc.version())
    return "\n".join([head, _table(rows), "", _entry_point_table(reports), "", *_evidence(tests)])


def _tests_cell(kernel: str, room: str, tests: set[str]) -> str:
    if not tests:
        sys.exit(f"docs/make/kernels.py: no test calls {kernel} in the room {room}; write one first")
    return f"{len(tests)} test{'s' if len(tests) > 1 else ''}"


def _compiled_cell(points: Sequence[tuple[str, str]], reports: dict[str, dict[int, dict[str, nvcc.Figures]]]) -> str:
    found = [figures[name] for file, name in points for figures in reports[file].values()]
    architectures = sorted({a for file, _ in points for a in reports[file]})
    if spilled := max(f.spilled for f in found):
        sys.exit(f"docs/make/kernels.py: {points} spill {spilled} bytes")
    return f"sm_{architectures[0]} to sm_{architectures[-1]}, {max(f.registers for f in found)} registers, no spills"


def _entry_point_table(reports: dict[str, dict[int, dict[str, nvcc.Figures]]]) -> str:
    users: dict[tuple[str, str], list[str]] = defaultdict(list)
    for kernel in KERNELS:
        for point in entry_points(kernel):
            users[point].append(kernel)
    architectures = list(next(iter(reports.values())))
    lines = ["## CUDA entry points", "", "Registers of a thread in float, by architecture; nothing is spilled.", ""]
    rows = [["entry point", "launched by", *(f"sm_{a}" for a in architectures)]]
    for file, report in reports.items():
        for name in source.kernels(file):
            if not users[file, name]:
                sys.exit(f"docs/make/kernels.py: no call launches {name} of {file}; add it to calls.py")
            by = ", ".join(f"`{kernel}`" for kernel in users[file, name])
            rows.append([f"`{file}: {name}`", by, *(str(report[a][name].registers) for a in architectures)])
    digests = ", ".join(f"`{file}` {digest(file)}" for file in reports)
    return "\n".join([*lines, _table(rows), "", f"Of the sources: {digests}."])


def _evidence(tests: Calls) -> Iterable[str]:
    yield "## Tests"
    for kernel in KERNELS:
        yield f"\n### {kernel}\n"
        for room, title in (("reference", "reference"), ("cpu", "cpu"), ("host", "cuda, on the host")):
            if room == "host" and not entry_points(kernel):
                continue
            by_file: dict[str, list[str]] = defaultdict(list)
            for test in sorted(tests[kernel][room]):
                file, _, name = test.partition("::")
                by_file[file].append(f"`{name}`")
            yield f"* {title}: " + "; ".join(f"`{file}`: {', '.join(names)}" for file, names in by_file.items())


def escaped(text: str) -> str:
    """Text in a cell of a table, where stars and bars mean nothing; code between backquotes stays as it is."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([*|\[\]])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


def _table(rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def main() -> None:
    """Gather the evidence, write the page."""
    if nvcc.NVCC is None:
        sys.exit("docs/make/kernels.py: nvcc is not installed: the page says what it reports")
    reports = compiled()
    text = page(tests_of_kernels(), reports)
    PAGE.write_text(text + "\n", encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {len(KERNELS)} kernels")


if __name__ == "__main__":
    main()
