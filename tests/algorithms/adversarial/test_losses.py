"""What a GAN's update does: each loss against its formula in NumPy, gradients, closed forms of games and critics.

Read next: ``test_adversarial_networks.py``.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from algorithms.adversarial.adversarial_runs import (
    RULES,
    Array,
    State,
    batch,
    in_float64,
    input_gradients,
    painted,
    scored,
    setup_for,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import minigen as mg
from minigen import nn, ops, optim
from minigen.algorithms.adversarial import gan, r1_gan, wgan
from minigen.algorithms.adversarial.game import Game, Rules, adversarial_step, parts
from minigen.algorithms.adversarial.penalty import around, between, slope_penalty, squared_gradients
from minigen.algorithms.updates import Updates
from minigen.autograd import Tensor, grad
from minigen.data import Batch
from minigen.models import gan as architecture
from minigen.random import Generator

# The formulas.


def softplus(x: Array) -> Array:
    return np.logaddexp(0, x)


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
    game, rules, step = in_float64(name, **options)
    shape, size, weight = (1, 2, 3), 6, options.get("penalty_weight", 0.0)
    step(batch(size * n_critic, shape, seed=1, dtype=np.float64))
    one = batch(size * n_critic, shape, seed=2, dtype=np.float64)
    d_loss, g_loss = formulas(name, options)
    g, d = game.generator.state_dict(), game.discriminator.state_dict()
    twin = Generator(0)
    twin.state = game.noise.state  # draws what the step will draw, in the order that the step has to keep
    std = options.get("instance_noise", 0.0)

    def noisy(x: Array) -> Array:
        return x + std * twin.normal(x.shape, dtype=np.float64) if std else x

    def judge(d: State, real: Array, fake: Array) -> tuple[Array, Array]:
        if joint:
            both = scored(d, np.concatenate([real, fake]))
            return both[: len(real)], both[len(real) :]
        return scored(d, real, pack), scored(d, fake, pack)

    def first(d: State, real: Array, fake: Array, points: dict[str, int]) -> tuple[float, float]:
        """The discriminator's loss and its penalty, with the random numbers of those points."""
        draw = Generator(0)
        draw.state = points
        extra = penalty(name, d, real, fake, draw) if weight else 0.0
        return d_loss(*judge(d, real, fake)) + weight * extra, extra

    terms = step(one)
    real = one.x[(n_critic - 1) * size :]  # the last part of the batch; before it only plain updates of the same kind
    if n_critic == 1:
        z = twin.normal((size, 3), dtype=np.float64)
        fake = painted(g, z)
        shown = noisy(real), noisy(fake)
        points = twin.state
        loss, extra = first(d, *shown, points)
        on_real, on_fake = judge(d, *shown)
        assert float(terms["loss"]) == pytest.approx(loss, rel=1e-10)  # sums of a few dozen numbers
        assert float(terms["discriminator"]) == pytest.approx(loss - weight * extra, rel=1e-10)
        check_standing(rules, terms, on_real, on_fake)
        if weight:
            assert float(terms["penalty"]) == pytest.approx(extra, rel=1e-9)
        check_gradient(game.discriminator, d, lambda moved: first(moved, *shown, points)[0])
        d = game.discriminator.state_dict()  # the generator is judged by the updated discriminator
        again = noisy(fake)

        def second(g: State) -> float:
            made = painted(g, z) + (again - fake)
            return g_loss(judge(d, real, made)[1])

        assert float(terms["generator"]) == pytest.approx(second(g), rel=1e-10)
        check_gradient(game.generator, g, second)
    else:
        for i in range(n_critic):
            x = one.x[i * size : (i + 1) * size]
            z = twin.normal((size, 3), dtype=np.float64)
            fake, points = painted(g, z), twin.state
            loss, extra = first(d, x, fake, points)
            if weight:
                twin.uniform((size, 1, 1, 1), dtype=np.float64)
            f = functools.partial(first, real=x, fake=fake, points=points)
            d = {key: w - 0.1 * slope(d, key, lambda moved, f=f: f(moved)[0]) for key, w in d.items()}
        assert float(terms["loss"]) == pytest.approx(loss, rel=1e-6)  # d comes from difference quotients
        assert float(terms["generator"]) == pytest.approx(g_loss(scored(d, fake)), rel=1e-6)


def check_standing(rules: Rules, terms: Any, real: Array, fake: Array) -> None:
    if rules.decision_threshold is None:
        assert float(terms["wasserstein"]) == pytest.approx(real.mean() - fake.mean(), rel=1e-10)
        assert "accuracy" not in terms
    else:
        accuracy = ((real > rules.decision_threshold).mean() + (fake <= rules.decision_threshold).mean()) / 2
        assert float(terms["accuracy"]) == accuracy and "wasserstein" not in terms
    if rules.logits:
        real, fake = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
    assert float(terms["real_score"]) == pytest.approx(real.mean(), rel=1e-10)
    assert float(terms["fake_score"]) == pytest.approx(fake.mean(), rel=1e-10)


def slope(state: State, key: str, f: Callable[[State], float], h: float = 1e-6) -> Array:
    """The gradient of f in the array `key`, by central differences."""
    g = np.zeros_like(state[key])
    for i in np.ndindex(g.shape):
        sides = []
        for sign in (1, -1):
            moved = {**state, key: state[key].copy()}
            moved[key][i] += sign * h
            sides.append(f(moved))
        g[i] = (sides[0] - sides[1]) / (2 * h)
    return g


def check_gradient(module: nn.Module, before: State, f: Callable[[State], float]) -> None:
    """The gradients left in the module are those of f at `before`, and descent at 0.1 went along them."""
    for key, p in module.named_parameters():
        assert p.grad is not None
        # central differences: an error of h^2 and of 1e-16 / h
        np.testing.assert_allclose(p.grad.numpy(), slope(before, key, f), rtol=1e-6, atol=1e-8, err_msg=key)
        # a bias before batch norm begins at 0 and has a gradient of rounding errors alone, some 1e-18: hence atol
        np.testing.assert_allclose(p.numpy(), before[key] - 0.1 * p.grad.numpy(), rtol=1e-12, atol=1e-30)


@pytest.mark.parametrize("name", ["gan", "lsgan", "wgan", "sngan", "dragan"])
def test_losses_are_finite_for_any_score(name: str) -> None:
    """Scores of +-1e4 in float32, where a sigmoid is 0 or 1."""
    rules = RULES[name](setup_for(name).options)
    for real, fake in ((1e4, -1e4), (-1e4, 1e4)):
        a, b = (Tensor(np.full(3, s, np.float32), requires_grad=True) for s in (real, fake))
        for loss in (rules.discriminator(a, b), rules.generator(b)):
            assert loss.dtype == np.float32 and math.isfinite(loss.item())
            assert all(np.isfinite(g.numpy()).all() for g in grad(loss, [a, b]))


def test_weights_are_clipped_after_the_update() -> None:
    game, _, step = in_float64("wgan", lr=5.0, weight_clip=0.02, n_critic=1)
    generator = game.generator.state_dict()
    step(batch(8, (1, 2, 3), dtype=np.float64))
    largest = max(abs(p.numpy()).max() for p in game.discriminator.parameters())
    assert largest == 0.02
    assert any(np.abs(w).max() > 0.02 for w in generator.values())  # the generator's are left alone


# Penalties.


def test_the_penalty_of_a_linear_critic() -> None:
    """Slope ||w|| everywhere, so (||w|| - 1)^2, with the gradient 2 (||w|| - 1) w / ||w||; R1 is ||w||^2 / 2."""
    critic = nn.Sequential(nn.Flatten(), nn.Dense(12, 1, rng=Generator(0)), nn.Reshape(())).to(dtype=np.float64)
    w = critic[1].weight
    x = np.random.default_rng(0).normal(size=(5, 3, 2, 2))
    norm = np.linalg.norm(w.numpy())
    value = slope_penalty(critic, x)
    assert value.item() == pytest.approx((norm - 1) ** 2, rel=1e-10)  # the epsilon in the root changes 1e-12 / norm
    np.testing.assert_allclose(grad(value, [w])[0].numpy(), 2 * (norm - 1) * w.numpy() / norm, rtol=1e-9)
    squares = squared_gradients(critic, x)
    assert squares.shape == (5,)
    np.testing.assert_allclose(squares.numpy(), norm**2, rtol=1e-12)


def test_the_penalty_of_a_flat_critic_has_a_finite_gradient() -> None:
    critic = nn.Sequential(nn.Flatten(), nn.Dense(4, 1, rng=Generator(0)), nn.Reshape(()))
    critic[1].weight.data = np.zeros((1, 4), np.float32)
    value = slope_penalty(critic, np.ones((3, 1, 2, 2), np.float32))
    assert value.item() == pytest.approx(1, abs=1e-5)
    assert np.isfinite(grad(value, [critic[1].weight])[0].numpy()).all()


class Smooth(nn.Module):
    """A critic with a convolution and dense layers that has no kinks; `norm` stands after the first layer."""

    def __init__(self, norm: nn.Module | None = None) -> None:
        rng = Generator(3)
        self.conv, self.norm = nn.Conv2d(1, 2, 2, stride=2, rng=rng), norm
        self.hidden, self.last = nn.Dense(8, 2, rng=rng), nn.Dense(2, 1, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        y = ops.flatten(ops.softplus(y if self.norm is None else self.norm(y)))
        return ops.reshape(self.last(ops.tanh(self.hidden(y))), (x.shape[0],))


CRITICS = {
    "smooth": lambda: Smooth(),
    "layer norm": lambda: Smooth(nn.LayerNorm((2, 2, 2))),
    "spectral norm": lambda: nn.Sequential(
        nn.SpectralNorm(nn.Conv2d(1, 2, 3, padding=1, rng=Generator(0)), rng=Generator(1)), ops.softplus, nn.Flatten(),
        nn.SpectralNorm(nn.Dense(32, 1, rng=Generator(2)), rng=Generator(3)), nn.Reshape(()),
    ),
    "dcgan": lambda: architecture.dcgan_discriminator((1, 4, 4), channels=2, norm="none", rng=Generator(0)),
    "dense": lambda: architecture.dense_discriminator((1, 4, 4), widths=(6, 5), norm="none", rng=Generator(0)),
}  # fmt: skip


@pytest.mark.parametrize("kind", ["slope", "R1"])
@pytest.mark.parametrize("name", CRITICS)
def test_penalties_are_differentiated_again(name: str, kind: str) -> None:
    """d penalty / d weights against differences of the penalty, itself made of first derivatives."""
    real, fake = (np.random.default_rng(k).normal(size=(2, 1, 4, 4)) for k in (1, 2))
    points = between(real, fake, Generator(1))

    def penalty(critic: nn.Module) -> Tensor:
        if kind == "slope":
            return slope_penalty(critic, points)
        return ops.mean(squared_gradients(critic, real)) * 0.5

    order = 2 if (name, kind) == ("smooth", "R1") else 1  # once to the third derivative of the critic
    mg.gradcheck(penalty, CRITICS[name](), order=order, draws=2)


def test_a_penalty_through_batch_norm_in_evaluation() -> None:
    """With fixed statistics batch norm mixes no samples, and the slope of each sample is its own."""
    critic = Smooth(nn.BatchNorm(2)).eval()
    x = np.random.default_rng(0).normal(size=(4, 1, 4, 4))
    mg.gradcheck(lambda d: ops.mean(squared_gradients(d, x)), critic, draws=2)
    critic.to(dtype=np.float64)
    alone = [squared_gradients(critic, x[i : i + 1]).numpy()[0] for i in range(4)]
    np.testing.assert_allclose(squared_gradients(critic, x).numpy(), alone, rtol=1e-12)


@pytest.mark.parametrize("name", ["gan", "lsgan", "wgan-gp", "sngan", "r1-gan"])
def test_the_generators_gradient_through_both_players(name: str) -> None:
    """Batch norm in the generator, dense layers in the discriminator; checked by `gradcheck`."""
    game, rules, _ = in_float64(name, norm="none")
    codes = np.random.default_rng(0).normal(size=(4, 3))

    def loss(generator: nn.Module, z: Tensor) -> Tensor:
        return rules.generator(game.critic(generator(z)))

    mg.gradcheck(loss, game.generator, Tensor(codes), draws=2)


def test_points_of_the_penalties() -> None:
    real, fake = np.zeros((4000, 1, 1, 2)), np.ones((4000, 1, 1, 2))
    fake[:, 0, 0, 1] = 3.0
    x = between(real, fake, Generator(0))[:, 0, 0]
    np.testing.assert_array_equal(x[:, 1], 3 * x[:, 0])  # one place for a pair, not one for each pixel
    assert x[:, 0].min() >= 0 and x[:, 0].max() < 1
    assert abs(np.histogram(x[:, 0], 4, (0, 1))[0] - 1000).max() < 150  # uniform: five standard deviations
    spread = around(np.tile([[[[-1.0, 1.0]]]], (500, 1, 1, 1)), Generator(0)).reshape(-1, 2)
    assert spread[:, 0].min() >= -1 and spread[:, 0].max() < -0.5 and abs(spread[:, 0].mean() + 0.75) < 0.03


# Closed forms.


@settings(max_examples=10)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=2, max_size=5))
def test_the_optimal_discriminator_is_p_over_p_plus_q(counts: list[tuple[int, int]]) -> None:
    """On a finite set of points, with a logit for each, and its loss is 2 log 2 - 2 JSD (Goodfellow 2014, 4.1)."""
    p, q = (np.array(c, np.float64) for c in zip(*counts))
    real, fake = (np.repeat(np.arange(len(p)), c.astype(int)) for c in (p, q))
    p, q = p / p.sum(), q / q.sum()
    rules = gan.rules(setup_for("gan").options)
    logits = nn.Parameter(np.zeros(len(p)))
    for _ in range(60):  # Newton's method: the loss is convex, and each logit has its own curvature
        loss = rules.discriminator(logits[real], logits[fake])
        d = 1 / (1 + np.exp(-logits.numpy()))
        logits.data = logits.data - grad(loss, [logits])[0].numpy() / ((p + q) * d * (1 - d))
    np.testing.assert_allclose(1 / (1 + np.exp(-logits.numpy())), p / (p + q), atol=1e-9)
    m = (p + q) / 2
    jsd = (p * np.log(p / m)).sum() / 2 + (q * np.log(q / m)).sum() / 2
    best = rules.discriminator(logits[real], logits[fake]).item()
    assert best == pytest.approx(2 * math.log(2) - 2 * jsd, abs=1e-9)
    # Smoothing the real target pulls D below p / (p + q), to (1 - s) p / (p + q), and leaves q's part alone.
    smooth = gan.rules({**setup_for("gan").options, "label_smoothing": 0.1})
    logits.data = np.log(0.9 * p / (0.1 * p + q))
    (g,) = grad(smooth.discriminator(logits[real], logits[fake]), [logits])
    np.testing.assert_allclose(g.numpy(), 0, atol=1e-12)


class Point(nn.Module):
    """The generator of the Dirac-GAN: every code becomes the number theta."""

    def __init__(self, theta: float) -> None:
        self.theta = nn.Parameter(np.array(theta))

    def forward(self, z: Tensor) -> Tensor:
        return ops.broadcast_to(self.theta, (len(z), 1, 1, 1))


class Slope(nn.Module):
    """The discriminator of the Dirac-GAN: the score psi x."""

    def __init__(self, psi: float) -> None:
        self.psi = nn.Parameter(np.array(psi))

    def forward(self, x: Tensor) -> Tensor:
        return ops.reshape(x * self.psi, (len(x),))


def dirac(gamma: float, lr: float, steps: int) -> list[float]:
    """Distances from the goal theta = psi = 0 along the game: all data are 0 (Mescheder et al. 2018, section 2)."""
    theta, psi = Point(1.0), Slope(1.0)
    game = Game(theta, psi, latent=1, noise=Generator(0))
    kind, options = (r1_gan, {"penalty_weight": gamma}) if gamma else (gan, {})
    rules = kind.rules({"label_smoothing": 0.0, "generator_loss": "minimax", **options})
    update = Updates({"discriminator": optim.SGD(psi.parameters(), lr), "generator": optim.SGD(theta.parameters(), lr)})
    step, zeros = adversarial_step(game, update, rules), Batch(np.zeros((2, 1, 1, 1)), None, np.arange(2))
    path = []
    for _ in range(steps):
        step(zeros)
        path.append(math.hypot(theta.theta.item(), psi.psi.item()))
    return path


def test_dirac_gan_circles_and_r1_contracts() -> None:
    """Taking turns, the two circle the goal (Mescheder 2018, lemma 2.4); with R1 they reach it (theorem 4.1)."""
    around_it = dirac(0.0, 0.2, 600)
    assert 1.0 < min(around_it) and max(around_it) < 2.0  # it began at 1.41 and goes nowhere
    assert dirac(0.5, 0.2, 600)[-1] < 1e-6


def test_dirac_gan_spirals_out_if_both_move_at_once() -> None:
    """Lemma 2.3: without taking turns the distance from the goal grows in every step, and with R1 it shrinks."""
    rules = gan.rules(setup_for("gan", generator_loss="minimax").options)
    ends = {}
    for gamma in (0.0, 0.5):
        theta, psi = Point(1.0), Slope(1.0)
        path = []
        for _ in range(300):
            game = Game(theta, psi, latent=1, noise=Generator(0))
            real = Tensor(np.zeros((1, 1, 1, 1)))
            fake = game.generate(1)
            d_loss = rules.discriminator(game.critic(real), game.critic(fake.detach()))
            d_loss = d_loss + r1_gan.penalty(game, real, fake) * gamma
            (g_psi,) = grad(d_loss, [psi.psi])
            (g_theta,) = grad(rules.generator(game.critic(fake)), [theta.theta])
            psi.psi.data, theta.theta.data = psi.psi.data - 0.2 * g_psi.data, theta.theta.data - 0.2 * g_theta.data
            path.append(math.hypot(theta.theta.item(), psi.psi.item()))
        ends[gamma] = path
    assert all(b > a for a, b in zip(ends[0.0], ends[0.0][1:])) and ends[0.0][-1] > 2
    assert ends[0.5][-1] < 1e-3


def test_a_clipped_linear_critic_measures_the_distance_of_means() -> None:
    """Among f(x) = w x with |w| <= c the best gives c |mean p - mean q|: c times the distance of shifted copies."""
    critic = nn.Sequential(nn.Flatten(), nn.Dense(1, 1, rng=Generator(0)), nn.Reshape(())).to(dtype=np.float64)
    real = Tensor(np.random.default_rng(0).normal(size=(50, 1, 1, 1)))
    fake = Tensor(real.numpy() - 3.0)
    optimizer = optim.SGD(critic.parameters(), 0.01)
    for _ in range(20):
        loss = wgan.critic_loss(critic(real), critic(fake))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        wgan.clip_weights(critic, 0.05)
    assert -wgan.critic_loss(critic(real), critic(fake)).item() == pytest.approx(0.05 * 3.0, rel=1e-9)


def test_parts_of_a_batch() -> None:
    x = np.arange(12)
    assert [list(part) for part in parts(x, 3)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    for n_critic, pack in ((5, 1), (4, 2), (13, 1)):
        with pytest.raises(ValueError, match=f"12 images does not make {n_critic} equal parts"):
            parts(x, n_critic, pack)
    with pytest.raises(ValueError, match="0 images"):
        parts(x[:0], 1)
