"""How often images of a size are halved, and the way back; what a summary says beside what a forward pass does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from algorithms.catalog_runs import SMALL, small_options
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import nn
from minigen.algorithms.catalog import MODELS
from minigen.algorithms.experiment import Setup
from minigen.autograd import Tensor, no_grad
from minigen.models.autoencoder import strided_conv, transposed_conv
from minigen.models.sizes import automatic_count, halve
from minigen.models.summary import advice, summarize
from minigen.nn.conv import _Convolution
from minigen.random import Generator

SIDES = st.integers(4, 128)


@settings(max_examples=60)
@given(height=SIDES, width=SIDES, kernel=st.sampled_from([2, 3, 4, 5, 6]), data=st.data())
def test_the_layers_halve_and_come_back_and_every_pixel_is_seen(height, width, kernel, data):
    x = (1, height, width)
    steps = halve(x, kernel, data.draw(st.integers(0, 2)), "")
    assert steps[0].before == x[1:]
    for step in steps:
        down, up = (make(1, 1, kernel, step, Generator(0)) for make in (strided_conv, transposed_conv))
        with no_grad():
            small = down(Tensor(np.zeros((1, 1, *step.before), np.float32)))
            assert small.shape[2:] == step.after
            assert up(small).shape[2:] == step.before
        for side, after, padding in zip(step.before, step.after, step.padding, strict=True):
            assert after in (side // 2, -(-side // 2))
            assert 2 * (after - 1) + kernel - padding >= side  # the last window reaches the last pixel


@given(height=SIDES, width=SIDES)
def test_the_count_is_that_of_before_for_multiples_of_4_and_ends_at_8_else(height, width):
    count, size = automatic_count((height, width), 4), (height, width)
    if height % 4 == width % 4 == 0:  # as it was written for these sizes alone
        wanted = 2
        while min(size) >> wanted > 8 and (height >> wanted) % 2 == 0 and (width >> wanted) % 2 == 0:
            wanted += 1
        assert count == wanted
    else:
        assert count == 2 or min(height, width) >> (count - 1) > 8
        assert min(height, width) >> count <= 8


@pytest.mark.parametrize(("side", "wanted"), [(28, 2), (32, 2), (33, 2), (36, 2), (37, 3), (64, 3), (65, 3), (128, 4)])
def test_counts(side, wanted):
    assert automatic_count((side, side), 4) == wanted


SHAPES = [(1, 28, 28), (3, 17, 23), (1, 100, 36)]


@pytest.mark.parametrize("name", [name for name, r in MODELS.items() if {"channels", "network"} & r.options.keys()])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_summary_has_the_sizes_of_a_forward_pass(name, shape, monkeypatch):
    """Whatever the layers are: the height and width of each convolution's output are among those of the summary."""
    recipe = MODELS[name]
    low, high = recipe.value_range or (0.0, 1.0)
    setup = Setup(small_options(name), shape, (low, high), 0.3, 3, 3, 3, 0, "cpu")
    experiment = recipe.build(setup)
    summaries = summarize(experiment.modules, shape)
    assert sum(s.parameters for s in summaries.values()) == sum(
        p.size for m in experiment.modules.values() for p in m.parameters()
    )
    made = dict[int, tuple[int, int]]()
    whole = _Convolution._convolved

    def convolved(self: Any, x: Tensor, *arguments: Any, **end: Any) -> Tensor:
        y = whole(self, x, *arguments, **end)
        made[id(self)] = tuple(y.shape[2:])
        return y

    monkeypatch.setattr(_Convolution, "_convolved", convolved)
    if experiment.reconstruct is not None:
        experiment.reconstruct(np.full((2, *shape), 0.5, np.float32))
    if experiment.latent is not None:
        experiment.latent.decode(np.zeros((2, experiment.latent.size), np.float32), np.zeros(2, np.int64))
    for network, module in experiment.modules.items():
        convolutions = [m for _, m in module.named_modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
        sizes = {size for chain in summaries[network].chains for size in chain.sizes} if network in summaries else set()
        inside = {(14, 14), (10, 12), (50, 18)} if name == "conv-ae" else set()  # before the last upsampling
        assert {made[id(m)] for m in convolutions if id(m) in made} <= sizes | inside
    assert (
        made
        or name in ("gan", "cgan", "acgan", "infogan", "unrolled-gan")
        or not any(s.smallest for s in summaries.values())
    )


def test_texts_and_advice():
    def of(name: str, shape: tuple[int, int, int], **options: Any) -> dict[str, Any]:
        chosen = {**MODELS[name].options, **options}
        low, high = MODELS[name].value_range or (0.0, 1.0)
        return summarize(MODELS[name].build(Setup(chosen, shape, (low, high), 0.3, 3, 3, 3, 0, "cpu")).modules, shape)

    networks = of("dcgan", (3, 64, 64))
    assert str(networks["generator"]) == "Dense 64-8192, ConvTranspose2d 128-64-32-3 (8x8, 16x16, 32x32, 64x64)"
    assert networks["generator"].smallest == (8, 8)
    assert str(of("conv-ae", (1, 28, 28))["model"]) == (
        "Conv2d 1-16-8-8-8-8-16-1 (28x28, 14x14, 7x7, 4x4, 8x8, 16x16, 28x28)"
    )
    shape = (3, 128, 96)
    (note,) = advice(of("conv-vae", shape), shape, 2)
    assert "dense layers, most of them at the smallest feature maps of 32x24; --halvings 4 makes these 8" in note
    better = of("conv-vae", shape, halvings=4)
    assert better["model"].smallest == (8, 6) and advice(better, shape, 4) == []
    assert advice(of("vae", shape), shape, None) == []
    assert SMALL["channels"] == 4
