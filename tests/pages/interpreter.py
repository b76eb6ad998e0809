"""The interpreter of programs (``minigen/pages/static/forward.js``) in a real browser, as a function of arrays.

Read next: ``test_forward_operations.py``.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from pages.browser import PATIENCE, browser

from minigen.explore.page import FORWARD
from minigen.onnx.program import LARGEST
from minigen.pages.assemble import STATIC

Array = np.ndarray[Any, Any]
IN_BROWSER = {"int64": "int32", "bool": "uint8"}  # what arrays are there
BRIDGE = """
const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const textOf = ({ buffer, byteOffset, byteLength }) => {
  const bytes = new Uint8Array(buffer, byteOffset, byteLength), parts = [];
  for (let i = 0; i < bytes.length; i += 8192) parts.push(String.fromCharCode(...bytes.subarray(i, i + 8192)));
  return btoa(parts.join(""));
};
let network;
const load = (program) => { network = new Network(program); };
const run = (inputs) => {
  const given = {};
  for (const [name, { dtype, shape, data }] of Object.entries(inputs)) {
    given[name] = { data: new ARRAYS[dtype](bytesOf(data).buffer), shape };
  }
  try {
    const outputs = network.run(given);
    const sent = ({ data, shape }) => ({ data: textOf(data), shape });
    return network.program.outputs.map(({ name }) => sent(outputs[name]));
  } catch (error) {
    return error.message;
  }
};
const plainly = () => { memory.kernels = null; };
"""


class RefusedError(Exception):
    """What an error of the interpreter says."""


@functools.cache
def page(simd: bool = True) -> Any:
    """A page that holds the interpreter; with or without the kernel in WebAssembly."""
    made = browser().new_page()
    made.set_default_timeout(PATIENCE)
    script = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in FORWARD)
    made.set_content(f"<script>{script}{BRIDGE}</script>")
    made.evaluate("() => memory.start()")
    assert made.evaluate("() => memory.kernels !== null"), "this browser has no SIMD in WebAssembly"
    if not simd:
        made.evaluate("() => plainly()")
    return made


def computed(program: Mapping[str, Any], simd: bool = True) -> Callable[[Sequence[Array]], list[Array]]:
    """A program as a function of its inputs. RefusedError: what the error of the browser says."""
    here = page(simd)
    here.evaluate("program => load(program)", program)

    def run(arrays: Sequence[Array]) -> list[Array]:
        inputs = {about["name"]: _sent(x) for about, x in zip(program["inputs"], arrays, strict=True)}
        found = here.evaluate("inputs => run(inputs)", inputs)
        if isinstance(found, str):
            raise RefusedError(found)
        return [_received(y, about["dtype"]) for y, about in zip(found, program["outputs"], strict=True)]

    return run


def _sent(x: Array) -> dict[str, Any]:
    kind = IN_BROWSER.get(str(x.dtype), str(x.dtype))
    return {"dtype": kind, "shape": list(x.shape), "data": base64.b64encode(x.astype(kind).tobytes()).decode()}


def _received(y: Mapping[str, Any], dtype: str) -> Array:
    numbers = np.frombuffer(base64.b64decode(y["data"]), IN_BROWSER.get(dtype, dtype))
    return numbers.reshape(y["shape"]).astype(dtype)


def single(op: str, inputs: Sequence[Any], *, outputs: int = 1, **attributes: Any) -> list[Array]:
    """What one operation makes of arrays, in a program of its own; None is left out."""
    names = [f"x{i}" for i in range(len(inputs))]
    given = {name: np.asarray(x) for name, x in zip(names, inputs) if x is not None}
    assert all(abs(x).max(initial=0) <= LARGEST for x in given.values() if x.dtype.kind == "i")
    made = [f"y{i}" for i in range(outputs)]
    dtype = attributes.pop("dtype", "float32")
    operation = {
        "op": op, "inputs": [n if n in given else "" for n in names], "outputs": made, "attributes": attributes,
        "layer": "",
    }  # fmt: skip
    program = {
        "inputs": [{"name": n, "dtype": str(x.dtype), "shape": list(x.shape)} for n, x in given.items()],
        "outputs": [{"name": n, "dtype": dtype, "shape": []} for n in made],
        "operations": [operation], "weights": {},
    }  # fmt: skip
    return computed(program)([*given.values()])
