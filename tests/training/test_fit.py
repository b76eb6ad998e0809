"""The loop: order of calls, ends, means, memory; and that NaN is found in the step and operation that made it."""

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import ops
from minigen.autograd import Tensor
from minigen.data import Batches, Dataset
from minigen.training.fit import Means, TrainingState, fit
from minigen.training.nonfinite import NonFiniteLoss, first_not_finite, is_finite


def batches(n=10, size=3, seed=0):
    images = np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1)
    return Batches(Dataset("counting", "train", images), size, seed=seed)


def test_the_order_of_calls():
    log = []
    state = fit(
        lambda batch: log.append(("step", len(batch))) or {"loss": 1.0},
        batches(),
        epochs=2,
        schedule=lambda k: log.append(("schedule", k)),
        after_step=lambda state, terms: log.append(("after", state.step, state.epoch, state.batch)),
        after_epoch=lambda state, means: log.append(("epoch", state.step, state.epoch, state.batch, means)),
    )
    one = [[("schedule", k), ("step", 3), ("after", k + 1, k // 3, k % 3 + 1)] for k in range(6)]
    first, second = sum(one[:3], []), sum(one[3:], [])
    assert log == [*first, ("epoch", 3, 1, 0, {"loss": 1.0}), *second, ("epoch", 6, 2, 0, {"loss": 1.0})]
    assert (state.step, state.epoch, state.batch) == (6, 2, 0)


@pytest.mark.parametrize(("max_steps", "end"), [(1, (1, 0, 1)), (3, (3, 1, 0)), (4, (4, 1, 1)), (99, (6, 2, 0))])
def test_max_steps_ends_anywhere(max_steps, end):
    state = fit(lambda batch: {"loss": 0.0}, batches(), epochs=2, max_steps=max_steps)
    assert (state.step, state.epoch, state.batch) == end


class Stop(Exception):  # noqa: N818 - not an error
    pass


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(1, 11), st.integers(1, 3), st.integers(0, 9))
def test_stopping_after_any_step_and_going_on_sees_the_same_batches(stop, epochs, seed):
    """The batches, the epoch ends and their means are those of a loop that was never stopped."""

    def run(stop_at):
        source, state, seen = batches(seed=seed), TrainingState(), []

        def after_step(state, terms):
            if state.step == stop_at:
                raise Stop

        def go():
            fit(
                lambda batch: seen.append(batch.x.ravel().tolist()) or {"loss": float(batch.x.sum())},
                source,
                epochs=epochs,
                state=state,
                after_step=after_step,
                after_epoch=lambda state, means: seen.append(means),
            )

        try:
            go()
        except Stop:
            saved, point = source.state, state  # into new objects, as from a checkpoint
            source = batches(seed=seed)
            source.state = saved
            state = TrainingState(point.step, point.epoch, point.batch, point.means)
            go()
        return seen

    assert run(stop) == run(None)


def test_means_weigh_and_count_each_term_by_itself():
    means = Means()
    means.add({"loss": Tensor(np.float32(1.0)), "rare": 3.0}, weight=2)
    means.add({"loss": Tensor(np.float32(4.0))}, weight=1)
    assert means.values() == {"loss": 2.0, "rare": 3.0}


def test_no_graph_of_the_step_before_is_alive():
    """With the cycle collector off: what is gone is gone because nothing refers to it."""
    alive, p = [], Tensor([1.0], requires_grad=True)

    def step(batch):
        assert all(reference() is None for reference in alive)
        hidden = p * 2.0
        alive.append(weakref.ref(hidden))
        return {"loss": ops.exp(hidden).sum()}

    gc.disable()
    try:
        fit(step, batches(), epochs=1)
    finally:
        gc.enable()
    assert len(alive) == 3


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
def test_nan_names_step_and_first_operation():
    p = Tensor([2.0, 1.0], requires_grad=True)

    def step(batch):
        step.calls += 1
        y = ops.log(p - 1.0 if step.calls == 4 else p * 3.0)  # log 0 = -Inf in the fourth step
        return {"loss": ((y * 0.0) ** 2).sum(), "other": 1.0}

    step.calls = 0
    with pytest.raises(NonFiniteLoss) as info:
        fit(step, batches(), epochs=3, parameters={"p": p})
    text = str(info.value)
    assert text.startswith("step 4: loss is nan; the first operation that gave NaN or infinity is Log of Tensor(")
    assert "Log of Tensor(shape=(2,), float32, cpu, [1, 0]" in text  # the input that the logarithm could not take


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
def test_the_update_of_the_same_step_does_not_hide_the_operation():
    """The NaN gradient has spoilt the parameters by the time anybody looks; they are not to blame."""
    p = Tensor([0.0, 1.0], requires_grad=True)

    def step(batch):
        loss = (ops.sqrt(p) / p).sum()
        loss.backward()
        p.data -= p.grad.data
        assert not is_finite(p.data)
        return {"loss": loss}

    with pytest.raises(NonFiniteLoss, match=r"step 1: loss is nan; .* is Div of Tensor.*parameter 'w' \(2,\)"):
        fit(step, batches(), epochs=1, parameters={"w": p})


def test_nan_in_the_data_is_shown_as_the_input():
    p = Tensor([1.0], requires_grad=True)

    def step(batch):
        return {"loss": (p * Tensor(np.array([np.nan], np.float32))).sum()}

    with pytest.raises(NonFiniteLoss, match=r"is Mul of parameter 'p' \(1,\) and .*!!! 1 NaN !!!"):
        fit(step, batches(), epochs=1, parameters={"p": p})


def test_an_update_that_breaks_a_parameter_is_named_in_its_step():
    p = Tensor([1.0, 2.0], requires_grad=True)

    def step(batch):
        loss = p.sum()
        p.data = p.data * np.float32(1e20)
        return {"loss": loss}

    with (
        np.errstate(over="ignore"),
        pytest.raises(NonFiniteLoss, match=r"step 2: the loss is finite, but .* parameter 'net.w'"),
    ):
        fit(step, batches(), epochs=1, parameters={"net.w": p})


def test_large_finite_numbers_are_finite():
    assert is_finite(np.full(10, 3e38, np.float32))  # their squares are not
    assert is_finite(np.zeros((0, 3), np.float32)) and is_finite(np.ones((3, 4), np.float64).T)
    for bad in (np.nan, np.inf, -np.inf):
        x = np.zeros((3, 5), np.float32)
        x[1, 2] = bad
        assert not is_finite(x) and not is_finite(x.T)
        assert first_not_finite({"a": Tensor(np.zeros(2)), "b": Tensor(x)}) == "b"


def test_bad_arguments():
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        fit(lambda b: {"loss": 0.0}, batches(), epochs=0)
    with pytest.raises(ValueError, match="must be at least 1, got 3 and 0"):
        fit(lambda b: {"loss": 0.0}, batches(), epochs=3, max_steps=0)
    with pytest.raises(ValueError, match="'loss' among them, got \\['mse'\\]"):
        fit(lambda b: {"mse": 0.0}, batches(), epochs=1)
