"""What used to fool the checker: memory, unusual cotangents, hidden state, one Tensor in two places, new layers.

The museum holds an exhibit of each; here are the neighbours, and right layers that do the same without being wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigen as mg
from minigen import nn, ops
from minigen.autograd import Function, Tensor
from minigen.gradcheck import gradcheck
from minigen.gradcheck.invariances import fortran_order, negative_strides
from minigen_kernels import Array


def point(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def kinds(fn: Callable[..., Any], *inputs: Any, **options: Any) -> list[str]:
    """The kinds of explanation, none if it is right."""
    failure = gradcheck(fn, *inputs, raise_on_failure=False, **options).failure
    return [] if failure is None else [failure.verdict, *(e.kind for e in failure.explanations)]


class Reads(Function):
    """exp, whose forward and backward read arrays by functions of the test."""

    read: Callable[[Array], Array]
    read_gy: Callable[[Array], Array]

    def forward(self, x: Array) -> Array:
        return np.exp(self.read(x))

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return Tensor(self.read_gy(gy.data) * y.data)


def by_order(order: str) -> Callable[[Array], Array]:
    return lambda x: x.ravel(order).reshape(x.shape)


def by_pointer(x: Array) -> Array:
    """As compiled code reads memory: from the first element on, without a look at strides."""
    strides = np.zeros(x.shape, x.dtype).strides
    return np.lib.stride_tricks.as_strided(x, x.shape, strides).copy()


def by_base(x: Array) -> Array:
    """The first numbers of the memory that a view belongs to."""
    base = x if x.base is None else x.base
    return base.ravel()[: x.size].reshape(x.shape) if base.size >= x.size else x


PLAIN: Callable[[Array], Array] = lambda x: x  # noqa: E731
RIGHT_WAYS = {"plain": PLAIN, "C": by_order("C"), "copy": lambda x: np.ascontiguousarray(x).ravel("K").reshape(x.shape)}
WRONG_WAYS = {"K": by_order("K"), "A": by_order("A"), "pointer": by_pointer, "base": by_base}


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(WRONG_WAYS)), st.booleans(), st.lists(st.integers(2, 4), min_size=2, max_size=4))
def test_who_reads_memory_is_found(way: str, in_forward: bool, shape: list[int]) -> None:
    read, read_gy = (WRONG_WAYS[way], PLAIN) if in_forward else (PLAIN, WRONG_WAYS[way])
    found = kinds(lambda x: Reads.apply(x, read=read, read_gy=read_gy), point(*shape), max_elements=30)
    assert found[:1] == ["WRONG"] and found[1] in ("memory", "not-linear"), found


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(sorted(RIGHT_WAYS)), st.lists(st.integers(1, 4), max_size=4))
def test_who_makes_it_contiguous_is_right(way: str, shape: list[int]) -> None:
    assert not kinds(lambda x: Reads.apply(x, read=RIGHT_WAYS[way], read_gy=RIGHT_WAYS[way]), point(*shape))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 4), max_size=4))
def test_layouts_hold_the_same_numbers(shape: list[int]) -> None:
    x = point(*shape)
    for layout in (fortran_order, negative_strides):
        assert np.array_equal(layout(x), x) and layout(x).shape == x.shape
    assert all(s < 0 for s, n in zip(negative_strides(x).strides, x.shape, strict=True) if n > 1 and x.size)


class Bent(Function):
    """exp, with a function of gy in the place of gy."""

    bend: Callable[[Array], Array]

    def forward(self, x: Array) -> Array:
        return np.exp(x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return Tensor(self.bend(gy.data)) * y


@pytest.mark.parametrize(
    "bend",
    [
        lambda g: np.clip(g, -100, 100),
        lambda g: np.where(np.abs(g) > 1e-5, g, 0),
        lambda g: 2 * g if (g == 0).any() else g,
        lambda g: 2 * g if (g == g.flat[0]).all() else g,
        lambda g: 2 * g if not all(g.strides) else g,
        lambda g: g.astype(np.float16).astype(g.dtype) if np.abs(g).max() > 1e4 else g,
    ],
    ids=["clipped", "small ones dropped", "zeros noticed", "equal ones", "strides of zero", "half precision"],
)
def test_a_backward_that_is_not_linear(bend: Callable[[Array], Array]) -> None:
    with np.errstate(over="ignore"):
        assert kinds(lambda x: Bent.apply(x, bend=bend), point(3, 4)) == ["WRONG", "not-linear"]


class Gain(Function):
    """tanh(x) * gain + bias; `forgets` names what backward leaves out."""

    forgets: str

    def forward(self, x: Array, gain: Array, bias: Array) -> Array:
        return np.tanh(x) * gain + bias * bias + bias

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        x, gain, bias = self.inputs
        t = ops.tanh(x)
        gx = gy * (1 - t * t)
        gb = ops.sum(gy, axis=0)
        return (
            gx if self.forgets == "gain" else gx * gain,
            ops.sum(gy * t, axis=0),
            gb if self.forgets == "bias" else gb * (2.0 * bias + 1.0),
        )


class Scaled(nn.Module):
    def __init__(self, forgets: str) -> None:
        self.forgets = forgets
        self.gain = nn.Parameter(np.ones(4, np.float32))
        self.bias = nn.Parameter(np.zeros(4, np.float32))

    def forward(self, x: Tensor) -> Tensor:
        return Gain.apply(x, self.gain, self.bias, forgets=self.forgets)


@pytest.mark.parametrize("forgets", ["gain", "bias"])
def test_a_new_layer_hides_nothing(forgets: str) -> None:
    layer = Scaled(forgets)
    assert kinds(layer, point(3, 4))[:2] == ["WRONG", "initial-values"]
    assert (layer.gain.numpy() == 1).all() and layer.gain.dtype == np.float32 and not layer.bias.numpy().any()
    assert not kinds(Scaled(""), point(3, 4))


class Remembers(Function):
    """exp with what `kept` holds: of the first call by some key."""

    kept: dict[Any, Array]
    key: Callable[[Array], Any]

    def forward(self, x: Array) -> Array:
        return np.exp(x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy * Tensor(self.kept.setdefault(self.key(y.data), y.data.copy()))


@pytest.mark.parametrize("key", [lambda y: y.shape, lambda y: 0, lambda y: y.dtype], ids=["shape", "none", "dtype"])
def test_the_derivative_of_the_first_call(key: Callable[[Array], Any]) -> None:
    kept: dict[Any, Array] = {}
    assert kinds(lambda x: Remembers.apply(x, kept=kept, key=key), point(2, 3))[:2] == ["WRONG", "state"]


def test_a_cache_that_looks_at_the_numbers_is_right() -> None:
    kept: dict[Any, Array] = {}
    assert not kinds(lambda x: Remembers.apply(x, kept=kept, key=lambda y: y.tobytes()), point(2, 3))


class SwapsEqual(Function):
    """a - 2b, whose backward finds an input by looking for it."""

    def forward(self, a: Array, b: Array) -> Array:
        return a - 2 * b

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        first = self.inputs[0]
        return tuple(gy if x is first else -2.0 * gy for x in self.inputs)


def test_one_tensor_in_two_places() -> None:
    assert kinds(SwapsEqual.apply, point(3), point(3, seed=1)) == ["WRONG", "same-input"]
    for fn in (ops.maximum, ops.minimum, lambda a, b: a * b - b / (a * a + 1.0), lambda a, b: ops.sqrt(a - b + 9.0)):
        assert not kinds(fn, point(3), point(3, seed=1))


class SlightlyOffIfSame(Function):
    def forward(self, a: Array, b: Array) -> Array:
        return a * b

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        a, b = self.inputs
        return gy * b * (1.01 if a is b else 1.0), gy * a


def test_one_per_cent_in_two_places_is_wrong() -> None:
    assert kinds(SlightlyOffIfSame.apply, point(3), point(3, seed=1)) == ["WRONG", "same-input"]


def test_inputs_that_cannot_be_one_are_left_in_peace() -> None:
    assert not kinds(lambda a, b: 1.0 / (a - b), point(3), point(3, seed=1))  # not finite where both are the same
    assert not kinds(lambda a, b: ops.log(a - b), point(3) + 9, point(3, seed=1))


class WritesResult(Function):
    def forward(self, x: Array) -> Array:
        return np.exp(x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        y.data *= 2
        return gy * y * 0.5


class WritesInput(Function):
    def forward(self, x: Array) -> Array:
        return np.exp(x)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        self.inputs[0].data += 1
        return gy * y


@pytest.mark.parametrize("kind", [WritesResult, WritesInput])
@pytest.mark.parametrize("inside", [False, True])
def test_backward_that_writes(kind: type[Function], inside: bool) -> None:
    fn = (lambda x: ops.tanh(kind.apply(x * 1.0))) if inside else kind.apply
    assert kinds(fn, point(2, 3))[:2] == ["WRONG", "in-place"]


def test_a_right_network_is_right_in_every_respect() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm(2), ops.tanh, nn.Flatten(), nn.Dense(8, 3), nn.LayerNorm(3))
    assert gradcheck(net, point(3, 1, 3, 3), max_elements=50).ok


def test_whole_numbers_beside_floats() -> None:
    class Embedding(Function):
        right = True

        def forward(self, words: Array, table: Array) -> Array:
            return table[words]

        def backward(self, gy: Tensor, y: Tensor) -> tuple[None, Tensor]:
            words, table = self.inputs
            g = np.zeros(table.shape, table.dtype)
            if self.right:
                np.add.at(g, words.data, gy.data)
            else:
                g[words.data] = gy.data
            return None, Tensor(g)

    words = np.array([[0, 2, 2], [1, 0, 3]])
    report = gradcheck(Embedding.apply, words, point(4, 3), self_test=True)
    assert [row.name for row in report.rows] == ["input 1"] and all(m.rejected for m in report.mutations)
    assert kinds(lambda w, t: Embedding.apply(w, t, right=False), words, point(4, 3)) == ["WRONG", "region"]
    assert mg.gradcheck(lambda w, t: Embedding.apply(w, t), Tensor(words), point(4, 3)).ok
