"""Images as a picture within the HTML of an object, with what black and white stand for, and a mark for NaN.

Imports: device, pictures, blocks. Read next: ``arrays.py``.
"""

from __future__ import annotations

import base64

import numpy as np

from minigen.device import to_device
from minigen.display.blocks import escape, note
from minigen.pictures import POINT, as_png, grid, plot
from minigen_kernels import Array

MOST = 32  # images that are shown
POINTS = 10_000  # points of the plane that are
SIDE = 256  # pixels on the longer side of an image; of a larger one every second is shown, or every third ...
WIDE = 640  # pixels of the screen in a row
NAN, INFINITE = (218, 54, 51), (227, 154, 22)  # red and orange
Range = tuple[float, float]


def images_html(images: Array, value_range: Range | None = None, *, of: int | None = None) -> str:
    """Images (N, C, H, W), C = 1, 3 or more (the first three), as one picture with its caption.

    The first 32 are shown; points of the plane, (N, 2, 1, 1), are plotted. `value_range`: what is black and what is
    white; by default (0, 1), (-1, 1) or 0 to 255 where that fits the values, else from the smallest value to the
    largest. No more than these pixels is copied. `of` how many images these are a part, if of more than N.
    """
    n, c, h, w = images.shape
    n = of or n
    if images.shape[1:] == POINT:
        points = np.asarray(to_device(images[:POINTS], "cpu")).reshape(-1, 2)
        low, high = value_range or guess_range(points)
        text = f"{len(points):,} of {n:,} points of the plane, both axes from {low:.4g} to {high:.4g}"
        return picture_html(plot(points, value_range=(low, high)), text)
    step = -(-max(h, w) // SIDE)
    some = np.asarray(to_device(images[:MOST, : 3 if c >= 3 else 1, ::step, ::step], "cpu"))
    low, high = value_range or guess_range(some)
    painted, marked = paint(some, (low, high))
    height, width = painted.shape[2:]
    scale = max(1, min(4, 56 // max(height, width)))
    columns = _columns(len(painted), WIDE // ((width + 2) * scale))
    what = f"{len(painted)} of {n:,} images" if len(painted) < n else f"{n} image{'' if n == 1 else 's'}"
    text = f"{what}, {h} x {w}{f', every {step}th pixel' if step > 1 else ''}; black is {low:.4g}, white {high:.4g}"
    text += "".join(f"; {name}: {count:,} pixel{'s'[: count > 1]}" for name, count in marked.items() if count)
    return picture_html(grid(painted, columns), text, scale)


def _columns(n: int, most: int) -> int:
    """How many of `n` images stand in a row: at most `most`; fewer, if then all rows are full."""
    most = max(1, min(n, most))
    return next((columns for columns in range(most, most // 2, -1) if n % columns == 0), most)


def picture_html(picture: Array, text: str, scale: int = 1) -> str:
    """Bytes (H, W) or (H, W, 3) with a caption, each pixel `scale` wide and high."""
    style = "image-rendering:pixelated;max-width:100%;height:auto;margin:4px 8px"
    width = picture.shape[1] * scale
    return f'<img src="{png_uri(picture)}" width="{width}" alt="{escape(text)}" style="{style}">{note(text)}'


def png_uri(picture: Array) -> str:
    """Bytes (H, W) or (H, W, 3) as a PNG file in an address: ``data:image/png;base64,...``."""
    return "data:image/png;base64," + base64.b64encode(as_png(picture, scale=1)).decode()


def guess_range(images: Array) -> Range:
    """What the values of images most likely lie in."""
    if images.dtype == np.uint8:
        return 0.0, 255.0
    finite = images[np.isfinite(images)].astype(np.float64)
    low, high = float(finite.min(initial=np.inf)), float(finite.max(initial=-np.inf))
    usual = [(a, 1.0) for a in (0.0, -1.0) if low >= a and high <= 1]
    return usual[0] if usual else (low, high if high > low else low + 1)


def paint(images: Array, value_range: Range) -> tuple[Array, dict[str, int]]:
    """Images (N, 1 or 3, H, W) in 0..1, NaN red and infinity orange; and how many pixels of each there are."""
    low, high = value_range
    x = images.astype(np.float64)
    nan, infinite = np.isnan(x).any(1), np.isinf(x).any(1)
    infinite &= ~nan
    with np.errstate(all="ignore"):  # the ends of float64 lie farther apart than float64 can say
        shades = np.clip((x / 2 - low / 2) / (high / 2 - low / 2), 0, 1)
    if nan.any() or infinite.any():
        shades = np.repeat(shades, 3 // shades.shape[1], 1).transpose(0, 2, 3, 1)  # the colours last
        shades[nan], shades[infinite] = np.divide(NAN, 255), np.divide(INFINITE, 255)
        shades = shades.transpose(0, 3, 1, 2)
    return shades, {"NaN, red": int(nan.sum()), "infinite, orange": int(infinite.sum())}
