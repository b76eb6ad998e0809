#!/usr/bin/env bash
# PyTorch 2.13.0 (CPU): which column torch.nn.functional.interpolate(mode="nearest") takes for a pixel of the result
# depends on the height of the result. Widths 26 -> 22, float64: column 11 of the result is column 13 of the image
# (11 * 26 / 22 = 13 exactly) where the height goes from 2 to 123, and column 12 where it goes from 2 to 3.
#
# Likely why: there are two ways through the code, chosen by the sizes (seen: by height + width of the result, up to 128
# and above). One computes 11 * (26 / 22) in double precision,
# where the quotient is rounded and the product can fall short of 13; the other divides whole numbers or rounds otherwise.
#
# Who meets it: tests that hold a nearest-neighbour resize to PyTorch pixel by pixel, and models whose masks and images
# are resized to different heights.
#
# Run: bash findings/torch_nearest_column_depends_on_height.sh. It makes a virtual environment in a temporary folder and
# installs PyTorch. Exit code 0: as seen; 1: PyTorch behaves otherwise.
#
# Seen:
#   column taken for column 11 of 22: to height 123 13, to height 3 12
#   widths up to 32 at which the two heights disagree: 1 of 1024
#   as seen before
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check torch==2.13.0 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import sys

import torch


def columns(width, wanted, height):
    """The columns of an image 2 x `width` that a row of its resize to `height` x `wanted` is made of."""
    image = torch.arange(width, dtype=torch.float64).expand(1, 1, 2, width)
    return torch.nn.functional.interpolate(image, (height, wanted))[0, 0, 0].int().tolist()


tall, low = columns(26, 22, 123)[11], columns(26, 22, 3)[11]
print(f"column taken for column 11 of 22: to height 123 {tall}, to height 3 {low}")
sizes = [(a, b) for a in range(1, 33) for b in range(1, 33)]
differing = sum(columns(a, b, 123) != columns(a, b, 3) for a, b in sizes)
print(f"widths up to 32 at which the two heights disagree: {differing} of {len(sizes)}")
as_seen = (tall, low) == (13, 12) and differing > 0
print("as seen before" if as_seen else "PyTorch behaves otherwise now")
sys.exit(0 if as_seen else 1)
PYTHON
