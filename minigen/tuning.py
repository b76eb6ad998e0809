"""By which costs the CPU's convolutions choose their way: the usual ones, or those measured on this machine.

The costs decide about the algorithm and so about the last bits of a result. So nothing is measured unasked: `measure`
does it and keeps the costs in the cache folder; a run takes them when it starts, writes them to ``env.json``, and keeps
to those when it is resumed. ``$MINIGEN_CONVOLUTIONS`` names another file, or "default" for the usual costs.

Imports: kernels, cache. Read next: ``kernels/minigen_kernels/cpu/choice.py``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from minigen.atomic import write_atomically
from minigen.cache import cache_folder
from minigen_kernels import convolution_choice, convolution_tuning


def measure() -> Path:
    """Measure the costs on this machine, in some seconds, and keep them for the runs that start later."""
    path = cache_folder() / "convolutions.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    costs = convolution_tuning().measured_costs()._asdict()
    write_atomically(path, (json.dumps(costs, indent=2) + "\n").encode())
    return path


def start() -> None:
    """Use the measured costs if there are any. ValueError if the file is none of `measure`."""
    named = os.environ.get("MINIGEN_CONVOLUTIONS")
    path = Path(named) if named else cache_folder() / "convolutions.json"
    if named == "default" or not named and not path.exists():
        use(None)
        return
    try:
        use(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"cannot use the costs of convolutions in {path}: {error}. Measure them anew") from error


def use(costs: Mapping[str, float] | None) -> None:
    """Choose by these costs; None: the usual ones."""
    choice = convolution_choice()
    choice.use(None if costs is None else choice.Costs(**{name: float(cost) for name, cost in costs.items()}))


def in_use() -> dict[str, float]:
    """The costs in use, by name."""
    return dict(convolution_choice().costs_in_use()._asdict())
