"""Each row of the table, with PyTorch's layer, at drawn settings: names, layouts, values, statistics in training.

Read next: ``torch_twins.py``, ``test_matching.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from weights.torch_twins import LAYERS, torch, twin

from minigen import nn, weights
from minigen.autograd import Tensor, no_grad
from minigen.weights.matching import match

few, small = st.integers(1, 3), st.integers(1, 2)
eps = st.sampled_from([1e-5, 1e-3, 0.1])
momentum = st.sampled_from([0.1, 0.01, 0.5, 1.0])


@st.composite
def convolutions(draw: Any, kind: type[nn.Module]) -> nn.Module:
    groups, stride = draw(small), draw(few)
    options = {"stride": stride, "padding": draw(small), "dilation": draw(small), "groups": groups}
    if "Transpose" in kind.__name__:
        options["output_padding"] = draw(st.integers(0, max(stride, options["dilation"]) - 1))
    return kind(groups * draw(few), groups * draw(few), draw(few) + 1, bias=draw(st.booleans()), **options)


CONVOLUTIONS = [convolutions(kind) for kind in (nn.Conv2d, nn.Conv1d, nn.ConvTranspose2d, nn.ConvTranspose1d)]
DENSE = st.builds(nn.Dense, few, few, bias=st.booleans())
EMBEDDING = st.builds(nn.Embedding, few, few)
#: A layer, and the shape of its input without N, from its own numbers.
DRAWN: dict[type[nn.Module], Any] = {
    nn.Dense: DENSE,
    nn.Conv2d: CONVOLUTIONS[0],
    nn.Conv1d: CONVOLUTIONS[1],
    nn.ConvTranspose2d: CONVOLUTIONS[2],
    nn.ConvTranspose1d: CONVOLUTIONS[3],
    nn.Embedding: EMBEDDING,
    nn.BatchNorm: st.builds(nn.BatchNorm, few, eps=eps, momentum=momentum),
    nn.LayerNorm: st.builds(nn.LayerNorm, st.tuples(few, few), eps=eps),
    nn.GroupNorm: st.builds(
        lambda g, n, eps, affine: nn.GroupNorm(g, g * n, eps, affine), few, few, eps, st.booleans()
    ),
    nn.InstanceNorm: st.builds(
        nn.InstanceNorm, few, eps=eps, momentum=momentum, affine=st.booleans(), track_running_stats=st.booleans()
    ),
    nn.PReLU: st.builds(nn.PReLU, few),
    nn.SpectralNorm: st.one_of(DENSE, EMBEDDING, *CONVOLUTIONS).map(nn.SpectralNorm),
}


def shape_of(layer: Any) -> tuple[int, ...]:
    """An input shape, without N, that fits the layer."""
    layer = layer.layer if isinstance(layer, nn.SpectralNorm) else layer
    names = ("in_features", "in_channels", "num_features", "num_channels", "num_parameters")
    channels = next((getattr(layer, name) for name in names if hasattr(layer, name)), 2)
    if isinstance(layer, nn.LayerNorm):
        return (2, *layer.normalized_shape)
    if isinstance(layer, (nn.Dense, nn.Embedding)):
        return (channels,)
    return (channels, 7) if isinstance(layer, (nn.Conv1d, nn.ConvTranspose1d)) else (channels, 7, 6)


def test_every_row_is_drawn() -> None:
    assert {row.layer for row in weights.CONVENTIONS} == DRAWN.keys() <= LAYERS.keys()


@pytest.mark.parametrize("row", weights.CONVENTIONS, ids=lambda row: row.layer.__name__)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_layer_and_its_twin(row: weights.Convention, data: Any) -> None:
    layer = data.draw(DRAWN[row.layer])
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    for _, tensor in layer._named_tensors():
        tensor.data = rng.uniform(0.2, 1.2, tensor.shape).astype(np.float32)  # as a variance may be
    if isinstance(layer, nn.SpectralNorm):
        layer.iterate(3)
    shape = shape_of(layer)
    other = twin(layer, 1 + len(shape))
    assert row.torch.startswith("parametrizations.") or type(other).__name__ in row.torch.split(", ")
    state = {name: torch.tensor(array) for name, array in weights.to_torch(layer).items()}
    other.load_state_dict(state, strict=True)
    layer.to(dtype=np.float64)
    other.double()
    inner = getattr(layer, "layer", layer)
    indices = isinstance(inner, nn.Embedding)
    x = rng.integers(0, inner.num_embeddings, (4, 3)) if indices else rng.normal(size=(4, *shape))
    training = data.draw(st.booleans()) and not isinstance(layer, nn.SpectralNorm)  # that iterates in PyTorch
    layer.train(training)
    other.train(training)
    with no_grad(), torch.no_grad():
        y, theirs = layer(Tensor(x)).numpy(), other(torch.tensor(x)).numpy()
    # a few dozen terms, numbers of order 1; spectral norm adds 1e-12 to sigma
    np.testing.assert_allclose(y, theirs, rtol=1e-10, atol=1e-11)
    back = {name: tensor.numpy() for name, tensor in other.state_dict().items()}
    for name, array in weights.to_torch(layer).items():
        if "num_batches_tracked" not in name:
            np.testing.assert_allclose(array, back[name], rtol=1e-12, atol=1e-12)  # statistics moved alike


@settings(max_examples=25, deadline=None, derandomize=True)
@given(layer=st.one_of(DENSE, EMBEDDING, *CONVOLUTIONS), old=st.booleans())
def test_both_spectral_norms_of_pytorch_come_in(layer: Any, old: bool) -> None:
    utils = torch.nn.utils
    other = (utils.spectral_norm if old else utils.parametrizations.spectral_norm)(twin(layer))
    module = nn.SpectralNorm(layer)
    plan = match(module, {name: tensor.numpy() for name, tensor in other.state_dict().items()})
    plan.apply()
    assert any(name.endswith("weight_orig") for name in other.state_dict()) == old
    module.to(dtype=np.float64)
    other.double().eval()
    embedding = isinstance(layer, nn.Embedding)
    x = np.arange(layer.num_embeddings) if embedding else np.random.default_rng(0).normal(size=(2, *shape_of(layer)))
    with no_grad(), torch.no_grad():
        np.testing.assert_allclose(module(Tensor(x)).numpy(), other(torch.tensor(x)).numpy(), rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("old", [False, True])
@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_weight_norm_of_pytorch_is_multiplied_out(old: bool, dim: int | None) -> None:
    norm = torch.nn.utils.weight_norm if old else torch.nn.utils.parametrizations.weight_norm
    theirs = torch.nn.Sequential(norm(torch.nn.ConvTranspose2d(3, 2, 3), dim=dim), torch.nn.PReLU()).double()
    with torch.no_grad():
        for p in theirs.parameters():
            p.copy_(torch.randn_like(p))
    ours = nn.Sequential(nn.ConvTranspose2d(3, 2, 3), nn.PReLU()).to(dtype=np.float64)
    plan = match(ours, {name: t.numpy() for name, t in theirs.state_dict().items()})
    plan.apply()
    assert plan.notes == ["Weight norm is multiplied out: 0.weight"]
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 4))
    np.testing.assert_allclose(ours(Tensor(x)).numpy(), theirs(torch.tensor(x)).detach().numpy(), 1e-12, 1e-12)


def test_tied_weights_stay_one_tensor(tmp_path: Any) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            self.embed, self.out = nn.Embedding(5, 3), nn.Dense(3, 5, bias=False)
            self.out.weight = self.embed.weight

    module, other = Tied(), torch.nn.Module()
    other.embed, other.out = torch.nn.Embedding(5, 3), torch.nn.Linear(3, 5, bias=False)
    other.out.weight = other.embed.weight
    torch.save(other.state_dict(), tmp_path / "theirs.pt")
    weights.load(module, tmp_path / "theirs.pt")
    assert module.out.weight is module.embed.weight
    np.testing.assert_array_equal(module.out.weight.data, other.out.weight.detach().numpy())
    weights.write(module, tmp_path / "ours.pt")
    state = torch.load(tmp_path / "ours.pt")
    assert state["embed.weight"].data_ptr() == state["out.weight"].data_ptr()
    other.load_state_dict(state, strict=True)
    from safetensors.torch import save_model

    save_model(other, str(tmp_path / "one.safetensors"))  # which keeps one name of the two
    before = module.state_dict()
    weights.load(module, tmp_path / "one.safetensors")
    assert all(np.array_equal(before[name], array) for name, array in module.state_dict().items())
