"""Images at any other size: interpolate, a closed family as pooling is.

    nearest    <-> nearest_adjoint
    bilinear   <-> bilinear_adjoint

Imports: autograd, conv (for `pair`), kernels. Read next: ``norm.py``.
"""

from __future__ import annotations

import math
import numbers
from typing import Any, Literal

from minigen.autograd import Function, Tensor, as_tensor
from minigen.ops.conv import pair
from minigen.shapes import flag, one_of
from minigen_kernels import Array, Pair, Step, for_array

Mode = Literal["nearest", "bilinear"]


class Nearest(Function):
    out_hw: Pair
    step: Step

    def forward(self, x: Array) -> Array:
        return for_array(x).interpolate_nearest2d(x, self.out_hw, self.step)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.interpolate(x, self.forward)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return NearestAdjoint.apply(gy, hw=self.inputs[0].shape[2:], step=self.step)


class NearestAdjoint(Function):
    hw: Pair
    step: Step

    def forward(self, g: Array) -> Array:
        return for_array(g).interpolate_nearest2d_adjoint(g, self.hw, self.step)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return Nearest.apply(gy, out_hw=self.inputs[0].shape[2:], step=self.step)


class Bilinear(Function):
    out_hw: Pair
    step: Step
    align_corners: bool

    def forward(self, x: Array) -> Array:
        return for_array(x).interpolate_bilinear2d(x, self.out_hw, self.step, self.align_corners)

    def onnx(self, graph: Any, x: Any) -> Any:
        return graph.interpolate(x, self.forward)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        geometry = dict(step=self.step, align_corners=self.align_corners)
        return BilinearAdjoint.apply(gy, hw=self.inputs[0].shape[2:], **geometry)


class BilinearAdjoint(Function):
    hw: Pair
    step: Step
    align_corners: bool

    def forward(self, g: Array) -> Array:
        return for_array(g).interpolate_bilinear2d_adjoint(g, self.hw, self.step, self.align_corners)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        geometry = dict(step=self.step, align_corners=self.align_corners)
        return Bilinear.apply(gy, out_hw=self.inputs[0].shape[2:], **geometry)


def interpolate(
    x: Tensor,
    size: int | Pair | None = None,
    scale_factor: float | tuple[float, float] | None = None,
    mode: Mode = "nearest",
    align_corners: bool = False,
) -> Tensor:
    """Images at another size, larger or smaller: (N, C, H, W) -> (N, C, oh, ow).

    Either `size` says (oh, ow), one number for both, or `scale_factor` by how much: oh = floor(H * scale_factor).
    "nearest" repeats or leaves out pixels; "bilinear" draws straight lines between their centres. Pixels are tiles,
    whose outer edges stay where they are; with `align_corners` the outer centres do. As
    ``torch.nn.functional.interpolate`` of float32 images, to the pixel. Nothing is averaged: to make images much
    smaller without aliasing, use `avg_pool2d` first.
    """
    x = as_tensor(x)
    if x.ndim != 4:
        raise ValueError(f"interpolate: expected x (N, C, H, W), got {x.shape}")
    one_of("interpolate", "mode", mode, ("nearest", "bilinear"))
    align_corners = flag("interpolate", "align_corners", align_corners)
    if mode == "nearest" and align_corners:
        raise ValueError("interpolate: align_corners goes with mode 'bilinear'; 'nearest' has no corners to align")
    hw = x.shape[2:]
    if min(hw) < 1:
        raise ValueError(f"interpolate: images {hw} have no pixel")
    out, factors = output_size(hw, size, scale_factor)
    if mode == "nearest":
        step = tuple(_nearest_step(n, o, f) for n, o, f in zip(hw, out, factors, strict=True))
        return Nearest.apply(x, out_hw=out, step=step)
    if align_corners:
        step = tuple((n - 1) / (o - 1) if o > 1 else 0.0 for n, o in zip(hw, out, strict=True))
    else:
        step = tuple(_bilinear_step(n, o, f) for n, o, f in zip(hw, out, factors, strict=True))
    return Bilinear.apply(x, out_hw=out, step=step, align_corners=align_corners)


def output_size(
    hw: tuple[int, ...], size: int | Pair | None, scale_factor: float | tuple[float, float] | None
) -> tuple[Pair, tuple[float | None, float | None]]:
    """(oh, ow) from either argument, and the factors, (None, None) where a size was given. Checks both."""
    if (size is None) == (scale_factor is None):
        raise ValueError(f"interpolate: give size or scale_factor, one of them; got {size} and {scale_factor}")
    if scale_factor is None:
        assert size is not None
        return pair("interpolate", "size", size, 1), (None, None)
    down, across = factor_pair("interpolate", scale_factor)
    out = math.floor(hw[0] * down), math.floor(hw[1] * across)
    if min(out) < 1:
        raise ValueError(f"interpolate: scale_factor {scale_factor} leaves no pixel of images {hw}")
    return out, (down, across)


def factor_pair(name: str, scale_factor: float | tuple[float, float]) -> tuple[float, float]:
    """A scale factor as (vertical, horizontal), both finite and above 0."""
    both = tuple(scale_factor) if isinstance(scale_factor, (tuple, list)) else (scale_factor, scale_factor)
    if len(both) != 2 or any(
        isinstance(f, bool) or not isinstance(f, numbers.Real) or not 0 < f < math.inf for f in both
    ):
        raise ValueError(f"{name}: scale_factor is a number above 0, or a pair of them; got {scale_factor!r}")
    return float(both[0]), float(both[1])


def _nearest_step(n: int, o: int, factor: float | None) -> float:
    """As in PyTorch, which divides in float32, and takes a size that is equal or double by itself."""
    if o in (n, 2 * n):
        return n / o
    return n / o if factor is None else 1 / factor


def _bilinear_step(n: int, o: int, factor: float | None) -> float:
    """As in PyTorch: an axis whose length stays is left as it is, even by a factor such as 1.1 of 6 pixels."""
    return n / o if factor is None or o == n else 1 / factor


__all__ = ["interpolate"]
