"""The ledger: sums that hold and sums that do not, its table, conversions of units, and the whole catalog."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from algorithms.catalog_runs import MODELS, build_small, images_for
from hypothesis import given
from hypothesis import strategies as st

from minigen.algorithms.experiment import Experiment, Term
from minigen.algorithms.ledger import UNITS, LedgerError, check_ledger, convert, describe, entries, weight_of
from minigen.autograd import Tensor

weight = {"now": 2.0}
LEDGER = {
    "loss": Term("nats per sample"),
    "reconstruction": Term("nats per sample, sum over pixels", of="loss"),
    "kl": Term("nats per sample", lambda: weight["now"], of="loss"),
    "accuracy": Term("share"),
    "critic": Term("score"),
    "penalty": Term("squared norm", -10.0, of="critic"),
}


def experiment(ledger: Mapping[str, Term] = LEDGER) -> Experiment:
    """One of the catalog, with another ledger."""
    return replace(build_small("ae"), ledger=ledger)


RIGHT = {"loss": 90.0, "reconstruction": 80.0, "kl": 5.0, "accuracy": 0.5}


def test_a_loss_is_the_sum_of_its_terms() -> None:
    check_ledger(experiment(), RIGHT)
    check_ledger(experiment(), {**RIGHT, "loss": Tensor(np.float32(90.0005))})  # within the digits of float32
    check_ledger(experiment(), {"loss": 3.0})  # an evaluation may have the loss alone
    check_ledger(experiment(), {"loss": 0.0, "reconstruction": 0.0, "kl": 0.0})
    check_ledger(experiment(), {"critic": 5.0, "penalty": -0.5})


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({**RIGHT, "loss": 90.01}, "'loss' is 90.01, but its terms make 90: 1 * reconstruction 80 + 2 * kl 5"),
        ({**RIGHT, "kl": 5.1}, "its terms make 90.2"),
        ({**RIGHT, "loss": math.nan}, "'loss' is nan"),
        ({"loss": 80.0, "reconstruction": 80.0}, "'loss' is logged without 'kl'"),
        ({"reconstruction": 80.0, "kl": 5.0}, "'loss' is logged without 'loss'"),
        ({**RIGHT, "psnr": 1.0}, "does not know the logged 'psnr'"),
        ({"critic": 5.0, "penalty": 0.5}, "'critic' is 5, but its terms make -5"),
    ],
)
def test_a_loss_that_is_something_else(terms: dict[str, float], message: str) -> None:
    with pytest.raises(LedgerError) as caught:
        check_ledger(experiment(), terms)
    assert message in str(caught.value)


def test_a_weight_may_change_during_training() -> None:
    weight["now"] = 3.0
    try:
        check_ledger(experiment(), {**RIGHT, "loss": 95.0})
        assert weight_of(LEDGER["kl"]) == 3.0
    finally:
        weight["now"] = 2.0


def test_a_term_of_an_unknown_loss() -> None:
    with pytest.raises(LedgerError, match="'kl' is part of 'elbo', which the ledger does not have"):
        check_ledger(experiment({"kl": Term("nats", of="elbo")}), {"kl": 1.0})


def test_the_table_shows_value_weight_share_and_unit() -> None:
    header, *lines = describe(experiment(), RIGHT).splitlines()
    assert header.split() == ["term", "value", "weight", "share", "unit"]
    assert [line.split()[:4] for line in lines[1:3]] == [
        ["reconstruction", "80", "1", "88.9%"],
        ["kl", "5", "2", "11.1%"],
    ]
    assert lines[0].split() == ["loss", "90", "nats", "per", "sample"] and lines[3].split()[-1] == "share"
    (critic, penalty) = describe(experiment(), {"critic": 5.0, "penalty": -0.5}).splitlines()[1:]
    assert "100.0% of critic" in penalty and critic.endswith("score")
    assert describe(experiment(), {}).split() == header.split()
    assert [e.share for e in entries(experiment(), {"loss": 0.0, "reconstruction": 0.0, "kl": 0.0})] == [None, 0, 0]


positive = st.floats(1e-6, 1e6)


@given(value=positive, unit=st.sampled_from(UNITS), to=st.sampled_from(UNITS), pixels=st.integers(1, 5000))
def test_there_and_back(value: float, unit: str, to: str, pixels: int) -> None:
    there = convert(value, unit, to, pixels=pixels, samples=3)
    assert math.isclose(convert(there, to, unit, pixels=pixels, samples=3), value, rel_tol=1e-14)  # two roundings


@given(n=st.integers(1, 5), c=st.integers(1, 3), h=st.integers(1, 4), w=st.integers(1, 4), seed=st.integers(0, 99))
def test_units_of_a_likelihood(n: int, c: int, h: int, w: int, seed: int) -> None:
    """Against their definitions, on an array of the negative log-likelihoods of all pixels."""
    nats = np.random.default_rng(seed).random((n, c, h, w))
    definitions = {
        "sum": nats.sum(),
        "mean per pixel": nats.mean(),
        "nats per sample": nats.reshape(n, -1).sum(1).mean(),
        "bits per dim": nats.mean() / np.log(2),
    }
    for unit, value in definitions.items():
        for to, wanted in definitions.items():
            assert math.isclose(convert(value, unit, to, pixels=c * h * w, samples=n), wanted, rel_tol=1e-12)


def test_the_weight_of_a_mean_beside_a_sum_is_another_beta() -> None:
    assert convert(0.00025, "mean per pixel", "nats per sample", pixels=3 * 64 * 64) == pytest.approx(3.072)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sum", "mean"), "got 'mean'"),
        (("pixel", "sum"), "unit is one of 'sum', 'mean per pixel', 'nats per sample', 'bits per dim', got 'pixel'"),
    ],
)
def test_an_unknown_unit(arguments: tuple[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        convert(1.0, *arguments, pixels=4)


@pytest.mark.parametrize("counts", [{"pixels": 0}, {"pixels": 4, "samples": 0}])
def test_counts_below_one(counts: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        convert(1.0, "sum", "mean per pixel", **counts)


@pytest.mark.parametrize("name", MODELS)
def test_the_losses_of_every_model_add_up(name: str) -> None:
    """In the first updates, in evaluation, and in the middle of what its schedules change."""
    built = build_small(name, steps=3)
    batch = images_for(name)
    for k in range(3):
        built.schedule(k)
        terms = built.step(batch)
        assert next(iter(terms)) == "loss"
        check_ledger(built, terms)
    if built.evaluate is not None:
        check_ledger(built, built.evaluate(batch))
    assert built.routes.keys() == built.optimizers.keys()
