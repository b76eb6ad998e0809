"""What a run's numbers mean and what its networks are: units of the terms, layers with their sizes.

The model is built from the settings and from what the checkpoint says of the images; weights are not read, no image is.
Code of a user's own is not executed for that: of such a run the names and shapes of its parameters are shown.

Imports: algorithms.experiment, models.summary, serialization, training, runs.settings. Read next: ``page.py``.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minigen.algorithms.catalog import is_place
from minigen.dashboard.watched import Watched
from minigen.models.summary import Chain, Summary, summarize
from minigen.runs.settings import read_run
from minigen.training.prepare import build

LARGEST = 100_000_000  # bytes of a header of a safetensors file, by its own limit


def describe(watched: Watched) -> dict[str, Any]:
    """Units of the terms and layers of the networks, as JSON; "note" says why there are none."""
    found: dict[str, Any] = {
        "units": {},
        "networks": [],
        "parameters": parameters_of(watched.folder.last),
        "note": None,
    }
    facts, model = watched.facts(), str(watched.config().get("model", ""))
    if facts is None:
        return found | {"note": "units and layers are those of the model, which a checkpoint tells; there is none"}
    if is_place(model):
        return found | {
            "note": f"the network is code of its own, {Path(model).name}, which is not executed to look at a run"
        }
    try:
        recipe, config = read_run(watched.folder, note=lambda text: None)
        experiment = build(recipe, config, facts["data"], "cpu", watched.folder.networks(config))
        shape = facts["data"]["image_shape"]
        c, h, w = shape
        networks = summarize(experiment.modules, (c, h, w))
    except Exception as error:  # whatever a damaged or foreign folder leads to: the curves are shown all the same
        return found | {"note": f"the model cannot be built: {' '.join(str(error).split())}"}
    return found | {
        "image": list(shape),
        "units": {name: {"unit": term.unit, "of": term.of} for name, term in experiment.ledger.items()},
        "networks": [_network(name, summary) for name, summary in networks.items()],
    }


def parameters_of(path: Path) -> list[dict[str, Any]]:
    """Name and shape of each parameter in a checkpoint; none if it cannot be read."""
    with contextlib.suppress(OSError, ValueError, AttributeError, KeyError), open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length < min(LARGEST, os.fstat(file.fileno()).st_size):
            entries = json.loads(file.read(length))
            return [
                {"name": name.removeprefix("modules/").replace("/", ".", 1), "shape": entry["shape"]}
                for name, entry in entries.items()
                if name.startswith("modules/")
            ]
    return []


def _network(name: str, summary: Summary) -> dict[str, Any]:
    return {
        "name": name,
        "parameters": summary.parameters,
        "text": str(summary),
        "chains": [_chain(chain) for chain in summary.chains],
    }


def _chain(chain: Chain) -> Mapping[str, Any]:
    return {"kind": chain.kind, "widths": list(chain.widths), "sizes": [list(size) for size in chain.sizes]}
