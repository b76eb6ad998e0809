"""The contract of `minigen_kernels`, for every kernel in every room: names, signatures, purity, strides, dtype.

`CALLS` has a call of each kernel; a kernel without one fails `test_every_kernel_has_a_call`.
"""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from minigen_kernels import KernelSet, cpu, reference

ROOMS = [reference, cpu]
DTYPES = [np.float32, np.float64]
NAMES = [name for name in vars(KernelSet) if not name.startswith("_")]
RANDOM = {"philox", "uniform", "normal", "bernoulli", "permutation"}  # they take no arrays

PAIR = ((2, 1), (1, 1), (1, 2))  # stride, padding, dilation
WINDOW = ((3, 2), (2, 2), (1, 0))  # kernel, stride, padding

#: name -> (shapes of the array arguments, the other arguments)
CALLS = {
    "conv2d": ([(3, 4, 7, 8), (6, 2, 3, 2)], ((4, 8), *PAIR, 2)),
    "conv_transpose2d": ([(3, 6, 4, 8), (6, 2, 3, 2)], ((7, 8), *PAIR, 2)),
    "conv2d_weight_grad": ([(3, 4, 7, 8), (3, 6, 4, 8)], ((3, 2), *PAIR, 2)),
    "max_pool2d": ([(3, 4, 7, 8)], ((4, 4), *WINDOW)),
    "plane_gather": ([(3, 4, 7, 8), (3, 4, 5, 6)], ()),
    "plane_scatter": ([(3, 4, 5, 6), (3, 4, 5, 6)], ((7, 8), None)),
    "avg_pool2d": ([(3, 4, 7, 8)], ((4, 4), *WINDOW, True)),
    "avg_pool2d_adjoint": ([(3, 4, 4, 4)], ((7, 8), *WINDOW, False)),
    "upsample_nearest2d": ([(3, 4, 5, 6)], ((2, 3),)),
    "block_sum2d": ([(3, 4, 10, 18)], ((2, 3),)),
    "upsample_bilinear2d": ([(3, 4, 5, 6)], ((2, 3),)),
    "upsample_bilinear2d_adjoint": ([(3, 4, 10, 18)], ((2, 3),)),
    "batch_norm": ([(5, 4, 6), (4,), (4,)], (1e-5,)),
    "batch_norm_backward": ([(5, 4, 6), (5, 4, 6), (4,), (4,), (4,)], (1e-5,)),
    "layer_norm": ([(5, 6), (6,), (6,)], (1e-5,)),
    "layer_norm_backward": ([(5, 6), (5, 6), (6,), (5,), (5,)], (1e-5,)),
    "softmax": ([(5, 6)], ()),
    "softmax_backward": ([(5, 6)] * 2, ()),
    "log_softmax": ([(5, 6)], ()),
    "log_softmax_backward": ([(5, 6)] * 2, ()),
    "bce_with_logits": ([(5, 6)] * 2, ()),
    "bce_with_logits_sum": ([(5, 6)] * 2, (0.3,)),
    "bce_with_logits_sum_backward": ([(), (5, 6), (5, 6)], (0.3,)),
    "mse_sum": ([(5, 6)] * 2, (0.3,)),
    "mse_sum_backward": ([(), (5, 6), (5, 6)], (0.3,)),
    "gaussian_kl_sum": ([(5, 6)] * 2, (0.3,)),
    "gaussian_kl_sum_backward": ([(), (5, 6), (5, 6)], (0.3,)),
    "sigmoid": ([(5, 6)], ()),
    "softplus": ([(5, 6)], ()),
    "reparameterize": ([(5, 6)] * 3, ()),
    "reparameterize_backward": ([(5, 6)] * 3, ()),
    "matmul": ([(20, 9), (9, 30)], ()),
    "bias_act": ([(5, 4, 6), (4,)], ("leaky_relu", 0.2)),
    "bias_act_backward": ([(5, 4, 6), (5, 4, 6)], ("sigmoid", 0.0)),
    "erf": ([(5, 6)], ()),
    "scale_where": ([(5, 6), (5, 6)], (0.2,)),
    "sgd_update": ([(5, 6)] * 3, (0.1, 0.9, True, 0.01)),
    "rmsprop_update": ([(5, 6)] * 4, (0.1, 0.9, 1e-8, 0.9, 0.01)),
    "adam_update": ([(5, 6)] * 4, (3, 0.1, 0.9, 0.99, 1e-8, 0.01, True)),
    "philox": ([], (7, 1, 5, 9)),
    "uniform": ([], (7, 1, 5, 9)),
    "normal": ([], (7, 1, 5, 9)),
    "bernoulli": ([], (7, 1, 5, 9, 0.4)),
    "permutation": ([], (7, 1, 5, 9)),
}


def arguments(name: str, dtype) -> tuple[list[np.ndarray], tuple]:
    """Positive arrays (some are variances or averages of squares), and the other arguments."""
    rng = np.random.default_rng(0)
    shapes, others = CALLS[name]
    arrays = [rng.uniform(0.1, 1, shape).astype(dtype) for shape in shapes]
    if name in ("plane_gather", "plane_scatter"):
        arrays[1] = rng.integers(0, 7 * 8, shapes[1])
    if name == "scale_where":
        arrays[1] = arrays[1] > 0.5
    if name in ("uniform", "normal"):
        others = (*others, dtype)
    return arrays, others


def results(room, name: str, arrays: list[np.ndarray], others: tuple) -> list[np.ndarray]:
    """All that a kernel produces: what it returns, and for the updates of optimizers, what they changed."""
    returned = getattr(room, name)(*arrays, *others)
    if name.endswith("_update"):
        assert returned is None
        return arrays
    return list(returned) if isinstance(returned, tuple) else [returned]


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_the_kernels_of_the_table_of_contents(room):
    assert sorted(room.__all__) == sorted(NAMES)
    for name in NAMES:
        declared = inspect.signature(getattr(KernelSet, name))
        wanted = [p.replace(annotation=p.empty) for p in list(declared.parameters.values())[1:]]
        found = inspect.signature(getattr(room, name)).parameters.values()
        assert [p.replace(annotation=p.empty) for p in found] == wanted, name
        assert inspect.getmodule(getattr(room, name)).__name__.startswith(room.__name__), name


def test_every_kernel_has_a_call():
    assert sorted(CALLS) == sorted(NAMES)


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_dtype_is_kept_and_a_second_call_gives_the_same_bits(room, dtype, name):
    first, second = (results(room, name, *arguments(name, dtype)) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        if a.dtype.kind == "f":
            assert a.dtype == (np.float32 if name == "bernoulli" else dtype)  # it says so
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("name", [name for name in NAMES if name not in RANDOM])
def test_arguments_stay_as_they_were(room, name):
    arrays, others = arguments(name, np.float32)
    before = [a.copy() for a in arrays]
    for a in arrays:
        a.flags.writeable = name.endswith("_update")
    produced = results(room, name, arrays, others)
    if not name.endswith("_update"):
        for a, b in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(a, b)
        assert not any(np.shares_memory(a, result) for a in arrays for result in produced)
    else:
        np.testing.assert_array_equal(arrays[1], before[1])  # the gradient is an argument like any other


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("layout", ["transposed", "stepped", "backwards"])
@pytest.mark.parametrize("name", [name for name in NAMES if name not in RANDOM])
def test_any_strides(room, layout, name):
    """The same numbers in another order of memory give the same result.

    Up to rounding: a reference may hand its sums to NumPy, which sums in the order of memory. What an optimizer
    changes in place is contiguous; its gradient may be anything.
    """
    wanted = results(room, name, *arguments(name, np.float64))
    arrays, others = arguments(name, np.float64)
    in_place = name.endswith("_update")
    strided = [a if in_place and i != 1 else rearranged(a, layout) for i, a in enumerate(arrays)]
    for got, expected in zip(results(room, name, strided, others), wanted, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


def rearranged(a: np.ndarray, layout: str) -> np.ndarray:
    """An equal array with other strides; one number has none."""
    if not a.ndim:
        return a
    if layout == "transposed":
        out = np.empty(a.shape[::-1], a.dtype).T
    elif layout == "stepped":
        out = np.empty([2 * n for n in a.shape], a.dtype)[tuple(slice(None, None, 2) for _ in a.shape)]
    else:
        out = np.empty(a.shape, a.dtype)[tuple(slice(None, None, -1) for _ in a.shape)]
    out[...] = a
    return out
