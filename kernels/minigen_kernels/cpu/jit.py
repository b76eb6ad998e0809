"""The compilation of CPU kernels: Numba's `njit` with a cache on disk, and the fastmath flags.

A kernel, which Python calls, is decorated with `njit_cached`: it is compiled once per machine and dtype, cached on disk
(``cache.py``), then loaded in milliseconds. A helper, which only kernels call, is decorated with `njit_inner`.

With plain Numba each function is optimised and made machine code together with a copy of all that it calls, again at
each level of calls. Here a helper remains as it was written down: all of a kernel is optimised once.

The copies of helpers in the object code of kernels have the same names, and the linker would take the first one: the
bits of a result would depend on what the process compiled or loaded before. So here the copies are private: a kernel
always calls the one in its own object code.

Copy an array in a loop, not by ``a[:] = b``: that contains an error message for a wrong shape, and compiling Numba's
strings takes seconds.

Imports: Numba, cache, lanes, shortcuts. Read next: ``conv.py``.
"""

# Numba is written without types.
# mypy: disable-error-code="no-untyped-call, import-untyped, misc"

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import numba
from llvmlite.binding import Linkage
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, Flags

from minigen_kernels.cpu import shortcuts_of_types  # noqa: F401 - it adds to those of shortcuts
from minigen_kernels.cpu.cache import KernelCache, NoCache
from minigen_kernels.cpu.lanes import REGISTER_BYTES
from minigen_kernels.cpu.shortcuts import shortcuts

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
        kernel = compiled(KernelCompiler, nogil=True, **options)(function)
        try:
            kernel._cache = KernelCache(source or function)
        except RuntimeError as error:
            if "no locator" not in str(error):
                raise
            kernel._cache = NoCache()
        return kernel

    return decorate


def njit_inner(**options: Any) -> Callable[[F], F]:
    """A decorator for helpers, which only kernels can call: such a call from Python would crash."""
    return compiled(HelperCompiler, no_cpython_wrapper=True, **options)


def compiled(compiler: type[Compiler], **options: Any) -> Any:
    """Numba's decorator. All functions divide like NumPy, so fewer variants of Numba's own functions are compiled.

    A helper has its own fastmath flags, not those of the kernel that happens to call it first.
    """
    given = {"pipeline_class": compiler, "no_cfunc_wrapper": True, "error_model": "numpy", "fastmath": False}
    return njit(**given | options)


class Code(JITCodeLibrary):
    """Code that is optimised once, as a part of a kernel."""

    def add_ir_module(self, module: Any) -> None:
        """Let loops use whole registers. LLVM uses half of one with AVX-512, which slowed down the first processors."""
        for function in module.functions:
            set.add(function.attributes, f'"prefer-vector-width"="{8 * REGISTER_BYTES}"')  # llvmlite does not know it
        super().add_ir_module(module)

    def _optimize_functions(self, module: Any) -> None:
        """Functions alone are not optimised."""
        module.data_layout = self._codegen._data_layout


class HelperCode(Code):
    """The code of a helper, which becomes machine code only as a part of kernels."""

    @property
    def codegen(self) -> Any:
        """Numba asks it to place the environment of the function, which has no machine code."""
        return Nowhere

    def finalize(self) -> None:
        """Nothing can be added any more."""
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """There is none."""
        return 0


class NumbaCode(HelperCode):
    """The code of a function of Numba's own that a kernel calls, such as `np.empty`.

    Other programs may call it, too, and then link this library alone: it holds what it calls.
    """

    def finalize(self) -> None:
        """Link what is called."""
        for library in dict.fromkeys(self._linking_libraries):
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        super().finalize()


class Nowhere:
    """In the place of Numba's code generator."""

    @staticmethod
    def set_env(name: str, environment: Any) -> None:
        """Do nothing."""


class KernelCode(Code):
    """The object of a kernel, in which the copies of other functions are private."""

    def add_linking_library(self, library: Any) -> None:
        """Link it, and what it is linked to."""
        super().add_linking_library(library)
        if isinstance(library, HelperCode):
            for other in library._linking_libraries:
                if other not in self._linking_libraries:
                    self.add_linking_library(other)

    def _finalize_final_module(self) -> None:
        for function in self._final_module.functions:
            if function.linkage == Linkage.linkonce_odr and not function.is_declaration:
                function.linkage = "internal"
        super()._finalize_final_module()


class Options(Flags):
    """The flags of one of our functions.

    Numba looks at a copy of them each time it has to choose the implementation of a call, some ten thousand times.
    """

    @classmethod
    def of(cls, flags: Any) -> Any:
        """These flags; with those of fastmath also the promise that arrays do not overlap, unless one is another.

        Else LLVM makes two forms of a loop and takes the slow one where arrays are close. With fastmath flags the two
        may round differently: the bits of a result would depend on where arrays lie.
        """
        options: Any = cls(flags)
        options.noalias = bool(options.fastmath)
        return options

    def copy(self) -> Any:
        """Without those that matter to the function alone, so that kernels and helpers share implementations."""
        options: Any = SharedOptions(self)
        options.release_gil, options.no_cpython_wrapper, options.forceinline = False, True, False
        options.noalias = False
        return SharedOptions.known.setdefault(repr(options), options)


class SharedOptions(Flags):
    """There is one object for equal flags."""

    known: ClassVar[dict[str, SharedOptions]] = {}

    __eq__, __hash__ = object.__eq__, object.__hash__

    def copy(self) -> Any:
        """Flags that can be changed."""
        return Flags(self)


class HelperCompiler(Compiler):
    """Numba's compiler, with `HelperCode` for its code."""

    def compile_extra(self, function: Any) -> Any:
        """As in the base class."""
        self.state.flags = Options.of(self.state.flags)
        return super().compile_extra(function)

    def define_pipelines(self) -> Any:
        """As in the base class; called when the compiler knows the function."""
        self.state.library = HelperCode(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
        return super().define_pipelines()


class KernelCompiler(Compiler):
    """Numba's compiler, with `KernelCode` for its code."""

    def compile_extra(self, function: Any) -> Any:
        """As in the base class, without searches for garbage: they would take a tenth of the time.

        What else Numba compiles meanwhile, it does for this kernel, too.
        """
        self.state.flags = Options.of(self.state.flags)
        codegen, collects = self.state.targetctx.codegen(), gc.isenabled()
        gc.disable()
        codegen._library_class = NumbaCode
        try:
            with shortcuts():
                return super().compile_extra(function)
        finally:
            del codegen._library_class  # that of its class remains
            if collects:
                gc.enable()

    def define_pipelines(self) -> Any:
        """As in the base class; called when the compiler knows the function."""
        self.state.library = KernelCode(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
        self.state.library.enable_object_caching()
        return super().define_pipelines()
