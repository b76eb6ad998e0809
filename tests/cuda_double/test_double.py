"""What the double refuses and computes. All but the tests of `only_double` hold for CuPy on a device as well.

Read next: ``README.md``.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

pytestmark = pytest.mark.gpu
cp = pytest.importorskip("cupy")
IS_DOUBLE = hasattr(cp, "_ledger")
only_double = pytest.mark.skipif(not IS_DOUBLE, reason="the double is stricter than a device")

HOST = np.ones((2, 3), np.float32)


def small() -> Any:
    return cp.arange(6, dtype=np.float32).reshape(2, 3)


def assigned(a: Any, index: Any, value: Any) -> None:
    a[index] = value


REFUSED: dict[str, tuple[type[Exception], Callable[[Any], Any]]] = {
    "CuPy + NumPy": (TypeError, lambda x: x + HOST),
    "NumPy + CuPy": (TypeError, lambda x: HOST + x),
    "CuPy @ NumPy": (TypeError, lambda x: x @ HOST.T),
    "CuPy += NumPy": (TypeError, lambda x: x.__iadd__(HOST)),
    "a ufunc of NumPy's on both": (TypeError, lambda x: np.add(x, HOST)),
    "where of NumPy's": (TypeError, lambda x: cp.where(x > 0, HOST, x)),
    "assignment from NumPy": (ValueError, lambda x: assigned(x, ..., HOST)),
    "assignment of a column from NumPy": (ValueError, lambda x: assigned(x, (slice(None), 0), HOST[:, 0])),
    "concatenate with NumPy": (TypeError, lambda x: cp.concatenate([x, HOST])),
    "dot of NumPy": (TypeError, lambda x: x.dot(HOST)),
    "fill of an array": (ValueError, lambda x: x.fill(HOST)),
    "set of another dtype": (TypeError, lambda x: x.set(HOST.astype(np.float64))),
    "set of another shape": (ValueError, lambda x: x.set(HOST.T)),
    "asarray of NumPy's": (TypeError, lambda x: np.asarray(x)),
    "a list with arrays": (TypeError, lambda x: cp.array([x, 1.0])),
    "memoryview": (TypeError, lambda x: memoryview(x)),
    "range of an array": (TypeError, lambda x: range(cp.array(3))),
    "a list's index": (TypeError, lambda x: [1, 2][cp.array(1)]),
    "a slice with arrays": (TypeError, lambda x: x[cp.array(1) :]),
    "hash": (TypeError, lambda x: hash(x)),
    "bool of many": (ValueError, lambda x: bool(x)),
    "max with initial": (TypeError, lambda x: x.max(0, initial=0)),
    "sum with where": (TypeError, lambda x: x.sum(where=x > 0)),
    "a ufunc with where": (TypeError, lambda x: np.add(x, x, where=True)),
    "max of nothing": (ValueError, lambda x: x[:0].max()),
    "out of another shape": (ValueError, lambda x: cp.add(x, x, out=cp.empty((3, 2), np.float32))),
    "out of NumPy's": (TypeError, lambda x: cp.add(x, x, out=HOST)),
    "out of a smaller kind": (TypeError, lambda x: cp.add(x, x, out=cp.empty((2, 3), np.int32))),
    "ufunc.reduce that CuPy lacks": (NotImplementedError, lambda x: np.fmin.reduce(x, axis=None)),
    "ufunc.at that CuPy lacks": (NotImplementedError, lambda x: cp.multiply.at(x, 0, 1)),
    "add.at of int8": (TypeError, lambda x: cp.add.at(cp.zeros(3, np.int8), cp.array([0]), 1)),
    "too many indices": (IndexError, lambda x: x[0, 0, 0]),
    "an index beyond": (IndexError, lambda x: x[2]),
    "an index of floats": (IndexError, lambda x: x[cp.ones(2)]),
    "a sort of a kind": (ValueError, lambda x: x.sort(kind="quicksort")),
    "flags.writeable": (AttributeError, lambda x: x.flags.writeable),
    "errstate": (AttributeError, lambda x: cp.errstate),
    "a dtype of text": (ValueError, lambda x: cp.array("text")),
    "options in a list": (TypeError, lambda x: cp.RawModule(code="", options=[])),
    "too much memory": (MemoryError, lambda x: cp.empty((2**50,), np.float32)),
    "another device": (RuntimeError, lambda x: cp.cuda.Device(99).use()),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cupy_refuses(name: str) -> None:
    error, call = REFUSED[name]
    with pytest.raises(error):
        call(small())


def test_numbers_and_views_go_through() -> None:
    x = small()
    assert (x * 2.0).dtype == np.float32 and (x * np.float64(2)).dtype == np.float64
    assert type(x.sum()) is cp.ndarray and x.sum().shape == ()
    assert type(np.isfinite(x)) is cp.ndarray and f"{x[0, 1]:.2f}" == "1.00" and int(x[0, 2]) == 2
    assert x[cp.array([5])].shape == (1, 3), "indices of an array wrap around"
    view = x.T
    assert view.flags.f_contiguous and not view.flags.owndata and view[0].base is not None
    view[2, 1] = 7
    assert float(x[1, 2]) == 7
    assert (pickle.loads(pickle.dumps(x)) == x).all() and (copy.deepcopy(x) == x).all()
    assert float(cp.array(1e-40, np.float32) * 1) == 0.0, "subnormal numbers are flushed"
    assert cp.broadcast_to(x[0], (4, 3)).strides == (0, 4) and x[::-1].strides == (-12, 4)


FLOATS = hnp.arrays(
    np.float32, hnp.array_shapes(max_dims=3, max_side=5), elements=st.floats(-8, 8, width=32, allow_subnormal=False)
)
ELEMENTWISE: dict[str, Callable[[Any, Any], Any]] = {
    "arithmetic": lambda m, x: (x + 1.5) * x - x / 4 + (-x) ** 2,
    "transposed": lambda m, x: x.T * 2 - 1,
    "comparison": lambda m, x: m.where(x > 0, x, x * 0.5),
    "ufuncs": lambda m, x: m.maximum(m.exp(-m.abs(x)), m.tanh(x)),
    "strided": lambda m, x: x[..., ::-1] + x[..., ::2].sum(),
    "sum": lambda m, x: x.sum(axis=-1, keepdims=True),
    "mean": lambda m, x: x.mean(axis=0),
    "max": lambda m, x: x.max(axis=-1),
    "argmax": lambda m, x: x.argmax(axis=0),
    "var": lambda m, x: x.var(),
    "any": lambda m, x: (x > 3).any(axis=0),
    "cumsum": lambda m, x: m.cumsum(x),
    "mask": lambda m, x: x[x > 0],
    "sorted": lambda m, x: m.sort(x, axis=-1),
    "joined": lambda m, x: m.concatenate([x, x + 1], axis=0),
    "padded": lambda m, x: m.pad(x, 1),
    "copied": lambda m, x: x.T.copy().ravel(),
    "cast": lambda m, x: x.astype(np.int32),
    "product": lambda m, x: x.reshape(x.shape[0], -1) @ x.reshape(x.shape[0], -1).T,
}


@pytest.mark.parametrize("name", ELEMENTWISE)
@given(x=FLOATS)
def test_arithmetic_is_numpys(name: str, x: np.ndarray) -> None:
    call = ELEMENTWISE[name]
    want, got = call(np, x), call(cp, cp.asarray(x))
    assert got.shape == want.shape and got.dtype == want.dtype
    np.testing.assert_allclose(got.get(), want, rtol=2e-5, atol=2e-5)


@given(data=st.data(), x=FLOATS)
def test_indexing_is_numpys(data: st.DataObject, x: np.ndarray) -> None:
    index = data.draw(hnp.basic_indices(x.shape, allow_newaxis=True))
    np.testing.assert_array_equal(cp.asarray(x)[index].get(), x[index])
    rows = data.draw(hnp.arrays(np.int64, st.integers(1, 4), elements=st.integers(-len(x), len(x) - 1)))
    for i in (rows, list(rows), (rows, slice(None, 1)) if x.ndim > 1 else rows):
        j = tuple(cp.asarray(p) if isinstance(p, np.ndarray) else p for p in i) if isinstance(i, tuple) else i
        np.testing.assert_array_equal(cp.asarray(x)[j].get(), x[i])
    target, want = cp.asarray(x), x.copy()
    target[index], want[index] = 3.0, 3.0
    np.testing.assert_array_equal(target.get(), want)
    unique = np.unique(rows % len(x))
    target[cp.asarray(unique)], want[unique] = 5.0, 5.0
    np.testing.assert_array_equal(target.get(), want)
    cp.add.at(target, cp.asarray(rows), 1)
    np.add.at(want, rows, 1)
    np.testing.assert_array_equal(target.get(), want)


PROGRAM = r"""
extern "C" __global__ void __launch_bounds__(64) axpy(const float* x, float* y, float a, long long n, int beyond) {
  long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (i < n) y[i + beyond] = a * (x ? x[i + beyond] : 1.0f) + y[i];
}
"""


def axpy(x: Any, y: Any, *rest: Any, grid: Any = (1,), block: Any = (64,)) -> Any:
    cp.RawModule(code=PROGRAM).get_function("axpy")(grid, block, (x, y, *rest))
    return y.get()


RIGHT = (np.float32(2), np.int64(8), np.int32(0))


def test_a_raw_kernel_runs() -> None:
    x = cp.arange(8, dtype=np.float32)
    assert axpy(x, cp.ones(8, np.float32), *RIGHT).tolist() == [1, 3, 5, 7, 9, 11, 13, 15]
    assert axpy(x[4:], cp.ones(4, np.float32), np.float32(2), 4, np.int32(0)).tolist() == [9, 11, 13, 15]
    assert axpy(None, cp.ones(8, np.float32), *RIGHT).tolist() == [3] * 8, "None is a null pointer"


LIMITS = {"grid": {"grid": (1, 65536)}, "block": {"block": (1, 1, 65)}, "threads": {"block": (65,)}}


@pytest.mark.parametrize("name", LIMITS)
def test_a_launch_beyond_the_limits_is_refused(name: str) -> None:
    with pytest.raises(cp.cuda.driver.CUDADriverError, match="CUDA_ERROR_INVALID_VALUE"):
        axpy(cp.ones(8, np.float32), cp.ones(8, np.float32), *RIGHT, **LIMITS[name])


def test_dimensions_are_tuples_of_whole_numbers() -> None:
    x = cp.ones(8, np.float32)
    for grid in (1, [1], (1.0,)):
        with pytest.raises(TypeError):
            axpy(x, x, *RIGHT, grid=grid)


def test_a_program_that_does_not_compile_and_a_kernel_that_is_not_there() -> None:
    with pytest.raises(cp.cuda.compiler.CompileException, match="error"):
        cp.RawModule(code='extern "C" __global__ void f(float* y) { y[0] = nothing; }').get_function("f")
    with pytest.raises(cp.cuda.driver.CUDADriverError, match="NOT_FOUND"):
        cp.RawModule(code=PROGRAM).get_function("missing")


def test_numpys_arrays_of_one_number_only_are_arguments() -> None:
    with pytest.raises(TypeError):
        axpy(np.ones(8, np.float32), cp.ones(8, np.float32), *RIGHT)


WRONG = {
    "a float of Python's for a float": lambda x: (x, x, 2.0, np.int64(8), np.int32(0)),
    "an int of Python's for an int": lambda x: (x, x, np.float32(2), 8, 0),
    "an int for a long long": lambda x: (x, x, np.float32(2), np.int32(8), np.int32(0)),
    "too few": lambda x: (x, x, np.float32(2), np.int64(8)),
    "a zero for a pointer": lambda x: (0, x, *RIGHT),
    "doubles for floats": lambda x: (x.astype(np.float64), x, *RIGHT),
    "strided memory": lambda x: (cp.ones(16, np.float32)[::2], x, *RIGHT),
    "memory that is not aligned": lambda x: (cp.zeros(40, np.uint8)[1:33].view(np.float32), x, *RIGHT),
}


@only_double
@pytest.mark.parametrize("name", WRONG)
def test_arguments_must_be_as_declared(name: str) -> None:
    with pytest.raises(TypeError, match="double: axpy"):
        axpy(*WRONG[name](cp.ones(8, np.float32)))


@only_double
@pytest.mark.parametrize(("beyond", "place"), [(1, "after"), (-1, "before")])
def test_a_write_outside_of_an_array_is_found(beyond: int, place: str) -> None:
    x, y = cp.ones(8, np.float32), cp.ones(8, np.float32)
    with pytest.raises(RuntimeError, match=f"double: kernel axpy wrote {place} the memory of an argument"):
        axpy(x, y, np.float32(2), np.int64(8), np.int32(beyond))


@only_double
def test_a_read_outside_of_an_array_and_of_fresh_memory_is_nan() -> None:
    y = cp.ones(12, np.float32)
    assert np.isnan(axpy(cp.ones(8, np.float32), y, np.float32(2), np.int64(9), np.int32(0))[8])
    assert np.isnan(cp.empty(4, np.float32).get()).all() and (cp.empty(4, np.int32).get() == -1).all()


@only_double
def test_what_no_exception_shows_is_a_hazard() -> None:
    x, hazards = small(), cp._ledger.hazards
    cp._ledger.reset()
    x[cp.array([5])], cp.add.at(x, cp.array([0, 0]), 1.0)
    x[cp.array([1, 1])] = cp.ones((2, 3), np.float32)
    said = " ".join(what for what, _ in hazards)
    assert "beyond the axis" in said and "atomicAdd" in said and "repeated indices" in said
    with pytest.raises(RuntimeError, match="broadcast view"):
        cp.broadcast_to(x[0], (4, 3))[...] = 1


@only_double
def test_launches_transfers_and_waits_are_counted() -> None:
    x = small()
    cp._ledger.reset()
    y = (x @ x.T).sum() + x.mean()
    y.fill(0)
    float(y)
    cp.asarray(HOST)
    counts = {"cublas": 1, "reduction": 4, "elementwise": 2, "memset": 1, "d2h": 1, "sync": 1, "h2d": 1}
    assert dict(cp._ledger.counts) == counts
    assert any(__file__ in site for _, _, site in cp._ledger.sites)


def test_operands_that_overlap_the_output_are_read_before_it_is_written() -> None:
    x = cp.arange(5, dtype=np.float32)
    cp.add(x[:-1], 1, out=x[1:])
    assert x.get().tolist() == [0, 1, 2, 3, 4]
    x[:-1] += x[1:]
    assert x.get().tolist() == [1, 3, 5, 7, 4]
    if IS_DOUBLE:
        cp._ledger.reset()
        cp.add(x[:-1], 1, out=x[1:])
        assert cp._ledger.counts["elementwise"] == 2, "a copy and the sum"


@only_double
def test_what_the_double_lacks_says_so() -> None:
    with pytest.raises(NotImplementedError, match="double: cupy.blackman"):
        cp.blackman(3)
    with pytest.raises(NotImplementedError, match="double: cupy.cuda.runtime.memcpyPeer"):
        cp.cuda.runtime.memcpyPeer()
    with pytest.raises(NotImplementedError, match="double: cupy.cuda.PinnedMemory"):
        cp.cuda.PinnedMemory(3)
    with pytest.raises(AttributeError, match="no attribute"):
        cp.no_such_name  # noqa: B018
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        cp.roll(small(), 1, wrap=True)


@only_double
def test_threads_and_blocks_run_backwards_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    code = 'extern "C" __global__ void last(int* y) { y[0] = blockIdx.x * blockDim.x + threadIdx.x; }'
    found = []
    for order in (0, 1):
        monkeypatch.setattr(cp._raw, "order", order)
        y = cp.zeros(1, np.int32)
        cp.RawKernel(code, "last")((2,), (64,), (y,))
        found.append(int(y[0]))
    assert found == [127, 0]


def test_the_device_says_what_it_is() -> None:
    runtime = cp.cuda.runtime
    properties = runtime.getDeviceProperties(0)
    assert isinstance(properties["name"], bytes) and properties["warpSize"] == 32
    assert (
        runtime.deviceGetAttribute(runtime.cudaDevAttrMaxThreadsPerBlock, 0) == properties["maxThreadsPerBlock"] == 1024
    )
    assert (
        len(cp.cuda.Device().compute_capability) in (2, 3) and runtime.driverGetVersion() >= runtime.runtimeGetVersion()
    )
    free, total = cp.cuda.Device().mem_info
    assert 0 < free <= total
