"""Which array of a file becomes which entry of a network: by name, by names that are rewritten, or by order.

`match` decides it all and changes nothing; `Plan.check` is one error with everything that does not fit; `Plan.apply`
gives the network its weights, all or none.

Imports: nn, serialization, slots. Read next: ``files.py``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from minigen import nn
from minigen.display.blocks import Mark, facts, frame, note, safely, table
from minigen.serialization import CheckpointError
from minigen.weights.conventions import COUNTER
from minigen.weights.slots import Slot, slots
from minigen_kernels import Array

SHOWN = 12  # misfits that an error names
MOST = 100  # rows that a notebook shows
PARAMETRIZED = "parametrizations."
NORMED = {".original0": ".original1", "_g": "_v"}  # how names of weight norm's length and direction end


@dataclass(frozen=True)
class Move:
    """An array of the file and the entry that it becomes; `how` says what is done with it, "" if nothing."""

    source: str
    slot: Slot
    array: Array
    how: str = ""


@dataclass
class Plan:
    """What goes where; `faults` is all that does not fit, `notes` what a user should know."""

    module: nn.Module
    file: str
    moves: list[Move] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def check(self) -> None:
        """CheckpointError with everything that does not fit, and what could help."""
        if self.faults:
            more = len(self.faults) - SHOWN
            several = f"; and {more} more" if more > 0 else ""
            hints = "".join(f". {note}" for note in self.notes)
            raise CheckpointError(
                f"cannot load {self.file}, which does not fit: {'; '.join(self.faults[:SHOWN])}{several}{hints}"
            )

    def apply(self) -> None:
        """Give the network its weights. CheckpointError as in `check`; it is then unchanged."""
        self.check()
        self.module.load_state_dict({move.slot.name: move.array for move in self.moves})

    def _repr_html_(self) -> str:
        return safely(_plan_html, self)

    def table(self) -> str:
        """A line for each entry: its name, its shape, and where it comes from."""
        rows = [("entry", "shape", "from", "")]
        rows += [(m.slot.name, _shape(m.slot.tensor.shape), m.source, m.how) for m in self.moves]
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        return "\n".join(
            "  ".join([*(f"{cell:<{width}}" for cell, width in zip(row, widths)), row[3]]).rstrip() for row in rows
        )


def _plan_html(plan: Plan) -> str:
    rows = [[m.slot.name, _shape(m.slot.tensor.shape), m.source, m.how] for m in plan.moves]
    shown = table(("entry", "shape", "from", ""), rows[:MOST])
    more = [f"... and {len(rows) - MOST} more"] if len(rows) > MOST else []
    faults = facts([("does not fit", Mark(fault)) for fault in plan.faults[:MOST]])
    return frame(f"{plan.file} into {type(plan.module).__name__}", shown, faults, *map(note, [*more, *plan.notes]))


def match(
    module: nn.Module,
    found: Mapping[str, Array],
    file: str = "the state",
    *,
    renames: Sequence[tuple[str, str]] = (),
    by_order: bool = False,
) -> Plan:
    """The plan for arrays `found` by PyTorch's names or minigen's.

    `renames` are pairs (old, new): a name that begins with `old` begins with `new` instead, the longest first. With
    `by_order` names say nothing: the first array is the first entry of `state_dict`, and so on.
    """
    plan = Plan(module, file)
    arrays = {name: array for name, array in found.items() if name.rpartition(".")[2] != COUNTER}
    wanted = slots(module)
    arrays, made = _multiply_out(arrays, {name.rpartition(".")[2] for slot in wanted for name in slot.names})
    plan.notes += [f"Weight norm is multiplied out: {', '.join(made)}"] if made else []
    if by_order:
        _pair_by_order(plan, wanted, arrays)
    else:
        _pair_by_name(plan, wanted, arrays, renames)
    return plan


def _multiply_out(arrays: Mapping[str, Array], known: Collection[str]) -> tuple[dict[str, Array], list[str]]:
    """The arrays with the product g v / |v| for each pair of PyTorch's weight norm, and the names of the products.

    The norm is over the axes in which g has the length 1. Names that end with one of `known` are no such pairs.
    """
    found, made = dict(arrays), []
    for name, g in arrays.items():
        end = next((end for end in NORMED if name.endswith(end)), None)
        v = None if end is None else arrays.get(name.removesuffix(end) + NORMED[end])
        if end is None or v is None or name.rpartition(".")[2] in known:
            continue
        if g.ndim in (0, v.ndim) and all(n in (1, m) for n, m in zip(g.shape, v.shape)):
            axes = tuple(i for i in range(v.ndim) if not g.ndim or g.shape[i] == 1)
            direction = v.astype(np.float64)
            with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
                direction /= np.sqrt(np.square(direction).sum(axes, keepdims=True))
                product = (g * direction).astype(v.dtype)
            made.append(name.removesuffix(end).replace(PARAMETRIZED, ""))
            del found[name], found[name.removesuffix(end) + NORMED[end]]
            found[made[-1]] = product
    return found, made


def _pair_by_order(plan: Plan, wanted: Sequence[Slot], arrays: Mapping[str, Array]) -> None:
    once = list({id(slot.tensor): slot for slot in reversed(wanted)}.values())[::-1]
    if len(once) != len(arrays):
        plan.faults.append(f"by order: there are {len(arrays)} arrays for {len(once)} entries")
    for slot, (name, array) in zip(once, arrays.items(), strict=False):
        add(plan, slot, name, array)


def _pair_by_name(
    plan: Plan, wanted: Sequence[Slot], arrays: Mapping[str, Array], renames: Sequence[tuple[str, str]]
) -> None:
    by_name, before = {}, dict[str, str]()
    for name in arrays:
        new = _renamed(name, renames)
        if new in before:
            plan.faults.append(f"{before[new]} and {name} are both called {new} now")
        by_name[new], before[new] = arrays[name], name
    unused = [old for old, _ in renames if not any(name.startswith(old) for name in arrays)]
    plan.faults += [f"no name begins with {old!r}, which the map names" for old in unused]
    taken: set[str] = set()
    named = {id(slot.tensor): [other for other in wanted if other.tensor is slot.tensor] for slot in wanted}
    for same in named.values():
        names = [name for slot in same for name in slot.names if name in by_name]
        taken |= set(names)
        if not names:
            slot = same[0]
            plan.faults.append(f"missing {' or '.join(other.torch for other in same)} {_shape(slot.tensor.shape)}")
            continue
        for other in names[1:]:
            if not np.array_equal(by_name[names[0]], by_name[other], equal_nan=True):
                plan.faults.append(f"{names[0]} and {other} are one tensor here, but their values differ")
        add(plan, same[0], before[names[0]], by_name[names[0]])
    left = [name for name in by_name if name not in taken]
    plan.faults += [f"unexpected {before[name]} {_shape(by_name[name].shape)}" for name in left]
    if plan.faults:
        plan.notes += _advice([name for slot in wanted for name in slot.names], list(by_name))


def add(plan: Plan, slot: Slot, source: str, array: Array, how: str = "") -> None:
    """Add a move, or what is wrong with it."""
    there, here = array.shape, slot.tensor.shape
    with np.errstate(over="ignore"):
        cast = array.astype(slot.tensor.dtype)
    if there != here:
        plan.faults.append(f"{source} has shape {_shape(there)}, {slot.name} is {_shape(here)}")
    elif array.dtype.kind != slot.tensor.dtype.kind:
        plan.faults.append(f"{source} has dtype {array.dtype}, {slot.name} is {slot.tensor.dtype}")
    elif cast.dtype.kind == "f" and not np.isfinite(cast).all():
        plan.faults.append(f"{source} holds NaN, infinity, or numbers too large for {cast.dtype}")
    elif cast.dtype.kind != "f" and not np.array_equal(cast, array):
        plan.faults.append(f"{source} holds numbers too large for {cast.dtype}")
    else:
        change = "" if array.dtype == cast.dtype else f"{array.dtype} to {cast.dtype}"
        plan.moves.append(Move(source, slot, cast, ", ".join(filter(None, (how, change)))))


def _renamed(name: str, renames: Iterable[tuple[str, str]]) -> str:
    for old, new in sorted(renames, key=lambda pair: -len(pair[0])):
        if name.startswith(old):
            return new + name[len(old) :]
    return name


def _advice(wanted: Sequence[str], given: Sequence[str]) -> list[str]:
    """The beginning that all names of one side have and the other lacks, as DataParallel's "module."."""
    known = set(wanted)
    for start in dict.fromkeys(_beginnings(given)):
        if sum(name.startswith(start) and name[len(start) :] in known for name in given) * 2 > len(given):
            return [f"Names fit without their beginning {start!r}: --map {start}="]
    there = set(given)
    for start in dict.fromkeys(_beginnings(wanted)):
        inside = [name for name in wanted if name.startswith(start)]
        if sum(name[len(start) :] in there for name in inside) * 2 > len(given):
            part = start.rstrip(".")
            return [f"The names are those of the part {part!r}: --part {part}"]
    return []


def _beginnings(names: Iterable[str]) -> Iterable[str]:
    """Every "a.", "a.b." that one of the names begins with, the shortest first."""
    paths = [name.split(".")[:-1] for name in names]
    for depth in range(1, 4):
        for parts in paths:
            if len(parts) >= depth:
                yield ".".join(parts[:depth]) + "."


def _shape(shape: tuple[int, ...]) -> str:
    return str(tuple(shape))
