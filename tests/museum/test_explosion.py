"""Museum: a Wasserstein critic without its clipping, a gradient penalty that is outrun, weights without a limit."""

from __future__ import annotations

from museum.trained_models import digits, train_and_examine

CRITIC = {"network": "dense", "hidden": 64, "n_critic": 1}


def test_a_critic_without_a_bound() -> None:
    rates = {"lr_generator": 5e-5, "lr_discriminator": 5e-3}
    first = train_and_examine("wgan", digits(), 400, norm="none", weight_clip=1e6, **rates, **CRITIC).findings[0]
    assert first.disease == "exploding loss" and "a critic needs clipped weights" in first.remedy


def test_a_penalty_that_is_outrun() -> None:
    first = train_and_examine("wgan-gp", digits(), 200, lr_discriminator=0.5, penalty_weight=0.01, **CRITIC).findings[0]
    assert first.disease == "exploding penalty" and "--penalty-weight" in first.remedy


def test_weights_without_a_limit() -> None:
    first = train_and_examine("linear-ae", digits(), 20, optimizer="sgd", lr=30.0).findings[0]
    assert first.disease == "exploding weights" and "--clip-norm" in first.remedy
