"""Operations that bear a name of PyTorch's beside PyTorch: values and both derivatives, on random shapes and options.

Skipped without torch. Read next: ``test_torch_parity.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import ops
from minigen.tensor import Tensor, grad

torch = pytest.importorskip("torch")
F = torch.nn.functional

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 40)
FACTORS = st.floats(0.3, 4)


def agree(ours: Callable[..., Any], theirs: Callable[..., Any], *arrays: np.ndarray, tolerance: float = 1e-12) -> None:
    """Values; gradients of their squares; and gradients of the squares of those, relative to the largest number."""
    mine = [Tensor(a, requires_grad=True) for a in arrays]
    other = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, z = ours(*mine), theirs(*other)
    gy = np.random.default_rng(0).normal(size=y.shape).astype(y.dtype)
    g = grad(y * y, mine, Tensor(gy), create_graph=True)
    h = torch.autograd.grad(z * z, other, torch.tensor(gy), create_graph=True)
    gg = grad(sum((a * a).sum() for a in g), mine)
    hh = torch.autograd.grad(sum((a * a).sum() for a in h), other)
    for a, b in zip([y, *g, *gg], [z, *h, *hh], strict=True):
        expected = b.detach().numpy()
        assert a.shape == expected.shape
        room = tolerance * max(1, np.abs(expected).max(initial=0))
        np.testing.assert_allclose(a.data, expected, rtol=0, atol=room)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@settings(max_examples=60)
@given(data=st.data(), hw=st.tuples(SIZES, SIZES), seed=SEEDS)
def test_interpolate(mode: Any, data: st.DataObject, hw: tuple[int, int], seed: int) -> None:
    # Which pixel a place on an edge belongs to is a matter of rounding: torch's kernels for float64 do not agree about
    # it with each other. So nearest is compared in float32.
    dtype, tolerance = (np.float32, 1e-5) if mode == "nearest" else (np.float64, 1e-12)
    x = np.random.default_rng(seed).normal(size=(2, 1, *hw)).astype(dtype)
    factor = st.one_of(FACTORS, st.sampled_from([1, 2, 3])).filter(lambda f: min(hw) * f >= 1)
    size = {"size": st.one_of(SIZES, st.tuples(SIZES, SIZES))}
    by = {"scale_factor": st.one_of(factor, st.tuples(factor, factor))}
    options: dict[str, Any] = data.draw(st.one_of(st.fixed_dictionaries(size), st.fixed_dictionaries(by)))
    options |= {"mode": mode, "align_corners": data.draw(st.booleans())} if mode == "bilinear" else {}
    agree(lambda x: ops.interpolate(x, **options), lambda x: F.interpolate(x, **options), x, tolerance=tolerance)


@pytest.mark.parametrize("size", [(82, 94), (123, 22), (46, 110)])
def test_places_on_an_edge_are_rounded_as_in_torch(size: tuple[int, int]) -> None:
    x = np.arange(2 * 26, dtype=np.float32).reshape(1, 1, 2, 26)  # 41 * 2 / 82 is 1, and a little less in float32
    np.testing.assert_array_equal(ops.interpolate(x, size).data, F.interpolate(torch.tensor(x), size).numpy())


#: name -> how far torch is from it: its celu rounds a constant to float32, in the derivatives of any dtype.
RECTIFIERS = {"mish": 1e-12, "selu": 1e-12, "celu": 1e-6, "hardswish": 1e-12}


@pytest.mark.parametrize("name", RECTIFIERS)
@given(seed=SEEDS)
def test_rectifiers(name: str, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(3, 4)) * 4
    agree(getattr(ops, name), getattr(F, name), x, tolerance=RECTIFIERS[name])


@given(seed=SEEDS, shape=st.sampled_from([(4,), (3, 4), (2, 3, 4), (2, 3, 2, 2)]), one=st.booleans())
def test_prelu(seed: int, shape: tuple[int, ...], one: bool) -> None:
    rng = np.random.default_rng(seed)
    slopes = rng.normal(size=1 if one or len(shape) < 2 else shape[1])
    agree(ops.prelu, F.prelu, rng.normal(size=shape), slopes)


@pytest.mark.parametrize("name", ["sin", "cos", "expm1", "log1p"])
@given(seed=SEEDS)
def test_functions_of_one_number(name: str, seed: int) -> None:
    agree(getattr(ops, name), getattr(torch, name), np.random.default_rng(seed).uniform(-0.9, 3, (3, 4)))


@given(seed=SEEDS)
def test_logaddexp(seed: int) -> None:
    rng = np.random.default_rng(seed)
    agree(ops.logaddexp, torch.logaddexp, rng.normal(size=(3, 1)) * 5, rng.normal(size=(2, 1, 4)) * 5)
