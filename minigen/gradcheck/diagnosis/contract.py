"""What each backward returns: a gradient for each input, of its shape and dtype, and None only where there is none.

The engine refuses the rest with a GradientError. Here is told which mistake it was, by mending it and asking whether
the check would then have passed.

Imports: tensor, and the files of the checker. Read next: ``detached.py``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from minigen.autograd import Function, GradientError, Tensor
from minigen.gradcheck.graph import leads_from, nodes_of
from minigen.gradcheck.numeric import Slope, measure
from minigen.gradcheck.probes import Directions
from minigen.gradcheck.problem import Problem
from minigen.gradcheck.report import Explanation
from minigen.gradcheck.sides import Settings, flat
from minigen.ops.reduce import sum_to

Watch = Callable[[Function, list[Any]], Any]


@contextmanager
def _watched(ys: Sequence[Tensor], watch: Watch) -> Iterator[None]:
    """Inside, `watch` is shown what each backward on the way to `ys` returns, as a list, and gives it back mended."""
    nodes = nodes_of(ys)

    def replaced(node: Function) -> Callable[..., Any]:
        own = node.backward

        def backward(gy: Tensor, y: Tensor) -> Any:
            gxs = own(gy, y)
            return watch(node, list(gxs) if isinstance(gxs, tuple) else [gxs])

        return backward

    for node in nodes:
        node.__dict__["backward"] = replaced(node)
    try:
        yield
    finally:
        for node in nodes:
            del node.__dict__["backward"]


def returned_none(problem: Problem, ys: list[Tensor], gys: list[Tensor], variable: Tensor) -> list[tuple[str, int]]:
    """The Functions, with the number of the input, that give None for something that was made from `variable`."""
    found = []

    def watch(node: Function, gxs: list[Any]) -> Any:
        for i, (x, gx) in enumerate(zip(node.inputs, gxs)):
            if gx is None and isinstance(x, Tensor) and node.needs(i) and leads_from(x, variable):
                found.append((type(node).__name__, i))
        return tuple(gxs)

    with _watched(ys, watch):
        problem.pull_back(ys, gys, False)
    return found


def broken(problem: Problem, settings: Settings, error: GradientError) -> list[Explanation]:
    """Why the engine refused what a backward takes or returns. Empty if that is not what it refused."""
    if isinstance(error.__cause__, TypeError):  # it could not be called
        return [Explanation("count", f"{error}.")]
    ys = problem.evaluate(True)
    gys = [Tensor(y.data * 0 + 1) for y in ys]
    faults: list[Explanation] = []
    mends: list[str] = []

    def watch(node: Function, gxs: list[Any]) -> Any:
        name = type(node).__name__
        if len(gxs) != len(node.inputs):
            text = f"{name}.backward returns {len(gxs)} gradients for {len(node.inputs)} inputs"
            faults.append(Explanation("count", f"{text}: one for each, None for one that has none."))
            gxs = gxs[: len(node.inputs)] + [None] * (len(node.inputs) - len(gxs))
        mended: list[Tensor | None] = []
        for i, (x, gx) in enumerate(zip(node.inputs, gxs)):
            if gx is None or not isinstance(x, Tensor) or not node.needs(i):
                mended.append(None)
                continue
            fault, gx = _mended(f"{name}.backward: the gradient of input {i}", x, gx)
            if fault:
                faults.append(fault)
                mends.append(fault.kind)
            mended.append(gx)
        return tuple(mended)

    with _watched(ys, watch):
        gradients = problem.pull_back(ys, gys, False)
        if not faults:
            return []
        first = faults[0]
        if first.kind in ("missing-sum", "transposed", "dtype") and not _right(problem, ys, gys, gradients, settings):
            kept = first.text.partition(";")[0] + "."
            return [Explanation("dtype" if first.kind == "dtype" else "shape", kept)]
    return [first] if first.kind in ("shape", "dtype", "count") else [first, Explanation("shape", str(error))]


def _mended(what: str, x: Tensor, gx: Any) -> tuple[Explanation | None, Tensor]:
    """A gradient that does not fit its input, made to fit, and what was wrong with it."""
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
    if _broadcasts(x.shape, gx.shape):
        summed = sum_to(gx, x.shape)
        padded = (1,) * (gx.ndim - x.ndim) + x.shape
        axes = [str(i) for i, (n, m) in enumerate(zip(padded, gx.shape)) if n != m]
        over = f"ax{'i' if len(axes) == 1 else 'e'}s {' and '.join(axes)}"
        return Explanation("missing-sum", f"{text}; the input was broadcast, so its gradient has to be summed over "
                           f"{over} (ops.sum_to(gx, x.shape)), and then it is right."), summed  # fmt: skip
    if sorted(gx.shape) == sorted(x.shape):
        for p in itertools.permutations(range(x.ndim)):
            if tuple(gx.shape[i] for i in p) == x.shape:
                turned = Tensor(gx.data.transpose(p))
                return Explanation("transposed", f"{text}; with its axes in the order {p} it is right."), turned
    return Explanation("shape", f"{text}."), Tensor(x.data * 0)


def _broadcasts(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(small, large) == large
    except ValueError:
        return False


def _right(problem: Problem, ys: list[Tensor], gys: list[Tensor], gradients: list[Tensor], settings: Settings) -> bool:
    """Do the mended gradients agree with the function along a random direction of each variable?"""
    weights, rng = flat(gys)[None], np.random.default_rng(0)
    y0 = flat(ys)
    for i, (variable, g) in enumerate(zip(problem.variables, gradients, strict=True)):
        x = np.asarray(variable.tensor.numpy(), np.float64)
        d = Directions(x, 1, rng).direction(0)
        analytic = float(np.asarray(g.numpy(), np.float64).ravel() @ d)

        def f(t: float, i: int = i, x: Any = x, d: Any = d) -> Any:
            return problem.at({i: x + (t * d).reshape(x.shape)})

        def close(slope: Slope, analytic: float = analytic) -> bool:
            scale = abs(analytic) + float(slope.error[0])
            return bool(abs(slope.value[0] - analytic) <= 1e-4 * scale + 10 * slope.error[0])

        if not close(measure(f, y0, weights, settings.atol or 1e-15, close)):
            return False
    return True
