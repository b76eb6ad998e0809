"""Which sizes of images the convolutional networks take, and the error for others.

Imports: nothing. Read next: ``autoencoder.py``.
"""

from __future__ import annotations


def check_multiples_of_4(height: int, width: int, alternative: str) -> None:
    """ValueError for a side that cannot be halved twice: what came, the nearest sizes that fit, and what else to do."""
    if height % 4 == width % 4 == 0 and min(height, width) > 0:
        return
    smaller, larger = ([(side + add) // 4 * 4 for side in (height, width)] for add in (0, 3))
    near = [f"{h}x{w}" for h, w in (smaller, larger) if min(h, w) > 0]
    raise ValueError(
        f"image sides must be multiples of 4, got {height}x{width}; resize the images to {' or '.join(near) or '4x4'} "
        f"(folders of pictures: --image-size), or {alternative}"
    )
