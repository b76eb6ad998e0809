"""What the updates of hybrids do: each loss and its gradient against NumPy, BEGAN's control, the pull-away term.

Read next: ``test_training.py``.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest
from algorithms.hybrid.hybrid_formulas import oracles
from algorithms.hybrid.hybrid_runs import (
    MODELS,
    RATE,
    SHAPE,
    Array,
    Update,
    batch,
    in_float64,
    small,
    states,
    watched_step,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import minigen as mg
from minigen import nn, ops
from minigen.algorithms.experiment import Experiment
from minigen.algorithms.hybrid.began import EquilibriumControl, reconstruction_error
from minigen.algorithms.hybrid.ebgan import energy, pull_away
from minigen.algorithms.ledger import check_ledger
from minigen.algorithms.routing import check_routing
from minigen.autograd import Tensor

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
    ("began", {"diversity": 0.9, "balance_rate": 0.5, "error": "absolute"}),
    ("ebgan", {"margin": 0.6, "pull_away_weight": 0.4}),
    ("aae", {"n_critic": 2}),
    *((name, {"n_critic": 2, "instance_noise": 0.25}) for name in MODELS if name != "aae"),
    ("vae-gan", {"instance_noise": 0.3, "norm": "none"}),
    ("mdgan", {"n_critic": 3, "norm": "none"}),
]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_losses_and_gradients_of_an_update(name: str, options: dict[str, Any]) -> None:
    """Of the third step, so that what earlier ones left would show. BEGAN's k is not 0. float64, descent at 0.1."""
    experiment = in_float64(name, **options)
    n, options = 6 * options.get("n_critic", 1), {**MODELS[name].options, **options}
    for seed in (1, 2):
        experiment.step(batch(n, SHAPE, seed=seed, dtype=np.float64))
    one = batch(n, SHAPE, seed=3, dtype=np.float64)
    if name == "began":
        experiment.modules["balance"].k.data = np.array(0.3)
    rounds = oracles(name, experiment, one.x, options)
    terms, updates = watched_step(experiment, one)
    check_ledger(experiment, terms)
    assert [loss for loss, _ in updates] == [loss for one_round in rounds for loss in one_round]
    assert {loss for loss, _ in updates} == experiment.routes.keys()
    remaining = iter(updates)
    for one_round in rounds:
        states_at = [(next(remaining)[1], loss) for loss in one_round]
        for update, loss in states_at:
            check_update(experiment, loss, update, functools.partial(one_round[loss], states_at[0][0].before))
    for loss, update in dict(updates).items():  # the terms are those of the last update of each
        assert float(terms[loss if loss in terms else "loss"]) == pytest.approx(update.loss, rel=1e-12)


def check_update(experiment: Experiment, loss: str, update: Update, oracle: Any) -> None:
    """The value of the loss, its gradient, and the step down along it. `oracle` maps states to the loss."""
    rng = np.random.default_rng(0)
    assert update.loss == pytest.approx(oracle(update.before), rel=1e-10)  # sums of some dozen numbers
    for module in experiment.routes[loss]:
        gradients = update.gradients[module]
        assert gradients.keys() == dict(experiment.modules[module].named_parameters()).keys()
        for key, g in gradients.items():
            for _ in range(2):
                along = rng.normal(size=g.shape)
                slope = derivative(oracle, update.before, module, key, along)
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
    augment = {} if name == "aae" else {"instance_noise": 0.3, "augment": "diffaugment"}
    for options in ({}, {"n_critic": 2, "ema": 0.5, **augment}):
        experiment = small(name, network=network, **options)
        check_routing(experiment, batch(6))
        terms = experiment.step(batch(6))
        check_terms(experiment, terms)


def check_terms(experiment: Experiment, terms: Any) -> None:
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
    control = EquilibriumControl(gamma, rate).to(dtype=np.float64)
    k = 0.0
    for real, fake in errors:
        weight = control.k.item()
        control.update(Tensor(np.array(real)), Tensor(np.array(fake)))
        assert control.fake_weight() == -weight  # that of the update that was made, not of the next
        k = min(1.0, max(0.0, k + rate * (gamma * real - fake)))
        assert control.k.item() == pytest.approx(k, abs=1e-12)


def test_began_logs_its_balance() -> None:
    experiment = in_float64("began", diversity=0.6, balance_rate=0.5)
    for _ in range(4):
        before = states(experiment)["balance"]["k"]
        terms = {key: float(value) for key, value in experiment.step(batch(6, SHAPE, dtype=np.float64)).items()}
        process_error = 0.6 * terms["real_error"] - terms["generator"]
        assert terms["k"] == pytest.approx(np.clip(before + 0.5 * process_error, 0, 1), abs=1e-12)
        assert terms["convergence"] == pytest.approx(terms["real_error"] + abs(process_error), rel=1e-12)
        assert terms["loss"] == pytest.approx(terms["real_error"] - before * terms["fake_error"], rel=1e-12)


def test_the_relative_error_of_began() -> None:
    """A half-white image has the contrast 1, one with a tenth of white 0.36; an answer in grey errs by 1 everywhere."""

    class Grey(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * 0

    halves, tenth = np.repeat([-1.0, 1.0], 10).reshape(1, 1, 4, 5), np.full((1, 1, 4, 5), -1.0)
    tenth[0, 0, 0, :2] = 1
    for image, contrast in ((halves, 1.0), (tenth, 0.36), (tenth * 0 + 1, 0.0)):
        for x in (image, -image):  # white on black or black on white
            relative = reconstruction_error(Grey(), Tensor(x), "relative").item()
            assert relative == pytest.approx(1 / (contrast + 0.1), rel=1e-12)
            assert reconstruction_error(Grey(), Tensor(x), "absolute").item() == 1
    both = Tensor(np.concatenate([halves, tenth]))
    assert reconstruction_error(Grey(), both, "relative").item() == pytest.approx((1 / 1.1 + 1 / 0.46) / 2, rel=1e-12)
    x = Tensor(np.random.default_rng(0).uniform(-1, 1, (3, 2, 2, 3)), requires_grad=True)
    mg.gradcheck(lambda x: reconstruction_error(nn.Sequential(ops.tanh), x, "relative"), x, order=2)


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
    mg.gradcheck(energy, x, y, order=order)
    mg.gradcheck(pull_away, Tensor(rng.normal(size=(4, 3)), requires_grad=True), order=order)
    np.testing.assert_allclose(energy(x, y).numpy(), ((x.numpy() - y.numpy()) ** 2).mean((1, 2, 3)), rtol=1e-12)


def test_generated_images_beyond_the_margin_do_not_count() -> None:
    """With a tiny margin the discriminator's loss is the energy of real images, and nothing else."""
    experiment = in_float64("ebgan", margin=1e-6)
    terms = experiment.step(batch(6, SHAPE, dtype=np.float64))
    assert float(terms["margin"]) == 0 and float(terms["loss"]) == float(terms["real_energy"])
