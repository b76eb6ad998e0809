"""What the page offers for each of the 40 models, for a network of a user's own, and for a model without images.

Read next: ``minigen/explore/abilities.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from algorithms.catalog_runs import BATCH, SHAPE, small_options

import minigen as mg
from minigen.algorithms.catalog import MODELS
from minigen.algorithms.experiment import Latent
from minigen.explore.abilities import Abilities, abilities, prior_of

pytestmark = pytest.mark.filterwarnings("ignore:ConvTranspose2d:UserWarning")  # dcgan-ae has the paper's kernel

LOGIT = "logit, above 0: taken for real"
CRITIC = "critic value: higher for real images; it has no zero"
CODE = ("sliders", "strips", "interpolation")
AUTOENCODER = ("map", *CODE, "mine")
LATENT = ("map", "walk", *CODE, "mine")
GAN = ("walk", "samples", *CODE)
BOTH = ("map", "walk", "samples", *CODE, "mine")
#: The panels of each model, and the unit of its discriminator's score.
PANELS: dict[str, tuple[tuple[str, ...], str | None]] = {
    **dict.fromkeys("ae deep-ae stacked-ae conv-ae dcgan-ae".split(), (AUTOENCODER, None)),
    **dict.fromkeys("sparse-ae contractive-ae linear-ae rae".split(), (AUTOENCODER, None)),
    "denoising-ae": (("map", "denoise", *CODE, "mine"), None),
    **dict.fromkeys(
        "vae conv-vae beta-vae cvae iwae miwae burda-vae linear-vae wae-mmd".split(), (LATENT, None)
    ),
    "vq-vae": (("map", "codes", "interpolation", "mine"), None),
    **dict.fromkeys(
        "gan dcgan dragan r1-gan pacgan unrolled-gan cgan acgan infogan dfm".split(), (GAN, LOGIT)
    ),
    "lsgan": (GAN, "score, trained to be 1 for real images and 0 for generated ones"),
    "wgan": (GAN, CRITIC),
    "wgan-gp": (GAN, CRITIC),
    "sngan": (GAN, "score, hinge loss: trained to be above 1 for real images and below -1 for generated ones"),
    "vae-gan": (BOTH, LOGIT),
    "mdgan": (BOTH, LOGIT),
    "aae": (BOTH, "logit of the code alone, above 0: taken for real"),
    "ali": (BOTH, "logit of image and code together, above 0: taken for real"),
    "began": (BOTH, "absolute error, share of the image's contrast: low for real images"),
    "ebgan": (BOTH, "squared error, mean per pixel: low for real images"),
}  # fmt: skip

CONDITIONAL = {"cvae": 3, "cgan": 3, "acgan": 3, "infogan": 10}
TAKES = {"cgan": ("image", "class"), "ali": ("image", "code"), "aae": ("code",)}
MEASURES = {"began": "relative", "ebgan": "squared"}


def trained(name: Any, **options: Any) -> mg.Run:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 150)
    images = (rng.random((150, *SHAPE)) * 0.6 + 0.1 * labels[:, None, None, None]).astype(np.float32)
    if isinstance(name, str):
        usual = MODELS[name].options
        options = {**{key: value for key, value in small_options(name).items() if value != usual[key]}, **options}
    return mg.train(name, data=images, labels=labels, progress=False, batch_size=BATCH, max_steps=1, **options)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_of_the_catalog_has_its_row(name: str) -> None:
    found, (panels, unit) = abilities(trained(name)), PANELS[name]
    assert found.panels == panels
    assert (found.score and found.score.unit) == unit
    assert found.classes == CONDITIONAL.get(name)
    assert found.classifies == (name in ("acgan", "infogan"))
    assert found.corruption == ("masking" if name == "denoising-ae" else None)
    assert found.codebook == ((64, 4, 2, 2) if name == "vq-vae" else None)
    if found.score:
        assert found.score.takes == TAKES.get(name, ("image",))
        assert found.score.pack == (2 if name == "pacgan" else 1)
        assert found.score.measure == MEASURES.get(name)
        assert found.score.higher_is_real == (found.score.kind != "error")
    if found.prior:
        assert found.prior == ("uniform",) * (2 if name == "infogan" else 0) + ("normal",) * len(
            found.prior[2 if name == "infogan" else 0 :]
        )


def test_the_table_names_no_other_model() -> None:
    assert PANELS.keys() == MODELS.keys()


def test_data_with_factors_adds_their_sliders_where_codes_can_be_compared_with_them() -> None:
    assert abilities(trained("beta-vae"), factors=True).panels == (
        "map", "walk", "sliders", "factors", "strips", "interpolation", "mine",
    )  # fmt: skip
    assert abilities(trained("gan"), factors=True).panels == GAN
    assert abilities(trained("vq-vae"), factors=True).panels == PANELS["vq-vae"][0]


def draws(function: Any) -> Latent:
    return Latent(3, lambda codes, labels: codes, function)


def test_a_prior_is_known_by_its_moments() -> None:
    assert prior_of(draws(lambda n, rng: rng.normal((n, 3)))) == ("normal",) * 3
    assert prior_of(draws(lambda n, rng: np.concatenate([rng.uniform((n, 1), -1, 1), rng.normal((n, 2))], 1))) == (
        "uniform", "normal", "normal",
    )  # fmt: skip
    assert prior_of(draws(lambda n, rng: rng.normal((n, 3)) * 1.2)) is None
    assert prior_of(draws(lambda n, rng: rng.uniform((n, 3), -1, 1) ** 3)) is None
    assert prior_of(draws(None)) is None


class Doubling(mg.nn.Module):
    """A network of a user's own that only reconstructs."""

    objective = "mse"

    def __init__(self, image_shape: tuple[int, int, int], rng: mg.Generator) -> None:
        self.conv = mg.nn.Conv2d(image_shape[0], image_shape[0], 3, padding=1, rng=rng)

    def forward(self, x: mg.Tensor) -> mg.Tensor:
        return self.conv(x)


def test_a_network_of_a_users_own_is_offered_what_it_can() -> None:
    found = abilities(trained(Doubling))
    assert found == Abilities(None, False, True, False, None, None, None, None, None)
    assert found.panels == ("mine",)
