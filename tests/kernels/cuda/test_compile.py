"""Every CUDA kernel compiles for every supported architecture, in float and double, without a GPU.

nvcc: warnings are errors, and what its assembler reports must hold no spilled registers in float. NVRTC, the compiler
that CuPy uses, through cuda-bindings (``pip install -e '.[nvrtc]'``): text and options as CuPy gets them. A missing
compiler is a skip with its name, and a failure where CI is set.
"""

from __future__ import annotations

import importlib
import itertools
from pathlib import Path

import numpy as np
import pytest
from kernels.cuda.nvcc import NEWER, NVCC, REQUIRED, architectures, compiled, figures

from minigen_kernels import cuda, plain
from minigen_kernels.calls import NAMES
from minigen_kernels.cuda import source
from minigen_kernels.host.build import together

FILES = sorted(path.name for path in source.HERE.glob("*.cu"))
PLAIN = sorted(map(str, plain.cuda.HERE.glob("*.cu")))
each_file = pytest.mark.parametrize("file", FILES + PLAIN, ids=FILES + [f"plain {Path(path).name}" for path in PLAIN])
#: All that a file is compiled for, slowly: (dtype, architecture).
NVCC_TARGETS = [(d, a) for a in REQUIRED for d in ("float32", "float64")] + [("float32", a) for a in NEWER]
# The oldest and the newest: nvcc compiles for those between.
NVRTC_TARGETS = [("float32", NEWER[-1])]
NVRTC_TARGETS += [
    pytest.param(*target, marks=pytest.mark.slow)
    for target in (("float32", REQUIRED[0]), ("float64", REQUIRED[0]), ("float64", NEWER[-1]))
]


@pytest.mark.slow  # NVRTC, which is what CuPy uses, compiles them in a moment
@pytest.mark.parametrize(("dtype", "place"), [("float32", 0), ("float64", -1)])
def test_nvcc_compiles_all_files(need, dtype, place, tmp_path):
    """Each dtype, and the oldest and the newest architecture; one text for each set of options."""
    need("nvcc", NVCC)
    programs = sorted((source.program(file, np.dtype(dtype)) for file in FILES), key=lambda p: p.options)
    for _, group in itertools.groupby(programs, lambda p: p.options):
        alike = list(group)
        check_nvcc(alike[0], architectures()[place], tmp_path, [p.file for p in alike], text=together(alike))


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "architecture"), NVCC_TARGETS)
@each_file
def test_nvcc(need, file, dtype, architecture, tmp_path):
    """Every file alone, for every target."""
    need("nvcc", NVCC)
    if architecture not in architectures():
        pytest.skip(f"this nvcc does not know sm_{architecture}")
    check_nvcc(source.program(file, np.dtype(dtype)), architecture, tmp_path, [file])


def check_nvcc(program, architecture, folder, files, text=None):
    """No error, no warning, the kernels that the launcher sees in `files`; and in float no spilled register."""
    done = compiled(program, architecture, folder, text=text)
    assert done.returncode == 0, done.stderr
    reported = figures(done.stderr)
    declared = {kernel for file in files for kernel in source.kernels(file)}
    assert set(reported) == declared, "the compiler and the launcher see different kernels"
    if program.dtype == np.float32:
        assert all(kernel.spilled == 0 for kernel in reported.values()), done.stderr


@pytest.mark.parametrize(("dtype", "architecture"), NVRTC_TARGETS)
@each_file
def test_nvrtc(need, file, dtype, architecture):
    bindings = need("NVRTC (pip install -e '.[nvrtc]')", nvrtc())
    program = source.program(file, np.dtype(dtype))
    _, handle = bindings.nvrtcCreateProgram(program.text.encode(), b"text", 0, [], [])
    # CuPy adds the first one.
    asked = [option.encode() for option in (*program.options, "-ftz=true", f"-arch=sm_{architecture}")]
    (status,) = bindings.nvrtcCompileProgram(handle, len(asked), asked)
    # The log is written into these bytes. An empty one has one byte, and bytes of length 1 are shared by all of Python:
    # hence one more.
    log = bytes(bindings.nvrtcGetProgramLogSize(handle)[1] + 1)
    bindings.nvrtcGetProgramLog(handle, log)
    assert status == bindings.nvrtcResult.NVRTC_SUCCESS, log.decode()
    assert log.strip(b"\0 ") == b"", log.decode()  # no warnings either
    bindings.nvrtcDestroyProgram(handle)


def nvrtc():
    """The binding of NVRTC, or None where it or the library is missing."""
    try:
        bindings = importlib.import_module("cuda.bindings.nvrtc")
        bindings.nvrtcVersion()
    except (ImportError, RuntimeError):
        return None
    return bindings


def test_a_compile_error_names_file_and_line(need, tmp_path):
    """The marks of the pasted text lead back to the line of the file, and to that of the header."""
    need("nvcc", NVCC)
    program = source.program("elementwise.cu", np.dtype(np.float32))
    lines = (source.HERE / "elementwise.cu").read_text(encoding="utf-8").split("\n")
    number = next(k for k, line in enumerate(lines, start=1) if line.startswith("// y = erf(x)"))
    broken = program.text.replace("// y = erf(x)", "int nonsense = undefined_name; // y = erf(x)")
    assert f"elementwise.cu({number})" in compiled(program, 80, tmp_path, text=broken).stderr
    number = (source.HERE / "common.cuh").read_text(encoding="utf-8").split("\n").index("typedef REAL real;") + 1
    broken = program.text.replace("typedef REAL real;", "typedef REAL;")
    assert f"common.cuh({number})" in compiled(program, 80, tmp_path, text=broken).stderr


def test_a_warning_and_a_spill_are_found(need, tmp_path):
    """The check itself: an unused variable fails; a kernel held to 16 registers by its launch bound spills."""
    need("nvcc", NVCC)
    unused = 'extern "C" __global__ void f(float* x) { int unused; x[0] = 1; }'
    program = source.program("elementwise.cu", np.dtype(np.float32))
    assert compiled(program, 80, tmp_path, text=unused).returncode != 0
    many = """extern "C" __global__ void __launch_bounds__(1024, 2) f(float* x) {
        float v[64];
        for (int i = 0; i < 64; i++) v[i] = x[i * 1024 + threadIdx.x];
        for (int k = 0; k < 9; k++)
            for (int i = 0; i < 64; i++) v[i] = v[i] * v[(i + 7) % 64] + v[(i + 31) % 64];
        for (int i = 0; i < 64; i++) x[i * 1024 + threadIdx.x] = v[i];
    }"""
    report = compiled(program, 80, tmp_path, text=many).stderr
    assert figures(report)["f"].spilled > 0, report


def test_every_family_has_its_file():
    """A `.cu` file beside each module with kernels, and no other. Products of matrices are left to CuPy."""
    families = {getattr(cuda, name).__module__.rpartition(".")[2] for name in NAMES} - {"gemm"}
    assert sorted(f"{family}.cu" for family in families) == FILES
