"""Operations of the interpreter in the browser, at shapes that are drawn: the numbers of NumPy and of minigen.

Read next: ``test_forward_networks.py``.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pages.interpreter import RefusedError, computed, page, single

from minigen import nn, ops
from minigen.autograd import Tensor
from minigen.onnx import ExportError
from minigen.onnx import program as module
from minigen.onnx.export import Job
from minigen.onnx.program import OPERATIONS, program
from minigen.onnx.verify import compared, drawn

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 1e-8, 30.0, -30.0, 1e4, -1e4, np.inf, -np.inf, np.nan]
X = np.array(SPECIAL, np.float32)
quick = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))


def test_operations_are_those_that_programs_may_have() -> None:
    assert set(page().evaluate("() => Object.keys(operations)")) == OPERATIONS


@pytest.mark.parametrize(
    ("op", "reference"),
    [
        ("Abs", np.abs), ("Ceil", np.ceil), ("Cos", np.cos), ("Exp", np.exp), ("Floor", np.floor), ("Log", np.log),
        ("Neg", np.negative), ("Reciprocal", np.reciprocal), ("Round", np.rint), ("Sign", np.sign), ("Sin", np.sin),
        ("Sqrt", np.sqrt), ("Tanh", np.tanh), ("IsNaN", np.isnan), ("IsInf", np.isinf), ("Identity", np.array),
        ("Relu", lambda x: np.maximum(x, 0)), ("LeakyRelu", lambda x: np.where(x < 0, x * 0.01, x)),
        ("Elu", lambda x: np.where(x < 0, np.expm1(x), x)), ("Softplus", lambda x: np.logaddexp(x, 0)),
        ("Sigmoid", lambda x: np.where(x < 0, np.exp(x) / (1 + np.exp(x)), 1 / (1 + np.exp(-x)))),
        ("Erf", lambda x: ops.erf(Tensor(x)).numpy()),
    ],
)  # fmt: skip
def test_one_number(op: str, reference: Any) -> None:
    with np.errstate(all="ignore"):
        wanted = reference(X.astype(np.float64))
    found = single(op, [X], dtype="bool" if wanted.dtype == bool else "float32")[0]
    np.testing.assert_allclose(found, wanted.astype(found.dtype), rtol=3e-7)


BINARY: dict[str, Any] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Max": np.maximum, "Min": np.minimum,
    "Pow": np.power, "Greater": np.greater, "GreaterOrEqual": np.greater_equal, "Less": np.less,
    "LessOrEqual": np.less_equal, "Equal": np.equal, "Mod": np.fmod,
}  # fmt: skip


@pytest.mark.parametrize("op", BINARY)
@pytest.mark.parametrize(
    "shapes", [((17, 1), (17,)), ((3, 1, 2), (4, 1)), ((), (2, 3)), ((2, 3, 4), (2, 3, 4)), ((0, 3), (1, 3)), ((), ())]
)
def test_two_numbers(op: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    rng = np.random.default_rng(0)
    a, b = (X.reshape(s) if np.prod(s) == len(X) else rng.choice(X, s).astype(np.float32) for s in shapes)
    with np.errstate(all="ignore"):
        wanted = BINARY[op](a.astype(np.float64), b.astype(np.float64))
        wanted = wanted if wanted.dtype == bool else wanted.astype(np.float32)
    options = {"fmod": 1} if op == "Mod" else {}
    found = single(op, [a, b], dtype=str(wanted.dtype), **options)[0]
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=2e-7)


@pytest.mark.parametrize(("op", "reference"), [("And", np.logical_and), ("Or", np.logical_or), ("Xor", np.logical_xor)])
def test_two_bools(op: str, reference: Any) -> None:
    a, b = np.array([[False], [True]]), np.array([False, True])
    np.testing.assert_array_equal(single(op, [a, b], dtype="bool")[0], reference(a, b))


def test_whole_numbers() -> None:
    a, b = np.array([7, -7, 7, -7, 0], np.int32), np.array([3, 3, -3, -3, 5], np.int32)
    np.testing.assert_array_equal(single("Mod", [a, b], dtype="int32")[0], np.mod(a, b))
    np.testing.assert_array_equal(single("Div", [a, b], dtype="int32")[0], np.fix(a / b))  # towards zero, as in ONNX
    np.testing.assert_array_equal(single("Cast", [X[:12]], dtype="int32", to=6)[0], np.trunc(X[:12]))
    np.testing.assert_array_equal(single("Cast", [X], dtype="bool", to=9)[0], X.astype(bool))
    np.testing.assert_array_equal(single("Not", [np.array([True, False])], dtype="bool")[0], [False, True])


@quick
@given(st.data())
def test_reductions(data: Any) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    axes = data.draw(st.sets(st.integers(-len(shape), len(shape) - 1), min_size=1))
    axes = tuple({a % len(shape) for a in axes})
    keep = data.draw(st.booleans())
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    for op, reference in (("Sum", np.sum), ("Mean", np.mean), ("Max", np.max), ("Min", np.min), ("Prod", np.prod)):
        found = single(f"Reduce{op}", [x, np.array(axes, np.int32)], keepdims=int(keep))[0]
        wanted = reference(x.astype(np.float64), axis=axes, keepdims=keep)
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)


def test_an_extreme_of_a_nan_is_nan_and_of_equal_ones_the_first_counts() -> None:
    x = np.array([[1, np.nan, 3], [2, 2, 1]], np.float32)
    np.testing.assert_array_equal(single("ReduceMax", [x, np.array([1], np.int32)], keepdims=0)[0], [np.nan, 2])
    np.testing.assert_array_equal(single("ArgMax", [x], axis=1, keepdims=0, dtype="int32")[0][1], 0)
    values, places = single("TopK", [x[1:], np.array([2], np.int32)], outputs=2, axis=-1, largest=0)
    np.testing.assert_array_equal(values, [[1, 2]])
    np.testing.assert_array_equal(places.view(np.int32), [[2, 0]])


@quick
@given(st.data())
def test_slices_and_orders(data: Any) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4)))
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    perm = data.draw(st.permutations(range(len(shape))))
    np.testing.assert_array_equal(single("Transpose", [x], perm=list(perm))[0], x.transpose(perm))
    axis = data.draw(st.integers(0, len(shape) - 1))
    part = data.draw(st.slices(shape[axis]))
    step = part.step or 1
    start = (-1 if step < 0 else 0) if part.start is None else part.start
    stop = (-module.LARGEST if step < 0 else module.LARGEST) if part.stop is None else part.stop
    limits = [np.array([n], np.int32) for n in (start, stop, axis, step)]
    wanted = x[(slice(None),) * axis + (part,)]
    np.testing.assert_array_equal(single("Slice", [x, *limits])[0], wanted)
    places = data.draw(st.lists(st.integers(-shape[axis], shape[axis] - 1), max_size=4))
    found = single("Gather", [x, np.array(places, np.int32)], axis=axis)[0]
    np.testing.assert_array_equal(found, x.take(np.array(places, int), axis))
    np.testing.assert_array_equal(single("Concat", [x, wanted, x], axis=axis)[0], np.concatenate([x, wanted, x], axis))


def check(function: Any, *arrays: Any, modules: Any = None, simd: bool = True) -> None:
    """A function of Tensors as a program, in float32: the browser has minigen's numbers, for other batches, too."""
    made = program(function, arrays, modules=modules)
    json.dumps(made, allow_nan=False)
    job = Job(function, modules or {}, {}, (), None, 20, True)
    compared(computed(made, simd), job.plainly, drawn(arrays, dynamic_batch=True))


@pytest.mark.parametrize("simd", [True, False], ids=["simd", "plain"])
@quick
@given(st.integers(1, 11), st.integers(1, 40), st.integers(1, 75), st.booleans())
def test_dense_layers_of_all_sizes(simd: bool, n: int, k: int, m: int, bias: bool) -> None:
    layer = nn.Dense(k, m, bias=bias)
    check(layer, np.ones((n, k), np.float32), modules={"": layer}, simd=simd)


@quick
@given(st.data())
def test_products_of_many_axes(data: Any) -> None:
    sizes = st.integers(1, 6)
    m, k, n = (data.draw(sizes) for _ in range(3))
    left = data.draw(st.sampled_from([(), (1,), (3,), (2, 3)]))
    right = data.draw(st.sampled_from([(), (3,), (2, 1)]))
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(*left, m, k)).astype(np.float32), rng.normal(size=(*right, k, n)).astype(np.float32)
    for x, y in ((a, b), (a[..., 0, :] if left == () else a, b), (a, b[..., 0] if right == () else b)):
        np.testing.assert_allclose(single("MatMul", [x, y])[0], x @ y, rtol=1e-5, atol=1e-5)
        found = single("MatMul", [x.astype(np.float64), y.astype(np.float64)], dtype="float64")[0]
        np.testing.assert_allclose(found, x.astype(np.float64) @ y.astype(np.float64), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("simd", [True, False], ids=["simd", "plain"])
@quick
@given(st.data())
def test_convolutions_of_all_geometries(simd: bool, data: Any) -> None:
    pair = lambda low, high: (data.draw(st.integers(low, high)), data.draw(st.integers(low, high)))  # noqa: E731
    groups = data.draw(st.integers(1, 3))
    inside, out = groups * data.draw(st.integers(1, 3)), groups * data.draw(st.integers(1, 3))
    kernel, stride, dilation = pair(1, 4), pair(1, 3), pair(1, 2)
    padding = tuple(data.draw(st.integers(0, k - 1)) for k in kernel)
    h, w = (d * (k - 1) + 1 + data.draw(st.integers(0, 5)) for k, d in zip(kernel, dilation))
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(out, inside // groups, *kernel)).astype(np.float32)
    transposed = rng.normal(size=(inside, out // groups, *kernel)).astype(np.float32)
    b = Tensor(rng.normal(size=out).astype(np.float32)) if data.draw(st.booleans()) else None
    geometry: dict[str, Any] = dict(stride=stride, padding=padding, dilation=dilation, groups=groups)
    x = rng.normal(size=(2, inside, h, w)).astype(np.float32)
    check(lambda x: ops.conv2d(x, Tensor(weight), b, **geometry), x, simd=simd)
    more = tuple(data.draw(st.integers(0, s - 1)) for s in stride)
    check(lambda x: ops.conv_transpose2d(x, Tensor(transposed), b, **geometry, output_padding=more), x, simd=simd)


@quick
@given(st.data())
def test_pooling_and_enlargement(data: Any) -> None:
    pair = lambda low, high: (data.draw(st.integers(low, high)), data.draw(st.integers(low, high)))  # noqa: E731
    kernel, stride = pair(1, 3), pair(1, 3)
    padding = tuple(data.draw(st.integers(0, k // 2)) for k in kernel)
    geometry: dict[str, Any] = dict(stride=stride, padding=padding, ceil_mode=data.draw(st.booleans()))
    x = np.random.default_rng(0).normal(size=(2, 2, *pair(3, 7))).astype(np.float32)
    check(lambda x: ops.max_pool2d(x, kernel, **geometry), x)
    counted = data.draw(st.booleans())
    check(lambda x: ops.avg_pool2d(x, kernel, count_include_pad=counted, **geometry), x)
    factors = pair(1, 3)
    for mode in ("nearest", "bilinear"):
        check(lambda x, mode=mode: nn.Upsample(factors, mode=mode)(x), x)


def test_errors_name_what_came_and_what_is_wanted() -> None:
    layer = nn.Sequential(nn.Embedding(3, 2))
    run = computed(program(layer, np.array([0, 1, 2]), input_names=["class"], modules={"": layer}))
    with pytest.raises(RefusedError, match=r"Gather in the layer '0': the index 3 is not one of 3: 0 to 2"):
        run([np.array([0, 3])])
    with pytest.raises(RefusedError, match=r"the input 'class' is \(N\), got 2 numbers of shape \(2, 1\)"):
        run([np.array([[0], [1]])])


def test_a_network_that_cannot_be_expressed_names_operation_and_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = nn.Sequential(nn.Dense(2, 2), ops.elu)
    monkeypatch.setattr(module, "OPERATIONS", OPERATIONS - {"Elu"})
    with pytest.raises(ExportError, match="program: the operation Elu is none that a page computes"):
        program(layer, np.ones((2, 2), np.float32))


def test_programs_need_no_package_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    made = program(nn.Dense(2, 3), np.ones((2, 2), np.float32), output_names=["y"])
    assert made["outputs"] == [{"name": "y", "dtype": "float32", "shape": ["N", 3]}]
    assert made["bytes"] == 4 * ((2 * 3 + 3) * 4 // 3) == sum(len(w.get("data", "")) for w in made["weights"].values())
