"""A few words about the numbers of an array, for ``repr``: all of them if they are few, else range and mean.

Imports: NumPy. Read next: ``tensor.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from minigen_kernels import Array

FEW = 20  # so many numbers are shown one by one


def describe(x: Array) -> list[str]:
    """The numbers of a NumPy array, or their range and mean; and a loud mark for those that are not finite."""
    if not x.size:
        return []
    finite = np.isfinite(x)
    good = x[finite]
    if x.size <= FEW:
        parts = [_written(x.ravel()[0] if x.size == 1 else x)]
    elif good.size:
        with np.errstate(over="ignore"):  # the sum of huge numbers may be Inf, which is no reason to warn
            mean = good.mean(dtype=np.float64)
        parts = [f"range [{good.min():.4g}, {good.max():.4g}]", f"mean {mean:.4g}"]
    else:
        parts = []
    if not finite.all():
        nan = int(np.isnan(x).sum())
        inf = x.size - int(finite.sum()) - nan
        parts += [f"!!! {n} {name} !!!" for n, name in ((nan, "NaN"), (inf, "Inf")) if n]
    return parts


def _written(x: Any) -> str:
    """An array as nested lists, in one line."""
    if np.ndim(x):
        return f"[{', '.join(map(_written, x))}]"
    return f"{x:.6g}" if x.dtype.kind == "f" else str(x)
