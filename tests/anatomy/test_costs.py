"""FLOPs and bytes of every kernel, against an independent count: the NumPy reference, run on arrays that count.

Where the reference computes more than its docstring's formula (both sides of a choice, a series in place of a function
of the library, a matrix that is mostly zeros), that formula is written here and counted.

Read next: ``counting.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from anatomy import counting
from anatomy.counting import count

from minigen.anatomy.costs import FLOPS, cost, form_of, least_bytes
from minigen_kernels import reference
from minigen_kernels.calls import CALLS, IDS, NAMES, arguments
from minigen_kernels.reference import random

#: Rounding errors of the count: terms that do not grow with the arrays. One more operation an element would be 3.7%.
TOLERANCE = 0.03


def excess(x: Any) -> Any:
    return np.exp(x) - 1 - x


def kl(mean: Any, logvar: Any, scale: float) -> Any:
    return ((mean**2 + excess(logvar)) / 2).sum() * scale


def gate(x: Any, unit: str) -> tuple[Any, Any]:
    """What x is multiplied by, and its slope, each as a function, so that none is counted that nobody asks for."""
    if unit == "mish":
        e = np.exp(-np.abs(x))
        both = 1 + e
        above = 1 + 2 * e * both
        return 1 - 2 * e * e / above, lambda: 4 * e * both * (e / (above * above))
    if unit == "gelu":
        return np.exp(x * 0.7) / 2, lambda: np.exp(-x * x / 2) * 0.4  # exp for erfc: a function of the library, one
    near = x if unit == "silu" else 1.6 * (x + 0.04 * x * x * x)
    s = 1 / (1 + np.exp(-near))
    return s, lambda: s * (1 - s) if unit == "silu" else s * (1 - s) * (1.6 * (1 + 0.13 * x * x))


def linear_unit(x: Any, unit: str) -> Any:
    return x * (x + 3) * 0.16 if unit == "hardswish" else x * gate(x, unit)[0]


def linear_unit_backward(gy: Any, x: Any, unit: str) -> Any:
    if unit == "hardswish":
        return gy * ((2 * x + 3) * 0.16)
    factor, slope = gate(x, unit)
    return gy * (factor + x * slope())


def reparameterize_backward(gz: Any, logvar: Any, noise: Any) -> Any:
    deviation = np.exp(logvar / 2)
    return gz * noise / 2 * deviation, gz * deviation


def posterior_sample(m: Any, v: Any, b_mean: Any, b_logvar: Any, limit: float, *draw: Any) -> Any:
    *sequence, scale = draw
    mean = m + b_mean
    logvar = limit * np.tanh((v + b_logvar) / limit)
    noise = random.normal(*sequence, m.size, m.dtype).reshape(m.shape)
    return mean + np.exp(logvar / 2) * noise, kl(mean, logvar, scale)


def posterior_sample_backward(gz: Any, gkl: Any, mean: Any, t: Any, noise: Any, limit: float, scale: float) -> Any:
    logvar = t * limit
    glogvar = np.expm1(logvar) * (gkl * scale / 2) + reparameterize_backward_of_logvar(gz, logvar, noise)
    gv, gm = glogvar * limit * (1 - t * t) * (1 / limit), gz + mean * (gkl * scale)
    return gv.sum(0), gm.sum(0)


def reparameterize_backward_of_logvar(gz: Any, logvar: Any, noise: Any) -> Any:
    return gz * noise / 2 * np.exp(logvar / 2)


def avg_pool2d(x: Any, out_hw: Any, kernel: Any, stride: Any, padding: Any, pad: bool) -> Any:
    return counting.counted(reference.avg_pool2d(x, out_hw, kernel, stride, padding, pad)) / 4


def by_places(x: Any, scale: Any) -> Any:
    h, w = x.shape[2:]
    return reference.interpolate_bilinear2d(x, (h * scale[0], w * scale[1]), (1 / scale[0], 1 / scale[1]), False)


def of_small(g: Any, scale: Any) -> Any:
    return by_places(g[:, :, :: scale[0], :: scale[1]], scale)


def adjoint_of_places(g: Any, hw: Any, step: Any, align: bool) -> Any:
    x = counting.counted(np.ones((*g.shape[:2], *hw), g.dtype))
    return reference.interpolate_bilinear2d(x, g.shape[2:], step, align)


#: What the docstring says, in place of what the reference does.
FORMULAS: dict[str, Any] = {
    "gaussian_kl_sum": kl,
    "exp_excess": excess,
    "log_deficit": lambda x: x - np.log(1 + x),
    "prelu": lambda x, w: x * w[:, None],
    "prelu_backward": lambda gy, x, w: (gy * w[:, None], (gy * x).sum()),
    "linear_unit": linear_unit,
    "linear_unit_backward": linear_unit_backward,
    "reparameterize_backward": reparameterize_backward,
    "posterior_sample": posterior_sample,
    "posterior_sample_backward": posterior_sample_backward,
    "avg_pool2d": avg_pool2d,  # the count loses the division
    "upsample_bilinear2d": by_places,
    "upsample_bilinear2d_adjoint": of_small,  # an adjoint has as many products as what it belongs to
    "interpolate_bilinear2d_adjoint": adjoint_of_places,
    "sum_axes": lambda x, axes, scale: x.sum(axes) * scale,
    "erf": np.exp,  # a function of the library, one each
    "erfc": np.exp,
    "score_statistics": lambda a, b, threshold, logits: [(1 / (1 + np.exp(-x))).sum() for x in (a, b)],
    "mean_difference_backward": lambda gy, n, m: None,  # two numbers, repeated
    "batch_norm": lambda x, w, b, rm, rv, eps, momentum, slope: reference.batch_norm(
        x, w, b, rm, rv, eps, momentum, 0.0 if slope == 1 else slope
    ),
}


@pytest.fixture(autouse=True)
def counted_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random words are counted from when they become floats."""
    draw = random._draw_bits
    monkeypatch.setattr(random, "_draw_bits", lambda *args: counting.counted(draw(*args)))


def test_every_kernel_has_a_row() -> None:
    assert sorted(FLOPS) == sorted(NAMES)


@pytest.mark.parametrize("call", range(len(CALLS)), ids=IDS)
def test_flops_are_those_of_the_formula(call: int) -> None:
    name = CALLS[call][0]
    result = getattr(reference, name)(*arguments(call, np.float32))
    told = cost(name, tuple(arguments(call, np.float32)), {}, result)
    found = count(FORMULAS.get(name, getattr(reference, name)), arguments(call, np.float32))
    assert found == pytest.approx(told.flops, rel=TOLERANCE), f"{name}: counted {found}, told {told.flops}"
    again = cost(name, tuple(arguments(call, np.float64)), {}, result)
    assert again.flops == told.flops or name in ("normal", "posterior_sample")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_normal_number_costs_two_series_a_pair(dtype: str) -> None:
    n = 4000
    assert count(random.normal, [7, 1, 5, n, np.dtype(dtype)]) == pytest.approx(
        cost("normal", (7, 1, 5, n, dtype), {}, np.empty(n, dtype)).flops, rel=1e-3
    )


X, W = np.ones((2, 3, 8, 8), np.float32), np.ones((4, 3, 3, 3), np.float32)
GEOMETRY = ((8, 8), (1, 1), (1, 1), (1, 1), 1)
P = np.ones(100, np.float32)

#: By hand: kernel, arguments, result, FLOPs, bytes.
BY_HAND: list[Any] = [
    ("conv2d", (X, W, *GEOMETRY), X[:, :1].repeat(4, 1), 2 * (2 * 4 * 64) * 27, 4 * (384 + 108 + 512)),
    ("matmul", (np.ones((5, 7)), np.ones((7, 9))), np.ones((5, 9)), 2 * 5 * 7 * 9, 8 * (35 + 63 + 45)),
    ("adam_update", (P, P * 1, P * 1, P * 1, 1, 0.1, 0.9, 0.99, 1e-8, 0.0, True), None, 1500, 7 * 400),
    ("sgd_update", (P, P * 1, P, 0.1, 0.0, False, 0.0), None, 400, 3 * 400),
    ("sgd_update", (P, P * 1, P * 1, 0.1, 0.9, False, 0.0), None, 600, 5 * 400),
    (
        "average_update",
        ([P, P[:7] * 1], [P * 1, P[:7] * 1], np.float32(1), 0.9, 1),
        None,
        3 * 107,
        3 * 400 + 2 * 28 + 4,
    ),
    ("plane_gather", (X, np.zeros((2, 3, 1, 2), np.int64)), np.ones((2, 3, 1, 2), np.float32), 0, 12 * (4 + 8 + 4)),
    ("philox", (7, 1, 5, 9), np.zeros((9, 4), np.uint32), 0, 144),
]


@pytest.mark.parametrize(("name", "args", "result", "flops", "moved"), BY_HAND, ids=[row[0] for row in BY_HAND])
def test_flops_and_bytes_by_hand(name: str, args: Any, result: Any, flops: int, moved: int) -> None:
    assert cost(name, args, {}, result) == (flops, moved)


def test_a_number_that_a_stride_repeats_is_read_once() -> None:
    assert least_bytes(np.broadcast_to(P[:5], (9, 5))) == 20
    assert least_bytes(np.broadcast_to(np.float32(1), (9, 5))) == 4
    assert least_bytes(np.ones((0, 5))) == 0
    x = np.broadcast_to(np.float32(1), (5, 4))
    assert cost("matmul", (x, np.ones((4, 6), np.float32)), {}, np.ones((5, 6), np.float32)).bytes == 4 * (1 + 24 + 30)


def test_a_bias_and_an_activation_by_name_are_counted() -> None:
    y = np.ones((2, 4, 8, 8), np.float32)
    plain = cost("conv2d", (X, W, *GEOMETRY), {}, y)
    ended = cost("conv2d", (X, W, *GEOMETRY), {"b": P[:4], "activation": "sigmoid", "slope": 0.0}, y)
    assert ended.flops - plain.flops == 4 * y.size and ended.bytes - plain.bytes == 16


def test_calls_of_one_form_cost_the_same() -> None:
    def form(name: str, *args: Any, **kwargs: Any) -> Any:
        return form_of(name, args, kwargs)

    a, b = np.ones((3, 4), np.float32), np.zeros((3, 4), np.float32)
    assert form("sigmoid", a) == form("sigmoid", b) != form("sigmoid", a.astype(np.float64))
    assert form("sigmoid", a) != form("sigmoid", np.ones((4, 3), np.float32).T)  # it may be a broadcast one
    assert form("leaky_relu", a, 0.2) == form("leaky_relu", a, 0.3) != form("leaky_relu", a, 0.0)
    assert form("conv2d", X, W, *GEOMETRY) != form("conv2d", X, W, *GEOMETRY, b=P[:4])
    assert (
        form("normal", 7, 1, 5, 9, "float32")
        == form("normal", 7, 1, 9, 9, "float32")
        != form("normal", 7, 1, 5, 10, "float32")
    )
    adam = (0.1, 0.9, 0.99, 1e-8, 0.0, True)
    assert form("adam_update", P, P, P, P, 3, *adam) == form("adam_update", P, P, P, P, 4, *adam)
    assert form("sgd_update", P, P * 1, P, 0.1, 0.0, False, 0.0) != form(
        "sgd_update", P, P * 1, P * 1, 0.1, 0.0, False, 0.0
    )
    assert hash(form("average_update", [P], [P], np.float32(1), 0.9, 1))
