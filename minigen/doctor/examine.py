"""One examination: gather the evidence, ask every check, put the answers into lines.

Imports: evidence, diseases. Read next: ``schedule.py``, for when it happens in a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from minigen.algorithms.experiment import Experiment
from minigen.doctor.diseases import CHECKS, Check, Finding, NotApplicable
from minigen.doctor.evidence import Classify, gather
from minigen_kernels import Array


@dataclass(frozen=True)
class Checkup:
    """What was found, by how many checks; `note` says what could not be asked."""

    findings: tuple[Finding, ...]
    checks: int
    note: str = ""

    def lines(self) -> list[str]:
        """One line if all is well, else one for each disease."""
        well = () if self.note else (f"all is well ({self.checks} check{'' if self.checks == 1 else 's'})",)
        notes = (self.note,) if self.note else ()
        return [f"doctor: {line}" for line in (*(self.findings or well), *notes)]


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
    """Look at a model with images (N, C, H, W) of its data and their labels (N,), if they have any.

    `history` has the mean terms of the epochs so far, as `fit` gives them. `classify` gives the probabilities of the
    classes of samples: with it, classes that are missing are seen that look like others, pixel by pixel. `checks` are
    what is asked, `names` those of the classes. At least 100 images are needed for most; 500 are better. Nothing of the
    experiment changes.
    """
    evidence = gather(experiment, images, labels, history, classify, names)
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
