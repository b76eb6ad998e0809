"""What `mg.draw` shows: each operation once, with its inputs, shapes and names; what it refuses, and in which words.

Read next: ``svg_read.py``, ``test_modules.py``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawing.svg_read import Drawn, rows, walked
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

import minigen as mg
from minigen import losses, nn, ops, optim
from minigen.autograd import Tensor
from minigen.drawing import Drawing


def leaf(*shape: int, value: float = 0.5, dtype: str = "f4") -> Tensor:
    return Tensor(np.full(shape, value, dtype), requires_grad=True)


OPERATIONS: list[Any] = [
    lambda a, b: a + b,
    lambda a, b: a * b,
    lambda a, b: ops.sin(a),
    lambda a, b: 2.0 - a,
    lambda a, b: ops.maximum(a, b),
    lambda a, b: ops.concat([a, b])[:2],
]


@st.composite
def results(draw: Any) -> list[Tensor]:
    """One to three results of random operations on each other's results."""
    tensors = [leaf(2), leaf(2, value=0.25), Tensor(np.ones(2, np.float32))]
    for kind, a, b in draw(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 99), st.integers(0, 99)), max_size=40)):
        tensors.append(OPERATIONS[kind](tensors[a % len(tensors)], tensors[b % len(tensors)]))
    tensors.append(tensors[0] * tensors[-1])
    made = [t for t in tensors if t.node is not None]
    return [made[-1], *(made[i % len(made)] for i in draw(st.lists(st.integers(0, 99), max_size=2, unique=True)))]


@settings(max_examples=60, deadline=None)
@given(results())
def test_a_random_graph_is_drawn_whole(made: list[Tensor]) -> None:
    functions, leaves = walked(made)
    drawing = mg.draw(made, collapse=False)
    table, drawn = rows(str(drawing)), Drawn(drawing.svg)
    drawn.check_places()
    operations = [(i, row) for i, row in enumerate(table) if row[1]]
    assert len(table) == len(drawn.boxes) == len(functions) + len(leaves)
    place: dict[int, int] = {}  # of each Tensor, by its id, its row
    for (i, (title, inputs, shape)), function in zip(operations, functions, strict=True):
        assert type(function).__name__ in title
        tensors = [x for x in function.inputs if isinstance(x, Tensor)]
        assert len(inputs) == len(tensors)
        for x, n in zip(tensors, inputs):
            assert place.setdefault(id(x), n) == n < i  # the same Tensor is the same box, and above
            assert table[n][2].startswith(str(x.shape)) and bool(table[n][1]) == (x.node is not None)
            if x.node is not None:
                assert type(x.node).__name__ in table[n][0]
        assert shape
    inputs = [x for function in functions for x in function.inputs if isinstance(x, Tensor)]
    assert len(drawn.arrows) == len(inputs)
    assert drawn.still == sum(not x.requires_grad for x in inputs)
    assert sum("result" in box.kinds for box in drawn.boxes) == len({id(t) for t in made})


@settings(max_examples=20, deadline=None)
@given(results())
def test_the_same_graph_is_the_same_text(made: list[Tensor]) -> None:
    first, second = mg.draw(made, values=True), mg.draw(made, values=True)
    assert (first.svg, str(first)) == (second.svg, str(second))


def small() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x = Tensor(np.array([[1, 2, 3], [4, 5, 6]], np.float32))
    w, b = leaf(3, 2), leaf(2, value=0.0)
    return x, w, b, ops.relu(x @ w + b).sum()


def test_the_table_and_the_boxes_of_a_small_graph() -> None:
    x, w, b, y = small()
    drawing = mg.draw(y, names={"x": x, "w": w, "b": b, "y": y})
    assert str(drawing) == (
        "y: 4 operations, 3 leaves\n"
        "   made by    from  shape\n"
        "0  x                (2, 3)  constant\n"
        "1  w                (3, 2)  leaf\n"
        "2    MatMul   0, 1  (2, 2)\n"
        "3  b                (2,)    leaf\n"
        "4    Add      2, 3  (2, 2)\n"
        "5    Relu     4     (2, 2)\n"
        "6    y = Sum  5     ()"
    )
    drawn = Drawn(drawing.svg)
    kinds = {box.words[0]: box.kinds for box in drawn.boxes}
    assert kinds["x"] == ["box", "constant"] and kinds["w"] == kinds["b"] == ["box", "leaf"]
    assert kinds["y = Sum"] == ["box", "first0", "operation", "result"]
    assert "a of MatMul: (2, 3), no gradient flows back" in drawn.arrows
    assert "b of MatMul: (3, 2), a gradient flows back" in drawn.arrows
    assert drawn.legend == ["leaf", "constant", "operation", "result", "no gradient flows back"]
    assert drawn.title == "y: 4 operations, 3 leaves" and drawn.desc == str(drawing)
    assert repr(drawing) == "<Drawing of y: 4 operations, 3 leaves>"


def test_values_and_gradients_are_shown_where_asked() -> None:
    x, w, b, y = small()
    y.backward()
    large = leaf(40, value=3.0)
    large.data[0] = np.nan
    drawing = mg.draw(y + (large * 1.0).sum(), names={"x": x, "w": w}, values=True)
    boxes = {box.words[0]: box.words[2:] for box in Drawn(drawing.svg).boxes}
    assert boxes["x"] == ["1  2  3", "4  5  6"]
    assert boxes["w"] == ["0.5  0.5"] * 3 + ["grad 5  5", "     7  7", "     9  9"]
    assert boxes["leaf"] != boxes["x"]
    assert "3 to 3, mean 3, 1 NaN" in str(drawing)
    assert "grad" not in str(mg.draw(y)) and "0.5" not in str(mg.draw(y))
    assert "no elements" in str(mg.draw(leaf(0) * 2.0, values=True))


def test_dtypes_are_written_where_they_differ() -> None:
    x = leaf(5, 3)
    text = str(mg.draw((x * 2.0).sum().to(dtype=np.float64)))
    assert "() float64" in text and "float32" not in text
    assert "float" not in str(mg.draw(leaf(2, dtype="f8") * 2.0))


def test_numbers_settings_and_scalars_are_shown() -> None:
    x = leaf(2, 3)
    drawing = mg.draw(ops.sum(2.0 - x, axis=1) * Tensor(np.float32(3)), names={"x": x})
    titles = [row[0] for row in rows(str(drawing))]
    assert "Sub, a = 2" in titles and "3" in titles
    assert any("axis=" in box.tooltip for box in Drawn(drawing.svg).boxes if box.words[0] == "Sum")


def test_gradients_are_coloured_by_the_first_result_that_needs_them() -> None:
    x = leaf(1)
    y = (x**3).sum()
    (g,) = mg.grad(y, [x], create_graph=True)
    (h,) = mg.grad(g.sum(), [x], create_graph=True)
    drawing = mg.draw([y, g, h], names={"y": y, "x": x})
    drawn = Drawn(drawing.svg)
    colours = {kind for box in drawn.boxes for kind in box.kinds if kind.startswith("first")}
    assert colours == {"first0", "first1", "first2"}
    assert [w for w in drawn.legend if w.startswith("made for")] == [
        "made for y", "made for result 1", "made for result 2",
    ]  # fmt: skip
    of_y = walked([y])[0]
    assert sum("first0" in box.kinds for box in drawn.boxes) == len(of_y)
    assert len(walked([y, g, h])[0]) == sum("operation" in box.kinds for box in drawn.boxes)


def test_an_input_that_was_changed_in_place_is_noted() -> None:
    p = nn.Parameter(np.ones(3, np.float32))
    loss = (p * p).sum()
    loss.backward()
    assert "changed" not in str(mg.draw(loss))  # a backward pass frees nothing, and changes nothing
    optim.SGD([p], lr=0.1).step()
    assert str(mg.draw(loss)).count("changed in place since: no gradient flows here") == 1


def test_files_notebooks_and_markup(tmp_path: Path) -> None:
    x = leaf(2)
    y = (x * 2.0).sum()
    drawing = mg.draw(y, tmp_path / "a.svg", names={'<x> & "y"\n\x01': x, "n" * 500: y})
    assert isinstance(drawing, Drawing) and (tmp_path / "a.svg").read_text("utf-8") == drawing.svg
    words = [box.words[0] for box in Drawn(drawing.svg).boxes]
    assert r'<x> & "y" \x01' in words and f"{'n' * 37}... = Sum" in words
    drawing.save(str(tmp_path / "b.SVG"))
    assert (tmp_path / "b.SVG").read_bytes() == (tmp_path / "a.svg").read_bytes()
    assert drawing._repr_html_().endswith(f"{drawing.svg}</div>")
    assert list(tmp_path.glob(".minigen*")) == []


def test_names_of_all_letters_are_shown_escaped_or_given_room() -> None:
    """Neither the file nor the terminal gets a character that it cannot show: XML forbids \\ufffe, UTF-8 \\ud800."""
    odd, wide = "a\x1b[31m\u202e\ud800\ufffe", "\u5b66\u7fd2" * 9
    x, y = leaf(2), leaf(2)
    drawing = mg.draw((x * y).sum(), names={odd: x, wide: y})
    boxes = {box.words[0]: box for box in Drawn(drawing.svg).boxes}
    assert r"a\x1b[31m\u202e\ud800\ufffe" in boxes and not any(c in str(drawing) for c in odd[1:] if c not in "[31m")
    assert boxes[wide].right - boxes[wide].left >= 18 * 13  # a letter is as wide as it is high
    rows = str(drawing).splitlines()[1:]
    assert len({cell_len(row[: row.index("(")]) for row in rows if "(" in row}) == 1


def test_the_headline_names_operations_without_their_numbers() -> None:
    x = leaf(2)
    assert repr(mg.draw(x * 2.0)) == "<Drawing of Mul: 1 operation, 1 leaf>"
    y = x * 2.0
    assert repr(mg.draw(y, names={"a = b": y})) == "<Drawing of a = b: 1 operation, 1 leaf>"


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: mg.draw(leaf(2)), ValueError, r"draw: Tensor\(.*has no history: nothing that it was made from requ"),
        (lambda: mg.draw([leaf(2) * 2.0, leaf(2)]), ValueError, "draw: result 1, Tensor"),
        (lambda: mg.draw(lambda: leaf(2)), ValueError, "has no history"),
        (lambda: mg.draw([]), TypeError, r"draw: expected a Tensor, several, .*; got \[\]"),
        (lambda: mg.draw(lambda: None), TypeError, "the function returned None"),
        (lambda: mg.draw(nn.Dense(2, 2)), TypeError, "draw: Dense is a Module; draw what it returns"),
        (lambda: mg.draw(leaf(2) * 2.0, "a.png"), ValueError, "draw: an SVG file is written, .* 'a.png' does not"),
        (lambda: mg.draw(leaf(2) * 2.0, names=[1]), TypeError, "draw: names is a Module, or Tensors and Modules by"),
        (lambda: mg.draw(leaf(2) * 2.0, names={"a": 1}), TypeError, "under 'a' 1"),
        (lambda: mg.draw(leaf(2) * 2.0, collapse=True), ValueError, "collapse=True needs to know the Modules"),
        (lambda: mg.draw(leaf(2) * 2.0).save("a.png"), ValueError, "Drawing.save: an SVG file"),
        (lambda: mg.draw(leaf(2) * 2.0, "/nowhere/a.svg"), OSError, "/nowhere/a.svg"),
    ],
)  # fmt: skip
def test_what_is_refused(call: Any, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        call()


def test_results_without_a_graph_name_the_usual_causes() -> None:
    x = leaf(2)
    with mg.no_grad():
        y = x * 2.0
    (g,) = mg.grad((x * x).sum(), [x])
    for t in (y, g, y.detach()):
        with pytest.raises(ValueError, match="in no_grad or by a compiled step, or it is a gradient that was made wi"):
            mg.draw(t)


def test_it_runs_with_all_kinds_of_losses() -> None:
    net = nn.Sequential(nn.Dense(3, 3, rng=mg.Generator(0)), ops.tanh)
    x = Tensor(np.ones((2, 3), np.float32))
    for loss in (losses.mse, losses.bce_with_logits):
        Drawn(mg.draw(lambda loss=loss: loss(net(x), x), names=net, values=True).svg).check_places()
