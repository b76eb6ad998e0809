"""What must not happen to a graph between forward and backward, and what a failing backward must not leave behind.

Read next: ``test_function.py``.
"""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import numpy as np
import pytest

from minigen import nn, ops, optim
from minigen.autograd import Function, GradientError, Tensor, grad
from minigen.random import Generator


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


def step(*params: Tensor) -> None:
    for p in params:
        p.grad = Tensor(np.ones_like(p.data))
    optim.SGD(params, lr=1.0).step()


# Values that change under a graph.


def test_a_parameter_that_was_updated_since_forward_is_an_error_not_a_wrong_gradient() -> None:
    p, x = nn.Parameter(np.array([2.0])), leaf(3.0)
    y = p * p * x
    step(p)
    with pytest.raises(GradientError, match=r"grad: input \d of Mul, .* was changed in place after it was used"):
        grad(y, [p])
    assert grad(y, [x])[0].item() == 2 * 2  # which reads p * p, and that is still there
    with pytest.raises(GradientError, match="backward: input"):
        y.backward()
    assert grad(p * p * x, [p])[0].item() == 2 * 1 * 3


def test_what_does_not_pass_through_a_changed_parameter_can_still_be_differentiated() -> None:
    rng = Generator(0)
    generator, critic = nn.Dense(2, 2, rng=rng), nn.Dense(2, 1, rng=rng)
    fake = generator(Tensor(np.ones((1, 2), np.float32)))
    critic_loss = critic(fake.detach()).sum()
    unused = critic(fake)  # made before the critic's step
    critic_loss.backward()
    step(*critic.parameters())
    grad(critic(fake).sum(), generator.parameters())  # a new pass through the new critic
    grad(fake.sum(), generator.parameters())
    with pytest.raises(GradientError, match="changed in place"):
        grad(unused.sum(), generator.parameters())


def test_loading_a_state_and_the_statistics_of_batch_norm_count_as_changes() -> None:
    module = nn.Dense(2, 1)
    y = module(Tensor(np.ones((1, 2), np.float32)))
    module.load_state_dict(module.state_dict())
    with pytest.raises(GradientError, match="changed in place"):
        y.sum().backward()
    norm, x = nn.BatchNorm(2), Tensor(np.eye(2, dtype=np.float32))
    y = norm.eval()(x)
    norm.train()(x)
    with pytest.raises(GradientError, match="changed in place"):
        y.sum().backward()
    norm(x).sum().backward()  # in training the running statistics are not read


def test_a_copy_knows_nothing_of_changes_in_another_process() -> None:
    p = nn.Parameter(np.array([2.0]))
    step(p)
    assert p.changed > 0
    for other in (copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert other.changed == 0 and other.requires_grad and type(other) is nn.Parameter
        assert other.data is not p.data and other.item() == p.item()


def test_modules_can_be_copied_and_pickled() -> None:
    net = nn.Sequential(nn.Dense(2, 2), ops.tanh, nn.BatchNorm(2), nn.Dropout(0.5))
    x = Tensor(np.array([[1, 2], [3, 5]], np.float32))
    net(x).sum().backward()
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(other.eval()(x).data, net.eval()(x).data)
        step(*other.parameters())
        assert not np.array_equal(other[0].weight.data, net[0].weight.data)


# Functions.


class Square(Function):
    fails = False

    def forward(self, x: Any) -> Any:
        return x * x

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        if self.fails:
            raise ZeroDivisionError
        return gy * self.inputs[0] * 2


def test_a_function_that_is_called_twice_is_an_error_not_a_wrong_gradient() -> None:
    function, x = Square(), leaf(2.0)
    y = function(x)
    with pytest.raises(GradientError, match="Square was called twice.* use Square.apply"):
        function(leaf(5.0))
    assert grad(y, [x])[0].item() == 4


def test_a_failing_backward_leaves_the_graph_as_it_was() -> None:
    x = leaf(2.0)
    first = Square.apply(x)
    y = Square.apply(first, fails=True)
    with pytest.raises(ZeroDivisionError):
        y.backward()
    assert x.grad is None and first.node.needs(0) and y.node.needs(0)
    y.node.fails = False
    y.backward()
    assert x.grad.item() == 4 * 2**3


def test_a_graph_can_be_differentiated_in_several_threads_and_within_a_backward() -> None:
    class Product(Function):
        def forward(self, a: Any, b: Any) -> Any:
            return a * b

        def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
            meeting.wait(10)  # both threads are in the same backward, and want different inputs of it
            x = leaf(1.0)
            assert grad(Square.apply(x), [x])[0].item() == 2  # a walk within the walk
            a, b = self.inputs
            return (gy * b if self.needs(0) else None), (gy * a if self.needs(1) else None)

    meeting, found = threading.Barrier(2), {}
    a, b = leaf(2.0), leaf(3.0)
    y = Product.apply(a, b)

    def work(name: str, x: Tensor) -> None:
        found[name] = grad(y, [x], create_graph=True)[0].item()

    threads = [threading.Thread(target=work, args=pair) for pair in (("a", a), ("b", b))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {"a": 3, "b": 2}


@pytest.mark.parametrize(
    ("result", "says"),
    [(None, "expected numbers, lists of them, or an array, got None"), (Tensor(1.0), "got a Tensor")],
)
def test_a_forward_that_returns_no_array_is_named(result: Any, says: str) -> None:
    class Wrong(Function):
        def forward(self, x: Any) -> Any:
            return result

    with pytest.raises(TypeError, match=f"^Wrong: Tensor: {says}"):
        Wrong.apply(leaf(1.0))


def test_the_cotangent_may_be_an_array_and_errors_name_the_caller() -> None:
    x = leaf(1.0, 2.0)
    assert grad(x * x, [x], np.array([1.0, 10.0]))[0].data.tolist() == [2, 40]
    (x * x).backward(np.array([1.0, 10.0]))
    assert x.grad.data.tolist() == [2, 40]
    with pytest.raises(ValueError, match="^grad: gy has to be like y"):
        grad(x * x, [x], np.ones(3))
    with pytest.raises(ValueError, match="^grad: y has shape"):
        grad(x * x, [x])
    with pytest.raises(ValueError, match="^backward: y has shape"):
        (x * x).backward()
    with pytest.raises(TypeError, match="^grad: y has to be a Tensor, got 1.0"):
        grad(1.0, [x])  # type: ignore[arg-type]
