"""The adapter for PyTorch, where it is installed: right code passes to order 2, each kind of mistake is found.

Read next: ``test_pytest_plugin.py``.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from minigen.gradcheck import GradientMismatch
from minigen.testing import check_torch

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")


def point(*shape: int, seed: int = 0) -> Any:
    return torch.tensor(np.random.default_rng(seed).normal(size=shape))


class Exp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, factor: float = 1.0) -> Any:
        y = torch.exp(x)
        ctx.save_for_backward(y)
        ctx.factor = factor
        return y

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        (y,) = ctx.saved_tensors
        return gy * y * ctx.factor, None


class DetachedExp(Exp):
    """Right once; the second derivative does not know that the saved result depends on x."""

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        (y,) = ctx.saved_tensors
        return gy * y.detach(), None


class OnceExp(Exp):
    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gy: Any) -> Any:
        (y,) = ctx.saved_tensors
        return gy * y, None


class Outer(torch.autograd.Function):
    """x[:, None] * w, two results, with the gradients in w left out of the second."""

    @staticmethod
    def forward(ctx: Any, x: Any, w: Any, forgets: bool) -> Any:
        ctx.save_for_backward(x, w)
        ctx.forgets = forgets
        return x[:, None] * w, (w * w).sum()

    @staticmethod
    def backward(ctx: Any, gy: Any, gz: Any) -> Any:
        x, w = ctx.saved_tensors
        gw = (gy * x[:, None]).sum(0)
        return (gy * w).sum(1), gw if ctx.forgets else gw + 2 * w * gz, None


class SharedState(torch.autograd.Function):
    last: Any = None

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        SharedState.last = x.clone()
        return x**2

    @staticmethod
    def backward(ctx: Any, gy: Any) -> Any:
        return gy * 2 * SharedState.last


def test_right_functions_pass() -> None:
    assert check_torch(Exp, point(2, 3), order=2).target == "Exp"
    assert check_torch(Exp, point(2, 3).float(), 1.0, order=2).ok
    assert check_torch(Exp, point(2, 3).numpy(), order=3).ok
    assert check_torch(Exp, point(2, 3)[:, ::2].T.contiguous().T, dtype="float32").ok
    assert check_torch(torch.tanh, point(3), order=2).target == "tanh"
    assert check_torch(lambda x, i: x[i] * 2, point(4), torch.tensor([1, 1, 3])).ok
    assert check_torch(lambda x, i: x[i] * 2, point(4), np.array([1, 1, 3])).ok


def test_several_results() -> None:
    report = check_torch(Outer, point(2), point(3, seed=1), False, order=2)
    assert {row.name for row in report.rows if row.order == 1} == {"input 0", "input 1"}
    report = check_torch(Outer, point(2), point(3, seed=1), True, raise_on_failure=False)
    assert report.failure is not None and report.failure.tensor == "input 1"


def test_a_wrong_factor_is_explained() -> None:
    with pytest.raises(GradientMismatch) as caught:
        check_torch(Exp, point(2, 3), 0.5)
    assert caught.value.explanations[0].kind == "factor" and caught.value.report.target == "Exp"


def test_what_is_wrong_at_second_order_only() -> None:
    assert check_torch(DetachedExp, point(3)).ok
    report = check_torch(DetachedExp, point(3), order=2, raise_on_failure=False)
    assert report.failure is not None and report.failure.order == 2
    assert check_torch(OnceExp, point(3)).ok
    with pytest.raises(Exception, match="once_differentiable"):
        check_torch(OnceExp, point(3), order=2)


def test_state_shared_by_two_calls_is_found() -> None:
    assert not check_torch(SharedState, point(3), raise_on_failure=False).ok


def test_modules_with_their_parameters() -> None:
    network = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Tanh(), torch.nn.Dropout(0.5)
    )
    network[0].bias.requires_grad_(False)
    before = {name: t.clone() for name, t in network.state_dict().items()}
    state = torch.random.get_rng_state()
    report = check_torch(network, point(5, 3).float(), order=2)
    names = [row.name for row in report.rows if row.order == 1]
    assert names == ["input 0", "parameter '0.weight'", "parameter '1.weight'", "parameter '1.bias'"]
    assert torch.equal(torch.random.get_rng_state(), state)
    for name, t in network.state_dict().items():
        assert t.dtype == before[name].dtype and torch.equal(t, before[name])
    assert check_torch(network.eval(), point(5, 3)).ok


def test_a_module_that_detaches_a_parameter() -> None:
    class Scale(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = torch.nn.Parameter(torch.ones(3))

        def forward(self, x: Any) -> Any:
            return x * self.gain.detach()

    report = check_torch(Scale(), point(2, 3), raise_on_failure=False)
    assert report.failure is not None and report.failure.tensor == "parameter 'gain'"


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: check_torch(torch.nn.Linear, point(2)), "an object, not its class"),
        (lambda: check_torch(3, point(2)), "give a subclass of torch.autograd.Function"),
        (lambda: check_torch(lambda x: 3, point(2)), "has to return a tensor or several, got int"),
        (lambda: check_torch(lambda x: x > 0, point(2)), "no output of <lambda> is floating"),
    ],
)
def test_wrong_use_is_refused(call: Any, says: str) -> None:
    with pytest.raises(TypeError, match=says):
        call()


def test_without_pytorch_it_says_so() -> None:
    code = "import sys; sys.modules['torch'] = None\nfrom minigen.testing import check_torch\ncheck_torch(abs, 1.0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (
        "ImportError: check_torch: PyTorch is not installed here" in done.stderr and "pip install torch" in done.stderr
    )


@pytest.mark.parametrize(
    ("fn", "shape"),
    [
        (lambda x: torch.nn.Linear(3, 2)(x), (2, 3)),
        (lambda x: x @ torch.ones(3, 2), (2, 3)),
        (lambda x: torch.nn.Conv2d(1, 2, 3)(x), (1, 1, 5, 5)),
        (lambda x: torch.nn.MultiheadAttention(4, 2)(x, x, x)[0], (2, 3, 4)),
    ],
)
def test_what_a_function_brings_along_in_float32_is_named_in_a_short_error(fn: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(TypeError, match="check_torch: .* raises RuntimeError: .*computed in float64; ") as caught:
        check_torch(fn, torch.randn(shape))
    assert "Give the module itself" in str(caught.value) and "float64 (.double())" in str(caught.value)
    assert caught.value.__suppress_context__ and len(str(caught.value)) < 600


def test_other_errors_of_pytorch_are_left_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        check_torch(lambda x: x @ x, torch.randn(2, 3))
