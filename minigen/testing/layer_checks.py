"""The checks of a layer, one function each: it returns a note on what was checked, or raises `CheckFailed`.

To add a check, write its function and its line in `CHECKS`.

Imports: autograd, nn, gradcheck. Read next: ``layer.py``.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minigen.autograd import Tensor, no_grad
from minigen.device import cuda_status, to_device
from minigen.gradcheck import gradcheck
from minigen.gradcheck.graph import graph_tensors
from minigen.nn import Module
from minigen.testing.layer_case import (
    CheckFailed,
    CheckSkipped,
    LayerCase,
    as_tensors,
    bitwise_equal,
    gradients_of,
    is_array,
    is_floating,
    outputs_of,
    shapes_of,
)
from minigen.testing.views import LAYOUTS, view
from minigen_kernels import Array

# Two computations of one number in float64 may add in another order: a sum of a million terms is off by 1e-10.
RTOL = 1e-8
# A GPU computes in float32, with other kernels.
DEVICE_RTOL = 1e-4


def forward(case: LayerCase) -> str:
    """The outputs are finite Tensors; their shapes depend on the shapes of the inputs alone, not on their numbers."""
    layer, arrays = case.layer(), case.arrays()
    ys = outputs_of(layer, as_tensors(arrays))
    for i, y in enumerate(ys):
        if y.dtype.kind == "f" and not np.isfinite(y.numpy()).all():
            raise CheckFailed(f"output {i} is not finite: {y!r}")
    shapes = shapes_of(ys)
    if (again := shapes_of(outputs_of(layer, as_tensors(arrays)))) != shapes:
        raise CheckFailed(f"the output has shape {shapes}, but {again} the second time")
    half = [x / 2 if is_floating(x) else x for x in arrays]
    with contextlib.suppress(ValueError):  # a layer may refuse numbers
        if (again := shapes_of(outputs_of(layer, as_tensors(half)))) != shapes:
            raise CheckFailed(f"the output has shape {shapes}, but {again} for inputs half as large")
    return f"{case.describe()} gives {shapes}"


def deterministic(case: LayerCase) -> str:
    """Two copies of a layer, with their generators in the same state, give the same bits."""
    layer = case.layer()
    first, second = (outputs_of(copy.deepcopy(layer), as_tensors(case.arrays())) for _ in range(2))
    rule = "Random numbers have to come from a minigen.Generator that is an attribute of the layer"
    _require_same_outputs(first, second, f"differs between two copies of the layer: {{a!r}}, then {{b!r}}. {rule}")
    return "two copies of the layer give the same bits"


def dtype(case: LayerCase) -> str:
    """A layer is made in float32. It keeps float32, and after ``.to(dtype=...)`` float64, forwards and backwards."""
    made = {str(p.dtype) for p in case.make().parameters()}
    if len(made) > 1 or (case.is_new and made - {"float32"}):
        raise CheckFailed(f"the parameters are made in {' and '.join(sorted(made))}; a layer is made in float32")
    for kind in (np.float32, np.float64):
        layer, xs = case.layer(kind), as_tensors(case.arrays(kind))
        ys = outputs_of(layer, xs)
        for i, y in enumerate(ys):
            if y.dtype.kind == "f" and y.dtype != kind:
                raise CheckFailed(f"output {i} is {y.dtype} for inputs and parameters of {np.dtype(kind)}")
        gradients_of(ys, [*(x for x in xs if isinstance(x, Tensor)), *_trained(layer)], case.seed)
        for name, array in layer.state_dict().items():
            if array.dtype.kind == "f" and array.dtype != kind:
                raise CheckFailed(f"{name} became {array.dtype} in a layer of {np.dtype(kind)}")
    return "float32 stays float32, float64 stays float64"


def inputs_unchanged(case: LayerCase) -> str:
    """Neither forward nor backward writes into inputs or parameters."""
    layer, arrays = case.layer(), case.arrays()
    before = [np.array(x.data if isinstance(x, Tensor) else x) if is_array(x) else None for x in arrays]
    weights = {name: p.numpy().copy() for name, p in layer.named_parameters()}
    xs = as_tensors(arrays)
    ys = outputs_of(layer, xs)
    for when in ("forward", "backward"):
        for i, (x, old) in enumerate(zip(xs, before, strict=True)):
            if old is not None and not bitwise_equal(x.numpy() if isinstance(x, Tensor) else x, old):
                raise CheckFailed(f"{when} writes into input {i}, which belongs to the caller")
        for name, p in layer.named_parameters():
            if not bitwise_equal(p.numpy(), weights[name]):
                raise CheckFailed(f"{when} changes parameter '{name}', which only an optimizer may")
        if when == "forward":
            gradients_of(ys, [x for x in xs if isinstance(x, Tensor) and x.requires_grad] + _trained(layer), case.seed)
    return "inputs and parameters are what they were"


def views(case: LayerCase) -> str:
    """Inputs that are not contiguous in memory give the same results and gradients."""
    layer = case.layer()

    def run(layout: Any) -> list[Array]:
        xs = as_tensors([view(x, layout) if isinstance(x, np.ndarray) else x for x in case.arrays()])
        ys = outputs_of(copy.deepcopy(layer), xs)
        return [y.numpy() for y in ys] + gradients_of(ys, [x for x in xs if isinstance(x, Tensor)], case.seed)

    if not any(isinstance(x, np.ndarray) and x.ndim for x in case.arrays()):
        raise CheckSkipped("no input has axes")
    plain = run("contiguous")
    for layout in LAYOUTS[1:]:
        for a, b in zip(plain, run(layout), strict=True):
            if (difference := _difference(a, b)) > RTOL:
                raise CheckFailed(f"with inputs whose memory is '{layout}' a result is off by {difference:.1e} of it")
    return f"the same for inputs whose memory is {', '.join(LAYOUTS[1:])}"


def parameters(case: LayerCase) -> str:
    """``named_parameters`` finds exactly the trained Tensors that the outputs depend on."""
    layer, xs = case.layer(), as_tensors(case.arrays())
    graph = graph_tensors(outputs_of(layer, xs))
    used = {id(t): t for t in graph if t.node is None and t.requires_grad}
    named = {id(p): name for name, p in layer.named_parameters() if p.requires_grad}
    known = named.keys() | {id(x) for x in xs}
    for t in used.values():
        if id(t) not in known:
            raise CheckFailed(
                f"a trained Tensor of shape {t.shape} takes part in forward, but named_parameters() does not find it: "
                "keep it as an attribute of the Module, or in a list, tuple or dict that is one"
            )
    idle = [name for key, name in named.items() if key not in used]
    if idle:
        raise CheckFailed(f"no output depends on {', '.join(map(repr, idle))}: nothing will ever train it")
    return ", ".join(named.values()) or "there are none"


def gradients(case: LayerCase) -> str:
    """`gradcheck` of inputs and parameters; in evaluation mode too, where that computes something else."""
    if not any(map(is_floating, case.inputs)) and not _trained(case.layer()):
        raise CheckSkipped("there is neither a floating input nor a parameter")
    layer = case.layer()
    modes = [("training", layer)]
    ys = outputs_of(copy.deepcopy(layer), as_tensors(case.arrays()))
    evaluated = copy.deepcopy(layer)
    outputs_of(evaluated, as_tensors(case.arrays()))  # running statistics have moved, as after training
    evaluated.eval()
    zs = outputs_of(copy.deepcopy(evaluated), as_tensors(case.arrays()))
    if [y.shape for y in ys] != [z.shape for z in zs] or not all(map(bitwise_equal, _numbers(ys), _numbers(zs))):
        modes.append(("evaluation", evaluated))
    texts = []
    for mode, subject in modes:
        report = gradcheck(subject, *case.arrays(), order=case.order, seed=case.seed, raise_on_failure=False,
                           **case.options)  # fmt: skip
        of_memory = report.failure is not None and [e.kind for e in report.failure.explanations] == ["memory"]
        if report.failure is not None and not of_memory:  # that belongs to "views"
            raise CheckFailed(f"{report.failure} (in {mode} mode)" if len(modes) > 1 else str(report.failure))
        finest = min((row.resolution for row in report.rows if row.verdict == "OK"), default=np.nan)
        texts.append(f"{len(report.rows)} tensors in {mode} mode, an error of {finest:.0e} would be seen")
    return "; ".join(texts)


def modes(case: LayerCase) -> str:
    """``train()`` and ``eval()`` reach all modules; in evaluation mode a call does not change the state."""
    layer = case.layer()
    outputs_of(layer, as_tensors(case.arrays()))
    for name, on in (("eval", False), ("train", True), ("eval", False)):
        getattr(layer, name)()
        for path, module in layer.named_modules():
            if module.training is not on:
                place = f"of '{path}' " if path else ""
                raise CheckFailed(f"after {name}() the attribute `training` {place}is {module.training}")
    state = layer.state_dict()
    first, second = (outputs_of(layer, as_tensors(case.arrays())) for _ in range(2))
    _require_same_state(state, layer.state_dict(), "a call in evaluation mode changes '{name}'")
    _require_same_outputs(first, second, "differs between two calls in evaluation mode: {a!r}, then {b!r}")
    return "the mode reaches all modules; evaluation leaves no trace"


def state(case: LayerCase) -> str:
    """``state_dict`` holds all that the output depends on: another layer that loads it gives the same bits."""
    layer = case.layer()
    for _ in range(2):  # running statistics move
        outputs_of(layer, as_tensors(case.arrays()))
    saved, other = layer.state_dict(), copy.deepcopy(case.make()).to(dtype=np.float64)
    other.load_state_dict(saved)
    _require_same_state(saved, other.state_dict(), "'{name}' is not what was loaded")
    with no_grad():
        ys, zs = (outputs_of(one.eval(), as_tensors(case.arrays())) for one in (layer, other))
    rule = "What is learned or gathered has to be a Parameter or a Tensor"
    text = f"is another one after load_state_dict(state_dict()): {{a!r}}, then {{b!r}}. {rule}; the state holds "
    _require_same_outputs(ys, zs, text + (", ".join(saved) or "nothing"))
    return f"{len(saved)} arrays; a layer that loads them gives the same bits"


def batch(case: LayerCase) -> str:
    """In evaluation mode each sample is computed on its own: alone, and in another order."""
    if not case.batch_independent:
        raise CheckSkipped("not claimed; say batch_independent=True")
    lengths = {x.shape[0] for x in case.inputs if is_array(x) and x.ndim}
    if len(lengths) != 1:
        raise CheckSkipped(f"the inputs {case.describe()} have no first axis in common")
    N = lengths.pop()
    layer = case.layer()
    outputs_of(layer, as_tensors(case.arrays()))
    layer.eval()

    def run(chosen: Sequence[int]) -> list[Array]:
        # Indexing with an array copies, so that a sample of one is contiguous too.
        parts = [x[np.array(chosen, int)] if is_array(x) and x.ndim else x for x in case.arrays()]
        with no_grad():
            return [y.numpy() for y in outputs_of(copy.deepcopy(layer), as_tensors(parts))]

    whole = run(range(N))
    for chosen in [range(N)[::-1], *([i] for i in range(N))]:
        for i, (y, part) in enumerate(zip(whole, run(chosen), strict=True)):
            if (difference := _difference(y[list(chosen)], part)) > RTOL:
                what = f"sample {chosen[0]} alone" if len(chosen) == 1 else "the batch in reverse order"
                raise CheckFailed(f"output {i}: {what} differs by {difference:.1e} from what it was in the batch")
    return f"{N} samples, each alone and in reverse order"


def device(case: LayerCase) -> str:
    """On a GPU a layer computes what it computes on the CPU, and it comes back as it was."""
    usable, reason = cuda_status()
    if not usable:
        raise CheckSkipped(f"no device: {reason}")
    layer = case.layer(np.float32).eval()
    before, arrays = layer.state_dict(), case.arrays(np.float32)
    ys = outputs_of(copy.deepcopy(layer), as_tensors(arrays))
    layer.to(device="cuda")
    moved = [
        x.to(device="cuda") if isinstance(x, Tensor) else to_device(x, "cuda") if is_array(x) else x
        for x in as_tensors(arrays)
    ]
    for y, z in zip(ys, outputs_of(layer, moved), strict=True):
        if z.device != "cuda":
            raise CheckFailed(f"the output is on the {z.device} though inputs and parameters are on the GPU")
        if (difference := _difference(y.numpy(), z.numpy())) > DEVICE_RTOL:
            raise CheckFailed(f"on the GPU the output differs by {difference:.1e} of it")
    _require_same_state(before, layer.to(device="cpu").state_dict(), "'{name}' comes back from the GPU as another one")
    return "on the GPU as on the CPU"


CHECKS: tuple[tuple[str, Callable[[LayerCase], str]], ...] = (
    ("forward", forward),
    ("deterministic", deterministic),
    ("dtype", dtype),
    ("inputs unchanged", inputs_unchanged),
    ("views", views),
    ("parameters", parameters),
    ("gradients", gradients),
    ("train and eval", modes),
    ("state dict", state),
    ("batch", batch),
    ("device", device),
)


def _require_same_outputs(first: Sequence[Tensor], second: Sequence[Tensor], message: str) -> None:
    """Fail with `message`, formatted with both outputs a and b, if one output is not the same to the last bit."""
    for i, (a, b) in enumerate(zip(first, second, strict=True)):
        if not bitwise_equal(a.numpy(), b.numpy()):
            raise CheckFailed(f"output {i} {message.format(a=a, b=b)}")


def _require_same_state(before: Mapping[str, Array], after: Mapping[str, Array], message: str) -> None:
    """Fail with `message`, formatted with the name, if an array of a state dict is not the same to the last bit."""
    for name in before:
        if not bitwise_equal(before[name], after[name]):
            raise CheckFailed(message.format(name=name))


def _trained(layer: Module) -> list[Tensor]:
    return [p for p in layer.parameters() if p.requires_grad]


def _numbers(ys: Sequence[Tensor]) -> list[Array]:
    return [y.numpy() for y in ys]


def _difference(a: Array, b: Array) -> float:
    """The largest difference, relative to the largest number of `a`; Inf for other shapes or NaN at other places."""
    if a.shape != b.shape:
        return np.inf
    a, b = (np.asarray(x, np.float64) for x in (a, b))
    unlike = np.isfinite(a) != np.isfinite(b)
    if unlike.any():
        return np.inf
    off = np.abs(np.where(np.isfinite(a), a - b, 0.0)).max(initial=0.0)
    return float(off / max(np.abs(a[np.isfinite(a)]).max(initial=0.0), np.finfo(np.float64).tiny))
