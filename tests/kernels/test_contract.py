"""The contract of `minigen_kernels`, for every kernel in every room: names, signatures, purity, strides, dtype.

The calls are those of ``minigen_kernels/calls.py``; a kernel without one fails `test_every_kernel_has_a_call`.
"""

from __future__ import annotations

import numpy as np
import pytest
from kernels.rooms import assert_complete

from minigen_kernels import cpu, reference
from minigen_kernels.calls import CALLS, IDS, LAYOUTS, NAMES, arguments, arranged, produced

DTYPES = [np.float32, np.float64]
RANDOM = {"philox", "uniform", "normal", "bernoulli", "permutation"}  # they take no arrays, or do not compute with them

each_room = pytest.mark.parametrize("room", [reference, cpu])
each_call = pytest.mark.parametrize("call", range(len(CALLS)), ids=IDS)
of_arrays = [call for call, name in enumerate(IDS) if name not in RANDOM]
each_call_of_arrays = pytest.mark.parametrize("call", of_arrays, ids=[IDS[call] for call in of_arrays])


@each_room
def test_every_room_has_the_kernels_of_the_table_of_contents(room):
    assert_complete(room)


def test_every_kernel_has_a_call():
    for name in NAMES:
        assert name in IDS, f"no call of {name}: add one to CALLS in kernels/minigen_kernels/calls.py"
    assert set(IDS) <= set(NAMES), "CALLS in kernels/minigen_kernels/calls.py names what is no kernel"


@each_room
@pytest.mark.parametrize("dtype", DTYPES)
@each_call
def test_dtype_is_kept_and_a_second_call_gives_the_same_bits(room, dtype, call):
    first, second = (produced(room, IDS[call], arguments(call, dtype)) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        if a.dtype.kind == "f":
            exceptions = {
                "bernoulli": [np.float32],
                "average_update": [dtype, np.float32],
                "total_update": [np.float64, dtype],
            }
            assert a.dtype in exceptions.get(IDS[call], [dtype])  # they say so
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize(
    ("room", "guarded"), [(reference, True), (cpu, False), pytest.param(cpu, True, marks=pytest.mark.slow)]
)
@each_call_of_arrays
def test_arguments_stay_as_they_were(room, guarded, call):
    """Guarded: arrays that cannot be written to are taken; Numba compiles for them anew, which takes 15 s."""
    given, in_place = arguments(call, np.float32), IDS[call].endswith("_update")
    arrays = [a for a in given if isinstance(a, np.ndarray)]
    before = [a.copy() for a in arrays]
    for a in arrays:
        a.flags.writeable = in_place or not guarded
    made = produced(room, IDS[call], given)
    if not in_place:
        for a, b in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(a, b)
        assert not any(np.shares_memory(a, result) for a in arrays for result in made)
    else:
        np.testing.assert_array_equal(arrays[1], before[1])  # the gradient is an argument like any other


@each_room
@pytest.mark.parametrize("layout", LAYOUTS[1:])
@each_call_of_arrays
def test_any_strides(room, layout, call):
    """The same numbers in another order of memory give the same result.

    Up to rounding: a reference may hand its sums to NumPy, which sums in the order of memory. What an optimizer
    changes in place is contiguous; its gradient may be anything.
    """
    name = IDS[call]
    strided = arranged(name, arguments(call, np.float64), layout)
    wanted = produced(room, name, arguments(call, np.float64))
    for got, expected in zip(produced(room, name, strided), wanted, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)
