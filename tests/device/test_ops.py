"""The op table on a CUDA device, against the CPU: results, gradients of both orders, layouts, constants, waits.

Read next: ``test_layers.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from device.both import LAYOUTS, assert_close, cupy, hazards, host, no_wait, put
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from ops.op_row import Case, Row
from ops.op_table import ROWS

from minigen.autograd import Tensor, grad

pytestmark = pytest.mark.gpu
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


def examples(n: int) -> Any:
    """So many cases of a row, the same in every run: what is tested is the device, not the formula."""
    return settings(
        max_examples=n,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def on_device(options: dict[str, Any]) -> dict[str, Any]:
    """Masks and places among the options lie on the device; inside of an index they may stay."""
    return {k: put(np.asarray(v)) if isinstance(v, (np.ndarray, np.bool_)) else v for k, v in options.items()}


def differentiated(row: Row, xs: list[Tensor], options: dict[str, Any], order: int, xp: Any) -> list[Tensor]:
    """The results, the gradients of the first, and those of a sum of these gradients."""
    results = row.run(*xs, **options)
    found = list(results)
    y = results[0]
    if not y.requires_grad:
        return found
    gy = np.random.default_rng(0).normal(size=y.shape).astype(y.dtype)
    gxs = grad(y, xs, Tensor(xp.asarray(gy)), create_graph=order > 1)
    found += gxs
    weights = [np.random.default_rng(k + 1).normal(size=g.shape).astype(g.dtype) for k, g in enumerate(gxs)]
    parts = [(g * Tensor(xp.asarray(w))).sum() for g, w in zip(gxs, weights, strict=True) if g.requires_grad]
    return [*found, *(grad(sum(parts[1:], parts[0]), xs) if parts else ())]


def compare(row: Row, case: Case, dtype: Any, layout: str) -> None:
    """The device computes what the CPU does, leaves its result there and its inputs alone, and nobody waits."""
    order, xs = min(row.order, 2), [x.astype(dtype) for x in case.inputs]
    here = differentiated(row, [Tensor(x, requires_grad=True) for x in xs], case.options, order, np)
    there, options = [put(x, layout) for x in xs], on_device(case.options)
    tensors = [Tensor(x, requires_grad=True) for x in there]
    if row.waits:
        found = differentiated(row, tensors, options, order, cupy())
    else:
        with no_wait(row.name):
            found = differentiated(row, tensors, options, order, cupy())
    assert len(found) == len(here)
    tolerance = 1e-9 if dtype == np.float64 else 100 * row.float32  # a gradient of order 2 is a long chain
    for k, (a, b) in enumerate(zip(found, here, strict=True)):
        assert a.device == "cuda", f"result {k} is on {a.device}"
        assert_close(a, b, tolerance, f"result {k}")
    for x, before in zip(there, xs, strict=True):
        np.testing.assert_array_equal(host(x), before, "an input has changed")


@every_row
@examples(3)
@given(data=st.data())
def test_the_device_computes_what_the_cpu_does(row: Row, data: st.DataObject) -> None:
    case, before = data.draw(row.cases), hazards()
    compare(row, case, np.float64, "plain")
    compare(row, case, np.float32, data.draw(st.sampled_from(LAYOUTS)))
    assert hazards() == before


@pytest.mark.slow
@every_row
@examples(6)
@given(data=st.data())
def test_every_layout_of_the_memory_there(row: Row, data: st.DataObject) -> None:
    case = data.draw(row.cases)
    for layout in LAYOUTS:
        compare(row, case, np.float64, layout)
    compare(row, case, np.float32, "plain")


@every_row
@examples(1)
@given(data=st.data())
def test_arrays_there_are_taken_as_constants(row: Row, data: st.DataObject) -> None:
    case = data.draw(row.cases)
    here = row.run(*case.inputs, **case.options)
    there = row.run(*map(put, case.inputs), **on_device(case.options))
    for a, b in zip(there, here, strict=True):
        assert a.device == "cuda" and not a.requires_grad
        assert_close(a, b)


@every_row
@examples(1)
@given(data=st.data())
def test_a_second_run_gives_the_same_bits(row: Row, data: st.DataObject) -> None:
    case = data.draw(row.cases)

    def run() -> list[bytes]:
        xs = [Tensor(put(x), requires_grad=True) for x in case.inputs]
        return [host(t).tobytes() for t in differentiated(row, xs, on_device(case.options), 1, cupy())]

    assert run() == run()


@pytest.mark.parametrize("row", [row for row in ROWS if row.order], ids=lambda row: row.name)
def test_inputs_of_two_devices_are_one_clear_error(row: Row) -> None:
    """Where an operation takes two Tensors or more, one of them on each device."""
    case = row_case(row)
    if len(case.inputs) < 2:
        return
    first, *others = case.inputs
    with pytest.raises((TypeError, ValueError)) as caught:
        row.run(Tensor(put(first)), *map(Tensor, others), **case.options)
    assert "cuda" in str(caught.value) and "cpu" in str(caught.value), caught.value


def row_case(row: Row) -> Case:
    """A case of a row."""
    found: list[Case] = []

    @examples(1)
    @given(row.cases)
    def draw(case: Case) -> None:
        found.append(case)

    draw()
    return found[0]
