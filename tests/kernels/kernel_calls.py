"""The one table of kernel calls: at least one of each kernel, together launching every entry point of the `.cu` files.

The shapes are small and fill neither a tile nor a warp nor a block. Whatever goes through whole rooms takes its calls
from here: the contract, the CUDA room on the host, under the sanitizers and on a device, the page of proofs.

Read next: ``kernels/test_contract.py``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from minigen_kernels import Array, KernelSet, reference

#: Every kernel, from the table of contents.
NAMES = [name for name in vars(KernelSet) if not name.startswith("_")]

PAIR = ((2, 1), (1, 1), (1, 2))  # stride, padding, dilation
ONE = ((1, 1), (1, 1), (1, 1))
WINDOW = ((3, 2), (2, 2), (1, 0))  # kernel, stride, padding

#: (kernel of the contract, shapes of its arrays, the other arguments)
CALLS: list[tuple[str, list[tuple[int, ...]], tuple[Any, ...]]] = [
    # conv2d and its adjoint: one row, few rows, tiles of 16 and of 64 rows; groups, stride and dilation
    ("conv2d", [(3, 4, 7, 8), (2, 4, 3, 2)], ((4, 8), *PAIR, 1)),
    ("conv2d", [(3, 4, 7, 8), (2, 2, 3, 2)], ((4, 8), *PAIR, 2)),
    ("conv2d", [(3, 5, 7, 8), (17, 5, 3, 3)], ((7, 8), *ONE, 1)),
    ("conv2d", [(3, 5, 7, 8), (65, 5, 3, 3)], ((7, 8), *ONE, 1)),
    ("conv_transpose2d", [(3, 4, 4, 8), (4, 2, 3, 2)], ((7, 8), *PAIR, 1)),
    ("conv_transpose2d", [(3, 4, 4, 8), (4, 1, 3, 2)], ((7, 8), *PAIR, 2)),
    ("conv_transpose2d", [(3, 5, 7, 8), (5, 17, 3, 3)], ((7, 8), *ONE, 1)),
    ("conv_transpose2d", [(3, 9, 4, 4), (9, 65, 5, 5)], ((7, 8), (2, 2), (2, 2), (1, 1), 1)),
    # its gradient in w: a block for each weight, tiles of 16 and of 64 rows, sums in parts
    ("conv2d_weight_grad", [(3, 4, 7, 8), (3, 6, 4, 8)], ((3, 2), *PAIR, 2)),
    ("conv2d_weight_grad", [(9, 5, 9, 8), (9, 17, 9, 8)], ((3, 3), *ONE, 1)),
    ("conv2d_weight_grad", [(3, 5, 7, 8), (3, 65, 7, 8)], ((3, 3), *ONE, 1)),
    ("max_pool2d", [(3, 4, 7, 8)], ((4, 4), *WINDOW)),
    ("plane_gather", [(3, 4, 7, 8), (3, 4, 5, 6)], ()),
    ("plane_scatter", [(3, 4, 5, 6), (3, 4, 5, 6)], ((7, 8), None)),
    ("plane_scatter", [(3, 4, 4, 4), (3, 4, 4, 4)], ((7, 8), WINDOW)),
    ("avg_pool2d", [(3, 4, 7, 8)], ((4, 4), *WINDOW, True)),
    ("avg_pool2d_adjoint", [(3, 4, 4, 4)], ((7, 8), *WINDOW, False)),
    ("upsample_nearest2d", [(3, 4, 5, 6)], ((2, 3),)),
    ("block_sum2d", [(3, 4, 10, 18)], ((2, 3),)),
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
    ("layer_norm", [(5, 77), (77,), (77,)], (1e-5,)),
    ("layer_norm_backward", [(5, 77), (5, 77), (77,), (5,), (5,)], (1e-5,)),
    ("softmax", [(5, 67)], ()),
    ("softmax_backward", [(5, 67)] * 2, ()),
    ("log_softmax", [(5, 67)], ()),
    ("log_softmax_backward", [(5, 67)] * 2, ()),
    ("bce_with_logits", [(5, 67)] * 2, ()),
    ("bce_with_logits_sum", [(5, 67)] * 2, (0.3,)),
    ("bce_with_logits_sum_backward", [(), (5, 67), (5, 67)], (0.3,)),
    ("mse_sum", [(5, 67)] * 2, (0.3,)),
    ("mse_sum_backward", [(), (5, 67), (5, 67)], (0.3,)),
    ("gaussian_kl_sum", [(5, 67)] * 2, (0.3,)),
    ("gaussian_kl_sum_backward", [(), (5, 67), (5, 67)], (0.3,)),
    ("sigmoid", [(5, 67)], ()),
    ("softplus", [(5, 67)], ()),
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
    ("mish", [(5, 67)], ()),
    ("mish_backward", [(5, 67)] * 2, ()),
    ("mix", [(5, 67), (5, 67), (5,)], ()),
    ("reparameterize", [(5, 67)] * 3, ()),
    ("reparameterize_backward", [(5, 67)] * 3, ()),
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
    ("average_update", [(5, 67), (5, 67), ()], (0.9, 0)),
    ("total_update", [(5, 67), (5, 67)], (3,)),
    ("philox", [], (7, 1, 5, 9)),
    ("uniform", [], (7, 1, 5, 9)),
    ("normal", [], (7, 1, 5, 9)),
    ("bernoulli", [], (7, 1, 5, 9, 0.4)),
    ("bernoulli", [(9,)], (7, 1, 5, 9)),
    ("permutation", [], (7, 1, 5, 2500)),
]

#: Names of the calls, for tests.
IDS = [name for name, _, _ in CALLS]


def arguments(call: int, dtype: Any) -> list[Any]:
    """The arguments of CALLS[call]: arrays of positive numbers (some are variances), then the others."""
    name, shapes, others = CALLS[call]
    rng = np.random.default_rng(call)
    arrays = [rng.uniform(0.1, 1, shape).astype(dtype) for shape in shapes]
    if name in ("plane_gather", "plane_scatter"):
        arrays[1] = rng.integers(0, 7 * 8, shapes[1])
    if WINDOW in others:
        arrays[1] = reference.max_pool2d(rng.normal(size=(3, 4, 7, 8)), (4, 4), *WINDOW)[1]  # inside of its window
    if name == "scale_where":
        arrays[1] = arrays[1] > 0.5
    if name == "average_update":
        arrays[2] = np.array(3, np.float32)  # a count, which is compared with the decay in float32
    if name == "total_update":
        arrays[0] = arrays[0].astype(np.float64)
    if name in ("uniform", "normal"):
        others = (*others, dtype)
    if name == "bernoulli":  # its probabilities come last
        return [*others, *arrays]
    return [*arrays, *others]


def results(room: Any, call: int, dtype: Any, place: Callable[[Array], Array] = np.asarray) -> list[np.ndarray]:
    """What a room makes of CALLS[call], as NumPy arrays. `place` puts an argument where the room wants it."""
    given = [place(a) if isinstance(a, np.ndarray) else a for a in arguments(call, dtype)]
    return [a.get() if hasattr(a, "get") else a for a in produced(room, CALLS[call][0], given)]


def produced(room: Any, name: str, given: list[Any]) -> list[Any]:
    """All that a kernel makes of arguments: what it returns; for the updates of optimizers, the arrays they changed."""
    returned = getattr(room, name)(*given)
    if name.endswith("_update"):
        assert returned is None
        return [a for a in given if hasattr(a, "shape")]
    return list(returned) if isinstance(returned, tuple) else [returned]


def assert_complete(room: Any) -> None:
    """A room has the kernels of the table of contents, with its signatures, and no other."""
    short = room.__name__.rpartition(".")[2]
    folder = f"kernels/minigen_kernels/{short}"
    for name in NAMES:
        there = inspect.isroutine(getattr(room, name, None))  # a file of that name is no kernel
        assert there, f"{short} has no {name}: write it in {folder}/, import it in {folder}/__init__.py"
        declared = inspect.signature(getattr(KernelSet, name))
        wanted = [p.replace(annotation=p.empty) for p in list(declared.parameters.values())[1:]]
        found = inspect.signature(getattr(room, name)).parameters.values()
        assert [p.replace(annotation=p.empty) for p in found] == wanted, f"{short}.{name}: arguments {found}"
        assert getattr(room, name).__module__.startswith(room.__name__), name
    more = {name for name, value in vars(room).items() if inspect.isroutine(value)} - set(NAMES)
    assert not more, f"{short} has {more} besides: add a line to KernelSet in kernels/minigen_kernels/__init__.py"


def assert_agree(got: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    """Integers and shapes agree exactly; numbers as two sums in different orders do.

    No sum here has more than 700 terms, nearly all of them positive, or it is made of parts in float64; so the rounding
    errors of two rooms stay together below 700 units in the last place of the largest result.
    """
    for a, b in zip(got, wanted, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        if a.dtype.kind == "f":
            np.testing.assert_allclose(a, b, rtol=0, atol=700 * np.finfo(a.dtype).eps * np.abs(b).max())
        else:
            np.testing.assert_array_equal(a, b)
