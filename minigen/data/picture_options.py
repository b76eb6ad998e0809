"""How the pictures of a data set become arrays of one shape: size, channels, transparency, and the range of values.

Imports: NumPy. Read next: ``picture.py``, which reads one picture so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from minigen.shapes import shown

Source = str | Path | bytes  #: A picture file, or (bytes) what such a file holds.
Outside = Callable[[float, float], None]  #: What is called with the extremes of values that are clipped.

ALPHA = ("white", "black", "drop", "keep")
FIT = ("crop", "pad", "stretch")
CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class Header:
    """What the header of a picture says: is it grey, has it transparent pixels, how many frames, (height, width).

    `depth` is "8-bit", "16-bit" or "float" (any other kind of number), `space` the name of a colour space other than
    grey and RGB, such as "CMYK", or "". `turned`: by its EXIF data, which is done before anything else.
    """

    grey: bool
    alpha: bool
    frames: int
    size: tuple[int, int]
    depth: str
    space: str = ""
    turned: bool = False


@dataclass(frozen=True)
class PictureOptions:
    """The options of every reader of picture files. The defaults keep pictures as they are, and lay them over white.

    * ``size`` (height, width): every picture is brought to it; None: they must have one size already.
    * ``fit``: "crop" scales until the size is filled and cuts what projects, equally on both sides; "pad" scales until
      all of the picture is inside and fills the rest with the background; "stretch" scales height and width apart.
      Scaling is Lanczos resampling with the wider support that shrinking needs.
    * ``channels``: 1 (grey: 0.299 R + 0.587 G + 0.114 B), 3 (RGB) or 4 (RGB and alpha); None: decided by `resolve`.
    * ``alpha``: transparent pixels lie over a "white" or "black" background; "drop" takes the colours that they have
      in the file; "keep" makes alpha the fourth channel.
    * ``range`` (low, high): stored values are scaled from it to [0, 1] in float32, and clipped. Without it bytes stay
      bytes, of 16 bits the upper 8 are taken, and other numbers are refused.
    """

    size: tuple[int, int] | None = None
    channels: int | None = None
    alpha: str = "white"
    fit: str = "crop"
    range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        """ValueError for options that are not possible, or not together."""
        for name, value, known in (("image_alpha", self.alpha, ALPHA), ("image_fit", self.fit, FIT)):
            if not isinstance(value, str) or value not in known:
                raise ValueError(f"{name}: expected {', '.join(known[:-1])} or {known[-1]}, got {shown(value)}")
        if self.channels is not None and (type(self.channels) is not int or self.channels not in CHANNELS):
            raise ValueError(
                f"image_channels: expected 1 (grey), 3 (RGB) or 4 (RGB and alpha), got {shown(self.channels)}"
            )
        if self.channels == 4 and self.alpha != "keep":
            raise ValueError("image_channels: the fourth channel is alpha, which is kept with image_alpha 'keep' only")
        if self.fit != "crop" and self.size is None:
            raise ValueError(
                f"image_fit: {self.fit!r} says how pictures come to image_size, and there is none; give it"
            )

    @property
    def background(self) -> str:
        """The colour behind transparent pixels, and around a picture that is padded."""
        return "black" if self.alpha == "black" else "white"

    @property
    def dtype(self) -> type[np.uint8] | type[np.float32]:
        """Of the pictures: float32 if their values have a range."""
        return np.uint8 if self.range is None else np.float32

    def resolve(self, headers: Iterable[Header]) -> PictureOptions:
        """These options with the number of channels that the pictures of a whole data set need.

        1 if all are grey, else 3; with "keep" 4 if one of them has transparent pixels. ValueError for pictures that one
        `range` cannot be meant for: their values are of different depths.
        """
        known = list(headers)
        if self.range is not None and len(depths := sorted({h.depth for h in known})) > 1:
            raise ValueError(
                f"image_range: the pictures store {' and '.join(depths)} values, so one range of values cannot be "
                "that of all; give pictures of one depth"
            )
        if self.channels is not None:
            return self
        channels = 1 if all(h.grey for h in known) else 3
        return replace(self, channels=4 if self.alpha == "keep" and any(h.alpha for h in known) else channels)

    def given(self) -> dict[str, Any]:
        """Those that are not at their default, by the names that `load` has for them."""
        names = {field.name: field for field in fields(self)}
        return {f"image_{k}": getattr(self, k) for k, f in names.items() if getattr(self, k) != f.default}


def picture_options(
    image_size: Any = None, image_channels: Any = None, image_alpha: Any = None, image_fit: Any = None,
    image_range: Any = None,
) -> PictureOptions:  # fmt: skip
    """The options as `load` and the settings of a run have them; None is the default. ValueError for a bad one."""
    options = PictureOptions(
        size=image_sides(image_size),
        channels=image_channels,
        alpha="white" if image_alpha is None else image_alpha,
        fit="crop" if image_fit is None else image_fit,
        range=value_pair(image_range),
    )
    if options.channels in (1, 3) and options.alpha == "keep":
        raise ValueError(
            f"image_alpha: 'keep' makes alpha a fourth channel, and image_channels is {options.channels}; take 4"
        )
    return options


def size_setting(size: Any) -> int | str:
    """`image_size` as the settings of a run keep it: a side, or "32x48"."""
    sides = image_sides(size)
    if sides is None:
        raise ValueError("image_size: expected a size, got nothing")
    return sides[0] if sides[0] == sides[1] else f"{sides[0]}x{sides[1]}"


def range_setting(pair: Any) -> str:
    """`image_range` as the settings of a run keep it: "0:65535"."""
    values = value_pair(pair)
    if values is None:
        raise ValueError("image_range: expected a range, got nothing")
    return ":".join(str(int(v)) if v.is_integer() else repr(v) for v in values)


def image_sides(size: Any) -> tuple[int, int] | None:
    """(height, width) of a side, a pair, or a text "64" or "32x48". ValueError for another."""
    if size is None:
        return None
    sides: Any = size
    if isinstance(size, str):
        match = re.fullmatch(r"\s*(\d{1,5})(?:\s*[xX]\s*(\d{1,5}))?\s*", size)
        sides = match and (int(match[1]), int(match[2] or match[1]))
    elif isinstance(size, int) and not isinstance(size, bool):
        sides = (size, size)
    good = isinstance(sides, tuple) and len(sides) == 2
    if not good or not all(isinstance(k, int) and not isinstance(k, bool) and k > 0 for k in sides):
        raise ValueError(
            "image_size: expected a number of pixels or (height, width), at least 1 - as text 64 or 32x48, the height "
            f"first -, got {shown(size)}"
        )
    return sides


def value_pair(pair: Any) -> tuple[float, float] | None:
    """(low, high) of a pair of numbers or a text "0:65535". ValueError for another."""
    if pair is None:
        return None
    values: Any = pair
    if isinstance(pair, str):
        values = pair.split(":")
    try:
        if not isinstance(values, (tuple, list)) or any(isinstance(v, bool) for v in values):
            raise TypeError
        low, high = (float(v) for v in values)
    except (TypeError, ValueError):
        low = high = math.nan
    if not (low < high and math.isfinite(low) and math.isfinite(high)):
        raise ValueError(
            "image_range: expected the values that are black and white, low below high - as text LOW:HIGH, such as "
            f"0:65535 -, got {shown(pair)}"
        )
    return low, high
