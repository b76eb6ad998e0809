"""What a training tells its loggers, and which of them there are: those of the settings, and those of the caller.

Imports: autograd, algorithms, watching, run_folder. Read next: ``session.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from minigen.algorithms.experiment import Experiment
from minigen.algorithms.options import ConfigError
from minigen.autograd import Tensor
from minigen.training.run_folder import RunFolder
from minigen.watching import Logger, Loggers, TensorBoard, why_not
from minigen_kernels import Array


def check_log(config: Mapping[str, Any], in_memory: bool) -> None:
    """ConfigError if the settings want event files, and there can be none."""
    if "tensorboard" not in config["log"]:
        return
    problem = why_not()
    if in_memory:
        problem = "event files need a folder, and this run is kept in memory: give out=..., or loggers=[...]"
    if problem is not None:
        raise ConfigError(f"--log {config['log']}: {problem}")


def make_loggers(config: Mapping[str, Any], folder: RunFolder, given: Sequence[Logger]) -> Loggers:
    """Those that the settings want, and those that are given."""
    check_log(config, folder.in_memory)
    Loggers(given)  # are they loggers?
    own = [TensorBoard(folder.tensorboard)] if "tensorboard" in config["log"] else []
    return Loggers([*own, *given])


def units(experiment: Experiment) -> dict[str, str]:
    """The unit of each term."""
    return {name: term.unit for name, term in experiment.ledger.items()}


def weights_and_gradients(parameters: Mapping[str, Tensor]) -> dict[str, Array]:
    """The parameters by name, and the gradients that they were last moved by, as arrays in main memory."""
    gradients = {name: p.grad for name, p in parameters.items()}
    return {
        **{f"weights/{name}": p.numpy() for name, p in parameters.items()},
        **{f"gradients/{name}": g.numpy() for name, g in gradients.items() if g is not None},
    }
