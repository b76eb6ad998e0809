"""The one table of kernel calls: at least one of each kernel, together launching every entry point of the `.cu` files.

The shapes are small and fill neither a tile nor a warp nor a block. Whatever goes through whole rooms takes its calls
from here: ``minigen prove``, the tests of the contract, the CUDA room on the host, under the sanitizers and on a
device, the page of proofs.

Imports: NumPy, ``reference``. Read next: ``drawn.py``, calls of shapes and values that a generator draws.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from minigen_kernels import Array, KernelSet, reference

#: Every kernel, from the table of contents.
NAMES = [name for name in vars(KernelSet) if not name.startswith("_")]

PAIR = ((2, 1), (1, 1), (1, 2))  # stride, padding, dilation
ONE = ((1, 1), (1, 1), (1, 1))
WINDOW = ((3, 2), (2, 2), (1, 0))  # kernel, stride, padding

#: Orders of memory in which an argument may come; with "mixed" every other one is channels last.
LAYOUTS = ("contiguous", "transposed", "stepped", "backwards", "channels last", "mixed")

Shape = tuple[int, ...]
Call = tuple[str, list[Shape], tuple[Any, ...]]  # (kernel of the contract, shapes of its arrays, the other arguments)

CALLS: list[Call] = [
    # conv2d and its adjoint: one row, few rows, tiles of 16 and of 64 rows; groups, stride and dilation
    ("conv2d", [(3, 4, 7, 8), (2, 4, 3, 2)], ((4, 8), *PAIR, 1)),
    ("conv2d", [(3, 4, 7, 8), (2, 2, 3, 2)], ((4, 8), *PAIR, 2)),
    ("conv2d", [(3, 5, 7, 8), (17, 5, 3, 3)], ((7, 8), *ONE, 1)),
    ("conv2d", [(3, 5, 7, 8), (65, 5, 3, 3)], ((7, 8), *ONE, 1)),
    ("conv_transpose2d", [(3, 4, 4, 8), (4, 2, 3, 2)], ((7, 8), *PAIR, 1)),
    ("conv_transpose2d", [(3, 4, 4, 8), (4, 1, 3, 2)], ((7, 8), *PAIR, 2)),
    ("conv_transpose2d", [(3, 5, 7, 8), (5, 17, 3, 3)], ((7, 8), *ONE, 1)),
    ("conv_transpose2d", [(3, 9, 4, 4), (9, 65, 5, 5)], ((7, 8), (2, 2), (2, 2), (1, 1), 1)),
    # with a bias (the third array), an activation and an enlargement
    ("conv2d", [(3, 4, 7, 8), (2, 4, 3, 2), (2,)], ((4, 8), *PAIR, 1, "sigmoid", 0.0)),
    ("conv2d", [(3, 5, 7, 8), (34, 5, 3, 3), (34,)], ((7, 8), *ONE, 1, "leaky_relu", 0.2)),
    ("conv_transpose2d", [(3, 4, 4, 8), (4, 2, 3, 2), (4,)], ((7, 8), *PAIR, 2, "tanh", 0.0)),
    ("conv2d_upsample", [(3, 4, 7, 8), (2, 2, 3, 2), (2,)], ((4, 8), *PAIR, 2, "leaky_relu", 0.0, (2, 3))),
    ("conv2d_upsample", [(3, 5, 7, 8), (17, 5, 3, 3), (17,)], ((7, 8), *ONE, 1, "identity", 0.0, (3, 1))),
    # its gradient in w: a block for each weight, tiles of 16 and of 64 rows, sums in parts
    ("conv2d_weight_grad", [(3, 4, 7, 8), (3, 6, 4, 8)], ((3, 2), *PAIR, 2)),
    ("conv2d_weight_grad", [(9, 5, 9, 8), (9, 17, 9, 8)], ((3, 3), *ONE, 1)),
    ("conv2d_weight_grad", [(3, 5, 7, 8), (3, 65, 7, 8)], ((3, 3), *ONE, 1)),
    ("max_pool2d", [(3, 4, 7, 8)], ((4, 4), *WINDOW)),
    ("bias_act_max_pool2d", [(3, 4, 7, 8), (4,)], ("leaky_relu", 0.2, (4, 4), *WINDOW)),
    ("bias_act_max_pool2d_backward", [(3, 4, 4, 4)] * 3, ("tanh", 0.0, (7, 8), WINDOW)),
    ("plane_gather", [(3, 4, 7, 8), (3, 4, 5, 6)], ()),
    ("plane_scatter", [(3, 4, 5, 6), (3, 4, 5, 6)], ((7, 8), None)),
    ("plane_scatter", [(3, 4, 4, 4), (3, 4, 4, 4)], ((7, 8), WINDOW)),
    ("avg_pool2d", [(3, 4, 7, 8)], ((4, 4), *WINDOW, True)),
    ("avg_pool2d_adjoint", [(3, 4, 4, 4)], ((7, 8), *WINDOW, False)),
    ("upsample_nearest2d", [(3, 4, 5, 6)], ((2, 3),)),
    ("block_sum2d", [(3, 4, 10, 18)], ((2, 3),)),
    ("bias_act_upsample_backward", [(3, 4, 10, 18), (3, 4, 5, 6)], ("sigmoid", 0.0, (2, 3))),
    ("upsample_bilinear2d", [(3, 4, 5, 6)], ((2, 3),)),
    ("upsample_bilinear2d_adjoint", [(3, 4, 10, 18)], ((2, 3),)),
    ("interpolate_nearest2d", [(3, 4, 5, 6)], ((7, 4), (5 / 7, 1.5))),
    ("interpolate_nearest2d_adjoint", [(3, 4, 7, 4)], ((5, 6), (5 / 7, 1.5))),
    ("interpolate_bilinear2d", [(3, 4, 5, 6)], ((7, 4), (5 / 7, 1.5), False)),
    ("interpolate_bilinear2d", [(3, 4, 5, 6)], ((9, 4), (0.5, 5 / 3), True)),
    ("interpolate_bilinear2d_adjoint", [(3, 4, 7, 4)], ((5, 6), (5 / 7, 1.5), False)),
    ("interpolate_bilinear2d_adjoint", [(3, 4, 9, 4)], ((5, 6), (0.5, 5 / 3), True)),
    # channels that one block takes alone, and one that is cut
    ("batch_norm", [(5, 4, 67), (4,), (4,), (4,), (4,)], (1e-5, 0.1, 1.0)),
    ("batch_norm", [(5, 1, 3300), (1,), (1,), (1,), (1,)], (1e-5, 0.1, 0.2)),
    ("batch_norm_backward", [(5, 4, 67)] * 3 + [(4,)] * 3, (1e-5, 0.2)),
    ("batch_norm_backward", [(5, 1, 3300)] * 3 + [(1,)] * 3, (1e-5, 1.0)),
    ("group_norm", [(5, 77, 1), (77,), (77,)], (1, 1e-5)),
    ("group_norm", [(3, 6, 35), (6,), (6,)], (2, 1e-5)),
    ("group_norm_backward", [(5, 77, 1), (5, 77, 1), (77,), (5, 1), (5, 1)], (1e-5,)),
    ("group_norm_backward", [(3, 6, 35), (3, 6, 35), (6,), (3, 2), (3, 2)], (1e-5,)),
    ("softmax", [(5, 67)], ()),
    ("softmax_backward", [(5, 67)] * 2, ()),
    ("log_softmax", [(5, 67)], ()),
    ("log_softmax_backward", [(5, 67)] * 2, ()),
    ("bce_with_logits", [(5, 67)] * 2, ()),
    ("bce_with_logits_sum", [(5, 67)] * 2, (0.3,)),
    ("bce_with_logits_sum_backward", [(), (5, 67), (5, 67)], (0.3,)),
    ("mse_sum", [(5, 67)] * 2, (0.3,)),
    ("mse_sum_backward", [(), (5, 67), (5, 67)], (0.3,)),
    ("huber_sum", [(5, 67)] * 2, (0.7, 0.3)),
    ("huber_sum_backward", [(), (5, 67), (5, 67)], (0.7, 0.3)),
    ("mse_act_sum", [(5, 67)] * 2, ("sigmoid", 0.3)),
    ("mse_act_sum_backward", [(), (5, 67), (5, 67)], ("tanh", 0.3)),
    ("gaussian_kl_sum", [(5, 67)] * 2, (0.3,)),
    ("gaussian_kl_sum_backward", [(), (5, 67), (5, 67)], (0.3,)),
    ("sigmoid", [(5, 67)], ()),
    ("softplus", [(5, 67)], ()),
    ("sigmoid_backward", [(5, 67)] * 2, ()),
    ("tanh_backward", [(5, 67)] * 2, ()),
    # a thread, a warp or a block for each sum, and a sum in parts
    ("sum_axes", [(5, 7, 9)], ((0, 2), 0.3)),
    ("sum_axes", [(2, 1100)], ((1,), 1.0)),
    ("sum_axes", [(3, 17000)], ((1,), 0.3)),
    ("score_statistics", [(67,), (41,)], (0.5, True)),
    ("mean_difference", [(67,), (41,)], ()),
    ("mean_difference_backward", [()], (67, 41)),
    ("unit_norm_penalty", [(5, 4, 67)], ()),
    ("unit_norm_penalty_backward", [(), (5, 4, 67), (5,)], ()),
    ("erfc", [(5, 67)], ()),
    ("exp_excess", [(5, 67)], ()),
    ("log_deficit", [(5, 67)], ()),
    ("linear_unit", [(5, 67)], ("silu",)),
    ("linear_unit", [(5, 67)], ("gelu",)),
    ("linear_unit", [(5, 67)], ("gelu_tanh",)),
    ("linear_unit", [(5, 67)], ("mish",)),
    ("linear_unit", [(5, 67)], ("hardswish",)),
    ("linear_unit_backward", [(5, 67)] * 2, ("silu",)),
    ("linear_unit_backward", [(5, 67)] * 2, ("gelu",)),
    ("linear_unit_backward", [(5, 67)] * 2, ("gelu_tanh",)),
    ("linear_unit_backward", [(5, 67)] * 2, ("mish",)),
    ("linear_unit_backward", [(5, 67)] * 2, ("hardswish",)),
    ("prelu", [(5, 4, 67), (4,)], ()),
    ("prelu_backward", [(5, 4, 67), (5, 4, 67), (4,)], ()),
    ("elu", [(5, 67)], (1.05, 1.76, 0.7)),
    ("elu_backward", [(5, 67)] * 2, (1.05, 1.76, 0.7)),
    ("mix", [(5, 67), (5, 67), (5,)], ()),
    ("reparameterize", [(5, 67)] * 3, ()),
    ("reparameterize_backward", [(5, 67)] * 3, ()),
    ("posterior_sample", [(70, 7), (70, 7), (7,), (7,)], (15.0, 7, 1, 5, 0.3)),
    ("posterior_sample_backward", [(70, 37), (), (70, 37), (70, 37), (70, 37)], (15.0, 0.3)),
    ("matmul", [(5, 7), (7, 9)], ()),
    ("bias_act", [(5, 4, 67), (4,)], ("leaky_relu", 0.2)),
    ("bias_act", [(70, 37, 1), (37,)], ("sigmoid", 0.0)),
    ("bias_act_backward", [(5, 4, 67), (5, 4, 67)], ("tanh", 0.0)),
    ("bias_act_backward", [(70, 37, 1), (70, 37, 1)], ("leaky_relu", 0.0)),
    ("add", [(5, 67)] * 2, ()),
    ("erf", [(5, 67)], ()),
    ("scale_where", [(5, 67), (5, 67)], (0.2,)),
    ("leaky_relu", [(5, 67)], (0.2,)),
    ("leaky_relu_backward", [(5, 67)] * 2, (0.0,)),
    ("sgd_update", [(5, 67)] * 3, (0.1, 0.0, False, 0.01)),
    ("sgd_update", [(5, 67)] * 3, (0.1, 0.9, True, 0.01)),
    ("rmsprop_update", [(5, 67)] * 4, (0.1, 0.9, 1e-8, 0.0, 0.01)),
    ("rmsprop_update", [(5, 67)] * 4, (0.1, 0.9, 1e-8, 0.9, 0.01)),
    ("adam_update", [(5, 67)] * 4, (3, 0.1, 0.9, 0.99, 1e-8, 0.01, True)),
    ("clip_norm", [(5, 67)], (0.5,)),
    ("average_update", [(5, 67), (5, 67), ()], (0.9, 0)),
    ("total_update", [(5, 67), (5, 67)], (3,)),
    ("philox", [], (7, 1, 5, 9)),
    ("uniform", [], (7, 1, 5, 9)),
    ("normal", [], (7, 1, 5, 9)),
    ("bernoulli", [], (7, 1, 5, 9, 0.4)),
    ("bernoulli", [(9,)], (7, 1, 5, 9)),
    ("permutation", [], (7, 1, 5, 2500)),
]

#: Names of the calls.
IDS = [name for name, _, _ in CALLS]


def arguments(call: int, dtype: Any) -> list[Any]:
    """The arguments of CALLS[call]: arrays of positive numbers (some are variances), then the others."""
    rng = np.random.default_rng(call)
    return arguments_of(CALLS[call], dtype, rng, lambda i, shape: rng.uniform(0.1, 1, shape))


def arguments_of(call: Call, dtype: Any, rng: np.random.Generator, draw: Callable[[int, Shape], Array]) -> list[Any]:
    """The arguments of a call. `draw` makes array i of them, for its shape; `rng` those of whole numbers."""
    name, shapes, others = call
    arrays = [draw(i, shape).astype(dtype) for i, shape in enumerate(shapes)]
    if name == "plane_gather":
        arrays[1] = rng.integers(0, int(np.prod(shapes[0][2:])), shapes[1])
    if name == "plane_scatter":
        arrays[1] = rng.integers(0, int(np.prod(others[0])), shapes[1])
        if others[1] is not None:  # each inside of its window
            image = rng.normal(size=(*shapes[0][:2], *others[0]))
            arrays[1] = reference.max_pool2d(image, (shapes[0][2], shapes[0][3]), *others[1])[1]
    if name == "bias_act_max_pool2d_backward":
        image = rng.normal(size=(*shapes[0][:2], *others[2]))
        arrays[2] = reference.max_pool2d(image, (shapes[0][2], shapes[0][3]), *others[3])[1]
    if name == "scale_where":
        arrays[1] = np.asarray(arrays[1] > 0.5)
    if name == "average_update":
        arrays[2] = np.array(3, np.float32)  # a count, which is compared with the decay in float32
    if name == "total_update":
        arrays[0] = arrays[0].astype(np.float64)
    if name in ("uniform", "normal"):
        others = (*others, dtype)
    if name.startswith("conv") and len(arrays) == 3:  # the bias comes after the geometry
        return [*arrays[:2], *others[:5], arrays[2], *others[5:]]
    if name == "bernoulli":  # its probabilities come last
        return [*others, *arrays]
    return [*arrays, *others]


def results(room: Any, call: int, dtype: Any, place: Callable[[Array], Array] = np.asarray) -> list[Array]:
    """What a room makes of CALLS[call], as NumPy arrays. `place` puts an argument where the room wants it."""
    given = [place(a) if isinstance(a, np.ndarray) else a for a in arguments(call, dtype)]
    return on_host(produced(room, CALLS[call][0], given))


def produced(room: Any, name: str, given: list[Any]) -> list[Any]:
    """All that a kernel makes of arguments: what it returns; for the updates of optimizers, the arrays they changed."""
    returned = getattr(room, name)(*given)
    if name.endswith("_update"):
        returned = [one for one in given if isinstance(one, list) or hasattr(one, "shape")]
    made = returned if isinstance(returned, tuple | list) else [returned]
    return [a for one in made for a in (one if isinstance(one, list) else [one])]


def on_host(arrays: list[Any]) -> list[Array]:
    """The same arrays in NumPy."""
    return [a.get() if hasattr(a, "get") else a for a in arrays]


def arranged(name: str, given: list[Any], layout: str, empty: Callable[..., Array] = np.empty) -> list[Any]:
    """The arguments of a kernel with other strides; what an optimizer changes in place stays contiguous.

    `empty` makes arrays where these are.
    """
    free = (1,) if name.endswith("_update") else range(0, len(given), 2 if layout == "mixed" else 1)
    return [
        rearranged(a, layout, empty) if i in free and isinstance(getattr(a, "shape", None), tuple) else a
        for i, a in enumerate(given)
    ]


def rearranged(a: Array, layout: str, empty: Callable[..., Array] = np.empty) -> Array:
    """An equal array with other strides, one of `LAYOUTS`; one number has none."""
    if not a.ndim or layout == "contiguous":
        return a
    if layout in ("channels last", "mixed"):
        out = empty((*a.shape[:1], *a.shape[2:], *a.shape[1:2]), a.dtype)
        out = out.transpose(0, -1, *range(1, a.ndim - 1)) if a.ndim > 2 else out
    elif layout == "transposed":
        out = empty(a.shape[::-1], a.dtype).T
    elif layout == "stepped":
        out = empty(tuple(2 * n for n in a.shape), a.dtype)[tuple(slice(None, None, 2) for _ in a.shape)]
    else:
        out = empty(a.shape, a.dtype)[tuple(slice(None, None, -1) for _ in a.shape)]
    out[...] = a
    return out
