"""The order of the rooms, read from the source: who may import whom, and what `import minigen` must not load.

Read next: ``ops/op_table.py``.
"""

from __future__ import annotations

import ast
import functools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted([*(ROOT / "minigen").rglob("*.py"), *(ROOT / "kernels" / "minigen_kernels").rglob("*.py")])

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
TOP = {"cli", "__main__", "__init__"}  # these may import everything


def room_of(path: Path) -> str:
    """The room of a file or folder: "ops", "device" for minigen/device.py, "kernels"."""
    first, second, *_ = path.relative_to(ROOT).parts
    return first if first == "kernels" else second.removesuffix(".py")


def table(title: str) -> dict[str, frozenset[str]]:
    """For each room of the table below that title: the rooms that it imports."""
    section = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return {
        room_of(ROOT / room.strip(" `")): frozenset(filter(None, imports.strip().split(", ")))
        for room, _, imports in rows
    }


# Other libraries that may be imported when they are first needed: heavy ones, and one that Windows lacks.
LATE = {"IPython", "cupy", "fcntl", "h5py", "hypothesis", "matplotlib", "mpi4py", "numba", "onnx", "onnxruntime", "PIL",
        "pooch", "pyarrow", "rich", "safetensors", "tensorboardX", "threadpoolctl", "tomli_w", "torch"}  # fmt: skip


@functools.cache
def nodes_of(path: Path) -> list[ast.AST]:
    """All nodes of the syntax tree of a file."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@functools.cache
def imports_of(path: Path) -> list[tuple[ast.stmt, str]]:
    """Every import statement in a file with each dotted name that it asks for."""
    found: list[tuple[ast.stmt, str]] = []
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            found += [(node, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            found += [(node, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def room_named(name: str) -> str | None:
    """The room that a dotted name belongs to; None for other libraries, and for minigen itself (its version)."""
    first, _, rest = name.partition(".")
    if first == "minigen_kernels":
        return "kernels"
    return rest.partition(".")[0] or None if first == "minigen" else None


GROUND, ROOMS = table("The ground floor"), table("The rooms")

each_file = pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))


def test_the_page_names_every_room_and_its_arrows_point_up() -> None:
    assert GROUND.keys() | ROOMS.keys() | {"__main__", "__init__"} == {room_of(path) for path in SOURCES} | {"cli"}
    above: set[str] = set()
    for room, imports in (GROUND | ROOMS).items():
        assert imports <= above or room == "cli", f"{room} names a room below it"
        above.add(room)
    for path in re.findall(r"`((?:minigen|kernels|tests|docs)/[\w./]+)`", PAGE):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("room", sorted((GROUND | ROOMS).keys() - TOP))
def test_a_room_imports_what_the_page_says(room: str) -> None:
    used = {}
    for path in SOURCES:
        if room_of(path) == room:
            used |= {room_named(name): f"{path}:{node.lineno}" for node, name in imports_of(path)}
    used.pop(None, None)
    used.pop(room, None)
    common = set() if room in GROUND else GROUND.keys()
    assert used.keys() - common == (GROUND | ROOMS)[room], (
        f"{room}: docs/architecture.md and the imports differ: {used}"
    )


def test_no_file_is_longer_than_a_reader_takes_in_one_sitting() -> None:
    ours = ("minigen", "minigen_bench", "minigen_pytest", "kernels", "tests", "examples", "benchmarks", "docs", ".ci")
    for folder in ours:
        for path in (ROOT / folder).rglob("*.py"):
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 350, f"{path}: split it by subject"


@each_file
def test_no_import_hides_a_circle(path: Path) -> None:
    """An import that is indented (in a function, under a condition) or a call is that of another, listed library.

    Four exceptions: the dispatch of the kernel rooms, which are imported when a device is first used; the command that
    checks a module of the user's; the chapters of exercises, each imported when it is asked for; and ``mg.train``,
    ``mg.onnx`` and their like, that ``import minigen`` need not wait for.
    """
    if path == ROOT / "minigen" / "__init__.py":
        late = {name.rpartition(".")[0] for node, name in imports_of(path) if node.col_offset}
        late_rooms = {"minigen", "minigen.anatomy", "minigen.drawing", "minigen.runs"}
        assert late == late_rooms and path.read_text().count("import_module(") == 1
        return
    for node, name in imports_of(path):
        if node.col_offset:
            assert name.partition(".")[0] in LATE, f"{path}:{node.lineno}: {name} is imported late"
    late_ones = "kernels/minigen_kernels/__init__", "minigen/algorithms/user_code", "minigen/exercises/chapters"
    if path in [ROOT / f"{name}.py" for name in late_ones]:
        return
    for node in nodes_of(path):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            name = ast.literal_eval(node.args[0])
            assert name.partition(".")[0] in LATE, f"{path}:{node.lineno}: {name} is imported late"


def test_only_device_and_the_cuda_room_name_cupy() -> None:
    allowed = {ROOT / "minigen" / "device.py"}
    for path in SOURCES:
        if path in allowed or "cuda" in path.parts:
            continue
        for node, name in imports_of(path):
            assert name.partition(".")[0] != "cupy", f"{path}:{node.lineno}: only device.py imports CuPy"
        assert 'import_module("cupy")' not in path.read_text(encoding="utf-8"), path


@each_file
def test_a_file_opens_with_what_it_is_and_what_to_read_next(path: Path) -> None:
    (module,) = (node for node in nodes_of(path) if isinstance(node, ast.Module))
    text = ast.get_docstring(module) or ""
    assert len(text) > 40
    assert "Read next:" in text or path.name in ("__init__.py", "__main__.py")
    near = [path.parent, path.parent.parent, ROOT / "minigen", ROOT]
    for name in re.findall(r"`([\w./-]+\.(?:py|md|cu|cuh))`", text):
        assert any((folder / name).exists() for folder in near), f"{path}: there is no {name}"


def fresh_import(check: str) -> str:
    """What a new process prints that imports minigen and then runs `check`."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    code = f"import sys, minigen\n{check}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_minigen_loads_no_heavy_library_and_prints_nothing() -> None:
    heavy = ["numba", "matplotlib", "cupy", "PIL", "rich", "click", "pooch", "torch", "onnx"]
    assert fresh_import(f"print([m for m in {heavy} if m in sys.modules])") == "[]"
    late = "{'minigen.drawing', 'minigen.runs', 'minigen.onnx', 'minigen.weights'}"
    named = "{'draw', 'train', 'onnx', 'weights'} <= {*dir(minigen)}"
    assert fresh_import(f"print({named}, {late} & {{*sys.modules}})") == "True set()"


def test_every_package_says_that_it_is_typed() -> None:
    """Type checkers believe the annotations of an installed package only if it holds this file."""
    packages = "minigen", "minigen_bench", "minigen_pytest", "kernels/minigen_kernels"
    for package in (ROOT / name for name in packages):
        assert (package / "py.typed").is_file()


def test_everything_that_is_promised_is_there() -> None:
    check = (
        "for m in (minigen, minigen.nn, minigen.ops, minigen.losses, minigen.optim): [getattr(m, n) for n in m.__all__]"
    )
    assert fresh_import(check) == ""
