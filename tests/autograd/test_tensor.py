"""Tensor as a value: making one, operators, mixing dtypes, indexing, comparing, looking at it.

Read next: ``test_engine.py``.
"""

from __future__ import annotations

import copy
import operator
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as drawn_arrays

from minigen import ops
from minigen.autograd import Tensor, as_tensor, grad, is_recording, no_grad


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


# Making one.


def test_arrays_are_shared_and_lists_become_float32() -> None:
    array = np.arange(3.0)
    assert Tensor(array).data is array and Tensor(array).numpy() is array
    assert Tensor([1.0, 2.0]).dtype == Tensor(0.5).dtype == np.float32
    assert Tensor([1, 2]).dtype == np.int64 and Tensor([True]).dtype == np.bool_
    assert Tensor([1.0], dtype=np.float64).dtype == np.float64
    assert Tensor(np.float64(2)).dtype == np.float64
    t = Tensor(np.zeros((2, 3)))
    assert (t.shape, t.ndim, t.size, len(t), t.device, t.T.shape) == ((2, 3), 2, 6, 2, "cpu", (3, 2))


@pytest.mark.parametrize("data", [np.zeros(2, np.float16), np.zeros(2, complex), np.zeros(2, "M8[s]")])
def test_other_dtypes_are_refused(data: Any) -> None:
    with pytest.raises(TypeError, match="is not supported; use float32 or float64"):
        Tensor(data)


@pytest.mark.parametrize("data", [["a"], "a", None, {}, object(), [None]])
def test_what_is_no_number_is_refused(data: Any) -> None:
    with pytest.raises(TypeError, match="Tensor: expected numbers, lists of them, or an array, got "):
        Tensor(data)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i2", "u8"])
def test_another_order_of_bytes_is_named(dtype: str) -> None:
    native = np.arange(3).astype(dtype)
    foreign = native.astype(native.dtype.newbyteorder())
    with pytest.raises(
        TypeError, match=rf"dtype .{dtype} has its bytes in the order of another kind of machine; use x"
    ):
        Tensor(foreign)
    advice = native.dtype.name  # the advice is x.astype(np.float32), say
    np.testing.assert_array_equal(Tensor(foreign.astype(getattr(np, advice))).data, native)


def test_a_tensor_is_not_made_of_a_tensor() -> None:
    with pytest.raises(TypeError, match=r"use \.detach\(\)"):
        Tensor(Tensor(1.0))
    t = Tensor(1.0)
    assert as_tensor(t) is t


def test_detach_shares_values_and_forgets_history() -> None:
    y = leaf(1.0, 2.0) * 2
    d = y.detach()
    assert d.data is y.data and not d.requires_grad and d.node is None


def test_an_unknown_attribute_cannot_be_set() -> None:
    with pytest.raises(AttributeError):
        Tensor(1.0).requires_gradient = True  # type: ignore[attr-defined]


def test_a_deep_copy_is_independent() -> None:
    x = leaf(1.0)
    y = copy.deepcopy(x)
    y.data[:] = 5
    assert x.data[0] == 1 and y.requires_grad


# Operators.

BINARY = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]


@pytest.mark.parametrize("op", BINARY, ids=lambda op: op.__name__)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_operators_with_tensors_arrays_and_numbers_on_either_side(op: Any, dtype: Any) -> None:
    a, b = np.array([[1.5, 2.0]], dtype), np.array([[3.0], [0.5]], dtype)
    for left, right in [(Tensor(a), Tensor(b)), (Tensor(a), b), (a, Tensor(b)), (Tensor(a), 2), (3, Tensor(b))]:
        y = op(left, right)
        values = [x.data if isinstance(x, Tensor) else x for x in (left, right)]
        assert isinstance(y, Tensor) and y.dtype == dtype
        np.testing.assert_allclose(y.data, op(*values), rtol=4 * np.finfo(dtype).eps)  # x**2 may be x*x
    for number in (2, 2.5, True, np.float64(2.5), np.float32(2.5), np.int64(2)):  # all of them are weak
        assert op(Tensor(a), number).dtype == op(number, Tensor(a)).dtype == dtype


def test_operators_have_gradients_in_both_operands() -> None:
    a, b = leaf(2.0), leaf(3.0)
    expected = {
        operator.add: (1, 1),
        operator.sub: (1, -1),
        operator.mul: (3, 2),
        operator.truediv: (1 / 3, -2 / 9),
        operator.pow: (12, 8 * np.log(2)),
    }
    for op in BINARY:
        found = [g.item() for g in grad(op(a, b), [a, b])]
        np.testing.assert_allclose(found, expected[op], rtol=1e-15, err_msg=op.__name__)  # one or two roundings
        from_left, from_right = grad(op(a, 3.0), [a])[0].item(), grad(op(2.0, b), [b])[0].item()
        np.testing.assert_allclose([from_left, from_right], expected[op], rtol=1e-15, err_msg=op.__name__)
    assert grad(-a, [a])[0].item() == -1


def test_broadcast_operands_get_gradients_of_their_own_shape() -> None:
    a, b = Tensor(np.ones((2, 1, 3)), requires_grad=True), Tensor(np.full((4, 1), 2.0), requires_grad=True)
    ga, gb = grad((a * b).sum(), [a, b])
    np.testing.assert_array_equal(ga.data, np.full((2, 1, 3), 8.0))
    np.testing.assert_array_equal(gb.data, np.full((4, 1), 6.0))


def test_powers_at_zero_have_their_limits() -> None:
    x = leaf(0.0, 2.0)
    for exponent, expected in ((0, [0, 0]), (1, [1, 1]), (2, [0, 4]), (3, [0, 12]), (np.float32(0), [0, 0])):
        np.testing.assert_array_equal(grad((x**exponent).sum(), [x])[0].data, expected)
    b = leaf(2.0, 3.0)
    np.testing.assert_array_equal(grad((0.0**b).sum(), [b])[0].data, [0, 0])
    np.testing.assert_array_equal(grad((Tensor(np.zeros(2)) ** b).sum(), [b])[0].data, [0, 0])


def test_a_numpy_scalar_counts_in_full_precision() -> None:
    x = leaf(1.0)
    np.testing.assert_allclose(grad(np.float32(2) ** x, [x])[0].data, 2 * np.log(2), rtol=1e-15)  # not log in float32


def test_matmul_operator_takes_arrays_on_either_side() -> None:
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    for y in (Tensor(a) @ Tensor(b), Tensor(a) @ b, a @ Tensor(b)):
        np.testing.assert_allclose(y.data, a @ b, rtol=1e-15)


def test_methods() -> None:
    x = Tensor(np.arange(6.0).reshape(2, 3))
    assert x.sum().item() == 15 and x.mean(1, keepdims=True).shape == (2, 1)
    assert x.reshape(3, 2).shape == x.reshape((3, 2)).shape == x.reshape(-1, 2).shape == (3, 2)
    assert x.transpose().shape == x.transpose(1, 0).shape == (3, 2)
    assert float(x[0, 1]) == 1.0 and bool(x[0, 1]) and not bool(x[0, 0])
    assert isinstance(x[0, 1].item(), float)
    assert [row.shape for row in x] == [(3,), (3,)]


def test_a_number_is_a_number_and_nothing_else_is() -> None:
    assert int(Tensor(5)) == 5 and [row.tolist() for row in (t.numpy() for t in Tensor([[1], [2]]))] == [[1], [2]]
    with pytest.raises(TypeError, match="one number cannot be iterated over"):
        list(Tensor(5.0))
    for call in (bool, float, int, Tensor.item):
        with pytest.raises(ValueError, match=r"Tensor\.item: one element is wanted, shape \(2,\) has 2"):
            call(leaf(1.0, 2.0))
    for make in (np.asarray, Tensor):  # neither an array of objects, nor values cut off their history
        with pytest.raises(TypeError, match=r"use \.numpy\(\)"):
            make([leaf(1.0), leaf(2.0)])


# Mixing.


def test_nothing_is_promoted_silently() -> None:
    f4, f8, i8 = Tensor(np.ones(2, np.float32)), Tensor(np.ones(2)), Tensor(np.ones(2, np.int64))
    with pytest.raises(TypeError, match="Add: inputs of dtype float32 and float64"):
        f4 + f8
    with pytest.raises(TypeError, match="Mul: inputs of dtype float64 and float32"):
        f8 * f4
    with pytest.raises(TypeError, match="Mul: inputs of dtype float32 and int64"):
        f4 * i8
    with pytest.raises(TypeError, match="Add: inputs of dtype float32 and float64"):
        f4 + np.ones(2)
    assert (f4 * (f4 > 0)).dtype == np.float32  # a mask is not a number
    assert (i8 + i8).dtype == np.int64


def test_shapes_that_do_not_broadcast_name_the_operation() -> None:
    with pytest.raises(ValueError, match=r"Add: .*\(inputs of shape \(2,\), \(3,\)\)"):
        Tensor(np.ones(2)) + Tensor(np.ones(3))


def test_to_another_dtype_is_differentiable() -> None:
    x = leaf(1.0, 2.0)
    y = x.to(dtype=np.float32)
    assert y.dtype == np.float32 and x.to(dtype=np.float64) is x and x.to("cpu") is x
    (g,) = grad((y * y).sum(), [x], create_graph=True)
    assert g.dtype == np.float64
    np.testing.assert_array_equal(g.data, [2.0, 4.0])
    np.testing.assert_array_equal(grad(g.sum(), [x])[0].data, [2.0, 2.0])
    whole = x.to(dtype=np.int64)
    assert whole.dtype == np.int64 and not whole.requires_grad
    with pytest.raises(TypeError, match=r"Tensor\.to: dtype float16 is not supported"):
        x.to(dtype=np.float16)
    with pytest.raises(ValueError, match="expected 'cpu' or 'cuda', got 'gpu'"):
        x.to("gpu")


# Indexing.

INDICES = [
    2,
    -1,
    np.int64(1),
    slice(1, None),
    slice(None, None, -2),
    None,
    ...,
    (0, 1),
    (slice(None), 2),
    (..., 0),
    (None, 0, ..., None),
    (0, 1, 2),
    [0, 2, 2],
    np.array([[0, 2], [2, 2]]),
    (np.array([0, 2, 0]), np.array([1, 1, 1])),
    (slice(None), [3, 3, 0]),
    ([0, 0], slice(None), [1, 1]),
    [True, False, True],
    np.arange(60).reshape(3, 4, 5) % 7 == 0,
    (np.array([True, False, True]), 0),
    (),
    [],
]


@pytest.mark.parametrize("index", INDICES, ids=range(len(INDICES)))
def test_indexing_and_its_gradient(index: Any) -> None:
    x = Tensor(np.arange(60.0).reshape(3, 4, 5), requires_grad=True)
    plain = np.array(index, np.intp) if isinstance(index, list) and not index else index
    y = x[index]
    np.testing.assert_array_equal(y.data, x.data[plain])
    c = np.random.default_rng(0).normal(size=y.shape)
    expected = np.zeros(x.shape)
    np.add.at(expected, plain, c)  # what an index names twice gets both
    (g,) = grad(y, [x], Tensor(c, requires_grad=True), create_graph=True)
    np.testing.assert_array_equal(g.data, expected)


def test_an_index_may_be_a_tensor() -> None:
    x = Tensor(np.arange(12.0).reshape(4, 3))
    np.testing.assert_array_equal(x[Tensor([3, 0])].data, x.data[[3, 0]])
    np.testing.assert_array_equal(x[x > 5].data, x.data[x.data > 5])
    np.testing.assert_array_equal(x[Tensor([3, 0]), Tensor([1, 2])].data, [10, 2])


# Comparing.


def test_comparisons_give_masks_without_gradient() -> None:
    x = leaf(1.0, 2.0, 3.0)
    for op in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
        for other in (Tensor(np.array([3.0, 2.0, 1.0])), np.array([3.0, 2.0, 1.0]), 2, 2.0):
            y = op(x, other)
            values = other.data if isinstance(other, Tensor) else other
            assert y.dtype == np.bool_ and not y.requires_grad
            np.testing.assert_array_equal(y.data, op(x.data, values))
    np.testing.assert_array_equal((np.array([3.0, 2.0, 1.0]) > x).data, [True, False, False])


def test_masks_are_combined_and_numbers_of_numpy_count_like_those_of_python() -> None:
    x = Tensor(np.array([0.1, 0.5, 0.9], np.float32))
    inside = (x > 0.2) & (x < 0.8)
    assert inside.data.tolist() == [False, True, False]
    assert (~inside | (x == 0.5)).data.all()
    assert (x == np.float64(0.1)).data.tolist() == [True, False, False]  # 0.1 in float32 is another number


def test_tensors_are_keys_by_identity() -> None:
    a, b = Tensor(1.0), Tensor(1.0)
    assert {a: 1, b: 2}[a] == 1 and hash(a) != hash(b)


# Looking at it.


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (Tensor(np.array([[1.0, 2.0], [3.0, 6.0]])), "Tensor(shape=(2, 2), float64, cpu, [[1, 2], [3, 6]])"),
        (Tensor(np.arange(21.0)), "Tensor(shape=(21,), float64, cpu, range [0, 20], mean 10)"),
        (Tensor(2.5), "Tensor(shape=(), float32, cpu, 2.5)"),
        (Tensor(np.array([1.0, np.nan, np.inf, -np.inf])), "cpu, [1, nan, inf, -inf], !!! 1 NaN !!!, !!! 2 Inf !!!)"),
        (Tensor(np.array([np.nan])), "cpu, nan, !!! 1 NaN !!!)"),
        (Tensor(np.array([np.nan] * 30 + [2.0])), "cpu, range [2, 2], mean 2, !!! 30 NaN !!!)"),
        (Tensor(np.full(30, np.inf)), "Tensor(shape=(30,), float64, cpu, !!! 30 Inf !!!)"),
        (Tensor([1, 2, 6]), "Tensor(shape=(3,), int64, cpu, [1, 2, 6])"),
        (Tensor([True, False]), "Tensor(shape=(2,), bool, cpu, [True, False])"),
        (Tensor(True), "Tensor(shape=(), bool, cpu, True)"),
        (Tensor(np.zeros((0, 3))), "Tensor(shape=(0, 3), float64, cpu)"),
        (leaf(1.0, 2.0), "cpu, [1, 2], requires_grad)"),
        (ops.exp(leaf(0.0)), "Tensor(shape=(1,), float64, cpu, 1, made by Exp)"),
    ],
    ids=range(13),
)
def test_repr(tensor: Tensor, text: str) -> None:
    assert repr(tensor).endswith(text)


@example(np.full(3, 1e308))
@given(drawn_arrays(st.sampled_from([np.float32, np.float64, np.int64, np.bool_]), st.tuples(st.integers(0, 4))))
def test_repr_is_one_line_and_never_warns(x: Any) -> None:
    assert "\n" not in repr(Tensor(x))


def test_no_grad_as_a_decorator_nests_and_puts_back() -> None:
    x = Tensor(np.ones(2), requires_grad=True)

    @no_grad()
    def doubled(depth: int) -> Tensor:
        y = doubled(depth - 1) if depth else x * 2
        assert not is_recording()
        return y

    assert not doubled(2).requires_grad
    assert is_recording() and (x * 2).requires_grad
