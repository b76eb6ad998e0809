"""Helpers of the tests that compare a CUDA device with the CPU: arrays there in any layout, numbers back, and waits.

The tests run on the double of CuPy (``pytest --cuda-double -m gpu``) as on a GPU. The double keeps a ledger of what the
host waited for; on a GPU there is none, and that a step does not wait is not looked at.

Imports: CuPy, when it is first needed. Read next: ``test_ops.py``.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigen.autograd import Tensor
from minigen.cli import main

Array = NDArray[Any]
LAYOUTS = ("plain", "transposed", "backwards", "stepped")
#: Sums run in another order there, and exp, log and pow round in another way.
TOLERANCE = {np.dtype(np.float64): 1e-9, np.dtype(np.float32): 1e-5}


def cupy() -> Any:
    return importlib.import_module("cupy")


def put(a: Array, layout: str = "plain") -> Any:
    """The numbers of `a` on the device, laid out in its memory as `layout` says."""
    xp = cupy()
    if layout == "plain":
        return xp.asarray(a)
    if layout == "transposed":
        return xp.asarray(np.array(a.T, order="C")).T
    if layout == "backwards":
        back = (slice(None, None, -1),) * a.ndim
        return xp.asarray(np.array(a[back], order="C"))[back]
    every_second = (slice(1, None, 2),) * a.ndim
    large = xp.full([2 * n + 1 for n in a.shape], np.nan if a.dtype.kind == "f" else 0, a.dtype)
    large[every_second] = xp.asarray(a)
    return large[every_second]


def move(x: Any, device: str) -> Any:
    """An array or a Tensor as a Tensor there, a list or tuple of them; all else as it is."""
    if isinstance(x, (list, tuple)):
        return type(x)([move(one, device) for one in x])
    if isinstance(x, Tensor):
        return x.to(device)
    return Tensor(x, device=device) if isinstance(x, np.ndarray) else x


def host(x: Any) -> Array:
    """A Tensor, or an array of any device, as an array of NumPy's."""
    if isinstance(x, Tensor):
        return x.numpy()
    return np.asarray(x if isinstance(x, np.ndarray) or "cupy" not in sys.modules else cupy().asnumpy(x))


def assert_close(there: Any, here: Any, tolerance: float | None = None, what: str = "") -> None:
    """Equal but for `tolerance` times the largest number here (or 1), in dtype and shape too."""
    a, b = host(there), host(here)
    assert (a.shape, a.dtype) == (b.shape, b.dtype), what
    if b.dtype.kind != "f":
        np.testing.assert_array_equal(a, b, what)
        return
    scale = max(1.0, float(np.abs(b[np.isfinite(b)]).max(initial=0.0)))
    np.testing.assert_allclose(a, b, rtol=0, atol=(tolerance or TOLERANCE[b.dtype]) * scale, err_msg=what)


def assert_same_bits(there: Any, here: Any) -> None:
    a, b = host(there), host(here)
    assert (a.shape, a.dtype, a.tobytes()) == (b.shape, b.dtype, b.tobytes())


def ledger() -> Any:
    """What the double counts, or None on a GPU."""
    return getattr(cupy(), "_ledger", None)


def waits() -> dict[tuple[str, str], int]:
    """What the host has waited for so far, and where: {(name, site): times}."""
    found = ledger()
    return {} if found is None else {(n, site): k for (kind, n, site), k in found.sites.items() if kind == "sync"}


@contextlib.contextmanager
def no_wait(what: str = "") -> Iterator[None]:
    """Fail if the host waits for the device inside of the block. On a GPU nothing is counted."""
    before = waits()
    yield
    new = [f"{name} at {site}" for (name, site), k in waits().items() if k > before.get((name, site), 0)]
    assert not new, f"{what} makes the host wait for the device: {'; '.join(new)}"


def hazards() -> list[str]:
    """What went on so far that CuPy does not tell: atomic additions of floats, positions beyond an axis, and so on."""
    found = ledger()
    return [] if found is None else [f"{what} at {site}" for what, site in found.hazards]


def command(*words: object) -> None:
    """The command ``minigen`` in this process; it must end well."""
    try:
        main([str(word) for word in words])
    except SystemExit as end:
        assert not end.code, f"minigen {' '.join(map(str, words))}: exit code {end.code}"
