"""Numba in shorter forms: the same results, references and errors, and Numba as it was when a kernel is compiled.

Read next: ``test_compiled_code.py``.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest

from minigen_kernels.cpu.jit import njit_cached, njit_inner
from minigen_kernels.cpu.shortcuts import SHORTCUTS, made


@njit_cached()
def slices(x, start, stop, step):
    return x[start:stop].copy(), x[:stop].copy(), x[start:].copy(), x[start:stop:step].copy()


@njit_cached()
def ranges(start, stop, step):
    seen = [0]
    for i in range(stop):
        seen.append(i)
    for i in range(start, stop):
        seen.append(i)
    for i in range(start, stop, step):
        seen.append(i)
    return seen


@njit_cached()
def reshaped(x, rows):
    return x.reshape(-1), x.reshape(rows, -1), x.reshape(x.shape[1], x.shape[0])


@njit_inner()
def _later(x, other):
    kept = x
    for i in range(3):
        if i == 1:
            kept = other
    return kept


@njit_cached()
def chosen(x, other):
    pair = (_later(x, other), x[1:])
    new = np.empty(x.shape, x.dtype)
    for i in range(new.size):
        new[-1 - i] = pair[0][i]
    return new, pair[1]


@pytest.mark.parametrize("ends", [(0, 7), (2, 5), (-3, -1), (-9, 9), (5, 2), (3, 3), (9, 12), (0, 0)])
@pytest.mark.parametrize("step", [1, 2, -1, -3])
def test_slices_and_ranges(ends, step):
    x = np.arange(7.0)
    for ours, numpys in zip(slices(x, *ends, step), slices.py_func(x, *ends, step), strict=True):
        assert np.array_equal(ours, numpys)
    assert ranges(*ends, step) == ranges.py_func(*ends, step)


@pytest.mark.parametrize("shape", [(2, 6), (3, 4), (1, 1), (0, 3)])
def test_reshaped_arrays_are_views(shape):
    x = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    for ours, numpys in zip(reshaped(x, max(shape[0], 1)), reshaped.py_func(x, max(shape[0], 1)), strict=True):
        assert ours.shape == numpys.shape and np.array_equal(ours, numpys)
        assert ours.strides == numpys.strides or x.size == 0
        assert np.shares_memory(ours, x) or x.size == 0


def test_a_wrong_size_is_refused():
    with pytest.raises(ValueError, match="total size of new array must be unchanged"):
        reshaped(np.ones((3, 4)), 5)


def test_references_are_counted_as_ever():
    x, other = np.arange(4.0), np.arange(4.0) + 1
    before = sys.getrefcount(x), sys.getrefcount(other)
    new, view = chosen(x, other)
    assert new.tolist() == other[::-1].tolist() and view.tolist() == x[1:].tolist()
    assert sys.getrefcount(x) == before[0] + 1  # of the view
    del new, view
    assert (sys.getrefcount(x), sys.getrefcount(other)) == before


def test_numba_is_as_before_when_a_kernel_is_compiled():
    slices(np.ones(3), 0, 1, 1)
    assert len(made()) == len(SHORTCUTS)  # all are of use with this Numba
    for owner, name, new in made():
        assert vars(owner)[name] is not new
