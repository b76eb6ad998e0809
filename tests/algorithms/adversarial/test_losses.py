"""What a GAN's update does: each loss against its formula in NumPy, its gradients, and the constraints after it.

Read next: ``test_penalties.py``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from algorithms.adversarial.adversarial_runs import (
    OBJECTIVES,
    Array,
    State,
    batch,
    check_gradient,
    generated,
    in_float64,
    input_gradients,
    scores_of,
    setup_for,
    slope,
    softplus,
)

from minigen.algorithms.adversarial.step import Objective, split_batch
from minigen.autograd import Tensor, grad
from minigen.random import Generator

# The formulas.


def logistic(s: float, minimax: bool) -> tuple[Callable[..., float], Callable[..., float]]:
    """-E [t log D + (1 - t) log(1 - D)] with t = 1 - s, and -E log(1 - D); the generator's loss."""

    def d(real: Array, fake: Array) -> float:
        return float((-(1 - s) * -softplus(-real) - s * -softplus(real)).mean() + softplus(fake).mean())

    return d, lambda fake: float(-softplus(fake).mean() if minimax else softplus(-fake).mean())


def formulas(name: str, options: dict[str, Any]) -> tuple[Callable[..., float], Callable[..., float]]:
    """The losses of discriminator (real, fake) and generator (fake), of scores."""
    s = options.get("label_smoothing", 0.0)
    return {
        "lsgan": (
            lambda real, fake: ((real - (1 - s)) ** 2).mean() / 2 + (fake**2).mean() / 2,
            lambda fake: ((fake - 1) ** 2).mean() / 2,
        ),
        "wgan": (lambda real, fake: fake.mean() - real.mean(), lambda fake: -fake.mean()),
        "wgan-gp": (lambda real, fake: fake.mean() - real.mean(), lambda fake: -fake.mean()),
        "sngan": (
            lambda real, fake: np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean(),
            lambda fake: -fake.mean(),
        ),
    }.get(name, logistic(s, options.get("generator_loss") == "minimax"))


def penalty(name: str, state: State, real: Array, fake: Array, noise: Generator) -> float:
    if name == "r1-gan":
        return float((input_gradients(state, real) ** 2).sum(1).mean() / 2)
    if name == "wgan-gp":
        e = noise.uniform((len(real), 1, 1, 1), dtype=np.float64)
        x = e * real + (1 - e) * fake
    else:
        x = real + 0.5 * real.std() * noise.uniform(real.shape, dtype=np.float64)
    return float(((np.sqrt((input_gradients(state, x) ** 2).sum(1)) - 1) ** 2).mean())


CASES: list[tuple[str, dict[str, Any]]] = [
    ("gan", {}),
    ("gan", {"generator_loss": "minimax", "label_smoothing": 0.2, "layers": 1}),
    ("gan", {"norm": "batch", "instance_noise": 0.3}),
    ("gan", {"norm": "batch", "joint_batch": True}),
    ("lsgan", {"label_smoothing": 0.1}),
    ("wgan", {"norm": "none", "n_critic": 1, "weight_clip": 100.0}),  # so far away that the step can be checked
    ("wgan-gp", {"penalty_weight": 3.0, "n_critic": 2}),
    ("dragan", {"penalty_weight": 3.0, "label_smoothing": 0.1}),
    ("r1-gan", {"penalty_weight": 0.7}),
    ("sngan", {"norm": "none", "n_critic": 2}),
    ("pacgan", {"norm": "none", "pack": 3}),
]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_terms_and_gradients_of_an_update(name: str, options: dict[str, Any]) -> None:
    """Of the second step, so that a gradient left over from the first would show. float64, plain descent at 0.1."""
    n_critic, pack, joint = options.get("n_critic", 1), options.get("pack", 1), options.get("joint_batch", False)
    model, objective, step = in_float64(name, **options)
    shape, size, weight = (1, 2, 3), 6, options.get("penalty_weight", 0.0)
    step(batch(size * n_critic, shape, seed=1, dtype=np.float64))
    one = batch(size * n_critic, shape, seed=2, dtype=np.float64)
    d_loss, g_loss = formulas(name, options)
    g, d = model.generator.state_dict(), model.discriminator.state_dict()
    twin = Generator(0)
    twin.state = model.noise.state  # draws what the step will draw, in the order that the step has to keep
    std = options.get("instance_noise", 0.0)

    def noisy(x: Array) -> Array:
        return x + std * twin.normal(x.shape, dtype=np.float64) if std else x

    def scores(d: State, real: Array, fake: Array) -> tuple[Array, Array]:
        if joint:
            both = scores_of(d, np.concatenate([real, fake]))
            return both[: len(real)], both[len(real) :]
        return scores_of(d, real, pack), scores_of(d, fake, pack)

    def first(d: State, real: Array, fake: Array, points: dict[str, int]) -> tuple[float, float]:
        """The discriminator's loss and its penalty, with the random numbers of those points."""
        draw = Generator(0)
        draw.state = points
        extra = penalty(name, d, real, fake, draw) if weight else 0.0
        return d_loss(*scores(d, real, fake)) + weight * extra, extra

    terms = step(one)
    real = one.x[(n_critic - 1) * size :]  # the last part of the batch; before it only plain updates of the same kind
    if n_critic == 1:
        z = twin.normal((size, 3), dtype=np.float64)
        fake = generated(g, z)
        inputs = noisy(real), noisy(fake)
        points = twin.state
        loss, extra = first(d, *inputs, points)
        real_scores, fake_scores = scores(d, *inputs)
        assert float(terms["loss"]) == pytest.approx(loss, rel=1e-10)  # sums of a few dozen numbers
        assert float(terms["discriminator"]) == pytest.approx(loss - weight * extra, rel=1e-10)
        check_score_terms(objective, terms, real_scores, fake_scores)
        if weight:
            assert float(terms["penalty"]) == pytest.approx(extra, rel=1e-9)
        check_gradient(model.discriminator, d, lambda moved: first(moved, *inputs, points)[0])
        d = model.discriminator.state_dict()  # the generator is scored by the updated discriminator
        again = noisy(fake)

        def second(g: State) -> float:
            return g_loss(scores(d, real, generated(g, z) + (again - fake))[1])

        assert float(terms["generator"]) == pytest.approx(second(g), rel=1e-10)
        check_gradient(model.generator, g, second)
    else:
        for i in range(n_critic):
            x = one.x[i * size : (i + 1) * size]
            z = twin.normal((size, 3), dtype=np.float64)
            fake, points = generated(g, z), twin.state
            loss, extra = first(d, x, fake, points)
            if weight:
                twin.uniform((size, 1, 1, 1), dtype=np.float64)
            f = functools.partial(first, real=x, fake=fake, points=points)
            d = {key: w - 0.1 * slope(d, key, lambda moved, f=f: f(moved)[0]) for key, w in d.items()}
        assert float(terms["loss"]) == pytest.approx(loss, rel=1e-6)  # d comes from difference quotients
        assert float(terms["generator"]) == pytest.approx(g_loss(scores_of(d, fake)), rel=1e-6)


def check_score_terms(objective: Objective, terms: Any, real: Array, fake: Array) -> None:
    if objective.decision_threshold is None:
        assert float(terms["wasserstein"]) == pytest.approx(real.mean() - fake.mean(), rel=1e-10)
        assert "accuracy" not in terms
    else:
        accuracy = ((real > objective.decision_threshold).mean() + (fake <= objective.decision_threshold).mean()) / 2
        assert float(terms["accuracy"]) == accuracy and "wasserstein" not in terms
    if objective.logits:
        real, fake = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
    assert float(terms["real_score"]) == pytest.approx(real.mean(), rel=1e-10)
    assert float(terms["fake_score"]) == pytest.approx(fake.mean(), rel=1e-10)


@pytest.mark.parametrize("name", ["gan", "lsgan", "wgan", "sngan", "dragan"])
def test_losses_are_finite_for_any_score(name: str) -> None:
    """Scores of +-1e4 in float32, where a sigmoid is 0 or 1."""
    objective = OBJECTIVES[name](setup_for(name).options)
    for real, fake in ((1e4, -1e4), (-1e4, 1e4)):
        a, b = (Tensor(np.full(3, s, np.float32), requires_grad=True) for s in (real, fake))
        for loss in (objective.discriminator_loss(a, b), objective.generator_loss(b)):
            assert loss.dtype == np.float32 and math.isfinite(loss.item())
            assert all(np.isfinite(g.numpy()).all() for g in grad(loss, [a, b]))


def test_weights_are_clipped_after_the_update() -> None:
    model, _, step = in_float64("wgan", lr=5.0, weight_clip=0.02, n_critic=1)
    generator = model.generator.state_dict()
    step(batch(8, (1, 2, 3), dtype=np.float64))
    largest = max(abs(p.numpy()).max() for p in model.discriminator.parameters())
    assert largest == 0.02
    assert any(np.abs(w).max() > 0.02 for w in generator.values())  # the generator's are left alone


def test_a_batch_is_split() -> None:
    x = np.arange(12)
    assert [list(part) for part in split_batch(x, 3)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    for n_critic, pack in ((5, 1), (4, 2), (13, 1)):
        with pytest.raises(ValueError, match=f"12 images does not make {n_critic} equal parts"):
            split_batch(x, n_critic, pack)
    with pytest.raises(ValueError, match="0 images"):
        split_batch(x[:0], 1)
