"""The rows of the table in ``docs/onnx.md``: a layer with a setting in minigen, and the same in PyTorch.

Imports: minigen, PyTorch. Read next: ``onnx_page.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigen import ops
from minigen.inventory.cases import normal

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """A layer, its setting, and what both libraries call it, as functions of an input and weights of these shapes."""

    layer: str
    setting: str
    here: Callable[..., Any]
    there: Callable[..., Any] | None  # given torch.nn.functional first
    x: Shape
    weights: tuple[Shape, ...] = ()
    draw: Callable[[np.random.Generator, Shape], Any] = normal


IMAGE = (2, 4, 7, 6)


def _conv(text: str, w: Shape, **options: Any) -> Row:
    def here(x: Any, w: Any, b: Any) -> Any:
        return ops.conv2d(x, w, b, **options)

    return Row("Conv2d", text, here, lambda F, x, w, b: F.conv2d(x, w, b, **options), IMAGE, (w, (w[0],)))


def _transposed(text: str, w: Shape, same: bool = True, **options: Any) -> Row:
    channels = w[1] * options.get("groups", 1)

    def here(x: Any, w: Any, b: Any) -> Any:
        return ops.conv_transpose2d(x, w, b, **options)

    there = (lambda F, x, w, b: F.conv_transpose2d(x, w, b, **options)) if same else None
    return Row("ConvTranspose2d", text, here, there, IMAGE, (w, (channels,)))


def _pool(layer: str, text: str, *sizes: Any, **options: Any) -> Row:
    name = {"MaxPool2d": "max_pool2d", "AvgPool2d": "avg_pool2d"}[layer]
    return Row(
        layer, text, lambda x: getattr(ops, name)(x, *sizes, **options),
        lambda F, x: getattr(F, name)(x, *sizes, **options), IMAGE,
    )  # fmt: skip


def _resized(text: str, **options: Any) -> Row:
    return Row(
        "interpolate", text, lambda x: ops.interpolate(x, **options), lambda F, x: F.interpolate(x, **options), IMAGE
    )


def _activation(name: str, text: str = "", there: str = "", **options: Any) -> Row:
    torch_name = there or name

    def other(F: Any, x: Any) -> Any:
        return getattr(F, torch_name)(x, **({"negative_slope": options["slope"]} if "slope" in options else options))

    return Row(name, text, lambda x: getattr(ops, name)(x, **options), other, (5, 40))


def _far(rng: np.random.Generator, shape: Shape) -> Any:
    return rng.normal(1e3, 1.0, shape)


def _with_nan(rng: np.random.Generator, shape: Shape) -> Any:
    x = rng.normal(size=shape)
    x[0, ::3], x[1, 1] = np.nan, np.inf
    return x


def _norm(
    name: str, text: str, here: Callable[..., Any], there: Callable[..., Any], *weights: Shape, **own: Any
) -> Row:
    return Row(name, text, here, there, own.pop("x", IMAGE), weights, **own)


ROWS = (
    Row("Dense", "", ops.linear, lambda F, x, w, b: F.linear(x, w, b), (5, 40), ((8, 40), (8,))),
    Row("Dense", "three axes", ops.linear, lambda F, x, w, b: F.linear(x, w, b), (2, 3, 40), ((8, 40), (8,))),
    _conv("kernel 3, padding 1", (6, 4, 3, 3), padding=1),
    _conv("stride, dilation, groups", (6, 2, 3, 2), stride=(2, 1), padding=(0, 1), dilation=(1, 2), groups=2),
    _conv("padding same, kernel 4", (6, 4, 4, 4), padding="same"),
    _transposed("kernel 4, stride 2, padding 1", (4, 3, 4, 4), stride=2, padding=1),
    _transposed("kernel 5, output_padding", (4, 3, 5, 5), stride=2, padding=2, output_padding=1),
    _transposed("stride, dilation, groups", (4, 3, 3, 2), stride=(2, 1), dilation=(1, 2), groups=2),
    _transposed("output_padding above the stride", (4, 3, 3, 3), dilation=2, output_padding=1),
    _transposed("padding same", (4, 3, 4, 3), same=False, stride=2, padding="same"),
    _pool("MaxPool2d", "2", 2),
    _pool("MaxPool2d", "3, stride 2, padding 1, ceil_mode", 3, 2, 1, ceil_mode=True),
    _pool("AvgPool2d", "2", 2),
    _pool("AvgPool2d", "3, stride 2, padding 1, ceil_mode", 3, 2, 1, ceil_mode=True),
    _pool("AvgPool2d", "the same, padding not counted", 3, 2, 1, ceil_mode=True, count_include_pad=False),
    Row("Upsample", "nearest, (2, 3)", lambda x: ops.upsample(x, (2, 3)),
        lambda F, x: F.interpolate(x, scale_factor=(2, 3)), IMAGE),
    Row("Upsample", "bilinear, 2", lambda x: ops.upsample(x, 2, "bilinear"),
        lambda F, x: F.interpolate(x, scale_factor=2, mode="bilinear"), IMAGE),
    _resized("nearest, to (5, 9)", size=(5, 9)),
    _resized("nearest, by 1.5", scale_factor=1.5),
    _resized("bilinear, to (5, 9)", size=(5, 9), mode="bilinear"),
    _resized("bilinear, align_corners", size=(5, 9), mode="bilinear", align_corners=True),
    _norm("BatchNorm", "in evaluation", lambda x, w, b: ops.batch_norm_inference(x, w * 0.1, w * w + 0.5, w, b),
          lambda F, x, w, b: F.batch_norm(x, w * 0.1, w * w + 0.5, w, b), (4,), (4,)),
    _norm("BatchNorm", "in training", lambda x, w, b: ops.batch_norm(x, w, b),
          lambda F, x, w, b: F.batch_norm(x, None, None, w, b, training=True), (4,), (4,)),
    _norm("LayerNorm", "", lambda x, w, b: ops.layer_norm(x, w, b), lambda F, x, w, b: F.layer_norm(x, (40,), w, b),
          (40,), (40,), x=(5, 40)),
    _norm("LayerNorm", "of numbers near 1000", lambda x, w, b: ops.layer_norm(x, w, b),
          lambda F, x, w, b: F.layer_norm(x, (40,), w, b), (40,), (40,), x=(5, 40), draw=_far),
    _norm("GroupNorm", "2 groups", lambda x, w, b: ops.group_norm(x, 2, w, b),
          lambda F, x, w, b: F.group_norm(x, 2, w, b), (4,), (4,)),
    _norm("InstanceNorm", "", lambda x: ops.instance_norm(x), lambda F, x: F.instance_norm(x)),
    _activation("relu"), _activation("leaky_relu", "slope 0.2", slope=0.2), _activation("elu"), _activation("gelu"),
    _activation("gelu", "tanh", approximate="tanh"), _activation("silu"), _activation("mish"),
    _activation("hardswish"), _activation("selu"), _activation("celu"), _activation("softplus"),
    _activation("sigmoid"), _activation("tanh"),
    Row("softmax", "axis 1", lambda x: ops.softmax(x, 1), lambda F, x: F.softmax(x, 1), (5, 40)),
    Row("log_softmax", "axis 1", lambda x: ops.log_softmax(x, 1), lambda F, x: F.log_softmax(x, 1), (5, 40)),
    Row("log_softmax", "beside Inf and NaN", lambda x: ops.log_softmax(x, 1), lambda F, x: F.log_softmax(x, 1), (5, 40),
        draw=_with_nan),
    Row("max", "with NaN", lambda x: ops.max(x, axis=1), lambda F, x: x.amax(1), (5, 40), draw=_with_nan),
    Row("argmax", "with NaN", lambda x: ops.argmax(x, axis=1), lambda F, x: x.argmax(1), (5, 40), draw=_with_nan),
    Row("pad", "reflect", lambda x: ops.pad(x, [(0, 0), (0, 0), (2, 1), (1, 3)], mode="reflect"),
        lambda F, x: F.pad(x, (1, 3, 2, 1), mode="reflect"), IMAGE),
    Row("sort", "descending", lambda x: ops.sort(x, descending=True), lambda F, x: x.sort(descending=True)[0], (5, 40)),
    Row("var", "correction 1", lambda x: ops.var(x, 1, correction=1), lambda F, x: x.var(1), (5, 40)),
    Row("pixel_shuffle", "2", lambda x: ops.pixel_shuffle(x, 2), lambda F, x: F.pixel_shuffle(x, 2), IMAGE),
    Row("cumsum", "", lambda x: ops.cumsum(x, 1), lambda F, x: x.cumsum(1), (5, 40)),
)  # fmt: skip
