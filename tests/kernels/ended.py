"""Draws for the kernels that end a convolution: bias, activation, pooling, enlargement. Used for every room.

Read next: ``test_ended_kernels.py``, ``cuda/test_host_ended.py``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

NAMED = [("identity", 0.0), ("leaky_relu", 0.0), ("leaky_relu", 0.2), ("sigmoid", 0.0), ("tanh", 0.0)]
SIZES = st.integers(1, 6)


class Drawn(NamedTuple):
    """Shapes (N, C, H, W), an activation with its slope, factors of an enlargement, windows without overlap."""

    shape: tuple[int, int, int, int]
    named: tuple[str, float]
    scale: tuple[int, int]
    kernel: tuple[int, int]
    gap: tuple[int, int]
    seed: int

    @property
    def window(self) -> tuple[tuple[int, int], ...]:
        kernel = tuple(min(k, n) for k, n in zip(self.kernel, self.shape[2:]))
        return kernel, tuple(k + g for k, g in zip(kernel, self.gap)), (0, 0)

    @property
    def out_hw(self) -> tuple[int, ...]:
        kernel, stride, _ = self.window
        return tuple((n - k) // s + 1 for n, k, s in zip(self.shape[2:], kernel, stride))

    def arrays(self, dtype: Any, *shapes: tuple[int, ...]) -> list[np.ndarray]:
        rng = np.random.default_rng(self.seed)
        return [np.asarray(rng.normal(size=shape), dtype) for shape in shapes]


drawn = st.builds(
    Drawn,
    st.tuples(st.sampled_from([1, 3, 20]), st.integers(1, 3), SIZES, SIZES),
    st.sampled_from(NAMED),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(0, 1), st.integers(0, 1)),
    st.integers(0, 2**32 - 1),
)


def calls(room: Any, reference: Any, d: Drawn, dtype: Any) -> dict[str, tuple]:
    """The kernels with their arguments. A backward gets the results of the reference."""
    N, C, H, W = d.shape
    x, b, gy = d.arrays(dtype, d.shape, (C,), (N, C, H * d.scale[0], W * d.scale[1]))
    (w,) = d.arrays(dtype, (2, C, 3, 2))
    (gy_pooled,) = d.arrays(dtype, (N, C, *d.out_hw))
    geometry = (H, W), (1, 1), (1, 1), (1, 1), 1
    y = reference.bias_act(x.reshape(N, C, H * W), b, *d.named).reshape(d.shape)
    pooled = reference.bias_act_max_pool2d(x, b, *d.named, d.out_hw, *d.window)
    (bias,) = d.arrays(dtype, (2,))
    return {
        "conv2d": (room.conv2d, x, w, *geometry, bias, *d.named),
        "conv2d_upsample": (room.conv2d_upsample, x, w, *geometry, bias, *d.named, d.scale),
        "conv_transpose2d": (room.conv_transpose2d, x, w.swapaxes(0, 1), *geometry, bias, *d.named),
        "bias_act_upsample_backward": (room.bias_act_upsample_backward, gy, y, *d.named, d.scale),
        "bias_act_max_pool2d": (room.bias_act_max_pool2d, x, b, *d.named, d.out_hw, *d.window),
        "bias_act_max_pool2d_backward": (
            room.bias_act_max_pool2d_backward, gy_pooled, *pooled, *d.named, (H, W), d.window
        ),
    }  # fmt: skip


def assert_close(name: str, got: Any, wanted: Any, dtype: Any) -> None:
    """Sums of at most 720 terms (20 images of 36 cells) that stay below 10, in two orders, and two libraries' exp."""
    for a, b in zip(*(v if isinstance(v, tuple) else (v,) for v in (got, wanted)), strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype, name
        if a.dtype.kind == "f":
            assert np.abs(a - b).max(initial=0) <= 8 * 10 * np.sqrt(720) * np.finfo(dtype).eps, name
        else:
            np.testing.assert_array_equal(a, b, name)
