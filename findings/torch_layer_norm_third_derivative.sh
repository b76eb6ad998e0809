#!/usr/bin/env bash
# PyTorch 2.13.0 (CPU): the third derivative of torch.nn.functional.layer_norm is wrong, without a word. The first and
# the second agree with the same formula written in elementary operations; the third does not, and a central difference
# of the second sides with the formula. It concerns float64 too, so it is no rounding.
#
# Likely why: the second derivative is a hand-written formula in which the saved mean and inverse standard deviation
# stand for functions of the input. As saved tensors they are constants to whatever is derived from it.
#
# Who meets it: penalties on the curvature of a network with layer norm, and checks of third derivatives.
#
# Run: bash findings/torch_layer_norm_third_derivative.sh. It makes a virtual environment in a temporary folder and
# installs the CPU build of PyTorch where the package index offers one. Exit code 0: as seen; 1: PyTorch behaves otherwise.
#
# Seen: relative difference from the formula, by order
#   1: 1e-16
#   2: 4e-16
#   3: 0.48
#   along a direction: layer_norm -2.47898, formula -7.25863, central difference -7.25863
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
from torch.nn.functional import layer_norm

torch.manual_seed(0)
draw = lambda *shape: torch.randn(*shape, dtype=torch.float64)
x, weight, bias = draw(3, 5).requires_grad_(True), draw(5), draw(5)
cotangents = [draw(3, 5) for _ in range(3)]


def formula(x):
    centred = x - x.mean(-1, keepdim=True)
    return centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + 1e-5) * weight + bias


def derivatives(f, x):
    """Orders 1 to 3, each along the cotangent of the order before."""
    values, y = [], f(x)
    for cotangent in cotangents:
        (y,) = torch.autograd.grad((y * cotangent).sum(), x, create_graph=True)
        values.append(y.detach())
    return values


fused = derivatives(lambda x: layer_norm(x, (5,), weight, bias, 1e-5), x)
plain = derivatives(formula, x)
errors = [float((a - b).norm() / b.norm()) for a, b in zip(fused, plain)]
print("relative difference from the formula, by order")
for order, error in enumerate(errors, 1):
    print(f"  {order}: {error:.0e}" if error < 1e-9 else f"  {order}: {error:.2f}")
direction, step = draw(3, 5), 1e-5
ends = [derivatives(formula, (x.detach() + s * step * direction).requires_grad_(True))[1] for s in (1, -1)]
numeric = float(((ends[0] - ends[1]) * cotangents[2]).sum()) / (2 * step)
along = [float((third * direction).sum()) for third in (fused[2], plain[2])]
print(f"along a direction: layer_norm {along[0]:.6g}, formula {along[1]:.6g}, central difference {numeric:.6g}")
as_seen = max(errors[:2]) < 1e-12 and errors[2] > 0.1 and abs(along[1] - numeric) < 1e-6 * abs(numeric)
print("as seen before" if as_seen else "PyTorch behaves otherwise now")
sys.exit(0 if as_seen else 1)
PYTHON
