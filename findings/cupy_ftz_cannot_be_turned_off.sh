#!/usr/bin/env bash
# CuPy 14.2.0: the options of a RawModule or RawKernel cannot keep subnormal float32 numbers. CuPy adds -ftz=true behind
# the user's options, and of two such options NVRTC takes the last: with --ftz=false given, the same instructions are
# flushing ones as without it, and there is no error.
#
# Who meets it: kernels whose tails are meant to reach below 1.2e-38, as of a sigmoid or softplus: they end at 0, and
# `x > 0` is False for what the host had stored there. (CuPy's own kernels are compiled so, too.)
#
# What helps: compute what needs it in double, or know that float32 ends at 1.2e-38 there. Known to the project as
# cupy/cupy#9576.
#
# Run: bash findings/cupy_ftz_cannot_be_turned_off.sh. No GPU is needed: the program is compiled to PTX by CuPy's own
# steps, and never loaded. It makes a virtual environment in a temporary folder (some 600 MB). Exit code 0: as seen.
#
# Seen:
#   options (): compiled with ['-ftz=true'], 2 flushing instructions
#   options ('--ftz=false',): compiled with ['--ftz=false', '-ftz=true'], 2 flushing instructions
#   NVRTC alone, ('--ftz=false',): 0 flushing instructions
#   as seen before
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check cupy-cuda12x==14.2.0 numpy==2.4.6 \
  nvidia-cuda-nvrtc-cu12==12.9.86 nvidia-cuda-runtime-cu12==12.9.79

cat > seen.py <<'PYTHON'
import re
import sys

from cupy.cuda import compiler

SOURCE = 'extern "C" __global__ void scale(float* x) { x[0] = x[0] * x[1] + 1.0f / x[2]; }'
TARGET = "-arch=compute_90"
Program = compiler._NVRTCProgram


class Compiled(Exception):
    """What CuPy gave to NVRTC, and what came back."""


class Noting(Program):
    def compile(self, options=(), log_stream=None):
        result = super().compile(options, log_stream)
        if "scale" in text(result[0]):
            raise Compiled(options, text(result[0]))
        return result


def text(ptx):
    return ptx if isinstance(ptx, str) else ptx.decode()


def flushing(ptx):
    return len(re.findall(r"\.ftz\b", ptx))


def by_cupy(given):
    try:
        compiler._compile_module_with_cache(SOURCE, given, arch="90")
    except Compiled as compiled:
        options, ptx = compiled.args
        return [option for option in options if "ftz" in option], flushing(ptx)
    sys.exit("CuPy did not compile the program")


compiler._NVRTCProgram = Noting
compiler._get_arch_for_options_for_nvrtc = lambda arch=None: (TARGET, "ptx")  # asks the device, else
found = [by_cupy(given) for given in ((), ("--ftz=false",))]
alone = flushing(text(Program(SOURCE, "scale.cu", method="ptx").compile(("--ftz=false", TARGET))[0]))
for given, (options, count) in zip(((), ("--ftz=false",)), found):
    print(f"options {given}: compiled with {options}, {count} flushing instructions")
print(f"NVRTC alone, ('--ftz=false',): {alone} flushing instructions")
if found[0][1] == found[1][1] > 0 == alone and found[1][0] == ["--ftz=false", "-ftz=true"]:
    print("as seen before")
else:
    sys.exit("CuPy behaves otherwise now")
PYTHON
export CUPY_CACHE_DIR="$folder/cache"
venv/bin/python seen.py
