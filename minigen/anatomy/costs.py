"""What a call of a kernel costs at least: floating-point operations and bytes, one row for each kernel of `KernelSet`.

**FLOPs.** An addition, subtraction, multiplication or division of floating-point numbers is one, and so is a function
of the library (exp, log, sqrt, tanh, erf). Comparisons, signs, choices, copies and whole numbers are none. Counted is
the formula in the docstring of the kernel in ``reference``, whatever way a fast version goes: a convolution counts its
products with the zeros around an image, too, and one by fewer products (Winograd 1980) may beat its floor. Terms that
do not grow with the arrays, or with the batch (the division at the end of a mean), are left out.

**Bytes.** Every array is read once and every result written once; what is changed in place is read and written. An axis
of stride 0, which repeats one number, counts once. A kernel that goes over its arrays several times moves more.

Imports: kernels. Read next: ``functions.py``.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from minigen_kernels import Array, KernelSet

#: Of an activation, for each element: forwards, and of its gradient, told from the result. A slope of 0 is a choice.
ACTIVATION = {"identity": (0, 0), "leaky_relu": (1, 1), "sigmoid": (3, 3), "tanh": (1, 3)}
#: Of a linear unit, for each element: forwards, and of its gradient.
LINEAR_UNIT = {"silu": (4, 8), "gelu": (4, 10), "gelu_tanh": (9, 18), "mish": (10, 17), "hardswish": (3, 4)}
#: Of a block of normal numbers (16 bytes) by Box and Muller, with the series of ``reference/random.py``.
NORMAL = {4: 98, 8: 79}


class Cost(NamedTuple):
    """Floating-point operations, and bytes read and written."""

    flops: int
    bytes: int


def _conv(a: Any, results: int) -> int:
    """Each of `results` numbers is a sum over the cells of a kernel (K, C/groups, kh, kw) of its channel."""
    return 2 * results * math.prod(a.w.shape[1:])


def _end(a: Any, elements: int) -> int:
    """Bias and activation, if there is a bias."""
    return 0 if a.b is None else elements * (1 + _activation(a)[0])


def _activation(a: Any) -> tuple[int, int]:
    is_relu = a.activation == "leaky_relu" and not getattr(a, "slope", 1)
    return (0, 0) if is_relu else ACTIVATION[a.activation]


def _slope(a: Any) -> int:
    return int(a.slope not in (0, 1))


def _seen(a: Any, x: Array) -> int:
    """Cells of planes that pooling windows see, each as often as it is seen."""
    hw, out_hw = (x.shape[2:], a.out_hw) if hasattr(a, "out_hw") else (a.hw, x.shape[2:])
    found = x.shape[0] * x.shape[1]
    for size, out, k, step, p in zip(hw, out_hw, a.kernel, a.stride, a.padding):
        found *= sum(max(0, min(i * step - p + k, size) - max(i * step - p, 0)) for i in range(out))
    return int(found)


def _back(a: Any, elements: int) -> int:
    """The gradient of bias and activation: of the argument, and its sum."""
    return elements * (_activation(a)[1] + 1)


def _per(flops: int, name: str) -> Callable[[Any], int]:
    """So many for each number of one argument, or of each array in a list of them."""
    return lambda a: flops * _size(getattr(a, name))


def _each_result(flops: int) -> Callable[[Any], int]:
    return lambda a: flops * _size(a.result)


def _sgd(a: Any) -> int:
    return _size(a.p) * (4 + (2 + 2 * a.nesterov if a.momentum else 0))


def _rmsprop(a: Any) -> int:
    return _size(a.p) * (11 + (2 if a.momentum else 0))


def _normal(n: int, dtype: Any) -> int:
    size = np.dtype(dtype).itemsize
    return NORMAL[size] * -(-n * size // 16)


def _random(floats: int) -> Callable[[Any], int]:
    return lambda a: floats * a.n


#: FLOPs of a call, from its arguments by name and its `result`.
FLOPS: dict[str, Callable[[Any], int]] = {
    "conv2d": lambda a: _conv(a, _size(a.result)) + _end(a, _size(a.result)),
    "conv_transpose2d": lambda a: _conv(a, _size(a.g)) + _end(a, _size(a.result)),
    "conv2d_weight_grad": lambda a: 2 * _size(a.g) * math.prod(a.kernel_hw) * (a.x.shape[1] // a.groups),
    "conv2d_upsample": lambda a: _conv(a, _size(a.result[0])) + _end(a, _size(a.result[0])),
    "max_pool2d": _per(0, "x"),
    "plane_gather": _per(0, "x"),
    "plane_scatter": _per(1, "g"),
    "avg_pool2d": lambda a: _seen(a, a.x) + _size(a.result),
    "avg_pool2d_adjoint": lambda a: _seen(a, a.g) + _size(a.g),
    "upsample_nearest2d": _per(0, "x"),
    "block_sum2d": _per(1, "g"),
    "upsample_bilinear2d": lambda a: _bilinear(a.x.shape[2:], a.result.shape[2:], a.result),
    "upsample_bilinear2d_adjoint": lambda a: _bilinear(a.result.shape[2:], a.g.shape[2:], a.g),
    "interpolate_nearest2d": _per(0, "x"),
    "interpolate_nearest2d_adjoint": _per(1, "g"),
    "interpolate_bilinear2d": lambda a: _bilinear(a.x.shape[2:], a.result.shape[2:], a.result),
    "interpolate_bilinear2d_adjoint": lambda a: _bilinear(a.result.shape[2:], a.g.shape[2:], a.g),
    "matmul": lambda a: 2 * _size(a.result) * a.a.shape[1],
    "sum_axes": _per(1, "x"),
    "bias_act": lambda a: _end(a, _size(a.x)),
    "bias_act_backward": lambda a: _back(a, _size(a.y)),
    "bias_act_max_pool2d": lambda a: _end(a, _size(a.x)),
    "bias_act_max_pool2d_backward": lambda a: _back(a, _size(a.y)) + _size(a.y),
    "bias_act_upsample_backward": lambda a: _size(a.gy) + _back(a, _size(a.y)),
    "batch_norm": lambda a: _size(a.x) * (7 + _slope(a)),
    "batch_norm_backward": lambda a: _size(a.x) * (10 + _slope(a)),
    "group_norm": _per(8, "x"),
    "group_norm_backward": _per(13, "x"),
    "softmax": _per(4, "x"),
    "softmax_backward": _per(4, "y"),
    "log_softmax": _per(4, "x"),
    "log_softmax_backward": _per(4, "y"),
    "bce_with_logits": _per(5, "x"),
    "bce_with_logits_sum": _per(6, "x"),
    "bce_with_logits_sum_backward": _per(5, "x"),
    "mse_sum": _per(3, "p"),
    "mse_sum_backward": _per(2, "p"),
    "huber_sum": _per(5, "p"),
    "huber_sum_backward": _per(2, "p"),
    "mse_act_sum": lambda a: _size(a.x) * (3 + _activation(a)[0]),
    "mse_act_sum_backward": lambda a: _size(a.y) * (2 + _activation(a)[1]),
    "gaussian_kl_sum": _per(7, "mean"),
    "gaussian_kl_sum_backward": _per(3, "mean"),
    "posterior_sample": lambda a: 16 * _size(a.m) + _normal(_size(a.m), a.m.dtype),
    "posterior_sample_backward": _per(18, "gz"),
    "score_statistics": lambda a: (_size(a.real) + _size(a.fake)) * (4 if a.logits else 1),
    "mean_difference": lambda a: _size(a.a) + _size(a.b),
    "mean_difference_backward": lambda a: 0,
    "unit_norm_penalty": _per(2, "g"),
    "unit_norm_penalty_backward": _per(2, "g"),
    "add": _per(1, "a"),
    "erf": _per(1, "x"),
    "erfc": _per(1, "x"),
    "exp_excess": _per(3, "x"),
    "log_deficit": _per(3, "x"),
    "sigmoid": _per(3, "x"),
    "softplus": _per(3, "x"),
    "sigmoid_backward": _per(3, "y"),
    "tanh_backward": _per(3, "y"),
    "linear_unit": lambda a: LINEAR_UNIT[a.unit][0] * _size(a.x),
    "linear_unit_backward": lambda a: LINEAR_UNIT[a.unit][1] * _size(a.x),
    "prelu": _per(1, "x"),
    "prelu_backward": _per(3, "x"),
    "elu": _per(4, "x"),
    "elu_backward": _per(4, "x"),
    "scale_where": lambda a: _slope(a) * _size(a.x),
    "leaky_relu": lambda a: _slope(a) * _size(a.x),
    "leaky_relu_backward": lambda a: _slope(a) * _size(a.x),
    "mix": _per(3, "a"),
    "reparameterize": _per(4, "mean"),
    "reparameterize_backward": _per(6, "gz"),
    "sgd_update": _sgd,
    "rmsprop_update": _rmsprop,
    "adam_update": lambda a: _size(a.p) * (15 + (not a.decoupled)),
    "clip_norm": _per(3, "g"),
    "average_update": _per(3, "value"),
    "total_update": _per(2, "term"),
    "philox": lambda a: 0,
    "uniform": _random(1),
    "normal": lambda a: _normal(a.n, a.dtype),
    "bernoulli": _random(1),
    "permutation": lambda a: 0,
}

#: What a kernel changes in place: these arguments are written, too.
CHANGED = {
    "sgd_update": ("p", "momentum_buffer"),
    "rmsprop_update": ("p", "square_avg", "momentum_buffer"),
    "adam_update": ("p", "m", "v"),
    "average_update": ("average",),
    "total_update": ("total",),
}
#: What a kernel reads of an argument in places alone: at most as many numbers as another argument has.
READ_AT = {"plane_gather": ("x", "index")}


def cost(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Cost:
    """The FLOPs and bytes of a call of the kernel `name`, which returned `result`."""
    bound = _parameters(name).bind(None, *args, **kwargs)
    bound.apply_defaults()
    given = {key: value for key, value in bound.arguments.items() if key != "self"}
    return Cost(int(FLOPS[name](SimpleNamespace(**given, result=result))), _bytes(name, given, result))


def form_of(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """What the cost of a call depends on, hashable: calls of one form cost the same."""
    names = _names(name)
    parts = [_part(x) for key, x in zip(names, args) if key not in MOVING]
    parts += [(key, _part(x)) for key, x in kwargs.items() if key not in MOVING]
    return name, *parts, len({id(x) for x in _arrays(list(args))})  # an array that is given twice is read once


#: Arguments that change from step to step, and no cost.
MOVING = {"step", "seed", "stream", "position"}


def _part(x: Any) -> Any:
    if hasattr(x, "strides") and not isinstance(x, type):
        return x.shape, x.strides, x.dtype.char
    if isinstance(x, list | tuple):
        return tuple(map(_part, x))
    return (x == 0, x == 1) if isinstance(x, float) else x  # a slope, a momentum


@functools.cache
def _names(name: str) -> tuple[str, ...]:
    return tuple(key for key in _parameters(name).parameters if key != "self")


def _bytes(name: str, given: dict[str, Any], result: Any) -> int:
    read = {id(x): least_bytes(x) for x in _arrays(list(given.values()))}
    if name in READ_AT:
        source, index = (given[key] for key in READ_AT[name])
        read[id(source)] = min(read[id(source)], index.size * source.itemsize)
    changed = {id(x): least_bytes(x) for key in CHANGED.get(name, ()) for x in _arrays(given[key])}
    if name == "average_update" and given["copied"]:  # of these only the value is read
        averages = list(_arrays(given["average"]))
        for x in averages[len(averages) - given["copied"] :]:
            del read[id(x)]
    written = {id(x): least_bytes(x) for x in _arrays(result) if id(x) not in changed}
    return sum(read.values()) + sum(changed.values()) + sum(written.values())


def least_bytes(x: Array) -> int:
    """The bytes of the numbers in an array, each that is repeated by a stride of 0 once."""
    return int(x.itemsize) * math.prod(n for n, stride in zip(x.shape, x.strides) if stride or not n)


@functools.cache
def _parameters(name: str) -> inspect.Signature:
    return inspect.signature(getattr(KernelSet, name))


def _arrays(x: Any) -> Iterator[Any]:
    """The arrays among arguments, in lists and tuples of them, too."""
    if isinstance(x, list | tuple):
        for part in x:
            yield from _arrays(part)
    elif hasattr(x, "strides") and not isinstance(x, type):
        yield x


def _size(x: Any) -> int:
    """How many numbers there are in an array, or in a list or tuple of them."""
    return sum(int(a.size) for a in _arrays(x))


def _bilinear(small: tuple[int, ...], large: tuple[int, ...], full: Array) -> int:
    """Rows first, then columns: a sum of two products for each number of both steps."""
    planes = full.size // max(1, math.prod(large))
    return int(3 * planes * large[0] * small[1] + 3 * planes * large[0] * large[1])
