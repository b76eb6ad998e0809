"""What the page of a run is made of, as JSON: images and codes of the test split, training images, facts.

    key      what
    run      model, summary, paper, family, data, checkpoint, step
    image    shape [C, H, W], range [low, high]
    parts    the networks: {"decoder": {"inputs": ["code"], "outputs": ["image"]}, ...}
    latent   size, mean, std, low, high of each dimension, order (most active first) and what by, kl, classes
    classes  the names of the data set's classes
    test     images, labels, factors, codes, index (their places in the split)
    pca      mean, components, explained: the principal plane of the test codes
    train    images, labels, index: some that the page looks for the nearest among
    samples  codes, labels: drawn from the prior, or from a density fitted to codes of training images

What a run does not have is null.

Imports: pages, data, runs, codes. Read next: ``codes.py``, ``page.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import minigen
from minigen.data import Dataset
from minigen.data.batches import over_batches
from minigen.explore.abilities import abilities
from minigen.explore.codes import most_active, principal_plane, spread_of
from minigen.explore.extra import extra_of
from minigen.explore.networks import Network
from minigen.pages import array
from minigen.runs import sampling
from minigen.runs.drawing import class_names, codes_from, turns
from minigen.runs.trained import Trained
from minigen_kernels import Array

TEST, TEST_BYTES = 2000, 2 << 20  # test images on the map: so many, and so many bytes, at most
TRAIN_BYTES = 4 << 20  # of training images
CODE_BYTES = 2 << 20  # of codes, of each kind
KL_IMAGES = 1000
SAMPLES = 256


def payload_of(run: Trained, networks: Mapping[str, Network]) -> dict[str, Any]:
    """The payload of a page. What `Trained.images` raises, if there are no test images."""
    whole = {split: run.images(split) for split in ("test", "train")}
    latent = run.experiment.latent
    most = TEST if latent is None else min(TEST, CODE_BYTES // (4 * latent.size))
    test = run.some(whole["test"], _rows(whole["test"], most, TEST_BYTES))
    train = run.some(whole["train"], _rows(whole["train"], len(whole["train"]), TRAIN_BYTES))
    codes = _codes(run, test)
    plane = None if codes is None else principal_plane(codes)
    extra = extra_of(run, test, codes)
    return {
        "minigen": minigen.__version__,
        "run": {
            "model": run.recipe.name, "summary": run.recipe.summary, "family": run.recipe.family,
            "paper": None if run.recipe.family == "own" else run.recipe.paper,
            "data": Path(str(run.config["dataset"])).name,  # a page that is shared names no folders
            "checkpoint": run.checkpoint_path.stem, "step": run.checkpoint_facts["state"]["step"],
        },
        "image": {"shape": list(run.facts["image_shape"]), "range": list(run.value_range)},
        "parts": {name: {"inputs": list(one.inputs), "outputs": one.outputs} for name, one in networks.items()},
        "latent": _latent(run, test, codes),
        "classes": list(run.class_names) or None,
        "test": _images(run, test, len(whole["test"])) | {
            "codes": None if codes is None else array(codes),
            "factors": {
                name: array(np.asarray(values, np.float32)) for name, values in (test.factors or {}).items()
            },
        },
        "pca": None if plane is None else {
            "mean": array(plane.mean.astype(np.float32)), "components": array(plane.components.astype(np.float32)),
            "explained": plane.explained.tolist(),
        },
        "train": _images(run, train, len(whole["train"])),
        "samples": _samples(run),
        "abilities": abilities(run, factors=bool(extra.get("directions"))).as_json(),
        **extra,
    }  # fmt: skip


def _rows(dataset: Dataset, most: int, most_bytes: int) -> int:
    return max(1, min(len(dataset), most, most_bytes // int(np.prod(dataset.image_shape))))


def _images(run: Trained, some: Dataset, of: int) -> dict[str, Any]:
    """Images as bytes, 0..255 for the ends of the range, and their labels; `of`: how many the split has."""
    low, high = run.value_range
    images = some.images[:]
    if images.dtype != np.uint8:
        images = np.rint((images - low) * (255 / (high - low))).astype(np.uint8)
    labels = None if some.labels is None else array(some.labels.astype(np.int32))
    return {"images": array(images, deflate=True), "labels": labels, "of": of}


def _codes(run: Trained, images: Dataset) -> Array | None:
    """The codes (N, D) of images; None if the model has none that it also decodes."""
    experiment = run.experiment
    encodes = experiment.encode is not None or experiment.conditioned_on is not None
    if experiment.latent is None or not encodes:
        return None
    codes = over_batches(lambda batch: run.encoder(batch.labels)(batch.x), images)
    if codes.shape[1] != experiment.latent.size:
        return None
    if not np.isfinite(codes).all():
        raise ValueError(f"{run.checkpoint_path} gives codes with NaN or infinity; its training has diverged")
    return codes


def _latent(run: Trained, test: Dataset, codes: Array | None) -> dict[str, Any] | None:
    latent = run.experiment.latent
    if latent is None:
        return None
    seen = codes if codes is not None else sampling.draw_codes(codes_from(run, None)[0], SAMPLES, 0)
    spread, kl = spread_of(seen), _kl(run, test, latent.size)
    order, by = most_active(spread["std"], kl)
    return {
        "size": latent.size, "prior": latent.draw is not None, "by": by, "order": order.tolist(),
        **{name: array(values.astype(np.float32)) for name, values in spread.items()},
        "kl": None if kl is None else array(kl.astype(np.float32)),
        "classes": latent.classes, "class_names": list(class_names(run)) if latent.classes else None,
        "given_classes": latent.given_classes,
    }  # fmt: skip


def _kl(run: Trained, test: Dataset, size: int) -> Array | None:
    """The mean divergence of each dimension of the code from the prior (D,), in nats; None without a posterior."""
    some = test.subset(slice(KL_IMAGES))
    diagnostics = run.conditioned_on(some.labels).diagnostics
    found = {} if diagnostics is None else diagnostics(some.images_float())
    kl = found.get("kl")
    return None if kl is None or kl.shape[1:] != (size,) else kl.mean(0, dtype=np.float64)


def _samples(run: Trained) -> dict[str, Any] | None:
    latent = run.experiment.latent
    if latent is None or (
        latent.draw is None and run.experiment.encode is None and run.experiment.conditioned_on is None
    ):
        return None
    n = max(16, min(SAMPLES, CODE_BYTES // (4 * latent.size), 4 * latent.look))
    draw, origin = codes_from(run, None)
    codes, labels = sampling.draw_codes(draw, n, 0), turns(run, n)
    return {
        "codes": array(codes.astype(np.float32)), "origin": origin,
        "labels": None if labels is None else array(labels.astype(np.int32)),
    }  # fmt: skip
