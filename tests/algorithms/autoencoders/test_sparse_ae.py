"""The sparse autoencoder: its penalties, the k largest, and what they make of the code.

Read next: ``test_build.py``.
"""

from __future__ import annotations

import numpy as np
import pytest
from algorithms.autoencoders.autoencoder_runs import batch, build, glyphs, train


def test_top_k_leaves_k_units_active_and_adds_no_term() -> None:
    experiment = build("sparse-ae", shape=(1, 8, 8), sparsity="topk", sparsity_k=3)
    assert list(experiment.step(batch(8))) == ["loss", "reconstruction"]
    assert ((experiment.encode(batch(20, seed=1).x) != 0).sum(1) == 3).all()


@pytest.mark.parametrize("kind", ["l1", "kl"])
def test_sparsity_weight_counts_for_both_penalties(kind: str) -> None:
    terms = [
        build("sparse-ae", shape=(1, 8, 8), sparsity=kind, sparsity_weight=w).step(batch(8)) for w in (0.001, 0.003)
    ]
    assert float(terms[1]["sparsity"]) == pytest.approx(3 * float(terms[0]["sparsity"]), rel=1e-5)
    assert float(terms[0]["sparsity"]) > 0


def test_sparse_ae_has_fewer_active_units_than_ae() -> None:
    images, unseen = glyphs("train", 800), glyphs("test", 300).images_float()
    shares = []
    for name in ("ae", "sparse-ae"):
        experiment = build(name, mean=images.mean(), lr=2e-3)
        train(experiment, images, 50, 200)
        shares.append((experiment.encode(unseen) > 0.01).mean())
    assert shares[1] < 0.6 * shares[0]  # seen: 0.89 and 0.39


def test_kl_sparsity_drives_units_to_rho() -> None:
    images = glyphs("train", 800)
    experiment = build("sparse-ae", mean=images.mean(), lr=1e-2, sparsity="kl", sparsity_weight=0.1, sparsity_rho=0.1)
    start = experiment.encode(images.images_float()).mean(0)
    train(experiment, images, 100, 150)
    end = experiment.encode(images.images_float()).mean(0)
    assert np.abs(start - 0.1).mean() > 0.2
    assert np.abs(end - 0.1).mean() < 0.02


@pytest.mark.parametrize(
    ("kind", "option", "value"), [("l1", "rho", 0.1), ("l1", "k", 3), ("kl", "k", 3), ("topk", "weight", 1.0)]
)
def test_a_sparsity_setting_without_effect_is_refused(kind, option, value):
    with pytest.raises(ValueError, match=f"--sparsity-{option} has no effect with --sparsity {kind}"):
        build("sparse-ae", sparsity=kind, **{f"sparsity_{option}": value})
