#!/usr/bin/env bash
# NumPy 2.4.6: a sum of two images of one shape takes some four times as long if the channels of one are last in memory
# and those of the other first; and the result has its channels first, whichever of the two comes first. So one array
# in the other layout - a constant, a mask, a noise - makes an operation slow, and all that follow it are in the layout
# that was not wanted. There is no word of it.
#
# Why: a ufunc chooses one order of the axes for all operands, and orders what they disagree about as in a C-contiguous
# array. Its inner loop then runs along an axis that is strided in one operand, cell after cell from other lines of the
# cache.
#
# Who meets it: whoever keeps images channels last (PyTorch's memory_format, ONNX's and TensorFlow's NHWC) as views
# (N, C, H, W), as np.moveaxis makes them.
#
# What helps: convert one operand first, by a blocked transpose; np.ascontiguousarray is not one, and takes as long as
# the slow sum.
#
# Run: bash findings/numpy_two_layouts_of_images.sh. It makes a virtual environment in a temporary folder. Exit code 0:
# as seen. It fails if the result has another layout, or the mixed sum takes less than twice as long.
#
# Seen (AMD EPYC, Zen 3, one core):
#   NumPy 2.4.6, images (64, 64, 32, 32) in float32
#   both first:  1.2 ms, result first
#   both last:   1.8 ms, result last
#   first + last: 6.8 ms, result first
#   last + first: 6.7 ms, result first
#   as seen before
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check numpy==2.4.6

cat > seen.py <<'PYTHON'
import sys
import time

import numpy as np

N, C, H, W = 64, 64, 32, 32
rng = np.random.default_rng(0)
first = [rng.random((N, C, H, W), dtype=np.float32) for _ in range(2)]
last = [np.moveaxis(rng.random((N, H, W, C), dtype=np.float32), 3, 1) for _ in range(2)]


def layout(x):
    return "first" if x.flags.c_contiguous else "last" if np.moveaxis(x, 1, 3).flags.c_contiguous else "neither"


def shortest(a, b):
    found = []
    for _ in range(30):
        start = time.perf_counter()
        a + b
        found.append(time.perf_counter() - start)
    return 1000 * min(found)


print(f"NumPy {np.__version__}, images {(N, C, H, W)} in float32")
ms, result = {}, {}
for what, a, b in (
    ("both first: ", *first), ("both last:  ", *last),
    ("first + last:", first[0], last[0]), ("last + first:", last[0], first[0]),
):
    ms[what], result[what] = shortest(a, b), layout(a + b)
    print(f"{what} {ms[what]:.1f} ms, result {result[what]}")
same, mixed = list(ms.values())[:2], list(ms.values())[2:]
if list(result.values()) == ["first", "last", "first", "first"] and min(mixed) > 2 * max(same):
    print("as seen before")
else:
    sys.exit("NumPy behaves otherwise now")
PYTHON
venv/bin/python seen.py
