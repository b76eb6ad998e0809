"""Check an item: every case of it, at every order up to the one asked for, on a backend.

A backend is a room of kernels: ``reference`` (NumPy), ``cpu`` (Numba) or ``cuda``.

Imports: gradcheck, device, kernels. Read next: ``minigen/cli/gradcheck.py``, which prints the table.
"""

from __future__ import annotations

import contextlib
import zlib
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from minigen.autograd import Tensor
from minigen.device import cuda_status, to_device
from minigen.gradcheck import Report, gradcheck
from minigen.inventory.cases import Item
from minigen.nn import Module
from minigen_kernels import in_reference

Backend = Literal["reference", "cpu", "cuda"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)


@dataclass(frozen=True)
class Outcome:
    """The result of an item on a backend: one report for each of its cases."""

    item: Item
    backend: Backend
    reports: tuple[Report, ...]

    def verdict(self, order: int) -> str:
        """The verdict at an order: OK, that of the first case that fails, or "-" if a lower order has failed."""
        failures = [report.failure for report in self.reports if report.failure is not None]
        here = [failure.verdict for failure in failures if failure.order == order]
        below = any(failure.order < order for failure in failures)
        return here[0] if here else "-" if below else "OK"

    @property
    def ok(self) -> bool:
        """Did every case pass?"""
        return all(report.ok for report in self.reports)


def backend_status(backend: Backend) -> tuple[bool, str]:
    """Whether this backend can be used here, and the reason if not, or the name of the device."""
    return cuda_status() if backend == "cuda" else (True, "")


def using_backend(backend: Backend) -> contextlib.AbstractContextManager[None]:
    """Inside ``with``: NumPy arrays are computed in the room `backend`; "cuda" leaves them where they are."""
    return in_reference() if backend == "reference" else contextlib.nullcontext()


def check(item: Item, backend: Backend = "cpu", *, order: int = 2, seed: int = 0, **options: Any) -> Outcome:
    """Check every case of `item`; `options` go to `gradcheck`.

    The numbers of an item depend on its name and `seed`, so that they are the same on every backend. A wrong gradient
    is an outcome and raises nothing; RuntimeError names a case that cannot be run.
    """
    reports = []
    rng = np.random.default_rng([zlib.crc32(item.name.encode()), seed])
    with using_backend(backend):
        for i, case in enumerate(item.cases):
            fn, inputs = case(rng)
            if backend == "cuda":
                fn, inputs = fn.to("cuda") if isinstance(fn, Module) else fn, tuple(map(_on_cuda, inputs))
            try:
                reports.append(gradcheck(fn, *inputs, order=order, seed=seed, raise_on_failure=False, **options))
            except Exception as error:
                raise RuntimeError(
                    f"{item.name}, case {i + 1} on {backend}: {type(error).__name__}: {error}"
                ) from error
    return Outcome(item, backend, tuple(reports))


def _on_cuda(x: Any) -> Any:
    if isinstance(x, np.ndarray):
        return Tensor(to_device(x, "cuda"))
    return x.to("cuda") if isinstance(x, Tensor) else x
