"""What the page needs beside images and codes: a codebook, how images are corrupted, directions of factors.

Imports: models, pages, runs. Read next: ``payload.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen.data import Dataset
from minigen.explore.factors import factor_directions
from minigen.models.vq_vae import Codebook
from minigen.pages.arrays import array
from minigen.runs.trained import Trained
from minigen_kernels import Array


def extra_of(trained: Trained, images: Dataset | None = None, codes: Array | None = None) -> dict[str, Any]:
    """Entries of the payload, of a model that has them. `codes` (N, D) are those of `images`.

    "grid": `embedding` (K, D) of a codebook, `shape` (h, w) of the grid, `usage` (K,): how often test images choose it.
    "corruption": `kind` and `level` that a model was trained to undo. "directions": of the factors of the data, see
    `Direction`.
    """
    found: dict[str, Any] = {}
    modules, config = trained.experiment.modules, trained.config
    codebook: Any = modules.get("codebook")
    if isinstance(codebook, Codebook):
        prior: Any = modules["prior"]
        found["grid"] = {"embedding": array(codebook.embedding.numpy()), "shape": [int(n) for n in prior.grid]}
        if images is not None and trained.experiment.diagnostics is not None:
            usage = trained.experiment.diagnostics(images.images_float())["code_usage"]
            found["grid"]["usage"] = array(usage.astype(np.int32))
    if "corruption" in config:
        found["corruption"] = {"kind": config["corruption"], "level": config["corruption_level"]}
    if images is not None and images.factors and codes is not None and not codebook:
        found["directions"] = [
            {
                "name": one.name, "low": one.low, "high": one.high, "bias": one.bias, "r2": one.r2,
                "weights": array(one.weights.astype(np.float32)), "direction": array(one.direction.astype(np.float32)),
            }
            for one in factor_directions(codes, images.factors)
        ]  # fmt: skip
    return found
