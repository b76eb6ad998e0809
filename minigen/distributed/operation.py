"""A sum over replicas as an operation with gradients of every order: what statistics of a whole batch are made of.

Imports: autograd, replicas. Read next: ``minigen/nn/normalization.py``.
"""

from __future__ import annotations

from minigen.autograd import Function, Tensor
from minigen.distributed.replicas import Replica
from minigen_kernels import Array


class TotalOverReplicas(Function):
    """y = x_0 + x_1 + ..., the x of all replicas, the same in each of them.

    The loss of every replica depends on the x of each, so the gradient of x is the sum of the gradients that the
    replicas have of y: this operation again, which gives the derivatives of every order. All replicas call it, and
    differentiate it, in the same order; equal graphs do.
    """

    replica: Replica

    def forward(self, x: Array) -> Array:
        return self.replica.total([x])[0]

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return total_over_replicas(gy, self.replica)


def total_over_replicas(x: Tensor, replica: Replica) -> Tensor:
    """The sum of x over all replicas, in their order."""
    return TotalOverReplicas.apply(x, replica=replica)
