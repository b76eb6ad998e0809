"""A step of training taken apart: each operation, its kernel, FLOPs, bytes, time, and what bounds it. `explain_step`.

Read next: ``explain.py``, then ``watch.py`` and ``costs.py``.
"""

from minigen.anatomy.explain import explain_step
from minigen.anatomy.result import Anatomy
from minigen.anatomy.rows import Row, Total

__all__ = ["Anatomy", "Row", "Total", "explain_step"]
