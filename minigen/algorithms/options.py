"""What an option of a model is, and the options that nearly all models have.

Imports: nothing of minigen. Read next: ``experiment.py``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any


class ConfigError(ValueError):
    """A setting that does not exist, has a bad value, or contradicts another one."""


@dataclass(frozen=True)
class Option:
    """One setting of a model. The command line shows ``kl_weight`` as ``--kl-weight``."""

    type: type
    help: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None  # the smallest legal value
    exclusive: bool = False  # the minimum itself is not legal
    maximum: float | None = None
    default: Any = None  # of a setting of every run; those of a model stand in its recipe
    parse: Callable[[Any], Any] | None = None  # from a text, or what a program gives, to what is kept; ValueError


#: Options of nearly all models; a recipe with one optimizer takes them from `UPDATE`.
OPTIONS: Mapping[str, Option] = {
    "latent": Option(int, "size of the code (for conv-ae and vq-vae its channels)", minimum=1),
    "hidden": Option(int, "width of a hidden dense layer", minimum=1),
    "layers": Option(int, "hidden dense layers of each network (for vq-vae its residual blocks); 0: none", minimum=0),
    "channels": Option(
        int,
        "channels of the convolution nearest to the image; the next has twice as many (for conv-ae half as many)",
        minimum=1,
    ),
    "halvings": Option(
        int,
        "strided convolutions of each network, which halve the image, each with twice the channels; 0: twice, and "
        "again while the smaller side is above 8",
        minimum=0,
    ),
    "optimizer": Option(str, "how parameters are updated", choices=("sgd", "rmsprop", "adam", "adamw")),
    "lr": Option(float, "learning rate", minimum=0, exclusive=True),
    "schedule": Option(
        str,
        "learning rate over time: constant; step (a tenth after each third); cosine to 0; exponential to a hundredth",
        choices=("constant", "step", "cosine", "exponential"),
    ),
    "clip_norm": Option(float, "largest norm of the whole gradient; 0: no limit", minimum=0),
}
UPDATE: Mapping[str, Any] = {"optimizer": "adam", "lr": 1e-3, "schedule": "constant", "clip_norm": 0.0}


def hidden_widths(options: Mapping[str, Any], default: int | None = None) -> tuple[int, ...]:
    """The widths of the hidden dense layers.

    With the `default` of a model whose --hidden has no other effect: ValueError for another width of no layers.
    """
    if not options["layers"] and default is not None and options["hidden"] != default:
        raise ValueError("--hidden has no effect with --layers 0; leave it out")
    return (options["hidden"],) * int(options["layers"])


def check_value(name: str, value: Any, option: Option) -> Any:
    """`value` in the type of the option, or ConfigError if it is of another type or out of range."""
    if option.parse is not None:
        try:
            return option.parse(value)
        except ValueError as error:
            raise ConfigError(f"{name}: {str(error).partition(': ')[2]}") from error
    kind = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}[option.type]
    whole = isinstance(value, int) and not isinstance(value, bool)
    fits = whole if option.type is int else isinstance(value, option.type) or (option.type is float and whole)
    if not fits:
        raise ConfigError(f"{name} must be {kind}, got {value!r}")
    value = option.type(value)
    if value == "":
        raise ConfigError(f"{name} must not be empty; give a value, or leave it out")
    if option.choices and value not in option.choices:
        raise ConfigError(
            f"{name} must be {' or '.join(option.choices)}, got {value!r}{did_you_mean(value, option.choices)}"
        )
    low, high = option.minimum, option.maximum
    if low is not None and not (value > low if option.exclusive else value >= low):
        raise ConfigError(f"{name} must be {'greater than' if option.exclusive else 'at least'} {low:g}, got {value}")
    if high is not None and not value <= high:
        raise ConfigError(f"{name} must be at most {high}, got {value}")
    if option.type is float and not abs(value) < float("inf"):
        raise ConfigError(f"{name} must be a finite number, got {value}")
    return value


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """How a message about an unknown `word` goes on: ". Did you mean 'epochs'?", or "." if nothing known is near."""
    close = difflib.get_close_matches(word.lower(), list(known), n=1)
    return f". Did you mean {close[0]!r}?" if close else "."
