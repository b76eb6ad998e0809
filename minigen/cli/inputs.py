"""Inputs for a target: of the shapes that the user gives, those that the target offers, or a guess that works.

Imports: gradcheck, nn, tensor. Read next: ``gradcheck.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minigen import nn
from minigen.algorithms.options import ConfigError
from minigen.algorithms.user_code import UserCodeError, parameters_of, running
from minigen.autograd import GradientError, Tensor
from minigen.cli.drawn import Drawn
from minigen.cli.guesses import guesses
from minigen.cli.target import Target
from minigen.device import to_device
from minigen.gradcheck.checked_function import UserFunction
from minigen.gradcheck.diagnosis.contract import contract_violations
from minigen.gradcheck.linearization import Settings
from minigen.random import Generator
from minigen_kernels import Array

SHAPES = "give the shape of each input by --input-shape, for example --input-shape 2,3,8,8"
OFFER = "or let it offer them: def example_inputs(): return [an array for each input]"
WHOLE = "whole numbers are --input int:0,6:2,3"


@dataclass(frozen=True)
class Inputs:
    """The inputs of a check, and a line that says where they come from ("" where the user gave the shapes).

    `drawn`: how they were drawn, empty where the target offered them. `guessed`: the shapes were found by trying.
    """

    values: tuple[Any, ...]
    origin: str
    drawn: tuple[Drawn, ...] = ()
    guessed: bool = False


def find_inputs(target: Target, wanted: Sequence[Drawn], seed: int, device: str, dtype: str) -> Inputs:
    """Inputs for which the forward of `target` works. ConfigError or UserCodeError, with a hint, if there are none."""
    trial = Trial(target, seed, device, dtype)
    if wanted:
        _check_count(target, len(wanted))
        return trial.draw(wanted, "", f"{SHAPES}; now it is {_listed(wanted)}; {WHOLE}")
    offered = offered_inputs(target, seed)
    if offered is not None:
        inputs = tuple(moved_to(x, device) for x in offered)
        trial.forward(inputs, "example_inputs has to return what forward takes, in its order")
        return Inputs(inputs, "inputs: its own example_inputs")
    if target.most == 0:
        return Inputs((), "inputs: none")
    return _guessed(trial)


def _guessed(trial: Trial) -> Inputs:
    """The first guess that forward takes and backward does not refuse."""
    target, raised, refused = trial.target, list[UserCodeError](), list[tuple[Inputs, Exception]]()
    for shapes in guesses(target):
        wanted = [Drawn(shape) for shape in shapes]
        try:
            origin = f"inputs: {_listed(wanted)}, found by trying; --input-shape gives others"
            inputs = replace(trial.draw(wanted, origin, ""), guessed=True)
        except UserCodeError as error:
            if error.hint:  # another shape would not help
                raise
            raised.append(error)
            continue
        why = trial.refusal(inputs.values)
        if why is None:
            return inputs
        refused.append((inputs, why))
    names = f" ({', '.join(target.wanted)})" if target.wanted else ""
    if not refused:
        hint = f"No shape that was tried suits it{names}: {SHAPES}; {WHOLE}; {OFFER}"
        raise UserCodeError(raised[0].doing, raised[0].error, hint)
    first, why = refused[0]
    # What has nothing to do with shapes, or a gradient of another shape than the only input, whichever that is:
    always = isinstance(why, GradientError) and len(first.drawn) == 1 and len(refused) >= 3
    if isinstance(why, (AttributeError, NameError)) or always:
        return first  # then backward is wrong, and the checker says how
    hint = f"Its backward refuses each of the {len(refused)} guesses that its forward takes{names}: {SHAPES}; {OFFER}"
    raise UserCodeError(f"backward of {target.name}, with inputs {_listed(first.drawn)}, a guess,", why, hint)


@dataclass(frozen=True)
class Trial:
    """Runs of the forward of `target` alone, in the `dtype` of the check; `seed` and `device` are those of inputs."""

    target: Target
    seed: int
    device: str
    dtype: str

    def draw(self, wanted: Sequence[Drawn], origin: str, hint: str) -> Inputs:
        """Normal numbers where nothing else is wanted; numbers from 0.5 to 1.5, if it is not defined at those."""
        normal, positive = list(wanted), [one.positive() for one in wanted]
        refused: UserCodeError | None = None
        values = self.numbers(normal)
        try:
            if self.forward(values, hint):
                return Inputs(values, origin, tuple(normal))
        except UserCodeError as error:
            refused = error
        higher = self.numbers(positive)
        try:
            if self.forward(higher, hint):
                note = "inputs from 0.5 to 1.5, since it is not defined at normal numbers"
                return Inputs(higher, f"{origin}; {note}" if origin else note, tuple(positive))
        except UserCodeError as error:
            raise refused or error from None
        return Inputs(values, origin, tuple(normal)) if refused is None else Inputs(higher, origin, tuple(positive))

    def numbers(self, wanted: Sequence[Drawn]) -> tuple[Any, ...]:
        """What is wanted, from the seed, on the device."""
        rng = np.random.default_rng(self.seed)
        return tuple(moved_to(one.numbers(rng), self.device) for one in wanted)

    def refusal(self, inputs: tuple[Any, ...]) -> Exception | None:
        """What backward raises for these inputs, or the engine because of a gradient of another shape; else None."""
        user_function = UserFunction(self.target.call, inputs, None, self.dtype)
        ys: list[Tensor] = []
        try:
            with np.errstate(all="ignore"):
                ys = user_function.evaluate(True)
                user_function.vjp(ys, [Tensor(y.data * 0 + 1) for y in ys], False)
            return None
        except GradientError as error:
            settings = Settings(1e-6, None, 2, self.dtype)
            of_shape = any(
                e.kind in ("missing-sum", "transposed", "shape")
                for e in contract_violations(user_function, settings, error)
            )
            return error if of_shape else None  # a gradient too few, or in float32, is so for every shape
        except Exception as error:  # whatever his code raises
            return error
        finally:
            user_function.release()

    def forward(self, inputs: tuple[Any, ...], hint: str) -> bool:
        """Run forward once and say whether all that came out is finite. Nothing of a Module is changed."""
        name = self.target.name
        user_function = UserFunction(self.target.call, inputs, None, self.dtype)
        try:
            with np.errstate(all="ignore"), running(f"forward of {name}", hint):
                ys = user_function.evaluate(False)
            return all(np.isfinite(y.numpy()).all() for y in ys)
        except UserCodeError as error:
            text = str(error.error)
            if text.startswith("gradcheck: "):  # it returns no Tensor
                raise ConfigError(f"{name}: {text.removeprefix('gradcheck: ')}") from error
            if "promoted silently" in text:
                hint = f"It is checked in {self.dtype}: make constants in the dtype of the input, dtype=x.dtype"
                raise UserCodeError(error.doing, error.error, hint) from error
            raise
        finally:
            user_function.release()


def _check_count(target: Target, given: int) -> None:
    least, most = len(target.wanted), target.most
    if given < least or (most is not None and given > most):
        names = f" ({', '.join(target.wanted)})" if target.wanted else ""
        wanted = f"{least}" if most == least else f"{least} or more" if most is None else f"{least} to {most}"
        raise ConfigError(
            f"{target.name} takes {wanted} input{'' if wanted == '1' else 's'}{names}, but --input-shape was given "
            f"{given} time{'' if given == 1 else 's'}: give it once for each input"
        )


def offered_inputs(target: Target, seed: int) -> tuple[Any, ...] | None:
    """What `example_inputs` of the target gives, or None if it has none."""
    example = getattr(target.source, "example_inputs", None)
    if example is None:
        return None
    with running(f"example_inputs of {target.name}"):
        options = {"rng": Generator(seed)} if "rng" in parameters_of(example) else {}
        values = example(**options)
    values = tuple(values) if isinstance(values, (tuple, list)) else (values,)
    if not any(_dtype_kind(x) == "f" for x in values) and not _has_parameters(target.source):
        kinds = ", ".join(str(getattr(x, "dtype", type(x).__name__)) for x in values) or "nothing"
        raise ConfigError(
            f"example_inputs of {target.name} gives {kinds}: at least one input has to be of float numbers"
        )
    return values


def _dtype_kind(x: Any) -> str:
    return str(getattr(getattr(x, "dtype", None), "kind", ""))


def _has_parameters(source: Any) -> bool:
    return isinstance(source, nn.Module) and bool(source.parameters())


def moved_to(x: Any, device: str) -> Any:
    """An array or Tensor on `device`; anything else as it is."""
    if isinstance(x, Tensor):
        return x.to(device)
    if device != "cpu" and isinstance(x, np.ndarray):
        array: Array = to_device(x, device)
        return Tensor(array)
    return x


def _listed(wanted: Sequence[Drawn]) -> str:
    return " and ".join(map(str, wanted))
