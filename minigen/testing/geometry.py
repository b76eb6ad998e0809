"""The geometry of a convolution as a strategy: sizes and options for which there is at least one output element.

    @given(conv_geometry(), seeds())
    def test_my_conv(g, seed):
        x, w, b = g.arrays(seed)
        mg.gradcheck(lambda x, w, b: my_conv(x, w, b, **g.options), x, w, b)

Imports: hypothesis, NumPy. Read next: ``views.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from minigen_kernels import Array

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ImportError(
        "minigen.testing.strategies draws with hypothesis, which is not installed: pip install 'minigen-engine[test]'"
    ) from error

__all__ = ["ConvGeometry", "Size", "conv_geometry", "size_of", "st"]

Size = int | tuple[int, int] | st.SearchStrategy[int]
Pair = tuple[int, int]
Shape = tuple[int, ...]


def size_of(name: str, size: Size) -> st.SearchStrategy[int]:
    """A length, a pair (least, most) or a strategy, as a strategy; `name` stands in the error."""
    if isinstance(size, st.SearchStrategy):
        return size
    least, most = size if isinstance(size, tuple) else (size, size)
    if not 0 <= least <= most:
        raise ValueError(f"{name} is a length, a pair (least, most) of them or a strategy, got {size!r}")
    return st.integers(least, most)


@dataclass(frozen=True)
class ConvGeometry:
    """Sizes and options of a convolution of x (N, C, H, W) with w (K, C/groups, kh, kw) and b (K,) to y (N, K, ...).

    `image` (H, W), `kernel` (kh, kw); the options are PyTorch's, numbers for rows and columns or one for both.
    """

    N: int
    C: int
    K: int
    image: Pair
    kernel: Pair
    stride: int | Pair
    padding: int | Pair | Literal["same"]
    dilation: int | Pair
    groups: int

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments: stride, padding, dilation, groups."""
        return dict(stride=self.stride, padding=self.padding, dilation=self.dilation, groups=self.groups)

    @property
    def x_shape(self) -> Shape:
        """(N, C, H, W)."""
        return (self.N, self.C, *self.image)

    @property
    def w_shape(self) -> Shape:
        """(K, C/groups, kh, kw)."""
        return (self.K, self.C // self.groups, *self.kernel)

    @property
    def b_shape(self) -> Shape:
        """(K,)."""
        return (self.K,)

    @property
    def y_shape(self) -> Shape:
        """(N, K, rows, columns): the shape of the result; with padding "same" an image of ceil(H / stride)."""
        strides = _pair(self.stride)
        if self.padding == "same":
            rows, columns = (-(-n // s) for n, s in zip(self.image, strides, strict=True))
        else:
            rows, columns = (span // s + 1 for span, s in zip(self._ranges(), strides, strict=True))
        return (self.N, self.K, rows, columns)

    @property
    def output_padding(self) -> Pair:
        """The output padding with which a transposed convolution from `y_shape` gives `image` again."""
        rows, columns = (span % s for span, s in zip(self._ranges(), _pair(self.stride), strict=True))
        return rows, columns

    def arrays(self, seed: int, dtype: Any = np.float64) -> tuple[Array, Array, Array]:
        """Standard normal x, w and b from a seed."""
        rng = np.random.default_rng(seed)
        x, w, b = (np.asarray(rng.normal(size=s), dtype) for s in (self.x_shape, self.w_shape, self.b_shape))
        return x, w, b

    def _ranges(self) -> Pair:
        """By how many pixels the kernel can be moved along each axis."""
        if self.padding == "same":
            raise ValueError("ConvGeometry: a transposed convolution has no padding 'same'; draw with same=False")
        n, k, p, d = self.image, self.kernel, _pair(self.padding), _pair(self.dilation)
        rows, columns = (n[i] + 2 * p[i] - d[i] * (k[i] - 1) - 1 for i in (0, 1))
        return rows, columns


def conv_geometry(
    *,
    N: Size = (1, 2),
    channels: Size = (1, 2),
    image: int = 6,
    kernel: Size = (1, 3),
    stride: Size = (1, 3),
    padding: Size = (0, 2),
    dilation: Size = (1, 2),
    groups: Size = (1, 3),
    same: bool = True,
) -> st.SearchStrategy[ConvGeometry]:
    """Geometries with images of at most about `image` pixels a side, and `channels` in and out of each group.

    Options are drawn as one number or as a pair. `same` allows padding "same". Strides larger than the kernel, padding
    beyond it and windows that miss the last rows are all among them: ``conv_geometry(stride=2, same=False)``.
    """
    size = {
        name: size_of(f"conv_geometry: {name}", given)
        for name, given in dict(N=N, channels=channels, kernel=kernel, stride=stride, padding=padding,
                                dilation=dilation, groups=groups).items()
    }  # fmt: skip

    @st.composite
    def draw_geometry(draw: st.DrawFn) -> ConvGeometry:
        def option(name: str) -> int | Pair:
            return draw(st.one_of(size[name], st.tuples(size[name], size[name])))

        g = draw(size["groups"])
        window = draw(size["kernel"]), draw(size["kernel"])
        steps, holes = option("stride"), option("dilation")
        edge: Any = "same" if same and draw(st.integers(0, 3)) == 0 else option("padding")
        spans = [d * (k - 1) + 1 for d, k in zip(_pair(holes), window, strict=True)]
        beyond = spans if edge == "same" else [2 * p for p in _pair(edge)]
        rows, columns = (
            draw(st.integers(least, max(least, image)))
            for least in (max(1, span - more) for span, more in zip(spans, beyond, strict=True))
        )
        return ConvGeometry(
            N=draw(size["N"]),
            C=g * draw(size["channels"]),
            K=g * draw(size["channels"]),
            image=(rows, columns),
            kernel=window,
            stride=steps,
            padding=edge,
            dilation=holes,
            groups=g,
        )

    return draw_geometry()


def _pair(value: Any) -> Pair:
    """One number for both axes, or two."""
    return value if isinstance(value, tuple) else (value, value)
