"""The rates of a machine, given, for tests that are about steps.

Read next: ``test_explain.py``.
"""

from minigen.anatomy.machine import Rates

RATES = Rates("a machine", 1e11, ((1 << 15, 5e10), (1 << 25, 1e10)), 1e-6)
