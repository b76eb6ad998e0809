"""How exact is what is fast? The error of each fast path in float32 against float64, beside PyTorch's.

    python benchmarks/accuracy.py          # half a minute

Each call is made in float32 by minigen and, where it is installed, by PyTorch, and in float64 by minigen, on the same
random numbers; so is its gradient in each input. Kept is the largest error of any element, relative to the largest
magnitude of the float64 result. (Were float64 wrong, PyTorch would be far from it.) Writes
``benchmarks/results/accuracy-<cpu>.json``, and ``docs/performance.md`` anew.

Imports: NumPy, minigen, minigen_bench. Read next: ``performance_page.py``.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import checkout
import numpy as np
import performance_page

import minigen as mg
from minigen import Tensor, losses, ops
from minigen_bench.harness import Settings
from minigen_bench.session import empty_result
from minigen_bench.tables import place, slug

RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Call:
    """A function of named inputs of these shapes, here and in PyTorch; `shift` moves the first input away from 0."""

    inputs: dict[str, tuple[int, ...]]
    here: Callable[..., Tensor]
    torch: Callable[[Any], Callable[..., Any]]
    shift: float = 0.0
    unit: tuple[str, ...] = ()  # the inputs between 0 and 1


def conv(
    n: int, c_in: int, c_out: int, side: int, kernel: int, stride: int = 1, padding: int = 0, transposed: bool = False
) -> Call:
    """A convolution of square images with square kernels."""
    weight = (c_in, c_out, kernel, kernel) if transposed else (c_out, c_in, kernel, kernel)
    name, where = (
        ("conv_transpose2d", {"stride": stride, "padding": padding})
        if transposed
        else ("conv2d", {"stride": stride, "padding": padding})
    )
    return Call(
        {"x": (n, c_in, side, side), "w": weight},
        lambda x, w: getattr(ops, name)(x, w, **where),
        lambda t: lambda x, w: getattr(t.nn.functional, name)(x, w, **where),
    )


def elementwise(name: str, here: Callable[[Tensor], Tensor], there: Callable[[Any], Callable[[Any], Any]]) -> Call:
    """A function of each element alone."""
    return Call({"x": (64, 4096)}, here, there)


def batch_norm(shift: float = 0.0) -> Call:
    """In training."""
    return Call(
        {"x": (64, 64, 16, 16), "w": (64,), "b": (64,)},
        ops.batch_norm,
        lambda t: lambda x, w, b: t.nn.functional.batch_norm(x, None, None, w, b, training=True),
        shift,
    )


CALLS = {
    "product (128, 784) (784, 400)": Call({"a": (128, 784), "b": (784, 400)}, ops.matmul, lambda t: t.matmul),
    "product (64, 25088) (25088, 25)": Call({"a": (64, 25088), "b": (25088, 25)}, ops.matmul, lambda t: t.matmul),
    "convolution 3x3, 1 to 32 channels, 28x28": conv(16, 1, 32, 28, 3, padding=1),
    "convolution 3x3, 16 to 32 channels, 28x28": conv(16, 16, 32, 28, 3, padding=1),
    "convolution 3x3, 64 to 64 channels, 16x16": conv(16, 64, 64, 16, 3, padding=1),
    "convolution 3x3, 128 to 128 channels, 8x8": conv(16, 128, 128, 8, 3, padding=1),
    "convolution 4x4/2, 32 to 64 channels, 16x16": conv(16, 32, 64, 16, 4, 2, 1),
    "convolution 4x4/2, 128 to 256 channels, 8x8": conv(16, 128, 256, 8, 4, 2, 1),
    "convolution 5x5, 128 to 64 channels, 14x14": conv(16, 128, 64, 14, 5, padding=2),
    "convolution 5x5/2, 64 to 128 channels, 14x14": conv(16, 64, 128, 14, 5, 2, 2),
    "convolution 1x1, 128 to 64 channels, 8x8": conv(16, 128, 64, 8, 1),
    "transposed 4x4/2, 128 to 64 channels, 8x8": conv(16, 128, 64, 8, 4, 2, 1, transposed=True),
    "transposed 5x5/2, 128 to 64 channels, 7x7": conv(16, 128, 64, 7, 5, 2, 2, transposed=True),
    "batch norm (64, 64, 16, 16)": batch_norm(),
    "batch norm, mean 100 and deviation 1": batch_norm(100),
    "layer norm (128, 1000)": Call(
        {"x": (128, 1000), "w": (1000,), "b": (1000,)},
        lambda x, w, b: ops.layer_norm(x, w, b),
        lambda t: lambda x, w, b: t.nn.functional.layer_norm(x, (1000,), w, b),
    ),
    "softmax (128, 1000)": Call({"x": (128, 1000)}, ops.softmax, lambda t: lambda x: t.softmax(x, -1)),
    "log-softmax (128, 1000)": Call({"x": (128, 1000)}, ops.log_softmax, lambda t: lambda x: t.log_softmax(x, -1)),
    "mse of 100,352 elements": Call({"x": (128, 784), "y": (128, 784)}, losses.mse, lambda t: t.nn.functional.mse_loss),
    "sigmoid and cross-entropy of 100,352 elements": Call(
        {"x": (128, 784), "y": (128, 784)},
        losses.bce_with_logits,
        lambda t: t.nn.functional.binary_cross_entropy_with_logits,
        unit=("y",),
    ),
    "KL of a Gaussian, 128 codes of 64": Call(
        {"mean": (128, 64), "logvar": (128, 64)},
        lambda m, v: losses.gaussian_kl(m, v, reduction="sum"),
        lambda t: lambda m, v: -0.5 * t.sum(1 + v - m**2 - v.exp()),
    ),
    "sum of 1,048,576 elements, mean 1": Call({"x": (1024, 1024)}, ops.sum, lambda t: t.sum, shift=1.0),
    "sum over images (64, 64, 16, 16) to channels": Call(
        {"x": (64, 64, 16, 16)}, lambda x: ops.sum(x, axis=(0, 2, 3)), lambda t: lambda x: t.sum(x, (0, 2, 3))
    ),
    "norm of rows (128, 784)": Call(
        {"x": (128, 784)}, lambda x: ops.norm(x, axis=1), lambda t: lambda x: t.linalg.vector_norm(x, dim=1)
    ),
    "sigmoid": elementwise("sigmoid", ops.sigmoid, lambda t: t.sigmoid),
    "tanh": elementwise("tanh", ops.tanh, lambda t: t.tanh),
    "softplus": elementwise("softplus", ops.softplus, lambda t: t.nn.functional.softplus),
    "gelu": elementwise("gelu", ops.gelu, lambda t: t.nn.functional.gelu),
    "exp": elementwise("exp", ops.exp, lambda t: t.exp),
}


def arrays(call: Call) -> dict[str, Any]:
    """The inputs in float64, though each number is one of float32."""
    rng = np.random.default_rng(0)
    found = {}
    for i, (name, shape) in enumerate(call.inputs.items()):
        x = rng.random(shape) if name in call.unit else rng.standard_normal(shape) + (call.shift if i == 0 else 0)
        found[name] = x.astype(np.float32).astype(np.float64)
    return found


def in_minigen(call: Call, inputs: dict[str, Any], dtype: str) -> list[Any]:
    """The result, and its gradient in each input for a random cotangent."""
    tensors = [Tensor(x.astype(dtype), requires_grad=True) for x in inputs.values()]
    y = call.here(*tensors)
    gradients = mg.grad(y, tensors, Tensor(cotangent(y.shape).astype(dtype)))
    return [y.numpy(), *(g.numpy() for g in gradients)]


def in_torch(call: Call, inputs: dict[str, Any]) -> list[Any]:
    """The same in PyTorch and float32."""
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(1)
    tensors = [torch.tensor(x, dtype=torch.float32, requires_grad=True) for x in inputs.values()]
    y = call.torch(torch)(*tensors)
    gradients = torch.autograd.grad(y, tensors, torch.tensor(cotangent(tuple(y.shape)), dtype=torch.float32))
    return [x.detach().numpy() for x in (y, *gradients)]


def cotangent(shape: tuple[int, ...]) -> Any:
    return np.asarray(np.random.default_rng(1).standard_normal(shape), np.float32).astype(np.float64)


def errors(call: Call) -> Iterator[tuple[str, dict[str, float]]]:
    """The error of each library, of the result and of each gradient."""
    inputs = arrays(call)
    exact = in_minigen(call, inputs, "float64")
    found = {"minigen": in_minigen(call, inputs, "float32")}
    if importlib.util.find_spec("torch") is not None:
        found["torch"] = in_torch(call, inputs)
    for i, what in enumerate(["result", *(f"gradient in {x}" for x in inputs)]):
        size = float(np.abs(exact[i]).max())
        if size:
            yield what, {library: float(np.abs(got[i] - exact[i]).max()) / size for library, got in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="a part of the names of the calls")
    parser.add_argument("--out", type=Path, help="folder for the result and the page")
    options = parser.parse_args()
    mg.set_num_threads(1)
    calls: dict[str, dict[str, dict[str, float]]] = {}
    for name, call in CALLS.items():
        if options.only in name:
            calls[name] = dict(errors(call))
            for what, found in calls[name].items():
                each = "".join(f"  {library} {error:.1e}" for library, error in found.items())
                print(f"{name:46} {what:18}{each}", flush=True)
    if options.only and options.out is None:
        return
    result = empty_result(Settings(), [])
    results, docs = (options.out, options.out) if options.out else (RESULTS, checkout.ROOT / "docs")
    results.mkdir(parents=True, exist_ok=True)
    file = results / f"accuracy-{slug(place(result['machine']))}.json"
    text = json.dumps({"date": result["date"], "machine": result["machine"], "calls": calls}, indent=2)
    file.write_text(text + "\n", encoding="utf-8")
    performance_page.write(results, docs)
    print(f"Kept in {file}")


if __name__ == "__main__":
    main()
