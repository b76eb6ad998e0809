"""The base of all optimizers: which parameters move, in what order and with what memory; saving and resuming.

An optimizer is two methods: `init_state` makes the arrays that belong to a parameter, `update` changes parameter and
arrays in place. All that it remembers is in these arrays and in `lr`, so `state_dict` can save it and a resumed run
continues with the same bits.

Imports: tensor, kernels. Read next: ``optimizers.py``, then ``side_by_side.py``.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, final

import numpy as np

from minigen.device import array_module, device_of, to_device
from minigen.optim.settings import number
from minigen.optim.side_by_side import Layout, State
from minigen.tensor import Tensor, note_change
from minigen_kernels import Array


class Optimizer(abc.ABC):
    """The base of all optimizers; a subclass stores its settings, calls this `__init__`, and states two methods.

    `params` are the Tensors to train, usually ``module.parameters()``: each once, made by nobody (leaves), float. `lr`
    is the learning rate; it may be set at any time. Make the optimizer after ``module.to(...)``: on a GPU it moves the
    parameters side by side, and ``p.data`` are new arrays of the same values.
    """

    #: Does `update` treat every element by itself? Then several parameters may come to it as one flat array.
    elementwise: ClassVar[bool] = False

    params: list[Tensor]
    states: list[State]

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        self.lr = lr
        self.params = _checked_parameters(type(self).__name__, params)
        self.states = [self.init_state(p.data) for p in self.params]
        self._layout: Layout | None = None
        self._laid_out()

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_layout": None}  # in a copy of the optimizer its views would be views no more

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
        active = [i for i, p in enumerate(self.params) if p.grad is not None and p.requires_grad]
        for run in self._laid_out().runs(self.params, self.states, active):
            first, *others = run.numbers
            try:
                self.update(run.p, run.g, run.state)
            except ValueError as error:
                hint = "if the module was moved or converted since, make a new optimizer"
                raise ValueError(f"{type(self).__name__}.step: parameter {first}: {error}; {hint}") from error
            note_change(self.params[first])
            for i in others:
                note_change(self.params[i])
                for name, array in self.states[i].items():
                    if name in run.counts:
                        array[...] = run.state[name]

    def _laid_out(self) -> Layout:
        """The arrays as they are now, side by side where that pays."""
        if self._layout is None or not self._layout.holds(self.params, self.states):
            self._layout = Layout(self.params, self.states) if self.elementwise else Layout([], [])
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
