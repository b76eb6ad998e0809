"""What an option of a model is, and the options that nearly all models have.

Imports: nothing of minigen. Read next: ``experiment.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Option:
    """One setting of a model. The command line shows ``kl_weight`` as ``--kl-weight``."""

    type: type
    help: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None  # the smallest legal value
    exclusive: bool = False  # the minimum itself is not legal
    maximum: float | None = None


#: Options of nearly all models; a recipe with one optimizer takes them from `UPDATE`.
OPTIONS: Mapping[str, Option] = {
    "latent": Option(int, "size of the code (for conv-ae and vq-vae its channels)", minimum=1),
    "optimizer": Option(str, "how parameters are updated", choices=("sgd", "rmsprop", "adam", "adamw")),
    "lr": Option(float, "learning rate", minimum=0, exclusive=True),
    "schedule": Option(
        str,
        "learning rate over time: constant; step (a tenth after each third); cosine to 0; exponential to a hundredth",
        choices=("constant", "step", "cosine", "exponential"),
    ),
    "clip_norm": Option(float, "largest norm of the whole gradient; 0: no limit", minimum=0),
}
UPDATE: Mapping[str, Any] = {"optimizer": "adam", "lr": 1e-3, "schedule": "constant", "clip_norm": 0.0}
