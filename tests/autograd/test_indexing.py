"""Every form of an index against NumPy: the values, and the gradient of both orders, where positions may repeat.

Read next: ``test_engine.py``.
"""

from __future__ import annotations

import array
import enum
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen import losses, ops
from minigen.autograd import Tensor, grad


def in_numpy(part: Any) -> Any:
    """The same part of an index for NumPy: Tensors as arrays, an inner sequence as the array that it stands for."""
    if isinstance(part, (Tensor, slice)) or part is None or part is ...:
        return part.data if isinstance(part, Tensor) else part
    found = np.asarray([in_numpy(p) for p in part] if isinstance(part, (list, tuple)) else part)
    return found.astype(np.intp) if found.size == 0 else found


def check(x: np.ndarray, index: Any) -> None:
    """Values and gradients of x[index]: `np.add.at` says what each element of x gets back."""
    plain = tuple(map(in_numpy, index)) if isinstance(index, tuple) else in_numpy(index)
    t = Tensor(x, requires_grad=True)
    y = t[index]
    np.testing.assert_array_equal(y.data, x[plain])
    rng = np.random.default_rng(0)
    c, d = rng.normal(size=y.shape), rng.normal(size=x.shape)
    gy = Tensor(c, requires_grad=True)
    (g,) = grad(y * y, [t], gy, create_graph=True)
    first, spread = np.zeros(x.shape), np.zeros(x.shape)
    np.add.at(first, plain, 2 * c * x[plain])
    np.testing.assert_allclose(g.data, first, rtol=1e-14)  # the same products, in the same order
    # g . d = sum over the results of 2 c x[index] d[index]
    np.add.at(spread, plain, 2 * c * d[plain])
    gt, ggy = grad(g, [t, gy], Tensor(d))
    np.testing.assert_allclose(gt.data, spread, rtol=1e-14)
    np.testing.assert_allclose(ggy.data, 2 * x[plain] * d[plain], rtol=1e-14)


X = np.random.default_rng(1).normal(size=(3, 4, 5))


class Row(enum.IntEnum):
    LAST = 2


class Whole:
    def __index__(self) -> int:
        return 1


FORMS = [
    (slice(None), (0, 0, 2)),
    ((0, 0, 1),),
    ((0, 0), (1, 1)),
    (None, (1, 1)),
    (..., (3, 3)),
    ((1, 1), slice(0, 2)),
    array.array("i", [0, 0]),
    (slice(None), array.array("b", [1, -1, 1])),
    range(2),
    (..., range(3, -1, -1), 0),
    (range(0), slice(1)),
    [[0, 0], (1, 0)],
    ([(0, 0)], slice(None), [[1], [1]]),
    [[[]]],
    (slice(None), ()),
    [()],
    (True, 0),
    [True, False, True],
    ((True, False, True), (0, 0)),
    (np.array([True, False, True]), [1, 1]),
    (np.bool_(True), (0, 0)),
    np.array(1),
    (np.int8(1), np.array([0, 0])),
    (Row.LAST, (0, 0)),
    memoryview(b"\x01\x01"),
    bytearray(b"\x02\x00"),
    np.array([1, 1], ">i2"),
    (Tensor([0, 0]), [1, 1]),
    [Tensor(1), 1],
    (Tensor(1), (2, 2), Tensor([0, 0])),
    (Tensor([True, False, True]), (1, 1)),
    ((-1, 2), (-1, 3), 0),
]


@pytest.mark.parametrize("index", FORMS, ids=range(len(FORMS)))
def test_each_form_of_an_index(index: Any) -> None:
    check(X, index)


def test_whole_numbers_of_other_kinds() -> None:
    t = Tensor(X)
    np.testing.assert_array_equal(t[Whole()].data, X[1])
    np.testing.assert_array_equal(t[Tensor(1) :, : np.int64(2)].data, X[1:, :2])
    np.testing.assert_array_equal(t[:, Tensor(3) : 0 : -2].data, X[:, 3:0:-2])


# Any mixture of parts. `broadcast` positions have lengths 1 or `length`, so that they belong together.


@st.composite
def positions(draw: Any, axis: int, length: int) -> Any:
    """Positions along an axis of `axis` elements, written in one of the ways that people write them."""
    n = draw(st.sampled_from([1, length]))
    found = draw(st.lists(st.integers(-axis, axis - 1), min_size=n, max_size=n))
    if draw(st.booleans()):
        found = [found]
    write = draw(st.sampled_from(["list", "tuple", "array", "int8", "Tensor", "array.array", "of Tensors", "0-d"]))
    if write == "0-d":
        return draw(st.sampled_from([np.array, Tensor, int, np.int64]))(draw(st.integers(-axis, axis - 1)))
    flat = found[0] if isinstance(found[0], list) else found
    return {
        "list": found,
        "tuple": tuple(tuple(row) if isinstance(row, list) else row for row in found),
        "array": np.array(found),
        "int8": np.array(found, np.int8),
        "Tensor": Tensor(found),
        "array.array": array.array("h", flat),
        "of Tensors": [Tensor(i) for i in flat],
    }[write]


@st.composite
def indices(draw: Any, shape: tuple[int, ...]) -> Any:
    length = draw(st.integers(1, 4))
    parts: list[Any] = []
    axis = 0
    while axis < len(shape):
        kind = draw(st.sampled_from(["positions", "positions", "slice", "number", "mask", "None", "stop", "..."]))
        if kind == "stop":
            break
        if kind == "None":
            parts.append(None)
            continue
        if kind == "...":
            if not any(part is ... for part in parts):
                parts.append(...)
                axis += draw(st.integers(0, len(shape) - axis))
            continue
        n = shape[axis]
        if kind == "positions":
            parts.append(draw(positions(n, length)))
        elif kind == "slice":
            parts.append(draw(st.slices(n)))
        elif kind == "number":
            parts.append(draw(st.integers(-n, n - 1)))
        else:  # a mask of one true element goes with positions of any length
            mask = [i == draw(st.integers(0, n - 1)) for i in range(n)]
            if sum(mask) != 1:
                mask = [i == 0 for i in range(n)]
            parts.append(draw(st.sampled_from([list, tuple, np.array, Tensor]))(mask))
        axis += 1
    if len(parts) == 1 and not isinstance(parts[0], tuple) and draw(st.booleans()):
        return parts[0]
    return tuple(parts)


@given(st.data())
def test_any_mixture_of_parts_is_that_of_numpy(data: Any) -> None:
    shape = data.draw(st.sampled_from([(4,), (3, 4), (3, 4, 5), (2, 1, 3)]))
    x = np.random.default_rng(2).normal(size=shape)
    index = data.draw(indices(shape))
    plain = tuple(map(in_numpy, index)) if isinstance(index, tuple) else in_numpy(index)
    try:
        x[plain]
    except IndexError:  # an ellipsis that leaves an axis of another length to a part
        with pytest.raises(IndexError, match="GetItem: "):
            Tensor(x)[index]
    else:
        check(x, index)


# What is no index.


@pytest.mark.parametrize(
    "index",
    [[0.0, 1.0], 1.0, "a", b"ab", {1}, np.zeros(0), object(), Tensor([0.5]), Tensor(0.5), (0, "a"), [None], [1, ...]],
    ids=lambda index: type(index).__name__,
)
def test_what_is_no_index_is_named(index: Any) -> None:
    with pytest.raises(IndexError, match=r"getitem: an index is made of whole numbers, slices, .*; got .*of dtype"):
        Tensor(X)[index]


def test_other_refusals_name_the_operation() -> None:
    t = Tensor(X)
    with pytest.raises(IndexError, match=r"getitem: \[\[1, 2\], \[0\]\] is no index"):
        t[[[1, 2], [0]]]
    with pytest.raises(IndexError, match=r"getitem: index 9 is out of bounds.*shape \(3, 4, 5\)"):
        t[[9]]
    with pytest.raises(TypeError, match="getitem: slice indices must be integers"):
        t[1.5:]
    with pytest.raises(TypeError, match=r"getitem: got a masked array, .* fill it first, as in x\.filled\(0\)"):
        t[np.ma.array([1, 2], mask=[True, False])]


# Arrays that are changed after they were used.


def test_an_index_may_be_overwritten_before_the_backward_pass() -> None:
    for write in (lambda i: i, Tensor, memoryview):
        i = np.array([0, 1])
        x = Tensor(X, requires_grad=True)
        y = x[0, write(i)]
        i[:] = 2
        expected = np.zeros(X.shape)
        expected[0, :2] = 1
        np.testing.assert_array_equal(grad(y.sum(), [x])[0].data, expected)


def test_labels_and_masks_may_be_overwritten_before_the_backward_pass() -> None:
    logits, labels = Tensor(X[0], requires_grad=True), np.array([0, 1, 2, 3])
    expected = grad(losses.cross_entropy(logits, labels), [logits])[0].data
    loss = losses.cross_entropy(logits, labels)
    labels[:] = 0
    np.testing.assert_array_equal(grad(loss, [logits])[0].data, expected)
    for write in (lambda m: m, Tensor):
        mask = np.array([True, False])
        a, b = Tensor(np.ones(2), requires_grad=True), Tensor(np.ones(2), requires_grad=True)
        y = ops.where(write(mask), a, b)
        mask[:] = False
        np.testing.assert_array_equal([g.data for g in grad(y.sum(), [a, b])], [[1, 0], [0, 1]])
