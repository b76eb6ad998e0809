"""Read an image file: EXIF orientation applied, composited on white, the first of several frames.

Imports: NumPy; Pillow when it reads. Read next: ``folder.py``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL import Image

OLD_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")  # that version 0.1.0 read
SUFFIXES = (*OLD_SUFFIXES, ".gif", ".tif", ".tiff", ".jfif", ".jpe", ".dib", ".ppm", ".pgm", ".pbm", ".pnm", ".tga",
            ".pcx", ".jp2", ".avif")  # fmt: skip
SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N")
GREY_MODES = ("1", "L", "LA", "I", "F", *SIXTEEN_BITS)


def inspect(path: Path) -> tuple[bool, int]:
    """(is it grey?, how many frames has it?) by the file's header. ValueError, naming the file, if it is damaged.

    The checksums that a PNG file has for each of its parts are verified.
    """
    with _reading(path) as picture:
        grey = picture.mode in GREY_MODES
        frames = getattr(picture, "n_frames", 1) if picture.format in ("GIF", "TIFF", "WEBP") else 1
        picture.verify()
    return grey, frames


def read_picture(path: Path, channels: int, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """The picture (C, H, W) of 1 or 3 channels, fitted to `size` (height, width). ValueError names a damaged file."""
    from PIL import Image, ImageOps

    with _reading(path) as opened:
        kind, raw_mode = opened.format, _raw_mode(opened)
        opened.load()
        _scale_transparent_value(opened, raw_mode)
        picture = _composite_on_white(_to_8_bits(_apply_exif_orientation(opened), kind))
        picture = picture.convert("L" if channels == 1 else "RGB")
        if size is not None:
            picture = ImageOps.fit(picture, (size[1], size[0]), Image.Resampling.LANCZOS)
        x = np.asarray(picture, np.uint8)
    return x[None] if channels == 1 else np.ascontiguousarray(x.transpose(2, 0, 1))


@contextmanager
def _reading(path: Path) -> Iterator[Image.Image]:
    """Open a picture; all errors of Pillow become a ValueError that names the file."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged metadata, which is harmless
            with Image.open(path) as picture:
                yield picture
    except Exception as error:  # a damaged file raises many types
        text = str(error) or type(error).__name__
        raise ValueError(f"{path}: cannot be read as a picture ({text}); repair or remove it") from error


def _apply_exif_orientation(picture: Image.Image) -> Image.Image:
    """Rotate as the EXIF data says, if it can be read."""
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # damaged EXIF data, intact pixels
        return picture


def _composite_on_white(picture: Image.Image) -> Image.Image:
    from PIL import Image

    if not picture.has_transparency_data:
        return picture
    picture = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)


def _scale_transparent_value(picture: Image.Image, raw_mode: str) -> None:
    """Convert the grey or colour that is transparent to 8 bits.

    Pillow converts pixels of 2, 4 and 16 bits to 8 bits, but not this value.
    """
    transparent, scale = picture.info.get("transparency"), {"L;2": 85, "L;4": 17}.get(raw_mode, 1)
    if isinstance(transparent, int) and transparent * scale <= 255:
        picture.info["transparency"] = transparent * scale
    if isinstance(transparent, tuple) and ";16" in raw_mode:
        picture.info["transparency"] = tuple(value >> 8 for value in transparent)


def _to_8_bits(picture: Image.Image, kind: str | None) -> Image.Image:
    """A 16-bit picture reduced to its upper 8 bits; its transparent grey, if any, becomes white.

    `kind` is the file's format.
    """
    from PIL import Image

    transparent = picture.info.get("transparency")
    if picture.mode not in (*SIXTEEN_BITS, "I", "F"):
        return picture
    x = np.asarray(picture)
    if picture.mode == "F" or (picture.mode == "I" and (kind == "TIFF" or x.min() < 0 or x.max() > 65535)):
        raise ValueError(f"its pixels are {x.dtype} from {x.min()} to {x.max()}; save it with 8 or 16 bits")
    y = (x >> 8).astype(np.uint8)
    if isinstance(transparent, int):
        y[x == transparent] = 255
    return Image.fromarray(y)


def _raw_mode(picture: Image.Image) -> str:
    """The pixel format of the file, as far as Pillow tells."""
    tile: Any = next(iter(getattr(picture, "tile", None) or ()), None)
    arguments = () if tile is None else tile[3]
    return str(arguments if isinstance(arguments, str) else next(iter(arguments or ()), ""))
