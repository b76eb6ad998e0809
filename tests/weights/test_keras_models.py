"""The networks of all 40 models that are chains, as models of Keras and back; what is none says why.

Read next: ``test_keras_layers.py``, ``test_keras_files.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from algorithms.catalog_runs import SHAPE, build_small, images_for, slow_unless
from weights.keras_there import compute, load

from minigen import nn, weights
from minigen.algorithms.catalog import MODELS
from minigen.autograd import Tensor
from minigen.serialization import CheckpointError
from minigen.weights.keras import guess_input_shape

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras and NumPy 2
    pytest.mark.filterwarnings("ignore:ConvTranspose2d:UserWarning"),  # dcgan-ae has the paper's kernel
]
FAST = ("ae", "conv-ae", "dcgan-ae", "vae", "vq-vae", "lsgan", "sngan", "began")
#: What is no chain, and has no part that is: two inputs, a product with a mask, a parameter alone, a mask of the best.
NO_CHAIN = {"LearnedConstant", "MaskedConv2d", "Codebook", "EquilibriumControl", "Bernoulli", "Gaussian"}


def parts(path: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The largest chains in a network, each with its path."""
    try:
        weights.write(module, "no-such-folder/x.keras", guess_input_shape(module, SHAPE))
    except CheckpointError as error:
        if "No such file" in str(error):
            yield path, module
            return
        inside = list(module.children())
        assert inside or type(module).__name__ in NO_CHAIN or type(module).__module__.startswith("minigen.nn"), error
        for name, child in inside:
            yield from parts(f"{path}.{name}", child)


@pytest.mark.parametrize("name", slow_unless(FAST.__contains__, MODELS))
def test_every_chain_of_a_model(name: str, tmp_path: Path) -> None:
    experiment = build_small(name)
    experiment.step(images_for(name))  # so that running statistics are no longer 0 and 1
    found = {path: part for key, module in experiment.modules.items() for path, part in parts(key, module)}
    decoders = {"generator", "decoder", "model.decoder"}
    assert decoders & found.keys() or name == "vq-vae", found.keys()  # whose decoder has residual blocks
    assert ("average.network" in found) == ("average" in experiment.modules)
    for path, module in found.items():
        shape = guess_input_shape(module, SHAPE)
        x = np.random.default_rng(0).random((3, *shape)).astype(np.float32)
        weights.write(module, tmp_path / "x.keras", shape)
        model = load(tmp_path / "x.keras")
        with module.evaluation():
            ours = module(Tensor(x)).numpy()
        theirs = compute(model, x).reshape(ours.shape)  # the score of a discriminator is (N, 1) in Keras
        # float32, some hundred terms in a sum: 1e-5 of the largest number is a hundred roundings
        assert np.abs(ours - theirs).max() <= 1e-5 * max(1, np.abs(ours).max()), path
        before = {key: a.copy() for key, a in module.state_dict().items()}
        model.save_weights(tmp_path / "x.weights.h5")
        for file in ("x.keras", "x.weights.h5"):
            for _, tensor in module._named_tensors():
                tensor.data = np.zeros_like(tensor.data)
            plan = weights.load(module, tmp_path / file, input_shape=shape)
            assert {move.slot.name for move in plan.moves} == before.keys()
            if not any(isinstance(layer, nn.SpectralNorm) for _, layer in module.named_modules()):
                assert all(a.tobytes() == before[key].tobytes() for key, a in module.state_dict().items())
            with module.evaluation():
                assert np.abs(module(Tensor(x)).numpy() - ours).max() <= 1e-5 * max(1, np.abs(ours).max())
