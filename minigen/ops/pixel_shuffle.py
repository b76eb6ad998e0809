"""Pixels from channels and back: sub-pixel convolution's last step (Shi et al. 2016, arXiv:1609.05158).

Imports: tensor. Read next: ``padding.py``.
"""

from __future__ import annotations

from minigen.autograd import Tensor, as_tensor
from minigen.ops.shape import reshape, transpose
from minigen.shapes import whole_number


def pixel_shuffle(x: Tensor, upscale_factor: int) -> Tensor:
    """r * r channels become a block of r x r pixels: (N, C*r*r, H, W) -> (N, C, H*r, W*r)."""
    x, r = as_tensor(x), whole_number("pixel_shuffle", "upscale_factor", upscale_factor, 1)
    if x.ndim != 4 or x.shape[1] % (r * r):
        raise ValueError(
            f"pixel_shuffle: expected x (N, C*{r * r}, H, W) for upscale_factor={r}, got {x.shape}; "
            f"let the layer before it make a multiple of {r * r} channels"
        )
    N, C, H, W = x.shape
    blocks = reshape(x, (N, C // (r * r), r, r, H, W))
    return reshape(transpose(blocks, (0, 1, 4, 2, 5, 3)), (N, C // (r * r), H * r, W * r))


def pixel_unshuffle(x: Tensor, downscale_factor: int) -> Tensor:
    """Blocks of r x r pixels become r * r channels: (N, C, H*r, W*r) -> (N, C*r*r, H, W); undoes `pixel_shuffle`."""
    x, r = as_tensor(x), whole_number("pixel_unshuffle", "downscale_factor", downscale_factor, 1)
    if x.ndim != 4 or x.shape[2] % r or x.shape[3] % r:
        raise ValueError(
            f"pixel_unshuffle: expected x (N, C, H*{r}, W*{r}) for downscale_factor={r}, got {x.shape}; "
            "pad the images or cut them"
        )
    N, C, H, W = x.shape
    blocks = reshape(x, (N, C, H // r, r, W // r, r))
    return reshape(transpose(blocks, (0, 1, 3, 5, 2, 4)), (N, C * r * r, H // r, W // r))


__all__ = ["pixel_shuffle", "pixel_unshuffle"]
