#!/usr/bin/env bash
# Numba 0.68.1: the key of the on-disk cache leaves out the options of the decorator. Two functions made from one Python
# function with cache=True and other options (here fastmath) share an entry: the one that is compiled second loads the
# code of the first, without a word, and keeps on doing so in later processes.
#
# Here `strict` must say that NaN is not a number. Made after `fast` (fastmath, which lets LLVM assume that there is no
# NaN), it answers as `fast` does.
#
# What helps: give every set of options a Python function of its own (another name or line), or leave out cache=True.
#
# Run: bash findings/numba_cache_ignores_options.sh. It makes a virtual environment in a temporary folder. Exit 0: as seen.
#
# Seen: NaN counted by the strict function, and entries that it took from the cache
#   alone: 2 0
#   after the fast one: 0 1
#   alone in a later process: 0 1
#   as seen before
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check numba==0.68.1 llvmlite==0.50.0 numpy==2.4.6
unset "${!NUMBA_@}" 2>/dev/null || true

cat > twice.py <<'PYTHON'
import sys

import numba
import numpy as np


def count_nan(x):
    count = 0
    for value in x:
        if value != value:
            count += 1
    return count


fast = numba.njit(cache=True, fastmath=True)(count_nan)
strict = numba.njit(cache=True)(count_nan)
x = np.array([1.0, np.nan, np.nan])
first = fast(x) if "fast-first" in sys.argv else None
print(strict(x), sum(strict.stats.cache_hits.values()))
PYTHON

alone=$(NUMBA_CACHE_DIR=one venv/bin/python twice.py)
after=$(NUMBA_CACHE_DIR=two venv/bin/python twice.py fast-first)
later=$(NUMBA_CACHE_DIR=two venv/bin/python twice.py)
echo "NaN counted by the strict function, and entries that it took from the cache"
echo "  alone: $alone"
echo "  after the fast one: $after"
echo "  alone in a later process: $later"
if [ "$alone" = "2 0" ] && [ "$after" = "0 1" ] && [ "$later" = "0 1" ]; then
  echo "as seen before"
else
  echo "Numba behaves otherwise now"; exit 1
fi
