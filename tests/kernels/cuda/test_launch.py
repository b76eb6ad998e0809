"""The typed launcher and the reader of `.cu` files: every argument is checked and cast by the kernel's own declaration.

Read next: ``test_sanitizers.py``.
"""

from __future__ import annotations

import types

import numpy as np
import pytest
from kernels.cuda.host import HostRoom
from kernels.rooms import assert_agree, assert_complete

from minigen_kernels import cuda, reference
from minigen_kernels.calls import CALLS, IDS, results
from minigen_kernels.cuda import launch as launcher
from minigen_kernels.cuda import source
from minigen_kernels.cuda.backend import CupyBackend, compile_error
from minigen_kernels.cuda.launch import launch, launch_together, using
from minigen_kernels.cuda.plan import MOST_ARRAYS, chunks_of

DTYPES = [np.float32, np.float64]

SOURCE = """
constexpr int LIMIT = 96;  // constexpr int NOT_THIS = 1;
/* extern "C" __global__ void not_this(int n) {} */
extern "C" __global__ void __launch_bounds__(LIMIT, 2) mixed(const real* __restrict__ x, unsigned int *bits,  // x
    long long n, real scale, int flag, unsigned long long seed, bool yes) {}
extern "C" __global__ void __launch_bounds__(64) bounded(double* y) {}
extern "C" __global__ void plain(int n) {}
"""


class Recorder:
    """A backend that keeps what a kernel would get, and calls none."""

    def __init__(self):
        self.calls = []

    def owns(self, *arrays):
        return all(isinstance(array, np.ndarray) for array in arrays)

    def addresses(self, arrays):
        return [array.ctypes.data for array in arrays]

    def empty(self, shape, dtype):
        return np.empty(shape, dtype)

    def run(self, program, kernel, grid, block, arguments):
        self.calls.append((program, kernel, grid, block, arguments))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mixed.cu"
    path.write_text(SOURCE, encoding="utf-8")
    return str(path)


@pytest.fixture
def recorder():
    backend = Recorder()
    with using(backend):
        yield backend


def mixed(dtype=np.float32) -> list:
    return [np.ones(3, dtype), np.ones(3, np.uint32), 3, 0.5, True, 2**64 - 1, True]


def test_declarations_are_read_from_the_text(file):
    found = source.kernels(file)
    assert list(found) == ["mixed", "bounded", "plain"]
    assert [kernel.max_threads for kernel in found.values()] == [96, 64, 1024]
    assert [(p.type, p.pointer, p.name) for p in found["mixed"].parameters] == [
        ("real", True, "x"),
        ("unsigned int", True, "bits"),
        ("long long", False, "n"),
        ("real", False, "scale"),
        ("int", False, "flag"),
        ("unsigned long long", False, "seed"),
        ("bool", False, "yes"),
    ]
    assert source.constants(file) == {"LIMIT": 96}


@pytest.mark.parametrize("dtype", DTYPES)
def test_scalars_are_cast_by_the_declaration(file, recorder, dtype):
    launch(file, "mixed", (2, 3), 32, *mixed(dtype))
    ((program, kernel, grid, block, cast),) = recorder.calls
    assert (program.dtype, kernel, grid, block) == (dtype, "mixed", (2, 3, 1), (32, 1, 1))
    assert [type(value) for value in cast[2:]] == [np.int64, dtype, np.int32, np.uint64, np.bool_]
    assert cast[2:] == [3, 0.5, 1, 2**64 - 1, True]


BAD = [  # which argument, what comes instead, the error
    (0, np.ones(3, np.int32), TypeError, r"`real\* x` takes a float32 or float64 array, got a numpy array of dtype i"),
    (0, [1.0], TypeError, r"`real\* x` takes a float32 or float64 array, got list"),
    (0, np.ones((3, 4), np.float32).T, ValueError, r"`real\* x` takes a C-contiguous array"),
    (1, np.ones(3, np.int32), TypeError, r"`unsigned int\* bits` takes uint32 here"),
    (1, None, TypeError, r"`unsigned int\* bits` takes an array on the current device, got NoneType None"),
    (2, 3.0, TypeError, r"`long long n` takes a whole number, got float 3.0"),
    (2, 2**63, ValueError, r"`long long n` takes -9223372036854775808 to 9223372036854775807, got 9223372036854775808"),
    (3, "1", TypeError, r"`real scale` takes a number, got str '1'"),
    (3, 1j, TypeError, r"`real scale` takes a number, got complex"),
    (4, 2**31, ValueError, r"`int flag` takes -2147483648 to 2147483647, got 2147483648"),
    (5, -1, ValueError, r"`unsigned long long seed` takes 0 to 18446744073709551615, got -1"),
    (6, 2, ValueError, r"`bool yes` takes 0 to 1, got 2"),
]


@pytest.mark.parametrize(("at", "value", "error", "message"), BAD)
def test_wrong_arguments_are_refused(file, recorder, at, value, error, message):
    wrong = mixed()
    wrong[at] = value
    with pytest.raises(error, match="mixed.cu: kernel mixed: parameter " + message):
        launch(file, "mixed", 1, 32, *wrong)
    assert not recorder.calls


def test_real_pointers_have_one_dtype(recorder):
    x, mask = np.ones(3), np.ones(3, bool)
    with pytest.raises(TypeError, match=r"`real\* y` takes float64 here, got a numpy array of dtype float32"):
        launch("elementwise.cu", "scale_where_kernel", 1, 32, x, mask, 0.1, np.ones(3, np.float32), 3)


TABLES = """
#include "common.cuh"
#include "together.cuh"
extern "C" __global__ void many(const Arrays x, const Doubles y, const Chunks chunks,
                                const double* __restrict__ s_or_null) {}
"""


@pytest.fixture
def many(tmp_path):
    path = tmp_path / "many.cu"
    path.write_text(TABLES, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("dtype", DTYPES)
def test_many_arrays_go_by_their_addresses(many, recorder, dtype):
    xs, ys = [np.ones(3, dtype), np.ones(1500, dtype), np.ones(0, dtype)], [np.ones(3), np.ones(1500), np.ones(0)]
    launch_together(many, "many", [xs, ys], None)
    launch_together(many, "many", [xs, ys], np.ones(1))
    for k, (program, _, grid, _, (x, y, chunks, scalars)) in enumerate(recorder.calls):
        assert program.dtype == dtype and grid == (3, 1, 1) and (scalars is None) == (k == 0)
        for table, arrays in ((x, xs), (y, ys)):
            assert table.size == 1 and isinstance(table, np.ndarray)  # what CuPy hands over by value
            assert table.view(np.uint64).tolist() == [a.ctypes.data for a in arrays] + [0] * (MOST_ARRAYS - 3)
        whole = chunks.view(np.int32).tolist()
        assert whole[: 2 * MOST_ARRAYS : 2] == [3, 1500, 0] + [0] * (MOST_ARRAYS - 3)
        assert whole[2 * MOST_ARRAYS :] == [0, 1, 3, 3] + [0] * (MOST_ARRAYS - 3) + [3]


def test_wrong_tables_are_refused(many, recorder):
    x, y = np.ones(3, np.float32), np.ones(3)
    _, chunks = chunks_of([3])
    for given, error, message in [
        ([[x], [x], chunks, None], TypeError, r"`Doubles y` takes float64 here, got a numpy array of dtype float32"),
        ([[x, y], [y], chunks, None], TypeError, r"`Arrays x` takes float32 here, got a numpy array of dtype float64"),
        ([x, [y], chunks, None], TypeError, r"`Arrays x` takes a list of 1 to 32 arrays, got a numpy array"),
        ([[x] * 33, [y], chunks, None], TypeError, r"`Arrays x` takes a list of 1 to 32 arrays, got 33 of them"),
        ([[x], [], chunks, None], TypeError, r"`Doubles y` takes a list of 1 to 32 arrays, got 0 of them"),
        ([[x], [y, x], chunks, None], TypeError, r"`Doubles y` takes float64 here, got a numpy array of dtype float32"),
        ([[x, None], [y], chunks, None], TypeError, r"`Arrays x` takes an array on the current device, got NoneType"),
        ([[np.ones((2, 3)).T], [y], chunks, None], ValueError, r"`Arrays x` takes a C-contiguous array"),
        ([[x], [y], 3, None], TypeError, r"`Chunks chunks` takes what chunks_of\(\) returns, got int 3"),
        ([[x], [y], chunks, x], TypeError, r"`double\* s_or_null` takes float64 here"),
        ([["x"], [y], chunks, None], TypeError, r"`Arrays x` takes a float32 or float64 array, got str 'x'"),
    ]:
        with pytest.raises(error, match="many.cu: kernel many: parameter " + message):
            launch(many, "many", 1, 32, *given)
    assert not recorder.calls


def test_whole_numbers_cast_before_are_still_looked_at(file, recorder):
    """A plan keeps what it cast. 1, 1.0 and True are equal, and have one hash: their types tell them apart."""
    for one in (1, True, np.int64(1)):
        launch(file, "plain", 1, 1, one)
    with pytest.raises(TypeError, match=r"`int n` takes a whole number, got float 1.0"):
        launch(file, "plain", 1, 1, 1.0)
    with pytest.raises(TypeError, match=r"`int n` takes a whole number, got list"):
        launch(file, "plain", 1, 1, [1])
    for n in range(1000):
        launch(file, "plain", 1, 1, n)
    assert [arguments[0] for *_, arguments in recorder.calls] == [1, 1, 1, *range(1000)]
    assert {type(arguments[0]) for *_, arguments in recorder.calls} == {np.int32}


def test_wrong_launches_are_refused(file, recorder):
    with pytest.raises(ValueError, match=r"there is no kernel 'mix'; the file has mixed, bounded, plain"):
        launch(file, "mix", 1, 32)
    with pytest.raises(TypeError, match=r"takes 7 arguments \(x, bits, n, scale, flag, seed, yes\), got 6"):
        launch(file, "mixed", 1, 32, *mixed()[1:])
    with pytest.raises(ValueError, match="kernel mixed: a block has at most 96 threads, got 128"):
        launch(file, "mixed", 1, (32, 4), *mixed())
    with pytest.raises(ValueError, match="kernel plain: a block has at most 1024 threads, got 2048"):
        launch(file, "plain", 1, (32, 64), 1)
    with pytest.raises(ValueError, match=r"block \(2048, 1, 1\) is outside of 1 to \(1024, 1024, 64\)"):
        launch(file, "plain", 1, 2048, 1)
    with pytest.raises(ValueError, match=r"grid \(1, 65536, 1\) is outside of 1 to"):
        launch(file, "plain", (1, 65536), 1, 1)
    with pytest.raises(ValueError, match=r"grid \(0, 1, 1\) is outside of 1 to"):
        launch(file, "plain", 0, 1, 1)
    assert not recorder.calls


@pytest.mark.parametrize("declaration", ["float4 x", "const char* text", "dim3", "real& x", "int x[3]"])
def test_a_parameter_that_cannot_be_cast_is_refused(tmp_path, declaration):
    path = tmp_path / "odd.cu"
    path.write_text(f'extern "C" __global__ void odd({declaration}) {{}}')
    with pytest.raises(ValueError, match=r"odd.cu: kernel odd: cannot launch with a parameter `"):
        source.kernels(str(path))


def test_the_header_and_the_options_are_in_the_program(tmp_path):
    path = tmp_path / "tiny.cu"
    path.write_text('// what it does\n// options: -fmad=false -lineinfo\n#include "common.cuh"\nint last_line;\n')
    program = source.program(str(path), np.dtype(np.float64))
    assert program.options == ("-std=c++17", "-DREAL=double", "-fmad=false", "-lineinfo")
    assert program.text.startswith('#line 1 "tiny.cu"\n// what it does\n')
    assert '#line 1 "common.cuh"\n' in program.text and "\ntypedef REAL real;\n" in program.text
    assert program.text.endswith('#line 4 "tiny.cu"\nint last_line;\n')


def test_every_file_of_the_room_includes_the_header():
    for path in source.HERE.glob("*.cu"):
        text = source.program(path.name, np.dtype(np.float32)).text
        assert text.count("typedef REAL real;") == 1 and '\n#include "' not in text, path


def test_blocks_for():
    assert [launcher.blocks_for(n) for n in (0, 1, 256, 257)] == [1, 1, 1, 2]
    assert launcher.blocks_for(10**12) == launcher.MOST_BLOCKS


def test_contiguous_copies_only_what_needs_it(recorder):
    x = np.arange(6.0).reshape(2, 3)
    assert launcher.contiguous(x) is x
    turned = launcher.contiguous(x.T)
    assert turned.flags.c_contiguous and (turned == x.T).all()
    assert not launcher.zeros((2, 3), np.float32).any()


def test_using_ends_with_its_block(recorder):
    other = Recorder()
    with using(other):
        launch("elementwise.cu", "erf_kernel", 1, 32, np.ones(1), np.ones(1), 1)
    assert len(other.calls) == 1 and not recorder.calls


class FakeMemory(types.SimpleNamespace):
    """CuPy as far as the backend asks it for memory; the first `failures` requests find none."""

    def __init__(self, failures: int) -> None:
        class OutOfMemoryError(Exception):
            pass

        self.requests, self.freed = 0, 0

        def empty(shape, dtype):
            self.requests += 1
            if self.requests <= failures:
                raise OutOfMemoryError
            return np.empty(shape, dtype)

        def free_all_blocks():
            self.freed += 1

        pool = types.SimpleNamespace(free_all_blocks=free_all_blocks)
        runtime = types.SimpleNamespace(memGetInfo=lambda: (100 << 20, 8000 << 20))
        memory = types.SimpleNamespace(OutOfMemoryError=OutOfMemoryError)
        super().__init__(
            empty=empty,
            get_default_memory_pool=lambda: pool,
            cuda=types.SimpleNamespace(memory=memory, runtime=runtime),
        )


@pytest.mark.parametrize("failures", [0, 1, 2])
def test_memory_is_asked_for_twice(monkeypatch, failures):
    """The backend's reaction, with a stand-in for CuPy: nothing here is said about a device."""
    memory = FakeMemory(failures)
    monkeypatch.setattr("minigen_kernels.cuda.backend.importlib.import_module", lambda name: memory)
    if failures < 2:
        assert CupyBackend().empty((2, 3), np.float32).shape == (2, 3)
    else:
        with pytest.raises(MemoryError, match=r"\(1024, 1024\) \(8 MiB\): 7900 of 8000 MiB are in use"):
            CupyBackend().empty((1024, 1024), np.float64)
    assert memory.requests == min(failures, 1) + 1 and memory.freed == min(failures, 1)


def test_numpy_arrays_are_refused_where_there_is_no_other_backend():
    assert not CupyBackend().owns(np.ones(3))


def test_a_compile_error_shows_the_first_error_and_the_log():
    program = source.program("conv.cu", np.dtype(np.float32))
    text = compile_error(program, "conv.cu(7): warning: x\nconv.cu(9): error: y is undefined\n1 error")
    assert text.startswith("conv.cu does not compile with -std=c++17 -DREAL=float: conv.cu(9): error: y is undefined\n")
    assert "warning: x" in text


# ---- the room as a whole ----


def test_the_room_has_the_kernels_of_the_table_of_contents():
    assert_complete(cuda)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("call", range(len(CALLS)), ids=IDS)
def test_every_call_agrees_with_the_reference(cuda_host_folder, dtype, call):
    assert_agree(results(HostRoom(cuda_host_folder), call, dtype), results(reference, call, dtype))
