"""How convolutional networks fit images of any size from 4x4: how often they halve the sides, and the way back.

A convolution of stride 2 leaves half of an even side, and of an odd side half of it rounded down (kernels of an even
size) or up. Every pixel is seen. The transposed convolution of the same kernel and padding comes back to the side that
there was by an output padding of 0 or 1: ``output_size`` of PyTorch's layer. So no size needs a crop, and even sides
have the layers that they always had.

Imports: nothing. Read next: ``autoencoder.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

Size = tuple[int, int]  # (height, width)

SMALLEST = 4  # pixels on a side
BOTTOM = 8  # a larger side of the smallest feature map is halved again


@dataclass(frozen=True)
class Halving:
    """A strided convolution: the sizes `before` and `after` it, its padding, and the output padding of the way back."""

    before: Size
    after: Size
    padding: Size
    output_padding: Size


def halve(image: tuple[int, int, int], kernel: int, count: int, alternative: str) -> list[Halving]:
    """`count` halvings of an image (C, H, W) by convolutions of that kernel size; 0: as many as `automatic_count` says.

    ValueError for a side below 4 - `alternative` says what else to do -, and for more halvings than the sides have.
    """
    size: Size = image[1:]
    check_sides(size, alternative)
    wanted = count or automatic_count(size, kernel)
    found: list[Halving] = []
    for _ in range(wanted):
        pairs = [_halve_side(side, kernel) for side in size]
        after, padding, output_padding = ((a, b) for a, b in zip(*pairs, strict=True))
        if min(after) < 1 or min(size) == 1:
            raise ValueError(
                f"--halvings {count}: after {len(found)} halvings an image of {image[1]}x{image[2]} is {size[0]}x"
                f"{size[1]}; take at most {len(found)}, or 0 for the number that suits the size"
            )
        found.append(Halving(size, after, padding, output_padding))
        size = after
    return found


def automatic_count(size: Size, kernel: int) -> int:
    """How often DCGAN's networks halve images of that size: twice, and again while the smaller side is above 8.

    28: 7, 32: 8, 64: 8, 128: 8. Images whose sides are both multiples of 4 are halved no further than both are even,
    as by every version so far (36: 9, 100: 25), so that their runs stay what they are.
    """
    even = size[0] % 4 == size[1] % 4 == 0
    count = 0
    while count < 2 or (min(size) > BOTTOM and not (even and any(side % 2 for side in size))):
        size = _halve_side(size[0], kernel)[0], _halve_side(size[1], kernel)[0]
        count += 1
    return count


def check_sides(size: Size, alternative: str) -> None:
    """ValueError for a side below 4: what came, and what else to do."""
    if min(size) < SMALLEST:
        raise ValueError(
            f"image sides must be at least {SMALLEST}, got {size[0]}x{size[1]}; give larger images (folders of "
            f"pictures: --image-size), or {alternative}"
        )


def _halve_side(side: int, kernel: int) -> tuple[int, int, int]:
    """The side after a convolution of stride 2, its padding, and the output padding of the way back."""
    padding = (kernel - 1) // 2 + (
        kernel == 2 and side % 2
    )  # a kernel of 2 would not see the last pixel of an odd side
    after = (side + 2 * padding - kernel) // 2 + 1
    return after, padding, side - (2 * (after - 1) + kernel - 2 * padding)
