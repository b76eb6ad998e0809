"""The contract of backward: a gradient for each input, of its shape and dtype, and None only where there is none.

The engine refuses anything else with a GradientError. To explain it, the returned gradient is repaired, and the check
has to pass with the repaired one.

Imports: autograd, and the files of the checker. Read next: ``detached.py``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from minigen.autograd import Function, GradientError, Tensor
from minigen.gradcheck.checked_function import CheckedFunction
from minigen.gradcheck.directions import RandomDirections
from minigen.gradcheck.graph import depends_on, intercepted
from minigen.gradcheck.linearization import Settings, flatten
from minigen.gradcheck.numeric import DirectionalDerivative, directional_derivative
from minigen.gradcheck.report import Explanation
from minigen.ops.reduce import sum_to


def returned_none(
    function: CheckedFunction, ys: list[Tensor], gys: list[Tensor], variable: Tensor
) -> list[tuple[str, int]]:
    """The Functions whose backward gives None for an input that was computed from `variable`, and which input."""
    found = []

    def intercept(node: Function, backward: Callable[[Tensor, Tensor], Any], gy: Tensor, y: Tensor) -> Any:
        gxs = backward(gy, y)
        for i, (x, gx) in enumerate(zip(node.inputs, gxs if isinstance(gxs, tuple) else (gxs,))):
            if gx is None and isinstance(x, Tensor) and node.needs(i) and depends_on(x, variable):
                found.append((type(node).__name__, i))
        return gxs

    with intercepted(ys, intercept):
        function.vjp(ys, gys, False)
    return found


def contract_violations(function: CheckedFunction, settings: Settings, error: GradientError) -> list[Explanation]:
    """Why the engine refused what a backward takes or returns. Empty if it refused something else."""
    if isinstance(error.__cause__, TypeError):  # it could not be called
        return [Explanation("count", f"{error}.")]
    ys = function.evaluate(True)
    gys = [Tensor(y.data * 0 + 1) for y in ys]
    violations: list[Explanation] = []

    def intercept(node: Function, backward: Callable[[Tensor, Tensor], Any], gy: Tensor, y: Tensor) -> Any:
        returned, name = backward(gy, y), type(node).__name__
        gxs = list(returned) if isinstance(returned, tuple) else [returned]
        if len(gxs) != len(node.inputs):
            text = f"{name}.backward returns {len(gxs)} gradients for {len(node.inputs)} inputs"
            violations.append(Explanation("count", f"{text}: one for each, None for one that has none."))
            gxs = gxs[: len(node.inputs)] + [None] * (len(node.inputs) - len(gxs))
        repaired: list[Tensor | None] = []
        for i, (x, gx) in enumerate(zip(node.inputs, gxs)):
            if gx is None or not isinstance(x, Tensor) or not node.needs(i):
                repaired.append(None)
                continue
            violation, gx = _repaired(f"{name}.backward: the gradient of input {i}", x, gx)
            if violation:
                violations.append(violation)
            repaired.append(gx)
        return tuple(repaired)

    with intercepted(ys, intercept):
        gradients = function.vjp(ys, gys, False)
        if not violations:
            return []
        first = violations[0]
        if first.kind in ("missing-sum", "transposed", "dtype") and not _agrees(function, ys, gys, gradients, settings):
            kept = first.text.partition(";")[0] + "."
            return [Explanation("dtype" if first.kind == "dtype" else "shape", kept)]
    return [first] if first.kind in ("shape", "dtype", "count") else [first, Explanation("shape", str(error))]


def _repaired(what: str, x: Tensor, gx: Any) -> tuple[Explanation | None, Tensor]:
    """A gradient made to fit its input, and an explanation of what was wrong with it, if anything was."""
    if not isinstance(gx, Tensor):
        text = f"{what} is {type(gx).__name__}, where a Tensor is wanted"
        gx = Tensor(np.asarray(gx, x.dtype))
        if gx.shape == x.shape:
            return Explanation("dtype", f"{text}."), gx
    if gx.shape == x.shape:
        if gx.dtype == x.dtype:
            return None, gx
        return Explanation("dtype", f"{what} is {gx.dtype}, the input {x.dtype}; it has to keep the dtype "
                           "(make constants with dtype=x.dtype)."), Tensor(gx.data.astype(x.dtype))  # fmt: skip
    text = f"{what} has shape {gx.shape}, the input {x.shape}"
    gx = Tensor(gx.data.astype(x.dtype))
    if broadcasts_to(x.shape, gx.shape):
        summed = sum_to(gx, x.shape)
        padded = (1,) * (gx.ndim - x.ndim) + x.shape
        axes = [str(i) for i, (n, m) in enumerate(zip(padded, gx.shape)) if n != m]
        over = f"ax{'i' if len(axes) == 1 else 'e'}s {' and '.join(axes)}"
        return Explanation("missing-sum", f"{text}; the input was broadcast, so its gradient has to be summed over "
                           f"{over} (ops.sum_to(gx, x.shape)), and then it is right."), summed  # fmt: skip
    if sorted(gx.shape) == sorted(x.shape):
        for p in itertools.permutations(range(x.ndim)):
            if tuple(gx.shape[i] for i in p) == x.shape:
                return Explanation("transposed", f"{text}; with its axes in the order {p} it is right."), Tensor(
                    gx.data.transpose(p)
                )
    return Explanation("shape", f"{text}."), Tensor(x.data * 0)


def broadcasts_to(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    """Can an array of shape `small` be broadcast to shape `large`?"""
    try:
        return np.broadcast_shapes(small, large) == large
    except ValueError:
        return False


def _agrees(
    function: CheckedFunction, ys: list[Tensor], gys: list[Tensor], gradients: list[Tensor], settings: Settings
) -> bool:
    """Do the repaired gradients agree with the function along a random direction of each variable?"""
    weights, rng = flatten(gys)[None], np.random.default_rng(0)
    y0 = flatten(ys)
    for i, (variable, g) in enumerate(zip(function.variables, gradients, strict=True)):
        x = variable.numbers()
        d = RandomDirections(x, 1, rng).direction(0)
        analytic = float(np.asarray(g.numpy(), np.float64).ravel() @ d)

        def f(t: float, i: int = i, x: Any = x, d: Any = d) -> Any:
            return function.values_at({i: x + (t * d).reshape(x.shape)})

        def close(slope: DirectionalDerivative, analytic: float = analytic) -> bool:
            scale = abs(analytic) + float(slope.error[0])
            return bool(abs(slope.value[0] - analytic) <= 1e-4 * scale + 10 * slope.error[0])

        if not close(directional_derivative(f, y0, weights, settings.atol or 1e-15, close)):
            return False
    return True
