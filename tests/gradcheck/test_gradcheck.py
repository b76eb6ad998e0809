"""The gradient checker on right functions: no false alarm, nothing left behind, and kinks called kinks.

What it does with wrong functions: ``test_planted_errors.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import losses, nn, ops
from minigen.autograd import Function, Tensor, grad, no_grad
from minigen.gradcheck import GradientMismatch, gradcheck
from minigen.gradcheck.directions import locate
from minigen.gradcheck.numeric import DirectionalDerivative, directional_derivative
from minigen.gradcheck.tensor_check import mutants
from minigen.random import Generator
from minigen_kernels import Array

Draw = Callable[[np.random.Generator], tuple[Array, ...]]


def point(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


# The numeric side alone.


def never(slope: DirectionalDerivative) -> bool:
    return False


def slope_of(f: Callable[[float], float]) -> DirectionalDerivative:
    return directional_derivative(lambda t: np.array([f(t)]), np.array([f(0.0)]), np.ones((1, 1)), 1e-15, never)


@pytest.mark.parametrize(
    ("f", "slope"),
    [
        (lambda t: np.sin(1 + t), np.cos(1)),
        (lambda t: 1e6 + np.exp(t), 1.0),
        (lambda t: np.tanh(1e4 * t), 1e4),
        (lambda t: np.sin(1000 + 1000 * t), 1000 * np.cos(1000)),
        (lambda t: np.log(1e-3 + t) if t > -1e-3 else np.nan, 1e3),
        (lambda t: max(t - 1e-7, 0.0) + t, 1.0),
        (lambda t: abs(t + 1e-5), 1.0),
        (lambda t: t * abs(t), 0.0),
        (lambda t: 3.0, 0.0),
    ],
    ids=["sin", "offset", "steep", "fast", "log", "kink at 1e-7", "kink at 1e-5", "parabolas", "constant"],
)
def test_slope_is_within_its_own_error(f: Callable[[float], float], slope: float) -> None:
    found = slope_of(f)
    assert abs(found.value[0] - slope) <= 10 * found.error[0]  # 10 is what the checker allows
    assert found.error[0] <= 1e-5 * max(abs(slope), 1)  # a step of 3e-5 is a third of the steep one
    assert found.jump[0] == 0


@pytest.mark.parametrize(
    ("f", "jump"),
    [
        (lambda t: max(t, 0.0), 1),
        (lambda t: 5 * abs(t) + np.sin(t), 10),
        (lambda t: float(t > 0), np.inf),
        (lambda t: np.sqrt(t) if t >= 0 else np.nan, np.inf),
    ],
    ids=["relu", "abs", "step", "sqrt"],
)
def test_jump_of_the_slope(f: Callable[[float], float], jump: float) -> None:
    assert slope_of(f).jump[0] == pytest.approx(jump, rel=1e-4)  # the bend of the smooth part at t = 3e-5 remains


def test_locate_finds_the_guilty_element() -> None:
    for place in range(13):
        assert locate(np.ones(13), lambda d, place=place: float(d[place])) == place


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("shape", [(), (1,), (7,), (2, 4), (3, 1, 3, 2)])
def test_every_planted_error_is_another_gradient(shape: tuple[int, ...], alone: bool) -> None:
    size = int(np.prod(shape))
    g = point(3, size)
    kinds = []
    for kind, spoilt in mutants(g, shape, np.ones(size), 1.01, alone):
        kinds.append(kind)
        assert spoilt.shape == g.shape and np.abs(spoilt - g).max() >= 0.009 * np.abs(g).max()
    expected = ["factor", "sign", "zero"] + ["shifted"] * (size > 1) + ["transposed"] * (len(shape) > 1) + ["perturbed"]
    assert kinds == expected


def test_what_changes_nothing_is_not_planted() -> None:
    constant = [kind for kind, _ in mutants(np.ones((3, 6)), (2, 3), np.ones(6), 1.01, True)]
    assert constant == ["factor", "sign", "zero", "perturbed"]


# No false alarms.


def scaled(rng: np.random.Generator, *shape: int, low: float = 1e-3, high: float = 1e3) -> Array:
    """Of either sign and of any size from `low` to `high`."""
    return np.exp(rng.uniform(np.log(low), np.log(high), shape)) * rng.choice([-1.0, 1.0], shape)


SMOOTH: dict[str, tuple[Callable[..., Tensor], Draw]] = {
    "exp": (ops.exp, lambda r: (scaled(r, 4, high=20),)),
    "log": (ops.log, lambda r: (np.abs(scaled(r, 5)),)),
    "sqrt": (ops.sqrt, lambda r: (np.abs(scaled(r, 5)),)),
    "tanh": (ops.tanh, lambda r: (scaled(r, 5, high=5),)),
    "sigmoid": (ops.sigmoid, lambda r: (scaled(r, 5, high=20),)),
    "softplus": (ops.softplus, lambda r: (scaled(r, 5),)),
    "gelu": (ops.gelu, lambda r: (scaled(r, 5),)),
    "silu": (ops.silu, lambda r: (scaled(r, 5),)),
    "multiply": (lambda a, b: a * b, lambda r: (scaled(r, 3, 2), scaled(r, 2))),
    "divide": (lambda a, b: a / b, lambda r: (scaled(r, 3, 2), scaled(r, 2))),
    "power": (ops.power, lambda r: (np.abs(scaled(r, 4, low=1e-2, high=1e2)), r.uniform(0.5, 3, 4))),
    "matmul": (ops.matmul, lambda r: (scaled(r, 3, 2), scaled(r, 2, 3))),
    "softmax": (ops.softmax, lambda r: (scaled(r, 3, 4, high=5),)),
    "logsumexp": (lambda x: ops.logsumexp(x, 1), lambda r: (scaled(r, 3, 4),)),
    "var": (lambda x: ops.var(x, 0), lambda r: (scaled(r, 4, 3),)),
    "norm": (lambda x: ops.norm(x, 1), lambda r: (scaled(r, 4, 3),)),
    "batch_norm": (ops.batch_norm, lambda r: (scaled(r, 4, 1), scaled(r, 1), scaled(r, 1))),
    "layer_norm": (ops.layer_norm, lambda r: (scaled(r, 1, 4), scaled(r, 4), scaled(r, 4))),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_no_false_alarm_in_200_draws(name: str) -> None:
    fn, draw = SMOOTH[name]
    for seed in range(200):
        report = gradcheck(fn, *draw(np.random.default_rng(seed)), seed=seed)
        assert all(row.verdict in ("OK", "VACUOUS") for row in report.rows)


@pytest.mark.parametrize("name", SMOOTH)
@settings(max_examples=5)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_false_alarm_at_second_order(name: str, seed: int) -> None:
    fn, draw = SMOOTH[name]
    gradcheck(fn, *draw(np.random.default_rng(seed)), seed=seed, order=2)


@pytest.mark.parametrize("seed", range(8))
def test_no_false_alarm_with_relu_and_pooling(seed: int) -> None:
    rng = Generator(seed)
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, rng=rng), nn.BatchNorm(4), ops.relu, nn.MaxPool2d(2), nn.Flatten(),
        nn.Dense(64, 5, rng=rng), ops.relu, nn.Dense(5, 2, rng=rng),
    )  # fmt: skip
    gradcheck(net, point(3, 2, 8, 8, seed=seed), seed=seed, max_elements=100)


# Modules and state.


def network() -> nn.Sequential:
    rng = Generator(3)
    return nn.Sequential(nn.Dense(4, 5, rng=rng), nn.BatchNorm(5), ops.tanh, nn.Dropout(0.5, rng=Generator(4)),
                         nn.Dense(5, 2, rng=rng))  # fmt: skip


def snapshot(net: nn.Module) -> dict[str, Any]:
    tensors = dict(net._named_tensors())
    return {
        "arrays": {name: (id(t.data), t.data.tobytes(), t.dtype) for name, t in tensors.items()},
        "grads": {name: id(t.grad) for name, t in tensors.items()},
        "training": [m.training for _, m in net.named_modules()],
        "attributes": [dict(vars(m)) for _, m in net.named_modules()],
        "random": [m.rng.state for _, m in net.named_modules() if isinstance(m, nn.Dropout)],
    }


@pytest.mark.parametrize("good", [True, False], ids=["passes", "raises"])
def test_module_is_given_back_bit_for_bit(good: bool) -> None:
    net = network()
    net(Tensor(point(6, 4).astype(np.float32))).sum().backward()
    before = snapshot(net)
    if good:
        gradcheck(net, point(6, 4), order=2)
    else:
        with pytest.raises(GradientMismatch):
            gradcheck(lambda net, x: net(x).detach() * x.sum(), net, point(6, 4))
    assert snapshot(net) == before


def test_batch_norm_and_dropout_in_training_to_third_order() -> None:
    report = gradcheck(network(), point(4, 4), order=3)
    rows = {(row.order, row.name): row for row in report.rows}
    assert rows[1, "parameter '0.bias'"].verdict == "VACUOUS"  # batch norm takes the mean away
    assert rows[3, "cotangent of the gradient in parameter '1.weight'"].verdict == "OK"
    assert {row.order for row in report.rows} == {1, 2, 3}


@pytest.mark.parametrize("layer", [nn.Conv2d, nn.ConvTranspose2d])
def test_convolutions_to_third_order(layer: Callable[..., nn.Module]) -> None:
    gradcheck(layer(2, 2, 3, stride=2, padding=1, rng=Generator(0)), point(1, 2, 4, 4), order=3)


def test_a_module_among_the_inputs_and_a_method_are_checked() -> None:
    net, target = network().eval(), point(6, 2, seed=1)
    report = gradcheck(lambda net, x: losses.mse(net(x), Tensor(target)), net, point(6, 4))
    assert "parameter '4.weight' of input 0" in [row.name for row in report.rows]
    assert "parameter '4.weight'" in [row.name for row in gradcheck(net.forward, point(6, 4)).rows]


def test_frozen_parameters_are_left_out() -> None:
    names = [row.name for row in gradcheck(network().requires_grad_(False), point(6, 4)).rows]
    assert names == ["input 0"]


def test_tied_parameters_are_one_variable() -> None:
    net = nn.Sequential(nn.Dense(3, 3, bias=False), ops.tanh, nn.Dense(3, 3, bias=False))
    net[2].weight = net[0].weight
    assert [row.name for row in gradcheck(net, point(4, 3), order=2).rows][:2] == ["input 0", "parameter '0.weight'"]


def test_attributes_that_forward_changes_are_put_back() -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            self.calls, self.seen, self.history = 0, np.zeros(3), list[int]()

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            self.seen += 1
            self.history.append(self.calls)
            return x * x * float(self.calls + self.seen[0] + len(self.history))

    module = Counting()
    gradcheck(module, point(3), order=2)
    assert (module.calls, list(module.seen), module.history) == (0, [0, 0, 0], [])


def test_a_generator_among_the_inputs_is_rewound() -> None:
    def sample(mu: Tensor, log_std: Tensor, rng: Generator) -> Tensor:
        return mu + ops.exp(log_std) * Tensor(rng.normal(mu.shape, dtype=mu.dtype))

    rng = Generator(0)
    before = rng.state
    gradcheck(sample, point(3, 2), point(3, 2, seed=1), rng, order=2)
    assert rng.state == before


# What is accepted, and how it is shown.


def test_float32_inputs_are_promoted_and_not_touched() -> None:
    array = point(3).astype(np.float32)
    tensor = Tensor(array.copy(), requires_grad=True)
    seen = []

    def fn(a: Tensor, b: Tensor, indices: Array, n: int) -> Tensor:
        seen.append((a.dtype, b.dtype, indices.dtype, n))
        return ops.exp(a * b)[indices]

    gradcheck(fn, array, tensor, np.array([0, 2, 2]), 7)
    assert set(seen) == {(np.dtype("f8"), np.dtype("f8"), np.dtype("i8"), 7)}
    assert tensor.dtype == np.float32 and tensor.grad is None and np.array_equal(tensor.data, array)


def test_wrt_chooses_inputs() -> None:
    report = gradcheck(lambda p, target: losses.mse(p, target.detach()), point(3), point(3, seed=1), wrt=[0])
    assert [row.name for row in report.rows] == ["input 0"]


def test_several_outputs_of_different_sizes_are_all_checked() -> None:
    class Wrong(Function):
        def forward(self, x: Array) -> Array:
            return x * 1e-6

        def backward(self, gy: Tensor, y: Tensor) -> Tensor:
            return gy * 1.01e-6

    gradcheck(lambda x: (ops.exp(x) * 1e3, x * 1e-6, x > 0), point(4), order=2)
    with pytest.raises(GradientMismatch, match="WRONG, input 0"):
        gradcheck(lambda x: [ops.exp(x) * 1e3, Wrong.apply(x)], point(4))


def test_a_scalar_shows_its_own_derivative() -> None:
    with pytest.raises(GradientMismatch) as info:
        gradcheck(lambda x: (x * x).sum() + (x * x.detach()).sum(), np.array([3.0]), seed=2)
    assert info.value.numeric == pytest.approx(12, rel=1e-6)
    assert info.value.analytic == pytest.approx(9, rel=1e-12)


def test_shapes_without_axes_and_without_elements() -> None:
    gradcheck(lambda x, y: x * x + y.sum(), np.array(2.0), np.zeros((0, 3)), order=3)


@pytest.mark.parametrize("fn", [lambda x: x, lambda x: (x, x)])
def test_the_input_itself_as_output(fn: Any) -> None:
    gradcheck(fn, point(3), order=2)


def test_fn_may_differentiate_inside() -> None:
    def penalty(x: Tensor, w: Tensor) -> Tensor:
        (gx,) = grad(ops.tanh(x @ w).sum(), [x], create_graph=True)
        return ((ops.norm(gx, 1) - 1) ** 2).sum()

    gradcheck(penalty, point(3, 2), point(2, 4, seed=1), order=2)


def test_a_row_says_what_was_compared() -> None:
    report = gradcheck(nn.Dense(4, 2, rng=Generator(0)), point(3, 4), order=2)
    assert len(report.rows) == 7
    assert report.rows[0].name == "input 0" and report.rows[0].shape == (3, 4)
    assert report.rows[0].worst_index is not None and report.rows[0].resolution < 1e-5


def test_second_order_of_a_linear_function_is_zero_and_fine() -> None:
    report = gradcheck(lambda x: x * 2, point(3), order=2)
    assert [row.verdict for row in report.rows] == ["OK", "VACUOUS", "OK"]


def test_large_inputs_are_fast_and_an_error_in_them_is_located() -> None:
    x, mask = point(40, 500), np.ones((40, 500))
    mask[17, 123] = 1.02

    class Wrong(Function):
        def forward(self, x: Array) -> Array:
            return np.tanh(x)

        def backward(self, gy: Tensor, y: Tensor) -> Tensor:
            return gy * (1 - y * y) * Tensor(mask)

    report = gradcheck(ops.tanh, x, order=2)
    assert "directions" in report.rows[0].compared and report.evaluations < 200
    start = time.perf_counter()
    with pytest.raises(GradientMismatch) as info:
        gradcheck(Wrong.apply, x)
    assert info.value.index == (17, 123)
    assert time.perf_counter() - start < 20  # about 0.1 s; element by element it would be a minute


# Kinks.


@pytest.mark.parametrize(
    ("fn", "x", "index"),
    [
        (ops.relu, [1.0, 0.0, -1.0], (1,)),
        (ops.abs, [1.0, -2.0, 0.0], (2,)),
        (lambda x: ops.max(x, 1), [[1.0, 3.0, 3.0], [1.0, 2.0, 3.0]], (0, 1)),
        (lambda x: ops.clip(x, -1, 1), [0.5, 1.0], (1,)),
        (lambda x: ops.where(x > 0, x + 1, x), [2.0, 0.0], (1,)),
        (ops.sqrt, [1.0, 0.0], (1,)),
        (lambda x: ops.relu(x) * 1e-5 + x, [3.0, 0.0], (1,)),
    ],
    ids=["relu", "abs", "max", "clip", "step", "sqrt", "small"],
)
def test_kinks_are_called_kinks(fn: Any, x: Any, index: tuple[int, ...]) -> None:
    with pytest.raises(GradientMismatch, match="KINK, input 0 at index") as info:
        gradcheck(fn, np.array(x))
    assert info.value.verdict == "KINK" and "Move the point" in info.value.hint
    assert info.value.index == index


def test_a_kink_among_thousands_is_located() -> None:
    x = point(50, 60)
    x[31, 7] = 0
    with pytest.raises(GradientMismatch) as info:
        gradcheck(ops.relu, x)
    assert (info.value.verdict, info.value.index) == ("KINK", (31, 7))


def test_a_kink_near_the_point_does_no_harm() -> None:
    gradcheck(ops.relu, np.array([1.0, 1e-4, -1e-4, 3e-6]), order=2)


def test_a_wrong_element_is_worse_than_a_kink() -> None:
    with pytest.raises(GradientMismatch) as info:
        gradcheck(lambda x: ops.relu(x) * x[2].detach(), np.array([1.0, 0.0, 2.0]))
    assert (info.value.verdict, info.value.index) == ("WRONG", (2,))


# Refusals.


def test_nothing_but_zeros_is_vacuous_unless_allowed() -> None:
    with pytest.raises(GradientMismatch, match="VACUOUS"):
        gradcheck(lambda x: x * 0 + 1, point(3))
    with pytest.raises(GradientMismatch, match="VACUOUS"):
        gradcheck(lambda x: Tensor(np.ones(2)), point(3))
    assert gradcheck(lambda x: x * 0 + 1, point(3), allow_zero=True).rows[0].verdict == "VACUOUS"


def test_one_zero_gradient_among_others_is_fine() -> None:
    assert [row.verdict for row in gradcheck(lambda a, b: a * 2 + b * 0, point(3), point(3)).rows] == ["OK", "VACUOUS"]


def test_a_derivative_below_the_rounding_of_the_function_is_vacuous() -> None:
    with pytest.raises(GradientMismatch, match="VACUOUS"):
        gradcheck(lambda x: x * 1e-12 + 1e3, point(3))
    gradcheck(lambda x: x * 1e-6 + 1e3, point(3))


class Rounded(Function):
    """x in five decimals, with the gradient of x."""

    def forward(self, x: Array) -> Array:
        return np.round(x, 5)

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy


@pytest.mark.parametrize("seed", range(5))
def test_a_staircase_is_no_precision(seed: int) -> None:
    with pytest.raises(GradientMismatch, match=r"PRECISION, input 0 at index \(\d,\)"):
        gradcheck(Rounded.apply, point(4, seed=seed), seed=seed)


def test_chance_that_cannot_be_rewound_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(GradientMismatch, match="not deterministic.*Generator"):
        gradcheck(lambda x: x * Tensor(rng.random(3)), point(3))


def test_changing_an_input_in_place_is_refused() -> None:
    def fn(x: Tensor) -> Tensor:
        x.data[...] = np.abs(x.data)
        return x * x

    x = np.array([1.0, -2.0])
    with pytest.raises(GradientMismatch, match="changes input 0 in place"):
        gradcheck(fn, x)
    assert list(x) == [1, -2]


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: gradcheck(lambda x: ops.log(x), np.array([1.0, 0.0])), ValueError, "-inf at the point itself"),
        (lambda: gradcheck(lambda n: Tensor([1.0]), 3), ValueError, "nothing to differentiate"),
        (lambda: gradcheck(ops.concat, [Tensor([1.0]), Tensor([2.0])]), TypeError, "input 0 is a list of Tensors"),
        (lambda: gradcheck(lambda x: x.numpy(), point(2)), TypeError, "the output is ndarray"),
        (lambda: gradcheck(lambda x: (x, 1.0), point(2)), TypeError, "output 1 is float"),
        (lambda: gradcheck(nn.Dense, point(2)), TypeError, "an object, not its class"),
        (lambda: gradcheck(3, point(2)), TypeError, "fn is a function or a Module"),
        (lambda: gradcheck(ops.exp, point(2), order=0), ValueError, "order is a whole number of at least 1, got 0"),
        (lambda: gradcheck(ops.exp, point(2), draws=1), ValueError, "draws is a whole number of at least 2, got 1"),
        (lambda: gradcheck(ops.exp, point(2), wrt=[1]), ValueError, "wrt names input 1"),
    ],
)
def test_bad_calls(call: Callable[[], Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        call()


def test_refused_inside_no_grad() -> None:
    with no_grad(), pytest.raises(ValueError, match="inside no_grad"):
        gradcheck(ops.exp, point(2))


def test_a_float32_constant_of_fn_gets_a_note() -> None:
    constant = Tensor(np.ones(2, np.float32))
    with pytest.raises(TypeError, match="promoted silently") as info:
        gradcheck(lambda x: x * constant, point(2))
    assert "computes in float64" in info.value.__notes__[0]
