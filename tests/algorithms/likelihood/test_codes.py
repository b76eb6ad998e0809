"""vq-vae, wae-mmd and rae as models of the catalog: runs that resume bit for bit, looks that change nothing, learning.

Read next: ``../test_routing.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from algorithms.catalog_runs import SMALL, build_small, images_for, slow_unless, small_options
from training.runs import make_data, stopped_and_resumed

from minigen.algorithms.catalog import MODELS
from minigen.algorithms.experiment import Experiment, Setup
from minigen.data import Batch
from minigen.random import Generator
from minigen.runs.density import fit_density
from minigen.training.opening import open_trained

CASES: list[tuple[str, dict[str, Any]]] = [
    ("vq-vae", {"codes": 8, "restart_after": 3, "binarize": "dynamic"}),
    ("vq-vae", {"codes": 8, "restart_after": 3, "codebook": "gradient"}),
    ("wae-mmd", {}),
    ("rae", {}),
    ("rae", {"decoder_penalty": "gradient"}),
    ("rae", {"decoder_penalty": "spectral"}),
]
FAST = (CASES[0], CASES[2], CASES[5])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return make_data(tmp_path_factory.mktemp("data") / "images.npz", n=90, side=8)


@pytest.mark.parametrize(("name", "options"), slow_unless(FAST.__contains__, CASES))
def test_a_run_resumes_bit_for_bit_and_can_be_opened(name: str, options: Any, data: Any, tmp_path: Any) -> None:
    """30 steps at once, and 30 with a stop after 13."""
    own = {key: value for key, value in SMALL.items() if key in MODELS[name].options}
    settings = {**own, **options, "batch_size": 8, "max_steps": 30, "epochs": 99, "log_every": 10, "doctor": False}
    whole = stopped_and_resumed(data, tmp_path, after=13, model=name, **settings)
    assert whole.state.step == 30 and whole.best is not None

    experiment, _ = open_trained(MODELS[name], whole.prepared.config, whole.folder.last, "cpu")
    codes = codes_of(experiment)
    np.testing.assert_array_equal(codes, codes_of(whole.prepared.experiment))
    one, other = experiment.latent, whole.prepared.experiment.latent
    assert one is not None and other is not None
    np.testing.assert_array_equal(one.decode(codes, None), other.decode(codes, None))


def codes_of(experiment: Experiment) -> Any:
    """Five codes from the prior or, where there is none, from a density of codes."""
    latent = experiment.latent
    assert latent is not None and experiment.encode is not None
    if latent.draw is not None:
        return latent.draw(5, Generator(7))
    return fit_density(experiment.encode(images_for("rae").x), "gaussian").draw(5, Generator(7))


@pytest.mark.parametrize(("name", "options"), CASES)
def test_looking_changes_nothing(name: str, options: Any) -> None:
    experiment, one = build_small(name, **options), images_for(name)
    experiment.step(one)
    before = everything(experiment)
    latent, encode, reconstruct = experiment.latent, experiment.encode, experiment.reconstruct
    assert latent is not None and encode is not None and reconstruct is not None and experiment.evaluate is not None
    parts = experiment.pictures(one.x[:6])
    assert {p.shape for p in parts} == {(6, 1, 8, 8)} and len(parts) == (2 if name == "rae" else 3)
    for a, b in zip(parts, experiment.pictures(one.x[:6]), strict=True):
        np.testing.assert_array_equal(a, b)
    codes = codes_of(experiment)
    assert codes.shape == (5, latent.size) and (latent.draw is None) == (name == "rae")
    samples = latent.decode(codes, None)
    alone = [latent.decode(codes[i : i + 1], None) for i in range(5)]
    np.testing.assert_allclose(np.concatenate(alone), samples, atol=1e-6)  # products of other sizes round differently
    assert latent.decode(codes[:0], None).shape == (0, 1, 8, 8) and encode(one.x[:0]).shape == (0, latent.size)
    assert encode(one.x).shape == (8, latent.size) and reconstruct(one.x).shape == one.x.shape
    first, second = ({k: float(v) for k, v in experiment.evaluate(one).items()} for _ in range(2))
    assert first == second and first.keys() <= experiment.ledger.keys()
    if name == "vq-vae":
        assert experiment.diagnostics is not None and experiment.log_likelihood is not None
        usage = experiment.diagnostics(one.x)["code_usage"]
        assert usage.shape == (8,) and usage.sum() == 8 * 4
    after = everything(experiment)
    assert before.keys() == after.keys()
    for key, value in before.items():
        np.testing.assert_array_equal(value, after[key], err_msg=key)


def everything(experiment: Experiment) -> dict[str, Any]:
    state = {f"{n}.{k}": v for n, module in experiment.modules.items() for k, v in module.state_dict().items()}
    return state | {n: np.array(list(g.state.values()), "u8") for n, g in experiment.generators.items()}


@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_batch_of_one_image(name: str, options: Any) -> None:
    experiment, one = build_small(name, **options), images_for(name)
    assert experiment.evaluate is not None
    alone = Batch(one.x[:1], None, one.index[:1])
    for terms in (experiment.step(alone), experiment.evaluate(alone)):
        assert all(np.isfinite(float(value)) for value in terms.values())


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_common_images_fit(name: str, options: Any, shape: tuple[int, int, int]) -> None:
    setup = Setup(small_options(name, **options), shape, (0.0, 1.0), 0.3, None, 30, 30, 0, "cpu")
    x = np.random.default_rng(0).random((3, *shape)).astype(np.float32)
    experiment = MODELS[name].build(setup)
    assert np.isfinite(float(experiment.step(Batch(x, None, np.arange(3)))["loss"]))
    assert experiment.pictures(x)[1].shape == x.shape


@pytest.mark.parametrize(("name", "options"), slow_unless(FAST.__contains__, CASES))
def test_training_lowers_the_loss(name: str, options: Any) -> None:
    experiment = build_small(name, lr=3e-3, **options)
    assert experiment.evaluate is not None
    rng = np.random.default_rng(0)

    def halves(n: int) -> Batch:
        x = 0.1 * rng.random((n, 1, 8, 8))
        for image in x:
            image[0, :4] += 0.8 * rng.integers(0, 2)
            image[0, :, 4:] += 0.1 * rng.integers(0, 2)
        return Batch(x.astype(np.float32), None, np.arange(n))

    test = halves(100)
    before = float(experiment.evaluate(test)["loss"])
    for _ in range(50):
        experiment.step(halves(32))
    assert float(experiment.evaluate(test)["loss"]) < 0.8 * before
