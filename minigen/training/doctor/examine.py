"""One examination: gather the evidence, ask every check, put the answers into lines.

Imports: evidence, diseases. Read next: ``visit.py``, for when it happens in a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from minigen.training.doctor.diseases import CHECKS, Finding, NotApplicable
from minigen.training.doctor.evidence import Classify, gather
from minigen.training.experiment import Experiment
from minigen_kernels import Array


@dataclass(frozen=True)
class Checkup:
    """What was found, by how many checks."""

    findings: tuple[Finding, ...]
    checks: int

    def lines(self) -> list[str]:
        """One line if all is well, else one for each disease."""
        if not self.findings:
            return [f"doctor: all is well ({self.checks} check{'' if self.checks == 1 else 's'})"]
        return [f"doctor: {finding}" for finding in self.findings]


def examine(
    experiment: Experiment,
    images: Array,
    labels: Array | None = None,
    history: Sequence[Mapping[str, float]] = (),
    *,
    classify: Classify | None = None,
) -> Checkup:
    """Look at a model with images (N, C, H, W) of its data and their labels (N,), if they have any.

    `history` has the mean terms of the epochs so far, as `fit` gives them. `classify` gives the probabilities of the
    classes of samples: with it, classes that are missing are seen that look like others, pixel by pixel. At least 100
    images are needed for most checks; 500 are better. Nothing of the experiment changes.
    """
    evidence = gather(experiment, images, labels, history, classify)
    findings, checks = [], 0
    for check in CHECKS:
        try:
            finding = check(evidence)
        except NotApplicable:
            continue
        checks += 1
        if finding is not None:
            findings.append(finding)
    return Checkup(tuple(findings), checks)
