"""What the doctor looks at: samples beside images, the signs that a model gives, units that never fire, past losses.

Looking changes nothing: noise comes from a generator of its own, networks are in evaluation mode, and generators of the
experiment are put back where they were.

Imports: nn, ops, experiment. Read next: ``diseases.py``.
"""

from __future__ import annotations

import contextlib
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

CLUSTERS = 10  # that stand for classes where there are no labels


@dataclass(frozen=True)
class Evidence:
    """What was seen.

    `images` (N, C, H, W) and the `samples` and `reconstructions` beside them, None where the model makes none;
    `classes` (N,) are their labels, or clusters (`labelled` False). `diagnostics` are those of the experiment. `silent`
    has, for every ReLU that ran, how many of its units were 0 for all images, and of how many. `weight` is the largest
    absolute value of a parameter, with its name. `history` has the mean terms of each epoch so far. `recognised` (N, K)
    are the probabilities that a classifier gives to the samples, if there was one to ask. `names` of the classes, by
    their numbers, are for what is said of them.
    """

    images: Array
    classes: Array
    labelled: bool
    samples: Array | None
    reconstructions: Array | None
    diagnostics: Mapping[str, Array]
    silent: Mapping[str, tuple[int, int]]
    weight: tuple[str, float]
    history: Sequence[Mapping[str, float]]
    recognised: Array | None = None
    names: Sequence[str] = ()

    def listed(self, classes: Iterable[Any]) -> str:
        """Classes by their names, or by their numbers."""
        return ", ".join(self.names[int(c)] if int(c) < len(self.names) else str(c) for c in classes)


def gather(
    experiment: Experiment,
    images: Array,
    labels: Array | None,
    history: Sequence[Mapping[str, float]],
    classify: Classify | None = None,
    names: Sequence[str] = (),
) -> Evidence:
    """All that the model shows of itself on images (N, C, H, W) with labels (N,) or None."""
    classes, labelled = (clusters(images), False) if labels is None else (labels, True)
    if experiment.conditioned_on is not None and labels is not None:
        experiment = experiment.conditioned_on(labels)
    latent = experiment.latent
    samples = reconstructions = None
    diagnostics: Mapping[str, Array] = {}
    with _generators_held(experiment), listening(experiment.modules) as silent:
        if latent is not None and latent.draw is not None:
            asked = None
            if latent.classes is not None:  # in turn; a class without images may not have been learnt
                told = latent.given_classes and labels is not None
                known = np.unique(classes) if told else np.arange(latent.classes)
                asked = known[np.arange(len(images)) % len(known)]
            samples = latent.decode(latent.draw(len(images), Generator(0).spawn("doctor")), asked)
        elif experiment.reconstruct is not None:
            reconstructions = experiment.reconstruct(images)
        if experiment.diagnostics is not None:
            diagnostics = experiment.diagnostics(images)
    dead = {name: (int((~alive).sum()), alive.size) for name, alive in silent.items()}
    recognised = None if classify is None or samples is None else classify(samples)
    weight = _largest(experiment.modules)
    return Evidence(
        images, classes, labelled, samples, reconstructions, diagnostics, dead, weight, history, recognised, names
    )


@contextlib.contextmanager
def listening(modules: Mapping[str, nn.Module]) -> Iterator[dict[str, Array]]:
    """Inside ``with``, every ``ops.relu`` that is a layer of a Sequential notes which of its units (of its channels)
    were ever above 0: a mask by the path of the layer, for the layers that have run.
    """
    heard: dict[str, Array] = {}
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
            setattr(module, key, _Listener(name, heard))
        yield heard
    finally:
        for module, key, _ in places:
            setattr(module, key, ops.relu)


class _Listener:
    """ReLU, with an ear at its results."""

    def __init__(self, name: str, heard: dict[str, Array]) -> None:
        self.name, self.heard = name, heard

    def __call__(self, x: Tensor) -> Tensor:
        y = ops.relu(x)
        above = to_device(array_module(y.data).max(y.data, axis=(0, *range(2, y.ndim))) > 0, "cpu")
        self.heard[self.name] = above | self.heard.get(self.name, above)
        return y


def clusters(images: Array, k: int = CLUSTERS, rounds: int = 5) -> Array:
    """A class (N,) for each image: k-means from k images that lie far apart, each the farthest from those before it."""
    x = images.reshape(len(images), -1)
    centres = [x.mean(0)]
    for _ in range(k):
        centres.append(x[distances(x, np.stack(centres)).min(1).argmax()])
    centre = np.stack(centres[1:])
    for _ in range(rounds):
        nearest = distances(x, centre).argmin(1)
        centre = np.stack([x[nearest == i].mean(0) if (nearest == i).any() else centre[i] for i in range(len(centre))])
    found: Array = distances(x, centre).argmin(1)
    return found


def distances(a: Array, b: Array) -> Array:
    """Squared Euclidean distances (N, M) of rows (N, D) and (M, D), not below 0."""
    squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * (a @ b.T)
    result: Array = np.maximum(squares, 0)
    return result


@contextlib.contextmanager
def _generators_held(experiment: Experiment) -> Iterator[None]:
    states = {name: generator.state for name, generator in experiment.generators.items()}
    try:
        yield
    finally:
        for name, state in states.items():
            experiment.generators[name].state = state


def _largest(modules: Mapping[str, nn.Module]) -> tuple[str, float]:
    """The largest absolute value of a parameter, with its name."""
    found: tuple[str, Any] = ("", 0.0)
    for top, module in modules.items():
        for name, p in module.named_parameters():
            size = float(array_module(p.data).abs(p.data).max()) if p.size else 0.0
            if not size <= found[1]:  # NaN counts as large
                found = (f"{top}.{name}", size)
    return found
