"""The compilation of CPU kernels: Numba's `njit` with a cache on disk, and the fastmath flags.

A kernel, which Python calls, is decorated with `njit_cached`: it is compiled once per machine and dtype, cached on disk
(``cache.py``), then loaded in milliseconds. A helper, which only kernels call, is decorated with Numba's own ``njit``.

Numba puts a copy of a helper into the object code of every kernel that calls it. The copy is optimised again, so if
sums may be reordered its last bits can differ from those of other copies. All copies have the same name, and the linker
takes the first one: with plain Numba the result of a kernel depends on what the process compiled or loaded before. So
here the copies are private: a kernel always calls the one in its own object code.

Copy an array in a loop, not by ``a[:] = b``: that contains an error message for a wrong shape, and compiling Numba's
strings takes seconds.

Imports: Numba, cache. Read next: ``conv.py``.
"""

# Numba is written without types.
# mypy: disable-error-code="no-untyped-call, import-untyped, misc"

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from llvmlite.binding import Linkage
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

from minigen_kernels.cpu.cache import KernelCache, NoCache

F = TypeVar("F", bound=Callable[..., Any])
njit: Any = numba.njit  # its declared options are not all that it has

#: What LLVM may do to floating point: fuse a multiply and an add, reorder a sum (so that it can be
#: vectorised), ignore the sign of zero, multiply by a reciprocal. The flags "nnan" and "ninf" are
#: left out on purpose: with them LLVM deletes checks for NaN, and a NaN must reach the user.
FASTMATH = {"contract", "reassoc", "nsz", "arcp"}


def njit_cached(source: Callable[..., Any] | None = None, **options: Any) -> Callable[[F], F]:
    """A decorator for kernels: ``numba.njit(**options)`` with private helpers, cached on disk if possible.

    A kernel does not hold the interpreter's lock: threads that read and decode images run beside it.

    The cache tells kernels apart by the place of their source; `source` has one if the kernel has not.
    """

    def decorate(function: F) -> F:
        kernel = njit(pipeline_class=KernelCompiler, no_cfunc_wrapper=True, nogil=True, **options)(function)
        try:
            kernel._cache = KernelCache(source or function)
        except RuntimeError as error:
            if "no locator" not in str(error):
                raise
            kernel._cache = NoCache()
        return kernel

    return decorate


def njit_inner(**options: Any) -> Callable[[F], F]:
    """A decorator for functions that Python cannot even call: to compile how it would takes 40 ms. It would crash."""
    decorate: Callable[[F], F] = njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **options)
    return decorate


class KernelCode(JITCodeLibrary):
    """The object of a kernel, in which the copies of other functions are private."""

    def _finalize_final_module(self) -> None:
        for function in self._final_module.functions:
            if function.linkage == Linkage.linkonce_odr and not function.is_declaration:
                function.linkage = "internal"
        super()._finalize_final_module()


class KernelCompiler(Compiler):
    """Numba's compiler, with `KernelCode` for its object code."""

    def define_pipelines(self) -> Any:
        """As in the base class; called when the compiler knows the function."""
        self.state.library = KernelCode(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
        self.state.library.enable_object_caching()
        return super().define_pipelines()
