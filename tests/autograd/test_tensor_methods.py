"""Tensor's operators and methods are bound to operations in one place: none is missing, none is left over.

Read next: ``test_tensor.py``.
"""

from __future__ import annotations

import inspect
import pydoc
import re

import pytest

import minigen as mg
from minigen.autograd import tensor


def test_what_tensor_calls_is_what_is_bound() -> None:
    called = set(re.findall(r"\bmethods\.(\w+)\(", inspect.getsource(tensor)))
    assert called == set(vars(tensor.methods))


@pytest.mark.parametrize("name", ["backward", "detach", "item", "mean", "numpy", "reshape", "sum", "to", "transpose"])
def test_help_shows_a_method_with_its_text(name: str) -> None:
    text = pydoc.plain(pydoc.render_doc(mg.Tensor))
    first_line = (inspect.getdoc(getattr(mg.Tensor, name)) or "?").splitlines()[0]
    # From Python 3.13 on a long signature is one argument a line.
    assert re.search(rf"\b{name}\([\s|]*self", text) and first_line in text


def test_help_shows_the_operators() -> None:
    text = pydoc.plain(pydoc.render_doc(mg.Tensor))
    for name in ("add", "radd", "sub", "mul", "truediv", "pow", "matmul", "neg", "getitem", "eq", "lt"):
        assert f"__{name}__(self" in text
