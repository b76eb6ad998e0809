"""What operations refuse, and in which words: function, argument, what came, what was wanted.

Read next: ``tests/ops/test_edges.py``.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
import pytest

from minigen import losses, nn, ops
from minigen.autograd import Tensor, grad

X = Tensor(np.ones((3, 5), np.float32))
ONE = Tensor(1.0)
IMAGES = Tensor(np.ones((2, 3, 4, 4), np.float32))

REFUSED: list[tuple[str, Any, type[Exception], str]] = [
    (
        "a kernel of height 0",
        lambda: ops.conv2d(IMAGES, Tensor(np.ones((2, 3, 0, 3), np.float32))),
        ValueError,
        "conv2d: ",
    ),
    (
        "the same, transposed",
        lambda: ops.conv_transpose2d(IMAGES, Tensor(np.ones((3, 2, 0, 3), np.float32))),
        ValueError,
        "conv_transpose2d: ",
    ),
    (
        "the norm 'fro'",
        lambda: ops.norm(X, order="fro"),
        TypeError,
        "norm: order is one number, got 'fro'; the Frobenius norm of matrices is order 2 over two axes",
    ),
    (
        "limits that are arrays",
        lambda: ops.clip(X, np.zeros(5), np.ones(5)),
        TypeError,
        "clip: low is one number, got a ndarray of shape (5,); for a limit of each element use ops.maximum",
    ),
    (
        "a limit that is a Tensor",
        lambda: ops.clip(X, X),
        TypeError,
        "clip: low is one number, got a Tensor of shape (3, 5); for a limit of each element use",
    ),
    (
        "a slope that is an array",
        lambda: ops.leaky_relu(X, np.ones(5)),
        TypeError,
        "leaky_relu: slope is one number, got a ndarray of shape (5,)",
    ),
    ("an alpha that is text", lambda: ops.elu(X, "1"), TypeError, "elu: alpha is one number, got '1'"),
    (
        "numbers one after another",
        lambda: ops.concat([ONE, ONE]),
        ValueError,
        "concat: a single number has no axis; use stack for numbers, or reshape them to (1,)",
    ),
    ("a number, one after another", lambda: ops.concat(1.0), ValueError, "concat: expected a sequence of at least one"),
    ("a stack of nothing", lambda: ops.stack(None), ValueError, "stack: expected a sequence of at least one Tensor"),
    ("softmax of a number", lambda: ops.softmax(ONE), ValueError, "softmax: x is one number and has no axis"),
    (
        "log_softmax of a number",
        lambda: ops.log_softmax(ONE),
        ValueError,
        "log_softmax: x is one number and has no axis",
    ),
    (
        "stacks that do not fit",
        lambda: Tensor(np.ones((2, 3, 4))) @ Tensor(np.ones((3, 4, 5))),
        ValueError,
        "matmul: the stacks of (2, 3, 4) @ (3, 4, 5) do not fit; their leading axes must be equal or 1",
    ),
    (
        "repeating what is longer",
        lambda: ops.broadcast_to(X, (3, 4)),
        ValueError,
        "broadcast_to: shape (3, 5) cannot be repeated to (3, 4); counted from the last, every axis must be as long",
    ),
    (
        "fewer axes",
        lambda: ops.broadcast_to(X, (5,)),
        ValueError,
        "broadcast_to: shape (3, 5) cannot be repeated to (5,)",
    ),
    (
        "elements that do not fit",
        lambda: ops.reshape(X, (-1, 2)),
        ValueError,
        "reshape: (3, 5) to (-1, 2): 15 elements do not fit into it",
    ),
    ("two unknown lengths", lambda: X.reshape(-1, -1), ValueError, "reshape: (3, 5) to (-1, -1): one length may be -1"),
    (
        "a negative length",
        lambda: X.reshape(-3, 5),
        ValueError,
        "reshape: (3, 5) to (-3, 5): one length may be -1, the",
    ),
    (
        "an unknown length of nothing",
        lambda: ops.reshape(Tensor(np.ones((0, 5))), (0, 3, -1)),
        ValueError,
        "reshape: (0, 5) to (0, 3, -1): any number might stand for -1; give the length",
    ),
    ("a shape that is an array", lambda: ops.reshape(X, np.ones(2)), TypeError, "reshape: a shape is made of whole"),
    ("an order that is a number", lambda: ops.transpose(X, 1), ValueError, "transpose: axes (1,) are not an order"),
    (
        "an order that is text",
        lambda: ops.transpose(X, "ab"),
        TypeError,
        "transpose: an order of axes is made of whole",
    ),
    ("an axis that is an array", lambda: ops.sum(X, np.zeros(2)), TypeError, "sum: axis is a whole number, a tuple"),
    ("an axis that is a Tensor", lambda: ops.max(X, ONE), TypeError, "max: axis is a whole number, a tuple of them"),
    (
        "an activation by name",
        lambda: ops.linear(X, X, activation="relu"),
        TypeError,
        "linear: activation is a function such as ops.relu, or None; got 'relu'",
    ),
    (
        "a correction that is no number",
        lambda: ops.var(X, correction=None),
        TypeError,
        "var: correction is one number, got None",
    ),
    (
        "an eps that is no number",
        lambda: ops.layer_norm(X, Tensor(np.ones(5, np.float32)), Tensor(np.ones(5, np.float32)), eps="a"),
        TypeError,
        "layer_norm: eps is one number, got 'a'",
    ),
    (
        "a delta that is no number",
        lambda: losses.huber(X, X, delta=None),
        TypeError,
        "huber: delta is one number, got None",
    ),
    (
        "a target sparsity that is no number",
        lambda: losses.kl_sparsity(X, "a"),
        TypeError,
        "kl_sparsity: rho is one number",
    ),
    (
        "a smoothing that is no number",
        lambda: losses.cross_entropy(X, [0, 1, 2], label_smoothing=None),
        TypeError,
        "cross_entropy: label_smoothing is one number, got None",
    ),
    (
        "whole numbers where floats are",
        lambda: X + Tensor(np.ones((3, 5), np.int64)),
        TypeError,
        "Add: inputs of dtype float32 and int64. Nothing is promoted silently: use .to(dtype=...)",
    ),
]


@pytest.mark.parametrize(("call", "kind", "says"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_the_words_of_a_refusal(call: Any, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match="^" + re.escape(says)):
        call()


def names_without_an_exception(function: Any, wrong: Any) -> list[str]:
    """Call `function` with one argument that is `wrong` and the others right; the errors that do not name it."""
    parameters = inspect.signature(function).parameters.values()
    needed = [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    found = []
    for name in needed:
        try:
            function(**{**dict.fromkeys(needed, X), name: wrong})
        except Exception as error:
            if not re.match(r"[A-Za-z_0-9]+(\.\w+)?( '\w+')?: ", str(error)):
                found.append(f"{function.__name__}({name}): {error}")
    return found


WRONG = [None, "a", object(), {}, Tensor(np.zeros((0, 3), np.float32)), np.ones(7, np.float32)]


@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
def test_the_first_word_of_every_error_is_the_operation(wrong: Any) -> None:
    """Elementwise and shape operations, each argument wrong in turn: what comes is no bare word of Python or NumPy."""
    for name in ("exp", "relu", "softmax", "concat", "stack", "matmul", "linear", "maximum", "where", "reshape",
                 "transpose", "broadcast_to", "sum", "mean", "clip", "getitem", "flatten", "norm"):  # fmt: skip
        assert not names_without_an_exception(getattr(ops, name), wrong)


def test_an_empty_batch_is_reshaped_like_any_other() -> None:
    layer = nn.Reshape((3, -1))
    assert layer(Tensor(np.ones((0, 6), np.float32))).shape == (0, 3, 2)
    assert layer(Tensor(np.ones((4, 6), np.float32))).shape == (4, 3, 2)
    with pytest.raises(nn.ShapeError, match=r"Reshape: expected input of a size that fits \(N, 3, -1\), got \(0, 7\)"):
        layer(Tensor(np.ones((0, 7), np.float32)))


def test_two_numbers_or_one_in_where() -> None:
    mask = np.array([True, False])
    for a, b in ((1.0, 0.0), (1, 0.0), (np.float32(1), 0)):
        y = ops.where(mask, a, b)
        assert y.dtype == np.float32 and y.data.tolist() == [1, 0]
    assert ops.where(mask, 1, 0).dtype == np.int64 and ops.where(mask, True, False).dtype == np.bool_
    x = Tensor(np.ones(2), requires_grad=True)
    inner = ops.where(~mask, ops.where(mask, 2.0, 3.0).to(dtype=x.dtype), x)  # as the docstring says
    assert inner.dtype == ops.where(mask, 1, x).dtype == ops.where(mask, x, 0.5).dtype == np.float64
    np.testing.assert_array_equal(grad(inner.sum(), [x])[0].data, [1, 0])
