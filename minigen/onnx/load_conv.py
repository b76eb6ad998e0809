"""ONNX operators that look through a window: convolutions and poolings of images and sequences.

The Functions of `ops` are given the padding before the first element and the size of the result, so what differs
between the two ends needs no padding of its own: what lies outside counts as zero (for a maximum: is not looked at).

Imports: autograd, ops, load_node, load_elementwise. Read next: ``load_norm.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from minigen import ops
from minigen.autograd import Tensor
from minigen.onnx.load_elementwise import Operator
from minigen.onnx.load_node import Node, numbers
from minigen.ops.bias_act import IDENTITY
from minigen.ops.conv_functions import Conv2d, ConvAct, ConvTranspose2d
from minigen.ops.pool import AvgPool2d, MaxPool2d

AUTO_PAD = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")


@dataclass(frozen=True)
class Window:
    """The geometry of an operator, for images; of a sequence, which is an image of height 1, too."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    pads: tuple[tuple[int, int], tuple[int, int]]  # (before, after) for each axis, as the file gives them
    auto: str

    @property
    def span(self) -> tuple[int, int]:
        """How far a window reaches."""
        a, b = (d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))
        return a, b


def image(node: Node, x: Tensor) -> Tensor:
    """A sequence as an image of height 1; an image as it is. LoadError for anything else."""
    if x.ndim not in (3, 4):
        raise node.refuse(
            f"a value of shape {x.shape} is neither images (N, C, H, W) nor sequences (N, C, L), which are what "
            "minigen has windows for"
        )
    return x if x.ndim == 4 else ops.reshape(x, (*x.shape[:2], 1, x.shape[2]))


def window(node: Node, kernel: tuple[int, ...], axes: int) -> Window:
    """The geometry that the attributes give; `axes` is 3 for sequences, 4 for images."""

    def both(name: str, default: int, each: int = 1) -> list[int]:
        values = list(node.get(name, [default] * (axes - 2) * each))
        if len(values) != (axes - 2) * each:
            raise node.error(f"{name}={values} does not fit a value with {axes} axes")
        return values

    kernel = tuple(node.get("kernel_shape", kernel))
    if len(kernel) != axes - 2 or min(kernel) < 1:
        raise node.error(f"kernel_shape={list(kernel)} does not fit a value with {axes} axes")
    stride, dilation, pads = both("strides", 1), both("dilations", 1), both("pads", 0, 2)
    if min(*stride, *dilation) < 1 or min(pads) < 0:
        raise node.error(f"strides={stride}, dilations={dilation} or pads={pads} are too small")
    pairs = list(zip(pads[: axes - 2], pads[axes - 2 :], strict=True))
    if axes == 3:
        kernel, stride, dilation, pairs = (1, *kernel), [1, *stride], [1, *dilation], [(0, 0), *pairs]
    auto = node.choice("auto_pad", "NOTSET", AUTO_PAD)
    return Window(
        (kernel[0], kernel[1]), (stride[0], stride[1]), (dilation[0], dilation[1]), (pairs[0], pairs[1]), auto
    )


def result(node: Node, w: Window, hw: tuple[int, ...], ceil_mode: bool) -> tuple[list[int], list[tuple[int, int]]]:
    """The size of the result of a convolution or pooling, and the padding (before, after) that leads to it."""
    out, pads = list[int](), list[tuple[int, int]]()
    for n, span, step, (before, after) in zip(hw, w.span, w.stride, w.pads, strict=True):
        if w.auto.startswith("SAME"):
            o = -(-n // step)
            total = max((o - 1) * step + span - n, 0)
            before = total // 2 if w.auto == "SAME_UPPER" else total - total // 2
            after = total - before
        else:
            before, after = (0, 0) if w.auto == "VALID" else (before, after)
            free = n + before + after - span
            o = (-(-free // step) if ceil_mode else free // step) + 1
            if ceil_mode and (o - 1) * step >= n + before:  # a window that starts in the padding behind holds nothing
                o -= 1
        if o < 1:
            raise node.error(f"images {hw} with pads {w.pads} are smaller than the window's span {w.span}")
        out.append(o)
        pads.append((before, after))
    return out, pads


def back(x: Tensor, axes: int) -> Tensor:
    """What `image` made an image, a sequence again."""
    return x if axes == 4 else ops.reshape(x, (*x.shape[:2], x.shape[3]))


def _conv(node: Node, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    groups, of_x, of_w = node.whole("group", 1), image(node, x), image(node, w)
    if x.ndim != w.ndim or x.shape[1] != w.shape[1] * groups or w.shape[0] % groups:
        raise node.error(f"x of shape {x.shape} and w of shape {w.shape} do not fit with group={groups}")
    geometry = window(node, w.shape[2:], x.ndim)
    out, pads = result(node, geometry, of_x.shape[2:], False)
    return back(_convolved(node, Conv2d, (of_x, of_w, b), geometry, out, [a for a, _ in pads], groups), x.ndim)


def _conv_transpose(node: Node, x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    groups, of_x, of_w = node.whole("group", 1), image(node, x), image(node, w)
    if x.ndim != w.ndim or x.shape[1] != w.shape[0] or w.shape[0] % groups:
        raise node.error(f"x of shape {x.shape} and w of shape {w.shape} do not fit with group={groups}")
    geometry = window(node, w.shape[2:], x.ndim)
    out, before = _transposed_size(node, geometry, of_x.shape[2:], x.ndim)
    return back(_convolved(node, ConvTranspose2d, (of_x, of_w, b), geometry, out, before, groups), x.ndim)


def _transposed_size(node: Node, w: Window, hw: tuple[int, ...], axes: int) -> tuple[list[int], list[int]]:
    """The size of the result of a transposed convolution, and how much is cut off before it."""
    extra, asked = list(node.get("output_padding", [0] * (axes - 2))), node.get("output_shape")
    asked = None if asked is None else list(asked)[-(axes - 2) :]
    if axes == 3:
        extra, asked = [0, *extra], None if asked is None else [1, *asked]
    out, before = list[int](), list[int]()
    for i, (n, span, step, (a, b)) in enumerate(zip(hw, w.span, w.stride, w.pads, strict=True)):
        full = (n - 1) * step + span + extra[i]
        if asked is not None or w.auto.startswith("SAME"):
            o = n * step if asked is None else asked[i]
            total = max(full - o, 0)
            a = total // 2 if w.auto == "SAME_UPPER" else total - total // 2
        else:
            a, b = (0, 0) if w.auto == "VALID" else (a, b)
            o = full - a - b
        if o < 1:
            raise node.error(f"pads {w.pads} leave nothing of images {hw}")
        out.append(o)
        before.append(a)
    return out, before


def _convolved(
    node: Node, kind: Any, inputs: tuple[Tensor, Tensor, Tensor | None], w: Window, out: list[int], before: list[int],
    groups: int,
) -> Tensor:  # fmt: skip
    x, weight, b = inputs
    geometry = dict(out_hw=tuple(out), stride=w.stride, padding=tuple(before), dilation=w.dilation, groups=groups)
    channels = weight.shape[0] if kind is Conv2d else weight.shape[1] * groups
    if b is None:
        return kind.apply(x, weight, **geometry)
    if b.shape != (channels,):
        raise node.error(f"a bias of shape {b.shape} does not fit {channels} channels")
    return ConvAct.apply(x, weight, b, kind=kind, geometry=geometry, fused=IDENTITY)


def _pooled(node: Node, x: Tensor) -> tuple[Tensor, Window, list[int], list[tuple[int, int]]]:
    if x.dtype.kind != "f":
        raise node.refuse(f"minigen pools float32 and float64, this is {x.dtype}")
    w = window(node, (), x.ndim) if "kernel_shape" in node.attributes else None
    if w is None:
        raise node.error("it has no kernel_shape")
    if w.dilation != (1, 1):
        raise node.refuse(f"dilations={node.get('dilations')}: poolings of minigen have none; export without it")
    of_x = image(node, x)
    out, pads = result(node, w, of_x.shape[2:], bool(node.get("ceil_mode", 0)))
    ends = zip(out, w.stride, of_x.shape[2:], w.kernel, pads, strict=True)
    if any((o - 1) * s - a >= n or a >= k for o, s, n, k, (a, _) in ends):
        raise node.error(f"a window of {w.kernel} would lie in the padding {pads} alone")
    return of_x, w, out, pads


def _max_pool(node: Node, x: Tensor) -> tuple[Tensor, Tensor]:
    of_x, w, out, pads = _pooled(node, x)
    pooling = MaxPool2d(out_hw=tuple(out), window=(w.kernel, w.stride, (pads[0][0], pads[1][0])))
    y = pooling(of_x)
    if len(node.outputs) < 2:
        return back(y, x.ndim), y
    (n, c, height, width), place = of_x.shape, pooling.index
    if node.get("storage_order", 0):
        place = place % width * height + place // width
    planes = np.arange(n * c).reshape(n, c, 1, 1) * (height * width)
    return back(y, x.ndim), back(Tensor(place + planes), x.ndim)


def _max_unpool(node: Node, x: Tensor, places: Tensor, shape: Any = None) -> Tensor:
    w, of_x = window(node, (), x.ndim), image(node, x)
    natural = [(n - 1) * s - a - b + k for n, s, (a, b), k in zip(of_x.shape[2:], w.stride, w.pads, w.kernel)]  # noqa: B905
    plane = image(node, places).data % (natural[0] * natural[1])
    y = ops.max_unpool2d(of_x, Tensor(plane), w.kernel, w.stride, output_size=(natural[0], natural[1]))
    if shape is not None:  # larger than that: zeros at the ends
        asked = [*numbers(shape)[-(x.ndim - 2) :]]
        asked = [1, *asked] if x.ndim == 3 else asked
        if any(b < a for a, b in zip(natural, asked, strict=True)):
            raise node.error(f"output_shape {numbers(shape)} is smaller than what it fills, {natural}")
        y = ops.pad(y, [(0, 0), (0, 0), *((0, b - a) for a, b in zip(natural, asked, strict=True))])
    return back(y, x.ndim)


def _average_pool(node: Node, x: Tensor) -> Tensor:
    of_x, w, out, pads = _pooled(node, x)
    counted, first = bool(node.get("count_include_pad", 0)), (pads[0][0], pads[1][0])
    if counted and any(a != b for a, b in pads):
        of_x, first = ops.pad(of_x, [(0, 0), (0, 0), *pads]), (0, 0)
    y = AvgPool2d.apply(of_x, out_hw=tuple(out), window=(w.kernel, w.stride, first), count_include_pad=counted)
    return back(y, x.ndim)


def _global_average_pool(node: Node, x: Tensor) -> Tensor:
    return ops.mean(x, tuple(range(2, x.ndim)), True)


def _global_max_pool(node: Node, x: Tensor) -> Tensor:
    return ops.max(x, tuple(range(2, x.ndim)), True)


CONV: dict[str, Operator] = {
    "Conv": _conv, "ConvTranspose": _conv_transpose, "MaxPool": _max_pool, "MaxUnpool": _max_unpool,
    "AveragePool": _average_pool, "GlobalAveragePool": _global_average_pool, "GlobalMaxPool": _global_max_pool,
}  # fmt: skip
