"""Tensors where they are taken for something else: format strings, NumPy's functions, names of PyTorch, copies.

Read next: ``test_tensor.py``.
"""

from __future__ import annotations

import copy
import importlib
import math
import pickle
import re
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigen as mg
from minigen import data, losses, names, nn, ops, optim
from minigen.autograd import Tensor, grad


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


# Numbers of Python.


@given(st.floats(-1e6, 1e6), st.sampled_from(["", ".4f", "8.3g", "+.1e", ">12"]))
def test_one_number_is_formatted_and_rounded_as_python_does(value: float, spec: str) -> None:
    for array in (np.array(value), np.array([[value]])):
        for t in (Tensor(array), Tensor(array, requires_grad=True) * 1):
            if spec:
                assert format(t, spec) == format(value, spec)
            assert round(t, 2) == round(value, 2) and round(t) == round(value)
            assert float(t) == value and int(t) == int(value) and bool(t) == bool(value)
            assert math.floor(t) == math.floor(value) and math.ceil(t) == math.ceil(value)
            assert math.trunc(t) == math.trunc(value) and complex(t) == value
    assert f"{Tensor(np.array(value))}" == str(value)  # as PyTorch


def test_several_numbers_are_not_one() -> None:
    t = leaf(1.0, 2.0)
    assert f"{t}" == repr(t) and f"{Tensor(3):d} {Tensor([3]):03d}" == "3 003"
    with pytest.raises(TypeError, match=r"format '\.4f' is for one number, and shape \(2,\) has 2; index it, or take"):
        f"{t:.4f}"
    for name, function in {
        "round": round,
        "math.floor": math.floor,
        "math.ceil": math.ceil,
        "math.trunc": math.trunc,
    }.items():
        with pytest.raises(ValueError, match=rf"^{name} takes one number, and shape \(2,\) has 2; index it first"):
            function(t)


def test_lists_that_are_no_array_are_told_of() -> None:
    with pytest.raises(ValueError, match="^Tensor: .* is no array, whose rows are of one length"):
        Tensor([[1.0], [2.0, 3.0]])
    with pytest.raises(TypeError, match="ops.stack for a list"):
        Tensor([leaf(1.0), leaf(2.0)])


# Operators that PyTorch has.


def test_plus_and_absolute_value() -> None:
    x = leaf(-1.5, 0.0, 2.0)
    assert +x is x
    np.testing.assert_array_equal(abs(x).data, [1.5, 0, 2])
    np.testing.assert_array_equal(grad(abs(x).sum(), [x])[0].data, [-1, 0, 1])


NUMBERS = st.floats(0.1, 10).map(lambda v: round(v, 3)) | st.floats(-10, -0.1).map(lambda v: round(v, 3))


@given(st.lists(NUMBERS, min_size=3, max_size=3), NUMBERS)
def test_floor_division_and_remainder(values: list[float], divisor: float) -> None:
    a, b = Tensor(np.array(values), requires_grad=True), Tensor(np.array(divisor), requires_grad=True)
    for x, y in ((a, b), (a, divisor), (a.data, b), (divisor, a)):
        plain = [t.data if isinstance(t, Tensor) else t for t in (x, y)]
        np.testing.assert_array_equal((x // y).data, plain[0] // plain[1])
        np.testing.assert_array_equal((x % y).data, plain[0] % plain[1])
    quotient = a.data // b.data
    c = np.array([1.0, -2.0, 3.0])
    ga, gb = grad(a % b, [a, b], Tensor(c), create_graph=True)
    np.testing.assert_array_equal(ga.data, c)
    np.testing.assert_allclose(gb.data, -(c * quotient).sum(), rtol=1e-14)  # three terms
    assert [g.data.any() for g in grad(a // b, [a, b], Tensor(c))] == [False, False]
    # gb = -sum c floor(a / b) changes nowhere but at jumps
    gy = Tensor(c, requires_grad=True)
    (gb,) = grad(a % b, [b], gy, create_graph=True)
    second = grad(gb, [a, b, gy])
    assert not second[0].data.any() and not second[1].data.any()
    np.testing.assert_array_equal(second[2].data, -quotient)


def test_remainders_agree_with_pytorch_and_keep_dtypes() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    a, b = np.array([5.5, -5.5, 0.75, -3.0]), np.array([2.0, 2.0, -0.5, 1.5])
    ta, tb = (torch.tensor(v, requires_grad=True) for v in (a, b))
    x, y = Tensor(a, requires_grad=True), Tensor(b, requires_grad=True)
    for mine, theirs in zip(grad((x % y).sum(), [x, y]), torch.autograd.grad((ta % tb).sum(), [ta, tb])):
        np.testing.assert_array_equal(mine.data, theirs.numpy())
    assert (Tensor(5) // 2).dtype == (Tensor(5) % 2).dtype == np.int64
    assert (Tensor(5.0) // 2).dtype == (2 % Tensor(5.0)).dtype == np.float32
    for operation in (lambda: Tensor(5.0) // Tensor(2), lambda: Tensor(np.ones(2)) % Tensor(1.0)):
        with pytest.raises(TypeError, match="Nothing is promoted silently"):
            operation()


# NumPy.


def test_operators_of_arrays_are_those_of_the_tensor() -> None:
    a, t = np.array([3.0, 5.0]), leaf(2.0, 4.0)
    for operation in (lambda x, y: x + y, lambda x, y: x - y, lambda x, y: x * y, lambda x, y: x / y,
                      lambda x, y: x**y, lambda x, y: x // y, lambda x, y: x % y, lambda x, y: x @ y,
                      lambda x, y: x < y, lambda x, y: x <= y, lambda x, y: x > y, lambda x, y: x >= y,
                      lambda x, y: x == y, lambda x, y: x != y):  # fmt: skip
        for x, y in ((a, t), (t, a), (np.float64(3), t)):
            try:
                expected = operation(*[v.data if isinstance(v, Tensor) else v for v in (x, y)])
            except ValueError:  # a number @ an array
                continue
            found = operation(x, y)
            assert isinstance(found, Tensor)
            np.testing.assert_array_equal(found.data, expected)
    total: Any = np.zeros(2)
    total += t
    assert isinstance(total, Tensor) and total.requires_grad
    masks = np.array([True, False]), Tensor([True, True])
    assert (masks[0] & masks[1]).data.tolist() == [True, False] and (masks[0] | masks[1]).data.all()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda t: np.sqrt(t), "np.sqrt does not take a Tensor; write ops.sqrt, or use x.numpy() for its values"),
        (lambda t: np.exp(t), "write ops.exp"),
        (lambda t: np.maximum(t, 0), "write ops.maximum"),
        (lambda t: np.square(t), r"write x ** 2"),
        (lambda t: np.absolute(t), "write ops.abs(x)"),
        (lambda t: np.add(t, 1, dtype=np.float32), "write a + b"),
        (lambda t: np.add(np.ones(2), t, out=np.zeros(2)), "write a + b"),
        (lambda t: np.add.reduce(t), "np.add does not take"),
        (
            lambda t: np.hypot(t, t),
            "np.hypot does not take a Tensor; write what it does with minigen.ops, or use x.num",
        ),
        (lambda t: np.sum(t), "write ops.sum"),
        (lambda t: np.mean(t, axis=0), "write ops.mean"),
        (lambda t: np.concatenate([t, t]), "write ops.concat(xs, axis)"),
        (lambda t: np.stack([t, t]), "write ops.stack"),
        (lambda t: np.where(np.array([True, False]), t, 0), "write ops.where"),
        (lambda t: np.clip(t, 0, 1), "write ops.clip"),
        (lambda t: np.linalg.norm(t), "write ops.norm"),
        (lambda t: np.argmax(t), "write ops.argmax, or use x.numpy"),
        (lambda t: np.allclose(t, t), "np.allclose does not take a Tensor"),
        (lambda t: np.asarray(t), r"use .numpy() for its values"),
    ],
    ids=range(19),
)
def test_functions_of_numpy_are_refused_with_what_to_write(call: Any, says: str) -> None:
    with pytest.raises(TypeError, match=re.escape(says)):
        call(leaf(1.0, 2.0))


def test_the_shape_is_told_to_numpy() -> None:
    t = Tensor(np.ones((2, 3)))
    assert (np.shape(t), np.ndim(t), np.size(t)) == ((2, 3), 2, 6)


def test_masked_arrays_are_refused_wherever_an_array_is_taken() -> None:
    masked = np.ma.array([1.0, 2.0], mask=[True, False])
    t = leaf(1.0, 2.0)
    for call in (
        lambda: Tensor(masked),
        lambda: Tensor([masked, masked]),
        lambda: t + masked,
        lambda: masked * t,
        lambda: t > masked,
        lambda: ops.where(np.ma.array([True, False], mask=[True, False]), t, 0),
        lambda: ops.where(np.array([True, False]), masked, t),
        lambda: losses.cross_entropy(t[None], np.ma.array([1])),
        lambda: losses.mse(t, masked),
        lambda: grad(t, [t], masked),
    ):
        with pytest.raises(TypeError, match=r"masked array, whose mask would be lost|use \.numpy\(\)"):
            call()
    with pytest.raises(TypeError, match="masked array"):
        Tensor(np.ma.masked)


# Names of PyTorch.

ROOMS = {"minigen": mg, "mg": mg, "ops": ops, "nn": nn, "losses": losses, "optim": optim, "np": np, "data": data}
ANSWERS = [
    *names.INSTEAD.items(),
    *names.OF_TENSORS.items(),
    *names.OF_MODULES.items(),
    *names.OF_MINIGEN.items(),
    *names.OF_OPTIMIZERS.items(),
]


def exists(word: str) -> bool:
    """Is ``ops.relu``, ``x.reshape``, ``module.to``, ``minigen.data.Batches`` something that is there?"""
    first, *rest = word.split(".")
    if first == "minigen":
        importlib.import_module(f"minigen.{rest[0]}")
    owners: dict[str, Any] = {"x": Tensor(1.0), "module": nn.Dense(1, 1), "opt": optim.SGD([leaf(1.0)]), **ROOMS}
    found = owners[first]
    for name in rest:
        if not hasattr(found, name):
            return False
        found = getattr(found, name)
    return True


def test_every_answer_names_what_exists() -> None:
    words = {
        w
        for _, text in ANSWERS
        for w in re.findall(r"\b(?:minigen|mg|ops|nn|losses|optim|np|x|module|opt)(?:\.[A-Za-z_]\w*)+", text)
    }
    assert len(words) > 60 and not [word for word in words if not exists(word)]
    assert len(names.INSTEAD) > 100
    assert not exists("ops.no_such") and not exists("x.view")


QUESTIONS: list[tuple[Any, str, str]] = [
    (mg, "randn", "mg.Tensor(mg.Generator(seed).normal(shape))"),
    (mg, "cat", "ops.concat(xs, axis)"),
    (mg, "relu", "ops.relu"),
    (mg, "Sequential", "nn.Sequential"),
    (mg, "DataLoader", "minigen.data.Batches and minigen.data.Dataset"),
    (data, "DataLoader", "minigen.data.Batches and minigen.data.Dataset"),
    (data, "ImageFolder", "minigen.data.load(name or path)"),
    (nn, "Linear", "nn.Dense(in_features, out_features)"),
    (nn, "ReLU", "ops.relu: nn.Sequential takes functions as they are"),
    (nn, "relu", "ops.relu"),
    (nn, "Conv2D", "nn.Conv2d"),
    (nn, "BCEWithLogitsLoss", "losses.bce_with_logits(logits, target)"),
    (ops, "binary_cross_entropy_with_logits", "losses.bce_with_logits(logits, target)"),
    (ops, "clamp", "ops.clip(x, low, high)"),
    (ops, "sigmiod", "sigmoid"),
    (losses, "mse_loss", "losses.mse(prediction, target)"),
    (losses, "MSE", "losses.mse"),
    (optim, "lr_scheduler", "optim.cosine_schedule and its like, functions of the step: opt.lr = schedule(k)"),
    (optim, "adam", "optim.Adam"),
    (Tensor(1.0), "view", "x.reshape(shape)"),
    (Tensor(1.0), "relu", "ops.relu"),
    (Tensor(1.0), "exp", "ops.exp"),
    (Tensor(1.0), "cuda", 'x.to("cuda")'),
    (Tensor(1.0), "tolist", "x.numpy().tolist()"),
    (nn.Dense(1, 1), "cuda", 'module.to("cuda")'),
    (optim.SGD([leaf(1.0)]), "param_groups", "opt.groups, to be read; opt.lr = rate moves the rates of all groups"),
    (nn.Dense(1, 1), "register_buffer", "self.name = mg.Tensor(array): a Tensor that is an attribute is a buffer"),
]


@pytest.mark.parametrize(("owner", "name", "answer"), QUESTIONS, ids=[name for _, name, _ in QUESTIONS])
def test_names_of_pytorch_are_answered(owner: Any, name: str, answer: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(owner, name)
    kind = f"module {owner.__name__!r}" if isinstance(owner, ModuleType) else f"{type(owner).__name__!r} object"
    assert str(caught.value) == f"{kind} has no attribute {name!r}; write {answer}"
    assert not hasattr(owner, name)


def test_other_names_are_plainly_unknown() -> None:
    assert names.instead("models", names.OF_MINIGEN) == "; write import minigen.models first"  # if nobody has yet
    for owner in (mg, nn, ops, losses, optim, Tensor(1.0), nn.Dense(1, 1)):
        for name in ("no_such_thing", "__no_such_thing__"):
            with pytest.raises(AttributeError, match=f"has no attribute '{name}'$"):
                getattr(owner, name)
    with pytest.raises(AttributeError, match="'add_'; nothing changes in place, write a \\+ b$"):
        getattr(Tensor(1.0), "add_")  # noqa: B009
    with pytest.raises(AttributeError, match=r"has no attribute 'tensor'; write mg\.Tensor\(array\)$"):
        mg.tensor([1.0])
    with pytest.raises(TypeError, match=r"is a module and cannot be called; write the name of the device"):
        mg.device("cuda")  # type: ignore[operator]


def test_the_engine_has_the_names_of_pytorch() -> None:
    engine = mg.autograd
    assert (engine.Function, engine.grad, engine.no_grad) == (mg.Function, mg.grad, mg.no_grad)


# Copies.


def test_what_has_a_history_is_not_copied_but_refused() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(5000):  # a walk along the history would need a deeper stack
        y = y + 1
    for make in (copy.deepcopy, pickle.dumps, copy.copy, lambda t: copy.deepcopy([t])):
        with pytest.raises(TypeError, match=r"made by Add\) has a history, so it is not copied .* use \.detach\(\)"):
            make(y)
    for t in (x, y.detach(), nn.Parameter(np.ones(2, np.float32))):
        for other in (copy.deepcopy(t), pickle.loads(pickle.dumps(t))):
            assert type(other) is type(t) and other.requires_grad is t.requires_grad and other.data is not t.data
            np.testing.assert_array_equal(other.data, t.data)
    x.sum().backward()
    assert copy.deepcopy(x).grad.item() == 1


# What others show of themselves.


def test_optimizers_and_batches_show_what_they_are() -> None:
    params = nn.Dense(3, 4).parameters()
    assert repr(optim.Adam(params, lr=3e-4)) == (
        "Adam(lr=0.0003, beta1=0.9, beta2=0.999, eps=1e-08, weight_decay=0; 2 parameters of 16 numbers)"
    )
    assert repr(optim.SGD(params, momentum=0.9)).startswith("SGD(lr=0.001, momentum=0.9, nesterov=0, weight_decay=0;")
    images = data.Dataset("dots", "train", np.zeros((5, 1, 2, 2), np.uint8), np.arange(5))
    batches = data.Batches(images, 2)
    assert repr(batches) == "Batches('dots' (train), 5 images, 2 of 2 an epoch, shuffled; next: epoch 0, batch 0)"
    batch = next(iter(batches))
    assert repr(batch) == "Batch(x (2, 1, 2, 2) float32 from 0 to 0, labels (2,), index (2,))"
