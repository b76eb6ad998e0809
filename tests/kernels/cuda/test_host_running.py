"""Moving averages and running sums of the CUDA room on the host: the reference's bits, in as few launches as they fit.

Read next: ``test_host_optim.py``.
"""

from __future__ import annotations

import numpy as np
import pytest

from minigen_kernels import cuda, reference
from minigen_kernels.cuda.launch import using
from minigen_kernels.cuda.plan import MOST_ARRAYS
from minigen_kernels.host.build import HostBackend

DTYPES = [np.float32, np.float64]


def arrays(shapes, seed, dtype) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.normal(size=shape), dtype) for shape in shapes]


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [1, 7, 10**6])
@pytest.mark.parametrize("extra", [0, 40])
def test_averages(cuda_host_folder, monkeypatch, order, dtype, count, extra):
    """Also more arrays than a launch takes, where the copied ones begin within the second launch."""
    shapes = [(50, 40), (), (2, 0), (3, 5), *[(k,) for k in range(extra)], (7,), (1030,)]
    mine, new = arrays(shapes, 0, dtype), arrays(shapes, 1, dtype)
    new[0] = np.asfortranarray(new[0])
    wanted = [a.copy() for a in mine]
    reference.average_update(wanted, new, np.array(count, np.float32), 0.999, 3)
    backend, launches = HostBackend(cuda_host_folder, order), []
    run = backend.run
    monkeypatch.setattr(backend, "run", lambda *given: launches.append(given[1]) or run(*given))
    with using(backend):
        cuda.average_update(mine, new, np.array(count, np.float32), 0.999, 3)
    for a, b in zip(mine, wanted, strict=True):
        np.testing.assert_array_equal(a, b)
    assert launches == ["average_kernel"] * -(-len(shapes) // MOST_ARRAYS)


@pytest.mark.parametrize("dtype", DTYPES)
def test_sums(host, cuda_host_folder, dtype):
    shapes = [(), (1,), (1100,), (2, 0)]
    totals, terms = arrays(shapes, 0, np.float64), arrays(shapes, 1, dtype)
    wanted = [t.copy() for t in totals]
    reference.total_update(wanted, terms, 37)
    with using(HostBackend(cuda_host_folder)):
        cuda.total_update(totals, terms, 37)
    for a, b in zip(totals, wanted, strict=True):
        assert a.dtype == np.float64
        np.testing.assert_array_equal(a, b)
    total, term = host.run(cuda.total_update, np.ones(3), np.full(3, 0.5, dtype), 2)  # one array, in both orders
    assert total.tolist() == [2.0] * 3 and term.dtype == dtype


def test_a_launch_over_nothing(cuda_host_folder):
    with using(HostBackend(cuda_host_folder)):
        cuda.total_update([], [], 1)
        cuda.total_update([np.empty(0)], [np.empty(0)], 1)


def test_what_no_table_can_hold_is_refused(cuda_host_folder):
    with using(HostBackend(cuda_host_folder)):
        with pytest.raises(
            TypeError, match=r"totals_kernel: parameter `Doubles total` takes float64 here, got a numpy"
        ):
            cuda.total_update([np.ones(3, np.float32)], [np.ones(3)], 1)
        with pytest.raises(ValueError, match=r"average_kernel: parameter `Arrays a` takes a C-contiguous array"):
            cuda.average_update([np.ones((3, 2)).T], [np.ones((2, 3))], np.array(1, np.float32), 0.9, 0)
        with pytest.raises(TypeError, match=r"parameter `float\* count` takes float32 here"):
            cuda.average_update([np.ones(3)], [np.ones(3)], np.array(1.0), 0.9, 0)
