"""`check_layer`: does a layer keep what every layer promises? For each promise, at given inputs or at drawn ones.

Imports: nn, and the files beside it; hypothesis when a strategy is given. Read next: ``strategies.py``.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import time
import traceback
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np

from minigen.autograd import Tensor
from minigen.gradcheck import gradcheck
from minigen.nn import Module
from minigen.nn.init import default_rng
from minigen.testing.findings import Finding, LayerMismatch, LayerReport
from minigen.testing.promises import PROMISES
from minigen.testing.trial import BrokenPromise, NotRun, Trial, offered_inputs

HERE = Path(__file__).resolve().parent.parent  # the folder of this library


def check_layer(
    layer: Any,
    inputs: Any = None,
    *,
    order: int = 2,
    batch_independent: bool = False,
    skip: Collection[str] = (),
    max_examples: int = 10,
    seed: int = 0,
    raise_on_failure: bool = True,
    **options: Any,
) -> LayerReport:
    """Check what every layer promises, in the spirit of scikit-learn's ``check_estimator``. Return a report, or raise.

    `layer` is a Module class or a function without arguments that makes one, or a Module, which is copied. `inputs` is
    an array, a tuple of arrays and whatever else `forward` takes, or a hypothesis strategy for either, of which
    `max_examples` are drawn for each promise, the same for the same `seed`. Without `inputs` the layer's own
    ``example_inputs()`` are taken.

        check_layer(lambda: MyLayer(3), inputs=np.random.randn(2, 3))
        check_layer(lambda: MyConv(3, 8), inputs=images_nchw(C=3), batch_independent=True)

    The promises: "forward" (shapes are stable), "deterministic", "dtype" (float32 in, float32 out), "inputs unchanged",
    "views" (inputs that are not contiguous), "parameters" (all are found, all are used), "gradients" (up to `order`; in
    training and evaluation mode), "train and eval", "state dict" (a round trip gives the same output), "batch" (with
    `batch_independent`: a sample does not see the others), and "device" (where there is one). Names in `skip` are left
    out. `options` go to `gradcheck`. Parameters are first moved a little away from where they begin.

    Raises `LayerMismatch` with the list, TypeError or ValueError for what cannot be checked at all.
    """
    known = [name for name, _ in PROMISES]
    if isinstance(skip, str) or set(skip) - set(known):
        raise ValueError(f"check_layer: skip is a list of names among {', '.join(known)}; got {skip!r}")
    if wrong := options.keys() - (inspect.signature(gradcheck).parameters.keys() - {"fn", "inputs", "wrt"}):
        raise TypeError(f"check_layer: neither it nor gradcheck has an option {sorted(wrong)}")
    start, make, is_new = time.perf_counter(), _maker(layer), not isinstance(layer, Module)
    first = make()
    report = LayerReport(type(first).__name__)
    each = _each_trial(
        _inputs_of(first, inputs),
        lambda drawn: Trial(make, is_new, drawn, order, seed, batch_independent, options),
        max_examples,
        seed,
    )
    for name, promise in PROMISES:
        if name in skip:
            report.findings.append(Finding(name, "not run", "left out by `skip`"))
        elif report.findings and report.findings[0].outcome == "FAILED":
            report.findings.append(Finding(name, "not run", "forward has to work first"))
        else:
            report.findings.append(_finding(name, promise, each))
    report.seconds = time.perf_counter() - start
    if raise_on_failure and not report.ok:
        raise LayerMismatch(report)
    return report


def _maker(layer: Any) -> Callable[[], Module]:
    """A function that makes the layer; for a Module, the Module itself (a trial copies it)."""
    if isinstance(layer, Module):
        return lambda: layer
    if not callable(layer):
        raise TypeError(f"check_layer: layer is a Module, its class, or a function that makes one, got {layer!r}")
    if isinstance(layer, type) and not issubclass(layer, Module):
        raise TypeError(f"check_layer: {layer.__name__} is no subclass of minigen.nn.Module")
    wanted = [
        p.name
        for p in inspect.signature(layer).parameters.values()
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if wanted:
        name = getattr(layer, "__name__", repr(layer))
        arguments = ", ".join(f"{argument}=..." for argument in wanted)
        raise TypeError(f"check_layer: {name} needs arguments; give a function: lambda: {name}({arguments})")

    def make() -> Module:
        shared = default_rng()
        before = shared.state
        try:
            made = layer()
        finally:
            shared.state = before  # each is made alike, and the caller's own layers are what they would have been
        if not isinstance(made, Module):
            raise TypeError(f"check_layer: layer() gave {type(made).__name__}, not a Module")
        return made

    return make


def _inputs_of(layer: Module, inputs: Any) -> Any:
    """What was given, or what the layer itself offers: a tuple, or a strategy."""
    if inputs is None:
        inputs = offered_inputs(layer)
        if inputs is None:
            raise ValueError(
                f"check_layer: give inputs=, arrays or a strategy, or {type(layer).__name__} a method example_inputs()"
            )
    if isinstance(inputs, (tuple, list)):
        return tuple(inputs)
    return (inputs,) if isinstance(inputs, (np.ndarray, Tensor)) else inputs


def _each_trial(
    inputs: Any, trial: Callable[[tuple[Any, ...]], Trial], max_examples: int, seed: int
) -> Callable[[Callable[[Trial], None]], None]:
    """A function that calls a function with a Trial: once, or for each example that hypothesis draws."""
    if isinstance(inputs, tuple):
        return lambda check: check(trial(inputs))
    hypothesis = sys.modules.get("hypothesis")  # who has a strategy has imported it
    if hypothesis is None or not isinstance(inputs, hypothesis.strategies.SearchStrategy):
        raise TypeError(
            f"check_layer: inputs is an array, a tuple of them, or a hypothesis strategy, got {type(inputs).__name__}"
        )
    hypothesis = importlib.import_module("hypothesis")
    settings = hypothesis.settings(
        max_examples=max_examples,
        deadline=None,
        database=None,
        print_blob=False,
        report_multiple_bugs=False,
        phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )

    def draw(check: Callable[[Trial], None]) -> None:
        def one(drawn: Any) -> None:
            check(trial(drawn if isinstance(drawn, tuple) else (drawn,)))

        settings(hypothesis.seed(seed)(hypothesis.given(inputs)(one)))()

    return draw


def _finding(name: str, promise: Callable[[Trial], str], each: Callable[[Callable[[Trial], None]], None]) -> Finding:
    """Check one promise at every point; hypothesis ends with the simplest point at which it is broken."""
    seen: list[str] = []
    at = ""

    def check(trial: Trial) -> None:
        nonlocal at
        at = trial.describe()
        with np.errstate(all="ignore"):  # NaN and Inf are looked at; a warning would say less
            seen.append(promise(trial))

    try:
        each(check)
    except NotRun as reason:
        return Finding(name, "not run", str(reason))
    except BrokenPromise as broken:
        return Finding(name, "FAILED", f"{broken}\nwith inputs {at}")
    except Exception as error:
        if type(error).__module__.startswith("hypothesis") and not seen:
            raise  # the strategy cannot draw
        return Finding(name, "FAILED", f"{type(error).__name__}: {error}{_place(error)}\nwith inputs {at}")
    return Finding(name, "passed", seen[-1] if len(seen) == 1 else f"{len(seen)} examples; the last: {seen[-1]}")


def _place(error: Exception) -> str:
    """Where in the user's own file an exception came from."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_users(f.filename)]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def _is_users(filename: str) -> bool:
    path = Path(filename).resolve()
    return HERE not in path.parents and "site-packages" not in path.parts
