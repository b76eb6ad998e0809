"""What is asked of every row of the op table, and a test that every public operation has one.

Read next: ``tests/gradcheck/central_differences.py``.
"""

from __future__ import annotations

import functools
import pkgutil
from collections.abc import Callable, Set
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from gradcheck.central_differences import WrongGradientError, check_gradients
from hypothesis import given, settings
from hypothesis import strategies as st
from ops.op_row import Array, Case, Row, refuses_complex
from ops.op_row import ops as late
from ops.op_table import BY_NAME, ROWS

from minigen import ops
from minigen.autograd import Function, Tensor, grad
from minigen.gradcheck import gradcheck
from minigen.inventory import EXCLUDED, OPERATIONS

differentiable = pytest.mark.parametrize("row", [row for row in ROWS if row.order], ids=lambda row: row.name)
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
BADS = [pytest.param(bad, id=f"{row.name}-{i}") for row in ROWS for i, bad in enumerate(row.bad)]


def tensors_of(case: Case, dtype: Any = np.float64) -> list[Tensor]:
    return [Tensor(x.astype(dtype), requires_grad=True) for x in case.inputs]


def results_and_gradients(row: Row, inputs: list[Tensor], options: dict[str, Any], gy: Array) -> list[Array]:
    """All results, and the gradient of the first with respect to every input."""
    results = row.run(*inputs, **options)
    gradients = grad(results[0], inputs, Tensor(gy)) if results[0].requires_grad else ()
    return [t.data for t in (*results, *gradients)]


def assert_close(actual: Array, expected: Array, tolerance: float) -> None:
    """Equal but for `tolerance` times the largest expected number (or 1); so sums may cancel."""
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * max(1, np.abs(expected).max(initial=0)))


def test_every_public_operation_is_named_wherever_it_has_to_be() -> None:
    families = [import_module(f"minigen.ops.{module.name}") for module in pkgutil.iter_modules(ops.__path__)]
    written = {name for family in families for name in getattr(family, "__all__", ())}
    checked = {name.removeprefix("ops.") for name in (*(item.name for item in OPERATIONS), *EXCLUDED)}
    assert_named(written | BY_NAME.keys(), set(ops.__all__), "an import and a name in minigen/ops/__init__.py")
    assert_named(set(ops.__all__), written, "a name in __all__ of its file in minigen/ops/")
    assert_named(set(ops.__all__), BY_NAME.keys(), "a row in tests/ops/op_rows_<family>.py")
    assert_named(set(ops.__all__), checked, "a case in OPERATIONS of minigen/inventory/operations.py")
    assert len(ROWS) == len(BY_NAME), "an operation has two rows"


def assert_named(names: Set[str], there: Set[str], what: str) -> None:
    assert names <= there, f"{', '.join(sorted(names - there))}: {what} is missing"


@pytest.mark.parametrize("there", [set(), {"exp"}])
def test_what_is_not_named_is_told(there: set[str]) -> None:
    with pytest.raises(AssertionError, match="log: a row is missing"):
        assert_named({"exp", "log"}, there | {"exp"}, "a row")


def test_the_row_of_an_operation_that_is_not_there_yet_fails_alone() -> None:
    row = Row("brand_new", st.nothing(), np.exp, (refuses_complex(late.brand_new),))
    for call in (row.run, row.bad[0].call):
        with pytest.raises(AssertionError, match=r"minigen.ops has no brand_new yet: .* minigen/ops/__init__.py"):
            call()


@every_row
@given(data=st.data())
def test_forward_agrees_with_the_reference_in_float64(row: Row, data: st.DataObject) -> None:
    case = data.draw(row.cases)
    results, expected = row.run(*tensors_of(case), **case.options), row.expected(case)
    assert len(results) == len(expected)
    for y, wanted in zip(results, expected, strict=True):
        assert y.dtype == np.asarray(wanted).dtype
        # Both sides round a few dozen times (2e-16 each); erf, exp and a division by a spread multiply that.
        assert_close(y.data, np.asarray(wanted), 1e-12)


@every_row
@settings(max_examples=10)
@given(data=st.data())
def test_float32_stays_float32_and_is_close(row: Row, data: st.DataObject) -> None:
    drawn = data.draw(row.cases)
    case = Case(tuple(x.astype(np.float32) for x in drawn.inputs), drawn.options)
    exact = Case(tuple(x.astype(np.float64) for x in case.inputs), case.options)
    inputs = tensors_of(case, np.float32)
    results = row.run(*inputs, **case.options)
    for y, wanted in zip(results, row.expected(exact), strict=True):
        assert y.dtype == (np.float32 if np.asarray(wanted).dtype.kind == "f" else wanted.dtype)
        assert_close(y.data, np.asarray(wanted), row.float32)
    if results[0].requires_grad:
        gy = np.random.default_rng(0).normal(size=results[0].shape)
        gradients = grad(results[0], inputs, Tensor(gy.astype(np.float32)))  # the engine checks dtype and shape
        precise = tensors_of(exact)
        wanted_gradients = grad(row.run(*precise, **case.options)[0], precise, Tensor(gy))
        for g, wanted in zip(gradients, wanted_gradients, strict=True):
            assert_close(g.data, wanted.data, 10 * row.float32)  # a gradient is a chain of a few such steps


def layouts(x: Array) -> dict[str, Callable[[], Array]]:
    """The numbers of x, placed in memory in other ways."""
    every_second = (*(slice(1, None, 2),) * x.ndim,)
    backwards = (*(slice(None, None, -1),) * x.ndim,)

    def stepped() -> Array:
        large = np.full([2 * n + 1 for n in x.shape], np.nan, x.dtype)
        large[every_second] = x
        return large[every_second]

    return {
        "transposed": lambda: np.array(x.T, order="C").T,
        "stepped": stepped,
        "backwards": lambda: np.array(x[backwards], order="C")[backwards],
    }


@every_row
@settings(max_examples=6)
@given(data=st.data())
def test_strides_do_not_matter(row: Row, data: st.DataObject) -> None:
    case = data.draw(row.cases)
    gy = np.random.default_rng(0).normal(size=row.run(*case.inputs, **case.options)[0].shape)
    wanted = results_and_gradients(row, tensors_of(case), case.options, gy)
    for layout in ("transposed", "stepped", "backwards"):
        strided = [Tensor(np.asarray(layouts(x)[layout]()), requires_grad=True) for x in case.inputs]
        found = results_and_gradients(row, strided, case.options, np.asarray(layouts(gy)[layout]()))
        for a, b in zip(found, wanted, strict=True):
            assert_close(a, b, 1e-12)  # NumPy may add up in another order


@every_row
@settings(max_examples=5)
@given(data=st.data())
def test_inputs_are_unchanged_and_a_repeated_run_gives_the_same_bits(row: Row, data: st.DataObject) -> None:
    case = data.draw(row.cases)
    inputs = tensors_of(case)
    gy = np.random.default_rng(0).normal(size=row.run(*case.inputs, **case.options)[0].shape)
    kept = gy.copy()
    first = results_and_gradients(row, inputs, case.options, gy)
    second = results_and_gradients(row, inputs, case.options, gy)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    for x, before in zip([*(t.data for t in inputs), gy], [*case.inputs, kept], strict=True):
        np.testing.assert_array_equal(x, before)


@every_row
@settings(max_examples=5)
@given(data=st.data())
def test_arrays_are_taken_as_constants(row: Row, data: st.DataObject) -> None:
    case = data.draw(row.cases)
    of_arrays = row.run(*case.inputs, **case.options)
    of_tensors = row.run(*tensors_of(case), **case.options)
    for a, b in zip(of_arrays, of_tensors, strict=True):
        assert isinstance(a, Tensor) and not a.requires_grad
        np.testing.assert_array_equal(a.data, b.data)


def check_every_order(row: Row, data: st.DataObject) -> None:
    case = data.draw(row.cases)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    check_gradients(lambda *xs: row.run(*xs, **case.options)[0], case.inputs, row.order, rng)


def check_publicly(row: Row, data: st.DataObject, **effort: int) -> None:
    case = data.draw(row.cases)
    run = functools.partial(row.run, **case.options)
    report = gradcheck(lambda *xs: run(*xs)[0], *tensors_of(case), order=row.order, allow_zero=True, **effort)
    assert {line.order for line in report.rows} == set(range(1, row.order + 1))


@differentiable
@settings(max_examples=8)
@given(data=st.data())
def test_gradients_of_every_order_agree_with_differences(row: Row, data: st.DataObject) -> None:
    check_every_order(row, data)


@pytest.mark.slow
@differentiable
@settings(max_examples=20)
@given(data=st.data())
def test_gradients_of_many_cases(row: Row, data: st.DataObject) -> None:
    check_every_order(row, data)


@pytest.mark.slow
@differentiable
@settings(max_examples=3)
@given(data=st.data())
def test_the_public_gradient_check_agrees(row: Row, data: st.DataObject) -> None:
    """It plants errors of its own. The fast tests check every operation so too: ``inventory/test_inventory.py``."""
    check_publicly(row, data, max_elements=60)


@pytest.mark.parametrize("bad", BADS)
def test_bad_input_is_refused_with_a_clear_message(bad: Any) -> None:
    with pytest.raises(bad.error) as caught:
        bad.call()
    assert bad.says in str(caught.value)


# The check itself: each of these gradients is wrong in one way, and must be found out.


class Wrong(Function):
    """x**3 with a gradient that somebody got wrong."""

    slope: Callable[[Tensor], Tensor]

    def forward(self, x: Array) -> Array:
        return x**3

    def backward(self, gy: Tensor, y: Tensor) -> Tensor:
        return gy * self.slope(self.inputs[0])


@pytest.mark.parametrize(
    ("slope", "order"),
    [
        pytest.param(lambda x: x * x * -3, 1, id="sign"),
        pytest.param(lambda x: x * x * 3.001, 1, id="factor"),
        pytest.param(lambda x: x * x * 3 + 0.001, 1, id="offset"),
        pytest.param(lambda x: x.detach() * x.detach() * 3, 2, id="saved array: wrong from the second order on"),
        pytest.param(lambda x: x.detach() * x * 3, 2, id="half saved array"),
    ],
)
def test_the_check_finds_wrong_gradients(slope: Callable[[Tensor], Tensor], order: int) -> None:
    x, rng = np.random.default_rng(0).normal(size=(2, 3)), np.random.default_rng(1)
    with pytest.raises(WrongGradientError, match=f"order {order}, input 0"):
        check_gradients(lambda x: Wrong.apply(x, slope=slope), [x], 2, rng)


def test_the_check_accepts_the_right_gradient() -> None:
    x, rng = np.random.default_rng(0).normal(size=(2, 3)), np.random.default_rng(1)
    check_gradients(lambda x: Wrong.apply(x, slope=lambda x: x * x * 3), [x], 4, rng)
