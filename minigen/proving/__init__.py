"""``minigen prove``: does all of minigen compute right on this device?

    from minigen.proving import prove
    proof = prove("cuda")
    assert proof.passed, proof.faults

Read next: ``procedure.py``, all steps in their order.
"""

from minigen.proving.procedure import prove
from minigen.proving.record import Fault, Proof, Row

__all__ = ["Fault", "Proof", "Row", "prove"]
