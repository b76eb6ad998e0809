"""Checks of layers: of settings when a layer is made, and of inputs when it is called. Errors carry the layer's name.

Imports: autograd, ops, module. Read next: ``init.py``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from minigen.autograd import Tensor
from minigen.called import called
from minigen.nn.module import Module, ShapeError
from minigen.shapes import shown, whole_number


def positive_int(layer: str, name: str, value: int) -> int:
    """A whole number of at least 1."""
    return whole_number(layer, name, value, 1)


def check_channels(layer: str, in_channels: int, out_channels: int, groups: int) -> tuple[int, int, int]:
    """The three numbers; `groups` must divide both numbers of channels."""
    c, k, g = (
        positive_int(layer, "in_channels", in_channels),
        positive_int(layer, "out_channels", out_channels),
        positive_int(layer, "groups", groups),
    )
    if c % g or k % g:
        raise ValueError(f"{layer}: groups={g} must divide in_channels={c} and out_channels={k}")
    return c, k, g


def check_window(layer: str, kernel_size: Any, stride: Any, padding: Any, read: Callable[..., Any]) -> Any:
    """Kernel, stride (None: that of the kernel) and padding of a pooling window, each as `read` gives it.

    `read` is `pair` for images, `one` for sequences.
    """
    k, p = read(layer, "kernel_size", kernel_size, 1), read(layer, "padding", padding, 0)
    pairs = ((k, p),) if isinstance(k, int) else zip(k, p, strict=True)
    if any(2 * b > a for a, b in pairs):
        raise ValueError(f"{layer}: padding {p} must be at most half of kernel_size {k}")
    return k, k if stride is None else read(layer, "stride", stride, 1), p


@contextlib.contextmanager
def shape_errors(layer: Module, expected: str, x: Tensor) -> Iterator[None]:
    """Turn a ValueError of the operation inside ``with`` into a ShapeError of the layer."""
    try:
        yield
    except ValueError as error:
        raise ShapeError(layer, expected, x.shape, str(error)) from error


def check_input(layer: Module, x: Tensor, channels: int | None, spatial_axes: int = 2) -> None:
    """Refuse what is not (N, C, H, W), or (N, C, L) for one spatial axis; with `channels` channels unless None."""
    if len(x.shape) != 2 + spatial_axes or channels not in (None, x.shape[1]):
        axes, kind = ("H, W", "images") if spatial_axes == 2 else ("L", "sequences")
        hint = f"Use nn.Reshape to make {kind} of flat vectors" if len(x.shape) == 2 else ""
        raise ShapeError(layer, f"(N, {channels or 'C'}, {axes})", x.shape, hint)


def check_initializer(weight_init: object) -> None:
    """TypeError, with the name of the layer, for what is no function."""
    if not callable(weight_init):
        name = called("nn")
        raise TypeError(f"{name}: weight_init is a function such as nn.init.he_normal, got {shown(weight_init)}")
