"""Placeholder until the Numba version is in."""
from minigen_kernels.reference.conv import conv2d, conv_transpose2d, conv2d_weight_grad  # noqa: F401
