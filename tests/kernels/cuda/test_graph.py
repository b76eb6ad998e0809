"""What a recorded graph is made with: cuBLAS by a handle of its own, and the launches of two steps compared.

Read next: ``../../capture/test_capture.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minigen_kernels.cuda import optim
from minigen_kernels.cuda.gemm import matmul, using_handle
from minigen_kernels.cuda.graph import Lane, Launch, Recorder, first_difference
from minigen_kernels.cuda.launch import using

SHAPES = [
    ((3, 4), (4, 5)), ((1, 4), (4, 5)), ((3, 4), (4, 1)), ((1, 4), (4, 1)), ((3, 0), (0, 5)), ((0, 4), (4, 5)),
    ((3, 4), (4,)), ((4,), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (6, 4, 5)), ((2, 3, 4), (4, 5)),
    ((2, 0, 4), (2, 4, 5)),
]  # fmt: skip


def layouts(x: Any) -> list[Any]:
    """The same numbers, row by row, column by column, and with gaps."""
    if x.ndim < 2:
        return [x]
    wide = x.repeat(2, -1)
    return [x, x.swapaxes(-1, -2).copy().swapaxes(-1, -2), wide[..., ::2]]


def packed(x: Any) -> Any:
    """What cuBLAS can read: CuPy copies matrices with gaps."""
    return x if x.ndim < 2 or x.flags.c_contiguous or x.flags.f_contiguous else x.copy()


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("a_shape, b_shape", SHAPES)
def test_a_handle_of_its_own_multiplies_as_cupy_does(a_shape: Any, b_shape: Any, dtype: Any) -> None:
    """Bit for bit, in a capture and outside of one, whatever the layout."""
    cupy = pytest.importorskip("cupy")
    recorder = Recorder(Lane())
    rng = np.random.default_rng(0)
    a, b = (cupy.asarray(rng.normal(size=shape).astype(dtype)) for shape in (a_shape, b_shape))
    for x in layouts(a):
        for y in layouts(b):
            wanted = packed(x) @ packed(y)
            made, _ = recorder.run(lambda x=x, y=y: matmul(x, y))
            kept: list[Any] = []
            graph, _ = recorder.record(lambda x=x, y=y, kept=kept: kept.append(matmul(x, y)))
            graph.launch()
            for got in (made, kept[0]):
                assert got.shape == wanted.shape and got.dtype == dtype and got.flags.c_contiguous
                assert got.tobytes() == wanted.tobytes(), (x.strides, y.strides)


@pytest.mark.gpu
def test_a_handle_says_what_fails() -> None:
    cupy = pytest.importorskip("cupy")
    from minigen_kernels.cuda.cublas import Handle

    handle = Handle(cupy.cuda.Stream(non_blocking=True))
    with pytest.raises(NotImplementedError, match=r"a product of shapes \(3,\) and \(3,\) in a captured step"):
        handle.matmul(cupy.ones(3), cupy.ones(3))
    with pytest.raises(RuntimeError, match="cuBLAS: cublasSetWorkspace_v2 failed with status 7"):
        handle._call("cublasSetWorkspace_v2", handle._handle, 1, 256)
    with using_handle(handle):
        assert matmul(cupy.ones((2, 3)), cupy.ones((3, 2))).tolist() == [[3.0, 3.0], [3.0, 3.0]]


A = Launch("a_kernel", (2, 1, 1), (256, 1, 1), (("n", 5), ("slope", 0.5)))


@pytest.mark.parametrize(
    "other, told",
    [
        ([A], None),
        ([A._replace(numbers=(("n", 5), ("slope", 0.25)))], "kernel a_kernel: argument slope changed from 0.5 to 0.25"),
        ([A._replace(kernel="b_kernel")], "one step launched a_kernel where the next launched b_kernel"),
        ([A._replace(grid=(3, 1, 1))], "kernel a_kernel: (2, 1, 1) blocks of (256, 1, 1) in one step, (3, 1, 1)"),
        ([A, A], "one step launched 1 kernels, the next 2"),
    ],
)
def test_the_first_difference_is_told(other: list[Launch], told: str | None) -> None:
    found = first_difference([A], other)
    assert found == told if told is None else told in str(found)


def test_not_a_number_is_no_change() -> None:
    a = A._replace(numbers=(("slope", float("nan")),))
    assert first_difference([a], [a._replace(numbers=(("slope", float("nan")),))]) is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_updates_read_from_the_device_what_changes_from_step_to_step(host: Any, dtype: Any) -> None:
    """The numbers that are collected, written to where the kernels read: the same bits as by value."""
    rng = np.random.default_rng(0)

    def updated(step: int, **where: Any) -> tuple[list[np.ndarray], list[float]]:
        p, g, m, v = (rng.random(7).astype(dtype) for _ in range(4))
        with using(host.backends[0]), optim.numbers(**where) as collected:
            optim.adam_update([p], [g], [m], [v], step, 0.1, 0.9, 0.99, 1e-8, 0.1, True)
            optim.sgd_update([p], [g], [m], 0.1 / step, 0.9, True, 0.1)
            optim.rmsprop_update([p], [g], [v], [m], 0.1 / step, 0.9, 1e-8, 0.5, 0.1)
        return [p, m, v], collected.values

    found = []
    for memory in (None, np.full(5, np.nan)):
        rng = np.random.default_rng(0)
        _, values = updated(3, launching=False)
        assert values == pytest.approx([0.1 / 0.271, 1 / np.sqrt(1 - 0.99**3), 0.99, 0.1 / 3, 0.1 / 3])
        rng = np.random.default_rng(0)
        if memory is not None:
            memory[:] = values
        arrays, _ = updated(3 if memory is None else 8, memory=memory)  # with memory, whatever is given by value
        found.append([x.tobytes() for x in arrays])
    assert found[0] == found[1]


def test_without_launching_nothing_changes() -> None:
    p, g = np.ones(3, np.float32), np.ones(3, np.float32)
    with optim.numbers(launching=False) as collected:
        optim.sgd_update(p, g, p, 0.5, 0.0, False, 0.0)
    assert p.tolist() == [1, 1, 1] and collected.values == [0.5]
