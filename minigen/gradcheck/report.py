"""The result of a gradient check: a report, and an exception for a gradient that has not passed.

Imports: atomic, the files that render it. Read next: ``text.py``, ``check.py``.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from minigen.atomic import write_atomically
from minigen.gradcheck import figure, html_report, text
from minigen_kernels import Array

Verdict = Literal["OK", "WRONG", "KINK", "PRECISION", "VACUOUS"]
Index = tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """One tensor at one order.

    `compared`: the elements or directions, each for so many random `cotangents`. Errors are |analytic - numeric|,
    absolute and relative to the largest derivative of this tensor. `resolution`: the smallest relative error that would
    have been noticed, in the number that is known best. `worst_index`: the element that comes closest to its tolerance,
    or exceeds it most; None for directions. Verdict VACUOUS: both are zero to within rounding, relative errors are NaN.
    """

    order: int
    name: str
    shape: tuple[int, ...]
    compared: str
    cotangents: int
    max_abs_error: float
    max_rel_error: float
    resolution: float
    worst_index: Index | None
    verdict: Verdict


@dataclass(frozen=True)
class Mutation:
    """An error planted in a gradient that had passed (a mutant): did the same comparison reject it?

    `name`: the tensor. `kind`: "factor", "sign", "zero", "shifted", "transposed" or "perturbed".
    """

    order: int
    name: str
    kind: str
    rejected: bool


@dataclass(frozen=True)
class Explanation:
    """A mistake that would give exactly these numbers. `text`: one or two sentences, with the evidence in numbers."""

    kind: str
    text: str


@dataclass
class Report:
    """The outcome of a check: a row for each tensor and order. `str(report)` is a table.

    `target`: the name of what was checked. `mutations`: the planted errors of the self-test, empty without one.
    `failure`: why the check did not pass, or None. `order`, `seed`, `dtype`, `device`: the settings. `evaluations`: the
    number of calls of the function for the numeric derivatives; `seconds`: the duration of the whole check.
    """

    target: str = ""
    order: int = 1
    seed: int = 0
    dtype: str = "float64"
    device: str = "cpu"
    rows: list[Row] = field(default_factory=list)
    mutations: list[Mutation] = field(default_factory=list)
    failure: GradientMismatch | None = None
    evaluations: int = 0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Did the check pass?"""
        return self.failure is None

    @property
    def verdict(self) -> Verdict:
        """That of the failure, or OK."""
        return "OK" if self.failure is None else self.failure.verdict

    def to_dict(self) -> dict[str, Any]:
        """The whole report in dicts, lists, strings and numbers, as `to_json` writes it.

        Fields of the same names as here: target, verdict, ok, order, seed, dtype, device, evaluations, seconds. `rows`:
        a list of order, tensor, shape, compared, cotangents, max_abs_error, max_rel_error, resolution, worst_index,
        verdict (see `Row`). `mutations`: a list of order, tensor, kind, rejected. `failure`: null, or verdict, order,
        tensor, index, analytic, numeric, error, text, advice, explanations (a list of kind and text), ladder (a list of
        step, numeric slope, difference) and maps: null, or analytic, numeric and error as nested lists. A number that
        is not finite is "nan", "inf" or "-inf".
        """
        own = {name: getattr(self, name) for name in ("target", "verdict", "ok", "order", "seed", "dtype", "device")}
        rows, mutations = ([{("tensor" if name == "name" else name): value for name, value in asdict(item).items()}
                            for item in items] for items in (self.rows, self.mutations))  # fmt: skip
        failure = None if self.failure is None else self.failure.to_dict()
        cost = {"evaluations": self.evaluations, "seconds": self.seconds}
        data: dict[str, Any] = text.to_jsonable(
            {**own, **cost, "rows": rows, "mutations": mutations, "failure": failure}
        )
        return data

    def to_json(self, indent: int | None = None) -> str:
        """`to_dict` as strict JSON (no NaN, no Infinity)."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False, ensure_ascii=False)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """A matplotlib Figure, which is also written to `path`, if one is given (PNG, PDF or SVG, by its name).

        Of a failure: heat maps of the analytic and numeric gradient and their difference, where all elements were
        compared (`figure.tiled` draws tensors of more than two axes); and the error against the step. Else an
        overview of the errors found, and of the smallest that would have been noticed.
        """
        drawn = figure.to_figure(self.to_dict())
        if path is not None:
            file = io.BytesIO()
            drawn.savefig(file, dpi=120, format=os.path.splitext(path)[1].removeprefix(".").lower() or "png")
            write_atomically(path, file.getvalue())
        return drawn

    def __str__(self) -> str:
        return text.to_text(self.to_dict())

    def _repr_html_(self) -> str:
        return html_report.to_html(self.to_dict())

    def __rich_console__(self, *_: Any) -> Iterator[Any]:
        yield from text.to_rich(self.to_dict())


class GradientMismatch(Exception):  # noqa: N818 - it says what happened
    """A gradient check did not pass.

    `verdict`: WRONG (the derivative is not the function's), KINK (the function has no derivative here), PRECISION (too
    imprecise to decide) or VACUOUS (all zero: nothing was tested). `tensor`, `index`, `order`: the place. `analytic`
    and `numeric` (+- `error`): the two numbers there. `explanations`: the mistakes that fit, best first; `advice`: what
    to do where there is no mistake to explain; `hint`: both in one text. `report`: the rows so far.

    `analytic_map`, `numeric_map`, `error_map`: both gradients, and the error of the numeric one, in the shape of the
    tensor for the cotangent shown; None unless all elements were compared. `ladder`: (step, numeric slope with that
    step, |analytic - numeric|) at the place, from the largest step down; a step is relative to the size of the number.
    """

    def __init__(
        self,
        verdict: Verdict,
        tensor: str,
        index: Index | None,
        order: int,
        *,
        numbers: tuple[float, float, float],
        text: str,
        report: Report,
        advice: str = "",
        explanations: list[Explanation] | None = None,
        maps: tuple[Array, Array, Array] | None = None,
        ladder: list[tuple[float, float, float]] | None = None,
    ) -> None:
        super().__init__(verdict, tensor, index, order, text)
        self.verdict, self.tensor, self.index, self.order = verdict, tensor, index, order
        self.analytic, self.numeric, self.error = numbers
        self.text, self.advice, self.report = text, advice, report
        self.explanations = explanations or []
        self.analytic_map: Array | None
        self.numeric_map: Array | None
        self.error_map: Array | None
        self.analytic_map, self.numeric_map, self.error_map = maps or (None, None, None)
        self.ladder = ladder or []

    @property
    def hint(self) -> str:
        """The texts of the explanations, and the advice."""
        return " ".join([e.text for e in self.explanations] + [self.advice] * bool(self.advice))

    def to_dict(self) -> dict[str, Any]:
        """The failure without its report: see `Report.to_dict`."""
        names = ("verdict", "order", "tensor", "index", "analytic", "numeric", "error", "text", "advice", "ladder")
        maps = {"analytic": self.analytic_map, "numeric": self.numeric_map, "error": self.error_map}
        data: dict[str, Any] = {name: getattr(self, name) for name in names}
        data["explanations"] = [asdict(explanation) for explanation in self.explanations]
        data["maps"] = None if self.analytic_map is None else maps
        return text.to_jsonable(data)

    def __str__(self) -> str:
        return "\n".join(text.failure_lines(self.to_dict(), self.report.target))
