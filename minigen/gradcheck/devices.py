"""What a function computes on a GPU, compared with what it computes on the CPU.

Numeric derivatives alone would not do: a kernel that computes another function, with the right gradient of that, would
pass.

Imports: device. Read next: ``failure.py``.
"""

from __future__ import annotations

import numpy as np

from minigen.autograd import Tensor
from minigen.device import to_device
from minigen.gradcheck.problem import Given
from minigen.gradcheck.report import Explanation
from minigen.gradcheck.sides import Sides, index_of
from minigen_kernels import Array

ROOM = {"float64": 1e-9, "float32": 1e-3}  # of the largest number: sums run in another order there


def compare_with_cpu(given: Given, sides: Sides) -> str:
    """The device of the variables; if it is not the CPU, values and gradients have to be those of the CPU.

    Raises `GradientMismatch` where they are not.
    """
    device = given.variables[0].tensor.device
    if device != "cpu":
        compare(given, sides, "cpu")
    return device


def compare(given: Given, sides: Sides, device: str) -> None:
    """Values and gradients on `device` against those that `sides` holds; raises `GradientMismatch` if they differ."""
    with given.on(device):
        ys = given.evaluate(True)
        values = np.asarray(given.values(), np.float64)
        gys = [Tensor(to_device(g.data, device)) for g in sides.cotangents[0]]
        gradients = [np.asarray(g.numpy(), np.float64) for g in given.pull_back(ys, gys, False)]
    here = sides.y0
    _same(sides, "the output", "The function", here, values, here.shape, device)
    for v, g, there in zip(given.variables, sides.gradients, gradients, strict=True):
        _same(sides, v.name, "The gradient", g[0], there.ravel(), v.tensor.shape, device)


def _same(sides: Sides, name: str, what: str, here: Array, there: Array, shape: tuple[int, ...], device: str) -> None:
    if here.shape != there.shape:
        text = f"{what} has {here.size} elements here and {there.size} on {device}."
        raise sides.mismatch("WRONG", name, text, Explanation("device", text))
    far = np.abs(here - there)
    if here.size and not far.max() <= ROOM[sides.settings.dtype] * np.abs(there).max() + 1e-300:
        j = int(far.argmax())
        text = f"{what} is another one on {device}."
        numbers = f"at index {index_of(j, shape)} it is {here[j]:.10g} here and {there[j]:.10g} there"
        raise sides.mismatch("WRONG", name, text, Explanation("device", f"{text[:-1]}: {numbers}."))
