"""Pictures as arrays: values scaled from a stated range to [0, 1], brought to a size; ``.npy`` files of one picture.

Imports: NumPy, ``npy.py``, ``picture_options.py``; Pillow to resize. Read next: ``picture.py``.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from minigen.data.npy import MAGIC, read_npy
from minigen.data.picture_options import CHANNELS, Header, Outside, PictureOptions, Source

if TYPE_CHECKING:
    from PIL import Image

SUFFIX = ".npy"
GREY = np.array([0.299, 0.587, 0.114])  # of red, green and blue (ITU-R BT.601), as Pillow has them


def fitted(picture: Image.Image, options: PictureOptions, background: Any) -> Image.Image:
    """The picture brought to the size that the options have."""
    from PIL import Image, ImageOps

    if options.size is None:
        return picture
    size, lanczos = options.size[::-1], Image.Resampling.LANCZOS
    if options.fit == "stretch":
        return picture.resize(size, lanczos)
    if options.fit == "pad":
        return ImageOps.pad(picture, size, lanczos, background)
    return ImageOps.fit(picture, size, lanczos)


def scaled(values: NDArray[np.float64], options: PictureOptions, outside: Outside | None) -> NDArray[np.float32]:
    """Stored values (C, H, W) scaled from the range to [0, 1], and brought to the size; alpha becomes k / 255."""
    from PIL import Image

    assert options.range is not None
    low, high = options.range
    least, most = float(values[:3].min()), float(values[:3].max())
    if not (math.isfinite(least) and math.isfinite(most)):
        raise ValueError(f"its values go from {least} to {most}; there must be finite numbers only")
    if outside is not None and (least < low or most > high):
        outside(least, most)
    y = ((values - low) / (high - low)).clip(0, 1).astype(np.float32)
    if len(y) == 4:
        y[3] = values[3] / 255
    if options.size is not None:
        behind = 0.0 if options.background == "black" or len(y) == 4 else 1.0
        y = np.stack([np.asarray(fitted(Image.fromarray(plane), options, behind)) for plane in y]).clip(0, 1)
    return np.ascontiguousarray(y)


def as_channels(values: NDArray[np.float64], channels: int) -> NDArray[np.float64]:
    """Grey or RGB values (1 or 3, H, W) as grey or RGB ones (C, H, W)."""
    if channels < len(values):
        return np.tensordot(GREY, values, 1)[None]
    return np.repeat(values, channels // len(values), 0)


def array_in(source: Source, name: str) -> NDArray[Any] | None:
    """The picture (C, H, W) in a ``.npy`` file or the bytes of one; None for any other file. ValueError, naming it."""
    if not (source.startswith(MAGIC) if isinstance(source, bytes) else str(source).lower().endswith(SUFFIX)):
        return None
    try:
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
        x = read_npy(io.BytesIO(data), len(data))
        if x.dtype.kind not in "uif" or x.ndim not in (2, 3) or not x.size:
            raise ValueError(f"expected numbers (H, W), (C, H, W) or (H, W, C), got {x.dtype} {x.shape}")
        if x.ndim == 2:
            return x[None]
        if x.shape[0] not in CHANNELS and x.shape[2] not in CHANNELS:
            raise ValueError(f"{x.shape} has no channel axis: expected 1, 3 or 4 channels first or last")
    except (OSError, ValueError) as error:
        named = name or ("array" if isinstance(source, bytes) else source)
        raise ValueError(f"{named}: cannot be read as a picture ({error}); repair or remove it") from error
    return x if x.shape[0] in CHANNELS else x.transpose(2, 0, 1)


def array_header(x: NDArray[Any]) -> Header:
    """What is known of a picture that is an array (C, H, W)."""
    channels, height, width = x.shape
    depth = {"|u1": "8-bit", "<u2": "16-bit", ">u2": "16-bit"}.get(x.dtype.str, "float")
    return Header(channels == 1, channels == 4, 1, (height, width), depth)


def array_picture(x: NDArray[Any], options: PictureOptions, name: str, outside: Outside | None) -> NDArray[np.float32]:
    """An array (C, H, W) as `picture.decode` gives it. ValueError without a range, or for a fourth channel."""
    if options.range is None:
        raise ValueError(
            f"{name}: an array is a picture where it is said which values are black and white: give image_range "
            "(--image-range LOW:HIGH)"
        )
    if len(x) == 4 or options.channels == 4:
        raise ValueError(
            f"{name}: with a range of values, transparency is kept of pictures of 8 bits only; save 1 or 3 channels"
        )
    try:
        return scaled(as_channels(x.astype(np.float64), options.channels or len(x)), options, outside)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
