"""The text format of the fixed binarised MNIST (Larochelle and Murray 2011): lines of 784 bits, ``0 1 0 ... 0``.

Imports: NumPy, ``idx.py`` (to open plain or gzipped files). Read next: ``sources.py``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from minigen.data.idx import open_maybe_gzipped

SIDE = 28
LINE = 2 * SIDE * SIDE  # bytes: 784 times a bit and a space or, at the end, a newline
LINES = 1000  # read at a time


def read_amat(path: str | Path) -> NDArray[np.uint8]:
    """The images (N, 1, 28, 28) of an ``.amat`` or ``.amat.gz`` file: bytes 0 or 255.

    ValueError names the line that is wrong.
    """
    path = Path(path)
    parts: list[NDArray[np.uint8]] = []
    line = 0
    with open_maybe_gzipped(path) as file:
        while chunk := file.read(LINES * LINE):
            whole = len(chunk) // LINE
            text = np.frombuffer(chunk, np.uint8, whole * LINE).reshape(whole, SIDE * SIDE, 2)
            bits = text[:, :, 0] - np.uint8(ord("0"))  # characters below "0" wrap around to large numbers
            good = (bits <= 1).all(1) & (text[:, :-1, 1] == ord(" ")).all(1) & (text[:, -1, 1] == ord("\n"))
            if not good.all() or whole * LINE != len(chunk):
                bad = line + 1 + (whole if good.all() else int(np.argmin(good)))
                raise ValueError(
                    f"{path}: line {bad}: expected {SIDE * SIDE} characters 0 or 1 parted by single blanks "
                    f"({LINE} bytes with the newline); the file is cut or of another format"
                )
            parts.append(bits * np.uint8(255))
            line += whole
    if not parts:
        raise ValueError(f"{path}: empty: expected lines of {SIDE * SIDE} characters 0 or 1")
    return np.concatenate(parts).reshape(-1, 1, SIDE, SIDE)
