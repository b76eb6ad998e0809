"""`minigen gradcheck`: as a user calls it on a file of his own, right, wrong, or not to be checked at all."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from cli.user_layers import FILE
from PIL import Image


@pytest.fixture
def check(minigen, tmp_path, monkeypatch):
    """Call the command on `layers.py` in an empty folder. Modules and paths are afterwards those of before."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    Path("layers.py").write_text(FILE)
    yield lambda *words: minigen("gradcheck", *words)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


def test_a_right_layer_passes_and_the_report_says_how_it_was_checked(check):
    result = check("layers:Layer", "--kwargs", '{"features": 4}', "--order", 2)
    assert result.code == 0 and result.err == ""
    lines = result.out.splitlines()
    assert lines[0].startswith("OK: Layer, 5 gradients to order 2")
    assert "parameter 'weight'" in result.out and "every one rejected" in result.out and "seed 0" in result.out
    assert "found by trying" in lines[-1] and "\x1b" not in result.out


def test_a_wrong_layer_leads_with_the_verdict_and_the_diagnosis(check):
    result = check("layers.py:Layer", "--kwargs", '{"features": 4, "wrong": true}')
    assert result.code == 1 and result.err == ""
    first, second, *_ = result.out.splitlines()
    assert first.startswith("WRONG, parameter 'weight' at index (") and first.endswith("order 1 of Layer")
    assert "looks like:" in second and "exchanged" in second


def test_a_second_derivative_is_asked_for(check):
    assert check("layers:Constant").code == 0
    result = check("layers:Constant", "--order", 2)
    assert result.code == 1 and result.out.startswith("WRONG, input 0") and "order 2 of Constant" in result.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("layers:net",), "5 gradients"),
        (("layers:Offering",), "inputs: its own example_inputs"),
        (("layers:logarithm",), "inputs from 0.5 to 1.5"),
        (("layers:positive_only",), "(3, 5), found by trying"),
        (("layers:single", "--dtype", "float32"), "(3, 5), found by trying"),
        (("layers:image",), "(3, 5, 7, 6), found by trying"),
        (("layers:power", "--kwargs", '{"exponent": 3}'), "1 gradient"),
        (("layers:two", "--input-shape", "3,4", "--input-shape", "(4,)"), "2 gradients"),
        (("layers:two", "--input-shape", "()", "--input-shape", "2,1"), "2 gradients"),
        (("layers:Product", "--kwargs", '{"wrong": false}', "--input-shape", "2,3", "--input-shape", "4,3"), "(4, 3)"),
        (("layers:Layer", "--kwargs", '{"features": 3}', "--no-self-test"), "found by trying"),
        (("layers:Layer", "--kwargs", '{"features": 3}', "--dtype", "float32"), "float32 on cpu"),
        (("minigen.nn:Dense", "--kwargs", '{"in_features": 3, "out_features": 2}'), "(5, 3), found by trying"),
        (("minigen.nn:Conv2d", "--kwargs", '{"in_channels": 1, "out_channels": 2, "kernel_size": 2}'), "OK: Conv2d"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_can_be_named(check, words, said):
    result = check(*words)
    assert result.code == 0, result
    assert said in result.out


def test_the_constructor_is_given_a_generator_and_the_seed_is_kept(check):
    words = ("layers:Layer", "--kwargs", '{"features": 3}', "--json")
    first, again, other = (json.loads(check(*words, "--seed", seed).out) for seed in (1, 1, 2))
    for facts in (first, again, other):
        facts.pop("seconds")
    assert first == again and first != other and other["seed"] == 2


BAD = {
    (): "what is to be checked? minigen gradcheck my_module:MyLayer, or --all",
    ("layers",): "names no class or function: give it as my_module:MyLayer or path/to/file.py:MyLayer; it has Product,",
    ("layers:",): "names no class or function",
    ("layers:Layr", ): "layers has no 'Layr'. Did you mean 'Layer'?; it defines Product, Layer",
    ("layer:Layer",): "there is no module 'layer' in ",
    ("layer:Layer", "--order", 2): "Did you mean 'layers'?",
    ("layer.py:Layer",): "there is no file layer.py. Did you mean 'layers.py'?",
    ("no/where.py:Layer",): "there is no file no/where.py.",
    ("my layer:Layer",): "is neither the name of a module nor the path of a .py file",
    ("layers:Layer",): """the constructor of Layer needs features (int): give them as JSON, for example --kwargs""",
    ("layers:Layer", "--kwargs", '{"feature": 4}'): "Layer has no argument 'feature'. Did you mean 'features'?",
    ("layers:Layer", "--kwargs", "{features: 4}"): "is no JSON",
    ("layers:Layer", "--kwargs", "[4]"): "expected names and values",
    ("layers:net", "--kwargs", '{"a": 4}'): "net is an object that is made already",
    ("layers:number",): "number is of type int: what can be checked is a Module",
    ("layers:np",): "np is of type module",
    ("layers:Empty",): "nothing to differentiate",
    ("layers:Integers",): "example_inputs of Integers gives int64: at least one input has to be of float numbers",
    ("layers:flat",): "has to return a Tensor or several; the output is float",
    ("layers:undefined",): "nan at the point itself (element 0 of its values). Let example_inputs() give other numbers",
    ("layers:two", "--input-shape", "3,4"): "two takes 2 or more inputs (x, w), but --input-shape was given 1 time:",
    ("layers:net", "--input-shape", 3, "--input-shape", 3): "takes 1 input (x), but --input-shape was given 2 times",
    ("layers:net", "--input-shape", "3x4"): "expected whole numbers with commas, such as 2,3,8,8, or (); got '3x4'",
    ("layers:net", "--input-shape", ""): "expected whole numbers with commas",
    ("layers:net", "--input-shape", "3,-4"): "expected whole numbers with commas",
    ("layers:net", "--order", 0): "0 is not in the range",
    ("layers:net", "--plot", "x.jpg"): "take a name that ends in .png, .pdf or .svg",
    ("layers:net", "--plot", "none/x.png"): "cannot write none/x.png: there is no folder",
    ("layers:net", "--input-shap", "3,4"): "unknown option '--input-shap'. Did you mean '--input-shape'?",
    ("layers:net", "--all"): "--all checks what ships: leave MODULE:NAME",
    ("--all", "--plot", "x.png"): "--all checks what ships",
}  # fmt: skip


@pytest.mark.parametrize("words", BAD, ids=lambda words: " ".join(map(str, words)))
def test_bad_input_is_one_clear_line_and_exit_code_2(check, words):
    result = check(*words)
    assert result.code == 2 and BAD[words] in result.err, result
    assert result.out == "" and len(result.err.splitlines()) == 1 and "Traceback" not in result.err


@pytest.mark.parametrize(
    ("words", "code", "lines"),
    [
        (("layers:net", "--input-shape", "2,7"), 2, ["ShapeError: Dense '0': expected input (N, 3), got (2, 7)",
                                                     "give the shape of each input by --input-shape"]),
        (("layers:Picky",), 2, ["ValueError: I want (2, 11), got (3, 5)", 'raise ValueError(f"I want',
                                "No shape that was tried suits it (x)", "example_inputs()"]),
        (("layers:raising",), 2, ["forward of raising raises RuntimeError: the sensor is cold",
                                  "  layers.py, line 136, in raising", "  layers.py, line 140, in helper",
                                  '    raise RuntimeError("the sensor is cold")']),
        (("layers:single",), 2, ["TypeError: Mul: inputs of dtype float64 and float32", "in the dtype of the input"]),
        (("layers:Raising",), 2, ["the constructor of Raising raises KeyError", "in __init__"]),
        (("layers:Broken",), 1, ["backward of Broken raises AttributeError", "in backward", "self.nothing"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_an_exception_of_the_user_is_shown_with_the_lines_of_the_user(check, words, code, lines):
    result = check(*words)
    assert result.code == code and result.out == "", result
    for line in lines:
        assert line in result.err
    assert "minigen/" not in result.err.replace("minigen/gradcheck", "") and "Traceback" not in result.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def f(x:\n", "SyntaxError"),
        ("import nowhere_to_be_found\n", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("raise SystemExit('bye')\n", "SystemExit: bye"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
    ],
)
def test_a_file_that_cannot_be_imported(check, text, said):
    Path("bad.py").write_text("\n\n" + text)
    for place in ("bad", "bad.py"):
        result = check(f"{place}:f")
        assert result.code == 2 and f"the import of {place} raises {said}" in result.err, result
        assert "bad.py, line 3" in result.err


def test_a_file_in_another_folder_finds_its_neighbours(check):
    Path("deep").mkdir()
    Path("deep/other.py").write_text("def f(x):\n    return x * x\n")
    Path("deep/mine.py").write_text("from other import f\n")
    assert check("deep/mine.py:f").code == 0


def test_json_is_strict_and_nothing_else_is_on_stdout(check):
    result = check("layers:noisy", "--json")
    facts = json.loads(result.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert result.code == 0 and facts["ok"] and facts["failure"] is None and facts["target"] == "noisy"
    assert {m["rejected"] for m in facts["mutations"]} == {True}
    assert "layer speaks" in result.err
    assert "layer speaks" in check("layers:noisy").out


def test_a_picture(check):
    for name, words in {"right": (), "wrong": ("--kwargs", '{"features": 4, "wrong": true}')}.items():
        target = ("layers:net",) if name == "right" else ("layers:Layer", *words)
        result = check(*target, "--plot", f"{name}.png")
        assert f"drawn: {name}.png" in result.out
        with Image.open(f"{name}.png") as image:
            assert np.asarray(image.convert("L")).std() > 5  # something is drawn


def test_a_gpu_that_is_not_there(check, monkeypatch):
    for module in ("minigen.cli.gradcheck", "minigen.inventory.checking"):
        monkeypatch.setattr(f"{module}.cuda_status", lambda: (False, "the driver is asleep"))
    for words in (("layers:net",), ("--all",)):
        result = check(*words, "--device", "cuda")
        assert result.code == 2 and "--device cuda: the driver is asleep" in result.err
