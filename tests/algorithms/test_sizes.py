"""Width and depth by option: --hidden, --layers, --channels, --latent of every model, counted in parameters by hand.

Read next: ``test_knobs.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from algorithms.catalog_runs import build_small, images_for, small_options
from models.test_autoencoder import PARAMETERS
from training.runs import make_data, run

from minigen import nn
from minigen.algorithms import donors
from minigen.algorithms.catalog import MODELS, OPTIONS
from minigen.algorithms.experiment import Experiment, Setup
from minigen.random import Generator
from minigen.training.checkpoint import load_checkpoint, save_checkpoint
from minigen.training.config import resolve

IMAGE, PIXELS, CLASSES = (1, 28, 28), 784, 10
SIZES = ("latent", "hidden", "layers", "channels")

#: Parameters of the networks that the defaults gave before there were such options; of vq-vae without its prior.
BEFORE = {
    **PARAMETERS,
    "vae": 652_824,
    "conv-vae": 1_691_369,
    "beta-vae": 652_824,
    "cvae": 660_824,
    "iwae": 652_824,
    "miwae": 652_824,
    "burda-vae": 521_084,
    "linear-vae": 51_025,
    "vq-vae": 159_313,
    "wae-mmd": 1_680_073,
    "rae": 1_684_177,
}


def chain(*widths: int) -> int:
    """Weights and biases of dense layers from each width to the next."""
    return sum(a * b + b for a, b in zip(widths, widths[1:], strict=False))


def conv(n_in: int, n_out: int, side: int) -> int:
    return n_in * n_out * side * side + n_out


def dense_ae(latent: int, hidden: int, layers: int, between: int = 0) -> int:
    h = (hidden,) * layers
    return chain(PIXELS, *h, latent) + chain(latent, *(between,) * (between > 0), *h, PIXELS)


def dense_vae(latent: int, hidden: int, layers: int, labels: int = 0) -> int:
    h = (hidden,) * layers
    down = (PIXELS + labels, *h)
    return chain(*down) + 2 * chain(down[-1], latent) + chain(latent + labels, *h, PIXELS)


def conv_vae(latent: int, hidden: int, layers: int, channels: int, outputs: int = 2) -> int:
    """`outputs`: mean and variance of a code, or the code alone."""
    down = (2 * channels * 49, *(hidden,) * layers)
    convolutions = conv(1, channels, 4) + conv(channels, 2 * channels, 4)  # as many weights back, other biases
    back = conv(2 * channels, channels, 4) + conv(channels, 1, 4)
    return convolutions + chain(*down) + outputs * chain(down[-1], latent) + chain(latent, *down[::-1]) + back


def burda_vae(latent: int, hidden: int, layers: int) -> int:
    lower, wide, narrow = 2 * latent, (hidden,) * layers, (max(1, hidden // 2),) * layers
    up = [(PIXELS, *wide), (lower, *narrow), (latent, *narrow)]  # q(z1 | x), q(z2 | z1), p(z1 | z2)
    means = sum(2 * chain(widths[-1], n) for widths, n in zip(up, (lower, latent, lower), strict=True))
    return sum(chain(*widths) for widths in up) + means + chain(lower, *wide, PIXELS)


def conv_ae(latent: int, channels: int) -> int:
    half = max(1, channels // 2)
    down = conv(1, channels, 3) + conv(channels, half, 3) + conv(half, latent, 3)
    return down + conv(latent, half, 3) + conv(half, half, 3) + conv(half, channels, 3) + conv(channels, 1, 3)


def dcgan_ae(latent: int, channels: int) -> int:
    c, place = channels, 4 * channels * 49
    down = conv(1, c, 5) + conv(c, 2 * c, 5) + chain(2 * c * 49, latent)
    up = chain(latent, place) + conv(4 * c, 2 * c, 5) + conv(2 * c, c, 5) + conv(c, 1, 5)
    return down + up + 2 * (c + 2 * c + place + 2 * c + c)  # batch norm: two for each channel


def vq_vae(latent: int, channels: int, layers: int) -> int:
    c, residual = channels, conv(2 * channels, channels, 3) + conv(channels, 2 * channels, 1)
    down = conv(1, c, 4) + conv(c, 2 * c, 4) + layers * residual + conv(2 * c, latent, 1)
    return down + conv(latent, 2 * c, 3) + layers * residual + conv(2 * c, c, 4) + conv(c, 1, 4)


COUNTS: dict[str, Callable[..., int]] = {
    **dict.fromkeys(("ae", "deep-ae", "sparse-ae", "denoising-ae", "contractive-ae"), dense_ae),
    "stacked-ae": lambda latent, hidden, layers: dense_ae(latent, hidden, layers, max(1, hidden // 2)),
    "conv-ae": conv_ae,
    "dcgan-ae": dcgan_ae,
    "linear-ae": lambda latent: chain(PIXELS, latent, PIXELS),
    **dict.fromkeys(("vae", "beta-vae", "iwae", "miwae"), dense_vae),
    "conv-vae": conv_vae,
    "cvae": lambda latent, hidden, layers: dense_vae(latent, hidden, layers, CLASSES),
    "burda-vae": burda_vae,
    "linear-vae": lambda latent: chain(PIXELS, latent, PIXELS) + latent + 1,  # a variance each of codes and of pixels
    "vq-vae": vq_vae,
    **dict.fromkeys(("wae-mmd", "rae"), lambda **sizes: conv_vae(**sizes, outputs=1)),
}


def build(name: str, **options: Any) -> Experiment:
    recipe = MODELS[name]
    config = resolve(recipe, OPTIONS, options)
    chosen = {key: config[key] for key in recipe.options}
    return recipe.build(Setup(chosen, IMAGE, (0.0, 1.0), 0.2, CLASSES, 3, 3, 0, "cpu"))


def sizes_of(name: str) -> dict[str, int]:
    return {key: value for key, value in MODELS[name].options.items() if key in SIZES}


def parameters(experiment: Experiment) -> int:
    return sum(p.size for p in experiment.modules["model"].parameters())


def test_every_model_has_a_row_here() -> None:
    names = [name for name, recipe in MODELS.items() if recipe.family in ("autoencoder", "likelihood")]
    assert BEFORE.keys() == COUNTS.keys() == set(names)


@pytest.mark.parametrize("name", BEFORE)
def test_the_defaults_give_the_networks_of_before(name: str) -> None:
    """So a run that began before there were these options, and has them nowhere, is filled up with them."""
    assert parameters(build(name)) == BEFORE[name] == COUNTS[name](**sizes_of(name))
    without = {key: value for key, value in MODELS[name].options.items() if key not in SIZES[1:]}
    assert parameters(build(name, **without)) == BEFORE[name]


@pytest.mark.parametrize(("name", "option"), [(name, key) for name in BEFORE for key in sizes_of(name)])
@pytest.mark.parametrize("value", [1, 3])
def test_an_option_gives_the_layers_that_it_says(name: str, option: str, value: int) -> None:
    chosen = {**sizes_of(name), **({"layers": 2} if option == "hidden" else {}), option: value}
    experiment = build(name, **chosen)
    assert parameters(experiment) == COUNTS[name](**chosen)
    if (option, value) != ("layers", sizes_of(name).get("layers")):
        assert parameters(experiment) != BEFORE[name]


WHERE = [(name, key) for name in MODELS for key in ("hidden", "layers", "channels") if key in MODELS[name].options]


#: Networks that have nothing to do with the option: an option of their own, no convolution, a fixed depth.
OF_THEIR_OWN = {
    *(("vq-vae", option, "prior") for option in ("layers", "channels")),
    ("aae", "channels", "discriminator"),
    ("dfm", "layers", "denoiser"),
}


def networks(experiment: Experiment) -> dict[str, nn.Module]:
    """The networks that have parameters, by name, an autoencoder as its two halves."""
    found: dict[str, nn.Module] = {}
    for name, module in experiment.modules.items():
        halves = {f"{name}.{half}": getattr(module, half) for half in ("encoder", "decoder") if hasattr(module, half)}
        found |= halves or {name: module}
    return {name: network for name, network in found.items() if list(network.parameters())}


@pytest.mark.parametrize(("name", "option"), WHERE)
def test_more_is_more_in_every_network(name: str, option: str) -> None:
    """Of all models, GANs and hybrids too: one step of the option, where it acts, adds parameters; and a step works."""
    around: dict[str, Any] = {"layers": 1} if option == "hidden" and "layers" in MODELS[name].options else {}
    if "network" in MODELS[name].options:
        around["network"] = "conv" if option == "channels" else "dense"
    start = small_options(name, **around)[option]
    totals = []
    for value in (start, start + 2):  # conv-ae and burda-vae have layers of half the width
        experiment = build_small(name, **{**around, option: value})
        totals.append({key: sum(p.size for p in m.parameters()) for key, m in networks(experiment).items()})
    smaller, larger = totals
    assert {key for key in smaller if smaller[key] >= larger[key]} == {
        network for model, of, network in OF_THEIR_OWN if (model, of) == (name, option)
    }
    loss = experiment.step(images_for(name, **{**around, option: value}))["loss"]
    assert math.isfinite(float(loss))


@pytest.mark.filterwarnings("ignore:ConvTranspose2d:UserWarning")  # a kernel of 5 is warned of, and not the matter here
@pytest.mark.parametrize("name", [name for name in MODELS if "kernel" in MODELS[name].options])
def test_the_kernel_is_that_of_every_convolution(name: str) -> None:
    around = {"network": "conv"} if "network" in MODELS[name].options else {}
    every = networks(build_small(name, **around, kernel=5)).values()
    sides = {p.shape[2:] for network in every for p in network.parameters() if p.ndim == 4}
    assert sides == {(5, 5)}


def test_every_family_has_width_and_depth_by_option() -> None:
    """The linear models have one layer each way; of convolutions there are as many as images are halved."""
    without = {
        option: {name for name in BEFORE if option not in MODELS[name].options} for option in ("layers", "channels")
    }
    assert without["layers"] == {"linear-ae", "linear-vae", "conv-ae", "dcgan-ae"}
    assert BEFORE.keys() - without["channels"] == {"conv-ae", "dcgan-ae", "conv-vae", "vq-vae", "wae-mmd", "rae"}


@pytest.mark.parametrize("name", [name for name in BEFORE if "layers" in MODELS[name].options])
def test_without_hidden_layers_their_width_is_refused(name: str) -> None:
    if name == "stacked-ae":  # the layer behind its code is half as wide
        assert parameters(build(name, layers=0, hidden=17)) == COUNTS[name](latent=32, layers=0, hidden=17)
    elif "hidden" in MODELS[name].options:
        with pytest.raises(ValueError, match="--hidden has no effect with --layers 0; leave it out"):
            build(name, layers=0, hidden=17)
    assert parameters(build(name, layers=0)) == COUNTS[name](**{**sizes_of(name), "layers": 0})


@pytest.mark.parametrize(
    ("text", "widths"),
    [
        ("conv-vae channels=16", (64, 256, 2 * 16 * 49)),
        ("conv-vae channels=3 hidden=10 layers=2", (64, 10, 10, 2 * 3 * 49)),
        ("wae-mmd layers=0", (64, 2 * 32 * 49)),
        ("ae hidden=30 layers=1", (64, 30, PIXELS)),
        ("stacked-ae", (64, 32, 64, PIXELS)),
        ("dcgan-ae channels=5", (64, 4 * 5 * 49)),
    ],
)
def test_a_generator_built_like_a_decoder_has_these_sizes_too(text: str, widths: tuple[int, ...]) -> None:
    generator = donors.borrowed_generator(text, IMAGE, latent=64, rng=Generator(0))
    dense = [layer for layer in generator if hasattr(layer, "in_features")]
    assert (dense[0].in_features, *(layer.out_features for layer in dense)) == widths


@pytest.mark.parametrize("name", ["ae", "conv-ae", "conv-vae", "vq-vae"])
def test_a_run_that_began_without_these_options_goes_on_bit_for_bit(name: str, tmp_path: Path) -> None:
    """They are neither in its config.toml nor in its checkpoint."""
    data = make_data(tmp_path / "images.npz", n=40, side=8)
    settings = {"model": name, "batch_size": 8, "epochs": 9, "doctor": False, "schedule": "constant"}
    whole = run(data, tmp_path / "whole", max_steps=6, **settings)
    early = run(data, tmp_path / "early", max_steps=3, **settings)
    new = set(MODELS[name].options) & set(SIZES[1:])
    assert new
    checkpoint = load_checkpoint(early.folder.last)
    config = {key: value for key, value in checkpoint.facts["config"].items() if key not in new}
    save_checkpoint(early.folder.last, early.prepared.experiment, {**checkpoint.facts, "config": config})
    lines = early.folder.config.read_text().splitlines(keepends=True)
    early.folder.config.write_text("".join(line for line in lines if line.split(" ")[0] not in new))
    run(data, tmp_path / "early", max_steps=6, resume=True, **settings)
    wanted, found = (load_checkpoint(folder.last).arrays for folder in (whole.folder, early.folder))
    assert wanted.keys() == found.keys()
    assert all(wanted[key].tobytes() == found[key].tobytes() for key in wanted)
