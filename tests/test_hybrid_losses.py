"""What the updates of hybrids do: each loss and its gradient against NumPy, BEGAN's control, the pull-away term.

Read next: ``test_hybrid_training.py``.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest
from hybrid_runs import MODELS, RATE, SHAPE, Array, batch, in_float64, oracles, small, states, watched_step
from hypothesis import given, settings
from hypothesis import strategies as st

import minigen as mg
from minigen.tensor import Tensor
from minigen.training.hybrid.began import Balance
from minigen.training.hybrid.ebgan import energies, pull_away
from minigen.training.ledger import check_ledger
from minigen.training.routing import check_routing

CASES: list[tuple[str, dict[str, Any]]] = [
    ("aae", {}),
    ("aae", {"label_smoothing": 0.1, "generator_loss": "minimax"}),
    ("vae-gan", {"norm": "none", "feature_weight": 0.3, "feature_variance": 2.0}),
    ("vae-gan", {"generator_loss": "minimax", "label_smoothing": 0.2}),
    ("ali", {"label_smoothing": 0.1}),
    ("ali", {"norm": "none"}),
    ("mdgan", {"reconstruction_weight": 0.7, "mode_weight": 0.3}),
    ("mdgan", {"norm": "none", "generator_loss": "minimax"}),
    ("dfm", {"norm": "none", "feature_weight": 0.5, "feature_noise": 0.2}),
    ("dfm", {"label_smoothing": 0.1}),
    ("began", {"diversity": 0.9, "balance_rate": 0.5}),
    ("ebgan", {"margin": 0.6, "pull_away_weight": 0.4}),
]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_losses_and_gradients_of_an_update(name: str, options: dict[str, Any]) -> None:
    """Of the third step, so that what earlier ones left would show, and BEGAN's k is not 0. float64, descent at 0.1."""
    experiment = in_float64(name, **options)
    for seed in (1, 2):
        experiment.step(batch(6, SHAPE, seed=seed, dtype=np.float64))
    one = batch(6, SHAPE, seed=3, dtype=np.float64)
    start = states(experiment)
    wanted = oracles(name, experiment, one.x, {**MODELS[name].options, **options})
    if name == "began":
        assert start["balance"]["k"] > 0.01
    terms, updates = watched_step(experiment, one)
    check_ledger(experiment, terms)
    assert list(updates) and updates.keys() == wanted.keys() == experiment.routes.keys()
    rng = np.random.default_rng(0)
    for loss, update in updates.items():
        oracle = wanted[loss]
        assert update.loss == pytest.approx(oracle(start, update.before), rel=1e-10)  # sums of some dozen numbers
        for module in experiment.routes[loss]:
            gradients = update.gradients[module]
            assert gradients.keys() == dict(experiment.modules[module].named_parameters()).keys()
            for key, g in gradients.items():
                for _ in range(2):
                    along = rng.normal(size=g.shape)
                    slope = derivative(functools.partial(oracle, start), update.before, module, key, along)
                    # central differences of step 1e-6: an error of 1e-12 and of 1e-16 / 1e-6
                    assert (g * along).sum() == pytest.approx(slope, rel=1e-6, abs=1e-8), (loss, module, key)
                moved = update.after[module][key] - update.before[module][key]
                np.testing.assert_allclose(moved, -RATE * g, rtol=1e-9, atol=1e-15)


def derivative(f: Any, before: Any, module: str, key: str, along: Array, h: float = 1e-6) -> float:
    """The derivative of f(states) as one array moves in a direction, by central differences."""
    ends = []
    for sign in (1, -1):
        state = {**before[module], key: before[module][key] + sign * h * along}
        ends.append(f({**before, module: state}))
    return (ends[0] - ends[1]) / (2 * h)


@pytest.mark.parametrize("network", ["dense", "conv"])
@pytest.mark.parametrize("name", MODELS)
def test_routes_and_ledger_of_both_kinds_of_networks(name: str, network: str) -> None:
    experiment = small(name, network=network)
    check_routing(experiment, batch(6))
    terms = experiment.step(batch(6))
    assert next(iter(terms)) == "loss" and terms.keys() == experiment.ledger.keys()
    check_ledger(experiment, terms)
    assert all(math.isfinite(float(value)) for value in terms.values())


# BEGAN: the weight k.


@given(
    st.lists(st.tuples(st.floats(0, 2), st.floats(0, 2)), min_size=1, max_size=8),
    st.floats(0.1, 1.0),
    st.floats(0.001, 2.0),
)
@settings(max_examples=50)
def test_the_control_of_began(errors: list[tuple[float, float]], gamma: float, rate: float) -> None:
    """k_{t+1} = k_t + rate (gamma L(x) - L(G(z))), kept within 0 and 1 (Berthelot et al. 2017, section 3.4)."""
    balance = Balance(gamma, rate).to(dtype=np.float64)
    k = 0.0
    for real, fake in errors:
        weight = balance.k.item()
        balance.follow(Tensor(np.array(real)), Tensor(np.array(fake)))
        assert balance.weight() == -weight  # that of the update that was made, not of the next
        k = min(1.0, max(0.0, k + rate * (gamma * real - fake)))
        assert balance.k.item() == pytest.approx(k, abs=1e-12)


def test_began_logs_its_balance() -> None:
    experiment = in_float64("began", diversity=0.6, balance_rate=0.5)
    for _ in range(4):
        before = states(experiment)["balance"]["k"]
        terms = {key: float(value) for key, value in experiment.step(batch(6, SHAPE, dtype=np.float64)).items()}
        surplus = 0.6 * terms["real_error"] - terms["generator"]
        assert terms["k"] == pytest.approx(np.clip(before + 0.5 * surplus, 0, 1), abs=1e-12)
        assert terms["convergence"] == pytest.approx(terms["real_error"] + abs(surplus), rel=1e-12)
        assert terms["loss"] == pytest.approx(terms["real_error"] - before * terms["fake_error"], rel=1e-12)


# EBGAN: energies and the pull-away term.


@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 99))
@settings(max_examples=40)
def test_the_pull_away_term(n: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.uniform(0.5, 2, (n, size)) * rng.choice([-1, 1], (n, size))
    value = pull_away(Tensor(codes)).item()
    total = 0.0
    for i in range(n):
        for j in range(n):
            if i != j:
                a, b = codes[i], codes[j]
                total += float((a @ b) ** 2 / (a @ a) / (b @ b))
    wanted = total / max(1, n * (n - 1))
    assert value == pytest.approx(wanted, rel=1e-10, abs=1e-11)  # 1e-12 is added to squares of 0.25
    assert 0 <= value <= 1 + 1e-12


def test_the_pull_away_term_at_its_ends() -> None:
    assert pull_away(Tensor(np.eye(4))).item() < 1e-12  # at right angles
    assert pull_away(Tensor(np.outer([1.0, -2.0, 3.0], [1.0, 1.0]))).item() == pytest.approx(1, abs=1e-10)  # on a line
    nothing = Tensor(np.zeros((3, 2)), requires_grad=True)  # codes without a direction
    assert np.isfinite(mg.grad(pull_away(nothing), [nothing])[0].numpy()).all()


@pytest.mark.parametrize("order", [1, 2])
def test_energies_and_pull_away_are_differentiable(order: int) -> None:
    rng = np.random.default_rng(0)
    x, y = (Tensor(rng.normal(size=(3, 1, 2, 2)), requires_grad=True) for _ in range(2))
    mg.gradcheck(energies, x, y, order=order)
    mg.gradcheck(pull_away, Tensor(rng.normal(size=(4, 3)), requires_grad=True), order=order)
    np.testing.assert_allclose(energies(x, y).numpy(), ((x.numpy() - y.numpy()) ** 2).mean((1, 2, 3)), rtol=1e-12)


def test_made_images_beyond_the_margin_are_left_alone() -> None:
    """With a tiny margin the discriminator's loss is the energy of real images, and nothing else."""
    experiment = in_float64("ebgan", margin=1e-6)
    terms = experiment.step(batch(6, SHAPE, dtype=np.float64))
    assert float(terms["margin"]) == 0 and float(terms["loss"]) == float(terms["real_energy"])
