"""The same pictures written in every layout that is read batch by batch."""

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from minigen.data import load

NEEDS_PYARROW = "pyarrow is not installed: pip install 'minigen-engine[parquet]'"
NAMES = ("ant", "bee", "cat")
LAYOUTS = ("folder", "tar", "parquet", "shards", "npy")


def drawn(count, shape=(6, 5, 3), seed=0):
    """Random pictures (N, H, W, 3) or (N, H, W), and sorted labels (N,), of which each of three occurs."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
    return x, np.sort(np.concatenate([np.arange(3), rng.integers(0, 3, count - 3)]))


def png(x):
    file = io.BytesIO()
    Image.fromarray(x).save(file, "PNG")
    return file.getvalue()


def add(archive, name, data):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def write_tar(path, x, y=None, first=0, names=None):
    """An archive of pictures, with labels as numbers in .cls files."""
    with tarfile.open(path, "w") as archive:
        for k, one in enumerate(x):
            add(archive, f"{first + k:06}.png", png(one))
            if y is not None:
                add(archive, f"{first + k:06}.cls", str(y[k]).encode())
    return path


FEATURES = {"image": {"_type": "Image"}, "label": {"names": list(NAMES), "_type": "ClassLabel"}}


def write_table(path, pictures, y, row_group_size=4, features=FEATURES, **columns):
    """A table as the library datasets writes it; `pictures` are bytes or structs."""
    pa = pytest.importorskip("pyarrow", reason=NEEDS_PYARROW)
    pq = pytest.importorskip("pyarrow.parquet", reason=NEEDS_PYARROW)
    pictures = [{"bytes": p, "path": None} if isinstance(p, bytes) else p for p in pictures]
    table = pa.table({"image": pictures, "label": np.asarray(y), **columns})
    meta = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    pq.write_table(table.replace_schema_metadata(meta), path, row_group_size=row_group_size)
    return path


def write(layout, folder, x, y, shards=1):
    """The path of a data set of these pictures in some files; how many classes and in which order is the same."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = np.array_split(np.arange(len(x)), shards)
    if layout == "folder":
        for k, one in enumerate(x):
            path = folder / NAMES[y[k]] / f"{k:04}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(png(one))
    for number, part in enumerate(parts):
        if layout == "tar":
            write_tar(folder / f"data-{number:04}.tar", x[part], y[part], first=part[0] if len(part) else 0)
        elif layout == "parquet":
            name = f"train-{number:05}-of-{shards:05}.parquet"
            write_table(folder / name, [png(one) for one in x[part]], y[part])
        elif layout == "shards":
            np.save(folder / f"x-{number:05}.npy", x[part])
            np.save(folder / f"y-{number:05}.npy", y[part])
    if layout == "npy":
        np.save(folder / "images.npy", x)
        np.save(folder / "labels.npy", y)
    return folder


def whole(path, **options):
    """All images of a data set that has no splits, by their first pixel, and the notes."""
    parts = [load(path, split=split, **options) for split in ("train", "test")]
    return sorted(int(x) for part in parts for x in np.asarray(part.images)[:, 0, 0, 0]), parts[0].notes


def first_pixels(x):
    return sorted(int(k) for k in x[:, 0, 0, 0])
