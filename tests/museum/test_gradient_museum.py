"""The gradient museum: every broken layer is found out, with the right diagnosis, and every right one passes.

Read next: ``gradients/exhibits.py``.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from museum.gradients.exhibits import Exhibit, room

from minigen.gradcheck import gradcheck

WRONG, RIGHT = room("wrong"), room("right")
KINDS = {
    "batch-size", "count", "detached", "dtype", "factor", "flipped", "in-place", "mask", "missing-sum", "missing-term",
    "initial-values", "memory", "nan", "none", "not-deterministic", "not-linear", "other-input", "recorded", "region",
    "same-input", "shape", "shifted", "sign", "state", "straight-through", "transposed", "upstream", "zero",
}  # fmt: skip

each = pytest.mark.parametrize("exhibit", [*WRONG, *RIGHT], ids=lambda e: e.name)


def judge(exhibit: Exhibit, seed: int) -> str:
    """What is not as it has to be, or ""."""
    fn, inputs = exhibit.draw(seed)
    report = gradcheck(fn, *inputs, order=exhibit.order, seed=seed, raise_on_failure=False)
    if report.verdict != exhibit.verdict:
        return f"seed {seed}: {report.verdict}, not {exhibit.verdict}\n{report}"
    failure = report.failure
    if failure is None:
        return ""
    if failure.order != exhibit.fails_at:
        return f"seed {seed}: fails at order {failure.order}, not {exhibit.fails_at}\n{report}"
    kinds = [explanation.kind for explanation in failure.explanations]
    if exhibit.kinds != ("",) and (not kinds or kinds[0] not in exhibit.kinds):
        return f"seed {seed}: explained as {kinds}, not as {exhibit.kinds}\n{report}"
    return ""


@each
def test_exhibit(exhibit: Exhibit) -> None:
    """The first of the 200 draws below."""
    assert not judge(exhibit, 0)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 200, 20))
def test_detection_is_complete_and_there_is_no_false_alarm_in_200_draws(first: int) -> None:
    """Twenty draws of each exhibit, ten times: no more than 50 seconds each on one core."""
    seeds = range(first, first + 20)
    wrongly = [f"{e.name}, {judged}" for e in (*WRONG, *RIGHT) for seed in seeds if (judged := judge(e, seed))]
    assert not wrongly, f"{len(wrongly)} of {20 * len([*WRONG, *RIGHT])}:\n" + "\n".join(wrongly[:10])


def test_the_museum_is_as_large_as_it_says() -> None:
    assert len(WRONG) >= 40 and len(RIGHT) >= 30
    assert {kind for e in WRONG for kind in e.kinds} - {""} == KINDS
    assert {e.verdict for e in WRONG} == {"WRONG", "KINK", "PRECISION", "VACUOUS"}
    assert all(e.verdict == "OK" and e.kinds == ("",) for e in RIGHT)


def test_the_page_explains_every_kind() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "gradcheck.md").read_text(encoding="utf-8")
    table = page.split("## How to read an explanation")[1].split("\n## ")[0]
    first_cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`([a-z-]+)`", " ".join(first_cells))) == KINDS | {"device", "extra-sum"}


@each
def test_an_exhibit_says_what_it_shows(exhibit: Exhibit) -> None:
    first, _, rest = exhibit.text.partition("\n\n")
    assert first.endswith(".") and "\n" not in first
    if exhibit.wrong:  # a thread, or the source, or the confession that there is none
        assert re.search(r"^Thread: [\w.-]+/[\w.-]+#\d+( \(.+\))?$|^Source: \S+/\S+, |^A common mistake", rest.strip())


@each
def test_seeds_give_other_numbers(exhibit: Exhibit) -> None:
    def drawn(seed: int) -> list[object]:
        return [x.tolist() for x in exhibit.draw(seed)[1] if hasattr(x, "tolist")]

    assert drawn(0) == drawn(0) and len({str(drawn(seed)) for seed in range(4)}) > 1
