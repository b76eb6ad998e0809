"""The base class of all optimizers: parameters, their state, the step; saving and loading.

An optimizer has three methods: `configure` keeps the settings, `init_state` makes the state of a parameter (arrays by
name), `update` changes parameter and state in place. The whole state is in these arrays and in `lr`, so a run that is
resumed from a `state_dict` continues with the same bits.

Imports: autograd, kernels. Read next: ``optimizers.py``, then ``multi_tensor.py``.
"""

from __future__ import annotations

import abc
import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, final

import numpy as np

from minigen.autograd import Tensor
from minigen.autograd.changes import note_changes
from minigen.device import device_of, refuse_masked, to_device
from minigen.optim.groups import Group, Parameters, split_groups
from minigen.optim.multi_tensor import State, calls, listed
from minigen.optim.settings import check_number
from minigen.shapes import by_name, shown
from minigen_kernels import Array, Arrays


class Optimizer(abc.ABC):
    """The base class of all optimizers. A subclass passes its settings to this `__init__`, and defines three methods.

    `params` are the Tensors to train, usually ``module.parameters()``: different float leaves. Or they are groups with
    settings of their own, ``[{"params": ..., "lr": 1e-4}, {"params": ..., "weight_decay": 0}]``; the other arguments
    are the defaults. `lr` is the learning rate; it may be set at any time, and the rates of groups keep their ratio to
    it. Make the optimizer after ``module.to(...)``: its state lies where the parameters are.
    """

    #: Whether `update` takes several parameters in one call: lists in place of p, g and each array of the state.
    takes_lists: ClassVar[bool] = False

    params: list[Tensor]
    states: list[State]

    def __init__(self, params: Parameters, lr: float, **settings: Any) -> None:
        self._name, self._settings = type(self).__name__, settings
        self._group_optimizers: list[Optimizer] = []  # for each group a copy with its settings
        self.configure(**settings)
        self.lr = self._initial_lr = lr
        lists, own = split_groups(self._name, params, ("lr", *settings))
        self.params = [p for tensors in lists for p in tensors]
        self._group_of = [k for k, tensors in enumerate(lists) for _ in tensors]
        self._group_optimizers = [self._group_optimizer(k, given) for k, given in enumerate(own or ())]
        self.states = self.initial_states()

    def configure(self, *_: Any, **settings: Any) -> None:
        """Check the settings and keep them as attributes; `_name` is the optimizer or the group, for errors."""
        if settings:
            raise TypeError(f"{self._name}: {', '.join(settings)} given, and no `configure` that keeps them")

    def _group_optimizer(self, k: int, own: Mapping[str, Any]) -> Optimizer:
        """A copy with the settings of group k."""
        member = copy.copy(self)
        member._name = f"{self._name}, group {k}"
        member._settings = {**self._settings, **own}
        lr = member._settings.pop("lr", self.lr)
        member.configure(**member._settings)
        member.lr = member._initial_lr = lr
        if member.lr and not self.lr:
            raise ValueError(f"{member._name}: lr is {lr} where that of the optimizer is 0, and has no ratio to it")
        return member

    def __repr__(self) -> str:
        plain = {
            name: value for name, value in vars(self).items() if isinstance(value, (int, float)) and name[0] != "_"
        }
        count = sum(p.size for p in self.params)
        shown = ", ".join(f"{name}={value:g}" for name, value in {"lr": self.lr, **plain}.items())
        return f"{type(self).__name__}({shown}; {len(self.params)} parameters of {count:,} numbers)"

    @property
    def lr(self) -> float:
        """The learning rate of the next step: finite, at least 0. When it is set, those of groups keep their ratio."""
        if (noted := _noted.get()) is not None and not noted.inside:
            noted.rate_was_read = True
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        if (noted := _noted.get()) is not None:
            noted.rate_was_read = True
        self._lr = check_number(self._name, "lr", value)
        for member in self._group_optimizers:
            member._lr = self._lr / self._initial_lr * member._initial_lr if self._initial_lr else self._lr

    @property
    def groups(self) -> list[Group]:
        """The parameter groups as they are now, with their settings; a single one if no groups were given."""
        if not self._group_optimizers:
            return [Group(self.params, self.lr, self._settings)]
        return [
            Group([p for p, g in zip(self.params, self._group_of) if g == k], member.lr, member._settings)
            for k, member in enumerate(self._group_optimizers)
        ]

    def settings_of(self, i: int) -> Optimizer:
        """An optimizer with the settings of parameter `i` as attributes: those of its group, if there are groups."""
        return self._group_optimizers[self._group_of[i]] if self._group_optimizers else self

    @final
    def initial_states(self) -> list[State]:
        """The initial state of each parameter."""
        return [self.settings_of(i).init_state(p.data) for i, p in enumerate(self.params)]

    @abc.abstractmethod
    def init_state(self, p: Array) -> State:
        """The initial state of a parameter: arrays by name."""

    @abc.abstractmethod
    def update(self, p: Arrays, g: Arrays, state: dict[str, Arrays]) -> None:
        """One step: change the parameter `p` and the arrays of `state` in place. `g` may have any strides."""

    @final
    def step(self) -> None:
        """Update every parameter that has a gradient and is not frozen.

        The arrays change in place, so results computed before can no longer be differentiated.
        """
        if (noted := _noted.get()) is not None:
            noted.inside = True
            noted.steps.append((self, [p.grad for p in self.params]))
        active = [i for i, p in enumerate(self.params) if p.grad is not None and p.requires_grad]
        alone = [[i] for i in active]
        for indices in calls(self.params, self.states, self._group_of, active) if self.takes_lists else alone:
            if len(indices) > 1:
                try:
                    self._update(indices)
                except ValueError:  # before anything was changed. One by one, to find out for which of them
                    for i in indices:
                        self._update_one(i)
            else:
                self._update_one(indices[0])
            note_changes([self.params[i] for i in indices])
        if noted is not None:
            noted.inside = False

    def _update(self, indices: list[int]) -> None:
        """Update several parameters by one call."""
        p = [self.params[i].data for i in indices]
        g = [self.params[i].grad.data for i in indices]  # type: ignore[union-attr]
        self.settings_of(indices[0]).update(p, g, listed([self.states[i] for i in indices]))

    def _update_one(self, i: int) -> None:
        p, g = self.params[i], self.params[i].grad
        assert g is not None
        try:
            self.settings_of(i).update(p.data, g.data, self.states[i])
        except ValueError as error:
            hint = "if the module was moved or converted since, make a new optimizer"
            raise ValueError(f"{type(self).__name__}.step: parameter {i}: {error}; {hint}") from error

    @final
    def zero_grad(self) -> None:
        """Set all gradients to None."""
        for p in self.params:
            p.grad = None

    @final
    def state_dict(self) -> dict[str, Array]:
        """A copy of the state as NumPy arrays: "lr", and "0.m" for array m of parameter 0."""
        entries = {"lr": np.array(self.lr)}
        for name, array in self._arrays().items():
            entries[name] = np.array(to_device(array, "cpu"), order="C")
        return entries

    @final
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load the result of `state_dict`. All or nothing: ValueError names every entry that does not fit."""
        own = {"lr": np.array(self.lr), **self._arrays()}
        owner = f"{type(self).__name__}.load_state_dict"
        given = {name: _as_array(owner, name, value) for name, value in by_name(owner, "state", state).items()}
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


class Noted:
    """The steps of optimizers with the gradients of their parameters; and whether a rate was read or set elsewhere."""

    def __init__(self) -> None:
        self.steps: list[tuple[Optimizer, list[Tensor | None]]] = []
        self.inside = False  # of a step
        self.rate_was_read = False


_noted: ContextVar[Noted | None] = ContextVar("noted", default=None)


@contextmanager
def noting_steps(noted: Noted | None = None) -> Iterator[Noted]:
    """Inside of the ``with`` block, note what a recorded graph has to know of optimizers."""
    noted = Noted() if noted is None else noted
    token = _noted.set(noted)
    try:
        yield noted
    finally:
        _noted.reset(token)


def _as_array(owner: str, name: str, value: Any) -> Array:
    """An entry of a state as a NumPy array."""
    refuse_masked(f"{owner}: {name}", value)
    try:
        return np.asarray(value.numpy() if isinstance(value, Tensor) else value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{owner}: {name} is no array, got {shown(value)}") from error
