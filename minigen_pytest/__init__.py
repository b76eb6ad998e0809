"""The pytest plugin of minigen: the marker and the fixture `gradcheck`, and failures that read as a diagnosis.

pytest imports this file whenever it starts, in every project of the environment. So it is outside of the package
`minigen`, whose import loads NumPy, and imports nothing but pytest; the first check imports the gradient checker.

    @pytest.mark.gradcheck(order=2)
    def test_my_layer():
        return MyLayer(4), np.random.randn(2, 4)     # what is to be checked, and where

    @pytest.mark.gradcheck(order=2)                  # the options of all checks in this test
    def test_my_function(gradcheck):
        report = gradcheck(my_function, x, seed=3)   # options here take precedence

A marked test that checks nothing fails: it would prove nothing. If a project has its own marker of this name (in the
`markers` of its configuration), the plugin does not touch it. ``-p no:minigen_pytest`` turns the plugin off.

PYTEST_DONT_REWRITE: there is no assert in this file.

Read next: ``minigen/testing/__init__.py``.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Generator
from typing import Any

import pytest

MARKER = "gradcheck"
#: Exceptions that are shown without a traceback, and the modules that define them.
WITHOUT_TRACE = {
    "GradientMismatch": "minigen.gradcheck",
    "LayerMismatch": "minigen.testing",
}

_state: pytest.StashKey[_GradcheckFixture] = pytest.StashKey()


class _GradcheckFixture:
    """The value of the fixture: `gradcheck` with the options of the marker of the running test.

    It lives as long as the session, so that tests under ``hypothesis.given`` can ask for it too.
    """

    def __init__(self) -> None:
        self.options: dict[str, Any] = {}
        self.calls = 0

    def __repr__(self) -> str:
        return "<the fixture gradcheck>"

    def __call__(self, fn: Any, *inputs: Any, **options: Any) -> Any:
        """``minigen.gradcheck(fn, *inputs, **options)``; without inputs at those of ``fn.example_inputs()``."""
        self.calls += 1
        if not inputs and hasattr(fn, "example_inputs"):
            inputs = importlib.import_module("minigen.testing").offered_inputs(fn)
        return _gradcheck()(fn, *inputs, **{**self.options, **options})


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, unless the project has one of this name."""
    names = [line.partition(":")[0].partition("(")[0].strip() for line in config.getini("markers")]
    if MARKER not in names:
        config.stash[_state] = _GradcheckFixture()
        config.addinivalue_line(
            "markers",
            "gradcheck(order=1, **options): check the gradients of what the test returns, (fn_or_module, *inputs), or "
            "set the options of the fixture `gradcheck` (minigen)",
        )


@pytest.fixture(scope="session")
def gradcheck(pytestconfig: pytest.Config) -> Callable[..., Any]:
    """``minigen.gradcheck`` with the options of the test's marker: gradcheck(fn_or_module, *inputs, **options)."""
    return pytestconfig.stash.get(_state, None) or _GradcheckFixture()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Before a test runs: set the options of its markers; if it has one, check what it returns."""
    fixture = item.config.stash.get(_state, None)
    if fixture is None or not isinstance(item, pytest.Function):
        return
    markers = list(item.iter_markers(MARKER))
    fixture.options = {}
    for marker in reversed(markers):  # that of the function comes after that of its class
        fixture.options.update(_options_of(marker))
    if markers and not hasattr(item.obj, "__gradchecked__") and not inspect.iscoroutinefunction(item.obj):
        item.obj = _with_gradcheck(item.obj, fixture)


def _with_gradcheck(test: Callable[..., Any], fixture: _GradcheckFixture) -> Callable[..., None]:
    """The test function, which checks what it returns and returns nothing."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        before = fixture.calls
        returned = test(*args, **kwargs)
        if returned is not None:
            fixture(*(returned if isinstance(returned, (tuple, list)) else (returned,)))
        if fixture.calls == before:
            pytest.fail(
                f"{test.__name__} is marked gradcheck, but nothing was checked: return (fn_or_module, *inputs), or ask "
                "for the fixture `gradcheck` and call it",
                pytrace=False,
            )

    run.__gradchecked__ = True  # type: ignore[attr-defined]
    return run


def _options_of(marker: pytest.Mark) -> dict[str, Any]:
    """The keyword arguments of a marker; a failure if one is unknown."""
    known = [
        name
        for name, p in inspect.signature(_gradcheck()).parameters.items()
        if p.kind is p.KEYWORD_ONLY and name != "raise_on_failure"
    ]
    unknown = [name for name in marker.kwargs if name not in known]
    if marker.args or unknown:
        what = f"no option {', '.join(unknown)}" if unknown else "named options only, such as order=2"
        pytest.fail(f"the marker gradcheck takes {what}; its options are {', '.join(known)}", pytrace=False)
    return dict(marker.kwargs)


def _gradcheck() -> Callable[..., Any]:
    return importlib.import_module("minigen.gradcheck").gradcheck


@pytest.hookimpl(hookwrapper=True, trylast=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """Show a mismatch as its message and the line of the test, unless --tb or --full-trace ask for the traceback."""
    outcome = yield
    wants_trace = item.config.getoption("fulltrace") or item.config.getoption("tbstyle") not in ("auto", "short")
    if call.excinfo is None or wants_trace or not _is_mismatch(error := call.excinfo.value):
        return
    report = outcome.get_result()
    if not report.failed:
        return
    own = [entry for entry in call.excinfo.traceback if str(entry.path) == str(item.path)]
    line = own[-1].lineno + 1 if own else (item.location[1] or 0) + 1
    shown: Any = call.excinfo.getrepr(style="value", chain=False)
    lines = _text_of(error).splitlines()
    shown.reprtraceback.reprentries[-1].lines[:] = [*lines, "", f"{item.location[0]}:{line}"]
    if shown.reprcrash is not None:
        shown.reprcrash.message = lines[0]  # what the summary at the end shows
    report.longrepr = shown


def _is_mismatch(error: BaseException) -> bool:
    """Is it one of the exceptions of `WITHOUT_TRACE`? Nothing is imported to find out."""
    room = sys.modules.get(WITHOUT_TRACE.get(type(error).__name__, ""))
    return room is not None and isinstance(error, getattr(room, type(error).__name__))


def _text_of(error: BaseException) -> str:
    """The diagnosis, the table of the report, and the notes, in which hypothesis names its example."""
    text = str(error)
    table = str(getattr(error, "report", ""))
    if table not in text:
        text = table if text in table else f"{text}\n\n{table}"
    return "\n".join([text, *getattr(error, "__notes__", ())])
