"""`check_layer`: a conformance test of a layer, each check at the given inputs or at drawn ones.

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
from minigen.testing.layer_case import CheckFailed, CheckSkipped, LayerCase, offered_inputs
from minigen.testing.layer_checks import CHECKS

ForEachCase = Callable[[Callable[[LayerCase], None]], None]
PACKAGE = Path(__file__).resolve().parent.parent  # the folder of this library


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
    """Check what every layer has to fulfil, like scikit-learn's ``check_estimator``. Return a report, or raise.

    `layer` is a Module class or a function without arguments that makes one, or a Module, which is copied. `inputs` is
    an array, a tuple of arrays and whatever else `forward` takes, or a hypothesis strategy for either, of which
    `max_examples` are drawn for each check, the same for the same `seed`. Without `inputs` the layer's own
    ``example_inputs()`` are taken.

        check_layer(lambda: MyLayer(3), inputs=np.random.randn(2, 3))
        check_layer(lambda: MyConv(3, 8), inputs=images_nchw(C=3), batch_independent=True)

    The checks: "forward" (shapes are stable), "deterministic", "dtype" (float32 in, float32 out), "inputs unchanged",
    "views" (inputs that are not contiguous), "parameters" (all are found, all are used), "gradients" (up to `order`; in
    training and evaluation mode), "train and eval", "state dict" (a round trip gives the same output), "batch" (with
    `batch_independent`: a sample does not see the others), and "device" (where there is one). Names in `skip` are left
    out. `options` go to `gradcheck`. Parameters are first moved a little away from their initial values.

    Raises `LayerMismatch` with the list, TypeError or ValueError for what cannot be checked at all.
    """
    known = [name for name, _ in CHECKS]
    if isinstance(skip, str) or set(skip) - set(known):
        raise ValueError(f"check_layer: skip is a list of names among {', '.join(known)}; got {skip!r}")
    if wrong := options.keys() - (inspect.signature(gradcheck).parameters.keys() - {"fn", "inputs", "wrt"}):
        raise TypeError(f"check_layer: neither it nor gradcheck has an option {sorted(wrong)}")
    start, make, is_new = time.perf_counter(), _factory(layer), not isinstance(layer, Module)
    first = make()
    report = LayerReport(type(first).__name__)
    for_each_case = _for_each_case(
        _inputs_of(first, inputs),
        lambda drawn: LayerCase(make, is_new, drawn, order, seed, batch_independent, options),
        max_examples,
        seed,
    )
    for name, check in CHECKS:
        if name in skip:
            report.findings.append(Finding(name, "not run", "left out by `skip`"))
        elif report.findings and report.findings[0].outcome == "FAILED":
            report.findings.append(Finding(name, "not run", "forward has to work first"))
        else:
            report.findings.append(_finding(name, check, for_each_case))
    report.seconds = time.perf_counter() - start
    if raise_on_failure and not report.ok:
        raise LayerMismatch(report)
    return report


def _factory(layer: Any) -> Callable[[], Module]:
    """A function that makes the layer; for a Module, the Module itself (a trial copies it)."""
    if isinstance(layer, Module):
        return lambda: layer
    if not callable(layer):
        raise TypeError(f"check_layer: layer is a Module, its class, or a function that makes one, got {layer!r}")
    if isinstance(layer, type) and not issubclass(layer, Module):
        raise TypeError(f"check_layer: {layer.__name__} is no subclass of minigen.nn.Module")
    missing = [
        p.name
        for p in inspect.signature(layer).parameters.values()
        if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if missing:
        name = getattr(layer, "__name__", repr(layer))
        arguments = ", ".join(f"{argument}=..." for argument in missing)
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
    """The given inputs, or the layer's own example inputs: a tuple, or a strategy."""
    if inputs is None:
        inputs = offered_inputs(layer)
        if inputs is None:
            raise ValueError(
                f"check_layer: give inputs=, arrays or a strategy, or {type(layer).__name__} a method example_inputs()"
            )
    if isinstance(inputs, (tuple, list)):
        return tuple(inputs)
    return (inputs,) if isinstance(inputs, (np.ndarray, Tensor)) else inputs


def _for_each_case(
    inputs: Any, case: Callable[[tuple[Any, ...]], LayerCase], max_examples: int, seed: int
) -> ForEachCase:
    """A function that calls its argument with each case: the given inputs, or each example that hypothesis draws."""
    if isinstance(inputs, tuple):
        return lambda run: run(case(inputs))
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

    def draw(run: Callable[[LayerCase], None]) -> None:
        def example(drawn: Any) -> None:
            run(case(drawn if isinstance(drawn, tuple) else (drawn,)))

        settings(hypothesis.seed(seed)(hypothesis.given(inputs)(example)))()

    return draw


def _finding(name: str, check: Callable[[LayerCase], str], for_each_case: ForEachCase) -> Finding:
    """Run one check at every case; hypothesis ends with the simplest case that fails."""
    seen: list[str] = []
    at = ""

    def run(case: LayerCase) -> None:
        nonlocal at
        at = case.describe()
        with np.errstate(all="ignore"):  # the checks report NaN and Inf themselves
            seen.append(check(case))

    try:
        for_each_case(run)
    except CheckSkipped as reason:
        return Finding(name, "not run", str(reason))
    except CheckFailed as error:
        return Finding(name, "FAILED", f"{error}\nwith inputs {at}")
    except Exception as error:
        if type(error).__module__.startswith("hypothesis") and not seen:
            raise  # the strategy cannot draw
        return Finding(name, "FAILED", f"{type(error).__name__}: {error}{_line_of_user(error)}\nwith inputs {at}")
    return Finding(name, "passed", seen[-1] if len(seen) == 1 else f"{len(seen)} examples; the last: {seen[-1]}")


def _line_of_user(error: Exception) -> str:
    """Where in the user's own file an exception came from."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_user_code(f.filename)]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def _is_user_code(filename: str) -> bool:
    path = Path(filename).resolve()
    return PACKAGE not in path.parents and "site-packages" not in path.parts
