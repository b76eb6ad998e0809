"""What every ``in_PEER.py`` shares: it is run by the Python of that peer, and prints its cells as JSON.

A cell is a list of numbers or a text; what a peer does not have is left out, and what it refuses is its error. It also
runs on Python 3.8.

Imports: the standard library. Read next: ``in_torch.py``.
"""

from __future__ import annotations

import inspect
import json
import platform
import sys


def measure(cells):
    """A table of functions without arguments as values: each is called alone, and may fail alone."""
    done = {}
    for key, cell in cells.items():
        try:
            done[key] = plain(cell())
        except Exception as error:  # what the peer refuses is a result too
            done[key] = {"error": (type(error).__name__ + ": " + str(error).strip().split("\n")[0])[:160]}
    return done


def plain(value):
    """Numbers of any kind as a flat list, with NaN and infinity as words, for JSON has none."""
    if value is None or isinstance(value, str):
        return value
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [x for part in value for x in plain(part)]
    number = float(value)
    return [number if abs(number) < float("inf") else str(number)]  # "nan", "inf", "-inf"


def default(function, name):
    """The default of an argument, as a number or text."""
    function = function.__init__ if inspect.isclass(function) else function
    value = inspect.signature(function).parameters[name].default
    return str(value) if value is None or isinstance(value, (str, bool)) else value


def describe(weight, fan_in, fan_out, bias=None):
    """The law of initial numbers, NumPy arrays: its kind by the largest over the deviation, its width by known laws."""
    deviation, largest = float(weight.std()), float(abs(weight).max())
    ratio = largest / deviation  # uniform 1.73, cut at two deviations 2.27, normal above 3.5 for so many
    kind = "uniform" if ratio < 1.9 else "normal, cut at 2 deviations" if ratio < 2.5 else "normal"
    width = largest if kind == "uniform" else deviation
    both = fan_in + fan_out
    laws = {
        "1/sqrt(fan_in)": fan_in**-0.5,
        "1/sqrt(fan_out)": fan_out**-0.5,
        "sqrt(2/fan_in)": (2 / fan_in) ** 0.5,
        "sqrt(2/fan_out)": (2 / fan_out) ** 0.5,
        "sqrt(3/fan_in)": (3 / fan_in) ** 0.5,
        "sqrt(6/fan_in)": (6 / fan_in) ** 0.5,
        "sqrt(2/(fan_in + fan_out))": (2 / both) ** 0.5,
        "sqrt(6/(fan_in + fan_out))": (6 / both) ** 0.5,
        "1": 1.0,
        "0.05": 0.05,
        "0.02": 0.02,
    }
    error, law = min((abs(width / value - 1), law) for law, value in laws.items())
    law = law if error < 0.01 else f"{width:.3g}"
    text = "uniform, +-" + law if kind == "uniform" else kind + ", std " + law
    if bias is None:
        return text
    if not abs(bias).max():
        return text + "; bias 0"
    bound = float(abs(bias).max())
    return text + ("; bias the same" if abs(bound / width - 1) < 0.05 else f"; bias up to {bound:.2g}")


def main(versions, tables):
    """``python in_PEER.py TABLE``: the cells of that table on the last line of the output."""
    table = tables.get(sys.argv[1])
    cells = measure(table()) if table else {}
    print(json.dumps({"versions": {**versions, "Python": platform.python_version()}, "cells": cells}))
