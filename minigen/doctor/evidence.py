"""The evidence for the doctor: samples, reconstructions, the diagnostics of the model, dead units, past losses.

Collecting it changes nothing: it has its own random numbers, networks are in evaluation mode, and the states of the
generators of the experiment are restored.

Imports: nn, ops, experiment. Read next: ``diseases.py``.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigen import nn, ops
from minigen.algorithms.experiment import Experiment
from minigen.autograd import Tensor
from minigen.device import array_module, to_device
from minigen.random import Generator
from minigen_kernels import Array

Classify = Callable[[Array], Array]  # images as the model makes them, (N, C, H, W), to probabilities (N, K)

CLUSTERS = 10  # in the place of classes if there are no labels


@dataclass(frozen=True)
class Evidence:
    """The evidence.

    `images` (N, C, H, W), and `samples` and `reconstructions` (None if the model makes none). `classes` (N,) are the
    labels of the images, or clusters (`labelled` False). `diagnostics` are the experiment's. `dead_units` has, for
    each ReLU, the number of units that were 0 for all images, and the number of all. `weight` is the name of the
    parameter with the largest absolute value, and that value. `history` has the mean loss terms of each epoch.
    `sample_probabilities` (N, K) are those of a classifier for the samples, or None. `names` are those of the classes.
    """

    images: Array
    classes: Array
    labelled: bool
    samples: Array | None
    reconstructions: Array | None
    diagnostics: Mapping[str, Array]
    dead_units: Mapping[str, tuple[int, int]]
    weight: tuple[str, float]
    history: Sequence[Mapping[str, float]]
    sample_probabilities: Array | None = None
    names: Sequence[str] = ()

    def class_names(self, classes: Iterable[Any]) -> str:
        """The names of classes, or their numbers, for a message."""
        return ", ".join(self.names[int(c)] if int(c) < len(self.names) else str(c) for c in classes)


def collect_evidence(
    experiment: Experiment,
    images: Array,
    labels: Array | None,
    history: Sequence[Mapping[str, float]],
    classify: Classify | None = None,
    names: Sequence[str] = (),
) -> Evidence:
    """The evidence for a model, with images (N, C, H, W) and labels (N,) or None."""
    classes, labelled = (k_means(images), False) if labels is None else (labels, True)
    if experiment.conditioned_on is not None and labels is not None:
        experiment = experiment.conditioned_on(labels)
    latent = experiment.latent
    samples = reconstructions = None
    diagnostics: Mapping[str, Array] = {}
    with _restored_generators(experiment), record_relu_activity(experiment.modules) as dead_units:
        if latent is not None and latent.draw is not None:
            sample_labels = None
            if latent.classes is not None:  # balanced; only classes with images if the model was trained with labels
                given = latent.given_classes and labels is not None
                known = np.unique(classes) if given else np.arange(latent.classes)
                sample_labels = known[np.arange(len(images)) % len(known)]
            samples = latent.decode(latent.draw(len(images), Generator(0).spawn("doctor")), sample_labels)
        elif experiment.reconstruct is not None:
            reconstructions = experiment.reconstruct(images)
        if experiment.diagnostics is not None:
            diagnostics = experiment.diagnostics(images)
    dead = {name: (int((~alive).sum()), alive.size) for name, alive in dead_units.items()}
    sample_probabilities = None if classify is None or samples is None else classify(samples)
    weight = _largest_weight(experiment.modules)
    made = samples, reconstructions, diagnostics
    return Evidence(images, classes, labelled, *made, dead, weight, history, sample_probabilities, names)


@contextlib.contextmanager
def record_relu_activity(modules: Mapping[str, nn.Module]) -> Iterator[dict[str, Array]]:
    """Inside ``with``, record for each ``ops.relu`` in a Sequential which of its units (channels) were ever above 0.

    The result maps the path of each such layer that has run to a mask.
    """
    active: dict[str, Array] = {}
    places = [
        (module, key, f"{top}.{path}.{key}".replace("..", "."))
        for top, network in modules.items()
        for path, module in network.named_modules()
        if isinstance(module, nn.Sequential)
        for key, layer in vars(module).items()
        if layer is ops.relu
    ]
    try:
        for module, key, name in places:
            setattr(module, key, functools.partial(_recorded_relu, name, active))
        yield active
    finally:
        for module, key, _ in places:
            setattr(module, key, ops.relu)


def _recorded_relu(name: str, active: dict[str, Array], x: Tensor) -> Tensor:
    """ReLU of x, which records the units that are active."""
    y = ops.relu(x)
    above = to_device(array_module(y.data).max(y.data, axis=(0, *range(2, y.ndim))) > 0, "cpu")
    active[name] = above | active.get(name, above)
    return y


def k_means(images: Array, k: int = CLUSTERS, rounds: int = 5) -> Array:
    """Cluster indices (N,): k-means; the initial centres are images, each the farthest from those before it."""
    x = images.reshape(len(images), -1)
    centres = [x.mean(0)]
    for _ in range(k):
        centres.append(x[squared_distances(x, np.stack(centres)).min(1).argmax()])
    centre = np.stack(centres[1:])
    for _ in range(rounds):
        nearest = squared_distances(x, centre).argmin(1)
        centre = np.stack([x[nearest == i].mean(0) if (nearest == i).any() else centre[i] for i in range(len(centre))])
    found: Array = squared_distances(x, centre).argmin(1)
    return found


def squared_distances(a: Array, b: Array) -> Array:
    """Squared Euclidean distances (N, M) of rows (N, D) and (M, D), not below 0."""
    squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * (a @ b.T)
    result: Array = np.maximum(squares, 0)
    return result


@contextlib.contextmanager
def _restored_generators(experiment: Experiment) -> Iterator[None]:
    states = {name: generator.state for name, generator in experiment.generators.items()}
    try:
        yield
    finally:
        for name, state in states.items():
            experiment.generators[name].state = state


def _largest_weight(modules: Mapping[str, nn.Module]) -> tuple[str, float]:
    """The name of the parameter with the largest absolute value, and that value."""
    found: tuple[str, Any] = ("", 0.0)
    for top, module in modules.items():
        for name, p in module.named_parameters():
            size = float(array_module(p.data).abs(p.data).max()) if p.size else 0.0
            if not size <= found[1]:  # also if it is NaN
                found = (f"{top}.{name}", size)
    return found
