"""Matrix products by MKL: only when asked for, the same numbers, the same bits, and clear words where it is not there.

Read next: ``test_gemm_kernel.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from minigen.training.environment import describe_environment
from minigen_kernels.cpu import gemm, mkl


@pytest.fixture(autouse=True)
def _looked_for_again() -> Iterator[None]:
    mkl.library.cache_clear()
    yield
    mkl.library.cache_clear()


@pytest.fixture
def with_mkl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGEN_BLAS", "mkl")
    try:
        mkl.library()
    except RuntimeError as error:
        pytest.skip(str(error))


def test_nobody_gets_it_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINIGEN_BLAS", raising=False)
    assert mkl.library() is None
    assert describe_environment()["matrix products"] == "minigen's own"


def test_another_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGEN_BLAS", "openblas")
    with pytest.raises(ValueError, match=r"MINIGEN_BLAS: expected 'mkl', or nothing .*; got 'openblas'"):
        mkl.library()
    assert describe_environment()["matrix products"].startswith("no: MINIGEN_BLAS: expected 'mkl'")


def test_where_it_is_not_there_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGEN_BLAS", "mkl")
    monkeypatch.setattr(mkl, "_places", lambda: iter(["/nowhere/libmkl_rt.so"]))
    a = np.ones((128, 128), np.float32)
    with pytest.raises(RuntimeError, match=r"no MKL was found: pip install 'minigen-engine\[mkl\]'"):
        gemm.matmul(a, a)
    assert "no MKL was found" in describe_environment()["matrix products"]


def test_one_that_was_set_up_otherwise_is_refused() -> None:
    class Used:
        """An MKL whose threads somebody has chosen: 0, those of Intel's OpenMP."""

        MKL_Set_Interface_Layer = MKL_Set_Threading_Layer = MKL_CBWR_Set = staticmethod(lambda _: 0)

    with pytest.raises(RuntimeError, match="another library has used MKL .* set MKL_THREADING_LAYER=SEQUENTIAL"):
        mkl._set_up(Used())


def test_large_products_of_matrices_are_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    products: list[tuple[int, ...]] = []
    monkeypatch.setattr(gemm.mkl, "library", lambda: "there")
    monkeypatch.setattr(gemm.mkl, "matmul", lambda a, b: products.append((*a.shape, b.shape[1])) or a @ b)
    for m, k, n in ((128, 100, 60), (2, 2, 2), (1, 900, 900), (900, 900, 1)):
        gemm.matmul(np.ones((m, k), np.float32), np.ones((k, n), np.float32))
    assert products == [(128, 100, 60)]  # of the others NumPy's way is shorter, or a loop is enough


LAYOUTS: dict[str, Any] = {
    "rows": lambda x: x,
    "columns": lambda x: np.asfortranarray(x),
    "every second column": lambda x: np.repeat(x, 2, 1)[:, ::2],
    "every second row": lambda x: np.repeat(x, 2, 0)[::2],
    "a part of wider rows": lambda x: np.pad(x, ((0, 0), (3, 2)))[:, 3:-2],
    "backwards": lambda x: x[::-1].copy()[::-1],
    "one row again and again": lambda x: np.broadcast_to(x[:1], x.shape),
}


@pytest.mark.usefixtures("with_mkl")
@pytest.mark.parametrize("of_a", LAYOUTS)
@pytest.mark.parametrize("of_b", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_of_any_strides(of_a: str, of_b: str, dtype: type) -> None:
    rng = np.random.default_rng(0)
    for m, k, n in ((5, 7, 3), (1, 4, 6), (6, 1, 2), (4, 5, 1), (0, 3, 2), (2, 0, 3), (40, 50, 60)):
        a, b = (
            LAYOUTS[of_a](rng.normal(size=(m, k)).astype(dtype)),
            LAYOUTS[of_b](rng.normal(size=(k, n)).astype(dtype)),
        )
        y, exact = mkl.matmul(a, b), a.astype(np.float64) @ b.astype(np.float64)
        assert y.shape == (m, n) and y.dtype == dtype and y.flags.c_contiguous
        # k products of numbers of size 1, each rounded
        np.testing.assert_allclose(y, exact, rtol=0, atol=4 * (k + 1) * np.finfo(dtype).eps)


@pytest.mark.usefixtures("with_mkl")
def test_the_bits_do_not_depend_on_where_an_array_begins() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(61, 803)).astype(np.float32), rng.normal(size=(803, 117)).astype(np.float32)
    wanted = mkl.matmul(a, b)
    for offset in range(1, 17):
        moved = [np.empty(x.size + offset, np.float32)[offset:].reshape(x.shape) for x in (a, b)]
        for to, x in zip(moved, (a, b), strict=True):
            to[:] = x
        assert np.array_equal(mkl.matmul(*moved), wanted)


@pytest.mark.usefixtures("with_mkl")
def test_it_is_named_with_its_version() -> None:
    assert describe_environment()["matrix products"].endswith("sequential, reproducible")
