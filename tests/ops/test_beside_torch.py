"""Operations that bear a name of PyTorch's beside PyTorch: values and both derivatives, on random shapes and options.

Skipped without torch. Read next: ``tests/nn/test_torch_parity.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ops.op_rows_order import SUBSCRIPTS

from minigen import ops
from minigen.autograd import Tensor, grad
from minigen.ops.interpolate import output_size

torch = pytest.importorskip("torch")
F = torch.nn.functional

SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 40)
FACTORS = st.floats(0.3, 4)
few = settings(max_examples=25)


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
    if mode == "nearest" and "scale_factor" in options:  # a factor that gives the same or the double size by rounding
        out, _ = output_size(hw, None, options["scale_factor"])  # is overruled by torch only where oh + ow <= 128
        assume(sum(out) <= 128 or not any(o in (n, 2 * n) for n, o in zip(hw, out)))
    options |= {"mode": mode, "align_corners": data.draw(st.booleans())} if mode == "bilinear" else {}
    agree(lambda x: ops.interpolate(x, **options), lambda x: F.interpolate(x, **options), x, tolerance=tolerance)


@pytest.mark.parametrize("size", [(82, 94), (123, 22), (46, 110)])
def test_places_on_an_edge_are_rounded_as_in_torch(size: tuple[int, int]) -> None:
    x = np.arange(2 * 26, dtype=np.float32).reshape(1, 1, 2, 26)  # 41 * 2 / 82 is 1, and a little less in float32
    np.testing.assert_array_equal(ops.interpolate(x, size).data, F.interpolate(torch.tensor(x), size).numpy())


#: name -> how far torch is from it: its celu rounds a constant to float32, in the derivatives of any dtype.
RECTIFIERS = {"mish": 1e-12, "selu": 1e-12, "celu": 1e-6, "hardswish": 1e-12}


@pytest.mark.parametrize("name", RECTIFIERS)
@few
@given(seed=SEEDS)
def test_rectifiers(name: str, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(3, 4)) * 4
    agree(getattr(ops, name), getattr(F, name), x, tolerance=RECTIFIERS[name])


@few
@given(seed=SEEDS, shape=st.sampled_from([(4,), (3, 4), (2, 3, 4), (2, 3, 2, 2)]), one=st.booleans())
def test_prelu(seed: int, shape: tuple[int, ...], one: bool) -> None:
    rng = np.random.default_rng(seed)
    slopes = rng.normal(size=1 if one or len(shape) < 2 else shape[1])
    agree(ops.prelu, F.prelu, rng.normal(size=shape), slopes)


@pytest.mark.parametrize("name", ["sin", "cos", "expm1", "log1p"])
@few
@given(seed=SEEDS)
def test_functions_of_one_number(name: str, seed: int) -> None:
    agree(getattr(ops, name), getattr(torch, name), np.random.default_rng(seed).uniform(-0.9, 3, (3, 4)))


@few
@given(seed=SEEDS)
def test_logaddexp(seed: int) -> None:
    rng = np.random.default_rng(seed)
    agree(ops.logaddexp, torch.logaddexp, rng.normal(size=(3, 1)) * 5, rng.normal(size=(2, 1, 4)) * 5)


@few
@given(seed=SEEDS, axis=st.integers(-3, 2), descending=st.booleans())
def test_order(seed: int, axis: int, descending: bool) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, 4, 2))
    agree(lambda x: ops.cumsum(x, axis), lambda x: torch.cumsum(x, axis), x)
    agree(lambda x: ops.sort(x, axis, descending), lambda x: torch.sort(x, axis, descending).values, x)
    ties = rng.integers(0, 3, (3, 4, 2)).astype(float)
    ties[rng.random(ties.shape) < 0.2] = np.nan
    order = torch.argsort(torch.tensor(ties), dim=axis, descending=descending, stable=True)
    np.testing.assert_array_equal(ops.argsort(ties, axis, descending).data, order.numpy())
    for keepdims in (False, True):  # torch does not promise which of equals it names
        for name in ("argmax", "argmin"):
            ours, theirs = getattr(ops, name), getattr(torch, name)
            for k in (axis, None):
                wanted = theirs(torch.tensor(x), k, keepdims).numpy()
                found = ours(x, k, keepdims).data
                np.testing.assert_array_equal(found, wanted)
                assert found.dtype == wanted.dtype


@few
@given(seed=SEEDS, axis=st.integers(-2, 1), zeros=st.sampled_from([0, 0.2, 0.6]))
def test_prod(seed: int, axis: int, zeros: float) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, 5)) * (rng.random((3, 5)) >= zeros)
    agree(lambda x: ops.prod(x, axis), lambda x: torch.prod(x, axis), x)
    agree(lambda x: ops.prod(x), lambda x: torch.prod(x), x)


@few
@given(data=st.data(), mode=st.sampled_from(["constant", "reflect", "replicate", "circular"]), seed=SEEDS)
def test_pad(data: st.DataObject, mode: Any, seed: int) -> None:
    height, width = data.draw(st.tuples(st.integers(3, 6), st.integers(3, 6)))
    top, bottom, left, right = (data.draw(st.integers(0, 2)) for _ in range(4))
    agree(
        lambda x: ops.pad(x, [(0, 0), (0, 0), (top, bottom), (left, right)], mode=mode),
        lambda x: F.pad(x, (left, right, top, bottom), mode),
        np.random.default_rng(seed).normal(size=(2, 1, height, width)),
    )


@few
@given(r=st.integers(1, 3), seed=SEEDS)
def test_pixel_shuffle(r: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    agree(lambda x: ops.pixel_shuffle(x, r), lambda x: F.pixel_shuffle(x, r), rng.normal(size=(2, 2 * r * r, 2, 3)))
    agree(lambda x: ops.pixel_unshuffle(x, r), lambda x: F.pixel_unshuffle(x, r), rng.normal(size=(2, 1, 2 * r, 3 * r)))


@pytest.mark.parametrize("case", SUBSCRIPTS, ids=lambda case: case[0])
def test_einsum(case: Any) -> None:
    subscripts, *of = case
    arrays = [np.random.default_rng(i).normal(size=shape) for i, shape in enumerate(of)]
    agree(lambda *xs: ops.einsum(subscripts, *xs), lambda *xs: torch.einsum(subscripts, *xs), *arrays)


@few
@given(k=st.integers(1, 5), s=st.integers(1, 4), d=st.integers(1, 2), n=st.integers(1, 5), seed=SEEDS)
def test_transposed_same_is_the_middle_of_the_whole(k: int, s: int, d: int, n: int, seed: int) -> None:
    """Of the result without padding, n * s columns; where the kernel is shorter than the stride, zeros follow it."""
    rng = np.random.default_rng(seed)
    cut = max(d * (k - 1) + 1 - s, 0) // 2

    def theirs(x: Any, w: Any) -> Any:
        whole = F.pad(F.conv_transpose2d(x, w, stride=(1, s), dilation=(1, d)), (0, s))
        return whole[..., cut : cut + n * s]

    agree(
        lambda x, w: ops.conv_transpose2d(x, w, stride=(1, s), padding="same", dilation=(1, d)),
        theirs,
        rng.normal(size=(2, 2, 3, n)),
        rng.normal(size=(2, 3, 1, k)),
    )
    sequence = ops.conv_transpose1d(image := rng.normal(size=(2, 2, n)), kernel := rng.normal(size=(2, 3, k)), stride=s,
                                    padding="same", dilation=d)  # fmt: skip
    flat = ops.conv_transpose2d(image[:, :, None], kernel[:, :, None], stride=(1, s), padding="same", dilation=(1, d))
    np.testing.assert_array_equal(sequence.data, flat.data[:, :, 0])
