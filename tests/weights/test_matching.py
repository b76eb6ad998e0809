"""What fits is taken, whatever it is called; what does not is one error with all of it, and nothing has changed.

Read next: ``test_files.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigen import nn, weights
from minigen.serialization import CheckpointError
from minigen.weights.matching import match


def network() -> nn.Sequential:
    return nn.Sequential(nn.Dense(3, 4), nn.BatchNorm(4), nn.Sequential(nn.Dense(4, 4), nn.Dense(4, 2, bias=False)))


def state(seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {key: rng.random(a.shape).astype(a.dtype) for key, a in network().state_dict().items()}


def refusal(found: dict[str, Any], **options: Any) -> str:
    """The error for these arrays; the network must be as it was."""
    module = network()
    before = module.state_dict()
    with pytest.raises(CheckpointError) as info:
        match(module, found, **options).apply()
    assert all(np.array_equal(before[name], array) for name, array in module.state_dict().items())
    return str(info.value)


def test_everything_that_does_not_fit_is_named_at_once() -> None:
    found = state()
    del found["2.0.bias"]
    found |= {"0.weight": np.ones((4, 4), np.float32), "extra": np.ones(2), "1.bias": np.array([1, np.nan, 1, 1])}
    found |= {"1.weight": np.ones(4, np.int64), "1.running_var": np.full(4, 1e300)}
    text = refusal(found, file="theirs.pt")
    assert text.startswith("cannot load theirs.pt, which does not fit: ")
    assert "missing 2.0.bias (4,)" in text and "unexpected extra (2,)" in text
    assert "0.weight has shape (4, 4), 0.weight is (4, 3)" in text
    assert "1.bias holds NaN, infinity, or numbers too large for float32" in text
    assert "1.running_var holds NaN, infinity, or numbers too large" in text
    assert "1.weight has dtype int64, 1.weight is float32" in text


def test_many_misfits_are_counted() -> None:
    text = refusal({f"x{i}": np.ones(1) for i in range(30)})
    assert text.count("unexpected") + text.count("missing") == 12 and "and 27 more" in text  # 9 entries and 30 arrays


@pytest.mark.parametrize("start", ["module.", "_orig_mod.", "net.generator."])
def test_a_beginning_too_much_is_recognised(start: str) -> None:
    found = {start + name: array for name, array in state().items()}
    assert f"Names fit without their beginning {start!r}: --map {start}=" in refusal(found)
    module = network()
    match(module, found, renames=[(start, "")]).apply()
    assert all(np.array_equal(found[start + name], array) for name, array in module.state_dict().items())


def test_a_part_is_recognised() -> None:
    found = {name[2:]: array for name, array in state().items() if name.startswith("2.")}
    assert "The names are those of the part '2': --part 2" in refusal(found)


def test_renames_the_longest_first_and_none_in_vain() -> None:
    found = {name.replace("2.0", "deep.a").replace("2.1", "deep.b"): a for name, a in state().items()}
    plan = match(network(), found, renames=[("deep.", "2."), ("deep.a", "2.0"), ("deep.b", "2.1")])
    plan.check()
    assert {move.source for move in plan.moves} == found.keys()
    assert "no name begins with 'nothing.', which the map names" in refusal(state(), renames=[("nothing.", "x.")])
    assert "0.bias and 1.bias are both called 1.bias now" in refusal(state(), renames=[("0.bias", "1.bias")])


def test_by_order_names_say_nothing_but_shapes_do() -> None:
    found = {f"layer_{i}": array for i, array in enumerate(state().values())}
    module = network()
    match(module, found, by_order=True).apply()
    for array, own in zip(found.values(), module.state_dict().values(), strict=True):
        np.testing.assert_array_equal(array, own)
    backwards = dict(reversed(found.items()))
    assert "layer_8 has shape (2, 4), 0.weight is (4, 3)" in refusal(backwards, by_order=True)
    found["more"] = np.ones(1)
    assert "by order: there are 10 arrays for 9 entries" in refusal(found, by_order=True)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.sampled_from(["f2", "f4", "f8"]), st.integers(0, 9))
def test_other_precisions_are_rounded_and_told(dtype: str, seed: int) -> None:
    found = {name: array.astype(dtype) for name, array in state(seed).items()}
    module = network()
    plan = match(module, found)
    plan.apply()
    for move in plan.moves:
        own = module.state_dict()[move.slot.name]
        assert own.dtype == np.float32 and np.array_equal(own, found[move.source].astype(np.float32))
        assert move.how == ("" if dtype == "f4" else f"{np.dtype(dtype)} to float32")
        assert f"{move.slot.name} " in plan.table()


def test_counters_of_batches_are_written_and_not_read() -> None:
    written = weights.to_torch(network())
    assert written["1.num_batches_tracked"].dtype == np.int64 and written["1.num_batches_tracked"].shape == ()
    match(network(), written | {"1.num_batches_tracked": np.array(7)}).check()


def test_tied_weights_that_differ_are_refused() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            self.a = nn.Dense(2, 2, bias=False)
            self.b = self.a

    one, other = np.ones((2, 2), np.float32), np.zeros((2, 2), np.float32)
    match(Tied(), {"b.weight": one}).check()
    match(Tied(), {"a.weight": one, "b.weight": one}).check()
    with pytest.raises(CheckpointError, match=r"a\.weight and b\.weight are one tensor here, but their values differ"):
        match(Tied(), {"a.weight": one, "b.weight": other}).check()
    with pytest.raises(CheckpointError, match=r"missing a\.weight or b\.weight \(2, 2\)"):
        match(Tied(), {}).check()


def test_integers_that_do_not_fit_are_refused() -> None:
    class Counted(nn.Module):
        def __init__(self) -> None:
            from minigen.autograd import Tensor

            self.count = Tensor(np.zeros(2, np.int32))

    module = Counted()
    match(module, {"count": np.array([1, 2])}).apply()
    assert module.count.data.tolist() == [1, 2] and module.count.dtype == np.int32
    with pytest.raises(CheckpointError, match="count holds numbers too large for int32"):
        match(module, {"count": np.array([1, 2**40])}).apply()
