"""Every model takes images of every size from 8 to 128 a side, square or not, with 1, 3 or 4 channels."""

from __future__ import annotations

import numpy as np
import pytest
from algorithms.catalog_runs import small_options
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen.algorithms.catalog import MODELS
from minigen.algorithms.experiment import Setup
from minigen.data import Batch
from minigen.random import Generator
from minigen.training.config import DEFAULTS

#: Heights and widths: the smallest, odd ones, those of the papers, wide and high ones, and nearly the largest.
SIZES = [(8, 8), (17, 23), (28, 28), (32, 48), (64, 64), (128, 96)]
CLASSES = 3


def check(name: str, shape: tuple[int, int, int], **options: object) -> None:
    """The model builds, makes a step with finite terms, samples, encodes, and reconstructs in the range of the data."""
    recipe = MODELS[name]
    chosen = small_options(name, **options)
    low, high = recipe.value_range or (0.0, 1.0)
    experiment = recipe.build(Setup(chosen, shape, (low, high), 0.3 * high + 0.7 * low, CLASSES, 3, 3, 0, "cpu"))
    n = 4 * recipe.batches_per_step({**DEFAULTS, **chosen})
    rng = np.random.default_rng(0)
    x = (low + (high - low) * rng.random((n, *shape))).astype(np.float32)
    labels = rng.integers(0, CLASSES, n)
    experiment.schedule(0)
    terms = experiment.step(Batch(x, labels, np.arange(n)))
    assert all(np.isfinite(float(term)) for term in terms.values())
    latent = experiment.latent
    assert latent is not None
    codes = latent.draw(2, Generator(0)) if latent.draw is not None else np.zeros((2, latent.size), np.float32)
    made = [latent.decode(codes, np.zeros(2, np.int64))]
    shown = experiment if experiment.conditioned_on is None else experiment.conditioned_on(labels[:2])
    if shown.reconstruct is not None:
        made.append(shown.reconstruct(x[:2]))
    if shown.encode is not None:
        assert shown.encode(x[:2]).shape == (2, latent.size)
    made += experiment.pictures(x[:2])
    for images in made:
        assert images.shape == (2, *shape) and np.isfinite(images).all()


@pytest.mark.parametrize("name", MODELS)
def test_an_odd_size(name: str) -> None:
    check(name, (3, 17, 23))


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_sizes_that_are_promised(name: str, channels: int) -> None:
    for height, width in SIZES:
        check(name, (channels, height, width))


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=4)  # of 40 models
@given(
    height=st.integers(8, 128), width=st.integers(8, 128), channels=st.sampled_from([1, 3, 4]), kernel=st.integers(4, 5)
)
@pytest.mark.filterwarnings("ignore:ConvTranspose2d:UserWarning")  # a kernel of 5 is warned of, and not the matter here
def test_any_size(name: str, height: int, width: int, channels: int, kernel: int) -> None:
    own = MODELS[name].options
    with_kernel = {"kernel": kernel} if "kernel" in own and own.get("network", "conv") == "conv" else {}
    check(name, (channels, height, width), **with_kernel)


@pytest.mark.parametrize("halvings", [1, 3])
@pytest.mark.parametrize("name", [name for name, recipe in MODELS.items() if "halvings" in recipe.options])
def test_halvings_say_how_many_strided_convolutions_there_are(name: str, halvings: int) -> None:
    network = {"network": "conv"} if "network" in MODELS[name].options else {}
    check(name, (1, 12, 9), halvings=halvings, **network)


def test_the_published_sizes_have_the_published_number_of_halvings() -> None:
    """28x28: 14x14, 7x7 for all of them, by the default and by 0, "by the size"."""
    for name in ("conv-vae", "dcgan-ae", "dcgan"):
        built = [
            MODELS[name].build(Setup(small_options(name, halvings=k), (1, 28, 28), r, 0.3, 3, 3, 3, 0, "cpu")).modules
            for k in (0, 2)
            for r in [MODELS[name].value_range or (0.0, 1.0)]
        ]
        for key, module in built[0].items():
            for (a, x), (b, y) in zip(module.named_parameters(), built[1][key].named_parameters(), strict=True):
                assert a == b and x.numpy().tobytes() == y.numpy().tobytes()
