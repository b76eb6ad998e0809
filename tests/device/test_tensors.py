"""Tensors on a CUDA device: numbers and text of them, operators, indexing, copies, files, and what is refused.

Read next: ``test_training.py``.
"""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from device.both import assert_close, assert_same_bits, cupy, hazards, host, no_wait, put, waits
from hypothesis import given
from hypothesis import strategies as st

import minigen as mg
from minigen import losses, nn, ops, optim
from minigen.autograd import Tensor, grad

pytestmark = pytest.mark.gpu
X = np.random.default_rng(0).normal(size=(3, 4))


@pytest.fixture
def x() -> Tensor:
    return Tensor(X, device="cuda")


def there(a: Any, requires_grad: bool = False) -> Tensor:
    return Tensor(a, device="cuda", requires_grad=requires_grad)


# What a Tensor is to Python.


def test_text_and_numbers(x: Tensor) -> None:
    assert "cuda" in repr(x) and "shape=(3, 4)" in repr(x)
    assert "range" in repr(there(np.arange(30.0))) and "1 NaN" in repr(there([1.0, np.nan]))
    assert f"{x.sum():.4f}" == f"{X.sum():.4f}" and "2.5" in repr(there(2.5))
    assert isinstance(x.sum().item(), float) and float(x.sum()) == x.sum().item()
    assert bool((x == x).sum() == 12) and int(there(3)) == 3 and round(there(2.26), 1) == 2.3
    assert len(x) == 3 and len(list(x)) == 3
    with pytest.raises(ValueError, match="one element is wanted"):
        x.item()


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "number of NumPy's": lambda t, _: np.float32(2) * t + t * np.float64(3),
    "compare with a number of NumPy's": lambda t, _: t > np.float64(0),
    "power of a number": lambda t, _: 2.0**t,
    "masks": lambda t, _: (t > 0) & ~(t > 1) | (t < -1),
    "transpose and reshape": lambda t, _: t.detach().T.reshape(2, 6),
    "number and Tensor": lambda t, _: ops.maximum(0.0, t),
    "array and Tensor": lambda t, a: a + t - (a * 2.0 < t),
    "Tensor and array": lambda t, a: (t + a) @ a.T,
    "where of numbers": lambda t, _: ops.where(t > 0, 1.0, 0.0),
    "where of whole numbers": lambda t, _: ops.where(t > 0, 1, 0),
    "where of a number and an array": lambda t, a: ops.where(t > 0, 0.5, a),
    "where of arrays": lambda t, a: ops.where(a > 0, a, -a),
    "concat with an array": lambda t, a: ops.concat([t, a], 1),
    "argmax and sort": lambda t, _: (
        ops.sort(t, 1, descending=True) + ops.argmax(t, 1, keepdims=True).to(dtype=np.float64)
    ),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators(name: str, x: Tensor) -> None:
    here = OPERATORS[name](Tensor(X), X)
    with no_wait(name):
        found = OPERATORS[name](x, put(X))
    assert found.device == "cuda"
    assert_close(found, here)


MIXED: dict[str, Callable[[Any, Any, Any], Any]] = {
    "host array + Tensor": lambda t, h, m: h + t,
    "Tensor + host array": lambda t, h, m: t + h,
    "Tensor + Tensor of the CPU": lambda t, h, m: t * Tensor(h),
    "Tensor @ host array": lambda t, h, m: t @ h.T,
    "host array @ Tensor": lambda t, h, m: h.T @ t,
    "compare with a host array": lambda t, h, m: t > h,
    "compare with a Tensor of the CPU": lambda t, h, m: Tensor(h) == t,
    "masks of both": lambda t, h, m: (t > 0) & Tensor(m),
    "where with a host mask": lambda t, h, m: ops.where(m, t, 0.0),
    "where with a host array": lambda t, h, m: ops.where(t > 0, h, t),
    "where with two host arrays": lambda t, h, m: ops.where(t > 0, h, h),
    "concat": lambda t, h, m: ops.concat([t, Tensor(h)]),
    "stack": lambda t, h, m: ops.stack([Tensor(h), t]),
    "maximum": lambda t, h, m: ops.maximum(t, Tensor(h)),
    "a place there in a Tensor of the CPU": lambda t, h, m: Tensor(h)[Tensor(np.array([0]), device="cuda")],
    "mse": lambda t, h, m: losses.mse(t, Tensor(h)),
    "cross entropy": lambda t, h, m: losses.cross_entropy(t, np.array([0, 1, 2])),
    "embedding": lambda t, h, m: ops.embedding(np.array([0, 1]), t),
    "Dense": lambda t, h, m: nn.Dense(4, 2).to(dtype=np.float64)(t),
    "batch norm": lambda t, h, m: nn.BatchNorm(4).to(dtype=np.float64)(t),
    "conv": lambda t, h, m: nn.Conv2d(1, 2, 2).to(dtype=np.float64)(ops.reshape(t, (1, 1, 3, 4))),
    "gradient": lambda t, h, m: grad(Tensor(t.data, requires_grad=True) * 2.0, [t], Tensor(h)),
    "gy": lambda t, h, m: (there(X, True) * 2.0).backward(Tensor(h)),
}


@pytest.mark.parametrize("name", MIXED)
def test_inputs_of_both_devices_are_one_error_that_names_both(name: str, x: Tensor) -> None:
    x.requires_grad = name == "gradient"
    with pytest.raises((TypeError, ValueError)) as caught:
        MIXED[name](x, X, X > 0)
    assert "cuda" in str(caught.value) and "cpu" in str(caught.value), f"{type(caught.value)}: {caught.value}"


def test_copies_and_moves(x: Tensor) -> None:
    assert x.to("cuda") is x and x.to("cpu").device == "cpu"
    assert_same_bits(x.to("cpu").to("cuda"), X)
    assert x.to(dtype=np.float32).dtype == np.float32 and x.to("cpu", np.float32).device == "cpu"
    for copied in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert copied.device == "cuda"
        assert_same_bits(copied, X)
    assert Tensor(cupy().ones(3)).dtype == np.float64
    t = Tensor(X, requires_grad=True)
    (t.to("cuda") * 3.0).sum().backward()
    assert t.grad is not None and t.grad.device == "cpu" and (host(t.grad) == 3).all()
    for dtype in (np.complex128, np.float16):
        with pytest.raises(TypeError, match=f"{np.dtype(dtype)} is not supported"):
            Tensor(cupy().ones(3, dtype))


def test_files(tmp_path: Path, x: Tensor) -> None:
    net = nn.Sequential(nn.Dense(4, 3, rng=mg.Generator(0)), nn.BatchNorm(3)).to("cuda", np.float64)
    mg.save(net, tmp_path / "net.safetensors")
    other = nn.Sequential(nn.Dense(4, 3, rng=mg.Generator(9)), nn.BatchNorm(3)).to("cuda", np.float64)
    other.load_state_dict(mg.load(tmp_path / "net.safetensors"))
    assert {p.device for p in other.parameters()} == {"cuda"}
    on_cpu = nn.Sequential(nn.Dense(4, 3, rng=mg.Generator(9)), nn.BatchNorm(3)).to(dtype=np.float64)
    on_cpu.load_state_dict(mg.load(tmp_path / "net.safetensors"))
    assert_close(net.eval()(x), on_cpu.eval()(Tensor(X)))
    assert_same_bits(other.eval()(x), net(x))
    mg.save({"x": x, "y": cupy().ones(3)}, tmp_path / "arrays.safetensors")
    found = mg.load(tmp_path / "arrays.safetensors")
    assert_same_bits(found["x"], X)
    assert all(isinstance(a, np.ndarray) for a in found.values())


def test_what_is_changed_in_place_is_noticed(x: Tensor) -> None:
    net = nn.Dense(4, 2, rng=mg.Generator(0)).to("cuda", np.float64)
    y = net(x).sum()
    opt = optim.SGD(net.parameters(), 0.1)
    y.backward()
    opt.step()
    with pytest.raises(mg.GradientError, match="changed in place"):
        y.backward()


# Indexing.

INDICES: dict[str, Any] = {
    "mask": X > 0,
    "rows by a mask": np.array([True, False, True]),
    "host integers": np.array([2, 0, 2]),
    "list": [2, 0],
    "empty list": [],
    "two arrays": (np.array([0, 1, 0]), np.array([1, 1, 1])),
    "broadcast": (np.array([[0], [2]]), np.array([1, 1])),
    "array and slice": (slice(None), np.array([3, 3])),
    "slice between": (np.array([1, 1]), slice(None), None),
    "array and ellipsis": (np.array([-1, 2, 2]), ...),
    "ellipsis first": (..., [1, 1, 0]),
    "new axis": (None, np.array([0, 0])),
    "negative": (-1, slice(None, None, -1)),
    "nothing but axes": (None, 0, ..., None),
    "Tensor of the CPU": Tensor(np.array([1, 0, 1])),
    "Tensors there": "there",
    "places of a NumPy number": (np.int64(1), [0, 0, 3]),
    "mask and array": (np.array([True, True, False]), [3, 3]),
}


def at(index: Any, device: str) -> Any:
    places = Tensor(np.array([[1, 1], [0, 2]]), device=device)
    return places if isinstance(index, str) else index


@pytest.mark.parametrize("name", INDICES)
def test_indexing(name: str) -> None:
    """Values and gradients of both orders; the same bits each time, and no wait but for a mask."""
    index, found, before = INDICES[name], [], hazards()
    for device in ("cpu", "cuda", "cuda"):
        t, began = Tensor(X, device=device, requires_grad=True), len(waits())
        y = t[at(index, device)]
        (g,) = grad((y * y * y).sum(), [t], create_graph=True)
        (gg,) = grad((g * g).sum(), [t])
        assert "mask" in name or len(waits()) == began, list(waits())[began:]
        found.append([y, g, gg])
    for a, b, again in zip(found[1], found[0], found[2], strict=True):
        assert_close(a, b)
        assert_same_bits(again, a)
    assert hazards() == before


@given(seed=st.integers(0, 2**32), n=st.integers(1, 200), rows=st.integers(1, 6), width=st.integers(1, 5))
def test_a_place_that_is_named_often_adds_in_order(seed: int, n: int, rows: int, width: int) -> None:
    """On the double what adds in no order is a hazard; and the sum is that of the places in their order."""
    rng = np.random.default_rng(seed)
    places, g, before = rng.integers(0, rows, n), rng.normal(size=(n, width)).astype("f4"), hazards()
    t = there(np.zeros((rows, width), "f4"), True)
    (found,) = grad(t[places], [t], there(g))
    wanted = np.zeros((rows, width), np.float64 if n > rows else np.float32)
    np.add.at(wanted, places, g)
    assert_same_bits(found, wanted.astype("f4"))
    assert hazards() == before


@pytest.mark.parametrize("index", [7, -4, [0, 3], np.array([[-4, 1]]), (slice(None), [4]), (..., 1, [0, 4]), Tensor(3)])
def test_a_place_beyond_the_axis_that_the_host_has_is_refused(index: Any, x: Tensor) -> None:
    with pytest.raises(IndexError, match=r"out of bounds for axis \d with size \d|out of bounds") as here:
        Tensor(X)[index]
    with pytest.raises(IndexError, match="out of bounds for axis") as found:
        x[index]
    assert str(here.value).partition("index ")[2][:25] == str(found.value).partition("index ")[2][:25]


def test_bounds_of_a_slice_there(x: Tensor) -> None:
    bound = there(np.array(2))
    assert_same_bits(x[:bound], X[:2])
    assert_same_bits(x[there(np.array(1)), bound:], X[1, 2:])


def test_max_unpool_does_not_wait() -> None:
    images = np.random.default_rng(0).permutation(32).astype("f4").reshape(1, 2, 4, 4)
    here = ops.max_unpool2d(*ops.max_pool2d_with_indices(Tensor(images), 2), 2)
    with no_wait("max_unpool2d"):
        found = ops.max_unpool2d(*ops.max_pool2d_with_indices(there(images), 2), 2)
    assert_same_bits(found, here)


@pytest.mark.parametrize("order", [1, 2, 3, 0.5, np.inf])
@pytest.mark.parametrize("shape", [(3, 4), (2, 0), (0,)])
def test_norms(order: float, shape: tuple[int, ...]) -> None:
    a = np.random.default_rng(0).normal(size=shape)
    axis: Any = 0 if shape == (2, 0) else None
    if 0 in shape and (order == np.inf or axis is None):
        return
    with no_wait("norm"):
        found = ops.norm(there(a), axis, order=order)
    assert_close(found, ops.norm(Tensor(a), axis, order=order))


@pytest.mark.skipif("cuda_double" in os.environ.get("PYTHONPATH", ""), reason="the double cannot be hidden")
def test_a_device_that_is_hidden_is_told() -> None:
    """A process of its own, since the verdict is found once."""
    code = "import minigen.device as d; print(*d.cuda_status())"
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False no CUDA device is visible: CUDA_VISIBLE_DEVICES is ''"


def test_a_notebook_shows_a_tensor_on_the_device() -> None:
    """Block by block: what it shows is what it shows of the same Tensor on the CPU, but for the device."""
    numbers, images = np.arange(12.0).reshape(3, 4), np.linspace(0, 1, 2 * 3 * 9 * 9).reshape(2, 3, 9, 9)
    images[0, 1, 2, 3] = np.nan
    for x in (numbers, images, np.float32(3.0), np.zeros((0, 2))):
        there, here = Tensor(put(np.asarray(x)))._repr_html_(), Tensor(x)._repr_html_()
        assert "cannot be shown" not in there and there.replace(", cuda", ", cpu") == here
    layer = nn.Dense(3, 2).to("cuda")
    assert "float32 on cuda" in layer._repr_html_()
