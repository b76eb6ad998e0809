"""The real Keras, with PyTorch under it, which compiles nothing; and how it computes what a network of ours does.

Read next: ``test_keras_layers.py``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
pytest.importorskip("h5py", reason="h5py is not installed: it reads and writes Keras' files")
pytest.importorskip(os.environ["KERAS_BACKEND"], reason="PyTorch is not installed: Keras computes with it")
keras = pytest.importorskip("keras", reason="Keras is not installed: nothing to compare with")

Array = np.ndarray[Any, Any]


def channels_last(x: Array) -> Array:
    return np.moveaxis(x, 1, -1) if x.ndim > 2 else x


def compute(model: Any, x: Array) -> Array:
    """What a Keras model makes of an input (N, C, ...), as (N, C, ...)."""
    given = keras.ops.convert_to_tensor(np.ascontiguousarray(channels_last(x)), dtype=str(x.dtype))
    y = keras.ops.convert_to_numpy(model(given, training=False))
    return np.moveaxis(y, -1, 1) if y.ndim > 2 else y


def load(path: Path) -> Any:
    return keras.models.load_model(path, compile=False)


def randomise(model: Any, seed: int) -> None:
    """Give all variables of a Keras model random numbers; a variance is above 0."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        if not variable.dtype.startswith("float"):
            continue  # the state of a generator of dropout
        variance = "variance" in variable.path
        variable.assign(rng.uniform(0.3, 1.5, variable.shape) if variance else rng.normal(size=variable.shape))
