"""What must not change a gradient that has passed: scaling the cotangent, memory layout, aliased inputs, the device.

Each property costs a call or two of backward:

* Linearity: every backward is linear in gy, so the gradients for some cotangents follow from those for others. Normal
  random numbers are never all equal, nor zero, nor a million; a backward that treats such a gy otherwise is found here.
* Memory layout: a transposed array is in Fortran order, a slice has gaps and negative strides. Code that reads such an
  array by `ravel("K")`, `as_strided` or a pointer mixes its elements up.
* Aliasing: the gradient of f(x, x) is the sum of both gradients of f(x, a copy of x).
* Device: a GPU kernel that computes another function, with the right gradient of that, would pass a numeric check.

Imports: device, and the files beside it. Read next: ``second_point.py``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from minigen.autograd import GradientError, Tensor
from minigen.device import array_module, to_device
from minigen.gradcheck.checked_function import UserFunction
from minigen.gradcheck.directions import Coordinates, root_mean_square
from minigen.gradcheck.linearization import Linearization, flatten, index_of
from minigen.gradcheck.numeric import norms
from minigen.gradcheck.report import Explanation, GradientMismatch
from minigen.gradcheck.state import replaced_data
from minigen.gradcheck.tensor_check import TensorCheck
from minigen_kernels import Array

# Linearity in the cotangent.

LARGE_FACTOR = 2.0**20  # a power of two: nothing is rounded


def check_linearity(lin: Linearization, checks: Sequence[TensorCheck]) -> GradientMismatch | None:
    """A failure if the gradients for other cotangents do not combine linearly to those that have passed."""
    huge = np.sqrt(float(np.finfo(lin.settings.dtype).max))  # a million times as much may overflow on the way
    for text, gradients in _linear_combinations(lin):
        for check, gradient in zip(checks, gradients, strict=True):
            overflows = not np.isfinite(gradient).all() and float(np.abs(check.gradients).max(initial=0.0)) > huge
            if not overflows and (off := check.deviation(gradient)):
                return lin.mismatch(
                    "WRONG", check.name, f"The gradient is not linear in the cotangent, by {off:.2g} of its largest.",
                    Explanation("not-linear", f"backward is not linear in gy: {text}. Is it clipped, skipped for some "
                                "values of gy, or is something added that does not belong to gy?"),
                )  # fmt: skip
    return None


def _linear_combinations(lin: Linearization) -> Iterator[tuple[str, list[Array]]]:
    """The gradients for the last cotangent, combined from those for others; and what it means if they differ."""
    ys, gys, rng = lin.function.evaluate(True), lin.cotangents[-1], np.random.default_rng(lin.report.seed)

    def gradients(cotangent: Sequence[Tensor]) -> list[Array]:
        return [g[0] for g in lin.vjp(ys, False, [list(cotangent)])]

    for factor in (LARGE_FACTOR, 1 / LARGE_FACTOR):
        scaled = gradients([Tensor(g.data * factor) for g in gys])
        yield f"{factor:.3g} times the gy does not make it {factor:.3g} times as large", [g / factor for g in scaled]
    masks = [rng.random(g.shape) < 0.5 for g in gys]
    halves = [[Tensor(g.data * array_module(g.data).asarray(np.asarray(mask == side, g.dtype)))
               for g, mask in zip(gys, masks)] for side in (True, False)]  # fmt: skip
    yield (
        "the parts of gy, with zeros in place of the others, do not add up to the whole",
        [a + b for a, b in zip(*map(gradients, halves), strict=True)],
    )
    sizes = [array_module(g.data).asarray(root_mean_square(g.numpy()), g.dtype) for g in gys]
    constants = [array_module(c).broadcast_to(c, g.shape) for c, g in zip(sizes, gys, strict=True)]  # strides of zero
    sums = [Tensor(g.data + c) for g, c in zip(gys, constants, strict=True)]
    yield (
        "for a gy that is one number everywhere (strides of zero, as the gradient of a sum) it gives something else",
        [a - b for a, b in zip(gradients(sums), gradients([Tensor(c) for c in constants]), strict=True)],
    )


# Layouts of memory.

Layout = Callable[[Array], Array]


def fortran_order(x: Array) -> Array:
    """A copy in which the first axis is the innermost."""
    return x.copy(order="F")


def negative_strides(x: Array) -> Array:
    """A copy whose strides are all negative, with a NaN beside each number.

    Behind it lies enough memory for code that reads on from its first element as if it were contiguous.
    """
    buffer = array_module(x).full(3 * x.size, np.nan, x.dtype)
    if not x.ndim:
        buffer[0] = x
        return buffer[:1].reshape(())
    large = buffer[: 2 * x.size].reshape(*x.shape[:-1], 2 * x.shape[-1])
    part = large[(slice(None, None, -1),) * (x.ndim - 1) + (slice(None, None, -2),)]
    part[...] = x
    return part


#: The layout of the inputs, that of the cotangents, and a description.
LAYOUTS: tuple[tuple[Layout | None, Layout | None, str], ...] = (
    (fortran_order, None, "inputs in Fortran order (as x.T is)"),
    (None, fortran_order, "a cotangent gy in Fortran order (as the gradient of a transposition is)"),
    (negative_strides, negative_strides, "inputs and cotangents that are slices with negative strides (as x[::-1] is)"),
)


def check_memory_layouts(lin: Linearization, checks: Sequence[TensorCheck]) -> GradientMismatch | None:
    """A failure if values or gradients differ for the same numbers in another layout of memory."""
    inputs = [v.tensor for v in lin.variables]
    has_order = any(sum(n > 1 for n in t.shape) > 1 for t in (*inputs, *lin.cotangents[-1]))
    for of_inputs, of_cotangents, text in LAYOUTS:
        if fortran_order in (of_inputs, of_cotangents) and not has_order:
            continue  # an array of one axis has no other order
        with replaced_data(inputs, [of_inputs(t.data) if of_inputs else t.data for t in inputs]):
            ys = lin.function.evaluate(True)
            values = flatten(ys)
            gys = [Tensor(of_cotangents(g.data)) if of_cotangents else g for g in lin.cotangents[-1]]
            gradients = [g[0] for g in lin.vjp(ys, False, [gys])]
        found = [(", ".join(lin.function.output_names), "the result", _relative_error(lin, values))]
        found += [(c.name, "the gradient", c.deviation(g)) for c, g in zip(checks, gradients, strict=True)]
        for name, what, off in found:
            if off:
                return lin.mismatch(
                    "WRONG", name, f"Laid out otherwise in memory, the same numbers give something else: {what} is off "
                    f"by {off:.2g} of its largest.", Explanation("memory", "It is right for contiguous arrays only. "
                    f"For {text}, {what} is another one: is memory read in storage order, by ravel('K'), as_strided or "
                    "a pointer? Index the array, or make it contiguous first (np.ascontiguousarray)."),
                )  # fmt: skip
    return None


def _relative_error(lin: Linearization, values: Array) -> float:
    """The largest difference from the values, relative to the largest of them; 0 if it is no more than rounding."""
    off = np.abs(values - lin.results)
    largest = float(np.abs(lin.results).max(initial=0.0))
    same = off <= lin.settings.rtol * largest + 100 * lin.atol
    return 0.0 if same.all() else float(np.max(off)) / (largest or 1.0)


# One Tensor as two inputs.


def check_aliased_inputs(function: UserFunction, lin: Linearization) -> GradientMismatch | None:
    """A failure for the first pair of inputs of one shape that cannot be the same Tensor."""
    candidates = [i for i in function.wrt if function.inputs[i].size]
    for i, j in itertools.combinations(candidates[:3], 2):
        if function.inputs[i].shape == function.inputs[j].shape:
            apart, together = (_summed_gradients(function, lin, i, j, aliased) for aliased in (False, True))
            # If the values differ, f depends on which Tensors they are, like one that differentiates inside.
            if apart is None or together is None or not np.array_equal(apart[0], together[0]):
                continue
            off, largest = float(np.abs(apart[1] - together[1]).max()), float(np.abs(apart[1]).max())
            if off > 1e3 * lin.settings.rtol * largest + 1e-290:
                return lin.mismatch(
                    "WRONG", f"input {j}", f"With one Tensor as inputs {i} and {j} the gradient is off by "
                    f"{off / (largest or 1.0):.2g} of its largest.",
                    Explanation("same-input", f"f(x, x) is wrong: with the same Tensor as inputs {i} and {j} the "
                                "gradient is not the sum of both, as it is for f(x, a copy of x). Does backward tell "
                                "its inputs apart by what they are, not by their places?"),
                )  # fmt: skip
    return None


def _summed_gradients(
    function: UserFunction, lin: Linearization, i: int, j: int, aliased: bool
) -> tuple[Array, Array] | None:
    """The values, and the sum of the gradients of inputs i and j, where both hold the numbers of input i.

    `aliased`: both are one Tensor. None if the function is not defined there.
    """
    first, second = function.inputs[i], function.inputs[j]
    try:
        with replaced_data([second], [first.data.copy()]):
            function.inputs[j] = first if aliased else second
            ys = function.evaluate(True)
            values = flatten(ys)
            if values.shape != lin.y0.shape or not np.isfinite(values).all():
                return None
            gradients = zip(function.variables, function.vjp(ys, lin.cotangents[-1], False), strict=True)
            pair = [g.numpy() for v, g in gradients if v.tensor is first or v.tensor is second]
        total = np.asarray(np.sum(pair, 0, dtype=np.float64))
        return (values, total) if np.isfinite(total).all() else None
    except (ValueError, GradientError):  # f may refuse such inputs
        return None
    finally:
        function.inputs[j] = second


# Devices.

DEVICE_RTOL = {"float64": 1e-9, "float32": 1e-3}  # of the largest number: sums run in another order on a GPU
ROUNDING_ROOM = 50  # so many rounding errors of the largest intermediate result may meet in one sum


def compare_devices(function: UserFunction, lin: Linearization, device: str) -> None:
    """Compare values and gradients on `device` with those of `lin`. Raises `GradientMismatch` if they differ."""
    with function.on(device):
        ys = function.evaluate(True)
        values = np.asarray(function.values(), np.float64)
        gys = [Tensor(to_device(g.data, device)) for g in lin.cotangents[0]]
        gradients = [np.asarray(g.numpy(), np.float64) for g in function.vjp(ys, gys, False)]
    # What is 0 comes out as rounding errors, which differ: those that intermediate results explain, and in a gradient
    # those of the sum of all outputs for a step of the variable's own size.
    in_sum = float(norms(lin.weights[:1] * lin.intermediate_rounding)[0])
    pairs = [("the output", "The function", lin.y0, values, lin.y0.shape, ROUNDING_ROOM * lin.intermediate_rounding)]
    for v, g, there in zip(function.variables, lin.gradients, gradients, strict=True):
        room = ROUNDING_ROOM * in_sum / Coordinates(v.numbers()).scales
        pairs.append((v.name, "The gradient", g[0], there.ravel(), v.tensor.shape, room))
    for name, what, here, there, shape, room in pairs:
        if here.shape != there.shape:
            text = f"{what} has {here.size} elements here and {there.size} on {device}."
            raise lin.mismatch("WRONG", name, text, Explanation("device", text))
        off = np.abs(here - there) - room
        if here.size and not off.max() <= DEVICE_RTOL[lin.settings.dtype] * np.abs(there).max() + 1e-300:
            j = int(off.argmax())
            text = f"{what} is another one on {device}."
            numbers = f"at index {index_of(j, shape)} it is {here[j]:.10g} here and {there[j]:.10g} there"
            raise lin.mismatch("WRONG", name, text, Explanation("device", f"{text[:-1]}: {numbers}."))
