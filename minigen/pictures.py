"""Pictures of images: a grid, or inputs beside their reconstructions, or points of the plane, as PNG files.

Imports: atomic; Pillow when a file is written. Read next: nothing, this is a leaf.
"""

from __future__ import annotations

import importlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from minigen.atomic import write_atomically
from minigen_kernels import Array


def grid(
    images: Array, columns: int | None = None, *, value_range: tuple[float, float] = (0.0, 1.0), gap: int = 2
) -> Array:
    """Images (N, C, H, W), C = 1 or 3, as one picture (rows, columns) or (rows, columns, 3) of bytes.

    The images stand in reading order, `columns` in a row (by default as many as make the picture square), `gap` pixels
    apart. `value_range` becomes 0..255; what lies outside is cut off, and NaN is an error.
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not len(images):
        raise ValueError(f"grid: expected at least one image as (N, 1, H, W) or (N, 3, H, W), got {images.shape}")
    if not np.isfinite(images).all():
        raise ValueError("grid: the images contain NaN or Inf")
    n, c, h, w = images.shape
    columns = int(np.ceil(np.sqrt(n))) if columns is None else columns
    if columns < 1:
        raise ValueError(f"grid: columns must be at least 1, or None for a square picture, got {columns}")
    rows = -(-n // columns)
    low, high = value_range
    shades = np.clip((images - low) / (high - low) * 255 + 0.5, 0, 255).astype(np.uint8)
    sheet = np.full((rows * (h + gap) - gap, columns * (w + gap) - gap, c), 255, np.uint8)
    for i, image in enumerate(shades):
        top, left = i // columns * (h + gap), i % columns * (w + gap)
        sheet[top : top + h, left : left + w] = image.transpose(1, 2, 0)
    return sheet[:, :, 0] if c == 1 else sheet


def side_by_side(
    parts: Sequence[Array], *, value_range: tuple[float, float] = (0.0, 1.0), groups: int = 4, gap: int = 2
) -> Array:
    """Each image beside its versions: parts[0] the inputs (N, C, H, W), parts[1] their reconstructions, and so on.

    `groups` of them stand in a row, with a wider gap between groups than within one.
    """
    shapes = {part.shape for part in parts}
    if len(shapes) != 1 or 0 in next(iter(shapes)):
        raise ValueError(f"side_by_side: expected parts of one shape (N, C, H, W), N above 0, got {sorted(shapes)}")
    if groups < 1:
        raise ValueError(f"side_by_side: groups must be at least 1, got {groups}")
    strips = [grid(np.stack(versions), len(parts), value_range=value_range, gap=gap) for versions in zip(*parts)]
    height, width = strips[0].shape[:2]
    groups = min(groups, len(strips))
    rows = -(-len(strips) // groups)
    between = 6 * gap
    shape = (rows * (height + gap) - gap, groups * (width + between) - between, *strips[0].shape[2:])
    sheet = np.full(shape, 255, np.uint8)
    for i, strip in enumerate(strips):
        top, left = i // groups * (height + gap), i % groups * (width + between)
        sheet[top : top + height, left : left + width] = strip
    return sheet


def sheet(parts: Sequence[Array], *, value_range: tuple[float, float] = (0.0, 1.0)) -> Array:
    """One picture of what a model shows: parts[0] alone (N, C, H, W) as a grid, several side by side.

    Of four channels the first three are shown, of two the first; but points of the plane, (N, 2, 1, 1), are plotted.
    """
    if all(part.shape[1:] == POINT for part in parts):
        panels = [plot(part.reshape(-1, 2), value_range=value_range) for part in parts]
        return np.concatenate([*panels[:1], *(np.pad(panel, ((0, 0), (6, 0))) for panel in panels[1:])], 1)
    shown = [part[:, : 3 if part.shape[1] >= 3 else 1] for part in parts]
    return grid(shown[0], value_range=value_range) if len(shown) == 1 else side_by_side(shown, value_range=value_range)


POINT = (2, 1, 1)  # the shape of an "image" that is a point of the plane


def plot(points: Array, *, value_range: tuple[float, float] = (-1.0, 1.0), side: int = 200) -> Array:
    """Points (N, 2) of the square `value_range` x `value_range` as a picture (side, side), dark where there are many.

    x grows to the right, y upwards; points outside the square stand at its edge. NaN is an error.
    """
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ValueError(f"plot: expected at least one point as (N, 2), got {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError("plot: the points contain NaN or Inf")
    low, high = value_range
    cells = ((points.astype(np.float64) - low) / (high - low) * side).clip(0, side - 1).astype(np.int64)
    counts = np.zeros((side, side))
    np.add.at(counts, (side - 1 - cells[:, 1], cells[:, 0]), 1)
    shade = np.where(counts > 0, 0.4 + 0.6 * np.log1p(counts) / np.log1p(max(counts.max(), 1)), 0)
    picture: Array = (255 - 255 * shade).astype(np.uint8)
    return picture


def save_png(picture: Array, path: str | Path, *, scale: int = 2) -> None:
    """Write bytes (H, W) or (H, W, 3) as a PNG file, each pixel `scale` wide and high. Whole or not at all."""
    write_atomically(path, as_png(picture, scale=scale))


def read_png(path: str | Path, *, scale: int = 2) -> Array:
    """The bytes (H, W) or (H, W, 3) that `save_png` wrote. OSError if it is no picture."""
    return np.asarray(importlib.import_module("PIL.Image").open(path))[::scale, ::scale]


def as_png(picture: Array, *, scale: int = 2) -> bytes:
    """The contents of that file."""
    image = importlib.import_module("PIL.Image").fromarray(picture.repeat(scale, 0).repeat(scale, 1))
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()
