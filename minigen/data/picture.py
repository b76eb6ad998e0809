"""Read an image file: EXIF orientation applied, transparency as the options say, the first of several frames.

Colour profiles are not applied: of a CMYK picture red is (255 - C) (255 - K) / 255, and so on with M and Y.

Imports: NumPy, ``picture_options.py``; Pillow when it reads. Read next: ``folder.py``.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from minigen.data.picture_array import array_header, array_in, array_picture, as_channels, fitted, scaled
from minigen.data.picture_options import Header, Outside, PictureOptions, Source

if TYPE_CHECKING:
    from PIL import Image

OLD_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")  # that version 0.1.0 read
SUFFIXES = (*OLD_SUFFIXES, ".gif", ".tif", ".tiff", ".jfif", ".jpe", ".dib", ".ppm", ".pgm", ".pbm", ".pnm", ".tga",
            ".pcx", ".jp2", ".avif")  # fmt: skip
SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N")
GREY_MODES = ("1", "L", "LA", "I", "F", *SIXTEEN_BITS)
SPACES = ("CMYK", "YCbCr", "LAB", "HSV")  # modes that are neither grey nor RGB
EXIF_ORIENTATION, UPRIGHT = 0x0112, 1
SIDEWAYS = (5, 6, 7, 8)  # orientations that exchange height and width


class _Silence:
    """No warnings, of damaged metadata, which is harmless, while any thread reads a picture.

    The filters of warnings are those of the process: the first thread sets them, the last one restores them.
    """

    def __init__(self) -> None:
        self.lock, self.readers, self.filters = threading.Lock(), 0, warnings.catch_warnings()

    def __enter__(self) -> None:
        with self.lock:
            self.readers += 1
            if self.readers == 1:
                self.filters = warnings.catch_warnings()
                self.filters.__enter__()
                warnings.simplefilter("ignore")

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.readers -= 1
            if not self.readers:
                self.filters.__exit__(None, None, None)


_SILENCE = _Silence()


def header(source: Source, name: str = "", *, verify: bool = True) -> Header:
    """What the header of a picture file, or of its bytes, says. ValueError, naming the file, if it is damaged.

    With `verify` the checksums that a PNG file has for each of its parts are verified, for which it is read whole.
    """
    if (x := array_in(source, name)) is not None:
        return array_header(x)
    with _reading(source, name) as picture:
        found = _header(picture)
        if verify:
            picture.verify()
    return found


def decode(source: Source, options: PictureOptions, name: str = "", *, outside: Outside | None = None) -> NDArray[Any]:
    """The picture in a file, or in its bytes, as the options say: uint8 (C, H, W), or float32 in [0, 1] of a range.

    `options.channels` None is decided by this picture alone. `outside` is called with the smallest and the largest
    stored value if some lie out of the range, and so are clipped. ValueError, naming the file (`name`), for one that is
    damaged, or of numbers that need a range. Any number of threads may decode at a time.
    """
    if (array := array_in(source, name)) is not None:
        return array_picture(array, options, name or ("array" if isinstance(source, bytes) else str(source)), outside)
    with _reading(source, name) as opened:
        kind, raw_mode = opened.format, _raw_mode(opened)
        channels = options.channels or options.resolve([_header(opened)]).channels or 1
        opened.load()
        if options.range is not None:
            values = _stored_values(_apply_exif_orientation(opened), raw_mode, channels, options)
            return scaled(values, options, outside)
        _scale_transparent_value(opened, raw_mode)
        picture = _over_background(_to_8_bits(_apply_exif_orientation(opened), kind, options), options)
        mode = {1: "L", 3: "RGB", 4: "RGBA"}[channels]
        picture = picture if picture.mode == mode else picture.convert(mode)
        x = np.asarray(fitted(picture, options, (0,) * 4 if channels == 4 else options.background), np.uint8)
    return x[None] if channels == 1 else np.ascontiguousarray(x.transpose(2, 0, 1))


@contextmanager
def _reading(source: Source, name: str) -> Iterator[Image.Image]:
    """Open a picture; all errors of Pillow become a ValueError that names the file."""
    from PIL import Image, UnidentifiedImageError

    try:
        with _SILENCE, Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as picture:
            yield picture
    except Exception as error:  # a damaged file raises many types
        unknown = isinstance(error, UnidentifiedImageError)
        text = "it has no format that Pillow knows" if unknown else str(error) or type(error).__name__
        named = name or ("picture" if isinstance(source, bytes) else source)
        raise ValueError(f"{named}: cannot be read as a picture ({text}); repair or remove it") from error


def _apply_exif_orientation(picture: Image.Image) -> Image.Image:
    """Rotate as the EXIF data says, if it can be read."""
    from PIL import ImageOps

    if _orientation(picture) == UPRIGHT:
        return picture
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:  # damaged EXIF data, intact pixels
        return picture


def _over_background(picture: Image.Image, options: PictureOptions) -> Image.Image:
    """Transparent pixels as the options say."""
    from PIL import Image

    if options.alpha == "keep" or not picture.has_transparency_data:
        return picture
    picture = picture.convert("RGBA")
    if options.alpha == "drop":
        return picture.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", picture.size, options.background), picture)


def _scale_transparent_value(picture: Image.Image, raw_mode: str) -> None:
    """Convert the grey or colour that is transparent to 8 bits.

    Pillow converts pixels of 2, 4 and 16 bits to 8 bits, but not this value.
    """
    transparent, scale = picture.info.get("transparency"), {"L;2": 85, "L;4": 17}.get(raw_mode, 1)
    if isinstance(transparent, int) and transparent * scale <= 255:
        picture.info["transparency"] = transparent * scale
    if isinstance(transparent, tuple) and ";16" in raw_mode:
        picture.info["transparency"] = tuple(value >> 8 for value in transparent)


def _to_8_bits(picture: Image.Image, kind: str | None, options: PictureOptions) -> Image.Image:
    """A 16-bit picture reduced to its upper 8 bits; its transparent grey, if any, becomes the background.

    `kind` is the file's format.
    """
    from PIL import Image

    transparent = picture.info.get("transparency")
    if picture.mode not in (*SIXTEEN_BITS, "I", "F"):
        return picture
    x = np.asarray(picture)
    if picture.mode == "F" or (picture.mode == "I" and (kind == "TIFF" or x.min() < 0 or x.max() > 65535)):
        raise ValueError(
            f"its pixels are {x.dtype} from {x.min()} to {x.max()}; save it with 8 or 16 bits, or say which values "
            "are black and white: image_range (--image-range LOW:HIGH)"
        )
    y = (x >> 8).astype(np.uint8)
    if not isinstance(transparent, int) or options.alpha == "drop":
        return Image.fromarray(y)
    if options.alpha == "keep":
        return Image.merge(
            "LA", [Image.fromarray(y), Image.fromarray(np.where(x == transparent, 0, 255).astype(np.uint8))]
        )
    y[x == transparent] = 255 if options.background == "white" else 0
    return Image.fromarray(y)


def _stored_values(picture: Image.Image, raw_mode: str, channels: int, options: PictureOptions) -> NDArray[np.float64]:
    """The values (C, H, W) as they are stored, where one of Pillow's modes keeps them.

    The background of transparent pixels is an end of the range.
    """
    assert options.range is not None
    behind = options.range[options.background == "white"]
    if picture.mode in (*SIXTEEN_BITS, "I", "F"):
        if channels == 4:
            raise ValueError("with a range of values, transparency is kept of pictures of 8 bits only")
        x, transparent = np.asarray(picture), picture.info.get("transparency")
        y = x.astype(np.float64)[None]
        if isinstance(transparent, int) and options.alpha != "drop":
            y[:, x == transparent] = behind
        return as_channels(y, channels)
    if ";16" in raw_mode:
        raise ValueError(
            "of the 16 bits of its colours Pillow reads 8; leave image_range out, or save its array as a .npy file"
        )
    _scale_transparent_value(picture, raw_mode)
    if channels == 1 and not picture.has_transparency_data and picture.mode in GREY_MODES:
        return np.asarray(picture.convert("L"), np.float64)[None]
    y = np.asarray(picture.convert("RGBA"), np.float64).transpose(2, 0, 1)
    if channels == 4:
        return y
    opaque = 1.0 if options.alpha == "drop" else y[3] / 255
    return as_channels(y[:3] * opaque + behind * (1 - opaque), channels)


def _header(picture: Image.Image) -> Header:
    width, height = picture.size
    orientation = _orientation(picture)
    return Header(
        grey=picture.mode in GREY_MODES,
        alpha=picture.has_transparency_data,
        frames=1 if picture.format == "MPO" else getattr(picture, "n_frames", 1),  # MPO: a photo and its previews
        size=(width, height) if orientation in SIDEWAYS else (height, width),
        depth=_depth(picture),
        space=picture.mode if picture.mode in SPACES else "",
        turned=orientation != UPRIGHT,
    )


def _orientation(picture: Image.Image) -> int:
    """How the EXIF data, if they can be read, say that the picture is to be turned or mirrored, from 1 to 8."""
    from PIL import Image

    try:
        found = int(Image.Image.getexif(picture).get(EXIF_ORIENTATION, UPRIGHT))  # that of PNG files reads all pixels
    except Exception:  # damaged EXIF data
        return UPRIGHT
    return found if 1 <= found <= 8 else UPRIGHT


def _depth(picture: Image.Image) -> str:
    """Which numbers are stored: "8-bit" (or fewer bits), "16-bit", or "float" for all others."""
    if picture.mode in SIXTEEN_BITS or ";16" in _raw_mode(picture):
        return "16-bit"
    return "float" if picture.mode in ("I", "F") else "8-bit"


def _raw_mode(picture: Image.Image) -> str:
    """The pixel format of the file, as far as Pillow tells."""
    tile: Any = next(iter(getattr(picture, "tile", None) or ()), None)
    arguments = () if tile is None else tile[3]
    return str(arguments if isinstance(arguments, str) else next(iter(arguments or ()), ""))


# For `folder.py`, until it takes `header` and `decode`.


def inspect(source: Source, name: str = "") -> tuple[bool, int]:
    """(is it grey?, how many frames has it?)."""
    found = header(source, name)
    return found.grey, found.frames


def read_picture(source: Source, channels: int, size: tuple[int, int] | None, name: str = "") -> NDArray[np.uint8]:
    """The picture (C, H, W) of 1 or 3 channels, fitted to `size` (height, width)."""
    return decode(source, PictureOptions(size=size, channels=channels), name)
