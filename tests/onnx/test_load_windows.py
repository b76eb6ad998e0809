"""Convolutions, poolings and resizing of any geometry that a file may state, against onnxruntime.

Read next: ``test_load_exported.py``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from minigen.autograd import Tensor
from minigen.onnx.load import load

pytest.importorskip("onnx.helper", reason="needs the package onnx")  # the folder of its tests is called onnx, too
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the package onnxruntime, which is the reference")

from onnx_files import model, node, saved  # noqa: E402 - it imports onnx

Draw = st.DrawFn
one_or_two = st.sampled_from([1, 2])


def compare(made: Any, x: Any, results: int = 1) -> None:
    """minigen and onnxruntime compute the same: shapes, and values to the precision of float32."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    try:
        session = onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
        wanted = session.run(None, {"x": x})[:results]
    except Exception as error:  # a geometry that leaves nothing: minigen has to refuse it as well
        assume("padding values must be non-negative" not in str(error))  # SAME, of steps that skip cells, needs none
        with tempfile.TemporaryDirectory() as folder, pytest.raises(ValueError, match="node"):
            load(saved(made, Path(folder)))(Tensor(x))
        return
    assume(all(y.size for y in wanted))
    with tempfile.TemporaryDirectory() as folder:
        y = load(saved(made, Path(folder)))(Tensor(x))
    for mine, theirs in zip(y if isinstance(y, tuple) else (y,), wanted, strict=True):
        assert mine.shape == theirs.shape
        np.testing.assert_allclose(mine.numpy(), theirs, rtol=1e-4, atol=1e-5)


@st.composite
def geometry(draw: Draw, axes: int, *, pads: int, dilation: bool = True) -> dict[str, Any]:
    """Attributes of a window: pads given for each end, or by one of the automatic rules."""
    made: dict[str, Any] = {"strides": draw(st.lists(st.integers(1, 3), min_size=axes, max_size=axes))}
    if dilation:
        made["dilations"] = draw(st.lists(one_or_two, min_size=axes, max_size=axes))
    auto = draw(st.sampled_from(["NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    if auto == "NOTSET":
        made["pads"] = draw(st.lists(st.integers(0, pads), min_size=2 * axes, max_size=2 * axes))
    else:
        made["auto_pad"] = auto
    return made


def numbers(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@given(st.data())
def test_convolutions(data: st.DataObject) -> None:
    axes, groups, seed = data.draw(one_or_two), data.draw(one_or_two), data.draw(st.integers(0, 99))
    attributes = data.draw(geometry(axes, pads=2))
    if "auto_pad" in attributes:  # onnxruntime refuses these together
        attributes["dilations"] = [1] * axes
    kernel = data.draw(st.lists(st.integers(1, 3), min_size=axes, max_size=axes))
    lengths = data.draw(st.lists(st.integers(3, 7), min_size=axes, max_size=axes))
    weights = {"w": numbers(seed, 2 * groups, 3, *kernel)}
    if data.draw(st.booleans()):
        weights["b"] = numbers(seed + 1, 2 * groups)
    inputs = "x w b" if "b" in weights else "x w"
    made = model([node("Conv", inputs, group=groups, **attributes)], {"x": ["N", 3 * groups, *lengths]}, weights)
    compare(made, numbers(seed + 2, 2, 3 * groups, *lengths))


@given(st.data())
def test_transposed_convolutions(data: st.DataObject) -> None:
    axes, groups, seed = data.draw(one_or_two), data.draw(one_or_two), data.draw(st.integers(0, 99))
    attributes = data.draw(geometry(axes, pads=1))
    kernel = data.draw(st.lists(st.integers(2, 4), min_size=axes, max_size=axes))
    lengths = data.draw(st.lists(st.integers(2, 5), min_size=axes, max_size=axes))
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, attributes["dilations"], strict=True)]
    kind = data.draw(st.sampled_from(["plain", "output_padding", "output_shape"]))
    if kind == "output_padding" and "pads" in attributes:
        attributes["output_padding"] = [data.draw(st.integers(0, s - 1)) for s in attributes["strides"]]
    if kind == "output_shape" or "auto_pad" in attributes:
        attributes.pop("pads", None)
        # At least one window's step apart from the full size, at most that: what onnxruntime and minigen share.
        full = [(n - 1) * s + k for n, s, k in zip(lengths, attributes["strides"], spans, strict=True)]
        assume(all(n * s <= f for n, s, f in zip(lengths, attributes["strides"], full, strict=True)))
        if kind == "output_shape":
            attributes["output_shape"] = [data.draw(st.integers(max(1, f - 2), f)) for f in full]
    weights = {"w": numbers(seed, 2 * groups, 3, *kernel), "b": numbers(seed, 3 * groups)}
    made = model(
        [node("ConvTranspose", "x w b", group=groups, **attributes)], {"x": ["N", 2 * groups, *lengths]}, weights
    )
    compare(made, numbers(seed + 2, 2, 2 * groups, *lengths))


@given(st.data())
def test_poolings(data: st.DataObject) -> None:
    axes, seed = data.draw(one_or_two), data.draw(st.integers(0, 99))
    kernel = data.draw(st.lists(st.integers(2, 3), min_size=axes, max_size=axes))
    attributes = data.draw(geometry(axes, pads=min(kernel) - 1, dilation=False))
    lengths = data.draw(st.lists(st.integers(3, 8), min_size=axes, max_size=axes))
    if "pads" in attributes:
        attributes["ceil_mode"] = data.draw(st.sampled_from([0, 1]))
    op, outputs = data.draw(st.sampled_from([("MaxPool", "y"), ("MaxPool", "y i"), ("AveragePool", "y")]))
    if op == "AveragePool":
        attributes["count_include_pad"] = data.draw(st.sampled_from([0, 1]))
    elif "i" in outputs:
        attributes["storage_order"] = data.draw(st.sampled_from([0, 1])) if axes == 2 else 0
    pool = node(op, "x", outputs, kernel_shape=kernel, **attributes)
    kinds = {"i": onnx.TensorProto.INT64}
    made = model([pool], {"x": ["N", 2, *lengths]}, opset=22, outputs=outputs.split(), kinds=kinds)
    compare(made, numbers(seed, 2, 2, *lengths), len(outputs.split()))


@given(st.data())
def test_resizing(data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(2, 6), min_size=2, max_size=2))
    mode = data.draw(st.sampled_from(["nearest", "linear", "cubic"]))
    rule = data.draw(st.sampled_from(["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]))
    attributes: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": rule}
    if mode == "nearest":
        attributes["nearest_mode"] = data.draw(
            st.sampled_from(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
        )
    if data.draw(st.booleans()):
        factors = [1.0, 1.0, *(data.draw(st.sampled_from([0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0])) for _ in range(2))]
        inputs, weights = "x _ s", {"s": np.array(factors, np.float32)}
        # findings/onnxruntime_resize_of_equal_sizes.sh: there it copies, whatever the factors.
        same = [int(n * f) for n, f in zip(lengths, factors[2:])] == lengths
        assume(mode == "nearest" or not same or factors[2:] == [1, 1])
    else:
        sizes = [2, 3, *(data.draw(st.integers(1, 12)) for _ in range(2))]
        inputs, weights = "x _ _ s", {"s": np.array(sizes, np.int64)}
    made = model([node("Resize", inputs, **attributes)], {"x": [2, 3, *lengths]}, weights)
    compare(made, numbers(len(lengths), 2, 3, *lengths))
