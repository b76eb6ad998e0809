#!/usr/bin/env bash
# NumPy copies an array that lies in the cache at a twelfth of its speed, if the target begins 1 to 63 bytes after the
# source, modulo 4096.
# NumPy 2.4.6, glibc 2.36, AMD EPYC (Zen 3), 30 November 2026. Exits with 1 where the copy takes less than three times
# as long.
#
# What was seen: np.copyto of 256 kB, between arrays that begin at a page: 70 GB/s (read and written). With the target 16
# bytes further: 6 GB/s; 64 bytes further: 70 GB/s again. It is the difference modulo 4096 that counts: with the source
# 16 bytes further, too, all is well. What np.ones returns begins at any multiple of 16, so a copy is slow by chance,
# and so is a benchmark that divides by the speed of "a copy".
#
# Why: NumPy calls memcpy. From about 2 kB on, glibc's copies by the instruction `rep movsb` on this processor, and that
# is slow there where source and target lie so. GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=100000000 (bytes) in
# the environment makes it copy by vectors: 70 GB/s for all.
# Sources: glibc, sysdeps/x86_64/multiarch/memmove-vec-unaligned-erms.S; glibc bug 30994
# ("page aliasing"), and https://lunnova.dev/articles/ryzen-slow-short-rep-mov/.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q numpy==2.4.6
cat > "$folder/copy.py" <<'PYTHON'
import platform
import time

import numpy as np

SIZE = 1 << 18


def page(offset):
    """SIZE bytes that begin so many bytes after the begin of a page."""
    memory = np.ones(SIZE + 8192, np.uint8)
    start = -memory.ctypes.data % 4096 + offset
    return memory[start : start + SIZE]


def speed(offset_of_source, offset_of_target):
    source, target, best = page(offset_of_source), page(offset_of_target), float("inf")
    for _ in range(300):
        begun = time.perf_counter()
        np.copyto(target, source)
        best = min(best, time.perf_counter() - begun)
    return 2 * SIZE / best / 1e9


print("NumPy", np.__version__, *platform.libc_ver())
speeds = {offsets: speed(*offsets) for offsets in ((0, 0), (0, 16), (0, 64), (16, 16), (16, 32))}
for (source, target), rate in speeds.items():
    print(f"source at {source:2}, target at {target:2} bytes of a page: {rate:5.1f} GB/s")
raise SystemExit(speeds[0, 0] < 3 * speeds[0, 16])
PYTHON
"$folder/venv/bin/python" "$folder/copy.py" || code=$?
echo "and with copies by vectors:"
GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=100000000 "$folder/venv/bin/python" "$folder/copy.py" || true
exit "${code:-0}"
