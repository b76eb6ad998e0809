"""`LocalEngine` in a page from disk: in a Web Worker, and without one; without WebAssembly; its answers and errors.

Read next: ``../../minigen/pages/static/engine_local.js``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages.browser import opened
from pages.small_runs import small_run

from minigen.explore.page import FORWARD
from minigen.explore.programs import program_of
from minigen.pages.assemble import POLICY, STATIC

HEAD = '<!doctype html><link rel=icon href=data:,><meta http-equiv="Content-Security-Policy" content="{policy}">'
PAGE = """<script type="text/plain" id="forward-source">{source}</script><script>{engine}
const programs = {programs};
const engine = new LocalEngine(programs, document.getElementById("forward-source").textContent);
const call = async (part, inputs) => {{
  const given = {{}};
  for (const [name, [numbers, shape]] of Object.entries(inputs)) {{
    given[name] = {{ data: Float32Array.from(numbers), shape }};
  }}
  try {{
    const outputs = await engine.run(part, given);
    const plain = ([name, {{ data, shape }}]) => [name, [Array.from(data), shape]];
    return Object.fromEntries(Object.entries(outputs).map(plain));
  }} catch (error) {{
    return error.message;
  }}
}};
</script>"""


@contextmanager
def engine(folder: Path, *, policy: str = POLICY, before: str = "") -> Iterator[Any]:
    """A page with the engine of a small VAE; `before` is a script that runs first."""
    run = small_run("vae")
    texts = [(STATIC / name).read_text(encoding="utf-8") for name in FORWARD]
    programs = {part: program_of(run, part) for part in ("decoder", "encoder")}
    page = PAGE.format(
        source="\n".join(texts), engine=(STATIC / "engine_local.js").read_text(encoding="utf-8"),
        programs=json.dumps(programs),
    )  # fmt: skip
    path = folder / "engine.html"
    path.write_text(f"{HEAD.format(policy=policy)}<script>{before}</script>{page}", encoding="utf-8")
    with opened(path, allowed=("Content Security Policy",)) as opened_page:
        yield opened_page


def value(x: Any) -> list[Any]:
    return [np.ravel(x).tolist(), list(np.shape(x))]


def array(found: Any) -> Any:
    numbers, shape = found
    return np.array(numbers, np.float32).reshape(shape)


NO_WASM = POLICY.replace(" 'wasm-unsafe-eval'", "")


@pytest.mark.parametrize(
    ("policy", "before", "worker", "simd"),
    [
        (POLICY, "", True, True),
        (POLICY, "window.Worker = undefined;", False, True),
        (POLICY.replace("worker-src blob:", "worker-src 'none'"), "", False, True),
        (NO_WASM, "", True, False),
    ],
    ids=["worker", "no worker", "refused worker", "no WebAssembly"],
)
def test_answers_are_those_of_the_run(tmp_path: Path, policy: str, before: str, worker: bool, simd: bool) -> None:
    assert NO_WASM != POLICY
    run = small_run("vae")
    codes = np.random.default_rng(0).normal(size=(3, run.latent.size)).astype(np.float32)
    images = run.images().images_float()[:2]
    with engine(tmp_path, policy=policy, before=before) as page:
        found = page.evaluate("codes => call('decoder', {code: codes})", value(codes))
        np.testing.assert_allclose(array(found["image"]), run.decode(codes), atol=1e-5)
        found = page.evaluate("images => call('encoder', {image: images})", value(images))
        np.testing.assert_allclose(array(found["mean"]), run.encode(images), rtol=1e-4, atol=1e-5)
        found = page.evaluate(
            "codes => Promise.all(codes.map((code) => call('decoder', {code})))", [value(codes[:n]) for n in (1, 3, 2)]
        )
        assert [len(array(one["image"])) for one in found] == [1, 3, 2]
        assert (len(page.workers) == 1) == worker
        here = page.workers[0] if worker else page
        if worker:
            assert here.evaluate("() => memory.kernels !== null") == simd


def test_errors_are_sentences_and_the_engine_goes_on(tmp_path: Path) -> None:
    code = np.zeros((1, small_run("vae").latent.size))
    with engine(tmp_path) as page:
        said = page.evaluate("code => call('decoder', {code})", value(code[:, 1:]))
        assert said == "the input 'code' is (N, 8), got 7 numbers of shape (1, 7)"
        assert page.evaluate("code => call('decoder', {})", 0) == "the input 'code' (N, 8) is missing"
        said = page.evaluate("code => call('generator', {code})", value(code))
        assert said == "this run has no generator; its parts are decoder, encoder"
        assert "image" in page.evaluate("code => call('decoder', {code})", value(code))
        closed = page.evaluate(
            "code => { const asked = call('decoder', {code}); engine.close(); return asked; }", value(code)
        )
        assert closed == "the engine was closed"
        assert "image" in page.evaluate("code => call('decoder', {code})", value(code))  # it starts again


def test_a_dense_decoder_paints_at_least_20_images_a_second(tmp_path: Path) -> None:
    code = np.zeros((1, small_run("vae").latent.size))
    with engine(tmp_path) as page:
        rate = page.evaluate(
            """async (code) => {
                await call("decoder", {code});
                const start = performance.now();
                for (let i = 0; i < 40; i++) await call("decoder", {code});
                return 40000 / (performance.now() - start);
            }""",
            value(code),
        )
    assert rate >= 20
