"""Optimizers: SGD, RMSprop, Adam, AdamW. They walk over the parameters; the formulas are kernels, one pass over memory.

An optimizer is two methods: `init_state` makes the arrays that belong to a parameter, `update` changes parameter and
arrays in place. All that it remembers is in these arrays and in `lr`, so `state_dict` can save it and a resumed run
continues with the same bits. Names, defaults and numbers are PyTorch's.

Imports: tensor, kernels. Read next: ``minigen_kernels/reference/optim.py`` for the formulas, then ``schedules.py``.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping
from typing import Any, final

import numpy as np

from minigen.device import array_module, device_of, to_device
from minigen.optim.settings import number
from minigen.tensor import Tensor, note_change
from minigen_kernels import Array, for_array

State = dict[str, Array]  # what an optimizer remembers of one parameter


class Optimizer(abc.ABC):
    """The base of all optimizers; a subclass stores its settings, calls this `__init__`, and states two methods.

    `params` are the Tensors to train, usually ``module.parameters()``: each once, made by nobody (leaves), float. `lr`
    is the learning rate; it may be set at any time. Make the optimizer after ``module.to(...)``.
    """

    params: list[Tensor]
    states: list[State]

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        self.lr = lr
        self.params = _checked_parameters(type(self).__name__, params)
        self.states = [self.init_state(p.data) for p in self.params]

    @property
    def lr(self) -> float:
        """The learning rate of the next step: finite, at least 0."""
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        self._lr = number(type(self).__name__, "lr", value)

    @abc.abstractmethod
    def init_state(self, p: Array) -> State:
        """The arrays, by name, that the optimizer remembers of a parameter, as they are before the first step."""

    @abc.abstractmethod
    def update(self, p: Array, g: Array, state: State) -> None:
        """One step: change the parameter `p` and the arrays of `state` in place. The gradient `g` has any strides."""

    @final
    def step(self) -> None:
        """Update every parameter that has a gradient; those without, and frozen ones, stay as they are.

        The arrays change in place: what was computed from the old values cannot be differentiated after this.
        """
        for i, p in enumerate(self.params):
            if p.grad is None or not p.requires_grad:
                continue
            try:
                self.update(p.data, p.grad.data, self.states[i])
            except ValueError as error:
                hint = "if the module was moved or converted since, make a new optimizer"
                raise ValueError(f"{type(self).__name__}.step: parameter {i}: {error}; {hint}") from error
            note_change(p)

    @final
    def zero_grad(self) -> None:
        """Forget all gradients, so that the next backward starts from nothing."""
        for p in self.params:
            p.grad = None

    @final
    def state_dict(self) -> dict[str, Array]:
        """A copy of all that is needed to continue, as NumPy arrays: "lr", and "0.m" for array m of parameter 0."""
        entries = {"lr": np.array(self.lr)}
        for name, array in self._arrays().items():
            entries[name] = np.array(to_device(array, "cpu"), order="C")
        return entries

    @final
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` gave. All or nothing: ValueError names every entry that does not fit."""
        own = {"lr": np.array(self.lr), **self._arrays()}
        given = {name: np.asarray(value) for name, value in state.items()}
        faults = [f"missing {name} {own[name].shape}" for name in own if name not in given]
        faults += [f"unexpected {name} {given[name].shape}" for name in given if name not in own]
        for name in own.keys() & given.keys():
            if given[name].shape != own[name].shape:
                faults.append(f"{name} has shape {given[name].shape}, wanted {own[name].shape}")
            elif given[name].dtype != own[name].dtype:
                faults.append(f"{name} has dtype {given[name].dtype}, wanted {own[name].dtype}")
            elif (name == "lr" or own[name].dtype.kind == "i") and not 0 <= given[name] < np.inf:  # a rate, a count
                faults.append(f"{name} is {given[name]}, wanted a finite number of at least 0")
        if faults:
            raise ValueError(f"{type(self).__name__}.load_state_dict: " + "; ".join(sorted(faults)))
        self.lr = float(given["lr"])
        for i, arrays in enumerate(self.states):
            for name, array in arrays.items():
                arrays[name] = to_device(np.array(given[f"{i}.{name}"], order="C"), device_of(array))

    def _arrays(self) -> State:
        return {f"{i}.{name}": array for i, state in enumerate(self.states) for name, array in state.items()}


@final
class SGD(Optimizer):
    """Gradient descent: p <- p - lr b, with b <- momentum b + g (Polyak 1964), b = g without momentum.

    `nesterov` takes g + momentum b instead of b (Sutskever et al. 2013). `weight_decay` w adds w p to g.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        self.momentum = number("SGD", "momentum", momentum, high=1)
        self.nesterov = bool(nesterov)
        self.weight_decay = number("SGD", "weight_decay", weight_decay)
        if nesterov and not momentum:
            raise ValueError("SGD: nesterov needs a momentum above 0, got momentum=0")
        super().__init__(params, lr)

    def init_state(self, p: Array) -> State:
        return {"momentum_buffer": array_module(p).zeros_like(p)} if self.momentum else {}

    def update(self, p: Array, g: Array, state: State) -> None:
        buffer = state["momentum_buffer"] if self.momentum else p  # without momentum the kernel leaves it alone
        for_array(p).sgd_update(p, g, buffer, self.lr, self.momentum, self.nesterov, self.weight_decay)


@final
class RMSprop(Optimizer):
    """The gradient over the root of its mean square (Tieleman and Hinton 2012, lecture 6.5): p <- p - lr d.

    s <- alpha s + (1 - alpha) g^2, d = g / (sqrt(s) + eps), which `momentum` accumulates as in `SGD`. `weight_decay` w
    adds w p to g.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-2,
        *,
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        self.alpha = number("RMSprop", "alpha", alpha, high=1)
        self.eps = number("RMSprop", "eps", eps, ends="()")
        self.momentum = number("RMSprop", "momentum", momentum, high=1)
        self.weight_decay = number("RMSprop", "weight_decay", weight_decay)
        super().__init__(params, lr)

    def init_state(self, p: Array) -> State:
        zeros = array_module(p).zeros_like
        return {"square_avg": zeros(p), "momentum_buffer": zeros(p)} if self.momentum else {"square_avg": zeros(p)}

    def update(self, p: Array, g: Array, state: State) -> None:
        buffer = state["momentum_buffer"] if self.momentum else p  # without momentum the kernel leaves it alone
        for_array(p).rmsprop_update(
            p, g, state["square_avg"], buffer, self.lr, self.alpha, self.eps, self.momentum, self.weight_decay
        )


class _AdamFamily(Optimizer):
    """What Adam and AdamW share: all but the place where the weights decay."""

    decoupled: bool

    def __init__(
        self, params: Iterable[Tensor], lr: float, betas: tuple[float, float], eps: float, weight_decay: float
    ) -> None:
        name = type(self).__name__
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise TypeError(f"{name}: betas must be a pair of numbers, got {betas!r}")
        self.beta1, self.beta2 = (number(name, f"beta{i}", beta, high=1) for i, beta in enumerate(betas, 1))
        self.eps = number(name, "eps", eps, ends="()")
        self.weight_decay = number(name, "weight_decay", weight_decay)
        super().__init__(params, lr)

    @final
    def init_state(self, p: Array) -> State:
        zeros = array_module(p).zeros_like
        return {"m": zeros(p), "v": zeros(p), "step": np.zeros((), np.int64)}

    @final
    def update(self, p: Array, g: Array, state: State) -> None:
        # Counted per parameter: one that was frozen for a while must not miss the bias correction of its first steps.
        step = int(state["step"]) + 1
        betas = self.beta1, self.beta2
        for_array(p).adam_update(
            p, g, state["m"], state["v"], step, self.lr, *betas, self.eps, self.weight_decay, self.decoupled
        )
        state["step"][...] = step


@final
class Adam(_AdamFamily):
    """Adam (Kingma and Ba 2015, arXiv:1412.6980, algorithm 1): p <- p - lr mhat / (sqrt(vhat) + eps).

    m and v are running means of g and g^2, with weights `betas`; mhat and vhat are free of their bias towards the
    zeros that they start from. `weight_decay` w adds w p to g.
    """

    decoupled = False

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)


@final
class AdamW(_AdamFamily):
    """Adam whose weights decay by themselves: first p <- p - lr w p (Loshchilov and Hutter 2019, arXiv:1711.05101).

    In `Adam` the decay is a part of g, and is divided by sqrt(vhat) like all of it: large gradients switch it off.
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)


def _checked_parameters(owner: str, params: Iterable[Tensor]) -> list[Tensor]:
    """The parameters as a list; an error for what cannot be trained. Arrays that are not C-contiguous are copied."""
    hint = "give module.parameters()"
    if isinstance(params, Tensor) or not isinstance(params, Iterable):
        raise TypeError(f"{owner}: params must be several Tensors, got {type(params).__name__}; {hint}")
    found = list(params)
    if not found:
        raise ValueError(f"{owner}: params is empty, there is nothing to train; {hint}")
    places: dict[int, int] = {}
    for i, p in enumerate(found):
        if not isinstance(p, Tensor):
            raise TypeError(f"{owner}: parameter {i} is not a Tensor but {type(p).__name__}; {hint}")
        if p.dtype.kind != "f":
            raise TypeError(f"{owner}: parameter {i} is {p.dtype}; only float32 and float64 can be trained")
        if p.node is not None:
            made = type(p.node).__name__
            raise ValueError(f"{owner}: parameter {i} was made by {made}; only leaves can be trained, so {hint}")
        if places.setdefault(id(p), i) != i:
            raise ValueError(f"{owner}: parameters {places[id(p)]} and {i} are the same Tensor; give each once")
    for p in found:
        if not p.data.flags.c_contiguous:  # the kernels write in place, and only to contiguous arrays
            p.data = array_module(p.data).ascontiguousarray(p.data)
    return found
