"""What is kept over many steps, in CUDA: one launch for all that a step adds to.

Imports: ``launch.py``; the check of arguments from ``reference``. Specification: the same file there. Read next:
``running.cu``, ``random.py``.
"""

from __future__ import annotations

from minigen_kernels import Array, Arrays
from minigen_kernels.cuda.launch import contiguous, launch_together
from minigen_kernels.cuda.plan import MOST_ARRAYS
from minigen_kernels.reference.running import check_running


def average_update(average: Arrays, value: Arrays, count: Array, decay: float, copied: int) -> None:
    """a <- a + (v - a) rest, but a <- v for the last `copied` of a list."""
    averages, values = check_running("average_update", average, value)
    values = [contiguous(v) for v in values]
    for first in range(0, len(averages), MOST_ARRAYS):
        few = slice(first, first + MOST_ARRAYS)
        averaged = max(0, len(averages) - copied - first)
        launch_together("running.cu", "average_kernel", [averages[few], values[few]], count, decay, averaged)


def total_update(total: Arrays, term: Arrays, weight: float) -> None:
    """t <- t + weight x, in float64."""
    totals, terms = check_running("total_update", total, term)
    launch_together("running.cu", "totals_kernel", [totals, [contiguous(x) for x in terms]], float(weight))
