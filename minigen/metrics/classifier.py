"""Features to compare samples by: of a classifier that is trained here, on the same data, once; nothing is downloaded.

`trained_features` trains the classifier (under a minute for 28x28 digits), keeps it in the cache folder, and says by a
hash which weights gave the numbers: those of other weights are not comparable. Images without labels get the principal
components of their pixels instead.

Imports: models, data, optim, serialization. Read next: ``minigen/metrics/frechet.py``.
"""

from __future__ import annotations

import contextlib
import hashlib
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

FORMAT = 1  # part of the file's name: raise it whenever architecture or training change
STEPS, BATCH, RATE = 1800, 100, 2e-3  # 1800 updates: 99 % of handwritten digits
PASSES = 30  # over a small data set, at most
CHUNK = 500  # images at a time
COMPONENT_IMAGES = 10_000  # that principal components are computed from


@dataclass(frozen=True)
class Features:
    """What samples are compared by. All functions take images (N, C, H, W) with values from 0 to 1.

    `extract` gives features (N, D) in float64. `classify` gives the probabilities (N, classes) of a classifier, and
    `shares` (classes,) say how often each class occurs in the data; both may be None. `facts` say what it is: kind,
    dimension, and of a classifier the hash of its weights and its test accuracy.
    """

    extract: Callable[[Array], Array]
    classify: Callable[[Array], Array] | None
    shares: Array | None
    facts: dict[str, Any]


def unit_range(dataset: Dataset) -> Dataset:
    """The data set with values from 0 to 1."""
    return dataset.in_range((0.0, 1.0))


def feature_dimension(train: Dataset) -> int:
    """The dimension of the features that `trained_features` gives for such images."""
    return FEATURES if train.labels is not None else min(FEATURES, len(train), int(np.prod(train.image_shape)))


def trained_features(train: Dataset, test: Dataset, *, tell: Callable[[str], None] = lambda text: None) -> Features:
    """Features for images like these: of a classifier if they have labels, else principal components.

    `tell` is given a line of text before a classifier is trained.
    """
    if train.labels is None or test.labels is None:
        return principal_components(train)
    classifier, accuracy = _from_cache(train, test, tell)
    facts = {
        "kind": f"last hidden layer of a classifier trained on {train.name}",
        "dimension": FEATURES,
        "weights": weights_hash(classifier),
        "test_accuracy": accuracy,
    }
    return Features(
        lambda images: in_batches(classifier.features, images).astype(np.float64),
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
    one = digits.shares
    shares = None if one is None else np.einsum("r,g,b->rgb", one, one, one).reshape(-1)
    return Features(lambda images: digits.extract(channels(images)).reshape(len(images), -1), classify, shares, facts)


def principal_components(train: Dataset, dimension: int = FEATURES) -> Features:
    """The first `dimension` principal components of the pixels of the first 10,000 training images."""
    x = unit_range(train).images_float(slice(COMPONENT_IMAGES))
    x = x.reshape(len(x), -1).astype(np.float64)
    mean = x.mean(0)
    x -= mean
    if len(x) < x.shape[1]:
        axes = np.linalg.svd(x, full_matrices=False)[2]
    else:  # cheaper for many rows, and gives the same axes
        axes = np.linalg.eigh(x.T @ x)[1].T[::-1]
    directions = axes[:dimension]
    facts = {"kind": f"principal components of the pixels of {train.name}", "dimension": len(directions)}
    return Features(lambda images: (images.reshape(len(images), -1) - mean) @ directions.T, None, None, facts)


def train_classifier(train: Dataset, *, steps: int = STEPS, seed: int = 0) -> Classifier:
    """A classifier trained on images with labels; the same numbers for the same data and seed.

    Adam with a rate that falls to 0, on cross-entropy. 1800 updates of 100 images, or 30 passes if these are fewer.
    """
    if train.labels is None:
        raise ValueError(f"train_classifier: {train.name} has no labels, and a classifier needs them")
    classes, train = train.class_count or 0, unit_range(train)
    batches = Batches(train, min(BATCH, len(train)), seed=seed)
    steps = max(1, min(steps, PASSES * len(batches)))
    rng = Generator(seed).spawn("classifier")
    model = Classifier(train.image_shape, classes, centre=train.mean(), rng=rng)
    optimizer = optim.Adam(model.parameters(), lr=RATE)
    rate = optim.cosine_schedule(RATE, steps)
    k = 0
    while k < steps:
        for batch in batches:
            optimizer.lr = rate(k)
            loss = losses.cross_entropy(model(Tensor(batch.x)), batch.labels)
            for p, g in zip(optimizer.params, grad(loss, optimizer.params), strict=True):
                p.grad = g
            optimizer.step()
            k += 1
            if k == steps:
                break
    model.eval()
    return model


def accuracy_of(model: Classifier, dataset: Dataset) -> float:
    """The share of images whose label has the largest logit."""
    assert dataset.labels is not None
    right = 0
    for start in range(0, len(dataset), CHUNK):
        part = slice(start, start + CHUNK)
        logits = in_batches(model, unit_range(dataset).images_float(part))
        right += int((logits.argmax(1) == dataset.labels[part]).sum())
    return right / len(dataset)


def probabilities(model: Classifier, images: Array) -> Array:
    """The probabilities (N, classes) of images (N, C, H, W), in float64."""
    logits = in_batches(model, images).astype(np.float64)
    p = np.exp(logits - logits.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True)


def in_batches(function: Callable[[Tensor], Tensor], images: Array) -> Array:
    """Apply a function of a model to images, some hundred at a time, without recording."""
    from_model = [
        function(Tensor(images[start : start + CHUNK])).numpy() for start in range(0, max(len(images), 1), CHUNK)
    ]
    return np.concatenate(from_model)


def weights_hash(model: Classifier) -> str:
    """Sixteen hexadecimal digits that differ for other weights."""
    digest = hashlib.sha256()
    for name, array in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()[:16]


def _from_cache(train: Dataset, test: Dataset, tell: Callable[[str], None]) -> tuple[Classifier, float]:
    """The classifier for these images and labels and its test accuracy: from the cache folder, or new and put there."""
    assert train.labels is not None
    checksum = 0
    for array in (train.images, train.labels, test.images):
        checksum = zlib.crc32(np.ascontiguousarray(array).data, checksum)
    path = cache_folder() / f"classifier-v{FORMAT}-{Path(train.name).name}-{checksum:08x}.safetensors"
    model = Classifier(
        train.image_shape, train.class_count or 0, centre=0.0, rng=Generator(0)
    )  # its numbers are replaced
    with contextlib.suppress(CheckpointError, ValueError, KeyError, TypeError):  # missing, damaged: train it again
        facts = json.loads(load_metadata(path)["minigen"])
        model.load_state_dict(load(path))
        if facts["hash"] == weights_hash(model):
            model.eval()
            return model, float(facts["test_accuracy"])
    tell(f"training a classifier on {train.name}, for the features; it is kept in {path.parent}")
    model = train_classifier(train)
    accuracy = accuracy_of(model, test)
    with contextlib.suppress(OSError, CheckpointError):  # a folder that cannot be written only means: not kept
        path.parent.mkdir(parents=True, exist_ok=True)
        save(model, path, {"minigen": json.dumps({"hash": weights_hash(model), "test_accuracy": accuracy})})
    return model, accuracy
