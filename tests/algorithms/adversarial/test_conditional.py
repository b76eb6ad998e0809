"""Conditional GANs: each loss against its formula in NumPy, bounds that are known, labels, runs, and learning.

Read next: ``test_adversarial_unrolled.py``.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from algorithms.adversarial.adversarial_runs import State, dense
from algorithms.adversarial.conditional_runs import (
    CLASSES,
    CONDITIONAL,
    MODELS,
    Array,
    assert_same,
    batch,
    everything,
    in_float64,
    setup_for,
    small,
    twin,
)
from algorithms.adversarial.test_losses import check_gradient
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from training.runs import left_behind, make_data, run

import minigen as mg
from minigen import nn, ops
from minigen.algorithms.adversarial import build
from minigen.algorithms.adversarial.cgan import LabelledGame
from minigen.algorithms.adversarial.infogan import Code, information
from minigen.algorithms.experiment import Experiment
from minigen.algorithms.ledger import check_ledger
from minigen.algorithms.routing import check_routing
from minigen.autograd import Tensor
from minigen.cli.app import commands
from minigen.data import Batch
from minigen.models.conditional_gan import LabelledDiscriminator, headed, labelled
from minigen.models.gan import Discriminator, dcgan_discriminator, dense_discriminator
from minigen.random import Generator
from minigen.training.run import Interrupted, open_trained

SHAPE = (1, 2, 3)

# The formulas.


def softplus(x: Array) -> Array:
    return np.logaddexp(0, x)


def log_softmax(x: Array) -> Array:
    return x - np.logaddexp.reduce(x, axis=1, keepdims=True)


def logistic(real: Array, fake: Array, s: float = 0.0) -> float:
    """-E log D(x) - E log(1 - D(G(z))) of scores, with one-sided smoothing s."""
    return float(((1 - s) * softplus(-real) + s * softplus(real)).mean() + softplus(fake).mean())


def deceiving(fake: Array, minimax: bool) -> float:
    return float((-softplus(fake) if minimax else softplus(-fake)).mean())


def one_hot(labels: Array, k: int = CLASSES) -> Array:
    return np.eye(k)[labels]


def chain(state: State, *prefixes: str) -> State:
    """The layers whose names begin so."""
    return {name: array for name, array in state.items() if name.startswith(prefixes)}


def entropy_of(logits: Array, labels: Array) -> float:
    """Mean cross-entropy, nats."""
    return float(-log_softmax(logits)[np.arange(len(labels)), labels].mean())


def known(answers: Array, category: Array, values: Array, k: int) -> tuple[float, float]:
    """E log Q(c | x) + H(c) of category and values, from the definition of the two densities."""
    m = values.shape[1]
    mean, var = answers[:, k : k + m], np.exp(15 * np.tanh(answers[:, k + m :] / 15))
    log_q = -0.5 * np.log(2 * np.pi * var) - (values - mean) ** 2 / (2 * var)
    return math.log(k) - entropy_of(answers[:, :k], category), float(log_q.sum(1).mean()) + m * math.log(2)


class Formula:
    """One model in NumPy: what its images show, its discriminator's loss, and its generator's."""

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

    def answer(self, d: State, x: Array) -> tuple[Array, Array]:
        """Scores (N,), and what else the discriminator says (N, M)."""
        if self.name == "cgan":
            told = np.concatenate([self.rows] * (len(x) // len(self.rows)))
            return dense(d, np.concatenate([x.reshape(len(x), -1), told], 1))[:, 0], np.zeros((len(x), 0))
        more = dense(chain(d, "features", "head"), x)
        return dense(chain(d, "features", "score"), x)[:, 0], more

    def judged(self, d: State, real: Array, fake: Array) -> list[tuple[Array, Array]]:
        if self.options["joint_batch"]:
            score, more = self.answer(d, np.concatenate([real, fake]))
            return [(score[:6], more[:6]), (score[6:], more[6:])]
        return [self.answer(d, real), self.answer(d, fake)]

    def shown(self, more: Array) -> float:
        """What both players add to their losses: of how badly the made images show what they should."""
        if self.name == "acgan":
            return float(self.options["class_weight"] * entropy_of(more, self.labels))
        if self.name == "infogan":
            category, values = known(more, self.labels, self.values, CLASSES)
            return float(-self.options["category_weight"] * category - self.options["continuous_weight"] * values)
        return 0.0

    def discriminator(self, d: State, fake: Array) -> float:
        (on_real, of_real), (on_fake, of_fake) = self.judged(d, self.x, fake)
        loss = logistic(on_real, on_fake, self.options["label_smoothing"]) + self.shown(of_fake)
        if self.name == "acgan":
            loss += self.options["class_weight"] * entropy_of(of_real, self.labels)
        return float(loss)

    def generator(self, d: State, fake: Array) -> float:
        _, (on_fake, of_fake) = self.judged(d, self.x, fake)
        return deceiving(on_fake, self.options["generator_loss"] == "minimax") + self.shown(of_fake)


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
    generator, judge = experiment.modules["generator"], experiment.modules["discriminator"]
    g, d = generator.state_dict(), judge.state_dict()
    fake = formula.predict(g)
    terms = experiment.step(one)
    assert float(terms["loss"]) == pytest.approx(formula.discriminator(d, fake), rel=1e-10)  # sums of a few numbers
    check_gradient(judge, d, lambda moved: formula.discriminator(moved, fake))
    d = judge.state_dict()  # the generator is judged by the updated discriminator
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
    answers, category = rng.normal(0, 2, (n, k + 2 * m)), rng.integers(0, k, n)
    values = rng.uniform(-1, 1, (n, m))
    found = [float(part) for part in information(Tensor(answers), Code(category, values), k)]
    assert found == pytest.approx(known(answers, category, values, k), rel=1e-9, abs=1e-12)
    assert found[0] <= math.log(k)
    mg.gradcheck(lambda a: information(a, Code(category, values), k)[0], answers)
    mg.gradcheck(lambda a: information(a, Code(category, values), k)[1], answers)


def test_the_bound_where_it_is_known() -> None:
    """Q sure and right: H(c). Q that knows nothing: 0 of the category. Of values x + noise of std s, it is I(c; x)."""
    k, n = 4, 200_000
    rng = np.random.default_rng(0)
    category, values = rng.integers(0, k, n), rng.uniform(-1, 1, (n, 1))
    sure = np.concatenate([np.eye(k)[category] * 50, values, np.zeros((n, 1))], axis=1)
    assert float(information(Tensor(sure), Code(category, values), k)[0]) == pytest.approx(math.log(k), rel=1e-12)
    nothing = np.zeros((n, k + 2))
    assert float(information(Tensor(nothing), Code(category, values), k)[0]) == pytest.approx(0, abs=1e-12)
    # Q = N(x, s^2), the truth but for the ends of the interval, with x = c + s e: the bound is h(c) - h(e), which is
    # I(c; x) as s -> 0. 200,000 samples of e^2 / 2 have a standard error of 0.0016.
    s = 0.01
    raw = 15 * np.arctanh(2 * math.log(s) / 15)  # of which the bounded log-variance is log s^2
    answers = np.concatenate([nothing[:, :k], values + s * rng.normal(size=(n, 1)), np.full((n, 1), raw)], 1)
    exact = math.log(2) - 0.5 * math.log(2 * math.pi * math.e * s**2)
    bound = float(information(Tensor(answers), Code(category, values), k)[1])
    assert bound == pytest.approx(exact, abs=0.01)


# Networks.


def test_a_convolution_sees_the_label_as_a_channel_and_a_dense_layer_beside_the_pixels() -> None:
    seen: list[Tensor] = []

    class Watcher(Discriminator):
        def __init__(self) -> None:
            pass

        def forward(self, x: Tensor) -> Tensor:
            seen.append(x)
            return ops.mean(ops.flatten(x), axis=1)

    one, labels = batch(5), Tensor(np.eye(CLASSES, dtype=np.float32)[[0, 1, 2, 1, 0]])
    flat = labelled(Watcher(), (1, 8, 8), CLASSES, embedded=False, rng=Generator(0))
    assert flat(Tensor(one.x), labels).shape == (5,)
    np.testing.assert_array_equal(seen[0].numpy(), np.concatenate([one.x.reshape(5, -1), labels.numpy()], 1))
    assert LabelledDiscriminator.shown((1, 8, 8), CLASSES, embedded=False) == (1, 1, 64 + CLASSES)

    planes = labelled(Watcher(), (2, 8, 4), CLASSES, embedded=True, rng=Generator(0))
    planes(Tensor(batch(5, (2, 8, 4)).x), labels)
    assert seen[1].shape[1:] == LabelledDiscriminator.shown((2, 8, 4), CLASSES, embedded=True) == (3, 8, 4)
    plane = seen[1].numpy()[:, 2].reshape(5, -1)
    np.testing.assert_array_equal(plane[0], plane[4])  # the same label, the same plane
    assert abs(plane[0] - plane[1]).max() > 0.01
    with pytest.raises(ValueError, match="expected a label for each of 3 images, got 5"):
        planes(Tensor(one.x[:3]), labels)


@pytest.mark.parametrize("norm", ["none", "spectral", "batch"])
def test_gradients_through_the_discriminators(norm: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 1, 4, 4)), np.eye(2)
    body = dcgan_discriminator((2, 4, 4), channels=1, norm=norm, rng=Generator(0))
    mg.gradcheck(labelled(body, (1, 4, 4), 2, embedded=True, rng=Generator(1)).to(dtype=np.float64), x, y)
    other = dense_discriminator((1, 4, 4), widths=(3, 3), norm=norm, rng=Generator(0))
    module = headed(other, 2, hidden=2, rng=Generator(1)).to(dtype=np.float64)
    assert module(Tensor(x)).shape == (2, 3)
    np.testing.assert_array_equal(module.eval()(Tensor(x)).numpy()[:, 0], other.eval()(Tensor(x)).numpy())
    mg.gradcheck(module.train(), x)


def test_a_head_needs_a_linear_score() -> None:
    with pytest.raises(TypeError, match="headed: expected a discriminator whose score is a Dense layer"):
        headed(Discriminator(nn.Flatten(), nn.Flatten()), 3, rng=Generator(0))


# Labels.


@pytest.mark.parametrize("name", ["cgan", "acgan"])
def test_labels_that_are_missing_are_one_clear_error(name: str) -> None:
    with pytest.raises(
        ValueError, match=f"{name} needs labels, and this data set has none; use 'dcgan', or a data set"
    ):
        small(name, classes=None)
    experiment = small(name)
    with pytest.raises(ValueError, match=f"{name} needs labels, and this batch has none"):
        experiment.step(replace(batch(), labels=None))
    with pytest.raises(ValueError, match="labels must be from 0 to 2, got 0 to 3"):
        experiment.step(replace(batch(), labels=np.arange(8) % 4))


def test_infogan_needs_none() -> None:
    experiment = small("infogan", classes=None)
    experiment.step(replace(batch(), labels=None))
    assert experiment.latent is not None and experiment.latent.classes == CLASSES


@pytest.mark.parametrize("name", CONDITIONAL)
def test_a_sample_is_of_the_class_that_is_asked_for(name: str) -> None:
    """The label reaches the generator; without one for each code there is an error."""
    latent = small(name, network="dense").latent
    assert latent is not None and latent.draw is not None and latent.classes == CLASSES
    codes = latent.draw(4, Generator(0))
    assert codes.shape == (4, latent.size) and codes.dtype == np.float32
    as_zero, as_two = (latent.decode(codes, np.full(4, k)) for k in (0, 2))
    assert abs(as_zero - as_two).max() > 1e-4
    mixed = latent.decode(codes, np.array([2, 0, 0, 2]))
    np.testing.assert_allclose(mixed[[0, 3]], as_two[[0, 3]], atol=1e-6)  # products of other sizes round differently
    assert latent.decode(codes[:0], np.zeros(0, int)).shape == (0, 1, 8, 8)
    for labels in (None, np.zeros(3, int)):
        with pytest.raises(ValueError, match=f"{name}: expected a label for each of the 4 codes"):
            latent.decode(codes, labels)


def test_the_first_units_of_infogans_codes_are_its_values() -> None:
    latent = small("infogan", continuous=2, network="dense").latent
    assert latent is not None and latent.draw is not None and latent.size == 2 + 3
    codes = latent.draw(4000, Generator(0))
    assert abs(codes[:, :2]).max() <= 1 < abs(codes[:, 2:]).max()
    assert codes[:, :2].std() == pytest.approx(3**-0.5, abs=0.02)  # 8000 draws: a standard error of 0.003


@pytest.mark.parametrize("name", CONDITIONAL)
def test_the_generator_is_given_in_a_sample_what_it_was_given_in_training(name: str) -> None:
    """Noise, then the label as one-hot, then the values; each in its place."""
    experiment, seen = small(name, network="dense", ema=0.0), []
    generator, latent = experiment.modules["generator"], experiment.latent
    assert latent is not None and latent.draw is not None
    forward = generator.forward
    generator.forward = lambda x: (seen.append(x.numpy()), forward(x))[1]  # type: ignore[method-assign]
    images = batch(6)
    experiment.step(images)
    labels = np.array([2, 0])
    codes = latent.draw(2, Generator(0))
    latent.decode(codes, labels)
    trained, asked = seen[0], seen[-1]
    assert trained.shape[1] == asked.shape[1] == latent.size + CLASSES
    for rows in (trained, asked):
        np.testing.assert_array_equal(np.sort(rows[:, 3 : 3 + CLASSES]), np.tile([0, 0, 1], (len(rows), 1)))
    np.testing.assert_array_equal(asked[:, 3 : 3 + CLASSES], one_hot(labels))
    if name != "infogan":
        assert images.labels is not None
        np.testing.assert_array_equal(trained[:, 3 : 3 + CLASSES], one_hot(images.labels))
    values = latent.size - 3
    np.testing.assert_array_equal(asked[:, :3], codes[:, values:])
    np.testing.assert_array_equal(asked[:, 3 + CLASSES :], codes[:, :values])
    assert abs(trained[:, 3 + CLASSES :]).max(initial=0) <= 1


def test_a_joint_batch_has_every_label_twice() -> None:
    made = setup_for("cgan", norm="batch", joint_batch=True)
    seen = []

    class Watcher(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            seen.append(y.numpy())
            return x.sum(axis=(1, 2, 3))

    game = build.assemble_game(LabelledGame, made, nn.Dense(6, 1), Watcher())
    rows = np.eye(CLASSES, dtype=np.float32)[[0, 2]]
    x = Tensor(batch(2).x)
    real, fake = game.asking(Tensor(rows)).scores(x, x * 2)
    np.testing.assert_array_equal(seen[0], np.concatenate([rows, rows]))
    np.testing.assert_allclose(fake.numpy(), 2 * real.numpy(), rtol=1e-5)


# As models of the catalog.


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp("data") / "images.npz", n=270, side=8)


@pytest.mark.parametrize("name", MODELS)
def test_a_run_resumes_bit_for_bit_and_can_be_opened(
    name: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """30 steps at once, and 30 with a stop after 13; with every random number that there can be. Then samples of it."""
    options = {"instance_noise": 0.2, "augment": "diffaugment", "schedule": "cosine", "ema": 0.9, "n_critic": 2}
    size = "hidden" if MODELS[name].options["network"] == "dense" else "channels"
    more = {"unroll": 2} if name == "unrolled-gan" else {}
    sizes = {key: 2 for key in ("latent", size)}
    settings = {**options, **sizes, **more, "batch_size": 8, "max_steps": 30, "epochs": 99, "log_every": 10}
    whole = run(data, tmp_path / "whole", model=name, **settings)
    assert whole.state.step == 30
    count = iter(range(1, 100))
    with pytest.raises(Interrupted):
        run(data, tmp_path / "parts", model=name, stop=lambda: next(count) == 13, **settings)
    run(data, tmp_path / "parts", model=name, resume=True, **settings)
    assert left_behind(tmp_path / "parts") == left_behind(tmp_path / "whole")

    experiment, _ = open_trained(MODELS[name], whole.prepared.config, whole.folder.last, "cpu")
    own, kept = experiment.latent, whole.prepared.experiment.latent
    assert own is not None and own.draw is not None and kept is not None
    codes = own.draw(5, Generator(7))
    labels = None if own.classes is None else np.arange(5) % own.classes
    np.testing.assert_array_equal(own.decode(codes, labels), kept.decode(codes, labels))

    monkeypatch.chdir(tmp_path)
    for words in (["--class", "1"], ["--traverse", "0", "-n", "2"], []):
        if name == "unrolled-gan" and words[:1] == ["--class"]:
            continue
        done = CliRunner().invoke(commands, ["sample", "whole", "-o", "a.png", *words])
        assert done.exit_code == 0, done.output


@pytest.mark.parametrize("network", ["dense", "conv"])
@pytest.mark.parametrize("name", MODELS)
def test_looking_changes_nothing(name: str, network: str) -> None:
    experiment, one = small(name, network=network, norm="batch"), batch(20)
    experiment.step(one)
    before = everything(experiment)
    pictures = experiment.pictures(one.x[:6])
    assert len(pictures) == (1 if name == "unrolled-gan" else CLASSES)
    assert all(part.shape == (6, 1, 8, 8) and abs(part).max() <= 1 for part in pictures)
    np.testing.assert_array_equal(pictures[0], experiment.pictures(one.x[:6])[0])
    assert (experiment.diagnostics is None) == (name == "cgan")  # it cannot judge an image without its label
    if experiment.diagnostics is not None:
        diagnostics = experiment.diagnostics(one.x[:9])
        assert {key: sign.shape for key, sign in diagnostics.items()} == {"real_score": (9,), "fake_score": (9,)}
    check_routing(experiment, one)
    assert_same(before, everything(experiment))


@pytest.mark.parametrize("name", MODELS)
def test_images_of_other_shapes(name: str) -> None:
    for shape in ((2, 1, 1), (3, 5, 7)):
        small(name, shape=shape, network="dense").step(batch(8, shape))
    small(name, shape=(3, 32, 32), network="conv").step(batch(4, (3, 32, 32)))
    with pytest.raises(ValueError, match="multiples of 4"):
        small(name, shape=(1, 10, 10), network="conv")
    with pytest.raises(ValueError, match=rf"{name}: the generator ends in tanh: expected data in \(-1, 1\)"):
        MODELS[name].build(replace(setup_for(name), value_range=(0.0, 1.0)))


# Learning.


def three_levels(n: int = 48) -> Batch:
    """Images of one grey: -0.7, 0 or 0.7, which is the class."""
    labels = np.arange(n) % CLASSES
    x = (labels - 1.0) * 0.7 + 0.03 * np.random.default_rng(0).normal(size=(1, 2, 2, n))
    return Batch(x.transpose(3, 0, 1, 2).astype(np.float32), labels, np.arange(n))


def trained(name: str, steps: int, **options: Any) -> tuple[Experiment, dict[str, float]]:
    rates = {"lr_generator": 2e-3, "lr_discriminator": 2e-3, "ema": 0.9}
    experiment = small(name, shape=(1, 2, 2), network="dense", norm="none", hidden=32, **rates, **options)
    one = three_levels()
    for k in range(steps):
        experiment.schedule(k)
        terms = experiment.step(one)
    return experiment, {term: float(value) for term, value in terms.items()}


def painted(experiment: Experiment) -> list[Array]:
    """Mean grey (100,) of samples of each class."""
    latent = experiment.latent
    assert latent is not None and latent.draw is not None
    codes = latent.draw(100, Generator(1))
    return [latent.decode(codes, np.full(100, k)).mean((1, 2, 3)) for k in range(CLASSES)]


@pytest.mark.parametrize("name", ["cgan", "acgan"])
def test_each_class_is_painted(name: str) -> None:
    means = [grey.mean() for grey in painted(trained(name, 300)[0])]
    np.testing.assert_allclose(means, [-0.7, 0.0, 0.7], atol=0.25)


def test_infogan_finds_the_classes_by_itself() -> None:
    """The bound comes near log 3, and samples of one category keep to one level."""
    experiment, terms = trained("infogan", 400)
    assert terms["category"] > 0.8 * math.log(CLASSES)
    greys = painted(experiment)
    nearest = [np.abs(grey[:, None] - [-0.7, 0.0, 0.7]).argmin(1) for grey in greys]
    assert sorted(int(np.bincount(n, minlength=3).argmax()) for n in nearest) == [0, 1, 2]
