"""All 40 models, with PyTorch: what leaves computes the same there, and what comes back is the same to the bit.

Read next: ``torch_twins.py``, ``test_torch_layers.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from algorithms.catalog_runs import CLASSES, KINDS, SHAPE, build_small, images_for, slow_unless
from weights.torch_twins import load_file, save_file, torch, twin

from minigen import nn, weights
from minigen.algorithms.catalog import MODELS
from minigen.autograd import Tensor
from minigen.runs.networks import whole

pytestmark = pytest.mark.filterwarnings("ignore:ConvTranspose2d:UserWarning")  # dcgan-ae has the paper's kernel
each_model = pytest.mark.parametrize("name", slow_unless({*KINDS, "sngan", "burda-vae"}.__contains__, MODELS))
N = 5


def inputs_of(module: nn.Module) -> list[np.ndarray[Any, Any]]:
    """Inputs that fit a network of small images, from 0 to 1."""
    rng, kind = np.random.default_rng(1), type(module).__name__
    if kind == "MovingAverage":
        return inputs_of(module.network)
    if kind == "EquilibriumControl":
        return []
    if kind == "Codebook":
        return [rng.normal(size=(N, module.size, 2, 2))]
    if kind == "PixelCNN":
        return [rng.normal(size=(N, module.first.conv.in_channels, *module.grid))]
    first = next(m for _, m in module.named_modules() if type(m) in (nn.Dense, nn.Conv2d))
    if kind == "Sequential":
        return [rng.normal(size=(N, first.in_features))]
    images = rng.random((N, getattr(first, "in_channels", 1), *SHAPE[1:]))
    if kind == "Discriminator" and type(first) is nn.Dense:  # of images, or of codes
        pixels, size = SHAPE[1] * SHAPE[2], first.in_features
        images = rng.random((N, size // pixels, *SHAPE[1:]) if size >= pixels else (N, size))
    if kind == "ConditionalDiscriminator":
        return [images[:, :1], np.eye(CLASSES)[rng.integers(0, CLASSES, N)]]
    if kind == "JointDiscriminator":
        return [images, rng.normal(size=(N, module.of_code[0].in_features))]
    if kind == "VAE" and module.classes:
        return [images, np.eye(CLASSES)[rng.integers(0, CLASSES, N)]]
    return [images]


def outputs(module: nn.Module, x: list[Tensor]) -> list[Tensor]:
    """What our network makes of them: for a VAE also its codes."""
    kind = type(module).__name__
    if kind == "EquilibriumControl":
        return [module.k, module.used]
    if kind == "Codebook":
        return [module.embed(module.nearest(x[0].data))]
    if kind == "VAE":
        return [*module.posterior(*x), module(*x)]
    if kind == "TwoLayerVAE":
        mean, logvar = module.posterior(x[0])
        upper = module.upper(mean)
        return [mean, logvar, *upper, *module.prior(upper[0]), module.head(module.call_submodule(module.decoder, mean))]
    y = module.posterior(*x) if kind == "GaussianEncoder" else module(*x)
    return list(y) if isinstance(y, tuple) else [y]


def compare(module: nn.Module, other: Any, dtype: Any, tolerance: float) -> None:
    """Both in evaluation mode, in one precision: the largest difference, relative to the largest number."""
    given = [x.astype(dtype) for x in inputs_of(module)]
    with module.evaluation():
        ours = outputs(module, [Tensor(x) for x in given])
    with torch.no_grad():
        theirs = other.eval()(*map(torch.tensor, given))
    theirs = theirs if isinstance(theirs, tuple) else (theirs,)
    for a, b in zip(ours, theirs, strict=True):
        a, b = np.asarray(a.numpy()), b.numpy()
        assert a.dtype == b.dtype == dtype and a.shape == b.shape
        assert np.abs(a - b).max() <= tolerance * max(1, np.abs(b).max())


@each_model
def test_what_leaves_computes_the_same_in_pytorch(name: str, tmp_path: Path) -> None:
    experiment = build_small(name)
    for _ in range(2):
        experiment.step(images_for(name))  # so that running statistics and averages are no longer the first ones
    for key, module in experiment.modules.items():
        other = twin(module)
        weights.write(module, tmp_path / f"{key}.safetensors")
        weights.write(module, tmp_path / f"{key}.pt")
        state, again = load_file(tmp_path / f"{key}.safetensors"), torch.load(tmp_path / f"{key}.pt")
        assert state.keys() == again.keys() == other.state_dict().keys()
        assert all(torch.equal(state[entry], again[entry]) for entry in state)
        other.load_state_dict(state, strict=True)
        # a few hundred terms in a sum: 1e-5 is a hundred roundings in float32, 1e-12 some thousand in float64
        compare(module, other, np.float32, 1e-5)
        # spectral norm divides by sigma + 1e-12 here, by sigma there, which is 0.05 and more in these small networks
        exact = 1e-10 if any(isinstance(m, nn.SpectralNorm) for _, m in module.named_modules()) else 1e-12
        compare(module.to(dtype=np.float64), other.double(), np.float64, exact)


@each_model
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_what_comes_back_is_the_same_to_the_bit(name: str, suffix: str, tmp_path: Path) -> None:
    modules = build_small(name).modules
    model, path = whole(modules), tmp_path / f"theirs{suffix}"
    other = torch.nn.ModuleDict({key: twin(module) for key, module in modules.items()})
    other = next(iter(other.values())) if len(modules) == 1 else other
    with torch.no_grad():
        for tensor in other.state_dict().values():
            tensor.normal_() if tensor.dtype.is_floating_point else tensor.fill_(7)
    state = other.state_dict()
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    plan = weights.load(model, path)
    assert len(plan.moves) == len(model.state_dict()) and not any(move.how for move in plan.moves)
    for entry, array in weights.to_torch(model).items():
        if not entry.endswith("num_batches_tracked"):
            assert array.tobytes() == state[entry].numpy().tobytes(), entry
    for move in plan.moves:
        np.testing.assert_array_equal(model.state_dict()[move.slot.name], state[move.source].numpy())
