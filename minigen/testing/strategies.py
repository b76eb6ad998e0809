"""Strategies for hypothesis: arrays as inputs of layers. Shapes by the names of axes, scales, views, geometries.

An array is drawn as a shape and a seed; its numbers come from NumPy's generator. So drawing is fast, a failure shrinks
to a small shape and scale 1, and the numbers stay in general position: hypothesis would shrink to zeros, of which a
gradient check proves little. A size is a whole number, a pair (least, most) or a strategy. `values` is a function of a
generator and a shape that draws the numbers: `normal`, `positive`, `probability`, `distinct` (for maxima and sorting),
`distinct_sizes`, or your own.

    from hypothesis import given
    from minigen.testing.strategies import away_from, images_nchw, scales

    @given(images_nchw(C=3, scale=scales()).map(away_from(0)))
    def test_my_relu(x):
        mg.gradcheck(my_relu, x)

Imports: hypothesis, NumPy, inventory. Read next: ``geometry.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

from minigen.inventory.cases import Draw, Shape, distinct, distinct_sizes, normal, positive, probability
from minigen.testing.geometry import ConvGeometry, Size, conv_geometry, size_of, st
from minigen.testing.views import LAYOUTS, view
from minigen_kernels import Array

__all__ = [
    "ConvGeometry", "away_from", "broadcast_views", "broadcastable", "by_axes", "conv_geometry", "distinct",
    "distinct_sizes", "images_nchw", "normal", "positive", "probability", "scales", "seeds", "shapes", "strided",
]  # fmt: skip

Scale = float | st.SearchStrategy[float]
T = TypeVar("T")  # an array, or a tuple of arrays and other things


def away_from(*kinks: float, gap: float = 2e-2) -> Callable[[T], T]:
    """A function for ``.map``: it moves the numbers of arrays away from each kink of the function under test.

    relu has a kink at 0, relu6 at 0 and 6, hinge at 1; at a kink there is no derivative to check. Afterwards none is
    closer to a kink than `gap` times the size of the kink, or times the root mean square of the array, if that is
    more; so it also works for tiny and huge arrays. Between two kinks that are close together the distance is less.
    Takes an array, or a tuple in which the floating arrays are moved.

        by_axes("N D", scale=scales()).map(away_from(0))
        images_nchw().map(away_from(0, 6))
    """
    if not kinks or not all(math.isfinite(k) for k in kinks) or not 0 < gap < 1:
        raise ValueError(f"away_from: give one or more finite kinks and 0 < gap < 1, got {kinks} and gap={gap}")
    sorted_kinks = sorted(set(map(float, kinks)))
    most = min((b - a for a, b in zip(sorted_kinks, sorted_kinks[1:])), default=math.inf) / 4

    def move(x: Any) -> Any:
        if isinstance(x, tuple):
            return tuple(map(move, x))
        if not isinstance(x, np.ndarray) or x.dtype.kind != "f":
            return x
        rms = float(np.sqrt(np.mean(x.astype(np.float64) ** 2))) if x.size else 0.0
        for kink in sorted_kinks:
            distance = min(most, gap * (max(abs(kink), rms) or 1.0))
            # A little more than asked for, because the sum of kink and distance is rounded.
            moved = kink + np.copysign(distance * (1 + 1e-6), x - kink)
            x = np.where(np.abs(x - kink) < distance, moved, x).astype(x.dtype)
        return x

    return move


def scales(least: float = 1e-8, most: float = 1e8) -> st.SearchStrategy[float]:
    """Powers of ten from `least` to `most`, for the argument `scale`; shrinks to the one nearest to 1.

    ``by_axes("N D", scale=scales())`` draws arrays of numbers of size 1e-8, ..., 1, ..., 1e8.
    """
    if not 0 < least <= most < math.inf:
        raise ValueError(f"scales: expected 0 < least <= most, got {least} and {most}")
    low, high = round(math.log10(least)), round(math.log10(most))
    return st.sampled_from(sorted(range(low, high + 1), key=abs)).map(lambda k: 10.0**k)


# Arrays.


def by_axes(
    *layouts: str, values: Draw | Sequence[Draw] = normal, scale: Scale = 1.0, dtype: Any = np.float64, **sizes: Size
) -> st.SearchStrategy[tuple[Array, ...]]:
    """A tuple of arrays whose axes have names; the same name is the same length in all of them.

    A layout lists the axes of one array, separated by spaces; a number is a length, "" is an array of shape ().
    `sizes` are the lengths by name, 1 to 3 where none is given. `values` is one function for all arrays, or one for
    each; each array draws its own `scale`.

        by_axes("N D", "K D", "K")                                   # x, w, b of a dense layer
        by_axes("N C H W", "C 1 1", N=2, C=(1, 4), H=5, W=5)         # images, and a number for each channel
        by_axes("N D", "N", values=(normal, positive), scale=scales())
    """
    if not layouts:
        raise ValueError('by_axes: give a layout for each array, for example by_axes("N D", "D")')
    names = dict.fromkeys(name for layout in layouts for name in layout.split() if not name.isdigit())
    if unknown := sizes.keys() - names.keys():
        raise ValueError(f"by_axes: sizes for {sorted(unknown)}, which are axes of none of {layouts}")
    each = [values] * len(layouts) if callable(values) else list(values)
    if len(each) != len(layouts):
        raise ValueError(f"by_axes: {len(each)} functions of values for {len(layouts)} arrays")
    lengths = {name: size_of(f"by_axes: {name}", sizes.get(name, (1, 3))) for name in names}

    def build(lengths: dict[str, int], seed: int, scales: list[float]) -> tuple[Array, ...]:
        rng = np.random.default_rng(seed)
        shapes = [tuple(int(n) if n.isdigit() else lengths[n] for n in layout.split()) for layout in layouts]
        return tuple(
            np.asarray(draw(rng, shape) * factor, dtype)
            for draw, shape, factor in zip(each, shapes, scales, strict=True)
        )

    factors = st.tuples(*[_scale(scale)] * len(layouts)).map(list)
    return st.builds(build, st.fixed_dictionaries(lengths), seeds(), factors)


def images_nchw(
    N: Size = (1, 2),
    C: Size = (1, 3),
    H: Size = (1, 6),
    W: Size = (1, 6),
    *,
    values: Draw = normal,
    scale: Scale = 1.0,
    dtype: Any = np.float64,
) -> st.SearchStrategy[Array]:
    """Images (N, C, H, W): ``images_nchw(C=3, H=(4, 9), W=8, scale=scales())``."""
    sizes: dict[str, Size] = {"N": N, "C": C, "H": H, "W": W}
    return by_axes("N C H W", values=values, scale=scale, dtype=dtype, **sizes).map(lambda drawn: drawn[0])


def shapes(least: int = 0, most: int = 3, side: int = 3) -> st.SearchStrategy[Shape]:
    """Shapes of `least` to `most` axes, each of length 1 to `side`: ``shapes(2, 2)`` are those of small matrices."""
    return st.lists(st.integers(1, side), min_size=least, max_size=most).map(tuple)


def broadcastable(
    count: int = 2, *, most: int = 3, side: int = 3, values: Draw = normal, scale: Scale = 1.0, dtype: Any = np.float64
) -> st.SearchStrategy[tuple[Array, ...]]:
    """`count` arrays of different shapes that broadcast together, such as (2, 3), (3,) and (2, 1), and ().

    ``@given(broadcastable(2))`` finds the gradient that is not summed over a broadcast axis.
    """

    @st.composite
    def draw_all(draw: st.DrawFn) -> tuple[Array, ...]:
        whole = draw(shapes(0, most, side))
        rng = np.random.default_rng(draw(seeds()))
        arrays = []
        for _ in range(count):
            own = whole[draw(st.integers(0, len(whole))) :]
            own = tuple(draw(st.sampled_from([n, 1])) for n in own)
            arrays.append(np.asarray(values(rng, own) * draw(_scale(scale)), dtype))
        return tuple(arrays)

    return draw_all()


# Views: the same arrays with another layout of memory.


def strided(strategy: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    """The arrays of `strategy` (an array, or a tuple) as views that are not contiguous; the values stay the same.

    Fortran order, reversed, every second element, or inside a larger array: a kernel that reads memory by a pointer
    gets these wrong. ``strided(by_axes("N D", "D"))``.
    """
    layouts = st.sampled_from(LAYOUTS)

    @st.composite
    def draw_views(draw: st.DrawFn) -> Any:
        return _each_array(draw(strategy), lambda x: view(x, draw(layouts)))

    return draw_views()


def broadcast_views(strategy: st.SearchStrategy[T]) -> st.SearchStrategy[T]:
    """The arrays of `strategy` as NumPy's broadcasting makes them: constant along an axis, of stride 0, read-only.

    Writing into such an array is an error, and reading its memory as N numbers reads beyond it.
    ``broadcast_views(images_nchw())``.
    """

    @st.composite
    def draw_views(draw: st.DrawFn) -> Any:
        def spread(x: Array) -> Array:
            if not x.size or not x.ndim:
                return x
            axis = draw(st.integers(0, x.ndim - 1))
            return np.broadcast_to(x.take([0], axis), x.shape)

        return _each_array(draw(strategy), spread)

    return draw_views()


# Parts of the strategies above.


def seeds() -> st.SearchStrategy[int]:
    """Seeds for ``np.random.default_rng`` and ``minigen.Generator``."""
    return st.integers(0, 2**32 - 1)


def _each_array(drawn: Any, change: Callable[[Array], Array]) -> Any:
    if isinstance(drawn, tuple):
        return tuple(_each_array(part, change) for part in drawn)
    return change(drawn) if isinstance(drawn, np.ndarray) else drawn


def _scale(scale: Scale) -> st.SearchStrategy[float]:
    return scale if isinstance(scale, st.SearchStrategy) else st.just(float(scale))
