"""``minigen train --init-generator-from RUN``: a new run that begins with the networks of a finished one.

Imports: training.transfer. Read next: ``minigen/algorithms/transfer.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from minigen.algorithms.experiment import Recipe
from minigen.algorithms.transfer import SETTINGS, Donor, adopt, give_decoder, give_encoder
from minigen.cli.trained import open_run
from minigen.training.prepare import Prepared


def adopt_donors(
    recipe: Recipe, settings: Mapping[str, Any], given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Donor]]:
    """The settings with the layers of the runs that they name, and these runs, "generator" and "discriminator"."""
    adopted, donors = dict(settings), dict[str, Donor]()
    for part, setting in SETTINGS.items():
        path = settings[setting]
        if path is not None:
            run = open_run(path, None, None, "cpu")
            donors[part] = Donor(path, run.recipe, run.config, run.experiment, run.facts)
            adopted = adopt(recipe, adopted, given, part, donors[part])
    return adopted, donors


def begin_from_donors(prepared: Prepared, donors: Mapping[str, Donor]) -> list[str]:
    """Give the networks of a run in memory their first weights; what was done, in lines."""
    lines = []
    if "generator" in donors:
        lines.append(give_decoder(donors["generator"], prepared.experiment, prepared.train))
    if "discriminator" in donors:
        lines.append(give_encoder(donors["discriminator"], prepared.experiment, prepared.train.image_shape))
    return lines
