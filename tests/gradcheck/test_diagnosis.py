"""Each kind of explanation is found for its mistake, over shapes and seeds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from gradcheck import engine_mistakes as engine
from gradcheck import formula_mistakes as formula
from gradcheck.formula_mistakes import Case, Rng
from gradcheck.wrong_gradients import point, spoilt

from minigen import ops
from minigen.autograd import Function, Tensor
from minigen.gradcheck import GradientMismatch, gradcheck
from minigen_kernels import Array

KINDS: dict[str, list[Callable[[Rng], Case]]] = {
    "factor": [formula.by_a_length, formula.by_an_ugly_number, formula.by_a_number_of_the_layer],
    "sign": [formula.turned_sign],
    "transposed": [formula.transposed_square, formula.transposed_by_reshape],
    "flipped": [formula.reversed_axes],
    "shifted": [formula.shifted_round, formula.shifted_over_the_edge],
    "missing-sum": [formula.first_slice_only, formula.not_summed],
    "extra-sum": [formula.summed_too_far],
    "other-input": [formula.exchanged_inputs],
    "missing-term": [
        formula.forgotten_mean,
        formula.forgotten_norm,
        formula.forgotten_statistics,
        formula.forgotten_skip,
        formula.forgotten_output,
    ],
    "batch-size": [formula.batch_as_one_sample],
    "mask": [formula.leak_forgotten, formula.wrong_above_one, formula.greater_of_two],
    "region": [formula.last_row, formula.border, formula.one_channel, formula.one_element],
    "detached": [engine.cut_at_order_1, engine.saved_array, engine.saved_number],
    "zero": [engine.zeros, engine.no_path],
    "none": [engine.nothing],
    "nan": [engine.division_by_zero],
    "shape": [engine.wrong_shape],
    "count": [engine.too_few],
    "dtype": [engine.wrong_dtype],
    "not-deterministic": [engine.dice, engine.dice_backward],
    "in-place": [engine.overwrites_input, engine.overwrites_gy],
    "state": [engine.shared_state],
    "recorded": [engine.other_definition],
    "upstream": [engine.gy_forgotten],
    "not-linear": [engine.clipped, engine.added],
}
ALL = [(kind, case) for kind, cases in KINDS.items() for case in cases]


@pytest.mark.parametrize(("kind", "case"), ALL, ids=[f"{kind}-{case.__name__}" for kind, case in ALL])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_the_kind_of_mistake_is_named_first(kind: str, case: Callable[[Rng], Case], seed: int) -> None:
    fn, inputs, order = case(np.random.default_rng(seed))
    with pytest.raises(GradientMismatch) as info:
        gradcheck(fn, *inputs, order=order, seed=seed)
    assert [e.kind for e in info.value.explanations][:1] == [kind], str(info.value)


class Exchanged(Function):
    """a * a * b, with the gradients in the wrong order."""

    def forward(self, a: Array, b: Array) -> Array:
        return a * a * b

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        a, b = self.inputs
        return gy * a * a, gy * 2.0 * a * b


@pytest.mark.parametrize(("size", "factor", "order"), [(1, [], []), (3, ["factor"], ["other-input"])])
def test_one_number_is_no_evidence(size: int, factor: list[str], order: list[str]) -> None:
    """Every number is a multiple of every other, so it shows neither a factor nor a term that is missing."""
    for fn, inputs, kinds in (
        (spoilt(ops.tanh, lambda g: g * 1.2345), (point(size),), factor),
        (Exchanged.apply, (point(size), point(size, seed=1)), order),
    ):
        failure = gradcheck(fn, *inputs, raise_on_failure=False).failure
        assert failure is not None and failure.verdict == "WRONG"
        assert [e.kind for e in failure.explanations][:1] == kinds


def test_a_repair_within_the_tolerance_is_none_if_it_leaves_much_of_the_difference() -> None:
    """Errors of a millionth: one factor for both numbers would pass, and explains neither."""
    x = np.array([0.7, 0.5])
    for errors, kinds in (([2e-6, 2e-6], ["factor"]), ([2e-6, 4e-7], [])):
        wrong = spoilt(ops.exp, lambda g, errors=errors: g * Tensor(1 + np.array(errors)))
        failure = gradcheck(wrong, x, raise_on_failure=False).failure
        assert failure is not None and failure.verdict == "WRONG"
        assert [e.kind for e in failure.explanations][:1] == kinds
