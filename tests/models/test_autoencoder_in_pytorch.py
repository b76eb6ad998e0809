"""The same autoencoders in PyTorch: the same names, shapes and numbers.

Read next: ``test_autoencoder.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from algorithms.autoencoders.autoencoder_runs import batch, build, network

from minigen.autograd import Tensor, no_grad


def torch_network(name: str) -> Any:
    """The network in PyTorch's words, with modules in the places that they have in minigen's."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    t = torch.nn
    if name == "ae":
        encoder = [t.Flatten(), t.Linear(784, 64), t.ReLU()]
        decoder = [t.Linear(64, 784), t.Unflatten(1, (1, 28, 28))]
    elif name == "conv-ae":
        encoder = []
        for n_in, n_out in ((1, 16), (16, 8), (8, 8)):
            encoder += [t.Conv2d(n_in, n_out, 3, padding=1), t.ReLU(), t.MaxPool2d(2, ceil_mode=True)]
        decoder = []
        for n_in, n_out, padding in ((8, 8, 1), (8, 8, 1), (8, 16, 0)):
            decoder += [t.Conv2d(n_in, n_out, 3, padding=padding), t.ReLU(), t.Upsample(scale_factor=2)]
        decoder += [t.Conv2d(16, 1, 3, padding=1)]
    else:
        encoder = [
            t.Conv2d(1, 64, 5, stride=2, padding=2), t.BatchNorm2d(64), t.LeakyReLU(0.2),
            t.Conv2d(64, 128, 5, stride=2, padding=2), t.BatchNorm2d(128), t.LeakyReLU(0.2),
            t.Flatten(), t.Linear(6272, 100),
        ]  # fmt: skip
        up = {"stride": 2, "padding": 2, "output_padding": 1}
        decoder = [
            t.Linear(100, 12544), t.BatchNorm1d(12544), t.LeakyReLU(0.2), t.Unflatten(1, (256, 7, 7)),
            t.ConvTranspose2d(256, 128, 5, padding=2), t.BatchNorm2d(128), t.LeakyReLU(0.2),
            t.ConvTranspose2d(128, 64, 5, **up), t.BatchNorm2d(64), t.LeakyReLU(0.2),
            t.ConvTranspose2d(64, 1, 5, **up),
        ]  # fmt: skip
    whole = t.ModuleDict({"encoder": t.Sequential(*encoder), "decoder": t.Sequential(*decoder)})
    whole.register_buffer("centre", torch.zeros(()))
    return whole


@pytest.mark.parametrize("name", ["ae", "conv-ae", "dcgan-ae"])
def test_the_same_network_in_pytorch(name: str) -> None:
    other = torch_network(name)
    import torch

    experiment, one = build(name), batch(4, (1, 28, 28))
    for _ in range(2):
        experiment.step(one)  # so that running statistics are no longer 0 and 1
    model = network(experiment)
    other.load_state_dict({key: torch.tensor(value) for key, value in model.state_dict().items()})
    model.to(dtype=np.float64)
    other.double()
    for training in (False, True):
        model.train(training)
        other.train(training)
        x = batch(3, (1, 28, 28), seed=1, dtype=np.float64).x
        with no_grad():
            code = model.encode(Tensor(x))
            y = model.decode(code).numpy()
        with torch.no_grad():
            other_code = other["encoder"](torch.tensor(x) - other.centre)
            other_y = torch.sigmoid(other["decoder"](other_code)).numpy()
        # float64, and at most 12,544 terms in a sum: 1e-9 is a million roundings
        np.testing.assert_allclose(code.numpy(), other_code.numpy(), rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(y, other_y, rtol=1e-9, atol=1e-10)
    for key, value in other.state_dict().items():  # batch norm has moved its statistics in the same way
        if not key.endswith("num_batches_tracked"):
            np.testing.assert_allclose(model.state_dict()[key], value.numpy(), rtol=1e-9, atol=1e-12)
