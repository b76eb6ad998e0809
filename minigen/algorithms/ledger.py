"""The loss ledger: what each logged number is, what part it has in its loss, and one function that converts units.

Most reproductions of a VAE that fail do so here: a reconstruction that is a mean per pixel beside a divergence that is
a sum per sample is another model, with a KL weight hundreds of times too large. So every term of an experiment has a
`Term` (unit, weight, the loss that it belongs to), and each loss has to be the sum of its terms times their weights.

Imports: experiment. Read next: ``routing.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from minigen.algorithms.experiment import Experiment, Term, Terms

#: float32 has 7 digits; a loss and its terms may be summed up in different order.
TOLERANCE = 1e-5

#: The units between which `convert` converts.
UNITS = ("sum", "mean per pixel", "nats per sample", "bits per dim")


class LedgerError(ArithmeticError):
    """A loss is not the sum of its terms, or a logged term is unknown. The message has the numbers."""


@dataclass(frozen=True)
class Entry:
    """A term as it stood in one update. `share`: |weight value|, of the sum of these over the terms of its loss."""

    name: str
    unit: str
    value: float
    weight: float | None  # None for a term of no loss
    of: str | None
    share: float | None


def check_ledger(experiment: Experiment, terms: Terms) -> None:
    """Require that each loss in the `terms` of a step (or of `evaluate`) is the sum of weight * term over its terms.

    A loss of which no term is logged is not looked at: an evaluation may give the loss alone. LedgerError for a loss
    that is something else, of which only a part of the terms is there, or a term that the ledger does not know.
    """
    ledger = experiment.ledger
    unknown = [name for name in terms if name not in ledger]
    if unknown:
        raise LedgerError(f"the ledger does not know the logged {', '.join(map(repr, unknown))}; add a Term for each")
    for loss, parts in _losses(ledger).items():
        there = {name: term for name, term in parts.items() if name in terms}
        if not there:
            continue
        missing = [name for name in (loss, *parts) if name not in terms]
        if missing:
            raise LedgerError(f"{loss!r} is logged without {', '.join(map(repr, missing))}; log all of it, or none")
        values = {name: weight_of(term) * float(terms[name]) for name, term in there.items()}
        total, scale = math.fsum(values.values()), math.fsum(map(abs, values.values()))
        if not abs(float(terms[loss]) - total) <= TOLERANCE * max(scale, 1e-6):
            sums = " + ".join(f"{weight_of(term):g} * {name} {float(terms[name]):.6g}" for name, term in there.items())
            raise LedgerError(
                f"{loss!r} is {float(terms[loss]):.6g}, but its terms make {total:.6g}: {sums}. A weight in the ledger "
                "is not that of the loss, a term is missing, or two units are mixed"
            )


def entries(experiment: Experiment, terms: Mapping[str, Any]) -> list[Entry]:
    """The logged terms (numbers or Tensors) with their units, weights and shares, in the order of the ledger."""
    ledger = experiment.ledger
    totals = {
        loss: math.fsum(abs(weight_of(term) * float(terms[name])) for name, term in parts.items() if name in terms)
        for loss, parts in _losses(ledger).items()
    }
    found = []
    for name, term in ledger.items():
        if name not in terms:
            continue
        value, weight, share = float(terms[name]), None, None
        if term.of is not None:
            weight, total = weight_of(term), totals[term.of]
            share = abs(weight * value) / total if total else 0.0
        found.append(Entry(name, term.unit, value, weight, term.of, share))
    return found


def describe(experiment: Experiment, terms: Mapping[str, Any]) -> str:
    """A table of the logged terms: value, weight, share of the loss, unit. One line each, below a header."""
    rows = [("term", "value", "weight", "share", "unit")]
    for entry in entries(experiment, terms):
        weight = "" if entry.weight is None else f"{entry.weight:.4g}"
        share = "" if entry.share is None else f"{entry.share:.1%}" + ("" if entry.of == "loss" else f" of {entry.of}")
        rows.append((entry.name, f"{entry.value:.5g}", weight, share, entry.unit))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return "\n".join("  ".join([*(f"{row[i]:<{widths[i]}}" for i in range(4)), row[4]]).rstrip() for row in rows)


def is_weighed(experiment: Experiment, terms: Mapping[str, Any]) -> bool:
    """Is a loss made of several of these terms, so that their shares are worth a look?"""
    return any(sum(name in terms for name in parts) > 1 for parts in _losses(experiment.ledger).values())


def weight_of(term: Term) -> float:
    """The weight of a term just now."""
    return float(term.weight() if callable(term.weight) else term.weight)


def convert(value: float, unit: str, to: str, *, pixels: int, samples: int = 1) -> float:
    """A loss, or the weight of a term, in another of the `UNITS`; all are nats but the last.

    "sum" is over pixels and `samples`, "mean per pixel" over both, "nats per sample" a sum over `pixels` (C*H*W) and a
    mean over the samples, "bits per dim" the mean per pixel over ln 2. A sum of squared errors converts likewise.

    So a loss "mean per pixel + w * KL", with a KL in nats per sample, is a VAE with beta
    ``convert(w, "mean per pixel", "nats per sample", pixels=pixels)``: multiplying the loss by the number of pixels
    makes its first term the likelihood. ValueError for an unknown unit, or counts below 1.
    """
    if pixels < 1 or samples < 1:
        raise ValueError(f"convert: pixels and samples must be at least 1, got {pixels} and {samples}")
    nats = {
        "sum": 1.0 / samples,
        "mean per pixel": float(pixels),
        "nats per sample": 1.0,
        "bits per dim": pixels * math.log(2),
    }  # per sample, of one of the unit
    for name in (unit, to):
        if name not in nats:
            raise ValueError(f"convert: unit is one of {', '.join(map(repr, UNITS))}, got {name!r}")
    return value * nats[unit] / nats[to]


def _losses(ledger: Mapping[str, Term]) -> dict[str, dict[str, Term]]:
    """The losses, each with its terms."""
    losses: dict[str, dict[str, Term]] = {}
    for name, term in ledger.items():
        if term.of is not None:
            if term.of not in ledger:
                raise LedgerError(f"term {name!r} is part of {term.of!r}, which the ledger does not have; add its Term")
            losses.setdefault(term.of, {})[name] = term
    return losses
