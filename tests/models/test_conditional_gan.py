"""Discriminators of conditional GANs: one that is told the label, one with an auxiliary output.

Read next: ``algorithms/adversarial/test_conditional.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from algorithms.adversarial.conditional_runs import CLASSES, batch
from algorithms.catalog_runs import slow_unless

import minigen as mg
from minigen import nn, ops
from minigen.autograd import Tensor
from minigen.models.conditional_gan import ConditionalDiscriminator, add_head, with_labels
from minigen.models.gan import Discriminator, dcgan_discriminator, dense_discriminator
from minigen.random import Generator

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
    flat = with_labels(Watcher(), (1, 8, 8), CLASSES, embedded=False, rng=Generator(0))
    assert flat(Tensor(one.x), labels).shape == (5,)
    np.testing.assert_array_equal(seen[0].numpy(), np.concatenate([one.x.reshape(5, -1), labels.numpy()], 1))
    assert ConditionalDiscriminator.input_shape((1, 8, 8), CLASSES, embedded=False) == (1, 1, 64 + CLASSES)

    planes = with_labels(Watcher(), (2, 8, 4), CLASSES, embedded=True, rng=Generator(0))
    planes(Tensor(batch(5, (2, 8, 4)).x), labels)
    assert seen[1].shape[1:] == ConditionalDiscriminator.input_shape((2, 8, 4), CLASSES, embedded=True) == (3, 8, 4)
    plane = seen[1].numpy()[:, 2].reshape(5, -1)
    np.testing.assert_array_equal(plane[0], plane[4])  # the same label, the same plane
    assert abs(plane[0] - plane[1]).max() > 0.01
    with pytest.raises(ValueError, match="expected a label for each of 3 images, got 5"):
        planes(Tensor(one.x[:3]), labels)


@pytest.mark.parametrize("norm", slow_unless(lambda norm: norm != "spectral", ["none", "spectral", "batch"]))
def test_gradients_through_the_discriminators(norm: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 1, 4, 4)), np.eye(2)
    body = dcgan_discriminator((2, 4, 4), channels=1, norm=norm, rng=Generator(0))
    mg.gradcheck(with_labels(body, (1, 4, 4), 2, embedded=True, rng=Generator(1)).to(dtype=np.float64), x, y)
    other = dense_discriminator((1, 4, 4), widths=(3, 3), norm=norm, rng=Generator(0))
    module = add_head(other, 2, hidden=2, rng=Generator(1)).to(dtype=np.float64)
    assert module(Tensor(x)).shape == (2, 3)
    np.testing.assert_array_equal(module.eval()(Tensor(x)).numpy()[:, 0], other.eval()(Tensor(x)).numpy())
    mg.gradcheck(module.train(), x)


def test_a_head_needs_a_linear_score() -> None:
    with pytest.raises(TypeError, match="add_head: expected a discriminator whose score is a Dense layer"):
        add_head(Discriminator(nn.Flatten(), nn.Flatten()), 3, rng=Generator(0))
