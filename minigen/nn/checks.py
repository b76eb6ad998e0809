"""What layers refuse: settings that cannot work, when they are made, and inputs that do not fit, under their own name.

Imports: tensor, ops, module. Read next: ``init.py``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from minigen.autograd import Tensor
from minigen.called import called
from minigen.nn.module import Module, ShapeError
from minigen.ops.conv import pair
from minigen.shapes import shown, whole_number
from minigen_kernels import Pair, Window


def count(layer: str, name: str, value: int) -> int:
    """A whole number of at least 1."""
    return whole_number(layer, name, value, 1)


def channels(layer: str, in_channels: int, out_channels: int, groups: int) -> tuple[int, int, int]:
    """The three of them, where the number of groups divides both numbers of channels."""
    c, k, g = (
        count(layer, "in_channels", in_channels),
        count(layer, "out_channels", out_channels),
        count(layer, "groups", groups),
    )
    if c % g or k % g:
        raise ValueError(f"{layer}: groups={g} must divide in_channels={c} and out_channels={k}")
    return c, k, g


def window(layer: str, kernel_size: int | Pair, stride: int | Pair | None, padding: int | Pair) -> Window:
    """Kernel, stride (that of the kernel by default) and padding of a pooling window."""
    k, p = pair(layer, "kernel_size", kernel_size, 1), pair(layer, "padding", padding, 0)
    if any(2 * b > a for a, b in zip(k, p, strict=True)):
        raise ValueError(f"{layer}: padding {p} must be at most half of kernel_size {k}")
    return k, k if stride is None else pair(layer, "stride", stride, 1), p


def check_padding(layer: str, padding: Any, read: Callable[..., Any]) -> Any:
    """A padding: "same" and "valid" as they are, numbers as `read` makes them, `pair` of images or `one` of sequences.

    An array is not compared with a word: the answer would be an array again.
    """
    word = isinstance(padding, str) and padding in ("same", "valid")
    return padding if word else read(layer, "padding", padding, 0)


@contextlib.contextmanager
def shape_errors(layer: Module, expected: str, x: Tensor) -> Iterator[None]:
    """What the operation inside refuses, the layer refuses under its own name."""
    try:
        yield
    except ValueError as error:
        raise ShapeError(layer, expected, x.shape, str(error)) from error


def check_image(layer: Module, x: Tensor, channels: int | None) -> None:
    """Refuse what is not (N, C, H, W), with `channels` channels unless that is None."""
    if len(x.shape) != 4 or channels not in (None, x.shape[1]):
        hint = "Use nn.Reshape to make images of flat vectors" if len(x.shape) == 2 else ""
        raise ShapeError(layer, f"(N, {channels or 'C'}, H, W)", x.shape, hint)


def check_sequence(layer: Module, x: Tensor, channels: int | None) -> None:
    """Refuse what is not (N, C, L), with `channels` channels unless that is None."""
    if len(x.shape) != 3 or channels not in (None, x.shape[1]):
        hint = "Use nn.Reshape to make sequences of flat vectors" if len(x.shape) == 2 else ""
        raise ShapeError(layer, f"(N, {channels or 'C'}, L)", x.shape, hint)


def check_initializer(weight_init: object) -> None:
    """TypeError, in the name of the layer, for what is no function."""
    if not callable(weight_init):
        name = called("nn")
        raise TypeError(f"{name}: weight_init is a function such as nn.init.he_normal, got {shown(weight_init)}")
