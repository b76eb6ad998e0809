"""The built-in data set: digits (and letters) drawn with the fonts of matplotlib, without a download.

Every character of every font is drawn once, at high resolution; an image is one of these drawings, resampled through a
random affine map. The parameters of the map are stored as generative factors, which handwritten data does not have.

Imports: NumPy, ``minigen.random``, ``cache.py``, ``dataset.py``; matplotlib (for its fonts) and Pillow (to read them)
when it draws. Read next: ``sources.py``.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import string
import tempfile
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigen.cache import cache_folder
from minigen.data.dataset import Dataset
from minigen.random import Generator
from minigen.shapes import one_of, whole_number

FORMAT = 1  # part of the cache's file name: raise it whenever the pixels that a seed gives change
SIZE = 28  # pixels on a side of an image
COUNTS = {"train": 60_000, "test": 10_000}
DIGITS = string.digits
LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase

# The fonts with Latin text among those of matplotlib; the others hold symbols only.
FONTS = tuple(
    "DejaVuSans DejaVuSans-Oblique DejaVuSans-Bold DejaVuSans-BoldOblique "
    "DejaVuSansMono DejaVuSansMono-Oblique DejaVuSansMono-Bold DejaVuSansMono-BoldOblique "
    "DejaVuSerif DejaVuSerif-Italic DejaVuSerif-Bold DejaVuSerif-BoldItalic "
    "STIXGeneral STIXGeneralItalic STIXGeneralBol STIXGeneralBolIta "
    "cmr10 cmss10 cmtt10 cmti10 cmb10".split()
)

# The factors that are drawn uniformly, with their ranges. Lengths are in pixels of the image, x to the right, y down.
RANGES = {
    "rotation": (-15.0, 15.0),  # degrees, counter-clockwise as seen
    "scale": (0.85, 1.15),
    "shear": (-0.15, 0.15),  # x moves by shear * y
    "shift_x": (-1.5, 1.5),
    "shift_y": (-1.5, 1.5),
    "stroke": (0.0, 0.40),  # added to the ink: above 0 the strokes grow
    "brightness": (0.8, 1.0),
}
CONTRAST = 1.9  # sharpens the edges after the blur
GRAIN = 0.06  # relative noise of the ink, uniform, for each pixel; the background stays 0

OVERSAMPLING = 4  # a drawing has this many pixels for one of the image
SHEET = 32 * OVERSAMPLING  # side of a drawing
DIGIT_HEIGHT = 19 * OVERSAMPLING  # of a "0", for every font
BOX = 20 * OVERSAMPLING  # no character is larger than this before the random scale
CHUNK = 1000  # images sampled at a time: the work arrays stay in the processor's cache


def glyphs(*, split: str = "train", seed: int = 0, count: int | None = None, letters: bool = False) -> Dataset:
    """Images (count, 1, 28, 28) of the digits 0-9, or with `letters` of 0-9 A-Z a-z (62 classes), uint8.

    60,000 images for ``split="train"`` and 10,000 for "test", drawn from different random streams; the same `seed`
    gives the same bytes. The classes are balanced. Factors: class, font (an index into `FONTS`) and those of `RANGES`.
    The result is cached in `cache_folder()` if possible; a damaged file is replaced.

    Raises ValueError for an unknown split or a count below 1, FileNotFoundError if matplotlib lacks one of the fonts.
    """
    one_of("glyphs", "split", split, ("train", "test"))
    count = COUNTS[split] if count is None else whole_number("glyphs", "count", count, 1)
    characters = LETTERS if letters else DIGITS
    rng = Generator(seed).spawn(f"glyphs/{split}")  # refuses a bad seed before the cache is read
    path = _cache_path(split, seed, count, letters)
    cached = _read_cache(path, count)
    if cached is None:
        cached = draw(characters, count, rng)
        _write_cache(path, *cached)
    images, factors = cached
    return Dataset("glyphs", split, images, factors["class"], tuple(characters), factors)


def draw(characters: str, count: int, rng: Generator) -> tuple[NDArray[np.uint8], dict[str, NDArray[Any]]]:
    """Draw `count` random images (count, 1, 28, 28) of `characters`; return them and their factors, each (count,)."""
    sheets, centres = _draw_sheets(characters)
    factors: dict[str, NDArray[Any]] = {
        "class": rng.permutation(count) % len(characters),
        "font": rng.integers(0, len(FONTS), (count,)).astype(np.int64),
    }
    for name, (low, high) in RANGES.items():
        factors[name] = rng.uniform((count,), low, high)
    images = np.empty((count, 1, SIZE, SIZE), np.uint8)
    for start in range(0, count, CHUNK):
        part = slice(start, start + CHUNK)
        images[part, 0] = _sample(sheets, centres, {k: v[part] for k, v in factors.items()}, rng)
    return images, factors


def _sample(
    sheets: NDArray[np.int16],
    centres: NDArray[np.float32],
    factors: dict[str, NDArray[Any]],
    rng: Generator,
) -> NDArray[np.uint8]:
    """Images (n, 28, 28) for factors (n,): each pixel is interpolated bilinearly in the drawing.

    An image is p' = R(rotation) S(shear) scale p + shift of its drawing, whose origin is its centre of mass; so
    the pixel at p' shows the drawing at p = S^-1 R^-1 (p' - shift) / scale.
    """
    column = {k: v.astype(np.float32)[:, None, None] for k, v in factors.items() if k in RANGES}
    glyph = factors["class"].astype(np.intp) * len(FONTS) + factors["font"].astype(np.intp)
    u = np.arange(SIZE, dtype=np.float32) - np.float32((SIZE - 1) / 2)
    dx, dy = u[None, None, :] - column["shift_x"], u[None, :, None] - column["shift_y"]
    angle = np.deg2rad(column["rotation"])
    cos, sin = np.cos(angle), np.sin(angle)
    zoom = OVERSAMPLING / column["scale"]
    centre = centres[glyph][:, :, None, None]
    # y points down, so a counter-clockwise turn has the matrix (cos, sin; -sin, cos). Undo it, then the shear.
    px, py = zoom * (cos * dx - sin * dy), zoom * (sin * dx + cos * dy)
    x = np.clip(px - column["shear"] * py + centre[:, 0], 0, SHEET - 1.001)
    y = np.clip(py + centre[:, 1], 0, SHEET - 1.001)
    left, top = x.astype(np.int32), y.astype(np.int32)
    x -= left
    y -= top
    first = glyph[:, None, None] * (SHEET * SHEET) + top * SHEET + left
    flat = sheets.reshape(-1)
    corner = [flat.take(first + offset) for offset in (0, 1, SHEET, SHEET + 1)]
    upper = corner[0] + x * (corner[1] - corner[0])
    lower = corner[2] + x * (corner[3] - corner[2])
    ink = upper + y * (lower - upper)
    ink *= np.float32(CONTRAST / 255)
    ink += 0.5 * (1 - CONTRAST) + column["stroke"]
    np.clip(ink, 0, 1, out=ink)
    grain = rng.uniform(ink.shape, 1 - 2 * GRAIN, 1)
    return (ink * (255 * column["brightness"]) * grain + np.float32(0.5)).astype(np.uint8)


def _font_folder() -> Path:
    """The folder of matplotlib's fonts: beside its code, in most installations.

    So matplotlib is not imported, which takes 0.3 s and gives warnings if the home folder cannot be written.
    """
    found = importlib.util.find_spec("matplotlib")
    data = Path(found.origin).with_name("mpl-data") if found and found.origin else None
    if data is None or not data.is_dir():
        data = Path(importlib.import_module("matplotlib").get_data_path())
    return data / "fonts" / "ttf"


def _draw_sheets(characters: str) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """Draw each character in each font: drawings (characters x fonts, SHEET, SHEET) of 0..255, and the centre of mass
    (x, y) of each. int16, so that differences of neighbours need no conversion.
    """
    from PIL import Image, ImageDraw, ImageFont

    folder = _font_folder()
    sheets = np.empty((len(characters), len(FONTS), SHEET, SHEET), np.int16)
    centres = np.empty((len(characters), len(FONTS), 2), np.float32)
    basic = ImageFont.Layout.BASIC  # the other layout engine is an optional library
    for f, name in enumerate(FONTS):
        path = folder / f"{name}.ttf"
        if not path.is_file():
            raise FileNotFoundError(f"glyphs: matplotlib's font {path} is missing; reinstall matplotlib with its fonts")
        probe = ImageFont.truetype(path, 200, layout_engine=basic).getbbox("0")
        normal = 200 * DIGIT_HEIGHT / (probe[3] - probe[1])
        for c, character in enumerate(characters):
            font = ImageFont.truetype(path, normal, layout_engine=basic)
            left, top, right, bottom = font.getbbox(character)
            if max(right - left, bottom - top) > BOX:
                shrunk = normal * BOX / max(right - left, bottom - top)
                font = ImageFont.truetype(path, shrunk, layout_engine=basic)
                left, top, right, bottom = font.getbbox(character)
            picture = Image.new("L", (SHEET, SHEET), 0)
            at = ((SHEET - left - right) / 2, (SHEET - top - bottom) / 2)
            ImageDraw.Draw(picture).text(at, character, fill=255, font=font)
            sheet = _blur(np.asarray(picture, np.float64))
            sheets[c, f] = np.rint(sheet)
            along = np.arange(SHEET)
            centres[c, f] = sheet.sum(0) @ along / sheet.sum(), sheet.sum(1) @ along / sheet.sum()
    return sheets.reshape(-1, SHEET, SHEET), centres.reshape(-1, 2)


def _blur(sheet: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average over the area of one image pixel (4 x 4), so that sampling every fourth pixel does not alias."""
    for axis in (0, 1):
        near = np.roll(sheet, 1, axis) + sheet + np.roll(sheet, -1, axis)
        far = np.roll(sheet, 2, axis) + np.roll(sheet, -2, axis)
        sheet = (near + far / 2) / OVERSAMPLING
    return sheet


def _cache_path(split: str, seed: int, count: int, letters: bool) -> Path:
    # Pillow is in the name because it holds the font rasteriser, matplotlib because it holds the fonts.
    what = "letters" if letters else "digits"
    made_by = f"matplotlib{version('matplotlib')}-pillow{version('pillow')}"
    return cache_folder() / f"glyphs-v{FORMAT}-{what}-{split}-n{count}-seed{seed}-{made_by}.npz"


def _read_cache(path: Path, count: int) -> tuple[NDArray[np.uint8], dict[str, NDArray[Any]]] | None:
    """The images and factors in the file, or None if it is missing or damaged."""
    try:
        with path.open("rb") as file:  # opened here: np.load does not close a file that is no zip archive
            arrays = np.load(file, allow_pickle=False)
            images = arrays["images"]
            factors = {name: arrays[name] for name in ("class", "font", *RANGES)}
    except (OSError, ValueError, KeyError, IndexError, EOFError, NotImplementedError, zipfile.BadZipFile):
        return None
    whole = images.shape == (count, 1, SIZE, SIZE) and images.dtype == np.uint8
    return (images, factors) if whole and all(v.shape == (count,) for v in factors.values()) else None


def _write_cache(path: Path, images: NDArray[np.uint8], factors: dict[str, NDArray[Any]]) -> None:
    """Write the file atomically. If the folder cannot be written, nothing is cached."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".glyphs-", delete=False) as file:
            try:
                # Not compressed: reading the disk is faster than zlib.
                np.savez(file, allow_pickle=False, images=images, **factors)
                file.close()
                os.replace(file.name, path)
            except BaseException:
                with contextlib.suppress(OSError):  # a full disk fails here once more
                    file.close()
                os.unlink(file.name)
                raise
