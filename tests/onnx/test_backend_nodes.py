"""The ONNX project's own cases for every operator that minigen has: the values that the standard promises.

The package ``onnx`` makes the cases (``onnx.backend.test.case.node``), with inputs, results and tolerances. Half
precision and bfloat16 are computed in float32 here, and compared to their precision.

Read next: ``test_load.py``.
"""

from __future__ import annotations

import functools
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigen import ops
from minigen.autograd import Tensor
from minigen.onnx.load import OPERATORS, load

pytest.importorskip("onnx.helper", reason="needs the package onnx")  # the folder of its tests is called onnx, too
onnx = pytest.importorskip("onnx")

#: Cases that cannot be expressed: patterns of names, and why. No passing case may have such a name.
EXCEPTIONS: dict[str, str] = {
    r"test_cast(like)?_.*(FLOAT8|FLOAT4|INT4|INT2).*": "no numbers of 8, 4 or 2 bits for quantised networks",
    r"test_(averagepool|maxpool)_[23]d_dilations.*": "poolings have no dilation",
    r"test_(averagepool|maxpool)_3d_default": "windows are of images and sequences, not of volumes",
    r"test_convtranspose_3d": "windows are of images and sequences, not of volumes",
    r"test_maxpool_2d_uint8": "poolings are of floats",
    r"test_resize_tf_crop_and_resize.*": "no region of interest: it would be part of the input",
    r"test_resize_downsample_.*_antialias": "nothing is averaged in making images smaller",
    r"test_resize_downsample_scales_(linear|cubic)_align_corners": "the case divides by a length of 2.4 where the "
    "result has 2 elements; PyTorch and onnxruntime, which minigen agrees with, by the number of elements",
    r"test_scatter(_elements|nd)_.*(mul|max|min).*": "a scatter puts or adds; it does not multiply or compare",
    r"test_bernoulli.*": "drawn at random, by another generator",
    r"test_training_dropout(_default)?(_mask)?": "drawn at random, by another generator",
    r"test_equal_string.*": "no texts",
    r"test_identity_(sequence|opt)": "no sequences and no optional values",
    r"test_not_[234]d": "opset 1; what is read is opset 7 and later",
}
#: Operators that the project has no case for, since they draw at random. ``test_load.py`` has tests of them.
WITHOUT_CASE = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}

#: For every operation of `ops` the operators that it is in ONNX, or, in words, why there is none.
IN_ONNX: dict[str, str] = {
    "abs": "Abs", "argmax": "ArgMax", "argmin": "ArgMin", "argsort": "TopK", "avg_pool1d": "AveragePool",
    "avg_pool2d": "AveragePool GlobalAveragePool", "batch_norm": "BatchNormalization",
    "batch_norm_inference": "BatchNormalization", "batch_norm_with_statistics": "BatchNormalization",
    "bias_act": "Add Relu", "bias_act_max_pool2d": "Add Relu MaxPool", "broadcast_to": "Expand Tile", "celu": "Celu",
    "clip": "Clip", "concat": "Concat", "conv1d": "Conv", "conv2d": "Conv",
    "conv2d_weight_grad": "- the gradient of Conv", "conv_transpose1d": "ConvTranspose",
    "conv_transpose2d": "ConvTranspose", "cos": "Cos", "cumsum": "CumSum", "einsum": "Einsum", "elu": "Elu",
    "embedding": "Gather", "erf": "Erf", "erfc": "- 1 - Erf", "exp": "Exp", "expm1": "- Exp and Sub",
    "flatten": "Flatten", "gelu": "Gelu", "getitem": "Slice Gather GatherElements GatherND Split",
    "group_norm": "GroupNormalization", "hardswish": "HardSwish", "instance_norm": "InstanceNormalization",
    "interpolate": "Resize Upsample", "layer_norm": "LayerNormalization", "leaky_relu": "LeakyRelu", "linear": "Gemm",
    "log": "Log", "log1p": "- Add and Log", "log_softmax": "LogSoftmax", "logaddexp": "- Softplus of a difference",
    "logsumexp": "ReduceLogSumExp", "matmul": "MatMul", "max": "ReduceMax", "max_pool1d": "MaxPool",
    "max_pool2d": "MaxPool GlobalMaxPool", "max_pool2d_with_indices": "MaxPool", "max_unpool2d": "MaxUnpool",
    "maximum": "Max", "mean": "ReduceMean Mean", "min": "ReduceMin", "minimum": "Min", "mish": "Mish",
    "norm": "ReduceL1 ReduceL2 LpNormalization", "pad": "Pad", "pixel_shuffle": "DepthToSpace",
    "pixel_unshuffle": "SpaceToDepth", "power": "Pow", "prelu": "PRelu", "prod": "ReduceProd", "relu": "Relu",
    "reparameterize": "- Exp, Mul and Add", "reshape": "Reshape Squeeze Unsqueeze", "selu": "Selu",
    "sigmoid": "Sigmoid", "silu": "Swish", "sin": "Sin", "softmax": "Softmax", "softplus": "Softplus", "sort": "TopK",
    "sqrt": "Sqrt", "stack": "- Unsqueeze and Concat", "sum": "ReduceSum Sum", "sum_to": "ReduceSum", "tanh": "Tanh",
    "transpose": "Transpose", "upsample": "Upsample Resize", "var": "- ReduceMean of squares", "where": "Where",
}  # fmt: skip


@functools.cache
def cases() -> dict[str, list[Any]]:
    """The cases whose operators minigen has, by the last of these: operators alone, and formulas of several."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():  # they overflow on purpose
        warnings.simplefilter("ignore")
        collected = collect_testcases(None)
    found: dict[str, list[Any]] = {name: [] for name in OPERATORS}
    for case in collected:
        nodes = case.model.graph.node
        if nodes and all(n.op_type in OPERATORS and n.domain in ("", "ai.onnx") for n in nodes):
            found[nodes[-1].op_type].append(case)
    return found


def reason(name: str) -> str | None:
    """Why a case cannot be expressed; None if it has to pass."""
    return next((why for pattern, why in EXCEPTIONS.items() if re.fullmatch(f"({pattern})(_expanded)?", name)), None)


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_cases_of_an_operator(operator: str, tmp_path: Path) -> None:
    own = cases()[operator]
    assert bool(own) == (operator not in WITHOUT_CASE)
    for case in own:
        why = reason(case.name)
        if why is None:
            run(case, tmp_path)
            continue
        with pytest.raises((AssertionError, ValueError)):  # a passing one does not belong on the list
            run(case, tmp_path)


def run(case: Any, folder: Path) -> None:
    """Load the case's model, and compare its results: dtypes, shapes, values."""
    onnx.save(case.model, folder / "case.onnx")
    network = load(folder / "case.onnx")
    for inputs, wanted in case.data_sets:
        with np.errstate(all="ignore"):
            results = network(*(Tensor(array(x)) for x in inputs))
        results = results if isinstance(results, tuple) else (results,)
        assert len(results) == len(wanted), case.name
        for y, given in zip(results, wanted, strict=True):
            right, half = array(given), is_half(given) or any(map(is_half, inputs))
            assert (y.dtype, y.shape) == (right.dtype, right.shape), case.name
            np.testing.assert_allclose(
                y.numpy(), right, max(case.rtol, 1e-2 * half), max(case.atol, 1e-3 * half), err_msg=case.name
            )


def array(x: Any) -> Any:
    """What a case gives, an array or its message; half precision as float32."""
    x = onnx.numpy_helper.to_array(x) if isinstance(x, onnx.TensorProto) else np.asarray(x)
    return x.astype(np.float32) if is_half(x) else x


def is_half(x: Any) -> bool:
    """Is it of half precision or bfloat16?"""
    if isinstance(x, onnx.TensorProto):
        return x.data_type in (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
    return np.asarray(x).dtype.name in ("float16", "bfloat16")


def test_every_exception_is_of_a_case() -> None:
    names = [case.name for own in cases().values() for case in own]
    for pattern in EXCEPTIONS:
        assert any(re.fullmatch(pattern, name) for name in names), f"no case is named {pattern}"


def test_no_operation_of_minigen_is_forgotten() -> None:
    assert IN_ONNX.keys() == set(ops.__all__)
    named = {name for names in IN_ONNX.values() if not names.startswith("-") for name in names.split()}
    assert named <= set(OPERATORS) and not named & WITHOUT_CASE


def test_there_are_as_many_cases_as_the_page_says() -> None:
    """A version of onnx that loses its cases would make all of the above pass."""
    names = [case.name for own in cases().values() for case in own]
    assert len(names) > 1200 and sum(reason(name) is None for name in names) > 1000
