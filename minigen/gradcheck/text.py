"""A report in words: the sentences that the terminal, the notebook and the exception share.

A failure leads with the verdict, goes on with what the mistake looks like, and ends with the evidence.

Imports: facts. Read next: ``table.py``, ``page.py``, ``drawing.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

from minigen.gradcheck.facts import Facts

HEAD = ("order", "tensor", "shape", "compared", "error", "resolution", "verdict")


def headline(facts: Facts) -> str:
    """The verdict, and where."""
    failure = facts["failure"]
    if failure is not None:
        return failure_headline(failure, facts["target"])
    rows = facts["rows"]
    zero = sum(row["verdict"] == "VACUOUS" for row in rows)
    but = f", {zero} of them zero" if zero else ""
    each = f" to order {facts['order']}" if facts["order"] > 1 else ""
    return f"OK: {facts['target']}, {counted(len(rows), 'gradient')}{each}{but}"


def failure_headline(failure: Facts, target: str) -> str:
    """The verdict, the tensor and element, the order."""
    place = "" if failure["index"] is None else f" at index {indices(failure['index'])}"
    return f"{failure['verdict']}, {failure['tensor']}{place}, order {failure['order']} of {target}"


def diagnosis(failure: Facts) -> list[tuple[str, str]]:
    """What the mistake looks like, and what to do: pairs of a label and sentences."""
    lines = [("looks like" if i == 0 else "or like", e["text"]) for i, e in enumerate(failure["explanations"])]
    if not lines and failure["verdict"] == "WRONG":
        lines.append(("looks like", "no simple mistake: none of those that the checker knows gives these numbers."))
    if failure["advice"]:
        lines.append(("what to do", failure["advice"]))
    return lines


def evidence(failure: Facts) -> list[tuple[str, str]]:
    """The numbers behind the verdict: pairs of a label and sentences."""
    lines = []
    if failure["verdict"] != "VACUOUS":
        analytic, numeric, error = (float(failure[name]) for name in ("analytic", "numeric", "error"))
        if analytic == analytic or numeric == numeric:  # a failure without two numbers has NaN for both
            lines.append(("evidence", f"analytic {analytic:.10g}, numeric {numeric:.10g} +- {error:.1g}"))
    if failure["text"]:
        lines.append(("evidence" if not lines else "", failure["text"]))
    return lines


def failure_lines(failure: Facts, target: str) -> list[str]:
    """The whole failure, a line for each sentence."""
    pairs = [*diagnosis(failure), *evidence(failure)]
    lines = [f"  {label + ':' if label else '':<11} {text}" for label, text in pairs]
    return [failure_headline(failure, target), *(line.replace("\n", "\n" + " " * 14) for line in lines)]


def footer(facts: Facts) -> list[str]:
    """How it was checked, and what became of the self-test."""
    tests = [] if not facts["mutations"] else [f"self-test: {self_test(facts['mutations'])}"]
    draws = f"{counted(facts['rows'][0]['cotangents'], 'random cotangent')}, " if facts["rows"] else ""
    cost = f"{counted(facts['evaluations'], 'evaluation')} in {facts['seconds']:.2g} s"
    return [*tests, f"{facts['dtype']} on {facts['device']}, seed {facts['seed']}, {draws}{cost}"]


def self_test(mutations: Sequence[Facts]) -> str:
    """How many planted errors were noticed, and which were not."""
    missed = [m for m in mutations if not m["rejected"]]
    kinds = ", ".join(dict.fromkeys(m["kind"] for m in mutations))
    if not missed:
        return f"{counted(len(mutations), 'planted error')} ({kinds}), every one rejected"
    named = "; ".join(f"{m['kind']} in {m['tensor']}, order {m['order']}" for m in missed[:4])
    more = f"; and {len(missed) - 4} more" if len(missed) > 4 else ""
    return f"{len(missed)} of {counted(len(mutations), 'planted error')} would have passed: {named}{more}"


def cells(row: Facts) -> list[str]:
    """The cells of a row, below `HEAD`. Error and resolution are relative to the largest derivative of the tensor."""
    numbers = [f"{x:.1e}" if x == x else "-" for x in (float(row["max_rel_error"]), float(row["resolution"]))]
    return [str(row["order"]), row["tensor"], indices(row["shape"]), row["compared"], *numbers, row["verdict"]]


def page(facts: Facts) -> str:
    """All of it: verdict, diagnosis and evidence, table, footer."""
    failure = facts["failure"]
    top = [headline(facts)] if failure is None else failure_lines(failure, facts["target"])
    table = aligned([HEAD, *map(cells, facts["rows"])])
    return "\n".join([*top, "", *table, *([""] if table else []), *footer(facts)])


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """A table in plain text, with a rule below its head; nothing without rows."""
    if len(lines) < 2:
        return []
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
    return [text[0], "-" * max(map(len, text)), *text[1:]]


def indices(numbers: Sequence[int]) -> str:
    """(2, 3): as Python writes it."""
    return str(tuple(numbers))


def counted(n: int, what: str) -> str:
    """1 gradient, 2 gradients."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"
