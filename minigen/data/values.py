"""The rules for pixel values: which arrays are images, and what their value range is.

uint8 is 0..255, bool is 0 and 1, floats are in [0, 1] or [-1, 1]; the range of floats is inferred from the values.
Small excesses, from rounding or resampling, are clipped. If the range is ambiguous, the error says how to save the
images.

Imports: NumPy, ``stored.py``. Read next: ``assemble.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigen.data.stored import StoredImages, parts_of

Range = tuple[float, float]
Images = NDArray[Any] | StoredImages

ROUNDING = 1e-6  # rounding errors of float32; the same tolerance as in the losses
RINGING = 0.1  # the largest overshoot of bicubic and Lanczos resampling, near edges
RINGING_SHARE = 0.25  # largest share of values that overshoot at either end; ringing occurs only near edges
REACHED, REACHED_SHARE = -0.75, 0.01  # images in [-1, 1] reach this value, and this share of values is below -RINGING
RESCALE = "(images - images.min()) / (images.max() - images.min())"


@dataclass(frozen=True)
class Spread:
    """What the rules must know of the values of images: the least, the most, and which shares lie outside of [0, 1].

    `below`: by more than rounding below 0; `far`: by more than the overshoot of resampling; `above`: above 1.
    """

    dtype: np.dtype[Any]
    low: Any
    high: Any
    below: float = 0.0
    far: float = 0.0
    above: float = 0.0


def spread(x: Images, source: str) -> Spread:
    """The spread of images (N, C, H, W), in bounded memory; of bytes no more is read than until one is above 1.

    ValueError, starting with `source`, for a value that is not finite.
    """
    low, high, counts, start = None, None, np.zeros(3, np.int64), 0
    for part in parts_of(x) if x.dtype.kind in "biuf" else ():
        if part.dtype.kind == "f":
            _check_finite(part, x.shape, start, source)
        least, most = part.min(), part.max()
        low, high = least if low is None else min(low, least), most if high is None else max(high, most)
        if part.dtype == np.uint8 and high > 1:
            break
        if part.dtype.kind == "f" and (low < 0 or high > 1):  # if only the last part does, those before add zeros
            counts += [np.count_nonzero(some) for some in (part < -ROUNDING, part < -RINGING, part > 1 + ROUNDING)]
        start += len(part)
    return Spread(x.dtype, low, high, *(counts / math.prod(x.shape)).tolist())


def value_range(x: Images, source: str) -> tuple[Range, str | None]:
    """The value range of images (N, C, H, W), and a note on what is clipped, if that is more than rounding.

    ValueError, starting with `source`, for types other than uint8, bool and floats, values that are not finite,
    bytes that are all 0 or 1, and floats that lie in neither range or might lie in both.
    """
    return range_of_spread(spread(x, source), source)


def range_of_spread(x: Spread, source: str) -> tuple[Range, str | None]:
    """`value_range` of images with that spread."""
    if x.dtype == np.uint8 and x.high <= 1:
        raise ValueError(
            f"{source}: the images are bytes but none is above 1, so they would be black in 0..255; "
            "save them as bool, images.astype(bool), if they are 0 and 1"
        )
    if x.dtype in (np.bool_, np.uint8):
        return (0.0, 1.0), None
    if x.dtype.kind != "f":
        raise ValueError(f"{source}: images must be uint8 (0..255), bool or float, got {x.dtype}{_advice(x)}")
    low, high = x.low, x.high
    if low < -1 - RINGING or high > 1 + RINGING:
        how = "divide them by their largest value (255 of bytes)" if low >= 0 else f"save {RESCALE}"
        raise ValueError(
            f"{source}: float images must lie in [0, 1] or [-1, 1], got values from {low!s} to {high!s}; {how}"
        )
    if -ROUNDING <= low and high <= 1 + ROUNDING:
        return (0.0, 1.0), None
    if low >= -RINGING and x.below <= RINGING_SHARE and x.above <= RINGING_SHARE:
        return (0.0, 1.0), clipping_note(x, (0.0, 1.0))
    if low <= REACHED and x.far >= REACHED_SHARE and x.above <= RINGING_SHARE:
        return (-1.0, 1.0), clipping_note(x, (-1.0, 1.0))
    raise ValueError(
        f"{source}: are the images in [0, 1] or in [-1, 1]? Their values go from {low!s} to {high!s}, {x.below:.2%} "
        f"of them below 0 and {x.above:.2%} above 1. Bring them to [0, 1]: save np.clip(images, 0, 1) if that is their "
        f"range, (images + 1) / 2 if it is [-1, 1], else {RESCALE}"
    )


def clipping_note(x: Spread, value_range: Range) -> str | None:
    """A note on values outside of the range by more than rounding; None if there are none."""
    (low, high), (least, most) = value_range, (x.low, x.high)
    if least >= low - ROUNDING and most <= high + ROUNDING:
        return None
    return f"values from {least!s} to {most!s}: those outside of [{low:g}, {high:g}] are clipped"


def is_near_range(x: Spread, value_range: Range) -> bool:
    """Whether these are floats in the range or near it."""
    return x.dtype.kind == "f" and bool(x.low >= value_range[0] - RINGING and x.high <= value_range[1] + RINGING)


def as_pixels(x: NDArray[Any], value_range: Range) -> NDArray[Any]:
    """Images as `Dataset` keeps them: uint8 as they are, bool as 0 and 255, floats as float32 clipped to the range."""
    if not x.size and x.dtype.kind == "f":
        return x.astype(np.float32)
    if x.dtype == np.bool_:
        return x.astype(np.uint8) * np.uint8(255)
    if x.dtype == np.uint8:
        return x
    y = x.astype(np.float32, copy=False)
    low, high = value_range
    return y if y.min() >= low and y.max() <= high else y.clip(low, high)


def _advice(x: Spread) -> str:
    """How to save images of another type without loss; starts with a semicolon."""
    if x.dtype.kind not in "iu":
        return ""
    low, high = int(x.low), int(x.high)
    if 0 <= low and high <= 1:
        how = "images.astype(bool)"
    elif 0 <= low and high <= 255:
        how = "images.astype(np.uint8)"
    elif 0 <= low and high <= 65535:
        how = "(images / 65535).astype(np.float32), or divide by the largest value that can occur (4095 of 12 bits)"
    elif 0 <= low:
        how = f"(images / {high}).astype(np.float32)"
    else:
        how = f"((images - {low}.0) / {max(high - low, 1)}.0).astype(np.float32)".replace("- -", "+ ")
    return f"; save {how}; they go from {low} to {high}"


def _check_finite(x: NDArray[Any], shape: tuple[int, ...], start: int, source: str) -> None:
    """ValueError if a value of these images, which begin at number `start` of all, is not finite."""
    finite = np.isfinite(x)
    if not finite.all():
        place = np.unravel_index(int(np.argmin(finite)), x.shape)
        index = (int(place[0]) + start, *map(int, place[1:]))
        raise ValueError(f"{source}: the images hold {x[place]} at index {index} of {shape}; repair or drop it")
