"""Features for the Frechet distance and similar metrics, from a classifier trained on the same data set.

`trained_features` trains the classifier (less than a minute for 28x28 digits; nothing is downloaded), caches it, and
gives a hash of its weights: numbers from different weights are not comparable. For images without labels the features
are principal components of the pixels.

Imports: models, data, optim, serialization. Read next: ``minigen/metrics/frechet.py``.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigen import losses, optim
from minigen.autograd import Tensor, grad
from minigen.data import Batches, Dataset, cache_folder
from minigen.models.classifier import FEATURES, Classifier
from minigen.random import Generator
from minigen.serialization import CheckpointError, load, load_metadata, save
from minigen_kernels import Array

FORMAT = 1  # part of the file name: increase it if architecture or training change
STEPS, BATCH, RATE = 1800, 100, 2e-3  # 99 % accuracy on handwritten digits
EPOCHS = 30  # at most
CHUNK = 500  # images at a time
COMPONENT_IMAGES = 10_000  # for the principal components
EXACT = 4096  # images or pixels: with more of both, the components are found by subspace iteration


@dataclass(frozen=True)
class Features:
    """Functions of images (N, C, H, W) with values from 0 to 1, by which samples are compared with data.

    `extract` gives features (N, D) in float64. `classify` gives the probabilities (N, classes) of a classifier, and
    `class_frequencies` (classes,) are those of the training data; both may be None. `facts` for reports: kind,
    dimension, and for a classifier the hash of its weights and its test accuracy.
    """

    extract: Callable[[Array], Array]
    classify: Callable[[Array], Array] | None
    class_frequencies: Array | None
    facts: dict[str, Any]


def unit_range(dataset: Dataset) -> Dataset:
    """The data set with values from 0 to 1."""
    return dataset.in_range((0.0, 1.0))


def feature_dimension(train: Dataset) -> int:
    """The dimension of the features of `trained_features` for this data set."""
    return FEATURES if train.labels is not None else min(FEATURES, len(train), int(np.prod(train.image_shape)))


def trained_features(train: Dataset, test: Dataset, *, log: Callable[[str], None] = lambda text: None) -> Features:
    """Features of a classifier if there are labels, else principal components.

    `log` is called with a line of text before a classifier is trained.
    """
    if train.labels is None or test.labels is None:
        return principal_components(train)
    classifier, accuracy = _from_cache(train, test, log)
    facts = {
        "kind": f"last hidden layer of a classifier trained on {train.name}",
        "dimension": FEATURES,
        "weights": weights_hash(classifier),
        "test_accuracy": accuracy,
    }
    return Features(
        lambda images: apply_in_batches(classifier.features, images).astype(np.float64),
        lambda images: probabilities(classifier, images),
        np.bincount(train.labels, minlength=train.class_count or 0) / len(train),
        facts,
    )


def stacked_features(digits: Features) -> Features:
    """Features of stacked digits (N, 3, H, W): those of the three channels side by side; 1000 classes."""

    def channels(images: Array) -> Array:
        return np.ascontiguousarray(images.reshape(-1, 1, *images.shape[2:]))

    def classify(images: Array) -> Array:
        assert digits.classify is not None
        red, green, blue = digits.classify(channels(images)).reshape(len(images), 3, -1).transpose(1, 0, 2)
        return (red[:, :, None, None] * green[:, None, :, None] * blue[:, None, None, :]).reshape(len(images), -1)

    facts = {**digits.facts, "dimension": 3 * digits.facts["dimension"]}
    facts["kind"] += ", applied to each channel"
    one = digits.class_frequencies
    class_frequencies = None if one is None else np.einsum("r,g,b->rgb", one, one, one).reshape(-1)
    return Features(
        lambda images: digits.extract(channels(images)).reshape(len(images), -1), classify, class_frequencies, facts
    )


def principal_components(train: Dataset, dimension: int = FEATURES) -> Features:
    """The first `dimension` principal components of the pixels of the first 10,000 training images."""
    x = unit_range(train).images_float(slice(COMPONENT_IMAGES))
    x = x.reshape(len(x), -1).astype(np.float64)
    mean = x.mean(0)
    x -= mean
    if min(x.shape) > EXACT:
        axes = _leading_directions(x, dimension)
    elif len(x) < x.shape[1]:
        axes = np.linalg.svd(x, full_matrices=False)[2]
    else:  # cheaper for many rows, with the same result
        axes = np.linalg.eigh(x.T @ x)[1].T[::-1]
    directions = axes[:dimension]
    facts = {"kind": f"principal components of the pixels of {train.name}", "dimension": len(directions)}
    return Features(lambda images: (images.reshape(len(images), -1) - mean) @ directions.T, None, None, facts)


def _leading_directions(x: Array, count: int, *, rounds: int = 30, tolerance: float = 1e-10) -> Array:
    """The first right singular vectors (count, D) of x (N, D), in the order of their singular values.

    Subspace iteration with twice as many vectors and projections of Rayleigh and Ritz (Saad 2011, "Numerical methods
    for large eigenvalue problems", chapter 5), until a round adds less than `tolerance` to the variance that they have.
    """
    before = 0.0
    y = x @ Generator(0).normal((x.shape[1], 2 * count), dtype=np.float64)
    for _ in range(rounds):
        basis = np.linalg.qr(x.T @ y)[0]
        y = x @ basis
        values, vectors = np.linalg.eigh(y.T @ y)
        basis, y = basis @ vectors[:, ::-1], y @ vectors[:, ::-1]
        now = float(values[-count:].sum())
        if now - before <= tolerance * now:
            break
        before = now
    return basis.T[:count]


def train_classifier(train: Dataset, *, steps: int = STEPS, seed: int = 0) -> Classifier:
    """A classifier trained on images with labels; deterministic for the same data and seed.

    Adam with a cosine schedule, on cross-entropy. 1800 updates of 100 images, but at most 30 epochs.
    """
    if train.labels is None:
        raise ValueError(f"train_classifier: {train.name} has no labels, and a classifier needs them")
    classes, train = train.class_count or 0, unit_range(train)
    batches = Batches(train, min(BATCH, len(train)), seed=seed)
    steps = max(1, min(steps, EPOCHS * len(batches)))
    rng = Generator(seed).spawn("classifier")
    model = Classifier(train.image_shape, classes, centre=train.mean(), rng=rng)
    optimizer = optim.Adam(model.parameters(), lr=RATE)
    rate = optim.cosine_schedule(RATE, steps)
    epochs = itertools.chain.from_iterable(itertools.repeat(batches))
    for k, batch in zip(range(steps), epochs):
        optimizer.lr = rate(k)
        loss = losses.cross_entropy(model(Tensor(batch.x)), batch.labels)
        for p, g in zip(optimizer.params, grad(loss, optimizer.params), strict=True):
            p.grad = g
        optimizer.step()
    model.eval()
    return model


def evaluate_accuracy(model: Classifier, dataset: Dataset) -> float:
    """The accuracy: the share of images whose label has the largest logit."""
    assert dataset.labels is not None
    right = 0
    for start in range(0, len(dataset), CHUNK):
        part = slice(start, start + CHUNK)
        logits = apply_in_batches(model, unit_range(dataset).images_float(part))
        right += int((logits.argmax(1) == dataset.labels[part]).sum())
    return right / len(dataset)


def probabilities(model: Classifier, images: Array) -> Array:
    """The probabilities (N, classes) of images (N, C, H, W), in float64."""
    logits = apply_in_batches(model, images).astype(np.float64)
    p = np.exp(logits - logits.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


def apply_in_batches(function: Callable[[Tensor], Tensor], images: Array) -> Array:
    """Apply a function of a model to images, some hundred at a time, and join the results."""
    parts = [function(Tensor(images[start : start + CHUNK])).numpy() for start in range(0, max(len(images), 1), CHUNK)]
    return np.concatenate(parts)


def weights_hash(model: Classifier) -> str:
    """A hash of the weights: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for name, array in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()[:16]


def _from_cache(train: Dataset, test: Dataset, log: Callable[[str], None]) -> tuple[Classifier, float]:
    """The classifier for these images and labels and its test accuracy, from the cache or newly trained."""
    assert train.labels is not None
    checksum = test.checksum(zlib.crc32(np.ascontiguousarray(train.labels).data, train.checksum()))
    path = cache_folder() / f"classifier-v{FORMAT}-{Path(train.name).name}-{checksum:08x}.safetensors"
    model = Classifier(train.image_shape, train.class_count or 0, centre=0.0, rng=Generator(0))
    with contextlib.suppress(CheckpointError, ValueError, KeyError, TypeError):  # missing or damaged: train
        facts = json.loads(load_metadata(path)["minigen"])
        model.load_state_dict(load(path))
        if facts["hash"] == weights_hash(model):
            model.eval()
            return model, float(facts["test_accuracy"])
    log(f"training a classifier on {train.name}, for the features; it is kept in {path.parent}")
    model = train_classifier(train)
    accuracy = evaluate_accuracy(model, test)
    with contextlib.suppress(OSError, CheckpointError):  # if the folder cannot be written, it is not cached
        path.parent.mkdir(parents=True, exist_ok=True)
        save(model, path, {"minigen": json.dumps({"hash": weights_hash(model), "test_accuracy": accuracy})})
    return model, accuracy
