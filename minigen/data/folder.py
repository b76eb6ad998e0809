"""Images from a folder of picture files, with sub-folders as classes.

Imports: NumPy, ``dataset.py``, ``layout.py``; Pillow when it reads. Read next: ``sources.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from minigen.data.dataset import Dataset
from minigen.data.layout import holdout

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
GREY_MODES = ("1", "L", "LA", "I;16")


def load_folder(path: Path, *, split: str, seed: int, image_size: int | tuple[int, int] | None) -> Dataset:
    """The pictures (png, jpg, bmp, webp) in a folder, as uint8 (N, 1, H, W) if all are grey, else (N, 3, H, W).

    Sub-folders are classes, in the order of their names (numbers in the order of their values). Sub-folders ``train``
    and ``test`` are splits, each built like a folder of its own; without them, a random tenth chosen by `seed` is the
    test set. `image_size` (a side or (height, width)) crops every picture around its centre to that shape and resizes
    it; without it all must have one size. Transparent pixels lie over white. ValueError, naming files, for pictures
    that cannot be used.
    """
    size = _check_size(image_size)
    own_split = all((path / name).is_dir() for name in ("train", "test"))
    if own_split and (odd := set(_classes(path / "train")) ^ set(_classes(path / "test"))):
        raise ValueError(
            f"{path}: train and test must hold the same class folders; only one of them has {', '.join(sorted(odd))}"
        )
    files, labels, classes = _list_files(path / split if own_split else path)
    whole = Dataset(path.name, split, _read_all(files, size), labels, classes)
    if own_split:
        return whole
    return whole.subset(holdout(len(whole), split=split, seed=seed, source=str(path)))


def _classes(root: Path) -> list[str]:
    """The names of the sub-folders that hold pictures."""
    folders = [p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")]
    names = [p.name for p in folders if _pictures(p)]
    return sorted(names, key=lambda name: (not name.isdecimal(), int(name) if name.isdecimal() else 0, name))


def _pictures(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))


def _list_files(root: Path) -> tuple[list[Path], NDArray[np.int64] | None, tuple[str, ...] | None]:
    loose, classes = _pictures(root), _classes(root)
    if loose and classes:
        raise ValueError(
            f"{root}: holds pictures ({loose[0].name}) beside folders with pictures ({classes[0]}); "
            "put every picture into a class folder, or none"
        )
    if loose:
        return loose, None, None
    files = [_pictures(root / name) for name in classes]
    if not files:
        raise ValueError(
            f"{root}: holds no pictures ({', '.join(SUFFIXES)}), not in its folders either, "
            "and no IDX files (*-images-idx3-ubyte)"
        )
    labels = np.repeat(np.arange(len(classes)), [len(part) for part in files])
    return [p for part in files for p in part], labels, tuple(classes)


def _check_size(image_size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if image_size is None:
        return None
    size = image_size if isinstance(image_size, tuple) else (image_size, image_size)
    if len(size) != 2 or not all(isinstance(k, int) and not isinstance(k, bool) and k > 0 for k in size):
        raise ValueError(f"image_size: expected a number of pixels or (height, width), at least 1, got {image_size!r}")
    return size


def _read_all(files: list[Path], size: tuple[int, int] | None) -> NDArray[np.uint8]:
    channels = 1
    for path in files:  # first the headers alone: one colour picture makes all of them RGB
        with _open(path) as picture:
            channels = max(channels, 1 if picture.mode in GREY_MODES else 3)
    first = _read_one(files[0], channels, size)
    images = np.empty((len(files), *first.shape), np.uint8)
    for i, path in enumerate(files):
        x = _read_one(path, channels, size) if i else first
        if x.shape != images.shape[1:]:
            raise ValueError(
                f"pictures of different sizes: {files[0]} is {images.shape[2]}x{images.shape[3]}, "
                f"{path} is {x.shape[1]}x{x.shape[2]} (height x width); give image_size (--image-size) for all"
            )
        images[i] = x
    return images


def _open(path: Path) -> Image.Image:
    from PIL import Image

    try:
        return Image.open(path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: cannot be read as a picture ({error}); repair or remove it") from error


def _read_one(path: Path, channels: int, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """One picture (C, H, W), upright as its camera noted, over white where it is transparent."""
    from PIL import Image, ImageOps

    with _open(path) as opened:
        try:
            picture = ImageOps.exif_transpose(opened)
            if picture.mode == "I;16":
                picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
            if picture.has_transparency_data:
                picture = picture.convert("RGBA")
                picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
            picture = picture.convert("L" if channels == 1 else "RGB")
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            raise ValueError(f"{path}: cannot be read as a picture ({error}); repair or remove it") from error
        if size is not None:
            picture = ImageOps.fit(picture, (size[1], size[0]), Image.Resampling.LANCZOS)
        x = np.asarray(picture, np.uint8)
    return x[None] if channels == 1 else np.ascontiguousarray(x.transpose(2, 0, 1))
