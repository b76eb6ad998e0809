"""A report as text, on a terminal, in a notebook, as JSON and as a figure: complete, strict, and nothing invented.

Read next: ``../cli/test_cli_gradcheck.py``.
"""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from display.checked_html import Checked
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from rich.console import Console

from minigen import nn, ops
from minigen.autograd import Function, Tensor
from minigen.gradcheck import GradientMismatch, Report, Row, gradcheck
from minigen.gradcheck.figure import tiled
from minigen.gradcheck.report import Explanation, Mutation
from minigen.gradcheck.text import to_jsonable
from minigen.random import Generator
from minigen_kernels import Array


def point(*shape: int) -> Array:
    return np.random.default_rng(0).standard_normal(shape)


def passed() -> Report:
    layer = nn.Sequential(nn.Dense(3, 4, rng=Generator(0)), ops.tanh)
    return gradcheck(layer, point(5, 3), order=2, self_test=True)


class Third(Function):
    """x^2, whose gradient is wrong in the third column."""

    def forward(self, x: Array) -> Array:
        return x * x

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy * self.inputs[0] * Tensor(2.0 + (np.arange(y.shape[-1]) == 2))


def failed() -> Report:
    return gradcheck(Third.apply, point(3, 5), raise_on_failure=False)


def invented(shape: tuple[int, ...] = (2, 3), spoil: float = np.nan, **changes: Any) -> Report:
    """A failure with everything in it, also what JSON and HTML find hard."""
    row = Row(1, "parameter '<b>&'", shape, "6 elements", 3, np.nan, np.inf, 1e-6, None, "WRONG")
    report = Report("<Layer>", rows=[row], mutations=[Mutation(1, "input 0", "sign", False)])
    analytic = np.arange(math.prod(shape), dtype=float).reshape(shape)
    numeric = analytic * 2
    if analytic.size:
        analytic.flat[-1] = spoil
    settings: dict[str, Any] = {
        "numbers": (np.nan, -np.inf, 1e-9),
        "text": "In 6 of 6 elements.\nAlso <i>here</i>.",
        "explanations": [Explanation("factor", "It is half of it & more."), Explanation("nan", "It holds NaN.")],
        "advice": "Look again.",
        "maps": (analytic, numeric, np.zeros(shape)),
        "ladder": [(1e-3, 1.0, 2.0), (1e-5, 1.5, np.nan), (1e-7, 2.0, 0.0)],
        **changes,
    }
    index = (0,) * len(shape)
    report.failure = GradientMismatch("WRONG", "parameter '<b>&'", index, 1, report=report, **settings)
    return report


# JSON.


def strict(text: str) -> Any:
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


FIELDS = {
    "target", "verdict", "ok", "order", "seed", "dtype", "device", "evaluations", "seconds", "rows", "mutations",
    "failure",
}  # fmt: skip


@pytest.mark.parametrize("report", [passed(), failed(), invented(), Report("nothing")], ids=lambda r: r.target)
def test_json_is_strict_and_has_the_fields_that_are_documented(report: Report) -> None:
    facts = strict(report.to_json())
    assert facts == report.to_dict() and facts.keys() == FIELDS
    text = Report.to_dict.__doc__ or ""
    for name in {*facts, *(facts["failure"] or {}), *(key for row in facts["rows"] for key in row)}:
        assert name in text, f"{name} is not documented"
    assert len(facts["rows"]) == len(report.rows) and len(facts["mutations"]) == len(report.mutations)
    assert "\n" in report.to_json(indent=2)


def test_json_keeps_every_number() -> None:
    failure = strict(invented().to_json())["failure"]
    assert (failure["analytic"], failure["numeric"], failure["error"]) == ("nan", "-inf", 1e-9)
    assert failure["maps"]["analytic"] == [[0, 1, 2], [3, 4, "nan"]]
    assert failure["ladder"][1] == [1e-5, 1.5, "nan"] and math.isnan(float("nan"))
    assert [e["kind"] for e in failure["explanations"]] == ["factor", "nan"]
    found = strict(failed().to_json())["failure"]
    assert found["verdict"] == "WRONG" and found["index"][1] == 2


@given(hnp.arrays(st.sampled_from(["f8", "f4", "i8", "?"]), hnp.array_shapes(min_dims=0, min_side=0), elements=None))
def test_any_array_survives_json(a: Array) -> None:
    again = np.asarray(strict(json.dumps(to_jsonable(a), allow_nan=False)), dtype=a.dtype).reshape(a.shape)
    np.testing.assert_array_equal(again, a)


# Text.


def test_text_of_a_right_layer() -> None:
    report = passed()
    first, blank, head, rule, *lines = str(report).splitlines()
    assert first.startswith("OK: Sequential, ") and blank == "" and set(rule) == {"-"}
    rows = lines[: len(report.rows)]
    for column in ("tensor", "shape", "compared", "error", "resolution", "verdict"):
        start = head.index(column)
        assert all(line[start - 1] == " " and line[start] != " " for line in rows)
    said = f"self-test: {len(report.mutations)} planted errors"
    assert lines[len(rows)] == "" and lines[len(rows) + 1].startswith(said) and "every one rejected" in str(report)


def test_text_of_a_failure_is_verdict_then_diagnosis_then_evidence_then_table() -> None:
    text = str(invented())
    parts = ["WRONG, parameter '<b>&' at index (0, 0), order 1 of <Layer>", "looks like: It is half of it & more.",
             "or like:    It holds NaN.", "what to do: Look again.", "evidence:   analytic nan, numeric -inf +- 1e-09",
             "In 6 of 6 elements.", "Also <i>here</i>.", "order  tensor",
             "self-test: 1 of 1 planted error would have passed: sign in input 0, order 1"]  # fmt: skip
    places = [text.index(part) for part in parts]
    assert places == sorted(places) and places[0] == 0
    assert str(invented().failure) == text.partition("\n\n")[0]


def test_text_of_a_failure_that_nothing_explains() -> None:
    assert "looks like: no simple mistake" in str(invented(explanations=[]).failure)
    kink = invented(explanations=[], advice="")
    assert kink.failure is not None
    kink.failure.verdict = "KINK"
    assert "looks like" not in str(kink.failure)
    kink.failure.verdict = "VACUOUS"
    assert "analytic" not in str(kink.failure)


@pytest.mark.parametrize("report", [passed(), failed(), invented(), Report("nothing")], ids=lambda r: r.target)
@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_terminal_shows_the_same_and_stays_inside_its_window(report: Report, width: int) -> None:
    out = io.StringIO()
    Console(file=out, force_terminal=True, color_system="standard", width=width).print(report)
    coloured = out.getvalue()
    assert "\x1b[" in coloured
    Console(file=(wide := io.StringIO()), width=400).print(report)
    for row in report.rows:
        assert row.name in wide.getvalue() and row.verdict in wide.getvalue()
    words = set(str(report).split()) - set("".join(c if c.isalnum() else " " for c in str(report)).split())
    assert all(word in wide.getvalue() for word in words if "-" * 10 not in word)
    Console(file=(narrow := io.StringIO()), width=width).print(report)
    assert max(map(len, narrow.getvalue().splitlines())) <= width


def test_names_that_look_like_markup_are_shown_as_they_are() -> None:
    report = Report("[red]layer[/red]", rows=[Row(1, "[bold]x", (), "1 element", 3, 0.0, 0.0, 1e-6, (), "OK")])
    Console(file=(out := io.StringIO()), width=200).print(report)
    assert "[red]layer[/red]" in out.getvalue() and "[bold]x" in out.getvalue()


# A notebook.


@pytest.mark.parametrize(
    "report",
    [passed(), failed(), Report("nothing"), *(invented(shape) for shape in [(), (3,), (2, 3), (2, 2, 3, 2), (0, 2)]),
     invented((70, 3)), invented(maps=None)],
)  # fmt: skip
def test_a_notebook_gets_a_page_that_stands_alone(report: Report) -> None:
    page = Checked(report._repr_html_())
    assert report.target in page.text and report.verdict in page.text
    for row in report.rows:
        assert row.name in page.text
    if report.failure is not None:
        assert all(e.text in page.text for e in report.failure.explanations)


def test_the_map_has_a_cell_for_each_element_and_its_number() -> None:
    html = invented((2, 3), spoil=5.0)._repr_html_()
    assert [f'title="{value:.4g}"' in html for value in (0, 1, 2, 3, 4, 5)] == [True] * 6
    assert invented((2, 2, 2))._repr_html_().count("title=") == 8


# Figures.


@given(hnp.arrays("f8", hnp.array_shapes(min_dims=0, max_dims=6, min_side=0, max_side=3), elements=st.floats(1, 2)))
def test_a_picture_holds_every_element_once(a: Array) -> None:
    picture, reading = tiled(a)
    assert picture.ndim == 2 and reading
    np.testing.assert_array_equal(np.sort(picture[~np.isnan(picture)]), np.sort(a.ravel()))


def test_a_picture_is_laid_out_as_it_says() -> None:
    a = np.arange(2 * 3 * 4 * 5, dtype=float).reshape(2, 3, 4, 5)
    picture, reading = tiled(a)
    assert picture.shape == (9, 17) and np.isnan(picture[4]).all() and np.isnan(picture[:, 5]).all()
    np.testing.assert_array_equal(picture[5:, 12:], a[1, 2])
    assert reading == "axis 2 down and axis 3 across in each block, axis 1 from block to block, axis 0 from row to row"
    np.testing.assert_array_equal(tiled(a[0])[0][:, 6:11], a[0, 1])
    np.testing.assert_array_equal(tiled(a[0, 0])[0], a[0, 0])


def test_the_heat_maps_are_both_sides_and_their_difference() -> None:
    report = failed()
    assert report.failure is not None and report.failure.analytic_map is not None
    figure = report.plot()
    axes = [ax for part in figure.subfigs for ax in part.axes if ax.images]
    shown = {ax.get_title(): ax.images[0].get_array() for ax in axes}
    numeric = np.asarray(report.failure.numeric_map)
    np.testing.assert_array_equal(shown["analytic"], report.failure.analytic_map)
    np.testing.assert_array_equal(shown["numeric"], numeric)
    difference = np.abs(shown["analytic - numeric"])
    assert difference[:, 2].min() > 1e-3 and np.delete(difference, 2, 1).max() < 1e-6
    lines = {line.get_label(): line for part in figure.subfigs for ax in part.axes for line in ax.lines}
    steps, errors = lines["|analytic - numeric|"].get_data()
    assert len(steps) >= 5 and np.ptp(np.log10(errors)) < 0.5  # no step brings a wrong gradient nearer
    _, own = lines["numeric: distance from its best value"].get_data()
    assert min(own) < 1e-6 * max(errors)


@pytest.mark.parametrize(
    ("shape", "changes"),
    [(shape, {}) for shape in [(), (2, 3, 4), (0,)]]
    + [((2, 3), changes) for changes in ({"maps": None}, {"ladder": []})]
    + [pytest.param(shape, {}, marks=pytest.mark.slow) for shape in [(7,), (1, 2, 2, 1, 2)]]
    + [pytest.param((2, 0, 3), c, marks=pytest.mark.slow) for c in ({"ladder": []}, {"explanations": []})],
    ids=str,
)
def test_any_failure_can_be_drawn(shape: tuple[int, ...], changes: dict[str, Any], tmp_path: Path) -> None:
    report = invented(shape, **changes)
    if not math.prod(shape):
        assert report.failure is not None
        report.failure.index = None
    report.plot().savefig(tmp_path / "a.png", dpi=30)
    with Image.open(tmp_path / "a.png") as image:
        assert np.asarray(image.convert("L")).std() > 5


@pytest.mark.parametrize(
    ("report", "kind"), [(passed(), "png"), (Report("nothing"), "svg"), (invented(maps=None, ladder=[]), "pdf")]
)
def test_what_has_no_maps_gets_an_overview(report: Report, kind: str, tmp_path: Path) -> None:
    report.plot(str(tmp_path / f"a.{kind}"))
    assert (tmp_path / f"a.{kind}").stat().st_size > 2000


def test_a_report_is_shown_without_loading_what_is_not_needed() -> None:
    """`import minigen` stays light: rich and matplotlib come when something is shown by them."""
    code = (
        "import sys, numpy as np, minigen as mg\n"
        "report = mg.gradcheck(mg.ops.tanh, np.ones((2, 3)), order=2)\n"
        "str(report), report.to_json(), report._repr_html_()\n"
        "print([name for name in ('rich', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
