"""Conditional GANs: each loss and gradient against its formula in NumPy, and bounds of the information that are known.

Read next: ``test_conditional.py``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from algorithms.adversarial.adversarial_runs import State, check_gradient, dense, softplus
from algorithms.adversarial.conditional_runs import (
    CLASSES,
    CONDITIONAL,
    MODELS,
    Array,
    batch,
    in_float64,
    one_hot,
    twin,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import minigen as mg
from minigen.algorithms.adversarial.infogan import information_bound
from minigen.algorithms.experiment import Experiment
from minigen.algorithms.ledger import check_ledger
from minigen.autograd import Tensor
from minigen.data import Batch

SHAPE = (1, 2, 3)

# The formulas.


def log_softmax(x: Array) -> Array:
    return x - np.logaddexp.reduce(x, axis=1, keepdims=True)


def logistic(real: Array, fake: Array, s: float = 0.0) -> float:
    """-E log D(x) - E log(1 - D(G(z))) of scores, with one-sided smoothing s."""
    return float(((1 - s) * softplus(-real) + s * softplus(real)).mean() + softplus(fake).mean())


def generator_loss(fake: Array, minimax: bool) -> float:
    return float((-softplus(fake) if minimax else softplus(-fake)).mean())


def chain(state: State, *prefixes: str) -> State:
    """The layers whose names begin so."""
    return {name: array for name, array in state.items() if name.startswith(prefixes)}


def cross_entropy(logits: Array, labels: Array) -> float:
    """Mean cross-entropy, nats."""
    return float(-log_softmax(logits)[np.arange(len(labels)), labels].mean())


def bound_of(outputs: Array, category: Array, values: Array, k: int) -> tuple[float, float]:
    """E log Q(c | x) + H(c) of category and values, from the definition of the two densities."""
    m = values.shape[1]
    mean, var = outputs[:, k : k + m], np.exp(15 * np.tanh(outputs[:, k + m :] / 15))
    log_q = -0.5 * np.log(2 * np.pi * var) - (values - mean) ** 2 / (2 * var)
    return math.log(k) - cross_entropy(outputs[:, :k], category), float(log_q.sum(1).mean()) + m * math.log(2)


class Formula:
    """One model in NumPy: the condition of its images, its discriminator's loss, and its generator's."""

    def __init__(self, name: str, experiment: Experiment, one: Batch, options: dict[str, Any]) -> None:
        self.name, self.options = name, {**MODELS[name].options, **options}
        draw, n = twin(experiment.generators["noise"]), len(one)
        assert one.labels is not None
        self.x, self.labels, self.rows = one.x, one.labels, one_hot(one.labels)
        if name == "infogan":  # the code first, then the noise
            self.labels = draw.integers(0, CLASSES, (n,))
            self.values = draw.uniform((n, 2), -1.0, 1.0, dtype=np.float64)
            self.rows = np.concatenate([one_hot(self.labels), self.values], 1)
        self.codes = np.concatenate([draw.normal((n, 3), dtype=np.float64), self.rows], 1)

    def predict(self, g: State) -> Array:
        return np.tanh(dense(g, self.codes)).reshape(-1, *SHAPE)

    def outputs(self, d: State, x: Array) -> tuple[Array, Array]:
        """Scores (N,), and what else the discriminator says (N, M)."""
        if self.name == "cgan":
            condition = np.concatenate([self.rows] * (len(x) // len(self.rows)))
            return dense(d, np.concatenate([x.reshape(len(x), -1), condition], 1))[:, 0], np.zeros((len(x), 0))
        more = dense(chain(d, "features", "head"), x)
        return dense(chain(d, "features", "score"), x)[:, 0], more

    def real_fake_outputs(self, d: State, real: Array, fake: Array) -> list[tuple[Array, Array]]:
        if self.options["joint_batch"]:
            score, more = self.outputs(d, np.concatenate([real, fake]))
            return [(score[:6], more[:6]), (score[6:], more[6:])]
        return [self.outputs(d, real), self.outputs(d, fake)]

    def auxiliary(self, more: Array) -> float:
        """What both networks add to their losses: how badly the condition is predicted from fake images."""
        if self.name == "acgan":
            return float(self.options["class_weight"] * cross_entropy(more, self.labels))
        if self.name == "infogan":
            category, values = bound_of(more, self.labels, self.values, CLASSES)
            return float(-self.options["category_weight"] * category - self.options["continuous_weight"] * values)
        return 0.0

    def discriminator(self, d: State, fake: Array) -> float:
        (real_scores, real_more), (fake_scores, fake_more) = self.real_fake_outputs(d, self.x, fake)
        loss = logistic(real_scores, fake_scores, self.options["label_smoothing"]) + self.auxiliary(fake_more)
        if self.name == "acgan":
            loss += self.options["class_weight"] * cross_entropy(real_more, self.labels)
        return float(loss)

    def generator(self, d: State, fake: Array) -> float:
        _, (fake_scores, fake_more) = self.real_fake_outputs(d, self.x, fake)
        return generator_loss(fake_scores, self.options["generator_loss"] == "minimax") + self.auxiliary(fake_more)


CASES: list[tuple[str, dict[str, Any]]] = [
    ("cgan", {"label_smoothing": 0.2}),
    ("cgan", {"generator_loss": "minimax", "norm": "batch"}),
    ("cgan", {"norm": "batch", "joint_batch": True}),
    ("acgan", {"class_weight": 0.3}),
    ("acgan", {"norm": "batch", "joint_batch": True, "label_smoothing": 0.1}),
    ("infogan", {"category_weight": 0.7, "continuous_weight": 0.2}),
    ("infogan", {"norm": "batch", "joint_batch": True, "generator_loss": "minimax"}),
]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_terms_and_gradients_of_an_update(name: str, options: dict[str, Any]) -> None:
    """Of the second step, so that a gradient left over from the first would show. float64, plain descent at 0.1."""
    options = {"norm": "none", **options}
    experiment = in_float64(name, shape=SHAPE, network="dense", **options)
    experiment.step(batch(6, SHAPE, seed=1, dtype=np.float64))
    one = batch(6, SHAPE, seed=2, dtype=np.float64)
    formula = Formula(name, experiment, one, options)
    generator, discriminator = experiment.modules["generator"], experiment.modules["discriminator"]
    g, d = generator.state_dict(), discriminator.state_dict()
    fake = formula.predict(g)
    terms = experiment.step(one)
    assert float(terms["loss"]) == pytest.approx(formula.discriminator(d, fake), rel=1e-10)  # sums of a few numbers
    check_gradient(discriminator, d, lambda moved: formula.discriminator(moved, fake))
    d = discriminator.state_dict()  # the generator's loss is that of the updated discriminator
    assert float(terms["generator"]) == pytest.approx(formula.generator(d, fake), rel=1e-10)
    check_gradient(generator, g, lambda moved: formula.generator(d, formula.predict(moved)))
    check_ledger(experiment, terms)


@pytest.mark.parametrize("name", CONDITIONAL)
def test_several_updates_of_the_discriminator_have_their_own_images_and_labels(name: str) -> None:
    """With n_critic 2 the logged terms are those of the second half, after an update on the first."""
    experiment = in_float64(name, shape=SHAPE, network="dense", norm="none", n_critic=2)
    other = in_float64(name, lr=1e-12, shape=SHAPE, network="dense", norm="none")
    whole = batch(12, SHAPE, dtype=np.float64)
    halves = [Batch(whole.x[i : i + 6], whole.labels[i : i + 6], whole.index[i : i + 6]) for i in (0, 6)]  # type: ignore[index]
    other.step(halves[0])
    first = other.step(halves[1])
    experiment.optimizers["discriminator"].lr = 1e-12
    second = experiment.step(whole)
    for term in ("loss", "generator"):  # at a rate of nearly 0 nothing but the images and their labels matters
        assert float(second[term]) == pytest.approx(float(first[term]), rel=1e-9)


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 5), k=st.integers(2, 4), m=st.integers(1, 3))
def test_the_bound_of_the_information_is_its_formula(seed: int, n: int, k: int, m: int) -> None:
    rng = np.random.default_rng(seed)
    outputs, category = rng.normal(0, 2, (n, k + 2 * m)), rng.integers(0, k, n)
    values = rng.uniform(-1, 1, (n, m))
    found = [float(part) for part in information_bound(Tensor(outputs), category, values, k)]
    assert found == pytest.approx(bound_of(outputs, category, values, k), rel=1e-9, abs=1e-12)
    assert found[0] <= math.log(k)
    mg.gradcheck(lambda a: information_bound(a, category, values, k)[0], outputs)
    mg.gradcheck(lambda a: information_bound(a, category, values, k)[1], outputs)


def test_the_bound_where_it_is_known() -> None:
    """Q sure and right: H(c). Q that knows nothing: 0 of the category. Of values x + noise of std s, it is I(c; x)."""
    k, n = 4, 200_000
    rng = np.random.default_rng(0)
    category, values = rng.integers(0, k, n), rng.uniform(-1, 1, (n, 1))
    sure = np.concatenate([np.eye(k)[category] * 50, values, np.zeros((n, 1))], axis=1)
    assert float(information_bound(Tensor(sure), category, values, k)[0]) == pytest.approx(math.log(k), rel=1e-12)
    nothing = np.zeros((n, k + 2))
    assert float(information_bound(Tensor(nothing), category, values, k)[0]) == pytest.approx(0, abs=1e-12)
    # Q = N(x, s^2), the truth but for the ends of the interval, with x = c + s e: the bound is h(c) - h(e), which is
    # I(c; x) as s -> 0. 200,000 samples of e^2 / 2 have a standard error of 0.0016.
    s = 0.01
    raw = 15 * np.arctanh(2 * math.log(s) / 15)  # of which the bounded log-variance is log s^2
    outputs = np.concatenate([nothing[:, :k], values + s * rng.normal(size=(n, 1)), np.full((n, 1), raw)], 1)
    exact = math.log(2) - 0.5 * math.log(2 * math.pi * math.e * s**2)
    bound = float(information_bound(Tensor(outputs), category, values, k)[1])
    assert bound == pytest.approx(exact, abs=0.01)
