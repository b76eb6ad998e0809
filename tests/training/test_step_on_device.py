"""What every step does beside its model, on a CUDA device: few launches, no wait, and the numbers of the CPU.

Read next: ``test_fit.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minigen import nn, ops, optim
from minigen.autograd import Tensor, few_launches, grad
from minigen.random import Generator
from minigen.training.fit import Means
from minigen_kernels.cuda.backend import CupyBackend

pytestmark = pytest.mark.gpu


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kernels of this project that ran, one after another."""
    names: list[str] = []
    run = CupyBackend.run

    def noted(self: CupyBackend, program: Any, kernel: str, *rest: Any) -> None:
        names.append(kernel)
        run(self, program, kernel, *rest)

    monkeypatch.setattr(CupyBackend, "run", noted)
    return names


def test_means_are_one_launch_a_step_and_the_sums_of_the_cpu(launched: list[str]) -> None:
    """Terms of both devices and dtypes, one that comes rarely, and sums that a checkpoint brought as Python numbers."""
    rng = np.random.default_rng(0)
    means = {device: Means({"loss": 0.1, "rare": 2.5}, {"loss": 3, "rare": 1}) for device in ("cpu", "cuda")}
    for k in range(5):
        numbers = rng.normal(size=4)
        for device, mean in means.items():
            terms: dict[str, Any] = {
                "loss": Tensor(np.float32(numbers[0]), device=device),
                "kl": Tensor(np.float32(numbers[1]), device=device),
                "host": float(numbers[2]),
            }
            if k == 3:
                terms["rare"] = Tensor(np.float64(numbers[3]), device=device)
            mean.add(terms, weight=k + 1)
    assert means["cuda"].values() == means["cpu"].values()
    assert list(means["cuda"].totals) == ["loss", "rare", "kl", "host"] and means["cuda"].counts == means["cpu"].counts
    assert launched == ["totals_kernel"] * 6  # one a step, and one for the number in float64


def network(seed: int, dtype: Any) -> nn.Module:
    layers = [nn.Dense(3, 4, rng=Generator(seed)), nn.BatchNorm(4), nn.Dense(4, 2, rng=Generator(seed + 1))]
    return nn.Sequential(*layers).to(dtype=dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_moving_average_is_one_launch_and_that_of_the_cpu(launched: list[str], dtype: Any) -> None:
    states = {}
    for device in ("cpu", "cuda"):
        net = network(0, dtype).to(device)
        average = nn.MovingAverage(net, 0.9).to(device)
        for k in range(1, 4):
            net.load_state_dict(network(10 * k, dtype).state_dict())
            net[1].running_mean.data[...] = k
            average.update(net)
        states[device] = average.state_dict()
    assert launched == ["average_kernel"] * 3
    assert states["cuda"]["updates"] == 3
    for name, array in states["cpu"].items():
        np.testing.assert_array_equal(states["cuda"][name], array)


KINDS = {
    "SGD": lambda ps: optim.SGD(ps, 0.1, momentum=0.5, weight_decay=0.1),
    "RMSprop": lambda ps: optim.RMSprop(ps, 0.1),
    "Adam": lambda ps: optim.Adam([{"params": ps[:2]}, {"params": ps[2:], "lr": 0.01}], 0.1),
    "AdamW": lambda ps: optim.AdamW(ps, 0.1),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_optimizer_is_one_launch_a_group_and_that_of_the_cpu(launched: list[str], kind: str) -> None:
    rng = np.random.default_rng(0)
    shapes = [(4, 3), (), (2, 0), (5,), (1500,)]
    steps = [[np.asarray(rng.normal(size=shape)) for shape in shapes] for _ in range(4)]
    results = {}
    for device in ("cpu", "cuda"):
        params = [Tensor(a.copy(), requires_grad=True, device=device) for a in steps[0]]
        opt = KINDS[kind](params)
        for k, gradients in enumerate(steps[1:]):
            for p, g in zip(params, gradients):
                p.grad = Tensor(g, device=device)
            params[1].grad = None if k == 0 else params[1].grad
            opt.step()
        results[device] = [p.numpy() for p in params] + [opt.state_dict()[name] for name in sorted(opt.state_dict())]
    # Adam: two groups, of which one has a parameter at another step count from the second step on.
    assert len(launched) == {"Adam": 2 + 3 + 3, "AdamW": 1 + 2 + 2}.get(kind, 3)
    for a, b in zip(results["cuda"], results["cpu"], strict=True):
        # Three steps of ten roundings of numbers below 10; Adam divides by roots that are not near 0 here.
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-13)


def test_clipping_is_three_launches_and_that_of_the_cpu(launched: list[str]) -> None:
    rng = np.random.default_rng(0)
    gradients = [np.asarray(rng.normal(size=shape)) for shape in ((4, 3), (), (2, 0), (1500,))]
    results = {}
    for device in ("cpu", "cuda"):
        params = [Tensor(np.zeros_like(g), requires_grad=True, device=device) for g in gradients]
        for p, g in zip(params, gradients):
            p.grad = Tensor(g, device=device)
        norm = optim.clip_grad_norm(params, 1.0)
        assert norm.device == device
        results[device] = [norm.item(), *[p.grad.numpy() for p in params if p.grad is not None]]
    assert launched == ["square_sums_kernel", "norm_kernel", "scale_kernel"]
    for a, b in zip(results["cuda"], results["cpu"], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)  # 1500 squares in another order


def test_the_ones_of_a_backward_pass_are_made_once_and_nobody_gets_them() -> None:
    x = Tensor(np.float32(3.0), requires_grad=True, device="cuda")
    for wrote in (7, 8):
        (g,) = grad(x, [x])
        assert g.item() == 1
        g.data[...] = wrote
        y = Tensor(np.zeros((2, 3), np.float32), requires_grad=True, device="cuda")
        (y.sum() + 1.0).backward()
        assert y.grad is not None and (y.grad.numpy() == 1).all()
        y.grad.data[...] = wrote
        (h,) = grad(ops.reshape(x * x, (1, 1)), [x])
        assert h.item() == 6
        z = ops.reshape(x, (1,))
        (k,) = grad(z, [x])
        k.data[...] = wrote
    assert len([one for one in few_launches._device_ones.values() if one.shape == () and one.dtype == np.float32]) == 1
