"""The report of `check_layer`: a list of findings, one for each check.

Imports: nothing. Read next: ``layer_checks.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["passed", "FAILED", "not run"]


@dataclass(frozen=True)
class Finding:
    """The result of one check. `text`: what was checked ("passed"), what came instead ("FAILED"), or why "not run"."""

    name: str
    outcome: Outcome
    text: str


@dataclass
class LayerReport:
    """The outcome of `check_layer`. `str(report)` is the list; `target` the name of the layer, `seconds` the time."""

    target: str
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Has no check failed?"""
        return not self.of("FAILED")

    def of(self, outcome: Outcome) -> list[str]:
        """The names of the checks with this outcome."""
        return [f.name for f in self.findings if f.outcome == outcome]

    def __str__(self) -> str:
        counts = ", ".join(f"{len(self.of(kind))} {kind}" for kind in ("FAILED", "passed", "not run") if self.of(kind))
        width = max((len(f.name) for f in self.findings), default=0)
        lines = [f"check_layer({self.target}): {counts} ({self.seconds:.1f} s)"]
        for f in sorted(self.findings, key=lambda f: ("FAILED", "passed", "not run").index(f.outcome)):
            indented = f.text.replace("\n", "\n" + " " * (width + 13))
            lines.append(f"  {f.outcome:<7}  {f.name:<{width}}  {indented}")
        return "\n".join(lines)


class LayerMismatch(Exception):  # noqa: N818 - it says what happened
    """A layer has failed a check. `report` is the whole list."""

    def __init__(self, report: LayerReport) -> None:
        super().__init__(report)
        self.report = report

    def __str__(self) -> str:
        return str(self.report)
