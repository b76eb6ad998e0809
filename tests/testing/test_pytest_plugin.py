"""The pytest plugin, run by pytest inside pytest: marker, fixture, what a failure looks like, and what it leaves alone.

Read next: ``minigen_pytest/__init__.py``.
"""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

import minigen_pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]

SINE = """
import numpy as np
import pytest
import minigen as mg
from minigen import ops

class Sine(mg.Function):
    factor = 1.0
    def forward(self, x):
        return np.sin(x)
    def backward(self, gy, y):
        return gy * Sine.apply(self.inputs[0] + np.pi / 2) * self.factor

def wrong(x):
    return Sine.apply(x, factor=2.0)

X = np.random.default_rng(0).normal(size=(2, 3))
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Write a test file, which begins with a right and a wrong sine, and run it with the plugin alone."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def run_file(text: str, *options: str) -> pytest.RunResult:
        pytester.makeini("[pytest]\naddopts = --strict-markers")
        pytester.makepyfile(test_it=SINE + "pytestmark = pytest.mark.filterwarnings('error')\n" + text)
        return pytester.runpytest_inprocess("-p", "minigen_pytest", "-p", "no:hypothesispytest", *options)

    return run_file


def test_what_a_marked_test_returns_is_checked(run) -> None:  # type: ignore[no-untyped-def]
    result = run("""
@pytest.mark.gradcheck(order=2)
def test_right():
    return Sine.apply, X

@pytest.mark.gradcheck
@pytest.mark.parametrize("n", [1, 2])
def test_parametrized(n):
    return [Sine.apply, X[:n]]

@pytest.mark.gradcheck
def test_wrong():
    return wrong, X
""")
    result.assert_outcomes(passed=3, failed=1)
    text = result.stdout.str()
    assert "WRONG" in text and "input 0" in text and "2 * numeric" in text
    assert "Traceback" not in text and "check.py" not in text and "def wrong" not in text  # no stack trace
    assert "test_it.py:" in text and "- WRONG, input 0" in text.split("short test summary")[1]


def test_the_fixture_takes_the_options_of_the_marker(run) -> None:  # type: ignore[no-untyped-def]
    run("""
@pytest.mark.gradcheck(seed=5)
class TestClass:
    @pytest.mark.gradcheck(order=2)
    def test_both_markers(self, gradcheck):
        report = gradcheck(Sine.apply, X)
        assert (report.order, report.seed) == (2, 5)
        assert gradcheck(Sine.apply, X, order=1).order == 1

def test_no_marker(gradcheck):
    report = gradcheck(Sine.apply, X, raise_on_failure=False)
    assert (report.order, report.seed) == (1, 0)
    assert not gradcheck(wrong, X, raise_on_failure=False).ok
    with pytest.raises(mg.GradientMismatch):
        gradcheck(wrong, X)
""").assert_outcomes(passed=2)


def test_a_failure_of_the_fixture_shows_the_line_of_the_test(run, pytester: pytest.Pytester) -> None:  # type: ignore[no-untyped-def]
    text = run("""
def test_wrong(gradcheck):
    gradcheck(Sine.apply, X)
    gradcheck(wrong, X)  # here
""").stdout.str()
    lines = (pytester.path / "test_it.py").read_text().splitlines()
    line = next(i for i, text in enumerate(lines, 1) if "# here" in text)
    assert f"test_it.py:{line}" in text and "2 * numeric" in text and "def test_wrong" not in text


@pytest.mark.parametrize("options", [("--tb=long",), ("--tb=native",), ("--full-trace",)])
def test_who_asks_for_the_trace_gets_it(run, options: tuple[str, ...]) -> None:  # type: ignore[no-untyped-def]
    text = run("def test_wrong(gradcheck):\n    gradcheck(wrong, X)  # here\n", *options).stdout.str()
    assert "gradcheck(wrong, X)  # here" in text and "2 * numeric" in text


def test_other_failures_keep_their_trace(run) -> None:  # type: ignore[no-untyped-def]
    text = run("def test_plain(gradcheck):\n    assert len(X) == 3\n").stdout.str()
    assert "assert len(X) == 3" in text


def test_a_marked_test_that_checks_nothing_fails(run) -> None:  # type: ignore[no-untyped-def]
    result = run("""
import unittest

@pytest.mark.gradcheck
def test_forgets_to_return():
    Sine.apply, X

@pytest.mark.gradcheck
def test_forgets_to_call(gradcheck):
    pass

@pytest.mark.gradcheck
class TestCase(unittest.TestCase):
    def test_method(self):
        pass
""")
    result.assert_outcomes(failed=3)
    assert result.stdout.str().count("but nothing was checked") >= 3


def test_wrong_options_are_named(run) -> None:  # type: ignore[no-untyped-def]
    result = run("""
@pytest.mark.gradcheck(orders=2)
def test_typo():
    return Sine.apply, X

@pytest.mark.gradcheck(2)
def test_position():
    return Sine.apply, X
""")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*takes no option orders; its options are order, *", "*takes named options only*"])


def test_expected_failures_and_example_inputs(run) -> None:  # type: ignore[no-untyped-def]
    run("""
@pytest.mark.xfail(raises=mg.GradientMismatch, strict=True)
@pytest.mark.gradcheck
def test_known_to_be_wrong():
    return wrong, X

class Layer(mg.nn.Module):
    def __init__(self):
        self.gain = mg.nn.Parameter(np.ones(3, np.float32))
    def forward(self, x):
        return x * self.gain
    @staticmethod
    def example_inputs(rng):
        return rng.normal((2, 3))

@pytest.mark.gradcheck(order=2)
def test_offers_inputs():
    return Layer()
""").assert_outcomes(passed=1, xfailed=1)


def test_a_layer_that_fails_checks_reads_as_a_list(run) -> None:  # type: ignore[no-untyped-def]
    text = run("""
from minigen.testing import check_layer

class Noisy(mg.nn.Module):
    def forward(self, x):
        return wrong(x)

def test_layer():
    check_layer(Noisy, X)
""").stdout.str()
    assert "FAILED   gradients" in text and "passed   forward" in text and "in check_layer" not in text


def test_with_hypothesis(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_it=SINE
        + """
from hypothesis import Phase, given, settings
from minigen.testing.strategies import by_axes

@pytest.mark.gradcheck(order=2)
@given(arrays=by_axes("N D"))
@settings(max_examples=3, deadline=None)
def test_drawn(gradcheck, arrays):
    assert gradcheck(Sine.apply, *arrays).order == 2

@given(arrays=by_axes("N D"))
@settings(max_examples=3, deadline=None, database=None, phases=[Phase.generate])
def test_drawn_wrong(gradcheck, arrays):
    gradcheck(wrong, *arrays)
"""
    )
    result = pytester.runpytest_inprocess("-p", "minigen_pytest", "-W", "error")
    result.assert_outcomes(passed=1, failed=1)
    assert "2 * numeric" in result.stdout.str() and "test_drawn_wrong(" in result.stdout.str()


@pytest.mark.parametrize("options", [("-p", "no:cacheprovider"), ("-n", "2"), ("-p", "no:terminalreporter")])
def test_beside_other_plugins(pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    if "-n" in options:
        pytest.importorskip("xdist")
    pytester.makeini("[pytest]\naddopts = --strict-markers --strict-config\nfilterwarnings = error")
    pytester.makepyfile(test_it=SINE + "\n@pytest.mark.gradcheck\ndef test_wrong():\n    return wrong, X\n")
    result = pytester.runpytest_subprocess("-p", "minigen_pytest", "-p", "no:hypothesispytest", *options)
    assert result.ret == 1
    if "no:terminalreporter" not in options:
        result.assert_outcomes(failed=1)
        assert "2 * numeric" in result.stdout.str() and "def backward" not in result.stdout.str()


def test_a_project_without_it_is_left_alone(pytester: pytest.Pytester) -> None:
    """No NumPy is imported, and a marker and a fixture of the same name are the project's own."""
    pytester.makeini("[pytest]\naddopts = --strict-markers\nmarkers =\n    gradcheck: tests of our own checker")
    pytester.makeconftest("import pytest\n@pytest.fixture\ndef gradcheck():\n    return 7\n")
    pytester.makepyfile(
        test_it="""
import sys
import pytest

@pytest.mark.gradcheck("something else")
def test_own(gradcheck):
    assert gradcheck == 7
    heavy = ["minigen", "numpy", "numba", "minigen_kernels"]
    assert not [name for name in heavy if name in sys.modules]
"""
    )
    result = pytester.runpytest_subprocess("-p", "minigen_pytest", "-p", "no:hypothesispytest")
    result.assert_outcomes(passed=1)


def test_the_marker_is_listed(run) -> None:  # type: ignore[no-untyped-def]
    assert "@pytest.mark.gradcheck(order=1, **options)" in run("", "--markers").stdout.str()


def test_the_plugin_is_an_entry_point_and_imports_pytest_alone() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["pytest11"] == {"minigen_pytest": "minigen_pytest"}
    assert "minigen_pytest" in project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    tree = ast.parse(Path(minigen_pytest.__file__).read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= {"__future__", "collections.abc", "functools", "importlib", "inspect", "pytest", "sys", "typing"}
