"""Functions that are to keep the digits of what is small, in operations of ONNX.

Imports: NumPy. Read next: ``arrays.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def expm1(graph: Any, x: Any) -> Any:
    """exp(x) - 1 without loss of digits near 0: (u - 1) x / log u for u = exp(x) (Kahan; Higham 2002, section 1.14)."""
    x = graph.value(x)
    u = graph.node("Exp", x)
    less = graph.node("Sub", u, 1.0)
    near = graph.node("Less", graph.node("Abs", x), 0.5, dtype=np.bool_)
    one = graph.node("Equal", u, 1.0, dtype=np.bool_)
    log = graph.node("Log", graph.where(one, 2.0, u, x.dtype))
    exact = graph.node("Div", graph.node("Mul", less, x), log)
    return graph.where(near, graph.where(one, x, exact), less)


def log1p(graph: Any, x: Any) -> Any:
    """log(1 + x) without loss of digits near 0: log(u) x / (u - 1) for u = 1 + x (Higham 2002, problem 1.5)."""
    x = graph.value(x)
    u = graph.node("Add", x, 1.0)
    log = graph.node("Log", u)
    less = graph.node("Sub", u, 1.0)
    near = graph.node("Less", graph.node("Abs", x), 0.5, dtype=np.bool_)
    one = graph.node("Equal", u, 1.0, dtype=np.bool_)
    exact = graph.node("Div", graph.node("Mul", log, x), graph.where(one, 1.0, less, x.dtype))
    return graph.where(near, graph.where(one, x, exact), log)


def excess(graph: Any, x: Any) -> Any:
    """exp(x) - 1 - x: near 0 its series, as in the kernel."""
    tail = graph.value(1.0, x.dtype)
    for k in range(19, 2, -1):
        tail = graph.node("Add", graph.node("Mul", graph.node("Mul", x, tail), 1 / k), 1.0)
    near = graph.node("Less", graph.node("Abs", x), 1.0, dtype=np.bool_)
    above = graph.node("Sub", graph.node("Exp", x), 1.0)
    far = graph.where(graph.node("IsInf", above, dtype=np.bool_), above, graph.node("Sub", above, x))
    series = graph.node("Mul", graph.node("Mul", graph.node("Mul", x, x), 0.5), tail)
    return graph.where(near, series, far)


def deficit(graph: Any, x: Any) -> Any:
    """x - log(1 + x): near 0 the series of artanh, as in the kernel."""
    near = graph.node("Less", graph.node("Abs", x), 0.5, dtype=np.bool_)
    small = graph.where(near, x, 0.0)
    s = graph.node("Div", small, graph.node("Add", small, 2.0))
    square = graph.node("Mul", s, s)
    tail = graph.value(np.zeros((), x.dtype))
    for k in range(35, 1, -2):
        tail = graph.node("Add", graph.node("Mul", tail, square), 1 / k)
    cubes = graph.node("Mul", graph.node("Mul", graph.node("Mul", square, s), tail), 2.0)
    series = graph.node("Sub", graph.node("Mul", small, s), cubes)
    return graph.where(near, series, graph.node("Sub", x, log1p(graph, x)))
