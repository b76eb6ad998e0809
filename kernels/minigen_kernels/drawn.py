"""Calls of every kernel with drawn shapes and values: sizes of 1, primes, what fills no tile and what fills several.

`draw_call` is what ``minigen prove`` runs on a device. The first draw of a kernel has every size 1; the others take
their sizes from around those at which kernels change their ways: a warp of 32, a block of 256, tiles of 16 and 64 rows.

Imports: NumPy, ``calls.py``, ``drawn_shapes.py``. Read next: ``minigen/proving/kernel_checks.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigen_kernels import Array
from minigen_kernels.calls import Call, Shape, arguments_of
from minigen_kernels.drawn_shapes import (
    LENGTHS,
    Drawn,
    Sizes,
    average_update,
    bias_act_max_pool2d,
    bias_act_max_pool2d_backward,
    bias_act_upsample_backward,
    channels,
    conv,
    group_norm,
    group_norm_backward,
    in_channels,
    interpolate,
    like,
    matmul,
    of_scalar,
    plane_gather,
    plane_scatter,
    pool,
    posterior_sample,
    posterior_sample_backward,
    random,
    rows,
    samples,
    scores,
    sum_axes,
    upsample,
)
from minigen_kernels.reference.linear_unit import UNITS

MANY = 35  # arrays of an update: more than one launch takes

#: The shapes and other arguments of each kernel.
DRAWS: dict[str, Callable[[Sizes], Drawn]] = {
    "conv2d": conv("xw"),
    "conv_transpose2d": conv("gw"),
    "conv2d_weight_grad": conv("xg"),
    "conv2d_upsample": conv("xw", enlarged=True),
    "max_pool2d": pool(False),
    "bias_act_max_pool2d": bias_act_max_pool2d,
    "bias_act_max_pool2d_backward": bias_act_max_pool2d_backward,
    "plane_gather": plane_gather,
    "plane_scatter": plane_scatter,
    "avg_pool2d": pool(False, "count_include_pad"),
    "avg_pool2d_adjoint": pool(True, "count_include_pad"),
    "upsample_nearest2d": upsample(False),
    "block_sum2d": upsample(True),
    "bias_act_upsample_backward": bias_act_upsample_backward,
    "upsample_bilinear2d": upsample(False),
    "upsample_bilinear2d_adjoint": upsample(True),
    "interpolate_nearest2d": interpolate(False, False),
    "interpolate_nearest2d_adjoint": interpolate(True, False),
    "interpolate_bilinear2d": interpolate(False, True),
    "interpolate_bilinear2d_adjoint": interpolate(True, True),
    "matmul": matmul,
    "sum_axes": sum_axes,
    "bias_act": channels(1, 1),
    "bias_act_backward": channels(2, 0),
    "batch_norm": channels(1, 4, 1e-5, 0.1, (1.0, 0.2)),
    "batch_norm_backward": channels(3, 3, 1e-5, (1.0, 0.2)),
    "group_norm": group_norm,
    "group_norm_backward": group_norm_backward,
    "score_statistics": scores(0.5, (True, False)),
    "mean_difference": scores(),
    "mean_difference_backward": lambda s: ([()], (s.of(*LENGTHS), s.of(*LENGTHS))),
    "unit_norm_penalty": samples(1),
    "unit_norm_penalty_backward": lambda s: ([(), *samples(1, 1)(s)[0]], ()),
    "mix": samples(2, 1),
    "softmax": rows(1),
    "softmax_backward": rows(2),
    "log_softmax": rows(1),
    "log_softmax_backward": rows(2),
    "bce_with_logits": like(2),
    "bce_with_logits_sum": like(2, (0.3,)),
    "bce_with_logits_sum_backward": of_scalar(2),
    "mse_sum": like(2, (0.3,)),
    "mse_sum_backward": of_scalar(2),
    "huber_sum": like(2, (0.7, 1e3), (0.3,)),
    "huber_sum_backward": lambda s: (of_scalar(2)(s)[0], (s.of(0.7, 1e3), 0.3)),
    "mse_act_sum": like(2, ("sigmoid", "tanh"), (0.3,)),
    "mse_act_sum_backward": lambda s: (of_scalar(2)(s)[0], (s.of("sigmoid", "tanh"), 0.3)),
    "gaussian_kl_sum": like(2, (0.3,)),
    "gaussian_kl_sum_backward": of_scalar(2),
    "add": like(2),
    "posterior_sample": posterior_sample,
    "posterior_sample_backward": posterior_sample_backward,
    "erf": like(1),
    "erfc": like(1),
    "exp_excess": like(1),
    "log_deficit": like(1),
    "sigmoid": like(1),
    "softplus": like(1),
    "leaky_relu": like(1, (0.2, 0.0)),
    "leaky_relu_backward": like(2, (0.2, 0.0)),
    "sigmoid_backward": like(2),
    "tanh_backward": like(2),
    "linear_unit": like(1, UNITS),
    "linear_unit_backward": like(2, UNITS),
    "prelu": in_channels(1),
    "prelu_backward": in_channels(2),
    "elu": like(1, (1.0, 1.05), (1.0, 1.76), (1.0, 0.7)),
    "elu_backward": like(2, (1.0, 1.05), (1.0, 1.76), (1.0, 0.7)),
    "scale_where": like(2, (0.2, 0.0)),
    "reparameterize": like(3),
    "reparameterize_backward": like(3),
    "sgd_update": like(3, (0.1,), (0.0, 0.9), (False, True), (0.01,)),
    "rmsprop_update": like(4, (0.1,), (0.9,), (1e-8,), (0.0, 0.9), (0.01,)),
    "adam_update": like(4, (1, 3, 1000), (0.1,), (0.9,), (0.99,), (1e-8,), (0.01,), (True, False)),
    "clip_norm": like(1, (0.5, 1e3)),
    "average_update": average_update,
    "total_update": like(2, (1.0, 3.0)),
    "philox": random(),
    "uniform": random(),
    "normal": random(),
    "bernoulli": random(arrays=1),
    "permutation": random(),
}

#: Arrays, by their place, whose numbers are positive: variances, probabilities, terms of a sum that keeps its digits.
POSITIVE = {
    "batch_norm": (4,), "batch_norm_backward": (5,), "group_norm_backward": (4,), "bce_with_logits": (1,),
    "bce_with_logits_sum": (1,), "bce_with_logits_sum_backward": (0, 2), "mse_sum_backward": (0,),
    "gaussian_kl_sum_backward": (0,), "mse_act_sum_backward": (0, 1), "posterior_sample_backward": (3,),
    "sum_axes": (0,), "unit_norm_penalty_backward": (0, 2), "mix": (2,),
    "rmsprop_update": (2,), "adam_update": (3,), "bernoulli": (0,),
}  # fmt: skip


#: Kernels that take lists in place of arrays.
OF_LISTS = ("add", "sgd_update", "rmsprop_update", "adam_update", "clip_norm", "average_update", "total_update")


def draw_lists(name: str, seed: int, dtype: Any) -> list[Any]:
    """Arguments for `MANY` arrays at once: those of as many calls as lists, the others of the first.

    What is one array for all of them, the count of `average_update`, stays one.
    """
    calls = [draw_call(name, seed, draw, dtype)[1] for draw in range(MANY)]
    return [
        [given[i] for given in calls] if isinstance(a, np.ndarray) and (name, i) != ("average_update", 2) else a
        for i, a in enumerate(calls[0])
    ]


def draw_call(name: str, seed: int, draw: int, dtype: Any) -> tuple[Call, list[Any]]:
    """Call number `draw` of a kernel with this seed, and its arguments, contiguous.

    Numbers are normal, twice as wide as standard; those of `POSITIVE` from 0.1 to 1.
    """
    rng = np.random.default_rng([seed, draw, *name.encode()])
    shapes, others = DRAWS[name](Sizes(rng, draw == 0))
    if name == "bernoulli" and rng.random() < 0.5:  # one probability for all
        shapes, others = [], (*others, 0.4)
    call = (name, shapes, others)

    def values(i: int, shape: Shape) -> Array:
        if i in POSITIVE.get(name, ()):
            return np.asarray(rng.uniform(0.1, 1, shape))
        x = 2 * rng.normal(size=shape)
        return np.asarray(np.abs(x) - 0.9 if name == "log_deficit" else x)

    return call, arguments_of(call, dtype, rng, values)
