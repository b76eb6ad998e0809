"""`minigen gradcheck` without a shape: good guesses, other points than the first, whole numbers, surrogates."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from cli.user_layers_at_points import FILE
from hypothesis import given
from hypothesis import strategies as st

from minigen.algorithms.options import ConfigError
from minigen.cli.input_spec import InputSpec, parse_input


@pytest.fixture
def check(minigen, tmp_path, monkeypatch):
    """Call the command on `mine.py` in an empty folder."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("mine.py").write_text(FILE)
    yield lambda name, *words: minigen("gradcheck", f"mine.py:{name}", *words)
    for name in [n for n, m in sys.modules.items() if str(getattr(m, "__file__", None)).startswith(str(tmp_path))]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("RMSNorm", "(3, 5) and (5,)"),
        ("Channels", "(3, 5, 7, 6) and (5,)"),
        ("Times", "() and (3, 5)"),
        ("Attention", "(3, 7, 4)"),
        ("Mixing", "(3, 5, 7) and (3, 5, 7) and (3, 5, 7)"),
    ],
)
def test_a_guess_that_backward_refuses_is_a_bad_guess(check, name, shapes):
    result = check(name)
    assert result.code == 0, result
    assert f"inputs: {shapes}, found by trying; --input-shape gives others" in result.out


def test_where_no_guess_is_good_a_shape_is_asked_for(check):
    result = check("Odd")
    assert result.code == 2 and result.out == ""
    assert "a guess" in result.err and "give the shape of each input by --input-shape" in result.err
    assert check("Odd", "--input", "3,11", "--input", "11").code == 0


@pytest.mark.parametrize("words", [(), ("--input", "3,5", "--input", "3,5")])
def test_a_backward_with_other_arguments_is_told_which(check, words):
    result = check("GradientAlone", *words)
    assert result.code == 1 and "def backward(self, gy, y)" in result.out and "guesses" not in result.err, result


def test_a_wrong_layer_is_still_wrong_and_the_guess_is_named(check):
    result = check("Wrong")
    assert result.code == 1 and result.out.startswith("WRONG, input 1") and "2" in result.out
    assert "inputs: (3, 5) and (5,), found by trying" in result.out
    assert json.loads(check("Wrong", "--json").out)["inputs"].startswith("inputs: (3, 5) and (5,), found by trying")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("HardSwish", "numbers 10 times as large"),
        ("Threshold", "numbers 100 times as large"),
        ("AtZero", "inputs of which some numbers are 0"),
        ("Rows", "a batch of 37"),
        ("Alone", "a batch of 1"),
        ("Single", "the same inputs in float32"),
    ],
)
def test_wrong_at_another_point(check, name, words):
    result = check(name)
    assert result.code == 1 and result.out.startswith("WRONG"), result
    assert f"right at the first point, wrong with {words}" in result.out


@pytest.mark.parametrize("name", ["HardSwish", "logarithm", "root", "kinked", "steep", "Simplex"])
def test_right_at_every_point(check, name):
    words = ("--kwargs", '{"right": true}') if name == "HardSwish" else ()
    for seed in range(3):
        result = check(name, *words, "--seed", seed)
        assert result.code == 0 and "also right at" in result.out, result


def test_a_backward_that_raises_elsewhere(check):
    result = check("BackwardRaises")
    assert (
        result.code == 1
        and "backward of BackwardRaises, with a batch of 131, raises ValueError: too long" in result.err
    )


def test_whole_numbers(check):
    words = ("--input", "int:0,6:2,3", "--input", "6,4")
    assert check("Embedding", *words).code == 0
    wrong = check("Embedding", *words, "--kwargs", '{"right": false}')
    assert wrong.code == 1 and "input 1" in wrong.out
    asked = check("Embedding")
    assert asked.code == 2 and "whole numbers are --input int:0,6:2,3" in asked.err


def test_a_surrogate(check):
    plain = check("Round")
    assert plain.code == 1 and "straight-through?" in plain.out and "--derivative-of" in plain.out
    assert check("Round", "--derivative-of", "mine.py:identity", "--order", 2).code == 0
    assert check("Round", "--derivative-of", "mine.py:logarithm", "--input", "float:1,2:3").code == 1


def test_help_names_it_in_whole_words(minigen):
    line = next(line for line in minigen("--help").out.splitlines() if line.strip().startswith("gradcheck"))
    assert not line.rstrip().endswith("...")


def test_a_name_that_is_not_there_is_likened_to_what_can_be_checked(check):
    assert "Did you mean" not in check("Nope").err
    assert "Did you mean 'Round'?" in check("Rund").err


@given(st.lists(st.integers(0, 9), max_size=4), st.integers(-50, 50), st.integers(1, 50), st.integers(0, 99))
def test_inputs_as_they_are_written(shape, low, length, seed):
    text = ", ".join(map(str, shape)) or "()"
    assert parse_input(text) == InputSpec(tuple(shape))
    rng = np.random.default_rng(seed)
    whole = parse_input(f"int:{low},{low + length}:{text}").numbers(rng)
    assert whole.shape == tuple(shape) and whole.dtype.kind == "i"
    assert not whole.size or (whole.min() >= low and whole.max() < low + length)
    real = parse_input(f"float:{low},{low + length}.5:{text}").numbers(rng)
    assert real.shape == tuple(shape) and real.dtype == np.float64
    assert not real.size or (real.min() >= low and real.max() <= low + length + 0.5)


NONE = ("", "3x4", "3,-4", "3,,4", ":3", "int:0,6", "int:0,6:", "int:6,0:2", "int:0.5,2:3", "bool:0,1:3", "float:a,b:2")


@pytest.mark.parametrize("text", NONE)
def test_inputs_that_are_none(text):
    with pytest.raises(ConfigError, match="--input"):
        parse_input(text)
