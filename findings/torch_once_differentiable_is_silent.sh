#!/usr/bin/env bash
# PyTorch 2.13.0 (CPU): a Function whose backward is marked @once_differentiable can be differentiated twice, without a
# word, and the result lacks a term. The mark is there so that this raises. It does so only if `.backward()` is called
# and the gradient that arrives at the Function itself requires one. `torch.autograd.grad(..., inputs)` never raises.
#
# Likely why: the marked backward runs without recording. Its result is then given a node that raises when it is reached.
# That node is left out when the incoming gradient is a constant (the Function is the last step, a loss say); and since
# it leads to no input, `torch.autograd.grad` for given inputs never runs it. The missing way through the saved tensors
# counts as zero.
#
# Who meets it: gradient penalties and Hessian-vector products through a fused layer or loss of somebody else, which is
# marked as it should be.
#
# Run: bash findings/torch_once_differentiable_is_silent.sh. It makes a virtual environment in a temporary folder and
# installs the CPU build of PyTorch where the package index offers one. Exit code 0: as seen; 1: PyTorch behaves otherwise.
#
# Seen, for the second derivative d/dw d/dx at w = 2, x = 3:
#   (w x)^2, autograd.grad: marked 12, right 24
#   (w x)^2, backward:      marked 12, right 24
#   w (w x)^2, autograd.grad: marked 24, right 72
#   w (w x)^2, backward:      marked RuntimeError, right 72
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
from torch.autograd.function import once_differentiable


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    @once_differentiable
    def backward(ctx, gy):
        (x,) = ctx.saved_tensors
        return gy * 2 * x


def mixed(square, outer, way):
    """d/dw d/dx, or the name of the exception."""
    w, x = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (2.0, 3.0))
    y = square(w * x)
    (gx,) = torch.autograd.grad(w * y if outer else y, x, create_graph=True)
    try:
        if way == "backward":
            gx.backward()
            return w.grad.item()
        return torch.autograd.grad(gx, w)[0].item()
    except RuntimeError as error:
        return type(error).__name__


seen = []
for outer, name in ((False, "(w x)^2"), (True, "w (w x)^2")):
    for way in ("autograd.grad", "backward"):
        marked, right = mixed(Square.apply, outer, way), mixed(lambda x: x * x, outer, way)
        show = lambda value: value if isinstance(value, str) else f"{value:g}"
        print(f"{name}, {way + ':':<14} marked {show(marked)}, right {show(right)}")
        seen.append((marked, right))
as_seen = seen == [(12, 24), (12, 24), (24, 72), ("RuntimeError", 72)]
print("as seen before" if as_seen else "PyTorch behaves otherwise now")
sys.exit(0 if as_seen else 1)
PYTHON
