"""Museum: a KL of fifty times its weight, and a mean per pixel beside a KL per sample: the code is left unused."""

from __future__ import annotations

import pytest
from museum.trained_models import digits, train_and_examine

from minigen.algorithms.ledger import convert


@pytest.mark.parametrize(
    "beta",
    [
        50.0,
        # The same model as a cross-entropy that is a mean per pixel, plus a KL that is a sum per sample.
        convert(1.0, "mean per pixel", "nats per sample", pixels=14 * 14),
    ],
)
def test_the_posterior_collapses(beta: float) -> None:
    (found,) = train_and_examine("beta-vae", digits(), 300, beta=beta).findings
    assert found.disease == "posterior collapse"
    assert found.evidence.startswith("0 of 20 code units are active") and "--free-bits" in found.remedy
