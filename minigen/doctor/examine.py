"""One examination: collect the evidence, run all checks, format the findings.

Imports: evidence, diseases. Read next: ``schedule.py``, for when it happens in a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from minigen.algorithms.experiment import Experiment
from minigen.display.blocks import facts, frame, note, safely
from minigen.doctor.diseases import CHECKS, Check, Finding, NotApplicable
from minigen.doctor.evidence import Classify, collect_evidence
from minigen_kernels import Array


@dataclass(frozen=True)
class Checkup:
    """The findings, the number of checks, and a note on checks that were left out."""

    findings: tuple[Finding, ...]
    checks: int
    note: str = ""

    def lines(self) -> list[str]:
        """One line if all is well, else one for each disease."""
        well = () if self.note else (f"all is well ({self.checks} check{'' if self.checks == 1 else 's'})",)
        notes = (self.note,) if self.note else ()
        return [f"doctor: {line}" for line in (*(self.findings or well), *notes)]

    def _repr_html_(self) -> str:
        return safely(_checkup_html, self)


def _checkup_html(checkup: Checkup) -> str:
    found = [(finding.disease, f"{finding.evidence}. {finding.remedy}") for finding in checkup.findings]
    return frame("Checkup", facts(found), *([] if found else [note(line) for line in checkup.lines()]))


def examine(
    experiment: Experiment,
    images: Array,
    labels: Array | None = None,
    history: Sequence[Mapping[str, float]] = (),
    *,
    classify: Classify | None = None,
    checks: Sequence[Check] = CHECKS,
    names: Sequence[str] = (),
) -> Checkup:
    """Examine a model with images (N, C, H, W) of its data and their labels (N,), if there are labels.

    `history` has the mean loss terms of the epochs, as `fit` returns them. `classify` gives class probabilities of
    samples; with it missing classes are found more reliably than by pixel distances. `names` are those of the classes.
    Most checks need at least 100 images; 500 are better. The experiment does not change.
    """
    evidence = collect_evidence(experiment, images, labels, history, classify, names)
    findings, made = [], 0
    for check in checks:
        try:
            finding = check(evidence)
        except NotApplicable:
            continue
        made += 1
        if finding is not None:
            findings.append(finding)
    return Checkup(tuple(findings), made)
