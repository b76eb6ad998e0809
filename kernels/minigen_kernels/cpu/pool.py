"""Placeholder until the Numba version is in."""
from minigen_kernels.reference.pool import max_pool2d, plane_gather, plane_scatter, avg_pool2d, avg_pool2d_adjoint  # noqa: F401
