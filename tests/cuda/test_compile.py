"""Every CUDA kernel compiles for every supported architecture, in float and double, without a GPU.

nvcc: warnings are errors, and what its assembler reports must hold no spilled registers in float. NVRTC, the compiler
that CuPy uses, through cuda-bindings where that is installed: text and options as CuPy gets them. A missing nvcc is
a skip with a name, and a failure where CI is set.
"""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from minigen_kernels import cuda
from minigen_kernels.cuda import source

FILES = sorted(path.name for path in source.HERE.glob("*.cu"))
DTYPES = [np.dtype(np.float32), np.dtype(np.float64)]
#: Turing to Hopper must compile. Blackwell in float too, where the compiler knows it.
REQUIRED = [75, 80, 90]
NEWER = [100, 120]
NVCC = shutil.which("nvcc")

each_program = pytest.mark.parametrize("dtype", DTYPES, ids=str)
each_file = pytest.mark.parametrize("file", FILES)


def nvcc(text: str, options: tuple[str, ...], architecture: int, folder: Path) -> subprocess.CompletedProcess[str]:
    path = folder / "program.cu"
    path.write_text(text, encoding="utf-8")
    strict = ["-Werror", "all-warnings", "-Xptxas", "-v"]
    command = [NVCC, *options, f"-arch=sm_{architecture}", "-cubin", *strict, "-o", str(folder / "k.cubin"), str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def architectures() -> list[int]:
    """Those that must compile, and the newer ones that this nvcc knows."""
    known = subprocess.run([NVCC, "--list-gpu-code"], capture_output=True, text=True, check=True).stdout.split()
    return REQUIRED + [number for number in NEWER if f"sm_{number}" in known]


@each_program
@each_file
def test_nvcc(need, file, dtype, tmp_path, request):
    need("nvcc", NVCC)
    program = source.program(file, dtype)
    for architecture in request.getfixturevalue("architectures") if dtype == np.float32 else REQUIRED:
        done = nvcc(program.text, program.options, architecture, tmp_path)
        assert done.returncode == 0, done.stderr
        reported = set(re.findall(r"Compiling entry function '(\w+)'", done.stderr))
        assert reported == set(source.kernels(file)), "the compiler and the launcher see different kernels"
        if dtype == np.float32:
            spills = re.findall(r"(\d+) bytes spill (?:stores|loads)", done.stderr)
            assert len(spills) == 2 * len(reported) and set(spills) == {"0"}, done.stderr


@each_program
@each_file
def test_nvrtc(file, dtype):
    bindings = nvrtc()
    if bindings is None:
        pytest.skip("NVRTC is not installed (cuda-bindings, nvidia-cuda-nvrtc)")
    program = source.program(file, dtype)
    options = [option.encode() for option in (*program.options, "-ftz=true")]  # CuPy adds this one
    for architecture in REQUIRED + NEWER if dtype == np.float32 else REQUIRED:
        _, handle = bindings.nvrtcCreateProgram(program.text.encode(), b"text", 0, [], [])
        asked = [*options, f"-arch=sm_{architecture}".encode()]
        (status,) = bindings.nvrtcCompileProgram(handle, len(asked), asked)
        log = b" " * bindings.nvrtcGetProgramLogSize(handle)[1]
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
    text = source.program("elementwise.cu", DTYPES[0]).text
    number = (source.HERE / "elementwise.cu").read_text(encoding="utf-8").split("\n").index('#include "common.cuh"') + 3
    broken = text.replace("// y = erf(x)", "int nonsense = undefined_name; // y = erf(x)")
    assert f"elementwise.cu({number})" in nvcc(broken, (), 80, tmp_path).stderr
    number = (source.HERE / "common.cuh").read_text(encoding="utf-8").split("\n").index("typedef REAL real;") + 1
    broken = text.replace("typedef REAL real;", "typedef REAL;")
    assert f"common.cuh({number})" in nvcc(broken, (), 80, tmp_path).stderr


def test_a_warning_and_a_spill_are_found(need, tmp_path):
    """The check itself: an unused variable fails; a kernel held to 16 registers by its launch bound spills."""
    need("nvcc", NVCC)
    unused = 'extern "C" __global__ void f(float* x) { int unused; x[0] = 1; }'
    assert nvcc(unused, (), 80, tmp_path).returncode != 0
    many = """extern "C" __global__ void __launch_bounds__(1024, 2) f(float* x) {
        float v[64];
        for (int i = 0; i < 64; i++) v[i] = x[i * 1024 + threadIdx.x];
        for (int k = 0; k < 9; k++)
            for (int i = 0; i < 64; i++) v[i] = v[i] * v[(i + 7) % 64] + v[(i + 31) % 64];
        for (int i = 0; i < 64; i++) x[i * 1024 + threadIdx.x] = v[i];
    }"""
    report = nvcc(many, (), 80, tmp_path).stderr
    assert set(re.findall(r"(\d+) bytes spill stores", report)) != {"0"}, report


def test_every_family_has_its_file():
    """A `.cu` file beside each module with kernels, and no other."""
    families = {getattr(cuda, name).__module__.rpartition(".")[2] for name in cuda.__all__}
    assert sorted(f"{family}.cu" for family in families) == FILES
