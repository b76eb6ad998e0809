"""Shapes and other arguments for calls of kernels, drawn: what the table in ``drawn.py`` is made of.

Imports: NumPy, ``calls.py``. Read next: ``drawn.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigen_kernels import Pair
from minigen_kernels.calls import WINDOW, Shape

Drawn = tuple[list[Shape], tuple[Any, ...]]  # shapes of the arrays, the other arguments

SMALL, ROWS, LENGTHS = (1, 2, 3, 5), (1, 3, 7, 8, 16, 17, 33, 64, 65), (1, 2, 7, 31, 32, 33, 67, 257, 1021)
ACTIVATIONS = (("identity", 0.0), ("leaky_relu", 0.0), ("leaky_relu", 0.2), ("sigmoid", 0.0), ("tanh", 0.0))
STATE = 2**63 + 12345  # a seed and a position that fill both halves


class Sizes:
    """Draws sizes; `ones`: the smallest of each."""

    def __init__(self, rng: np.random.Generator, ones: bool) -> None:
        self.rng, self.ones = rng, ones

    def of(self, *choices: Any) -> Any:
        """One of the choices; the first, where every size is 1."""
        return choices[0 if self.ones else int(self.rng.integers(len(choices)))]

    def pair(self, *choices: int) -> Pair:
        """One of the choices for each axis of an image."""
        return self.of(*choices), self.of(*choices)

    def any(self) -> Shape:
        """A shape of up to three axes."""
        axes = self.of(1, 0, 1, 2, 3)
        return (self.of(*LENGTHS),) if axes == 1 else tuple(self.of(1, 2, 7, 33) for _ in range(axes))

    def planes(self) -> Shape:
        """(N, C, H, W)."""
        return self.of(*SMALL), self.of(*SMALL, 19), self.of(1, 2, 5, 13), self.of(1, 3, 7, 17)


def like(count: int, *others: tuple[Any, ...]) -> Callable[[Sizes], Drawn]:
    """As many arrays of one shape, and one of the choices for each other argument."""
    return lambda s: ([s.any()] * count, tuple(s.of(*choices) for choices in others))


def of_scalar(count: int) -> Callable[[Sizes], Drawn]:
    """The gradient of a sum: one number, arrays of one shape, a scale."""
    return lambda s: ([(), *[s.any()] * count], (0.3,))


def rows(count: int) -> Callable[[Sizes], Drawn]:
    """Arrays (R, K)."""

    def draw(s: Sizes) -> Drawn:
        R, K = s.of(1, 3, 7, 33), s.of(*LENGTHS)
        return [(R, K)] * count, ()

    return draw


def _in_groups(s: Sizes) -> tuple[Shape, int]:
    """The shape (N, C, L) of samples, many of them rows, and the number of groups of their channels."""
    N, groups, L = s.of(1, 3, 7, 33), s.of(1, 1, 2, 4), s.of(1, 1, 7, 67)
    return (N, groups * (s.of(*LENGTHS) if L == 1 else s.of(1, 3, 17)), L), groups


def group_norm(s: Sizes) -> Drawn:
    """An array (N, C, L), two vectors (C,), and the number of groups."""
    x, groups = _in_groups(s)
    return [x, x[1:2], x[1:2]], (groups, 1e-5)


def group_norm_backward(s: Sizes) -> Drawn:
    """Two arrays (N, C, L), a vector (C,), and the statistics (N, groups)."""
    x, groups = _in_groups(s)
    return [x, x, x[1:2], (x[0], groups), (x[0], groups)], (1e-5,)


def channels(count: int, vectors: int, *others: Any) -> Callable[[Sizes], Drawn]:
    """Arrays (N, C, L), vectors (C,), others, of a tuple one; an activation, if no others are given."""

    def draw(s: Sizes) -> Drawn:
        N, C, L = s.of(1, 2, 5, 70), s.of(1, 2, 4, 37), s.of(1, 1, 7, 33, 67)
        chosen = tuple(s.of(*other) if isinstance(other, tuple) else other for other in others)
        return [(N, C, L)] * count + [(C,)] * vectors, chosen or s.of(*ACTIVATIONS)

    return draw


def in_channels(count: int) -> Callable[[Sizes], Drawn]:
    """Arrays (N, C, L) and a vector (C,)."""
    return lambda s: (channels(count, 1, 0)(s)[0], ())


def conv(arrays: str, *, enlarged: bool = False) -> Callable[[Sizes], Drawn]:
    """Two of the image x, the kernel w and the gradient g of the result, and the geometry that the third follows.

    What has a kernel may have a bias and an activation, too, and the factors of an enlargement.
    """

    def draw(s: Sizes) -> Drawn:
        kernel, stride, dilation = s.pair(1, 2, 3, 5), s.pair(1, 1, 2, 3), s.pair(1, 1, 2)
        out, groups, n = s.pair(1, 2, 5, 7), s.of(1, 1, 2, 3), s.of(*SMALL)
        deep, wide = s.of(1, 2, 5, 9), s.of(*ROWS)  # many channels of the result, whichever that is
        cg, kg = (wide, deep) if arrays == "gw" else (deep, wide)
        reach = [(o - 1) * t + (k - 1) * d for o, t, k, d in zip(out, stride, kernel, dilation)]
        padding = tuple(min(s.of(0, 0, 1, 2), r // 2) for r in reach)
        hw = tuple(r + 1 - 2 * p + s.of(*range(t)) for r, p, t in zip(reach, padding, stride))
        shapes = {"x": (n, cg * groups, *hw), "w": (kg * groups, cg, *kernel), "g": (n, kg * groups, *out)}
        third = {"xw": out, "gw": hw, "xg": kernel}[arrays]
        geometry = (third, stride, padding, dilation, groups)
        if "w" not in arrays or not (enlarged or s.of(False, True)):
            return [shapes[name] for name in arrays], geometry
        bias = (shapes["x" if arrays == "gw" else "g"][1],)
        scale = (s.pair(1, 2, 3),) if enlarged else ()
        return [*(shapes[name] for name in arrays), bias], (*geometry, *s.of(*ACTIVATIONS), *scale)

    return draw


def pool(adjoint: bool, *others: Any) -> Callable[[Sizes], Drawn]:
    """An image or, for the adjoint, the gradient of the result, and the window."""

    def draw(s: Sizes) -> Drawn:
        n, c, oh, ow = s.planes()
        kernel, stride = s.pair(1, 2, 3), s.pair(1, 2, 3)
        padding = tuple(s.of(*range(k // 2 + 1)) for k in kernel)
        spans = zip((oh, ow), kernel, stride, padding)
        hw = tuple(max(1, (o - 1) * t + k - 2 * p) for o, k, t, p in spans)
        chosen = (s.of(True, False),) if others else ()
        shape, size = ((n, c, oh, ow), hw) if adjoint else ((n, c, *hw), (oh, ow))
        return [shape], (size, kernel, stride, padding, *chosen)

    return draw


def bias_act_max_pool2d(s: Sizes) -> Drawn:
    """An image, a bias, an activation and the window.

    No sigmoid or tanh: rooms round them differently, and of two numbers that are nearly equal either may be the larger.
    """
    (x,), window = pool(False)(s)
    return [x, x[1:2]], (*s.of(*ACTIVATIONS[:3]), *window)


def bias_act_max_pool2d_backward(s: Sizes) -> Drawn:
    """The gradient of the result, the result, the places of its maxima; an activation, the image's size, the window."""
    (y,), (hw, *window) = pool(True)(s)
    return [y, y, y], (*s.of(*ACTIVATIONS), hw, tuple(window))


def bias_act_upsample_backward(s: Sizes) -> Drawn:
    """The gradient of an enlarged image, the image, an activation and the scale."""
    (gy,), (scale,) = upsample(True)(s)
    y = (*gy[:2], gy[2] // scale[0], gy[3] // scale[1])
    return [gy, y], (*s.of(*ACTIVATIONS), scale)


def posterior_sample(s: Sizes) -> Drawn:
    """Two arrays (N, D) and their biases; the bound of a log-variance, a state, a scale."""
    n, d = s.of(1, 3, 70), s.of(1, 2, 20, 37)
    return [(n, d), (n, d), (d,), (d,)], (15.0, s.of(7, STATE), s.of(1, 2**40 + 1), s.of(0, STATE), 0.3)


def posterior_sample_backward(s: Sizes) -> Drawn:
    """The gradients of a draw and of its divergence, what was kept, the bound and the scale."""
    shape = s.of(1, 3, 70), s.of(1, 2, 20, 37)
    return [shape, (), shape, shape, shape], (15.0, 0.3)


def plane_gather(s: Sizes) -> Drawn:
    """Planes, and places in them."""
    x = s.planes()
    return [x, (*x[:2], s.of(1, 4, 11), s.of(1, 3, 8))], ()


def plane_scatter(s: Sizes) -> Drawn:
    """Results with any places in planes, or with those of a max pooling."""
    n, c, h, w = s.planes()
    return s.of(([(n, c, h, w)] * 2, ((s.of(1, 4, 7), s.of(1, 8)), None)), ([(n, c, 4, 4)] * 2, ((7, 8), WINDOW)))


def upsample(adjoint: bool) -> Callable[[Sizes], Drawn]:
    """An image, or one that is a whole number of times as large; the scale."""

    def draw(s: Sizes) -> Drawn:
        (n, c, h, w), (fh, fw) = s.planes(), s.pair(1, 2, 3)
        return [(n, c, h * fh, w * fw) if adjoint else (n, c, h, w)], ((fh, fw),)

    return draw


def interpolate(adjoint: bool, bilinear: bool) -> Callable[[Sizes], Drawn]:
    """An image or the gradient of the result, the size of the other, the step; for bilinear ones, which corners."""

    def draw(s: Sizes) -> Drawn:
        (n, c, h, w), out = s.planes(), s.pair(1, 2, 4, 9, 19)
        align = bilinear and s.of(False, True)
        step = tuple((a - 1) / max(o - 1, 1) if align else a / o for a, o in zip((h, w), out))
        shape, size = ((n, c, *out), (h, w)) if adjoint else ((n, c, h, w), out)
        return [shape], (size, step, align) if bilinear else (size, step)

    return draw


def sum_axes(s: Sizes) -> Drawn:
    """An array of three axes, and some of them."""
    shape = (s.of(1, 5, 67), s.of(1, 7, 33), s.of(1, 9, 257))
    return [shape], (s.of((0,), (0, 2), (1,), (2,), (1, 2), (0, 1, 2), ()), s.of(1.0, 0.3))


def matmul(s: Sizes) -> Drawn:
    """Two matrices."""
    m, k, n = s.of(*ROWS), s.of(*LENGTHS[:-2]), s.of(*ROWS)
    return [(m, k), (k, n)], ()


def average_update(s: Sizes) -> Drawn:
    """Two arrays and the number of the update."""
    shape = s.any()
    return [shape, shape, ()], (0.9, s.of(0, 1))


def scores(*others: Any) -> Callable[[Sizes], Drawn]:
    """Two vectors, and others, of a tuple one."""

    def draw(s: Sizes) -> Drawn:
        chosen = tuple(s.of(*other) if isinstance(other, tuple) else other for other in others)
        return [(s.of(*LENGTHS),), (s.of(*LENGTHS),)], chosen

    return draw


def samples(count: int, vectors: int = 0) -> Callable[[Sizes], Drawn]:
    """Arrays (N, ...) of up to three axes, vectors (N,)."""

    def draw(s: Sizes) -> Drawn:
        n, shape = s.of(1, 2, 7, 33), s.of((), (1,), (67,), (3, 257))
        return [(n, *shape)] * count + [(n,)] * vectors, ()

    return draw


def random(*others: Any, arrays: int = 0) -> Callable[[Sizes], Drawn]:
    """Seed, stream, position and number."""

    def draw(s: Sizes) -> Drawn:
        n = s.of(1, 2, 255, 257, 1021, 2503)
        return [(n,)] * arrays, (s.of(7, STATE), s.of(1, 2**40 + 1), s.of(0, 5, STATE), n, *others)

    return draw
