"""The checkers that ``gradcheck_comparison.py`` compares: minigen's, PyTorch's, and four well-known ways.

* **PyTorch**: the real `torch.autograd.gradcheck`, and `gradgradcheck` where the exhibit is about order 2, with their
  defaults: full Jacobian, step 1e-6, atol 1e-5, rtol 1e-3.
* **JAX's way**: one random direction and one random cotangent, step 1e-4, tolerance 1e-5; a higher order is that of the
  gradient with the function's own value as cotangent.
* **Chainer's way**: one random unit direction, step 1e-3, atol 1e-5, rtol 1e-4 (order 2: 1e-4 and 1e-3); a quadratic is
  fitted to points on the way, and where it does not fit, the function is taken to have no derivative.
* **DeZero's way**: element by element, ones as cotangent, step 1e-4, atol 1e-5, rtol 1e-4; order 1.
* **naive**: as in most course notes: element by element, a random cotangent, step 1e-5, relative error below 1e-6 (with
  1e-8 at least in the denominator); order 1.

Each is a function of an exhibit, its `fn` and `inputs`, and a seed, and returns whether `fn` passed. The peers get the
floating inputs as NumPy arrays and call forward and backward with them; parameters of Modules stay as they are.

Imports: minigen, PyTorch. Read next: ``gradcheck_comparison.py``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from museum.gradients.exhibits import Exhibit

import minigen as mg
from minigen import nn
from minigen_kernels import Array

Arrays = list[Array]
TensorFunction = Callable[..., list[mg.Tensor]]


# The functions under test, as peers see them: arrays in, arrays out, and a backward.


def subject(fn: Callable[..., Any], inputs: Sequence[Any]) -> tuple[TensorFunction, Arrays]:
    """`fn` as a function of its floating inputs alone, which gives the list of its floating outputs; and the inputs."""
    places = [i for i, x in enumerate(inputs) if isinstance(x, np.ndarray) and x.dtype.kind == "f"]
    fn = copy.deepcopy(fn).to(dtype=np.float64) if isinstance(fn, nn.Module) else fn

    def f(*tensors: mg.Tensor) -> list[mg.Tensor]:
        arguments = list(inputs)
        for i, t in zip(places, tensors, strict=True):
            arguments[i] = t
        result = fn(*arguments)
        several = list(result) if isinstance(result, (tuple, list)) else [result]
        return [y for y in several if y.dtype.kind == "f"]

    return f, [np.array(inputs[i], order="C") for i in places]


def tensors_of(arrays: Arrays) -> list[mg.Tensor]:
    """Leaves that share their memory with the arrays: who changes one changes the other."""
    return [mg.Tensor(x, requires_grad=True) for x in arrays]


def values(f: TensorFunction, arrays: Arrays) -> Arrays:
    """The outputs."""
    return [y.numpy() for y in f(*tensors_of(arrays))]


def pull_back(f: TensorFunction, arrays: Arrays, cotangents: Arrays) -> Arrays:
    """The gradient that training would use, for these cotangents."""
    xs = tensors_of(arrays)
    return [g.numpy() for g in gradient(f(*xs), xs, [mg.Tensor(c) for c in cotangents], create_graph=False)]


def gradient(ys: list[mg.Tensor], xs: list[mg.Tensor], gys: list[mg.Tensor], *, create_graph: bool) -> list[mg.Tensor]:
    """The sum over the outputs of gy.dy/dx, for each x."""
    total = [mg.Tensor(np.zeros(x.shape)) for x in xs]
    for y, gy in zip(ys, gys, strict=True):
        if y.requires_grad:
            parts = mg.grad(y, xs, gy, create_graph=create_graph)
            total = [part if len(ys) == 1 else t + part for t, part in zip(total, parts, strict=True)]
    return total


def gradient_function(f: TensorFunction, inputs: int) -> TensorFunction:
    """The gradient of `f` as a function of its inputs and of the cotangents."""

    def g(*tensors: mg.Tensor) -> list[mg.Tensor]:
        xs, gys = list(tensors[:inputs]), list(tensors[inputs:])
        return gradient(f(*xs), xs, gys, create_graph=True)

    return g


# The checkers. Each returns whether the function passed.


def minigen(exhibit: Exhibit, fn: Callable[..., Any], inputs: Sequence[Any], seed: int) -> bool:
    """The checker of this project."""
    return mg.gradcheck(fn, *inputs, order=exhibit.order, seed=seed, raise_on_failure=False).ok


def pytorch(exhibit: Exhibit, fn: Callable[..., Any], inputs: Sequence[Any], seed: int) -> bool:
    """torch.autograd.gradcheck and gradgradcheck of a torch.autograd.Function that calls our forward and backward."""
    import torch

    class Level(torch.autograd.Function):
        """The function (level 0), or the gradient of the level below, whose backward is the level above."""

        @staticmethod
        def forward(ctx: Any, f: TensorFunction, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
            ctx.f, ctx.tensors = f, tensors
            ctx.save_for_backward(*tensors)
            below = getattr(f, "below", None)
            arrays = [t.detach().numpy() for t in tensors]
            if below is None:
                results = values(f, arrays)
            else:  # the gradient that training uses, not the recorded one
                results = pull_back(below, arrays[: f.inputs], arrays[f.inputs :])
            return tuple(torch.from_numpy(np.array(y, dtype=y.dtype)) for y in results)

        @staticmethod
        def backward(ctx: Any, *gys: torch.Tensor) -> tuple[Any, ...]:
            tensors = ctx.saved_tensors
            above: Any = gradient_function(ctx.f, len(tensors))
            above.below, above.inputs = ctx.f, len(tensors)
            return None, *Level.apply(above, *tensors, *gys)

    f, arrays = subject(fn, inputs)
    torch.manual_seed(seed)
    leaves = [torch.zeros(x.shape, dtype=torch.float64).copy_(torch.tensor(x)).requires_grad_() for x in arrays]

    def call(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return Level.apply(f, *tensors)

    passed = torch.autograd.gradcheck(call, leaves, raise_exception=False)
    if passed and exhibit.order > 1:
        passed = torch.autograd.gradgradcheck(call, leaves, raise_exception=False)
    return passed


def jax_way(exhibit: Exhibit, fn: Callable[..., Any], inputs: Sequence[Any], seed: int) -> bool:
    """One direction, one cotangent, two inner products."""
    rng = np.random.default_rng(seed)
    f, xs = subject(fn, inputs)
    for _ in range(exhibit.order):
        if not passes_along(f, xs, rng, step=1e-4, atol=1e-5, rtol=1e-5, unit=False):
            return False
        f = at_its_own_value(f)
    return True


def at_its_own_value(f: TensorFunction) -> TensorFunction:
    """The gradient of `f` for its own value as cotangent."""

    def g(*xs: mg.Tensor) -> list[mg.Tensor]:
        ys = f(*xs)
        return gradient(ys, list(xs), ys, create_graph=True)

    return g


def chainer_way(exhibit: Exhibit, fn: Callable[..., Any], inputs: Sequence[Any], seed: int) -> bool:
    """One unit direction, and a look at whether the function is smooth along it."""
    rng = np.random.default_rng(seed)
    f, xs = subject(fn, inputs)
    if not passes_along(f, xs, rng, step=1e-3, atol=1e-5, rtol=1e-4, unit=True, smooth=True):
        return False
    if exhibit.order == 1:
        return True
    gys = [rng.standard_normal(y.shape) for y in values(f, xs)]
    return passes_along(gradient_function(f, len(xs)), [*xs, *gys], rng, step=1e-3, atol=1e-4, rtol=1e-3, unit=True)


def passes_along(
    f: TensorFunction,
    xs: Arrays,
    rng: np.random.Generator,
    *,
    step: float,
    atol: float,
    rtol: float,
    unit: bool,
    smooth: bool = False,
) -> bool:
    """Do both sides agree for one random direction (of length 1 if `unit`) and one random cotangent?"""
    d = [rng.standard_normal(x.shape) for x in xs]
    if unit:
        length = np.sqrt(sum((part**2).sum() for part in d)) or 1.0
        d = [part / length for part in d]
    gys = [rng.standard_normal(y.shape) for y in values(f, xs)]

    def along(t: float) -> float:
        ys = values(f, [x + t * part for x, part in zip(xs, d, strict=True)])
        return float(sum((gy * y).sum() for gy, y in zip(gys, ys, strict=True)))

    if smooth:
        t = np.linspace(-1, 1, 9)
        y = np.array([along(step * place) for place in t])
        rest = y - np.polynomial.Polynomial.fit(t, y, 2)(t)
        if np.abs(rest).max() > 1e-2 * np.ptp(y) + 1e-12 * np.abs(y).max():
            return False
    numeric = (along(step) - along(-step)) / (2 * step)
    analytic = sum((g * part).sum() for g, part in zip(pull_back(f, xs, gys), d, strict=True))
    return bool(np.allclose(analytic, numeric, rtol=rtol, atol=atol))


def dezero_way(exhibit: Exhibit, fn: Callable[..., Any], inputs: Sequence[Any], seed: int) -> bool:
    """Every element, with ones as cotangent."""
    f, xs = subject(fn, inputs)
    gys = [np.ones(y.shape) for y in values(f, xs)]
    numeric, analytic = element_by_element(f, xs, gys, 1e-4), pull_back(f, xs, gys)
    return all(np.allclose(n, a, rtol=1e-4, atol=1e-5) for n, a in zip(numeric, analytic, strict=True))


def naive(exhibit: Exhibit, fn: Callable[..., Any], inputs: Sequence[Any], seed: int) -> bool:
    """Every element, with a random cotangent and a relative error."""
    rng = np.random.default_rng(seed)
    f, xs = subject(fn, inputs)
    gys = [rng.standard_normal(y.shape) for y in values(f, xs)]
    for n, a in zip(element_by_element(f, xs, gys, 1e-5), pull_back(f, xs, gys), strict=True):
        if not np.all(np.abs(n - a) <= 1e-6 * np.maximum(np.abs(n) + np.abs(a), 1e-8)):
            return False
    return True


def element_by_element(f: TensorFunction, xs: Arrays, gys: Arrays, step: float) -> Arrays:
    """Central differences of gy.f, a pair of evaluations for each element."""
    gradients = [np.zeros(x.shape) for x in xs]
    for x, g in zip(xs, gradients, strict=True):
        for i in np.ndindex(x.shape):
            before = x[i]
            sides = []
            for moved in (before + step, before - step):
                x[i] = moved
                sides.append(sum((gy * y).sum() for gy, y in zip(gys, values(f, xs), strict=True)))
            x[i] = before
            g[i] = (sides[0] - sides[1]) / (2 * step)
    return gradients


CHECKERS = {
    "minigen": minigen,
    "PyTorch": pytorch,
    "JAX's way": jax_way,
    "Chainer's way": chainer_way,
    "DeZero's way": dezero_way,
    "naive": naive,
}
