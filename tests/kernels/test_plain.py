"""The plain room against the reference: its Numba loops here, its CUDA kernels in ``cuda/test_host_plain.py``.

Read next: ``cuda/test_host_plain.py``.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels.conv_cases import DTYPES, assert_same, cases
from kernels.rooms import assert_agree

from minigen_kernels import KernelSet, plain, reference
from minigen_kernels.calls import CALLS, produced
from minigen_kernels.drawn import draw_call
from minigen_kernels.plain import NAMES


@pytest.mark.parametrize("room", [plain, plain.cuda], ids=["numba", "cuda"])
@pytest.mark.parametrize("name", NAMES)
def test_arguments_are_those_of_the_contract(room, name):
    wanted = [p.replace(annotation=p.empty) for p in inspect.signature(getattr(KernelSet, name)).parameters.values()]
    function = getattr(room, name)
    found = inspect.signature(getattr(function, "py_func", function)).parameters.values()
    assert [p.replace(annotation=p.empty) for p in found] == wanted[1:]


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=40)
@given(case=cases())
def test_convolutions_of_any_geometry(dtype, case):
    """Forward, and the derivatives in both directions: results fewer than fit, windows far outside, groups."""
    wanted = case.run(reference)
    assert_same(case.astype(dtype).run(plain), wanted, dtype, case)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), draw=st.integers(0, 5))
def test_drawn_calls(name, dtype, seed, draw):
    """Shapes and other arguments of the whole contract: bias and activation, too."""
    _, arguments = draw_call(name, seed, draw, dtype)
    before = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    assert_agree(produced(plain, name, arguments), produced(reference, name, before))
    assert all(np.array_equal(a, b) for a, b in zip(arguments, before, strict=True)), "an argument was changed"


def test_each_is_linear_in_both_and_the_gradient_of_the_others():
    """<conv2d(x, w), g> = <x, conv_transpose2d(g, w)> = <w, conv2d_weight_grad(x, g)>."""
    rng = np.random.default_rng(0)
    x, w, g = rng.normal(size=(2, 4, 7, 8)), rng.normal(size=(6, 2, 3, 2)), rng.normal(size=(2, 6, 4, 8))
    geometry = (2, 1), (1, 1), (1, 2), 2
    y = plain.conv2d(x, w, (4, 8), *geometry)
    gx, gw = plain.conv_transpose2d(g, w, (7, 8), *geometry), plain.conv2d_weight_grad(x, g, (3, 2), *geometry)
    np.testing.assert_allclose([(x * gx).sum(), (w * gw).sum()], (y * g).sum(), rtol=1e-12)


def test_strides_do_not_matter():
    x, w = np.random.default_rng(0).normal(size=(2, 3, 6, 5)), np.random.default_rng(1).normal(size=(4, 3, 3, 3))
    geometry = (6, 5), (1, 1), (1, 1), (1, 1), 1
    turned = plain.conv2d(np.ascontiguousarray(x.T).T, np.asfortranarray(w), *geometry)
    assert turned.tobytes() == plain.conv2d(x, w, *geometry).tobytes()


def test_what_is_not_finite():
    nan, inf = np.nan, np.inf
    x = np.array([[1.0, -inf, 2.0], [nan, 1.0, 2.0], [1.0, 2.0, nan], [inf, 0.0, 1.0], [-inf, -inf, -inf]])
    np.testing.assert_array_equal(plain.softmax(x), reference.softmax(x))
    plane = np.array([[[[-inf, -inf, 1.0, nan], [-inf, -inf, 3.0, nan]]]])
    call = (1, 3), (2, 2), (1, 1), (0, 0)
    for got, wanted in zip(plain.max_pool2d(plane, *call), reference.max_pool2d(plane, *call), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_every_call_of_the_contract_is_one_of_this_room():
    """So that `minigen kernel NAME --room plain` and the page of a kernel speak of the same call."""
    assert {name for name, _, _ in CALLS} >= set(NAMES)
