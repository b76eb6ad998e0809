"""Any geometry of convolutions, pooling, enlargement and indexing is the same in onnxruntime, in both dtypes.

Read next: ``test_export.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx_cases  # noqa: F401 - skips without the packages
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import basic_indices

import minigen as mg
from minigen import ops
from minigen.autograd import Tensor

some = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
many = settings(some, max_examples=80)
dtypes = st.sampled_from(["float32", "float64"])
groupings = st.sampled_from([(2, 4, 1), (2, 4, 2), (3, 3, 3)])  # channels in, channels out, groups


def pairs(low: int, high: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(low, high), st.integers(low, high))


def same(function: Callable[[Tensor], Tensor], shape: tuple[int, ...], dtype: str, path: Path, **options: Any) -> None:
    """Export a function; what minigen refuses is no geometry."""
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)
    try:
        function(Tensor(x))
    except (ValueError, IndexError):
        assume(False)
    made = mg.onnx.export(function, x, path / "geometry.onnx", **options)
    assert made.difference is not None


def convolution(
    hw: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, grouping: Any, dtype: str, path: Path
) -> None:
    n_in, n_out, groups = grouping
    rng = np.random.default_rng(1)
    w, b = (
        Tensor(rng.normal(size=(n_out, n_in // groups, *kernel)).astype(dtype)),
        Tensor(rng.normal(size=n_out).astype(dtype)),
    )
    options = dict(stride=stride, padding=padding, dilation=dilation, groups=groups, activation=ops.sigmoid)
    same(lambda x: ops.conv2d(x, w, b, **options), (2, n_in, *hw), dtype, path)


def transposed(
    hw: Any, kernel: Any, stride: Any, padding: Any, extra: Any, dilation: Any, grouping: Any, dtype: str, path: Path
) -> None:
    n_in, n_out, groups = grouping
    rng = np.random.default_rng(1)
    w, b = (
        Tensor(rng.normal(size=(n_in, n_out // groups, *kernel)).astype(dtype)),
        Tensor(rng.normal(size=n_out).astype(dtype)),
    )
    options = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
    extra = 0 if padding == "same" else extra
    same(lambda x: ops.conv_transpose2d(x, w, b, output_padding=extra, **options), (2, n_in, *hw), dtype, path)


def pooling(kind: str, hw: Any, kernel: Any, stride: Any, padding: Any, ceil: bool, dtype: str, path: Path) -> None:
    pool = {
        "max": lambda x: ops.max_pool2d(x, kernel, stride, padding, ceil_mode=ceil),
        "places": lambda x: ops.max_pool2d_with_indices(x, kernel, stride, padding, ceil_mode=ceil),
        "mean": lambda x: ops.avg_pool2d(x, kernel, stride, padding, ceil_mode=ceil, count_include_pad=False),
        "mean with padding": lambda x: ops.avg_pool2d(x, kernel, stride, padding, ceil_mode=ceil),
    }[kind]
    same(pool, (2, 2, *hw), dtype, path)


def enlarging(kind: str, hw: Any, size: Any, factors: Any, factor: float, dtype: str, path: Path) -> None:
    enlarge = {
        "nearest": lambda x: ops.upsample(x, factors),
        "bilinear": lambda x: ops.upsample(x, factors, "bilinear"),
        "to a size": lambda x: ops.interpolate(x, size),
        "bilinear to a size": lambda x: ops.interpolate(x, size, mode="bilinear"),
        "corners": lambda x: ops.interpolate(x, size, mode="bilinear", align_corners=True),
        "by a factor": lambda x: ops.interpolate(x, scale_factor=factor),
        "bilinear by a factor": lambda x: ops.interpolate(x, scale_factor=factor, mode="bilinear"),
    }[kind]
    same(enlarge, (2, 2, *hw), dtype, path)


GEOMETRIES: dict[str, tuple[Callable[..., None], dict[str, Any]]] = {
    "convolution": (convolution, dict(
        hw=pairs(1, 7), kernel=pairs(1, 4), stride=pairs(1, 3), padding=st.one_of(pairs(0, 3), st.just("same")),
        dilation=pairs(1, 2), grouping=groupings, dtype=dtypes,
    )),
    "transposed convolution": (transposed, dict(
        hw=pairs(1, 5), kernel=pairs(1, 4), stride=pairs(1, 3), padding=st.one_of(pairs(0, 2), st.just("same")),
        extra=pairs(0, 2), dilation=pairs(1, 2), grouping=groupings, dtype=dtypes,
    )),
    "pooling": (pooling, dict(
        kind=st.sampled_from(["max", "places", "mean", "mean with padding"]), hw=pairs(1, 8), kernel=pairs(1, 4),
        stride=pairs(1, 4), padding=pairs(0, 2), ceil=st.booleans(), dtype=dtypes,
    )),
    "enlarging": (enlarging, dict(
        kind=st.sampled_from(["nearest", "bilinear", "to a size", "bilinear to a size", "corners", "by a factor",
                              "bilinear by a factor"]),
        hw=pairs(1, 5), size=pairs(1, 8), factors=pairs(1, 3), factor=st.floats(0.3, 3), dtype=dtypes,
    )),
}  # fmt: skip


@pytest.mark.parametrize("name", GEOMETRIES)
def test_a_geometry(name: str, tmp_path: Path) -> None:
    check, drawn = GEOMETRIES[name]
    some(given(**drawn)(lambda **given_: check(**given_, path=tmp_path)))()


@pytest.mark.slow
@pytest.mark.parametrize("name", GEOMETRIES)
def test_many_geometries(name: str, tmp_path: Path) -> None:
    check, drawn = GEOMETRIES[name]
    many(given(**drawn)(lambda **given_: check(**given_, path=tmp_path)))()


@some
@given(index=basic_indices((2, 4, 3, 5), allow_newaxis=True))
def test_an_index_of_slices_and_numbers(index: Any, tmp_path: Path) -> None:
    same(lambda x: x[index], (2, 4, 3, 5), "float32", tmp_path, dynamic_batch=False)


@pytest.mark.parametrize("index", [
    (slice(None), [0, 2, -1], slice(None, None, -1)),
    (slice(None), [0, 2, 1], 1, [0, 4, -2]),
    (slice(None), [0, 2, 1], slice(None), [0, 4, -2]),
    (slice(None), np.array([[0, 1], [2, 3]]), [[1], [2]], slice(1, 4)),
    (0, None, np.array([[0, 1], [2, 3]]), slice(0, 2)),
    (..., None, [1, 0]),
    ([1], slice(None), None, [0, 2]),
    np.arange(120).reshape(2, 4, 3, 5) % 7 == 0,
], ids=str)  # fmt: skip
def test_an_index_with_sets_of_places(index: Any, tmp_path: Path) -> None:
    same(lambda x: x[index], (2, 4, 3, 5), "float64", tmp_path, dynamic_batch=False)
