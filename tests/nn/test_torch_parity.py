"""The same numbers as PyTorch, to 1e-9 in float64: values, first and second derivatives, on drawn geometries.

Inputs and options come from the op table; here stand only PyTorch's words for the same operation. The second order is
the gradient of a random functional of the gradient, with respect to the inputs and to the cotangent.

Read next: ``test_nn.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ops.op_row import Array, Case, two
from ops.op_rows_bias_act import PLAIN
from ops.op_rows_conv import same_geometry
from ops.op_rows_sequences import number, plan
from ops.op_table import BY_NAME

from minigen.autograd import Tensor, grad

torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
F = torch.nn.functional
torch.set_num_threads(1)


def conv2d(
    x: Any, w: Any, b: Any = None, *, padding: Any, activation: Any = None, upsample: Any = 1, **options: Any
) -> Any:
    stride, dilation = options["stride"], options["dilation"]
    if padding == "same":  # PyTorch has it for stride 1 only
        sides: list[int] = []
        for i in (1, 0):
            H, step = x.shape[i + 2], two(stride)[i]
            span = two(dilation)[i] * (w.shape[i + 2] - 1) + 1
            out, before = same_geometry(H, span, step, "same", i)
            sides += [before, max(0, (out - 1) * step + span - H) - before]
        x, padding = F.pad(x, sides), 0
    y = ACTIVATIONS[activation](F.conv2d(x, w, b, padding=padding, **options))
    for axis, times in zip((2, 3), two(upsample)):
        y = y.repeat_interleave(times, axis)
    return y


def conv_transpose2d(x: Any, w: Any, b: Any = None, **options: Any) -> Any:
    if options["padding"] == "same":  # PyTorch has none: of the whole result, and zeros behind it, a part
        options["padding"], part = 0, [slice(None)] * 2
        for i in (0, 1):
            step = two(options["stride"])[i]
            span = two(options["dilation"])[i] * (w.shape[i + 2] - 1) + 1
            part.append(slice(before := max(span - step, 0) // 2, before + x.shape[i + 2] * step))
        y = F.pad(F.conv_transpose2d(x, w, **options), [0, 4, 0, 4])[tuple(part)]  # strides are below 4
        return y if b is None else y + b[:, None, None]
    return F.conv_transpose2d(x, w, b, **options)


def weight_grad(x: Any, g: Any, *, kernel_size: Any, groups: int, **options: Any) -> Any:
    shape = (g.shape[1], x.shape[1] // groups, *kernel_size)
    w = torch.zeros(shape, dtype=x.dtype, requires_grad=True)
    y = F.conv2d(x, w, groups=groups, **options)
    return torch.autograd.grad(y, w, g, create_graph=True)[0]


def unpool(x: Any, *, indices: Array, output_size: Any, kernel_size: Any, stride: Any, padding: Any) -> Any:
    flat = torch.zeros((*x.shape[:2], output_size[0] * output_size[1]), dtype=x.dtype)
    places = torch.tensor(indices).reshape(*x.shape[:2], -1)
    return flat.scatter(2, places, x.reshape(*x.shape[:2], -1)).reshape(*x.shape[:2], *output_size)


def max_pool2d_with_indices(x: Any, **options: Any) -> Any:
    return F.max_pool2d(x, return_indices=True, **options)


def upsample(x: Any, scale_factor: Any, mode: str) -> Any:
    exact = {"align_corners": False} if mode == "bilinear" else {}
    return F.interpolate(x, scale_factor=scale_factor, mode=mode, **exact)


#: PyTorch's function for each activation of ours that an operation may end with.
ACTIVATIONS = dict(
    zip(
        [activation for activation, _ in PLAIN],
        [lambda z: z, F.relu, torch.sigmoid, torch.tanh, F.leaky_relu, partial(F.leaky_relu, negative_slope=0.2),
         partial(F.leaky_relu, negative_slope=-0.5), F.silu, lambda z: torch.tanh(2 * z)],
        strict=True,
    )
)  # fmt: skip


def batch_norm(x: Any, w: Any, b: Any, *, eps: float, activation: Any) -> Any:
    return ACTIVATIONS[activation](F.batch_norm(x, None, None, w, b, training=True, eps=eps))


def batch_norm_inference(x: Any, mean: Any, var: Any, w: Any, b: Any, *, eps: float) -> Any:
    shape = (1, -1, *(1,) * (x.ndim - 2))
    scale = w / torch.sqrt(var + eps)  # F.batch_norm takes running statistics without gradient
    return (x - mean.reshape(shape)) * scale.reshape(shape) + b.reshape(shape)


def layer_norm(x: Any, w: Any, b: Any, *, eps: float) -> Any:
    return F.layer_norm(x, w.shape, w, b, eps)


def conv1d(x: Any, w: Any, b: Any = None, *, padding: Any, **options: Any) -> Any:
    if padding == "same":  # PyTorch has it for stride 1 only
        length, span = x.shape[2], number(options["dilation"]) * (w.shape[2] - 1) + 1
        out, before = plan(length, w.shape[2], options["stride"], "same", options["dilation"])
        x = F.pad(x, [before, max(0, (out - 1) * number(options["stride"]) + span - length) - before])
    return F.conv1d(x, w, b, padding=0 if padding == "same" else padding, **options)


def group_norm(x: Any, w: Any = None, b: Any = None, *, num_groups: int, eps: float) -> Any:
    return F.group_norm(x, num_groups, w, b, eps)


def instance_norm(x: Any, w: Any = None, b: Any = None, *, eps: float) -> Any:
    return F.instance_norm(x, weight=w, bias=b, eps=eps)


def embedding(w: Any, *, indices: Array) -> Any:
    places = torch.tensor(indices.astype(np.int64))
    return F.embedding(places, w) if indices.size else w[places]  # of nothing, its second derivative fails to reshape


def reduction(f: Callable[..., Any]) -> Callable[..., Any]:
    """PyTorch wants a tuple of axes."""

    def call(x: Any, axis: Any, keepdims: bool, **options: Any) -> Any:
        axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        return f(x, axes, keepdim=keepdims, **options)

    return call


def one_number(f: Callable[..., Any]) -> Callable[..., Any]:
    """An operation of two, one of which may be a number."""

    def call(a: Any, b: Any = None, *, number: float = 0.0, first: bool = False) -> Any:
        b = torch.tensor(number, dtype=a.dtype) if b is None else b
        return f(b, a) if first else f(a, b)

    return call


def where(a: Any, b: Any = None, *, condition: Array, **number: Any) -> Any:
    return one_number(lambda a, b: torch.where(torch.tensor(condition), a, b))(a, b, **number)


def power(a: Any, b: Any = None, *, base: Any = None, exponent: Any = None) -> Any:
    if b is not None:
        return a**b
    return float(base) ** a if base is not None else a**exponent


GEOMETRIES = {
    "conv2d": conv2d,
    "conv_transpose2d": conv_transpose2d,
    "conv2d_weight_grad": weight_grad,
    "max_pool2d": F.max_pool2d,
    "max_pool2d_with_indices": max_pool2d_with_indices,
    "avg_pool2d": F.avg_pool2d,
    "max_unpool2d": unpool,
    "upsample": upsample,
    "batch_norm": batch_norm,
    "batch_norm_inference": batch_norm_inference,
    "layer_norm": layer_norm,
}
SEQUENCES = {  # and the layers that came with them: as the geometries, with fewer draws
    "conv1d": conv1d,
    "conv_transpose1d": F.conv_transpose1d,
    "max_pool1d": F.max_pool1d,
    "avg_pool1d": F.avg_pool1d,
    "group_norm": group_norm,
    "instance_norm": instance_norm,
    "embedding": embedding,
}
OTHERS = {
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "abs": torch.abs,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
    "erf": torch.erf,
    "relu": F.relu,
    "leaky_relu": lambda x, slope=0.01: F.leaky_relu(x, slope),
    "elu": F.elu,
    "gelu": F.gelu,
    "silu": F.silu,
    "clip": lambda x, low=None, high=None: torch.clamp(x, low, high),
    "maximum": one_number(torch.maximum),
    "minimum": one_number(torch.minimum),
    "power": power,
    "where": where,
    "sum": reduction(torch.sum),
    "mean": reduction(torch.mean),
    "max": reduction(torch.amax),
    "min": reduction(torch.amin),
    "var": reduction(torch.var),
    "logsumexp": reduction(torch.logsumexp),
    "norm": reduction(lambda x, axes, keepdim, order: torch.linalg.vector_norm(x, order, axes, keepdim)),
    "softmax": torch.softmax,
    "log_softmax": torch.log_softmax,
    "matmul": torch.matmul,
    "linear": F.linear,
}


def differing_unpool(name: str, case: Case) -> bool:
    """Do two pooled values share a place? There PyTorch's scatter keeps any of them, and gives the gradient to all."""
    if name != "max_unpool2d":
        return False
    planes = case.options["indices"].reshape(-1, case.inputs[0].shape[2] * case.inputs[0].shape[3])
    return any(len(set(plane.tolist())) < plane.size for plane in planes)


def agree(ours: Array, theirs: Any, what: str) -> None:
    wanted = theirs.detach().numpy(force=True)
    assert ours.shape == wanted.shape, what
    # Values of a few units; second derivatives of a normalisation reach some 1e3, so the error counts relative to them.
    np.testing.assert_allclose(ours, wanted, rtol=1e-9, atol=1e-9 * max(1, np.abs(wanted).max(initial=0)), err_msg=what)


def torch_grad(y: Any, xs: Sequence[Any], gy: Any = None, create_graph: bool = False) -> list[Any]:
    found = torch.autograd.grad(y, xs, gy, create_graph=create_graph, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for g, x in zip(found, xs, strict=True)]


def compare(name: str, theirs: Callable[..., Any], case: Case, rng: np.random.Generator) -> None:
    xs, txs = [Tensor(x, True) for x in case.inputs], [torch.tensor(x, requires_grad=True) for x in case.inputs]
    results, theirs_results = BY_NAME[name].run(*xs, **case.options), theirs(*txs, **case.options)
    theirs_results = theirs_results if isinstance(theirs_results, tuple) else (theirs_results,)
    for y, ty in zip(results, theirs_results, strict=True):
        agree(y.data, ty, "values")
    y, ty = results[0], theirs_results[0]
    c = rng.normal(size=y.shape)
    gy, tgy = Tensor(c, True), torch.tensor(c, requires_grad=True)
    for a, b in zip(grad(y, xs, gy), torch_grad(ty, txs, tgy), strict=False):
        agree(a.data, b, "first order")

    us = [rng.normal(size=x.shape) for x in case.inputs]
    s, ts = Tensor(0.0, dtype=np.float64), torch.zeros((), dtype=torch.float64)
    for u, g, tg in zip(us, grad(y, xs, gy, create_graph=True), torch_grad(ty, txs, tgy, True), strict=True):
        s, ts = s + (g * Tensor(u)).sum(), ts + (tg * torch.tensor(u)).sum()
    if not ts.requires_grad:  # x**0: nothing depends on anything
        assert not s.requires_grad
        return
    for a, b in zip(grad(s, [*xs, gy]), torch_grad(ts, [*txs, tgy]), strict=True):
        agree(a.data, b, "second order")


def compare_geometry(name: str, data: st.DataObject) -> None:
    case = data.draw(BY_NAME[name].cases.filter(lambda case: not differing_unpool(name, case)))
    compare(name, GEOMETRIES[name], case, np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))))


@pytest.mark.parametrize("name", GEOMETRIES)
@settings(max_examples=50)
@given(data=st.data())
def test_geometries(name: str, data: st.DataObject) -> None:
    compare_geometry(name, data)


@pytest.mark.slow
@pytest.mark.parametrize("name", GEOMETRIES)
@settings(max_examples=200)
@given(data=st.data())
def test_200_geometries(name: str, data: st.DataObject) -> None:
    compare_geometry(name, data)


@pytest.mark.parametrize("name", [*OTHERS, *SEQUENCES])
@settings(max_examples=25)
@given(data=st.data())
def test_other_operations(name: str, data: st.DataObject) -> None:
    case = data.draw(BY_NAME[name].cases)
    compare(name, (OTHERS | SEQUENCES)[name], case, np.random.default_rng(data.draw(st.integers(0, 2**32 - 1))))
