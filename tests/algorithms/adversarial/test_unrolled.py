"""The unrolled GAN: networks with other weights, differentiable steps, the gradient through a discriminator's steps.

The reference of the gradient has nothing of the method: the steps are made by `optim`, in place, on a copy, and the
loss after them is differentiated by central differences.

Read next: ``test_conditional.py``.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from algorithms.adversarial.adversarial_runs import small as small_gan
from algorithms.adversarial.conditional_runs import Array, assert_same, batch, everything, setup_for, small
from hypothesis import given
from hypothesis import strategies as st

import minigen as mg
from minigen import nn, ops, optim
from minigen.algorithms.adversarial import gan, inner_steps, unrolled
from minigen.algorithms.adversarial.build import make_gan
from minigen.algorithms.adversarial.step import GAN, Objective, discriminator_terms
from minigen.algorithms.ledger import check_ledger
from minigen.algorithms.routing import check_routing
from minigen.algorithms.updates import Updates
from minigen.autograd import Tensor, grad
from minigen.data import Batch
from minigen.random import Generator

# A network with other weights.


class Tied(nn.Module):
    """One layer in two places, one in a list, and batch norm."""

    def __init__(self) -> None:
        rng = Generator(0)
        self.first = nn.Dense(3, 3, rng=rng)
        self.again = self.first
        self.inside = [nn.BatchNorm(3), {"last": nn.Dense(3, 2, rng=rng)}]

    def forward(self, x: Tensor) -> Tensor:
        norm, more = self.inside
        assert isinstance(norm, nn.BatchNorm) and isinstance(more, dict)
        return more["last"](norm(self.again(ops.tanh(self.first(x)))))


def test_a_replaced_network_answers_like_one_that_was_loaded_with_these_weights() -> None:
    module, other = Tied().to(dtype=np.float64), Tied().to(dtype=np.float64)
    rng = np.random.default_rng(0)
    x = Tensor(rng.normal(size=(5, 3)))
    state = {name: rng.normal(size=p.shape) for name, p in module.named_parameters()}
    before = module.state_dict()
    once = {name: array for name, array in before.items() if not name.startswith("again.")}  # the layer's other names
    other.load_state_dict({**once, **state})
    swapped = nn.functional_copy(module, {name: Tensor(array, requires_grad=True) for name, array in state.items()})
    np.testing.assert_array_equal(swapped(x).numpy(), other(x).numpy())
    assert_same(before, module.state_dict())  # the running statistics of batch norm too
    assert swapped.again is swapped.first is not module.first
    assert not np.array_equal(module(x).numpy(), other(x).numpy())


def test_a_gradient_flows_into_the_replacements_and_what_they_came_from() -> None:
    module = Tied().to(dtype=np.float64)
    x, names = Tensor(np.random.default_rng(1).normal(size=(4, 3))), [name for name, _ in module.named_parameters()]

    def loss(*weights: Tensor) -> Tensor:
        doubled = {name: w * 2 for name, w in zip(names, weights, strict=True)}
        return ops.mean(nn.functional_copy(module, doubled)(x) ** 2)

    mg.gradcheck(loss, *(p.data / 2 for p in module.parameters()), order=2)
    for p in module.parameters():
        assert p.grad is None


def test_parameters_that_are_not_replaced_are_shared() -> None:
    module = nn.Sequential(nn.Dense(2, 2), nn.Dense(2, 2))
    swapped = nn.functional_copy(module, {"0.weight": Tensor(np.ones((2, 2), np.float32))})
    assert swapped[1].weight is module[1].weight and swapped[0].bias is module[0].bias
    assert swapped[0].weight is not module[0].weight


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("2.weight", np.ones((2, 2), np.float32), r"2\.weight \(2, 2\) is not there"),
        ("0.weight", np.ones((2, 3), np.float32), r"0\.weight has to be float32 \(2, 2\) on cpu, got float32 \(2, 3\)"),
        ("0.bias", np.ones(2), r"0\.bias has to be float32 \(2,\) on cpu, got float64"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(name: str, array: Array, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nn.functional_copy(nn.Sequential(nn.Dense(2, 2)), {name: Tensor(array)})


# Steps of an optimizer.

OPTIMIZERS: dict[str, Any] = {
    "sgd": lambda p: optim.SGD(p, 0.1),
    "momentum": lambda p: optim.SGD(p, 0.1, momentum=0.9),
    "nesterov": lambda p: optim.SGD(p, 0.1, momentum=0.8, nesterov=True, weight_decay=0.2),
    "adam": lambda p: optim.Adam(p, 0.1, betas=(0.5, 0.9)),
    "adam decays": lambda p: optim.Adam(p, 0.1, weight_decay=0.3),
    "adamw": lambda p: optim.AdamW(p, 0.1, weight_decay=0.3),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@given(seed=st.integers(0, 1000), done=st.integers(0, 3), clip=st.sampled_from([0.0, 0.5, 100.0]))
def test_a_differentiable_step_goes_where_the_optimizer_goes(name: str, seed: int, done: int, clip: float) -> None:
    """Three of them, after `done` steps of the optimizer itself, with its state."""
    rng = np.random.default_rng(seed)
    params = [nn.Parameter(rng.normal(size=shape)) for shape in ((3, 2), (), (4,))]
    optimizer = OPTIMIZERS[name](params)
    gradients = [[rng.normal(size=p.shape) for p in params] for _ in range(done + 3)]

    def really(gs: list[Array]) -> None:
        for p, g in zip(params, gs, strict=True):
            p.grad = Tensor(g)
        if clip:
            optim.clip_grad_norm(params, clip)
        optimizer.step()

    for gs in gradients[:done]:
        really(gs)
    weights, states = [p.detach() for p in map(copy.deepcopy, params)], inner_steps.optimizer_states(optimizer)
    before = optimizer.state_dict()
    for gs in gradients[done:]:
        tensors = [Tensor(g) for g in gs]
        if clip:
            tensors = inner_steps.clip_by_norm(tensors, clip)
        weights, states = inner_steps.step(optimizer, weights, tensors, states)
    assert_same(before, optimizer.state_dict())
    for gs in gradients[done:]:
        really(gs)
    for p, w in zip(params, weights, strict=True):
        # a few operations in another order; Adam divides by roots that may be small, and so makes errors larger
        np.testing.assert_allclose(w.numpy(), p.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gradient_of_zero_does_no_harm(dtype: Any) -> None:
    """Of units that are dead: the root of Adam has no slope there, and the joint norm of all none where all are 0."""
    p = nn.Parameter(np.ones(3, dtype))
    optimizer = optim.Adam([p], 0.1)
    x = Tensor(np.array([0.0, 0.0, 2.0], dtype), requires_grad=True)
    for scale in (1.0, 0.0):
        g = inner_steps.clip_by_norm([x * x * scale], 1.0)
        (w,), _ = inner_steps.step(optimizer, [p], g, inner_steps.optimizer_states(optimizer))
        (gx,) = grad(ops.sum(w), [x])
        assert np.isfinite(w.numpy()).all() and np.isfinite(gx.numpy()).all()
        np.testing.assert_allclose(w.numpy(), 1 - 0.1 * np.sign(g[0].numpy()), rtol=1e-5)  # Adam's first step


def test_other_optimizers_are_refused() -> None:
    with pytest.raises(ValueError, match="no differentiable step is written for RMSprop; use sgd, adam or adamw"):
        small("unrolled-gan", optimizer="rmsprop")


# The gradient of the generator.


def after_real_steps(
    model: GAN,
    objective: Objective,
    update: Updates,
    state: dict[str, Array],
    points: dict[str, int],
    k: int,
    codes: Array,
) -> float:
    """The generator's loss with the weights `state`, after k real steps of a copy of the discriminator."""
    model, update = copy.deepcopy((model, update))
    model.noise.state = points
    model.generator.load_state_dict(state)
    fake, real = model.generator(Tensor(codes)), Tensor(REAL.x)
    for _ in range(k):
        update("discriminator", discriminator_terms(model, objective, real, fake.detach())["loss"])
    return float(objective.generator_loss(model.fake_scores(real, fake)))


REAL = batch(6, (1, 2, 3), seed=3, dtype=np.float64)
CASES: list[tuple[int, str, dict[str, Any]]] = [
    (1, "sgd", {}),
    (2, "momentum", {"norm": "batch"}),
    (3, "sgd", {"generator_loss": "minimax", "norm": "batch", "joint_batch": True}),
    (1, "adam", {"label_smoothing": 0.1, "norm": "layer"}),
    (3, "adam", {"instance_noise": 0.3}),
    (2, "adamw", {"clip_norm": 0.05}),
    (2, "sgd", {"norm": "spectral"}),
]


@pytest.mark.parametrize(("k", "kind", "options"), CASES)
def test_the_gradient_through_the_steps_is_that_of_the_loss_after_them(
    k: int, kind: str, options: dict[str, Any]
) -> None:
    setup = setup_for("unrolled-gan", shape=(1, 2, 3), hidden=4, layers=1, **options)
    model, objective = make_gan(setup), gan.objective(setup.options)
    for module in (model.generator, model.discriminator):
        module.to(dtype=np.float64)
    networks = {"discriminator": model.discriminator, "generator": model.generator}
    update = Updates(
        {name: OPTIMIZERS[kind](network.parameters()) for name, network in networks.items()},
        clip_norm=setup.options["clip_norm"],
    )
    step = unrolled.unrolled_step(model, update, objective, steps=0)
    for seed in range(3):  # so that the optimizer has a state
        step(batch(6, (1, 2, 3), seed=seed, dtype=np.float64))
    codes, points, before = np.random.default_rng(0).normal(size=(6, 3)), model.noise.state, everything_of(model)
    fake = model.generator(Tensor(codes))
    later = unrolled.unroll(
        model, objective, update.optimizers["discriminator"], Tensor(REAL.x), fake, k, clip_norm=update.clip_norm
    )
    loss = objective.generator_loss(later.fake_scores(Tensor(REAL.x), fake))
    gradients = grad(loss, model.generator.parameters())
    assert_same({n: a for n, a in before.items() if "running" not in n}, everything_of(model, without="running"))

    state = model.generator.state_dict()
    arguments = (model, objective, update)
    assert float(loss) == pytest.approx(after_real_steps(*arguments, state, points, k, codes), rel=1e-9)
    rng, h = np.random.default_rng(1), 1e-5
    for (name, p), g in zip(model.generator.named_parameters(), gradients, strict=True):
        u = rng.normal(size=p.shape)  # along one direction in each parameter
        sides = [
            after_real_steps(*arguments, {**state, name: state[name] + sign * h * u}, points, k, codes)
            for sign in (1, -1)
        ]
        # Central differences: h^2 times a third derivative, and 1e-16 / h; kinks of leaky ReLU are not met.
        numeric, analytic = (sides[0] - sides[1]) / (2 * h), float((g.numpy() * u).sum())
        assert analytic == pytest.approx(numeric, rel=1e-5, abs=1e-8), name


def everything_of(model: GAN, without: str = "\0") -> dict[str, Array]:
    modules = {"d": model.discriminator, "g": model.generator}
    state = {f"{m}.{k}": a for m, module in modules.items() for k, a in module.state_dict().items()}
    return {name: array for name, array in state.items() if without not in name}


class Point(nn.Module):
    """The generator of one point: an "image" of one pixel, whatever the code."""

    def __init__(self, at: float) -> None:
        self.at = nn.Parameter(np.array(at))

    def forward(self, codes: Tensor) -> Tensor:
        return ops.broadcast_to(ops.reshape(self.at, (1, 1, 1, 1)), (len(codes), 1, 1, 1))


class Slope(nn.Module):
    """The discriminator w x."""

    def __init__(self, w: float) -> None:
        self.w = nn.Parameter(np.array(w))

    def forward(self, x: Tensor) -> Tensor:
        return ops.reshape(x, (len(x),)) * self.w


@pytest.mark.parametrize("k", [0, 1, 3])
def test_of_a_bilinear_game_the_gradient_is_known(k: int) -> None:
    """Loss p w: after k ascents at rate r the discriminator is w + k r p, and d/dp p (w + k r p) = w + 2 k r p.

    Plain descent circles outwards (its steps multiply the radius by sqrt(1 + r^2)); unrolled, it converges.
    """
    r, model = 0.1, GAN(Point(0.7), Slope(0.4), latent=1, noise=Generator(0))
    objective = Objective(lambda real, fake: ops.mean(real) - ops.mean(fake), lambda fake: ops.mean(fake), unit="none")
    point, slope = model.generator, model.discriminator
    update = Updates({"discriminator": optim.SGD(slope.parameters(), r), "generator": optim.SGD(point.parameters(), r)})
    step = unrolled.unrolled_step(model, update, objective, steps=k)
    one = Batch(np.zeros((4, 1, 1, 1)), None, np.arange(4))
    p, w = 0.7, 0.4
    for _ in range(200):
        terms = step(one)
        w = w + r * p
        assert float(terms["generator"]) == pytest.approx(p * (w + k * r * p), rel=1e-9)
        p = p - r * (w + 2 * k * r * p)
        assert [float(q) for m in (point, slope) for q in m.parameters()] == pytest.approx([p, w], rel=1e-9)
    assert (np.hypot(p, w) < 0.3) == (k > 0)


# As a model of the catalog.


@pytest.mark.parametrize("options", [{}, {"norm": "batch", "instance_noise": 0.2, "augment": "diffaugment"}])
def test_with_no_step_ahead_it_is_the_gan(options: dict[str, Any]) -> None:
    """Bit for bit; and with one it is not."""
    ends = []
    options = {**options, "lr_generator": 2e-4, "lr_discriminator": 2e-4}
    unrolled_ones = (small("unrolled-gan", unroll=k, **options) for k in (0, 1))
    for experiment in (small_gan("gan", **options), *unrolled_ones):
        for k in range(4):
            experiment.schedule(k)
            terms = experiment.step(batch(seed=k))
        ends.append((everything(experiment), {name: float(term) for name, term in terms.items()}))
    assert_same(ends[0][0], ends[1][0])
    assert ends[0][1] == ends[1][1]
    assert ends[0][1]["generator"] != ends[2][1]["generator"]


@pytest.mark.parametrize("options", [{"network": "conv", "norm": "batch"}, {"optimizer": "sgd", "n_critic": 2}, {}])
def test_routes_and_ledger(options: dict[str, Any]) -> None:
    experiment, one = small("unrolled-gan", unroll=2, **options), batch(8)
    before = everything(experiment)
    check_routing(experiment, one)
    assert_same(before, everything(experiment))
    terms = experiment.step(one)
    check_ledger(experiment, terms)
    assert next(iter(terms)) == "loss" and all(np.isfinite(float(term)) for term in terms.values())
