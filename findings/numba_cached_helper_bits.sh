#!/usr/bin/env bash
# Numba 0.68.1 (llvmlite 0.50.0, NumPy 2.4.6, Python 3.11, x86-64 with AVX2): with cache=True a function can compute other
# bits in the process that compiles it than in all later ones, which load it.
#
# When: a cached function calls another compiled function that is too large to be inlined, under fastmath flags that let
# LLVM reorder sums ("reassoc").
#
# Why: Numba links the callee into the caller's object as a copy (linkage linkonce_odr, a weak symbol) and runs the whole
# optimiser over it, though it was optimised before as a module of its own. The second run reorders sums further. The
# callee's own object and the copy have one symbol name, and of weak definitions MCJIT keeps the first that it meets:
# - where the caller is compiled, the callee's own object was added first, and the caller jumps to it, not to its copy;
# - where the caller is loaded, nothing else was added, and the copy runs.
# Two cached callers have a copy each, so it also matters which one a process loads first.
#
# What helps: forceinline=True on the callee (then there is no copy), or no "reassoc". minigen makes the copies private
# instead: kernels/minigen_kernels/cpu/jit.py.
#
# Run: bash findings/numba_cached_helper_bits.sh. It makes a virtual environment in a temporary folder (some 150 MB from
# the package index), and takes about a minute. Exit code 0: Numba still behaves as seen; 1: it does not.
#
# Seen:
#   loaded from the cache: in the first process 0 of 1, in the second 1 of 1
#   197 sums, of which 58 differ between the two processes
#   the first: 18 numbers, 3.2063339 compiled, 3.2063336 loaded
#   with the callee inlined 0 differ
#   copies of the callee in the caller's object, as compiled: ['linkonce_odr']
#   as seen before
set -euo pipefail
case "$(uname -m)" in x86_64) ;; *) echo "this was seen on x86-64 only"; exit 1 ;; esac
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check numba==0.68.1 llvmlite==0.50.0 numpy==2.4.6
unset "${!NUMBA_@}" 2>/dev/null || true
# The same code on every machine: instructions up to AVX2, not those of the newest processor.
export NUMBA_CPU_NAME=x86-64-v3 NUMBA_CPU_FEATURES=

cat > sums.py <<'PYTHON'
import json
import sys

import numba
import numpy as np

FLAGS = {"reassoc", "contract", "nsz", "arcp"}


@numba.njit(cache=True, fastmath=FLAGS)
def callee(x):
    mean = np.float32(0)
    for i in range(x.size):
        mean += x[i]
    mean /= np.float32(x.size)
    total = np.float32(0)
    for i in range(x.size):
        total += mean * x[i]
    return total


@numba.njit(cache=True, fastmath=FLAGS)
def caller(x):
    return callee(x) + callee(x[1:]) + callee(x[:3])


@numba.njit(cache=True, fastmath=FLAGS, forceinline=True)
def inlined(x):  # the same once more: Numba's cache does not tell apart two decorations of one function
    mean = np.float32(0)
    for i in range(x.size):
        mean += x[i]
    mean /= np.float32(x.size)
    total = np.float32(0)
    for i in range(x.size):
        total += mean * x[i]
    return total


@numba.njit(cache=True, fastmath=FLAGS)
def inlining_caller(x):
    return inlined(x) + inlined(x[1:]) + inlined(x[:3])


x = np.random.default_rng(0).standard_normal(200).astype(np.float32)
found = {f.__name__: [float(f(x[:n])) for n in range(3, 200)] for f in (caller, inlining_caller)}
found["hits"] = sum(caller.stats.cache_hits.values())
(code,) = caller.overloads.values()
found["copies"] = [
    f.linkage.name for f in code.library._final_module.functions if "6callee" in f.name and not f.is_declaration
]
json.dump(found, open(sys.argv[1], "w"))
PYTHON

NUMBA_CACHE_DIR=cache venv/bin/python sums.py compiled.json
NUMBA_CACHE_DIR=cache venv/bin/python sums.py loaded.json
venv/bin/python - <<'PYTHON'
import json
import sys

compiled, loaded = json.load(open("compiled.json")), json.load(open("loaded.json"))


def differing(name):
    return [i for i, (a, b) in enumerate(zip(compiled[name], loaded[name])) if a != b]


different, inlined = differing("caller"), differing("inlining_caller")
print(f"loaded from the cache: in the first process {compiled['hits']} of 1, in the second {loaded['hits']} of 1")
print(f"{len(compiled['caller'])} sums, of which {len(different)} differ between the two processes")
for i in different[:1]:
    print(f"the first: {i + 3} numbers, {compiled['caller'][i]:.8} compiled, {loaded['caller'][i]:.8} loaded")
print(f"with the callee inlined {len(inlined)} differ")
print(f"copies of the callee in the caller's object, as compiled: {compiled['copies']}")
as_seen = (compiled["hits"], loaded["hits"]) == (0, 1) and different and not inlined and len(compiled["copies"]) == 1
print("as seen before" if as_seen else "Numba behaves otherwise now")
sys.exit(0 if as_seen else 1)
PYTHON
