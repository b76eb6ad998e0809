#!/usr/bin/env bash
# prdc 0.2: a perfect copy of a data set scores 0 in precision, recall, density and coverage, if every sample is in it
# more than k times.
#
# Why: a sample counts as inside of a ball if its distance is strictly below the radius, the distance to the k-th
# neighbour. Among k + 1 equal samples that radius is 0, and no distance is below 0. Even without repeated samples the
# k-th neighbour itself, which lies on the surface, is not counted in the density. (Where the distances of equal samples
# are rounded, the scores are small numbers in place of 0.)
#
# Who meets it: data sets with repeated images (empty tiles, padding, oversampled classes), and generators that collapse,
# where the score of a copy would be 1 by the definition with closed balls.
#
# Run: bash findings/prdc_repeated_samples.sh. It makes a virtual environment in a temporary folder. Exit code 0: as seen;
# 1: prdc behaves otherwise.
#
# Seen: precision, recall, density, coverage of 20 samples and themselves, k = 3
#   each 1 times: 1 1 0.867 1
#   each 3 times: 1 1 1 1
#   each 4 times: 0 0 0 0
#   as seen before
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check prdc==0.2 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import sys

import numpy as np
from prdc import compute_prdc

some = np.array([[i, j * j] for i in range(4) for j in range(5)], float)  # whole numbers: distances are exact
print("precision, recall, density, coverage of 20 samples and themselves, k = 3")
found = {}
for times in (1, 3, 4):
    x = np.repeat(some, times, 0)
    scores = compute_prdc(x, x, nearest_k=3)
    found[times] = [float(scores[name]) for name in ("precision", "recall", "density", "coverage")]
    print(f"each {times} times:", *(f"{score:.3g}" for score in found[times]))
as_seen = found[4] == [0, 0, 0, 0] and found[1][:2] == [1, 1]
print("as seen before" if as_seen else "prdc behaves otherwise now")
sys.exit(0 if as_seen else 1)
PYTHON
