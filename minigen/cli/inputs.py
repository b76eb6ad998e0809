"""Inputs for a target: of the shapes that the user gives, its example inputs, or of guessed shapes that work.

Imports: gradcheck, nn, autograd. Read next: ``gradcheck.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minigen import nn
from minigen.algorithms.options import ConfigError
from minigen.algorithms.user_code import UserCodeError, running
from minigen.autograd import GradientError, Tensor
from minigen.cli.input_spec import InputSpec
from minigen.cli.shape_guesses import shape_guesses
from minigen.cli.target import Target
from minigen.device import to_device
from minigen.gradcheck.checked_function import UserFunction
from minigen.gradcheck.diagnosis.contract import contract_violations
from minigen.gradcheck.linearization import Settings
from minigen.testing.layer_case import offered_inputs
from minigen_kernels import Array

SHAPE_HINT = "give the shape of each input by --input-shape, for example --input-shape 2,3,8,8"
EXAMPLE_INPUTS_HINT = "or let it offer them: def example_inputs(): return [an array for each input]"
INTEGER_HINT = "whole numbers are --input int:0,6:2,3"


@dataclass(frozen=True)
class Inputs:
    """The inputs of a check, and a line that says where they come from ("" where the user gave the shapes).

    `specs`: how they were drawn, empty where the target offered them. `guessed`: the shapes were found by trying.
    """

    values: tuple[Any, ...]
    origin: str
    specs: tuple[InputSpec, ...] = ()
    guessed: bool = False


def find_inputs(target: Target, wanted: Sequence[InputSpec], seed: int, device: str, dtype: str) -> Inputs:
    """Inputs for which the forward of `target` works. ConfigError or UserCodeError, with a hint, if there are none."""
    runner = TargetRunner(target, seed, device, dtype)
    if wanted:
        _check_count(target, len(wanted))
        return runner.draw(wanted, "", f"{SHAPE_HINT}; now it is {_listed(wanted)}; {INTEGER_HINT}")
    offered = example_inputs_of(target, seed)
    if offered is not None:
        inputs = tuple(on_device(x, device) for x in offered)
        runner.forward(inputs, "example_inputs has to return what forward takes, in its order")
        return Inputs(inputs, "inputs: its own example_inputs")
    if target.max_inputs == 0:
        return Inputs((), "inputs: none")
    return _guessed(runner)


def _guessed(runner: TargetRunner) -> Inputs:
    """The first guess that forward accepts and backward does not refuse."""
    target, raised, rejected = runner.target, list[UserCodeError](), list[tuple[Inputs, Exception]]()
    for shapes in shape_guesses(target):
        wanted = [InputSpec(shape) for shape in shapes]
        try:
            origin = f"inputs: {_listed(wanted)}, found by trying; --input-shape gives others"
            inputs = replace(runner.draw(wanted, origin, ""), guessed=True)
        except UserCodeError as error:
            if error.hint:  # another shape would not help
                raise
            raised.append(error)
            continue
        cause = runner.backward_error(inputs.values)
        if cause is None:
            return inputs
        rejected.append((inputs, cause))
    names = f" ({', '.join(target.required)})" if target.required else ""
    if not rejected:
        hint = f"No shape that was tried suits it{names}: {SHAPE_HINT}; {INTEGER_HINT}; {EXAMPLE_INPUTS_HINT}"
        raise UserCodeError(raised[0].doing, raised[0].error, hint)
    first, cause = rejected[0]
    # What has nothing to do with shapes, or a gradient of another shape than the only input, whichever that is:
    always = isinstance(cause, GradientError) and len(first.specs) == 1 and len(rejected) >= 3
    if isinstance(cause, (AttributeError, NameError)) or always:
        return first  # then backward is wrong, and the checker says how
    refused = f"Its backward refuses each of the {len(rejected)} guesses that its forward takes{names}"
    hint = f"{refused}: {SHAPE_HINT}; {EXAMPLE_INPUTS_HINT}"
    raise UserCodeError(f"backward of {target.name}, with inputs {_listed(first.specs)}, a guess,", cause, hint)


@dataclass(frozen=True)
class TargetRunner:
    """Runs of the forward of `target` alone, in the `dtype` of the check; `seed` and `device` are those of inputs."""

    target: Target
    seed: int
    device: str
    dtype: str

    def draw(self, wanted: Sequence[InputSpec], origin: str, hint: str) -> Inputs:
        """Normal numbers unless a range is given; numbers from 0.5 to 1.5 if forward is not defined at normal ones."""
        rejected: UserCodeError | None = None
        first: Inputs | None = None
        note = "inputs from 0.5 to 1.5, since it is not defined at normal numbers"
        for specs, text in (
            (wanted, origin),
            ([s.positive() for s in wanted], f"{origin}; {note}" if origin else note),
        ):
            values = self.numbers(specs)
            try:
                if self.forward(values, hint):
                    return Inputs(values, text, tuple(specs))
                first = first or Inputs(values, origin, tuple(specs))
            except UserCodeError as error:
                rejected = rejected or error
                if specs is not wanted:
                    raise rejected from None
        assert first is not None
        return first  # not finite at either

    def numbers(self, wanted: Sequence[InputSpec]) -> tuple[Any, ...]:
        """The arrays of `wanted`, drawn from the seed, on the device."""
        rng = np.random.default_rng(self.seed)
        return tuple(on_device(one.numbers(rng), self.device) for one in wanted)

    def backward_error(self, inputs: tuple[Any, ...]) -> Exception | None:
        """The exception of backward for these inputs, or of the engine for a gradient of another shape; else None."""
        user_function = UserFunction(self.target.call, inputs, None, self.dtype)
        ys: list[Tensor] = []
        try:
            with np.errstate(all="ignore"):
                ys = user_function.evaluate(True)
                user_function.vjp(ys, [Tensor(y.data * 0 + 1) for y in ys], False)
            return None
        except GradientError as error:
            settings = Settings(1e-6, None, 2, self.dtype)
            violations = contract_violations(user_function, settings, error)
            of_shape = any(e.kind in ("missing-sum", "transposed", "shape") for e in violations)
            return error if of_shape else None  # a gradient too few, or in float32, is so for every shape
        except Exception as error:  # whatever the user's code raises
            return error
        finally:
            user_function.release()

    def forward(self, inputs: tuple[Any, ...], hint: str) -> bool:
        """Run forward once: are all outputs finite? The state of Modules is not changed."""
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
    least, most = len(target.required), target.max_inputs
    if given < least or (most is not None and given > most):
        names = f" ({', '.join(target.required)})" if target.required else ""
        wanted = f"{least}" if most == least else f"{least} or more" if most is None else f"{least} to {most}"
        raise ConfigError(
            f"{target.name} takes {wanted} input{'' if wanted == '1' else 's'}{names}, but --input-shape was given "
            f"{given} time{'' if given == 1 else 's'}: give it once for each input"
        )


def example_inputs_of(target: Target, seed: int) -> tuple[Any, ...] | None:
    """What `example_inputs` of the target gives, or None if it has none."""
    with running(f"example_inputs of {target.name}"):
        values = offered_inputs(target.source, seed)
    has_parameters = isinstance(target.source, nn.Module) and bool(target.source.parameters())
    is_float = [getattr(getattr(x, "dtype", None), "kind", "") == "f" for x in values or ()]
    if values is not None and not any(is_float) and not has_parameters:
        kinds = ", ".join(str(getattr(x, "dtype", type(x).__name__)) for x in values) or "nothing"
        raise ConfigError(
            f"example_inputs of {target.name} gives {kinds}: at least one input has to be of float numbers"
        )
    return values


def on_device(x: Any, device: str) -> Any:
    """An array or Tensor on `device`; anything else as it is."""
    if isinstance(x, Tensor):
        return x.to(device)
    if device != "cpu" and isinstance(x, np.ndarray):
        array: Array = to_device(x, device)
        return Tensor(array)
    return x


def _listed(wanted: Sequence[InputSpec]) -> str:
    return " and ".join(map(str, wanted))
