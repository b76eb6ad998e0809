"""The networks of a run as functions of named arrays: what the page asks a server for.

Names of networks, inputs and outputs are those of ``minigen/runs/parts.py``. Images are made by the same function as
those of `Run.decode`; of a network of a user's own only what makes images, codes and reconstructions is known.

Imports: autograd, device, runs. Read next: ``wire.py``, ``page.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigen.algorithms.options import ConfigError
from minigen.autograd import Tensor
from minigen.device import to_device
from minigen.proof import choose_device
from minigen.runs.parts import Part, examples, parts_of
from minigen.runs.trained import Trained
from minigen_kernels import Array

ROWS = 1024  # that are computed for one request at most


@dataclass(frozen=True)
class Network:
    """Named arrays, all with N rows, to named arrays with N rows; `inputs` has the shape of a row by name.

    A class is a whole number below `classes`.
    """

    inputs: Mapping[str, tuple[int, ...]]
    outputs: tuple[str, ...]
    call: Callable[[Mapping[str, Array]], dict[str, Array]]
    classes: int = 0


def networks_of(run: Trained) -> dict[str, Network]:
    """The networks of a run by name, that which makes images first; none of a model without codes of a user's own."""
    try:
        parts = parts_of(run)
    except ConfigError:
        parts = _of_user(run)
    latent = run.experiment.latent
    classes = (latent.classes if latent else None) or run.facts["classes"] or 0
    found = {}
    for name, part in parts.items():
        shapes = {key: x.shape[1:] for key, x in zip(part.inputs, examples(run, part))}
        call = _images_of_codes(run) if name in ("decoder", "generator") and latent else _caller(run, part)
        found[name] = Network(shapes, part.outputs, call, classes)
    return found


def compute(networks: Mapping[str, Network], name: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """What network `name` makes of arrays. ValueError for an unknown name, other arrays, or too many rows."""
    if name not in networks:
        raise ValueError(f"there is no network {name!r}, only {', '.join(networks) or 'none'}")
    network = networks[name]
    if arrays.keys() != network.inputs.keys():
        raise ValueError(f"{name} takes {', '.join(network.inputs)}, got {', '.join(arrays) or 'nothing'}")
    rows = {len(x) if x.ndim else 0 for x in arrays.values()}
    if len(rows) != 1 or not 0 < min(rows) <= ROWS:
        raise ValueError(f"{name}: expected arrays with one number of rows, 1 to {ROWS}, got {sorted(rows)}")
    for key, x in arrays.items():
        if x.shape[1:] != network.inputs[key]:
            raise ValueError(f"{name}: expected {key} of the shape (N, *{network.inputs[key]}), got {x.shape}")
        if not np.isfinite(x).all():
            raise ValueError(f"{name}: {key} holds NaN or infinity")
        if key == "class" and not ((x >= 0) & (x < network.classes)).all():
            raise ValueError(f"{name}: there are the classes 0 to {network.classes - 1}")
    made = network.call(arrays)
    for key, x in made.items():
        if not np.isfinite(x).all():
            raise ValueError(f"{name} makes {key} with NaN or infinity; its training has diverged")
    return made


def _caller(run: Trained, part: Part) -> Callable[[Mapping[str, Array]], dict[str, Array]]:
    device, _ = choose_device(run.device)

    def call(arrays: Mapping[str, Array]) -> dict[str, Array]:
        with ExitStack() as stack:
            for module in run.experiment.modules.values():
                stack.enter_context(module.evaluation())
            given = (arrays[name].astype(np.int64 if name == "class" else np.float32) for name in part.inputs)
            made = part.function(*(Tensor(to_device(x, device)) for x in given))
        outputs = made if isinstance(made, tuple) else (made,)
        return {name: _sendable(y.numpy()) for name, y in zip(part.outputs, outputs)}

    return call


def _images_of_codes(run: Trained) -> Callable[[Mapping[str, Array]], dict[str, Array]]:
    def call(arrays: Mapping[str, Array]) -> dict[str, Array]:
        labels = arrays["class"].astype(np.int64) if "class" in arrays else None
        return {"image": run.latent.decode(arrays["code"].astype(np.float32), labels)}

    return call


def _of_user(run: Trained) -> dict[str, Part]:
    """The parts of a network of a user's own, as its experiment has them."""
    experiment, found = run.experiment, {}

    def of(function: Callable[[Array], Array], output: str) -> Part:
        return Part(lambda x: Tensor(function(x.numpy())), ("image",), (output,))

    if experiment.latent is not None:
        given = ("class",) if experiment.latent.classes else ()
        found["decoder"] = Part(experiment.latent.decode, ("code", *given), ("image",))
    if experiment.encode is not None:
        found["encoder"] = of(experiment.encode, "code")
    if experiment.reconstruct is not None:
        found["reconstruct"] = of(experiment.reconstruct, "reconstruction")
    return found


def _sendable(x: Any) -> Array:
    return x.astype(np.float32 if x.dtype.kind == "f" else np.int32)
