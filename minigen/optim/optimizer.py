"""The base of all optimizers: which parameters move, in what order and with what memory; saving and resuming.

An optimizer is three methods: `configure` keeps the settings, `init_state` makes the arrays that belong to a parameter,
`update` changes parameter and arrays in place. All that it remembers is in these arrays and in `lr`, so `state_dict`
can save it and a resumed run continues with the same bits.

Imports: tensor, kernels. Read next: ``optimizers.py``, then ``multi_tensor.py``.
"""

from __future__ import annotations

import abc
import copy
from collections.abc import Mapping
from typing import Any, ClassVar, final

import numpy as np

from minigen.autograd import Tensor, note_change
from minigen.device import device_of, refuse_masked, to_device
from minigen.optim.groups import Group, Parameters, split
from minigen.optim.multi_tensor import Layout, State
from minigen.optim.settings import number
from minigen.shapes import by_name, shown
from minigen_kernels import Array


class Optimizer(abc.ABC):
    """The base of all optimizers; a subclass hands its settings to this `__init__`, and states the methods below.

    `params` are the Tensors to train, usually ``module.parameters()``: each once, made by nobody (leaves), float. Or
    they are groups with settings of their own, ``[{"params": ..., "lr": 1e-4}, {"params": ..., "weight_decay": 0}]``;
    what a group does not say is as for the others. `lr` is the learning rate; it may be set at any time, and the rates
    of groups keep their ratio to it. Make the optimizer after ``module.to(...)``: on a GPU it moves the parameters side
    by side, and ``p.data`` are new arrays of the same values.
    """

    #: Does `update` treat every element by itself? Then several parameters may come to it as one flat array.
    elementwise: ClassVar[bool] = False

    params: list[Tensor]
    states: list[State]

    def __init__(self, params: Parameters, lr: float, **settings: Any) -> None:
        self._name, self._settings = type(self).__name__, settings
        self._members: list[Optimizer] = []  # if there are groups: for each a copy of this that has its settings
        self.configure(**settings)
        self.lr = self._first_lr = lr
        lists, own = split(self._name, params, ("lr", *settings))
        self.params = [p for tensors in lists for p in tensors]
        self._group_of = [k for k, tensors in enumerate(lists) for _ in tensors]
        self._members = [self._group_optimizer(k, given) for k, given in enumerate(own or ())]
        self.states = self.initial_states()
        self._layout: Layout | None = None
        self._current_layout()

    def configure(self, *_: Any, **settings: Any) -> None:
        """Check the settings and keep them as attributes, for all parameters or for a group; `_name` is for errors."""
        if settings:
            raise TypeError(f"{self._name}: {', '.join(settings)} given, and no `configure` that keeps them")

    def _group_optimizer(self, k: int, own: Mapping[str, Any]) -> Optimizer:
        """A copy with the settings of group k."""
        member = copy.copy(self)
        member._name = f"{self._name}, group {k}"
        member._settings = {**self._settings, **own}
        lr = member._settings.pop("lr", self.lr)
        member.configure(**member._settings)
        member.lr = member._first_lr = lr
        if member.lr and not self.lr:
            raise ValueError(f"{member._name}: lr is {lr} where that of the optimizer is 0, and has no ratio to it")
        return member

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_layout": None}  # in a copy of the optimizer its views would be views no more

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
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        self._lr = number(self._name, "lr", value)
        for member in self._members:
            member._lr = self._lr / self._first_lr * member._first_lr if self._first_lr else self._lr

    @property
    def groups(self) -> list[Group]:
        """The parameter groups as they are now, with their settings; a single one if no groups were given."""
        if not self._members:
            return [Group(self.params, self.lr, self._settings)]
        return [
            Group([p for p, g in zip(self.params, self._group_of) if g == k], member.lr, member._settings)
            for k, member in enumerate(self._members)
        ]

    def settings_of(self, i: int) -> Optimizer:
        """An optimizer with the settings of parameter `i` as attributes: those of its group, if there are groups."""
        return self._members[self._group_of[i]] if self._members else self

    @final
    def initial_states(self) -> list[State]:
        """What is remembered of each parameter before the first step."""
        return [self.settings_of(i).init_state(p.data) for i, p in enumerate(self.params)]

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
        active = [i for i, p in enumerate(self.params) if p.grad is not None and p.requires_grad]
        for run in self._current_layout().slices(self.params, self.states, active):
            first, *others = run.numbers
            try:
                self.settings_of(first).update(run.p, run.g, run.state)
            except ValueError as error:
                hint = "if the module was moved or converted since, make a new optimizer"
                raise ValueError(f"{type(self).__name__}.step: parameter {first}: {error}; {hint}") from error
            note_change(self.params[first])
            for i in others:
                note_change(self.params[i])
                for name, array in self.states[i].items():
                    if name in run.counts:
                        array[...] = run.state[name]

    def _current_layout(self) -> Layout:
        """The arrays as they are now, side by side where that pays."""
        if self._layout is None or not self._layout.is_current(self.params, self.states):
            self._layout = Layout(self.params, self.states, self._group_of) if self.elementwise else Layout([], [], [])
        return self._layout

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
        owner = f"{type(self).__name__}.load_state_dict"
        given = {name: _entry(owner, name, value) for name, value in by_name(owner, "state", state).items()}
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


def _entry(owner: str, name: str, value: Any) -> Array:
    """An entry of a state as a NumPy array."""
    refuse_masked(f"{owner}: {name}", value)
    try:
        return np.asarray(value.numpy() if isinstance(value, Tensor) else value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{owner}: {name} is no array, got {shown(value)}") from error
