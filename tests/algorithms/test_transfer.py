"""GANs that begin as a trained autoencoder: the first samples are the decoder's, exactly; what does not fit is named.

Read next: ``minigen/algorithms/transfer.py``.
"""

from __future__ import annotations

import shutil
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from algorithms.catalog_runs import SHAPE, build_small, images_for, small_options
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import nn
from minigen.algorithms import donors, transfer
from minigen.algorithms.catalog import MODELS, OPTIONS
from minigen.algorithms.experiment import Experiment, Setup
from minigen.algorithms.options import ConfigError
from minigen.algorithms.routing import check_routing
from minigen.autograd import Tensor
from minigen.cli import main
from minigen.data import Dataset
from minigen.models.vae import VAE
from minigen.random import Generator
from minigen.training.config import resolve

pytestmark = pytest.mark.filterwarnings("ignore:ConvTranspose2d:UserWarning")  # dcgan-ae has the paper's kernel

#: Autoencoders and VAEs whose decoder can be a generator. For the others the reason is given.
GIVERS = ["ae", "deep-ae", "stacked-ae", "dcgan-ae", "sparse-ae", "denoising-ae", "contractive-ae", "vae", "conv-vae"]
REFUSED = {
    "conv-ae": "its codes are no vectors",
    "linear-ae": "has an output without bounds",
    "cvae": "has no decoder from codes alone",
}


def images(n: int = 60, *, seed: int = 0) -> Dataset:
    x = np.random.default_rng(seed).integers(0, 256, (n, *SHAPE), dtype=np.uint8)
    return Dataset("random", "train", x, value_range=(-1.0, 1.0))


def donor(name: str, *, steps: int = 2, **options: Any) -> transfer.Donor:
    """A model of that name after some steps, as if from a run."""
    experiment = build_small(name, **options)
    for _ in range(steps):
        experiment.step(images_for(name))
    facts = {"image_shape": list(SHAPE), "value_range": list(MODELS[name].value_range or (0.0, 1.0))}
    return transfer.Donor(f"runs/{name}", MODELS[name], {**small_options(name, **options)}, experiment, facts)


def receiver(name: str, settings: dict[str, Any], *, shape: tuple[int, int, int] = SHAPE) -> Experiment:
    recipe = MODELS[name]
    options = {key: settings[key] for key in recipe.options}
    return recipe.build(Setup(options, shape, (-1.0, 1.0), 0.0, None, 30, 30, 0, "cpu"))


def adopted(name: str, part: str, given: transfer.Donor, **flags: Any) -> dict[str, Any]:
    recipe = MODELS[name]
    settings = resolve(recipe, OPTIONS, flags)
    return transfer.adopt(recipe, settings, flags, part, given)


@pytest.mark.parametrize("name", GIVERS)
def test_the_generator_paints_what_the_decoder_did(name: str) -> None:
    """G(z) = 2 Dec(z) - 1; of an autoencoder without a prior, G(z) = 2 Dec(mean + L z) - 1."""
    given = donor(name)
    gan = receiver("gan", adopted("gan", "generator", given))
    told = transfer.give_decoder(given, gan, images())
    z = np.random.default_rng(1).normal(size=(9, 4)).astype(np.float32)
    latent = given.experiment.latent
    assert latent is not None and gan.latent is not None and given.experiment.encode is not None
    codes = z
    if latent.draw is None:
        seen = given.experiment.encode(images().in_range((0.0, 1.0)).images_float())
        mean, root = transfer.spread_of(seen)
        codes = (mean + z @ root.T).astype(np.float32)
        covariance = np.cov(seen.astype("f8"), rowvar=False)
        np.testing.assert_allclose(root @ root.T, covariance, atol=1e-9 + 1e-6 * abs(covariance).max())  # eigenvalues
        assert "follow no prior" in told
    else:
        assert "taken as they are" in told
    painted = gan.latent.decode(z, None)  # by the average, which begins at the same weights
    np.testing.assert_allclose(painted, 2 * latent.decode(codes, None) - 1, atol=2e-5)  # float32, another order
    state = gan.modules["generator"].state_dict()
    average = gan.modules["average"]
    assert isinstance(average, nn.MovingAverage)
    for key, array in average.network.state_dict().items():
        np.testing.assert_array_equal(array, state[key])
    check_routing(gan, images_for("gan"))


@pytest.mark.parametrize("name", [*GIVERS, "conv-ae", "linear-ae"])
def test_the_discriminator_has_the_features_of_the_encoder(name: str) -> None:
    given = donor(name)
    gan = receiver("gan", adopted("gan", "discriminator", given))
    before = gan.modules["discriminator"].state_dict()["score.weight"]
    told = transfer.give_encoder(given, gan, SHAPE)
    assert "its last layer is new" in told
    discriminator, model = gan.modules["discriminator"], given.model
    np.testing.assert_array_equal(discriminator.state_dict()["score.weight"], before)
    x = images(5).images_float()
    trunk = nn.Sequential(*donors.trunk_of(name, model))
    with discriminator.evaluation(), trunk.evaluation():
        wanted = trunk(Tensor((x + 1) / 2) - model.centre).numpy().reshape(5, -1)
        np.testing.assert_allclose(discriminator.features(Tensor(x)).numpy(), wanted, atol=1e-5)  # type: ignore[attr-defined]
    codes = given.experiment.encode
    assert codes is not None
    assert isinstance(model, VAE) or len(list(model.encoder)) > len(list(trunk)) or name in (  # type: ignore[call-overload]
        "ae", "sparse-ae", "contractive-ae", "linear-ae",
    )  # fmt: skip  # one layer: it is the code, and all there is
    check_routing(gan, images_for("gan"))


@pytest.mark.parametrize("name", REFUSED)
def test_decoders_that_are_no_generators(name: str) -> None:
    with pytest.raises(ConfigError, match=f"runs/{name}.*{REFUSED[name]}"):
        adopted("gan", "generator", donor(name, steps=0))
    text = name if name != "linear-ae" else "linear-ae"
    with pytest.raises(ValueError, match=REFUSED[name]):
        receiver("gan", {**resolve(MODELS["gan"], OPTIONS, {}), "generator": text})


def test_every_autoencoder_and_vae_gives_or_says_why_not() -> None:
    """Whatever the families hold: a generator that fits, or a ValueError that names the model."""
    for name in donors.MODELS:
        settings = {**resolve(MODELS["gan"], OPTIONS, {}), "latent": 4, "generator": name}
        if name in GIVERS:
            receiver("gan", settings)
            continue
        try:
            receiver("gan", settings)
        except ValueError as error:
            assert name in str(error)


def test_sizes_are_taken_over_and_described() -> None:
    given = donor("vae", hidden=11, layers=2, activation="tanh", latent=5)
    settings = adopted("dcgan", "generator", given)
    assert settings["generator"] == "vae hidden=11 layers=2 activation=tanh" and settings["latent"] == 5
    transfer.give_decoder(given, receiver("dcgan", settings), images())
    given = donor("conv-vae", channels=3)
    settings = adopted("mdgan", "discriminator", given)
    assert settings["discriminator"] == "conv-vae latent=4 hidden=16 channels=3" and settings["latent"] == 64
    transfer.give_encoder(given, receiver("mdgan", {**settings, "channels": 4}), SHAPE)


@pytest.mark.parametrize("name", ["vae-gan", "ali", "mdgan", "dfm", "began", "ebgan", "aae", "wgan-gp", "lsgan"])
def test_hybrids_and_other_gans_begin_so_too(name: str) -> None:
    given = donor("vae", hidden=8)
    experiment = receiver(name, adopted(name, "generator", given))
    told = transfer.give_decoder(given, experiment, images())
    assert told.startswith(
        f"the {'decoder' if name in ('aae', 'vae-gan') else 'generator'} begins as the decoder of runs/vae"
    )
    assert experiment.latent is not None and given.experiment.latent is not None
    z = Generator(3).normal((4, 4))
    np.testing.assert_allclose(
        experiment.latent.decode(z, None), 2 * given.experiment.latent.decode(z, None) - 1, atol=2e-5
    )
    check_routing(experiment, images_for(name))


def test_what_does_not_fit_is_named() -> None:
    given = donor("ae")

    def refused(
        message: str, name: str = "gan", part: str = "generator", by: transfer.Donor = given, **flags: Any
    ) -> None:
        with pytest.raises(ConfigError, match=message):
            adopted(name, part, by, **flags)

    refused(
        r"runs/ae has latent 4 \(the weight of its decoder's first layer is \(64, 4\)\), and --latent 64 .* use",
        latent=64,
    )
    refused(r"runs/ae has generator 'ae', and --generator vae does not fit it", generator="vae", latent=4)
    refused("--init-generator-from: 'vae' has no generator with layers like an autoencoder's", "vae")
    refused("--init-discriminator-from: 'began' has no discriminator", "began", "discriminator")
    refused("is a run of 'gan', which is no autoencoder or VAE", by=donor("gan", steps=0))
    other = receiver("gan", {**resolve(MODELS["gan"], OPTIONS, {}), "generator": "deep-ae", "latent": 4})
    with pytest.raises(
        ConfigError, match=r"other layers than runs/ae .ae.: .*0.weight has shape \(64, 4\), wanted \(128, 4\)"
    ):
        transfer.give_decoder(given, other, images())
    with pytest.raises(ConfigError, match="was trained on images of 1x8x8, the images here are 3x8x8"):
        transfer.give_encoder(given, other, (3, 8, 8))
    coloured = replace(images(), images=np.zeros((60, 3, 8, 8), np.uint8))
    with pytest.raises(ConfigError, match="1x8x8, the images here are 3x8x8"):
        transfer.give_decoder(given, other, coloured)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vea", "'vea' is no autoencoder or VAE. Did you mean 'vae'?"),
        ("  ", "'' is no autoencoder or VAE"),
        ("vae width=3", "'width=3' is no size of vae; write SIZE=VALUE, with hidden, layers, activation"),
        ("vae latent=3", "the size of the code is --latent"),
        ("vae hidden", "hidden must be a whole number, got ''"),
        ("vae hidden=0", "hidden must be at least 1, got 0"),
        ("ae hidden=3", "--generator 'ae hidden=3': --hidden has no effect with --layers 0; leave it out"),
        ("linear-ae hidden=3", "is no size of linear-ae; write SIZE=VALUE, with none"),
    ],
)
def test_texts_that_name_no_layers(text: str, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        receiver("gan", {**resolve(MODELS["gan"], OPTIONS, {}), "generator": text})
    assert message in str(caught.value)


def test_a_donor_that_the_images_do_not_fit_is_named() -> None:
    wanted = "^--generator 'conv-vae': image sides must be at least 4, got 2x8"
    with pytest.raises(ValueError, match=wanted):
        donors.autoencoder_like("generator", "conv-vae", (1, 2, 8), latent=4, seed=0)


def test_options_that_borrowed_networks_leave_without_effect() -> None:
    def refused(message: str, name: str = "lsgan", **flags: Any) -> None:
        with pytest.raises(ValueError, match=message):
            receiver(name, resolve(MODELS[name], OPTIONS, flags))

    refused("--norm has no effect with --discriminator", discriminator="vae", norm="spectral")
    both = {"generator": "vae", "discriminator": "vae", "latent": 4}
    refused("--channels has no effect with --generator and --discriminator", **both, channels=8)
    refused("batch norm mixes the samples of a batch; take a --discriminator", "wgan-gp", discriminator="dcgan-ae")


@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 99))
@settings(max_examples=30)
def test_mean_and_root_of_codes(n: int, size: int, seed: int) -> None:
    """Also where units never vary, or there are fewer codes than units."""
    codes = np.random.default_rng(seed).normal(size=(n, size)) * np.arange(size)
    mean, root = transfer.spread_of(codes)
    np.testing.assert_allclose(mean, codes.mean(0), atol=1e-12)
    wanted = np.cov(codes, rowvar=False).reshape(size, size) if n > 1 else np.zeros((size, size))
    np.testing.assert_allclose(root @ root.T, wanted, atol=1e-8)  # rounding may leave an eigenvalue 1e-16 below 0


# From the command line.


def test_a_run_is_named_and_needed_no_more(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    """Train a VAE, begin a GAN from both of its halves, delete it, resume; the step-0 checkpoint has its weights."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    x = np.random.default_rng(0).integers(0, 256, (90, 8, 8), dtype=np.uint8)
    np.savez("images.npz", images=x)

    def minigen(*words: Any) -> tuple[int, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as info:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        return int(info.value.code or 0), out + err

    common = ("--dataset", "images.npz", "--threads", 1, "--batch-size", 16)
    assert minigen("train", "vae", *common, "--hidden", 7, "--latent", 3, "--max-steps", 2, "--out", "vae")[0] == 0
    begin = ("--init-generator-from", "vae", "--init-discriminator-from", "vae")
    code, text = minigen("train", "gan", *common, "--max-steps", 3, "--out", "gan", *begin)
    assert code == 0, text
    assert "the generator begins as the decoder of" in text and "the discriminator begins as the encoder of" in text
    config = tomllib.loads(Path("gan/config.toml").read_text())
    assert config["init_generator_from"] == str(tmp_path / "vae") == config["init_discriminator_from"]
    assert (config["generator"], config["latent"]) == ("vae hidden=7", 3)
    assert config["discriminator"] == "vae latent=3 hidden=7"
    code, text = minigen("train", "gan", *common, "--max-steps", 3, "--out", "other", *begin, "--latent", 64)
    assert code == 2 and "--latent 64 does not fit it: use --latent 3" in text and not Path("other").exists()
    shutil.rmtree("vae")
    code, text = minigen("train", "gan", *common, "--out", "new", *begin)
    assert code == 1 and "run folder" in text and "does not exist" in text and not Path("new").exists()
    code, text = minigen("train", "--resume", "gan", "--max-steps", 5)
    assert code == 0 and "begins as" not in text, text
    assert minigen("sample", "gan", "-o", "samples.npz", "-n", 4)[0] == 0
    code, text = minigen("train", "--resume", "gan", "--init-generator-from", "elsewhere")
    assert code == 2 and "cannot change init_generator_from" in text
