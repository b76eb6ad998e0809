"""VAEs as models of the catalog: runs that resume bit for bit, looks that change nothing, options, refusals, learning.

Read next: ``tests/metrics/test_likelihood.py``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from algorithms.catalog_runs import slow_unless
from algorithms.likelihood.likelihood_runs import CLASSES, MODELS, SMALL, batch, network, setup_for, small
from training.runs import make_data, stopped_and_resumed

from minigen.algorithms.catalog import MODELS as CATALOG
from minigen.algorithms.experiment import Experiment, Term
from minigen.algorithms.importance_sampling import logsumexp
from minigen.algorithms.options import ConfigError
from minigen.autograd import Tensor
from minigen.data import Batch
from minigen.models.vae import VAE, one_hot
from minigen.random import Generator
from minigen.training import prepare
from minigen.training.config import DEFAULTS
from minigen.training.opening import open_trained

OPTIONS = {"binarize": "dynamic", "schedule": "cosine", "beta_warmup": 20, "free_bits": 0.1}  # noise, and what changes


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return make_data(tmp_path_factory.mktemp("data") / "images.npz", n=90, side=8)


@pytest.mark.parametrize("name", slow_unless(("vae", "cvae", "burda-vae").__contains__, MODELS))
def test_a_run_resumes_bit_for_bit_and_can_be_opened(name: str, data: Any, tmp_path: Any) -> None:
    """30 steps at once, and 30 with a stop after 13."""
    own = {key: value for key, value in {**SMALL, **OPTIONS}.items() if key in MODELS[name].options}
    settings = {**own, "batch_size": 8, "max_steps": 30, "epochs": 99, "log_every": 10}
    whole = stopped_and_resumed(data, tmp_path, after=13, model=name, **settings)
    assert whole.state.step == 30 and whole.best is not None

    experiment, _ = open_trained(MODELS[name], whole.prepared.config, whole.folder.last, "cpu")
    for a, b in zip(samples_of(experiment), samples_of(whole.prepared.experiment), strict=True):
        np.testing.assert_array_equal(a, b)


def samples_of(experiment: Experiment) -> tuple[Any, Any]:
    """Five codes from the prior, and their images; of a conditional model in several classes."""
    latent = experiment.latent
    assert latent is not None and latent.draw is not None
    codes = latent.draw(5, Generator(7))
    return codes, latent.decode(codes, None if latent.classes is None else np.arange(5) % CLASSES)


@pytest.mark.parametrize("name", MODELS)
def test_looking_changes_nothing(name: str) -> None:
    """Pictures, evaluation, codes, samples, bounds, diagnostics; no sample depends on those beside it."""
    experiment, one = small(name), batch(20)
    experiment.step(one)
    before = everything(experiment)
    latent, size = experiment.latent, len(samples_of(experiment)[0][0])
    assert latent is not None and size == latent.size
    parts = experiment.pictures(one.x[:6])
    assert {p.shape for p in parts} == {(6, 1, 8, 8)} and len(parts) == 3
    for a, b in zip(parts, experiment.pictures(one.x[:6]), strict=True):
        np.testing.assert_array_equal(a, b)
    codes, samples = samples_of(experiment)
    labels = None if latent.classes is None else np.arange(5) % CLASSES
    alone = [latent.decode(codes[i : i + 1], None if labels is None else labels[i : i + 1]) for i in range(5)]
    np.testing.assert_allclose(np.concatenate(alone), samples, atol=1e-6)  # products of other sizes round differently
    assert latent.decode(codes[:0], None if labels is None else labels[:0]).shape == (0, 1, 8, 8)
    assert experiment.evaluate is not None and experiment.log_likelihood is not None
    first, second = ({k: float(v) for k, v in experiment.evaluate(one).items()} for _ in range(2))
    assert first == second and first.keys() == experiment.ledger.keys()
    values = experiment.log_likelihood(one.x, 3)
    assert values.shape == (20,) and values.dtype == np.float64 and np.isfinite(values).all()
    np.testing.assert_array_equal(values, experiment.log_likelihood(one.x, 3))
    seeing = experiment
    if name == "cvae":
        assert experiment.encode is None and experiment.reconstruct is None and experiment.diagnostics is None
        assert latent.classes == CLASSES and experiment.conditioned_on is not None and one.labels is not None
        seeing = experiment.conditioned_on(one.labels)
    assert seeing.encode is not None and seeing.reconstruct is not None and seeing.diagnostics is not None
    assert seeing.conditioned_on is None and seeing.modules is experiment.modules
    assert seeing.encode(one.x).shape == (20, size) and seeing.reconstruct(one.x).shape == (20, 1, 8, 8)
    diagnostics = seeing.diagnostics(one.x)
    assert {key: value.shape for key, value in diagnostics.items()} == {"kl": (20, size), "mean": (20, size)}
    assert (diagnostics["kl"] >= -1e-6).all()  # float32: exp(v) - v - 1 near 0
    assert_same(before, everything(experiment))


def everything(experiment: Experiment) -> dict[str, Any]:
    state = {f"{n}.{k}": v for n, module in experiment.modules.items() for k, v in module.state_dict().items()}
    return state | {n: np.array(list(g.state.values()), "u8") for n, g in experiment.generators.items()}


def assert_same(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=key)


@pytest.mark.parametrize("n", [1, 4])
@pytest.mark.parametrize("name", MODELS)
def test_a_loss_is_the_sum_of_its_terms(name: str, n: int) -> None:
    experiment = small(name)
    experiment.schedule(0)
    terms = experiment.step(batch(n))
    assert next(iter(terms)) == "loss" and terms.keys() <= experiment.ledger.keys()
    parts = {t: term for t, term in experiment.ledger.items() if term.of == "loss"}
    total = sum(weight(term) * float(terms[t]) for t, term in parts.items())
    assert total == pytest.approx(float(terms["loss"]), rel=1e-5)  # float32
    assert all(term.unit.startswith("nats per sample") for term in experiment.ledger.values())
    assert experiment.routes == {"model": ("model",)}


def weight(term: Term) -> float:
    return term.weight() if callable(term.weight) else term.weight


def test_beta_rises_in_training_and_stands_at_its_end_in_evaluation() -> None:
    experiment, one = small("beta-vae", beta=4.0, beta_warmup=10), batch()
    assert experiment.evaluate is not None
    for k, wanted in ((0, 0.0), (5, 2.0), (10, 4.0), (500, 4.0)):
        experiment.schedule(k)
        assert weight(experiment.ledger["kl"]) == wanted
        terms = experiment.step(one)
        loss = float(terms["reconstruction"]) + wanted * float(terms["kl"])
        assert float(terms["loss"]) == pytest.approx(loss, rel=1e-6)
        judged = {name: float(v) for name, v in experiment.evaluate(one).items()}
        assert judged["loss"] == pytest.approx(judged["reconstruction"] + 4 * judged["kl"], rel=1e-6)
    penalised = small("beta-vae", capacity=3.0).ledger
    assert penalised["kl"].of is None and penalised["kl_penalty"].of == "loss"


def test_the_network_of_the_paper() -> None:
    """784-400-20-400-784 and Burda's two layers, counted by their parameters."""
    pixels = {"shape": (1, 28, 28), "classes": None}

    def count(experiment: Experiment) -> int:
        return sum(p.size for p in experiment.modules["model"].parameters())

    kingma = small("vae", latent=20, hidden=400, **pixels)
    assert count(kingma) == 784 * 400 + 400 + 2 * (400 * 20 + 20) + 20 * 400 + 400 + 400 * 784 + 784
    burda = small("burda-vae", latent=50, hidden=200, **pixels)

    def chain(*widths: int) -> int:
        return sum(a * b + b for a, b in zip(widths, widths[1:], strict=False))

    up = chain(784, 200, 200) + 2 * chain(200, 100) + chain(100, 100, 100) + 2 * chain(100, 50)
    down = chain(50, 100, 100) + 2 * chain(100, 100) + chain(100, 200, 200, 784)
    assert count(burda) == up + down
    assert MODELS["burda-vae"].options["binarize"] == "dynamic"


REFUSED: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("vae", {"variance": 0.5}, {}, "--variance has no effect with --likelihood bernoulli; leave it out"),
    (
        "vae",
        {"likelihood": "gaussian-learned", "variance": 2.0},
        {},
        "--variance has no effect with --likelihood gauss",
    ),
    ("vae", {"likelihood": "gaussian", "binarize": "threshold"}, {}, "--binarize threshold makes pixels 0 or 1"),
    ("vae", {}, {"value_range": (-1.0, 1.0)}, r"bernoulli pixels need data from 0 to 1, got \(-1.0, 1.0\)"),
    ("vae", {"likelihood": "gaussian"}, {"value_range": (0.0, 9.0)}, r"range \(0, 1\) or \(-1, 1\), got \(0.0, 9.0\)"),
    ("conv-vae", {}, {"image_shape": (1, 3, 28)}, "sides must be at least 4, got 3x28; give larger"),
    ("conv-vae", {"halvings": 5}, {}, r"--halvings 5: after 3 halvings an image of 8x8 is 1x1; take at most 3"),
    ("cvae", {}, {"classes": None}, "cvae needs labels, and this data set has none"),
]


@pytest.mark.parametrize(("name", "options", "changed", "message"), REFUSED)
def test_what_does_not_fit_is_refused(name: str, options: Any, changed: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MODELS[name].build(replace(setup_for(name, **options), **changed))


@pytest.mark.parametrize("name", ["conv-vae", "wae-mmd", "rae"])
def test_a_size_that_does_not_fit_is_refused_in_the_name_of_the_model(name: str) -> None:
    """Three models share a network; each says its own name, once."""
    recipe = CATALOG[name]
    config = {**DEFAULTS, **recipe.options}
    facts = {
        "image_shape": (1, 3, 28), "value_range": (0.0, 1.0), "mean": 0.5, "classes": None, "batches_per_epoch": 1,
    }  # fmt: skip
    with pytest.raises(ConfigError, match=f"^{name}: image sides must be at least 4, got 3x28; give larger"):
        prepare.build(recipe, config, facts, "cpu")


def test_labels_that_are_missing_or_wrong() -> None:
    experiment, one = small("cvae"), batch(4)
    with pytest.raises(ValueError, match="needs labels, and this batch has none"):
        experiment.step(Batch(one.x, None, one.index))
    latent = experiment.latent
    assert latent is not None
    with pytest.raises(ValueError, match="expected a label for each of the 2 codes, got none"):
        latent.decode(np.zeros((2, 3), np.float32), None)
    with pytest.raises(ValueError, match="labels must be from 0 to 2, got 0 to 3"):
        latent.decode(np.zeros((2, 3), np.float32), np.array([0, 3]))
    with pytest.raises(ValueError, match=r"expected whole numbers \(N,\), got float64 \(2,\)"):
        one_hot(np.array([0.0, 1.0]), 3)
    model = experiment.modules["model"]
    assert isinstance(model, VAE)
    with pytest.raises(ValueError, match=r"expected labels as one-hot rows \(4, 3\), got none"):
        model(Tensor(one.x))
    assert experiment.conditioned_on is not None
    with pytest.raises(ValueError, match="labels must be from 0 to 2, got 1 to 3"):
        experiment.conditioned_on(np.array([1, 3]))
    for use in ("encode", "reconstruct", "diagnostics"):
        with pytest.raises(ValueError, match="expected a label for each of the 4 images, got 3 of them"):
            getattr(experiment.conditioned_on(np.array([0, 1, 2])), use)(one.x)


@pytest.mark.parametrize("name", ["vae", "conv-vae", "burda-vae"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (2, 4, 8)])
def test_other_images_fit(name: str, shape: tuple[int, int, int]) -> None:
    experiment = small(name, shape=shape)
    terms = experiment.step(batch(2, shape))
    assert np.isfinite(float(terms["loss"])) and experiment.pictures(batch(2, shape).x)[2].shape == (2, *shape)


def test_images_from_minus_one_to_one() -> None:
    setup = replace(setup_for("vae", likelihood="gaussian-learned"), value_range=(-1.0, 1.0), mean=-0.7)
    experiment = MODELS["vae"].build(setup)
    assert abs(samples_of(experiment)[1].mean() + 0.7) < 0.1  # an untrained decoder paints the mean


def quadrants(n: int, seed: int) -> Batch:
    """Images of 8x8 whose label says which of three quadrants is bright; the fourth is bright or not, by chance."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, n)
    x = 0.05 * rng.random((n, 1, 8, 8))
    corners = [(slice(0, 4), slice(0, 4)), (slice(0, 4), slice(4, 8)), (slice(4, 8), slice(0, 4))]
    for image, label in zip(x, labels, strict=True):
        image[0][corners[label]] += 0.9
        image[0, 4:, 4:] += 0.9 * rng.integers(0, 2)
    return Batch(x.astype(np.float32), labels, np.arange(n))


def test_a_conditional_vae_draws_the_class_that_is_asked_for() -> None:
    experiment = small("cvae", hidden=32, lr=5e-3)
    for k in range(150):
        experiment.step(quadrants(64, k))
    latent = experiment.latent
    assert latent is not None and latent.draw is not None and experiment.log_likelihood is not None
    labels = np.arange(60) % CLASSES
    images = latent.decode(latent.draw(60, Generator(1)), labels)[:, 0]
    brightness = np.stack([images[:, :4, :4], images[:, :4, 4:], images[:, 4:, :4]]).mean((2, 3))
    assert (brightness.argmax(0) == labels).mean() > 0.95


@pytest.mark.parametrize("n", [0, 1, 4, 503])
def test_the_encoder_of_a_conditional_vae_is_told_the_label_of_each_image(n: int) -> None:
    """Codes, divergences and reconstructions are those of q(z | x, y), whatever images come with an image."""
    experiment = small("cvae")
    model = network(experiment, np.float32)
    images = batch(n)
    assert experiment.conditioned_on is not None and images.labels is not None
    seeing, rows = experiment.conditioned_on(images.labels), Tensor(one_hot(images.labels, CLASSES))
    assert seeing.encode is not None and seeing.reconstruct is not None and seeing.diagnostics is not None
    mean, logvar = (t.numpy() for t in model.posterior(Tensor(images.x), rows))
    # Sums of float32 in blocks of another size.
    np.testing.assert_allclose(seeing.encode(images.x), mean, atol=1e-5)
    np.testing.assert_allclose(seeing.reconstruct(images.x), model(Tensor(images.x), rows).numpy(), atol=1e-5)
    diagnostics = seeing.diagnostics(images.x)
    np.testing.assert_array_equal(diagnostics["mean"], seeing.encode(images.x))
    np.testing.assert_allclose(diagnostics["kl"], (mean**2 + np.exp(logvar) - 1 - logvar) / 2, atol=1e-5)
    others = experiment.conditioned_on((images.labels + 1) % CLASSES).encode
    assert others is not None
    assert (np.abs(others(images.x) - mean).max(axis=1, initial=0) > 1e-3).all()


def test_the_likelihood_of_a_conditional_vae_is_that_of_the_image_alone() -> None:
    """log of the mean over classes of p(x | y), each estimated from weights with the same noise."""
    experiment, one, k = small("cvae"), batch(4), 6
    model = experiment.modules["model"]
    assert isinstance(model, VAE) and experiment.log_likelihood is not None
    noise = Tensor(Generator(0).spawn("looking").normal((k, 4, 3)))
    each = []
    for label in range(CLASSES):
        rows = Tensor(one_hot(np.full(4, label), CLASSES))
        log_p, log_ratio = model.log_weights(Tensor(one.x), noise, rows)
        each.append(logsumexp((log_p + log_ratio).numpy().astype("f8")) - np.log(k))
    wanted = np.log(np.exp(np.array(each)).mean(0))
    np.testing.assert_allclose(experiment.log_likelihood(one.x, k), wanted, rtol=1e-6)


@pytest.mark.parametrize("name", slow_unless(("vae", "cvae", "burda-vae").__contains__, MODELS))
def test_training_lowers_the_loss(name: str) -> None:
    experiment = small(name, lr=1e-2)
    assert experiment.evaluate is not None
    test = quadrants(200, 10_000)
    before = float(experiment.evaluate(test)["loss"])
    for k in range(100):
        experiment.step(quadrants(32, k))
    assert float(experiment.evaluate(test)["loss"]) < before - 5  # nats; seen: 8 (conv-vae) to 36
