"""Parts of Numba's compiler in shorter forms, used while a kernel is compiled: the same code in less time.

Numba writes a function down in LLVM's language with much that LLVM deletes again: an array is stored in memory for each
number that is read of it, all fields of a value are taken out to count the references of one, and each range and slice
has code for steps that are negative. It is Python that writes these lines, as text, and LLVM that reads them: they took
a third of the time. The functions here stand in the place of Numba's and write less. What LLVM makes of it is the same.

They are used with the versions of Numba that are named here; any other compiles as it does for everybody.

Imports: Numba and llvmlite. Read next: ``shortcuts_of_types.py``.
"""

# Numba and llvmlite are written without types.
# mypy: disable-error-code="no-untyped-call, import-untyped, misc"

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numba
from llvmlite import ir as llvm
from numba.core import cgutils, imputils, ir, ir_utils, types
from numba.core.lowering import Lower
from numba.core.runtime.context import NRTContext
from numba.cpython import rangeobj, slicing
from numba.np import arrayobj

#: Versions of Numba whose compiler this file knows.
KNOWN = ("0.68.",)
#: What stands in the place of what: the owner, the name, a function that makes the new one of the old one.
SHORTCUTS: list[tuple[Any, str, Callable[[Any], Any]]] = []


def instead_of(owner: Any, name: str) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """A decorator: what the function returns for Numba's `owner.name` stands in its place."""

    def decorate(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
        SHORTCUTS.append((owner, name, make))
        return make

    return decorate


@contextlib.contextmanager
def shortcuts() -> Iterator[None]:
    """Inside, Numba takes the shorter ways. The caller holds Numba's lock for compilers."""
    replaced = [(owner, name, vars(owner)[name], new) for owner, name, new in made() if name in vars(owner)]
    for owner, name, _, new in replaced:
        setattr(owner, name, new)
    try:
        yield
    finally:
        for owner, name, old, _ in replaced:
            setattr(owner, name, old)


@functools.cache
def made() -> list[tuple[Any, str, Any]]:
    """The owners, the names and the new functions; none for a Numba that is not known."""
    if not numba.__version__.startswith(KNOWN):
        return []
    return [(owner, name, make(vars(owner)[name])) for owner, name, make in SHORTCUTS if name in vars(owner)]


# References


@functools.cache
def _counts(models: Any, kind: Any) -> bool:
    """Whether values of this type hold references that are counted."""
    return bool(models[kind].contains_nrt_meminfo())


@instead_of(NRTContext, "get_meminfos")
def _references(old: Any) -> Any:
    """Of a value, only the fields with references are taken out."""

    def get_meminfos(self: Any, builder: Any, kind: Any, value: Any) -> list[tuple[Any, Any]]:
        models = self._context.data_model_manager
        if not _counts(models, kind):
            return []
        model = models[kind]
        found = [(kind, model.get_nrt_meminfo(builder, value))] if model.has_nrt_meminfo() else []
        for member, get in model.traverse(builder):
            if _counts(models, member):
                found += self.get_meminfos(builder, member, get(value))
        return found

    return get_meminfos


@instead_of(Lower, "delvar")
def _deleted_variables(old: Any) -> Any:
    """A variable without references needs no zero in its place when its life ends."""

    def delvar(self: Any, name: str) -> None:
        if _counts(self.context.data_model_manager, self.typeof(name)):
            old(self, name)
        elif name not in self._blk_local_varmap:
            self._singly_assigned_vars.discard(name)
            self._alloca_var(name, self.typeof(name))

    return delvar


@instead_of(Lower, "storevar")
def _stored_variables(old: Any) -> Any:
    """A variable without references is not read before it is written."""

    def storevar(self: Any, value: Any, name: str, **others: Any) -> None:
        if name in self._singly_assigned_vars or _counts(self.context.data_model_manager, self.typeof(name)):
            old(self, value, name, **others)
        else:
            self._alloca_var(name, self.typeof(name))
            self.builder.store(value, self.getvar(name))

    return storevar


# Values of several fields


@instead_of(cgutils._StructProxy, "__init__")
def _held_values(old: Any) -> Any:
    """A value that is only read needs no place in memory; `_settle` makes one when its address is asked for."""

    def held(self: Any, context: Any, builder: Any, value: Any = None, ref: Any = None) -> None:
        if value is None or ref is not None or not isinstance(self, cgutils.ValueStructProxy):
            old(self, context, builder, value, ref)
            return
        self._context, self._builder = context, builder
        self._datamodel = context.data_model_manager[self._fe_type]
        self._be_type = self._get_be_type(self._datamodel)
        if value.type != self._be_type:
            raise AssertionError(f"bad value type: expected {self._be_type}, got {value.type}")
        self._held, self._block, self._before = value, builder.block, (builder.block.instructions or [None])[-1]

    return held


def _is_held(proxy: Any) -> bool:
    return "_held" in vars(proxy) and "_outer_ref" not in vars(proxy)


def _settle(proxy: Any) -> None:
    """Store a held value in memory, there where the proxy was made: what reads it comes later."""
    builder, here = proxy._builder, proxy._builder.block
    place = cgutils.alloca_once(builder, proxy._be_type)
    if proxy._block is builder.function.entry_basic_block:
        with builder.goto_entry_block():  # behind the zeros that are written into the place
            builder.store(proxy._held, place)
    else:
        if proxy._before is None:
            builder.position_at_start(proxy._block)
        else:
            builder.position_after(proxy._before)
        builder.store(proxy._held, place)
        builder.position_at_end(here)
    proxy._value = proxy._outer_ref = place


@instead_of(cgutils._StructProxy, "__getattr__")
def _addresses(old: Any) -> Any:
    """The address of a held value."""

    def address(self: Any, field: str) -> Any:
        if field in ("_value", "_outer_ref") and _is_held(self):
            _settle(self)
            return vars(self)[field]
        return old(self, field)

    return address


@instead_of(cgutils._StructProxy, "__getitem__")
def _fields(old: Any) -> Any:
    """A field of a held value."""

    def field(self: Any, index: int) -> Any:
        return self._builder.extract_value(self._held, index) if _is_held(self) else old(self, index)

    return field


@instead_of(cgutils._StructProxy, "_getvalue")
def _whole_values(old: Any) -> Any:
    """A held value."""

    def _getvalue(self: Any) -> Any:
        return self._held if _is_held(self) else old(self)

    return _getvalue


@instead_of(arrayobj, "make_array")
def _arrays(old: Any) -> Any:
    """There is one class for each type of array, and it reads the shape of a held value, too."""

    @functools.cache
    def make_array(kind: Any) -> Any:
        base: Any = old(kind)
        if type(kind) is not types.Array or kind.ndim == 0:
            return base

        class Array(base):
            """Numba's own, but for the shape."""

            @property
            def shape(self) -> Any:
                """The sizes of all axes."""
                return self[self._datamodel.get_field_position("shape")] if _is_held(self) else super().shape

        return Array

    return make_array


@instead_of(arrayobj, "array_reshape")
def _reshaped(old: Any) -> Any:
    """``x.reshape(...)`` of contiguous x needs no search for strides that fit; a negative size is what is left."""

    def array_reshape(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind, result = signature.args[0], signature.return_type
        if type(kind) is not types.Array or kind.layout != "C" or result.layout != "C" or result.ndim == 0:
            return old(context, builder, signature, args)
        array = arrayobj.make_array(kind)(context, builder, args[0])
        count, sizes = array.nitems, cgutils.unpack_tuple(builder, args[1])
        zero, one = llvm.Constant(count.type, 0), llvm.Constant(count.type, 1)
        negative = [builder.icmp_signed("<", size, zero) for size in sizes]
        known = _product(builder, [builder.select(less, one, size) for less, size in zip(negative, sizes)])
        left = builder.sdiv(count, builder.select(builder.icmp_signed("==", known, zero), one, known))
        sizes = [builder.select(less, left, size) for less, size in zip(negative, sizes)]
        with builder.if_then(builder.icmp_signed("!=", _product(builder, sizes), count), likely=False):
            message = "total size of new array must be unchanged"
            context.call_conv.return_user_exc(builder, ValueError, (message,))
        strides = [array.itemsize]
        for size in reversed(sizes[1:]):
            strides.insert(0, builder.mul(strides[0], size))
        new = arrayobj.make_array(result)(context, builder)
        same = {"data": array.data, "itemsize": array.itemsize, "meminfo": array.meminfo, "parent": array.parent}
        arrayobj.populate_array(new, shape=sizes, strides=strides, **same)
        return imputils.impl_ret_borrowed(context, builder, result, new._getvalue())

    return array_reshape


def _product(builder: Any, numbers: list[Any]) -> Any:
    return functools.reduce(builder.mul, numbers)


# Slices and ranges


@instead_of(slicing, "fix_slice")
def _slices(old: Any) -> Any:
    """Of a slice without a step: both ends lie between 0 and the size; a negative one is counted from the end."""

    def fix_slice(builder: Any, part: Any, size: Any) -> None:
        if part._fe_type.has_step:
            old(builder, part, size)
            return
        zero = llvm.Constant(size.type, 0)
        for name in ("start", "stop"):
            bound = slicing.fix_index(builder, getattr(part, name), size)
            bound = builder.select(builder.icmp_signed("<", bound, zero), zero, bound)
            bound = builder.select(builder.icmp_signed(">", bound, size), size, bound)
            if _is_held(part) and builder.block is part._block:
                part._held = builder.insert_value(part._held, bound, part._datamodel.get_field_position(name))
            else:
                setattr(part, name, bound)

    return fix_slice


@instead_of(slicing, "get_slice_length")
def _lengths(old: Any) -> Any:
    """Of a slice without a step."""

    def get_slice_length(builder: Any, part: Any) -> Any:
        return old(builder, part) if part._fe_type.has_step else _at_least_0(builder, part.start, part.stop)

    return get_slice_length


@instead_of(slicing, "fix_stride")
def _strides(old: Any) -> Any:
    """Of a slice without a step: as before."""

    def fix_stride(builder: Any, part: Any, stride: Any) -> Any:
        return old(builder, part, stride) if part._fe_type.has_step else stride

    return fix_stride


def _at_least_0(builder: Any, start: Any, stop: Any) -> Any:
    """stop - start, or 0 if that is negative."""
    zero = llvm.Constant(start.type, 0)
    difference = builder.sub(stop, start)
    return builder.select(builder.icmp_signed(">", difference, zero), difference, zero)


@instead_of(Lower, "lower_expr")
def _ranges(old: Any) -> Any:
    """An iteration over range(stop) or range(start, stop), without code for other steps."""

    def lower_expr(self: Any, kind: Any, expr: Any) -> Any:
        if expr.op != "getiter" or not isinstance(self.typeof(expr.value.name), types.RangeType):
            return old(self, kind, expr)
        call = ir_utils.guard(ir_utils.get_definition, self.func_ir, expr.value)
        if not (isinstance(call, ir.Expr) and call.op == "call" and len(call.args) < 3 and not call.vararg):
            return old(self, kind, expr)
        of = rangeobj.make_range_iterator(kind)
        builder, value = self.builder, self.loadvar(expr.value.name)
        start, stop, step = (builder.extract_value(value, i) for i in range(3))
        result = of(self.context, builder)
        result.iter = cgutils.alloca_once_value(builder, start)
        result.stop, result.step = stop, step
        result.count = cgutils.alloca_once_value(builder, _at_least_0(builder, start, stop))
        return result._getvalue()

    return lower_expr
