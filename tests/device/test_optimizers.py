"""Optimizers, clipping, schedules, initializers and generators on a CUDA device, against the CPU.

Read next: ``test_tensors.py``.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from device.both import assert_close, assert_same_bits, cupy, host, no_wait

import minigen as mg
from minigen import losses, nn, ops, optim
from minigen.autograd import Tensor
from minigen.nn import init

pytestmark = pytest.mark.gpu
Make = Callable[[Any], optim.Optimizer]

#: `eps` is not small, for a gradient of rounding errors alone would become a whole step.
OPTIMIZERS: dict[str, Make] = {
    "SGD": lambda ps: optim.SGD(ps, 0.1),
    "momentum": lambda ps: optim.SGD(ps, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "RMSprop": lambda ps: optim.RMSprop(ps, 0.01, momentum=0.5, eps=0.1),
    "Adam": lambda ps: optim.Adam(ps, 0.01, eps=1e-3),
    "AdamW": lambda ps: optim.AdamW(ps, 0.01, eps=1e-3, weight_decay=0.1),
}
HOW = ("", "norm", "value", "schedule", "state", "state of the other", "copy", "pickle", "weights", "frozen", "groups")
X = np.random.default_rng(0).normal(size=(3, 4)).astype("f4")


def network() -> nn.Sequential:
    return nn.Sequential(
        nn.Dense(4, 5, rng=mg.Generator(0)), nn.BatchNorm(5), ops.relu, nn.Dense(5, 2, rng=mg.Generator(1))
    )


def trained(make: Make, device: str, how: str) -> tuple[nn.Module, optim.Optimizer]:
    """Four steps there, with what `how` says done to them or between them."""
    net = network().to(device)
    if how == "frozen":
        net[0].requires_grad_(False)
    params: Any = net.parameters()
    if how == "groups":
        params = [{"params": net[0].parameters(), "lr": 0.02}, {"params": [*net[1].parameters(), *net[3].parameters()]}]
    opt = make(params)
    schedule = optim.cosine_schedule(0.1, 4)
    for k in range(4):
        x, wanted = Tensor(X + k, device=device), Tensor(np.ones((3, 2), "f4"), device=device)
        with no_wait(f"a step of {type(opt).__name__} ({how})"):
            loss = losses.mse(net(x), wanted)
            opt.zero_grad()
            loss.backward()
            if how == "norm":
                optim.clip_grad_norm(opt.params, 0.1)
            if how == "value":
                optim.clip_grad_value(opt.params, 0.05)
            if how == "schedule":
                opt.lr = schedule(k)
            opt.step()
        if k == 1:
            if how == "state":
                opt.load_state_dict(opt.state_dict())
            if how == "state of the other":  # as a checkpoint of the other device is read
                other, theirs = trained_by_half(make, "cpu" if device == "cuda" else "cuda")
                net.load_state_dict(other.state_dict())
                opt.load_state_dict(theirs.state_dict())
            if how == "copy":
                net, opt = copy.deepcopy((net, opt))
            if how == "pickle":
                net, opt = pickle.loads(pickle.dumps((net, opt)))
            if how == "weights":
                net.load_state_dict(net.state_dict())
    assert {p.device for p in net.parameters()} == {device}
    return net, opt


def trained_by_half(make: Make, device: str) -> tuple[nn.Module, optim.Optimizer]:
    net = network().to(device)
    opt = make(net.parameters())
    for k in range(2):
        opt.zero_grad()
        losses.mse(net(Tensor(X + k, device=device)), Tensor(np.ones((3, 2), "f4"), device=device)).backward()
        opt.step()
    return net, opt


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_there_are_those_of_the_cpu(name: str, how: str) -> None:
    (here, ours), (there, theirs) = (trained(OPTIMIZERS[name], device, how) for device in ("cpu", "cuda"))
    for key, array in here.state_dict().items():
        assert_close(there.state_dict()[key], array, 2e-4, key)
    state, moved = ours.state_dict(), theirs.state_dict()
    assert state.keys() == moved.keys()
    for key in state:
        assert isinstance(moved[key], np.ndarray)
        assert_close(moved[key], state[key], 2e-4, key)


def test_what_is_clipped_is_what_the_cpu_clips() -> None:
    gradients = [np.random.default_rng(k).normal(size=(3, k + 1)).astype("f4") for k in range(3)]
    norms, clipped = [], []
    for device in ("cpu", "cuda"):
        params = [nn.Parameter(np.zeros_like(g)).to(device).detach() for g in gradients]
        for p, g in zip(params, gradients, strict=True):
            p.requires_grad, p.grad = True, Tensor(g, device=device)
        norms.append(host(optim.clip_grad_norm(params, 0.5)))
        clipped.append([host(p.grad) for p in params])
    assert_close(norms[1], norms[0], 1e-6)
    for a, b in zip(clipped[1], clipped[0], strict=True):
        assert_close(a, b, 1e-6)
    assert abs(np.sqrt(sum((g**2).sum() for g in clipped[1])) - 0.5) < 1e-5


def test_an_optimizer_refuses_parameters_of_two_devices_or_takes_both() -> None:
    """Whichever it is: no parameter is left behind in silence."""
    a, b = nn.Parameter(np.ones(3, "f4")), nn.Parameter(np.ones(3, "f4"))
    b.data = cupy().asarray(b.data)
    opt = optim.SGD([a, b], 1.0)
    a.grad, b.grad = Tensor(np.ones(3, "f4")), Tensor(np.ones(3, "f4"), device="cuda")
    opt.step()
    assert host(a).tolist() == host(b).tolist() == [0, 0, 0]
    assert (a.device, b.device) == ("cpu", "cuda")


def test_a_gradient_of_the_other_device_is_one_clear_error() -> None:
    p = nn.Parameter(np.ones(3, "f4"))
    p.data = cupy().asarray(p.data)
    p.grad = Tensor(np.ones(3, "f4"))
    with pytest.raises((TypeError, ValueError), match="takes an array on the current device, got a numpy array"):
        optim.Adam([p], 0.1).step()


# Generators and first weights: bit for bit those of the CPU.

DRAWS: dict[str, Callable[[mg.Generator], Any]] = {
    "uniform": lambda g: g.uniform((5, 3), -1.0, 2.0),
    "uniform in float64": lambda g: g.uniform((5, 3), dtype=np.float64),
    "bernoulli": lambda g: g.bernoulli(0.3, (5, 2)),
    "bernoulli of an array": lambda g: g.bernoulli(
        Tensor(np.linspace(0, 1, 8, dtype="f4").reshape(8, 1), device=g.device).data, (8, 6)
    ),
    "bernoulli of whole numbers": lambda g: g.bernoulli(Tensor(np.array([0, 1, 1]), device=g.device).data),
    "integers": lambda g: g.integers(-3, 10, (9,)),
    "integers of 63 bits": lambda g: g.integers(0, 2**63, (4,)),
    "permutation": lambda g: g.permutation(1000),
    "permutation of 5000": lambda g: g.permutation(5000),
    "permutation of 1": lambda g: g.permutation(1),
    "nothing": lambda g: g.uniform((0, 3)),
    "spawned": lambda g: g.spawn("a").uniform((3,)),
    "second": lambda g: (g.uniform((3,)), g.uniform((7,)))[1],
}


@pytest.mark.parametrize("name", DRAWS)
def test_a_draw_there_has_the_bits_of_the_cpu(name: str) -> None:
    here, there = mg.Generator(5), mg.Generator(5, device="cuda")
    a, b = DRAWS[name](here), DRAWS[name](there)
    assert type(b).__module__.startswith("cupy")
    assert_same_bits(b, a)
    assert there.state == here.state


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_normal_numbers_there_are_those_of_the_cpu(dtype: str) -> None:
    """But for the last bits: log, sin and cos of a GPU round in another way."""
    here, there = mg.Generator(5), mg.Generator(5, device="cuda")
    a, b = (g.normal((2000,), 1.0, 2.0, dtype=dtype) for g in (here, there))
    assert_close(b, a, 1e-6 if dtype == "f4" else 1e-14)
    assert there.state == here.state


def test_a_host_array_of_probabilities_is_refused() -> None:
    with pytest.raises(TypeError, match="numpy array"):
        mg.Generator(5, device="cuda").bernoulli(np.full(3, 0.5))


@pytest.mark.parametrize("name", ["orthogonal", "he_normal", "he_uniform", "glorot_uniform", "glorot_normal"])
def test_first_weights_drawn_there(name: str) -> None:
    here, there = (getattr(init, name)((6, 4), rng=mg.Generator(1, device=device)) for device in ("cpu", "cuda"))
    assert_close(there, here, 1e-5)


@pytest.mark.parametrize("layer", [nn.Dense, nn.Embedding])
def test_a_layer_with_a_generator_of_the_device(layer: Any) -> None:
    here, there = (layer(6, 4, rng=mg.Generator(1, device=device)) for device in ("cpu", "cuda"))
    assert_close(there.to("cuda").weight, here.weight, 1e-6)
    assert {p.device for p in there.parameters()} == {"cuda"}
