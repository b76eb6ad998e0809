"""The plain CUDA kernels on the host against the reference, in both thread orders.

Read next: ``test_compile.py``, where they are compiled with nvcc and NVRTC.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels.conv_cases import DTYPES, assert_same, cases
from kernels.rooms import assert_agree

from minigen_kernels import plain, reference
from minigen_kernels.calls import produced
from minigen_kernels.cuda.launch import using
from minigen_kernels.drawn import draw_call
from minigen_kernels.host.build import HostBackend


class OnHost:
    """The plain CUDA functions as a room: `OnHost(host).conv2d(...)` runs in both thread orders."""

    def __init__(self, host):
        self.host = host

    def __getattr__(self, name):
        return lambda *arguments: self.host.run(getattr(plain.cuda, name), *arguments)


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=25)
@given(case=cases(largest=7))
def test_convolutions_of_any_geometry(host, dtype, case):
    assert_same(case.astype(dtype).run(OnHost(host)), case.run(reference), dtype, case)


@pytest.mark.parametrize("name", plain.NAMES)
@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), draw=st.integers(0, 5))
def test_drawn_calls(host, name, dtype, seed, draw):
    _, arguments = draw_call(name, seed, draw, dtype)
    assert_agree(produced(OnHost(host), name, arguments), produced(reference, name, arguments))


def test_more_cells_than_a_block_has_threads(host):
    x, w = np.random.default_rng(0).normal(size=(3, 2, 9, 11)), np.random.default_rng(1).normal(size=(5, 2, 3, 3))
    geometry = (9, 11), (1, 1), (1, 1), (1, 1), 1  # 1485 results
    np.testing.assert_allclose(
        host.run(plain.cuda.conv2d, x, w, *geometry), reference.conv2d(x, w, *geometry), atol=1e-13
    )


def test_nothing_in_nothing_out(host):
    x, w = np.zeros((0, 2, 5, 5), np.float32), np.ones((3, 2, 3, 3), np.float32)
    geometry = (1, 1), (0, 0), (1, 1), 1
    assert host.run(plain.cuda.conv2d, x, w, (3, 3), *geometry).shape == (0, 3, 3, 3)
    gw = host.run(plain.cuda.conv2d_weight_grad, x, np.zeros((0, 3, 3, 3), np.float32), (3, 3), *geometry)
    assert gw.shape == (3, 2, 3, 3) and not gw.any()


def test_what_an_int_cannot_count_is_refused(tmp_path):
    huge = np.broadcast_to(np.float32(0), (2**16, 2**15))
    message = r"matmul: the plain kernels count cells in 32 bits"
    with using(HostBackend(tmp_path)), pytest.raises(ValueError, match=message):
        plain.cuda.matmul(huge, np.zeros((2**15, 1), np.float32))


def test_what_is_not_finite(host):
    nan, inf = np.nan, np.inf
    x = np.array([[1.0, -inf, 2.0], [nan, 1.0, 2.0], [1.0, 2.0, nan], [inf, 0.0, 1.0], [-inf, -inf, -inf]])
    np.testing.assert_array_equal(np.isnan(host.run(plain.cuda.softmax, x)), np.isnan(reference.softmax(x)))
    plane = np.array([[[[-inf, -inf, 1.0, nan], [-inf, -inf, 3.0, nan]]]])
    call = (1, 3), (2, 2), (1, 1), (0, 0)
    for got, wanted in zip(host.run(plain.cuda.max_pool2d, plane, *call), reference.max_pool2d(plane, *call)):
        np.testing.assert_array_equal(got, wanted)
