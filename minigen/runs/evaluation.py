"""Which numbers a trained model can be given, and what they were measured with.

What an experiment can do decides what is measured: reconstructions, a likelihood, codes, generated images; last the
doctor examines the model. `Evaluation.left_out` gives the reason for what is not measured.

Imports: metrics, doctor, drawing, trained. Read next: ``run.py``, ``minigen/metrics/evaluation.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from minigen.algorithms.options import ConfigError
from minigen.data import Dataset
from minigen.data.stacked import BASES
from minigen.data.stacked import COUNTS as STACKED
from minigen.data.toys import TOYS
from minigen.display.blocks import safely
from minigen.doctor import Checkup, examine
from minigen.doctor.schedule import examined_images
from minigen.metrics import evaluation, frechet, likelihood
from minigen.metrics.classifier import (
    COMPONENT_IMAGES,
    Features,
    feature_dimension,
    stacked_features,
    trained_features,
    unit_range,
)
from minigen.metrics.evaluation import Report
from minigen.random import Generator
from minigen.runs import sampling
from minigen.runs.drawing import check_encoder, codes_from
from minigen.runs.shown import evaluation_html
from minigen.runs.trained import Trained
from minigen.shapes import one_of, whole_number
from minigen.training.prepare import load_split
from minigen_kernels import Array

SAMPLES = 10_000
LIKELIHOOD_IMAGES = 1000  # of the test images: with k samples each, the likelihood is what takes longest


@dataclass(frozen=True)
class Plan:
    """What the options say. `samples` is None if as many as usual are wanted, where that is possible."""

    samples: int | None = None
    k: int = 100
    density: str | None = None
    seed: int = 0


@dataclass
class Evaluation:
    """Measured numbers; the settings behind them; what was left out, and why; where time went; what the doctor says."""

    trained: Trained
    report: Report = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    checkup: Checkup = field(default_factory=lambda: Checkup((), 0))
    kl_per_dimension: list[float] = field(default_factory=list)  # nats; empty for a model without a posterior

    @property
    def metrics(self) -> dict[str, float]:
        """The numbers by name."""
        return {name: m.value for name, m in self.report.items()}

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values, as ``minigen evaluate --json`` prints it."""
        return {
            "model": self.trained.recipe.name,
            "checkpoint": str(self.trained.checkpoint_path),
            "dataset": self.trained.config["dataset"],
            "split": "test",
            "images": self.settings["test_images"],
            "corrupted": self.settings.get("corrupted", False),
            "metrics": self.metrics,
            "standard_errors": {name: m.error for name, m in self.report.items() if m.error is not None},
            "units": {name: m.unit for name, m in self.report.items()},
            "settings": self.settings,
            "kl_per_dimension": self.kl_per_dimension,
            "left_out": self.left_out,
            "doctor": asdict(self.checkup),
            "seconds": self.seconds,
        }

    def __repr__(self) -> str:
        return f"Evaluation({self.metrics})"

    def _repr_html_(self) -> str:
        return safely(evaluation_html, self)

    @contextmanager
    def clock(self, name: str) -> Iterator[None]:
        """Count the time inside."""
        began = time.perf_counter()
        yield
        self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - began, 2)


def measure(trained: Trained, plan: Plan, log: Callable[[str], None]) -> Evaluation:
    """Everything that can be measured of a trained model, on the test images. `log` gets a line on what takes long.

    ConfigError: the options ask for samples that cannot be drawn, or for too few.
    """
    check_plan(trained, plan)
    experiment, found = trained.experiment, Evaluation(trained)
    train, test = trained.images("train"), trained.images("test")
    reason = _no_samples(trained, plan, train, test)  # too few are refused before anything is measured
    found.settings["test_images"] = len(test)
    found.settings["labels_given"] = experiment.conditioned_on is not None
    if trained.conditioned_on(test.labels).reconstruct is not None:
        with found.clock("reconstructions"):
            found.report |= evaluation.measure_reconstructions(_reconstructor(trained), test)
        found.settings["corrupted"] = "corruption" in trained.config
    if experiment.log_likelihood is not None:
        with found.clock("likelihood"):
            _likelihood(trained, trained.some(test, LIKELIHOOD_IMAGES), plan.k, found)
    if experiment.encode is not None:
        with found.clock("codes"):
            known = trained.some(train, evaluation.PROBE_IMAGES)
            found.report |= evaluation.measure_codes(experiment.encode, known, test)
    elif experiment.conditioned_on is not None:
        found.left_out["codes"] = f"the encoder of {trained.recipe.name} is told the class that a probe would look for"
    features = None
    if reason is not None:
        found.left_out["samples"] = reason
    elif trained.config["dataset"] in TOYS:
        toy = TOYS[trained.config["dataset"]]
        points = toy.points(_drawn(trained, plan, SAMPLES, found), trained.value_range)
        found.report |= evaluation.measure_points(points, toy)
    else:
        features = _samples(trained, plan, train, trained.some(test, evaluation.COMPARED), found, log)
    packs = trained.config.get("pack", 1)
    if "discriminator" in experiment.modules and len(test) < 2 * packs:
        judged = f"packs of {packs} images" if packs > 1 else "images"
        found.left_out["scores"] = f"the discriminator judges {judged} by batch statistics, and of two or more of them"
    with found.clock("doctor"):
        found.checkup = checkup_of(trained, test, features)
    return found


def _reconstructor(trained: Trained) -> Callable[[Array, Array | None], Array]:
    """Images, with their labels, to reconstructions; a denoising model is shown corrupted images."""

    def reconstruct(x: Array, labels: Array | None) -> Array:
        experiment = trained.conditioned_on(labels)
        assert experiment.reconstruct is not None
        return experiment.pictures(x)[-1] if "corruption" in trained.config else experiment.reconstruct(x)

    return reconstruct


def _likelihood(trained: Trained, test: Dataset, k: int, found: Evaluation) -> None:
    """Bounds of the likelihood, and what the codes carry."""
    images, experiment = test.images_float(), trained.conditioned_on(test.labels)
    if experiment.log_likelihood is not None:
        found.report |= likelihood.measure_likelihood(experiment.log_likelihood, images, k)
    diagnostics = {} if experiment.diagnostics is None else experiment.diagnostics(images)
    if {"kl", "mean"} <= diagnostics.keys() and len(images) > 1:
        found.report |= likelihood.measure_posterior(diagnostics)
        found.kl_per_dimension = likelihood.kl_per_dimension(diagnostics["kl"]).tolist()
    found.settings |= {"k": k, "likelihood_images": len(images)}


def check_plan(trained: Trained, plan: Plan) -> None:
    """ConfigError if there is nothing to measure, or samples were asked for that the model does not draw."""
    whole_number("evaluate", "k", plan.k, 1)
    if plan.samples is not None:
        whole_number("evaluate", "samples", plan.samples, 0)
    if plan.density is not None:
        one_of("evaluate", "density", plan.density, ("gaussian", "mixture"))
    experiment = trained.experiment
    if experiment.reconstruct is None and experiment.log_likelihood is None and experiment.latent is None:
        raise ConfigError(f"{trained.recipe.name} neither reconstructs nor draws images: there is nothing to measure")
    asked = "--samples" if plan.samples else "--density" if plan.density is not None else None
    if asked is not None and trained.experiment.latent is None:
        raise ConfigError(f"{asked}: {trained.recipe.name} makes no images from codes; leave it out")
    if plan.samples == 0 and plan.density is not None:
        raise ConfigError("--density says where samples come from, --samples 0 wants none; leave one of them out")
    if plan.density is not None:
        check_encoder(trained)


def _no_samples(trained: Trained, plan: Plan, train: Dataset, test: Dataset) -> str | None:
    """Why generated images are not measured; None if they are. ConfigError if so many were asked for by number."""
    latent, name = trained.experiment.latent, trained.recipe.name
    if plan.samples == 0:
        return "--samples 0"
    if latent is None:
        return f"{name} makes no images from codes"
    if latent.draw is None and plan.samples is None and plan.density is None:
        return f"the codes of {name} follow no prior; --density gaussian or mixture fits one to them"
    if trained.config["dataset"] in TOYS:
        least, reason = frechet.GROUPS, None
    else:
        dimension = feature_dimension(train) * (3 if trained.config["dataset"] in BASES else 1)
        least, wanted = evaluation.samples_needed(dimension), frechet.min_samples(dimension)
        few = f"{dimension} features need at least {wanted} test images, there are {len(test)}"
        reason = few if len(test) < wanted else None
    if plan.samples is not None and reason is not None:
        raise ConfigError(f"--samples {plan.samples}: {reason}")
    if plan.samples is not None and plan.samples < least:
        raise ConfigError(f"--samples {plan.samples} are too few for these metrics; at least {least} are needed")
    return reason


def _drawn(trained: Trained, plan: Plan, usual: int, found: Evaluation) -> Array:
    """The generated images. Given classes have their shares of the training images, the model's own equal ones."""
    n, latent = plan.samples or usual, trained.latent
    with found.clock("drawing"):
        draw, origin = codes_from(trained, plan.density, seed=plan.seed)
        labels = None
        if latent.classes is not None and not latent.given_classes:
            labels = Generator(plan.seed).spawn("labels").integers(0, latent.classes, (n,))
        elif latent.classes is not None:
            known = trained.images("train").labels
            if known is None:
                raise ValueError(f"the training images of {trained.config['dataset']} have lost their labels")
            labels = known[Generator(plan.seed).spawn("labels").integers(0, len(known), (n,))]
        images = sampling.decode(latent, sampling.draw_codes(draw, n, plan.seed), labels)
    found.settings |= {"samples": n, "seed": plan.seed, "codes": origin}
    return images


def _samples(
    trained: Trained, plan: Plan, train: Dataset, test: Dataset, found: Evaluation, log: Callable[[str], None]
) -> Features:
    """Measure generated images; return what they were measured by."""
    name = trained.config["dataset"]
    with found.clock("classifier"):
        features = _features(trained, log)
    images = _drawn(trained, plan, STACKED["test"] if name in BASES else SAMPLES, found)
    unit = to_unit_range(images, trained.value_range)
    with found.clock("samples"):
        found.report |= evaluation.measure_samples(
            unit, unit_range(train), unit_range(test), features.extract, features.classify, features.class_frequencies
        )
    found.settings["features"] = features.facts
    return features


def _features(trained: Trained, log: Callable[[str], None]) -> Features:
    """Of the whole data set, so that all runs on it share one classifier."""
    name = trained.config["dataset"]
    config = {**trained.config, "dataset": BASES.get(name, name)}
    train, test = (load_split(config, split, memory_data=trained.memory_data) for split in ("train", "test"))
    if train.labels is None:
        train = trained.some(train, COMPONENT_IMAGES)
    features = trained_features(train, test, log=log)
    return stacked_features(features) if name in BASES else features


def checkup_of(trained: Trained, test: Dataset, features: Features | None = None) -> Checkup:
    """What the doctor finds in the checkpoint; with `features`, their classifier finds the classes of samples."""

    def classify(images: Array) -> Array:
        assert features is not None and features.classify is not None
        return features.classify(to_unit_range(images, trained.value_range))

    asked = None if features is None or features.classify is None else classify
    names = test.classes or ()
    named: dict[str, Any] = {} if names == tuple(map(str, range(len(names)))) else {"names": names}
    return examine(trained.experiment, *examined_images(test), trained.history(), classify=asked, **named)


def to_unit_range(images: Array, value_range: tuple[float, float]) -> Array:
    """Images with values from 0 to 1, whatever range their model works in."""
    low, high = value_range
    unit: Array = ((images - np.float32(low)) / np.float32(high - low)).clip(0, 1)
    return unit
