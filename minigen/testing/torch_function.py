"""The checker for PyTorch: an ``autograd.Function``, a function of tensors, or a ``torch.nn.Module``.

PyTorch runs forward and backward, to any order; the checker of this engine compares the numbers. PyTorch is imported at
the first call.

Imports: autograd, nn, gradcheck. Read next: ``findings.py``.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from minigen import nn
from minigen.autograd import Function, GradientError, Tensor, is_recording
from minigen.gradcheck import Report, gradcheck
from minigen_kernels import Array


def check_torch(function: Any, *inputs: Any, seed: int = 0, **options: Any) -> Report:
    """Check the gradients of PyTorch code at `inputs` with this engine's checker. Return a report, or raise.

    `function` is a subclass of ``torch.autograd.Function``, any function of tensors, or a ``torch.nn.Module``, whose
    trained parameters are checked too. Floating tensors and arrays among `inputs` are checked in float64 copies on the
    CPU; all else is handed on, arrays of integers as tensors. Each evaluation starts from the same random seed and the
    same buffers, so dropout and batch norm can be checked. `options` are those of `gradcheck`.

        check_torch(MyFunction, torch.randn(2, 3), order=2)

    Raises `GradientMismatch` with the diagnosis, ImportError where PyTorch is not installed, and TypeError for what
    cannot be checked.
    """
    torch = _torch()
    call: Any = function
    if inspect.isclass(function):
        call = getattr(function, "apply", None) if issubclass(function, torch.autograd.Function) else None
    if not callable(call):
        raise TypeError(
            "check_torch: give a subclass of torch.autograd.Function, a function of tensors, or a torch.nn.Module "
            f"(an object, not its class), got {function!r}"
        )
    name = getattr(function, "__name__", type(function).__name__)
    target = TorchModule(call, name, seed, torch)
    try:
        return gradcheck(target, *(_to_numpy(x, torch) for x in inputs), seed=seed, **options)
    except RuntimeError as error:
        if not _is_of_dtypes(error):
            raise
        dtype = options.get("dtype", "float64")
        cast = {"float32": "float"}.get(dtype, "double")
        # Without the trace, which leads through two engines to a line of PyTorch.
        raise TypeError(
            f"check_torch: {name} raises RuntimeError: {str(error).splitlines()[0]}. It is computed in {dtype}; "
            "tensors and modules that a function brings along keep their own dtype. Give the module itself, with the "
            f"same inputs (check_torch(module, x)), or bring them along in {dtype} (.{cast}())"
        ) from None


class TorchModule(nn.Module):
    """PyTorch code as a Module of this engine, with parameters of the same names."""

    def __init__(self, call: Any, name: str, seed: int, torch: ModuleType) -> None:
        self.__name__ = name
        self._call, self._seed, self._torch = call, seed, torch
        self._constants: dict[str, Any] = {}  # buffers, and parameters that are not trained
        self._names: tuple[str, ...] = ()
        if isinstance(call, torch.nn.Module):
            self._constants = {name: b.detach().cpu().clone() for name, b in call.named_buffers()}
            for name, p in call.named_parameters():
                if p.requires_grad:
                    setattr(self, name, nn.Parameter(_to_numpy(p, torch)))
                    self._names += (name,)
                else:
                    self._constants[name] = p.detach().cpu().clone()

    def forward(self, *inputs: Any) -> Tensor | tuple[Tensor, ...]:
        torch, positions = self._torch, [i for i, x in enumerate(inputs) if isinstance(x, Tensor)]

        def outputs(*tensors: Any) -> tuple[Any, ...]:
            """All outputs for these tensors: first those of the inputs at `positions`, then the parameters."""
            arguments = [torch.from_numpy(x.copy()) if isinstance(x, np.ndarray) else x for x in inputs]
            for i, t in zip(positions, tensors[: len(positions)], strict=True):
                arguments[i] = t
            return self._run(arguments, dict(zip(self._names, tensors[len(positions) :], strict=True)))

        kind: type[TorchFunction] = type(self.__name__, (TorchFunction,), {})  # messages name the class
        leaves = [*(inputs[i] for i in positions), *(vars(self)[name] for name in self._names)]
        first = outputs(*(torch.from_numpy(x.numpy().copy()) for x in leaves))
        ys = tuple(
            kind.apply(*leaves, call=lambda *tensors, k=k: outputs(*tensors)[k], torch=torch)
            for k, y in enumerate(first)
            if y.is_floating_point()
        )
        if not ys:
            raise TypeError(f"check_torch: no output of {self.__name__} is floating, so nothing can be differentiated")
        return ys[0] if len(ys) == 1 else ys

    def _run(self, inputs: Sequence[Any], parameters: dict[str, Any]) -> tuple[Any, ...]:
        """The outputs, from the same random state and buffers each time."""
        torch = self._torch
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.manual_seed(self._seed)
            if isinstance(self._call, torch.nn.Module):
                dtypes = [t.dtype for t in (*inputs, *parameters.values()) if torch.is_tensor(t)]
                dtype = next((d for d in dtypes if d.is_floating_point), torch.float64)
                constants = {
                    name: t.to(dtype if t.is_floating_point() else t.dtype, copy=True)
                    for name, t in self._constants.items()
                }
                y = torch.func.functional_call(self._call, {**constants, **parameters}, tuple(inputs))
            else:
                y = self._call(*inputs)
        ys = tuple(y) if isinstance(y, (tuple, list)) else (y,)
        if not ys or not all(torch.is_tensor(y) for y in ys):
            kinds = ", ".join(type(y).__name__ for y in ys) or "nothing"
            raise TypeError(f"check_torch: {self.__name__} has to return a tensor or several, got {kinds}")
        return ys


class TorchFunction(Function):
    """A function of PyTorch tensors, which gives one tensor, as an operation of this engine."""

    call: Callable[..., Any]
    torch: ModuleType

    def forward(self, *arrays: Array) -> Array:
        self.leaves = [self.torch.from_numpy(_writable(x)).requires_grad_() for x in arrays]
        self.result = self.call(*self.leaves)
        return np.asarray(self.result.detach().cpu().numpy())

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        wanted = [i for i in range(len(self.inputs)) if self.needs(i)]
        found: dict[int, Tensor]
        if is_recording():  # the gradient as an operation of the inputs and gy, which PyTorch can differentiate again
            found = {
                i: type(self).apply(*self.inputs, gy, call=_gradient_of(self.call, i, self.torch), torch=self.torch)
                for i in wanted
            }
        else:
            leaves, v = [self.leaves[i] for i in wanted], self.torch.from_numpy(_writable(gy.numpy()))
            gxs = _vjp(self.result, leaves, v, self.torch, retain_graph=True)
            found = {i: Tensor(gx.detach().numpy()) for i, gx in zip(wanted, gxs, strict=True) if gx is not None}
        return tuple(found.get(i) for i in range(len(self.inputs)))


def _gradient_of(call: Callable[..., Any], i: int, torch: ModuleType) -> Callable[..., Any]:
    """(*xs, gy) -> the gradient in x_i of gy.call(*xs), a tensor with history."""

    def gradient(*tensors: Any) -> Any:
        *xs, gy = tensors
        (gx,) = _vjp(call(*xs), [xs[i]], gy, torch, create_graph=True)
        if gx is not None and _is_once_differentiable(gx):
            raise GradientError("backward is marked with @once_differentiable, so there is no second derivative")
        return torch.zeros_like(xs[i]) if gx is None else gx

    return gradient


def _vjp(y: Any, xs: list[Any], gy: Any, torch: ModuleType, **options: bool) -> tuple[Any, ...]:
    """PyTorch's gradients, None where y does not depend on x."""
    if not y.requires_grad or not xs:
        return (None,) * len(xs)
    try:
        return torch.autograd.grad(y, xs, gy, allow_unused=True, **options)
    except RuntimeError as error:
        raise GradientError(f"PyTorch refuses to differentiate: {error}") from error


def _is_once_differentiable(gx: Any) -> bool:
    """Did PyTorch put an error in the place of the history of `gx`? Asked for one input alone, it says only None."""
    stack, seen = [gx.grad_fn], set()
    while stack:
        node = stack.pop()
        if node is not None and node not in seen:
            seen.add(node)
            if node.name().endswith("::Error"):
                return True
            stack += [above for above, _ in node.next_functions]
    return False


def _to_numpy(x: Any, torch: ModuleType) -> Any:
    """A tensor as an array that the checker knows; all else as it is."""
    if not torch.is_tensor(x):
        return x
    x = x.detach().cpu().resolve_conj().resolve_neg()
    narrow = x.is_floating_point() and x.dtype not in (torch.float32, torch.float64)
    return np.array((x.double() if narrow else x).numpy())


def _writable(x: Array) -> Array:
    """An array that PyTorch takes without a copy of its own: writable, and no stride negative."""
    return x if x.flags.writeable and all(s >= 0 for s in x.strides) else x.copy()


def _is_of_dtypes(error: RuntimeError) -> bool:
    """Does PyTorch complain that dtypes do not fit together?"""
    text = str(error).lower()
    return any(word in text for word in ("dtype", "scalar type", "double", "same type"))


def _torch() -> ModuleType:
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise ImportError(f"check_torch: PyTorch is not installed here ({error}): pip install torch") from error
