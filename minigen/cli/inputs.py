"""Inputs for a target: of the shapes that the user gives, those that the target offers, or a guess that works.

Imports: gradcheck, nn, tensor. Read next: ``gradcheck.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigen import nn
from minigen.cli.target import Target, parameters_of
from minigen.cli.user_code import UserCodeError, running
from minigen.device import to_device
from minigen.gradcheck.problem import Given
from minigen.random import Generator
from minigen.tensor import Tensor
from minigen.training.config import ConfigError
from minigen_kernels import Array

Shape = tuple[int, ...]
SHAPES = "give the shape of each input by --input-shape, for example --input-shape 2,3,8,8"
OFFER = "or let it offer them: def example_inputs(): return [an array for each input]"
#: Lengths that are no factor of each other, so that a wrong factor can be told from a forgotten mean.
GENERIC: tuple[Shape, ...] = ((3, 5), (5, 5), (3, 5, 7), (3, 5, 7, 6), (5,), ())


@dataclass(frozen=True)
class Inputs:
    """The inputs of a check, and a line that says where they come from ("" where the user gave the shapes)."""

    values: tuple[Any, ...]
    origin: str


def parse_shape(text: str) -> Shape:
    """A shape as it is written, "2,3,8,8" or "()" for one number. ConfigError for anything else."""
    inside = text.strip().removeprefix("(").removesuffix(")").strip().rstrip(",")
    if text.strip() == "()":
        return ()
    if not re.fullmatch(r"\d+(\s*,\s*\d+)*", inside):
        raise ConfigError(f"--input-shape: expected whole numbers with commas, such as 2,3,8,8, or (); got {text!r}")
    return tuple(int(n) for n in inside.split(","))


def find_inputs(target: Target, shapes: Sequence[Shape], seed: int, device: str, dtype: str) -> Inputs:
    """Inputs for which the forward of `target` works. ConfigError or UserCodeError, with a hint, if there are none."""
    trial = Trial(target, seed, device, dtype)
    if shapes:
        _check_count(target, len(shapes))
        return trial.draw(shapes, "", f"{SHAPES}; now it is {_listed(shapes)}")
    offered = _offered(target, seed)
    if offered is not None:
        inputs = tuple(_moved(x, device) for x in offered)
        trial.forward(inputs, "example_inputs has to return what forward takes, in its order")
        return Inputs(inputs, "inputs: its own example_inputs")
    if target.most == 0:
        return Inputs((), "inputs: none")
    count = len(target.wanted) or 1
    first: UserCodeError | None = None
    for shape in _guesses(target):
        guess = [shape] * count
        try:
            return trial.draw(guess, f"inputs: {_listed(guess)}, found by trying; --input-shape gives others", "")
        except UserCodeError as error:
            if error.hint:  # another shape would not help
                raise
            first = first or error
    assert first is not None  # there is at least one guess
    names = f" ({', '.join(target.wanted)})" if target.wanted else ""
    raise UserCodeError(first.doing, first.error, f"No shape that was tried suits it{names}: {SHAPES}; {OFFER}")


@dataclass(frozen=True)
class Trial:
    """Runs of the forward of `target` alone, in the `dtype` of the check; `seed` and `device` are those of inputs."""

    target: Target
    seed: int
    device: str
    dtype: str

    def draw(self, shapes: Sequence[Shape], origin: str, hint: str) -> Inputs:
        """Normal numbers of these shapes; or numbers from 0.5 to 1.5, if the function is not defined at those."""
        normal, positive = self._numbers(shapes, False), self._numbers(shapes, True)
        refused: UserCodeError | None = None
        try:
            if self.forward(normal, hint):
                return Inputs(normal, origin)
        except UserCodeError as error:
            refused = error
        try:
            if self.forward(positive, hint):
                note = "inputs from 0.5 to 1.5, since it is not defined at normal numbers"
                return Inputs(positive, f"{origin}; {note}" if origin else note)
        except UserCodeError as error:
            raise refused or error from None
        return Inputs(normal if refused is None else positive, origin)

    def _numbers(self, shapes: Sequence[Shape], positive: bool) -> tuple[Any, ...]:
        rng = np.random.default_rng(self.seed)
        arrays = [rng.uniform(0.5, 1.5, shape) if positive else rng.normal(size=shape) for shape in shapes]
        return tuple(_moved(np.asarray(array), self.device) for array in arrays)

    def forward(self, inputs: tuple[Any, ...], hint: str) -> bool:
        """Run forward once and say whether all that came out is finite. Nothing of a Module is changed."""
        name = self.target.name
        given = Given(self.target.call, inputs, None, self.dtype)
        try:
            with np.errstate(all="ignore"), running(f"forward of {name}", hint):
                ys = given.evaluate(False)
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
            given.release()


def _check_count(target: Target, given: int) -> None:
    least, most = len(target.wanted), target.most
    if given < least or (most is not None and given > most):
        names = f" ({', '.join(target.wanted)})" if target.wanted else ""
        wanted = f"{least}" if most == least else f"{least} or more" if most is None else f"{least} to {most}"
        raise ConfigError(
            f"{target.name} takes {wanted} input{'' if wanted == '1' else 's'}{names}, but --input-shape was given "
            f"{given} time{'' if given == 1 else 's'}: give it once for each input"
        )


def _offered(target: Target, seed: int) -> tuple[Any, ...] | None:
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


def _guesses(target: Target) -> Iterator[Shape]:
    """Shapes to try: first what the first parameters of a Module suggest, then the usual ones."""
    parameters = target.source.parameters() if isinstance(target.source, nn.Module) else []
    for p in parameters[:2]:
        batch = 3 if 3 not in p.shape else 5  # so that axes cannot be confused
        if p.ndim == 4:  # (out, in, kh, kw), or of a transposed convolution (in, out, kh, kw)
            side = max(p.shape[2:]) + 2
            yield from ((batch, channels, side + 1, side) for channels in (p.shape[1], p.shape[0]))
        elif p.ndim == 2:  # (out, in), or (in, out)
            yield from ((batch, p.shape[1]), (batch, p.shape[0]))
        elif p.ndim == 1:  # a scale for each feature or channel
            yield from ((batch, p.shape[0]), (batch, p.shape[0], 7, 6))
        elif p.ndim > 0:
            yield (batch, *p.shape)
    yield from GENERIC


def _moved(x: Any, device: str) -> Any:
    """An array or Tensor on `device`; anything else as it is."""
    if isinstance(x, Tensor):
        return x.to(device)
    if device != "cpu" and isinstance(x, np.ndarray):
        array: Array = to_device(x, device)
        return Tensor(array)
    return x


def _listed(shapes: Sequence[Shape]) -> str:
    return " and ".join(map(str, shapes))
