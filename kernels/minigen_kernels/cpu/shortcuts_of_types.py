"""More of ``shortcuts.py``: the search for the variables of a function and for the types of its operators.

Imports: Numba, shortcuts. Read next: ``jit.py``.
"""

# Numba is written without types.
# mypy: disable-error-code="no-untyped-call, import-untyped, misc"

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from numba.core import ir, types
from numba.core.typing.npydecl import NumpyRulesArrayOperator

from minigen_kernels.cpu.shortcuts import instead_of


@instead_of(ir.Stmt, "list_vars")
def _variables_of_statements(old: Any) -> Any:
    """The variables of a statement; most of what it holds is none."""

    def list_vars(self: Any) -> list[Any]:
        return _variables(vars(self).values(), self._rec_list_vars)

    return list_vars


@instead_of(ir.Expr, "list_vars")
def _variables_of_expressions(old: Any) -> Any:
    """The variables of an expression."""

    def list_vars(self: Any) -> list[Any]:
        return _variables(self._kws.values(), self._rec_list_vars)

    return list_vars


def _variables(values: Iterable[Any], others: Callable[[Any], list[Any]]) -> list[Any]:
    """The variables among the values and inside them."""
    found = []
    for value in values:
        if type(value) is ir.Var:
            found.append(value)
        elif isinstance(value, ir.Inst):
            found += value.list_vars()
        elif isinstance(value, (list, tuple, dict, ir.Var)):
            found += others(value)
    return found


@instead_of(NumpyRulesArrayOperator, "generic")
def _operators(old: Any) -> Any:
    """An operator of NumPy's is for arrays: with numbers alone its loops need not be compared."""

    def generic(self: Any, args: Any, kws: Any) -> Any:
        return None if all(isinstance(arg, types.Number | types.Boolean) for arg in args) else old(self, args, kws)

    return generic
